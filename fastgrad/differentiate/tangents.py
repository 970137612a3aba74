"""Which arguments of fg.jvp and fg.vjp carry a derivative, and what may stand in the place of a tangent of the others.

Promised: floats, arrays of floats and tuples that hold any carry one; integers, truths, texts, None and index arrays do not:
their tangent is None, a zero, or an array of JAX's float0, or it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def carries(value: Any) -> bool:
    """Is an argument made of floating-point numbers, or does it hold any?"""
    if isinstance(value, tuple | list):
        return any(carries(item) for item in value)
    return isinstance(value, float | np.floating) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def moving(primals: Sequence[Any], tangents: Sequence[Any]) -> dict[int, Any]:
    """The positions of the primals that have a tangent, with it.

    TypeError where there are neither as many tangents as primals nor as many as primals that carry a derivative, where one
    that carries none has a tangent other than zero, and where none is left.
    """
    places = [k for k, primal in enumerate(primals) if carries(primal)]
    if len(tangents) == len(primals):
        places = list(range(len(primals)))
    elif len(tangents) != len(places):
        count = f"{len(primals)}" if len(places) == len(primals) else f"{len(primals)} or {len(places)}"
        raise TypeError(f"tangents has {len(tangents)} items, expected {count}, one for each of primals")
    found = {
        k: completed(primals[k], tangent)
        for k, tangent in zip(places, tangents, strict=True)
        if has_tangent(primals[k], tangent, k)
    }
    if not found:
        raise TypeError(
            "tangents holds nothing to differentiate along, expected a float or an array for one of primals"
        )
    return found


def has_tangent(primal: Any, tangent: Any, k: int) -> bool:
    """Does the k-th primal have one? TypeError where it can have none, and what is given is not nothing."""
    if tangent is None or is_float0(tangent):
        return False
    if carries(primal):
        return True
    if type(primal) is int and isinstance(tangent, int | float | np.number):
        return bool(tangent != 0)  # as in fg.grad, an integer that is differentiated is a float
    if not is_nothing(tangent):
        raise TypeError(
            f"tangents[{k}] is not zero, expected None: primals[{k}] ({type(primal).__name__}) is not made of "
            "floating-point numbers"
        )
    return False


def is_float0(value: Any) -> bool:
    """Is it JAX's way to say that there is no tangent?"""
    return isinstance(value, np.ndarray) and value.dtype.kind == "V" and value.dtype.itemsize == 0


def is_nothing(tangent: Any) -> bool:
    """Is it None or zero, throughout?"""
    if isinstance(tangent, tuple | list):
        return all(is_nothing(item) for item in tangent)
    if tangent is None or is_float0(tangent):
        return True
    return isinstance(tangent, int | float | np.number | np.ndarray) and not np.any(tangent)


def completed(primal: Any, tangent: Any) -> Any:
    """The tangent with a zero where an integer inside of a tuple has none."""
    if isinstance(primal, tuple | list) and isinstance(tangent, tuple | list) and len(primal) == len(tangent):
        return type(tangent)(completed(*pair) for pair in zip(primal, tangent, strict=True))
    return 0.0 if tangent is None or is_float0(tangent) else tangent
