"""Gradient checks of functions: kinks at the point and beside it, noise, all magnitudes, float32; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import fastgrad as fg
from fastgrad import check


def cube(x):
    return np.sum(x**3)


@pytest.mark.parametrize("x", [2.0, 3, np.array(1.5), np.array([1.0, -2.0]), np.arange(24.0).reshape(2, 3, 4)])
def test_points_of_all_shapes(x):
    report = fg.check_gradients(cube, x, gradient=lambda x: 3 * x**2)
    assert report.verdict == "ok" and report.checked == np.size(x) and len(report.worst.index) == np.ndim(x)


def test_one_wrong_entry(rng):
    def gradient(x):
        g = 3 * x**2
        g[1, 2] *= 1.001
        return g

    x = rng.uniform(0.5, 1.0, (4, 5))
    before = x.copy()
    report = fg.check_gradients(cube, x, gradient=gradient)
    assert report.verdict == "wrong" and len(report.wrong) == 1
    assert (report.worst.parameter, report.worst.index) == ("x", (1, 2))
    assert report.max_error == report.worst.error == pytest.approx(1e-3, rel=0.05)
    np.testing.assert_array_equal(x, before)


ABS = [(0.0, "kink"), (1.0, "kink"), (-1.0, "kink"), (1.01, "wrong"), (-2.0, "wrong")]


@pytest.mark.parametrize("given, verdict", ABS)
def test_abs_at_zero(given, verdict):
    report = fg.check_gradients(abs, 0.0, gradient=lambda x: given)
    assert report.verdict == verdict and len(report.kinks) == (verdict == "kink")
    only_there = fg.check_gradients(abs, 0.0, gradient=lambda x: given if x == 0 else np.sign(x))
    assert only_there.verdict == verdict, "that it is right everywhere else is no excuse"


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6, 1e-8, 1e-9])
def test_beside_a_kink_a_value_between_the_slopes_is_wrong(distance):
    def f(x):
        return abs(x - 1) + np.sin(x)

    assert fg.check_gradients(f, 1 + distance, gradient=lambda x: 1 + np.cos(x)).verdict == "ok"
    assert fg.check_gradients(f, 1 + distance, gradient=lambda x: 0.5 + np.cos(x)).verdict == "wrong"
    assert fg.check_gradients(f, 1 + distance, gradient=lambda x: 1.001 + np.cos(x)).verdict == "wrong"


def test_no_kink_where_only_the_curvature_jumps():
    assert fg.check_gradients(lambda x: x * abs(x), 0.0, gradient=lambda x: 2 * abs(x)).verdict == "ok"
    assert fg.check_gradients(lambda x: x * abs(x), 0.0, gradient=lambda x: 1e-3).verdict == "wrong"


def test_a_chain_rule_that_fails_at_a_kink():
    """relu(x) - relu(-x) is x: its slope at 0 is 1, and nothing excuses the 0 of the chain rule."""
    report = fg.check_gradients(lambda x: max(x, 0.0) - max(-x, 0.0), 0.0, gradient=lambda x: float(x != 0))
    assert report.verdict == "wrong"


@pytest.mark.parametrize("size, verdict", [(1e-3, "noise"), (1e-9, "ok")])
def test_random_noise(size, verdict):
    rng = np.random.default_rng(0)
    report = fg.check_gradients(lambda x: x**2 + size * rng.standard_normal(), 1.0, gradient=lambda x: 2 * x)
    assert report.verdict == verdict and report.passed == (verdict == "ok")
    assert len(report.noise) == (verdict == "noise") and "different values" in str(report)
    report = fg.check_gradients(lambda x: x**2 + size * rng.standard_normal(), 1.0, gradient=lambda x: -2 * x)
    assert report.verdict == "wrong"


HARD = {
    "constant": (lambda x: 3.0, lambda x: 0.0, 2.0),
    "minimum": (lambda x: x**2, lambda x: 2 * x, 0.0),
    "digits lost": (lambda x: 1e8 + x**2, lambda x: 2 * x, 3.0),
    "huge": (np.exp, np.exp, 300.0),
    "tiny": (lambda x: 1e-200 * np.sum(x**2), lambda x: 2e-200 * x, np.array([1.0, 2.0])),
    "waves": (np.sin, np.cos, 1e6),
    "edge of the domain": (lambda x: np.sum(np.log(x)), lambda x: 1 / x, np.array([1e-3, 1.0])),
    "parameters of all sizes": (
        lambda x: np.sin(1e6 * x[1]) + 1e-12 * x[0] ** 2,
        lambda x: np.array([2e-12 * x[0], 1e6 * np.cos(1e6 * x[1])]),
        np.array([1e6, 1e-6]),
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_functions_that_are_hard_to_step_on(name):
    f, gradient, x = HARD[name]
    assert fg.check_gradients(f, x, gradient=gradient).verdict == "ok"
    wrong = fg.check_gradients(f, x, gradient=lambda x: 1.001 * gradient(x) + 0.001 * (gradient(x) == 0))
    assert wrong.verdict == "wrong"


def test_float32_is_checked_in_float64(rng):
    x = rng.uniform(0.5, 1.0, 6).astype(np.float32)
    report = fg.check_gradients(cube, x, gradient=lambda x: 3 * x**2)
    assert report.verdict == "ok" and "re-run in float64" in str(report)
    report = fg.check_gradients(cube, x, gradient=lambda x: (3.003 if x.dtype == np.float32 else 3) * x**2)
    assert report.verdict == "wrong" and "float64 gradient is right" in str(report)


@pytest.mark.parametrize("refuse", [True, False])
def test_a_function_that_knows_only_float32(refuse, rng):
    def f(x):
        if refuse and x.dtype != np.float32:
            raise TypeError("float32 only")
        return np.sum(np.float32(x) ** 3)

    x = rng.uniform(0.5, 1.0, 6).astype(np.float32)
    assert fg.check_gradients(f, x, gradient=lambda x: 3 * np.float32(x) ** 2).verdict == "ok"
    assert fg.check_gradients(f, x, gradient=lambda x: np.float32(3.1) * np.float32(x) ** 2).verdict == "wrong"


def test_one_wrong_entry_of_many(rng):
    """Neither among the largest nor in the sample: the random directions lead to it."""
    x = rng.standard_normal(20000)
    at = int(np.argsort(np.abs(np.cos(x)))[10000])
    sign = np.where(np.arange(20000) == at, -1.0, 1.0)
    assert fg.check_gradients(lambda x: np.sum(np.sin(x)), x, gradient=np.cos).verdict == "ok"
    report = fg.check_gradients(lambda x: np.sum(np.sin(x)), x, gradient=lambda x: sign * np.cos(x))
    assert report.verdict == "wrong" and report.worst.index == (at,) and report.checked < 1000


@pytest.mark.parametrize(("right", "verdict"), [(True, "ok"), (False, "wrong")])
def test_one_line_that_disagrees_is_no_proof_but_its_like_are(right, verdict, rng, monkeypatch):
    """As where a kink lies closer than the smallest step, which chance alone brings about: the first line's slope is off."""
    measured = []

    def judge_lines(subject, lines, rules):
        slopes = judge(subject, lines, rules)
        if not measured:
            slopes.verdict[0], slopes.error[0] = "wrong", 1.0
        measured.append(len(lines))
        return slopes

    judge = check.judge_lines
    monkeypatch.setattr(check, "judge_lines", judge_lines)
    x, factor = rng.standard_normal(20000), 1.0 if right else 1 + 1e-5  # too little to be seen in single entries
    report = fg.check_gradients(
        lambda x: np.sum(np.sin(x)), x, gradient=lambda x: factor * np.cos(x), rtol=1e-4, max_entries=100
    )
    assert report.verdict == verdict and measured[1] == check.CONFIRMING


def test_a_looser_rtol():
    assert fg.check_gradients(np.sin, 1.0, gradient=lambda x: 1.001 * np.cos(x), rtol=1e-2).verdict == "ok"


cos = {"gradient": np.cos}
net = fg.Network([2, 1])
REFUSED = [
    (fg.DifferentiationError, "is no Python function", (np.sin, 1.0), {}),
    (TypeError, "target: found int", (3, 1.0), {}),
    (TypeError, "y: found None", (net, np.ones((3, 2))), {}),
    (TypeError, "y, sample_weight: found", (np.sin, 1.0, 2.0), cos),
    (TypeError, "gradient: found a function beside a network", (net, np.ones((3, 2)), np.ones(3)), cos),
    (TypeError, "gradient: found float", (np.sin, 1.0), {"gradient": 1.0}),
    (TypeError, "x: found dtype complex128", (np.sin, 1j), cos),
    (TypeError, r"target\(x\): found shape \(2,\)", (np.sin, np.ones(2)), cos),
    (TypeError, r"gradient\(x\): found dtype complex128", (np.sin, 1.0), {"gradient": lambda x: 1j}),
    (ValueError, r"x: found nan at index \(1,\)", (np.sum, np.array([1.0, np.nan])), cos),
    (ValueError, r"x: found shape \(0,\)", (np.sum, np.ones(0)), cos),
    (ValueError, r"gradient\(x\): found shape \(\)", (np.sum, np.ones(2)), {"gradient": lambda x: 1.0}),
    (ValueError, "rtol: found 2", (np.sin, 1.0), {**cos, "rtol": 2}),
    (ValueError, "max_entries: found 0", (np.sin, 1.0), {**cos, "max_entries": 0}),
    (ValueError, "directions: found 0", (np.sin, 1.0), {**cos, "directions": 0}),
]


@pytest.mark.parametrize("error, text, arguments, options", REFUSED)
def test_what_cannot_be_checked_is_refused(error, text, arguments, options):
    with pytest.raises(error, match=text):
        fg.check_gradients(*arguments, **options)


def from_zero_on(x):
    """x + x**2, which is not defined below 0."""
    return float(x + x**2) if x >= 0 else np.nan


@pytest.mark.parametrize(
    "function, x, slope, verdict",
    [
        (from_zero_on, 0.0, 1.0, "ok"),
        (from_zero_on, 0.0, 1.001, "wrong"),
        (lambda x: -1.0 * from_zero_on(-x), 0.0, 1.0, "ok"),
        (lambda x: 0.0 if x == 1 else np.nan, 1.0, 0.0, "noise"),
        (lambda x: np.inf, 1.0, 0.0, "nonfinite"),
    ],
)
def test_where_a_function_is_finite_on_one_side_that_side_counts(function, x, slope, verdict):
    report = fg.check_gradients(function, x, gradient=lambda x: slope)
    assert report.verdict == verdict, str(report)
