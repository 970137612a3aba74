"""Elements that a loop overwrites later on, taken into a name where they are read.

    new[i] = f(old[i]); ...; old, new = new, old

The reverse sweep of the loop needs old[i] as it was, which a later round overwrites.  To save what is overwritten and to
put it back costs two passes over the array; where all that is needed are single elements, one for each that is written, it is
cheaper to save these alone, where they are read: they become a name of the iteration, which the reverse sweep finds on the
tape like every other one, and nothing has to be put back.
"""

from __future__ import annotations

from dataclasses import replace

from .kinds import Kind
from .needs import Reader, content
from .order import ONE
from .program import (
    Assign,
    Expr,
    For,
    Name,
    Op,
    Program,
    Statement,
    Store,
    every,
    expressions,
    inside,
    unused,
)
from .sweep import Sweep

Wanted = dict[int, list[Op]]  # the id of a statement -> the elements that it reads and that are to be taken


def taken(trial: Sweep, undo: dict[int, list[Reader]]) -> Program | None:
    """The trial's program with such elements taken; None where there are none. undo: the Stores to undo, and for whom."""
    wanted: Wanted = {}
    for group in _together(trial, undo):
        found = _elements(trial.program, group, undo)
        if found is not None:
            for key, elements in found.items():
                wanted[key] = [*wanted.get(key, []), *(e for e in elements if e not in wanted.get(key, []))]
    if not wanted:
        return None
    kinds = dict(trial.program.kinds)
    return replace(trial.program, body=_block(trial.program.body, wanted, kinds), kinds=kinds)


def _together(trial: Sweep, undo: dict[int, list[Reader]]) -> list[set[int]]:
    """The Stores to undo, those that may write into the same memory together."""
    groups: list[tuple[set[str], set[int]]] = []
    for s in every(trial.program.body):
        if isinstance(s, Store) and id(s) in undo:
            memory, ids = set(trial.roots.get(s.base.id, set())), {id(s)}
            for other in [g for g in groups if g[0] & memory]:
                groups.remove(other)
                memory, ids = memory | other[0], ids | other[1]
            groups.append((memory, ids))
    return [ids for _, ids in groups]


def _elements(program: Program, group: set[int], undo: dict[int, list[Reader]]) -> Wanted | None:
    """What is to be taken instead of undoing the Stores; None where that cannot be, or is no cheaper."""
    homes = {id(s): loop for loop in every(program.body) if isinstance(loop, For) for s in loop.body}
    wanted: Wanted = {}
    for reader in (reader for key in group for reader in undo[key]):
        origin = reader.origin
        loop = homes.get(id(origin))
        if loop is None or loop.until or loop.step != ONE or type(origin) not in (Assign, Store):
            return None
        assert isinstance(origin, Assign | Store)
        there = _reads(origin.value, reader.name)
        needed = [_reads(e, reader.name) for e in expressions(reader.statement)]
        if there is None or any(part is None or not set(part) <= set(there) for part in needed):
            return None
        for element in dict.fromkeys(e for part in needed for e in part or []):
            if element not in wanted.setdefault(id(origin), []):
                wanted[id(origin)].append(element)
    loops = {id(homes[key]): homes[key] for key in wanted}
    for loop in loops.values():
        reads = sum(len(wanted.get(id(s), [])) for s in loop.body)
        if reads > sum(1 for s in loop.body if id(s) in group):
            return None
    return wanted


def _reads(value: Expr, name: str) -> list[Op] | None:
    """The elements of an array that an expression reads in any case; None where it reads the array in another way."""
    if not isinstance(value, Op) or name not in content(value):
        return None if name in content(value) else []
    if value.name == "getitem" and isinstance(value.args[0], Name) and value.args[0].id == name:
        plain = not value.kind.is_array and not any(name in content(a) for a in value.args[1:])
        return [value] if plain else None
    found: list[Op] = []
    for k, arg in enumerate(value.args):
        part = _reads(arg, name)
        if part is None or (part and k and value.name in ("where", "and", "or")):
            return None
        found += part
    return found


def _block(body: list[Statement], wanted: Wanted, kinds: dict[str, Kind]) -> list[Statement]:
    made: list[Statement] = []
    for s in body:
        s = inside(s, lambda block: _block(block, wanted, kinds))
        for element in wanted.get(id(s), []) if isinstance(s, Assign | Store) else []:
            base = element.args[0]
            assert isinstance(base, Name) and isinstance(s, Assign | Store)
            name = unused(kinds, f"{base.id}_here", element.kind)
            made.append(Assign(name.id, element, where=s.where))
            s = replace(s, value=_with(s.value, element, name))
        made.append(s)
    return made


def _with(value: Expr, old: Expr, new: Expr) -> Expr:
    """The expression with a part replaced."""
    if value == old:
        return new
    if not isinstance(value, Op):
        return value
    return replace(value, args=tuple(_with(arg, old, new) for arg in value.args))
