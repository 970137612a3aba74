"""What a public docstring owes its reader, as a rule that a machine can apply: `python tools/docstrings.py` lists faults.

Looked at: every name in `fastgrad.__all__`, the classes of the package that these inherit from, the classes of ALSO,
which users meet without naming them, and the public methods and properties of them all; what is inherited counts
once, where it is written. A docstring owes

- summary: a first sentence of three words or more, with a capital and a full stop;
- arguments: the name of every argument, those of a class in the docstring of the class;
- shapes: behind the name of an array, and wherever an array is returned, a shape such as (N, I) or the word shape;
- raises: where there are arguments, an exception that exists and, in the same sentence, when it is raised;
- source: for names of `__all__`, "Source:" with a year, an arXiv number, an address or a reference implementation;
- example: for names of `__all__`, an example that mentions the name, shows a result, and runs.

EXCUSED holds the exceptions with their reasons; an excuse that is not needed is a fault as well. Examples do not count
as mentions. Whether the sentences are true, no machine can tell: the tests of the modules do.
"""

from __future__ import annotations

import builtins
import contextlib
import doctest
import importlib
import inspect
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import fastgrad

ALSO = ("history.FitState", "network.ParameterList", "optimizers.OptimizerState", "checking.reports.Entry")
MADE = "made by fastgrad, not by its users: nothing to refuse"
NOTHING_PUBLISHED = "a record or an error of our own: nothing was published"
EXCUSED = {
    ("Constant", "source"): "a constant needs no paper",
    ("DivergenceError", "raises"): "is itself raised; the first sentence says when",
    ("DivergenceError", "source"): NOTHING_PUBLISHED,
    ("Entry", "raises"): MADE,
    ("FitState", "raises"): MADE,
    ("GradientCheckError", "source"): NOTHING_PUBLISHED,
    ("GradientReport", "raises"): MADE,
    ("GradientReport", "source"): NOTHING_PUBLISHED,
    ("History", "source"): NOTHING_PUBLISHED,
    ("History.add", "raises"): "any names and any numbers will do",
    ("OptimizerState", "raises"): MADE,
    ("ParameterList", "raises"): MADE,
    ("Schedule.observe", "raises"): "called by fit, with a number of its own",
}

ARRAYS = {
    "X",
    "y",
    "x",
    "sample_weight",
    "dscores",
    "params",
    "grads",
}  # wherever they are arguments, whatever the type
ARRAY_TYPE = re.compile(r"\b(NDArray|ArrayLike|Arrays?|Times)\b")
DIMENSION = r"(?:[NIO]|\d+|size|inputs|outputs)"
SHAPE = rf"(?:\({DIMENSION}(?:, ?{DIMENSION})*,?\)|\bshapes?\b)"
ERROR = r"\b[A-Z]\w*(?:Error|Exception|Interrupt)\b"
WHEN = rf"({ERROR})[^.]*?(?::| (?:where|when|if|unless|for|after|while)) +\S+ +\S+"
SOURCE = (
    r"\bSources?: .*?(\b(?:18|19|20)\d\d\b|arXiv:\d|https?://|\b[a-z]+\.com/|\b(?:torch|jax|sklearn|scipy|optax)\.\w)"
)


@dataclass(frozen=True)
class Subject:
    """A public thing: its name for people, what it is, its arguments, whether it is a name of `__all__`."""

    name: str
    thing: Any
    doc: str
    arguments: tuple[inspect.Parameter, ...] = ()
    returns: str = ""
    top: bool = False
    space: dict[str, Any] = field(default_factory=dict, compare=False)  # names that its example may use

    @property
    def prose(self) -> str:
        """The docstring without its examples, on one line."""
        lines, example = [], False
        for line in self.doc.splitlines():
            example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
            lines += [] if example else [line.strip() or "."]
        return re.sub(r"(?:(?<=[.:]) \.|(?<= )\.)+(?= |$)", "", " ".join(lines)).strip()


def signature(thing: Any) -> tuple[tuple[inspect.Parameter, ...], str]:
    """Arguments without self, and the return type as it is written."""
    if isinstance(thing, property):
        given = signature(thing.fset)[0] if thing.fset else ()
        return given, signature(thing.fget)[1]
    try:
        found = inspect.signature(thing)
    except ValueError:  # an exception without an __init__ of its own
        return (), ""
    parameters = [p for p in found.parameters.values() if p.name not in ("self", "cls")]
    named = tuple(p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or p.name == "values")
    return named, "" if isinstance(thing, type) else str(found.return_annotation)


def own_classes(thing: type) -> list[type]:
    """The class and those of the package that it inherits from."""
    return [base for base in thing.__mro__ if base.__module__.split(".")[0] == thing.__module__.split(".")[0]]


def members(owner: type, top: bool) -> Iterator[Subject]:
    """A class and the public methods and properties that are written in it; overrides may leave the words to the base."""
    space = {"fg": fastgrad, **vars(sys.modules[owner.__module__])}
    yield Subject(owner.__name__, owner, inspect.cleandoc(owner.__doc__ or ""), *signature(owner), top, space)
    for name, member in vars(owner).items():
        if (name.startswith("_") and name != "__call__") or not (callable(member) or isinstance(member, property)):
            continue
        doc = inspect.cleandoc(member.__doc__ or "")
        if doc or not any(getattr(getattr(base, name, None), "__doc__", None) for base in own_classes(owner)[1:]):
            yield Subject(f"{owner.__name__}.{name}", member, doc, *signature(member), False, space)


def subjects() -> list[Subject]:
    """All that is looked at, each once."""
    found: dict[Any, list[Subject]] = {}
    for name in fastgrad.__all__:
        thing = getattr(fastgrad, name)
        if isinstance(thing, type):
            for owner in own_classes(thing):
                found.setdefault(owner, list(members(owner, owner.__name__ in fastgrad.__all__)))
        elif callable(thing):
            doc, space = inspect.cleandoc(thing.__doc__ or ""), dict(vars(sys.modules[thing.__module__]))
            found[thing] = [Subject(name, thing, doc, *signature(thing), True, space)]
    for path in ALSO:
        module, name = path.rsplit(".", 1)
        owner = getattr(importlib.import_module(f"fastgrad.{module}"), name)
        found.setdefault(owner, list(members(owner, False)))
    return [subject for group in found.values() for subject in group]


def check_summary(s: Subject) -> str | None:
    """The first sentence."""
    paragraph = " ".join(s.doc.split("\n\n")[0].split())
    first = re.split(r"(?<=[.?!])\s", paragraph)[0]
    words = set(re.findall(r"\w{2,}|\b[A-Z]\b", first)) - set(s.name.split("."))
    if not s.doc:
        return "there is no docstring"
    if re.search(r"\b(TODO|FIXME|TBD)\b", s.doc):
        return "a docstring that is to be written"
    if not re.match(r"[A-Z0-9`\"(\[]", first) or not re.search(r"[.?!:]$", first) or len(words) < 3:
        return f"the first sentence needs a capital, three words and a full stop: {first!r}"
    return None


def check_arguments(s: Subject) -> str | None:
    """The arguments' names."""
    if isinstance(s.thing, property):
        return None
    missing = [p.name for p in s.arguments if not re.search(rf"\b{p.name}\b", s.prose)]
    return f"not mentioned: {', '.join(missing)}" if missing else None


def check_shapes(s: Subject) -> str | None:
    """The shapes of arrays."""
    arrays = [p.name for p in s.arguments if p.name in ARRAYS or ARRAY_TYPE.search(str(p.annotation))]
    if isinstance(s.thing, property):
        arrays = []
    missing = [name for name in arrays if not re.search(rf"\b{name}\b[^.]{{0,80}}?{SHAPE}", s.prose)]
    if missing:
        return f"no shape behind the name of: {', '.join(missing)}"
    if ARRAY_TYPE.search(s.returns) and not re.search(SHAPE, s.prose):
        return "an array is returned, but of what shape?"
    return None


def check_raises(s: Subject) -> str | None:
    """What is raised, and when."""
    known = {**vars(builtins), **{name: getattr(fastgrad, name) for name in fastgrad.__all__}}
    strange = [name for name in re.findall(ERROR, s.prose) if name not in known]
    if strange:
        return f"unknown exceptions: {', '.join(strange)}"
    return "no exception with its condition" if s.arguments and not re.search(WHEN, s.prose) else None


def check_source(s: Subject) -> str | None:
    """Where the method comes from."""
    return "no source with a year, a number or an address" if s.top and not re.search(SOURCE, s.prose) else None


def check_example(s: Subject) -> str | None:
    """An example that runs."""
    if not s.top:
        return None
    test = doctest.DocTestParser().get_doctest(s.doc, s.space, s.name, None, 0)
    shown = [example for example in test.examples if example.want or example.exc_msg]
    if not shown or not any(re.search(rf"\b{s.name}\b", e.source + e.want) for e in test.examples):
        return f"no example that mentions {s.name} and shows a result"
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    with contextlib.redirect_stdout(io.StringIO()) as told:
        runner.run(test)
    return f"the example fails: {told.getvalue()}" if runner.failures else None


CHECKS = {name.removeprefix("check_"): f for name, f in list(globals().items()) if name.startswith("check_")}


def faults_of(subject: Subject) -> dict[str, str]:
    """The rules that a docstring breaks: name -> what is missing."""
    if not subject.doc:
        return {"summary": "there is no docstring"}
    return {rule: text for rule, check in CHECKS.items() if (text := check(subject))}


def faults(found: list[Subject] | None = None, excused: dict[tuple[str, str], str] | None = None) -> list[str]:
    """All faults of the public docstrings, a line each."""
    found, excused = subjects() if found is None else found, EXCUSED if excused is None else excused
    lines, used = [], set()
    for subject in found:
        for rule, text in faults_of(subject).items():
            if (subject.name, rule) in excused:
                used.add((subject.name, rule))
            else:
                lines.append(f"{subject.name}: {rule}: {text}")
    return lines + [f"{name}: {rule}: the excuse is not needed" for name, rule in excused.keys() - used]


if __name__ == "__main__":
    print("\n".join(found := faults()))
    sys.exit(bool(found))
