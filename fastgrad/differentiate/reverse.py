"""The reverse sweep: from the program of a function to the program of its gradient.

Forward, the program runs as it is, and saves on a tape what the reverse sweep will need and would not find: values of loop
iterations, and elements that are overwritten. In reverse every statement gives the adjoint of what it set, d_name, to what
it read. The adjoint of an array that is written into is written into at the same places; a view of it has a view of
its adjoint. Where recomputing is cheap, nothing is saved; where nothing is overwritten, there is no tape.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from .activity import differentiable
from .aliases import source_of
from .errors import DifferentiationError
from .indexing import index_kind
from .keeping import swap
from .kinds import Kind
from .program import (
    Assign,
    Call,
    Custom,
    Expr,
    For,
    If,
    Move,
    Name,
    Op,
    Program,
    Raise,
    Return,
    Statement,
    Store,
    While,
    assigned,
    names,
    surely_assigned,
)
from .repeating import branch, loop
from .rules import make, number
from .selfcalls import call
from .sweep import Sweep, _is_of


def reversal(
    program: Program, inputs: set[str], wanted: set[str], undo: Collection[int] = (),
    callees: dict[str, Any] | None = None,
) -> Sweep:  # fmt: skip
    """A sweep over a program, from the names `wanted` to the `inputs`, ready to start.

    undo: the ids of the Stores whose old content it restores; callees: the program's functions (selfcalls.py).
    """
    return Sweep(program, inputs, wanted, callees or {}, undo, block=block)


def block(r: Sweep, body: list[Statement], repeated: bool) -> tuple[list[Statement], list[Statement]]:
    """(forward statements, reverse statements) of a block; repeated: it runs more than once, in a loop."""
    outer, r.out = r.out, []
    forward: list[Statement] = []
    backward: list[list[Statement]] = []
    moves = len(body) > 0 and isinstance(body[-1], Move)  # in reverse it comes first: it renames adjoints
    opening = [] if moves else shadows(r, body)
    for s in reversed(body):
        r.where = s.where
        r.out = []
        due: list[tuple[Name, Name]] = []
        if moves and isinstance(s, Move) and s is body[-1]:
            due = move(r, s, {x.target for x in body if isinstance(x, Assign) and _is_view(r, x)})
            here: list[Statement] = [s]
            r.out += shadows(r, body[:-1])
        else:
            here = statement(r, s, repeated)
        for name, part in due:
            r.contribute(name, None, part)
        for new in r.out:
            r.note(new, s)
        backward.append(r.out)
        forward[:0] = here
    r.out = outer
    return forward, [*opening, *(s for part in backward for s in part)]


def shadows(r: Sweep, body: list[Statement]) -> list[Statement]:
    """Adjoints of the arrays that a block allocates and that are written into, and of their views."""
    made: list[Statement] = []
    for s in body:
        handed = (
            {s.target}
            if isinstance(s, Assign)
            else assigned([s])
            if isinstance(s, Call)
            else surely_assigned([s])
            if isinstance(s, If)
            else set()
        )
        for name in sorted(handed & r.mutable & r.active - r.live):
            value = s.value if isinstance(s, Assign) else Name(name, r.kinds[name])
            if isinstance(value, Name) and name not in r.viewed:
                continue  # made when the first contribution comes
            if isinstance(s, Assign) and _is_view(r, s):
                shadow = _shadow(value, r.d)
                r.views.add(name)
            else:
                shadow = make("zeros_like", Name(name, r.kinds[name]))
            made.append(Assign(r.d(name).id, shadow, where=s.where))
            r.live.add(name)
    return made


def statement(r: Sweep, s: Statement, repeated: bool) -> list[Statement]:
    """Reverse one statement; its forward form."""
    if isinstance(s, Custom):
        return custom(r, s)
    if isinstance(s, Assign):
        return assign(r, s)
    if isinstance(s, Store):
        return store(r, s)
    if isinstance(s, Call):
        return call(r, s)
    if isinstance(s, If):
        return branch(r, s, repeated)
    if isinstance(s, For | While):
        return loop(r, s)
    assert isinstance(s, Raise | Return)
    return [s] if isinstance(s, Raise) else []


def assign(r: Sweep, s: Assign) -> list[Statement]:
    """target = value."""
    forward: list[Statement] = [s]
    if id(s) in r.save:
        old = Name(s.target, r.program.kinds[s.target])
        forward = [*r.tapes.push([old], s.where), s]
        r.out += r.tapes.pop([old], s.where)
    if s.target not in r.active or s.target not in r.live:
        r.live.discard(s.target)
        return forward
    if s.target in r.views:
        r.live.discard(s.target)
        return forward  # a view: its adjoint is a view, too
    d = r.d(s.target)
    target = Name(s.target, r.program.kinds[s.target])
    found = r.spread(s.target, s.value, d, target)
    own = [c for c in found if c[0].id == s.target]
    found.sort(key=lambda c: _is_of(c[2], d.id))
    for k, (name, index, value) in enumerate(found):
        if name.id != s.target:
            last = k + 1 == len(found) and not own and s.target not in r.mutable
            r.movable = d.id if last else None  # nobody reads d any more: it may become the other's adjoint
            r.contribute(name, index, value)
    r.movable = None
    r.live.discard(s.target)
    for name, index, value in own:
        if index is not None:
            raise DifferentiationError("reads and replaces an array at once", s.where, s.target)
        r.live.add(name.id)
        if value != d:
            r.emit(Assign(d.id, value))
    return forward


def custom(r: Sweep, s: Custom) -> list[Statement]:
    """target = value, whose rule the user wrote."""
    forward: list[Statement] = [Assign(s.target, s.value, where=s.where)]
    if s.target not in r.active or s.target not in r.live:
        return forward
    r.emit(Assign(s.seed.id, r.d(s.target)))
    for part in s.pull:
        r.emit(replace(part))
    r.live.discard(s.target)
    for name, value in s.gains:
        if name.id in r.active:
            r.contribute(name, None, value)
    return forward


def store(r: Sweep, s: Store) -> list[Statement]:
    """base[index] = value."""
    forward: list[Statement] = [s]
    index = s.index
    if id(s) in r.undo and id(s) not in r.hoisted:
        place = _place(s.base, s)
        forward = [*r.tapes.push([place], s.where), s]
        r.out += r.tapes.pop_into(s.base, index, place.kind, s.where)
    if s.base.id not in r.active:
        return forward
    if s.base.id not in r.live:
        return forward
    d = r.d(s.base.id)
    place = _place(d, s)
    if not differentiable(s.value) & r.active:
        if not s.add:
            r.emit(Store(d, index, number(0.0)))
        return forward
    fancy = any(item.kind.is_array and item.kind.dtype != "b1" for item in index)
    if s.add:
        value: Expr = place
        if not isinstance(s.value, Name) and not place.kind.is_array:
            value = r.bind(f"d_{s.base.id}_part", place)
        elif any(r.memory(n) == r.memory(s.base.id) for n in differentiable(s.value)):
            value = r.bind(f"d_{s.base.id}_part", make("copy", place))
    elif fancy and len(index) == 1:
        value = r.bind(f"d_{s.base.id}_part", make("take_back", d, index[0]))
        r.emit(Store(d, index, number(0.0)))
    elif fancy:
        raise DifferentiationError(
            "writes with an index array in a way that has no derivative here", s.where, s.base.id
        )
    else:
        copied = make("copy", place) if place.kind.is_array else place
        value = r.bind(f"d_{s.base.id}_part", copied)
    found = r.spread(None if s.base.id in r.masked else s.base.id, s.value, fitted(r, value, s.value), s.value)
    if not s.add and not fancy:
        found = replaced(r, d, s, found, value)
    for name, at, part in found:
        r.contribute(name, at, part)
    return forward


def replaced(r: Sweep, d: Name, s: Store, found: list[Any], value: Expr) -> list[Any]:
    """d[index] = what the old element contributes to the new one, mostly nothing; the other contributions."""
    same = [c for c in found if c[0].id == s.base.id and c[1] == s.index]
    new: Expr = same[0][2] if same else number(0.0)
    if new != value:
        r.emit(Store(d, s.index, new))
    return [c for c in found if c not in same]


def fitted(r: Sweep, d: Expr, value: Expr) -> Expr:
    """The adjoint of a place, summed to the shape of the value that was written there."""
    if not d.kind.is_array:
        return d
    if not value.kind.is_array:
        return make("sum", d)
    return make("unbroadcast", d, value)


def move(r: Sweep, s: Move, views: set[str]) -> list[tuple[Name, Name]]:
    """What one iteration hands to the next; of the names in `views`, whose adjoints look into others, what they receive.

    The adjoint of an array that lives on beyond the iteration stays where it is: others may look into it.
    """
    back = swap(r, s)
    if back:  # first of all: what is recomputed reads the arrays under the names that they had in the iteration
        r.emit(Move([v for v, _ in back], [t for _, t in back]))
    new: dict[str, Expr] = {}
    targets = {t.id: t for t in s.targets if t.id in r.active}
    for t, value in zip(s.targets, s.values, strict=True):
        if t.id not in targets:
            continue
        for name, index, part in r.spread(None, value, r.d(t.id), value):
            if index is not None:
                raise DifferentiationError("hands on a part of an array", s.where, t.id)
            if name.kind.is_array and name.id in r.live and name.id not in targets:
                r.contribute(name, None, part)
            elif name.id in new:
                new[name.id] = make("add", new[name.id], part)
            elif name.id in targets or name.id not in r.live:
                new[name.id] = part
            else:
                new[name.id] = make("add", r.d(name.id), part)
    due = [(Name(n, r.kinds[n]), r.fresh(f"d_{n}_part", r.kinds[n])) for n in new if n in views]
    parts = {n.id: part for n, part in due}
    pairs = [(parts.get(n) or r.d(n), v) for n, v in new.items() if v != r.d(n)]
    seen: set[str] = set()
    for k, (n, v) in enumerate(pairs):
        if n.kind.is_array and isinstance(v, Name) and v.id in seen:
            pairs[k] = (n, make("copy", v))
        seen |= names(v)
    if pairs:
        r.emit(Move([n for n, _ in pairs], [v for _, v in pairs]))
    r.live |= set(new) - views
    for name in targets:
        if name not in new:
            r.live.discard(name)
            if name in r.mutable:
                r.zero(name)
    return due


def _is_view(r: Sweep, s: Assign) -> bool:
    """Does it name a part of an array that is written into?"""
    return s.target in r.mutable and not isinstance(s.value, Name) and source_of(s.value) in r.mutable


def _shadow(value: Expr, d: Any) -> Expr:
    """A view's expression, of the adjoint."""
    if isinstance(value, Name):
        return d(value.id)  # type: ignore[no-any-return]
    assert isinstance(value, Op)
    return replace(value, args=(_shadow(value.args[0], d), *value.args[1:]))


def _place(base: Name, s: Store) -> Expr:
    """What the Store writes, of the array or of its adjoint."""
    whole_array = isinstance(s.index[0], Op) and s.index[0].name == "ellipsis" and len(s.index) == 1
    return base if whole_array else Op("getitem", (base, *s.index), _place_kind(s))


def _place_kind(s: Store) -> Kind:
    if len(s.index) == 1 and isinstance(s.index[0], Op) and s.index[0].name == "ellipsis":
        return s.base.kind
    return index_kind(None, s.base, s.index, None)  # type: ignore[arg-type]
