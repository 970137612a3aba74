"""What a for loop runs over: ranges, arrays, tuples, zip, enumerate, reversed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from .builder import Builder
from .indexing import getitem
from .kinds import I8
from .program import Expr, Lit, Name
from .rules import make
from .values import Items, Listed, Scope, Sequence, is_expr

ZERO, ONE = Lit(0, I8), Lit(1, I8)


@dataclass(frozen=True)
class Iterator:
    """range, zip, enumerate or reversed, called but not yet run over."""

    kind: str
    args: tuple[Any, ...]


def sequence(b: Builder, scope: Scope, value: Any, node: ast.AST) -> Sequence:
    """The value as a sequence."""
    if isinstance(value, Listed):
        value = value.array
    if isinstance(value, tuple | Items):
        items = value if isinstance(value, tuple) else value.items
        return Sequence(Lit(len(items), I8), lambda k: items, static=items)
    if isinstance(value, Iterator):
        return _ITERATORS[value.kind](b, scope, value, node)
    if is_expr(value) and value.kind.is_array:
        array = b.atom(value)
        return Sequence(make("shape", array, axis=0), lambda k: getitem(b, array, (k,), node))
    raise b.error("is nothing that a loop can run over", node)


def _range(b: Builder, scope: Scope, value: Iterator, node: ast.AST) -> Sequence:
    bounds = [ZERO, *value.args, ONE][len(value.args) == 2 or len(value.args) == 3 :][:3]
    start, stop, step = bounds
    if not all(is_expr(v) and not v.kind.is_float for v in bounds):
        raise b.error("has a bound that is no integer", node)
    start, stop, step = (b.atom(v) if not isinstance(v, Lit | Name) and _deep(v) else v for v in bounds)
    return Sequence(None, lambda k: k, (start, stop, step))


def _deep(value: Expr) -> bool:
    from .algebra import size

    return size(value) > 3


def _length(s: Sequence) -> Expr:
    if s.length is not None:
        return s.length
    assert s.bounds
    start, stop, step = s.bounds
    if step == ONE:
        return make("sub", stop, start)
    return make("count_range", start, stop, step)


def _item(s: Sequence, k: Expr) -> Any:
    if s.bounds is None:
        return s.item(k)
    start, _, step = s.bounds
    return make("add", start, make("mul", step, k))


def _zip(b: Builder, scope: Scope, value: Iterator, node: ast.AST) -> Sequence:
    parts = [sequence(b, scope, v, node) for v in value.args]
    if parts and all(p.static is not None for p in parts):
        rows = tuple(zip(*(p.static or () for p in parts), strict=False))
        return Sequence(Lit(len(rows), I8), lambda k: rows, static=rows)
    for p in parts:
        if p.static is not None:
            raise b.error("runs over a tuple and an array at once: make an array of the tuple", node)
    length = _length(parts[0])
    for p in parts[1:]:
        other = _length(p)
        length = length if other == length else make("minimum", length, other)
    length = b.bind("n", length)
    return Sequence(length, lambda k: tuple(_item(p, k) for p in parts))


def _enumerate(b: Builder, scope: Scope, value: Iterator, node: ast.AST) -> Sequence:
    inner = sequence(b, scope, value.args[0], node)
    first = value.args[1] if len(value.args) > 1 else ZERO
    if inner.static is not None:
        start = b.static_int(first, node)
        rows = tuple((Lit(k, I8), item) for k, item in enumerate(inner.static, start))
        return Sequence(Lit(len(rows), I8), lambda k: rows, static=rows)
    return Sequence(_length(inner), lambda k: (make("add", first, k), _item(inner, k)))


def _reversed(b: Builder, scope: Scope, value: Iterator, node: ast.AST) -> Sequence:
    inner = sequence(b, scope, value.args[0], node)
    if inner.static is not None:
        rows = tuple(reversed(inner.static))
        return Sequence(Lit(len(rows), I8), lambda k: rows, static=rows)
    length = b.bind("n", _length(inner))
    return Sequence(length, lambda k: _item(inner, make("sub", make("sub", length, k), ONE)))


_ITERATORS = {"range": _range, "zip": _zip, "enumerate": _enumerate, "reversed": _reversed}
