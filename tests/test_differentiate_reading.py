"""Whose source is read: never another than that of the function which runs; and objects whose attributes change.

Derivatives run here as the plain Python that they are.
"""

from __future__ import annotations

import importlib
import linecache
import os
import sys

import numpy as np
import pytest
from interpreting import interpreted

import fastgrad as fg


@pytest.fixture(autouse=True)
def plain():
    with interpreted():
        yield


def typed(text, name="f"):
    """The function of this name as a prompt would make it: every text is the same place for Python."""
    place = "<typed>"
    linecache.cache[place] = len(text), None, text.splitlines(keepends=True), place
    space = {"np": np}
    exec(compile(text, place, "exec", dont_inherit=True), space)
    return space[name]


CHANGES = [
    ("f = lambda x: x * x\n", "f = lambda x: x * x * x\n"),
    ("def f(x):\n    return x * 2.0\n", "def f(x):\n    return x * 3.0\n"),
    ("def f(x):\n    return x * 2\n", "def f(x):\n    return x * 2.0\n"),
    ("def f(x):\n    return np.sin(x)\n", "def f(x):\n    return np.cos(x)\n"),
    ("def f(x):\n    g = lambda y: y\n    return g(x)\n", "def f(x):\n    g = lambda y: -y\n    return g(x)\n"),
]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_a_function_whose_place_holds_another_source_is_refused(old, new):
    first = typed(old)
    slope = fg.grad(first)
    second = typed(new)
    with pytest.raises(fg.DifferentiationError, match="was changed in its file"):
        fg.grad(first)
    with pytest.raises(fg.DifferentiationError, match="was changed in its file"):
        slope(2.0)
    assert fg.check_gradients(second, 2.0).passed


def test_a_file_that_was_changed_after_its_import_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "changed_after_import.py"
    path.write_text("import numpy as np\n\n\ndef f(x):\n    return np.sum(x * x)\n", encoding="utf-8")
    module = importlib.import_module("changed_after_import")
    x = np.array([2.0, 3.0])
    assert fg.grad(module.f)(x).tolist() == [4.0, 6.0]
    path.write_text("import numpy as np\n\n\ndef f(x):\n    return np.sum(x * x * x)\n", encoding="utf-8")
    os.utime(path, (1, 1))
    with pytest.raises(fg.DifferentiationError, match="line 4, in f: `f` was changed in its file"):
        fg.grad(module.f)(x)
    with pytest.raises(fg.DifferentiationError, match="was changed in its file"):
        fg.grad(lambda x: module.f(x) * 2)(x)
    sys.modules.pop("changed_after_import")


def test_what_rewrites_asserts_is_no_change():
    def f(x):
        assert x > 0, "pytest makes other code of this line"
        return x * x

    assert fg.grad(f)(2.0) == 4.0


class Spring:
    def __init__(self, stiffness):
        self.stiffness = stiffness

    def energy(self, x):
        return self.stiffness * x**2

    def __call__(self):
        """What can be called can be an argument."""


def test_attributes_of_an_argument_are_read_at_every_call():
    spring, slope = Spring(2.0), fg.grad(Spring.energy, argnums=1)
    assert slope(spring, 3.0) == 12.0
    spring.stiffness = 10.0
    assert slope(spring, 3.0) == 60.0
    spring.stiffness = np.array([1.0, 2.0])
    with pytest.raises(fg.DifferentiationError, match="returns float64 array"):
        slope(spring, 3.0)
    assert slope(Spring(1.0), 3.0) == 6.0


def test_a_bound_method_is_refused_with_what_to_write():
    with pytest.raises(fg.DifferentiationError, match=r"Spring\.energy, argnums=1"):
        fg.grad(Spring(2.0).energy)
