"""reshape and ravel of an array that is no block of memory: a copy, as in NumPy, where something is written into one of them.

NumPy gives a view wherever the strides allow it, and compiled code cannot. So the copy is written out, and where NumPy's
result would look into the array after all (a transpose of a single row, say), the program says so instead of going on.
"""

from __future__ import annotations

from dataclasses import replace

from .aliases import contiguous, stored, values_of
from .kinds import B1
from .program import Assign, If, Op, Program, Raise, Statement, inside

TEXT = (
    "raise ValueError('{}, written into, is a view in NumPy for arrays of this shape and cannot be one here: copy it')"
)


def with_copies(program: Program) -> Program:
    """The program, in which what NumPy copies is copied."""
    mutable = stored(program)
    makers = values_of(program)

    def block(body: list[Statement]) -> list[Statement]:
        made: list[Statement] = []
        for s in body:
            if isinstance(s, Assign) and s.target in mutable and isinstance(s.value, Op):
                value = s.value
                if value.name in ("reshape", "ravel") and not contiguous(value.args[0], makers):
                    test = Op(f"{value.name}_shares", value.args, B1)
                    made.append(If(test, [Raise(TEXT.format(value.name), where=s.where)], where=s.where))
                    s = replace(s, value=Op("copy", (value,), value.kind))
            made.append(inside(s, block))
        return made

    return replace(program, body=block(program.body)) if mutable else program
