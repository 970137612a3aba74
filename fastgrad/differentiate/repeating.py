"""Branches and loops in reverse."""

from __future__ import annotations

from dataclasses import replace

from .activity import differentiable
from .indexing import index_kind
from .keeping import exposed, kept
from .kinds import I8
from .order import order_free, slice_before
from .program import (
    Assign,
    Call,
    Custom,
    Expr,
    For,
    If,
    Lit,
    Move,
    Name,
    Op,
    Program,
    Statement,
    Store,
    While,
    assigned,
    every,
)
from .rules import make
from .sweep import Sweep, homes

ONE, ZERO = Lit(1, I8), Lit(0, I8)


def branch(r: Sweep, s: If, repeated: bool) -> list[Statement]:
    """if test: ..."""
    prepare(r, [s])
    start = set(r.live)
    inside = homes([s])
    made: list[list[Statement]] = []
    reverse: list[list[Statement]] = []
    ends: list[set[str]] = []
    for part in (s.body, s.orelse):
        r.live = set(start)
        forward, backward = r.block(r, part, repeated)
        local = {name for name in assigned(part) if r.homes[name] == inside[name]}  # it has no value outside
        if repeated:
            forward, backward = kept(r, forward, backward, part, [])
        made.append(forward)
        reverse.append(backward)
        ends.append(r.live - (local - start))
    both = ends[0] | ends[1]
    for end, backward in zip(ends, reverse, strict=True):
        for name in sorted(both - end):
            kind = r.program.kinds[name]
            blank = make("zeros_like", Name(name, kind)) if kind.is_array else Lit(0.0, kind)
            backward.append(Assign(r.d(name).id, blank, where=s.where))
    r.live = both
    if any(reverse):
        r.emit(If(s.test, *reverse))
    return [replace(s, body=made[0], orelse=made[1])]


def prepare(r: Sweep, part: list[Statement]) -> None:
    """Before a block in reverse: adjoints that it adds to exist."""
    inside = set(differentiable_reads(part)) & r.active
    local = assigned(part)
    for name in sorted(inside - local - r.live):
        r.zero(name)


def loop(r: Sweep, s: For | While) -> list[Statement]:
    """A loop runs backwards, with the values of each iteration."""
    carried = {t.id: t for m in s.body if isinstance(m, Move) for t in m.targets}
    for name in sorted(set(carried) & r.active - r.live):
        r.zero(name)
    inside = set(differentiable_reads(s.body)) & r.active
    for name in sorted(inside - assigned(s.body) - r.live):
        r.zero(name)
    for name in sorted((inside & assigned(s.body)) - r.live):
        if name in assigned_destructively(s.body, r.program, name) and name not in carried:
            r.zero(name)
    start = set(r.live)
    saved = saved_before(r, s)
    forward, backward = r.block(r, s.body, True)
    for name in sorted(start - r.live):
        if name not in r.active:
            continue
        kind = r.program.kinds[name]
        blank = make("zeros_like", Name(name, kind)) if kind.is_array else Lit(0.0, kind)
        backward.append(Assign(r.d(name).id, blank, where=s.where))
    r.live = start
    forward, backward = kept(r, forward, backward, s.body, list(carried.values()))
    r.where = s.where
    counted = isinstance(s, While) or s.until is not None
    before: list[Statement] = []
    index = Name(s.var, I8) if isinstance(s, For) else r.fresh("step", I8)
    if backward and counted:
        count = r.fresh("steps", I8)
        before = [Assign(count.id, ZERO, where=s.where)]
        forward = [*forward, Assign(count.id, make("add", count, ONE), where=s.where)]
        r.program.kinds[count.id] = I8
        step = r.fresh("step", I8) if isinstance(s, For) else index
        if isinstance(s, For):
            value = make("add", s.start, make("mul", s.step, step))
            backward.insert(0, Assign(s.var, value, where=s.where))
        r.emit(For(step.id, make("sub", count, ONE), Lit(-1, I8), Lit(-1, I8), backward))
    elif backward:
        assert isinstance(s, For)
        free = order_free(s.var, backward, exposed(backward), r.memory)
        bounds = (s.start, s.stop, s.step) if free else reversed_range(s)
        r.emit(For(index.id, *bounds, backward))
    pushes: list[Statement] = []
    for place in saved:
        pushes += r.tapes.push_slice(place, s.where)
    for place in reversed(saved):
        r.out += r.tapes.pop_slice(place, s.where)
    return [*before, *pushes, replace(s, body=forward)]


def saved_before(r: Sweep, s: For | While) -> list[Op]:
    """What the loop writes and must be undone, where it can be saved at once, before the loop."""
    found: list[Op] = []
    if not isinstance(s, For):
        return found
    for store in s.body:
        if isinstance(store, Store) and id(store) in r.undo:
            own = r.direct.get(store.base.id, store.base.id)
            index = slice_before(s, store, own, lambda n: r.direct.get(n, n))
            if index is not None:
                r.hoisted.add(id(store))
                found.append(Op("getitem", (store.base, *index), index_kind(None, store.base, index, None)))  # type: ignore[arg-type]
    return found


def differentiable_reads(body: list[Statement]) -> list[str]:
    """The names whose adjoints the reverse of the statements may add to."""
    found: list[str] = []
    for s in every(body):
        if isinstance(s, Custom):
            found += [name.id for name, _ in s.gains]
        elif isinstance(s, Assign | Store):
            found += differentiable(s.value)
            if isinstance(s, Store):
                found.append(s.base.id)
        elif isinstance(s, Call):
            for arg in s.args:
                found += differentiable(arg)
        elif isinstance(s, Move):
            for v in s.values:
                found += differentiable(v)
    return found


def assigned_destructively(body: list[Statement], program: Program, name: str) -> set[str]:
    """{name} if the statements assign a name that also has a value before them."""
    inside = sum(1 for s in every(body) if isinstance(s, Assign) and s.target == name)
    total = sum(1 for s in every(program.body) if isinstance(s, Assign) and s.target == name)
    return {name} if total > inside else set()


def reversed_range(s: For) -> tuple[Expr, Expr, Expr]:
    """The range that runs through the same numbers backwards."""
    if s.step == ONE:
        return make("sub", s.stop, ONE), make("sub", s.start, ONE), Lit(-1, I8)
    if s.step == Lit(-1, I8):
        return make("add", s.stop, ONE), make("add", s.start, ONE), ONE
    count = make("count_range", s.start, s.stop, s.step)
    last = make("add", s.start, make("mul", s.step, make("sub", count, ONE)))
    return last, make("sub", s.start, s.step), make("neg", s.step)
