"""The reverse of functions that call themselves: for each a forward form, which saves, and a reverse form.

f(x) -> y becomes f_forward(x, tape, top) -> (y, tape, top) and f_back(x, d_y, d_x, tape, top) -> (the adjoints of numbers,
top). Tapes are stacks and the reverse calls come in reverse order, so one tape serves all depths; where nothing is saved, f
itself is the forward form. The arguments are handed over once more. The adjoint of an array is not returned but added to in
place: d_x[1:] stands for x[1:], and a call costs what it touches, not what the array holds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from .activity import active, differentiable, masked
from .aliases import check, stored, with_own_memory
from .coalesce import coalesced
from .errors import DifferentiationError
from .keeping import kept
from .kinds import Kind
from .needs import settled
from .order import grown_before
from .program import (
    Assign,
    Call,
    Expr,
    Lit,
    Name,
    Op,
    Program,
    Return,
    Statement,
    calls,
    leaves,
    names,
    unused,
    used,
)
from .rules import make
from .sweep import Sweep
from .unsharing import unshared


@dataclass
class Reversed:
    """A function and the names of its two forms. wanted: the positions of the parameters whose adjoints it gives; seeds:
    those of the results that have one; tapes: the number types that it saves."""

    function: Program
    forward: str
    back: str
    wanted: list[int] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    tapes: list[str] = field(default_factory=list)


def prepared(program: Program, inputs: set[str]) -> tuple[Program, dict[str, Reversed]]:
    """The program, ready to be reversed, and what its functions are going to be."""
    if any(function.writes for function in program.functions):
        raise DifferentiationError(
            "calls itself, and is to be differentiated backwards twice: use hvp or hessian", program.body[-1].where
        )
    functions = [unshared(function) for function in program.functions]
    for function in functions:
        check(function)
    functions = [with_own_memory(function) for function in functions]
    program = replace(program, functions=functions, kinds=dict(program.kinds))
    callees: dict[str, Reversed] = {}
    for function in functions:
        forward, back = (
            unused(program.kinds, f"{function.name}_{x}", Kind("function")).id for x in ("forward", "back")
        )
        callees[function.name] = Reversed(function, forward, back)
    for callee in callees.values():
        callee.function.kinds = {**program.kinds}
    reach(program, callees, inputs)
    hide(program, callees)
    return program, callees


def reach(program: Program, callees: dict[str, Reversed], inputs: set[str]) -> None:
    """Which parameters carry a derivative, at some depth of some call."""
    given: dict[str, set[str]] = {name: set() for name in callees}
    before = -1
    while before != sum(map(len, given.values())):
        before = sum(map(len, given.values()))
        for part, start in [(program, inputs), *((c.function, given[name]) for name, c in callees.items())]:
            here = active(part, start)
            for s in calls(part.body):
                parameters = callees[s.function].function.arguments
                for p, arg in zip(parameters, s.args, strict=True):
                    if p.kind.is_float and differentiable(arg) & here:
                        given[s.function].add(p.id)
    for name, callee in callees.items():
        here = active(callee.function, given[name]) & given[name]
        callee.wanted = [k for k, p in enumerate(callee.function.arguments) if p.id in here]
        callee.seeds = [k for k, value in enumerate(callee.function.result) if value.kind.is_float]


def hide(program: Program, callees: dict[str, Reversed]) -> None:
    """Which results may be thrown away by a where further on: their zero adjoints must stay zero inside of the functions."""
    changed = True
    while changed:
        changed = False
        for part in [program, *(c.function for c in callees.values())]:
            found = masked(part)
            for s in calls(part.body):
                function = callees[s.function].function
                if not function.masked and found & {t.id for t in s.targets}:
                    function.masked = changed = True


# ---- a call ------------------------------------------------------------------------------------------------------------


def call(r: Sweep, s: Call) -> list[Statement]:
    """Reverse a call; its forward form."""
    callee: Reversed = r.callees[s.function]
    live = {t.id for t in s.targets} & r.active & r.live
    if not live or not callee.wanted:
        r.live -= live
        return [s]
    tapes = [r.tapes.of(Kind(dtype)) for dtype in callee.tapes]
    both = [name for tape in tapes for name in (tape.array, tape.top)]
    forward = replace(s, targets=[*s.targets, *both], function=callee.forward, args=[*s.args, *both])
    seeds: list[Expr] = []
    for k in callee.seeds:
        target = s.targets[k]
        zero = make("zeros_like", target) if target.kind.is_array else Lit(0.0, target.kind)
        seeds.append(r.d(target.id) if target.id in live else r.bind("d_none", zero) if target.kind.is_array else zero)
    parts: list[Name] = []
    buffers: list[Expr] = []
    received: list[tuple[Expr, Name]] = []
    for k in callee.wanted:
        arg, parameter = s.args[k], callee.function.arguments[k]
        if parameter.kind.is_array:
            buffers.append(buffer(r, arg))
        else:
            parts.append(r.fresh(f"d_{plain(parameter.id)}_part", parameter.kind))
            received.append((arg, parts[-1]))
    r.emit(
        Call([*parts, *(tape.top for tape in tapes)], callee.back, [*s.args, *seeds, *buffers, *both], where=s.where)
    )
    r.live -= live
    for arg, part in received:
        for name, index, value in r.spread(None, arg, part, arg):
            r.contribute(name, index, value)
    return [forward]


def plain(name: str) -> str:
    """The name without the number that made it the only one."""
    base, _, number = name.rpartition("_")
    return base if base and number.isdigit() else name


def buffer(r: Sweep, arg: Expr) -> Expr:
    """The adjoint of an array that is handed over, or of a part of it: what the callee adds to."""
    base = arg.args[0] if isinstance(arg, Op) else arg
    assert isinstance(base, Name)
    if base.id not in r.active:
        return r.bind("d_none", make("zeros_like", arg))
    if base.id not in r.live:
        r.zero(base.id)
    d = r.d(base.id)
    return replace(arg, args=(d, *arg.args[1:])) if isinstance(arg, Op) else d


# ---- the two forms -------------------------------------------------------------------------------------------------------


def forms(program: Program, callees: dict[str, Reversed], block: Any) -> list[Program]:
    """The functions, and the forward and reverse forms of all. block: begins a Sweep (reverse.reversal)."""
    made: dict[str, list[Program]] = {}
    before: Any = None
    while before != (before := [list(c.tapes) for c in callees.values()]):
        for callee in callees.values():
            made[callee.function.name] = both_forms(callee, callees, block)
    return [*program.functions, *(form for pair in made.values() for form in pair)]


def both_forms(callee: Reversed, callees: dict[str, Reversed], begin: Any) -> list[Program]:
    """The forward and the reverse form of one function, for the tapes that are known so far."""
    function = callee.function
    inputs = {function.arguments[k].id for k in callee.wanted}

    def started(part: Program, undo: Collection[int]) -> Sweep:
        return begin(part, inputs, names_of_results(part), undo, callees)  # type: ignore[no-any-return]

    def backwards(r: Sweep) -> list[Statement]:
        return run(r, callee)[1]

    _, backward = settled(lambda undo: started(function, undo), backwards)
    fixed = {p.id for p in function.arguments} | stored(function) | handed(function)
    body = coalesced(function, used(backward), fixed)
    r = started(body, settled(lambda undo: started(body, undo), backwards)[0])
    forward, backward, seeds = run(r, callee)
    callee.tapes = sorted({*callee.tapes, *r.tapes.made})
    both = [name for dtype in callee.tapes for tape in [r.tapes.of(Kind(dtype))] for name in (tape.array, tape.top)]
    results: list[Any] = []
    for k in callee.wanted:
        p = function.arguments[k]
        if not p.kind.is_array:
            if p.id not in r.live:
                backward.append(Assign(r.d(p.id).id, Lit(0.0, p.kind)))
            results.append(r.d(p.id))
    buffers = [r.d(p.id) for k in callee.wanted if (p := function.arguments[k]).kind.is_array]
    last = body.body[-1]
    assert isinstance(last, Return)
    first = len(function.arguments)
    common: dict[str, Any] = {"kinds": r.kinds, "functions": []}
    forth = replace(
        body, name=callee.forward, arguments=[*function.arguments, *both],
        body=[*grown_before(forward, r.tapes.tops()), replace(last, values=(*last.values, *both))],
        writes=tuple(range(first, first + len(both), 2)),
        doc=f"{function.origin}, and what its reverse needs, saved on the tape." if both else "", **common,
    )  # fmt: skip
    arguments = [*function.arguments, *seeds, *buffers, *both]
    start = first + len(seeds)
    back = replace(
        body, name=callee.back, arguments=arguments, writes=tuple(range(start, start + len(buffers))),
        body=[*backward, Return((*results, *(both[k] for k in range(1, len(both), 2))), where=last.where)],
        doc=f"The reverse of {function.origin}: from the adjoint of its result those of its arguments.", **common,
    )  # fmt: skip
    return [forth, back]


def names_of_results(program: Program) -> set[str]:
    """The names that a function returns."""
    return {value.id for value in program.result if isinstance(value, Name)}


def handed(program: Program) -> set[str]:
    """The names that calls of the program's functions take and set."""
    found: set[str] = set()
    for s in calls(program.body):
        found |= {t.id for t in s.targets}.union(*map(names, s.args))
    return found


def run(r: Sweep, callee: Reversed) -> tuple[list[Statement], list[Statement], list[Name]]:
    """Both sweeps over a function's body, and the names of the adjoints of its results."""
    for dtype in callee.tapes:
        r.tapes.of(Kind(dtype))
    for k in callee.wanted:
        p = callee.function.arguments[k]
        if p.kind.is_array:
            r.d(p.id)
            r.live.add(p.id)
    seeds: list[Name] = []
    *body, last = r.program.body
    for k in callee.seeds:
        leaf = leaves(last.values)[k]  # type: ignore[attr-defined]
        seed = r.fresh("d_result" if len(callee.seeds) == 1 else f"d_result_{k}", Kind(leaf.kind.dtype, leaf.kind.ndim))
        seeds.append(seed)
        if isinstance(leaf, Name) and leaf.id in r.active:
            r.seed(leaf, seed)
    opening, r.out = r.out, []
    forward, backward = r.block(r, body, True)
    forward, backward, _ = kept(r, forward, [*opening, *backward], body, [])
    return forward, backward, seeds
