"""Random expressions over names whose shapes are known: numbers, conditions, vectors, matrices, parts of arrays.

Promises: every index is within its bounds, every divisor and argument of a root or logarithm is away from zero.
Left out: what the expressions look like (fuzz_templates.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable

import fuzz_templates as templates
import numpy as np
from fuzz_names import CUBE, LENGTH, MATRIX, PICKED, Callee, Names, Shape


class Expressions:
    """Draws expressions over `names`."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.names = rng, Names()

    # ---- choices ---------------------------------------------------------------------------------------------------------

    def pick(self, options: list[str]) -> str:
        """One of the options."""
        return options[int(self.rng.integers(len(options)))]

    def chance(self, share: float) -> bool:
        """Whether an event of this probability happens."""
        return bool(self.rng.random() < share)

    def below(self, bound: int) -> int:
        """A whole number from 0 to bound - 1."""
        return int(self.rng.integers(bound))

    def fill(self, template: str, depth: int, length: int = LENGTH) -> str:
        """A template with its places filled; depth: of what is put there.  length: of the vectors in it."""
        name, plain = self.pick(self.vectors() or [""]), self.matrix(0) if "<M>" in template else ""
        places: dict[str, Callable[[], str]] = {
            "n": lambda: self.number(depth), "0": lambda: self.number(0), "k": self.constant, "c": self.condition,
            "v": lambda: self.vector(length, depth), "p": lambda: self.part(length), "L": lambda: str(length),
            "P": lambda: self.part(LENGTH), "w": lambda: name, "m": lambda: self.matrix(depth),
            "M": lambda: plain, "t": lambda: self.cube(depth), "T": lambda: self.pick(self.of_shape(CUBE)),
            "i": lambda: self.index(LENGTH), "j": lambda: self.index(2), "x": lambda: str(self.below(2)),
            "2": lambda: self.slice(2, LENGTH), "3": lambda: self.slice(3, LENGTH),
            "I": lambda: self.pick(list(self.names.indices)), "q": lambda: self.pick(self.names.picks),
        }  # fmt: skip
        return re.sub("<([a-zA-Z0-9])>", lambda found: places[found[1]](), template)

    # ---- names -----------------------------------------------------------------------------------------------------------

    def of_shape(self, shape: Shape) -> list[str]:
        """The names, and the parts of tuples, of this shape."""
        parts = [f"{t}[{k}]" for t, found in self.names.tuples.items() for k, s in enumerate(found) if s == shape]
        known = [*self.names.shapes.items(), *self.names.outside.items()]
        return [name for name, found in known if found == shape] + parts

    def vectors(self, least: int = 1) -> list[str]:
        """The names of vectors of at least this length."""
        return [name for name, shape in self.names.shapes.items() if len(shape) == 1 and shape[0] >= least]

    def length(self) -> int:
        """The length of some vector."""
        return self.names.shapes[self.pick(self.vectors())][0]

    def index(self, length: int) -> str:
        """An index into `length` entries: a number, or a name that stays below."""
        fitting = [name for name, bound in self.names.indices.items() if bound <= length]
        if fitting and self.chance(0.7):
            name = self.pick(fitting)
            return name if self.chance(0.7) else self.pick([f"{length} - 1 - {name}", f"({name} + 1) % {length}"])
        return str(self.below(length) - length * self.below(2))

    def slice(self, length: int, of: int) -> str:
        """A slice of `of` entries that has this length, forwards or backwards, with steps."""
        steps = [step for step in (1, 1, 1, 2, 3) if (length - 1) * step < of]
        step = steps[self.below(len(steps))]
        span = (length - 1) * step + 1
        low = self.below(of - span + 1)
        if self.chance(0.25):
            return f"{low + span - 1}:{low - 1 if low else ''}:{-step}"
        start = self.pick([str(low), str(low - of)]) if low else ""
        stop = str(low + span) if low + span < of else ""
        return f"{start}:{stop}" + (f":{step}" if step > 1 else "")

    # ---- expressions -----------------------------------------------------------------------------------------------------

    def constant(self) -> str:
        """A literal."""
        return f"{self.rng.uniform(-1.5, 1.5):.2f}"

    def number(self, depth: int = 2) -> str:
        """An expression of a number."""
        if depth <= 0:
            leaf = [self.constant, self.entry, self.entry] + [lambda: self.pick(self.of_shape(()))] * 3
            return leaf[self.below(len(leaf))]() if self.of_shape(()) else self.entry()
        tables = [templates.NUMBERS] * 3
        tables += [templates.OF_VECTORS] * 2 if self.vectors() else []
        tables += [templates.OF_MATRICES] if self.of_shape(MATRIX) else []
        tables += [templates.OF_CUBES] if self.of_shape(CUBE) else []
        tables += [templates.OF_INDICES] if self.names.indices else []
        tables += [["np.sum((<v>)[<q>])"]] if self.names.picks and self.vectors(LENGTH) else []
        callees = self.callees(())
        if callees and self.chance(0.2):
            return self.call(callees[self.below(len(callees))], depth - 1)
        length = LENGTH if self.chance(0.5) or not self.vectors() else self.length()
        table = tables[self.below(len(tables))]
        return self.fill(self.pick(table), depth - 1, LENGTH if "<q>" in table[0] else length)

    def entry(self) -> str:
        """An entry of some array."""
        arrays = [name for name, shape in self.names.shapes.items() if shape]
        if not arrays:
            return self.constant()
        name = self.pick(arrays)
        return f"{name}[{', '.join(self.index(length) for length in self.names.shapes[name])}]"

    def condition(self) -> str:
        """A comparison, or some of them."""
        if self.names.truths and self.chance(0.15):
            return self.fill(self.pick(self.names.truths) + self.pick(["", " and <0> < <0>"]), 0)
        if self.names.indices and self.chance(0.2):
            return f"{self.pick(list(self.names.indices))} % 2 == {self.below(2)}"
        return self.fill(self.pick(templates.CONDITIONS), 0)

    def vector(self, length: int, depth: int = 2) -> str:
        """An expression of a vector."""
        if depth <= 0:
            return self.part(length)
        callees = self.callees((length,))
        if callees and self.chance(0.2):
            return self.call(callees[self.below(len(callees))], depth - 1)
        tables = [templates.VECTORS] * 3
        if self.of_shape(MATRIX):
            tables += [templates.WHOLE_VECTORS] if length == LENGTH else [templates.BLOCKS] if length == 4 else []
        if length > 2 and self.chance(0.05):
            return f"np.concatenate(({self.vector(2, 0)}, {self.vector(length - 2, 0)}))"
        return self.fill(self.pick(tables[self.below(len(tables))]), depth - 1, length)

    def part(self, length: int) -> str:
        """A part of an array that has this length: a name, a slice, a row, a column, or entries picked one by one."""
        options = self.of_shape((length,)) * 3
        for name in self.vectors(length):
            of = self.names.shapes[name][0]
            options += [f"{name}[{self.slice(length, of)}]"] * 2
            picked = [self.below(of) - of * self.below(2) for _ in range(length)]
            options += [f"{name}[np.array({picked})]"] if self.chance(0.3) else []
            options += [f"{name}[{pick}]" for pick in self.names.picks if length == PICKED and of == LENGTH]
        whole = length == LENGTH
        for name in self.of_shape(MATRIX):
            i, cut = self.index(LENGTH), self.slice(length, LENGTH)
            options += [f"{name}[{i}]" if whole else f"{name}[{i}, {cut}]", f"{name}[{':' if whole else cut}, {i}]"]
        for name in self.of_shape(CUBE):
            k, i, cut = self.index(2), self.index(LENGTH), self.slice(length, LENGTH)
            options += [f"{name}[{k}, {i}, {cut}]", f"{name}[{k}, {cut}, {i}]"]
            options += [f"{name}[:, {i}, {self.index(LENGTH)}]"] if length == 2 else []
        return self.pick(options) if options else f"np.full({length}, {self.number(0)})"

    def matrix(self, depth: int = 1) -> str:
        """An expression of a matrix."""
        names, cubes = self.of_shape(MATRIX), self.of_shape(CUBE)
        if depth > 0:
            return self.fill(self.pick(self.pick_table([templates.MATRICES] * 3, templates.LAYERS, cubes)), depth - 1)
        options = names * 2 + [f"{name}{part}" for name in names for part in (".T", "[::-1]", "[:, ::-1]")]
        options += [f"{name}[{self.index(2)}]" for name in cubes]
        return self.pick(options) if options else f"np.full(({LENGTH}, {LENGTH}), {self.number(0)})"

    def pick_table(self, tables: list[list[str]], more: list[str], when: list[str]) -> list[str]:
        """One of the tables, or of these and one more."""
        tables = [*tables, more] if when else tables
        return tables[self.below(len(tables))]

    def cube(self, depth: int = 1) -> str:
        """An expression of an array of three dimensions."""
        return self.fill(self.pick(templates.CUBES), depth - 1) if depth > 0 else self.pick(self.of_shape(CUBE))

    def value(self, shape: Shape | None, depth: int) -> str:
        """An expression of this shape; None: a small integer."""
        if shape is None:
            return str(self.below(4))
        if len(shape) < 2:
            return self.vector(shape[0], depth) if shape else self.number(depth)
        return self.matrix(depth)

    # ---- calls -----------------------------------------------------------------------------------------------------------

    def callees(self, *gives: Shape) -> list[Callee]:
        """The functions that may be called and give this."""
        return [callee for callee in self.names.callees if callee.gives == gives]

    def call(self, callee: Callee, depth: int) -> str:
        """A call; arguments with defaults are left out, named or given."""
        texts, required = [], len(callee.takes) - callee.optional
        named = False
        for place, (name, shape) in enumerate(callee.takes.items()):
            if place >= required and self.chance(0.4):
                named = True
                continue
            named = named or (place >= required and self.chance(0.3))
            texts.append((f"{name}=" if named else "") + self.value(shape, depth))
        return f"{callee.name}({', '.join(texts)})"
