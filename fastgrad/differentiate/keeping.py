"""What a repeated block keeps for its reverse: values are recomputed where that is cheap, else saved."""

from __future__ import annotations

from dataclasses import replace

from .aliases import source_of
from .exposure import exposed
from .kinds import I8
from .order import ONE
from .program import (
    Assign,
    Expr,
    For,
    Move,
    Name,
    Op,
    Statement,
    Store,
    assigned,
    every,
    expressions,
    names,
    rewritten,
    used,
)
from .rules import make
from .sweep import Sweep
from .tapes import Rows


def kept(
    r: Sweep,
    forward: list[Statement],
    backward: list[Statement],
    body: list[Statement],
    phis: list[Name],
    loop: For | None = None,
) -> tuple[list[Statement], list[Statement], Rows]:
    """The block with what its reverse reads: recomputed at the start of the reverse where that is cheap, else saved.

    loop: of which it is the body, where the iterations are known before. Then numbers may be saved in rows, each at a place
    that its iteration knows, and there is something to do around the loop.
    """
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
    rows = Rows()
    if tape:
        tape, measured, backward = sizes_alone(r, tape, backward, recomputed)
        cut = len(forward)
        while cut and isinstance(forward[cut - 1], Move):
            cut -= 1
        if loop is not None and in_rows(r, loop, tape, forward):
            rows = r.tapes.rows(tape, loop)
            push, pop = rows.push, rows.pop
        else:
            push, pop = r.tapes.push(tape, body[-1].where), r.tapes.pop(tape, body[-1].where)
        forward, recomputed = [*forward[:cut], *measured, *push, *forward[cut:]], [*pop, *recomputed]
    return forward, [*start, *recomputed, *backward], rows


def sizes_alone(
    r: Sweep, tape: list[Name], backward: list[Statement], recomputed: list[Statement]
) -> tuple[list[Name], list[Statement], list[Statement]]:
    """Of arrays that nothing but shapes is wanted of, the sizes are saved: (what to save, its making, the reverse)."""
    kept: list[Name] = []
    made: list[Statement] = []
    lengths: dict[str, list[Name]] = {}
    for name in tape:
        if name.kind.is_array and all(_measures(e, name) for s in every(recomputed + backward) for e in expressions(s)):
            sizes = [r.fresh(f"{name.id}_size", I8) for _ in range(name.kind.ndim)]
            made += [Assign(n.id, make("shape", name, axis=k), where=r.where) for k, n in enumerate(sizes)]
            lengths[name.id] = sizes
            kept += sizes
        else:
            kept.append(name)
    if not lengths:
        return tape, [], backward
    changed = rewritten(backward, lambda value: _by_sizes(value, lengths))
    for new, old in zip(every(changed), every(backward), strict=True):
        if id(old) in r.origin:
            r.note(new, r.origin[id(old)])
    return kept, made, changed


def _measures(value: Expr, name: Name) -> bool:
    """Is the name read in no other way than for the shape to which an adjoint of as many dimensions is summed?"""
    if not isinstance(value, Op):
        return value != name
    if value.name == "unbroadcast" and value.args[1] == name and value.args[0].kind.ndim == name.kind.ndim:
        return _measures(value.args[0], name)
    return all(_measures(arg, name) for arg in value.args)


def _by_sizes(value: Expr, lengths: dict[str, list[Name]]) -> Expr:
    """The expression with unbroadcast_to(d, sizes) for unbroadcast(d, array)."""
    if not isinstance(value, Op):
        return value
    args = tuple(_by_sizes(arg, lengths) for arg in value.args)
    like = args[1] if value.name == "unbroadcast" else None
    if isinstance(like, Name) and like.id in lengths:
        return make("unbroadcast_to", args[0], *lengths[like.id])
    return replace(value, args=args)


def in_rows(r: Sweep, loop: For, tape: list[Name], forward: list[Statement]) -> bool:
    """May the numbers of all iterations stand side by side, so that iterations need no order?"""
    inside = assigned(forward) | {loop.var}
    own = not (names(loop.start) | names(loop.stop) | r.tapes.names()) & inside
    return (
        own
        and loop.step == ONE
        and not any(isinstance(s, Move) for s in forward + loop.body)
        and all(n.kind.ndim == 0 for n in tape)
    )


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
