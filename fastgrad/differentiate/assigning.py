"""Assignments: names, tuples, elements and slices."""

from __future__ import annotations

import ast
from typing import Any

from .aliases import source_of
from .builder import Builder
from .expressions import expression
from .indexing import getitem, index_of
from .kinds import I8
from .lists import changeable
from .program import Expr, Lit, Name, Op, Store
from .rules import make
from .values import Items, Listed, Method, Scope, flatten, is_expr, refill


def assign(b: Builder, scope: Scope, target: ast.expr, value: Any, node: ast.AST) -> None:
    """target = value."""
    if isinstance(target, ast.Name):
        if isinstance(value, Method):
            raise b.error("gives a method another name", node)
        scope.env[target.id] = named(b, target.id, value)
    elif isinstance(target, ast.Tuple | ast.List):
        _unpack(b, scope, target, value, node)
    elif isinstance(target, ast.Subscript):
        store(b, scope, target, value, node)
    else:
        raise b.error("assigns to an attribute, which cannot be differentiated", node)


def named(b: Builder, name: str, value: Any) -> Any:
    """The value under a name: what is computed becomes a statement; names, literals and constants are passed on."""
    leaves = flatten(value)
    if isinstance(value, Op):
        return b.bind(name, value)
    if any(isinstance(leaf, Op) for leaf in leaves):
        return refill(value, [b.bind(name, leaf) if isinstance(leaf, Op) else leaf for leaf in leaves])
    return value


def _unpack(b: Builder, scope: Scope, target: ast.Tuple | ast.List, value: Any, node: ast.AST) -> None:
    names = target.elts
    if isinstance(value, Listed):
        value = value.array
    if is_expr(value) and value.kind.is_array:
        if any(isinstance(n, ast.Starred) for n in names):
            raise b.error("unpacks an array into a list whose length is not known", node)
        array = b.atom(value)
        fits = make("eq", make("shape", array, axis=0), Lit(len(names), I8))
        b.require(fits, f"ValueError('expected {len(names)} values to unpack')")
        value = tuple(getitem(b, array, (Lit(k, I8),)) for k in range(len(names)))
    items = value.items if isinstance(value, Items) else value
    if not isinstance(items, tuple):
        raise b.error("cannot be unpacked", node)
    stars = [k for k, n in enumerate(names) if isinstance(n, ast.Starred)]
    if stars:
        k, rest = stars[0], len(items) - len(names) + 1
        items = (*items[:k], Items(tuple(items[k : k + rest])), *items[k + rest :])
        names = [n.value if isinstance(n, ast.Starred) else n for n in names]
    if len(items) != len(names):
        raise b.error(f"unpacks {len(items)} values into {len(names)} names", node)
    # All values are computed before the first name changes: x, y = y, x.
    items = tuple(b.bind("value", v) if isinstance(v, Op) and len(items) > 1 and not isinstance(n, ast.Name) else v
                  for v, n in zip(items, names, strict=True))  # fmt: skip
    bound = [named(b, n.id, v) if isinstance(n, ast.Name) else v for n, v in zip(names, items, strict=True)]
    for name, item in zip(names, bound, strict=True):
        assign(b, scope, name, item, node)


def store(b: Builder, scope: Scope, target: ast.Subscript, value: Any, node: ast.AST, add: bool = False) -> None:
    """base[index] = value, or +=."""
    base = expression(b, scope, target.value)
    if isinstance(base, Items | tuple):
        changeable(b, scope, target.value, base, node)
        assert isinstance(base, Items) and isinstance(target.value, ast.Name)
        items = list(base.items)
        k = b.static_int(expression(b, scope, target.slice), target)
        items[k] = named(b, target.value.id, value)
        scope.env[target.value.id] = Items(tuple(items))
        return
    if isinstance(base, Listed):
        base = base.array
    if not is_expr(base) or not base.kind.is_array:
        raise b.error("writes into what is no array", node)
    array = base if isinstance(base, Name) else b.bind("view", base)
    index = index_of(b, scope, array, target.slice, expression)
    write(b, array, index, value, node, add)


def write(b: Builder, array: Expr, index: tuple[Expr, ...], value: Any, node: ast.AST, add: bool = False) -> None:
    """The Store statement; a value that reads the array itself is computed first."""
    from .operands import array_of

    assert isinstance(array, Name)
    place = getitem(b, array, index, node).kind
    expr = array_of(b, value, node)
    if expr.kind.ndim > place.ndim:
        raise b.error(f"writes {expr.kind.ndim} dimensions into {place.ndim}", node)
    if expr.kind.is_array and source_of(expr):
        if place != array.kind or expr != array:
            expr = b.bind("value", make("copy", expr))  # the two sides may overlap
    elif isinstance(expr, Op) and expr.kind.is_array:
        expr = b.atom(expr)
    b.emit(Store(array, index, b.operand(expr), add))
