"""Make a failing program small: statements, heads of loops and operands are taken out while it still fails.

Promises: what is returned fails as the whole did; a candidate that does not end (a counter was taken out) is given up.
Left out: any knowledge of what failing means, which the caller has.
"""

from __future__ import annotations

import ast
import copy
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class OutOfTime(BaseException):
    """What `within` raises: no Exception, lest what runs inside takes it for one of its own and goes on."""


def smaller(source: str) -> Iterator[str]:
    """Programs with one thing less: a function, a statement, the head of a compound one, an operand."""
    tree = ast.parse(source)
    for place in range(sum(1 for _ in edits(tree))):
        copied = copy.deepcopy(tree)
        next(edit for number, edit in enumerate(edits(copied)) if number == place)()
        yield ast.unparse(ast.fix_missing_locations(copied)) + "\n"


def edits(tree: ast.AST) -> Iterator[Callable[[], None]]:
    """What may be done to a tree, each as a function that does it: statements first, then expressions."""
    for node in ast.walk(tree):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                for place, statement in enumerate(block):
                    yield lambda block=block, place=place: without(block, place)
                    if isinstance(statement, (ast.For, ast.While, ast.If)):
                        yield lambda block=block, place=place, s=statement: block.__setitem__(
                            slice(place, place + 1), s.body
                        )
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr) and name != "target":
                for part in parts(value):
                    yield lambda node=node, name=name, part=part: setattr(node, name, part)
            elif isinstance(value, list) and isinstance(node, (ast.Call, ast.Tuple)):
                for place, entry in enumerate(value):
                    for part in parts(entry):
                        yield lambda value=value, place=place, part=part: value.__setitem__(place, part)


def without(block: list[ast.stmt], place: int) -> None:
    """Take a statement out of a block, which is never left empty."""
    del block[place]
    if not block:
        block.append(ast.Pass())


def parts(node: ast.expr) -> list[ast.expr]:
    """The simpler expressions that may stand in for one."""
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.Call):
        return list(node.args)
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    if isinstance(node, ast.Subscript) and not isinstance(node.value, ast.Name):
        return [node.value]
    return []


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is inside is interrupted by OutOfTime after so long; where there are no alarms (threads, Windows), never."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise OutOfTime(f"takes longer than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def reduced(
    source: str,
    fails: Callable[[str], bool],
    seconds: float = 60.0,
    patience: float = 5.0,
    told: Callable[[str], object] = lambda source: None,
) -> str:
    """The program with all taken out that can go while it still fails, in about `seconds` at most.

    patience: seconds that a candidate may take; a loop without its counter takes for ever.  told: is called before every
    candidate, with the smallest program so far.
    """
    end = time.monotonic() + seconds
    shrinking = True
    while shrinking:
        shrinking = False
        for candidate in smaller(source):
            told(source)
            if time.monotonic() > end:
                return source
            try:
                with within(patience):
                    failed = fails(candidate)
            except OutOfTime:
                continue
            if failed:
                source, shrinking = candidate, True
                break
    return source
