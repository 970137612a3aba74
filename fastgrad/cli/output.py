"""How results look: a table that fits a terminal, the same as Markdown for pipes and files, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..bench.runs import table


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table: with rich on a terminal where it is installed, otherwise as Markdown, which grep can read."""
    if sys.stdout.isatty():
        try:
            from rich.console import Console
            from rich.table import Table
            from rich.text import Text
        except ImportError:
            pass
        else:
            shown = Table(title=Text(title) if title else None, title_justify="left")
            for name in header:  # as Text: a name such as [red] is no markup
                shown.add_column(Text(name))
            for row in rows:
                shown.add_row(*map(Text, row))
            Console(highlight=False).print(shown)
            return
    if title:
        print(f"## {title}\n")
    print(table(header, rows))


def require_matplotlib() -> None:
    """ImportError, with the command that mends it, before the work is done."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f'{error}. --plot needs matplotlib: pip install "fastgrad[plot]"') from error


def show_json(value: Any) -> None:
    """Print JSON; NumPy's numbers and arrays as plain ones, the rest that JSON does not know as text."""

    def plain(other: Any) -> Any:
        return other.tolist() if isinstance(other, np.ndarray | np.generic) else str(other)

    print(json.dumps(value, indent=2, default=plain))
