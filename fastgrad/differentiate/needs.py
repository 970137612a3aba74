"""Which writes into arrays must be undone on the way back: those whose old content the reverse sweep reads."""

from __future__ import annotations

from .program import Expr, For, Name, Op, Statement, Store, While, blocks, every, expressions
from .sweep import Sweep

ONLY_SHAPE = {  # the arguments of which only the shape is read
    "zeros_like": {0}, "ones_like": {0}, "empty_like": {0}, "shape": {0}, "size": {0}, "unbroadcast": {1}, "match": {1},
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


def undone(trial: Sweep) -> set[int]:
    """The ids of the Stores to undo, from a trial reversal that undoes none or some of them."""
    order: dict[int, int] = {}
    loops: dict[int, list[int]] = {}
    _number(trial.program.body, [], order, loops)
    makers = {s.target: s for s in every(trial.program.body) if hasattr(s, "target")}
    readers: dict[str, list[Statement]] = {}
    for key, origin in trial.origin.items():
        statement = trial.statements[key]
        own = [statement.value, *statement.index] if isinstance(statement, Store) else expressions(statement)
        for value in own:
            for name in content(value):
                for root in trial.roots.get(name, set()):
                    readers.setdefault(root, []).append(origin)
    found: set[int] = set()
    for s in every(trial.program.body):
        if not isinstance(s, Store):
            continue
        for root in trial.roots.get(s.base.id, set()):
            home = loops.get(id(makers[root]), []) if root in makers else []
            for reader in readers.get(root, []):
                common = [loop for loop in loops[id(reader)] if loop in loops[id(s)] and loop not in home]
                if common or order[id(reader)] <= order[id(s)]:
                    found.add(id(s))
    return found


def _number(body: list[Statement], chain: list[int], order: dict[int, int], loops: dict[int, list[int]]) -> None:
    for s in body:
        order[id(s)] = len(order)
        loops[id(s)] = chain
        inner = [*chain, id(s)] if isinstance(s, For | While) else chain
        for block in blocks(s):
            _number(block, inner, order, loops)
