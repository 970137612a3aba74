"""Tapes: typed arrays that double when full. `tape` holds numbers of the float type, `marks` integers, truths and shapes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import Where
from .kinds import I8, Kind
from .program import Assign, Expr, For, Lit, Name, Op, Statement, Store
from .rules import make

START = 64  # numbers that a tape holds at first


@dataclass
class Tape:
    """The names of one tape and of its top."""

    array: Name
    top: Name


@dataclass
class Rows:
    """Statements that save and restore: around the loop, inside it, before its reverse, inside that."""

    before: list[Statement] = field(default_factory=list)
    push: list[Statement] = field(default_factory=list)
    after: list[Statement] = field(default_factory=list)
    opening: list[Statement] = field(default_factory=list)
    pop: list[Statement] = field(default_factory=list)


class Tapes:
    """The tapes of one program, and the statements that save to them and restore from them."""

    def __init__(self, fresh: Callable[[str, Kind], Name]):
        self.fresh = fresh
        self.made: dict[str, Tape] = {}

    def of(self, kind: Kind) -> Tape:
        """The tape for a kind of number."""
        dtype = kind.dtype if kind.is_float else "i8"
        if dtype not in self.made:
            names = {"f8": ("tape", "top"), "f4": ("tape32", "top32"), "i8": ("marks", "depth")}[dtype]
            self.made[dtype] = Tape(self.fresh(names[0], Kind(dtype, 1)), self.fresh(names[1], I8))
        return self.made[dtype]

    def names(self) -> set[str]:
        """The names of the tapes and their tops."""
        return {name.id for tape in self.made.values() for name in (tape.array, tape.top)}

    def tops(self) -> dict[str, str]:
        """The tapes with their tops."""
        return {tape.array.id: tape.top.id for tape in self.made.values()}

    def opening(self) -> list[Statement]:
        """Empty tapes, at the start of the program."""
        found: list[Statement] = []
        for dtype, tape in self.made.items():
            found.append(Assign(tape.array.id, make("empty", Lit(START, I8), dtype=dtype, ndim=1)))
            found.append(Assign(tape.top.id, Lit(0, I8)))
        return found

    def push(self, values: list[Any], where: Where | None) -> list[Statement]:
        """Save values: scalars of a type together, arrays with their shape."""
        made: list[Statement] = []
        for k, value in enumerate(values):
            if value.kind.is_array and not isinstance(value, Name):
                name = self.fresh("part", value.kind)
                made.append(Assign(name.id, value, where=where))
                values = [*values[:k], name, *values[k + 1 :]]
        for tape, scalars in self.groups(values):
            room = make("add", tape.top, Lit(len(scalars), I8))
            made.append(Assign(tape.array.id, make("grow", tape.array, room), where=where))
            for k, value in enumerate(scalars):
                made.append(Store(tape.array, (make("add", tape.top, Lit(k, I8)),), value, where=where))
            made.append(Assign(tape.top.id, room, where=where))
        arrays = [value for value in values if value.kind.is_array]
        for tape in {tape.array.id: tape for tape in (self.of(value.kind) for value in arrays)}.values():
            sizes = [make("size", value) for value in arrays if self.of(value.kind) is tape]
            room = functools.reduce(lambda a, b: make("add", a, b), sizes)
            if tape is self.of(I8):  # where the shapes of all arrays go, too, before its last array does
                room = make("add", room, Lit(sum(value.kind.ndim for value in arrays), I8))
            made.append(Assign(tape.array.id, make("grow", tape.array, make("add", tape.top, room)), where=where))
        for value in arrays:
            made += self.push_array(value, where)
        return made

    def pop(self, values: list[Name], where: Where | None) -> list[Statement]:
        """Restore what push saved."""
        made: list[Statement] = []
        for value in reversed(values):
            if value.kind.is_array:
                made += self.pop_array(value.id, value.kind, where)
        for tape, scalars in reversed(self.groups(values)):
            made.append(Assign(tape.top.id, make("sub", tape.top, Lit(len(scalars), I8)), where=where))
            for k, scalar in enumerate(scalars):
                assert isinstance(scalar, Name)
                made.append(
                    Assign(
                        scalar.id, self.read(tape.array, scalar.kind, make("add", tape.top, Lit(k, I8))), where=where
                    )
                )
        return made

    def pop_into(self, base: Name, index: tuple[Expr, ...], kind: Kind, where: Where | None) -> list[Statement]:
        """Restore a part of an array."""
        if kind.is_array:
            old = self.fresh(f"old_{base.id}", kind)
            return [*self.pop_array(old.id, kind, where), Store(base, index, old, where=where)]
        tape = self.of(kind)
        down = Assign(tape.top.id, make("sub", tape.top, Lit(1, I8)), where=where)
        return [down, Store(base, index, self.read(tape.array, kind, tape.top), where=where)]

    def groups(self, values: list[Any]) -> list[tuple[Tape, list[Expr]]]:
        """The scalars among the values, by tape."""
        found: dict[str, tuple[Tape, list[Expr]]] = {}
        for value in values:
            if not value.kind.is_array:
                tape = self.of(value.kind)
                found.setdefault(tape.array.id, (tape, []))[1].append(value)
        return list(found.values())

    def read(self, array: Name, kind: Kind, place: Expr) -> Expr:
        """array[place], of a tape, as a number of its kind."""
        item = Op("getitem", (array, place), array.kind.scalar)
        return make("ne", item, Lit(0, I8)) if kind.dtype == "b1" else item

    def rows(self, values: list[Name], loop: For) -> Rows:
        """Save numbers of all iterations of a loop over range(start, stop): those of one name side by side."""
        made = Rows()
        where = loop.where
        count = make("maximum", Lit(0, I8), make("sub", loop.stop, loop.start))
        for tape, scalars in self.groups(values):
            room = make("mul", Lit(len(scalars), I8), count)
            grown = make("grow", tape.array, make("add", tape.top, room))
            made.before.append(Assign(tape.array.id, grown, where=where))
            made.after.append(Assign(tape.top.id, make("add", tape.top, room), where=where))
            made.opening.append(Assign(tape.top.id, make("sub", tape.top, room), where=where))
            for k, scalar in enumerate(scalars):
                assert isinstance(scalar, Name)
                start = make("add", tape.top, make("mul", Lit(k, I8), count)) if k else tape.top
                place = make("sub", make("add", start, Name(loop.var, I8)), loop.start)
                made.push.append(Store(tape.array, (place,), scalar, where=where))
                # read through a view: LLVM does not make vector code of reads at top + i
                row = self.fresh("row", tape.array.kind)
                part = Op("slice", (start, make("add", start, count), Lit(1, I8)), Kind("slice"))
                made.opening.append(Assign(row.id, Op("getitem", (tape.array, part), row.kind), where=where))
                place = make("sub", Name(loop.var, I8), loop.start)
                made.pop.append(Assign(scalar.id, self.read(row, scalar.kind, place), where=where))
        return made

    def push_array(self, value: Expr, where: Where | None) -> list[Statement]:
        """tape[top : top + value.size] = value.ravel(), and its shape."""
        tape = self.of(value.kind)
        end = make("add", tape.top, make("size", value))
        place = Op("slice", (tape.top, end, Lit(1, I8)), Kind("slice"))
        flat: Expr = value if value.kind.ndim == 1 else make("ravel", value)
        made: list[Statement] = [Store(tape.array, (place,), flat, where=where)]
        made.append(Assign(tape.top.id, end, where=where))
        sizes = [make("shape", value, axis=k) for k in range(value.kind.ndim)]
        return made + self.push(sizes, where)

    def push_slice(self, place: Op, where: Where | None) -> list[Statement]:
        """Save a slice with one step, whose length its bounds tell."""
        tape = self.of(place.kind)
        end = make("add", tape.top, slice_length(place))
        return [
            Assign(tape.array.id, make("grow", tape.array, end), where=where),
            Store(tape.array, (Op("slice", (tape.top, end, Lit(1, I8)), Kind("slice")),), place, where=where),
            Assign(tape.top.id, end, where=where),
        ]

    def pop_slice(self, place: Op, where: Where | None) -> list[Statement]:
        """The inverse of push_slice."""
        tape = self.of(place.kind)
        length = slice_length(place)
        part = Op("slice", (tape.top, make("add", tape.top, length), Lit(1, I8)), Kind("slice"))
        base = place.args[0]
        assert isinstance(base, Name)
        return [
            Assign(tape.top.id, make("sub", tape.top, length), where=where),
            Store(base, place.args[1:], Op("getitem", (tape.array, part), tape.array.kind), where=where),
        ]

    def pop_array(self, target: str, kind: Kind, where: Where | None) -> list[Statement]:
        """The inverse of push_array."""
        tape = self.of(kind)
        sizes = [self.fresh("size", I8) for _ in range(kind.ndim)]
        made = self.pop(sizes, where)
        count: Expr = sizes[0]
        for size in sizes[1:]:
            count = make("mul", count, size)
        made.append(Assign(tape.top.id, make("sub", tape.top, count), where=where))
        place = Op("slice", (tape.top, make("add", tape.top, count), Lit(1, I8)), Kind("slice"))
        flat: Expr = Op("getitem", (tape.array, place), tape.array.kind)
        if kind.dtype == "b1":
            flat = make("ne", flat, Lit(0, I8))
        if kind.ndim > 1:
            flat = make("reshape", flat, *sizes, ndim=kind.ndim)
        made.append(Assign(target, flat, where=where))
        return made


def slice_length(place: Op) -> Expr:
    """How many elements a[i:j] has, for 0 <= i and j <= len(a)."""
    part = next(item for item in place.args[1:] if isinstance(item, Op) and item.name == "slice")
    return make("maximum", Lit(0, I8), make("sub", part.args[1], part.args[0]))
