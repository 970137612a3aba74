"""reshape and ravel: where NumPy's result looks into the array, and what happens where compiled code cannot follow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interpreting import interpreted

import fastgrad as fg
from fastgrad.differentiate.helpers import ravel_shares, reshape_shares

parts = st.sampled_from([slice(None), slice(1, None), slice(None, None, 2), slice(0, 1), slice(None, None, -1)])


@given(st.lists(st.tuples(st.integers(1, 4), parts), min_size=1, max_size=3), st.permutations(range(3)), st.data())
def test_what_shares_memory_is_what_numpy_says(axes, order, data):
    array = np.zeros([n + 1 for n, _ in axes])[tuple(part for _, part in axes)]
    array = array.transpose([k for k in order if k < array.ndim])
    shape, rest = [], array.size
    for _ in range(data.draw(st.integers(0, 2))):
        shape.append(data.draw(st.sampled_from([d for d in range(1, rest + 1) if rest % d == 0])))
        rest //= shape[-1]
    shape = data.draw(st.permutations([*shape, -1]))
    assert ravel_shares(array) == np.shares_memory(array.ravel(), array)
    assert reshape_shares(array, *shape) == np.shares_memory(array.reshape(shape), array)


def written(A):
    B = A.copy()
    flat = B.T.ravel()
    flat[0] = 2.0 * flat[1]
    return np.sum(B * B) + np.sum(flat**3)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_copy_or_an_error(compiled):
    A = np.arange(6.0).reshape(2, 3)
    expected = 2 * A + 3 * A**2
    expected[0, 0] -= 3 * A[0, 0] ** 2
    expected[1, 0] += 2 * 3 * (2 * A[1, 0]) ** 2
    if compiled:
        derivative = fg.grad(written)
        np.testing.assert_allclose(derivative(A), expected)
        with pytest.raises(ValueError, match="ravel, written into, is a view in NumPy for arrays of this shape"):
            derivative(A[:1])
    else:
        with interpreted():
            np.testing.assert_allclose(fg.grad(written)(A), expected)
