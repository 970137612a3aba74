"""Statements of the user's function -> statements of the small language; branches and loops hand on what is live."""

from __future__ import annotations

import ast
from typing import Any

from . import liveness
from .aliases import source_of
from .assigning import assign, named, store, write
from .builder import Builder, as_value
from .cells import updated
from .expressions import calls_users, closure, expression, static_truth
from .indexing import getitem, index_of, whole
from .kinds import RANK
from .lists import changeable, changed
from .looping import for_loop, while_loop
from .merging import merge
from .operands import binary, number
from .program import (
    Expr,
    If,
    Name,
    Op,
    Raise,
    Statement,
    walk,
)
from .reading import asked
from .recursion import Undetermined
from .rules import make
from .values import UNBOUND, Items, Listed, Scope, is_expr


def block(b: Builder, scope: Scope, statements: list[ast.stmt], after: set[str]) -> None:
    """Lower the statements of a block; `after`: the names that are read once it is done."""
    follow = after | scope.keep
    needs = [follow]
    for s in reversed(statements):
        needs.append(liveness.live_before(s, needs[-1]) | scope.keep)
    needs.reverse()
    for s, live in zip(statements, needs[1:], strict=True):
        before = b.where
        b.where = scope.source.where(s)
        line = b.where.line
        b.lines.setdefault((b.where.file, line), scope.source.lines.get(line, ""))
        rule = _STATEMENTS.get(type(s))
        if rule is None:
            raise b.error("cannot be differentiated", s)
        rule(b, scope, s, live)
        b.where = before


# ---- assignments -------------------------------------------------------------------------------------------------------


def _assign(b: Builder, scope: Scope, s: ast.Assign, live: set[str]) -> None:
    value = expression(b, scope, s.value)
    if isinstance(value, Op) and any(calls_users(scope, target) for target in s.targets):
        value = b.bind("value", value)  # computed before the places that it goes to
    if len(s.targets) > 1 and isinstance(value, Op):
        value = b.bind(liveness.bound(s.targets[0]).pop() if liveness.bound(s.targets[0]) else "value", value)
    for target in s.targets:
        assign(b, scope, target, value, s)


def _annotated(b: Builder, scope: Scope, s: ast.AnnAssign, live: set[str]) -> None:
    if s.value is not None:
        assign(b, scope, s.target, expression(b, scope, s.value), s)


def _augmented(b: Builder, scope: Scope, s: ast.AugAssign, live: set[str]) -> None:
    if isinstance(s.target, ast.Subscript):
        _augmented_element(b, scope, s)
        return
    if not isinstance(s.target, ast.Name):
        raise b.error("assigns to an attribute, which cannot be differentiated", s)
    old = expression(b, scope, ast.copy_location(ast.Name(s.target.id, ast.Load()), s.target))
    value = expression(b, scope, s.value)
    if isinstance(old, Items):
        changeable(b, scope, s.target, old, s)
    if is_expr(old) and old.kind.is_array:
        _in_place(b, old, whole(old.kind), s.op, value, s)
        return
    scope.env[s.target.id] = named(b, s.target.id, updated(old, binary(b, type(s.op), old, value, s)))


def _augmented_element(b: Builder, scope: Scope, s: ast.AugAssign) -> None:
    target = s.target
    assert isinstance(target, ast.Subscript)
    base = expression(b, scope, target.value)
    if isinstance(base, Listed):
        base = base.array
    if isinstance(base, Items | tuple):
        old = expression(b, scope, ast.Subscript(target.value, target.slice, ast.Load()))
        store(b, scope, target, binary(b, type(s.op), old, expression(b, scope, s.value), s), s)
        return
    if not is_expr(base) or not base.kind.is_array:
        raise b.error("writes into what is no array", s)
    array = base if isinstance(base, Name) else b.bind("view", base)
    index = tuple(
        b.atom(i) if i.kind.dtype != "slice" else i for i in index_of(b, scope, array, target.slice, expression)
    )
    place = getitem(b, array, index, s)
    if calls_users(scope, s.value) and (not place.kind.is_array or source_of(place) is None):
        old = b.atom(place)  # an element is read first, as in Python; a slice is a view
        write(b, array, index, binary(b, type(s.op), old, expression(b, scope, s.value), s), s)
        return
    _in_place(b, array, index, s.op, expression(b, scope, s.value), s)


def _in_place(b: Builder, array: Expr, index: Any, op: ast.operator, value: Any, node: ast.AST) -> None:
    index = index if isinstance(index, tuple) else (index,)
    value = number(b, value, node)
    place = getitem(b, array, index, node).kind
    narrow = RANK[value.kind.dtype] > RANK[place.dtype] or isinstance(op, ast.Div)
    if place.is_array and not place.is_float and narrow:
        raise b.error(f"would make an {place} one of other numbers, which cannot be done in place", node)
    fancy = any(i.kind.is_array for i in index)
    if isinstance(op, ast.Add | ast.Sub) and not fancy:
        write(b, array, index, value if isinstance(op, ast.Add) else make("neg", b.operand(value)), node, add=True)
        return
    old = array if index[0] == whole(array.kind) else getitem(b, array, index, node)
    write(b, array, index, binary(b, type(op), old, value, node), node)


# ---- branches ----------------------------------------------------------------------------------------------------------


def _if(b: Builder, scope: Scope, s: ast.If, live: set[str]) -> None:
    test = getattr(s, "known", None)
    if test is None:
        test = expression(b, scope, asked(s.test))
    truth = static_truth(test)
    if truth is not None:
        block(b, scope, s.body if truth else s.orelse, live)
        return
    test = number(b, test, s.test)
    if test.kind.is_array:
        raise b.error("asks for the truth of an array", s.test)
    if any(isinstance(part, Op) and part.name == "getitem" for part in walk(test)) or size_of(test) > 4:
        test = b.bind("test", test)
    start = dict(scope.env)
    lists: list[list[Statement]] = [[], []]
    ends: list[dict[str, Any]] = []
    unknown: list[Undetermined] = []
    for part, statements in zip((s.body, s.orelse), lists, strict=True):
        scope.env = dict(start)
        with b.into(statements):
            try:
                block(b, scope, part, live)
            except Undetermined as error:  # what the other branch leaves has to tell the kinds
                unknown.append(error)
                b.emit(Raise("raise RecursionError"))
        ends.append(scope.env)
    if len(unknown) == 2:
        raise unknown[0]
    raises = [any(isinstance(x, Raise) for x in part) for part in lists]
    merged = dict(start)
    for name in sorted(liveness.assigned(s.body) | liveness.assigned(s.orelse) | changed([s], start)):
        if name in live:
            pair = [end.get(name, UNBOUND) for end in ends]
            if raises[0] != raises[1]:  # the branch that raises hands nothing on
                pair = [pair[raises.index(False)]] * 2
            merged[name] = merge(b, name, pair, lists, s)
        else:
            merged[name] = UNBOUND
    scope.env = merged
    b.emit(If(test, *lists))


def size_of(test: Expr) -> int:
    """How long a condition is."""
    return sum(isinstance(part, Op) for part in walk(test))


# ---- loops -------------------------------------------------------------------------------------------------------------


# ---- the rest ----------------------------------------------------------------------------------------------------------


def _function(b: Builder, scope: Scope, s: ast.FunctionDef, live: set[str]) -> None:
    if s.decorator_list:
        raise b.error("has a decorator: define it without, or outside of the function", s.decorator_list[0])
    scope.env[s.name] = closure(b, scope, s)


def _expression(b: Builder, scope: Scope, s: ast.Expr, live: set[str]) -> None:
    if isinstance(s.value, ast.Constant):
        return
    call = s.value
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        base = scope.env.get(call.func.value.id)
        if isinstance(base, Items) and call.func.attr == "append" and len(call.args) == 1:
            changeable(b, scope, call.func.value, base, s)
            value = named(b, call.func.value.id, expression(b, scope, call.args[0]))
            scope.env[call.func.value.id] = Items((*base.items, value))
            return
        if is_expr(base) and call.func.attr == "fill":
            write(b, base, (whole(base.kind),), expression(b, scope, call.args[0]), s)
            return
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print":
        return
    b.discarded = s.value
    expression(b, scope, s.value)


def _assert(b: Builder, scope: Scope, s: ast.Assert, live: set[str]) -> None:
    test = expression(b, scope, asked(s.test))
    if static_truth(test) is not True:
        error = "AssertionError" + (f"({s.msg.value!r})" if isinstance(s.msg, ast.Constant) else "")
        b.require(number(b, test, s.test), error)


def _raise(b: Builder, scope: Scope, s: ast.Raise, live: set[str]) -> None:
    call = s.exc
    name = call.func if isinstance(call, ast.Call) else call
    constant = not isinstance(call, ast.Call) or all(isinstance(a, ast.Constant | ast.JoinedStr) for a in call.args)
    if not isinstance(name, ast.Name) or not constant or s.cause:
        raise b.error("raises what is no plain exception", s)
    args = call.args if isinstance(call, ast.Call) else []
    texts = [repr(a.value) if isinstance(a, ast.Constant) else repr(ast.unparse(a)) for a in args]
    b.emit(Raise(f"raise {name.id}({', '.join(texts)})"))


def _import(b: Builder, scope: Scope, s: ast.Import | ast.ImportFrom, live: set[str]) -> None:
    import importlib

    for alias in s.names:
        if isinstance(s, ast.ImportFrom):
            value: Any = getattr(importlib.import_module(s.module or "."), alias.name)
        else:
            value = importlib.import_module(alias.name if alias.asname else alias.name.split(".")[0])
        scope.env[alias.asname or alias.name.split(".")[0]] = as_value(value)


def _delete(b: Builder, scope: Scope, s: ast.Delete, live: set[str]) -> None:
    for target in s.targets:
        if not isinstance(target, ast.Name):
            raise b.error("deletes a part of something", s)
        scope.env[target.id] = UNBOUND


def _nothing(b: Builder, scope: Scope, s: ast.stmt, live: set[str]) -> None:
    return None


_STATEMENTS: dict[type, Any] = {
    ast.Assign: _assign, ast.AnnAssign: _annotated, ast.AugAssign: _augmented, ast.If: _if, ast.For: for_loop,
    ast.While: while_loop, ast.FunctionDef: _function, ast.Expr: _expression, ast.Assert: _assert, ast.Raise: _raise,
    ast.Import: _import, ast.ImportFrom: _import, ast.Pass: _nothing, ast.Delete: _delete,
}  # fmt: skip
