"""Which names statements read before they set them."""

from __future__ import annotations

from .program import For, If, Statement, While, assigned, expressions, names, surely_assigned


def exposed(body: list[Statement]) -> set[str]:
    """The names read before the statements set them."""
    found: set[str] = set()
    have: set[str] = set()
    for s in body:
        if isinstance(s, For | While):
            inner = exposed(s.body) - ({s.var} if isinstance(s, For) else set())
            found |= (inner | _direct(s)) - have
        elif isinstance(s, If):
            found |= (names(s.test) | exposed(s.body) | exposed(s.orelse)) - have
            have |= surely_assigned([s])
        else:
            found |= _direct(s) - have
            have |= assigned([s])
    return found


def _direct(s: Statement) -> set[str]:
    return set().union(*(names(e) for e in expressions(s))) if expressions(s) else set()
