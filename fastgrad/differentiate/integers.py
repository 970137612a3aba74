"""Where Python's integers would leave compiled ones: an error there, since 64 bits wrap and divisions by zero give zero.

    f *= n   in a loop   ->   if abs(float(f) * n) >= 2.0**63: raise OverflowError(...)
    a // b, a % b        ->   if b == 0: raise ZeroDivisionError(...)
    n ** k               ->   if k < 0: raise ValueError(...)

Sums are not looked at, nor products outside of loops: they leave 64 bits only where what they are given nearly does.
"""

from __future__ import annotations

import ast
import operator as operators
from dataclasses import replace

from .builder import Builder
from .kinds import F8, I8
from .operands import as_float
from .program import Assign, Expr, If, Lit, Move, Name, Op, Raise, Statement, bindings, names, walk
from .rules import make

LIMIT = 2**63
EXACT = {"add": operators.add, "sub": operators.sub, "mul": operators.mul, "pow": operators.pow}
NEGATIVE = "raise ValueError('an integer is raised to a negative power: make one of them a float')"
TOO_LONG = "raise OverflowError('an integer of more than 64 bits: make it a float')"


def arithmetic(b: Builder, name: str, a: Expr, c: Expr, node: ast.AST) -> Expr:
    """An operation on two numbers or arrays, with questions in front of it where both are of integers."""
    if a.kind == c.kind == I8:
        known = combined(b, name, a, c, node)
        return known if isinstance(known, Lit) else b.apply(name, *known)
    if name != "pow" or a.kind.is_float or c.kind.is_float:
        return b.apply(name, a, c)
    if not isinstance(c, Lit):
        c = b.atom(c)
        negative = b.apply("lt", c, Lit(0, I8))
        ask(b, b.apply("any", negative) if negative.kind.is_array else negative, NEGATIVE)
    elif c.value < 0:
        raise b.error("raises integers to a negative power: make them floats", node)
    return b.apply(name, a, c)


def combined(b: Builder, name: str, a: Expr, c: Expr, node: ast.AST) -> tuple[Expr, Expr] | Lit:
    """The operands of an operation on two integers, named where questions stand in front of it; its value, where known."""
    if isinstance(a, Lit) and isinstance(c, Lit) and name == "pow" and c.value < 0 and a.value:
        return Lit(a.value**c.value, F8)
    if isinstance(a, Lit) and isinstance(c, Lit) and name in EXACT and (name != "pow" or c.value >= 0):
        if name == "pow" and abs(a.value) > 1 and c.value >= 63:
            raise b.error("is an integer of more than 64 bits: write it as a float", node)
        value = Lit(EXACT[name](a.value, c.value), I8)
        if abs(value.value) >= LIMIT:
            raise b.error("is an integer of more than 64 bits: write it as a float", node)
        return value
    if name in ("floordiv", "mod") and not (isinstance(c, Lit) and c.value):
        a, c = b.operand(a), b.atom(c)
        ask(b, make("eq", c, Lit(0, I8)), "raise ZeroDivisionError('integer division or modulo by zero')")
    if name == "pow" and not (isinstance(c, Lit) and 0 <= c.value <= 3):
        a, c = b.atom(a), b.atom(c)
        if not isinstance(c, Lit) or c.value < 0:
            ask(b, make("lt", c, Lit(0, I8)), NEGATIVE)
        if not isinstance(a, Lit):
            ask(b, too_long(make("pow", as_float(a), as_float(c))), TOO_LONG)
        elif abs(a.value) > 1:
            most = next(k for k in range(64) if abs(a.value) ** (k + 1) >= LIMIT)
            ask(b, make("gt", c, Lit(most, I8)), TOO_LONG)
    return a, c


def ask(b: Builder, test: Expr, text: str) -> None:
    """if test: raise ..."""
    b.emit(If(test, [Raise(text, where=b.where)]))


def too_long(value: Expr) -> Expr:
    """Does the float say that an integer would not fit into 64 bits?"""
    return make("ge", make("abs", value), Lit(float(LIMIT), F8))


def multiplied(statements: list[Statement], targets: list[Name], values: list[Expr]) -> list[Statement]:
    """The body of a loop that hands values on to targets, with questions where an integer is multiplied at every turn."""
    made = [*statements, Move(targets, values)]
    for target, value in zip(targets, values, strict=True):
        if target.kind == I8:
            made = questions(made, target.id, behind(statements, value))
    return made[:-1]


def behind(statements: list[Statement], value: Expr) -> set[str]:
    """The names that a value at the end of the statements is made of."""
    found, count = names(value), -1
    while count != len(found):
        count = len(found)
        for target, part in bindings(statements):
            if target in found:
                found |= names(part)
    return found


def questions(statements: list[Statement], own: str, found: set[str]) -> list[Statement]:
    """The statements, with a question in front of each that multiplies what grows from `own` and returns to it."""
    grown = {own}
    count = 0
    while count != len(grown):
        count = len(grown)
        grown |= {target for target, value in bindings(statements) if target in found and names(value) & grown}
    done: list[Statement] = []
    for s in statements:
        if isinstance(s, If):
            s = replace(s, body=questions(s.body, own, found), orelse=questions(s.orelse, own, found))
        for target, value in bindings([s]) if isinstance(s, Assign | Move) else []:
            for part in walk(value) if target in found or target == own else []:
                if isinstance(part, Op) and part.name == "mul" and part.kind == I8 and names(part) & grown:
                    size = make("mul", as_float(part.args[0]), as_float(part.args[1]))
                    done.append(If(too_long(size), [Raise(TOO_LONG, where=s.where)], where=s.where))
        done.append(s)
    return done
