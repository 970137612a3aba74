"""`fastgrad demo`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from . import options, output


@click.command("demo", epilog="\b\nExamples:\n  fastgrad demo\n  fastgrad demo --epochs 80 --plot curve.png")
@click.option("--epochs", type=options.FROM_ONE, default=40, show_default=True,
              help="Passes over the training images.")  # fmt: skip
@click.option("--plot", type=options.NEW_FILE, metavar="FILE.png", help="Also save the loss curve as a picture.")
@options.seed
@options.as_json
def command(epochs: int, plot: Path | None, seed: int, as_json: bool) -> int:
    """Learn handwritten digits, every figure explained."""
    from ..demo import run

    if plot is not None:
        output.require_matplotlib()
    if as_json:
        found = run(epochs=epochs, seed=seed, plot=plot, say=lambda text: print(text, file=sys.stderr))
        output.show_json(found)
    else:
        found = run(epochs=epochs, seed=seed, plot=plot)
    return 0 if found["gradient_passed"] else 1
