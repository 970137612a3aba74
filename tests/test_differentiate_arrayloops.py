"""The loops that array arithmetic is compiled to: NumPy's results, its broadcasting, its errors, on any memory.

Left out: which expressions become formulas (test_differentiate_elementwise.py); speed.
"""

from __future__ import annotations

import numpy as np
import pytest
from numba import float32, float64, njit, types
from numba.core.errors import TypingError

from fastgrad.differentiate import arrayloops

FULL, ROW, COLUMN = (-2, -1), (-1,), (-2,)
add = arrayloops.each("x0 + 2.0 * x1", "f8", 2, (FULL, FULL))
add_row = arrayloops.each("x0 + 2.0 * x1", "f8", 2, (FULL, ROW))
add_column = arrayloops.each("x0 + 2.0 * x1", "f8", 2, (FULL, COLUMN))
outer = arrayloops.each("x0 * x1", "f8", 2, (COLUMN, ROW))
turned = arrayloops.each("x0 - x1", "f8", 2, ((-1, -2), FULL))
cube = arrayloops.each("math.exp(x0) * x1", "f8", 3, ((-3, -2, -1), ()))
larger = arrayloops.each("x0 > x1", "b1", 1, ((-1,), (-1,)))
masked = arrayloops.each("x1 if x0 else np.float32(0.0)", "f4", 1, ((-1,), (-1,)))
increase = arrayloops.into("x0 + x1 * x2", (FULL, FULL, ()))
assign = arrayloops.into("x1", (FULL, ROW))


@njit
def call_add(x, y):
    return add(x, y)


@njit
def call_row(x, y):
    return add_row(x, y)


@njit
def call_increase(x, y, a):
    _ = increase(x, y, a)


@njit
def call_assign(x, y):
    _ = assign(x, y)


def memories(x):
    """The same matrix in five layouts of memory."""
    apart = np.zeros((2 * x.shape[0], 3 * x.shape[1]))
    apart[::2, ::3] = x
    wide = np.zeros((x.shape[0], x.shape[1] + 5))
    wide[:, 2 : 2 + x.shape[1]] = x
    back = x[::-1, ::-1].copy()
    return [x.copy(), np.array(x, order="F"), apart[::2, ::3], wide[:, 2 : 2 + x.shape[1]], back[::-1, ::-1]]


SHAPES = [((3, 4), (3, 4)), ((3, 1), (1, 4)), ((1, 4), (3, 4)), ((3, 4), (1, 1)), ((1, 37), (5, 1)), ((0, 4), (1, 4)),
          ((33, 70), (33, 70)), ((3, 0), (3, 1)), ((7, 1), (7, 1))]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
def test_all_shapes_in_all_memories(a, b, rng):
    x, y = rng.normal(size=a), rng.normal(size=b)
    for given in memories(x):
        for other in memories(y):
            result = call_add(given, other)
            assert result.flags.c_contiguous and result.shape == (x + y).shape
            np.testing.assert_allclose(result, x + 2 * y, rtol=1e-15)


@pytest.mark.parametrize("m", [0, 1, 3, 40])
@pytest.mark.parametrize("n", [1, 4, 33])
def test_operands_of_fewer_axes(m, n, rng):
    x, row, column = rng.normal(size=(m, n)), rng.normal(size=n), rng.normal(size=m)
    np.testing.assert_allclose(call_row(x, row), x + 2 * row)
    np.testing.assert_allclose(call_row(x, row[:1]), x + 2 * row[:1])
    np.testing.assert_allclose(njit(lambda x, y: add_column(x, y))(x, column), x + 2 * column[:, None])
    assert njit(lambda x, y: outer(x, y))(column, row).tolist() == np.outer(column, row).tolist()
    assert njit(lambda x, y: turned(x, y))(x.T.copy(), x).tolist() == np.zeros((m, n)).tolist()


def test_three_axes_numbers_and_truths(rng):
    x = rng.normal(size=(3, 4, 5))
    np.testing.assert_allclose(njit(lambda x: cube(x, 2))(x), 2 * np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(njit(lambda x: cube(x, 0.5))(x.T), 0.5 * np.exp(x.T), rtol=1e-15)
    a, b = rng.normal(size=9), rng.normal(size=9)
    test = njit(lambda x, y: larger(x, y))(a, b)
    assert test.dtype == np.bool_ and test.tolist() == (a > b).tolist()
    chosen = njit(lambda t, x: masked(t, x))(test, a.astype("f"))
    assert chosen.dtype == np.float32 and chosen.tolist() == np.where(test, a, 0).astype("f").tolist()


@pytest.mark.parametrize("a", [(3, 4), (33, 70), (1, 1), (0, 3)], ids=str)
def test_writing_in_place(a, rng):
    start, y = rng.normal(size=a), rng.normal(size=a)
    for x in memories(start):
        call_increase(x, y, 3)
        np.testing.assert_allclose(x, start + y * 3, rtol=1e-15)
        call_assign(x, y[0] if len(y) else np.zeros(a[1]))
        assert x.tolist() == (np.zeros(a) + y[:1]).tolist()


@pytest.mark.parametrize(("a", "b"), [((3, 4), (3, 5)), ((2, 4), (3, 4)), ((0, 4), (2, 4)), ((2, 3), (0, 3))], ids=str)
def test_shapes_that_do_not_fit(a, b):
    with pytest.raises(ValueError, match="could not be broadcast together"):
        call_add(np.zeros(a), np.zeros(b))
    with pytest.raises(ValueError, match="could not broadcast an array to the slice"):
        call_increase(np.zeros(a), np.zeros(b), 1.0)


def test_a_place_does_not_grow():
    with pytest.raises(ValueError, match="could not broadcast"):
        call_increase(np.zeros((1, 4)), np.zeros((3, 4)), 1.0)


def test_a_division_by_zero_is_infinite():
    divide = arrayloops.each("x0 / x1", "f8", 1, ((-1,), (-1,)))
    result = njit(lambda x, y: divide(x, y))(np.array([1.0, -1.0, 0.0]), np.zeros(3))
    assert result[:2].tolist() == [np.inf, -np.inf] and np.isnan(result[2])


def test_operands_of_other_kinds_are_refused_when_compiled():
    with pytest.raises(TypingError):
        call_add.compile((float64, float64[:, :]))


def test_single_precision_stays():
    double = arrayloops.each("x0 * np.float32(2.0)", "f4", 1, ((-1,),))
    compiled = njit(lambda x: double(x))
    compiled.compile((float32[:],))
    assert compiled.nopython_signatures[0].return_type == types.Array(float32, 1, "C")
