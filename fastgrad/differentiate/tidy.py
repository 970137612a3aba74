"""What is never used is not printed: dead statements go, names that only pass a value on disappear."""

from __future__ import annotations

from dataclasses import replace

from .aliases import roots
from .program import (
    Assign,
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
    expressions,
    names,
)


def tidied(program: Program) -> Program:
    """The program without statements whose results are not used."""
    for _ in range(10):
        found = roots(program)
        shared: dict[str, set[str]] = {}
        for name, own in found.items():
            for root in own:
                shared.setdefault(root, set()).add(name)
        sharing = {name: set().union(*(shared[r] for r in own)) for name, own in found.items()}
        body, _ = _block(program.body, set(), sharing)
        if _count(body) == _count(program.body):
            break
        program = replace(program, body=body)
    return replace(program, body=body)


def _count(body: list[Statement]) -> int:
    from .program import every

    return sum(1 + (len(s.targets) if isinstance(s, Move) else 0) for s in every(body))


def _block(body: list[Statement], live: set[str], sharing: dict[str, set[str]]) -> tuple[list[Statement], set[str]]:
    """The statements that matter, and the names that matter before them."""
    kept: list[Statement] = []
    for s in reversed(body):
        new, live = _statement(s, live, sharing)
        if new is not None:
            kept.append(new)
    return kept[::-1], live


def _reads(s: Statement) -> set[str]:
    return set().union(*(names(e) for e in expressions(s))) if expressions(s) else set()


def _statement(s: Statement, live: set[str], sharing: dict[str, set[str]]) -> tuple[Statement | None, set[str]]:
    if isinstance(s, Return):
        return s, _reads(s)
    if isinstance(s, Raise):
        return s, live
    if isinstance(s, Assign):
        if isinstance(s.value, Op) and s.value.name.startswith("scatter_add"):  # writes into its first argument
            return (s, live | _reads(s)) if sharing.get(s.target, {s.target}) & live else (None, live)
        if s.target not in live or s.value == Name(s.target, s.value.kind):
            return (None, live)
        return s, (live - {s.target}) | _reads(s)
    if isinstance(s, Store):
        return (s, live | _reads(s)) if sharing.get(s.base.id, {s.base.id}) & live else (None, live)
    if isinstance(s, Move):
        pairs = [(t, v) for t, v in zip(s.targets, s.values, strict=True) if t.id in live]
        if not pairs:
            return None, live
        live = (live - {t.id for t, _ in pairs}) | set().union(*(names(v) for _, v in pairs))
        return replace(s, targets=[t for t, _ in pairs], values=[v for _, v in pairs]), live
    if isinstance(s, If):
        body, first = _block(s.body, live, sharing)
        orelse, second = _block(s.orelse, live, sharing)
        if not body and not orelse:
            return None, live
        return replace(s, body=body, orelse=orelse), first | second | names(s.test)
    assert isinstance(s, For | While)
    return _loop(s, live, sharing)


def _loop(s: For | While, live: set[str], sharing: dict[str, set[str]]) -> tuple[Statement | None, set[str]]:
    head = set(live)
    if s.until:
        head.add(s.until)
    if isinstance(s, While):
        head |= names(s.test)
    while True:
        body, before = _block(s.body, set(head), sharing)
        if before <= head:
            break
        head |= before
    bare = _block(s.body, set(live), sharing)[0]
    if not body or (isinstance(s, For) and not bare and not any(isinstance(x, Raise) for x in body)):
        return None, live
    if isinstance(s, For):
        head = head - {s.var} if s.var not in live else head
    return replace(s, body=body), head | _reads(s)
