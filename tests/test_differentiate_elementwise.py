"""Which array arithmetic becomes a formula, and when what is written may be written at once.

Left out: that the formulas give the right numbers: the corpus compiles them, and compares with what `.source` gives.
"""

from __future__ import annotations

import numpy as np
import pytest

import fastgrad as fg
from fastgrad.differentiate.elementwise import compiled_text
from fastgrad.differentiate.emit import source
from fastgrad.differentiate.kinds import kind_of
from fastgrad.differentiate.lowering import lower

X, Y, M = np.arange(1.0, 5.0), np.linspace(0.2, 0.9, 4), np.arange(12.0).reshape(3, 4) / 7


def texts(f, *args):
    """What is shown and what is compiled of a function, line by line, and the formulas."""
    program = lower(f, tuple(kind_of(arg) for arg in args))
    shown, meant = source(program).splitlines(), compiled_text(program).splitlines()
    return shown, [line.split("#")[0] for line in meant[: len(shown)]], meant[len(shown) :]


def mixed(x, m):
    y = m * x[:, None].T + 2.0
    z = np.where(m > 1.0, np.maximum(y, 0.5), np.tanh(m.T).T)
    return np.sum(z) + np.sum(x + 1.0)


def test_expressions_become_formulas_line_by_line():
    shown, meant, formulas = texts(mixed, X, M)
    assert [a.split("#")[0].split(" = ")[0] for a in shown] == [b.split(" = ")[0] for b in meant], "the same targets"
    assert len(formulas) >= 3 and all(" = each(" in f for f in formulas)
    assert any("((-2, -1), (-1,))" in f for f in formulas), "a new axis, transposed, is a row"
    assert any("np.maximum(" in f for f in formulas), "NaN is handed on, as by no max of Python's"
    assert not any("np.tanh" in line or "np.where" in line for line in meant)


def test_equal_formulas_are_defined_once():
    _, _, formulas = texts(lambda x, y: np.sum(x * 2.0) + np.sum(y * 2.0), X, Y)
    assert len(formulas) == 1


def test_whole_numbers_keep_numpys_rules():
    index = np.arange(4)
    _, meant, formulas = texts(lambda x, i: np.sum(x[(i * 2 + 1) // 3 % 2]), X, index)
    assert any("//" in line and "%" in line for line in meant)
    assert all("//" not in f and "%" not in f for f in formulas)


def in_place(x, y):
    a = np.zeros(4)
    a[1:3] = y[:2] * 2.0
    a[1:] += x[1:]
    return np.sum(a * a)


def test_slices_are_written_in_place():
    _, meant, _ = texts(in_place, X, Y)
    assert sum("_ = into_" in line for line in meant) == 2 and not any(" += x" in line for line in meant)


def shifted(x):
    a = x.copy()
    a[1:] = a[:-1] * 2.0
    a[:-1] += a[1:]
    b = a[::-1]
    b[:] = a
    return np.sum(a * np.arange(4.0))


def test_what_shares_memory_is_computed_first():
    _, meant, _ = texts(shifted, X)
    writes = [line for line in meant if "_ = into_" in line]
    assert len(writes) == 3 and not any(", a" in line for line in writes)
    assert fg.check_gradients(shifted, X).passed
    np.testing.assert_allclose(fg.grad(shifted)(X), fg.jacobian(shifted)(X))
    value, _ = fg.value_and_grad(shifted)(X)
    assert value == shifted(X)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_precision_and_values(dtype):
    x, m = X.astype(dtype), M.astype(dtype)
    value, (dx, dm) = fg.value_and_grad(mixed, argnums=(0, 1))(x, m)
    assert dx.dtype == dm.dtype == np.dtype(dtype)
    np.testing.assert_allclose(value, mixed(x, m), rtol=1e-5 if dtype == "f4" else 1e-14)
    np.testing.assert_allclose(dm, fg.grad(mixed, argnums=1)(X, M), rtol=1e-4 if dtype == "f4" else 1e-13)


def test_arrays_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match="could not be broadcast together"):
        fg.grad(lambda x, y: np.sum(x * y + 1.0))(X, Y[:3].copy())
