"""Names that have no value where they are read: the error that Python raises, not a number."""

from __future__ import annotations

import numpy as np
import pytest
from interpreting import interpreted

import fastgrad as fg


def after_a_branch(x, n):
    if n > 5:
        y = x * x
    return y * 2.0


def after_a_loop(x, n):
    for k in range(n):
        y = x * k
    return y


def after_loops_and_branches(x, n):
    i = 0
    while i < n:
        if i == 2:
            y = x * i
        elif i == 7:
            y = x
        i += 1
    s = x
    s += y
    return s * y


def added_to(x, n):
    if n > 5:
        y = 1.0
    y += x
    return y


def in_a_called_function(x, n):
    def inner(a):
        if n > 5:
            b = a
        return b * b

    return inner(x) + x


FUNCTIONS = [after_a_branch, after_a_loop, after_loops_and_branches, added_to, in_a_called_function]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_error_of_python_where_it_has_no_value(function):
    with interpreted():
        for derivative in (fg.grad(function), fg.value_and_grad(function), fg.hessian(function)):
            with pytest.raises(UnboundLocalError, match=r"cannot access local variable '[yb]'"):
                derivative(1.5, 0)
        assert fg.check_gradients(lambda x: function(x[0], 8), np.array([1.5]),
                                  gradient=lambda x: np.array([fg.grad(function)(x[0], 8)])).passed  # fmt: skip


def test_compiled():
    derivative = fg.grad(after_a_branch)
    assert derivative(1.5, 6) == 6.0
    with pytest.raises(UnboundLocalError, match="cannot access local variable 'y'"):
        derivative(1.5, 5)


def test_where_the_text_shows_a_value_nothing_is_asked():
    def function(x, n):
        for _ in range(2):
            y = x
        if n > 5:
            z = y
        else:
            z = x
        return z * y if n > 2 else z

    with interpreted():
        derivative = fg.grad(function)
        assert derivative(3.0, 6) == 6.0 and "_set" not in derivative.source
