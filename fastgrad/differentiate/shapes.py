"""Functions of the vocabulary that make arrays or change their shape."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

import numpy as np

from .aliases import source_of
from .builder import Builder
from .indexing import ABSENT, getitem
from .kinds import B1, I8, Kind
from .operands import array_of, as_float, number
from .program import Expr, Lit, Name, Op
from .reductions import axis_of
from .rules import make
from .values import Listed, Static, dtype_name, flatten, is_expr
from .vocabulary import Handler, of, only_item, take


@of(np.transpose)
def transpose(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    """np.transpose."""
    a, axes = take(b, args, words, "a axes=None", node)
    array = b.operand(array_of(b, a, node))
    if isinstance(axes, Static) and axes.value is None:
        return make("T", array) if array.kind.ndim > 1 else array
    order = tuple(axis_of(b, k, array, node) or 0 for k in flatten(axes))
    if sorted(order) != list(range(array.kind.ndim)):
        raise b.error(f"does not name each of {array.kind.ndim} axes once", node)
    if array.kind.ndim < 2:
        return array
    back = tuple(order.index(k) for k in range(len(order)))
    return b.apply("transpose", array, axes=order, back=back)


@of(np.reshape)
def reshape(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    """np.reshape."""
    a, shape = take(b, args, words, "a shape", node)
    sizes = sizes_of(b, shape, node)
    array = b.atom(array_of(b, a, node))
    if not sizes:
        return only_item(b, array)
    if not array.kind.is_array and sizes:
        array = b.atom(b.apply("array", array, ndim=1))
    return b.apply("reshape", array, *sizes, ndim=len(sizes))


@of(np.ravel)
def ravel(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    """np.ravel; of a number, an array of one element."""
    (a,) = take(b, args, words, "a", node)
    array = array_of(b, a, node)
    return b.apply("ravel", array) if array.kind.is_array else b.apply("array", array, ndim=1)


@of(np.expand_dims)
def _expand(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    a, axis = take(b, args, words, "a axis", node)
    array = array_of(b, a, node)
    k = new_axis(b, axis, array, node)
    return b.apply("expand", array, axis=k) if array.kind.is_array else b.apply("array", array, ndim=1)


def new_axis(b: Builder, axis: Any, array: Expr, node: ast.AST) -> int:
    """The place of one more axis, counted from the front."""
    k, count = b.static_int(axis, node), array.kind.ndim + 1
    if not -count <= k < count:
        raise b.error(f"makes the axis {k} of an array of {count} dimensions", node)
    return k % count


@of(np.flip)
def _flip(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "a", node)
    array = b.atom(array_of(b, a, node))
    if not array.kind.is_array:
        return array
    step = Op("slice", (ABSENT, ABSENT, Lit(-1, I8)), Kind("slice"))
    return getitem(b, array, tuple([step] * array.kind.ndim), node)


@of(np.array)
def _array(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    array = _asarray(b, args, words, node)
    return b.apply("copy", array) if array.kind.is_array and source_of(array) else array


@of(np.asarray)
def _asarray(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    values, dtype = take(b, args, words, "a dtype=None", node)
    array = array_of(b, values, node)
    wanted = None if isinstance(dtype, Static) and dtype.value is None else dtype_of(b, dtype, "f8", node)
    if wanted and wanted != array.kind.dtype:
        return converted(b, array, wanted)
    return b.apply("copy", array) if isinstance(values, Listed) else array


@of(np.ascontiguousarray)
def _ascontiguous(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "a", node)
    array = b.atom(array_of(b, a, node))  # the array itself, or a copy, as reshape has it
    sizes = [make("shape", array, axis=k) for k in range(array.kind.ndim)]
    return b.apply("reshape", array, *sizes, ndim=len(sizes)) if sizes else b.apply("array", array, ndim=1)


@of(np.copy)
def _copy(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "a", node)
    array = array_of(b, a, node)
    return b.apply("copy", array) if array.kind.is_array else array


def converted(b: Builder, array: Expr, dtype: str) -> Expr:
    """A number or an array as another number type; a new array."""
    if array.kind.is_array and dtype == "b1":
        return b.apply("ne", array, Lit(0, I8))
    if array.kind.is_array:
        return b.apply("as_" + dtype, array)
    word = {"f8": "float", "f4": "float32", "i8": "int", "b1": "bool"}[dtype]
    return array if array.kind.dtype == dtype else as_float(array) if dtype == "f8" else make(word, b.operand(array))


def dtype_of(b: Builder, value: Any, default: str, node: ast.AST) -> str:
    """The number type that an argument names."""
    if isinstance(value, Static) and value.value is None:
        return default
    name = dtype_name(value.value) if isinstance(value, Static) else None
    if name is None:
        raise b.error("has a number type that cannot be differentiated", node)
    return name


def _made(name: str) -> Handler:
    def handler(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
        shape, dtype = take(b, args, words, "shape dtype=None", node)
        if not flatten(shape):
            return _number(name, dtype_of(b, dtype, "f8", node))
        return make(name, *sizes_of(b, shape, node), dtype=dtype_of(b, dtype, "f8", node), ndim=len(flatten(shape)),
                    shape=shape_label(shape))  # fmt: skip

    return handler


def _number(name: str, dtype: str) -> Lit:
    """np.zeros(()) and its like."""
    value = 1.0 if name == "ones" else 0.0
    return Lit({"i8": int, "b1": bool}.get(dtype, float)(value), Kind(dtype))


def sizes_of(b: Builder, shape: Any, node: ast.AST) -> list[Expr]:
    """The numbers of a shape."""
    sizes = [b.operand(number(b, v, node)) for v in flatten(shape)]
    if any(size.kind not in (I8, B1) for size in sizes):
        raise b.error("has a shape that is not made of integers", node)
    return sizes


def shape_label(shape: Any) -> object:
    """np.zeros(len(x)) and np.zeros(x.shape) have the shape of x."""
    sizes = flatten(shape)
    array = sizes[0].args[0] if sizes and isinstance(sizes[0], Op) and sizes[0].name == "shape" else None
    if not isinstance(array, Name) or array.kind.ndim != len(sizes):
        return None
    same = all(isinstance(s, Op) and s == make("shape", array, axis=k) for k, s in enumerate(sizes))
    return array.kind.shape if same else None


for _function, _name in ((np.zeros, "zeros"), (np.ones, "ones"), (np.empty, "empty")):
    of(_function)(_made(_name))


@of(np.broadcast_to)
def _broadcast_to(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    a, shape = take(b, args, words, "a shape", node)
    array = b.atom(array_of(b, a, node))
    sizes, ndim, dtype = sizes_of(b, shape, node), array.kind.ndim, array.kind.dtype
    if ndim > len(sizes):
        raise b.error(f"gives {ndim} dimensions the shape of {len(sizes)}", node)
    if not sizes:
        return array
    fits = [
        make("bitor", make("eq", have, size), make("eq", have, Lit(1, I8)))
        for k, size in enumerate(sizes[len(sizes) - ndim :])
        if (have := make("shape", array, axis=k)) != size
    ]
    for fit in fits:
        b.require(fit, "ValueError('an array cannot be broadcast to this shape')")
    zeros = make("zeros", *sizes, dtype=dtype, ndim=len(flatten(shape)), shape=shape_label(shape))
    whole = b.apply("add", array, b.atom(zeros))
    return replace(whole, attrs=(("looks", True),)) if isinstance(whole, Op) else whole


@of(np.take)
def _take(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    a, where, axis = take(b, args, words, "a indices axis=None", node)
    array, index = b.atom(array_of(b, a, node)), array_of(b, where, node)
    if index.kind.dtype != "i8" or not array.kind.is_array:
        raise b.error("takes with what is no integer, or from a number", node)
    if array.kind.ndim > 1 and isinstance(axis, Static):
        raise b.error("takes from a flattened array: name the axis", node)
    k = 0 if isinstance(axis, Static) else axis_of(b, axis, array, node) or 0
    none = [Op("slice", (ABSENT, ABSENT, Lit(1, I8)), Kind("slice"))] * k
    return getitem(b, array, (*none, b.atom(index)), node)


@of(np.full)
def _full(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    shape, fill, dtype = take(b, args, words, "shape fill_value dtype=None", node)
    value = number(b, fill, node)
    if value.kind.is_array:
        raise b.error("fills with an array", node)
    if not flatten(shape) and dtype_of(b, dtype, value.kind.dtype, node) == value.kind.dtype:
        return value
    return make("full", b.operand(value), *sizes_of(b, shape, node), dtype=dtype_of(b, dtype, value.kind.dtype, node),
                ndim=len(flatten(shape)), shape=shape_label(shape))  # fmt: skip


def _like(name: str) -> Handler:
    def handler(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
        a, dtype = take(b, args, words, "a dtype=None", node)
        array = b.atom(array_of(b, a, node))
        wanted = dtype_of(b, dtype, array.kind.dtype, node)
        if not array.kind.is_array:
            return _number(name, wanted)
        if wanted == array.kind.dtype:
            return make(name + "_like", array)
        sizes = [make("shape", array, axis=k) for k in range(array.kind.ndim)]
        return make(name, *sizes, dtype=wanted, ndim=array.kind.ndim, shape=array.kind.shape)

    return handler


of(np.zeros_like)(_like("zeros"))
of(np.ones_like)(_like("ones"))
of(np.empty_like)(_like("empty"))


@of(np.full_like)
def _full_like(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    a, fill = take(b, args, words, "a fill_value", node)
    array, value = b.atom(array_of(b, a, node)), number(b, fill, node)
    if value.kind.is_array:
        raise b.error("fills with an array", node)
    return make("full_like", array, b.operand(value)) if array.kind.is_array else converted(b, value, array.kind.dtype)


@of(np.arange)
def _arange(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    first, last, step, dtype = take(b, args, words, "start stop=None step=None dtype=None", node)
    given = [first] + [v for v in (last, step) if not (isinstance(v, Static) and v.value is None)]
    if len(given) == 2 and given[1] is step:
        raise b.error("has a step without an end", node)
    values = [b.atom(number(b, v, node)) for v in given]
    if any(v.kind.is_array for v in values):
        raise b.error("takes numbers, no arrays", node)
    natural = "f8" if any(v.kind.is_float for v in values) else "i8"
    array = make("arange", *values, dtype=natural, ndim=1)
    if any(v.kind.is_float and not isinstance(v, Lit) for v in values[:1] + values[2:]) and len(values) > 1:
        steps = make("arange", make("size", b.atom(array)), dtype="i8", ndim=1)  # they move with the first and the step
        array = b.apply("add", values[0], b.apply("mul", values[2], steps) if len(values) > 2 else steps)
    wanted = dtype_of(b, dtype, natural, node)
    return array if wanted == natural else b.apply("as_" + wanted, array)


@of(np.linspace)
def _linspace(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    start, stop, count = (b.atom(number(b, v, node)) for v in take(b, args, words, "start stop num=50", node))
    if any(v.kind.is_array for v in (start, stop, count)) or count.kind != I8:
        raise b.error("takes numbers, no arrays, and a whole number of points", node)
    one = Lit(1, I8)
    steps = b.apply("sub", count, one)
    if not isinstance(steps, Lit) or steps.value < 1:
        steps = b.apply("maximum", steps, one)  # of one point, the start
    step = b.apply("div", b.apply("sub", stop, start), steps)
    return b.apply("add", start, b.apply("mul", b.atom(step), make("arange", count, dtype="i8", ndim=1)))


@of(np.identity)
def _identity(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    return _eye(b, take(b, args, words, "n", node), {}, node)


@of(np.eye)
def _eye(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    n, m = take(b, args, words, "n m=None", node)
    if isinstance(m, Static) and m.value is not None:
        raise b.error("has a number type, where a number of columns is expected", node)
    sizes = [b.operand(number(b, v, node)) for v in (n, m) if is_expr(v)]
    return make("eye", *sizes, dtype="f8", ndim=2)


@of(np.diag)
def _diag(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "a", node)
    array = array_of(b, a, node)
    if array.kind.ndim not in (1, 2):
        raise b.error(f"takes a vector or a matrix, not {array.kind.ndim} dimensions", node)
    return b.apply("diag" if array.kind.ndim == 1 else "diagonal", array)


def _triangle(name: str) -> Handler:
    def handler(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
        a, k = take(b, args, words, "a k=0", node)
        array = array_of(b, a, node)
        if array.kind.ndim != 2:
            raise b.error(f"takes a matrix, not {array.kind.ndim} dimensions", node)
        return b.apply(name, array, k=b.static_int(k, node))

    return handler


of(np.triu)(_triangle("triu"))
of(np.tril)(_triangle("tril"))


@of(np.roll)
def _roll(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    a, shift = take(b, args, words, "a shift", node)
    array = array_of(b, a, node)
    if array.kind.ndim != 1:
        raise b.error("rolls more than one dimension", node)
    return b.apply("roll", array, number(b, shift, node))


@of(np.diff)
def _diff(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "a", node)
    array = b.atom(array_of(b, a, node))
    if array.kind.ndim != 1:
        raise b.error("is a difference of more than one dimension", node)
    one = Lit(1, I8)
    later = getitem(b, array, (Op("slice", (one, ABSENT, ABSENT), Kind("slice")),), node)
    earlier = getitem(b, array, (Op("slice", (ABSENT, Lit(-1, I8), ABSENT), Kind("slice")),), node)
    return b.apply("sub", b.atom(later), b.atom(earlier))


@of(np.sort)
def _sort(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "a", node)
    array = b.atom(array_of(b, a, node))
    if array.kind.ndim != 1:
        raise b.error("sorts more than one dimension", node)
    return getitem(b, array, (b.atom(b.apply("argsort", array)),), node)
