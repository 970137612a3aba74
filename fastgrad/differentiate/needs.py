"""Which writes into arrays must be undone on the way back: those whose old content the reverse sweep reads."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from .program import Expr, For, Move, Name, Op, Statement, Store, While, blocks, calls, every, expressions
from .sweep import Sweep

ONLY_SHAPE = {  # the arguments of which only the shape is read
    "zeros_like": {0}, "ones_like": {0}, "empty_like": {0}, "shape": {0}, "size": {0}, "ravel_shares": {0},
    "reshape_shares": {0}, "unbroadcast": {1}, "match": {1},
    "full_like": {0}, "full_of": {1}, "eye_like": {0}, "spread": {1}, "diagonal_back": {1},
}  # fmt: skip


def content(value: Expr) -> set[str]:
    """The arrays whose elements are read."""
    if isinstance(value, Name):
        return {value.id} if value.kind.is_array else set()
    if not isinstance(value, Op):
        return set()
    skip = ONLY_SHAPE.get(value.name, set())
    return set().union(*(content(a) for k, a in enumerate(value.args) if k not in skip), set())


@dataclass(frozen=True)
class Reader:
    """A statement of the reverse sweep that reads elements of the array `name`; origin: whose reverse it belongs to."""

    statement: Statement
    origin: Statement
    name: str


def undone(trial: Sweep) -> dict[int, list[Reader]]:
    """The ids of the Stores to undo, and for whom, from a trial reversal that undoes none."""
    order: dict[int, int] = {}
    loops: dict[int, list[int]] = {}
    _number(trial.program.body, [], order, loops)
    makers = {s.target: s for s in every(trial.program.body) if hasattr(s, "target")}
    makers |= {t.id: s for s in calls(trial.program.body) for t in s.targets}
    readers: dict[str, list[Reader]] = {}
    for key, origin in trial.origin.items():
        statement = trial.statements[key]
        own = [statement.value, *statement.index] if isinstance(statement, Store) else expressions(statement)
        if isinstance(statement, Move):  # to hand on an array is not to read its elements
            own = [value for value in own if not isinstance(value, Name)]
        for value in own:
            for name in sorted(content(value)):
                for root in trial.roots.get(name, set()):
                    readers.setdefault(root, []).append(Reader(statement, origin, name))
    found: dict[int, list[Reader]] = {}
    for s in every(trial.program.body):
        if not isinstance(s, Store):
            continue
        for root in trial.roots.get(s.base.id, set()):
            home = loops.get(id(makers[root]), []) if root in makers else []
            for reader in readers.get(root, []):
                origin = reader.origin
                common = [loop for loop in loops[id(origin)] if loop in loops[id(s)] and loop not in home]
                if common or order[id(origin)] <= order[id(s)]:
                    found.setdefault(id(s), []).append(reader)
    return found


def settled(
    begin: Callable[[Collection[int]], Sweep], run: Callable[[Sweep], list[Statement]]
) -> tuple[set[int], list[Statement]]:
    """The ids of the Stores to undo, and the reverse sweep that undoes them.

    To undo one may read what another has overwritten. begin: starts a sweep that undoes some; run: gives its reverse.
    """
    undo: set[int] = set()
    while True:
        trial = begin(undo)
        backward = run(trial)
        found = undo | undone(trial).keys()
        if found == undo:
            return undo, backward
        undo = found


def _number(body: list[Statement], chain: list[int], order: dict[int, int], loops: dict[int, list[int]]) -> None:
    for s in body:
        order[id(s)] = len(order)
        loops[id(s)] = chain
        inner = [*chain, id(s)] if isinstance(s, For | While) else chain
        for block in blocks(s):
            _number(block, inner, order, loops)
