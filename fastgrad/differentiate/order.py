"""Loops of the reverse sweep whose iterations may run in any order, and saving that leaves a loop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace

from .aliases import source_of
from .bounds import least
from .kinds import I8, Kind
from .program import (
    Assign,
    Call,
    Expr,
    For,
    Lit,
    Move,
    Name,
    Op,
    Statement,
    Store,
    While,
    assigned,
    blocks,
    every,
    expressions,
    inside,
    names,
    walk,
)
from .rules import make

ONE = Lit(1, I8)


def order_free(
    var: str,
    body: list[Statement],
    exposed: set[str],
    memory: Callable[[str], frozenset[str]],
    known: Mapping[str, float],
) -> bool:
    """May the iterations over `var` run in any order? Then the loop runs forwards, as the original does.

    Scalars are only added to, or set before they are read; an element that is set or read is the iteration's own.
    memory: an array's name -> the arrays whose memory it shares. known: the least values of variables of loops.
    """
    sums = _accumulators(body)
    if sums is None or (exposed & assigned(body)) - sums:
        return False
    touched: dict[frozenset[str], list[tuple[str, tuple[Expr, ...], bool]]] = {}
    for s in every(body):
        if isinstance(s, Store):
            touched.setdefault(memory(s.base.id), []).append((s.base.id, s.index, s.add))
    for s in every(body):
        if isinstance(s, Assign) and source_of(s.value) and any(memory(str(source_of(s.value))) & m for m in touched):
            return False
        for expression in _read(s):
            for part in walk(expression):
                if isinstance(part, Op) and part.name == "getitem" and isinstance(part.args[0], Name):
                    for group, accesses in touched.items():
                        if memory(part.args[0].id) & group:
                            accesses.append((part.args[0].id, part.args[1:], False))
        bare = {n for e in _read(s) for n in _bare_arrays(e)}
        if any(memory(n) & group for n in bare for group in touched):
            return False
    return all(_apart(var, accesses, known) for accesses in touched.values())


def _read(s: Statement) -> list[Expr]:
    return [*s.index, s.value] if isinstance(s, Store) else expressions(s)


def _bare_arrays(e: Expr) -> set[str]:
    """Arrays that are read as a whole (their shapes alone do not count)."""
    if isinstance(e, Name):
        return {e.id} if e.kind.is_array else set()
    if not isinstance(e, Op) or e.name in ("shape", "size", "zeros_like"):
        return set()
    parts = e.args[1:] if e.name == "getitem" else e.args
    return set().union(*(_bare_arrays(a) for a in parts), set())


def _apart(var: str, accesses: list[tuple[str, tuple[Expr, ...], bool]], known: Mapping[str, float]) -> bool:
    """Only added to; or always at the one place that the iteration has for itself.

    a[-1] and a[n - 1] are one place: an index that may be negative is nobody's own.
    """
    if all(add for _, _, add in accesses):
        return True
    first = accesses[0]
    own = any(offset(var, item) is not None and least(item, known) >= 0 for item in first[1])
    return own and all(a[:2] == first[:2] for a in accesses)


def offset(var: str, item: Expr) -> int | None:
    """c for var + c."""
    if isinstance(item, Name):
        return 0 if item.id == var else None
    if isinstance(item, Op) and item.name in ("add", "sub") and isinstance(item.args[0], Name):
        by = item.args[1]
        if item.args[0].id == var and isinstance(by, Lit):
            return by.value if item.name == "add" else -by.value  # type: ignore[no-any-return]
    return None


def _accumulators(body: list[Statement]) -> set[str] | None:
    """The scalars that the body only adds to; None where something else is carried."""
    sums: set[str] = set()
    plain: set[str] = set()
    for s in every(body):
        if isinstance(s, Move | While | Call):
            return None
        if isinstance(s, For):
            plain.add(s.var)
        if isinstance(s, Assign):
            value = s.value
            adds = (
                isinstance(value, Op) and value.name in ("add", "sub") and value.args[0] == Name(s.target, value.kind)
            )
            if adds and isinstance(value, Op) and s.target not in names(value.args[1]) and not value.kind.is_array:
                sums.add(s.target)
            elif isinstance(value, Op) and value.name.startswith("scatter_add"):
                return None
            else:
                plain.add(s.target)
    sums -= plain
    for s in every(body):
        for e in expressions(s):
            read = names(e.args[1]) if isinstance(s, Assign) and s.target in sums and isinstance(e, Op) else names(e)
            if read & sums:
                return None
    return sums


# ---- saving before a loop ----------------------------------------------------------------------------------------------


def slice_before(loop: For, store: Store, own: str, direct: Callable[[str], str]) -> tuple[Expr, ...] | None:
    """The index of all that `store`, which stands in the loop's body, writes; None where it cannot be saved at once."""
    if loop.step != ONE or loop.until or not isinstance(loop.start, Lit) or len(store.index) < store.base.kind.ndim:
        return None  # without an index for every dimension it writes rows
    where = [k for k, item in enumerate(store.index) if offset(loop.var, item) is not None]
    varying = assigned(loop.body) | {loop.var}
    others = [item for k, item in enumerate(store.index) if k not in where]
    if len(where) != 1 or any(names(item) & varying or item.kind != I8 for item in others):
        return None
    by = offset(loop.var, store.index[where[0]]) or 0
    if loop.start.value + by < 0 or names(loop.stop) & varying:
        return None
    for s in every(loop.body):
        if isinstance(s, Store) and s is not store and direct(s.base.id) == own:
            return None
        if any(direct(n) == own for e in _read(s) for n in names(e)):
            return None
    stop = make("add", loop.stop, Lit(by, I8))
    if least(stop, {}) < 0:  # a loop that does not run at all
        stop = make("maximum", Lit(0, I8), stop)
    part = Op("slice", (Lit(loop.start.value + by, I8), stop, ONE), Kind("slice"))
    return tuple(part if k == where[0] else item for k, item in enumerate(store.index))


def grown_before(body: list[Statement], tapes: dict[str, str]) -> list[Statement]:
    """Room on the tapes for a whole loop is made before the loop. tapes: tape -> its top."""
    made: list[Statement] = []
    for s in body:
        s = inside(s, lambda block: grown_before(block, tapes))
        if isinstance(s, For):
            for tape, top in tapes.items():
                rooms = _growth(s.body, tape)
                if not rooms or any(names(room) & (assigned(s.body) | {s.var}) for room in rooms):
                    continue
                if len(rooms) > 1:  # a range that runs backwards saves nothing, not less than nothing
                    rooms = [r if isinstance(r, Lit) else make("maximum", Lit(0, I8), r) for r in rooms]
                total = functools.reduce(lambda a, b: make("add", a, b), rooms)
                count = make("sub", s.stop, s.start) if s.step == ONE else make("count_range", s.start, s.stop, s.step)
                room = make("add", Name(top, I8), make("mul", total, count))
                kind = Kind("i8" if tape.startswith("marks") else "f4" if "32" in tape else "f8", 1)
                made.append(Assign(tape, make("grow", Name(tape, kind), room), where=s.where))
                s = replace(s, body=_without_growth(s.body, tape))
        made.append(s)
    return made


def _growth(body: list[Statement], tape: str) -> list[Expr] | None:
    """What an iteration saves at most, as numbers to add up; None where it is not known."""
    rooms: list[Expr] = []
    for s in body:
        if isinstance(s, Call) and tape in {t.id for t in s.targets}:
            return None
        if isinstance(s, Assign) and s.target == tape:
            value = s.value
            room = value.args[1] if isinstance(value, Op) else None
            if not (isinstance(room, Op) and room.name == "add" and isinstance(room.args[0], Name)):
                return None
            rooms.append(room.args[1])
        for block in blocks(s):
            inner = _growth(block, tape)
            if inner is None or (inner and isinstance(s, For | While)):
                return None
            rooms += inner
    return rooms


def _without_growth(body: list[Statement], tape: str) -> list[Statement]:
    kept: list[Statement] = []
    for s in body:
        if isinstance(s, Assign) and s.target == tape:
            continue
        kept.append(inside(s, lambda block: _without_growth(block, tape)))
    return kept
