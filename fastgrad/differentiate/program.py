"""The small typed language between reading and printing: expressions are trees, control flow is structured.

Names are assigned once on every way through a block, except those that a loop carries: they are set before the loop and
again by the Move at the end of its body. Everything prints as Python (emit.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import Where
from .kinds import Kind

# ---- expressions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Name:
    """A variable."""

    id: str
    kind: Kind


@dataclass(frozen=True)
class Lit:
    """A number or truth; None in an index."""

    value: Any
    kind: Kind

    def __eq__(self, other: object) -> bool:  # 1, 1.0 and True are three literals
        return isinstance(other, Lit) and repr(self.value) == repr(other.value) and self.kind == other.kind

    def __hash__(self) -> int:
        return hash((repr(self.value), self.kind))


@dataclass(frozen=True)
class Op:
    """An operation of the table in rules.py. attrs: constants that are no expressions (axis, offset), as pairs."""

    name: str
    args: tuple[Expr, ...]
    kind: Kind
    attrs: tuple[tuple[str, Any], ...] = ()

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute, or a default."""
        return dict(self.attrs).get(name, default)


Expr = Name | Lit | Op


def walk(expression: Expr) -> Iterator[Expr]:
    """The expression and all its parts."""
    yield expression
    if isinstance(expression, Op):
        for arg in expression.args:
            yield from walk(arg)


def names(expression: Expr) -> set[str]:
    """The names that are read."""
    return {part.id for part in walk(expression) if isinstance(part, Name)}


def rebuild(expression: Expr, change: Callable[[Name], Expr]) -> Expr:
    """The expression with every name replaced."""
    if isinstance(expression, Name):
        return change(expression)
    if isinstance(expression, Op) and expression.args:
        args = tuple(rebuild(arg, change) for arg in expression.args)
        return expression if args == expression.args else replace(expression, args=args)
    return expression


# ---- statements ------------------------------------------------------------------------------------------------------


@dataclass
class Statement:
    """What every statement has."""

    where: Where | None = field(default=None, kw_only=True)
    note: str = field(default="", kw_only=True)  # a comment printed above


@dataclass
class Assign(Statement):
    """target = value."""

    target: str
    value: Expr


@dataclass
class Custom(Assign):
    """target = value, with a rule of the user's own: seed is the adjoint of target, `pull` computes from it what each name in
    `gains` receives."""

    seed: Name
    pull: list[Statement]
    gains: list[tuple[Name, Expr]]


@dataclass
class Call(Statement):
    """targets = function(args), where the function is one of the program's own (it calls itself, so it is not written out).

    An array among the arguments is a name or a view of one. written: positions of the arguments whose new content is among
    the results; looks: may a result be a view of an argument in Python (here it is a copy)?
    """

    targets: list[Name]
    function: str
    args: list[Expr]
    written: tuple[int, ...] = ()
    looks: bool = False


@dataclass
class Store(Statement):
    """base[index] = value, or += with add. An index of one Ellipsis stands for the whole array."""

    base: Name
    index: tuple[Expr, ...]
    value: Expr
    add: bool = False


@dataclass
class Move(Statement):
    """Assignments all at once: what a loop hands from one iteration to the next."""

    targets: list[Name]
    values: list[Expr]


@dataclass
class If(Statement):
    """if test: body, else orelse."""

    test: Expr
    body: list[Statement]
    orelse: list[Statement] = field(default_factory=list)


@dataclass
class For(Statement):
    """for var in range(start, stop, step); left after an iteration at whose end `until` is true.

    free: its iterations may run in any order, as order.py says: scalars are only added to, or set before they are read; an
    array is only added to, or read and written at the one place that the iteration has for itself.
    """

    var: str
    start: Expr
    stop: Expr
    step: Expr
    body: list[Statement]
    carried: list[Name] = field(default_factory=list)
    until: str | None = None
    count: str | None = None  # the name that counts iterations, where the reverse sweep asks for it
    free: bool = False


@dataclass
class While(Statement):
    """while test; left after an iteration at whose end `until` is true."""

    test: Expr
    body: list[Statement]
    carried: list[Name] = field(default_factory=list)
    until: str | None = None
    count: str | None = None


@dataclass
class Raise(Statement):
    """A raise statement, as text."""

    text: str


@dataclass
class Return(Statement):
    """values: a tree of tuples whose leaves are expressions."""

    values: Any


@dataclass
class Program:
    """A function in the small language.

    arguments: what the entry takes, in order, a tree of Names (tuples) or None where an argument is a constant.
    captured: values read anew at every call, which the entry takes after its arguments.
    """

    name: str
    arguments: list[Any]
    captured: list[Captured]
    body: list[Statement]
    kinds: dict[str, Kind]
    lines: dict[tuple[str, int], str] = field(default_factory=dict)
    constants: list[Watched] = field(default_factory=list)
    doc: str = ""
    origin: str = ""  # the name of the user's function
    unused: list[str] = field(default_factory=list)  # names of the parameters, for those that are constants
    writes: tuple[int, ...] = ()  # positions of the arguments that the function writes into
    functions: list[Program] = field(
        default_factory=list
    )  # what it calls: their arguments are names, their results a tuple
    masked: bool = (
        False  # of such a function: is its result thrown away on some way, so that a zero adjoint must stay zero?
    )

    @property
    def result(self) -> Any:
        """The tree of expressions that the function returns."""
        last = self.body[-1]
        assert isinstance(last, Return)
        return last.values


@dataclass
class Captured:
    """A global or closure value of the user's function: `read()` gives it as it is now."""

    name: Name
    read: Callable[[], Any]
    path: str


@dataclass
class Watched:
    """A global or closure value that is built into the program (a function, a module): stale once `read()` is another."""

    read: Callable[[], Any]
    value: Any
    path: str


def unused(kinds: dict[str, Kind], wanted: str, kind: Kind, numbered: str = "{}_{}", first: int = 2) -> Name:
    """A name that is not in `kinds`, now entered there: the wanted one or, where it is taken, one with a number."""
    name, number = wanted, first
    while name in kinds:
        name = numbered.format(wanted, number)
        number += 1
    kinds[name] = kind
    return Name(name, kind)


def calls(body: list[Statement]) -> list[Call]:
    """The calls of the program's own functions."""
    return [s for s in every(body) if isinstance(s, Call)]


def leaves(tree: Any) -> list[Any]:
    """The leaves of nested tuples, from left to right."""
    return [leaf for item in tree for leaf in leaves(item)] if isinstance(tree, tuple) else [tree]


def blocks(statement: Statement) -> list[list[Statement]]:
    """The statement lists inside a statement."""
    if isinstance(statement, If):
        return [statement.body, statement.orelse]
    return [statement.body] if isinstance(statement, For | While) else []


def inside(statement: Statement, change: Callable[[list[Statement]], list[Statement]]) -> Statement:
    """The statement with each of its blocks changed; itself where it has none."""
    if isinstance(statement, If):
        return replace(statement, body=change(statement.body), orelse=change(statement.orelse))
    return replace(statement, body=change(statement.body)) if isinstance(statement, For | While) else statement


def every(body: list[Statement]) -> Iterator[Statement]:
    """Every statement, those inside of others too, in order."""
    for statement in body:
        yield statement
        for block in blocks(statement):
            yield from every(block)


def expressions(statement: Statement) -> list[Expr]:
    """The expressions that the statement itself evaluates."""
    if isinstance(statement, Assign):
        return [statement.value]
    if isinstance(statement, Store):
        return [statement.base, *statement.index, statement.value]
    if isinstance(statement, Move):
        return list(statement.values)
    if isinstance(statement, Call):
        return list(statement.args)
    if isinstance(statement, If | While):
        return [statement.test]
    if isinstance(statement, For):
        return [statement.start, statement.stop, statement.step]
    return leaves(statement.values) if isinstance(statement, Return) else []


def assigned(body: list[Statement]) -> set[str]:
    """The names bound anywhere in the statements."""
    found: set[str] = set()
    for statement in every(body):
        if isinstance(statement, Assign):
            found.add(statement.target)
        elif isinstance(statement, Move | Call):
            found |= {name.id for name in statement.targets}
        elif isinstance(statement, For):
            found.add(statement.var)
        if isinstance(statement, For | While) and statement.count:
            found.add(statement.count)
    return found


def bindings(body: list[Statement]) -> list[tuple[str, Expr]]:
    """The names that are set to expressions anywhere in the statements, each with its expression."""
    found: list[tuple[str, Expr]] = []
    for statement in every(body):
        if isinstance(statement, Assign):
            found.append((statement.target, statement.value))
        elif isinstance(statement, Move):
            found += [(target.id, value) for target, value in zip(statement.targets, statement.values, strict=True)]
    return found


def surely_assigned(body: list[Statement]) -> set[str]:
    """The names bound on every way through the statements."""
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, If):
            found |= surely_assigned(statement.body) & surely_assigned(statement.orelse)
        elif not isinstance(statement, For | While):
            found |= assigned([statement])
    return found


def used(body: list[Statement]) -> set[str]:
    """The names read anywhere in the statements."""
    found: set[str] = set()
    for statement in every(body):
        for expression in expressions(statement):
            found |= names(expression)
        if isinstance(statement, For | While) and statement.until:
            found.add(statement.until)
    return found


def substitute(body: list[Statement], change: Callable[[Name], Expr], rename: Callable[[str], str]) -> list[Statement]:
    """A copy of the statements with names read replaced by `change` and names bound by `rename`."""
    return rewritten(body, lambda expression: rebuild(expression, change), rename)


def rewritten(
    body: list[Statement], change: Callable[[Expr], Expr], rename: Callable[[str], str] = lambda name: name
) -> list[Statement]:
    """A copy of the statements with expressions replaced by `change`, which leaves names names; names bound by `rename`."""

    def tree(values: Any) -> Any:
        return tuple(tree(v) for v in values) if isinstance(values, tuple) else change(values)

    def named(name: Name) -> Name:
        new = change(name)
        assert isinstance(new, Name)
        return new

    def one(s: Statement) -> Statement:
        if isinstance(s, Custom):
            gains = [(named(n), change(v)) for n, v in s.gains]
            s = replace(s, seed=named(s.seed), gains=gains, pull=[one(x) for x in s.pull])
        if isinstance(s, Assign):
            return replace(s, target=rename(s.target), value=change(s.value))
        if isinstance(s, Store):
            base = named(s.base)
            return replace(s, base=base, index=tuple(change(i) for i in s.index), value=change(s.value))
        if isinstance(s, Move):
            targets = [Name(rename(t.id), t.kind) for t in s.targets]
            return replace(s, targets=targets, values=[rebuild(v, change) for v in s.values])
        if isinstance(s, Call):
            targets = [Name(rename(t.id), t.kind) for t in s.targets]
            return replace(s, targets=targets, args=[rebuild(v, change) for v in s.args])
        if isinstance(s, If):
            return replace(
                s,
                test=change(s.test),
                body=[one(x) for x in s.body],
                orelse=[one(x) for x in s.orelse],
            )
        if isinstance(s, Return):
            return replace(s, values=tree(s.values))
        if isinstance(s, Raise):
            return s
        assert isinstance(s, For | While)
        carried = [Name(rename(c.id), c.kind) for c in s.carried]
        common: dict[str, Any] = {
            "body": [one(x) for x in s.body],
            "carried": carried,
            "until": rename(s.until) if s.until else None,
            "count": rename(s.count) if s.count else None,
        }
        if isinstance(s, For):
            start, stop, step = (change(bound) for bound in (s.start, s.stop, s.step))
            return replace(s, var=rename(s.var), start=start, stop=stop, step=step, **common)
        return replace(s, test=change(s.test), **common)

    return [one(s) for s in body]
