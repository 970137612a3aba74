"""What grows while a function is read: statements, names, kinds, and what was taken from outside."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from .algebra import is_number
from .aliases import source_of
from .errors import DifferentiationError, Where
from .kinds import B1, F8, I8, Constant, Kind, kind_of
from .program import Assign, Captured, Expr, If, Lit, Name, Op, Program, Raise, Statement, Watched
from .rules import RULES, make
from .values import Items, Scope, Static, is_expr

RESERVED = {"np", "math", *keyword.kwlist, *RULES, *dir(__import__("builtins")), "tape", "top", "marks", "depth"}
MOST_STATEMENTS = 20_000


@dataclass
class Builder:
    """The state of one reading. block: lowers a block (set by lowering.py, since blocks stand in statements)."""

    current: list[Statement] = field(default_factory=list)
    kinds: dict[str, Kind] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    captured: dict[str, Captured] = field(default_factory=dict)
    watched: dict[str, Watched] = field(default_factory=dict)
    lines: dict[tuple[str, int], str] = field(default_factory=dict)
    where: Where | None = None
    stack: list[Any] = field(default_factory=list)
    labels: int = 0
    written: int = 0
    discarded: ast.AST | None = None  # the call that stands as a statement: nobody asks for its result
    discards: list[bool] = field(default_factory=list)  # the same for the calls that are being written out
    renamed: dict[str, Name] = field(default_factory=dict)  # values that took the name of what a branch hands on
    forms: dict[str, Any] = field(default_factory=dict)  # of names that a loop sets first: how their tuples nest
    functions: list[Program] = field(
        default_factory=list
    )  # what was read apart, because it calls itself (recursion.py)
    apart: list[Any] = field(default_factory=list)  # the same, and those that are being read, as recursion.Apart
    pending: list[Any] = field(default_factory=list)  # those that are being read
    unrolled: set[Any] = field(default_factory=set)  # functions that have to be written out at every depth
    block: Callable[..., Any] = field(default=lambda *a, **k: None)

    # ---- names ------------------------------------------------------------------------------------------------------

    def fresh(self, base: str) -> str:
        """A name that the program does not have yet, close to `base`."""
        base = base.rstrip("_0123456789") if base.endswith("_") else base
        base = base or "value"
        while True:
            count = self.counts.get(base, 0)
            self.counts[base] = count + 1
            name = f"{base}_{count}" if count else base
            if name not in self.kinds and name not in RESERVED:
                return name

    def label(self) -> int:
        """A shape label of its own."""
        self.labels += 1
        return self.labels

    def name(self, base: str, kind: Kind) -> Name:
        """A new name of a kind."""
        if kind.ndim and kind.shape is None:
            kind = replace(kind, shape=self.label())
        new = Name(self.fresh(base), kind)
        self.kinds[new.id] = kind
        return new

    def emit(self, statement: Statement) -> None:
        """Append a statement to the present block."""
        self.written += 1
        if self.written > MOST_STATEMENTS:
            raise self.error("becomes too long when its calls are written out")
        if statement.where is None:
            statement.where = self.where
        self.current.append(statement)

    def require(self, fits: Expr, error: str) -> None:
        """Raise the error, when it runs, unless the condition holds."""
        self.emit(If(fits, [], [Raise(f"raise {error}", where=self.where)]))

    def bind(self, base: str, value: Expr) -> Name:
        """base = value under a fresh name."""
        new = self.name(base, value.kind)
        self.emit(Assign(new.id, value))
        return new

    @contextmanager
    def into(self, statements: list[Statement]) -> Any:
        """Statements go to another list for a while."""
        before, self.current = self.current, statements
        try:
            yield statements
        finally:
            self.current = before

    def snapshot(self) -> tuple[Any, ...]:
        """What a trial reading must put back."""
        functions = list(self.functions), list(self.apart)
        return dict(self.kinds), dict(self.counts), self.labels, dict(self.renamed), *functions

    def restore(self, state: tuple[Any, ...]) -> None:
        """Forget the names made since the snapshot, but for those of captured values, which are found only once."""
        self.kinds, self.counts, self.labels = dict(state[0]), dict(state[1]), state[2]
        self.kinds |= {item.name.id: item.name.kind for item in self.captured.values()}
        self.renamed, self.functions, self.apart = dict(state[3]), list(state[4]), list(state[5])

    # ---- expressions ------------------------------------------------------------------------------------------------

    def operand(self, value: Expr) -> Expr:
        """A part of a larger expression: what is costly gets a name of its own."""
        if isinstance(value, Op) and value.name == "box":
            value = value.args[0]  # of the array nothing but the number is used
        return self.atom(value) if is_heavy(value) else value

    def atom(self, value: Expr) -> Expr:
        """A name or a literal."""
        if isinstance(value, Op) and value.name == "T" and isinstance(value.args[0], Name):
            return value
        return self.bind(value.name + "_", value) if isinstance(value, Op) else value

    def apply(self, op: str, *args: Expr, **attrs: Any) -> Expr:
        """An operation on operands."""
        simple = RULES[op].partials is not None or op in ("sum", "shape", "size")
        parts = [self.operand(a) if simple or not a.kind.is_array else self.atom(a) for a in args]
        result = make(op, *parts, **attrs)
        if RULES[op].partials is not None and result.kind.is_array and source_of(result):
            return make("copy", result)  # x + 0 is x, but a new array of its own
        return result

    # ---- errors -----------------------------------------------------------------------------------------------------

    def error(self, message: str, node: ast.AST | None = None) -> DifferentiationError:
        """The error that points at the present line, or at a node on it."""
        where = self.where
        node = getattr(node, "written", node)
        if where and node is not None and hasattr(node, "lineno"):
            where = where._replace(line=node.lineno)
        text = ast.unparse(node) if node is not None else None
        if text and len(text) > 80:
            text = text[:77] + "..."
        return DifferentiationError(message, where, text)

    # ---- what comes from outside --------------------------------------------------------------------------------------

    def outside(self, read: Callable[[], Any], path: str, base: str) -> Any:
        """A global or closure value: numbers and arrays become hidden arguments, the rest is known now."""
        if path in self.captured:
            return self.captured[path].name
        value = read()
        kind = kind_of(value)
        if isinstance(kind, Kind):
            name = self.name(base, kind)
            self.captured[path] = Captured(name, read, path)
            return name
        if isinstance(value, tuple | list):
            items = tuple(
                self.outside(lambda k=k: read()[k], f"{path}[{k}]", f"{base}_{k}")  # type: ignore[misc]
                for k in range(len(value))
            )
            return items if isinstance(value, tuple) else Items(items)
        self.watched[path] = Watched(read, value, path)
        return Static(value, read, path)

    def static_int(self, value: Any, node: ast.AST) -> int:
        """An integer that must be known when the function is read (an axis, a number of dimensions)."""
        if isinstance(value, Lit) and isinstance(value.value, int):
            return int(value.value)
        if isinstance(value, Op) and value.name == "neg" and isinstance(value.args[0], Lit):
            return -int(value.args[0].value)
        for item in self.captured.values():
            if item.name == value and isinstance(item.read(), int):
                self.watched[item.path] = Watched(item.read, item.read(), item.path)
                return int(item.read())
        raise self.error("must be a constant integer here", node)


def is_heavy(value: Expr) -> bool:
    """Costly enough to be computed once and given a name."""
    if not isinstance(value, Op):
        return False
    if value.name == "pow":
        exponent = value.args[1]
        return not (is_number(exponent) and exponent.value in (1, 2, 3))  # type: ignore[union-attr]
    if value.name == "getitem":
        return any(arg.kind.is_array for arg in value.args[1:])
    return RULES[value.name].heavy


def as_value(value: Any) -> Any:
    """A Python constant as a value of the program."""
    if isinstance(value, bool):
        return Lit(value, B1)
    if isinstance(value, int):
        return Lit(value, I8)
    if isinstance(value, float):
        return Lit(value, F8)
    if isinstance(value, Constant):
        given = value.value  # an argument: this object, whose attributes may change
        return Static(given, lambda: given, f"argument@{id(given):x}") if callable(given) else as_value(given)
    return value if is_expr(value) else Static(value)


def known(value: Any) -> bool:
    """Is the value known when the function is read?"""
    return isinstance(value, Static | Lit)


def lookup(b: Builder, scope: Scope, name: str, node: ast.AST) -> Any:
    """What a name means: a local of this or an enclosing function, or a value from outside."""
    from .values import UNBOUND

    inner: Scope | None = scope
    while inner is not None:
        if name in inner.env:
            value = inner.env[name]
            if value is UNBOUND:
                raise b.error("may not have a value here", node)
            return value
        last, inner = inner, inner.parent
    found = last.source.reader(name)
    if found is None:
        raise b.error("is not defined", node)
    origin, read = found
    path = f"{last.source.function.__qualname__}@{id(last.source.function):x}:{origin}:{name}"
    if origin == "builtin":
        return Static(read(), read, path)
    if origin == "closure":
        try:
            read()
        except ValueError:
            raise b.error("has no value yet", node) from None
    return b.outside(read, path, name)
