"""The kind of a result from the kinds of its arguments: what each row of the table in rules.py refers to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .kinds import RANK, Kind
from .program import Expr, Lit

KindRule = Callable[[tuple[Expr, ...], dict[str, Any]], Kind]


def broadcast(args: tuple[Expr, ...]) -> Kind:
    """The dimensions of an elementwise result, and its shape label where it is known."""
    ndim = max((arg.kind.ndim for arg in args), default=0)
    labels = {arg.kind.shape for arg in args if arg.kind.ndim}
    lower = any(0 < arg.kind.ndim < ndim for arg in args)
    label = labels.pop() if len(labels) == 1 and not lower else None
    return Kind("f8", ndim, label)


def common_dtype(args: tuple[Expr, ...]) -> str:
    """NumPy's common type; a literal takes the type of the others when it may."""
    strong = [arg.kind.dtype for arg in args if not isinstance(arg, Lit)]
    weak = [arg.kind.dtype for arg in args if isinstance(arg, Lit)]
    best = max(strong, key=RANK.__getitem__) if strong else max(weak, key=RANK.__getitem__)
    if any(RANK[w] > RANK[best] for w in weak) and best not in ("f4", "f8"):
        best = max(weak, key=RANK.__getitem__)
    return best


def arithmetic(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """NumPy's type of the result; truths count as integers."""
    dtype = common_dtype(args)
    return broadcast(args).with_dtype("i8" if dtype == "b1" else dtype)


def bits(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """Truths of truths, so that a combined mask is a mask; integers of integers."""
    return (truth if all(arg.kind.dtype == "b1" for arg in args) else arithmetic)(args, attrs)


def floating(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """A float; integers give float64."""
    dtype = common_dtype(args)
    return broadcast(args).with_dtype(dtype if dtype in ("f4", "f8") else "f8")


def choice(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """The common type of all but the first argument."""
    return broadcast(args).with_dtype(common_dtype(args[1:]))


def truth(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """Truths."""
    return broadcast(args).with_dtype("b1")


def element(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """One element."""
    dtype = args[0].kind.dtype
    return Kind("i8" if dtype == "b1" else dtype)


def float_element(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """One element, a float."""
    return Kind("f4" if args[0].kind.dtype == "f4" else "f8")


def fewer(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """One dimension less."""
    return element(args, attrs).array(args[0].kind.ndim - 1)


def like_first(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """As the first argument."""
    return args[0].kind


def like_last(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """As the last argument."""
    return args[-1].kind


def of_ndim(ndim: int) -> KindRule:
    """A kind rule: the type of the first argument, in so many dimensions."""
    return lambda args, attrs: args[0].kind.array(ndim)


def as_told(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """The dimensions that the attributes tell."""
    return Kind(common_dtype(args) if not attrs.get("dtype") else attrs["dtype"], attrs["ndim"])


def made(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """Type, dimensions and shape that the attributes tell."""
    return Kind(attrs["dtype"], attrs["ndim"], attrs.get("shape"))


def product(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """A matrix product."""
    return Kind(common_dtype(args), args[0].kind.ndim + args[1].kind.ndim - 2)


def fixed(kind: Kind) -> KindRule:
    """A kind rule: always this kind."""
    return lambda args, attrs: kind


def other_shape(args: tuple[Expr, ...], attrs: dict[str, Any]) -> Kind:
    """The dimensions of the first argument, another shape."""
    return args[0].kind.array(args[0].kind.ndim)
