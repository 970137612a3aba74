"""The program of a gradient, and its source: the entry of everything below."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .aliases import check, stored, with_own_memory
from .coalesce import coalesced
from .emit import source
from .errors import DifferentiationError
from .kinds import Kind
from .lowering import lower
from .needs import settled, undone
from .order import grown_before
from .polish import polished
from .program import (
    Assign,
    Captured,
    Lit,
    Name,
    Program,
    Return,
    Statement,
    Store,
    Watched,
    assigned,
    every,
    leaves,
    used,
)
from .reverse import reversal, shadows
from .rules import make
from .selfcalls import forms, handed, prepared
from .sweep import Sweep
from .taking import taken
from .tidy import tidied
from .unsharing import unshared


@dataclass
class Generated:
    """Source text that defines the function `entry`.

    It takes the arguments, then (vjp) the adjoints of the results, then `captured`, in order. program: the same in the small
    language, for further transforms.
    """

    source: str
    entry: str
    captured: list[Captured]
    watched: list[Watched]
    program: Program


def reverse_source(
    function: Any, argument_kinds: Sequence[Any], argnums: Sequence[int], with_value: bool = False, seeded: bool = False
) -> Generated:
    """The source of the gradient of function with respect to the arguments `argnums`.

    It returns the gradients as a tuple in the order of argnums; with_value: (value, gradients); seeded: the entry takes the
    adjoint of each result after the arguments (vjp), and the function need not return a single number.
    """
    program = reverse_program(lower(function, tuple(argument_kinds)), argnums, with_value, seeded)
    return generated(program)


def generated(program: Program) -> Generated:
    """Print a program."""
    return Generated(source(program), program.name, program.captured, program.constants, program)


def reverse_program(
    program: Program, argnums: Sequence[int], with_value: bool = False, seeded: bool = False, aux: bool = False
) -> Program:
    """The gradient's program from the function's; aux: the first of its two results is differentiated."""
    program = unshared(program)
    check(program)
    program = with_own_memory(program)
    inputs = [leaf for k in argnums for leaf in leaves(program.arguments[k]) if leaf is not None and leaf.kind.is_float]
    _check_result(program, seeded, aux)
    wanted = _differentiated(program, aux)
    active = {n.id for n in inputs}
    program, callees = prepared(program, active)

    def begin(undo: Collection[int] = ()) -> Sweep:
        return reversal(program, active, wanted, undo, callees)

    def run(r: Sweep) -> list[Statement]:
        return _run(r, seeded)[1]

    _, backward = settled(begin, run)
    fixed = active | stored(program) | handed(program)
    program = coalesced(program, used(backward), fixed)
    functions = forms(program, callees, reversal)
    wanted = _differentiated(program, aux)
    trial = begin()
    run(trial)
    readers = undone(trial)
    if readers and (easier := taken(trial, readers)):
        program = easier
    final = begin(settled(begin, run)[0])
    forward, backward, seeds = _run(final, seeded)
    value = program.result
    if with_value:
        value = _kept_values(final, value, forward, backward)
    body = [*forward, *backward]
    outputs = tuple(_gradient_tree(final, program.arguments[k], body) for k in argnums)
    values = (value, outputs) if with_value else outputs
    body.append(Return(values))
    kind = "value and gradient" if with_value else "gradient"
    made = replace(
        program,
        name=("vjp_" if seeded else "value_and_grad_" if with_value else "grad_") + clean(program.name),
        arguments=[*program.arguments, *seeds],
        body=[*final.tapes.opening(), *grown_before(body, final.tapes.tops())],
        kinds=final.kinds,
        functions=functions,
        doc=f"The {kind} of {program.name}, by one sweep back through it.",
    )
    return polished(tidied(made))


def _check_result(program: Program, seeded: bool, aux: bool) -> None:
    """DifferentiationError where what is returned has no gradient."""
    where = program.body[-1].where
    if aux and not (isinstance(program.result, tuple) and len(program.result) == 2):
        raise DifferentiationError("does not return a pair: has_aux=True is for (value, anything)", where)
    results = leaves(program.result[0] if aux else program.result)
    if seeded:
        return
    if len(results) != 1 or results[0].kind.is_array:
        what = "a tuple" if len(results) != 1 else str(results[0].kind)
        raise DifferentiationError(f"returns {what}: a gradient is that of one number", where)
    if not results[0].kind.is_float:
        raise DifferentiationError(f"returns {results[0].kind}, which has no derivative", where)


def _differentiated(program: Program, aux: bool) -> set[str]:
    """The names of the results that are differentiated."""
    return {leaf.id for leaf in leaves(program.result[0] if aux else program.result) if isinstance(leaf, Name)}


def clean(name: str) -> str:
    """A name that a function may have."""
    return "".join(c if c.isalnum() else "_" for c in name).strip("_") or "function"


def _kept_values(r: Sweep, tree: Any, forward: list[Statement], backward: list[Statement]) -> Any:
    """The results, under other names where the reverse sweep overwrites them."""
    if isinstance(tree, tuple):
        return tuple(_kept_values(r, part, forward, backward) for part in tree)
    if not isinstance(tree, Name):
        return tree
    own = r.roots.get(tree.id, {tree.id})
    written = any(isinstance(s, Store) and r.roots.get(s.base.id, set()) & own for s in every(backward))
    if tree.id not in assigned(backward) and not written:
        return tree
    kept = r.fresh("value", tree.kind)
    forward.append(Assign(kept.id, make("copy", tree) if written else tree))
    return kept


def _run(r: Sweep, seeded: bool) -> tuple[list[Statement], list[Statement], list[Any]]:
    """The statements of both sweeps, and the names of the seeds."""
    seeds: list[Any] = []
    body = r.program.body[:-1]
    if any(isinstance(leaf, Name) and leaf.id in r.mutable for leaf in leaves(r.program.result)):
        r.out += shadows(r, body)  # a result that is a view is seeded through a view
    for k, leaf in enumerate(leaves(r.program.result)):
        if not isinstance(leaf, Name):
            if seeded:
                seeds.append(r.fresh(f"d_result_{k}", leaf.kind))
            continue
        if seeded:
            seed = r.fresh(f"d_result_{k}", leaf.kind)
            seeds.append(seed)
            value: Any = seed
        else:
            value = Lit(1.0, leaf.kind)
        if leaf.id in r.active & r.wanted:
            r.seed(leaf, value)
    opening = r.out
    r.out = []
    forward, backward = r.block(r, body, False)
    return forward, [*opening, *backward], seeds


def _gradient_tree(r: Sweep, tree: Any, body: list[Statement]) -> Any:
    """The gradients in the form of an argument."""
    if isinstance(tree, tuple):
        return tuple(_gradient_tree(r, part, body) for part in tree)
    if tree is None or not tree.kind.is_float:
        raise DifferentiationError("is differentiated by an argument that is no float", r.program.body[-1].where)
    if tree.id not in r.live:
        kind: Kind = tree.kind
        d = r.d(tree.id)
        body.append(Assign(d.id, make("zeros_like", tree) if kind.is_array else Lit(0.0, kind)))
        return d
    return r.d(tree.id)
