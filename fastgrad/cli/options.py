"""Values and options that commands share: what is accepted, and the words for what is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..files import writable
from ..tables.table import MISSING, Table

DTYPES = ("float32", "float64")
WHOLE, POSITIVE = click.IntRange(min=0), click.FloatRange(min=0, min_open=True)
FROM_ONE = click.IntRange(min=1)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class Parsed(click.ParamType):  # type: ignore[type-arg]  # generic for type checkers, from 8.4 on, but not when run
    """What a function makes of a text; its ValueError becomes the message of a wrong call."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name, self.parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The parsed value; what is parsed already stays as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value)
        except (ValueError, OSError) as error:
            self.fail(str(error), param, ctx)


def whole_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers from 1 up, separated by commas.

    >>> whole_numbers("64,32")
    (64, 32)
    """
    parts = text.split(",")
    if not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise ValueError(f"expected whole numbers from 1 up such as 64,32, found {text!r}")
    return tuple(map(int, parts))


def new_file(text: str) -> Path:
    """A file that can be written when the work is done, so that no result is lost at the end of a long run."""
    path = Path(text)
    writable(path)
    if path.exists() and not path.is_file():
        raise ValueError(f"expected an ordinary file, found {text!r}")
    return path


def delimiter(text: str) -> str:
    """One character; the tab can be written as a word."""
    text = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(text) != 1 or text in '\r\n"':
        raise ValueError(f"expected one character, or tab, found {text!r}")
    return text


NUMBERS, NEW_FILE = Parsed("numbers", whole_numbers), Parsed("file", new_file)

seed = click.option("--seed", type=WHOLE, default=0, show_default=True, help="Of everything drawn at random.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
threads = click.option("--threads", type=FROM_ONE, help="Threads; by default as many as help.")


def dtype(default: str) -> Callable[[Any], Any]:
    """The option --dtype."""
    return click.option("--dtype", type=click.Choice(DTYPES), default=default, show_default=True, help="Float type.")


def text_file(command: Any) -> Any:
    """The options of how a text file is read."""
    header = click.option(
        "--header/--no-header", default=None,
        help="Whether the first line of a text file holds names. By default it does where it has no number above a "
        "column of numbers, or holds a name that is asked for.",
    )  # fmt: skip
    separator = click.option(
        "--delimiter", type=Parsed("character", delimiter),
        help="Between the fields of a text file: a character, or tab. By default one of , ; tab | is found out.",
    )  # fmt: skip
    return header(separator(command))


def targets(table: Table, names: tuple[str, ...]) -> list[int]:
    """The places of the target columns, of the labels where they came beside the table; a wrong call otherwise."""
    if table.labels:
        if names:
            raise click.UsageError(
                "--target: the labels come from elsewhere (--labels, or y of the file); leave it out"
            )
        return [-1 - k for k in range(len(table.labels))]
    if not names:
        raise click.UsageError("--target: name the column to be learnt, or give --labels")
    return found(table, names, "--target")


def found(table: Table, names: tuple[str, ...], option: str) -> list[int]:
    """The places of columns, each once."""
    try:
        return list(dict.fromkeys(map(table.find, names)))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def empty_cells(text: str) -> tuple[str, ...]:
    """What stands for an empty cell, by commas."""
    return tuple(part.strip() for part in text.split(","))


EMPTY = Parsed("texts", empty_cells)
EMPTY_DEFAULT = ",".join(filter(None, MISSING))
