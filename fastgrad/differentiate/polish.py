"""The last touch on a generated program: copies of scalars vanish, arithmetic is folded, names are short."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from .algebra import simplified
from .aliases import source_of
from .builder import RESERVED
from .program import (
    Assign,
    Call,
    Expr,
    For,
    Lit,
    Move,
    Name,
    Op,
    Program,
    Statement,
    While,
    assigned,
    every,
    inside,
    leaves,
    substitute,
    used,
)


def polished(program: Program) -> Program:
    """The program, shorter to read."""
    names = {function.name for function in program.functions}
    functions = [_renamed(_propagated(function), names, set()) for function in program.functions]
    fixed = {leaf.id for tree in program.arguments for leaf in leaves(tree) if leaf is not None}
    fixed |= {item.name.id for item in program.captured}
    return replace(_renamed(_propagated(program), names, fixed), functions=functions)


def _propagated(program: Program) -> Program:
    """x = y, for scalars that are set once: y stands for x everywhere."""
    counts: Counter[str] = Counter(leaf.id for tree in program.arguments for leaf in leaves(tree) if leaf is not None)
    counts.update(item.name.id for item in program.captured)
    for s in every(program.body):
        if isinstance(s, Assign):
            counts[s.target] += 1
        elif isinstance(s, Move | Call):
            counts.update(t.id for t in s.targets)
        elif isinstance(s, For):
            counts[s.var] += 2
    change: dict[str, Expr] = {}
    for s in every(program.body):
        if isinstance(s, Assign) and counts[s.target] == 1 and not s.value.kind.is_array:
            value = s.value
            if isinstance(value, Lit) or (isinstance(value, Name) and counts[value.id] <= 1):
                change[s.target] = change.get(value.id, value) if isinstance(value, Name) else value
    for name, value in list(change.items()):
        seen = {name}
        while isinstance(value, Name) and value.id in change and value.id not in seen:
            seen.add(value.id)
            value = change[value.id]
        change[name] = value
    if not change:
        return program
    flags = {s.until for s in every(program.body) if isinstance(s, For | While) and s.until}
    change = {name: value for name, value in change.items() if name not in flags}
    body = _kept(program.body, change)
    body = substitute(body, lambda n: change.get(n.id, n), lambda n: n)
    return replace(program, body=_folded(body))


def _kept(body: list[Statement], change: dict[str, Expr]) -> list[Statement]:
    kept: list[Statement] = []
    for s in body:
        if isinstance(s, Assign) and s.target in change:
            continue
        kept.append(inside(s, lambda block: _kept(block, change)))
    return kept


def _folded(body: list[Statement]) -> list[Statement]:
    """Arithmetic with 0 and 1 is done."""
    kept: list[Statement] = []
    for s in body:
        if isinstance(s, Assign):
            value = folded(s.value)
            if source_of(value) and not source_of(s.value):
                value = Op("copy", (value,), value.kind)  # arithmetic gives new memory, whatever the numbers
            s = replace(s, value=value)
        elif hasattr(s, "value"):
            s = replace(s, value=folded(s.value))  # type: ignore[call-arg]
        kept.append(inside(s, _folded))
    return kept


def folded(value: Expr) -> Expr:
    """The expression with its arithmetic simplified from the inside out."""
    if not isinstance(value, Op):
        return value
    args = tuple(folded(arg) for arg in value.args)
    return simplified(value if args == value.args else replace(value, args=args))


def _renamed(program: Program, functions: set[str], fixed: set[str]) -> Program:
    """Numbers at the end of names go where the bare name is free. functions, fixed: names that stay as they are."""
    given = {leaf.id for tree in program.arguments for leaf in leaves(tree) if leaf is not None}
    present = assigned(program.body) | used(program.body) | given | functions | fixed
    change: dict[str, str] = {}
    for name in sorted(present - fixed):
        base, _, number = name.rpartition("_")
        taken = base in present or base in change.values() or {base, base.removeprefix("d_")} & RESERVED
        if base and number.isdigit() and not taken:
            change[name] = base
    if not change:
        return program
    kinds = {**program.kinds, **{new: program.kinds[old] for old, new in change.items() if old in program.kinds}}

    def change_one(name: Name) -> Name:
        return Name(change[name.id], name.kind) if name.id in change else name

    body = substitute(program.body, change_one, lambda name: change.get(name, name))
    arguments = program.arguments if fixed >= given else [change_one(p) for p in program.arguments]
    return replace(program, body=body, kinds=kinds, arguments=arguments)
