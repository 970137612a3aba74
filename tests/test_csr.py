"""Sparse X at the border: what is taken as it is, what is put in order in a copy, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from oracle import bits, sparse

import fastgrad as fg
from fastgrad import csr


def test_indices_in_disorder_are_put_in_order_in_a_copy(rng):
    X = sp.csr_array(
        (np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([3, 0, 3, 2, 1]), np.array([0, 3, 3, 5])), shape=(3, 4)
    )
    before = [part.copy() for part in (X.data, X.indices, X.indptr)]
    assert not X.has_canonical_format and not X.has_sorted_indices  # and SciPy has cached that
    dense, other = (fg.Network([4, 3, 1], seed=1) for _ in range(2))
    dense.fit(X.toarray(), np.ones(3), epochs=2)
    other.fit(X, np.ones(3), epochs=2)
    assert bits(dense) == bits(other)
    for part, was in zip((X.data, X.indices, X.indptr), before, strict=True):
        assert np.array_equal(part, was)
    X.has_canonical_format = True  # a wrong word changes nothing
    assert csr.as_matrix(X).indices.tolist() == [0, 3, 1, 2]


def test_rows_in_order_are_not_copied(rng):
    X = sparse(rng, 50, 20)
    for wide in (X, sp.csr_matrix(X)):
        found = csr.as_matrix(wide)
        assert all(
            np.shares_memory(*pair) for pair in zip(found.parts, (wide.indptr, wide.indices, wide.data), strict=True)
        )


def test_rows_are_picked_as_scipy_picks_them(rng):
    X = sparse(rng, 50, 20)
    found = csr.as_matrix(X)
    for rows in (np.array([3, 49, 0, 3]), np.zeros(0, np.int32), slice(5, 30), slice(None, None, -7), slice(None)):
        assert np.array_equal(found[rows].to_scipy().toarray(), X[rows].toarray())
    lengths = np.sort(np.diff(X.indptr))[::-1]
    for rows in (1, 7, 49, 50, 60):
        assert found.most(rows) == lengths[:rows].sum()


def broken(**parts):
    """A CSR matrix with some of its arrays replaced behind SciPy's back."""
    X = sp.csr_array(np.eye(3))
    for name, value in parts.items():
        setattr(X, name, value)
    return X


NAN = sp.csr_array(np.array([[0.0, 1.0, 0.0], [2.0, 0.0, np.nan], [np.inf, 0.0, 0.0]]))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [(NAN, ValueError, r"X must be finite, found nan at row 1, column 2, the first of 2"),
     (sp.csr_array((3, 4)), ValueError, r"X must have 3 columns, got 4 \(shape \(3, 4\)\)"),
     (sp.csr_array((0, 3)), ValueError, "X has no rows"), (sp.coo_array(np.ones(3)), ValueError, "X must be 2-D"),
     (sp.csr_array(np.eye(3) * 1j), TypeError, "X must hold real numbers of at most 64 bits, got dtype complex128"),
     (broken(indices=np.array([0, 1, 3], np.int32)), ValueError, r"X.indices must be columns in \[0, 3\), found 3"),
     (broken(indices=np.array([0, -1, 2], np.int32)), ValueError, r"X.indices must be columns in \[0, 3\), found -1"),
     (broken(indptr=np.array([0, 1, 2, 9], np.int32)), ValueError, "X.indptr ends at 9, but there are 3 indices"),
     (broken(indptr=np.array([0, 2, 1, 3], np.int32)), ValueError, "X.indptr must rise from 0 in 4 steps"),
     (broken(indptr=np.array([0, 3], np.int32)), ValueError, "X.indptr must rise from 0 in 4 steps"),
     (broken(indices=np.array([0.0, 1.0, 2.0])), TypeError, "vectors of integers as its indices, got float64")],
)  # fmt: skip
def test_bad_matrices_are_refused_before_anything_is_computed(X, error, message):
    net = fg.Network([3, 2, 1], seed=1)
    before = bits(net)
    calls = [lambda: net.fit(X, np.zeros(3)), lambda: net.partial_fit(X, np.zeros(3)), lambda: net.predict(X),
             lambda: net.loss(X, np.zeros(3)), lambda: net.gradient(X, np.zeros(3)),
             lambda: net.backward(X, np.zeros((3, 1)))]  # fmt: skip
    for call in calls:
        with pytest.raises(error, match=message):
            call()
    assert bits(net) == before
    with pytest.raises(ValueError, match="validation X"):
        net.fit(np.eye(3), np.zeros(3), validation=(NAN, np.zeros(3)))
    with pytest.raises(ValueError, match="row for each row of X"):
        net.fit(sp.csr_array(np.eye(3)), np.zeros(4))
