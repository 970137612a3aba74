"""Loops that hand to several neighbours, `d[i - 1] += a; d[i + 1] += b`, turned into loops in which each element collects.

The reverse of a stencil adds to several elements of an array in every iteration, and the next iteration adds to some of
them again, so that it cannot be made vector code.  Where the iterations may run in any order (For.free), the loop over j
in which d[j] collects from all iterations at once says the same and has no such chain; the first and the last elements, to
which not all shifts reach, are served by short loops of their own.  The sums are added up in another order, no more.

This is for the compiler: `.source` shows the loop as it was.  Measured for the stencil of bench/functions.py, 1000 points:
0.85 ns a point before, 0.13 after.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .kinds import I8
from .order import ONE, offset
from .polish import folded
from .program import (
    Assign,
    Expr,
    For,
    If,
    Lit,
    Name,
    Op,
    Program,
    Statement,
    Store,
    While,
    assigned,
    names,
    rebuild,
    walk,
)
from .rules import make
from .tidy import tidied

DEAREST = (
    2.0  # so many times the work of the loop may its collecting form do, since what neighbours share is done for each
)
COSTS = {
    **dict.fromkeys(("add", "sub", "mul", "neg", "pos", "where", "abs", "maximum", "minimum", "getitem"), 1),
    **dict.fromkeys(("float", "float32"), 1),
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not", "shape", "sign", "half"), 1),
    **dict.fromkeys(("div", "sqrt"), 4), **dict.fromkeys(("exp", "expm1", "log", "log1p", "tanh"), 12),
}  # fmt: skip


def gathered(program: Program) -> Program:
    """The program with such loops in their collecting form."""
    body = _block(program.body)
    return program if body is program.body else tidied(replace(program, body=body))


def _block(body: list[Statement]) -> list[Statement]:
    """The block, or itself where nothing changes."""
    made: list[Statement] = []
    changed = False
    for s in body:
        new: list[Statement] = [s]
        if isinstance(s, If):
            parts = _block(s.body), _block(s.orelse)
            if parts[0] is not s.body or parts[1] is not s.orelse:
                new = [replace(s, body=parts[0], orelse=parts[1])]
        elif isinstance(s, For | While):
            inner = _block(s.body)
            if inner is not s.body:
                new = [replace(s, body=inner)]
            elif isinstance(s, For):
                new = collecting(s) or [s]
        changed = changed or new[0] is not s
        made += new
    return made if changed else body


@dataclass(frozen=True)
class Gain:
    """The Store base[index] += value, where the loop's variable stands once in the index, as var + shift.

    value: in terms of what stands before the loop; place: the index of the iteration for which the shift would be none.
    """

    store: Store
    base: Name
    index: tuple[Expr, ...]
    shift: int
    value: Expr
    place: tuple[Expr, ...]

    @property
    def target(self) -> tuple[str, tuple[Expr, ...]]:
        """Where it goes, whatever the shift: an array, or a row of it."""
        return self.base.id, self.place


@dataclass
class Iteration:
    """One iteration read as a whole: what names and written places stand for at each statement."""

    var: str
    names: dict[str, Expr | None] = field(default_factory=dict)  # None: what cannot be said before the loop
    places: dict[tuple[str, tuple[Expr, ...]], Expr] = field(default_factory=dict)

    def meant(self, value: Expr) -> Expr | None:
        """The value, in terms of what stands before the loop; None where that cannot be said."""
        if isinstance(value, Name):
            return self.names.get(value.id, value)
        if not isinstance(value, Op):
            return value
        if value.name == "getitem" and isinstance(value.args[0], Name):
            first: Expr | None = value.args[0] if value.args[0].id not in self.names else None
            args = [first, *(self.meant(arg) for arg in value.args[1:])]
        else:
            args = [self.meant(arg) for arg in value.args]
        known = tuple(arg for arg in args if arg is not None)
        if len(known) < len(args):
            return None
        if value.name == "getitem" and isinstance(known[0], Name) and (known[0].id, known[1:]) in self.places:
            return self.places[known[0].id, known[1:]]
        return replace(value, args=known)

    def run(self, s: Assign | Store) -> None:
        """Remember what the statement sets."""
        value = self.meant(s.value)
        if isinstance(s, Assign):
            own = s.target in names(s.value) and s.target not in self.names  # added to from one iteration to the next
            self.names[s.target] = None if own or s.value.kind.is_array else value
            return
        index = self.index(s)
        if index is None or value is None or len(index) != s.base.kind.ndim or any(item.kind != I8 for item in index):
            raise Unknown
        old = self.places.get((s.base.id, index), Op("getitem", (s.base, *index), s.base.kind.scalar))
        self.places[s.base.id, index] = make("add", old, value) if s.add else value

    def index(self, s: Store) -> tuple[Expr, ...] | None:
        """Where the statement writes."""
        items = tuple(item for item in map(self.meant, s.index) if item is not None)
        return items if len(items) == len(s.index) else None


class Unknown(Exception):
    """Raised where a statement cannot be read in this way."""


def collecting(loop: For) -> list[Statement] | None:
    """The loops that do the same with each element collecting; None where the loop is not of this form, or not for less."""
    plain = all(type(s) in (Assign, Store) for s in loop.body)
    moving = (names(loop.start) | names(loop.stop)) & assigned(loop.body)
    if not loop.free or loop.until or loop.step != ONE or not plain or moving:
        return None
    shifts: dict[str, set[int | None]] = {}
    for s in loop.body:
        if isinstance(s, Store):
            shifts.setdefault(s.base.id, set()).update(
                found for item in s.index if (found := offset(loop.var, item)) is not None
            )
    several = {base for base, found in shifts.items() if len(found) > 1}
    try:
        gains = _gains(loop, several) if several else []
    except Unknown:
        return None
    reach = {g.target: {h.shift for h in gains if h.target == g.target} for g in gains}
    gains = [g for g in gains if len(reach[g.target]) > 1]
    work = _cost([s.value for s in loop.body])  # type: ignore[attr-defined]
    if not gains or math.isinf(work) or _cost([g.value for g in gains]) > DEAREST * work:
        return None
    return _loops(loop, gains)


def _gains(loop: For, several: set[str]) -> list[Gain]:
    """What the iteration hands to the arrays `several`; Unknown where that cannot be said."""
    found: list[Gain] = []
    iteration = Iteration(loop.var)
    inside = assigned(loop.body)
    for s in loop.body:
        if not isinstance(s, Store) or s.base.id not in several:
            assert isinstance(s, Assign | Store)
            iteration.run(s)
            continue
        index, value = iteration.index(s), iteration.meant(s.value)
        if index is None or value is None or not s.add or len(index) != s.base.kind.ndim:
            raise Unknown
        axes = [k for k, item in enumerate(index) if loop.var in names(item)]
        shift = offset(loop.var, index[axes[0]]) if len(axes) == 1 else None
        if shift is None or any(names(item) & inside or item.kind != I8 for item in index):
            raise Unknown
        place = tuple(_moved(loop.var, shift, item) for item in index)
        found.append(Gain(s, s.base, index, shift, value, place))
    return found


def _cost(values: list[Expr]) -> float:
    """About how many operations there are; infinite where one is no vector code."""
    total = 0.0
    for value in values:
        for part in walk(value):
            if isinstance(part, Op):
                small = part.name == "pow" and isinstance(part.args[1], Lit) and part.args[1].value in (2, 3)
                total += 2 if small else COSTS.get(part.name, math.inf)
    return total


def _loops(loop: For, gains: list[Gain]) -> list[Statement]:
    """The first elements, the middle, the last elements; then the loop with what it does besides."""
    low, high = min(g.shift for g in gains), max(g.shift for g in gains)
    first, last = _plus(loop.start, high), _plus(loop.stop, low)  # where all shifts reach: first <= j < last

    def over(start: Expr, stop: Expr, body: list[Statement]) -> For:
        return replace(loop, start=start, stop=stop, body=body)

    def stores(some: list[Gain]) -> list[Statement]:
        return [Store(g.base, g.index, g.value, add=True, where=loop.body[-1].where) for g in some]

    made: list[Statement] = []
    ends: list[Statement] = []
    for k in sorted({g.shift for g in gains}):
        own = [g for g in gains if g.shift == k]
        if k < high:
            made.append(over(loop.start, make("minimum", loop.stop, _plus(first, -k)), stores(own)))
        if k > low:
            ends.append(over(make("maximum", _plus(last, -k), _plus(first, -k)), loop.stop, stores(own)))
    made.append(over(first, last, _middle(loop, gains)))
    rest = [s for s in loop.body if not any(s is g.store for g in gains)]
    return [*made, *ends, over(loop.start, loop.stop, rest)]


def _middle(loop: For, gains: list[Gain]) -> list[Statement]:
    """base[..., j, ...] += all that it receives."""
    sums: dict[tuple[str, tuple[Expr, ...]], tuple[Name, Expr]] = {}
    for g in gains:
        value = _moved(loop.var, g.shift, g.value)
        sums[g.target] = (g.base, make("add", sums[g.target][1], value) if g.target in sums else value)
    return [
        Store(base, place, value, add=True, where=loop.body[-1].where) for (_, place), (base, value) in sums.items()
    ]


def _moved(var: str, shift: int, value: Expr) -> Expr:
    """The value `shift` iterations ago."""
    change: Callable[[Name], Expr] = lambda n: _plus(n, -shift) if n.id == var else n  # noqa: E731
    return folded(rebuild(value, change)) if shift else value


def _plus(value: Expr, by: int) -> Expr:
    """value + by, for integers."""
    return make("add" if by >= 0 else "sub", value, Lit(abs(by), I8)) if by else value
