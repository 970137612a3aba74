"""What a repeated block keeps for its reverse: values are recomputed where that is cheap, else saved."""

from __future__ import annotations

from dataclasses import replace

from .aliases import source_of
from .program import (
    Assign,
    Expr,
    For,
    If,
    Move,
    Name,
    Op,
    Statement,
    Store,
    While,
    assigned,
    every,
    names,
    used,
)
from .sweep import Sweep


def kept(
    r: Sweep, forward: list[Statement], backward: list[Statement], body: list[Statement], phis: list[Name]
) -> tuple[list[Statement], list[Statement]]:
    """The block with what its reverse reads: recomputed at the start of the reverse where that is cheap, else saved."""
    own = (assigned(body) | assigned(forward) | {p.id for p in phis}) - r.tapes.names()
    saved_inside = {s.target for s in every(body) if isinstance(s, Assign) and id(s) in r.save}
    again: dict[str, Statement] = {}
    tape: list[Name] = []
    pending = sorted(exposed(backward) & own)
    carried = {p.id for p in phis}
    seen: set[str] = set()
    while pending:
        name = pending.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if name in carried:
            r.needed_carried.add(name)
            if name not in saved_inside:
                tape.append(Name(name, r.program.kinds[name]))
            continue
        statement = cheap(r, name, body)
        if statement is None:
            tape.append(Name(name, r.program.kinds[name]))
            continue
        again[name] = statement
        pending += sorted((used([statement]) - {name}) & own)
    order = [s for s in body if any(s is a for a in again.values())]
    recomputed = [replace(s) for s in order]
    for new, old in zip(recomputed, order, strict=True):
        r.note(new, old)
    swapped = {t.id for s in body if isinstance(s, Move) for _, t in swap(r, s)}
    tape = [n for n in tape if n.id not in swapped]
    undo = 1 if swapped else 0  # the swap that undoes this one comes before all that reads the arrays
    start, backward = backward[:undo], backward[undo:]
    if tape:
        cut = len(forward)
        while cut and isinstance(forward[cut - 1], Move):
            cut -= 1
        where = body[-1].where
        forward = [*forward[:cut], *r.tapes.push(tape, where), *forward[cut:]]
        start += r.tapes.pop(tape, where)
    return forward, [*start, *recomputed, *backward]


def swap(r: Sweep, s: Move) -> list[tuple[Name, Name]]:
    """(value, target) for the arrays that the statement only gives one another's names; another swap undoes that."""
    own = {t.id for t in s.targets if t.id in r.mutable and t.kind.is_array}
    back = [(v, t) for t, v in zip(s.targets, s.values, strict=True) if isinstance(v, Name) and v.id in own]
    return back if {v.id for v, _ in back} == {t.id for _, t in back} else []


def cheap(r: Sweep, name: str, body: list[Statement]) -> Assign | None:
    """The one statement that sets `name`, where running it again gives the same value at little cost."""
    makers = [s for s in every(body) if isinstance(s, Assign) and s.target == name]
    moved = any(isinstance(s, Move) and name in {t.id for t in s.targets} for s in every(body))
    if len(makers) != 1 or moved or not any(makers[0] is s for s in body):
        return None
    s = makers[0]
    if name in names(s.value) or (name in r.mutable and source_of(s.value) is None):
        return None
    written = {root for t in every(body) if isinstance(t, Store) for root in r.roots.get(t.base.id, set())}
    reads = [n for n in names(s.value) if r.roots.get(n, set()) & written]
    if reads and source_of(s.value) is None:
        return None
    if s.value.kind.is_array and source_of(s.value) is None and not _light(s.value):
        return None
    return s


def exposed(body: list[Statement]) -> set[str]:
    """The names read before the statements set them."""
    found: set[str] = set()
    have: set[str] = set()
    for s in body:
        if isinstance(s, For | While):
            inner = exposed(s.body) - ({s.var} if isinstance(s, For) else set())
            found |= (inner | _direct(s)) - have
        elif isinstance(s, If):
            found |= (names(s.test) | exposed(s.body) | exposed(s.orelse)) - have
            have |= assigned(s.body) & assigned(s.orelse)
        else:
            found |= _direct(s) - have
            have |= assigned([s])
    return found


def _direct(s: Statement) -> set[str]:
    from .program import expressions

    return set().union(*(names(e) for e in expressions(s))) if expressions(s) else set()


def _light(value: Expr) -> bool:
    """Arrays that are allocated anew in the reverse sweep rather than saved: zeros and the like."""
    return isinstance(value, Op) and value.name in (
        "zeros",
        "ones",
        "empty",
        "zeros_like",
        "ones_like",
        "empty_like",
        "eye",
        "arange",
    )
