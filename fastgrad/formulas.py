"""The language of the catalog's formulas: parsed once, checked against the vocabulary, turned into C or into NumPy.

C is written for the build (one block function per row and variant, a plain loop that the compiler vectorises); NumPy in
float64 is the oracle of the tests.  What the two languages would read differently (`and`, chained comparisons, powers in a
block) is refused.  Standard library only: the build imports it.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from .catalog import VOCABULARY, Optimizer

_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_C_SCALAR = {"maximum": "fmax", "minimum": "fmin", "abs": "fabs"}


@dataclass(frozen=True)
class Formula:
    """Assignments in order, and the value of the last line (None where the formula only assigns)."""

    lines: tuple[tuple[str, ast.expr], ...]
    value: ast.expr | None

    @property
    def names(self) -> set[str]:
        """Every name that is read somewhere."""
        expressions = [e for _, e in self.lines] + ([self.value] if self.value is not None else [])
        called = {id(n.func) for e in expressions for n in ast.walk(e) if isinstance(n, ast.Call)}
        return {n.id for e in expressions for n in ast.walk(e) if isinstance(n, ast.Name) and id(n) not in called}


def parse(text: str, flags: Mapping[str, bool] | None = None) -> Formula:
    """Read a formula; `if flag:` blocks are resolved by `flags`.  SyntaxError names what is not in the language.

    >>> parse("d = p - t; d * d").names == {"p", "t", "d"}
    True
    """
    lines: list[tuple[str, ast.expr]] = []
    value: ast.expr | None = None

    def read(body: Sequence[ast.stmt]) -> None:
        nonlocal value
        for statement in body:
            if isinstance(statement, ast.If) and isinstance(statement.test, ast.Name) and flags is not None:
                read(statement.body if flags[statement.test.id] else statement.orelse)
            elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                _check(statement.value, text)
                lines.append((statement.targets[0].id, statement.value))
            elif isinstance(statement, ast.Expr) and value is None:
                _check(statement.value, text)
                value = statement.value
            else:
                raise SyntaxError(f"{ast.unparse(statement)!r} is not in the language of formulas: {text!r}")

    read(ast.parse(text.strip()).body)
    return Formula(tuple(lines), value)


def _check(expression: ast.expr, text: str) -> None:
    """Refuse whatever is not arithmetic, a vocabulary call, or a comparison as the first argument of `where`."""
    allowed_tests = {id(n.args[0]) for n in ast.walk(expression) if _calls(n, "where")}
    for node in ast.walk(expression):
        bad = (
            (isinstance(node, ast.BinOp) and type(node.op) not in (*_BINARY, ast.Pow))
            or (isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.USub))
            or (isinstance(node, ast.Compare) and (len(node.ops) != 1 or id(node) not in allowed_tests))
            or (isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in VOCABULARY))
            or (_calls(node, "where") and not isinstance(node.args[0], ast.Compare))
            or isinstance(node, (ast.BoolOp, ast.Lambda, ast.IfExp, ast.Attribute, ast.Subscript))
            or (isinstance(node, ast.Constant) and type(node.value) not in (int, float))
        )
        if bad:
            raise SyntaxError(f"{ast.unparse(node)!r} is not in the language of formulas: {text!r}")


def _calls(node: ast.AST, name: str) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


# ---- NumPy ---------------------------------------------------------------------------------------------------------


def numpy_function(text: str, flags: Mapping[str, bool] | None = None) -> Callable[..., dict[str, Any]]:
    """The formula as a function over a namespace: gives every name assigned, and the value under "value".

    >>> float(numpy_function("d = p - t; d * d")(p=3.0, t=1.0)["value"])
    4.0
    """
    formula = parse(text, flags)

    def evaluate(**names: Any) -> dict[str, Any]:
        import math

        import numpy as np

        space: dict[str, Any] = {name: getattr(np, name) for name in VOCABULARY if name != "erf"}
        space["erf"] = np.vectorize(math.erf, otypes=[float])
        space.update(names)
        for name, expression in formula.lines:
            space[name] = _evaluate(expression, space)
        return space | {"value": None if formula.value is None else _evaluate(formula.value, space)}

    return evaluate


def _evaluate(expression: ast.expr, space: dict[str, Any]) -> Any:
    # the expression was checked against the vocabulary when it was parsed, and comes from the catalog alone
    return eval(compile(ast.Expression(expression), "<formula>", "eval"), {"__builtins__": {}}, space)


# ---- C -------------------------------------------------------------------------------------------------------------


@dataclass
class Block:
    """C text of a formula inside a loop.  Parts that depend on scalars alone leave the loop: they become `constants`,
    computed in float64 (1 - 0.999 in float32 would be off by 5e-5)."""

    scalars: frozenset[str]
    rename: Mapping[str, str] = field(default_factory=dict)
    constants: list[str] = field(default_factory=list)

    def emit(self, node: ast.expr) -> str:
        """`node` as a C expression of type real."""
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id not in VOCABULARY}
        if names and names <= self.scalars:
            text = emit_scalar(node)
            if text not in self.constants:
                self.constants.append(text)
            return f"c{self.constants.index(text)}"
        if isinstance(node, ast.Constant):
            return f"R({node.value!r})"
        if isinstance(node, ast.UnaryOp):
            inner = node.operand
            return f"R(-{inner.value!r})" if isinstance(inner, ast.Constant) else f"(-{self.emit(inner)})"
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return f"({self.emit(node.left)} {_BINARY[type(node.op)]} {self.emit(node.right)})"
        if isinstance(node, ast.Name):
            return self.rename.get(node.id, node.id)
        if isinstance(node, ast.Call):
            return self._call(node)
        raise SyntaxError(f"{ast.unparse(node)!r} cannot stand in a block")

    def _call(self, node: ast.Call) -> str:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "where":
            test = node.args[0]
            if not isinstance(test, ast.Compare):
                raise SyntaxError("the first argument of where is a comparison")
            compare = f"{self.emit(test.left)} {_COMPARE[type(test.ops[0])]} {self.emit(test.comparators[0])}"
            return f"({compare} ? {self.emit(node.args[1])} : {self.emit(node.args[2])})"
        arguments = [self.emit(a) for a in node.args]
        if name in ("maximum", "minimum") and re.match(r"R\(|c\d", arguments[1]):
            name = {"maximum": "at_least", "minimum": "at_most"}[name]  # a number on the right is never NaN
        return f"vm_{name}({', '.join(arguments)})"


def emit_scalar(node: ast.expr) -> str:
    """`node` as a C expression of type double, over scalars."""
    if isinstance(node, ast.Constant):
        return repr(float(node.value))  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp):
        return f"(-{emit_scalar(node.operand)})"
    if isinstance(node, ast.BinOp):
        left, right = emit_scalar(node.left), emit_scalar(node.right)
        return f"pow({left}, {right})" if isinstance(node.op, ast.Pow) else f"({left} {_BINARY[type(node.op)]} {right})"
    if isinstance(node, ast.Name):
        return f"s_{node.id}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "where" and isinstance(node.args[0], ast.Compare):
            test = node.args[0]
            compare = f"{emit_scalar(test.left)} {_COMPARE[type(test.ops[0])]} {emit_scalar(test.comparators[0])}"
            return f"({compare} ? {emit_scalar(node.args[1])} : {emit_scalar(node.args[2])})"
        arguments = ", ".join(emit_scalar(a) for a in node.args)
        return f"{_C_SCALAR.get(node.func.id, node.func.id)}({arguments})"
    raise SyntaxError(f"{ast.unparse(node)!r} cannot stand in a scalar line")


# ---- optimizers: variants, slots, hyperparameters -------------------------------------------------------------------


def expand_hyper(row: Optimizer) -> dict[str, float]:
    """Hyperparameters as plain numbers in order, without lr; betas become beta1, beta2.

    >>> from fastgrad.catalog import OPTIMIZERS
    >>> list(expand_hyper(OPTIMIZERS["lion"]))
    ['beta1', 'beta2', 'weight_decay']
    """
    flat: dict[str, float] = {}
    for name, value in row.hyper.items():
        if isinstance(value, tuple):
            flat.update({f"{name[:-1]}{i}": v for i, v in enumerate(value, 1)})
        elif name != "lr":
            flat[name] = float(value)
    return flat


@functools.cache
def _variants(update: str, flags: tuple[str, ...]) -> tuple[tuple[tuple[bool, ...], tuple[str, ...]], ...]:
    """(flag values, update lines) of each variant.  Kept: parsing takes longer than training a small network."""
    distinct: dict[tuple[str, ...], tuple[bool, ...]] = {}
    for on in itertools.product((False, True), repeat=len(flags)):
        lines = parse(update, dict(zip(flags, on, strict=True))).lines
        distinct.setdefault(tuple(f"{n} = {ast.unparse(e)}" for n, e in lines), on)
    return tuple((on, lines) for lines, on in distinct.items())


def variants(row: Optimizer) -> list[dict[str, bool]]:
    """Every setting of the row's flags that differs in what it computes, all-off first."""
    return [dict(zip(row.flags, on, strict=True)) for on, _ in _variants(row.update, row.flags)]


@functools.cache
def _lines(update: str, flags: tuple[str, ...], on: tuple[bool, ...]) -> tuple[str, ...]:
    return tuple(f"{n} = {ast.unparse(e)}" for n, e in parse(update, dict(zip(flags, on, strict=True))).lines)


def variant_of(row: Optimizer, hyper: Mapping[str, object]) -> int:
    """Index into `variants(row)` of what these hyperparameters ask for (0 and False switch a flag off)."""
    wanted = _lines(row.update, row.flags, tuple(bool(hyper[flag]) for flag in row.flags))
    return [lines for _, lines in _variants(row.update, row.flags)].index(wanted)


def slots_of(row: Optimizer, flags: Mapping[str, bool]) -> list[str]:
    """The slots that this variant reads or writes, in the row's order.

    >>> from fastgrad.catalog import OPTIMIZERS
    >>> slots_of(OPTIMIZERS["sgd"], {"momentum": False, "nesterov": False})
    []
    """
    lines = _lines(row.update, row.flags, tuple(flags[flag] for flag in row.flags))
    used = set(re.findall(r"[a-z_]\w*", " ".join(lines)))
    return [slot for slot in row.slots if slot in used]
