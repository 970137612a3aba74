"""`fastgrad predict`."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import click

from . import options, output


@click.command("predict", epilog="""\b
Examples:
  fastgrad predict houses.safetensors new.csv
  fastgrad predict houses.safetensors new.csv --output prices.csv
  fastgrad predict digits.safetensors t10k-images-idx3-ubyte.gz --json | head""")  # fmt: skip
@click.argument("model", type=options.FILE)
@click.argument("data", type=options.FILE)
@click.option("--output", "to", type=options.NEW_FILE, metavar="FILE",
              help="Write there, whole or not at all, instead of to standard output.")  # fmt: skip
@click.option("--unknown", type=click.Choice(["error", "zero"]), default="error", show_default=True,
              help="What a category is that was not there in training: an error, or no category at all.")  # fmt: skip
@options.text_file
@options.threads
@options.as_json
def command(
    model: Path, data: Path, to: Path | None, unknown: str, delimiter: str | None, header: bool | None,
    threads: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Predict the rows of DATA with a saved network.

    DATA is a table like the one that MODEL was trained on. Columns are found by name where there is a header, otherwise
    by position; targets need not be there, and are not looked at if they are. Empty cells are treated as in training.

    For classes, CSV with the class of each row and the probability of every class (with hinge: its score); otherwise
    the values. All digits are given.
    """
    import fastgrad as fg

    from ..files import replacing
    from ..tables import predictions, reading

    net = fg.load(model)
    names = [feature["name"] for feature in net.metadata.get("table", {}).get("features", [])]
    table = reading.read(data, delimiter=delimiter, header=header, names=names)
    found = predictions.predict(net, predictions.encoding_of(net, table), table, unknown=unknown, threads=threads)
    if as_json and to is None:
        output.show_json({"predictions": found.records()})
    elif to is None:
        write_csv(sys.stdout, found.rows())
    else:
        with replacing(to) as new, open(new, "w", encoding="utf-8", newline="") as file:
            if as_json:
                json.dump(output.plain({"predictions": found.records()}), file, indent=2)
            else:
                write_csv(file, found.rows())


def write_csv(file: IO[str], rows: Iterable[Iterable[str]]) -> None:
    """Rows as CSV, a line each."""
    csv.writer(file, lineterminator="\n").writerows(rows)
