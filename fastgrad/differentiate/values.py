"""What a name stands for while a function is being read: an expression, a tuple of values, or something known now."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from .kinds import Kind
from .program import Expr, Lit, Name, Op
from .reading import Source


@dataclass(frozen=True)
class Static:
    """A value known when the function is read: a module, a function, a string, None, a number type.

    read, path: how it is found again, where it comes from outside of the function.
    """

    value: Any
    read: Callable[[], Any] | None = field(default=None, compare=False)
    path: str = field(default="", compare=False)


@dataclass(frozen=True, eq=False)
class Closure:
    """A function defined inside of the function that is being read."""

    node: ast.FunctionDef | ast.Lambda
    scope: Scope
    defaults: dict[str, Any]


@dataclass(frozen=True)
class Items:
    """A list display, or what is known to have this many items."""

    items: tuple[Any, ...]


@dataclass(frozen=True)
class Listed:
    """A list whose length is not known when the function is read: its numbers in an array."""

    array: Expr


@dataclass(frozen=True)
class Slice:
    """slice(start, stop, step); None where nothing stands."""

    start: Expr | None
    stop: Expr | None
    step: Expr | None


@dataclass(frozen=True)
class Sequence:
    """What a for loop runs over: `length` items, the k-th is item(k). As a range: start, stop, step."""

    length: Expr | None
    item: Callable[[Expr], Any]
    bounds: tuple[Expr, Expr, Expr] | None = None
    static: tuple[Any, ...] | None = None  # the items, where they are known: the loop is unrolled


@dataclass(frozen=True)
class Method:
    """An attribute of an array that is going to be called."""

    base: Any
    name: str


class Unbound:
    """The value of a name that has none yet."""

    def __repr__(self) -> str:
        return "unbound"


UNBOUND = Unbound()


@dataclass(eq=False)
class Scope:
    """The names of one function that is being read (an inlined one has its own)."""

    source: Source
    env: dict[str, Any]
    parent: Scope | None = None
    locals: set[str] = field(default_factory=set)
    keep: set[str] = field(default_factory=set)
    node: ast.AST | None = None  # the def whose body is read


def is_expr(value: Any) -> TypeGuard[Expr]:
    """Is it computed when the program runs?"""
    return isinstance(value, Name | Lit | Op)


def flatten(value: Any) -> list[Any]:
    """The leaves of tuples and lists."""
    if isinstance(value, Items):
        value = value.items
    return [leaf for item in value for leaf in flatten(item)] if isinstance(value, tuple) else [value]


def refill(value: Any, new: list[Any]) -> Any:
    """A value of the same form with other leaves, taken from the front of `new`."""
    if isinstance(value, Items):
        return Items(tuple(refill(item, new) for item in value.items))
    if isinstance(value, tuple):
        return tuple(refill(item, new) for item in value)
    return new.pop(0)


def form(value: Any) -> Any:
    """The nesting of a value, without its leaves."""
    if isinstance(value, Items):
        return ["list", *(form(item) for item in value.items)]
    return [form(item) for item in value] if isinstance(value, tuple) else None


def dtype_name(value: Any) -> str | None:
    """f8, f4, i8 or b1 for what stands for a number type; None otherwise."""
    import numpy as np

    if isinstance(value, Kind):
        return value.dtype
    try:
        kind = np.dtype(value)
    except TypeError:
        return None
    wide = kind.itemsize > 2  # narrow and unsigned numbers wrap around, and half precision rounds: neither is done here
    return {"f": kind.str[1:] if wide else None, "i": "i8" if wide else None, "b": "b1"}.get(kind.kind)
