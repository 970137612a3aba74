"""Names that may have no value yet where they are read: UnboundLocalError there, as in Python, when the program runs.

    if x > 1:                     y_set = False; if x > 1: y = x; y_set = True
        y = x              ->     if not y_set: raise UnboundLocalError(...)
    return y                      return y

Only names that some way leaves without a value get such a flag; where the text shows that it is set, nothing changes.
"""

from __future__ import annotations

import ast

from .liveness import assigned, bound, reads


def guarded(statements: list[ast.stmt], names: set[str]) -> list[ast.stmt]:
    """The statements of a function body without jumps (structure.py). names: its own, which have no value at its start."""
    found = Reads(names)
    found.block(statements, set())
    if not found.doubtful:
        return statements
    opening = [flag(name, False, statements[0]) for name in sorted(found.doubtful)]
    return [*opening, *marked(statements, found.doubtful, found.before)]


class Reads:
    """Which reads may come too early: `before` has, for a statement by its id, the names to be asked for before it."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.before: dict[int, set[str]] = {}
        self.doubtful: set[str] = set()

    def read(self, s: ast.stmt, node: ast.AST | None, have: set[str], ever: set[str]) -> None:
        """The names that a part of a statement reads."""
        inner = {n.id for c in ast.walk(node) if isinstance(c, ast.comprehension) for n in ast.walk(c.target)
                 if isinstance(n, ast.Name)} if node else set()  # fmt: skip
        missing = (reads(node) & self.names & ever) - have - inner
        if missing:
            self.before.setdefault(id(s), set()).update(missing)
            self.doubtful |= missing
            have |= missing

    def block(self, statements: list[ast.stmt], have: set[str], ever: set[str] | None = None) -> set[str] | None:
        """The names that surely have a value after the statements, `have` those before; None where they raise."""
        ever = set() if ever is None else ever  # the names that some way has set
        for s in statements:
            if isinstance(s, ast.FunctionDef):
                have.add(s.name)
            elif isinstance(s, ast.If):
                self.read(s, s.test, have, ever)
                ends = [self.block(part, set(have), ever) for part in (s.body, s.orelse)]
                known = [end for end in ends if end is not None]
                if not known:
                    return None
                have |= set.intersection(*known)
            elif isinstance(s, ast.For | ast.While):
                self.loop(s, have, ever)
            else:
                self.read(s, s, have, ever)
                if isinstance(s, ast.AugAssign):
                    self.read(
                        s, ast.Name(s.target.id, ast.Load()) if isinstance(s.target, ast.Name) else None, have, ever
                    )
                have |= assigned([s])
                if isinstance(s, ast.Raise):
                    return None
            ever |= assigned([s])
        return have

    def loop(self, s: ast.For | ast.While, have: set[str], ever: set[str]) -> None:
        """A loop, which may not run at all unless its range is written out."""
        self.read(s, s.iter if isinstance(s, ast.For) else s.test, have, ever)
        target = bound(s.target) if isinstance(s, ast.For) else set()
        end = self.block(s.body, have | target, ever | assigned([s]))
        if runs(s) and end is not None:
            have |= end


def runs(s: ast.For | ast.While) -> bool:
    """Does the loop run at least once, as its text shows?"""
    if isinstance(s, ast.While):
        return isinstance(s.test, ast.Constant) and bool(s.test.value)
    if isinstance(s.iter, ast.Tuple | ast.List):
        return bool(s.iter.elts)
    if not (isinstance(s.iter, ast.Call) and isinstance(s.iter.func, ast.Name) and s.iter.func.id == "range"):
        return False
    ends = [a.value for a in s.iter.args if isinstance(a, ast.Constant) and isinstance(a.value, int)]
    return len(ends) == len(s.iter.args) > 0 and len(range(*ends)) > 0


def marked(statements: list[ast.stmt], names: set[str], before: dict[int, set[str]]) -> list[ast.stmt]:
    """The statements with flags that follow assignments, and questions in front of doubtful reads."""
    made: list[ast.stmt] = []
    for s in statements:
        made += [question(name, s) for name in sorted(before.get(id(s), set()))]
        made.append(s)
        if isinstance(s, ast.If | ast.For | ast.While):
            s.body = marked(s.body, names, before)
            s.orelse = marked(s.orelse, names, before)
            if isinstance(s, ast.For):
                s.body = [*(flag(name, True, s) for name in sorted(bound(s.target) & names)), *s.body]
        else:
            made += [flag(name, True, s) for name in sorted(assigned([s]) & names)]
    return made


def flag(name: str, value: bool, at: ast.AST) -> ast.stmt:
    """name_set = value."""
    node = ast.Assign([ast.Name(f"{name}_set_", ast.Store())], ast.Constant(value))
    return ast.fix_missing_locations(ast.copy_location(node, at))


def question(name: str, at: ast.AST) -> ast.stmt:
    """if not name_set: raise UnboundLocalError."""
    text = f"cannot access local variable {name!r} where it is not associated with a value"
    call = ast.Call(ast.Name("UnboundLocalError", ast.Load()), [ast.Constant(text)], [])
    test = ast.UnaryOp(ast.Not(), ast.Name(f"{name}_set_", ast.Load()))
    node = ast.If(test, [ast.Raise(call, None)], [])
    return ast.fix_missing_locations(ast.copy_location(node, at))
