"""Comprehensions and generator expressions: written out as loops."""

from __future__ import annotations

import ast
from typing import Any

from .builder import Builder
from .expressions import expression
from .kinds import I8, Kind
from .operands import number
from .program import Lit, Op, Statement
from .reading import asked
from .rules import make
from .sequences import sequence
from .values import Items, Listed, Scope, is_expr

Node = ast.ListComp | ast.GeneratorExp


def listed(b: Builder, scope: Scope, node: Node) -> Any:
    """The list of a comprehension: its items where their number is known, an array of numbers otherwise."""
    inner = Scope(scope.source, dict(scope.env), scope.parent, scope.locals, scope.keep)
    items = _unrolled(b, inner, node, list(node.generators))
    if items is not None:
        return Items(tuple(items))
    kind = _element_kind(b, inner, node)
    if kind.ndim:
        raise b.error("is a list of arrays whose length is not known: fill an array in a loop", node)
    lengths = [_length(b, inner, node)]
    out = b.bind("items", make("empty", *lengths, dtype=kind.dtype if kind.dtype != "b1" else "i8", ndim=1))
    place = f"place{len(b.kinds)}_"
    inner.env["items_"], inner.env[place] = out, Lit(0, I8)
    fill: list[ast.stmt] = [
        _parsed(f"items_[{place}] = 0", node),
        _parsed(f"{place} = {place} + 1", node),
    ]
    assert isinstance(fill[0], ast.Assign)
    fill[0].value = node.elt
    b.block(b, inner, [_loops(node, fill)], {place, *inner.env})
    if len(node.generators) == 1 and not node.generators[0].ifs:
        return Listed(out)
    end = inner.env[place]
    part = Op("slice", (Lit(0, I8), end, Lit(1, I8)), Kind("slice"))
    return Listed(Op("getitem", (out, part), out.kind.array(1)))


def total(b: Builder, scope: Scope, node: Node, start: Any, name: str, step: str) -> Any:
    """sum, any or all of a generator: `name = step` for each item, where step reads name and `item_`."""
    inner = Scope(scope.source, dict(scope.env), scope.parent, scope.locals, scope.keep)
    inner.env[name] = start
    body = [_parsed(f"{name} = {step}", node)]
    assert isinstance(body[0], ast.Assign)
    asked(body[0].value)  # any and all give truths, whatever the items are

    class Fill(ast.NodeTransformer):
        def visit_Name(self, n: ast.Name) -> ast.expr:
            return node.elt if n.id == "item_" else n

    body = [Fill().visit(s) for s in body]
    b.block(b, inner, [_loops(node, body)], {name, *inner.env})
    return inner.env[name]


def _loops(node: Node, body: list[ast.stmt]) -> ast.stmt:
    for generator in reversed(node.generators):
        for test in reversed(generator.ifs):
            body = [ast.If(test, body, [])]
        body = [ast.For(generator.target, generator.iter, body, [])]
    return ast.fix_missing_locations(ast.copy_location(body[0], node))


def _parsed(text: str, at: ast.AST) -> ast.stmt:
    statement = ast.parse(text).body[0]
    for part in ast.walk(statement):
        ast.copy_location(part, at)
    return statement


def _unrolled(b: Builder, scope: Scope, node: Node, generators: list[ast.comprehension]) -> list[Any] | None:
    """The items, where every loop runs over what is known."""
    from .assigning import assign

    if not generators:
        value = expression(b, scope, node.elt)
        return [b.atom(value) if is_expr(value) else value]
    first = generators[0]
    if first.ifs:
        return None
    state, env, trial = b.snapshot(), dict(scope.env), list[Statement]()
    with b.into(trial):
        items = sequence(b, scope, expression(b, scope, first.iter), first.iter)
    small = items.bounds is not None and all(isinstance(v, Lit) for v in items.bounds)
    static = items.static
    if static is None and small and items.bounds is not None:
        numbers = range(*(v.value for v in items.bounds if isinstance(v, Lit)))
        static = tuple(Lit(k, I8) for k in numbers) if len(numbers) <= 8 else None
    if static is None:
        b.restore(state)
        scope.env = env
        return None
    for statement in trial:
        b.emit(statement)
    found: list[Any] = []
    for item in static:
        assign(b, scope, first.target, item, node)
        inner = _unrolled(b, scope, node, generators[1:])
        if inner is None:
            b.restore(state)
            raise b.error("mixes loops over what is known with loops over what is not", node)
        found += inner
    return found


def _element_kind(b: Builder, scope: Scope, node: Node) -> Kind:
    """The kind of one item, by a trial."""
    state, trial = b.snapshot(), list[Statement]()
    inner = Scope(scope.source, dict(scope.env), scope.parent, scope.locals, scope.keep)
    with b.into(trial):
        _enter(b, inner, node)
        kind = number(b, expression(b, inner, node.elt), node.elt).kind
    b.restore(state)
    return kind


def _enter(b: Builder, scope: Scope, node: Node) -> None:
    from .assigning import assign

    for generator in node.generators:
        items = sequence(b, scope, expression(b, scope, generator.iter), generator.iter)
        index = b.name("i", I8)
        item = items.static[0] if items.static else items.item(index)
        assign(b, scope, generator.target, item, node)


def _length(b: Builder, scope: Scope, node: Node) -> Any:
    """An upper bound of the number of items: the product of the lengths, counted where a length depends on an outer item."""
    from .sequences import _length as length_of

    if len(node.generators) == 1:
        items = sequence(b, scope, expression(b, scope, node.generators[0].iter), node)
        length = length_of(items)
        zero: Any = Lit(0, I8)
        return make("maximum", zero, length) if isinstance(length, Op) and length.name == "sub" else length
    counter = f"count{len(b.kinds)}_"
    inner = Scope(scope.source, dict(scope.env), scope.parent, scope.locals, scope.keep)
    inner.env[counter] = Lit(0, I8)
    plain = ast.ListComp(node.elt, [ast.comprehension(g.target, g.iter, [], 0) for g in node.generators])
    b.block(b, inner, [_loops(ast.copy_location(plain, node), [_parsed(f"{counter} = {counter} + 1", node)])],
            {counter, *inner.env})  # fmt: skip
    return inner.env[counter]
