"""Functions of the vocabulary that join arrays."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from .builder import Builder, as_value
from .operands import array_of
from .program import Expr
from .reductions import axis_of
from .shapes import new_axis, ravel
from .values import Items, Static
from .vocabulary import of, take


def parts_of(b: Builder, values: Any, node: ast.AST) -> list[Expr]:
    """The arrays that are joined."""
    if not isinstance(values, tuple | Items):
        raise b.error("joins arrays whose number is not known when the function is read", node)
    items = values if isinstance(values, tuple) else values.items
    if not items:
        raise b.error("joins no arrays", node)
    return [b.atom(array_of(b, v, node)) for v in items]


@of(np.hstack)
def _hstack(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (values,) = take(b, args, words, "arrays", node)
    parts = tuple(parts_of(b, values, node))
    return _concatenate(b, [parts, as_value(0 if parts[0].kind.ndim < 2 else 1)], {}, node)


@of(np.concatenate)
def _concatenate(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    values, axis = take(b, args, words, "arrays axis=0", node)
    parts = parts_of(b, values, node)
    if isinstance(axis, Static) and axis.value is None:  # all of them flat
        parts, axis = [b.atom(ravel(b, [p], {}, node)) for p in parts], as_value(0)
    if any(not p.kind.is_array for p in parts) or len({p.kind.ndim for p in parts}) > 1:
        raise b.error("joins what has not the same number of dimensions", node)
    k = axis_of(b, axis, parts[0], node) or 0
    return b.apply("concatenate", *parts, axis=k, ndim=parts[0].kind.ndim)


@of(np.vstack)
def _vstack(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (values,) = take(b, args, words, "arrays", node)
    parts = parts_of(b, values, node)
    rows = tuple(b.atom(b.apply("expand", p, axis=0)) if p.kind.ndim == 1 else p for p in parts)
    return _stack(b, [values], {}, node) if {p.kind.ndim for p in parts} == {1} else _concatenate(b, [rows], {}, node)


@of(np.stack)
def _stack(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    values, axis = take(b, args, words, "arrays axis=0", node)
    parts = parts_of(b, values, node)
    if len({p.kind.ndim for p in parts}) > 1:
        raise b.error("joins what has not the same number of dimensions", node)
    k = new_axis(b, axis, parts[0], node)
    if not parts[0].kind.is_array:
        return array_of(b, values, node)
    return b.apply("stack", *parts, axis=k, ndim=parts[0].kind.ndim + 1)


@of(np.column_stack)
def _columns(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (values,) = take(b, args, words, "arrays", node)
    parts = parts_of(b, values, node)
    if any(p.kind.ndim not in (1, 2) for p in parts):
        raise b.error("joins what has not 1 or 2 dimensions", node)
    parts = [b.atom(b.apply("expand", p, axis=1)) if p.kind.ndim == 1 else b.atom(p) for p in parts]
    return b.apply("concatenate", *parts, axis=1, ndim=2)
