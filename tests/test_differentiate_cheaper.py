"""The cheaper forms of NumPy's notation: they do what NumPy does, and the text that is compiled uses them.

Left out: how much cheaper they are.
"""

from __future__ import annotations

import ast

import numpy as np
import pytest
from numba import njit

from fastgrad.differentiate import cheaper, helpers, mathematics

cheaper.register()
put, sum_axis, choose, exp = cheaper.put, helpers.sum_axis, cheaper.choose, mathematics.exp


@njit
def assign(x, y):
    put(x[1:3], y)


@njit
def shift(x):
    put(x[1:], x[:-1])


@njit
def add_up(x, axis):
    return sum_axis(x, axis)


@njit
def select(test, yes, no):
    return choose(test, yes, no)


@njit
def exponential(x):
    return exp(x)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("x[1:3] = y", "put(x[1:3], y)"),
        ("x[..., i] = y * 2", "put_fresh(x[..., i], y * 2)"),
        ("x[i, :] -= y", "put_fresh(x[i, :], x[i, :] - y)"),
        ("x[i] = y", "x[i] = y"),
        ("x[i, :] = f(y)", "put(x[i, :], f(y))"),
        ("x[f(y), :] = 0.0", "x[f(y), :] = 0.0"),
        ("y = np.sum(x, axis=-1)", "y = sum_axis(x, -1)"),
        ("y = np.sum(x)", "y = np.sum(x)"),
        ("y = np.where(x > 0, np.exp(x), 0.0)", "y = choose(x > 0, math.exp(x), 0.0)"),
    ],
)
def test_texts_are_rewritten(text, expected):
    assert ast.unparse(cheaper.rewritten(ast.parse(text))) == expected


@pytest.mark.parametrize("y", [np.array([1.0, 2.0]), np.array([5.0]), 3.0])
def test_assignments_to_slices(y):
    x, expected = np.zeros(4), np.zeros(4)
    expected[1:3] = y
    assign(x, y)
    assert x.tolist() == expected.tolist()


def test_assignments_broadcast_and_refuse_as_numpy_does():
    x = np.zeros((4, 3))
    assign(x, np.arange(3.0))
    assert x.tolist() == [[0, 0, 0], [0, 1, 2], [0, 1, 2], [0, 0, 0]]
    with pytest.raises(ValueError, match="could not broadcast"):
        assign(x, np.zeros(2))


def test_overlapping_memory_is_copied_first():
    x = np.arange(5.0)
    shift(x)
    assert x.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_sums_along_axes(shape, rng):
    x = rng.normal(size=shape)
    for axis in range(-len(shape), len(shape)):
        np.testing.assert_allclose(add_up(x, axis), x.sum(axis=axis), rtol=1e-13)


@pytest.mark.parametrize(
    "yes, no",
    [
        (lambda x: x, lambda x: 2.0),
        (lambda x: x[:, :1], lambda x: x[0]),
        (lambda x: x.astype("f"), lambda x: x.astype("f")),
    ],
)
def test_choices(yes, no, rng):
    x = rng.normal(size=(3, 4))
    got, want = select(x > 0, yes(x), no(x)), np.where(x > 0, yes(x), no(x))
    assert got.tolist() == want.tolist() and got.dtype == want.dtype


def test_elementary_functions_of_arrays(rng):
    x = rng.normal(size=(3, 4))
    np.testing.assert_allclose(exponential(x.T), np.exp(x.T), rtol=1e-15)
    assert exponential(x.astype("f")).dtype == np.float32
