"""The elementary functions of the kernels in every build: accuracy in units of the last place, and the values at the ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

RANGES = {
    "exp": [(-86.0, 88.7), (-1.0, 1.0)],
    "expm1": [(-80.0, 88.0), (-1e-3, 1e-3), (-1.0, 1.0)],
    "log": [(1e-30, 1e30), (0.5, 2.0)],
    "log1p": [(-0.99, 1e6), (-1e-4, 1e-4), (0.0, 1.0)],
    "tanh": [(-20.0, 20.0), (-1e-3, 1e-3)],
    "erf": [(-6.0, 6.0), (-1e-3, 1e-3)],
    "sqrt": [(0.0, 1e30)],
}
# measured worst cases are below these; float64 is judged against long double where NumPy has it
LIMIT = {"exp": 2, "expm1": 3, "log": 2, "log1p": 4, "tanh": 6, "erf": 4, "sqrt": 0.6}


def exact(name, x):
    if name == "erf":
        return np.array([math.erf(v) for v in x])
    wide = np.float64 if x.dtype == np.float32 else np.longdouble
    return getattr(np, name)(x.astype(wide))


def call(build, name, x):
    out = np.empty_like(x)
    build.elementary(name, x, out)
    return out


@pytest.mark.parametrize("name", RANGES)
def test_accuracy(build, name, rng):
    dtype = np.dtype(f"float{build.constants()['bits']}")
    for low, high in RANGES[name]:
        x = rng.uniform(low, high, 20001).astype(dtype)
        if low > 0 and high / low > 1e3:
            x = np.exp(rng.uniform(np.log(low), np.log(high), 20001)).astype(dtype)
        got, want = call(build, name, x), exact(name, x)
        ulps = np.abs(got - want) / np.spacing(np.abs(want).astype(dtype))
        assert ulps.max() <= LIMIT[name], (low, high, x[ulps.argmax()], ulps.max())


@pytest.mark.parametrize(
    ("name", "x", "want"),
    [
        ("exp", [0, -np.inf, np.inf, 1e4, -1e4], [1, 0, np.inf, np.inf, 0]),
        ("expm1", [0, -np.inf, np.inf, -1e4], [0, -1, np.inf, -1]),
        ("log", [1, 0, np.inf], [0, -np.inf, np.inf]),
        ("log1p", [0, -1, np.inf], [0, -np.inf, np.inf]),
        ("tanh", [0, 1e4, -1e4, np.inf, -np.inf], [0, 1, -1, 1, -1]),
        ("erf", [0, 10, -10, np.inf, -np.inf], [0, 1, -1, 1, -1]),
        ("sign", [0, 2, -3], [0, 1, -1]),
        ("abs", [0, 2, -3], [0, 2, 3]),
    ],
)
def test_ends(build, name, x, want):
    dtype = np.dtype(f"float{build.constants()['bits']}")
    np.testing.assert_array_equal(call(build, name, np.array(x, dtype)), np.array(want, dtype))


@pytest.mark.parametrize("name", [*RANGES, "sign", "abs"])
def test_nan_stays(build, name):
    dtype = np.dtype(f"float{build.constants()['bits']}")
    assert np.isnan(call(build, name, np.full(19, np.nan, dtype))).all()
    if name in ("log", "log1p", "sqrt"):
        assert np.isnan(call(build, name, np.full(19, -2.0, dtype))).all()


def test_largest_arguments_of_exp(build):
    dtype = np.dtype(f"float{build.constants()['bits']}")
    top = np.log(np.finfo(dtype).max.astype(np.longdouble)).astype(dtype)
    x = np.nextafter(top, dtype.type(0))
    np.testing.assert_allclose(
        call(build, "exp", np.array([x])), np.exp(x.astype(np.longdouble)).astype(dtype), rtol=1e-4
    )
