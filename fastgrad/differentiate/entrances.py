"""The Python function that stands between a user's call and compiled code, written anew for each list of argument forms.

Promised: what has been compiled is reached by comparisons of types alone; captured values are read at every call; anything
unforeseen (other types, a rebound helper function, a missing argument) goes to `general`, which compiles or raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastgrad.differentiate.forms import SPACE, Form, apart

MISSING = object()  # stands where an argument was left out
INLINE = 6  # so many lists of forms are told apart one after another; more go through `general`, which looks them up


@dataclass
class Case:
    """One compiled program. captured, watched: readers of captured values with their forms, and of what was built in."""

    forms: tuple[Form, ...]
    compiled: Callable[..., Any]
    returns: str  # an expression about `r`, what compiled code returned
    captured: list[tuple[Callable[[], Any], Form]] = field(default_factory=list)
    watched: list[tuple[Callable[[], Any], Any]] = field(default_factory=list)
    alike: tuple[tuple[str, str], ...] = ()  # expressions of arrays that must have the same shape
    apart: tuple[tuple[str, str], ...] = ()  # an argument that is written into, and one that must not share its memory
    source: str = ""

    def fresh(self) -> bool:
        """Is everything that was built in still what its name means?"""
        return all(read() is value for read, value in self.watched)

    def check(self, parameters: Sequence[str], given: Sequence[Any]) -> None:
        """ValueError where arguments that must have the same shape have not, or share memory that is written into."""
        space = dict(zip(parameters, given, strict=True))
        for a, b in self.alike:
            found, expected = (eval(text, {}, space).shape for text in (a, b))
            if found != expected:
                raise ValueError(f"{a} has the shape {found}, expected {expected}, which is that of {b}")
        for a, b in self.apart:
            if not apart(space[a], space[b]):
                raise ValueError(f"{a} and {b} share memory, and the function writes into {a}: give a copy of one")


def entrance(
    name: str, parameters: Sequence[str], cases: Sequence[Case], general: Callable[..., Any], space: dict[str, Any]
) -> Callable[..., Any]:
    """The function of these parameters that finds the case and calls it. space: the constants that forms name."""
    names = SPACE | space | {"general": general, "MISSING": MISSING}
    lines = [f"def {name}({', '.join(f'{p}=MISSING' for p in parameters)}):"]
    for k, case in enumerate(cases[:INLINE]):
        tests = [form.tests(p) for form, p in zip(case.forms, parameters, strict=True)]
        tests += [f"{a}.shape == {b}.shape" for a, b in case.alike] + [f"apart({a}, {b})" for a, b in case.apart]
        for i, (read, value) in enumerate(case.watched):
            names[f"now_{k}_{i}"], names[f"seen_{k}_{i}"] = read, value
            tests.append(f"now_{k}_{i}() is seen_{k}_{i}")
        lines.append(f"    if {' and '.join(tests) or 'True'}:")
        later = [form.tests(f"captured_{i}") for i, (_, form) in enumerate(case.captured)]
        lines += [f"        {line}" for line in reads(case, names, f"_{k}")]
        lines.append(f"        if {' and '.join(later) or 'True'}:")
        lines += [f"            {line}" for line in returns(case, parameters, names, f"_{k}")]
    lines.append(f"    return general(({''.join(f'{p}, ' for p in parameters)}))")
    return function(name, lines, names)


def last(enter: Callable[..., Any], extras: Sequence[str]) -> Callable[..., Any]:
    """The entrance of parameters that end with `extras`, which take the last positional arguments however many are given.

    So a tangent follows the arguments, those with defaults left out or not.
    """

    def called(*args: Any, **kwargs: Any) -> Any:
        """The same, with the further arguments by their names."""
        named = [name for name in extras if name not in kwargs]
        own = max(len(args) - len(named), 0)
        return enter(*args[:own], **dict(zip(named, args[own:], strict=False)), **kwargs)

    return called


def direct(case: Case, parameters: Sequence[str], space: dict[str, Any]) -> Callable[..., Any]:
    """The function of these parameters that calls the case, which is known to be the right one."""
    names = SPACE | space
    lines = [f"    {line}" for line in [*reads(case, names, ""), *returns(case, parameters, names, "")]]
    return function("direct", [f"def direct({', '.join(parameters)}):", *lines], names)


def reads(case: Case, names: dict[str, Any], mark: str) -> list[str]:
    """The lines that read captured values."""
    names |= {f"read{mark}_{i}": read for i, (read, _) in enumerate(case.captured)}
    return [f"captured_{i} = read{mark}_{i}()" for i in range(len(case.captured))]


def returns(case: Case, parameters: Sequence[str], names: dict[str, Any], mark: str) -> list[str]:
    """The lines that call compiled code and return what the user gets."""
    names[f"compiled{mark}"] = case.compiled
    given = [form.accepts(name) for form, name in zip(case.forms, parameters, strict=True)]
    given += [form.accepts(f"captured_{i}") for i, (_, form) in enumerate(case.captured)]
    call = f"compiled{mark}({', '.join(given)})"
    return [f"return {call}"] if case.returns == "r" else [f"r = {call}", f"return {case.returns}"]


def function(name: str, lines: list[str], names: dict[str, Any]) -> Callable[..., Any]:
    """The function that these lines define."""
    exec(compile("\n".join(lines), f"<the entrance of {name}>", "exec"), names)
    made: Callable[..., Any] = names[name]
    return made
