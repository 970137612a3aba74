"""Which variables carry a derivative: those that depend on what is differentiated and that the result depends on."""

from __future__ import annotations

from collections.abc import Iterable

from .aliases import roots
from .program import Assign, Call, Custom, Expr, Move, Name, Op, Program, Statement, Store, every, leaves
from .rules import RULES

SELECTING = ("where", "maximum", "minimum")


def differentiable(value: Expr) -> set[str]:
    """The names through which a derivative may pass: integer arguments, conditions and indices are left out."""
    if isinstance(value, Name):
        return {value.id} if value.kind.is_float else set()
    if not isinstance(value, Op) or not value.kind.is_float:
        return set()
    found: set[str] = set()
    for k, arg in enumerate(value.args):
        if passes(value, k):
            found |= differentiable(arg)
    return found


def passes(value: Op, k: int) -> bool:
    """May a derivative pass from the result of an operation to its k-th argument?"""
    rule = RULES[value.name]
    if value.name == "getitem":
        return k == 0
    if value.name in ("concatenate", "stack", "array", "matmul", "solve"):
        return True
    texts = rule.partials if rule.partials is not None else rule.adjoints
    return bool(texts) and k < len(texts or ()) and bool((texts or ())[k])


def flows(body: list[Statement]) -> list[tuple[str, set[str]]]:
    """(name, the names that its derivative comes from) for every assignment."""
    found: list[tuple[str, set[str]]] = []
    for s in every(body):
        if isinstance(s, Custom):
            found.append((s.target, {name.id for name, _ in s.gains}))
        elif isinstance(s, Assign) and s.value.kind.is_float:
            found.append((s.target, differentiable(s.value)))
        elif isinstance(s, Move):
            found += [(t.id, differentiable(v)) for t, v in zip(s.targets, s.values, strict=True) if t.kind.is_float]
        elif isinstance(s, Call):
            sources = set().union(*map(differentiable, s.args))
            found += [(t.id, sources) for t in s.targets if t.kind.is_float]
        elif isinstance(s, Store) and s.base.kind.is_float:
            found.append((s.base.id, differentiable(s.value)))
    return found


def active(program: Program, inputs: Iterable[str], wanted: Iterable[str] | None = None) -> set[str]:
    """The names on a way from the inputs to the result (or to `wanted`)."""
    shared = _sharing(program)
    pairs = flows(program.body)
    varied = set(inputs)
    changed = True
    while changed:
        changed = False
        for target, sources in pairs:
            if sources & varied:
                new = shared.get(target, {target}) - varied
                if new or target not in varied:
                    varied |= new | {target}
                    changed = True
    results = wanted if wanted is not None else {n.id for n in leaves(program.result) if isinstance(n, Name)}
    useful = set().union(*(shared.get(r, {r}) for r in results)) if results else set()
    changed = True
    while changed:
        changed = False
        for target, sources in pairs:
            if target in useful or shared.get(target, set()) & useful:
                new = set().union(*(shared.get(n, {n}) for n in sources)) - useful if sources else set()
                if new:
                    useful |= new
                    changed = True
    return varied & useful


def _sharing(program: Program) -> dict[str, set[str]]:
    """For an array that is written into, all names of its memory: what is written under one is read under another."""
    from .aliases import stored

    found, mutable = roots(program), stored(program)
    return {name: {other for other in mutable if found[other] & found[name]} for name in mutable}


def masked(program: Program) -> set[str]:
    """The names whose value may be thrown away by a where, maximum or minimum further on: a zero adjoint must stay zero."""
    found: set[str] = set()
    if program.masked:
        found |= {n.id for n in leaves(program.result) if isinstance(n, Name)}
    for s in every(program.body):
        for value in [s.value] if isinstance(s, Assign | Store) else []:
            found |= _under_selection(value)
    changed = True
    pairs = flows(program.body)
    while changed:
        changed = False
        for target, sources in pairs:
            if target in found and not sources <= found:
                found |= sources
                changed = True
    return found


def _under_selection(value: Expr) -> set[str]:
    if not isinstance(value, Op):
        return set()
    if value.name in SELECTING:
        return differentiable(value)
    return set().union(*(_under_selection(arg) for arg in value.args)) if value.args else set()
