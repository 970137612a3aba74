"""Arithmetic on expressions that keeps the printed gradient short: 0 and 1 vanish, signs and factors move outwards."""

from __future__ import annotations

import operator
from dataclasses import replace

from .kinds import Kind
from .program import Expr, Lit, Op

_FOLD = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}
NUMBERS = (int, float)


def is_number(expression: Expr, value: float | None = None) -> bool:
    """A number literal (of this value)?"""
    plain = isinstance(expression, Lit) and type(expression.value) in NUMBERS
    return plain and (value is None or expression.value == value)  # type: ignore[union-attr]


def simplified(op: Op) -> Expr:
    """The expression, or a shorter one of the same value and the same kind."""
    a, b = (*op.args, None, None)[:2]
    if op.name in _FOLD and isinstance(a, Lit) and isinstance(b, Lit) and is_number(a) and is_number(b):
        return Lit(_FOLD[op.name](a.value, b.value), op.kind)
    result: Expr = op
    if op.name == "add":
        result = _sum(op, *op.args)
    elif op.name == "sub":
        result = _difference(op, *op.args)
    elif op.name == "mul":
        result = _product(op, *op.args)
    elif op.name == "div":
        result = _quotient(op, *op.args)
    elif op.name == "neg" and a is not None:
        result = negative(op, a)
    elif op.name == "pow" and b is not None and is_number(b, 1) and a is not None and a.kind == op.kind:
        result = a
    elif op.name in ("T",) and isinstance(a, Op) and a.name == "T":
        result = a.args[0]
    return result if _as_good(result.kind, op.kind) else op


def _as_good(kind: Kind, wanted: Kind) -> bool:
    return kind == wanted


def _sum(op: Op, a: Expr, b: Expr) -> Expr:
    if is_number(a, 0):
        return b
    if is_number(b, 0):
        return a
    if op.kind.dtype == "i8" and isinstance(b, Lit) and isinstance(a, Op) and a.name in ("add", "sub"):
        return _integers(op, a, b.value)
    if isinstance(b, Op) and b.name == "neg":
        return simplified(replace(op, name="sub", args=(a, b.args[0])))
    turned = _negative_factor(b)
    return op if turned is None else simplified(replace(op, name="sub", args=(a, turned)))


def _negative_factor(value: Expr) -> Expr | None:
    """2 x for -2 x, else None."""
    first = value.args[0] if isinstance(value, Op) and value.name in ("mul", "div") else None
    if isinstance(first, Lit) and is_number(first) and first.value < 0 and isinstance(value, Op):
        return replace(value, args=(Lit(-first.value, first.kind), *value.args[1:]))
    return None


def _integers(op: Op, a: Op, more: int) -> Expr:
    """(x + 1) + more, (x - 1) + more: one number."""
    if not isinstance(a.args[1], Lit) or not is_number(a.args[1]) or op.kind.is_array:
        return op
    total = (a.args[1].value if a.name == "add" else -a.args[1].value) + more
    if total == 0:
        return a.args[0]
    return replace(a, name="add" if total > 0 else "sub", args=(a.args[0], Lit(abs(total), op.kind)))


def _difference(op: Op, a: Expr, b: Expr) -> Expr:
    if is_number(b, 0):
        return a
    if op.kind.dtype == "i8" and isinstance(b, Lit) and isinstance(a, Op) and a.name in ("add", "sub"):
        return _integers(op, a, -b.value)
    if isinstance(b, Op) and b.name == "neg":
        return simplified(replace(op, name="add", args=(a, b.args[0])))
    turned = _negative_factor(b)
    return op if turned is None else simplified(replace(op, name="add", args=(a, turned)))


def _product(op: Op, a: Expr, b: Expr) -> Expr:
    for one, other in ((a, b), (b, a)):
        if is_number(one, 1):
            return other
        if is_number(one, -1):
            return negative(Op("neg", (other,), op.kind), other)
        if isinstance(one, Op) and one.name == "neg":
            left, right = (one.args[0], other) if one is a else (other, one.args[0])
            inner = simplified(replace(op, args=(left, right)))
            return negative(Op("neg", (inner,), op.kind), inner)
    if isinstance(a, Lit) and is_number(a) and isinstance(b, Op) and b.name == "mul" and is_number(b.args[0]):
        factor = b.args[0]
        assert isinstance(factor, Lit)
        return simplified(replace(op, args=(Lit(a.value * factor.value, a.kind), b.args[1])))
    if is_number(b) and not is_number(a):
        return simplified(replace(op, args=(b, a)))
    if isinstance(b, Op) and b.name == "mul" and is_number(b.args[0]) and not a.kind.is_array:
        inner = replace(op, args=(a, b.args[1]))
        return simplified(replace(op, args=(b.args[0], inner)))
    if isinstance(a, Op) and a.name == "div" and is_number(a.args[0], 1) and a.kind.is_float:
        return simplified(replace(op, name="div", args=(b, a.args[1])))
    return op


def _quotient(op: Op, a: Expr, b: Expr) -> Expr:
    if is_number(b, 1):
        return a
    if isinstance(a, Op) and a.name == "neg":
        inner = replace(op, args=(a.args[0], b))
        return negative(Op("neg", (inner,), op.kind), inner)
    return op


def negative(op: Op, a: Expr) -> Expr:
    """-a without two signs in a row."""
    if isinstance(a, Lit) and is_number(a):
        return Lit(-a.value, a.kind)
    if isinstance(a, Op) and a.name == "neg":
        return a.args[0]
    if isinstance(a, Op) and a.name == "sub" and not is_number(a.args[0]):
        return op
    if isinstance(a, Op) and a.name in ("mul", "div") and is_number(a.args[0]):
        first = a.args[0]
        assert isinstance(first, Lit)
        return simplified(replace(a, args=(Lit(-first.value, first.kind), *a.args[1:])))
    return op


def size(expression: Expr) -> int:
    """How many operations an expression has: how long it is to read."""
    return 1 + sum(size(arg) for arg in expression.args) if isinstance(expression, Op) else 0
