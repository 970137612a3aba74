"""Functions that call themselves: what is generated, how deep, compiled, kept on disk.  Their derivatives: tests/corpus."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import numpy as np
import pytest
from corpus import recursion
from interpreting import interpreted

import fastgrad as fg


def power(x, n):
    return 1.0 if n == 0 else x * power(x, n - 1)


def total(u):
    return 0.0 if len(u) == 0 else u[0] ** 2 + total(u[1:])


def test_the_source_is_a_forward_and_a_reverse_form():
    with interpreted():
        derivative = fg.grad(power)
        assert math.isclose(derivative(1.5, 4), 4 * 1.5**3)
    assert re.findall(r"def (\w+)", derivative.source) == ["power_forward", "power_back", "grad_power"]
    assert "power_forward(x, n - 1, tape, top, level + 1)" in derivative.source


def test_nothing_is_saved_where_the_reverse_needs_nothing():
    with interpreted():
        derivative = fg.grad(total)
        np.testing.assert_array_equal(derivative(np.arange(4.0)), 2 * np.arange(4.0))
    assert "tape" not in derivative.source and "total_back(u[1:], d_result, d_u[1:], level + 1)" in derivative.source


def test_a_few_levels_that_the_text_shows_are_written_out():
    with interpreted():
        assert "def power" not in fg.grad(lambda x: power(x, 5)).source
        assert "def power" in fg.grad(lambda x: power(x, 50)).source


def test_one_function_serves_all_calls_of_its_kinds():
    with interpreted():
        source = fg.grad(lambda x, n: power(x, n) * power(x + 1.0, n - 1)).source
    assert source.count("def power_back") == 1


def test_too_deep_is_a_recursion_error():
    derivative = fg.grad(power)
    assert math.isclose(derivative(1.0, 900), 900.0)
    with pytest.raises(RecursionError, match="power calls itself more than 1000 times"):
        derivative(0.9, -1)


def test_compiled_for_float32_and_inside_of_compiled_code():
    from numba import njit

    slope = fg.grad(total).jitted
    u = np.linspace(0.0, 1.0, 6, dtype=np.float32)
    assert fg.grad(total)(u).dtype == np.float32
    np.testing.assert_allclose(njit(lambda u: slope(u) + 1.0)(u.astype(np.float64)), 2 * u + 1.0)


def test_derivatives_of_many_results():
    def results(u, n):
        return np.array([recursion.halves(u), power(u[0], n), recursion.halves(u[1:])])

    u = np.array([0.3, 0.7, -0.4, 1.2, 0.9])
    with interpreted():
        columns = fg.jacobian(results)(u, 3)
        rows = [fg.vjp(results, u, 3)[1](unit)[0] for unit in np.eye(3)]
        np.testing.assert_allclose(columns, rows, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(fg.hessian(recursion.halves)(u) @ u, fg.hvp(recursion.halves)(u, u), rtol=1e-12)


def test_a_gradient_backwards_twice_is_refused():
    with interpreted(), pytest.raises(fg.DifferentiationError, match="backwards twice: use hvp"):
        fg.grad(fg.grad(power))(1.3, 4)


SCRIPT = """
import sys
from corpus.recursion import {name}
import fastgrad as fg, numba.core.compiler as compiler
compiled = []
run = compiler.CompilerBase.compile_extra
compiler.CompilerBase.compile_extra = lambda self, f: compiled.append(f.__name__) or run(self, f)
print(fg.grad({name})(0.7, 3), *compiled)
"""


@pytest.mark.parametrize(("name", "kept"), [("power", True), ("each_through_the_other", False)])
def test_a_second_process(tmp_path, monkeypatch, name, kept):
    """Machine code of functions that call themselves is kept; where they call each other Numba's does not survive on disk."""
    monkeypatch.setenv("FASTGRAD_CACHE_DIR", str(tmp_path))
    path = [p for p in sys.path if p]
    script = f"import sys; sys.path[:0] = {path!r}\n" + SCRIPT.format(name=name)
    outputs = [
        subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert outputs[0][0] == outputs[1][0] and outputs[0][1:]
    assert bool(outputs[1][1:]) is not kept
