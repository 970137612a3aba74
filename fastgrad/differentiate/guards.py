"""How deep a function of the program may call itself: as Python, compiled code says so before the machine's stack ends."""

from __future__ import annotations

from dataclasses import replace

from .kinds import B1, I8
from .program import Call, Expr, If, Lit, Op, Program, Raise, Statement, inside, unused

MOST = 1000  # calls, as Python itself allows; measured: 0.7 kB of stack each for numbers, up to 2.7 kB with arrays, of 8 MB


def guarded(program: Program) -> Program:
    """The program whose functions count their depth, and raise RecursionError beyond MOST."""
    functions = []
    for function in program.functions:
        level = unused(dict(function.kinds), "level", I8)
        text = f"raise RecursionError('{function.origin} calls itself more than {MOST} times')"
        test = Op("gt", (level, Lit(MOST, I8)), B1)
        body = [If(test, [Raise(text)]), *counted(function.body, Op("add", (level, Lit(1, I8)), I8))]
        functions.append(replace(function, arguments=[*function.arguments, level], body=body))
    return replace(program, body=counted(program.body, Lit(0, I8)), functions=functions)


def counted(body: list[Statement], level: Expr) -> list[Statement]:
    """The statements, whose calls say how deep they are."""
    made: list[Statement] = []
    for s in body:
        if isinstance(s, Call):
            s = replace(s, args=[*s.args, level])
        made.append(inside(s, lambda block: counted(block, level)))
    return made
