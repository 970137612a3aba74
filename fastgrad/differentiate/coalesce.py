"""Fewer names: a variable keeps its name through a loop or a branch where no two of its values are needed at once.

Reading gives every value a name of its own (s, s_1, s_2), which makes the reverse sweep simple. Where the reverse sweep
reads none of two such values, and the older one is not read any more once the newer one is set, they become one.
"""

from __future__ import annotations

from dataclasses import replace

from .program import (
    Assign,
    Call,
    Expr,
    For,
    If,
    Move,
    Name,
    Program,
    Statement,
    While,
    assigned,
    blocks,
    every,
    inside,
    leaves,
    substitute,
    used,
)


def coalesced(program: Program, needed: set[str], fixed: set[str]) -> Program:
    """The program with fewer names. needed: names whose values the reverse sweep reads; fixed: names to leave alone."""
    while True:
        pair = _pair(program, program.body, needed, fixed, set())
        if pair is None:
            return program
        program = replace(program, body=_without_idle(_renamed(program.body, *pair)))


def _renamed(body: list[Statement], old: str, new: str) -> list[Statement]:
    return substitute(body, lambda n: Name(new, n.kind) if n.id == old else n, lambda n: new if n == old else n)


def _without_idle(body: list[Statement]) -> list[Statement]:
    """No `x = x`."""
    kept: list[Statement] = []
    for s in body:
        if isinstance(s, Assign) and s.value == Name(s.target, s.value.kind):
            continue
        if isinstance(s, Move):
            pairs = [(t, v) for t, v in zip(s.targets, s.values, strict=True) if v != t]
            if not pairs:
                continue
            s = replace(s, targets=[t for t, _ in pairs], values=[v for _, v in pairs])
        kept.append(inside(s, _without_idle))
    return kept


def _pair(
    program: Program, body: list[Statement], needed: set[str], fixed: set[str], after: set[str]
) -> tuple[str, str] | None:
    """(a name, the name that it may take) or None. after: the names read once the block is done."""
    for k, s in enumerate(body):
        later = used(body[k + 1 :]) | after
        if isinstance(s, For | While):
            found = _carried(program, s, needed, fixed, later) or _entry(program, body, k, s, needed, fixed, later)
            if found:
                return found
        if isinstance(s, If):
            found = _merged(program, s, needed, fixed, later)
            if found:
                return found
        for block in blocks(s):
            around = later | (used([s]) if isinstance(s, For | While) else set())
            found = _pair(program, block, needed, fixed, around)
            if found:
                return found
    return None


def _carried(
    program: Program, loop: For | While, needed: set[str], fixed: set[str], later: set[str]
) -> tuple[str, str] | None:
    """The new value of a carried variable, made in the body, may have the variable's own name."""
    for move in (s for s in loop.body if isinstance(s, Move)):
        for target, value in zip(move.targets, move.values, strict=True):
            if not isinstance(value, Name) or value.kind != target.kind or {value.id, target.id} & (needed | fixed):
                continue
            inside = assigned(loop.body)
            shared = sum(1 for v in move.values if value.id in used_in(v))
            if value.id not in inside or shared > 1 or value.id in later or _moved(loop.body, value.id, move):
                continue
            if value.id in _outside(program, loop):
                continue
            if not _read_after_set(loop.body[: _index(loop.body, move)], value.id, target.id) and not any(
                target.id in used_in(v) for v in move.values
            ):
                return value.id, target.id
    return None


def _index(body: list[Statement], s: Statement) -> int:
    return next(k for k, x in enumerate(body) if x is s)


def _outside(program: Program, loop: Statement) -> set[str]:
    """The names set outside of a loop."""
    inside = {id(s) for s in every([loop])}
    return {name for s in every(program.body) if id(s) not in inside for name in assigned_here(s)} | _given(program)


def _given(program: Program) -> set[str]:
    """The names that have a value from the start, and so keep it: arguments, captured values."""
    found = {leaf.id for tree in program.arguments for leaf in leaves(tree) if leaf is not None}
    return found | {item.name.id for item in program.captured}


def assigned_here(s: Statement) -> set[str]:
    """The names that a statement itself sets."""
    if isinstance(s, Assign):
        return {s.target}
    if isinstance(s, Move | Call):
        return {t.id for t in s.targets}
    return {s.var} if isinstance(s, For) else set()


def used_in(value: Expr) -> set[str]:
    """The names of an expression."""
    from .program import names

    return names(value)


def _moved(body: list[Statement], name: str, but: Move) -> bool:
    """Is the name carried by an inner loop, or handed on by it? Then its entry is another value."""
    return any(isinstance(s, Move) and s is not but and name in {t.id for t in s.targets} for s in every(body))


def _read_after_set(body: list[Statement], new: str, old: str) -> bool:
    """May `old` be read after `new` has been set?"""
    have = False
    for s in body:
        if have and old in used([s]):
            return True
        if new in assigned([s]):
            if isinstance(s, If):
                if any(new in assigned(part) and _read_after_set(part, new, old) for part in (s.body, s.orelse)):
                    return True
            elif not isinstance(s, Assign):
                return True
            have = True
        elif have and isinstance(s, Assign) and s.target == old:
            return True
    return False


def _merged(program: Program, s: If, needed: set[str], fixed: set[str], later: set[str]) -> tuple[str, str] | None:
    """What a branch leaves may have the name of what it left unchanged on the other way."""
    for one, other in ((s.body, s.orelse), (s.orelse, s.body)):
        for copy in one:
            if not (isinstance(copy, Assign) and isinstance(copy.value, Name) and copy.value.kind == copy.value.kind):
                continue
            new, old = copy.target, copy.value.id
            kinds = (
                program.kinds[new] == program.kinds.get(old) and program.kinds[new].shape == program.kinds[old].shape
            )
            if not kinds or {new, old} & (needed | fixed) or old in later or old in assigned([s]):
                continue
            if new in _given(program):
                continue
            if new in assigned(other) and not _read_after_set(other, new, old) and not _read_after_set(one, new, old):
                homes = [x for x in every(program.body) if isinstance(x, Assign) and x.target == new]
                inside = {id(x) for x in every([s])}
                if all(id(x) in inside for x in homes) and not _is_carried(program, new):
                    return new, old
    return None


def _is_carried(program: Program, name: str) -> bool:
    return any(isinstance(s, Move) and name in {t.id for t in s.targets} for s in every(program.body))


def _entry(
    program: Program,
    body: list[Statement],
    k: int,
    loop: For | While,
    needed: set[str],
    fixed: set[str],
    later: set[str],
) -> tuple[str, str] | None:
    """What a loop carries may have the name of what it starts with."""
    carried = {c.id for c in loop.carried}
    for j in range(k - 1, -1, -1):
        s = body[j]
        if not isinstance(s, Assign) or s.target not in carried:
            break
        if not isinstance(s.value, Name):
            continue
        new, old = s.target, s.value.id
        same = program.kinds[new] == program.kinds.get(old) and program.kinds[new].shape == program.kinds[old].shape
        between = used(body[j + 1 : k])
        if not same or {new, old} & (needed | fixed) or old in used([loop]) | later | between:
            continue
        if old in assigned([loop]) or new in _given(program):
            continue
        return new, old
    return None
