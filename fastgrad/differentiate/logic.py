"""`and` and `or`: the truth of a condition, or that of their operands which they give."""

from __future__ import annotations

import ast
from typing import Any

from .builder import Builder
from .expressions import choose, expression, static_truth
from .kinds import B1
from .operands import number
from .program import Expr, Statement
from .reading import asked
from .recursion import Undetermined
from .rules import make
from .values import Scope, is_expr


def combined(b: Builder, scope: Scope, node: ast.BoolOp) -> Any:
    """`a and b`, `a or b`: one of its operands, or only its truth where the node is marked by asked()."""
    op, deciding = ("and", False) if isinstance(node.op, ast.And) else ("or", True)
    truths = hasattr(node, "asked")
    value = expression(b, scope, node.values[0])
    for k, later in enumerate(node.values[1:]):
        truth = static_truth(value)
        if truth is not None:
            if truth is deciding:
                return value
            value = expression(b, scope, later)
            continue
        rest = node.values[k + 1] if k + 2 == len(node.values) else ast.BoolOp(node.op, node.values[k + 1 :])
        rest = ast.copy_location(asked(rest) if truths else rest, node)
        test = number(b, value, node)
        if not (truths or test.kind == B1):
            return _one_of(b, scope, b.atom(test), rest, deciding, node)
        extra: list[Statement] = []
        with b.into(extra):
            try:
                right = expression(b, scope, later)
            except Undetermined:
                return test
        if extra or not (truths or (is_expr(right) and right.kind == B1)):
            # the right side needs statements, which run only when the left side does not decide, or is no truth
            return _one_of(b, scope, test, rest, deciding, node, ast.Constant(deciding))
        truth = static_truth(right)
        if truth is not None:
            if truth is deciding:
                return right
            continue
        value = make(op, *(_truth(b, part) for part in (test, number(b, right, node))))
    return _truth(b, value) if truths and is_expr(value) else value


def _truth(b: Builder, value: Expr) -> Expr:
    """The truth of a number, as Python has it."""
    value = b.operand(value)
    return value if value.kind.dtype == "b1" or value.kind.is_array else make("bool", value)


def _one_of(
    b: Builder, scope: Scope, test: Expr, rest: ast.expr, deciding: bool, node: ast.AST, first: ast.expr | None = None
) -> Any:
    """`first or rest`, or with `and`: the first operand (`test` itself, unless it is given) where it decides."""
    if test.kind.is_array:
        raise b.error("asks for the truth of an array", node)
    held = f"first{len(scope.env)}_"
    scope.env[held] = test
    first = first or ast.copy_location(ast.Name(held, ast.Load()), node)
    found = choose(b, scope, test, *((first, rest) if deciding else (rest, first)), node)
    del scope.env[held]
    return found
