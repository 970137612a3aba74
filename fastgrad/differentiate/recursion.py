"""Functions that call themselves: read apart from where they are called, and called in the program, too.

A call is written out where it stands (calls.py). When a function turns out to call itself with arguments of the same kinds,
that would never end: reading goes back to the outermost such call and reads the function once, as one of the program's own.
The kind of its result is that of the ways on which it does not call itself; it is read again until that no longer changes.
Where the text shows the depth, as in power(x, 5), a few levels are written out.
What a function takes from around it becomes a further parameter. A function that writes into its arrays works on copies,
and returns them; its caller writes them back.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .builder import Builder
from .errors import DifferentiationError
from .kinds import Kind, join
from .lifting import finish, stores
from .merging import convert
from .program import Call, Expr, Lit, Name, Op, Return, Statement
from .values import UNBOUND, Closure, Listed, Slice, Static, flatten, form, is_expr, refill

DEEPEST = 8  # so many levels of a call of itself are written out, where each has other literals
MOST_NESTED = 60


class Recursive(Exception):
    """A call of what is being written out. frame: the outermost such call; varying: its literals that change on the way."""

    def __init__(self, frame: Frame, varying: set[int]):
        super().__init__()
        self.frame, self.varying = frame, varying


class Undetermined(Exception):
    """The kind of a result is needed that is not known yet: this way through the function cannot tell it."""

    def __init__(self, function: Apart):
        super().__init__()
        self.function = function


@dataclass(eq=False)
class Frame:
    """A call that is being written out. code: what says which function it is; keys: its arguments, as far as they matter."""

    code: Any
    keys: list[Any]


@dataclass(eq=False)
class Apart:
    """A function that is read apart. parameters: for each leaf of its arguments a name, or None where it is a constant.

    form, result: how its result nests; for each leaf a Kind, a constant, or the position of the argument that it is.
    """

    code: Any
    keys: list[Any]
    name: str
    parameters: list[Name | None]
    form: Any = None
    result: list[Any] | None = None
    shared: bool = False  # may calls from elsewhere use it?
    title: str = ""  # what the user calls it
    start: int = 0  # the functions of the builder from here on were read inside of it
    lifted: list[Name] = field(default_factory=list)  # further parameters: what it takes from around it
    written: list[int] = field(default_factory=list)  # the parameters that it writes into, and returns
    looks: bool = False  # may its result be a view of an argument in Python?

    def serves(self, code: Any, keys: list[Any]) -> bool:
        """Is a call one of this function?"""
        if self.code != code or len(keys) != len(self.keys):
            return False
        return all(
            given == own if p is None else kind_of(given) == kind_of(own)
            for given, own, p in zip(keys, self.keys, self.parameters, strict=True)
        )


def key(value: Any) -> Any:
    """What of an argument decides whether two calls are the same: the kind of what is computed, else the value itself."""
    if isinstance(value, Lit):
        return ("literal", repr(value.value), value.kind.dtype)
    if isinstance(value, Name | Op):
        return ("kind", value.kind.dtype, value.kind.ndim)
    if isinstance(value, Listed):
        return ("list", value.array.kind.dtype)
    if isinstance(value, Static):
        simple = value.value is None or isinstance(value.value, str)
        return ("constant", value.value if simple else id(value.value))
    return ("other", id(value))


def kind_of(one: Any) -> tuple[str, int]:
    """Number type and dimensions of what a key stands for."""
    return (one[2], 0) if one[0] == "literal" else (one[1], one[2]) if one[0] == "kind" else ("", -1)


def inlined(b: Builder, code: Any, env: dict[str, Any], at: ast.AST, run: Callable[[dict[str, Any]], Any],
            title: str, shared: bool) -> Any:  # fmt: skip
    """The value of a function's body for parameters `env`, by run(env); of one that calls itself, of a call.

    code: what says which function it is.  shared: does it see nothing but its parameters and globals?
    """
    keys = [key(value) for value in flatten(tuple(env.values()))]
    for function in reversed(b.apart):
        if (function.shared or function in b.pending) and function.serves(code, keys):
            return call(b, function, flatten(tuple(env.values())), at)
    check_depth(b, code, keys, at)
    state, start, here, where = b.snapshot(), len(b.current), Frame(code, keys), b.where
    b.stack.append(here)
    try:
        return run(dict(env))
    except Recursive as found:
        if found.frame is not here:
            raise
        varying = found.varying
    finally:
        b.stack.pop()
        b.where = where
    del b.current[start:]
    b.restore(state)
    try:
        function = read_apart(b, here, env, varying, run, title, shared, at)
    except DifferentiationError:
        if not varying:
            raise
        b.unrolled.add(code)  # what changes with the depth must be known: the levels are written out after all
        b.restore(state)
        return inlined(b, code, env, at, run, title, shared)
    return call(b, function, flatten(tuple(env.values())), at)


def check_depth(b: Builder, code: Any, keys: list[Any], at: ast.AST) -> None:
    """Recursive, where writing out this call would go on for ever, or for long; DifferentiationError where nothing helps."""
    same = [frame for frame in b.stack if frame.code == code]
    for frame in same:
        if frame.keys == keys:
            raise Recursive(frame, set())
    if len(same) >= DEEPEST and code not in b.unrolled:
        for frame in same:
            other = {k for k, (a, c) in enumerate(zip(frame.keys, keys, strict=False)) if a != c}
            if len(frame.keys) == len(keys) and all(keys[k][0] == frame.keys[k][0] == "literal" for k in other):
                raise Recursive(frame, other)
    if len(b.stack) >= MOST_NESTED:
        raise b.error(f"nests more than {MOST_NESTED} calls", at)


def read_apart(b: Builder, frame: Frame, env: dict[str, Any], varying: set[int], run: Callable[[dict[str, Any]], Any],
               title: str, shared: bool, at: ast.AST) -> Apart:  # fmt: skip
    """The function, read as one of the program's own."""
    given = flatten(tuple(env.values()))
    shared = shared and not any(isinstance(v, Closure) for v in given)
    one = Apart(frame.code, frame.keys, b.fresh(title), [], shared=shared, title=title, start=len(b.functions))
    b.kinds[one.name] = Kind("function")
    labels = [f"{name}_{k}" if len(flatten(v)) > 1 else name for name, v in env.items() for k in range(len(flatten(v)))]
    for k, (name, value) in enumerate(zip(labels, given, strict=True)):
        one.parameters.append(parameter(b, name, value, k in varying, at))
    b.apart.append(one)
    b.pending.append(one)
    b.stack.append(frame)
    b.discards.append(False)
    try:
        body = settled(b, one, env, given, run, at)
    except BaseException:
        b.apart.remove(one)
        raise
    finally:
        b.pending.remove(one)
        b.stack.pop()
        b.discards.pop()
    finish(b, one, body)
    return one


def parameter(b: Builder, name: str, value: Any, varies: bool, at: ast.AST) -> Name | None:
    """The parameter for a leaf of the arguments; None where that is a constant."""
    if isinstance(value, Slice):
        raise b.error("passes a slice to a function that calls itself", at)
    if isinstance(value, Listed):
        value = value.array
    if not is_expr(value) or (isinstance(value, Lit) and not varies):
        return None
    return b.name(name, Kind(value.kind.dtype, value.kind.ndim))


def settled(b: Builder, one: Apart, env: dict[str, Any], given: list[Any], run: Callable[[dict[str, Any]], Any],
            at: ast.AST) -> list[Statement]:  # fmt: skip
    """The body, read until the kinds of its result no longer change."""
    leaves = [v if p is None else Listed(p) if isinstance(v, Listed) else p
              for v, p in zip(given, one.parameters, strict=True)]  # fmt: skip
    where = b.where
    for _ in range(12):
        state, left = b.snapshot(), list(leaves)
        body: list[Statement] = []
        with b.into(body):
            try:
                value = run({name: refill(v, left) for name, v in env.items()})
            except Undetermined as found:
                if found.function is not one:
                    raise
                b.where = where
                call_node = at if isinstance(at, ast.Call) else None
                raise b.error("has no way on which it returns without calling itself", call_node) from None
        known = joined(b, one, value, at)
        if known == one.result and form(value) == form(one.form):
            returned = [
                convert(v, kind) for v, kind in zip(flatten(value), known, strict=True) if isinstance(kind, Kind)
            ]
            body.append(Return(tuple(returned), where=b.where))
            return body
        one.form, one.result = value, known
        b.restore(state)
    raise b.error("returns something else at every depth", at)


def joined(b: Builder, one: Apart, value: Any, at: ast.AST) -> list[Any]:
    """What is known of the result's leaves after this reading, together with what was known before."""
    if value is UNBOUND:
        value = Static(None)
    found: list[Any] = []
    if one.result is not None and form(value) != form(one.form):
        raise b.error("returns different things on its ways", at)
    for k, leaf in enumerate(flatten(value)):
        old = one.result[k] if one.result is not None else None
        if not is_expr(leaf):
            if not isinstance(leaf, Static) or (old is not None and old != leaf):
                raise b.error("returns what a function that calls itself cannot return", at)
            found.append(leaf)
            continue
        new: Any = leaf.kind
        if isinstance(leaf, Name) and leaf in one.parameters and leaf.kind.is_array:
            new = one.parameters.index(leaf)
        if isinstance(new, int) and old in (None, new):
            found.append(new)
            continue
        kinds = [one.parameters[x].kind if isinstance(x, int) else x for x in (new, old) if x is not None]  # type: ignore[union-attr]
        if not all(isinstance(x, Kind) for x in kinds):
            raise b.error("returns different things on its ways", at)
        both = join(kinds[0], kinds[-1])
        if both is None:
            raise b.error(f"returns {kinds[0]} on one way, {kinds[-1]} on another", at)
        found.append(both)
    return found


def call(b: Builder, one: Apart, given: list[Any], at: ast.AST) -> Any:
    """The value of a call of a function that was, or is being, read apart."""
    if one.result is None:
        if at is b.discarded:
            return Static(None)
        raise Undetermined(one)
    args = [argument(b, v, p) for v, p in zip(given, one.parameters, strict=True) if p is not None]
    base = "below" if one in b.pending else "value"
    targets = [b.name(base, Kind(kind.dtype, kind.ndim)) for kind in one.result if isinstance(kind, Kind)]
    made = Call(list(targets), one.name, [*args, *one.lifted], looks=one.looks)
    b.emit(made)
    if one not in b.pending:
        for s in stores(b, made, one.written):
            b.emit(s)
    left = list(targets)
    values = [left.pop(0) if isinstance(x, Kind) else given[x] if isinstance(x, int) else x for x in one.result]
    return refill(one.form, values)


def argument(b: Builder, value: Any, like: Name) -> Expr:
    """An argument as a Call has it: a number's short formula, an array's name, or a view of one."""
    if isinstance(value, Listed):
        value = value.array
    if not value.kind.is_array:
        return b.operand(convert(value, like.kind))
    if isinstance(value, Name) or (value.name == "getitem" and not any(a.kind.is_array for a in value.args[1:])):
        return value  # type: ignore[no-any-return]
    return b.bind(like.id, value)
