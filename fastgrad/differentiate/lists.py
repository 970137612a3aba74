"""Lists of known length: here they are values, so a list that is changed may have one name only.

a = [x, y]                 a = [x, y]
a[0] = x * y    taken      b = a           refused: b would have to change, too
return a[0]                a[0] = x * y
"""

from __future__ import annotations

import ast
from typing import Any

from .builder import Builder
from .values import Items, Scope

READERS = {"len", "sum", "max", "min", "zip", "enumerate", "reversed", "list", "tuple", "sorted", "any", "all", "print"}


def changeable(b: Builder, scope: Scope, target: ast.expr, value: Any, node: ast.AST) -> None:
    """Refuse a change of what is a tuple, or of a list that may have another name. value: what the target stands for."""
    if not isinstance(value, Items):
        raise b.error("writes into a tuple, or into a list that was given: make a list of it with list(...)", node)
    if not isinstance(target, ast.Name) or not _is_own(scope, target.id):
        raise b.error("changes a list that may have another name: change a copy, list(...)", node)


def changed(statements: list[ast.stmt], env: dict[str, Any]) -> set[str]:
    """The lists of which statements replace an element."""
    found: set[str] = set()
    for s in statements:
        for part in ast.walk(s):
            if isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store) and isinstance(part.value, ast.Name):
                found.add(part.value.id)
    return {name for name in found if isinstance(env.get(name), Items)}


def _is_own(scope: Scope, name: str) -> bool:
    """Was the list made by this function, under this name, and is it nowhere handed on?"""
    if not isinstance(scope.node, ast.FunctionDef) or name not in scope.locals:
        return False
    a = scope.node.args
    if name in {p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg) if p}:
        return False
    parents = {id(child): part for part in ast.walk(scope.node) for child in ast.iter_child_nodes(part)}
    uses = [n for n in ast.walk(scope.node) if isinstance(n, ast.Name) and n.id == name]
    return all(_only_reads(n, parents) if isinstance(n.ctx, ast.Load) else _makes(n, parents) for n in uses)


def _only_reads(n: ast.Name, parents: dict[int, ast.AST]) -> bool:
    """Is the list not given another name where it is read?"""
    up = parents[id(n)]
    if isinstance(up, ast.Call):
        numpy = isinstance(up.func, ast.Attribute) and isinstance(up.func.value, ast.Name)
        return n is not up.func and (numpy or (isinstance(up.func, ast.Name) and up.func.id in READERS))
    if isinstance(up, ast.For | ast.comprehension):
        return n is up.iter
    return isinstance(up, ast.Subscript | ast.Attribute | ast.BinOp | ast.Compare | ast.Starred | ast.Return)


def _makes(n: ast.Name, parents: dict[int, ast.AST]) -> bool:
    """Is a new list made where the name is set?"""
    up = parents[id(n)]
    if isinstance(up, ast.AugAssign | ast.Delete):
        return True
    if not isinstance(up, ast.Assign) or len(up.targets) > 1:
        return False
    value = up.value
    if isinstance(value, ast.Subscript):
        return isinstance(value.slice, ast.Slice)
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id == "list"
    return isinstance(value, ast.List | ast.ListComp | ast.BinOp)
