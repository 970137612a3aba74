"""What is known of whole numbers before a program runs: the least value that an expression can have."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .program import Assign, Expr, For, Lit, Move, Name, Statement, every


def least(value: Expr, known: Mapping[str, float]) -> float:
    """The least value of an integer expression, -inf where nothing is known. known: that of names."""
    if isinstance(value, Lit):
        return value.value if isinstance(value.value, int) else -math.inf
    if isinstance(value, Name):
        return known.get(value.id, -math.inf)
    found = [least(arg, known) for arg in value.args] if value.kind.dtype == "i8" else []
    if value.name in ("shape", "size", "count_range"):
        return 0
    if value.name == "add":
        return found[0] + found[1]
    if value.name == "sub" and isinstance(value.args[1], Lit):
        return found[0] - found[1]
    if value.name == "mul" and min(found) >= 0:
        return math.prod(found)
    if value.name == "checked":
        return found[0]
    if value.name in ("maximum", "minimum"):
        return max(found) if value.name == "maximum" else min(found)
    return -math.inf


def variables(body: list[Statement]) -> dict[str, float]:
    """The least values of the variables of the loops in the statements, those inside of others too."""
    known: dict[str, float] = {}
    other: set[str] = set()
    for s in every(body):
        if isinstance(s, For):
            known[s.var] = min(known.get(s.var, math.inf), first(s, known))
        elif isinstance(s, Assign):
            other.add(s.target)
        elif isinstance(s, Move):
            other |= {t.id for t in s.targets}
    return {name: value for name, value in known.items() if name not in other}


def first(loop: For, known: Mapping[str, float]) -> float:
    """The least value of a loop's variable."""
    if not isinstance(loop.step, Lit):
        return -math.inf
    return least(loop.start, known) if loop.step.value > 0 else least(loop.stop, known) + 1
