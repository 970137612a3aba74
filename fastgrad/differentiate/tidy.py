"""What is never used is not printed: dead statements go, names that only pass a value on disappear."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .aliases import roots, source_of
from .program import (
    Assign,
    Call,
    For,
    If,
    Move,
    Name,
    Op,
    Program,
    Raise,
    Return,
    Statement,
    Store,
    While,
    calls,
    every,
    expressions,
    inside,
    names,
)


@dataclass
class Facts:
    """What a block needs to know. sharing: names that look into the same memory; functions: the program's, by name; needed:
    which results of each are used, as far as is known."""

    sharing: dict[str, set[str]]
    functions: dict[str, Program]
    needed: dict[str, set[int]]
    results: set[int] | None = None  # of a function of the program: those that are used
    written: set[str] = field(default_factory=set)  # of such a function: the arguments that it writes into


def tidied(program: Program) -> Program:
    """The program without statements whose results are not used."""
    for _ in range(10):
        before = _size(program)
        program = _once(program)
        if _size(program) == before:
            break
    return program


def _once(program: Program) -> Program:
    functions = {function.name: function for function in program.functions}
    needed: dict[str, set[int]] = {}
    made: dict[str, Program] = {}
    before = -1
    while before != len(needed) + sum(map(len, needed.values())):
        before = len(needed) + sum(map(len, needed.values()))
        body, _ = _block(program.body, set(), _facts(program, functions, needed))
        for name in list(needed):
            function = functions[name]
            facts = _facts(function, functions, needed)
            facts.results = needed[name]
            facts.written = {function.arguments[k].id for k in function.writes}
            made[name] = replace(function, body=_block(function.body, set(), facts)[0])
    kept = [made[name] for name in functions if name in needed]
    return without_unused(replace(program, body=body, functions=kept), needed)


def _facts(program: Program, functions: dict[str, Program], needed: dict[str, set[int]]) -> Facts:
    found = roots(program)
    shared: dict[str, set[str]] = {}
    for s in calls(program.body):  # a result may be the argument: a tape that was large enough
        together = set().union(*(found.get(source_of(v) or "", set()) for v in [*s.args, *s.targets]))
        for name in together:
            for other, own in found.items():
                if own & together:
                    shared.setdefault(name, set()).add(other)
    for name, own in found.items():
        for root in own:
            shared.setdefault(root, set()).add(name)
    return Facts({name: set().union(*(shared[r] for r in own)) for name, own in found.items()}, functions, needed)


def _size(program: Program) -> int:
    parts = [program, *program.functions]
    return sum(_count(part.body) + len(part.arguments) for part in parts)


def _count(body: list[Statement]) -> int:
    return sum(1 + (len(s.targets) if isinstance(s, Move | Call) else 0) for s in every(body))


def _block(body: list[Statement], live: set[str], facts: Facts) -> tuple[list[Statement], set[str]]:
    """The statements that matter, and the names that matter before them."""
    kept: list[Statement] = []
    for s in reversed(body):
        new, live = _statement(s, live, facts)
        if new is not None:
            kept.append(new)
    return kept[::-1], live


def _reads(s: Statement) -> set[str]:
    return set().union(*(names(e) for e in expressions(s))) if expressions(s) else set()


def _statement(s: Statement, live: set[str], facts: Facts) -> tuple[Statement | None, set[str]]:
    if isinstance(s, Return):
        if facts.results is None:
            return s, _reads(s)
        return s, facts.written.union(*(names(value) for k, value in enumerate(s.values) if k in facts.results))
    if isinstance(s, Call):
        return _call(s, live, facts)
    if isinstance(s, Raise):
        return s, live
    if isinstance(s, Assign):
        if isinstance(s.value, Op) and s.value.name.startswith("scatter_add"):  # writes into its first argument
            return (s, live | _reads(s)) if facts.sharing.get(s.target, {s.target}) & live else (None, live)
        if s.target not in live or s.value == Name(s.target, s.value.kind):
            return (None, live)
        return s, (live - {s.target}) | _reads(s)
    if isinstance(s, Store):
        return (s, live | _reads(s)) if facts.sharing.get(s.base.id, {s.base.id}) & live else (None, live)
    if isinstance(s, Move):
        pairs = [(t, v) for t, v in zip(s.targets, s.values, strict=True) if t.id in live]
        if not pairs:
            return None, live
        live = (live - {t.id for t, _ in pairs}) | set().union(*(names(v) for _, v in pairs))
        return replace(s, targets=[t for t, _ in pairs], values=[v for _, v in pairs]), live
    if isinstance(s, If):
        body, first = _block(s.body, live, facts)
        orelse, second = _block(s.orelse, live, facts)
        if not body and not orelse:
            return None, live
        return replace(s, body=body, orelse=orelse), first | second | names(s.test)
    assert isinstance(s, For | While)
    return _loop(s, live, facts)


def _call(s: Call, live: set[str], facts: Facts) -> tuple[Statement | None, set[str]]:
    function = facts.functions[s.function]
    used = {k for k, t in enumerate(s.targets) if t.id in live}
    bases = [source_of(s.args[k]) or "" for k in function.writes]
    writes = any(facts.sharing.get(base, {base}) & live for base in bases)
    if not used and not writes and not _raises(function, facts, set()):
        return None, live
    before = facts.needed.setdefault(s.function, set())
    before |= used
    return s, (live - {t.id for t in s.targets}) | _reads(s)


def _raises(function: Program, facts: Facts, seen: set[str]) -> bool:
    """May a call of the function end in an exception of the user's?"""
    if function.name in seen:
        return False
    seen.add(function.name)
    inside = [facts.functions[s.function] for s in calls(function.body)]
    return any(isinstance(s, Raise) for s in every(function.body)) or any(_raises(f, facts, seen) for f in inside)


def _loop(s: For | While, live: set[str], facts: Facts) -> tuple[Statement | None, set[str]]:
    head = set(live)
    if s.until:
        head.add(s.until)
    if isinstance(s, While):
        head |= names(s.test)
    while True:
        body, before = _block(s.body, set(head), facts)
        if before <= head:
            break
        head |= before
    bare = _block(s.body, set(live), facts)[0]
    if not body or (isinstance(s, For) and not bare and not any(isinstance(x, Raise) for x in body)):
        return None, live
    if isinstance(s, For):
        head = head - {s.var} if s.var not in live else head
    return replace(s, body=body), head | _reads(s)


# ---- functions of the program: results and parameters that nobody asks for ---------------------------------------------


def without_unused(program: Program, needed: dict[str, set[int]]) -> Program:
    """The program, whose functions neither return what is not used nor take what they do not read."""
    read = read_parameters(program.functions)
    functions = []
    for function in program.functions:
        *body, last = _narrowed(function.body, needed, read)
        assert isinstance(last, Return)
        values = tuple(value for k, value in enumerate(last.values) if k in needed[function.name])
        kept = sorted(read[function.name])
        functions.append(
            replace(
                function,
                arguments=[function.arguments[k] for k in kept],
                body=[*body, replace(last, values=values)],
                writes=tuple(new for new, k in enumerate(kept) if k in function.writes),
            )
        )
    return replace(program, body=_narrowed(program.body, needed, read), functions=functions)


def read_parameters(functions: list[Program]) -> dict[str, set[int]]:
    """For each function the positions of the parameters that it reads, not merely hands to a call that does not."""
    read: dict[str, set[int]] = {function.name: set() for function in functions}
    before = -1
    while before != sum(map(len, read.values())):
        before = sum(map(len, read.values()))
        for function in functions:
            found: set[str] = set()
            for s in every(function.body):
                if isinstance(s, Call):
                    found |= set().union(*(names(s.args[k]) for k in read[s.function]))
                else:
                    found |= _reads(s)
                    found |= {s.until} if isinstance(s, For | While) and s.until else set()
            read[function.name] |= {k for k, p in enumerate(function.arguments) if p.id in found}
    return read


def _narrowed(body: list[Statement], needed: dict[str, set[int]], read: dict[str, set[int]]) -> list[Statement]:
    made: list[Statement] = []
    for s in body:
        if isinstance(s, Call):
            targets = [t for k, t in enumerate(s.targets) if k in needed[s.function]]
            args = [arg for k, arg in enumerate(s.args) if k in read[s.function]]
            s = replace(s, targets=targets, args=args, written=())
        made.append(inside(s, lambda block: _narrowed(block, needed, read)))
    return made
