"""Expressions of the user's function -> typed expressions. What must be computed once, or only on one way, becomes
statements in front."""

from __future__ import annotations

import ast
import builtins
import math
import operator as operators
from typing import Any

import numpy as np

from .builder import Builder, as_value, known, lookup
from .indexing import element
from .operands import binary, number
from .program import Expr, Op, Statement
from .reading import asked
from .recursion import Undetermined
from .rules import make
from .values import Closure, Items, Method, Scope, Static, flatten, is_expr, refill

_TESTS: dict[type, Any] = {
    ast.Eq: operators.eq, ast.NotEq: operators.ne, ast.Lt: operators.lt, ast.LtE: operators.le, ast.Gt: operators.gt,
    ast.GtE: operators.ge,
}  # fmt: skip
COMPARE = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}
ARRAY_METHODS = {
    "sum", "mean", "prod", "max", "min", "var", "std", "cumsum", "dot", "transpose", "reshape", "ravel", "flatten", "copy",
    "trace", "astype", "clip", "item", "fill", "argmax", "argmin", "argsort", "any", "all", "diagonal", "round",
}  # fmt: skip


def expression(b: Builder, scope: Scope, node: ast.expr | None) -> Any:
    """The value of an expression."""
    rule = _NODES.get(type(node))
    if rule is None:
        raise b.error("cannot be differentiated", node)
    return rule(b, scope, node)


# ---- one function for each kind of node ---------------------------------------------------------------------------------


def _constant(b: Builder, scope: Scope, node: ast.Constant) -> Any:
    if isinstance(node.value, complex | bytes):
        raise b.error("is not a real number", node)
    if type(node.value) is int and node.value >= 2**63:
        raise b.error("is an integer of more than 64 bits: write it as a float", node)
    return as_value(node.value)


def _name(b: Builder, scope: Scope, node: ast.Name) -> Any:
    return lookup(b, scope, node.id, node)


def _tuple(b: Builder, scope: Scope, node: ast.Tuple) -> Any:
    return tuple(_elements(b, scope, node.elts))


def _list(b: Builder, scope: Scope, node: ast.List) -> Any:
    return Items(tuple(_elements(b, scope, node.elts)))


def starred(b: Builder, scope: Scope, node: ast.Starred) -> tuple[Any, ...]:
    """The values that *node stands for."""
    value = expression(b, scope, node.value)
    if not isinstance(value, tuple | Items):
        raise b.error("has a length that is not known when the function is read", node)
    return value if isinstance(value, tuple) else tuple(value.items)


def _elements(b: Builder, scope: Scope, nodes: list[ast.expr]) -> list[Any]:
    found: list[Any] = []
    for k, node in enumerate(nodes):
        if isinstance(node, ast.Starred):
            found += starred(b, scope, node)
        else:
            value = before(b, scope, expression(b, scope, node), *nodes[k + 1 :])
            found.append(b.operand(value) if is_expr(value) else value)
    return found


def before(b: Builder, scope: Scope, value: Any, *later: ast.expr | None) -> Any:
    """The value, computed now where what is evaluated later calls a function that may write into an array that it reads."""
    if not any(node is not None and calls_users(scope, node) for node in later):
        return value
    return refill(value, [b.atom(leaf) if isinstance(leaf, Op) else leaf for leaf in flatten(value)])


def _binary(b: Builder, scope: Scope, node: ast.BinOp) -> Any:
    left = before(b, scope, expression(b, scope, node.left), node.right)
    return binary(b, type(node.op), left, expression(b, scope, node.right), node)


def _unary(b: Builder, scope: Scope, node: ast.UnaryOp) -> Any:
    negated = isinstance(node.op, ast.Not)
    value = expression(b, scope, asked(node.operand) if negated else node.operand)
    if negated:
        truth = static_truth(value)
        return as_value(not truth) if truth is not None else make("not", b.operand(number(b, value, node)))
    if isinstance(node.op, ast.UAdd):
        same = number(b, value, node)
        return b.apply("copy", same) if same.kind.is_array else same
    return b.apply("neg" if isinstance(node.op, ast.USub) else "invert", number(b, value, node))


def static_truth(value: Any) -> bool | None:
    """The truth of a value, where it is known when the function is read."""
    if known(value):
        return bool(value.value)
    if isinstance(value, tuple | Items):
        return bool(value if isinstance(value, tuple) else value.items)
    return True if isinstance(value, Closure) else None


def _logic(b: Builder, scope: Scope, node: ast.BoolOp) -> Any:
    from . import logic

    return logic.combined(b, scope, node)


def _compare(b: Builder, scope: Scope, node: ast.Compare) -> Any:
    left = before(b, scope, expression(b, scope, node.left), *node.comparators)
    result: Any = None
    for k, (operator, right_node) in enumerate(zip(node.ops, node.comparators, strict=True)):
        right = before(b, scope, expression(b, scope, right_node), *node.comparators[k + 1 :])
        if len(node.ops) > 1 and isinstance(right, Op):
            right = b.atom(right)
        one = _comparison(b, operator, left, right, node)
        result = one if result is None else _both(b, result, one)
        left = right
    return result


def _both(b: Builder, first: Any, second: Any) -> Any:
    for a, c in ((first, second), (second, first)):
        truth = static_truth(a)
        if truth is not None:
            return c if truth else as_value(False)
    return make("and", first, second)


def _comparison(b: Builder, operator: ast.cmpop, left: Any, right: Any, node: ast.AST) -> Any:
    if isinstance(operator, ast.Is | ast.IsNot | ast.In | ast.NotIn):
        return as_value(_identity(b, operator, left, right, node))
    if known(left) and known(right):
        return as_value(bool(_TESTS[type(operator)](left.value, right.value)))
    if isinstance(left, Static) or isinstance(right, Static):
        if isinstance(operator, ast.Eq | ast.NotEq):  # a number is never equal to a string or None
            return as_value(isinstance(operator, ast.NotEq))
        raise b.error("compares what has no order", node)
    return b.apply(COMPARE[type(operator)], number(b, left, node), number(b, right, node))


def _identity(b: Builder, operator: ast.cmpop, left: Any, right: Any, node: ast.AST) -> bool:
    if isinstance(operator, ast.In | ast.NotIn):
        items = flatten(right) if isinstance(right, tuple | Items) else None
        if isinstance(right, Static) and isinstance(right.value, str | tuple | list | set | dict | frozenset):
            items = [Static(v) if not isinstance(v, int | float) else as_value(v) for v in right.value]
        if items is None or not known(left) or not all(known(i) for i in items):
            raise b.error("asks for membership in what is not known when the function is read", node)
        return (left.value in [i.value for i in items]) is isinstance(operator, ast.In)
    if known(left) and known(right):
        same = left.value is right.value
    elif isinstance(right, Static) or isinstance(left, Static):
        same = False  # a number, an array or a tuple is not None
    else:
        raise b.error("asks for identity, which compiled numbers do not have", node)
    return same is isinstance(operator, ast.Is)


def _conditional(b: Builder, scope: Scope, node: ast.IfExp) -> Any:
    test = expression(b, scope, asked(node.test))
    truth = static_truth(test)
    if truth is not None:
        return expression(b, scope, node.body if truth else node.orelse)
    return choose(b, scope, number(b, test, node.test), node.body, node.orelse, node)


def choose(b: Builder, scope: Scope, test: Expr, body: ast.expr, orelse: ast.expr, node: ast.AST) -> Any:
    """body if test else orelse, of which one is computed."""
    from .values import UNBOUND

    state = b.snapshot()
    extra: list[Statement] = []
    with b.into(extra):
        try:
            values = expression(b, scope, body), expression(b, scope, orelse)
        except Undetermined:
            values = (Static(None),) * 2
    plain = all(is_expr(v) and not v.kind.is_array for v in values)
    if plain and not extra and not test.kind.is_array:
        dtypes = {v.kind.dtype for v in values}
        if len(dtypes) == 1 or dtypes <= {"f8", "f4", "i8"}:
            return make("where", b.operand(test), *values)
    b.restore(state)
    target = f"choice{len(b.kinds)}_"
    statement = ast.If(ast.Constant(True), [_set(target, body, node)], [_set(target, orelse, node)])
    ast.copy_location(statement, node)
    statement.known = test  # type: ignore[attr-defined]  # the test, already computed
    statement.written = node  # type: ignore[attr-defined]  # what the user sees of it
    scope.env[target] = UNBOUND
    b.block(b, scope, [statement], {target, *scope.env})
    return scope.env.pop(target)


def _set(target: str, value: ast.expr, at: ast.AST) -> ast.stmt:
    node = ast.Assign([ast.Name(target, ast.Store())], value)
    return ast.fix_missing_locations(ast.copy_location(node, at))


def _attribute(b: Builder, scope: Scope, node: ast.Attribute) -> Any:
    base = expression(b, scope, node.value)
    if isinstance(base, Static):
        return _static_attribute(b, base, node)
    if isinstance(base, Items):
        return Method(base, node.attr)
    array = number(b, base, node.value)
    if node.attr == "shape":
        inner = b.atom(array)
        return tuple(make("shape", inner, axis=k) for k in range(inner.kind.ndim))
    if node.attr == "T":
        return make("T", b.operand(array)) if array.kind.ndim > 1 else array
    if node.attr == "ndim":
        return as_value(array.kind.ndim)
    if node.attr == "size":
        return make("size", b.atom(array)) if array.kind.ndim else as_value(1)
    if node.attr == "dtype":
        return Static(np.dtype(array.kind.dtype if array.kind.dtype != "b1" else bool))
    if node.attr in ARRAY_METHODS:
        return Method(array, node.attr)
    if node.attr == "real":
        return array
    raise b.error("is an attribute that cannot be differentiated", node)


def _static_attribute(b: Builder, base: Static, node: ast.Attribute) -> Any:
    if not hasattr(base.value, node.attr):
        raise b.error("does not exist", node)
    value = getattr(base.value, node.attr)
    if base.value in (np, math, np.linalg) or base.read is None:
        return as_value(value) if isinstance(value, int | float) else Static(value)
    read = base.read
    return b.outside(lambda: getattr(read(), node.attr), f"{base.path}.{node.attr}", node.attr)


def _subscript(b: Builder, scope: Scope, node: ast.Subscript) -> Any:
    return element(b, scope, before(b, scope, expression(b, scope, node.value), node.slice), node, expression)


def _lambda(b: Builder, scope: Scope, node: ast.Lambda) -> Any:
    return closure(b, scope, node)


def closure(b: Builder, scope: Scope, node: ast.FunctionDef | ast.Lambda) -> Closure:
    """A nested function; its defaults are computed now, as in Python."""
    args = node.args
    positional = [*args.posonlyargs, *args.args]
    defaults = dict(
        zip([a.arg for a in positional[len(positional) - len(args.defaults) :]], args.defaults, strict=True)
    )
    defaults |= {a.arg: d for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is not None}
    values = {name: expression(b, scope, d) for name, d in defaults.items()}
    return Closure(node, scope, {name: b.atom(v) if isinstance(v, Op) else v for name, v in values.items()})


def _walrus(b: Builder, scope: Scope, node: ast.NamedExpr) -> Any:
    value = expression(b, scope, node.value)
    if isinstance(value, Op):
        value = b.bind(node.target.id, value)
    scope.env[node.target.id] = value
    return value


def _comprehension(b: Builder, scope: Scope, node: ast.ListComp | ast.GeneratorExp) -> Any:
    from .comprehensions import listed

    return listed(b, scope, node)


def _call(b: Builder, scope: Scope, node: ast.Call) -> Any:
    from .calls import call

    return call(b, scope, node)


def calls_users(scope: Scope, node: ast.expr) -> bool:
    """May evaluating the node run a function of the user (which may write into arrays)?"""
    for part in ast.walk(node):
        if not isinstance(part, ast.Call):
            continue
        root = part.func
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(part.func, ast.Attribute):
            module = isinstance(root, ast.Name) and root.id in ("np", "numpy", "math")
            if module or (part.func.attr in ARRAY_METHODS and part.func.attr != "fill"):
                continue
        elif isinstance(root, ast.Name) and hasattr(builtins, root.id) and root.id not in scope.env:
            continue
        return True
    return False


_NODES: dict[type, Any] = {
    ast.Constant: _constant, ast.Name: _name, ast.Tuple: _tuple, ast.List: _list, ast.BinOp: _binary, ast.UnaryOp: _unary,
    ast.BoolOp: _logic, ast.Compare: _compare, ast.IfExp: _conditional, ast.Attribute: _attribute,
    ast.Subscript: _subscript, ast.Lambda: _lambda, ast.NamedExpr: _walrus, ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension, ast.Call: _call,
}  # fmt: skip
