"""Jumps out of the way: early `return`, `break` and `continue` become structure.

What follows a jump moves into the branch that does not jump; where both branches may go on, a flag guards what follows.
After this a function body ends in one assignment to RESULT on every way, and loops are left only through their flag.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

RESULT = "result_"
RETURNED = "returned_"


@dataclass
class Loop:
    """The loop that encloses a statement: the flag that says it is left, and whether a flag was used."""

    flag: str
    broken: bool = False
    returned: bool = False


class Structurer:
    """Rewrites one function body."""

    def __init__(self) -> None:
        self.count = 0

    def fresh(self, name: str) -> str:
        """A flag's name that no Python name of the user equals."""
        self.count += 1
        return f"{name}{self.count}_"

    def body(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """A function body with one exit."""
        if not any(isinstance(node, ast.Return) for s in statements for node in _own(s)):
            return [*self.block(statements, None), _assign(RESULT, ast.Constant(None), statements[-1])]
        return self.block([*statements, ast.copy_location(ast.Return(ast.Constant(None)), statements[-1])], None)

    def block(self, statements: list[ast.stmt], loop: Loop | None) -> list[ast.stmt]:
        """Statements of one block; `loop` is the innermost loop around them."""
        done: list[ast.stmt] = []
        for k, s in enumerate(statements):
            rest = statements[k + 1 :]
            if isinstance(s, ast.Return):
                done.append(_assign(RESULT, s.value or ast.Constant(None), s))
                if loop:
                    loop.returned = True
                    done.append(_assign(RETURNED, ast.Constant(True), s))
                    done.append(_assign(loop.flag, ast.Constant(True), s))
                return done
            if isinstance(s, ast.Break):
                assert loop
                loop.broken = True
                return [*done, _assign(loop.flag, ast.Constant(True), s)]
            if isinstance(s, ast.Continue):
                return done
            if isinstance(s, ast.If) and jumps(s):
                return [*done, *self.branch(s, rest, loop)]
            if isinstance(s, ast.For | ast.While):
                inner, returned = self.loop(s)
                done += inner
                if returned and rest:
                    return [*done, *self.after_return(s, rest, loop)]
                if returned and loop:
                    loop.returned = True
                    done += self.after_return(s, [], loop)
                    return done
                continue
            if isinstance(s, ast.If):
                s = _if(s.test, self.block(s.body, loop), self.block(s.orelse, loop), s)
            done.append(s)
        return done

    def after_return(self, s: ast.stmt, rest: list[ast.stmt], loop: Loop | None) -> list[ast.stmt]:
        """What follows a loop that may have returned."""
        leave: list[ast.stmt] = []
        if loop:
            loop.returned = True
            leave = [_assign(loop.flag, ast.Constant(True), s)]
        test = ast.copy_location(ast.Name(RETURNED, ast.Load()), s)
        ast.fix_missing_locations(test)
        return [_if(test, leave, self.block(rest, loop), s)]

    def branch(self, s: ast.If, rest: list[ast.stmt], loop: Loop | None) -> list[ast.stmt]:
        """An `if` with a jump inside, together with what follows it."""
        if completes(s.body) and completes(s.orelse) and rest:
            flag = self.fresh("jumped")
            body, orelse = (self.guarded(part, flag, loop) for part in (s.body, s.orelse))
            guard = ast.UnaryOp(ast.Not(), ast.Name(flag, ast.Load()))
            return [
                _assign(flag, ast.Constant(False), s),
                _if(s.test, body, orelse, s),
                _if(ast.fix_missing_locations(ast.copy_location(guard, s)), self.block(rest, loop), [], rest[0]),
            ]
        body = s.body + rest if completes(s.body) else s.body
        orelse = s.orelse + rest if completes(s.orelse) else s.orelse
        return [_if(s.test, self.block(body, loop), self.block(orelse, loop), s)]

    def guarded(self, statements: list[ast.stmt], flag: str, loop: Loop | None) -> list[ast.stmt]:
        """A branch in which every jump also sets `flag`."""

        class Mark(ast.NodeTransformer):
            inside = 0

            def loop(self, node: ast.For | ast.While) -> ast.AST:
                self.inside += 1  # its own break and continue do not leave the branch
                self.generic_visit(node)
                self.inside -= 1
                return node

            def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
                return node

            def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
                return [_assign(flag, ast.Constant(True), node), node]

            def jump(self, node: ast.Break | ast.Continue) -> list[ast.stmt]:
                return [node] if self.inside else [_assign(flag, ast.Constant(True), node), node]

            visit_For = visit_While = loop
            visit_Break = visit_Continue = jump

        marked: list[ast.stmt] = []
        for s in statements:
            result = Mark().visit(s)
            marked += result if isinstance(result, list) else [result]
        return self.block(marked, loop)

    def loop(self, s: ast.For | ast.While) -> tuple[list[ast.stmt], bool]:
        """A loop without jumps, with its `until` flag in the attribute `until`; and whether it may return."""
        here = Loop(self.fresh("left"))
        body = self.block(list(s.body), here)
        before: list[ast.stmt] = []
        left = here.broken or here.returned
        if left:
            before.append(_assign(here.flag, ast.Constant(False), s))
        if here.returned:
            before.append(_assign(RETURNED, ast.Constant(False), s))
        if isinstance(s, ast.For):
            new: ast.For | ast.While = ast.For(s.target, s.iter, body or [ast.Pass()], [])
        else:
            new = ast.While(s.test, body or [ast.Pass()], [])
        ast.copy_location(new, s)
        ast.fix_missing_locations(new)
        new.until = here.flag if left else None  # type: ignore[union-attr]
        after: list[ast.stmt] = []
        if s.orelse:
            test = ast.UnaryOp(ast.Not(), ast.Name(here.flag, ast.Load()))
            ast.fix_missing_locations(ast.copy_location(test, s))
            after = [_if(test, list(s.orelse), [], s)] if left else list(s.orelse)
        return [*before, new, *self.block(after, None)], here.returned


class Elses(ast.NodeTransformer):
    """`else` of loops, where it jumps, becomes an `if` behind the loop: its jumps are those of the block around.

    The function is changed for good: it is read more than once, and then has none of them.
    """

    def __init__(self) -> None:
        self.count = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Nested functions are structured apart."""
        return node

    def loop(self, node: ast.For | ast.While) -> ast.AST | list[ast.stmt]:
        """A loop, those inside of it first."""
        self.generic_visit(node)
        if not any(jumps(s) for s in node.orelse):
            return node
        orelse, node.orelse = node.orelse, []
        self.count += 1
        flag = f"broken{self.count}_"
        if not _mark_breaks(node.body, flag):
            return [node, *orelse]
        test = ast.fix_missing_locations(ast.copy_location(ast.UnaryOp(ast.Not(), ast.Name(flag, ast.Load())), node))
        return [_assign(flag, ast.Constant(False), node), node, _if(test, orelse, [], orelse[0])]

    visit_For = visit_While = loop


def _mark_breaks(statements: list[ast.stmt], flag: str) -> bool:
    """Set the flag before each `break` out of the loop whose body this is; whether there is one."""
    found = False
    for k in range(len(statements) - 1, -1, -1):
        s = statements[k]
        if isinstance(s, ast.Break):
            statements.insert(k, _assign(flag, ast.Constant(True), s))
            found = True
        elif isinstance(s, ast.If):
            found = any([_mark_breaks(s.body, flag), _mark_breaks(s.orelse, flag)]) or found
    return found


def _own(statement: ast.stmt) -> list[ast.AST]:
    """The statement's parts that are not inside a nested function."""
    found: list[ast.AST] = [statement]
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt | ast.excepthandler) and not isinstance(child, ast.FunctionDef):
            found += _own(child)  # type: ignore[arg-type]
    return [] if isinstance(statement, ast.FunctionDef) else found


def jumps(statement: ast.stmt) -> bool:
    """Does it break, continue or return out of the block it stands in?"""
    if isinstance(statement, ast.Return | ast.Break | ast.Continue):
        return True
    if isinstance(statement, ast.If):
        return any(jumps(s) for s in (*statement.body, *statement.orelse))
    if isinstance(statement, ast.For | ast.While):
        return any(isinstance(node, ast.Return) for node in _own(statement))
    return False


def completes(statements: list[ast.stmt]) -> bool:
    """May what follows the statements be reached?"""
    for s in statements:
        if isinstance(s, ast.Return | ast.Break | ast.Continue | ast.Raise):
            return False
        if isinstance(s, ast.If) and s.orelse and not completes(s.body) and not completes(s.orelse):
            return False
    return True


def _assign(name: str, value: ast.expr, at: ast.AST) -> ast.stmt:
    node = ast.Assign([ast.Name(name, ast.Store())], value)
    ast.copy_location(node, at)
    return ast.fix_missing_locations(node)


def _if(test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], at: ast.AST) -> ast.stmt:
    node = ast.If(test, body or [ast.copy_location(ast.Pass(), at)], orelse)
    ast.copy_location(node, at)
    return ast.fix_missing_locations(node)
