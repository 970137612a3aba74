"""Loops: unrolled where their items are known, else with the kinds of what they carry found by reading them again."""

from __future__ import annotations

import ast
from typing import Any

from . import liveness
from .assigning import assign, named
from .builder import Builder
from .expressions import expression, static_truth
from .integers import multiplied
from .kinds import B1, I8, Kind, join
from .lists import changed
from .merging import blank, convert
from .operands import number
from .program import Assign, Expr, For, Lit, Move, Name, Op, Statement, While, walk
from .reading import asked
from .recursion import Undetermined
from .sequences import sequence
from .values import UNBOUND, Scope, flatten, form, is_expr, refill

MOST_UNROLLED = 200


def for_loop(b: Builder, scope: Scope, s: ast.For, live: set[str]) -> None:
    """A for loop."""
    given = getattr(s, "items", None)
    items = sequence(b, scope, given if given is not None else expression(b, scope, s.iter), s.iter)
    if items.static is not None and (len(items.static) <= MOST_UNROLLED):
        entry = dict(scope.env)
        try:
            _unrolled(b, scope, s, tuple(named(b, "item", item) for item in items.static), live)
        except Undetermined:
            _skipped(scope, s, entry)
        return
    if items.bounds is not None:
        base = s.target.id if isinstance(s.target, ast.Name) else "k"
        start, stop, step = (b.operand(bound) for bound in items.bounds)
    else:
        assert items.length is not None
        base, start, stop, step = "i", Lit(0, I8), items.length, Lit(1, I8)

    def body(index: Name, after: set[str]) -> None:
        assign(b, scope, s.target, items.item(index), s)
        b.block(b, scope, s.body, after)

    def build(index: Name, statements: list[Statement], carried: list[Name]) -> Statement:
        return For(index.id, start, stop, step, statements, carried)

    _loop(b, scope, s, live, base, body, build)


def _unrolled(b: Builder, scope: Scope, s: ast.For, items: tuple[Any, ...], live: set[str]) -> None:
    """A loop over items that are known when the function is read."""
    until = getattr(s, "until", None)
    head = liveness.at_head(s, live)
    if not items:
        return

    def run(k: int) -> None:
        if k == len(items):
            return
        assign(b, scope, s.target, items[k], s)
        rest = head if k + 1 < len(items) else live | ({until} if until else set())
        b.block(b, scope, s.body, rest)
        if until is None or k + 1 == len(items):
            run(k + 1)
            return
        # What remains of the loop runs only when the flag is not set; as an `if` it is merged as every other one.
        test = ast.UnaryOp(ast.Not(), ast.Name(until, ast.Load()))
        again = ast.For(s.target, s.iter, s.body, [])
        guard = ast.If(test, [again], [])
        for node in (test, again, guard):
            ast.fix_missing_locations(ast.copy_location(node, s))
        again.until = until  # type: ignore[attr-defined]
        again.items = items[k + 1 :]  # type: ignore[attr-defined]
        b.block(b, scope, [guard], live)

    run(0)


def while_loop(b: Builder, scope: Scope, s: ast.While, live: set[str]) -> None:
    """A while loop; a condition that needs statements is computed before the loop and at the end of each iteration."""
    flag = f"going{len(b.kinds)}_"
    trial: list[Statement] = []
    state, env = b.snapshot(), dict(scope.env)
    with b.into(trial):
        test = expression(b, scope, asked(s.test))
    simple = not trial and not any(p.kind.is_array and isinstance(p, Op) for p in walk(test) if is_expr(test))
    scope.env = env
    b.restore(state)
    if static_truth(test) is False:
        return
    if static_truth(test) is True or simple:

        def build(index: Name, statements: list[Statement], carried: list[Name]) -> Statement:
            return While(holder[0], statements, carried)

        holder: list[Expr] = [Lit(True, B1)]

        def body(index: Name, after: set[str]) -> None:
            holder[0] = number(b, expression(b, scope, s.test), s.test)
            b.block(b, scope, s.body, after)

        _loop(b, scope, s, live, "", body, build)
        return
    # The condition needs statements: it is computed before the loop and at the end of each iteration.
    check = ast.Assign([ast.Name(flag, ast.Store())], s.test)
    again = ast.While(ast.Name(flag, ast.Load()), [*s.body, check], [])
    for node in (check, again):
        ast.fix_missing_locations(ast.copy_location(node, s))
    if getattr(s, "until", None):
        guard = ast.If(ast.UnaryOp(ast.Not(), ast.Name(s.until, ast.Load())), [check], [])  # type: ignore[attr-defined]
        again.body[-1] = ast.fix_missing_locations(ast.copy_location(guard, s))
    again.until = getattr(s, "until", None)  # type: ignore[attr-defined]
    b.block(b, scope, [check, again], live)


def _loop(b: Builder, scope: Scope, s: Any, live: set[str], base: str, body: Any, build: Any) -> None:
    """A loop at run time. The kinds of what it carries are found by reading the body until they no longer change."""
    head = liveness.at_head(s, live) | scope.keep
    target = liveness.bound(s.target) if isinstance(s, ast.For) else set()
    start = dict(scope.env)
    names = sorted((liveness.assigned(s.body) | changed(s.body, start) | target) & head)
    entry = {name: start.get(name, UNBOUND) for name in names}
    kinds: dict[str, list[Any]] = {}
    for _ in range(12 + len(names)):
        state = b.snapshot()
        try:
            result = _attempt(b, scope, s, start, entry, kinds, base, body, head)
        except Undetermined:
            _skipped(scope, s, start)
            return
        if result is not None:
            break
        b.restore(state)
    else:
        raise b.error("changes the kind of a variable from one iteration to the next", s)
    index, statements, carried, before = result
    for statement in before:
        b.emit(statement)
    loop = build(index, statements, carried)
    until = getattr(s, "until", None)
    loop.until = scope.env[until].id if until and isinstance(scope.env.get(until), Name) else None
    b.emit(loop)


def _skipped(scope: Scope, s: ast.For | ast.While, start: dict[str, Any]) -> None:
    """A loop that calls a function of whose result nothing is known yet: as if it did not run."""
    scope.env = dict.fromkeys(liveness.assigned(s.body), UNBOUND) | start


def _attempt(
    b: Builder,
    scope: Scope,
    s: Any,
    start: Any,
    entry: Any,
    kinds: dict[str, list[Any]],
    base: str,
    body: Any,
    head: Any,
) -> Any:
    """Read the body once with `kinds` for the carried names; None (and better kinds) where they do not hold."""
    scope.env = dict(start)
    phis, before = _entered(b, scope, entry, kinds)
    index = b.name(base or "step", I8)
    statements: list[Statement] = []
    with b.into(statements):
        body(index, head)
    handed = _handed_on(b, scope, s, entry, kinds, phis)
    stable = handed is not None
    same = [n for n in phis if entry[n] is not UNBOUND and flatten(scope.env.get(n, UNBOUND)) == phis[n]]
    for name in same:  # only written into, as in x += y: it is the same array all the time
        if any(isinstance(p, Name) and p.kind.is_array for p in phis[name]):
            del entry[name]
            stable = False
    if not stable or handed is None:
        return None
    targets, values = handed
    for name in liveness.assigned(s.body) - set(entry):
        if name not in start or scope.env.get(name) is not start[name]:
            scope.env[name] = UNBOUND
    for name in phis:
        shape = entry[name] if entry[name] is not UNBOUND else b.forms[name]
        scope.env[name] = refill(shape, list(phis[name]))
    if targets:
        statements = [*multiplied(statements, targets, values), Move(targets, values, where=b.where)]
    carried = [p for leaves in phis.values() for p in leaves if isinstance(p, Name)]
    return index, statements, carried, before


def _entered(b: Builder, scope: Scope, entry: Any, kinds: dict[str, list[Any]]) -> tuple[Any, list[Statement]]:
    """The names that a loop carries, by variable, and the statements that set them before it."""
    before: list[Statement] = []
    phis: dict[str, list[Any]] = {}
    for name, value in entry.items():
        if value is UNBOUND and name not in kinds:
            continue
        leaves: list[Any] = flatten(value) if value is not UNBOUND else [None] * len(kinds[name])
        wanted = kinds.setdefault(name, [leaf.kind if is_expr(leaf) else leaf for leaf in leaves])
        phis[name] = [b.name(name, k) if isinstance(k, Kind) else k for k in wanted]
        for phi, leaf in zip(phis[name], leaves, strict=True):
            if isinstance(phi, Name):
                before.append(
                    Assign(phi.id, blank(phi.kind) if leaf is None else convert(leaf, phi.kind), where=b.where)
                )
        shape = value if value is not UNBOUND else b.forms[name]
        scope.env[name] = refill(shape, list(phis[name]))
    return phis, before


def _handed_on(
    b: Builder, scope: Scope, s: Any, entry: Any, kinds: dict[str, list[Any]], phis: dict[str, list[Any]]
) -> tuple[list[Name], list[Expr]] | None:
    """What the carried names are given at the end of an iteration; None, and better `kinds`, where they do not fit."""
    targets: list[Name] = []
    values: list[Expr] = []
    stable = True
    for name in entry:
        back = scope.env.get(name, UNBOUND)
        if back is UNBOUND:
            continue
        leaves = flatten(back)
        if name not in phis:  # first set inside, read after the loop or in a later iteration
            if all(is_expr(leaf) for leaf in leaves):
                kinds[name] = [leaf.kind for leaf in leaves]
                b.forms[name] = back
                stable = False
            continue
        if form(back) != form(scope_form(entry[name], b, name)):
            raise b.error(f"changes the length of {name!r} from one iteration to the next", s)
        for k, (phi, leaf) in enumerate(zip(phis[name], leaves, strict=True)):
            if not isinstance(phi, Name):
                if phi is not leaf and phi != leaf:
                    raise b.error(f"changes {name!r} to something else from one iteration to the next", s)
                continue
            if not is_expr(leaf):
                raise b.error(f"changes {name!r} to something else from one iteration to the next", s)
            kind = join(phi.kind, leaf.kind)
            if kind is None:
                raise b.error(f"changes {name!r} from {phi.kind} to {leaf.kind} in the loop", s)
            varies = isinstance(phi.kind.shape, str)
            if kind != phi.kind or (kind.ndim and kind.shape is None and not varies):
                kinds[name][k] = Kind(kind.dtype, kind.ndim, kind.shape or f"any {name} {k} {b.label()}")
                stable = False
            if leaf != phi:
                targets.append(phi)
                values.append(convert(leaf, phi.kind))
    return (targets, values) if stable else None


def scope_form(value: Any, b: Builder, name: str) -> Any:
    """The form of a carried value at the loop's head."""
    return value if value is not UNBOUND else b.forms[name]
