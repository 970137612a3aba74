"""Indices: elements, slices, new axes, index arrays; of arrays and of tuples whose length is known."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from .builder import Builder, as_value
from .cells import boxed
from .kinds import NONE, Kind
from .program import Expr, Lit, Name, Op
from .rules import RULES
from .values import Items, Listed, Scope, Slice, Static, is_expr

Evaluate = Callable[..., Any]
ABSENT = Lit(None, NONE)


def element(b: Builder, scope: Scope, base: Any, node: ast.Subscript, evaluate: Evaluate) -> Any:
    """base[index]."""
    if isinstance(base, tuple | Items):
        return _of_sequence(b, scope, base, node, evaluate)
    if isinstance(base, Static):
        return _of_static(b, scope, base, node, evaluate)
    listed = isinstance(base, Listed)
    if isinstance(base, Listed):
        base = base.array
    if not is_expr(base) or not base.kind.is_array:
        raise b.error("indexes what is no array", node)
    array = b.atom(base)
    index = index_of(b, scope, array, node.slice, evaluate)
    found = getitem(b, array, index, node)
    if not found.kind.is_array and any(isinstance(i, Op) and i.name == "ellipsis" for i in index):
        return boxed(getitem(b, array, tuple(i for i in index if i.kind.dtype != "slice"), node))
    if listed and index[0].kind.dtype == "slice":  # a part of a list is a list of its own
        return Listed(b.bind("items", b.apply("copy", found)))
    return found


def getitem(b: Builder, array: Expr, index: tuple[Expr, ...], node: ast.AST | None = None) -> Expr:
    """array[index] with its kind."""
    if not isinstance(array, Name):
        array = b.bind("view", array)
    return Op("getitem", (array, *index), index_kind(b, array, index, node))


def index_of(b: Builder, scope: Scope, array: Expr, node: ast.expr, evaluate: Evaluate) -> tuple[Expr, ...]:
    """The index between the brackets, an item for each part."""
    if isinstance(node, ast.Name):
        value = scope.env.get(node.id)
        if isinstance(value, tuple):
            return tuple(_item(b, part, node) for part in value)
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return tuple(_part(b, scope, part, evaluate) for part in parts)


def _part(b: Builder, scope: Scope, node: ast.expr, evaluate: Evaluate) -> Expr:
    if isinstance(node, ast.Slice):
        ends = [ABSENT if e is None else evaluate(b, scope, e) for e in (node.lower, node.upper, node.step)]
        return _slice(b, ends, node)
    return _item(b, evaluate(b, scope, node), node)


def _item(b: Builder, value: Any, node: ast.AST) -> Expr:
    """One part of an index, already evaluated."""
    if isinstance(value, Slice):
        return _slice(b, [value.start or ABSENT, value.stop or ABSENT, value.step or ABSENT], node)
    if isinstance(value, Static) and value.value is None:
        return Op("newaxis", (), Kind("slice"))
    if isinstance(value, Static) and value.value is ...:
        return Op("ellipsis", (), Kind("slice"))
    if isinstance(value, Items):
        from .operands import array_of

        value = array_of(b, value, node)
    if isinstance(value, Listed):
        value = value.array
    if not is_expr(value):
        raise b.error("cannot stand between brackets", node)
    if value.kind.is_float:
        raise b.error("is a float, which cannot be an index", node)
    return b.atom(value) if value.kind.is_array else b.operand(value)


def _slice(b: Builder, ends: list[Any], node: ast.AST) -> Expr:
    clean: list[Expr] = []
    for end in ends:
        if isinstance(end, Static) and end.value is None:
            end = ABSENT
        if not is_expr(end) or end.kind.is_array or end.kind.is_float:
            raise b.error("is no integer slice", node)
        clean.append(b.operand(end))
    return Op("slice", tuple(clean), Kind("slice"))


def index_kind(b: Builder, array: Expr, index: tuple[Expr, ...], node: ast.AST | None) -> Kind:
    """The kind of array[index]."""
    removed = kept = fancy = 0
    label = None
    for item in index:
        if item.kind.dtype == "slice":
            kept += 1 if isinstance(item, Op) and item.name == "newaxis" else 0
        elif item.kind.is_array and item.kind.dtype == "b1":
            if item.kind.ndim > 1:
                raise b.error("is a mask of more than one dimension, which Numba does not take: use np.where", node)
            fancy += 1
            removed += item.kind.ndim
            kept += 1
        elif item.kind.is_array:
            fancy += 1
            removed += 1
            kept += item.kind.ndim
        else:
            removed += 1
    if fancy > 1:
        raise b.error("has more than one index array: write a loop", node)
    if fancy and removed > 1 and not (len(index) == 1 and removed == array.kind.ndim):
        raise b.error("mixes an index array with integers: write a loop", node)
    ndim = array.kind.ndim - removed + kept
    if removed > array.kind.ndim:
        raise b.error(f"has more indices than the {array.kind.ndim} dimensions of the array", node)
    return array.kind.array(ndim, label) if ndim else array.kind.scalar


def _of_sequence(b: Builder, scope: Scope, base: Any, node: ast.Subscript, evaluate: Evaluate) -> Any:
    items = base.items if isinstance(base, Items) else base
    if isinstance(node.slice, ast.Slice):
        ends = [
            None if e is None else evaluate(b, scope, e) for e in (node.slice.lower, node.slice.upper, node.slice.step)
        ]
        part = items[slice(*[None if e is None else b.static_int(e, node) for e in ends])]
        return Items(part) if isinstance(base, Items) else part
    where = evaluate(b, scope, node.slice)
    if not isinstance(where, Lit) and items and all(is_expr(v) and not v.kind.is_array for v in items):
        from .operands import array_of

        table = b.atom(array_of(b, base, node))
        return getitem(b, table, (b.operand(where),), node)
    k = b.static_int(where, node)
    if not -len(items) <= k < len(items):
        raise b.error(f"is outside of the {len(items)} items", node)
    return items[k]


def _of_static(b: Builder, scope: Scope, base: Static, node: ast.Subscript, evaluate: Evaluate) -> Any:
    key = evaluate(b, scope, node.slice)
    if not isinstance(key, Static | Lit) or not hasattr(base.value, "__getitem__"):
        raise b.error("cannot be differentiated", node)
    try:
        value = base.value[key.value]
    except (KeyError, IndexError):
        raise b.error("does not exist", node) from None
    if base.read is None:
        return as_value(value)
    read = base.read
    return b.outside(
        lambda: read()[key.value],
        f"{base.path}[{key.value!r}]",
        str(key.value) if str(key.value).isidentifier() else "item",
    )


def whole(kind: Kind) -> Op:
    """The index of the whole array."""
    return Op("ellipsis", (), Kind("slice"))


assert "getitem" in RULES
