"""Programs as Python source that a person can read, and that Numba compiles."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from . import helpers
from .errors import Where
from .guards import guarded
from .kinds import DTYPES, I8
from .program import (
    Assign,
    Call,
    Expr,
    For,
    If,
    Lit,
    Move,
    Name,
    Op,
    Program,
    Raise,
    Return,
    Statement,
    Store,
    While,
    leaves,
)
from .rules import ARITHMETIC, COMPARISONS, LOGIC, RULES

_LEVELS = {
    "or": 1, "and": 2, "not": 3, "bitor": 5, "bitxor": 6, "bitand": 7, "add": 9, "sub": 9, "mul": 10, "div": 10,
    "floordiv": 10, "mod": 10, "matmul": 10, "neg": 11, "pos": 11, "invert": 11, "pow": 12, **dict.fromkeys(COMPARISONS, 4),
}  # fmt: skip
_INFIX = {**ARITHMETIC, **COMPARISONS, **LOGIC}
_ATOM = 20
IMPORTS = "import math\n\nimport numpy as np"


def text(expression: Expr, around: int = 0) -> str:
    """The expression as Python; in brackets where what stands around it binds more strongly."""
    string, level = _text(expression)
    return f"({string})" if level < around else string


def _text(e: Expr) -> tuple[str, int]:
    if isinstance(e, Name):
        return e.id, _ATOM
    if isinstance(e, Lit):
        return _literal(e)
    level = _LEVELS.get(e.name, _ATOM)
    if e.kind.is_array and e.name in ("and", "or", "not"):
        return f"np.logical_{e.name}({', '.join(text(a) for a in e.args)})", _ATOM
    if e.name in _INFIX:
        left, right = (level + 1, level) if e.name == "pow" else (level, level + 1)
        if e.name in COMPARISONS:
            left = level + 1
        return f"{text(e.args[0], left)} {_INFIX[e.name]} {text(e.args[1], right)}", level
    if e.name in ("neg", "pos", "not", "invert"):
        return {"neg": "-", "pos": "+", "not": "not ", "invert": "~"}[e.name] + text(e.args[0], level), level
    return _call(e)


def _literal(e: Lit) -> tuple[str, int]:
    if isinstance(e.value, float) and not math.isfinite(e.value):
        name = "math.nan" if math.isnan(e.value) else "math.inf" if e.value > 0 else "-math.inf"
        return name, _ATOM if e.value != -math.inf else 11
    string = repr(e.value)
    if e.kind.dtype == "f4":
        return f"np.float32({string})", _ATOM
    return string, 11 if string.startswith("-") else _ATOM


def _call(e: Op) -> tuple[str, int]:
    rule = RULES[e.name]
    if e.name == "where" and not e.kind.is_array and not e.args[0].kind.is_array:
        test, yes, no = e.args
        return f"{text(yes, 1)} if {text(test, 1)} else {text(no)}", 0
    if e.name == "getitem":
        return f"{text(e.args[0], _ATOM)}[{index_text(e.args[1:])}]", _ATOM
    if e.name == "shape" and e.attr("axis") == 0:
        return f"len({text(e.args[0])})", _ATOM
    if e.name in ("float", "int") and e.args[0].kind.is_array:
        return f"{text(e.args[0], _ATOM)}.astype({DTYPES[e.kind.dtype]})", _ATOM
    pattern = rule.text if e.kind.is_array or any(a.kind.is_array for a in e.args) else rule.scalar or rule.text
    level = 9 if e.name == "full_of" else _ATOM
    return fill(pattern, e), level


def fill(pattern: str, e: Op) -> str:
    """A rule's text with the arguments and attributes in place."""
    method = pattern.startswith(("{0}.", "{0}["))
    inner = 9 if e.name == "full_of" else 0
    words: dict[str, Callable[[], str]] = {k: partial(_attribute, v) for k, v in e.attrs}
    words |= {
        "*": lambda: ", ".join(text(a) for a in e.args),
        "rest": lambda: _shape([text(a) for a in e.args[1:]]),
        "shape": lambda: _shape([text(a) for a in e.args]),
        "sizes": lambda: "(" + ", ".join(text(a) for a in e.args[1:]) + ("," if len(e.args) == 2 else "") + ")",
        "tuple": lambda: "(" + ", ".join(text(a) for a in e.args) + ("," if len(e.args) == 1 else "") + ")",
        "dtype": lambda: DTYPES.get(e.attr("dtype", ""), ""),
    }
    words |= {str(k): partial(text, arg, _ATOM if method and k == 0 else inner) for k, arg in enumerate(e.args)}
    for key, word in words.items():
        # only what the pattern has is written: else each level would write the next five times
        if f"{{{key}}}" in pattern:
            pattern = pattern.replace(f"{{{key}}}", word())
    return pattern.replace(", np.float64)", ")") if e.name in ("zeros", "ones", "empty") else pattern


def _attribute(value: Any) -> str:
    return repr(value)


def _shape(sizes: list[str]) -> str:
    return sizes[0] if len(sizes) == 1 else "(" + ", ".join(sizes) + ")"


def index_text(index: tuple[Expr, ...]) -> str:
    """What stands between the brackets."""
    return ", ".join(_index_item(item) for item in index)


def _index_item(item: Expr) -> str:
    if isinstance(item, Op) and item.name == "slice":
        start, stop, step = ("" if isinstance(a, Lit) and a.value is None else text(a) for a in item.args)
        return f"{start}:{stop}" + (f":{step}" if step and step != "1" else "")
    if isinstance(item, Op) and item.name in ("newaxis", "ellipsis"):
        return "None" if item.name == "newaxis" else "..."
    return text(item)


# ---- statements --------------------------------------------------------------------------------------------------------


class Writer:
    """Lines of source, with a comment wherever the original line changes."""

    def __init__(self, program: Program, called: bool = False):
        self.program = program
        self.called = called  # by the program itself: one result is returned as it is
        self.lines: list[str] = []
        self.last: Where | None = None

    def line(self, depth: int, string: str) -> None:
        """One line, indented."""
        self.lines.append("    " * depth + string)

    def block(self, body: list[Statement], depth: int) -> None:
        """The statements of a block."""
        if not body:
            self.line(depth, "pass")
        for s in body:
            if s.note:
                self.line(depth, f"# {s.note}")
                self.last = None
            self.comment(s.where, depth)
            self.statement(s, depth)

    def comment(self, where: Where | None, depth: int) -> None:
        """# line 3: y = x**2"""
        if where is None or where == self.last:
            return
        self.last = where
        original = self.program.lines.get((where.file, where.line), "")
        if not original:
            return
        name = "" if where.function == self.program.origin else f"{where.function}, "
        self.line(depth, f"# {name}line {where.line}" + (f": {original}" if original else ""))

    def statement(self, s: Statement, depth: int) -> None:
        """One statement, with the blocks inside it."""
        if isinstance(s, Assign):
            self.line(depth, _assignment(s))
        elif isinstance(s, Store):
            self.line(depth, _store(s))
        elif isinstance(s, Move):
            self.move(s, depth)
        elif isinstance(s, Call):
            self.line(depth, _call_line(s))
        elif isinstance(s, If):
            self.branch(s, depth)
        elif isinstance(s, For):
            self.line(depth, f"for {s.var} in range({_range(s)}):")
            self.loop(s, depth)
        elif isinstance(s, While):
            self.line(depth, f"while {text(s.test)}:")
            self.loop(s, depth)
        elif isinstance(s, Return):
            single = self.called and isinstance(s.values, tuple) and len(s.values) == 1
            if s.values != () or not self.called:
                self.line(depth, f"return {tree(s.values[0] if single else s.values)}")
        elif isinstance(s, Raise):
            self.line(depth, s.text)

    def loop(self, s: For | While, depth: int) -> None:
        """The body of a loop."""
        self.block(s.body, depth + 1)
        if s.until:
            self.line(depth + 1, f"if {s.until}:")
            self.line(depth + 2, "break")

    def branch(self, s: If, depth: int) -> None:
        """An if with what it has."""
        if not s.body and s.orelse:
            test = (
                s.test.args[0] if isinstance(s.test, Op) and s.test.name == "not" else Op("not", (s.test,), s.test.kind)
            )
            s = If(test, s.orelse, [], where=s.where)
        self.line(depth, f"if {text(s.test)}:")
        self.block(s.body, depth + 1)
        if s.orelse:
            self.line(depth, "else:")
            self.block(s.orelse, depth + 1)

    def move(self, s: Move, depth: int) -> None:
        """Assignments all at once: one after the other where the order allows it."""
        from .program import names

        pairs = list(zip(s.targets, s.values, strict=True))
        while pairs:
            free = [p for p in pairs if not any(p[0].id in names(q[1]) for q in pairs if q is not p)]
            if not free:
                left, right = (", ".join(side) for side in zip(*((t.id, text(v)) for t, v in pairs), strict=True))
                self.line(depth, f"{left} = {right}")
                return
            for target, value in free[:1]:
                self.line(depth, f"{target.id} = {text(value)}")
                pairs.remove((target, value))


def _assignment(s: Assign) -> str:
    value = s.value
    same = isinstance(value, Op) and value.args[:1] == (Name(s.target, value.kind),) and not value.kind.is_array
    if same and isinstance(value, Op) and value.name in ("add", "sub", "mul"):
        return f"{s.target} {_INFIX[value.name]}= {text(value.args[1])}"
    if isinstance(value, Op) and value.name.startswith("scatter_add") and value.args[0] == Name(s.target, value.kind):
        return text(value)
    return f"{s.target} = {text(value)}"


def _store(s: Store) -> str:
    value, sign = s.value, "="
    if s.add:
        sign = "+="
        if isinstance(value, Op) and value.name == "neg":
            value, sign = value.args[0], "-="
    whole = len(s.index) == 1 and isinstance(s.index[0], Op) and s.index[0].name == "ellipsis"
    rows = ", :" if 0 < len(s.index) < s.base.kind.ndim and all(i.kind == I8 for i in s.index) else ""
    place = (
        s.base.id if whole and s.add else f"{s.base.id}[:]" if whole else f"{s.base.id}[{index_text(s.index)}{rows}]"
    )
    return f"{place} {sign} {text(value)}"


def _call_line(s: Call) -> str:
    targets = ", ".join(t.id for t in s.targets)
    return f"{targets} = "[: None if targets else 0] + f"{s.function}({', '.join(text(arg) for arg in s.args)})"


def _range(s: For) -> str:
    parts = [s.start, s.stop, s.step]
    if isinstance(s.step, Lit) and s.step.value == 1:
        parts = [s.stop] if isinstance(s.start, Lit) and s.start.value == 0 else [s.start, s.stop]
    return ", ".join(text(p) for p in parts)


def tree(values: Any) -> str:
    """A tree of results as Python."""
    if isinstance(values, tuple):
        inner = ", ".join(tree(v) for v in values)
        return f"({inner},)" if len(values) == 1 else f"({inner})"
    return "None" if values is None else text(values)


def parameters(program: Program) -> list[str]:
    """The names of what the entry takes; a tuple argument is one parameter, unpacked in the first lines."""
    found: list[str] = []
    for k, argument in enumerate(program.arguments):
        if argument is None:
            found.append(program.unused[k] if k < len(program.unused) else f"unused_{k}")
        elif isinstance(argument, tuple):
            found.append(_tuple_name(argument, k))
        else:
            found.append(argument.id)
    return found + [item.name.id for item in program.captured]


def _tuple_name(argument: Any, k: int) -> str:
    first = leaves(argument)
    base = first[0].id.rsplit("_", 1)[0] if first and first[0] is not None else "items"
    return f"{base}_items"


def source(program: Program) -> str:
    """The whole source: imports, the functions that call themselves, and the function."""
    program = guarded(program)
    defined = "\n\n\n".join(definition(part, part is not program) for part in [*program.functions, program])
    used = [n for n in helpers.NAMES if re.search(rf"\b{n}\(", defined)]
    head = IMPORTS
    if used:
        head += "\n\nfrom fastgrad.differentiate.helpers import " + ", ".join(used)
    return f"{head}\n\n\n{defined}\n"


def definition(program: Program, called: bool) -> str:
    """One function; called: by the program itself."""
    writer = Writer(program, called)
    names = parameters(program)
    writer.line(0, f"def {program.name}({', '.join(names)}):")
    if program.doc:
        writer.line(1, f'"""{program.doc}"""')
    for argument, name in zip(program.arguments, names, strict=False):
        _unpack(writer, argument, name)
    writer.block(program.body, 1)
    return "\n".join(writer.lines)


def _unpack(writer: Writer, argument: Any, name: str) -> None:
    if isinstance(argument, tuple):
        for k, part in enumerate(argument):
            if isinstance(part, tuple):
                writer.line(1, f"{name}_{k} = {name}[{k}]")
                _unpack(writer, part, f"{name}_{k}")
            elif part is not None:
                writer.line(1, f"{part.id} = {name}[{k}]")
