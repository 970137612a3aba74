"""Forward mode through calls: of functions that call themselves, and of those that have a rule of the user's own.

f(x) -> y, which calls itself, becomes f_dot(x, x_dot) -> (y, y_dot).

What is an argument with a tangent at one call has one at every call; an array that is written into has its companion written
into, as everywhere in forward.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from fastgrad.differentiate.aliases import source_of
from fastgrad.differentiate.kinds import I8
from fastgrad.differentiate.program import (
    Assign,
    Call,
    Custom,
    Expr,
    For,
    Lit,
    Name,
    Program,
    Return,
    Statement,
    Store,
    leaves,
    unused,
)
from fastgrad.differentiate.program import names as names_of
from fastgrad.differentiate.rules import make


@dataclass
class Dual:
    """A function, the name of its dual, and what has companions: names of parameters, positions of results."""

    function: Program
    name: str
    inputs: set[str] = field(default_factory=set)
    outputs: set[int] = field(default_factory=set)

    def targets(self, s: Call) -> list[Name]:
        """The results of a call that have companions."""
        return [s.targets[k] for k in sorted(self.outputs)]

    def given(self, s: Call) -> list[tuple[Name, Expr]]:
        """The parameters that have companions, with the arguments of a call."""
        pairs = zip(self.function.arguments, s.args, strict=True)
        return [(p, arg) for p, arg in pairs if p.id in self.inputs]


def duals(program: Program, start: set[str], activity: Callable[..., set[str]]) -> dict[str, Dual]:
    """What has companions in the functions of the program, where the names `start` have them in itself.

    activity: forward.activity, which enters in the table what the calls of one program hand over.
    """
    taken = dict(program.kinds)
    table = {f.name: Dual(f, unused(taken, f"{f.name}_dot", f.kinds[f.name]).id) for f in program.functions}
    before: Any = None
    while before != (before := [(len(d.inputs), len(d.outputs)) for d in table.values()]):
        activity(program, start, table)
        for dual in table.values():
            here = activity(dual.function, set(dual.inputs), table)
            function = dual.function
            dual.inputs |= {function.arguments[k].id for k in function.writes} & here
            last = function.body[-1]
            assert isinstance(last, Return)
            for k, value in enumerate(leaves(last.values)):
                if value.kind.is_float and names_of(value) & here:
                    dual.outputs.add(k)
    return table


def handed_over(
    s: Call, table: dict[str, Dual], active: set[str], depends: Callable[[Expr, set[str]], bool]
) -> set[str]:
    """The names that a call makes active; what it hands over is entered in the table."""
    dual = table[s.function]
    for p, arg in zip(dual.function.arguments, s.args, strict=True):
        if depends(arg, active):
            dual.inputs.add(p.id)
    found = {t.id for t in dual.targets(s)}
    for k in dual.function.writes:
        if dual.function.arguments[k].id in dual.inputs:
            found.add(source_of(s.args[k]) or "")
    return found - {""}


def dual_form(sweep: Any, dual: Dual) -> Program:
    """The dual of a function. sweep: a forward.Forward of it that has not begun."""
    source: Program = sweep.source
    dots = [sweep.dot(p) for p in source.arguments if p.id in dual.inputs]
    written = {source.arguments[k].id for k in source.writes}
    new = [k for k, p in enumerate(p for p in source.arguments if p.id in dual.inputs) if p.id in written]
    *body, last = source.body
    assert isinstance(last, Return)
    sweep.out = sweep.block(body)
    tangents = [sweep.value_tangent(last, last.values[k]) for k in sorted(dual.outputs)]
    return replace(
        source, name=dual.name, arguments=[*source.arguments, *dots], kinds=sweep.kinds, functions=[],
        body=[*sweep.out, replace(last, values=(*last.values, *tangents))],
        writes=(*source.writes, *(len(source.arguments) + k for k in new)),
        doc=f"{source.name} and its derivative along tangents.",
    )  # fmt: skip


def custom_tangent(sweep: Any, s: Custom) -> list[Statement]:
    """The tangent by a rule of the user's own, which gives adjoints: it is run for each element of the value, each of which
    is one row of the Jacobian. sweep: the forward.Forward."""
    kind = s.seed.kind
    target = Name(s.target, kind)
    dot = sweep.dot(target)
    total: Expr = Lit(0.0, kind.scalar)
    for name, gain in s.gains:
        if name.id in sweep.active:
            term = make("mul", gain, sweep.dot(name))
            total = make("add", total, make("sum", term) if name.kind.is_array else term)
    if total.kind.dtype != kind.dtype:
        total = make("float" if kind.dtype == "f8" else "float32", total)
    if not kind.is_array:
        return [Assign(s.seed.id, Lit(1.0, kind), where=s.where), *s.pull, Assign(dot.id, total, where=s.where)]
    counters = tuple(sweep.fresh("ijklmnpq"[k % 8], I8) for k in range(kind.ndim))
    body: list[Statement] = [
        Assign(s.seed.id, make("zeros_like", target), where=s.where),
        Store(s.seed, counters, Lit(1.0, kind.scalar), where=s.where),
        *s.pull,
        Store(dot, counters, total, where=s.where),
    ]
    for axis, counter in reversed(list(enumerate(counters))):
        body = [For(counter.id, Lit(0, I8), make("shape", target, axis=axis), Lit(1, I8), body, where=s.where)]
    return [Assign(dot.id, make("zeros_like", target), where=s.where), *body]
