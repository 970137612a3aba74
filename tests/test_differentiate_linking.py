"""Compiling lazily: all that is compiled meanwhile works afterwards, whoever calls it.

Left out: how much time it saves.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numba import cfunc, float64, njit
from numba.core.registry import cpu_target

import fastgrad
from fastgrad.differentiate import linking


def lazily_compiled(function, *signature):
    with linking.lazily():
        function.compile(signature)
    return function


def test_numba_is_made_as_believed():
    """Where this fails all works, but compiling takes twice as long: read linking.py and the Numba that is installed."""
    assert linking.lazy(type(cpu_target.target_context.codegen())._library_class) is not None


def test_what_is_called_by_compiled_code_only_is_not_emitted():
    @njit
    def inner(x):
        return x * 2.0

    with linking.lazily():
        outer = njit(lambda x: np.sum(np.zeros_like(x)) + inner(x[0]))
        outer.compile((float64[:],))
        found = vars(cpu_target.target_context.codegen())
        assert "_library_class" in found
    assert "_library_class" not in vars(cpu_target.target_context.codegen())
    assert "create_cfunc_wrapper" not in vars(cpu_target.target_context)
    assert outer(np.array([3.0])) == 6.0 and inner(3.0) == 6.0, "a function of the user's can be called"


def test_constants_of_functions_compiled_lazily_are_there_for_others():
    """An exception's text is such a constant: compiled inside, raised in a function that is compiled afterwards."""

    @njit
    def refuse(x):
        if x < 0.0:
            raise ValueError("negative", x)
        return x

    lazily_compiled(njit(lambda x: refuse(x) + 1.0), float64)
    later = njit(lambda x: refuse(x) + 2.0)
    assert later(1.0) == 3.0
    with pytest.raises(ValueError, match="negative"):
        later(-1.0)
    with pytest.raises(ValueError, match=r"broadcast|reshape|size"):
        lazily_compiled(njit(lambda x: x.reshape((2, 2))), float64[::1])(np.zeros(3))


def test_recursion():
    @njit("float64(int64)")
    def factorial(n):
        return 1.0 if n < 2 else n * factorial(n - 1)

    @njit
    def even(n):
        return 1.0 if n == 0 else odd(n - 1)

    @njit
    def odd(n):
        return 0.0 if n == 0 else even(n - 1)

    both = njit(lambda n: factorial(5) + even(n))
    with linking.lazily():
        assert both(7) == 120.0
    assert both(8) == 121.0 and odd(3) == 1.0


def test_callbacks_have_addresses():
    with linking.lazily():
        twice = cfunc("float64(float64)")(lambda x: 2.0 * x)
    assert twice.ctypes(4.0) == 8.0


def adding(k):
    return njit(lambda x: np.sum(np.ones_like(x)) + k)


def test_errors_and_other_threads_leave_it_as_it_was():
    with pytest.raises(ZeroDivisionError), linking.lazily():
        raise ZeroDivisionError
    results = []
    functions = [adding(k) for k in range(4)]
    threads = [
        threading.Thread(target=lambda f=f: results.append(lazily_compiled(f, float64[:])(np.zeros(3))))
        for f in functions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [3.0, 4.0, 5.0, 6.0]
    assert "_library_class" not in vars(cpu_target.target_context.codegen())


def test_a_second_process_imports_little(tmp_path):
    """No SciPy, which Numba imports before it compiles: the first call of the second process only reads."""
    (tmp_path / "f.py").write_text("import math\ndef f(x):\n    return x[0] * math.exp(x[1])\n")
    code = (
        f"import sys, numpy as np, fastgrad as fg; sys.path.insert(0, {str(tmp_path)!r}); import f\n"
        "print(fg.grad(f.f)(np.array([1.0, 0.0])).tolist(), 'scipy.linalg' in sys.modules)"
    )
    path = os.pathsep.join(filter(None, [str(Path(fastgrad.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path, "FASTGRAD_CACHE_DIR": str(tmp_path / "cache")}
    runs = [
        subprocess.run([sys.executable, "-P", "-c", code], env=env, capture_output=True, text=True, timeout=300)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in runs] == ["[1.0, 1.0] True", "[1.0, 1.0] False"], runs[1].stderr
