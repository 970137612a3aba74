"""The forward sweep: a program that computes, beside every value, its derivative along given tangents.

Promised: whatever the small language can say, the output of the reverse sweep included, so that second derivatives are the
forward sweep of a gradient.  Every active name x gets a companion x_dot of the same kind and, for arrays, with the same
sharing of memory: a view's companion is the same view of the companion, so writes are seen where they must be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastgrad.differentiate.activity import passes
from fastgrad.differentiate.adjoint import _power_slope as power_slope
from fastgrad.differentiate.aliases import source_of, stored
from fastgrad.differentiate.dualcalls import Dual, custom_tangent, dual_form, duals, handed_over
from fastgrad.differentiate.errors import DifferentiationError
from fastgrad.differentiate.kinds import Kind
from fastgrad.differentiate.program import (
    Assign,
    Call,
    Custom,
    Expr,
    For,
    If,
    Lit,
    Move,
    Name,
    Op,
    Program,
    Return,
    Statement,
    Store,
    While,
    calls,
    every,
    leaves,
    names,
    unused,
)
from fastgrad.differentiate.rules import RULES, make, number, template, with_kind
from fastgrad.differentiate.terms import letters, pruned

ONE_BY_ONE = {"getitem", "concatenate", "stack", "array"}  # linear, and served without a row's help
GATHERING = {"concatenate", "stack", "array"}  # linear in all their arguments
LETTERS = "abc"


def forward(program: Program, wrt: Sequence[Any]) -> Program:
    """The program of (value, tangent): it takes the arguments of `program` and then tangents of those in `wrt`.

    wrt: some of the program's arguments, or of the names in them.  Values and tangents are trees of the same form; the
    tangent of what does not depend on `wrt` is zero.
    """
    start = {name.id for tree in wrt for name in leaves(tree)}
    table = duals(program, start, activity)
    made = Forward(program, wrt, table).program()
    inside = [dual_form(Forward(dual.function, [], table), dual) for dual in table.values() if dual.inputs]
    return replace(made, functions=[*program.functions, *inside])


class Forward:
    """The state of one sweep."""

    def __init__(self, program: Program, wrt: Sequence[Any], table: dict[str, Dual]) -> None:
        self.source, self.wrt, self.table = program, wrt, table
        self.kinds = dict(program.kinds)
        self.dots: dict[str, str] = {}
        self.count = 0
        self.guarded = 0  # inside how many arms of conditional expressions
        self.out: list[Statement] = []
        start = {name.id for tree in wrt for name in leaves(tree)}
        start |= table[program.name].inputs if program.name in table else set()
        self.active = activity(program, start, table)
        self.mutable = stored(program)

    def program(self) -> Program:
        """All of it."""
        tangents = [self.dotted(tree) for tree in self.wrt]
        body = [*self.still(), *self.block(self.source.body)]
        name, arguments = f"{self.source.name}_dot", [*self.source.arguments, *tangents]
        return replace(self.source, name=name, arguments=arguments, body=body, kinds=self.kinds)

    def value_tangent(self, s: Statement, value: Expr) -> Expr:
        """The tangent of a value, written out where it is zero."""
        _, tangent = self.dual(s, value)
        return tangent if tangent is not None else zero(value)

    def still(self) -> list[Statement]:
        """Zero for what is given without a tangent, and goes by the name of what has one later on."""
        moved = {name.id for tree in self.wrt for name in leaves(tree)}
        given = [name for tree in self.source.arguments for name in leaves(tree) if name is not None]
        given += [item.name for item in self.source.captured]
        found = [name for name in given if name.id in self.active - moved]
        return [Assign(self.dot(name).id, zero(name)) for name in found]

    # ---- names -------------------------------------------------------------------------------------------------------

    def fresh(self, wanted: str, kind: Kind) -> Name:
        """A name that nothing else has."""
        return unused(self.kinds, wanted, kind, "{}{}")

    def dot(self, name: Name) -> Name:
        """The companion of an active name."""
        if name.id not in self.dots:
            self.dots[name.id] = self.fresh(f"{name.id}_dot", self.kinds.get(name.id, name.kind)).id
        return Name(self.dots[name.id], name.kind)

    def dotted(self, tree: Any) -> Any:
        """Companions for a tree of names."""
        return tuple(self.dotted(item) for item in tree) if isinstance(tree, tuple) else self.dot(tree)

    # ---- statements --------------------------------------------------------------------------------------------------

    def block(self, body: list[Statement]) -> list[Statement]:
        """The statements, each with what computes the companions."""
        outer, self.out = self.out, []
        for s in body:
            self.statement(s)
        done, self.out = self.out, outer
        return done

    def statement(self, s: Statement) -> None:
        """One statement."""
        if isinstance(s, Custom):
            self.custom(s)
        elif isinstance(s, Assign):
            self.assign(s)
        elif isinstance(s, Store):
            self.store(s)
        elif isinstance(s, Move):
            self.move(s)
        elif isinstance(s, Call):
            self.call(s)
        elif isinstance(s, If):
            self.out.append(replace(s, body=self.block(s.body), orelse=self.block(s.orelse)))
        elif isinstance(s, For | While):
            carried = [n for name in s.carried for n in self.with_dot(name)]
            self.out.append(replace(s, body=self.block(s.body), carried=carried))
        elif isinstance(s, Return):
            self.out.append(replace(s, values=self.pairs(s, s.values)))
        else:
            self.out.append(s)

    def with_dot(self, name: Name) -> list[Name]:
        """A name and its companion, if it has one."""
        return [name, self.dot(name)] if name.id in self.active else [name]

    def assign(self, s: Assign) -> None:
        """target = value, and its companion."""
        target = Name(s.target, self.kinds[s.target])
        if s.target not in self.active:
            self.out.append(s)
            return
        value, tangent = self.dual(s, s.value)
        tangent = self.owned(value, tangent, s.target in self.mutable)
        both = [replace(s, value=value), Assign(self.dot(target).id, tangent or zero(target), where=s.where)]
        if tangent is not None and s.target in names(tangent):  # of the value that is about to be replaced
            both.reverse()
        self.out += both

    def custom(self, s: Custom) -> None:
        """target = value by a rule of the user's own, and its companion."""
        self.out.append(Assign(s.target, s.value, where=s.where))
        if s.target in self.active:
            self.out += custom_tangent(self, s)

    def store(self, s: Store) -> None:
        """base[index] = value, and the same in the companion."""
        if s.base.id not in self.active:
            self.out.append(s)
            return
        value, tangent = self.dual(s, s.value)
        if tangent is not None or not s.add:  # before the value is written: the tangent may read what is overwritten
            self.out.append(replace(s, base=self.dot(s.base), value=tangent or number(0.0), note=""))
        self.out.append(replace(s, value=value))

    def call(self, s: Call) -> None:
        """A call of a function of the program: of its dual, where anything is to be differentiated."""
        dual = self.table[s.function]
        wanted = any(t.id in self.active for t in dual.targets(s)) or any(depends(arg, self.active) for arg in s.args)
        if dual.inputs and wanted:
            tangents = [fitted(self.value_tangent(s, arg), p.kind) for p, arg in dual.given(s)]
            targets = [*s.targets, *(self.dot(t) for t in dual.targets(s))]
            s = replace(s, targets=targets, function=dual.name, args=[*s.args, *tangents])
        self.out.append(s)

    def move(self, s: Move) -> None:
        """Assignments all at once, companions among them."""
        targets, values = [], []
        for target, old in zip(s.targets, s.values, strict=True):
            value, tangent = self.dual(s, old) if target.id in self.active else (old, None)
            tangent = self.owned(value, tangent, True)
            targets += self.with_dot(target)
            values.append(value)
            if target.id in self.active:
                values.append(tangent or zero(value))
        self.out.append(replace(s, targets=targets, values=values))

    def pairs(self, s: Statement, tree: Any) -> Any:
        """(values, tangents) of a tree of results."""
        if not isinstance(tree, tuple):
            value, tangent = self.dual(s, tree)
            if tangent is None and value.kind.is_array and not isinstance(value, Name):
                value = self.named(s, value)
            return value, self.owned(value, tangent, True) or zero(value)
        both = [self.pairs(s, item) for item in tree]
        return tuple(value for value, _ in both), tuple(tangent for _, tangent in both)

    # ---- expressions -------------------------------------------------------------------------------------------------

    def owned(self, value: Expr, tangent: Expr | None, mutable: bool) -> Expr | None:
        """The tangent of a new array as a new array, where one is written into: that of x + 1 is that of x itself."""
        source = source_of(tangent) if tangent is not None and source_of(value) is None else None
        if tangent is None or source is None:
            return tangent
        mutable = mutable or any(self.dots.get(name) == source for name in self.mutable)
        return make("copy", tangent) if mutable else tangent

    def named(self, s: Statement, value: Expr) -> Expr:
        """The value under a name of its own, so that it can be used more than once."""
        if (
            self.guarded
            or not isinstance(value, Op)
            or (value.name == "getitem" and not any(isinstance(a, Op) for a in value.args))
        ):
            return value
        self.count += 1
        name = self.fresh(f"t{self.count}", value.kind)
        self.out.append(Assign(name.id, value, where=s.where))
        return name

    def dual(self, s: Statement, e: Expr) -> tuple[Expr, Expr | None]:
        """The value and its tangent, None where that is zero.  What both need is named before the statement."""
        if isinstance(e, Name):
            return e, self.dot(e) if e.id in self.active else None
        if isinstance(e, Lit) or not depends(e, self.active):
            return e, None
        duals = [self.argument(s, e, k) for k in range(len(e.args))]
        tangents = {k: t for k, (_, t) in enumerate(duals) if t is not None and k in moving(e)}
        if not tangents:
            return replace(e, args=tuple(v for v, _ in duals)), None
        rule = RULES[e.name]
        if rule.partials is None and not rule.tangent and e.name not in ONE_BY_ONE:
            raise DifferentiationError("has no forward derivative here", s.where, e.name)
        texts = [rule.tangent] if rule.partials is None else [rule.partials[k] for k in tangents]
        shared = frozenset().union(*(letters(text) for text in texts))
        values = [self.named(s, v) if k < 3 and LETTERS[k] in shared else v for k, (v, _) in enumerate(duals)]
        value: Expr = replace(e, args=tuple(values))
        if "out" in shared or e.name in GATHERING or self.must_spread(e, tangents):
            value = self.named(s, value)
        tangent = fitted(self.tangent(e, values, tangents, value), e.kind)
        if self.must_spread(e, tangents):
            tangent = (
                make("full_of", tangent, value)
                if not tangent.kind.ndim
                else make("add", tangent, make("zeros_like", value))
            )
        return value, with_kind(tangent, e.kind)

    def argument(self, s: Statement, e: Op, k: int) -> tuple[Expr, Expr | None]:
        """`dual` of an argument; of an arm that may not be taken nothing is computed before the statement."""
        arm = e.name == "where" and not e.kind.is_array and k > 0
        self.guarded += arm
        found = self.dual(s, e.args[k])
        self.guarded -= arm
        return found

    def must_spread(self, e: Op, tangents: dict[int, Expr]) -> bool:
        """May the tangent, to which the other argument adds no factor, have fewer elements than the result?"""
        if e.name not in ("add", "sub", "mod") or not e.kind.is_array:
            return False
        still = [arg for k, arg in enumerate(e.args) if k not in tangents and arg.kind.is_array]
        full = any(e.args[k].kind.ndim == e.kind.ndim and e.args[k].kind.shape is not None
                   and e.args[k].kind.shape == e.kind.shape for k in tangents)  # fmt: skip
        return bool(still) and not full

    def tangent(self, e: Op, values: Sequence[Expr], tangents: dict[int, Expr], out: Expr) -> Expr:
        """The derivative of one operation, from its row in the table."""
        rule = RULES[e.name]
        if e.name == "where":
            chosen = [tangents.get(k, zero(values[k])) for k in (1, 2)]
            return make("where", values[0], *chosen)
        if e.name == "getitem" or "rest" in rule.tangent:
            return replace(e, args=(tangents[0], *values[1:]))
        if e.name in GATHERING:
            return replace(e, args=tuple(tangents.get(k, zero(v)) for k, v in enumerate(values)))
        if e.name.startswith(
            "scatter_add"
        ):  # linear in both arrays together: where one is constant, the other still counts
            given, index, added = values
            return replace(e, args=(tangents.get(0, zero(given)), index, tangents.get(2, zero(added))))
        names = dict(zip(LETTERS, values, strict=False)) | {"out": out}
        attrs = dict(e.attrs)
        if rule.partials is None:
            dots = {f"d{LETTERS[k]}": t for k, t in tangents.items()}
            return template(pruned(rule.tangent, letters(rule.tangent).difference(dots)), names | dots, attrs)
        slopes = {k: template(rule.partials[k], names, attrs) for k in tangents if (e.name, k) != ("pow", 0)}
        if e.name == "pow" and 0 in tangents:
            slopes[0] = power_slope(replace(e, args=tuple(values)))
        terms = [make("mul", slopes[k], t) for k, t in tangents.items()]
        total = terms[0]
        for term in terms[1:]:
            total = make("add", total, term)
        return total


def zero(value: Expr) -> Expr:
    """Nothing, in the form of a value."""
    return make("zeros_like", value) if value.kind.is_array else Lit(0.0, value.kind)


def fitted(tangent: Expr, kind: Kind) -> Expr:
    """The tangent in the number type of its value."""
    if tangent.kind.dtype == kind.dtype or isinstance(tangent, Lit):
        return tangent
    scalar, array = ("float", "as_f8") if kind.dtype == "f8" else ("float32", "as_f4")
    return make(array if tangent.kind.is_array else scalar, tangent)


# ---- which names have a companion ------------------------------------------------------------------------------------


def moving(e: Op) -> list[int]:
    """The arguments that the result depends on smoothly, or may: of an operation without any rule, all."""
    rule = RULES[e.name]
    if rule.partials is None and not rule.tangent and rule.adjoints is None:
        return list(range(len(e.args)))
    if rule.partials is None and e.name not in ONE_BY_ONE:
        return [k for k in range(len(e.args)) if k < len(LETTERS) and f"d{LETTERS[k]}" in letters(rule.tangent)]
    return [k for k in range(len(e.args)) if passes(e, k)]


def depends(e: Expr, active: set[str]) -> bool:
    """Does the value depend smoothly on an active name?"""
    if isinstance(e, Name):
        return e.id in active
    return isinstance(e, Op) and e.kind.is_float and any(depends(e.args[k], active) for k in moving(e))


def activity(program: Program, start: set[str], table: dict[str, Dual]) -> set[str]:
    """The names that depend on those in `start`; arrays that share memory are active together.

    table: the functions of the program; what calls hand over is entered there.
    """
    flows: list[tuple[str, Expr]] = []
    shared: list[tuple[str, str]] = []
    for s in every(program.body):
        if isinstance(s, Custom):
            flows += [(s.target, name) for name, _ in s.gains]
        elif isinstance(s, Assign):
            flows.append((s.target, s.value))
        elif isinstance(s, Store) and s.base.kind.is_float:  # integers and truths keep no derivative
            flows.append((s.base.id, s.value))
        elif isinstance(s, Move):
            flows += [(target.id, value) for target, value in zip(s.targets, s.values, strict=True)]
        if isinstance(s, Assign | Move):
            for target, value in flows[-(len(s.targets) if isinstance(s, Move) else 1) :]:
                base = source_of(value)
                if base is not None and value.kind.is_float:
                    shared.append((target, base))
    active = set(start)
    before = -1
    while before != len(active):
        before = len(active)
        active |= {target for target, value in flows if target not in active and depends(value, active)}
        for s in calls(program.body):
            active |= handed_over(s, table, active, depends)
        for a, b in shared:
            if a in active or b in active:
                active |= {a, b}
    return active
