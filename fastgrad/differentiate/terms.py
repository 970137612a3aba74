"""The texts of the table's tangents: which names they mention, and what is left of them where a tangent is zero."""

from __future__ import annotations

import ast
import functools


@functools.cache
def letters(text: str) -> frozenset[str]:
    """The names that a rule's string mentions."""
    return frozenset(node.id for node in ast.walk(ast.parse(text or "0")) if isinstance(node, ast.Name))


class Prune(ast.NodeTransformer):
    """Strikes out the terms of a linear expression in which one of the names stands."""

    def __init__(self, zeros: frozenset[str]) -> None:
        self.zeros = zeros

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """0 where the name is struck out."""
        return ast.Constant(0) if node.id in self.zeros else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """0 where an argument is: all functions of the table's tangents are linear in them."""
        args = [self.visit(arg) for arg in node.args]
        gone = any(nothing(arg) for arg in args)
        return ast.Constant(0) if gone else ast.Call(node.func, args, [])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """-0 is 0."""
        operand: ast.expr = self.visit(node.operand)
        return operand if nothing(operand) else ast.UnaryOp(node.op, operand)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Sums lose the term, products become 0."""
        left: ast.expr = self.visit(node.left)
        right: ast.expr = self.visit(node.right)
        if isinstance(node.op, ast.Add | ast.Sub):
            if nothing(right):
                return left
            if nothing(left):
                return right if isinstance(node.op, ast.Add) else ast.UnaryOp(ast.USub(), right)
        elif nothing(left) or nothing(right):
            return ast.Constant(0)
        return ast.BinOp(left, node.op, right)


def nothing(node: ast.expr) -> bool:
    """Was this struck out?"""
    return isinstance(node, ast.Constant) and node.value == 0


@functools.cache
def pruned(text: str, missing: frozenset[str]) -> str:
    """A `tangent` of the table without the tangents that are zero.

    >>> pruned("matmul(da, b) + matmul(a, db)", frozenset({"da"}))
    'matmul(a, db)'
    """
    zeros = frozenset(name for name in missing if name in ("da", "db", "dc"))
    return ast.unparse(Prune(zeros).visit(ast.parse(text, mode="eval").body)) if zeros else text
