"""A function that was read apart made whole: what it takes from around it and what it writes into become explicit.

Names of enclosing functions and captured values become further parameters of it and of every call. Where it writes into an
array of its caller, it works on a copy and returns that, and the caller writes it back; where it returns what may be a view
of an argument, it returns a copy (aliases.py refuses both where the difference could be seen).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .aliases import roots, source_of
from .builder import Builder
from .indexing import whole
from .program import (
    Assign,
    Call,
    Expr,
    Name,
    Op,
    Program,
    Return,
    Statement,
    Store,
    assigned,
    calls,
    every,
    inside,
    substitute,
    used,
)


def finish(b: Builder, one: Any, body: list[Statement]) -> None:
    """Enter the function `one` (recursion.Apart) with this body among the program's, together with those that it holds."""
    parameters = [p for p in one.parameters if p is not None]
    b.functions.append(Program(one.name, list(parameters), [], body, b.kinds, origin=one.title))
    group = b.functions[one.start :]
    aparts = {apart.name: apart for apart in b.apart}
    lift(b, group, aparts)
    return_copies(b, group, aparts)
    return_what_is_written(b, group, aparts)


def lift(b: Builder, group: list[Program], aparts: dict[str, Any]) -> None:
    """Every free name of a function becomes a parameter of it."""
    changed = True
    while changed:
        changed = False
        for function in group:
            have = {p.id for p in function.arguments} | assigned(function.body)
            missing = [Name(name, b.kinds[name]) for name in sorted(used(function.body) - have)]
            if missing:
                changed = True
                function.arguments += missing
                aparts[function.name].lifted += missing
                for s in (s for other in group for s in calls(other.body) if s.function == function.name):
                    s.args += missing


def return_copies(b: Builder, group: list[Program], aparts: dict[str, Any]) -> None:
    """Arrays that a function returns are its own."""
    for function in group:
        found, own = roots(function), {p.id for p in function.arguments}
        *body, last = function.body
        assert isinstance(last, Return)
        values = []
        for value in last.values:
            held = found.get(value.id, set()) if isinstance(value, Name) else set()
            if value.kind.is_array and (held & own or not isinstance(value, Name)):
                copy = b.name("result", value.kind)
                body.append(Assign(copy.id, Op("copy", (value,), value.kind), where=last.where))
                value = copy
                aparts[function.name].looks = aparts[function.name].looks or bool(held & own)
            elif value.kind.is_array:
                own |= held
            values.append(value)
        function.body = [*body, replace(last, values=tuple(values))]
    for function in group:
        for s in calls(function.body):
            if s.function in aparts:
                s.looks = s.looks or aparts[s.function].looks


def return_what_is_written(b: Builder, group: list[Program], aparts: dict[str, Any]) -> None:
    """The arrays of its caller that a function writes into are copied at its start, and returned."""
    written: dict[str, list[int]] = {function.name: [] for function in group}
    before = -1
    while before != sum(map(len, written.values())):
        before = sum(map(len, written.values()))
        for function in group:
            written[function.name] = positions(function, written)
    for function in group:
        own = written[function.name]
        function.body = written_back(b, function.body, written)
        aparts[function.name].written = own
        opening: list[Statement] = []
        results: list[Expr] = []
        for k in own:
            given = function.arguments[k]
            copy = b.name(given.id, given.kind)
            renamed = {given.id: copy.id}
            function.body = substitute(function.body, lambda n, m=renamed: Name(m.get(n.id, n.id), n.kind), lambda n: n)  # type: ignore[misc]
            opening.append(Assign(copy.id, Op("copy", (given,), given.kind), where=function.body[0].where))
            results.append(copy)
        last = function.body[-1]
        assert isinstance(last, Return)
        last.values = (*last.values, *results)
        function.body = [*opening, *function.body]


def positions(function: Program, written: dict[str, list[int]]) -> list[int]:
    """The parameters whose arrays the function writes into, itself or by calls."""
    found = roots(function)
    places: set[str] = set()
    for s in every(function.body):
        if isinstance(s, Store):
            places |= found.get(s.base.id, set())
        if isinstance(s, Call):
            for k in written.get(s.function, []):
                places |= found.get(source_of(s.args[k]) or "", set())
    return [k for k, p in enumerate(function.arguments) if p.id in places]


def written_back(b: Builder, body: list[Statement], written: dict[str, list[int]]) -> list[Statement]:
    """The statements, in which a call is followed by writing back what it has written."""
    made: list[Statement] = []
    for s in body:
        made.append(inside(s, lambda block: written_back(b, block, written)))
        if isinstance(s, Call) and written.get(s.function):
            made += stores(b, s, written[s.function])
    return made


def stores(b: Builder, s: Call, written: list[int]) -> list[Statement]:
    """Further results of a call, and the writing back of them."""
    made: list[Statement] = []
    s.written = tuple(written)
    for k in written:
        place = s.args[k]
        new = b.name("written", place.kind)
        s.targets.append(new)
        base, index = (place, (whole(place.kind),)) if isinstance(place, Name) else (place.args[0], place.args[1:])  # type: ignore[union-attr]
        assert isinstance(base, Name)
        made.append(Store(base, index, new, where=s.where))
    return made
