"""A function and the kinds of its arguments -> a Program of the small language."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from typing import Any

from . import cells, statements
from .builder import Builder, as_value
from .calls import custom, of_body
from .errors import DifferentiationError
from .kinds import Constant, Kind
from .layout import with_copies
from .program import Assign, Op, Program, Return, Statement, Store, every, leaves
from .reading import Source, parameters, read
from .recursion import inlined
from .values import Closure, Items, Listed, Scope, Static, is_expr

REFUSED = {
    ast.Try: "catches exceptions", ast.With: "uses a context manager", ast.Yield: "is a generator",
    ast.YieldFrom: "is a generator", ast.Await: "is asynchronous", ast.ClassDef: "defines a class",
    ast.Global: "declares a global name", ast.Nonlocal: "writes into an enclosing function",
    ast.Match: "is a match statement", ast.Dict: "is a dictionary", ast.Set: "is a set", ast.DictComp: "is a dictionary",
    ast.SetComp: "is a set", ast.JoinedStr: "is a formatted string", ast.AsyncFor: "is asynchronous",
    ast.AsyncWith: "is asynchronous", ast.AsyncFunctionDef: "is asynchronous",
}  # fmt: skip


def check_syntax(source: Source) -> None:
    """Refuse what no argument could make differentiable: raised when the function is given, before it is called."""
    raised = {
        id(part)
        for node in ast.walk(source.node)
        if isinstance(node, ast.Raise | ast.Assert)
        for part in ast.walk(node)
    }
    for node in ast.walk(source.node):
        reason = REFUSED.get(type(node))
        if reason and id(node) not in raised:
            text = ast.unparse(node).splitlines()[0]
            raise DifferentiationError(f"{reason}: this cannot be differentiated", source.where(node), text[:80])


def lower(function: Any, kinds: tuple[Any, ...]) -> Program:
    """The program of function(*arguments of these kinds).

    kinds: a Kind, a Constant or a tuple of such for each parameter, in order.
    DifferentiationError: something in it, or in what it calls, has no derivative here.
    """
    rule = getattr(function, "custom_gradient_", None)
    source = read(rule or function)
    check_syntax(source)
    b = Builder()
    b.block = statements.block
    b.where = source.where()
    names = parameters(source)
    if source.node.args.vararg or source.node.args.kwarg:
        vararg = source.node.args.vararg
        if vararg is None or source.node.args.kwarg:
            raise b.error("takes arbitrary keywords, which have no kinds")
        names = names[: len(names)]
    arguments: list[Any] = []
    env: dict[str, Any] = {}
    for name, kind in zip(names, kinds, strict=False):
        env[name], tree = _argument(b, name, kind)
        arguments.append(tree)
    if source.node.args.vararg:
        extra = [_argument(b, source.node.args.vararg.arg, kind) for kind in kinds[len(names) :]]
        env[source.node.args.vararg.arg] = tuple(value for value, _ in extra)
        arguments += [tree for _, tree in extra]
    elif len(kinds) < len(names) and set(names[len(kinds) :]) <= set(defaults := default_readers(source.function)):
        for name in names[len(kinds) :]:
            env[name] = b.outside(defaults[name], f"{name} of {source.name}", name)
        names = names[: len(kinds)]
    elif len(kinds) != len(names):
        raise b.error(f"takes {len(names)} arguments; {len(kinds)} were given")
    with b.into([]) as body:
        if rule is not None:
            value: Any = custom(b, rule, list(env.values()), {}, source.node)
        else:
            value = inlined(b, source.function.__code__, env, source.node,
                            lambda given: of_body(b, Scope(source, given), source.node), source.name, True)  # fmt: skip
    body.append(Return(result_tree(b, value, body), where=b.where))
    program = Program(
        source.name,
        arguments,
        list(b.captured.values()),
        body,
        b.kinds,
        b.lines,
        list(b.watched.values()),
        origin=source.name,
        unused=names,
        functions=[replace(function, kinds=b.kinds, lines=b.lines) for function in b.functions],
    )
    program = with_copies(own_copies(cells.checked(program), b))
    return replace(program, functions=[with_copies(cells.checked(function)) for function in program.functions])


def default_readers(function: Any) -> dict[str, Any]:
    """For each parameter with a default: how its present value is read."""
    found = inspect.signature(function).parameters
    return {
        name: (lambda name=name: inspect.signature(function).parameters[name].default)
        for name, p in found.items()
        if p.default is not p.empty
    }


def _argument(b: Builder, name: str, kind: Any) -> tuple[Any, Any]:
    """The value of a parameter, and the names that the entry takes for it."""
    if isinstance(kind, tuple):
        parts = [_argument(b, f"{name}_{k}", one) for k, one in enumerate(kind)]
        return tuple(v for v, _ in parts), tuple(t for _, t in parts)
    if isinstance(kind, Constant):
        return as_value(kind), None
    assert isinstance(kind, Kind)
    new = b.name(name, kind)
    return new, new


def result_tree(b: Builder, value: Any, body: list[Statement]) -> Any:
    """What the function returns, as a tree of names and literals."""
    if isinstance(value, Items):
        value = value.items
    if isinstance(value, tuple):
        return tuple(result_tree(b, item, body) for item in value)
    if isinstance(value, Listed):
        value = value.array
    if isinstance(value, Static) or not is_expr(value):
        found = (
            "a function" if isinstance(value, Closure) else repr(value.value if isinstance(value, Static) else value)
        )
        raise b.error(f"returns {found}: a number, an array, or a tuple of them is expected")
    if isinstance(value, Op):
        new = b.name("result", value.kind)
        body.append(Assign(new.id, value, where=b.where))
        return new
    return value


def own_copies(program: Program, b: Builder) -> Program:
    """Arguments that the function writes into are copied first: the caller's arrays stay as they are."""
    from .aliases import roots
    from .merging import rename

    found = roots(program)
    written = {root for s in every(program.body) if isinstance(s, Store) for root in found[s.base.id]}
    taken = [n for tree in program.arguments for n in leaves(tree) if n is not None and n.kind.is_array]
    body = program.body
    for item in program.captured:
        if item.name.id in written:
            raise b.error(f"writes into {item.name.id!r}, which belongs to what is outside of the function")
    for argument in taken:
        if argument.id in written:
            own = b.name(argument.id, argument.kind)
            body = [Assign(own.id, Op("copy", (argument,), argument.kind)), *rename(body, argument.id, own.id)]
    writes = tuple(k for k, tree in enumerate(program.arguments) if any(n and n.id in written for n in leaves(tree)))
    return replace(program, body=body, writes=writes)
