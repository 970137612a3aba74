"""From a Python function to its syntax tree, with the true line numbers of its file, and to what its names mean.

Plain functions, lambdas, nested functions, Numba dispatchers (their .py_func). Several lambdas on one line are
told apart by the columns of their code objects.  A source that is no longer that of the function is refused.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import functools
import inspect
import linecache
import operator
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import DifferentiationError, Where

MISSING = object()
FUTURE = functools.reduce(
    operator.or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)


@dataclass
class Source:
    """A function as it was read. function: the Python function itself; node: its def or lambda."""

    function: Any
    node: ast.FunctionDef | ast.Lambda
    file: str
    name: str
    lines: dict[int, str] = field(default_factory=dict)

    def where(self, node: ast.AST | None = None) -> Where:
        """The place of a part of the function."""
        return Where(self.file, self.name, getattr(node, "lineno", self.node.lineno))

    def reader(self, name: str) -> tuple[str, Callable[[], Any]] | None:
        """How a free name is found: ("closure" | "global" | "builtin", a function that gives its present value)."""
        code = self.function.__code__
        if name in code.co_freevars:
            cell = self.function.__closure__[code.co_freevars.index(name)]
            return "closure", lambda: cell.cell_contents
        space = self.function.__globals__
        if name in space:
            return "global", lambda: space.get(name, MISSING)
        return ("builtin", lambda: getattr(builtins, name)) if hasattr(builtins, name) else None


def plain(function: Any) -> Any:
    """The Python function behind a Numba dispatcher, a bound method's function, or what was given."""
    function = getattr(function, "py_func", function)
    return function.__func__ if inspect.ismethod(function) else function


def read(function: Any) -> Source:
    """Find and parse the source of a function.

    DifferentiationError: there is none (built-in, typed where Python keeps no source), or it is no plain function.
    """
    if inspect.ismethod(function):
        text = (
            f"{function.__qualname__} is bound to an object: differentiate the function, with the object as an argument"
        )
        raise DifferentiationError(f"{text}: fg.grad({function.__qualname__}, argnums=1)")
    function = plain(function)
    if not inspect.isfunction(function):
        raise DifferentiationError(f"{function!r} is no Python function: give one written in Python")
    code = function.__code__
    name = code.co_name
    where = Where(code.co_filename, name, code.co_firstlineno)
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        raise DifferentiationError("is a generator or a coroutine, which has no derivative", where, name)
    linecache.checkcache(code.co_filename)
    try:
        lines, _ = inspect.findsource(function)
    except (OSError, TypeError) as error:
        raise DifferentiationError(
            "has no source that Python can find: define it in a file or a notebook cell", where, name
        ) from error
    node = _find(code, lines, where)
    last = node.end_lineno or node.lineno
    texts = {number: lines[number - 1].strip() for number in range(node.lineno, last + 1) if number <= len(lines)}
    return Source(function, node, code.co_filename, name.replace("<lambda>", "lambda"), texts)


def _find(code: Any, lines: list[str], where: Where) -> ast.FunctionDef | ast.Lambda:
    """The node whose code object is this one: by line and, for lambdas, by columns."""
    wanted = ast.Lambda if code.co_name == "<lambda>" else ast.FunctionDef
    tree = _parse(lines, code.co_firstlineno, where)
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, wanted) and _first_line(node) == code.co_firstlineno
        if isinstance(node, ast.Lambda) or node.name == code.co_name
    ]
    if len(found) > 1:
        spots = {(p[0], p[1], p[2], p[3]) for p in code.co_positions() if p[2] is not None and p[0] is not None}
        found = [
            node
            for node in found
            if all((node.lineno, node.col_offset) <= (a, c) and (b, d) <= (node.end_lineno, node.end_col_offset)
                   for a, b, c, d in spots if (a, b, c, d) != (code.co_firstlineno, code.co_firstlineno, 0, 0))
        ]  # fmt: skip
        if len(found) > 1:  # a lambda inside another one: the outermost that fits is too wide
            found = sorted(found, key=lambda n: (n.end_lineno, n.end_col_offset, -n.lineno, -n.col_offset))[:1]
    if not found:
        raise DifferentiationError("was changed in its file after it was imported: reload it", where, code.co_name)
    node = found[0]
    assert isinstance(node, ast.FunctionDef | ast.Lambda)
    if not _current(code, "".join(lines)):
        raise DifferentiationError("was changed in its file after it was imported: reload it", where, code.co_name)
    return node


def _current(code: Any, text: str) -> bool:
    """Is the code what the text compiles to?  Python reads sources anew when files change, but goes on with the old code.

    True as well where that cannot be told: the text as a whole does not compile (a notebook's magic), or what a tool made of
    the function (pytest of asserts) has names that no source can hold.
    """
    if any(name.startswith("@") for name in code.co_varnames):
        return True
    made = _compiled(text, code.co_filename, code.co_flags & FUTURE)
    spot = code.co_name, code.co_firstlineno
    return not made or any(_same(one, code) for one in made if (one.co_name, one.co_firstlineno) == spot)


@functools.lru_cache(maxsize=8)
def _compiled(text: str, file: str, flags: int) -> list[Any]:
    """All code objects of a text, none where it does not compile."""
    try:
        found = [compile(text, file, "exec", flags, dont_inherit=True)]
    except (SyntaxError, ValueError):
        return []
    for one in found:
        found += [inner for inner in one.co_consts if inspect.iscode(inner)]
    return found


def _same(a: Any, b: Any) -> bool:
    """Do two code objects do the same, or are two constants the same?"""
    if inspect.iscode(a) and inspect.iscode(b):
        fields = "co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars"
        return (
            all(getattr(a, field) == getattr(b, field) for field in fields)
            and len(a.co_consts) == len(b.co_consts)
            and all(_same(x, y) for x, y in zip(a.co_consts, b.co_consts, strict=True))
        )
    return type(a) is type(b) and a == b and (isinstance(a, frozenset) or repr(a) == repr(b))


def _first_line(node: ast.AST) -> int:
    decorators = getattr(node, "decorator_list", [])
    return int(min([node.lineno, *(d.lineno for d in decorators)]))  # type: ignore[attr-defined]


def _parse(lines: list[str], first: int, where: Where) -> ast.AST:
    """The tree of the file; where the file as a whole does not parse (a notebook's magic), of the block at `first`."""
    try:
        return ast.parse("".join(lines))
    except SyntaxError:
        block = textwrap.dedent("".join(inspect.getblock(lines[first - 1 :])))
        try:
            return ast.increment_lineno(ast.parse(block), first - 1)
        except SyntaxError as error:
            raise DifferentiationError("cannot be parsed where it stands", where, where.function) from error


def parameters(source: Source) -> list[str]:
    """The names of the parameters, all of which may be given by position or keyword."""
    args = source.node.args
    return [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]


def asked(node: ast.expr) -> ast.expr:
    """A condition, whose `and` and `or` are marked: their truth is asked for, not which of their operands they give."""
    if isinstance(node, ast.BoolOp):
        node.asked = True  # type: ignore[attr-defined]
        for part in node.values:
            asked(part)
    return node
