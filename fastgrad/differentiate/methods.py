"""Methods of arrays: most are the function of the same name."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from . import joining, matrices, reductions, shapes
from .builder import Builder, as_value
from .shapes import converted, dtype_of, reshape, transpose
from .values import Items, Method, is_expr
from .vocabulary import TABLE, only_item, take

HOMES = (joining, matrices, reductions, shapes)  # imported here, they enter their functions in TABLE

_METHODS: dict[str, Any] = {
    "sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min, "var": np.var, "std": np.std,
    "cumsum": np.cumsum, "dot": np.dot, "ravel": np.ravel, "copy": np.copy, "trace": np.trace,
    "clip": np.clip, "argmax": np.argmax, "argmin": np.argmin, "argsort": np.argsort, "any": np.any, "all": np.all,
    "diagonal": np.diag, "round": np.round,
}  # fmt: skip


def method(b: Builder, bound: Method, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    """base.name(*args)."""
    base = bound.base
    if not is_expr(base):
        raise b.error("changes a list inside of an expression or in a loop: fill an array instead", node)
    if bound.name == "reshape":
        if not args:
            raise b.error("gives no shape", node)
        shape = args[0] if len(args) == 1 and isinstance(args[0], tuple | Items) else tuple(args)
        return reshape(b, [base, shape], words, node)
    if bound.name == "transpose":
        axes = args[0] if len(args) == 1 and isinstance(args[0], tuple | Items) else tuple(args) or as_value(None)
        return transpose(b, [base, axes], words, node)
    if bound.name == "astype":
        (dtype,) = take(b, args, words, "dtype", node)
        return converted(b, base, dtype_of(b, dtype, "f8", node))
    if bound.name == "flatten":
        take(b, args, words, "", node)
        return b.apply("ravel", b.atom(b.apply("copy", base)))
    if bound.name == "item":
        take(b, args, words, "", node)
        return only_item(b, base)
    if bound.name == "diagonal" and base.kind.ndim != 2:
        raise b.error(f"takes a matrix, not {base.kind.ndim} dimensions", node)
    if bound.name not in _METHODS:
        raise b.error("is a method that cannot be differentiated", node)
    handler = TABLE[id(_METHODS[bound.name])]
    return handler(b, [base, *args], words, node)
