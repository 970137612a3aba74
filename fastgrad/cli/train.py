"""`fastgrad train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..catalog import ACTIVATIONS, LOSSES, OPTIMIZERS
from ..schedules import SCHEDULES
from ..tables.encoding import RULES
from ..tables.learning import TASKS
from . import options, output


def hidden_sizes(text: str) -> tuple[int, ...]:
    """Sizes by commas, or "none" for a linear model."""
    return () if text == "none" else options.whole_numbers(text)


def batch_rows(text: str) -> int | str:
    """A number of rows, or "all"."""
    return text if text == "all" else options.whole_numbers(text)[0]


def data_options(command: Any) -> Any:
    """What the columns are and how cells are read."""
    for add in reversed((
        click.option("--target", multiple=True, metavar="COL",
                     help="The column to learn: its name, or its number, from 0, or from the end as -1, -2, ... "
                     "Several times for a regression of several values."),
        click.option("--labels", type=options.FILE, metavar="FILE",
                     help="Targets in a file of their own, a row for each row of DATA."),
        click.option("--ignore", multiple=True, metavar="COL", help="A column to leave out, as --target."),
        click.option("--task", type=click.Choice(TASKS), default="auto", show_default=True,
                     help="auto: classification where the target column holds text (or comes from an IDX file of "
                     "labels), regression where it holds numbers."),
        click.option("--missing", type=click.Choice(RULES), default="error", show_default=True,
                     help="An empty cell is an error; or (mean) the column's mean, for numbers; or (category) a category "
                     "of its own in columns of text and the mean in columns of numbers; or (drop) its row is left out. "
                     "`predict` follows the same rule; with drop, an empty cell is an error there."),
        click.option("--na", type=options.EMPTY, default=options.EMPTY_DEFAULT, show_default=True, metavar="TEXTS",
                     help="What stands for an empty cell, by commas, beside nothing at all."),
        options.text_file,
    )):  # fmt: skip
        command = add(command)
    return command


def network_options(command: Any) -> Any:
    """What is trained, and how."""
    for add in reversed((
        click.option("--hidden", type=options.Parsed("numbers", hidden_sizes), default="64", show_default=True,
                     help="Sizes of the hidden layers such as 64,32, or none for a linear model."),
        click.option("--activation", type=click.Choice(list(ACTIVATIONS)), default="relu", show_default=True,
                     metavar="NAME", help=f"Of the hidden layers: {', '.join(ACTIVATIONS)}."),
        click.option("--loss", type=click.Choice(list(LOSSES)), metavar="NAME",
                     help=f"By default binary_cross_entropy for two classes, cross_entropy for more, else mse. Of "
                     f"{', '.join(LOSSES)}."),
        click.option("--optimizer", type=click.Choice(list(OPTIMIZERS)), default="adam", show_default=True,
                     metavar="NAME", help=f"{', '.join(OPTIMIZERS)}."),
        click.option("--lr", type=options.POSITIVE, help="Learning rate; by default the optimizer's own."),
        click.option("--schedule", type=click.Choice(list(SCHEDULES), case_sensitive=False), default="Constant",
                     show_default=True, metavar="NAME", help=f"Of the learning rate: {', '.join(SCHEDULES)}."),
        click.option("--epochs", type=options.FROM_ONE, default=20, show_default=True, help="Passes over the rows."),
        click.option("--batch-size", type=options.Parsed("number", batch_rows), default="128", show_default=True,
                     help="Rows of a step, or all."),
        click.option("--validation", type=click.FloatRange(0, 1, max_open=True), default=0.1, show_default=True,
                     metavar="FRACTION", help="Of the rows, held out of training; of each class its share."),
        click.option("--early-stopping", type=options.FROM_ONE, metavar="EPOCHS",
                     help="End after so many epochs without a better validation loss, and keep the best network."),
        click.option("--max-seconds", type=options.POSITIVE, help="End training after that time."),
        options.seed, options.dtype("float32"), options.threads,
        click.option("--checkpoint", type=options.NEW_FILE, metavar="FILE",
                     help="Write the state of the training there as it goes."),
        click.option("--resume", type=options.FILE, metavar="FILE",
                     help="Go on from such a state, to --epochs in all; all else must be as it was."),
    )):  # fmt: skip
        command = add(command)
    return command


@click.command("train", epilog="""\b
Examples:
  fastgrad train houses.csv --target price --output houses.safetensors
  fastgrad train adult.data --target -1 --missing category --output adult.safetensors
  fastgrad train train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz \\
      --hidden 256,128 --schedule OneCycle --output digits.safetensors""")  # fmt: skip
@click.argument("data", type=options.FILE)
@click.option("--output", "to", type=options.NEW_FILE, required=True, metavar="MODEL.safetensors",
              help="Where the network is saved.")  # fmt: skip
@data_options
@network_options
@click.option("--plot", type=options.NEW_FILE, metavar="FILE.png", help="Also draw the losses over the epochs.")
@click.option("--quiet", is_flag=True, help="No progress bar and no table.")
@options.as_json
def command(data: Path, to: Path, plot: Path | None, quiet: bool, as_json: bool, **given: Any) -> None:
    """Train a network on a table and save it.

    DATA is a CSV file (with or without a header), a .npy file, a .npz file with arrays X and y, or an IDX file of images
    such as MNIST's, gzipped or not. Columns of numbers are standardised, which the saved network does itself: it takes
    numbers as they stand in DATA. Columns of text become one input for each category.

    Two classes take one output and binary_cross_entropy: cross_entropy's two outputs would say the same, since only
    their difference matters. Targets of a regression are standardised too, unseen, where that leaves the meaning of the
    loss as it is: with mse, mae, quantile and huber. With log_cosh only their mean is taken off; with poisson, nothing.
    """
    from ..tables import learning, reading, training

    table = reading.read(
        data, delimiter=given.pop("delimiter"), header=given.pop("header"), labels=given.pop("labels"),
        names=given["target"],
    )  # fmt: skip
    places = options.targets(table, given.pop("target"))
    ignored = options.found(table, given.pop("ignore"), "--ignore")
    missing, na, task = given.pop("missing"), given.pop("na"), given.pop("task")
    plan = plan_of(quiet, given)
    every = [*places, *(place for place in range(len(table.columns)) if place not in ignored)]
    kept = learning.complete(table, every, na) if missing == "drop" else table
    encoding = learning.learn(kept, places, task=task, missing=missing, na=na, ignore=ignored)
    if plot is not None:
        output.require_matplotlib()
    trained = training.train(kept, encoding, places, plan)
    trained.network.save(to)
    if plot is not None:
        draw(trained.history, plot)
    figures = {**trained.figures, "dropped": table.rows - kept.rows, "output": str(to)}
    if as_json:
        output.show_json(figures)
    elif not quiet:
        show(figures, given["dtype"])


def plan_of(quiet: bool, given: dict[str, Any]) -> Any:
    """The options as training takes them."""
    from ..tables.training import Plan

    batch = given["batch_size"]
    if given["early_stopping"] and not given["validation"]:
        raise click.UsageError("--early-stopping needs --validation above 0, to tell when to stop")
    return Plan(**{**given, "batch_size": None if batch == "all" else batch}, progress=False if quiet else None)


def show(figures: dict[str, Any], asked: str) -> None:
    """The figures as a table, and what is worth a word."""
    forms = {"rows": ",", "loss": ".4g", "accuracy": ".2%", "r2": ".4f"}
    parts = [part for part in ("training", "validation") if figures[part]]
    measured = {name: [format(figures[part][name], forms[name]) for part in parts] for name in figures["training"]}
    rest = [""] * (len(parts) - 1)
    rows = [["rows", *measured.pop("rows")]]
    rows += [[key, f"{figures[key]:,}", *rest] for key in ("columns", "inputs", "parameters", "epochs")]
    rows += [["seconds", f"{figures['seconds']:.3g}", *rest], [f"loss ({figures['loss']})", *measured.pop("loss")]]
    output.show_table(["", *parts], [*rows, *([name, *cells] for name, cells in measured.items())])
    if figures["dropped"]:
        print(f"\n{figures['dropped']:,} rows with an empty cell were left out.")
    if figures["dtype"] != asked:
        print(f"\nSaved in {figures['dtype']}: the columns differ too little, for their size, for {asked}.")
    print(f"\nThe network is in {figures['output']}.")


def draw(history: Any, path: Path) -> None:
    """The losses of the training, as a picture, without a display."""
    from matplotlib.figure import Figure

    from ..files import replacing

    figure = Figure(figsize=(7, 4), layout="constrained")
    history.plot(axes=figure.subplots()).set_title("loss, of targets as they are trained on")
    with replacing(path) as new:
        figure.savefig(new, dpi=150, format="png")
