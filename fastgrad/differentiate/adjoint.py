"""The adjoint of one expression: what each name in it receives, given the adjoint of its value.

A contribution is (name, index, value): d_name[index] += value; index None stands for the whole. Conditions under which
there is such a place at all stand behind the index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .activity import differentiable, passes
from .algebra import is_number, size
from .errors import DifferentiationError, Where
from .kinds import I8, NONE, Kind
from .program import Expr, Lit, Name, Op
from .rules import RULES, make, number, template

Contribution = tuple[Name, Any, Expr]
LETTERS = "abc"
LONGEST_SHARED = 3  # operations of an adjoint that is repeated rather than given a name


@dataclass
class Adjoint:
    """The walk through one expression. bind: gives a value a name in the reverse sweep; safe: zero adjoints stay zero."""

    active: set[str]
    bind: Callable[[str, Expr], Name]
    safe: bool
    where: Where | None
    found: list[Contribution]
    given: tuple[Expr, ...] = ()  # the conditions under which what is now walked is evaluated at all

    def walk(self, value: Expr, d: Expr, out: Expr, wide: bool = False) -> None:
        """Give d, the adjoint of value, to the names in value. out: how the value itself is read.

        wide: d has the shape of what value was broadcast to, and has yet to be summed to value's own.
        """
        if is_number(d, 0):
            return
        if wide and not _is_elementwise(value):
            d = make("unbroadcast", d, value)
            wide = False
        if isinstance(value, Name):
            if value.id in self.active:
                for test in self.given:  # d may read places that are there under this condition only
                    d = d if isinstance(d, Name | Lit) or _is_masked(d) else make("where", test, d, number(0.0))
                self.found.append((value, None, d))
            return
        if not isinstance(value, Op) or not differentiable(value) & self.active:
            return
        if value.name == "getitem":
            self.element(value, d)
        elif RULES[value.name].partials is not None:
            self.elementwise(value, d, out, wide)
        else:
            self.structured(value, d, out)

    # ---- elementwise ------------------------------------------------------------------------------------------------

    def elementwise(self, value: Op, d: Expr, out: Expr, wide: bool) -> None:
        """Partial times adjoint, summed over what was broadcast: at the end of a chain of elementwise operations."""
        rule = RULES[value.name]
        assert rule.partials is not None
        wanted = [k for k, arg in enumerate(value.args) if passes(value, k) and differentiable(arg) & self.active]
        if value.kind.is_array and not d.kind.is_array and not _one_shape(value) and not _scales(value):
            d = make("full_of", d, value)
        if len(wanted) > 1 and size(d) > LONGEST_SHARED:
            d = self.bind("d_part", d)
        if self.safe and rule.singular and not isinstance(d, Name | Lit) and not _is_masked(d):
            d = self.bind("d_part", d)
        names: dict[str, Expr] = {**dict(zip(LETTERS, value.args, strict=False)), "out": out}
        for k in wanted:
            arg = value.args[k]
            if value.name == "where":
                test, zero = value.args[0], number(0.0)
                new = make("where", test, *((d, zero) if k == 1 else (zero, d)))
            elif value.name == "pow" and k == 0:
                new = times(_power_slope(value), d)
            else:
                new = times(template(rule.partials[k], names), d)
            if self.safe and rule.singular and not is_number(d) and not _is_masked(d):
                new = make("where", make("ne", d, number(0.0)), new, number(0.0))
            later = d.kind.is_array and _is_elementwise(arg) and arg.kind.ndim == new.kind.ndim
            if wide and not later:
                new = make("unbroadcast", new, arg) if arg.kind.is_array else make("sum", new)
            elif not later:
                new = self.reduced(new, arg, value)
            outside = self.given
            if value.name == "where" and not value.kind.is_array:
                self.given = (*outside, value.args[0] if k == 1 else make("not", value.args[0]))
            self.walk(arg, new, arg, later and (wide or _may_differ(arg, value)))
            self.given = outside

    def reduced(self, d: Expr, arg: Expr, value: Op) -> Expr:
        """d, of the shape of value, summed to the shape of an argument that may have been broadcast."""
        if not value.kind.is_array or not _may_differ(arg, value):
            return d
        if not arg.kind.is_array:
            return make("sum", d if d.kind.is_array else make("full_of", d, value))
        return make("unbroadcast", d, arg)

    # ---- elements and slices ------------------------------------------------------------------------------------------

    def element(self, value: Op, d: Expr) -> None:
        """d goes to the place that was read, which may be none where it is read under a condition."""
        base, index = value.args[0], value.args[1:]
        assert isinstance(base, Name)
        self.found.append((base, (*index, *(Op("given", (test,), NONE) for test in self.given)), d))

    # ---- the others ---------------------------------------------------------------------------------------------------

    def structured(self, value: Op, d: Expr, out: Expr) -> None:
        """The adjoint strings of the rule."""
        rule = RULES[value.name]
        if value.name == "sum":
            self.walk(value.args[0], d, value.args[0])
            return
        if value.kind.is_array and not d.kind.is_array:
            d = make("full_of", d, out)
        if not isinstance(d, Name) and len(value.args) > 1:
            d = self.bind("d_part", d)
        if value.name in _SPECIAL:
            for arg, new in zip(value.args, _SPECIAL[value.name](value, d, out, self), strict=True):
                self.walk(arg, new, arg)
            return
        if rule.adjoints is None or value.name == "getitem":
            raise DifferentiationError("has no derivative here", self.where, value.name)
        names: dict[str, Expr] = {**dict(zip(LETTERS, value.args, strict=False)), "out": out, "d": d}
        for name, text in rule.lets:
            names[name] = self.bind(name, template(text, names, dict(value.attrs)))
        for arg, text in zip(value.args, rule.adjoints, strict=False):
            if text and differentiable(arg) & self.active:
                new = template(text, names, dict(value.attrs))
                if self.safe and rule.singular:
                    new = make("where", make("ne", d, number(0.0)), new, number(0.0))
                self.walk(arg, new, arg)


def _is_elementwise(value: Expr) -> bool:
    """Is it an array made element by element?"""
    return (
        isinstance(value, Op)
        and value.kind.is_array
        and value.name != "getitem"
        and RULES[value.name].partials is not None
    )


def _may_differ(arg: Expr, value: Op) -> bool:
    """May an argument have another shape than the result?"""
    return not arg.kind.is_array or arg.kind.shape != value.kind.shape or arg.kind.shape is None


def _scales(value: Op) -> bool:
    """A product or quotient of arrays of as many dimensions: each partial has at least the shape of the other one."""
    return value.name in ("mul", "div") and all(arg.kind.ndim == value.kind.ndim for arg in value.args)


def _one_shape(value: Op) -> bool:
    """Have all arrays among the arguments the shape of the result?"""
    labels = {arg.kind.shape for arg in value.args if arg.kind.is_array}
    return labels == {value.kind.shape} and None not in labels


def times(partial: Expr, d: Expr) -> Expr:
    """partial * d; a masked factor keeps its mask outside, so that an infinite factor never meets a masked zero."""
    for one, other in ((d, partial), (partial, d)):
        if isinstance(one, Op) and one.name == "where" and _is_masked(one):
            test, yes, no = one.args
            return make("where", test, *(v if is_number(v, 0) else times(other, v) for v in (yes, no)))
    if isinstance(d, Op) and d.name == "mul" and isinstance(d.args[1], Name):  # factors first, the adjoint last
        return make("mul", make("mul", partial, d.args[0]), d.args[1])
    return make("mul", partial, d)


def _is_masked(d: Expr) -> bool:
    return isinstance(d, Op) and d.name == "where" and any(is_number(v, 0) for v in d.args[1:])


def _power_slope(value: Op) -> Expr:
    """d/da of a ** b."""
    a, b = value.args
    if isinstance(b, Lit) and is_number(b):
        n = b.value
        factor: Lit = number(float(n)) if a.kind.dtype != "f4" else Lit(float(n), Kind("f4"))
        if n == 1:
            return number(1.0)
        if n == 2:
            return make("mul", factor, a)
        less = Lit(n - 1, b.kind) if isinstance(n, int) else number(n - 1)
        return make("mul", factor, make("pow", a, less)) if n else number(0.0)
    return make("power_slope", a, b)


# ---- operations whose adjoints depend on the kinds or the number of arguments -------------------------------------------


def _matmul(value: Op, d: Expr, out: Expr, walk: Adjoint) -> list[Expr]:
    a, b = value.args
    if (a.kind.ndim, b.kind.ndim) == (1, 1):
        return [make("mul", d, b), make("mul", d, a)]
    if (a.kind.ndim, b.kind.ndim) == (2, 1):
        return [make("outer", d, b), make("matmul", make("T", a), d)]
    if (a.kind.ndim, b.kind.ndim) == (1, 2):
        return [make("matmul", b, d), make("outer", a, d)]
    return [make("matmul", d, make("T", b)), make("matmul", make("T", a), d)]


def _slice(start: Expr, stop: Expr) -> Expr:
    return Op("slice", (start, stop, Lit(1, I8)), Kind("slice"))


def _full() -> Expr:
    none = Lit(None, Kind("none"))
    return Op("slice", (none, none, Lit(1, I8)), Kind("slice"))


def _concatenate(value: Op, d: Expr, out: Expr, walk: Adjoint) -> list[Expr]:
    axis = value.attr("axis")
    start: Expr = Lit(0, I8)
    found: list[Expr] = []
    for arg in value.args:
        stop = make("add", start, make("shape", arg, axis=axis))
        index = (*([_full()] * axis), _slice(start, stop))
        found.append(Op("getitem", (d, *index), arg.kind))
        start = stop
    return found


def _stack(value: Op, d: Expr, out: Expr, walk: Adjoint) -> list[Expr]:
    axis = value.attr("axis") or 0
    return [
        Op("getitem", (d, *([_full()] * axis), Lit(k, I8)), arg.kind if arg.kind.is_float else value.kind.scalar)
        for k, arg in enumerate(value.args)
    ]


_SPECIAL: dict[str, Callable[[Op, Expr, Expr, Adjoint], list[Expr]]] = {
    "matmul": _matmul, "concatenate": _concatenate, "stack": _stack, "array": _stack,
}  # fmt: skip


# ---- gathering ---------------------------------------------------------------------------------------------------------


def gathered(found: list[Contribution]) -> list[Contribution]:
    """One contribution for each place: those to the same name and index are added up, a common adjoint is factored out."""
    order: list[tuple[Name, Any]] = []
    sums: dict[tuple[str, Any], Expr] = {}
    for name, index, value in found:
        key = (name.id, index)
        if key in sums:
            sums[key] = added(sums[key], value)
        else:
            order.append((name, index))
            sums[key] = value
    return [(name, index, sums[name.id, index]) for name, index in order]


def added(a: Expr, b: Expr) -> Expr:
    """a + b; x d + y d becomes (x + y) d for an adjoint d."""
    if a == b:
        return make("mul", number(2.0), a)
    (p, d), (q, e) = _factors(a), _factors(b)
    if d is not None and d == e and p.kind.ndim == q.kind.ndim:
        return make("mul", make("add", p, q), d)
    return make("add", a, b)


def _factors(value: Expr) -> tuple[Expr, Name | None]:
    """(p, d) of p d, where d is an adjoint."""
    if isinstance(value, Name):
        return number(1.0), value
    if isinstance(value, Op) and value.name == "mul" and isinstance(value.args[1], Name):
        return value.args[0], value.args[1]
    return value, None
