"""The table of the vocabulary: for each operation how it prints, what kind it gives, and its derivative.

Elementwise operations have `partials`, one string for each argument, in terms of the arguments a, b, c and the result
out; both sweeps use them. The others have `adjoints`, one string for each argument, in terms of a, b, c, out and of
d, the adjoint of the result; `lets` are values that several adjoints share; `tangent` is the derivative along da, db.
An empty string: no derivative there (zero). The strings are read by template(): names, arithmetic, calls of operations
of this very table, `.T`, comparisons.

Sources of the matrix rules: Giles, "Collected matrix derivative results for forward and reverse mode AD" (2008);
Murray, "Differentiation of the Cholesky decomposition" (2016).
"""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass, replace
from typing import Any

from .kindrules import (
    KindRule,
    arithmetic,
    as_told,
    bits,
    choice,
    common_dtype,
    element,
    fewer,
    fixed,
    float_element,
    floating,
    like_first,
    like_last,
    made,
    of_ndim,
    other_shape,
    product,
    truth,
)
from .kinds import B1, F8, I8, Kind
from .program import Expr, Lit, Name, Op


@dataclass(frozen=True)
class Rule:
    """A row of the table. text: how it prints ({0}, {1}: the arguments, {*}: all of them; {axis}: an attribute).

    scalar: how it prints for scalars, where that differs. heavy: worth a name of its own when it stands inside an expression.
    singular: a partial may be infinite where the value is finite (guarded where the value may be masked).
    """

    name: str
    text: str
    kind: KindRule
    partials: tuple[str, ...] | None = None
    adjoints: tuple[str, ...] | None = None
    lets: tuple[tuple[str, str], ...] = ()
    tangent: str = ""
    scalar: str = ""
    heavy: bool = True
    singular: bool = False


# ---- kinds -----------------------------------------------------------------------------------------------------------


# ---- the elementwise part --------------------------------------------------------------------------------------------

ARITHMETIC = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "floordiv": "//", "mod": "%", "matmul": "@"}
COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
LOGIC = {"and": "and", "or": "or", "bitand": "&", "bitor": "|", "bitxor": "^"}

_SIMPLE = [
    Rule("add", "{0} + {1}", arithmetic, ("1", "1"), heavy=False),
    Rule("sub", "{0} - {1}", arithmetic, ("1", "-1"), heavy=False),
    Rule("mul", "{0} * {1}", arithmetic, ("b", "a"), heavy=False),
    Rule("div", "{0} / {1}", floating, ("1 / b", "-out / b"), heavy=False, singular=True),
    Rule("pow", "{0} ** {1}", arithmetic, ("power_slope(a, b)", "out * log_of_base(a)"), singular=True),
    Rule("neg", "-{0}", arithmetic, ("-1",), heavy=False),
    Rule("pos", "+{0}", arithmetic, ("1",), heavy=False),
    Rule("floordiv", "{0} // {1}", arithmetic, ("", ""), heavy=False),
    Rule("mod", "{0} % {1}", arithmetic, ("1", "-floor(a / b)"), heavy=False),
    Rule("where", "np.where({*})", choice, ("", "where(a, 1, 0)", "where(a, 0, 1)"), heavy=False),
    Rule("float", "float({0})", floating, ("1",), heavy=False),
    Rule("float32", "np.float32({0})", lambda a, k: a[0].kind.with_dtype("f4"), ("1",), heavy=False),
    Rule("int", "int({0})", fixed(I8), ("",), heavy=False),
    Rule("bool", "bool({0})", fixed(B1), ("",), heavy=False),
    Rule("not", "not {0}", fixed(B1), ("",), heavy=False),
    Rule("invert", "~{0}", lambda a, k: a[0].kind, ("",), heavy=False),
    *(Rule(n, f"{{0}} {s} {{1}}", truth, ("", ""), heavy=False) for n, s in COMPARISONS.items()),
    *(Rule(n, f"{{0}} {s} {{1}}", bits if n[0] == "b" else fixed(B1), ("", ""), heavy=False)
      for n, s in LOGIC.items()),
]  # fmt: skip

# name, NumPy's name, the name in math (or empty), partials, singular
FUNCTIONS = [
    ("exp", "exp", "exp", ("out",), False),
    ("exp2", "exp2", "", ("0.6931471805599453 * out",), False),
    ("expm1", "expm1", "expm1", ("out + 1",), False),
    ("log", "log", "log", ("1 / a",), True),
    ("log2", "log2", "log2", ("1.4426950408889634 / a",), True),
    ("log10", "log10", "log10", ("0.4342944819032518 / a",), True),
    ("log1p", "log1p", "log1p", ("1 / (1 + a)",), True),
    ("sqrt", "sqrt", "sqrt", ("0.5 / out",), True),
    ("cbrt", "cbrt", "", ("1 / (3 * out * out)",), True),
    ("sin", "sin", "sin", ("cos(a)",), False),
    ("cos", "cos", "cos", ("-sin(a)",), False),
    ("tan", "tan", "tan", ("1 + out * out",), True),
    ("arcsin", "arcsin", "asin", ("1 / sqrt(1 - a * a)",), True),
    ("arccos", "arccos", "acos", ("-1 / sqrt(1 - a * a)",), True),
    ("arctan", "arctan", "atan", ("1 / (1 + a * a)",), False),
    ("sinh", "sinh", "sinh", ("cosh(a)",), True),
    ("cosh", "cosh", "cosh", ("sinh(a)",), True),
    ("tanh", "tanh", "tanh", ("1 - out * out",), False),
    ("arcsinh", "arcsinh", "asinh", ("1 / sqrt(a * a + 1)",), False),
    ("arccosh", "arccosh", "acosh", ("1 / sqrt(a * a - 1)",), True),
    ("arctanh", "arctanh", "atanh", ("1 / (1 - a * a)",), True),
    ("arctan2", "arctan2", "atan2", ("b / (a * a + b * b)", "-a / (a * a + b * b)"), True),
    ("hypot", "hypot", "hypot", ("a / out", "b / out"), True),
    ("logaddexp", "logaddexp", "", ("exp(a - out)", "exp(b - out)"), False),
    ("erf", "", "erf", ("1.1283791670955126 * exp(-(a * a))",), False),
    ("erfc", "", "erfc", ("-1.1283791670955126 * exp(-(a * a))",), False),
    ("gamma", "", "gamma", ("out * digamma(a)",), True),
    ("lgamma", "", "lgamma", ("digamma(a)",), True),
    ("copysign", "copysign", "copysign", ("sign(a) * copysign(1.0, b)", ""), False),
    ("radians", "radians", "radians", ("0.017453292519943295",), False),
    ("degrees", "degrees", "degrees", ("57.29577951308232",), False),
    ("floor", "floor", "", ("",), False),
    ("ceil", "ceil", "", ("",), False),
    ("trunc", "trunc", "", ("",), False),
    ("rint", "rint", "", ("",), False),
]

# Where a kink makes the slope ambiguous: the value that JAX takes (half of it to each of two equal arguments; 0 for abs).
_KINKED = [
    Rule("abs", "np.abs({0})", arithmetic, ("sign(a)",), scalar="abs({0})"),
    Rule("sign", "np.sign({0})", arithmetic, ("",), scalar="np.sign({0})"),
    Rule(
        "maximum",
        "np.maximum({0}, {1})",
        arithmetic,
        ("where(a >= b, half(a, b), 0)", "where(b >= a, half(a, b), 0)"),
        scalar="max({0}, {1})",
    ),
    Rule(
        "minimum",
        "np.minimum({0}, {1})",
        arithmetic,
        ("where(a <= b, half(a, b), 0)", "where(b <= a, half(a, b), 0)"),
        scalar="min({0}, {1})",
    ),
    Rule("isnan", "np.isnan({0})", truth, ("",)),
    Rule("isinf", "np.isinf({0})", truth, ("",)),
    Rule("isfinite", "np.isfinite({0})", truth, ("",)),
]

# helpers.py: functions that NumPy, or Numba, does not have
_HELPERS = [
    Rule(
        "power_slope",
        "power_slope({0}, {1})",
        floating,
        ("where(b == 0, 0.0, b * power_slope(a, b - 1))", "pow(a, b - 1) * (1 + b * log_of_base(a))"),
        scalar="power_slope_scalar({0}, {1})",
    ),
    Rule("log_of_base", "log_of_base({0})", floating, ("1 / a",), scalar="log_of_base_scalar({0})", singular=True),
    Rule("fmod_quotient", "fmod_quotient({0}, {1})", floating, ("", "")),
    Rule("half", "half({0}, {1})", floating, ("", ""), scalar="half_scalar({0}, {1})"),
    Rule("digamma", "digamma({0})", floating, ("trigamma(a)",)),
    Rule("trigamma", "trigamma({0})", floating),
]

# ---- the structured part ---------------------------------------------------------------------------------------------

_STRUCTURED = [
    Rule("sum", "np.sum({0})", element, adjoints=("uniform(d)",), tangent="sum(da)"),
    Rule("sum_axis", "np.sum({0}, axis={axis})", fewer, adjoints=("spread(d, a)",), tangent="sum_axis(da)"),
    Rule("prod", "np.prod({0})", element, adjoints=("d * prod_others(a)",), tangent="sum(da * prod_others(a))"),
    Rule("prod_others", "prod_others({0})", like_first, tangent="prod_others_along(a, da)"),
    Rule("prod_others_along", "prod_others_along({0}, {1})", like_first),
    Rule("amax", "np.max({0})", element, adjoints=("d * (a == out) / sum(a == out)",),
         tangent="sum(da * (a == out)) / sum(a == out)"),
    Rule("amin", "np.min({0})", element, adjoints=("d * (a == out) / sum(a == out)",),
         tangent="sum(da * (a == out)) / sum(a == out)"),
    Rule("amax_axis", "amax_axis({0}, {axis})", fewer, adjoints=("spread(d, a) * share(a, out)",),
         tangent="sum_axis(da * share(a, out))"),
    Rule("amin_axis", "amin_axis({0}, {axis})", fewer, adjoints=("spread(d, a) * share(a, out)",),
         tangent="sum_axis(da * share(a, out))"),
    Rule("prod_axis", "prod_axis({0}, {axis})", fewer, adjoints=("spread(d, a) * prod_others_axis(a)",),
         tangent="sum_axis(da * prod_others_axis(a))"),
    Rule("prod_others_axis", "prod_others_axis({0}, {axis})", like_first, tangent="prod_others_axis_along(a, da)"),
    Rule("prod_others_axis_along", "prod_others_axis_along({0}, {1}, {axis})", like_first),
    Rule("share", "share({0}, {1}, {axis})", like_first, adjoints=("", "")),
    Rule("spread", "spread({0}, {1}, {axis})", like_last, adjoints=("sum_axis(d)", ""), tangent="spread(da, b)"),
    Rule("cumsum", "np.cumsum({0})", of_ndim(1), adjoints=("match(cumsum_back(d), a)",), tangent="cumsum(da)"),
    Rule("cumsum_axis", "cumsum_axis({0}, {axis})", like_first, adjoints=("cumsum_back_axis(d)",),
         tangent="cumsum_axis(da)"),
    Rule("cumsum_back", "np.cumsum({0}[::-1])[::-1]", like_first, adjoints=("cumsum(d)",), tangent="cumsum_back(da)"),
    Rule("cumsum_back_axis", "cumsum_back_axis({0}, {axis})", like_first, adjoints=("cumsum_axis(d)",),
         tangent="cumsum_back_axis(da)"),
    Rule("matmul", "{0} @ {1}", product, adjoints=("", ""), tangent="matmul(da, b) + matmul(a, db)"),
    Rule("outer", "np.outer({0}, {1})", lambda a, k: Kind(common_dtype(a), 2), adjoints=("matmul(d, b)", "matmul(a, d)"),
         tangent="outer(da, b) + outer(a, db)"),
    Rule("trace", "np.trace({0})", element, adjoints=("d * eye_like(a)",), tangent="trace(da)"),
    Rule("eye_like", "np.eye({0}.shape[0], {0}.shape[1])", like_first, adjoints=("",)),
    Rule("T", "{0}.T", other_shape, adjoints=("d.T",), tangent="da.T", heavy=False),
    Rule("transpose", "np.transpose({0}, {axes})", other_shape, adjoints=("transpose_back(d)",),
         tangent="transpose(da)", heavy=False),
    Rule("transpose_back", "np.transpose({0}, {back})", other_shape, adjoints=("transpose(d)",),
         tangent="transpose_back(da)"),
    Rule("reshape", "np.ascontiguousarray({0}).reshape({rest})", as_told, adjoints=("match(d, a)",),
         tangent="reshape(da, rest)"),
    Rule("reshape_shares", "reshape_shares({*})", fixed(B1), adjoints=("", "", "", "")),
    Rule("ravel_shares", "ravel_shares({0})", fixed(B1), adjoints=("",)),
    Rule("ravel", "{0}.ravel()", of_ndim(1), adjoints=("match(d, a)",), tangent="ravel(da)"),
    Rule("match", "np.ascontiguousarray({0}).reshape({1}.shape)", like_last, adjoints=("match(d, a)", ""),
         tangent="match(da, b)"),
    Rule("expand", "np.expand_dims({0}, {axis})", lambda a, k: a[0].kind.array(a[0].kind.ndim + 1),
         adjoints=("match(d, a)",), tangent="expand(da)"),
    Rule("concatenate", "np.concatenate({tuple}, axis={axis})", as_told, adjoints=(), tangent="concatenate(da)"),
    Rule("stack", "np.stack({tuple}, axis={axis})", as_told, adjoints=(), tangent="stack(da)"),
    Rule("array", "np.array([{*}])", as_told, adjoints=(), tangent="array(da)"),
    Rule("copy", "{0}.copy()", like_first, adjoints=("d",), tangent="copy(da)"),
    Rule("as_f8", "{0}.astype(np.float64)", lambda a, k: a[0].kind.with_dtype("f8"), adjoints=("d",), tangent="as_f8(da)"),
    Rule("as_f4", "{0}.astype(np.float32)", lambda a, k: a[0].kind.with_dtype("f4"), adjoints=("d",), tangent="as_f4(da)"),
    Rule("as_i8", "{0}.astype(np.int64)", lambda a, k: a[0].kind.with_dtype("i8"), adjoints=("",)),
    Rule("zeros_like", "np.zeros_like({0})", like_first, adjoints=("",)),
    Rule("ones_like", "np.ones_like({0})", like_first, adjoints=("",)),
    Rule("empty_like", "np.empty_like({0})", like_first, adjoints=("",)),
    Rule("full_like", "full_like({0}, {1})", like_first, adjoints=("", "sum(d)"), tangent="full_like(a, db)"),
    Rule("zeros", "np.zeros({shape}, {dtype})", made, adjoints=()),
    Rule("ones", "np.ones({shape}, {dtype})", made, adjoints=()),
    Rule("empty", "np.empty({shape}, {dtype})", made, adjoints=()),
    Rule("full", "np.full({rest}, {0}, {dtype})", made, adjoints=("sum(d)",), tangent="full(da, rest)"),
    Rule("eye", "np.eye({*})", made, adjoints=()),
    Rule("arange", "np.arange({*})", made, adjoints=()),
    Rule("linspace", "np.linspace({*})", made, adjoints=()),
    Rule("diag", "np.diag({0})", of_ndim(2), adjoints=("diagonal(d)",), tangent="diag(da)"),
    Rule("diagonal", "np.diag({0}).copy()", of_ndim(1), adjoints=("diagonal_back(d, a)",), tangent="diagonal(da)"),
    Rule("diagonal_back", "diagonal_back({0}, {1})", like_last, adjoints=("diagonal(d)", ""),
         tangent="diagonal_back(da, b)"),
    Rule("triu", "np.triu({0}, {k})", like_first, adjoints=("triu(d)",), tangent="triu(da)"),
    Rule("tril", "np.tril({0}, {k})", like_first, adjoints=("tril(d)",), tangent="tril(da)"),
    Rule("roll", "np.roll({0}, {1})", like_first, adjoints=("roll(d, -b)", ""), tangent="roll(da, b)"),
    Rule("solve", "np.linalg.solve({0}, {1})", like_last, lets=(("w", "solve(a.T, d)"),), adjoints=("-pair(w, out)", "w"),
         tangent="solve(a, db - matmul(da, out))"),
    Rule("inv", "np.linalg.inv({0})", like_first, adjoints=("-matmul(matmul(out.T, d), out.T)",),
         tangent="-matmul(matmul(out, da), out)"),
    Rule("det", "np.linalg.det({0})", float_element, adjoints=("d * out * inv(a).T",),
         tangent="out * trace(matmul(inv(a), da))"),
    Rule("logabsdet", "np.linalg.slogdet({0})[1]", float_element, adjoints=("d * inv(a).T",),
         tangent="trace(matmul(inv(a), da))"),
    Rule("signdet", "np.linalg.slogdet({0})[0]", float_element, adjoints=("",)),
    Rule("cholesky", "np.linalg.cholesky({0})", like_first, adjoints=("cholesky_back(out, d)",),
         tangent="cholesky_forward(out, da)"),
    Rule("cholesky_back", "cholesky_back({0}, {1})", like_first,
         tangent="cholesky_back_along(a, b, da) + cholesky_back(a, db)"),
    Rule("cholesky_back_along", "cholesky_back_along({0}, {1}, {2})", like_first),
    Rule("cholesky_forward", "cholesky_forward({0}, {1})", like_first),
    Rule("norm", "np.linalg.norm({0})", float_element, adjoints=("d * a / out",), tangent="sum(da * a) / out",
         singular=True),
    Rule("unbroadcast", "unbroadcast({0}, {1})", lambda a, k: a[1].kind.with_dtype(a[0].kind.dtype),
         adjoints=("d + zeros_like(a)", ""), tangent="unbroadcast(da, b)"),
    Rule("unbroadcast_to", "unbroadcast_to({0}, {sizes})", lambda a, k: a[0].kind.array(a[0].kind.ndim),
         tangent="unbroadcast_to(da, rest)"),
    Rule("grow", "grow({0}, {1})", lambda a, k: a[0].kind.array(1), adjoints=("", ""), tangent="grow(da, b)"),
    Rule("scatter_add", "scatter_add({0}, {1}, {2})", like_first, adjoints=("d", "", ""), tangent="scatter_add(da, b, dc)"),
    Rule("scatter_add_to_columns", "scatter_add_to_columns({0}, {1}, {2})", like_first, adjoints=("d", "", ""),
         tangent="scatter_add_to_columns(da, b, dc)"),
    Rule("scatter_add_where", "scatter_add_where({0}, {1}, {2})", like_first, adjoints=("d", "", ""),
         tangent="scatter_add_where(da, b, dc)"),
    Rule("take_back", "take_back({0}, {1})", lambda a, k: a[0].kind.array(a[0].kind.ndim), tangent="take_back(da, b)"),
    Rule("nan", "math.nan", fixed(F8), adjoints=(), heavy=False),
    Rule("full_of", "{0} + np.zeros_like({1})", like_last, adjoints=("sum(d)", ""), tangent="full_of(da, b)"),
    Rule("shape", "{0}.shape[{axis}]", fixed(I8), adjoints=("",), heavy=False),
    Rule("size", "{0}.size", fixed(I8), adjoints=("",), heavy=False),
    Rule("count_range", "len(range({*}))", fixed(I8), adjoints=("", "", ""), heavy=False),
    Rule("checked", "checked({0}, {1})", fixed(I8), adjoints=("", ""), heavy=False),
    Rule("unsigned", "np.uint64({0})", fixed(I8), adjoints=("",), heavy=False),
    Rule("argmax", "np.argmax({0})", fixed(I8), adjoints=("",)),
    Rule("argmin", "np.argmin({0})", fixed(I8), adjoints=("",)),
    Rule("argsort", "np.argsort({0})", lambda a, k: a[0].kind.with_dtype("i8"), adjoints=("",)),
    Rule("searchsorted", "np.searchsorted({*})", lambda a, k: a[1].kind.with_dtype("i8"), adjoints=("", "")),
    Rule("any", "np.any({0})", fixed(B1), adjoints=("",)),
    Rule("all", "np.all({0})", fixed(B1), adjoints=("",)),
    Rule("round", "np.round({*})", like_first, ("", ""), scalar="round({*})"),
    Rule("box", "{0}", like_first, ("1",), heavy=False),  # marks, while a function is read (cells.py)
    Rule("update", "{1}", like_last, ("", "1"), heavy=False),
    Rule("getitem", "{0}[{index}]", lambda a, k: k["kind"], adjoints=(), heavy=False),
    Rule("formula", "{name}({*})", lambda a, k: k["kind"], adjoints=()),  # elementwise.py
    Rule("slice", "{0}:{1}:{2}", fixed(Kind("slice")), adjoints=(), heavy=False),
    Rule("newaxis", "None", fixed(Kind("slice")), adjoints=(), heavy=False),
    Rule("ellipsis", "...", fixed(Kind("slice")), adjoints=(), heavy=False),
]  # fmt: skip


def _function(name: str, numpy: str, math: str, partials: tuple[str, ...], singular: bool) -> Rule:
    commas = ", ".join(f"{{{k}}}" for k in range(len(partials)))
    array = f"np.{numpy}({commas})" if numpy else f"{name}_array({commas})"
    scalar = f"math.{math}({commas})" if math else array
    return Rule(name, array, floating, partials, scalar=scalar, singular=singular)


RULES: dict[str, Rule] = {
    rule.name: rule for rule in (*_SIMPLE, *(_function(*row) for row in FUNCTIONS), *_KINKED, *_HELPERS, *_STRUCTURED)
}


# ---- making expressions ----------------------------------------------------------------------------------------------


def make(name: str, *args: Expr, **attrs: Any) -> Expr:
    """The expression of an operation, simplified where arithmetic with 0 and 1 allows it."""
    from .algebra import simplified

    rule = RULES[name]
    if rule.partials is not None:
        args = _weak(name, args)
    kind = rule.kind(args, attrs)
    return simplified(Op(name, args, kind, tuple(sorted(attrs.items(), key=lambda pair: pair[0]))))


def _weak(name: str, args: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Python's numbers do not widen float32: literals and integers beside it become float32, as in NumPy."""
    if (
        name == "pow"
        or not any(a.kind.dtype == "f4" for a in args)
        or any(a.kind.dtype == "f8" and not isinstance(a, Lit) for a in args)
    ):
        return args
    return tuple(
        Lit(a.value, Kind("f4")) if isinstance(a, Lit) and a.kind.dtype in ("i8", "f8")
        else Op("float32", (a,), a.kind.with_dtype("f4")) if a.kind == I8
        else a
        for a in args
    )  # fmt: skip


def number(value: float) -> Lit:
    """A float literal."""
    return Lit(float(value), F8)


@functools.cache
def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def template(text: str, names: dict[str, Expr], attrs: dict[str, Any] | None = None) -> Expr:
    """The expression that a rule's string stands for."""
    operators = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.MatMult: "matmul"}
    tests = {ast.Gt: "gt", ast.GtE: "ge", ast.Lt: "lt", ast.LtE: "le", ast.Eq: "eq"}

    def build(node: ast.expr) -> Expr:
        if isinstance(node, ast.Name):
            return names[node.id]
        if isinstance(node, ast.Constant):
            return number(float(node.value))  # type: ignore[arg-type]
        if isinstance(node, ast.UnaryOp):
            return make("neg", build(node.operand))
        if isinstance(node, ast.BinOp):
            return make(operators[type(node.op)], build(node.left), build(node.right))
        if isinstance(node, ast.Compare):
            return make(tests[type(node.ops[0])], build(node.left), build(node.comparators[0]))
        if isinstance(node, ast.Attribute):
            return make("T", build(node.value))
        assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name), text
        args = [build(arg) for arg in node.args]
        if node.func.id == "pair":  # the outer product of two vectors, w out^T of two matrices
            return make("outer", *args) if args[0].kind.ndim == 1 else make("matmul", args[0], make("T", args[1]))
        wanted = RULES[node.func.id].text
        return make(node.func.id, *args, **{k: v for k, v in (attrs or {}).items() if f"{{{k}}}" in wanted})

    return build(_parsed(text))


def with_kind(expression: Expr, kind: Kind) -> Expr:
    """The same expression, known to be of `kind`."""
    return replace(expression, kind=kind) if isinstance(expression, Op | Name) else expression
