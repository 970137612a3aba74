"""`fastgrad bench`: a command for each suite of bench/suites.py, and two for the files that they write."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from . import options, output


def cases(text: str) -> str:
    """What `workloads.find_cases` understands, unread as yet, since it also wants the seed."""
    from ..bench.workloads import find_cases

    find_cases(text)
    return text


def contenders(text: str) -> tuple[str, ...]:
    """Names of peers, or "none"."""
    from ..bench.suites import PEERS

    names = () if text == "none" else tuple(text.split(","))
    for name in names:
        if name not in PEERS:
            raise ValueError(f"expected none or some of {', '.join(PEERS)}, found {name!r}")
    return names


def measure(suite: str, *, cases: str, json: Path | None, **given: Any) -> None:
    """Run a suite, print its table, write all figures where --json says."""
    from ..bench import suites, workloads

    result = suites.run(suite, suites.Options(cases=workloads.find_cases(cases, given["seed"]), **given))
    output.show_table(result.header, result.rows, result.title)
    print("\n" + "\n".join(f"- {note}" for note in result.notes))
    if json:
        write_json(json, suites.document([result]))


def write_json(path: Path, document: Any) -> None:
    """All figures in a file, whole or not at all."""
    from ..files import replacing

    with replacing(path) as new:
        new.write_text(json.dumps(document, indent=1, default=str) + "\n", encoding="utf-8")


def suite_command(name: str, suite: Callable[..., Any]) -> click.Command:
    """The command of a suite; its words are the first line of the suite's own."""
    option = partial(click.Option, show_default=True)
    words = (suite.__doc__ or "").split("\n")[0]
    return click.Command(
        name, callback=partial(measure, name), help=words,
        epilog=f"\b\nExamples:\n  fastgrad bench {name} --quick\n  fastgrad bench {name} --threads 1 --json new.json",
        params=[
            option(["--cases"], type=options.Parsed("cases", cases), default="own",
                   help="own, odd, random or sizes:batch such as 64-128-10:32, by commas."),
            option(["--threads"], type=options.NUMBERS, default="1,2", help="Numbers of threads."),
            option(["--peers"], type=options.Parsed("names", contenders),
                   default="jax,jax-npshuffle,torch,torch.compile,sklearn", help="Contenders, by commas, or none."),
            option(["--rounds"], type=options.WHOLE, default=0, help="Alternations; 0: as the suite wants."),
            option(["--quick"], is_flag=True, help="Tiny sizes: see that it runs, believe no figure."),
            option(["--data"], default="", show_default=False, metavar="DIR",
                   help="mnist: the folder with its four .gz files; estimators: one with the sets' folders."),
            option(["--json"], type=options.NEW_FILE, metavar="FILE", help="Write all figures there."),
            option(["--dtype"], type=click.Choice(options.DTYPES), default="float32", help="Float type."),
            option(["--seed"], type=options.WHOLE, default=0, help="Of everything drawn at random."),
        ],
    )  # fmt: skip


class Suites(click.Group):
    """The suites as they are declared, and the commands that are no suite."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Suites in their order, then the rest."""
        from ..bench.suites import SUITES

        return [*SUITES, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name."""
        from ..bench.suites import SUITES

        if cmd_name in SUITES:
            return suite_command(cmd_name, SUITES[cmd_name])
        return super().get_command(ctx, cmd_name)


@click.group("bench", cls=Suites, epilog="""\b
Examples:
  fastgrad bench train --json old.json
  fastgrad bench compare old.json new.json
  fastgrad bench report old.json new.json --output report.html""")  # fmt: skip
def command() -> None:
    """Measure speed: alone, beside other libraries, on whole tasks."""


@command.command("compare", epilog="\b\nExample:\n  fastgrad bench compare old.json new.json")
@click.argument("old", type=options.FILE)
@click.argument("new", type=options.FILE)
@click.option("--threshold", type=click.FloatRange(0, 1, max_open=True), metavar="FRACTION",
              help="How much a share of the peak may fall; by default what the rounds' own scatter explains.")  # fmt: skip
def compare(old: Path, new: Path, threshold: float | None) -> int:
    """Compare two files of figures; exit status 1 where NEW is slower.

    OLD and NEW were written by `fastgrad bench SUITE --json FILE`.
    """
    from ..bench import compare as comparisons

    found = comparisons.compare(old, new, threshold=threshold)
    print(found)
    return 0 if found.passed else 1


@command.command("report", epilog="\b\nExample:\n  fastgrad bench report *.json --output report.html")
@click.argument("files", type=options.FILE, nargs=-1, required=True, metavar="FILE...")
@click.option("--output", "to", type=options.NEW_FILE, required=True, metavar="FILE.html", help="The page to write.")
def report(files: tuple[Path, ...], to: Path) -> None:
    """Make one page of files of figures."""
    from ..bench import report as reports

    reports.write(files, to)
