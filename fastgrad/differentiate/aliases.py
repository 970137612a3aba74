"""Which arrays may share memory: the roots of a name are the allocations and arguments that it may look into."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from .errors import DifferentiationError
from .exposure import exposed
from .kinds import I8
from .program import (
    Assign,
    Call,
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
    blocks,
    calls,
    every,
    inside,
    leaves,
    used,
)

VIEWS = {"T", "transpose", "transpose_back", "expand", "ravel", "match", "reshape", "float", "unbroadcast", "unbroadcast_to",
         "scatter_add", "scatter_add_to_columns", "scatter_add_where"}  # fmt: skip


def source_of(value: Expr) -> str | None:
    """The name into whose memory the value looks, or may look."""
    if isinstance(value, Name):
        return value.id if value.kind.is_array else None
    if isinstance(value, Op) and value.kind.is_array and value.args:
        basic = value.name == "getitem" and not any(a.kind.is_array for a in value.args[1:])
        if basic or value.name in VIEWS:
            return source_of(value.args[0])
    return None


def roots(program: Program) -> dict[str, set[str]]:
    """For every array name the names of the arrays whose memory it may share."""
    found: dict[str, set[str]] = {}
    for tree in program.arguments:
        for name in leaves(tree):
            if name is not None:
                found[name.id] = {name.id}
    for item in program.captured:
        found[item.name.id] = {item.name.id}
    changed = True
    while changed:
        changed = False
        for s in every(program.body):
            pairs = [(s.target, s.value)] if isinstance(s, Assign) else []
            if isinstance(s, Call):
                for t in s.targets:
                    if t.kind.is_array and t.id not in found.setdefault(t.id, set()):
                        found[t.id].add(t.id)
                        changed = True
            if isinstance(s, Move):
                pairs = [(t.id, v) for t, v in zip(s.targets, s.values, strict=True)]
            for target, value in pairs:
                if not value.kind.is_array:
                    continue
                origin = source_of(value)
                new = found.get(origin, set()) if origin else {target}
                old = found.setdefault(target, set())
                if not new <= old:
                    old |= new
                    changed = True
    return found


def stored(program: Program) -> set[str]:
    """The names of arrays whose memory is written into somewhere, under whatever name."""
    found = roots(program)
    written = {root for s in every(program.body) if isinstance(s, Store) for root in found.get(s.base.id, set())}
    return {name for name, own in found.items() if own & written}


def check(program: Program) -> None:
    """Refuse an array that is written into while two names of it are in use after a branch or from one iteration to the next.

    Straight code needs no such rule: there a second name is the first one.
    """
    mutable = stored(program)
    _check_calls(program, mutable)
    if mutable:
        _check_contiguous(program, mutable)
        known = Memory(direct_memory(program), roots(program), mutable, merged(program))
        _check_block(program.body, known, Later(set(), set()))


def _check_calls(program: Program, mutable: set[str]) -> None:
    """Functions that call themselves copy where Python shares memory: refuse what would notice."""
    found = roots(program)
    for s in calls(program.body):
        bases = [source_of(arg) for arg in s.args]
        if s.looks and mutable & {*(t.id for t in s.targets), *bases}:
            raise DifferentiationError("may return a view of an array that is written into: copy it first", s.where)
        for k in s.written:
            own = found.get(bases[k] or "", set())
            if any(own & found.get(other or "", set()) for j, other in enumerate(bases) if j != k):
                raise DifferentiationError("is given an array that it writes into under two names: copy one", s.where)


def direct_memory(program: Program) -> dict[str, str]:
    """For every name that is a view the name whose memory it looks into; a name that a branch or loop hands on is its own."""
    apart = merged(program)
    views = {
        s.target: source_of(s.value)
        for s in every(program.body)
        if isinstance(s, Assign) and isinstance(s.value, Op) and s.target not in apart
    }
    found: dict[str, str] = {}
    for name in views:
        origin: str | None = name
        while origin in views and views[origin] is not None:
            origin = views[origin]
        found[name] = origin or name
    return found


def merged(program: Program) -> set[str]:
    """The names that are set on both ways through a branch and read behind it."""
    counts = Counter(s.target for s in every(program.body) if isinstance(s, Assign))
    return {name for name in _read_behind(program.body, set()) if counts[name] > 1}


def _read_behind(body: list[Statement], later: set[str]) -> set[str]:
    """The names that a branch sets and that are read once it is done. later: those read behind the block."""
    found: set[str] = set()
    for k, s in enumerate(body):
        after = later | used(body[k + 1 :])
        if isinstance(s, If):
            found |= {x.target for x in every([s]) if isinstance(x, Assign)} & after
        around = after | exposed([s]) if isinstance(s, For | While) else after
        for block in blocks(s):
            found |= _read_behind(block, around)
    return found


def _check_contiguous(program: Program, mutable: set[str]) -> None:
    """reshape and ravel look into the array or copy it, as its layout demands: where that matters it must be known."""
    makers = values_of(program)
    for s in every(program.body):
        part: Expr | None = s.value if isinstance(s, Assign) and s.target in mutable else None
        while isinstance(part, Op) and source_of(part):
            if part.name in ("reshape", "ravel", "match") and not contiguous(part.args[0], makers):
                what = "may share memory with an array that is written into, or be a copy: copy it first"
                raise DifferentiationError(what, s.where, s.target)  # type: ignore[attr-defined]
            part = part.args[0]


def values_of(program: Program) -> dict[str, list[Expr]]:
    """Everything that is assigned to each name."""
    found: dict[str, list[Expr]] = {}
    for s in every(program.body):
        if isinstance(s, Assign):
            found.setdefault(s.target, []).append(s.value)
        elif isinstance(s, Move):
            for target, value in zip(s.targets, s.values, strict=True):
                found.setdefault(target.id, []).append(value)
    return found


BLOCKS = {"reshape", "ravel", "match", "copy", "zeros", "ones", "empty", "full", "array", "stack", "concatenate"}


def contiguous(value: Expr, makers: dict[str, list[Expr]], seen: frozenset[str] = frozenset()) -> bool:
    """Is the array surely one block of memory in row order?"""
    if isinstance(value, Name):
        if value.id in seen:
            return True  # it is what its other values are
        made = makers.get(value.id, [])
        return bool(made) and all(contiguous(v, makers, seen | {value.id}) for v in made)
    if not isinstance(value, Op):
        return False
    if value.name in BLOCKS:
        return True
    if value.name == "getitem" and all(
        is_block(item, k + 2 == len(value.args)) for k, item in enumerate(value.args[1:])
    ):
        return contiguous(value.args[0], makers, seen)
    return source_of(value) is None and value.kind.ndim == 1


def is_block(item: Expr, last: bool) -> bool:
    """Does an index keep the array one block of memory: an integer, or at the end a slice without a step?"""
    if isinstance(item, Op) and item.name == "slice":
        return last and isinstance(item.args[2], Lit) and item.args[2].value in (None, 1)
    return item.kind == I8


def with_own_memory(program: Program) -> Program:
    """Where a branch or a loop hands on an array that is written into, it hands on a copy.

    check() has made sure that nobody can tell; the reverse sweep may then restore either array without the other.
    """
    mutable, apart = stored(program), merged(program)

    def block(body: list[Statement]) -> list[Statement]:
        made: list[Statement] = []
        for s in body:
            if isinstance(s, Assign) and is_handed_on(s, mutable, apart):
                s = replace(s, value=Op("copy", (s.value,), s.value.kind))
            made.append(inside(s, block))
        return made

    return replace(program, body=block(program.body)) if mutable else program


def is_handed_on(s: Assign, mutable: set[str], apart: set[str]) -> bool:
    """Does a name that a branch or a loop sets become a second one of an array that is written into, or of a part of it?"""
    return source_of(s.value) in mutable and (isinstance(s.value, Name) or s.target in apart)


@dataclass
class Later:
    """What happens once a statement is done: the names read, the memory written into."""

    reads: set[str]
    writes: set[str]

    def then(self, body: list[Statement], found: dict[str, set[str]]) -> Later:
        """The same, with statements in between."""
        written = {r for s in every(body) if isinstance(s, Store) for r in found.get(s.base.id, {s.base.id})}
        return Later(self.reads | used(body), self.writes | written)


@dataclass
class Memory:
    """direct: as in direct_memory. roots, mutable, apart: the results of roots(), stored(), merged()."""

    direct: dict[str, str]
    roots: dict[str, set[str]]
    mutable: set[str]
    apart: set[str]


def _check_block(body: list[Statement], known: Memory, later: Later) -> None:
    direct, found = known.direct, known.roots
    for k, s in enumerate(body):
        after = later.then(body[k + 1 :], found)
        if isinstance(s, Move):
            _check_move(s, direct, found, known.mutable, later)
        if isinstance(s, Assign) and is_handed_on(s, known.mutable, known.apart):
            origin = source_of(s.value) or ""
            own = direct.get(origin, origin)
            used_elsewhere = any(n != s.target and direct.get(n, n) == own for n in after.reads)
            if used_elsewhere and after.writes & (found[origin] | found[s.target]):
                raise _refusal(s.target, s)
        if isinstance(s, Assign) and isinstance(s.value, Op) and (s.value.name == "diagonal" or s.value.attr("looks")):
            _check_diagonal(s, body[k + 1 :], direct, found, later)
        for block in blocks(s):
            around = after
            if isinstance(s, For | While):
                around = after.then([s], found)
                around.reads = (after.reads | used([s])) - assigned(block)
            _check_block(block, known, around)


def _check_diagonal(
    s: Assign, rest: list[Statement], direct: dict[str, str], found: dict[str, set[str]], later: Later
) -> None:
    """np.diag and np.broadcast_to look into their array, here they copy: refused where a write would be seen later."""
    assert isinstance(s.value, Op)
    origin = source_of(s.value.args[0])
    own = found.get(origin, set()) if origin else set()
    first = next((k for k, x in enumerate(rest) if Later(set(), set()).then([x], found).writes & own), len(rest))
    reads = used(rest[first + 1 :]) | (later.reads if first < len(rest) or later.writes & own else set())
    reads |= used([rest[first]]) if first < len(rest) and blocks(rest[first]) else set()
    if any(direct.get(n, n) == s.target for n in reads):
        raise DifferentiationError("looks into an array that is written into: copy it", s.where, s.target)


def _check_move(s: Move, direct: dict[str, str], found: dict[str, set[str]], mutable: set[str], later: Later) -> None:
    targets = {t.id for t in s.targets}
    seen: set[str] = set()
    for target, value in zip(s.targets, s.values, strict=True):
        origin = source_of(value)
        if origin is None or origin not in mutable or not later.writes & (found[origin] | found[target.id]):
            continue
        own = direct.get(origin, origin)
        if not isinstance(value, Name) or own in seen or any(direct.get(n, n) == own for n in later.reads - targets):
            raise _refusal(target.id, s)
        seen.add(own)


def _refusal(name: str, s: Statement) -> DifferentiationError:
    return DifferentiationError(
        f"gives {name!r} an array that is written into and still in use under another name: copy it", s.where
    )
