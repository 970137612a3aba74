"""exp, log, tanh and friends in compiled code: accuracy in units of the last place, the values at the ends, vector code.

Left out: speed, which is a benchmark's matter; that loops become vector code is read in the machine code instead.
"""

from __future__ import annotations

import math
import platform
import re

import numpy as np
import pytest
from numba import njit

from fastgrad.differentiate import mathematics

# ranges for float64 and, where they differ, for float32; subnormal arguments and results are among them
RANGES = {
    "exp": {8: [(-745.0, 709.7), (-1.0, 1.0)], 4: [(-103.0, 88.7), (-1.0, 1.0)]},
    "expm1": {8: [(-80.0, 709.7), (-1e-3, 1e-3), (-1e-300, 1e-300)], 4: [(-80.0, 88.7), (-1e-3, 1e-3), (-1e-40, 1e-40)]},
    "log": {8: [(5e-324, 1e-308), (1e-300, 1e300), (0.5, 2.0)], 4: [(1e-45, 1e-38), (1e-37, 1e37), (0.5, 2.0)]},
    "log1p": {8: [(-0.99, 1e6), (-1e-4, 1e-4), (0.0, 1.0)], 4: [(-0.99, 1e6), (-1e-4, 1e-4), (0.0, 1.0)]},
    "tanh": {8: [(-20.0, 20.0), (-1e-3, 1e-3)], 4: [(-20.0, 20.0), (-1e-3, 1e-3)]},
    "erf": {8: [(-6.0, 6.0), (-1e-3, 1e-3)], 4: [(-6.0, 6.0), (-1e-3, 1e-3)]},
}  # fmt: skip
LIMIT = {"exp": 1.5, "expm1": 2, "log": 1, "log1p": 2, "tanh": 3, "erf": 3}  # in units of the last place, with a margin
ENDS = (0.0, -0.0, 1.0, -1.0, 1e4, -1e4, math.inf, -math.inf, math.nan)
NAMES = list(mathematics.FUNCTIONS)


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    """A function's name, and a loop over it that Numba compiled."""
    f = mathematics.FUNCTIONS[request.param]

    @njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.size):
            out[i] = f(x[i])

    def call(x):
        out = np.empty_like(x)
        loop(x, out)
        return out

    call.dispatcher = loop
    return request.param, call


def exact(name, x):
    """In a wider type than that of x."""
    with np.errstate(all="ignore"):
        if name == "erf":
            return np.array([math.erf(v) for v in x])
        return getattr(np, name)(x.astype(np.float64 if x.dtype == np.float32 else np.longdouble))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_accuracy(case, dtype, rng):
    name, call = case
    for low, high in RANGES[name][np.dtype(dtype).itemsize]:
        x = rng.uniform(low, high, 20001).astype(dtype)
        if low > 0 and high / low > 1e3:
            x = np.exp(rng.uniform(np.log(low), np.log(high), 20001)).astype(dtype)
        got, want = call(x), exact(name, x)
        ulps = np.abs(got - want) / np.spacing(np.abs(want).astype(dtype))
        assert ulps.max() <= LIMIT[name], (low, high, x[ulps.argmax()], ulps.max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ends(case, dtype):
    name, call = case
    x = np.array(ENDS, dtype)
    with np.errstate(over="ignore"):
        got, want = call(x), exact(name, x).astype(dtype)
    np.testing.assert_allclose(got, want, rtol=3 * np.finfo(dtype).eps)
    sure = ~np.isnan(want)
    assert (np.signbit(got) == np.signbit(want))[sure].all(), "the sign of zero too"


def test_loops_become_vector_code(case):
    _, call = case
    call(np.ones(3))
    assembly = "".join(call.dispatcher.inspect_asm().values())
    wide = {"x86_64": r"mulpd", "AMD64": r"mulpd", "arm64": r"\.2d", "aarch64": r"\.2d"}[platform.machine()]
    assert re.search(wide, assembly), "no multiplication of several numbers at once"


@pytest.mark.parametrize("name", NAMES)
def test_in_python_they_are_the_library_functions(name):
    f = mathematics.FUNCTIONS[name]
    assert f(0.5) == pytest.approx(float(exact(name, np.array([0.5]))[0]), rel=1e-15)


def test_integers_become_float64_and_float32_stays():
    exp = mathematics.exp

    @njit
    def both(n, x):
        return exp(n), exp(x)

    both(2, np.float32(1.0))
    assert str(both.signatures and both.nopython_signatures[0].return_type) == "Tuple(float64, float32)"
    assert both(2, np.float32(1.0))[0] == pytest.approx(math.exp(2), rel=1e-15)
