"""Random expressions over names whose shapes are known: numbers, conditions, vectors, parts of arrays, matrices.

Promises: every index is within its bounds, every divisor and argument of a root or logarithm is away from zero.
"""

from __future__ import annotations

import numpy as np

LENGTH = 5  # of whole vectors; matrices are LENGTH x LENGTH
Shape = tuple[int, ...]
MATRIX: Shape = (LENGTH, LENGTH)


class Expressions:
    """Draws expressions over `names` (with their shapes) and `indices`: integer names -> the number they stay below.

    helpers: functions that may be called, with the shapes of their arguments.
    """

    def __init__(self, rng: np.random.Generator, helpers: dict[str, tuple[Shape, ...]]) -> None:
        self.rng, self.helpers = rng, helpers
        self.names: dict[str, Shape] = {}
        self.indices: dict[str, int] = {}

    def pick(self, options: list[str]) -> str:
        """One of the options."""
        return options[int(self.rng.integers(len(options)))]

    def chance(self, share: float) -> bool:
        """Whether an event of this probability happens."""
        return bool(self.rng.random() < share)

    def below(self, bound: int) -> int:
        """A whole number from 0 to bound - 1."""
        return int(self.rng.integers(bound))

    def of_shape(self, shape: Shape) -> list[str]:
        """The names of this shape."""
        return [name for name, found in self.names.items() if found == shape]

    def vectors(self, least: int = 1) -> list[str]:
        """The names of vectors of at least this length."""
        return [name for name, shape in self.names.items() if len(shape) == 1 and shape[0] >= least]

    def constant(self) -> str:
        """A literal."""
        return f"{self.rng.uniform(-1.5, 1.5):.2f}"

    def index(self, length: int) -> str:
        """An index into `length` entries: a number, or a name that stays below."""
        fitting = [name for name, bound in self.indices.items() if bound <= length]
        if fitting and self.chance(0.7):
            name = self.pick(fitting)
            return name if self.chance(0.7) else self.pick([f"{length} - 1 - {name}", f"({name} + 1) % {length}"])
        return str(self.below(length) - length * self.below(2))

    def number(self, depth: int = 2) -> str:
        """An expression of a number."""
        leaf = [self.constant, self.entry, self.entry] + [lambda: self.pick(self.of_shape(()))] * 3
        if depth <= 0:
            return leaf[self.below(len(leaf))]() if self.of_shape(()) else self.entry()
        a, b = self.number(depth - 1), self.number(depth - 1)
        kinds = [
            f"({a} + {b})", f"({a} - {b})", f"{a} * {b}", f"{a} * {b}", f"{a} / (2.0 + ({b}) ** 2)", f"math.sin({a})",
            f"math.cos({a})", f"math.tanh({a})", f"math.exp(-(({a}) ** 2))", f"math.sqrt(1.0 + ({a}) ** 2)",
            f"math.log(1.5 + ({a}) ** 2)", f"math.atan2({a}, 2.0 + ({b}) ** 2)", f"abs({a})", f"max({a}, {b})",
            f"min({a}, {b})", f"({a} if {self.condition()} else {b})", f"({a}) ** 2", f"0.3 * ({a}) ** 3", f"-({a})",
            f"np.sin({a})", f"math.erf({a})",
        ]  # fmt: skip
        if self.indices:
            kinds.append(f"{self.pick(list(self.indices))} * {a}")
        if self.vectors():
            u = self.vector(self.length(), depth - 1)
            kinds += [f"np.{f}({u})" for f in ("sum", "mean", "max", "min", "var")]
            kinds += [f"sum([{a} * e for e in {self.pick(self.vectors())}])", f"{self.reduced_product()}"]
        kinds += [f"{name}({a}, {b})" for name, shapes in self.helpers.items() if shapes == ((), ())] * 4
        return self.pick(kinds)

    def entry(self) -> str:
        """An entry of some array."""
        arrays = [name for name, shape in self.names.items() if shape]
        if not arrays:
            return self.constant()
        name = self.pick(arrays)
        return f"{name}[{', '.join(self.index(length) for length in self.names[name])}]"

    def length(self) -> int:
        """The length of some vector."""
        return self.names[self.pick(self.vectors())][0]

    def reduced_product(self) -> str:
        """An inner product."""
        length = self.length()
        return f"({self.vector(length, 0)} @ {self.vector(length, 0)})"

    def condition(self) -> str:
        """A comparison, or some of them."""
        a, b = self.number(0), self.number(0)
        simple = f"{a} {self.pick(['<', '>', '<=', '>='])} {b}"
        if self.indices and self.chance(0.2):
            return f"{self.pick(list(self.indices))} % 2 == {self.below(2)}"
        return self.pick([simple, simple, f"{simple} and {self.number(0)} < 0.8", f"not {simple}"])

    def part(self, length: int) -> str:
        """A part of an array that has this length: a name, a slice, a row, a column, or entries picked one by one."""
        longer = self.vectors(length)
        options = [name for name in longer if self.names[name] == (length,)] * 3
        for name in longer:
            spare = self.names[name][0] - length
            low = self.below(spare + 1)
            options.append(f"{name}[{low or ''}:{low + length if low < spare else ''}]")
            options += [f"{name}[::-1]"] if not spare else []
            options += [f"{name}[::2]"] if (self.names[name][0] + 1) // 2 == length else []
            picked = [self.below(self.names[name][0]) for _ in range(length)]
            options += [f"{name}[np.array({picked})]"] if self.chance(0.3) else []
        if length == LENGTH:
            for name in self.of_shape(MATRIX):
                options += [f"{name}[{self.index(LENGTH)}]", f"{name}[:, {self.index(LENGTH)}]"]
        return self.pick(options) if options else f"np.full({length}, {self.number(0)})"

    def vector(self, length: int, depth: int = 2) -> str:
        """An expression of a vector."""
        if depth <= 0:
            return self.part(length)
        a, b, s = self.vector(length, depth - 1), self.vector(length, depth - 1), self.number(depth - 1)
        kinds = [
            f"({a} + {b})", f"({a} - {b})", f"{a} * {b}", f"{s} * {a}", f"({a} + {s})", f"{a} / (2.0 + ({b}) ** 2)",
            f"np.sin({a})", f"np.tanh({a})", f"np.exp(-(({a}) ** 2))", f"np.where({a} > {b}, {a}, {s})", f"np.abs({a})",
            f"np.maximum({a}, {b})", f"np.minimum({a}, {s})", f"np.clip({a}, -0.9, 0.9)", f"np.cumsum({a})",
            f"({a}).copy()", f"({a}) ** 2", f"np.zeros({length})", f"np.full({length}, {s})",
            f"{s} * np.arange({length}.0)",
        ]  # fmt: skip
        if length > 2:
            kinds.append(f"np.concatenate(({self.vector(2, 0)}, {self.vector(length - 2, 0)}))")
        if length == LENGTH and self.of_shape(MATRIX):
            kinds += [
                f"0.3 * ({self.matrix(0)} @ {self.vector(LENGTH, 0)})",
                f"np.sum({self.matrix(0)}, axis={self.below(2)})",
            ]
        return self.pick(kinds)

    def matrix(self, depth: int = 1) -> str:
        """An expression of a matrix."""
        name = self.pick(self.of_shape(MATRIX))
        if depth <= 0:
            return self.pick([name, name, f"{name}.T"])
        a, b = self.matrix(depth - 1), self.matrix(depth - 1)
        return self.pick([
            f"({a} + {b})", f"{a} * {b}", f"{self.number(1)} * {a}", f"np.sin({a})", f"{a} * {self.vector(LENGTH, 0)}",
            f"np.outer({self.vector(LENGTH, 0)}, {self.vector(LENGTH, 0)})", f"0.3 * ({a} @ {b})", f"({a}).copy()",
        ])  # fmt: skip
