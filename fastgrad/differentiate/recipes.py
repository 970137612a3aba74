"""What each kind of derivative is made of: the sweeps over a function's program, and what the caller gets back.

A recipe turns the program of a function into the program that is compiled.  What that returns is nested as the user wants
it; only what compiled code cannot return (a list, a float32, a np.float64) is made of it afterwards, in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastgrad.differentiate import columns
from fastgrad.differentiate.emit import source
from fastgrad.differentiate.forms import Form
from fastgrad.differentiate.forward import forward
from fastgrad.differentiate.gradient import clean, reverse_program
from fastgrad.differentiate.kinds import Kind
from fastgrad.differentiate.lowering import check_syntax, lower
from fastgrad.differentiate.program import Captured, Program, Return, Watched
from fastgrad.differentiate.reading import read
from fastgrad.differentiate.tidy import tidied

Wrt = tuple[int, ...]
Subject = Callable[[Sequence[Any]], Program]


@dataclass(frozen=True)
class Recipe:
    """label: its name. sweep: from the function's program to the one that is compiled.

    nesting: of the result: "value" (like the function's result), "gradient" (like what is differentiated), "block" (like the
    result, of blocks), or several of them for a tuple.  extra: a further parameter, "tangent" (one for each differentiated
    argument) or "cotangent" (like the function's result).
    """

    label: str
    sweep: Callable[[Program, Wrt, bool], Program]
    nesting: tuple[str, ...]
    extra: str = ""

    def extras(self, count: int) -> list[str]:
        """The names of its further parameters."""
        if self.extra == "tangent":
            return ["tangent"] if count == 1 else [f"tangent_{k}" for k in range(count)]
        return [self.extra] if self.extra else []


@dataclass
class Built:
    """What is to be compiled, as text; the other fields as in entrances.Case."""

    text: str
    entry: str
    captured: list[Captured]
    watched: list[Watched]
    returns: str
    alike: tuple[tuple[str, str], ...]
    apart: tuple[tuple[str, str], ...]


def subject(function: Any) -> Subject:
    """How to get a function's program for arguments of given kinds; DifferentiationError for what no kinds could help."""
    check_syntax(read(function))
    return lambda kinds: lower(function, tuple(kinds))


def build(
    recipe: Recipe, function: Subject, names: Sequence[str], forms: Sequence[Form], wrt: Wrt, single: bool
) -> Built:
    """The program of a recipe for arguments of these forms, as text."""
    count = len(forms) - len(recipe.extras(len(wrt)))
    own = function([form.kind for form in forms[:count]])
    program = recipe.sweep(own, wrt, single)
    check_extra(recipe, own, names, forms, wrt)
    pairs = [(names[count + k], names[i], forms[i]) for k, i in enumerate(wrt)] if recipe.extra == "tangent" else []
    alike = tuple(pair for extra, name, form in pairs for pair in same_shapes(form, extra, name))
    apart = tuple(
        (names[k], names[j]) for k in own.writes for j in range(count) if j != k and same_shapes(forms[j], "", "")
    )
    returns = given(recipe, program.result, [forms[k] for k in wrt], single)
    return Built(source(program), program.name, program.captured, program.constants, returns, alike, apart)


def check_extra(recipe: Recipe, own: Program, names: Sequence[str], forms: Sequence[Form], wrt: Wrt) -> None:
    """TypeError where a tangent or cotangent is not of the kind that it must be."""
    extra = forms[len(own.arguments) :]
    expected = [forms[k].kind for k in wrt] if recipe.extra == "tangent" else [kinds(own.result)]
    for name, form, kind in zip(names[len(own.arguments) :], extra, expected, strict=False):
        if form.kind != kind:
            raise TypeError(f"{name} is {spoken(form.kind)}, expected {spoken(kind)}")


def kinds(tree: Any) -> Any:
    """The kinds of a tree of expressions."""
    return tuple(kinds(item) for item in tree) if isinstance(tree, tuple) else tree.kind


def spoken(kind: Any) -> str:
    """A kind, or a tuple of kinds, in words."""
    return f"({', '.join(spoken(item) for item in kind)})" if isinstance(kind, tuple) else f"a {kind}"


def same_shapes(form: Form, a: str, b: str) -> list[tuple[str, str]]:
    """The pairs of arrays in two arguments of a form, as expressions."""
    if form.parts:
        return [p for k, part in enumerate(form.parts) for p in same_shapes(part, f"{a}[{k}]", f"{b}[{k}]")]
    return [(a, b)] if isinstance(form.kind, Kind) and form.kind.ndim else []


# ---- from what compiled code returns to what the user gets ---------------------------------------------------------------


def given(recipe: Recipe, result: Any, forms: Sequence[Form], single: bool) -> str:
    """The expression that makes the user's result of `r`; "r" itself where nothing is to be done."""

    def gradient(tree: Any, v: str) -> str:
        if single:
            return forms[0].gives(v)
        return "(" + "".join(f"{form.gives(f'{v}[{k}]')}, " for k, form in enumerate(forms)) + ")"

    nested = {"gradient": gradient, "value": plain, "block": plain}
    if len(recipe.nesting) == 1:
        text, identity = nested[recipe.nesting[0]](result, "r"), unchanged(result, "r")
    else:
        parts = [
            nested[kind](tree, f"r[{k}]") for k, (kind, tree) in enumerate(zip(recipe.nesting, result, strict=True))
        ]
        text, identity = f"({', '.join(parts)})", unchanged(result, "r")
    return "r" if text.replace(", )", ")").replace(",)", ")") == identity else text


def plain(tree: Any, v: str) -> str:
    """A result as the user sees it: float32 numbers are NumPy's."""
    if isinstance(tree, tuple):
        return "(" + "".join(f"{plain(item, f'{v}[{k}]')}, " for k, item in enumerate(tree)) + ")"
    return f"float32({v})" if tree.kind.dtype == "f4" and not tree.kind.ndim else v


def unchanged(tree: Any, v: str) -> str:
    """What `plain` writes where nothing is changed."""
    if isinstance(tree, tuple):
        return "(" + ", ".join(unchanged(item, f"{v}[{k}]") for k, item in enumerate(tree)) + ")"
    return v


# ---- the recipes -----------------------------------------------------------------------------------------------------------


def finished(program: Program, label: str, about: str, results: Callable[[Any], Any] = lambda tree: tree) -> Program:
    """The program under its own name, with what is made of its results, and without what these do not need.

    about: the first line of its source, in which {} stands for the function.
    """
    *body, last = program.body
    assert isinstance(last, Return)
    body.append(replace(last, values=results(last.values)))
    name = f"{label}_{clean(program.origin or program.name)}"
    return tidied(replace(program, name=name, body=body, doc=about.format(program.origin or program.name)))


def value(program: Program, wrt: Wrt, single: bool) -> Program:
    """The function itself."""
    return finished(program, "value", "What {} returns.")


def grad(program: Program, wrt: Wrt, single: bool) -> Program:
    """The gradient, by reverse."""
    made = reverse_program(program, wrt)
    return finished(made, "grad", made.doc, lambda tree: tree[0] if single else tree)


def value_and_grad(program: Program, wrt: Wrt, single: bool) -> Program:
    """(value, gradient), by reverse."""
    made = reverse_program(program, wrt, with_value=True)
    return finished(made, "value_and_grad", made.doc, lambda tree: (tree[0], tree[1][0] if single else tree[1]))


def grad_and_aux(program: Program, wrt: Wrt, single: bool) -> Program:
    """(gradient, aux) of a function that returns (value, aux), by reverse."""
    made = reverse_program(program, wrt, with_value=True, aux=True)
    about = "The gradient of the first result of {} beside the other, by one sweep back through it."
    return finished(made, "grad", about, lambda tree: (tree[1][0] if single else tree[1], tree[0][1]))


def value_and_grad_and_aux(program: Program, wrt: Wrt, single: bool) -> Program:
    """((value, aux), gradient) of a function that returns (value, aux), by reverse."""
    made = reverse_program(program, wrt, with_value=True, aux=True)
    about = "The results of {} and the gradient of the first, by one sweep back through it."
    return finished(made, "value_and_grad", about, lambda tree: (tree[0], tree[1][0] if single else tree[1]))


def pull(program: Program, wrt: Wrt, single: bool) -> Program:
    """The cotangents of the arguments from that of the result; the latter is nested as the result is."""
    made = reverse_program(program, wrt, seeded=True)
    count = len(program.arguments)
    seeds = columns.refill(program.result, list(made.arguments[count:]))
    made = replace(made, arguments=[*made.arguments[:count], seeds])
    return finished(made, "vjp", "The pull-back of {}, by one sweep back through it.")


def jvp(program: Program, wrt: Wrt, single: bool) -> Program:
    """(value, tangent), forward."""
    made = forward(program, [program.arguments[k] for k in wrt])
    return finished(made, "jvp", "The value of {} and its derivative along tangents, in one sweep.")


def hvp(program: Program, wrt: Wrt, single: bool) -> Program:
    """The tangent of the gradient: forward over reverse."""
    gradient = grad(program, wrt, single)
    made = forward(gradient, [gradient.arguments[k] for k in wrt])
    return finished(made, "hvp", "The derivative of the gradient of {} along tangents.", lambda tree: tree[1])


def jacobian(program: Program, wrt: Wrt, single: bool) -> Program:
    """All derivatives of all results: forward, but where there is one result, its gradient."""
    if not isinstance(program.result, tuple) and not program.result.kind.ndim:
        return finished(grad(program, wrt, single), "jacobian", "The gradient of {}, by one sweep back through it.")
    made = columns.by_columns(program, [program.arguments[k] for k in wrt], single)
    return finished(made, "jacobian", "The Jacobian of {}, a column for each unit tangent.")


def jacobian_by_rows(program: Program, wrt: Wrt, single: bool) -> Program:
    """The same in reverse."""
    pulled = reverse_program(program, wrt, seeded=True)
    seeds = columns.refill(program.result, list(pulled.arguments[len(program.arguments) :]))
    made = columns.by_rows(program, pulled, seeds, [program.arguments[k] for k in wrt], single)
    return finished(made, "jacobian", "The Jacobian of {}, a row for each unit cotangent.")


def hessian(program: Program, wrt: Wrt, single: bool) -> Program:
    """The Jacobian of the gradient, forward over reverse."""
    gradient = grad(program, wrt, single)
    trees = [gradient.arguments[k] for k in wrt]
    made = columns.by_columns(gradient, trees, single, trees[0] if single else tuple(trees))
    return finished(made, "hessian", "The Hessian of {}, a column for each unit tangent of its gradient.")


RECIPES = {
    recipe.label: recipe
    for recipe in (
        Recipe("value", value, ("value",)),
        Recipe("grad", grad, ("gradient",)),
        Recipe("value_and_grad", value_and_grad, ("value", "gradient")),
        Recipe("grad_and_aux", grad_and_aux, ("gradient", "value")),
        Recipe("value_and_grad_and_aux", value_and_grad_and_aux, ("value", "gradient")),
        Recipe("pull", pull, ("gradient",), "cotangent"),
        Recipe("jvp", jvp, ("value", "value"), "tangent"),
        Recipe("hvp", hvp, ("gradient",), "tangent"),
        Recipe("jacobian", jacobian, ("block",)),
        Recipe("jacobian_by_rows", jacobian_by_rows, ("block",)),
        Recipe("hessian", hessian, ("block",)),
    )
}
