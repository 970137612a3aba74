"""What a value is, as far as differentiation cares: number type and dimensions, or a constant known beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

FLOATS = ("f8", "f4")
RANK = {"b1": 0, "i8": 1, "f4": 2, "f8": 3}
DTYPES = {"b1": "np.bool_", "i8": "np.int64", "f4": "np.float32", "f8": "np.float64"}


@dataclass(frozen=True)
class Kind:
    """A scalar (ndim 0) or an array. shape: a label; two arrays with the same label surely have the same shape."""

    dtype: str
    ndim: int = 0
    shape: object = field(default=None, compare=False, repr=False)

    @property
    def is_float(self) -> bool:
        """May it carry a derivative?"""
        return self.dtype in FLOATS

    @property
    def is_array(self) -> bool:
        """Has it dimensions?"""
        return self.ndim > 0

    @property
    def scalar(self) -> Kind:
        """The kind of one element."""
        return Kind(self.dtype)

    def array(self, ndim: int, shape: object = None) -> Kind:
        """An array of this number type."""
        return Kind(self.dtype, ndim, shape if ndim else None)

    def with_dtype(self, dtype: str) -> Kind:
        """The same shape with another number type."""
        return replace(self, dtype=dtype)

    def __str__(self) -> str:
        name = DTYPES.get(self.dtype, self.dtype).removeprefix("np.").rstrip("_")
        return f"{name} array of {self.ndim} dimensions" if self.ndim else name


F8, F4, I8, B1 = Kind("f8"), Kind("f4"), Kind("i8"), Kind("b1")
NONE, TEXT = Kind("none"), Kind("text")


@dataclass(frozen=True)
class Constant:
    """An argument whose very value is part of the specialisation: None, a string, a function."""

    value: Any


def kind_of(value: Any) -> Any:
    """The kind of an actual argument: Kind, Constant, or a tuple of such; None for what is not understood.

    >>> kind_of(1.0), kind_of(3), kind_of(None)
    (Kind(dtype='f8', ndim=0), Kind(dtype='i8', ndim=0), Constant(value=None))
    """
    if value is None or isinstance(value, str):
        return Constant(value)
    if isinstance(value, tuple | list):
        kinds = tuple(kind_of(item) for item in value)
        return None if None in kinds else kinds
    if isinstance(value, bool | np.bool_):
        return B1
    if isinstance(value, int | np.integer):
        return I8
    if isinstance(value, np.float32):
        return F4
    if isinstance(value, float | np.floating):
        return F8
    if isinstance(value, np.ndarray):
        return _array_kind(value)
    return Constant(value) if callable(value) else None


def _array_kind(value: np.ndarray[Any, Any]) -> Kind | None:
    if value.dtype == np.float64 or value.dtype == np.float32:
        return Kind(value.dtype.str[1:], value.ndim)
    if value.dtype == np.bool_:
        return Kind("b1", value.ndim)
    return Kind("i8", value.ndim) if value.dtype.kind in "iu" else None


def join(a: Kind, b: Kind) -> Kind | None:
    """The kind of a variable that is `a` on one way and `b` on another; None where there is none."""
    if a.ndim != b.ndim or a.dtype not in RANK or b.dtype not in RANK:
        return a if a == b else None
    dtype = max(a.dtype, b.dtype, key=RANK.__getitem__)
    if a.ndim and a.dtype != b.dtype:
        return None
    return Kind(dtype, a.ndim, a.shape if a.shape == b.shape else None)
