"""Calls: functions of the vocabulary become operations, functions of the user are written out where they are called."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from . import cells, comprehensions, methods, vocabulary
from .assigning import named
from .builder import Builder
from .expressions import before, expression, starred
from .liveness import assigned, kept_by_functions
from .program import Custom, Expr, Name, Op, Statement
from .reading import plain, read
from .recursion import inlined
from .rules import make
from .structure import RESULT, Elses, Structurer
from .unset import guarded
from .values import UNBOUND, Closure, Listed, Method, Scope, Static, flatten, form, is_expr, refill


def call(b: Builder, scope: Scope, node: ast.Call) -> Any:
    """The value of a call."""
    function = expression(b, scope, node.func)
    lazy = _of_generator(b, scope, function, node)
    if lazy is not None:
        return lazy
    args, words = _arguments(b, scope, node)
    return apply(b, function, args, words, node)


def apply(b: Builder, function: Any, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    """function(*args, **words)."""
    if isinstance(function, Method):
        value = methods.method(b, function, args, words, node)
        return cells.boxed(value) if function.name in cells.METHODS else value
    if isinstance(function, Closure):
        return _inline(b, function.node, function.scope.source, function.scope, function.defaults, args, words, node)
    if not isinstance(function, Static):
        raise b.error("calls what is no function", node)
    known = vocabulary.find(function.value)
    if known is not None:
        value = known(b, args, words, node)
        return cells.boxed(value) if id(function.value) in cells.MAKERS else value
    rule = getattr(function.value, "custom_gradient_", None)
    if rule is not None:
        return custom(b, rule, args, words, node)
    target = plain(function.value)
    if not inspect.isfunction(target):
        raise b.error("calls a function that has no derivative here", node)
    source = read(target)
    defaults: dict[str, Any] = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            path = f"{target.__qualname__}@{id(target):x}:default:{name}"
            reader = _default_reader(target, name)
            defaults[name] = b.outside(reader, path, name)
    if inspect.ismethod(function.value):
        raise b.error("calls a method of an object", node)
    return _inline(b, source.node, source, None, defaults, args, words, node)


def custom(b: Builder, rule: Any, args: list[Any], words: dict[str, Any], node: ast.AST) -> Any:
    """A call of a function with a rule of its own: rule(*args) gives the value and the function that pulls adjoints back."""
    names = [refill(v, [b.bind("value", leaf) if isinstance(leaf, Op) else leaf for leaf in flatten(v)]) for v in args]
    result = apply(b, Static(rule), names, words, node)
    if (
        not isinstance(result, tuple)
        or len(result) != 2
        or not isinstance(result[1], Closure)
        or not is_expr(result[0])
    ):
        raise b.error("has a rule that does not return (one value, a function of its adjoint)", node)
    value, pull = result
    if not value.kind.is_float:
        raise b.error("has a rule whose value is no float", node)
    target, seed = b.name("custom", value.kind), b.name("d_custom", value.kind)
    statements: list[Statement] = []
    with b.into(statements):
        gains = apply(b, pull, [seed], {}, node)
        parts = list(gains) if isinstance(gains, tuple) else [gains]
        if len(parts) != len(args):
            raise b.error(f"has a rule that gives {len(parts)} adjoints for {len(args)} arguments", node)
        pairs = [pair for name, part in zip(names, parts, strict=True) for pair in adjoints(b, name, part, node)]
    b.emit(Custom(target.id, value, seed, statements, pairs))
    return target


def adjoints(b: Builder, argument: Any, gain: Any, node: ast.AST) -> list[tuple[Name, Expr]]:
    """The numbers and arrays of an argument, each with the adjoint that a rule gives it; None stands for no derivative.

    ValueError, when it runs, where the shapes differ.
    """
    if isinstance(gain, Static) and gain.value is None:
        return []
    names, parts = flatten(argument), flatten(gain)
    if form(argument) != form(gain) or any(isinstance(name, Listed) for name in names):
        raise b.error("has a rule whose adjoint is not nested as the argument is", node)
    pairs = []
    for name, part in zip(names, parts, strict=True):
        if not (isinstance(name, Name) and name.kind.is_float and is_expr(part)):
            continue
        if part.kind.ndim != name.kind.ndim:
            raise b.error(f"has a rule that gives {part.kind} as the adjoint of {name.kind}", node)
        found = b.operand(part) if not part.kind.is_array else b.atom(part)
        for k in range(name.kind.ndim):
            fits = make("eq", make("shape", found, axis=k), make("shape", name, axis=k))
            b.require(fits, "ValueError('a custom gradient has another shape than its argument')")
        pairs.append((name, found))
    return pairs


def _default_reader(target: Any, name: str) -> Any:
    return lambda: inspect.signature(target).parameters[name].default


def _arguments(b: Builder, scope: Scope, node: ast.Call) -> tuple[list[Any], dict[str, Any]]:
    args: list[Any] = []
    words = [word.value for word in node.keywords]
    for k, arg in enumerate(node.args):
        if isinstance(arg, ast.Starred):
            args += starred(b, scope, arg)
        else:
            args.append(before(b, scope, expression(b, scope, arg), *node.args[k + 1 :], *words))
    if any(word.arg is None for word in node.keywords):
        raise b.error("passes keywords that are not written out", node)
    return args, {
        str(word.arg): before(b, scope, expression(b, scope, word.value), *words[k + 1 :])
        for k, word in enumerate(node.keywords)
    }


def _of_generator(b: Builder, scope: Scope, function: Any, node: ast.Call) -> Any:
    """sum, any and all of a generator expression: a loop without a list."""
    from .builder import as_value

    if not (isinstance(function, Static) and node.args and isinstance(node.args[0], ast.GeneratorExp)):
        return None
    name = f"{getattr(function.value, '__name__', '')}{len(b.kinds)}_"
    if function.value is sum and not node.keywords:
        start = expression(b, scope, node.args[1]) if len(node.args) > 1 else as_value(0)
        return comprehensions.total(b, scope, node.args[0], start, "total_" + name, f"total_{name} + item_")
    if function.value in (any, all):
        word, start = ("or", as_value(False)) if function.value is any else ("and", as_value(True))
        return comprehensions.total(b, scope, node.args[0], start, "test_" + name, f"test_{name} {word} (item_)")
    return None


def _inline(
    b: Builder, node: Any, source: Any, parent: Scope | None, defaults: dict[str, Any], args: list[Any],
    words: dict[str, Any], at: ast.AST,
) -> Any:  # fmt: skip
    """The body of the called function, with its own names, in place of the call."""
    env = bind_arguments(b, node, defaults, args, words, at)
    code = getattr(getattr(source, "function", None), "__code__", None) if parent is None else (id(node), id(parent))

    def run(given: dict[str, Any]) -> Any:
        for name, value in given.items():
            given[name] = named(b, name, value)
        b.discards.append(at is b.discarded)
        try:
            return of_body(b, Scope(source, given, parent), node)
        finally:
            b.discards.pop()

    return inlined(b, code, env, at, run, getattr(node, "name", "inner"), parent is None)


def of_body(b: Builder, scope: Scope, node: ast.FunctionDef | ast.Lambda) -> Any:
    """Lower the body of a function or a lambda; its result."""
    if isinstance(node, ast.FunctionDef):
        return run_body(b, scope, node)
    where = scope.source.where(node)
    b.where = where
    b.lines.setdefault((where.file, where.line), scope.source.lines.get(where.line, ""))
    return expression(b, scope, node.body)


def run_body(b: Builder, scope: Scope, node: ast.FunctionDef) -> Any:
    """Lower the body of a function; its result."""
    Elses().generic_visit(node)
    body = list(node.body)
    scope.keep = kept_by_functions(body)
    scope.locals = assigned(body)
    scope.node = node
    for name in scope.locals - set(scope.env):
        scope.env[name] = UNBOUND
    own = {name for name in scope.locals if scope.env[name] is UNBOUND}
    b.block(b, scope, guarded(Structurer().body(body), own), {RESULT})
    return scope.env[RESULT]


def bind_arguments(
    b: Builder, node: Any, defaults: dict[str, Any], args: list[Any], words: dict[str, Any], at: ast.AST
) -> dict[str, Any]:
    """Parameter names with their values."""
    a = node.args
    positional = [p.arg for p in (*a.posonlyargs, *a.args)]
    env = dict(zip(positional, args, strict=False))
    if a.vararg:
        env[a.vararg.arg] = tuple(args[len(positional) :])
    elif len(args) > len(positional):
        raise b.error(f"gives {len(args)} arguments to a function of {len(positional)}", at)
    allowed = {*positional, *(p.arg for p in a.kwonlyargs)}
    for name, value in words.items():
        if name not in allowed or name in env:
            raise b.error(f"gives the argument {name!r} twice or to a function that has none", at)
        env[name] = value
    for name in [*positional, *(p.arg for p in a.kwonlyargs)]:
        if name not in env:
            if name not in defaults:
                raise b.error(f"does not give the argument {name!r}", at)
            env[name] = defaults[name]
    if a.kwarg:
        raise b.error("calls a function that takes arbitrary keywords", at)
    return env
