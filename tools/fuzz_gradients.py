"""Differentiate random programs until a gradient is wrong: `python tools/fuzz_gradients.py --seconds 60 --seed 1`.

Each program is differentiated backwards, forwards and, now and then, compiled.  The gradient is compared with finite
differences (fg.check_gradients) at points without kinks, the forward derivative with the gradient.  A program that
fails is made small and printed with the point; the exit status is then 1.  A program that is refused
(fg.DifferentiationError) is counted, with the reason.
"""

from __future__ import annotations

import collections
import importlib.util
import inspect
import itertools
import re
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import fuzz_programs
import interpreting
import numpy as np
import shrinking

import fastgrad as fg
from fastgrad.differentiate.calling import Derivative
from fastgrad.differentiate.recipes import RECIPES

TRIES = 4  # points at which a program is looked at before it is given up as one with too many kinks
LARGEST = 1e6  # of values, beyond which finite differences say little
AGREE = 1e-9  # relative difference of the forward derivative and the gradient; both are exact but for rounding

Function = Callable[..., Any]
Derivatives = Callable[[Function, tuple[int, ...]], tuple[Function, Function]]


@dataclass
class Outcome:
    """What became of a program: ok, rough (kinks, large numbers), refused, wrong, failed; and why."""

    kind: str
    why: str = ""
    point: dict[str, Any] = field(default_factory=dict)

    @property
    def bad(self) -> bool:
        """Whether differentiation is at fault."""
        return self.kind in ("wrong", "failed")


def load(source: str, folder: Path, count: Iterator[int] = itertools.count()) -> types.ModuleType:  # noqa: B008
    """The program as a module in a file of its own, since differentiation reads files."""
    path = folder / f"program_{next(count)}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw(function: Function, rng: np.random.Generator) -> dict[str, Any]:
    """Values for the arguments of a program, by name."""
    values: dict[str, Any] = {}
    for name in inspect.signature(function).parameters:
        if name == fuzz_programs.ROUNDS:
            values[name] = int(rng.integers(1, 4))
        else:
            drawn = rng.uniform(-1.2, 1.2, fuzz_programs.ARGUMENTS[name])
            values[name] = drawn if drawn.ndim else float(drawn)
    return values


def flat(values: Any) -> np.ndarray[Any, Any]:
    """Numbers and arrays as one vector."""
    return np.concatenate([np.ravel(value) for value in values])


def unflat(vector: np.ndarray[Any, Any], like: list[Any]) -> list[Any]:
    """One vector as numbers and arrays such as these."""
    ends = np.cumsum([np.size(value) for value in like])
    parts = [vector[end - np.size(value) : end].reshape(np.shape(value)) for value, end in zip(like, ends, strict=True)]
    return [part.copy() if part.ndim else float(part) for part in parts]


def compiled(function: Function, argnums: tuple[int, ...]) -> tuple[Function, Function]:
    """The gradient and the forward derivative as users get them: (*arguments) and (arguments, tangents)."""
    forward = Derivative(function, argnums, RECIPES["jvp"])  # fg.jvp, which wants a tangent for every argument
    return fg.grad(function, argnums=argnums), lambda arguments, tangents: forward(*arguments, *tangents)[1]


def interpreted(function: Function, argnums: tuple[int, ...]) -> tuple[Function, Function]:
    """The same, run as plain Python."""

    def uncompiled(call: Function) -> Function:
        def run(*arguments: Any) -> Any:
            with interpreting.interpreted():
                return call(*arguments)

        return run

    gradient, forward = compiled(function, argnums)
    return uncompiled(gradient), uncompiled(forward)


def examine(source: str, folder: Path, rng: np.random.Generator, derivatives: Derivatives) -> Outcome:
    """Differentiate a program and compare; `TRIES` points at most until one has no kink near it."""
    outcome = Outcome("rough", "no point was tried")
    for _ in range(TRIES):
        try:
            module = load(source, folder)
            point = draw(module.f, rng)
        except Exception as error:  # the program itself does not run: no fault of differentiation
            return Outcome("rough", repr(error))
        outcome = compare(module.f, point, derivatives)
        if outcome.kind != "rough":
            break
    return outcome


def compare(function: Function, point: dict[str, Any], derivatives: Derivatives) -> Outcome:
    """Gradient against finite differences and forward derivative against gradient, at one point."""
    like = [value for name, value in point.items() if name != fuzz_programs.ROUNDS]
    rounds = [value for name, value in point.items() if name == fuzz_programs.ROUNDS]

    def value(vector: np.ndarray[Any, Any]) -> float:
        return float(function(*unflat(vector, like), *rounds))

    x = flat(like)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            usable = abs(value(x)) < LARGEST
        except Exception as error:
            return Outcome("rough", repr(error))
        if not usable:
            return Outcome("rough", "large values")
        try:
            gradient, forward = derivatives(function, tuple(range(len(like))))
            given = flat(gradient(*unflat(x, like), *rounds))
            tangents = np.random.default_rng(0).standard_normal(x.size)
            along = float(forward((*unflat(x, like), *rounds), unflat(tangents, like)))
        except fg.DifferentiationError as error:
            return Outcome("refused", str(error), point)
        except Exception as error:
            return Outcome("failed", f"{type(error).__name__}: {error}", point)
        report = fg.check_gradients(value, x, gradient=lambda _: given)
    if report.kinks or (report.verdict in ("kink", "noise", "nonfinite") and np.isfinite(given).all()):
        return Outcome("rough", f"finite differences say {report.verdict}")
    if not report.passed:
        return Outcome("wrong", str(report), point)
    slope = float(given @ tangents)
    if not abs(along - slope) <= AGREE * (np.abs(given) @ np.abs(tangents) + 1.0):
        return Outcome("wrong", f"forward {along!r}, reverse {slope!r}", point)
    return Outcome("ok")


@dataclass
class Failure:
    """A program that differentiation gets wrong, as it was drawn and made small."""

    number: int
    source: str
    small: str
    outcome: Outcome

    def __str__(self) -> str:
        point = "\n".join(f"# {name} = {value!r}".replace("\n", "\n# ") for name, value in self.outcome.point.items())
        return f"program {self.number}, {self.outcome.kind}: {self.outcome.why}\n\n{self.small}\n{point}"


def fuzz(
    seed: int,
    size: int,
    programs: Iterator[int],
    derivatives: Callable[[int], Derivatives],
    seen: collections.Counter[str],
) -> Failure | None:
    """Examine the programs of these numbers until one fails, which is made small; `seen` counts what became of them.

    derivatives: which to use for the program of a number.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number in programs:
            source = fuzz_programs.program(np.random.default_rng((seed, number)), size)

            def looked_at(source: str, number: int = number) -> Outcome:
                return examine(source, Path(folder), np.random.default_rng((seed, number, 1)), derivatives(number))

            outcome = looked_at(source)
            reason = re.sub(r"^.*, line \d+, in \w+|'\w+'", "", outcome.why) if outcome.kind == "refused" else ""
            seen[outcome.kind + reason] += 1
            if outcome.bad:
                small = shrinking.reduced(source, lambda text: looked_at(text).kind == outcome.kind)  # noqa: B023
                return Failure(number, source, small, looked_at(small))
    return None


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0), default=60, show_default=True, help="How long to go on.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything drawn at random.")
@click.option("--size", type=click.IntRange(min=1), default=12, show_default=True, help="Statements in a program.")
@click.option("--start", type=click.IntRange(min=0), default=0, show_default=True, help="Number of the first program.")
@click.option("--compile-every", type=click.IntRange(min=0), default=20, show_default=True,
              help="Compile one program in so many, run the others as plain Python; 0: compile none.")  # fmt: skip
def main(seconds: float, seed: int, size: int, start: int, compile_every: int) -> None:
    """Differentiate random programs until a gradient is wrong."""
    end, seen = time.monotonic() + seconds, collections.Counter[str]()
    numbers = itertools.takewhile(lambda _: time.monotonic() < end, itertools.count(start))
    failure = fuzz(
        seed, size, numbers, lambda k: compiled if compile_every and k % compile_every == 0 else interpreted, seen
    )
    click.echo("\n".join(f"{count:6} {what}" for what, count in seen.most_common()), err=True)
    if failure is not None:
        click.echo(failure)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
