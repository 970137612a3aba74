"""Jacobians: a program run once for each unit tangent (a column) or unit cotangent (a row), in one compiled loop.

Every block of the result has the shape of an output followed by the shape of an input, as JAX's has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fastgrad.differentiate.forward import forward
from fastgrad.differentiate.kinds import I8, Kind
from fastgrad.differentiate.program import (
    Assign,
    Expr,
    For,
    Lit,
    Name,
    Op,
    Program,
    Return,
    Statement,
    Store,
    assigned,
    calls,
    leaves,
    substitute,
    unused,
)  # fmt: skip
from fastgrad.differentiate.rules import make

ELLIPSIS = Op("ellipsis", (), Kind("slice"))


class Blocks:
    """The statements that fill the blocks, and the names made for them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.kinds = dict(program.kinds)
        self.body: list[Statement] = []
        self.functions: dict[str, Program] = {}

    def fresh(self, wanted: str, kind: Kind) -> Name:
        """A name that nothing else has."""
        return unused(self.kinds, wanted, kind)

    def copy(self, program: Program, known: dict[str, Expr]) -> list[Statement]:
        """The statements of a program under names of their own; `known` are set already."""
        own = {name: self.fresh(name, program.kinds[name]) for name in sorted(assigned(program.body))}

        def change(name: Name) -> Expr:
            return known.get(name.id) or Name(own[name.id].id if name.id in own else name.id, name.kind)

        body = substitute(program.body, change, lambda name: own[name].id if name in own else name)
        return redirected(body, self.adopted(program.functions))

    def adopted(self, functions: list[Program]) -> dict[str, str]:
        """The functions of a program become the result's; where a name has another function already, they get a new one."""
        names: dict[str, str] = {}
        for function in functions:
            known = self.functions.get(function.name)
            same = known is None or (known.arguments, known.body) == (function.arguments, function.body)
            names[function.name] = function.name if same else self.fresh(function.name, Kind("function")).id
        for function in functions:
            made = replace(function, name=names[function.name], body=redirected(function.body, names))
            self.functions.setdefault(made.name, made)
        return names

    def block(self, output: Expr, leaf: Name) -> Name:
        """A new block of zeros, shaped like an output and then like an input."""
        kind = Kind(output.kind.dtype, output.kind.ndim + leaf.kind.ndim)
        sizes = [make("shape", x, axis=k) for x in (output, leaf) for k in range(x.kind.ndim)]
        name = self.fresh("jacobian", kind)
        self.body.append(Assign(name.id, make("zeros", *sizes, dtype=kind.dtype, ndim=kind.ndim)))
        return name

    def units(self, unit: Name, like: Name, inside: Callable[[list[Name]], list[Statement]]) -> None:
        """Run what `inside` gives, for every element of `unit` once, which is 1 there and 0 elsewhere."""
        counters = [self.fresh("ijklmnpq"[k % 8], I8) for k in range(like.kind.ndim)]
        self.body.append(Assign(unit.id, make("zeros_like", like)))
        index = tuple(counters)
        body = [
            Store(unit, index, Lit(1.0, like.kind.scalar)),
            *inside(counters),
            Store(unit, index, Lit(0.0, like.kind.scalar)),
        ]
        for k, counter in reversed(list(enumerate(counters))):
            body = [For(counter.id, Lit(0, I8), make("shape", like, axis=k), Lit(1, I8), body)]
        self.body += body


def redirected(body: list[Statement], names: dict[str, str]) -> list[Statement]:
    """The statements, whose calls go to functions of other names."""
    if all(old == new for old, new in names.items()):
        return body
    made = substitute(body, lambda name: name, lambda name: name)
    for s in calls(made):
        s.function = names[s.function]
    return made


def by_columns(program: Program, wrt: Sequence[Any], single: bool, outputs: Any = None) -> Program:
    """The Jacobian of a program in forward mode, a column at a time.

    wrt: some of its arguments.  outputs: a tree of names that are shaped like its results; without it the program itself is
    run once more to know.  Returns a tree like the results', whose leaves are trees like `wrt` or, if single, like its item.
    """
    b = Blocks(program)
    if outputs is None and any(name.kind.is_array for name in leaves(tuple(wrt))):
        *b.body, last = b.copy(program, {})
        assert isinstance(last, Return)
        outputs = last.values
    outputs = program.result if outputs is None else outputs
    found = {leaf.id: column(b, leaf, outputs) for tree in wrt for leaf in leaves(tree)}
    count = len(leaves(outputs))
    blocks = [tuple(pick(tree, found, k) for tree in wrt) for k in range(count)]
    b.body.append(Return(refill(outputs, [block[0] if single else block for block in blocks])))
    return replace(program, body=b.body, kinds=b.kinds, functions=list(b.functions.values()))


def column(b: Blocks, leaf: Name, outputs: Any) -> list[Expr]:
    """The blocks of one input, a block for each output."""
    swept = forward(b.program, [leaf])
    dot = swept.arguments[-1]
    if not leaf.kind.is_array:
        *statements, last = b.copy(swept, {dot.id: Lit(1.0, leaf.kind)})
        b.body += statements
        assert isinstance(last, Return)
        return leaves(last.values[1])
    made = [b.block(output, leaf) for output in leaves(outputs)]
    unit = b.fresh(dot.id, leaf.kind)

    def inside(counters: list[Name]) -> list[Statement]:
        *statements, last = b.copy(swept, {dot.id: unit})
        assert isinstance(last, Return)
        for block, tangent in zip(made, leaves(last.values[1]), strict=True):
            index: tuple[Expr, ...] = (ELLIPSIS, *counters) if tangent.kind.is_array else tuple(counters)
            statements.append(Store(block, index, tangent))
        return statements

    b.units(unit, leaf, inside)
    return list(made)


def by_rows(program: Program, pulled: Program, seeds: Any, wrt: Sequence[Any], single: bool) -> Program:
    """The Jacobian in reverse mode, a row at a time.

    pulled: takes the arguments of `program` and a cotangent for each result (the names in `seeds`), and returns a tree like
    `wrt`.  Returns what by_columns returns.
    """
    b = Blocks(program)
    b.kinds = pulled.kinds | b.kinds
    *b.body, last = b.copy(program, {})
    assert isinstance(last, Return)
    outputs = last.values
    inputs = leaves(tuple(wrt))
    rows = []
    for output, seed in zip(leaves(outputs), leaves(seeds), strict=True):
        others = {s.id: make("zeros_like", o) if o.kind.is_array else Lit(0.0, o.kind)
                  for o, s in zip(leaves(outputs), leaves(seeds), strict=True) if s is not seed}  # fmt: skip
        rows.append(row(b, pulled, output, seed, others, inputs))
    blocks = []
    for made in rows:
        left = list(made)
        trees = [refill(tree, left) for tree in wrt]
        blocks.append(trees[0] if single else tuple(trees))
    b.body.append(Return(refill(outputs, blocks)))
    return replace(program, body=b.body, kinds=b.kinds, functions=list(b.functions.values()))


def row(
    b: Blocks, pulled: Program, output: Expr, seed: Name, others: dict[str, Expr], inputs: list[Name]
) -> list[Expr]:
    """The blocks of one output, a block for each input."""
    if not output.kind.is_array:
        *statements, last = b.copy(pulled, {**others, seed.id: Lit(1.0, output.kind)})
        b.body += statements
        assert isinstance(last, Return)
        return leaves(last.values)
    assert isinstance(output, Name)
    made = [b.block(output, leaf) for leaf in inputs]
    unit = b.fresh(seed.id, output.kind)

    def inside(counters: list[Name]) -> list[Statement]:
        *statements, last = b.copy(pulled, {**others, seed.id: unit})
        assert isinstance(last, Return)
        for block, gradient in zip(made, leaves(last.values), strict=True):
            index: tuple[Expr, ...] = (*counters, ELLIPSIS) if gradient.kind.is_array else tuple(counters)
            statements.append(Store(block, index, gradient))
        return statements

    b.units(unit, output, inside)
    return list(made)


def pick(tree: Any, found: dict[str, list[Expr]], k: int) -> Any:
    """A tree of names with the k-th of what was found for each."""
    return tuple(pick(item, found, k) for item in tree) if isinstance(tree, tuple) else found[tree.id][k]


def refill(tree: Any, new: list[Any]) -> Any:
    """A tree of the same form with leaves taken from the front of `new`."""
    return tuple(refill(item, new) for item in tree) if isinstance(tree, tuple) else new.pop(0)
