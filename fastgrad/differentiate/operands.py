"""Numbers and arrays in expressions: what a value is as an operand, and arithmetic on values."""

from __future__ import annotations

import ast
from typing import Any

from .builder import Builder
from .kinds import Kind
from .program import Expr, Lit
from .rules import make
from .values import Items, Listed, Static, is_expr

BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.FloorDiv: "floordiv",
    ast.Mod: "mod", ast.MatMult: "matmul", ast.BitAnd: "bitand", ast.BitOr: "bitor", ast.BitXor: "bitxor",
}  # fmt: skip


def number(b: Builder, value: Any, node: ast.AST) -> Expr:
    """The value as a number or an array, or the error that says what it is."""
    if is_expr(value):
        return value
    if isinstance(value, Listed):
        return value.array
    what = "a list" if isinstance(value, Items) else "a tuple" if isinstance(value, tuple) else repr(value)
    if isinstance(value, Static):
        what = repr(value.value)
    raise b.error(f"is {what}, where a number or an array is expected", node)


def array_of(b: Builder, value: Any, node: ast.AST) -> Expr:
    """As number(), but a list or tuple of numbers becomes an array."""
    if isinstance(value, Items | tuple):
        parts = [array_of(b, v, node) for v in (value.items if isinstance(value, Items) else value)]
        if not parts:
            raise b.error("is an empty list: give the number of elements with np.zeros", node)
        if parts[0].kind.is_array:
            return b.apply("stack", *parts, axis=0, ndim=parts[0].kind.ndim + 1)
        if all(p.kind.dtype in ("i8", "b1") for p in parts):
            return b.apply("array", *parts, ndim=1)
        dtype = "f4" if all(p.kind.dtype == "f4" for p in parts) else "f8"
        if dtype == "f8":
            parts = [as_float(p) for p in parts]
        return b.apply("array", *parts, ndim=1)
    return number(b, value, node)


def as_float(value: Expr) -> Expr:
    """A number as a float."""
    if isinstance(value, Lit):
        return Lit(float(value.value), Kind("f8"))
    if value.kind.dtype == "b1" and not value.kind.is_array:
        return make("where", value, Lit(1.0, Kind("f8")), Lit(0.0, Kind("f8")))
    return value if value.kind.is_float else make("float", value)


def binary(b: Builder, operator: type[ast.operator], left: Any, right: Any, node: ast.AST) -> Any:
    """left operator right, for values."""
    sequences = [v for v in (left, right) if isinstance(v, tuple | Items)]
    if sequences:
        return _joined(b, operator, left, right, node)
    if isinstance(left, Static) and isinstance(right, Static) and isinstance(left.value, str):
        raise b.error("is no arithmetic on numbers", node)
    for value in (left, right):
        if isinstance(value, Listed):
            raise b.error("is arithmetic on a list: make it an array with np.array(...)", node)
    if operator not in BINARY:
        raise b.error("uses an operator that cannot be differentiated", node)
    a, c = number(b, left, node), number(b, right, node)
    if operator is ast.MatMult:
        return matmul(b, a, c, node)
    masks = a.kind.dtype == c.kind.dtype == "b1" and (a.kind.is_array or c.kind.is_array)
    bitwise = BINARY[operator] in ("bitand", "bitor", "bitxor")
    if bitwise and (a.kind.is_float or c.kind.is_float):
        raise b.error("asks for the bits of a float", node)
    if masks and not bitwise and operator is not ast.Div:
        raise b.error("is arithmetic on arrays of truths, whose results are truths: write & or | instead", node)
    from .integers import arithmetic

    return arithmetic(b, BINARY[operator], a, c, node)


def _joined(b: Builder, operator: type[ast.operator], left: Any, right: Any, node: ast.AST) -> Any:
    def items(v: Any) -> Any:
        return v.items if isinstance(v, Items) else v

    if operator is ast.Add and type(left) is type(right):
        both = items(left) + items(right)
        return Items(both) if isinstance(left, Items) else both
    if operator is ast.Mult:
        sequence, count = (left, right) if isinstance(left, tuple | Items) else (right, left)
        many = items(sequence) * b.static_int(count, node)
        return Items(many) if isinstance(sequence, Items) else many
    array = array_of
    if any(is_expr(v) and v.kind.is_array for v in (left, right)):  # array * (1, 2, 3), as NumPy takes it
        return binary(b, operator, array(b, left, node), array(b, right, node), node)
    raise b.error("is arithmetic on a tuple or a list", node)


def matmul(b: Builder, a: Expr, c: Expr, node: ast.AST) -> Expr:
    """a @ c for one and two dimensions."""
    if a.kind.ndim not in (1, 2) or c.kind.ndim not in (1, 2):
        raise b.error("is a product of arrays that have not 1 or 2 dimensions", node)
    return b.apply("matmul", to_float(b, a, c), to_float(b, c, a))


def to_float(b: Builder, value: Expr, *like: Expr) -> Expr:
    """Integers become floats of the type of the others: matrix products and linear algebra take no integers."""
    if value.kind.is_float:
        return value
    narrow = (
        bool(like) and all(o.kind.dtype == "f4" for o in like if o.kind.is_float) and any(o.kind.is_float for o in like)
    )
    if not value.kind.is_array:
        return as_float(value)
    return b.apply("as_f4" if narrow else "as_f8", value)
