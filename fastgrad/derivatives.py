"""The derivatives of Python functions under their public names, with JAX's signatures.

What happens to the function is in differentiate/: it is read, its derivative is written as Python source, Numba compiles it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastgrad.differentiate import recipes
from fastgrad.differentiate.calling import Derivative
from fastgrad.differentiate.custom import custom_gradient
from fastgrad.differentiate.directions import Jacobian
from fastgrad.differentiate.errors import DifferentiationError
from fastgrad.differentiate.tangents import carries, moving

__all__ = [
    "Derivative", "DifferentiationError", "custom_gradient", "grad", "hessian", "hvp", "jacobian", "jvp", "partial",
    "value_and_grad", "vjp",
]  # fmt: skip

Argnums = int | str | Sequence[int | str]


def grad(fun: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, debug: bool = False) -> Derivative:
    """The gradient of a function of numbers and arrays that returns a number, by reverse accumulation.

    fun: a plain Python function.  argnums: the argument to differentiate with respect to, by position (or name), or a
    tuple of such: then the gradient is a tuple.  has_aux: `fun` returns a pair (number, anything else that it computes); the
    result is then (gradient, anything else).  debug: check the first gradient against differences of the function
    (GradientCheckError), and every index against its array (IndexError); slower.

    The result is called as `fun` is, and returns an array of the shape and dtype of the argument (a float for a number).
    See Derivative for `.source`, `.jitted` and what a call raises.
    TypeError where `fun` is no function, ValueError where there is no such argument, DifferentiationError where something in
    `fun` has no derivative: what its syntax shows is refused here, what depends on types at the first call.
    Source: Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008); the signature is jax.grad's.

    >>> import fastgrad as fg
    >>> f = lambda x, y: x**2 + 3*x*y + y**2
    >>> fg.grad(f)(1.0, 2.0), fg.grad(f, argnums=(0, 1))(1.0, 2.0)
    (8.0, (8.0, 7.0))
    """
    return made(fun, argnums, "grad_and_aux" if has_aux else "grad", debug)


def value_and_grad(
    fun: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, debug: bool = False
) -> Derivative:
    """The pair (value, gradient) of a function that returns a number; the gradient is that of `grad`, at little more cost.

    fun, argnums, has_aux, debug and the errors (TypeError, ValueError, DifferentiationError where grad raises them): as in
    `grad`.  With has_aux, value is the pair that `fun` returns.
    Source: the signature is jax.value_and_grad's.

    >>> import fastgrad as fg
    >>> fg.value_and_grad(lambda x: x**3)(2.0)
    (8.0, 12.0)
    """
    return made(fun, argnums, "value_and_grad_and_aux" if has_aux else "value_and_grad", debug)


def partial(fun: Callable[..., Any], argument: int | str = 0, *, debug: bool = False) -> Derivative:
    """The partial derivative of a function that returns a number, with respect to one argument, given by name or position.

    fun, debug and the errors (TypeError, ValueError, DifferentiationError where grad raises them): as in `grad`.
    Source: Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008).

    >>> import fastgrad as fg
    >>> f = lambda x, y: x**2 + 3*x*y + y**2
    >>> fg.partial(f, "x")(1.0, 2.0), fg.partial(f, 1)(1.0, 2.0)
    (8.0, 7.0)
    """
    if not isinstance(argument, int | str):
        raise TypeError(f"argument must be one name or position, got {argument!r}; several are fg.grad's argnums")
    return made(fun, argument, "grad", debug)


def jacobian(fun: Callable[..., Any], argnums: Argnums = 0) -> Derivative:
    """The Jacobian of a function of numbers and arrays: all derivatives of all elements of its result.

    Its shape is the shape of the result followed by that of the argument.  It is computed forward, a column at a time, or
    where the result has far fewer elements than the arguments, in reverse, a row at a time: chosen for each list of shapes.
    fun, argnums and the errors (TypeError, ValueError, DifferentiationError where grad raises them): as in `grad`, but
    `fun` may return an array, or a tuple: then the result is a tuple as well.
    Source: Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008); the shapes are those of jax.jacobian.

    >>> import fastgrad as fg
    >>> import numpy as np
    >>> fg.jacobian(lambda x: np.array([x[0] * x[1], x[1] ** 2]))(np.array([2.0, 3.0])).tolist()
    [[3.0, 2.0], [0.0, 6.0]]
    """
    return Jacobian(fun, argnums)


def hessian(fun: Callable[..., Any], argnums: Argnums = 0) -> Derivative:
    """The Hessian of a function that returns a number: the forward derivatives of its reverse gradient, column by column.

    Its shape is that of the argument, twice.  With several arguments it is a tuple of tuples of blocks.
    fun, argnums and the errors (TypeError, ValueError, DifferentiationError where grad raises them): as in `grad`.
    Source: Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008); the shapes are those of jax.hessian.

    >>> import fastgrad as fg
    >>> import numpy as np
    >>> fg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([2.0, 3.0])).tolist()
    [[6.0, 4.0], [4.0, 0.0]]
    """
    return Derivative(fun, argnums, recipes.RECIPES["hessian"])


def hvp(fun: Callable[..., Any], argnums: Argnums = 0) -> Derivative:
    """The product of the Hessian with a vector, without the Hessian: the derivative of the gradient along the vector.

    It is called with the arguments of `fun` and then the vector, which has the shape of the differentiated argument; with
    several argnums, a vector for each.  Arguments with defaults may be left out: the vectors are the last that is given.  The
    product has the same shape.
    fun, argnums and the errors (TypeError, ValueError, DifferentiationError where grad raises them): as in `grad`.
    Source: Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994).

    >>> import fastgrad as fg
    >>> import numpy as np
    >>> fg.hvp(lambda x: x[0] ** 2 * x[1])(np.array([2.0, 3.0]), np.array([1.0, 0.0])).tolist()
    [6.0, 4.0]
    """
    return Derivative(fun, argnums, recipes.RECIPES["hvp"])


def jvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value of a function and its derivative along tangents, computed forward.

    fun: a plain Python function of any result.  primals: its arguments, a tuple or list; those with defaults may be left out.
    tangents: as many, each of the shape and dtype of its primal, or None where the primal is held fixed.  Integers, truths,
    texts, None and arrays of integers have no tangent: None, a zero or JAX's float0 stands for it, or tangents is a list for
    the other primals alone.  Returns (value, tangent), both shaped as `fun` returns.
    TypeError where primals and tangents do not match, ValueError where their shapes do not; DifferentiationError as in
    `grad`.
    Source: Wengert, A simple automatic derivative evaluation program, CACM 7 (1964); the signature is jax.jvp's.

    >>> import fastgrad as fg
    >>> fg.jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0))
    (6.0, 3.0)
    >>> fg.jvp(lambda x, n: x**n, (2.0, 3), (1.0, None))
    (8.0, 12.0)
    """
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple | list):
            raise TypeError(f"{name} must be a tuple or a list, got {type(given).__name__}")
    found = moving(primals, tangents)
    return remembered(fun, tuple(found), "jvp")(*primals, *found.values())  # type: ignore[no-any-return]


def vjp(fun: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of a function and its pull-back, which takes a cotangent shaped as the value to one for each argument.

    fun: a plain Python function of any result.  primals: its arguments; those with defaults may be left out.  Returns
    (value, pull-back); the pull-back returns a tuple, with None for an argument that has no derivative: integers, truths,
    texts, None, arrays of integers.  It runs the function again at each call, so nothing is kept in memory; it keeps copies
    of arrays in primals.
    TypeError where no argument holds floating-point numbers, TypeError or ValueError where a cotangent does not match the
    value; DifferentiationError as in `grad`.
    Source: Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008); the signature is jax.vjp's.

    >>> import fastgrad as fg
    >>> value, pull = fg.vjp(lambda x, y, n: x * y**n, 2.0, 3.0, 2)
    >>> value, pull(1.0)
    (18.0, (9.0, 12.0, None))
    """
    primals = tuple(kept(primal) for primal in primals)
    wrt = tuple(k for k, primal in enumerate(primals) if carries(primal))
    if not wrt:
        raise TypeError("primals holds no floating-point numbers to differentiate with respect to: give 2 as 2.0")
    value = remembered(fun, wrt, "value")(*primals)
    pull = remembered(fun, wrt, "pull")

    def pull_back(cotangent: Any) -> tuple[Any, ...]:
        """The cotangents of the arguments."""
        match(cotangent, value, "cotangent")
        found = dict(zip(wrt, pull(*primals, cotangent), strict=True))
        return tuple(found.get(k) for k in range(len(primals)))

    return value, pull_back


def kept(primal: Any) -> Any:
    """The argument as it is now: a copy where it is an array."""
    if isinstance(primal, tuple | list):
        return type(primal)(kept(item) for item in primal)
    return primal.copy() if isinstance(primal, np.ndarray) else primal


def match(given: Any, like: Any, name: str) -> None:
    """TypeError or ValueError where a cotangent is not nested and shaped like the value."""
    if isinstance(like, tuple):
        if not isinstance(given, tuple | list) or len(given) != len(like):
            raise TypeError(f"{name} must be a tuple of {len(like)} items, as the value is")
        for k, pair in enumerate(zip(given, like, strict=True)):
            match(*pair, f"{name}[{k}]")
    elif np.shape(given) != np.shape(like):
        raise ValueError(
            f"{name} has the shape {np.shape(given)}, expected {np.shape(like)}, which is that of the value"
        )


@functools.lru_cache(maxsize=256)
def remembered(fun: Callable[..., Any], wrt: tuple[int, ...], label: str) -> Derivative:
    """The derivative with respect to the arguments at these positions, made once for each function."""
    return Derivative(fun, wrt, recipes.RECIPES[label])


def made(fun: Callable[..., Any], argnums: Argnums, label: str, debug: bool) -> Derivative:
    """The derivative; with debug, one that checks indices always and its first result for each kind of arguments."""
    return Derivative(fun, argnums, recipes.RECIPES[label], agrees if debug else None)


def agrees(derivative: Derivative, args: list[Any], result: Any) -> None:
    """GradientCheckError where a gradient is not that of the function, by differences in one argument at a time."""
    from fastgrad.check import check_gradients

    label = derivative.recipe.label
    aux = label.endswith("_and_aux")
    gradients = result[1] if label.startswith("value_and_grad") else result[0] if aux else result
    for position, gradient in zip(derivative.wrt, [gradients] if derivative.single else gradients, strict=True):
        for path, x in paths(args[position]):

            def value(x: Any, position: int = position, path: tuple[int, ...] = path) -> Any:
                given = [kept(arg) for arg in args]
                given[position] = with_item(given[position], path, x)
                found = derivative.function(*given)
                return found[0] if aux else found

            given = functools.reduce(lambda tree, k: tree[k], path, gradient)
            report = check_gradients(value, x, gradient=constant(given), progress=False)
            report.raise_if_failed()


def constant(value: Any) -> Callable[[Any], Any]:
    """The function that always gives this."""
    return lambda _: value


def paths(tree: Any, start: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], Any]]:
    """The numbers and arrays in nested tuples and lists, each with the indices that lead to it."""
    if not isinstance(tree, tuple | list):
        return [(start, tree)]
    return [found for k, item in enumerate(tree) for found in paths(item, (*start, k))]


def with_item(tree: Any, path: tuple[int, ...], value: Any) -> Any:
    """The same tree with another value at the end of the path."""
    if not path:
        return value
    return type(tree)(with_item(item, path[1:], value) if k == path[0] else item for k, item in enumerate(tree))
