"""What Numba needs so that functions which call themselves compile, and can be kept on disk.

Numba compiles a call of the function itself, for the very types that it is being compiled for, as a plain call.  Any other
call of a function whose compiling is not finished goes by way of a pointer that is filled in when the program starts, and is
not when the machine code comes from disk (numba 0.60 to 0.68: a crash).  So every argument and every result is brought to one
type, `same`: a number that the text shows loses its value, an array the layout that its type promises.  Where functions call
each other in a circle no types help, and the program is compiled in memory (circular).
"""

from __future__ import annotations

import ast
import functools
from typing import Any


def definitions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """The functions that a text defines."""
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def called(node: ast.AST, names: Any) -> set[str]:
    """Which of the names a part of the text calls."""
    calls = [part for part in ast.walk(node) if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)} & set(names)


def circular(tree: ast.Module) -> bool:
    """Do some functions call each other in a circle of more than one?"""
    found = definitions(tree)
    reached = {name: called(node, found) - {name} for name, node in found.items()}
    for _ in found:
        reached = {name: more.union(*(reached[other] for other in more)) for name, more in reached.items()}
    return any(name in more for name, more in reached.items())


class Typed(ast.NodeTransformer):
    """f(a, b) becomes f(same(a), same(b)) for the functions of the text, and what these return likewise."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """The arguments of a call."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in self.names:
            return ast.copy_location(ast.Call(node.func, [wrapped(arg) for arg in node.args], []), node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        """The results of a function, which stand in its last statement."""
        self.generic_visit(node)
        last = node.body[-1]
        if node.name in self.names and isinstance(last, ast.Return) and last.value is not None:
            value = last.value
            parts = ast.Tuple([wrapped(v) for v in value.elts], ast.Load()) if isinstance(value, ast.Tuple) else None
            last.value = parts or wrapped(value)
        return node


def wrapped(value: ast.expr) -> ast.expr:
    """same(value)."""
    return ast.copy_location(ast.Call(ast.Name("same", ast.Load()), [value], []), value)


def typed(tree: ast.Module) -> ast.Module:
    """The text with `same` in its places; as it is where it defines the entry alone, which stands last."""
    names = set(list(definitions(tree))[:-1])
    return ast.fix_missing_locations(Typed(names).visit(tree)) if names else tree


def same(value: Any) -> Any:
    """The value itself."""
    return value


NAMES = {"same": same}


@functools.cache
def register() -> None:
    """Tell Numba what `same` is: a conversion to the plainest type that holds the value."""
    from numba import types
    from numba.extending import intrinsic, overload

    def cast(typing: Any, value: Any) -> Any:
        kind = types.unliteral(value)
        if isinstance(kind, types.Array):
            kind = kind.copy(layout="A")

        def convert(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            changed = context.cast(builder, args[0], signature.args[0], signature.return_type)
            if isinstance(signature.return_type, types.Array):
                context.nrt.incref(builder, signature.return_type, changed)
            return changed

        return kind(value), convert

    cast.__annotations__.clear()
    plain = intrinsic(cast)

    def implementation(value: Any) -> Any:
        return plain(value)

    def for_types(value: Any) -> Any:
        return implementation

    for function in (implementation, for_types):
        function.__annotations__.clear()
    overload(same)(for_types)
