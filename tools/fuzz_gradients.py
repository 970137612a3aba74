"""Differentiate random programs until a gradient is wrong: `python tools/fuzz_gradients.py --seconds 60 --seed 1`.

Each program is differentiated backwards, forwards and, now and then, compiled.  The forward derivative is compared with the
gradient, to rounding, and the gradient with finite differences (fg.check_gradients), at points without kinks.  A program
that fails is made small and printed with the point; the exit status is then 1.  A program that is refused
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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import fuzz_programs
import interpreting
import numpy as np
import shrinking
from fuzz_programs import ARGUMENTS, OTHERS
from tqdm import tqdm
from trees import filled, flat

import fastgrad as fg
from fastgrad.differentiate.calling import Derivative
from fastgrad.differentiate.recipes import RECIPES

TRIES = 4  # points at which a program is looked at before it is given up as one with too many kinks
LARGEST = 1e6  # of values and slopes, beyond which finite differences say little
AGREE = 1e-9  # relative difference of the forward derivative and the gradient; both are exact but for rounding

Function = Callable[..., Any]
Array = np.ndarray[Any, np.dtype[np.float64]]
Run = Callable[[Function], Function]  # how a call is run: compiled, or as plain Python


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

    def drawn(shape: Any) -> Any:
        if isinstance(shape, list):
            return tuple(drawn(item) for item in shape)
        return rng.uniform(-1.2, 1.2, shape) if shape else float(rng.uniform(-1.2, 1.2))

    return {
        name: drawn(ARGUMENTS[name]) if name in ARGUMENTS else OTHERS[name](rng)
        for name in inspect.signature(function).parameters
    }


def compiled(call: Function) -> Function:
    """Derivatives as users get them."""
    return call


def interpreted(call: Function) -> Function:
    """The same, run as plain Python."""

    def run(*arguments: Any) -> Any:
        with interpreting.interpreted():
            return call(*arguments)

    return run


class Subject:
    """A program at a point, as a function of one flat vector: the weighted sum of all its results."""

    def __init__(self, function: Function, point: dict[str, Any], run: Run) -> None:
        self.function, self.point, self.run = function, point, run
        self.active = tuple(k for k, name in enumerate(point) if name in ARGUMENTS)
        self.like = tuple(value for name, value in point.items() if name in ARGUMENTS)
        self.others = [value for name, value in point.items() if name not in ARGUMENTS]
        self.x = flat(self.like)
        self.given = 0.0  # the weighted sum as the forward sweep computes it
        self.result = function(*self.arguments(self.x))
        self.size = flat(self.result).size
        self.weights = filled(self.result, iter(0.7 + 0.3 * np.arange(self.size)))
        self.scalar = np.ndim(self.result) == 0 if not isinstance(self.result, tuple) else False
        self.tangents = np.random.default_rng(0).standard_normal((2, self.x.size))
        self.made: dict[str, Function] = {}

    def arguments(self, x: Array) -> list[Any]:
        """New arguments, with the differentiated ones (which come first) from a vector."""
        return [*filled(self.like, iter(x)), *(np.copy(v) if isinstance(v, np.ndarray) else v for v in self.others)]

    def derivative(self, recipe: str) -> Function:
        """What fg.grad, fg.vjp, fg.jvp or fg.hvp call."""
        if recipe not in self.made:
            self.made[recipe] = self.run(Derivative(self.function, self.active, RECIPES[recipe]))
        return self.made[recipe]

    def value(self, x: Array) -> float:
        """The weighted sum."""
        return float(flat(self.function(*self.arguments(x))) @ flat(self.weights))

    def gradient(self, x: Array) -> Array:
        """Its gradient, in reverse."""
        if self.scalar:
            return flat(self.derivative("grad")(*self.arguments(x))) * float(self.weights)
        return flat(self.derivative("pull")(*self.arguments(x), self.weights))

    def along(self, tangent: Array) -> float:
        """Its derivative along a tangent, forward."""
        value, found = self.derivative("jvp")(*self.arguments(self.x), *filled(self.like, iter(tangent)))
        self.given = float(flat(value) @ flat(self.weights))
        return float(flat(found) @ flat(self.weights))

    def curved(self, tangent: Array) -> Array:
        """The product of its Hessian with a tangent, where it returns a number."""
        product = self.derivative("hvp")(*self.arguments(self.x), *filled(self.like, iter(tangent)))
        return flat(product) * float(self.weights)


def examine(source: str, folder: Path, rng: np.random.Generator, run: Run, second: bool = False) -> Outcome:
    """Differentiate a program and compare; `TRIES` points at most until one has no kink near it.

    second: look at the second derivatives, too.
    """
    outcome = Outcome("rough", "no point was tried")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for _ in range(TRIES):
            try:
                module = load(source, folder)
                point = draw(module.f, rng)
                subject = Subject(module.f, point, run)
            except Exception as error:  # the program itself does not run: no fault of differentiation
                return Outcome("rough", repr(error))
            if not (np.abs(flat(subject.result)) < LARGEST).all():
                outcome = Outcome("rough", "large values")
                continue
            try:
                outcome = compare(subject, second and subject.scalar)
            except fg.DifferentiationError as error:
                return Outcome("refused", str(error), point)
            except Exception as error:
                return Outcome("failed", f"{type(error).__name__}: {error}", point)
            outcome.point = point
            if outcome.kind != "rough":
                break
    return outcome


def compare(subject: Subject, second: bool) -> Outcome:
    """Forward derivative against gradient, the value, gradient against finite differences; the Hessian likewise."""
    x, (tangent, other) = subject.x, subject.tangents
    given = subject.gradient(x)
    forward, reverse = subject.along(tangent), float(given @ tangent)
    if not near(forward, reverse, given, tangent):
        return Outcome("wrong", f"forward {forward!r}, reverse {reverse!r}")
    expected = subject.value(x)
    if abs(subject.given - expected) > AGREE * (1.0 + np.abs(flat(subject.result)).sum()):
        return Outcome("wrong", f"value {subject.given!r}, expected {expected!r}")
    if np.isfinite(given).all() and np.abs(given).max() > LARGEST:
        return Outcome("rough", "large slopes")
    first = judged(subject.value, x, given)
    if first.kind != "ok" or not second:
        return first
    product = subject.curved(tangent)
    mirrored, straight = float(subject.curved(other) @ tangent), float(product @ other)
    if not near(mirrored, straight, product, other):
        return Outcome("wrong", f"the Hessian is not symmetric: {mirrored!r}, {straight!r}")

    outcome = judged(lambda point: float(subject.gradient(point) @ tangent), x, product)
    return Outcome(outcome.kind, f"second derivatives: {outcome.why}")


def near(a: float, b: float, slopes: Array, direction: Array) -> bool:
    """Are two values of slopes @ direction the same but for rounding?"""
    return not np.isfinite(slopes).all() or abs(a - b) <= AGREE * (np.abs(slopes) @ np.abs(direction) + 1.0)


def judged(value: Function, x: Array, given: Array) -> Outcome:
    """What finite differences say about a gradient.

    They judge the function plus sum(x), whose slope is 1: beside slopes that are all zero, rounding would be an error.
    """
    report = fg.check_gradients(
        lambda point: value(point) + float(np.sum(point)), x, gradient=lambda _: given + 1.0, progress=False
    )
    if report.kinks or (report.verdict in ("kink", "noise", "nonfinite") and np.isfinite(given).all()):
        return Outcome("rough", f"finite differences say {report.verdict}")
    return Outcome("ok") if report.passed else Outcome("wrong", str(report))


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


def smallest(source: str, fails: Callable[[str], bool], seconds: float, patience: float) -> str:
    """The failing program made small, with a line that says how far that is."""
    with tqdm(desc="making it small", unit=" candidates", disable=None) as line:

        def told(text: str) -> None:
            line.set_postfix_str(f"{len(text.splitlines())} lines", refresh=False)
            line.update()

        return shrinking.reduced(source, fails, seconds, patience, told)


def fuzz(
    seed: int,
    size: int,
    programs: Iterable[int],
    run: Callable[[int], Run],
    seen: collections.Counter[str],
    seconds: float = 60.0,
) -> Failure | None:
    """Examine the programs of these numbers until one fails, which is made small; `seen` counts what became of them.

    run: how the derivatives of the program of a number are run.  Of every second program, second derivatives are examined.
    seconds: that making it small may take.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number in programs:
            source = fuzz_programs.program(np.random.default_rng((seed, number)), size)

            def looked_at(source: str, number: int = number) -> Outcome:
                rng = np.random.default_rng((seed, number, 1))
                return examine(source, Path(folder), rng, run(number), second=number % 2 == 1)

            began = time.monotonic()
            outcome = looked_at(source)
            patience = 5.0 + 3.0 * (time.monotonic() - began)
            reason = re.sub(r"^.*, line \d+, in \w+|'\w+'", "", outcome.why) if outcome.kind == "refused" else ""
            seen[outcome.kind + reason] += 1
            if outcome.bad:
                small = smallest(source, lambda text: looked_at(text).kind == outcome.kind, seconds, patience)  # noqa: B023
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
        seed,
        size,
        tqdm(numbers, unit=" programs", disable=None),
        lambda k: compiled if compile_every and k % compile_every == 0 else interpreted,
        seen,
    )
    click.echo("\n".join(f"{count:6} {what}" for what, count in seen.most_common()), err=True)
    if failure is not None:
        click.echo(failure)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
