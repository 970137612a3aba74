"""A derivative as a Numba dispatcher, for use inside functions that the user compiles with Numba.

Promised: it is specialised for the types that it meets, by the same programs as a call from Python.
Left out: captured values that change: Numba freezes what compiled code captures, and so does this; and indices outside of
arrays, which nothing that Numba compiles notices.
"""

from __future__ import annotations

from typing import Any

from fastgrad.differentiate.entrances import MISSING
from fastgrad.differentiate.forms import Form
from fastgrad.differentiate.kinds import Constant, Kind

SCALARS = {"float64": "f8", "float32": "f4"}


def dispatcher(derivative: Any) -> Any:
    """A dispatcher of the derivative's parameters that compiles, for each list of types, the derivative's program."""
    from numba import njit
    from numba.extending import overload

    names, defaults = derivative.names, derivative.defaults
    given = ", ".join(names)
    space: dict[str, Any] = {f"default_{k}": default for k, default in enumerate(defaults)}
    required = max((k + 1 for k, default in enumerate(defaults) if default is MISSING), default=0)  # a tangent is
    signature = ", ".join(name if k < required else f"{name}=default_{k}" for k, name in enumerate(names))

    def implementation(types: tuple[Any, ...]) -> Any:
        forms = tuple(
            form_of_type(t, name, derivative.differentiates(k))
            for k, (t, name) in enumerate(zip(types, names, strict=True))
        )
        case = derivative.case(forms, checks=False)
        inside: dict[str, Any] = {"compiled": case.compiled}
        handed = [form.accepts(name) for form, name in zip(forms, names, strict=True)]
        for k, (read, _) in enumerate(case.captured):
            inside[f"captured_{k}"] = read()
            handed.append(f"captured_{k}")
        return function("implementation", given, f"compiled({', '.join(handed)})", inside)

    space["stub"] = stub = function("stub", signature, "None", dict(space))
    overload(stub)(
        function("typed", signature, f"implementation(({given},))", space | {"implementation": implementation})
    )
    return njit(function(derivative.__name__, signature, f"stub({given})", space))


def function(name: str, signature: str, value: str, space: dict[str, Any]) -> Any:
    """def name(signature): return value."""
    exec(f"def {name}({signature}):\n    return {value}\n", space)
    return space[name]


def form_of_type(t: Any, name: str, differentiated: bool) -> Form:
    """The form of an argument that Numba knows by its type; TypeError, naming it, where there is none."""
    from numba import types

    if isinstance(t, types.Omitted):
        t = types.none if t.value is None else types.literal(t.value) if isinstance(t.value, str) else typeof(t.value)
    if isinstance(t, types.BaseTuple):
        parts = tuple(form_of_type(item, f"{name}[{k}]", differentiated) for k, item in enumerate(t))
        return Form(tuple(part.kind for part in parts), "", parts=parts)
    scalar = t.dtype if isinstance(t, types.Array) else t
    dtype = SCALARS.get(str(scalar)) or (
        "b1" if isinstance(scalar, types.Boolean) else "i8" if isinstance(scalar, types.Integer) else None
    )
    if isinstance(t, types.NoneType | types.StringLiteral) and not differentiated:
        return Form(Constant(getattr(t, "literal_value", None)), "", accept="None")
    if dtype is None or (differentiated and (dtype == "b1" or (isinstance(t, types.Array) and dtype == "i8"))):
        raise TypeError(f"argument {name} is of Numba's type {t}, expected floating-point numbers")
    if not isinstance(t, types.Array):
        wanted = "f8" if differentiated and dtype == "i8" else dtype
        return Form(Kind(wanted), "", accept="float({v})" if wanted == "f8" else "{v}")
    if not t.ndim:
        return Form(Kind(dtype), "", accept="{v}[()]")
    accept = "{v}" if t.layout == "C" and t.mutable and t.aligned else "{v}.copy()"
    return Form(Kind(dtype, t.ndim), "", accept=accept)


def typeof(value: Any) -> Any:
    """Numba's type of a Python value."""
    import numba

    return numba.typeof(value)
