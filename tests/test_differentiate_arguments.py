"""What fg.jvp, fg.vjp, fg.hvp take beside floats: integers, truths, texts, None, index arrays, defaults; and has_aux.

Derivatives run here as the plain Python that they are; a few are compiled.
"""

from __future__ import annotations

import numpy as np
import pytest
from interpreting import interpreted
from numba import njit

import fastgrad as fg

X, T = np.array([0.5, 1.5, 2.0]), np.array([1.0, 2.0, -0.5])
FLOAT0 = np.zeros((), np.dtype([("float0", np.void, 0)]))
PICKED = np.array([2, 0])


def mixed(x, n, flag, mode, nothing, picked):
    value = np.sum(x[picked] ** n)
    if flag and mode == "double" and nothing is None:
        value *= 2.0
    return value


OTHERS = (3, True, "double", None, PICKED)
SLOPE = 2 * np.array([3 * 0.25, 0.0, 3 * 4.0])


def powers(x, power=3.0, scale=1.0):
    return scale * np.sum(x**power)


@pytest.fixture(autouse=True)
def plain(request):
    if "compiled" in request.node.name:
        yield
    else:
        with interpreted():
            yield


# ---- fg.jvp --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tangents",
    [(T,), (T, None, None, None, None, None), (T, 0, False, None, None, np.zeros(2, int)),
     (T, FLOAT0, FLOAT0, None, None, np.zeros(2, FLOAT0.dtype)), [T, 0.0, 0, None, None, None]],
    ids=["left out", "None", "zeros", "float0", "a list"],
)  # fmt: skip
def test_what_is_no_float_has_no_tangent(tangents):
    value, tangent = fg.jvp(mixed, (X, *OTHERS), tangents)
    assert value == mixed(X, *OTHERS) and tangent == pytest.approx(SLOPE @ T, rel=1e-14)


def test_none_holds_an_argument_fixed():
    assert fg.jvp(lambda x, y: x * y, (2.0, 3.0), (None, 1.0)) == (6.0, 2.0)
    assert fg.jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, None)) == (6.0, 3.0)


def test_an_integer_with_a_tangent_is_a_float_as_in_grad():
    assert fg.jvp(lambda x: x * x * x, (2,), (1.0,)) == (8.0, 12.0)


def test_a_tuple_may_hold_integers():
    def f(state):
        return state[0] * state[1]

    assert fg.jvp(f, ((2.0, 3),), ((1.0, None),)) == (6.0, 3.0)


def test_arguments_with_defaults_are_left_out_or_given():
    slope = 3 * X**2 @ T
    assert fg.jvp(powers, (X,), (T,))[1] == pytest.approx(slope)
    assert fg.jvp(powers, (X, 3.0, 2.0), (T, None, None))[1] == pytest.approx(2 * slope)
    assert fg.jvp(powers, (X, 3.0, 2.0), (0 * T, 0.0, 1.0))[1] == pytest.approx(np.sum(X**3))


@pytest.mark.parametrize(
    ("primals", "tangents", "words"),
    [((X, *OTHERS), (T, 1, None, None, None, np.ones(2, int)), r"tangents\[5\] is not zero, expected None"),
     ((X, *OTHERS), (T, None, True, None, None, None), r"tangents\[2\] is not zero, expected None: primals\[2\] \(bool\)"),
     ((X, *OTHERS), (T, None), "2 items, expected 6 or 1"), ((X, *OTHERS), (None,), "nothing to differentiate along"),
     ((3,), (None,), "nothing to differentiate along")],
)  # fmt: skip
def test_other_tangents_are_refused(primals, tangents, words):
    with pytest.raises(TypeError, match=words):
        fg.jvp(mixed, primals, tangents)


# ---- fg.vjp --------------------------------------------------------------------------------------------------------------


def test_vjp_gives_none_for_what_has_no_derivative():
    value, pull = fg.vjp(mixed, X, *OTHERS)
    pulled, *nothing = pull(2.0)
    assert value == mixed(X, *OTHERS) and nothing == [None] * 5
    np.testing.assert_allclose(pulled, 2 * SLOPE, rtol=1e-14)


def test_vjp_with_defaults():
    assert [len(fg.vjp(powers, *primals)[1](1.0)) for primals in ((X,), (X, 2.0), (X, 2.0, 3.0))] == [1, 2, 3]
    np.testing.assert_allclose(fg.vjp(powers, X)[1](1.0)[0], 3 * X**2, rtol=1e-14)


def test_vjp_of_nothing_but_integers_is_refused():
    with pytest.raises(TypeError, match=r"give 2 as 2\.0"):
        fg.vjp(lambda n: n * n, 2)


# ---- fg.hvp --------------------------------------------------------------------------------------------------------------


def test_the_vector_is_the_last_argument():
    product = fg.hvp(powers)
    for given in (product(X, T), product(X, 3.0, T), product(X, 3.0, 1.0, T), product(X, tangent=T)):
        np.testing.assert_allclose(given, 6 * X * T, rtol=1e-14)
    np.testing.assert_allclose(product(X, T, power=4.0), 12 * X**2 * T, rtol=1e-14)
    np.testing.assert_allclose(product(X, T, scale=2.0), 12 * X * T, rtol=1e-14)
    first, second = fg.hvp(powers, (0, 2))(X, 3.0, 1.0, T, 0.5)
    np.testing.assert_allclose(first, 6 * X * T + 0.5 * 3 * X**2, rtol=1e-14)
    assert second == pytest.approx(3 * X**2 @ T)
    np.testing.assert_allclose(fg.hvp(mixed)(X, *OTHERS, T), [2 * 6 * 0.5, 0.0, 2 * 12 * -0.5], rtol=1e-14)


@pytest.mark.parametrize("given", [(), (X,)])
def test_a_missing_vector_is_an_error(given):
    with pytest.raises(TypeError, match="misses"):
        fg.hvp(powers)(*given)


def test_hvp_in_compiled_code_takes_all_of_its_arguments():
    product = fg.hvp(powers).jitted

    @njit
    def twice(x, v):
        return 2.0 * product(x, 3.0, 1.0, v)

    np.testing.assert_allclose(twice(X, T), 12 * X * T, rtol=1e-14)


# ---- has_aux -------------------------------------------------------------------------------------------------------------


def fit(w, x):
    predicted = np.tanh(w * x)
    residual = predicted - 1.0
    return np.sum(residual**2), (predicted, len(x))


def test_aux_is_handed_through():
    w = np.array([0.3, 0.2, -0.4])
    gradient, (predicted, count) = fg.grad(fit, has_aux=True)(w, X)
    np.testing.assert_allclose(gradient, fg.grad(lambda w, x: fit(w, x)[0])(w, X), rtol=1e-14)
    np.testing.assert_allclose(predicted, np.tanh(w * X), rtol=1e-14)
    assert count == 3
    (value, (again, _)), same = fg.value_and_grad(fit, 0, True)(w, X)
    assert value == pytest.approx(fit(w, X)[0]) and same.tolist() == gradient.tolist()
    assert again.tolist() == predicted.tolist()


def test_aux_is_not_differentiated():
    def f(x):
        return x * x, (x**3, x)

    assert fg.grad(f, has_aux=True)(3.0) == (6.0, (27.0, 3.0))
    assert fg.value_and_grad(f, has_aux=True)(3.0) == ((9.0, (27.0, 3.0)), 6.0)
    assert "3.0 * x" not in fg.grad(f, has_aux=True).source


def test_aux_that_the_reverse_sweep_restores_is_kept():
    def f(x):
        a = x.copy()
        a[0] = a[1] * a[2]
        s = np.sum(a * a)
        a[1] = 0.0
        return s, a

    gradient, aux = fg.grad(f, has_aux=True)(X)
    assert aux.tolist() == [3.0, 0.0, 2.0] and gradient.tolist() == [0.0, 15.0, 13.0]


def test_aux_with_several_arguments_and_a_check():
    def f(x, y):
        return x * y, x + y

    assert fg.grad(f, (0, 1), has_aux=True, debug=True)(2.0, 3.0) == ((3.0, 2.0), 5.0)
    assert fg.value_and_grad(f, (0, 1), has_aux=True, debug=True)(2.0, 3.0) == ((6.0, 5.0), (3.0, 2.0))


@pytest.mark.parametrize("f", [lambda x: x * x, lambda x: (x, x, x)])
def test_aux_needs_a_pair(f):
    with pytest.raises(fg.DifferentiationError, match="does not return a pair: has_aux=True"):
        fg.grad(f, has_aux=True)(1.0)
