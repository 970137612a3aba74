"""The functions of Python, math and NumPy that a differentiated function may call, and how they become operations."""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .builder import Builder, as_value, known
from .indexing import getitem
from .integers import arithmetic
from .kinds import I8, Kind
from .operands import array_of, as_float, number
from .program import Expr, Lit
from .rules import FUNCTIONS, RULES, make
from .sequences import Iterator
from .values import Items, Listed, Slice, Static, is_expr

Handler = Callable[[Builder, list[Any], dict[str, Any], ast.AST], Any]
TABLE: dict[int, Handler] = {}
KEEP: list[Any] = []  # so that no id in TABLE is ever that of another object


def find(function: Any) -> Handler | None:
    """The handler of a function of the vocabulary."""
    return TABLE.get(id(function))


def of(*functions: Any) -> Callable[[Handler], Handler]:
    """Enter a handler for functions."""

    def enter(handler: Handler) -> Handler:
        for function in functions:
            TABLE[id(function)] = handler
            KEEP.append(function)
        return handler

    return enter


def take(b: Builder, args: list[Any], words: dict[str, Any], spec: str, node: ast.AST) -> list[Any]:
    """The arguments in the order of `spec` ("a axis=None"), UNSET ones as their default's Python value.

    What follows a * is given by name alone: NumPy has other arguments in its place.
    """
    parts = [part.split("=") for part in spec.replace("*", "").split()]
    found: list[Any] = list(args)
    if len(found) > len(spec.split("*")[0].split()):
        raise b.error("has more arguments than are supported", node)
    words = dict(words)
    for name, *default in parts[len(found) :]:
        if name in words:
            found.append(words.pop(name))
        elif default:
            found.append(as_value(ast.literal_eval(default[0])))
        else:
            raise b.error(f"lacks the argument {name!r}", node)
    if words:
        raise b.error(f"has the argument {next(iter(words))!r}, which is not supported", node)
    return found


def _elementwise(name: str, numbers: bool = False) -> Handler:
    """numbers: a function of math, which takes no arrays."""

    def handler(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
        rule = RULES[name]
        assert rule.partials is not None
        if len(args) != len(rule.partials) or words:
            raise b.error(f"takes {len(rule.partials)} plain arguments here", node)
        values = [array_of(b, a, node) for a in args]
        if name in ("add", "sub", "mul", "neg") and all(v.kind.dtype == "b1" for v in values):
            raise b.error("is arithmetic on truths, whose results are truths: write & or | instead", node)
        if not any(v.kind.is_array for v in values) and name in _TRULY_FLOAT:
            values = [as_float(v) if isinstance(v, Lit) else v for v in values]
        if any(v.kind.is_array for v in values) and (numbers or "_array(" in rule.text):
            raise b.error("takes numbers, no arrays", node)
        return b.apply(name, *values)

    return handler


_TRULY_FLOAT = {row[0] for row in FUNCTIONS}
for _name, _numpy, _math, _partials, _ in FUNCTIONS:
    for _module, _attribute in ((np, _numpy), (math, _math)):
        if _attribute and hasattr(_module, _attribute):
            of(getattr(_module, _attribute))(_elementwise(_name, _module is math))
for _name, _functions in {
    "add": (np.add,), "sub": (np.subtract,), "mul": (np.multiply,), "div": (np.divide,),
    "neg": (np.negative,), "abs": (np.abs, np.fabs, builtins.abs), "sign": (np.sign,),
    "isnan": (np.isnan,), "isinf": (np.isinf,), "isfinite": (np.isfinite,), "lt": (np.less,), "le": (np.less_equal,),
    "gt": (np.greater,), "ge": (np.greater_equal,), "eq": (np.equal,), "ne": (np.not_equal,), "mod": (np.mod,),
    "floordiv": (np.floor_divide,),
}.items():  # fmt: skip
    of(*_functions)(_elementwise(_name))
for _name in ("isnan", "isinf", "isfinite"):
    of(getattr(math, _name))(_elementwise(_name, True))


def _of_floats(name: str) -> Handler:
    """Functions of math whose result is a float, also of integers."""

    def handler(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
        return _elementwise(name, True)(b, [as_float(v) if scalar(v) else v for v in args], words, node)

    return handler


def scalar(value: Any) -> bool:
    """Is it a number?"""
    return is_expr(value) and not value.kind.is_array


of(math.pow)(_of_floats("pow"))
of(math.fabs)(_of_floats("abs"))


def _larger(name: str, skips: bool) -> Handler:
    """np.maximum and its like. skips: NaN is left out (np.fmax), where else it is the result: Python's max does neither."""

    def handler(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
        plain = _elementwise(name)
        if len(args) != 2 or not (skips or all(scalar(v) for v in args)):
            return plain(b, args, words, node)
        x, y = (b.atom(array_of(b, v, node)) for v in args)
        result = plain(b, [x, y], words, node)
        for value, other in ((y, x), (x, y)):
            if value.kind.is_float and not (isinstance(value, Lit) and math.isfinite(value.value)):
                result = b.apply("where", b.apply("isnan", value), other if skips else value, result)
        return result

    return handler


of(np.maximum)(_larger("maximum", False))
of(np.minimum)(_larger("minimum", False))
of(np.fmax)(_larger("maximum", True))
of(np.fmin)(_larger("minimum", True))


def _logical(name: str) -> Handler:
    """np.logical_and and the like: of the truths of numbers."""

    def handler(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
        values = [array_of(b, a, node) for a in args]
        truths = [v if v.kind.dtype == "b1" else b.apply("ne", v, Lit(0, I8)) for v in values]
        plain = name == "invert" and not any(v.kind.is_array for v in truths)
        return _elementwise("not" if plain else name)(b, truths, words, node)  # ~True is -2

    return handler


for _logic, _name in ((np.logical_and, "bitand"), (np.logical_or, "bitor"), (np.logical_xor, "bitxor"),
                      (np.logical_not, "invert")):  # fmt: skip
    of(_logic)(_logical(_name))


@of(np.square)
def _square(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "a", node)
    return b.apply("pow", array_of(b, a, node), Lit(2, I8))


@of(np.reciprocal)
def _reciprocal(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "a", node)
    value = array_of(b, a, node)
    if not value.kind.is_float:
        raise b.error("is the reciprocal of integers, which NumPy rounds: write 1 / a", node)
    return b.apply("div", Lit(1.0, Kind("f8")), value)


def _to_int(name: str) -> Handler:
    return lambda b, args, words, node: make("int", _elementwise(name, True)(b, args, words, node))


for _round_to in (math.floor, math.ceil, math.trunc):
    of(_round_to)(_to_int(_round_to.__name__))


@of(np.where)
def _where(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    test, x, y = (array_of(b, v, node) for v in take(b, args, words, "condition x y", node))
    return b.apply("where", test, x, y)


@of(np.clip)
def _clip(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    x, low, high = take(b, args, words, "a a_min=None a_max=None", node)
    result = b.operand(array_of(b, x, node))
    if isinstance(low, Static) and isinstance(high, Static):
        return b.apply("copy", result) if result.kind.is_array else result
    if not isinstance(low, Static):
        result = b.apply("maximum", result, array_of(b, low, node))
    return result if isinstance(high, Static) else b.apply("minimum", result, array_of(b, high, node))


@of(math.fmod)
def _fmod(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    x, y = (b.atom(as_float(number(b, v, node))) for v in take(b, args, words, "x y", node))
    if not scalar(x) or not scalar(y):
        raise b.error("takes numbers, no arrays", node)
    return b.apply("sub", x, b.apply("mul", b.atom(make("fmod_quotient", x, y)), y))


# ---- Python's own ------------------------------------------------------------------------------------------------------


@of(builtins.float)
def _float(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "x=0.0", node)
    if isinstance(a, Static) and isinstance(a.value, str):
        return as_value(float(a.value))
    return as_float(only_item(b, number(b, a, node)))


@of(np.float64)
def _float64(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    value = array_of(b, args[0], node) if len(args) == 1 and not isinstance(args[0], Static) else None
    return b.apply("as_f8", value) if value is not None and value.kind.is_array else _float(b, args, words, node)


@of(np.float32)
def _float32(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "x=0.0", node)
    return make("float32", b.operand(number(b, a, node)))


def only_item(b: Builder, value: Expr) -> Expr:
    """The one element of an array, or the number itself; ValueError, when it runs, where there are others."""
    if not value.kind.ndim:
        return value
    array = b.atom(value)
    single = make("eq", make("size", array), Lit(1, I8))
    b.require(single, "ValueError('an array of one element was expected, to be a number')")
    return getitem(b, array, tuple([Lit(0, I8)] * value.kind.ndim))


@of(builtins.int, np.int64, np.int32)
def _int(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "x=0", node)
    value = number(b, a, node)
    if value.kind.is_array:
        raise b.error("makes an integer of an array: write a.astype(int), or a.item()", node)
    return value if value.kind == I8 else make("int", b.operand(value))


@of(builtins.bool)
def _bool(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (a,) = take(b, args, words, "x=False", node)
    if known(a):
        return as_value(bool(a.value))
    return make("bool", b.operand(only_item(b, number(b, a, node))))


@of(builtins.pow, np.power)
def _pow(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    base, exponent = take(b, args, words, "base exp", node)
    return arithmetic(b, "pow", array_of(b, base, node), array_of(b, exponent, node), node)


@of(builtins.len)
def _len(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    (value,) = take(b, args, words, "a", node)
    if isinstance(value, tuple | Items):
        return as_value(len(value if isinstance(value, tuple) else value.items))
    array = number(b, value, node)
    if not array.kind.is_array:
        raise b.error("has no length", node)
    return make("shape", b.atom(array), axis=0)


def _iterator(kind: str) -> Handler:
    return lambda b, args, words, node: Iterator(kind, (*args, *words.values()))


for _f in (range, zip, enumerate, reversed):
    of(_f)(_iterator(_f.__name__))


@of(builtins.list)
def _list(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    items = _tuple(b, args, words, node)
    return Items(items) if isinstance(items, tuple) else items


@of(builtins.tuple)
def _tuple(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    from .sequences import sequence
    from .values import Scope

    static = sequence(b, Scope(None, {}), args[0], node).static if args else ()  # type: ignore[arg-type]
    if static is None:
        array = number(b, args[0], node)
        if array.kind.ndim > 1:
            raise b.error("makes a list of the rows of a matrix: read them where they are", node)
        return Listed(b.bind("items", b.apply("copy", array)))
    return static


def _plain(name: str, count: int) -> Handler:
    """Functions whose result is no float: positions, truths."""

    def handler(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
        if len(args) != count or words:
            raise b.error(f"takes {count} plain arguments here", node)
        return b.apply(name, *(b.atom(array_of(b, v, node)) for v in args))

    return handler


for _function, _count_ in (
    (np.argmax, 1),
    (np.argmin, 1),
    (np.argsort, 1),
    (np.searchsorted, 2),
    (np.any, 1),
    (np.all, 1),
):
    of(_function)(_plain(_function.__name__, _count_))
of(builtins.any)(_plain("any", 1))
of(builtins.all)(_plain("all", 1))


@of(builtins.round, np.round)
def _round(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    words = {{"number": "a", "ndigits": "decimals"}.get(name, name): value for name, value in words.items()}
    a, decimals = take(b, args, words, "a decimals=None", node)
    value = array_of(b, a, node)
    if isinstance(decimals, Static) and decimals.value is None:
        return b.apply("rint", value)
    places = number(b, decimals, node)
    if places.kind != I8:
        raise b.error("rounds to places that are no integer", node)
    return b.apply("round", value, places)


@of(builtins.slice)
def _slice(b: Builder, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    ends = [None if isinstance(a, Static) else b.atom(number(b, a, node)) for a in args]
    return Slice(*([None, *ends, None] if len(ends) == 1 else [*ends, None][:3]))
