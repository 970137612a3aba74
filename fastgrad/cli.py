"""The command line: fastgrad demo, check, info, bench.

Promises: 0 where all went well, 1 where something failed or was found wrong, 2 for a wrong call, 130 after Ctrl-C;
results on standard output, progress and errors on standard error; choices come from the catalog.  Leaves out: the work
itself (demo.py, check.py, suites.py), imported by the command that needs it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .catalog import ACTIVATIONS, LOSSES

OPTIONAL = {
    "scikit-learn": "demo, estimators, a contender", "plotext": "the demo's curve", "matplotlib": "pictures",
    "threadpoolctl": "its limits are honoured", "pandas": "data frames", "polars": "data frames",
    "jax": "a contender", "optax": "a contender", "torch": "a contender",
}  # fmt: skip
ROWS_TO_CHECK = 6


def whole_number(least: int) -> Callable[[str], int]:
    """An argparse type: a whole number that is not below `least`."""

    def parse(text: str) -> int:
        if not text.strip().isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} up, found {text!r}")
        return int(text)

    return parse


def numbers(text: str) -> tuple[int, ...]:
    """An argparse type: whole numbers from 1 up, separated by commas."""
    return tuple(whole_number(1)(part) for part in text.split(","))


def layer_sizes(text: str) -> tuple[int, ...]:
    """An argparse type: at least two layer sizes."""
    sizes = numbers(text)
    if len(sizes) < 2:
        raise argparse.ArgumentTypeError(f"expected at least two sizes such as 4,8,3, found {text!r}")
    return sizes


def cases(text: str) -> str:
    """An argparse type: what `workloads.find_cases` understands, unread as yet, since it also wants the seed."""
    from .bench.workloads import find_cases

    try:
        find_cases(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def contenders(text: str) -> tuple[str, ...]:
    """An argparse type: names of peers, or "none"."""
    from .bench.suites import PEERS

    names = () if text == "none" else tuple(text.split(","))
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"expected none or some of {', '.join(PEERS)}, found {name!r}")
    return names


def new_file(text: str) -> Path:
    """An argparse type: a file in a folder that exists, so that no result is lost at the end of a long run."""
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file in a folder that exists, found {text!r}")
    return path


# ---- the commands ------------------------------------------------------------------------------------------------


def demo(arguments: argparse.Namespace) -> int:
    """Train on handwritten digits and explain every figure."""
    from .demo import run

    found = run(epochs=arguments.epochs, seed=arguments.seed, plot=arguments.plot)
    return 0 if found["gradient_passed"] else 1


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


def check(arguments: argparse.Namespace) -> int:
    """Compare the gradients of activations x losses with finite differences, and say where they differ."""
    import fastgrad as fg

    from .bench.runs import table

    activations = list(ACTIVATIONS) if arguments.activation == "all" else [arguments.activation]
    losses = list(LOSSES) if arguments.loss == "all" else [arguments.loss]
    rng = np.random.default_rng(arguments.seed)
    rows, failed = [], 0
    for loss in losses:
        X = rng.normal(size=(ROWS_TO_CHECK, arguments.sizes[0]))
        y = targets(LOSSES[loss].kind, ROWS_TO_CHECK, arguments.sizes[-1], rng)
        if y is None:
            print(f"{loss} needs at least two outputs: left out", file=sys.stderr)
            continue
        for activation in activations:
            net = fg.Network(
                list(arguments.sizes), activation=activation, loss=loss, dtype=arguments.dtype, seed=arguments.seed
            )
            report = fg.check_gradients(net, X.astype(arguments.dtype), y)
            failed += not report.passed
            verdict, worst = "right" if report.passed else "WRONG", report.worst
            entry = [f"{worst.given:.9g}", f"{worst.numeric:.9g}"] if worst else ["", ""]
            rows.append([activation, loss, verdict, *entry, str(len(report.kinks)) if report.kinks else ""])
    if not rows:
        print("nothing was checked", file=sys.stderr)
        return 1
    print(table(["activation", "loss", "gradient", "worst entry: given", "measured", "at kinks"], rows))
    print(f"\n{len(rows) - failed} of {len(rows)} gradients agree with finite differences ({arguments.dtype}).")
    return 1 if failed else 0


def optional_parts() -> dict[str, str | None]:
    """Version of every optional library, None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in OPTIONAL:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def info(arguments: argparse.Namespace) -> int:
    """What this installation is made of and may use."""
    from . import dispatch

    found, parts = dispatch.info(), optional_parts()
    if arguments.json:
        print(json.dumps({**found, "optional": parts}, indent=2, default=str))
        return 0
    found.pop("optional", None)  # there with yes and no, here with versions
    width = max(map(len, (*found, *parts)))
    for key, value in found.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        print(f"{key.replace('_', ' '):{width}}  {shown}")
    print("\noptional libraries")
    for name, version in parts.items():
        print(f"{name:{width}}  {version or 'not installed':14}  {OPTIONAL[name]}")
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """Measure, print a table, write all figures where --json says."""
    from .bench import suites, workloads

    options = suites.Options(
        cases=workloads.find_cases(arguments.cases, arguments.seed), threads=arguments.threads,
        peers=arguments.peers, rounds=arguments.rounds, dtype=arguments.dtype, seed=arguments.seed,
        quick=arguments.quick, data=arguments.data,
    )  # fmt: skip
    result = suites.run(arguments.suite, options)
    print(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(suites.document([result]), indent=1, default=str) + "\n")
    return 0


def version() -> str:
    """The installed version; of a source tree that is not installed there is none to tell."""
    try:
        return metadata.version("fastgrad")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def first_line(function: Callable[..., object]) -> str:
    """The first line of a docstring, as help texts begin: no full stop."""
    return (function.__doc__ or "").split("\n")[0].rstrip(".")


# ---- the words ---------------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(prog="fastgrad", description="Dense networks, trained at the speed of the hardware.")
    top.add_argument("--version", action="version", version=f"fastgrad {version()}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
        made = commands.add_parser(run.__name__, help=words, description=words)
        made.set_defaults(run=run)
        return made

    def seed(to: argparse.ArgumentParser) -> None:
        to.add_argument("--seed", type=whole_number(0), default=0, help="of everything drawn at random (default 0)")

    def dtype(to: argparse.ArgumentParser, default: str) -> None:
        to.add_argument("--dtype", choices=["float32", "float64"], default=default, help=f"(default {default})")

    def listed(names: Iterable[str]) -> list[str]:
        return ["all", *names]

    made = command(demo, "train on handwritten digits in seconds, and see what the figures mean")
    made.add_argument("--epochs", type=whole_number(1), default=40, help="passes over the training images (default 40)")
    made.add_argument("--plot", type=new_file, metavar="FILE.png", help="also save the loss curve as a picture")
    seed(made)

    made = command(check, "compare gradients with finite differences")
    made.add_argument("--sizes", type=layer_sizes, default=(4, 8, 3), help="layer sizes (default 4,8,3)")
    made.add_argument(
        "--activation", choices=listed(ACTIVATIONS), default="all", metavar="NAME", help="or all (default)"
    )
    made.add_argument("--loss", choices=listed(LOSSES), default="all", metavar="NAME", help="or all (default)")
    dtype(made, "float64")
    seed(made)

    made = command(info, "version, instruction set, threads, optional parts")
    made.add_argument("--json", action="store_true", help="for programs")

    from .bench.suites import SUITES

    made = command(bench, "measure speed: alone, beside other libraries, on whole tasks")
    made.add_argument(
        "suite", choices=SUITES, help="; ".join(f"{name}: {first_line(suite)}" for name, suite in SUITES.items())
    )
    made.add_argument(
        "--cases", type=cases, default="own", help="own, odd, random or sizes:batch, by commas (default own)"
    )
    made.add_argument("--threads", type=numbers, default=(1, 2), help="numbers of threads (default 1,2)")
    made.add_argument("--peers", type=contenders, default="jax,jax-npshuffle,torch,torch.compile,sklearn",
                      help="which contenders, by commas, or none (default all)")  # fmt: skip
    made.add_argument("--rounds", type=whole_number(1), default=0, help="alternations (default 7; mnist: 5 seeds)")
    made.add_argument("--quick", action="store_true", help="tiny sizes: see that it runs, believe no figure")
    made.add_argument("--data", default="", metavar="DIR", help="mnist: the folder with its four .gz files")
    made.add_argument("--json", type=new_file, metavar="FILE", help="write all figures there")
    dtype(made, "float32")
    seed(made)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; `argv` without the program's name (None: the process's own arguments).

    Raises SystemExit(2) for a wrong call, as argparse does.
    """
    arguments = parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has gone: nothing is left to say, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ImportError, OSError, RuntimeError) as error:
        print(f"fastgrad: {error}", file=sys.stderr)
        return 1
