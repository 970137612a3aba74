"""What an actual argument looks like to the caller of compiled code: how it is recognised, handed over and given back.

The kind (kinds.py) says what the compiled code gets; the form says what it takes to get there from a Python object: a float
and a np.float64 have one kind and two forms.  A form writes its part of the Python function that users call (calling.py),
so that a call costs a few comparisons and nothing is looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgrad.differentiate.kinds import Constant, Kind, kind_of


@dataclass(frozen=True)
class Form:
    """One argument. test, accept and give are Python expressions about `{v}`.

    test: is an object of this form?  accept: what compiled code is handed.  give: a derivative that came from compiled code
    as the user sees it.  parts: the forms of the items, where the argument is a tuple or a list.
    """

    kind: Any  # Kind, Constant, or a tuple of such
    test: str
    accept: str = "{v}"
    give: str = "{v}"
    parts: tuple[Form, ...] = ()

    def tests(self, v: str) -> str:
        """The condition that the object named v has this form."""
        inside = "".join(f" and {part.tests(f'{v}[{i}]')}" for i, part in enumerate(self.parts))
        return self.test.format(v=v) + inside

    def accepts(self, v: str) -> str:
        """The expression that compiled code is handed for the object named v."""
        if not self.parts:
            return self.accept.format(v=v)
        return "(" + "".join(f"{part.accepts(f'{v}[{i}]')}, " for i, part in enumerate(self.parts)) + ")"

    def gives(self, v: str) -> str:
        """The expression that the user gets for the derivative named v."""
        if not self.parts:
            return self.give.format(v=v)
        inside = ", ".join(part.gives(f"{v}[{i}]") for i, part in enumerate(self.parts))
        return f"[{inside}]" if "is list" in self.test else f"({inside},)"


def tidy(array: Any) -> Any:
    """The array as compiled code wants it: C-contiguous, aligned, writable."""
    return array if array.flags.carray else np.array(array, order="C", subok=False)


# what the tests and conversions of forms may name
SPACE: dict[str, Any] = {
    "ndarray": np.ndarray, "memmap": np.memmap, "asarray": np.asarray, "tidy": tidy,
    "float32": np.float32, "float64": np.float64, "int64": np.int64, "bool_": np.bool_, "dtype": np.dtype,
}  # fmt: skip


def apart(a: Any, b: Any) -> bool:
    """Do two arguments, arrays or tuples of such, share no memory?"""
    if isinstance(a, tuple | list):
        return all(apart(item, b) for item in a)
    if isinstance(b, tuple | list):
        return all(apart(a, item) for item in b)
    return not np.may_share_memory(a, b)


SPACE["apart"] = apart
FLOATS = {float: "float", np.float64: "float64", np.float32: "float32"}


def form_of(value: Any, name: str, differentiated: bool, space: dict[str, Any]) -> Form:
    """The form of an actual argument.  Constants (functions, strings) are put into `space`, by the name that tests use.

    TypeError, naming the argument, where it has none, or is to be differentiated and holds no floating-point numbers.
    """
    if isinstance(value, tuple | list) and type(value) in (tuple, list):
        word = type(value).__name__
        parts = tuple(form_of(item, f"{name}[{i}]", differentiated, space) for i, item in enumerate(value))
        return Form(
            tuple(part.kind for part in parts), f"type({{v}}) is {word} and len({{v}}) == {len(value)}", parts=parts
        )
    if differentiated and not isinstance(value, np.ndarray | float | int | np.number | np.bool_):
        raise TypeError(f"argument {name} is {describe(value)}, expected a float or a NumPy array of floats")
    swapped = isinstance(value, np.ndarray) and not value.dtype.isnative
    kind = kind_of(value.astype(value.dtype.newbyteorder("="), copy=False) if swapped else value)
    if isinstance(kind, Constant):
        same = (word for word, known in space.items() if known is value or (isinstance(value, str) and known == value))
        word = next(same, f"constant_{len(space)}")
        space[word] = value
        return Form(kind, f"{{v}} == {word}" if isinstance(value, str) else f"{{v}} is {word}", accept="None")
    if kind is None or (isinstance(value, np.ndarray) and type(value) not in (np.ndarray, np.memmap)):
        raise TypeError(f"argument {name} is {describe(value)}, expected a number or a NumPy array of numbers")
    if isinstance(value, np.ndarray):
        return array_form(value, kind, name, differentiated)
    return scalar_form(value, kind, name, differentiated)


def scalar_form(value: Any, kind: Kind, name: str, differentiated: bool) -> Form:
    """The form of a Python or NumPy number."""
    if type(value) in FLOATS:
        word = FLOATS[type(value)]
        return Form(kind, f"type({{v}}) is {word}", give="{v}" if word == "float" else f"{word}({{v}})")
    if type(value) is int and differentiated:
        return Form(Kind("f8"), "type({v}) is int", accept="float({v})")
    if isinstance(value, np.floating) or (differentiated and not isinstance(value, float)):
        expected = "a float" if differentiated else "a number of 32 or 64 bits"
        raise TypeError(f"argument {name} is {describe(value)}, expected {expected}")
    if type(value) in (int, bool):
        return Form(kind, f"type({{v}}) is {type(value).__name__}")
    if isinstance(value, np.integer | np.bool_):
        return Form(kind, f"isinstance({{v}}, {word_of(value.dtype)}.type)", accept="{v}.item()")
    word = "float" if isinstance(value, float) else "int"  # a class of the user's own, an enumeration say
    return Form(kind, f"isinstance({{v}}, {word})", accept=f"{word}({{v}})")


def number_form(kind: Kind) -> Form:
    """The plain form of a kind, where there is no object to look at."""
    return Form(kind, "True")


def array_form(value: Any, kind: Kind, name: str, differentiated: bool) -> Form:
    """The form of an array; one without dimensions is handed over as a number."""
    if differentiated and not kind.is_float:
        raise TypeError(
            f"argument {name} is {describe(value)}, expected floating-point numbers: give it as a float array"
        )
    word = word_of(value.dtype)
    test = f"type({{v}}) is {type(value).__name__} and {{v}}.dtype == {word} and {{v}}.ndim == {value.ndim}"
    native = {"f8": np.float64, "f4": np.float32, "i8": np.int64, "b1": np.bool_}[kind.dtype]
    if not value.ndim:
        return Form(kind, test, accept=f"{{v}}.astype({native.__name__})[()]", give=f"{native.__name__}({{v}})")
    if type(value) is np.memmap:
        return Form(kind, test, accept=f"tidy(asarray({{v}}, {native.__name__}))")
    if value.dtype == native:
        return Form(kind, test, accept="({v} if {v}.flags.carray else tidy({v}))")
    return Form(kind, test, accept=f"{{v}}.astype({native.__name__}, order='C')")


def word_of(dtype: Any) -> str:
    """The number type as an expression over SPACE."""
    return {np.dtype(np.float64): "dtype_f8", np.dtype(np.float32): "dtype_f4"}.get(dtype, f"dtype({dtype.str!r})")


SPACE |= {"dtype_f8": np.dtype(np.float64), "dtype_f4": np.dtype(np.float32)}


def describe(value: Any) -> str:
    """What was found, in a few words."""
    if isinstance(value, np.ndarray):
        return f"{type(value).__name__} of {value.dtype}"
    return (
        f"{value!r} of type {type(value).__name__}"
        if isinstance(value, int | np.number | np.bool_)
        else type(value).__name__
    )
