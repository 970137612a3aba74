"""What NumPy's notation costs Numba most, in forms that compile in a fraction of the time, or run as vector code.

`x[1:3] = y` with an array y costs about a second of compiling, nearly all for the text of one error message (measured: 2.0 s
against 0.2 s); `np.sum(x, axis=k)` costs 1.3 s against 0.2, `np.where` of arrays 0.9 against 0.2.  `np.exp` and others
are library calls, element by element.  The generated text keeps NumPy's notation; what is compiled of it calls functions of
this module and of mathematics.py.
"""

from __future__ import annotations

import ast
import functools
from typing import Any

import numpy as np

from fastgrad.differentiate import helpers

ELEMENTARY = {"exp", "expm1", "log", "log1p", "tanh"}  # NumPy's names of what mathematics.py has
MATH = ast.Name("math", ast.Load())


def rewritten(tree: ast.Module) -> ast.Module:
    """The tree with calls of put and put_fresh in place of assignments to slices."""
    return ast.fix_missing_locations(Rewrite().visit(tree))  # type: ignore[no-any-return]


class Rewrite(ast.NodeTransformer):
    """x[a:b] = value becomes put(x[a:b], value); put_fresh where the value is new memory for certain."""

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        """A call, where the target is a slice."""
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Subscript) or not slices(target.slice):
            self.generic_visit(node)
            return node
        self.generic_visit(node)
        fresh = isinstance(node.value, ast.BinOp | ast.UnaryOp | ast.Constant)
        place = ast.Subscript(target.value, target.slice, ast.Load())
        call = ast.Call(ast.Name("put_fresh" if fresh else "put", ast.Load()), [place, node.value], [])
        return ast.copy_location(ast.Expr(call), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        """x[a:b] += value likewise; the sum is new memory."""
        self.generic_visit(node)
        target = node.target
        if not isinstance(target, ast.Subscript) or not slices(target.slice):
            return node
        place = ast.Subscript(target.value, target.slice, ast.Load())
        call = ast.Call(ast.Name("put_fresh", ast.Load()), [place, ast.BinOp(place, node.op, node.value)], [])
        return ast.copy_location(ast.Expr(call), node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """The functions that have a cheaper form here."""
        self.generic_visit(node)
        name = ast.unparse(node.func)
        if name.startswith("np.") and name[3:] in ELEMENTARY and len(node.args) == 1 and not node.keywords:
            return ast.copy_location(ast.Call(ast.Attribute(MATH, name[3:], ast.Load()), node.args, []), node)
        axis = [word.value for word in node.keywords if word.arg == "axis"]
        if name == "np.sum" and len(node.args) == len(node.keywords) == len(axis) == 1:
            return ast.copy_location(ast.Call(ast.Name("sum_axis", ast.Load()), [*node.args, *axis], []), node)
        if name == "np.where" and len(node.args) == 3 and not node.keywords:
            return ast.copy_location(ast.Call(ast.Name("choose", ast.Load()), node.args, []), node)
        return node


def slices(index: ast.expr) -> bool:
    """Is this an index of slices, so that what it reads is a view?  An index that may be an array counts as none."""
    items = index.elts if isinstance(index, ast.Tuple) else [index]
    plain = (ast.Slice, ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp)
    return any(is_slice(item) for item in items) and all(isinstance(item, plain) for item in items)


def is_slice(item: ast.expr) -> bool:
    """a:b, or an ellipsis."""
    return isinstance(item, ast.Slice) or (isinstance(item, ast.Constant) and item.value is ...)


def put(place: Any, value: Any) -> None:
    """place[...] = value, whatever memory they share."""
    place[...] = value


def put_fresh(place: Any, value: Any) -> None:
    """The same where they share no memory."""
    place[...] = value


def choose(test: Any, yes: Any, no: Any) -> Any:
    """np.where(test, yes, no)."""
    return np.where(test, yes, no)


NAMES = {"put": put, "put_fresh": put_fresh, "sum_axis": helpers.sum_axis, "choose": choose}
OWN = (helpers.sum_axis, helpers.unbroadcast)  # helpers that are compiled from what stands here


@functools.cache
def register() -> None:
    """Tell Numba how to compile these functions."""
    from numba import types
    from numba.extending import overload

    def entered(function: Any, copied: str) -> None:
        def typed(place: Any, value: Any) -> Any:
            arrays = isinstance(place, types.Array) and isinstance(value, types.Array)
            return loops(place.ndim, value.ndim, copied) if arrays and 0 < value.ndim <= place.ndim else fill

        typed.__annotations__.clear()  # Numba compares them with those of what it returns
        overload(function)(typed)

    def summed(a: Any, axis: Any) -> Any:
        return sums(a.ndim) if isinstance(a, types.Array) and a.ndim > 1 and isinstance(a.dtype, types.Float) else total

    def chosen(test: Any, yes: Any, no: Any) -> Any:
        given = (test, yes, no)
        if not any(isinstance(x, types.Array) for x in given):
            return where
        kinds = [x.dtype if isinstance(x, types.Array) else x for x in (yes, no)]
        dtype = np.result_type(*(str(kind) for kind in kinds))
        return choices(tuple(getattr(x, "ndim", 0) for x in given), dtype.str)

    def unbroadcast(d: Any, like: Any) -> Any:
        return returned(d.ndim, like.ndim)

    entered(put, "value.copy()")
    entered(put_fresh, "value")
    for function, typed in ((helpers.sum_axis, summed), (choose, chosen), (helpers.unbroadcast, unbroadcast)):
        typed.__annotations__.clear()
        overload(function)(typed)


def fill(place: Any, value: Any) -> None:
    """A number to every place."""
    place[...] = value


def total(a: Any, axis: Any) -> Any:
    """The sum of what has one axis, or integers."""
    return np.sum(a, axis)


def where(test: Any, yes: Any, no: Any) -> Any:
    """A choice between numbers."""
    return yes if test else no


for bare in (fill, total, where):
    bare.__annotations__.clear()


@functools.cache
def loops(places: int, values: int, copied: str) -> Any:
    """The function for arrays of so many dimensions: NumPy's rules of broadcasting, one loop in another."""
    lead = places - values
    lines = ["def put(place, value):"]
    for axis in range(values):
        n, m = f"value.shape[{axis}]", f"place.shape[{axis + lead}]"
        lines.append(f"    if {n} != {m} and {n} != 1:")
        lines.append("        raise ValueError('could not broadcast an array to the slice that it is assigned to')")
    lines.append(f"    source = {copied}")
    lines += ["    " * (axis + 1) + f"for i{axis} in range(place.shape[{axis}]):" for axis in range(places)]
    at = ", ".join(f"i{axis + lead} if value.shape[{axis}] != 1 else 0" for axis in range(values))
    index = ", ".join(f"i{axis}" for axis in range(places))
    lines.append("    " * (places + 1) + f"place[{index}] = source[{at}]")
    return defined("put", lines)


@functools.cache
def sums(ndim: int) -> Any:
    """The function that sums an array of so many dimensions over an axis, which may be negative."""
    shapes = [", ".join(f"a.shape[{k}]" for k in range(ndim) if k != axis) for axis in range(ndim)]
    lines = ["def summed(a, axis):", f"    axis = axis + {ndim} if axis < 0 else axis", f"    shape = ({shapes[-1]},)"]
    for axis, shape in enumerate(shapes[:-1]):
        lines += [f"    if axis == {axis}:", f"        shape = ({shape},)"]
    lines.append("    out = np.zeros(shape, a.dtype)")
    for k in range(ndim):
        lines.append("    " * (k + 1) + f"for i{k} in range(a.shape[{k}]):")
    deep = "    " * (ndim + 1)
    index = ", ".join(f"i{k}" for k in range(ndim))
    for axis in range(ndim):
        place = ", ".join(f"i{k}" for k in range(ndim) if k != axis)
        lines += [f"{deep}{'el' if axis else ''}if axis == {axis}:", f"{deep}    out[{place}] += a[{index}]"]
    return defined("summed", [*lines, "    return out"])


@functools.cache
def returned(places: int, values: int) -> Any:
    """helpers.unbroadcast for an adjoint of so many dimensions, and an array of so many that was broadcast."""
    ndim, lines = max(places, values), ["def unbroadcast(d, like):"]
    if places == values:
        lines += ["    if d.shape == like.shape:", "        return d"]
    lines.append("    out = np.zeros(like.shape, d.dtype)")
    for k in range(ndim):
        sizes = [
            f"{name}.shape[{k - ndim + own}]" for name, own in (("d", places), ("like", values)) if k >= ndim - own
        ]
        indent = "    " * (k + 1)
        lines += [
            f"{indent}for i{k} in range({sizes[0] if len(sizes) == 1 else f'{sizes[0]} if {sizes[0]} != 1 else {sizes[1]}'}):"
        ]
    at = {
        name: ", ".join(f"i{k} if {name}.shape[{k - ndim + own}] != 1 else 0" for k in range(ndim - own, ndim))
        for name, own in (("d", places), ("like", values))
    }
    lines.append("    " * (ndim + 1) + f"out[{at['like']}] += d[{at['d']}]")
    return defined("unbroadcast", [*lines, "    return out"])


@functools.cache
def choices(ndims: tuple[int, int, int], dtype: str) -> Any:
    """The function that chooses between arrays and numbers, given their dimensions, by NumPy's rules of broadcasting."""
    ndim, names = max(ndims), ("test", "yes", "no")
    lines = ["def chosen(test, yes, no):"]
    for k in range(ndim):
        lines.append(f"    n{k} = 1")
        for name, own in zip(names, ndims, strict=True):
            if own - ndim + k >= 0:
                size = f"{name}.shape[{own - ndim + k}]"
                lines += [f"    if n{k} == 1:", f"        n{k} = {size}", f"    elif {size} != 1 and {size} != n{k}:"]
                lines.append("        raise ValueError('np.where: the arrays have different shapes')")
    lines.append(f"    out = np.empty(({''.join(f'n{k}, ' for k in range(ndim))}), np.{np.dtype(dtype).name})")
    lines += ["    " * (k + 1) + f"for i{k} in range(n{k}):" for k in range(ndim)]
    items = []
    for name, own in zip(names, ndims, strict=True):
        at = ", ".join(f"i{k} if {name}.shape[{own - ndim + k}] != 1 else 0" for k in range(ndim - own, ndim))
        items.append(f"{name}[{at}]" if own else name)
    index = ", ".join(f"i{k}" for k in range(ndim))
    lines.append("    " * (ndim + 1) + f"out[{index}] = {items[1]} if {items[0]} else {items[2]}")
    return defined("chosen", [*lines, "    return out"])


def defined(name: str, lines: list[str]) -> Any:
    """The function that these lines define."""
    space: dict[str, Any] = {"np": np}
    exec("\n".join(lines), space)
    return space[name]
