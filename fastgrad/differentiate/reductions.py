"""Reductions of the vocabulary: sums, means, extremes, norms."""

from __future__ import annotations

import ast
import builtins
from typing import Any

import numpy as np

from .builder import Builder, as_value, known
from .kinds import I8
from .operands import array_of, as_float, number, to_float
from .program import Expr, Lit
from .rules import make
from .values import Items, Static
from .vocabulary import Handler, of, take


@of(builtins.sum)
def _builtin_sum(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    values, start = take(b, args, words, "a start=0", node)
    if isinstance(values, tuple | Items):
        total = start
        for item in values if isinstance(values, tuple) else values.items:
            total = b.apply("add", number(b, total, node), number(b, item, node)) if not is_zero(total) else item
        return total
    array = one_by_one(b, values, node)
    result = summed(b, [array], {"axis": as_value(0)} if array.kind.ndim > 1 else {}, node)
    return result if is_zero(start) else b.apply("add", number(b, start, node), result)


def is_zero(value: Any) -> bool:
    """Is it the integer 0, from which Python sums?"""
    return isinstance(value, Lit) and value.value == 0 and value.kind == I8


@of(builtins.max)
def _max(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    return _extreme("maximum", b, args, words, node)


@of(builtins.min)
def _min(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    return _extreme("minimum", b, args, words, node)


def _extreme(name: str, b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    values = args if len(args) > 1 else args[0]
    if words:
        raise b.error("has keywords that are not supported", node)
    if not isinstance(values, list | tuple | Items):
        array = one_by_one(b, values, node)
        if array.kind.ndim > 1:
            raise b.error("compares the rows of a matrix", node)
        return _reduction("amax" if name == "maximum" else "amin")(b, [array], {}, node)
    items = [number(b, v, node) for v in (values.items if isinstance(values, Items) else values)]
    if not items or any(item.kind.is_array for item in items):
        raise b.error("compares arrays, or nothing" if items else "has nothing to compare", node)
    result = items[0]
    for item in items[1:]:
        result = b.apply(name, result, item)
    return result


def one_by_one(b: Builder, value: Any, node: ast.AST) -> Expr:
    """What Python goes through one by one: an array of at least one dimension."""
    array = number(b, value, node)
    if not array.kind.is_array:
        raise b.error("goes through a number, which has no items", node)
    return array


def axis_of(b: Builder, axis: Any, array: Expr, node: ast.AST) -> int | None:
    """The axis, counted from the front; None for all of the array."""
    if isinstance(axis, Static) and axis.value is None:
        return None
    k = b.static_int(axis, node)
    if not -array.kind.ndim <= k < array.kind.ndim:
        raise b.error(f"names the axis {k} of an array of {array.kind.ndim} dimensions", node)
    return k % array.kind.ndim


def _reduction(name: str) -> Handler:
    def handler(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
        values, axis, keep = take(b, args, words, "a axis=None * keepdims=False", node)
        array = b.operand(array_of(b, values, node))
        if not known(keep):
            raise b.error("keeps dimensions or not, which must be known when the function is read", node)
        if isinstance(axis, tuple):
            axes = sorted((axis_of(b, a, array, node) or 0 for a in axis), reverse=True)
            if not axes or len(set(axes)) < len(axes):
                raise b.error("names no axis, or one twice", node)
            for a in axes:
                array = handler(b, [array, as_value(a)], {"keepdims": keep}, node)
            return array
        k = axis_of(b, axis, array, node)
        if not array.kind.is_array:
            return array
        if array.kind.dtype == "b1":
            array = b.apply("as_i8", array)
        keeps = bool(keep.value)
        if k is None or array.kind.ndim == 1:
            if keeps and array.kind.ndim > 1:
                raise b.error("keeps all dimensions of a full reduction: leave keepdims out", node)
            result = b.apply(name, array)
            return b.apply("array", result, ndim=1) if keeps else result
        result = b.apply(name + "_axis", b.atom(array) if name != "sum" else array, axis=k)
        return b.apply("expand", result, axis=k) if keeps else result

    return handler


summed = of(np.sum)(_reduction("sum"))


of(np.prod)(_reduction("prod"))


of(np.max, np.amax)(_reduction("amax"))


of(np.min, np.amin)(_reduction("amin"))


def _count(b: Builder, array: Expr, axis: int | None) -> Expr:
    return make("size", array) if axis is None else make("shape", array, axis=axis)


@of(np.mean, np.average)
def _mean(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    values, axis, keep = take(b, args, words, "a axis=None * keepdims=False", node)
    array = b.atom(array_of(b, values, node))
    if isinstance(axis, tuple):
        raise b.error("has several axes", node)
    if not array.kind.is_array:
        axis_of(b, axis, array, node)
        return as_float(array)
    total = summed(b, [array, axis], {"keepdims": keep}, node)
    return b.apply("div", total, _count(b, array, axis_of(b, axis, array, node)))


@of(np.var)
def _var(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    values, axis, ddof, keep = take(b, args, words, "a axis=None * ddof=0 keepdims=False", node)
    array = b.atom(to_float(b, array_of(b, values, node)))
    if not array.kind.is_array:
        raise b.error("is the variance of a number", node)
    k = axis_of(b, axis, array, node)
    full = k is None or array.kind.ndim == 1
    middle = _mean(b, [array, axis], {} if full else {"keepdims": as_value(True)}, node)
    squares = b.apply("pow", b.apply("sub", array, b.atom(middle)), Lit(2, I8))
    total = summed(b, [squares, axis], {"keepdims": keep}, node)
    count = _count(b, array, k)
    return b.apply("div", total, count if is_zero(ddof) else b.apply("sub", count, number(b, ddof, node)))


@of(np.std)
def _std(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    return b.apply("sqrt", _var(b, args, words, node))


@of(np.cumsum)
def _cumsum(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    values, axis = take(b, args, words, "a axis=None", node)
    array = b.atom(array_of(b, values, node))
    k = axis_of(b, axis, array, node)
    if not array.kind.is_array:
        return b.apply("array", array, ndim=1)
    if array.kind.dtype == "b1":
        array = b.atom(b.apply("as_i8", array))
    if k is None and array.kind.ndim > 1:
        array = b.atom(b.apply("ravel", array))
    return b.apply("cumsum", array) if array.kind.ndim == 1 else b.apply("cumsum_axis", array, axis=k)


@of(np.linalg.norm)
def _norm(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    x, order, axis = take(b, args, words, "x ord=None axis=None", node)
    array = b.atom(to_float(b, array_of(b, x, node)))
    plain = (isinstance(order, Static) and order.value in (None, "fro")) or (
        isinstance(order, Lit) and order.value == 2 and (array.kind.ndim == 1 or not isinstance(axis, Static))
    )
    if isinstance(order, Lit) and order.value == 1 and array.kind.ndim == 1:
        return b.apply("sum", b.apply("abs", array))
    if not plain:
        raise b.error("is a norm that cannot be differentiated here", node)
    k = axis_of(b, axis, array, node)
    if isinstance(order, Static) and order.value == "fro" and (k is not None or array.kind.ndim != 2):
        raise b.error("is the Frobenius norm of other than a matrix", node)
    if k is None or array.kind.ndim == 1:
        return b.apply("norm", array)
    return b.apply("sqrt", summed(b, [b.apply("pow", array, Lit(2, I8)), axis], {}, node))
