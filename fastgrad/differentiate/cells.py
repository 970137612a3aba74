"""Arrays of no dimensions, which np.where, np.array or np.zeros(()) give: here they are numbers, which have no other names.

    a = np.where(x > 0, x, y)
    b = a
    a += 1.0        refused where b is read later: in NumPy it has changed, too

While a function is read, `box` marks what NumPy has in such an array, `update` what += makes of a name; then they vanish.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .aliases import stored
from .errors import DifferentiationError
from .exposure import exposed
from .program import (
    Assign,
    Expr,
    For,
    If,
    Name,
    Op,
    Program,
    Statement,
    While,
    assigned,
    bindings,
    blocks,
    every,
    expressions,
    names,
    rewritten,
    walk,
)
from .values import is_expr

MAKERS = {id(f) for f in (np.where, np.array, np.asarray, np.copy, np.zeros, np.ones, np.empty, np.full, np.zeros_like,
                          np.ones_like, np.empty_like, np.full_like, np.reshape, np.transpose)}  # fmt: skip
METHODS = {"reshape", "copy", "transpose"}
# the operands that a value may be, itself
HANDS_ON = {"where": (1, 2), "update": (0,), "float": (0,), "float32": (0,), "int": (0,)}


def boxed(value: Any) -> Any:
    """What NumPy gives as an array, marked where that has no dimensions."""
    plain = not is_expr(value) or value.kind.is_array or (isinstance(value, Op) and value.name == "box")
    return value if plain else Op("box", (value,), value.kind)


def updated(old: Any, value: Any) -> Any:
    """What an augmented assignment makes of a name whose value was `old`."""
    number = isinstance(old, Name) and not old.kind.is_array and is_expr(value)
    return Op("update", (old, value), value.kind) if number else value


def checked(program: Program) -> Program:
    """The program without the marks, once no array of no dimensions changes that is read under another name."""
    cells = Cells(program)
    if cells.boxed:
        cells.block(program.body, set())
    return replace(program, body=rewritten(program.body, unmarked))


def unmarked(e: Expr) -> Expr:
    """The expression without marks."""
    if not isinstance(e, Op):
        return e
    if e.name in ("box", "update"):
        return unmarked(e.args[-1])
    return replace(e, args=tuple(unmarked(arg) for arg in e.args)) if e.args else e


def _itself(e: Expr) -> Iterator[Expr]:
    """The names and boxes of which the value may be one."""
    if isinstance(e, Name) or (isinstance(e, Op) and e.name == "box"):
        yield e
    elif isinstance(e, Op) and not e.kind.is_array:
        for k in HANDS_ON.get(e.name, ()):
            yield from _itself(e.args[k])


class Cells:
    """The names that may stand for arrays of no dimensions, and which may be the same one."""

    def __init__(self, program: Program) -> None:
        pairs = bindings(program.body)
        origins = [(target, part) for target, value in pairs if not value.kind.is_array for part in _itself(value)]
        self.boxed = {target for target, part in origins if isinstance(part, Op)}
        self.group: dict[str, set[str]] = {}
        for target, part in origins:
            if isinstance(part, Name):
                both = self.group.get(target, {target}) | self.group.get(part.id, {part.id})
                self.group |= dict.fromkeys(both, both)
        for name in list(self.boxed):
            self.boxed |= self.group.get(name, set())
        self.parts = {target for target, part in origins if isinstance(part, Op) and _looked_into(part)}
        written = stored(program) if self.boxed else set()
        for s in every(program.body):
            for part in (p for e in expressions(s) for p in walk(e)):
                if isinstance(part, Op) and part.name == "box" and _looked_into(part) in written:
                    raise DifferentiationError("looks into an array that is written into: name the element", s.where)

    def block(self, body: list[Statement], later: set[str]) -> None:
        """Refuse a change that is seen elsewhere. later: the names that are read once the block is done."""
        for k in range(len(body) - 1, -1, -1):
            s = body[k]
            if isinstance(s, Assign):
                self.assignment(s, later - {s.target})
            around = later | exposed([s]) | names(s.test) if isinstance(s, While) else later
            around = later | exposed([s]) if isinstance(s, For) else around
            for inner in blocks(s):
                self.block(inner, around)
            set_anyhow = set() if isinstance(s, For | While | If) else assigned([s])
            later = (later - set_anyhow) | exposed([s])

    def assignment(self, s: Assign, later: set[str]) -> None:
        """`later`: the other names that are read afterwards."""
        value = s.value
        if not isinstance(value, Op) or value.name != "update":
            return
        old, new = value.args
        assert isinstance(old, Name)
        if old.id not in self.boxed:
            return
        same = self.group.get(old.id, {old.id})
        if same & later or same & self.parts:
            raise _refusal("that has another name", s)
        if new.kind != old.kind:
            raise _refusal(f"of another kind than {new.kind}", s)


def _looked_into(box: Op) -> str | None:
    """The array of which NumPy has the value as a part, not as a copy."""
    value = box.args[0]
    if isinstance(value, Op) and value.name in ("reshape", "getitem") and isinstance(value.args[0], Name):
        return value.args[0].id
    return None


def _refusal(what: str, s: Assign) -> DifferentiationError:
    return DifferentiationError(
        f"changes, in place, an array of no dimensions {what}: write a = a + b instead of a += b", s.where
    )
