"""exp, log, tanh and friends under their own names, as compiled code should see them.

In Python they are NumPy's and the standard library's; in code that Numba compiles they are the polynomials of
polynomials.py, which loops can vectorise, for float64 and float32 (float32 in, float32 out; integers become float64), and
for arrays of any dimensions.
Importing this module imports Numba.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import lower_builtin, overload, type_callable

from fastgrad.differentiate import polynomials


def exp(x: Any) -> Any:
    """The exponential."""
    return np.exp(x)


def expm1(x: Any) -> Any:
    """exp(x) - 1 without cancellation near 0."""
    return np.expm1(x)


def log(x: Any) -> Any:
    """The natural logarithm."""
    return np.log(x)


def log1p(x: Any) -> Any:
    """log(1 + x) without cancellation near 0."""
    return np.log1p(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return np.tanh(x)


def erf(x: Any) -> Any:
    """The error function."""
    return type(x)(math.erf(x))


FUNCTIONS = {f.__name__: f for f in (exp, expm1, log, log1p, tanh, erf)}


def register(name: str, function: Any) -> None:
    """Tell Numba the type and the code of a function."""

    @type_callable(function)  # type: ignore[untyped-decorator]
    def typed(context: Any) -> Any:
        def result(x: Any) -> Any:
            if isinstance(x, types.Float):
                return x
            return types.float64 if isinstance(x, types.Integer | types.Boolean) else None

        return result

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = context.cast(builder, arguments[0], signature.args[0], signature.return_type)
        return polynomials.emit(name, str(signature.return_type), builder, value)

    for kind in (types.Float, types.Integer, types.Boolean):
        lower_builtin(function, kind)(lowered)

    def of_array(x: Any) -> Any:
        """A loop over the elements, which becomes vector code; the result is C-contiguous."""

        def loop(x):  # type: ignore[no-untyped-def]
            out = np.empty(x.shape, dtype)
            flat, given = out.reshape(-1), np.ascontiguousarray(x).reshape(-1)
            for i in range(flat.size):
                flat[i] = function(given[i])
            return out

        dtype = np.float32 if getattr(x, "dtype", None) == types.float32 else np.float64
        return loop if isinstance(x, types.Array) else None

    of_array.__annotations__.clear()  # Numba compares them with those of the loop
    overload(function, jit_options={"error_model": "numpy"})(of_array)


for name, function in FUNCTIONS.items():
    register(name, function)


def __getattr__(name: str) -> Any:
    """sin, pi and all that has no polynomial here, as in math."""
    return getattr(math, name)
