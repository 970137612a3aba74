"""The fuzzer of tools/: what it draws runs, what it finds is an error and made small, and a short run finds none."""

from __future__ import annotations

import collections
import signal
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

if not Path(__file__).parents[1].joinpath("tools").is_dir():
    pytest.skip("the folder tools/ is not beside the tests", allow_module_level=True)

import fuzz_gradients
import fuzz_programs
import shrinking
from trees import flat

from fastgrad.differentiate.rules import RULES


def fuzz(seed, size, count):
    seen = collections.Counter()
    failure = fuzz_gradients.fuzz(seed, size, iter(range(count)), lambda number: fuzz_gradients.interpreted, seen, 8.0)
    return failure, seen


def test_programs_run_and_depend_on_the_random_state_alone(tmp_path):
    ran = 0
    for number in range(40):
        source = fuzz_programs.program(np.random.default_rng(number), 10)
        assert source == fuzz_programs.program(np.random.default_rng(number), 10)
        module = fuzz_gradients.load(source, tmp_path)
        with np.errstate(all="ignore"):
            value = module.f(**fuzz_gradients.draw(module.f, np.random.default_rng(0)))
        ran += bool(np.isfinite(flat(value)).all())
    assert ran >= 36


def test_a_short_run_finds_no_wrong_gradient():
    failure, seen = fuzz(seed=11, size=7, count=30)
    assert failure is None, str(failure)
    assert seen["ok"] >= 20, seen


def test_a_planted_error_is_found_and_made_small(tmp_path):
    wrong = replace(RULES["tanh"], partials=("1 + out * out",))
    with mock.patch.dict(RULES, tanh=wrong):
        failure, _ = fuzz(seed=12, size=5, count=40)
    assert failure is not None and failure.outcome.kind == "wrong"
    assert "tanh" in failure.small and len(failure.small) < len(failure.source)
    assert f"program {failure.number}, wrong" in str(failure)
    rng = np.random.default_rng((12, failure.number, 1))
    unplanted = fuzz_gradients.examine(failure.small, tmp_path, rng, fuzz_gradients.interpreted)
    assert unplanted.kind == "ok"


@pytest.mark.parametrize(
    ("name", "field", "text"), [("copy", "tangent", "copy(da) + da"), ("take_back", "tangent", "take_back(da, b) + 1")]
)
def test_a_planted_error_of_the_forward_sweep_is_found(name, field, text):
    with mock.patch.dict(RULES, {name: replace(RULES[name], **{field: text})}):
        failure, _ = fuzz(seed=15, size=6, count=60)
    assert failure is not None and failure.outcome.kind == "wrong", failure


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="there are no alarms")
def test_shrinking_gives_up_what_does_not_end():
    def fails(text):
        space = {}
        try:
            exec(text, space)
            return space["f"]() == 3
        except Exception:
            return False

    source = "def f():\n    k = 0\n    while k < 3:\n        k = k + 1\n        t = k\n    return k\n"
    told = []
    small = shrinking.reduced(source, fails, patience=0.2, told=told.append)
    assert small == "def f():\n    k = 0\n    while k < 3:\n        k = k + 1\n    return k\n" and len(told) > 5


def test_shrinking_keeps_what_fails_and_little_else():
    source = """
def f(x, y):
    s = 0.0
    for i in range(3):
        if x > i:
            s += (x + y) * max(y, 2.0 * x)
        t = y
    return s + t
"""
    small = shrinking.reduced(source, lambda text: "max" in text and "return" in text)
    assert small.splitlines() == ["def f(x, y):", "    s += max(y, 2.0)", "    return s"]
