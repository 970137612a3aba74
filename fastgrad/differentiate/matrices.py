"""Products and linear algebra of the vocabulary."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from .builder import Builder
from .operands import array_of, matmul, to_float
from .shapes import ravel
from .vocabulary import Handler, of, take


@of(np.matmul)
def _matmul(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    x, y = (array_of(b, v, node) for v in take(b, args, words, "a b", node))
    return matmul(b, x, y, node)


@of(np.dot)
def _dot(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    x, y = (array_of(b, v, node) for v in take(b, args, words, "a b", node))
    return matmul(b, x, y, node) if x.kind.is_array and y.kind.is_array else b.apply("mul", x, y)


@of(np.vdot, np.inner)
def _inner(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    values = take(b, args, words, "a b", node)
    if {array_of(b, v, node).kind.ndim for v in values} not in ({0}, {1}):
        raise b.error("is an inner product of other than two vectors", node)
    return _dot(b, args, words, node)


@of(np.outer)
def _outer(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    x, y = (to_float(b, array_of(b, v, node)) for v in take(b, args, words, "a b", node))
    flat = [v if v.kind.ndim == 1 else b.atom(ravel(b, [v], {}, node)) for v in (x, y)]
    return b.apply("outer", *flat)


def _square_matrix(name: str) -> Handler:
    def handler(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
        (a,) = take(b, args, words, "a", node)
        array = b.atom(to_float(b, array_of(b, a, node)))
        if array.kind.ndim != 2:
            raise b.error(f"takes a matrix, not {array.kind.ndim} dimensions", node)
        return b.apply(name, array)

    return handler


for _name, _functions in {"inv": (np.linalg.inv,), "det": (np.linalg.det,), "cholesky": (np.linalg.cholesky,)}.items():
    of(*_functions)(_square_matrix(_name))


of(np.trace)(_square_matrix("trace"))


@of(np.linalg.slogdet)
def _slogdet(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    return tuple(_square_matrix(name)(b, args, words, node) for name in ("signdet", "logabsdet"))


@of(np.linalg.solve)
def _solve(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    a, y = (array_of(b, v, node) for v in take(b, args, words, "a b", node))
    if a.kind.ndim != 2 or y.kind.ndim not in (1, 2):
        raise b.error("takes a matrix and a right side of one or two dimensions", node)
    return b.apply("solve", to_float(b, a, y), to_float(b, y, a))
