"""One value for what two ways leave under a name."""

from __future__ import annotations

import ast
from typing import Any

from .builder import Builder, known
from .kinds import B1, I8, Kind, join
from .operands import as_float
from .program import Assign, Call, Expr, If, Lit, Name, Op, Raise, Statement, assigned, substitute
from .rules import make
from .values import UNBOUND, Listed, Static, flatten, form, is_expr, refill


def merge(b: Builder, name: str, pair: list[Any], lists: list[list[Statement]], node: ast.AST) -> Any:
    """One value for what two branches left under a name."""
    first, second = pair
    if first is second or (known(first) and known(second) and first == second and first.value == second.value):
        return first
    if first is UNBOUND or second is UNBOUND:
        other = second if first is UNBOUND else first
        if not all(is_expr(leaf) for leaf in flatten(other)):
            return other if all(known(leaf) or is_expr(leaf) for leaf in flatten(other)) else UNBOUND
        empty = [blank(leaf.kind) for leaf in flatten(other)]
        pair = [refill(other, list(empty)) if v is UNBOUND else v for v in pair]
        first, second = pair
    if name == "result_" and form(first) != form(second):
        for k, value in enumerate(pair):
            if b.discards and b.discards[-1]:
                return UNBOUND
            if isinstance(value, Static) and value.value is None:
                lists[k].append(Raise("raise TypeError('the function returned None')", where=b.where))
                return pair[1 - k]
    if form(first) != form(second):
        raise b.error(f"{left(name, node)} different things on the two ways", node)
    new = []
    for x, y in zip(flatten(first), flatten(second), strict=True):
        new.append(_merge_leaf(b, name, x, y, lists, node))
    return refill(first, new)


def _merge_leaf(b: Builder, name: str, x: Any, y: Any, lists: list[list[Statement]], node: ast.AST) -> Any:
    x, y = (b.renamed.get(v.id, v) if isinstance(v, Name) else v for v in (x, y))
    if x is y or x == y:
        return x
    if isinstance(x, Listed) and isinstance(y, Listed):
        return Listed(_merge_leaf(b, name, x.array, y.array, lists, node))
    if not is_expr(x) or not is_expr(y):
        if name == "result_" and any(isinstance(v, Static) and v.value is None for v in (x, y)):
            if b.discards and b.discards[-1]:
                return UNBOUND
            missing = 0 if isinstance(x, Static) and x.value is None else 1
            lists[missing].append(Raise("raise TypeError('the function returned None')", where=b.where))
            return (x, y)[1 - missing]
        raise b.error(f"{left(name, node)} different things on the two ways", node)
    kind = join(x.kind, y.kind)
    if kind is None:
        raise b.error(f"{left(name, node)} {x.kind} on one way, {y.kind} on the other", node)
    target = b.name(name, kind)
    taken = assigned(lists[0]) & assigned(lists[1])  # names that are handed on: one value may be that of two variables
    for value, statements in zip((x, y), lists, strict=True):
        _hand_on(b, target, value, statements, taken)
    return target


def left(name: str, node: ast.AST) -> str:
    """How a message about what two ways leave begins: the value of a conditional expression has no name of the user's."""
    return "gives" if hasattr(node, "written") else f"leaves {name!r} as"


def _hand_on(b: Builder, target: Name, value: Expr, statements: list[Statement], taken: set[str]) -> None:
    """target = value at the end of a branch; where the value was made there, it is made under the target's name."""
    if isinstance(value, Name) and value.kind == target.kind and value.id in assigned(statements) - taken:
        makers = [s for s in statements if value.id in assigned([s])]
        if len(makers) == 1 and isinstance(makers[0], Assign | Call | If):
            statements[:] = rename(statements, value.id, target.id)
            b.renamed[value.id] = target
            return
    statements.append(Assign(target.id, convert(value, target.kind), where=b.where))


def rename(statements: list[Statement], old: str, new: str) -> list[Statement]:
    """The statements with one name changed."""
    return substitute(
        statements, lambda n: Name(new, n.kind) if n.id == old else n, lambda name: new if name == old else name
    )


def convert(value: Expr, kind: Kind) -> Expr:
    """The value as another kind of number."""
    if value.kind.dtype == kind.dtype:
        return value
    if isinstance(value, Lit):
        cast = {"f8": float, "f4": float, "i8": int, "b1": bool}[kind.dtype]
        return Lit(cast(value.value), Kind(kind.dtype))
    if kind.dtype == "f4":
        return make("float32", value)
    return as_float(value) if kind.dtype == "f8" else make("int", value)


def blank(kind: Kind) -> Expr:
    """What stands for a value that was never set: NaN, so that nothing is silently wrong."""
    if kind.ndim:
        return Op("empty", tuple([Lit(0, I8)] * kind.ndim), kind, (("dtype", kind.dtype), ("ndim", kind.ndim)))
    if kind.is_float:
        return Op("nan", (), kind)
    return Lit(False, B1) if kind.dtype == "b1" else Lit(0, I8)
