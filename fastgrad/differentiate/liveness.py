"""Which names of a syntax tree are read later: what a loop or a branch has to hand on."""

from __future__ import annotations

import ast


def reads(node: ast.AST | None) -> set[str]:
    """The names read anywhere in a node, nested functions and comprehensions included."""
    if node is None:
        return set()
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def bound(node: ast.AST) -> set[str]:
    """The names that an assignment target binds (an element or a slice binds none)."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Tuple | ast.List):
        return set().union(*(bound(item) for item in node.elts)) if node.elts else set()
    return bound(node.value) if isinstance(node, ast.Starred) else set()


def assigned(statements: list[ast.stmt]) -> set[str]:
    """The names that statements bind, those inside of blocks too, nested functions' own names left out."""
    found: set[str] = set()
    for s in statements:
        if isinstance(s, ast.FunctionDef):
            found.add(s.name)
            continue
        if isinstance(s, ast.Assign):
            for target in s.targets:
                found |= bound(target)
        elif isinstance(s, ast.AugAssign | ast.AnnAssign | ast.For):
            found |= bound(s.target)
        for block in _blocks(s):
            found |= assigned(block)
        found |= {n.target.id for n in ast.walk(s) if isinstance(n, ast.NamedExpr)}
        found |= appended(s)
    return found


def appended(s: ast.stmt) -> set[str]:
    """The name of the list that an `xs.append(...)` statement changes."""
    call = s.value if isinstance(s, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "append":
        return reads(call.func.value)
    return set()


def _blocks(s: ast.stmt) -> list[list[ast.stmt]]:
    return [getattr(s, name) for name in ("body", "orelse") if isinstance(getattr(s, name, None), list)]


def live(statements: list[ast.stmt], after: set[str]) -> set[str]:
    """The names whose values matter before the statements, given those that matter after them."""
    for s in reversed(statements):
        after = live_before(s, after)
    return after


def live_before(s: ast.stmt, after: set[str]) -> set[str]:
    """The same for one statement."""
    if isinstance(s, ast.Assign):
        targets = set().union(*(bound(t) for t in s.targets))
        return (after - targets) | reads(s.value) | set().union(*(reads(t) for t in s.targets))
    if isinstance(s, ast.AnnAssign):
        return (after - bound(s.target)) | reads(s.value) | reads(s.target)
    if isinstance(s, ast.AugAssign):
        return after | bound(s.target) | reads(s.value) | reads(s.target)
    if isinstance(s, ast.If):
        return reads(s.test) | live(s.body, after) | live(s.orelse, after)
    if isinstance(s, ast.For | ast.While):
        return reads(s.iter if isinstance(s, ast.For) else s.test) | at_head(s, after)
    if isinstance(s, ast.FunctionDef):
        return (after - {s.name}) | reads(s)
    return after | reads(s)


def at_head(s: ast.For | ast.While, after: set[str]) -> set[str]:
    """The names whose values matter whenever the loop is about to decide on a next iteration."""
    until = getattr(s, "until", None)
    extra = {until} if until else set()
    target = bound(s.target) if isinstance(s, ast.For) else set()
    test = set() if isinstance(s, ast.For) else reads(s.test)
    head = after | extra | test
    for _ in range(2):
        head = head | (live(s.body, head) - target)
    return head


def kept_by_functions(statements: list[ast.stmt]) -> set[str]:
    """The names that nested functions and lambdas read: they are read at a time that the text does not show."""
    found: set[str] = set()
    for s in statements:
        for node in ast.walk(s):
            if isinstance(node, ast.FunctionDef | ast.Lambda):
                found |= reads(node)
    return found
