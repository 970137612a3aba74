"""Forward derivatives, and those of gradients: against differences of the function, and of its gradient.

Most programs run here as the plain Python that they are, which is exact and quick; a few are compiled.
Left out: what fg.jvp and the others take and return besides (test_differentiate_calling.py).
"""

from __future__ import annotations

import math
import pickle
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from interpreting import interpreted

import fastgrad as fg
from fastgrad.differentiate import recipes, terms
from fastgrad.differentiate.kinds import kind_of
from fastgrad.differentiate.recipes import RECIPES

TABLE = np.linspace(-1.0, 1.0, 15).reshape(5, 3)
VECTOR = np.array([0.9, 1.3, 0.7, 1.1, 0.6])
MATRIX = np.array([[3.0, 0.2, -0.1], [0.4, 2.5, 0.3], [0.1, -0.2, 2.0]])


def elementary(x, y):
    return (
        math.exp(x) * math.sin(y) + math.log(x * y) + math.tanh(x - y) + math.sqrt(x) * math.atan2(y, x)
        + x**2.5 + x**y + abs(x - y) + max(x, y) * min(x, y)
    )  # fmt: skip


def elements(x):
    return np.sum(np.exp(x) * np.sin(x) + x**3 / (1 + x)) + np.sum(np.where(x > 1, np.log(x), x**2))


def loop(x):
    total, product = 0.0, 1.0
    for i in range(len(x)):
        product = product * x[i]
        total += product * math.sin(x[i])
    return total


def recursion(x):
    y = np.zeros(len(x))
    y[0] = x[0]
    for i in range(1, len(x)):
        y[i] = y[i - 1] * x[i] + math.cos(y[i - 1])
    return np.sum(y * y)


def overwritten(x):
    x[1] = x[0] * x[2]
    x[1:3] = x[2:4] * x[0]
    return np.sum(x**2)


def views(x):
    y = x.copy()
    z = y[1:4]
    z[:] = z * z
    z[0] = x[0]
    return np.sum(y * x)


def branches(x):
    s = 0.0
    for i in range(len(x)):
        if x[i] > 1.0:
            s += x[i] ** 3
        elif x[i] > 0.8:
            s -= x[i] * s
        else:
            s *= x[i]
    return s


def newton(a):
    x = 1.0
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


def early(x):
    s = 0.0
    for i in range(len(x)):
        if x[i] > 1.2:
            return s * x[i]
        s += x[i] ** 2
    return s


def matrices(X):
    return np.sum(X @ X.T) * np.linalg.det(X) + np.trace(np.linalg.inv(X)) + np.sum(np.linalg.solve(X, TABLE[:3]))


def captured(w):
    return np.sum((TABLE @ w) ** 2)


def broadcast(X, b):
    return np.sum((X + b) ** 2) + np.sum(np.tanh(X * b) / (1 + b**2))


def axes(X):
    return np.sum(np.sum(X**2, axis=0) * np.sum(X, axis=0)) + np.sum(np.max(X, axis=1) ** 2)


def pieces(x):
    joined = np.concatenate((x[1:], x[:2] ** 2))
    return np.sum(joined**2) + np.sum(np.stack((x, x * x)) @ x) + np.dot(x, x) * np.linalg.norm(x) + np.cumsum(x)[2]


def chosen(x):
    index = np.array([0, 2, 2, 1])
    return np.sum(x[index] ** 3)


def nested(p, x):
    w, b = p
    return np.sum(np.tanh(w * x) ** 2) + b * np.sum(w)


@fg.custom_gradient
def softplus(x):
    return math.log1p(math.exp(x)), lambda d: d / (1.0 + math.exp(-x))


def ruled(x, y):
    return softplus(x * y) * x


@fg.custom_gradient
def weighted(w, x):
    y = np.tanh(w @ x)
    return y, lambda d: (np.outer(d * (1.0 - y * y), x), w.T @ (d * (1.0 - y * y)))


@fg.custom_gradient
def scaled(a, s):
    return a * s, lambda d: (d * s, np.sum(d * a))


def ruled_arrays(w, x, s):
    return weighted(w, x) * s, scaled(w, s * s)


CASES = [
    (elementary, (0.7, 1.3)), (elements, (VECTOR,)), (loop, (VECTOR,)), (recursion, (VECTOR,)), (overwritten, (VECTOR,)),
    (views, (VECTOR,)), (branches, (VECTOR,)), (newton, (0.9,)), (early, (VECTOR,)), (matrices, (MATRIX,)),
    (captured, (VECTOR[:3],)), (broadcast, (TABLE, VECTOR[:3])), (axes, (TABLE,)), (pieces, (VECTOR,)),
    (chosen, (VECTOR,)), (nested, ((VECTOR, 0.3), VECTOR[::-1].copy())), (ruled, (0.4, 0.8)),
]  # fmt: skip
all_cases = pytest.mark.parametrize(("f", "args"), CASES, ids=[f.__name__ for f, _ in CASES])


def plain(label, f, args):
    """The program of a recipe, of all arguments, as a Python function that runs without Numba."""
    program = recipes.RECIPES[label].sweep(recipes.subject(f)([kind_of(arg) for arg in args]), range(len(args)), False)
    space = {}
    exec(recipes.source(program), space)
    return lambda *given: space[program.name](*given, *(captured.read() for captured in program.captured))


def flat(tree):
    return np.concatenate([flat(item) for item in tree]) if isinstance(tree, tuple) else np.ravel(tree).astype(float)


def filled(tree, numbers):
    """A tree of the same form with these numbers, taken from the front."""
    if isinstance(tree, tuple):
        return tuple(filled(item, numbers) for item in tree)
    part = [numbers.pop(0) for _ in range(np.size(tree))]
    return np.array(part).reshape(tree.shape) if isinstance(tree, np.ndarray) else part[0]


def slope(f, args, direction, h=1e-5):
    """The central difference of f along a direction."""
    at = [flat(f(*filled(args, list(flat(args) + s * direction)))) for s in (h, -h)]
    return (at[0] - at[1]) / (2 * h)


@all_cases
def test_tangents(f, args):
    direction = np.linspace(-1.0, 1.0, flat(args).size)
    value, tangent = plain("jvp", f, args)(*args, *filled(args, list(direction)))
    assert value == pytest.approx(f(*filled(args, list(flat(args)))), rel=1e-14)
    assert tangent == pytest.approx(slope(f, args, direction)[0], rel=1e-8, abs=1e-8)


@all_cases
def test_hessian_times_vector(f, args):
    direction = np.linspace(-1.0, 1.0, flat(args).size)
    product = flat(plain("hvp", f, args)(*args, *filled(args, list(direction))))
    np.testing.assert_allclose(product, slope(plain("grad", f, args), args, direction), rtol=1e-7, atol=1e-7)


def test_hessians_compiled():
    from scipy.optimize import rosen_hess, rosen_hess_prod

    def rosen(x):
        value = 0.0
        for i in range(len(x) - 1):
            value += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
        return value

    np.testing.assert_allclose(fg.hessian(rosen)(VECTOR), rosen_hess(VECTOR), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fg.hvp(rosen)(VECTOR, VECTOR), rosen_hess_prod(VECTOR, VECTOR), rtol=1e-12)
    assert fg.hessian(rosen)(np.zeros(0)).shape == (0, 0)


def test_hessians_of_several_arguments():
    (xx, xy), (yx, yy) = fg.hessian(lambda x, y: x**2 * np.sum(y**3), (0, 1))(2.0, np.array([1.0, 3.0]))
    assert xx == 56.0 and xy.tolist() == yx.tolist() == [12.0, 108.0]
    assert yy.tolist() == [[24.0, 0.0], [0.0, 72.0]]


def outputs(x):
    return np.array([x[0] * x[1], x[1] ** 2, math.sin(x[0])])


def test_jacobians():
    x = np.array([2.0, 3.0])
    expected = [[3.0, 2.0], [0.0, 6.0], [math.cos(2.0), 0.0]]
    np.testing.assert_allclose(fg.jacobian(outputs)(x), expected, rtol=1e-15)
    np.testing.assert_allclose(plain("jacobian_by_rows", outputs, (x,))(x)[0], expected, rtol=1e-15)
    assert fg.jacobian(lambda x: x**2)(3.0) == 6.0
    assert fg.jacobian(lambda x: x * TABLE)(2.0).tolist() == TABLE.tolist()
    assert fg.jacobian(lambda X: np.sum(X**2))(TABLE).tolist() == (2 * TABLE).tolist()


def test_jacobians_have_the_shape_of_the_result_and_then_of_the_argument():
    jacobian = fg.jacobian(lambda X: X @ X.T)(TABLE)
    assert jacobian.shape == (5, 5, 5, 3)
    direction = np.cos(np.arange(15.0)).reshape(5, 3)
    expected = direction @ TABLE.T + TABLE @ direction.T
    np.testing.assert_allclose(np.tensordot(jacobian, direction, 2), expected, rtol=1e-13)


def test_wide_jacobians_are_computed_by_rows():
    jacobian, x = fg.jacobian(lambda x: np.array([np.sum(x**2), x[0] * x[-1]])), np.arange(20.0)
    first = jacobian(x)
    assert "a row for each" in jacobian.source
    expected = np.zeros((2, 20))
    expected[0], expected[1, 0], expected[1, -1] = 2 * x, x[-1], x[0]
    assert first.tolist() == jacobian(x).tolist() == expected.tolist()
    tall = fg.jacobian(lambda x: np.concatenate((x, x * x)))
    tall(x)
    assert "a column for each" in tall.source


def test_the_direction_is_chosen_for_each_shape():
    jacobian = fg.jacobian(lambda x, n=2: np.array([np.sum(x**n), x[0] * x[-1]]))
    directions = []
    for size in (3, 40, 3, 40, 5, 50):
        x = np.arange(1.0, size + 1.0)
        first, again = jacobian(x), jacobian(x, n=2)
        expected = np.vstack((2 * x, x[-1] * (x == 1) + (x == size)))
        assert first.tolist() == again.tolist() == expected.tolist()
        directions.append("a row for each" in jacobian.source)
    assert directions == [False, True] * 3
    assert pickle.loads(pickle.dumps(fg.jacobian(outputs)))(np.ones(2)).shape == (3, 2)


def test_what_has_no_reverse_derivative_is_computed_forward(monkeypatch):
    reverse = RECIPES["jacobian_by_rows"]

    def refused(*args):
        raise fg.DifferentiationError("has no reverse")

    monkeypatch.setitem(RECIPES, "jacobian_by_rows", replace(reverse, sweep=refused))
    jacobian = fg.jacobian(lambda x: np.sum(x**2) * np.ones(2))
    for _ in range(2):
        assert jacobian(np.ones(30)).shape == (2, 30)
    assert "a column for each" in jacobian.source


def test_jacobians_of_tuples():
    result = fg.jacobian(lambda x, y: (x * y, y**2), (0, 1))(2.0, np.array([1.0, 3.0]))
    assert result[0][0].tolist() == [1.0, 3.0] and result[0][1].tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert result[1][0].tolist() == [0.0, 0.0] and result[1][1].tolist() == [[2.0, 0.0], [0.0, 6.0]]


def test_jvp_and_vjp_are_transposed():
    x, t, d = np.array([2.0, 3.0]), np.array([0.3, -0.5]), np.array([1.0, 2.0, -1.0])
    value, tangent = fg.jvp(outputs, (x,), (t,))
    again, pull = fg.vjp(outputs, x)
    (pulled,) = pull(d)
    assert value.tolist() == again.tolist() == outputs(x).tolist()
    assert pulled @ t == pytest.approx(d @ tangent, rel=1e-15)


def test_mismatched_tangents_are_refused_before_anything_is_computed():
    x = np.ones(3)
    with pytest.raises(ValueError, match=r"tangent has the shape \(2,\), expected \(3,\)"):
        fg.jvp(lambda x: x * x, (x,), (np.ones(2),))
    with pytest.raises(TypeError, match="tangent is a float32 array of 1 dimensions, expected a float64 array"):
        fg.jvp(lambda x: x * x, (x,), (np.ones(3, np.float32),))
    with pytest.raises(TypeError, match="1 items, expected 2"):
        fg.jvp(lambda x, y: x * y, (1.0, 2.0), (1.0,))
    with pytest.raises(TypeError, match="tangents must be a tuple or a list"):
        fg.jvp(lambda x: x, (1.0,), 1.0)
    _, pull = fg.vjp(lambda x: x * x, x)
    with pytest.raises(ValueError, match=r"cotangent has the shape \(2,\), expected \(3,\)"):
        pull(np.ones(2))


def test_a_gradient_can_be_differentiated_again():
    assert fg.jvp(fg.grad(lambda x: x**3), (2.0,), (1.0,)) == (12.0, 12.0)
    assert fg.jacobian(fg.grad(lambda x: np.sum(x**3)))(np.array([1.0, 2.0])).tolist() == [[6.0, 0.0], [0.0, 12.0]]


def test_what_has_no_third_derivative_is_refused():
    with pytest.raises(fg.DifferentiationError, match="`trigamma` has no forward derivative"):
        fg.hvp(fg.grad(lambda x: math.lgamma(x)))(1.5, 1.0)


def test_terms_of_missing_tangents_are_struck_out():
    assert terms.pruned("solve(a, db - matmul(da, out))", frozenset({"db"})) == "solve(a, -matmul(da, out))"
    assert terms.pruned("matmul(da, b) + matmul(a, db)", frozenset({"db"})) == "matmul(da, b)"
    assert terms.pruned("da.T", frozenset()) == "da.T"


def test_a_rule_for_an_array_runs_forward_once_for_each_element():
    args = (TABLE, VECTOR[:3], 1.5)
    tangents = (np.cos(TABLE), VECTOR[1:4], 0.7)
    _, along = plain("jvp", ruled_arrays, args)(*args, *tangents)
    weights = (VECTOR * 2.0, TABLE**2)
    pulled = plain("pull", ruled_arrays, args)(*args, weights)
    there = sum(np.sum(a * b) for a, b in zip(along, weights, strict=True))
    back = sum(np.sum(a * b) for a, b in zip(pulled, tangents, strict=True))
    assert there == pytest.approx(back, rel=1e-12)


@fg.custom_gradient
def product_by_ten(pair, k):
    return pair[0] * pair[1] * k, lambda d: ((d * pair[1] * 10.0, d * pair[0] * 10.0), d * 5.0)


@fg.custom_gradient
def of_another_shape(a):
    return np.sum(a * a), lambda d: np.ones(1) * d


def test_a_rule_may_take_tuples():
    def f(x):
        return product_by_ten((x, x), x)

    with interpreted():
        assert fg.grad(f)(2.0) == 45.0
        assert fg.jvp(f, (2.0,), (1.0,)) == (8.0, 45.0)
        assert fg.hvp(f)(2.0, 1.0) == 20.0


@pytest.mark.parametrize("derivative", [fg.grad, fg.jacobian])
def test_the_adjoint_that_a_rule_gives_has_the_shape_of_the_argument(derivative):
    with interpreted(), pytest.raises(ValueError, match="another shape than its argument"):
        derivative(lambda u: of_another_shape(u))(np.ones(3))


@pytest.mark.parametrize("run", [interpreted, nullcontext])
def test_an_integer_to_a_negative_power_is_an_error(run):
    def f(x, n):
        return x * 2**n

    with run():
        assert fg.grad(f)(1.0, 3) == 8.0
        with pytest.raises(ValueError, match="negative power"):
            fg.grad(f)(1.0, -3)
