"""`fastgrad check`: gradients of networks as they are made, or of one that was saved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from ..catalog import ACTIVATIONS, LOSSES
from . import options, output

ROWS_TO_CHECK = 6


def layer_sizes(text: str) -> tuple[int, ...]:
    """At least two layer sizes."""
    sizes = options.whole_numbers(text)
    if len(sizes) < 2:
        raise ValueError(f"expected at least two sizes such as 4,8,3, found {text!r}")
    return sizes


@click.command("check", epilog="""\b
Examples:
  fastgrad check
  fastgrad check --network 10,32,4 --activation gelu --loss cross_entropy
  fastgrad check model.safetensors
  fastgrad check model.safetensors --data houses.csv --target price""")  # fmt: skip
@click.argument("model", type=options.FILE, required=False)
@click.option("--network", type=options.Parsed("sizes", layer_sizes), metavar="SIZES",
              help="Layer sizes, without MODEL.  [default: 4,8,3]")  # fmt: skip
@click.option("--activation", type=click.Choice(["all", *ACTIVATIONS]), metavar="NAME",
              help=f"Without MODEL: all (the default), or one of {', '.join(ACTIVATIONS)}.")  # fmt: skip
@click.option("--loss", type=click.Choice(["all", *LOSSES]), metavar="NAME",
              help=f"Without MODEL: all (the default), or one of {', '.join(LOSSES)}.")  # fmt: skip
@click.option("--dtype", type=click.Choice(options.DTYPES), help="Without MODEL: float type.  [default: float64]")
@click.option("--data", type=options.FILE, help="With MODEL: take rows of this table instead of random ones.")
@click.option("--target", multiple=True, metavar="COL", help="With --data: its target, if not named as in training.")
@click.option("--labels", type=options.FILE, metavar="FILE", help="With --data: targets in a file of their own.")
@options.text_file
@options.seed
@options.as_json
def command(
    model: Path | None, network: tuple[int, ...] | None, activation: str | None, loss: str | None, dtype: str | None,
    seed: int, as_json: bool, **given: Any,
) -> int:  # fmt: skip
    """Compare gradients with finite differences.

    Without MODEL, those of small networks with every activation and loss; with it, that of the saved network, on random
    rows like those it was trained on, or on rows of a table. Exit status 1 where one is wrong.
    """
    rng = np.random.default_rng(seed)
    if model is not None:
        made = {"--network": network, "--activation": activation, "--loss": loss, "--dtype": dtype}
        wrong = [name for name, value in made.items() if value is not None]
        if wrong:
            raise click.UsageError(f"{', '.join(wrong)}: MODEL says that already; leave it out")
        return check_model(model, rng, as_json, **given)
    if any(value for value in given.values() if value is not None):
        raise click.UsageError("--data, --target, --labels, --delimiter and --header belong to a MODEL")
    sizes, kind = network or (4, 8, 3), dtype or "float64"
    return check_kinds(sizes, activation or "all", loss or "all", kind, seed, rng, as_json)


def targets(kind: str, rows: int, outputs: int, rng: np.random.Generator) -> NDArray[Any] | None:
    """Random targets of a loss's kind; None where that many outputs do not suit it."""
    if kind == "class":
        return rng.integers(0, outputs, rows) if outputs > 1 else None
    if kind == "sign":
        return rng.integers(0, outputs, rows) if outputs > 1 else rng.choice([-1.0, 1.0], rows)
    shape = (rows, outputs)
    if kind == "count":
        return rng.poisson(2.0, shape).astype(float)
    return rng.random(shape) if kind == "probability" else rng.normal(size=shape)


def entry(report: Any) -> dict[str, Any]:
    """A report for programs."""
    worst = report.worst
    place = {"parameter": worst.parameter, "index": list(worst.index)} if worst else {}
    numbers = {"given": worst.given, "numeric": worst.numeric, "error": worst.error} if worst else {}
    return {
        "passed": bool(report.passed), "verdict": report.verdict, "max_error": float(report.max_error),
        "checked": report.checked, "kinks": len(report.kinks), "worst": {**place, **numbers} or None,
    }  # fmt: skip


def check_kinds(
    sizes: tuple[int, ...], activation: str, loss: str, dtype: str, seed: int, rng: np.random.Generator, as_json: bool
) -> int:
    """Activations x losses in networks of these sizes."""
    import fastgrad as fg

    found: list[dict[str, Any]] = []
    for one in list(LOSSES) if loss == "all" else [loss]:
        X = rng.normal(size=(ROWS_TO_CHECK, sizes[0]))
        y = targets(LOSSES[one].kind, ROWS_TO_CHECK, sizes[-1], rng)
        if y is None:
            print(f"{one} needs at least two outputs: left out", file=sys.stderr)
            continue
        for name in list(ACTIVATIONS) if activation == "all" else [activation]:
            net = fg.Network(list(sizes), activation=name, loss=one, dtype=dtype, seed=seed)
            report = fg.check_gradients(net, X.astype(dtype), y)
            found.append({"activation": name, "loss": one, **entry(report)})
    right = sum(each["passed"] for each in found)
    if not found:
        print("nothing was checked", file=sys.stderr)
    elif as_json:
        output.show_json({"dtype": dtype, "network": list(sizes), "gradients": found})
    else:
        rows = [
            [each["activation"], each["loss"], "right" if each["passed"] else "WRONG",
             *(f"{(each['worst'] or {}).get(key, float('nan')):.9g}" for key in ("given", "numeric")),
             str(each["kinks"] or "")]
            for each in found
        ]  # fmt: skip
        output.show_table(["activation", "loss", "gradient", "worst entry: given", "measured", "at kinks"], rows)
        print(f"\n{right} of {len(found)} gradients agree with finite differences ({dtype}).")
    return 0 if found and right == len(found) else 1


def check_model(model: Path, rng: np.random.Generator, as_json: bool, *, data: Path | None, **given: Any) -> int:
    """A saved network, on random rows or on those of a table."""
    import fastgrad as fg

    net = fg.load(model)
    if data is not None:
        X, y = rows_of(net, data, rng, **given)
    elif any(value for value in given.values() if value is not None):
        raise click.UsageError("--target, --labels, --delimiter and --header belong to --data")
    else:
        X, y = random_rows(net, rng)
    report = fg.check_gradients(net, X, y)
    if as_json:
        output.show_json({"model": str(model), "rows": len(X), **entry(report)})
    else:
        print(report)
    return 0 if report.passed else 1


def random_rows(net: Any, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows like those that the network was trained on, as far as it says, and targets that are not far off."""
    from ..tables.encoding import Encoding

    inputs, outputs = net.sizes[0], net.sizes[-1]
    known = Encoding.from_dict(net.metadata["table"]) if "table" in net.metadata else None
    X = known.draw(ROWS_TO_CHECK, rng) if known else rng.normal(size=(ROWS_TO_CHECK, inputs))
    X = X.astype(net.dtype)
    for column, (n, _) in getattr(net.layers[0], "columns", ()):  # of an embedding; float32 holds codes up to 2^24
        X[:, column] = rng.integers(0, min(n, 2**24), ROWS_TO_CHECK)
    y = targets(LOSSES[net.loss_name].kind, ROWS_TO_CHECK, outputs, rng)
    assert y is not None, "a loss that wants several outputs has no network with one"
    if LOSSES[net.loss_name].kind == "real":
        scores = net.forward(X)
        y = scores + y * (scores.std(axis=0) + 1e-3)
    return X, y


def rows_of(
    net: Any, data: Path, rng: np.random.Generator, *, target: tuple[str, ...], labels: Path | None,
    delimiter: str | None, header: bool | None,
) -> tuple[NDArray[Any], NDArray[Any]]:  # fmt: skip
    """Some rows of a table, at random, and their targets."""
    from ..tables import learning, reading
    from ..tables.predictions import encoding_of

    told = net.metadata.get("table", {})
    names = [part["name"] for part in (*told.get("features", []), *told.get("targets", []))]
    table = reading.read(data, delimiter=delimiter, header=header, labels=labels, names=[*names, *target])
    if not target and not table.labels:  # as in training
        target = tuple(t["name"] if table.header else str(t["place"]) for t in told.get("targets", []))
    places = options.targets(table, target)
    encoding = encoding_of(net, table, places)
    if encoding.missing == "drop":
        table = learning.complete(table, [*places, *encoding.find(table)], encoding.na)
    picked = np.zeros(table.rows, bool)
    picked[rng.permutation(table.rows)[:ROWS_TO_CHECK]] = True
    y = encoding.encode_targets(table.keep(picked), places)
    return encoding.encode(table.keep(picked), net.dtype), y
