"""Array arithmetic gathered into formulas over elements, for the copy of a program that is compiled.

`0.5 * h[:, None] * (1.0 - y)` becomes `each_0(h, y)`, and the text ends in
`each_0 = each("(0.5 * x0) * (1.0 - x1)", "f8", ((-2,), (-2, -1)))`: one loop, which arrayloops.py makes, instead of a
ufunc of Numba's for every operator.  `x += value` and `x[a:b] = value` become `into_0(...)`, which writes in place.
Line by line the program stays what `.source` shows.

Promised: the numbers are those of NumPy's notation; a value that may share memory with the place that it is written to is
computed whole before.  Left out: which loops are fused beyond one expression: none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .aliases import roots, source_of
from .emit import source, text
from .kinds import Kind
from .program import Assign, Expr, For, If, Lit, Move, Name, Op, Program, Return, Statement, Store, While
from .rules import COMPARISONS, FUNCTIONS, RULES

NONE = Kind("none")
ARITHMETIC = {"add", "sub", "mul", "div", "pow", "neg", "pos"}
FORMULAS = (
    ARITHMETIC | set(COMPARISONS) | {name for name, *_ in FUNCTIONS}
    | {"where", "abs", "sign", "maximum", "minimum", "isnan", "isinf", "isfinite", "power_slope", "log_of_base", "half",
       "float32"}
)  # fmt: skip
SHAPED = {"full_of", "full_like", "zeros_like", "ones_like", "copy", "spread"}  # an argument gives the shape alone
# where the words for one number mean something else (max and NaN), or are none
WORDS = {
    "where": "({1}) if ({0}) else ({2})", "maximum": "np.maximum({0}, {1})", "minimum": "np.minimum({0}, {1})",
    "full_of": "{0}", "full_like": "{1}", "zeros_like": "0", "ones_like": "1", "copy": "{0}",
}  # fmt: skip
Axes = tuple[int, ...]


def compiled_text(program: Program) -> str:
    """The source of the program as it is compiled: with its formulas, and their definitions after it."""
    gathering = Gathering(program)
    body = source(replace(program, body=gathering.block(program.body)))
    return body + "".join(f"{name} = {value}\n" for value, name in gathering.definitions.items())


class Gathering:
    """The formulas of a program."""

    def __init__(self, program: Program):
        self.roots = roots(program)
        self.definitions: dict[str, str] = {}

    # ---- statements ----------------------------------------------------------------------------------------------------

    def block(self, body: list[Statement]) -> list[Statement]:
        """The statements with formulas in them."""
        return [self.statement(s) for s in body]

    def statement(self, s: Statement) -> Statement:
        """One statement; those inside it too."""
        if isinstance(s, Assign):
            return replace(s, value=self.expression(s.value))
        if isinstance(s, Store):
            return self.store(s)
        if isinstance(s, Move):
            return replace(s, values=[self.expression(v) for v in s.values])
        if isinstance(s, If):
            return replace(s, test=self.expression(s.test), body=self.block(s.body), orelse=self.block(s.orelse))
        if isinstance(s, While):
            return replace(s, test=self.expression(s.test), body=self.block(s.body))
        if isinstance(s, For):
            start, stop, step = (self.expression(e) for e in (s.start, s.stop, s.step))
            return replace(s, start=start, stop=stop, step=step, body=self.block(s.body))
        return replace(s, values=self.tree(s.values)) if isinstance(s, Return) else s

    def tree(self, values: Any) -> Any:
        """A tree of results."""
        return tuple(self.tree(v) for v in values) if isinstance(values, tuple) else values and self.expression(values)

    def store(self, s: Store) -> Statement:
        """Into a slice: in place, after the value if that may look into the same memory."""
        index = tuple(self.expression(i) for i in s.index)
        place = view(s.base, index)
        if place is None or s.value.kind.ndim > place.kind.ndim or "b1" in (s.value.kind.dtype, place.kind.dtype):
            return replace(s, index=index, value=self.expression(s.value))
        formula = Formula(self)
        own = formula.operand(place, place.kind.ndim)
        value = s.value
        if any(self.shares(part, s.base) for part in array_leaves(value)):
            value = self.expression(Op("copy", (value,), value.kind)) if is_leaf(value) else self.expression(value)
        words = formula.words(value)
        if s.add:
            words = f"{own} + ({words})"
        call = self.call("into", words, formula, NONE)
        return Assign("_", call, where=s.where, note=s.note)

    def shares(self, part: Expr, base: Name) -> bool:
        """May the part look into the memory of the base?"""
        origin = source_of(part)
        return origin is not None and bool(self.roots.get(origin, {origin}) & self.roots.get(base.id, {base.id}))

    # ---- expressions ---------------------------------------------------------------------------------------------------

    def expression(self, e: Expr) -> Expr:
        """The expression with its formulas called."""
        if not isinstance(e, Op):
            return e
        if not e.kind.is_array or is_leaf(e):
            return replace(e, args=tuple(self.expression(a) for a in e.args))
        formula = Formula(self)
        return self.call("each", formula.words(e), formula, e.kind)

    def call(self, kind: str, words: str, formula: Formula, result: Kind) -> Expr:
        """The call of a formula, which is defined once."""
        axes = tuple(axes for _, axes in formula.operands)
        told = f", {result.dtype!r}, {result.ndim}" if kind == "each" else ""
        value = f"{kind}({words!r}{told}, {axes!r})"
        name = self.definitions.setdefault(value, f"{kind}_{len(self.definitions)}")
        return Op("formula", tuple(e for e, _ in formula.operands), result, (("name", Word(name)),))


class Word(str):
    """A text that prints as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Formula:
    """One formula in the making: its operands are x0, x1 ..., each with the axes of the result that its own are."""

    def __init__(self, gathering: Gathering):
        self.gathering = gathering
        self.operands: list[tuple[Expr, Axes]] = []

    def operand(self, e: Expr, ndim: int, axes: Axes | None = None) -> str:
        """The name of an element of `e`, or of a number."""
        item = (e, tuple(range(-ndim, 0)) if axes is None else axes)
        if item not in self.operands:
            self.operands.append(item)
        return f"x{self.operands.index(item)}"

    def words(self, e: Expr) -> str:
        """The element of `e` in terms of those of the operands."""
        if isinstance(e, Lit):
            return text(e)
        if not isinstance(e, Op) or not e.kind.is_array or is_leaf(e):
            return self.leaf(e)
        if e.name == "spread":
            axis, ndim = e.attr("axis") % e.kind.ndim, e.kind.ndim
            self.operand(self.gathering.expression(e.args[1]), ndim)
            return self.operand(
                self.gathering.expression(e.args[0]), ndim - 1, tuple(k - ndim for k in range(ndim) if k != axis)
            )
        args = [f"({self.words(a)})" for a in e.args]
        if e.name in ARITHMETIC:
            one, zero = (text(Lit(value, e.kind.scalar)) for value in (1.0, 0.0))
            args = [
                f"({one} if {a} else {zero})" if b.kind.dtype == "b1" else a for a, b in zip(args, e.args, strict=True)
            ]
        rule = RULES[e.name]
        return WORDS.get(e.name, rule.scalar or rule.text).format(*args)

    def leaf(self, e: Expr) -> str:
        """What is no arithmetic: a number, or an array, seen through new axes and transpositions."""
        base, axes = e, tuple(range(-e.kind.ndim, 0))
        while isinstance(base, Op) and (seen := axes_through(base, axes)) is not None:
            base, axes = base.args[0], seen
        return self.operand(self.gathering.expression(base), e.kind.ndim, axes)


def is_leaf(e: Expr) -> bool:
    """Is the array expression no arithmetic that a formula can have inside?"""
    if not isinstance(e, Op) or e.name not in FORMULAS | SHAPED:
        return True
    if e.name in ARITHMETIC and not e.kind.is_float:  # whole numbers: NumPy has rules of its own for them
        return e.name in ("div", "pow") or any(a.kind.dtype != "i8" for a in e.args)
    numbers = ARITHMETIC | SHAPED | {"where"} if e.kind.is_float else SHAPED | {"where"}
    return any(a.kind.dtype not in ("f8", "f4", "i8", *(["b1"] if e.name in numbers else [])) for a in e.args)


def array_leaves(e: Expr) -> list[Expr]:
    """The arrays that a formula of `e` reads."""
    if not e.kind.is_array:
        return []
    return [e] if is_leaf(e) else [leaf for a in e.args for leaf in array_leaves(a)]  # type: ignore[union-attr]


def axes_through(e: Op, axes: Axes) -> Axes | None:
    """The axes of a transposition's, or new axes', argument, given those of its result; None for what is neither."""
    if not e.args or not e.args[0].kind.is_array:
        return None
    if e.name == "T":
        return axes[::-1]
    if e.name == "expand":
        gone = e.attr("axis") % e.kind.ndim
        return tuple(axis for k, axis in enumerate(axes) if k != gone)
    if e.name != "getitem" or not all(isinstance(i, Op) and i.name in ("newaxis", "slice") for i in e.args[1:]):
        return None
    whole = all(isinstance(i, Op) and all(isinstance(a, Lit) and a.value is None for a in i.args) for i in e.args[1:])
    new = {k for k, i in enumerate(e.args[1:]) if isinstance(i, Op) and i.name == "newaxis"}
    return tuple(axis for k, axis in enumerate(axes) if k not in new) if whole and new else None


def view(base: Name, index: tuple[Expr, ...]) -> Expr | None:
    """base[index] where that is a view; None where it is an element or new memory."""
    names = [i.name if isinstance(i, Op) else "" for i in index]
    if names == ["ellipsis"]:
        return base
    if any(i.kind.is_array or i.kind.dtype == "b1" for i in index):
        return None
    ndim = base.kind.ndim - sum(n not in ("slice", "ellipsis", "newaxis") for n in names) + names.count("newaxis")
    return Op("getitem", (base, *index), base.kind.array(ndim)) if ndim else None
