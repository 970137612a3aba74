"""Gradient checks: right gradients pass, planted errors are caught and named, kinks and noise are told apart from errors.

A checker that lets a wrong gradient through is the worst defect here, so every kind of mistake is planted.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
from oracle import targets_for

import fastgrad as fg


class Tampered(fg.Network):
    """A network whose gradient is changed by `change(grads)`, in every dtype and copy."""

    change = staticmethod(lambda grads: grads)

    def gradient(self, X, y, sample_weight=None, **more):
        loss, grads = super().gradient(X, y, sample_weight, **more)
        return loss, self.change([(W.copy(), b.copy()) for W, b in grads])


def tampered(change, sizes=(5, 6, 6, 3), dtype="float64", **more):
    """A network with a planted error."""
    kind = type("Planted", (Tampered,), {"change": staticmethod(change)})
    net = kind(list(sizes), activation="tanh", loss=more.pop("loss", "cross_entropy"), dtype=dtype, seed=3, **more)
    net.parameters = np.random.default_rng(5).normal(0, 0.5, net.size).astype(dtype)
    return net


def one_entry(grads):
    W = grads[1][0]
    W[2, 4] *= 1.001
    return grads


def no_bias(grads):
    return [(W, np.zeros_like(b)) if k == 1 else (W, b) for k, (W, b) in enumerate(grads)]


def swapped(grads):
    return [(np.ascontiguousarray(W.T), b) if W.shape[0] == W.shape[1] else (W, b) for W, b in grads]


def flipped(grads):
    return [(-W, -b) for W, b in grads]


def summed(grads):
    return [(12 * W, 12 * b) for W, b in grads]


@pytest.fixture
def data(rng):
    return rng.normal(size=(12, 5)), rng.integers(0, 3, 12)


@pytest.mark.parametrize("activation", ["relu", "tanh", "hard_swish"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "mae", "huber"])
def test_right_gradients_pass(dtype, activation, loss, rng):
    net = fg.Network([5, 7, 3], activation=activation, loss=loss, dtype=dtype, seed=1)
    X, t = rng.normal(size=(12, 5)), targets_for(loss, 12, 3, rng)
    before = net.parameters.copy()
    report = fg.check_gradients(net, X, t)
    assert report.passed, str(report)
    assert report.verdict in ("ok", "kink")
    assert report.checked == net.size
    report.raise_if_failed()
    np.testing.assert_array_equal(net.parameters, before)


@pytest.mark.parametrize("change", [one_entry, no_bias, swapped, flipped, summed])
def test_planted_errors_are_caught(change, dtype, data):
    report = fg.check_gradients(tampered(change, dtype=dtype), *data)
    assert not report.passed
    assert report.verdict == "wrong"
    with pytest.raises(fg.GradientCheckError, match="wrong"):
        report.raise_if_failed()


def test_the_worst_entry_is_named(data):
    report = fg.check_gradients(tampered(one_entry), *data)
    assert report.worst.parameter == "layers.1.weight"
    assert tuple(report.worst.index) == (2, 4)
    assert "layers.1.weight" in str(report)
    assert report.max_error == pytest.approx(1e-3, rel=0.1)


def test_relu_exactly_at_its_kink_is_no_failure():
    net = fg.Network([2, 3, 1], dtype="float64", seed=0)
    net.weights[0] = np.zeros((2, 3))  # every pre-activation is 0
    report = fg.check_gradients(net, np.ones((4, 2)), np.arange(4.0))
    assert report.passed, str(report)
    assert report.kinks


def test_a_wrong_value_at_a_kink_is_wrong():
    """|x| at 0 has slopes from -1 to 1: 0.5 may stand there, 2 may not."""
    zero = np.zeros(1)
    inside = fg.check_gradients(lambda x: abs(x[0]), zero, gradient=lambda x: np.array([0.5]))
    outside = fg.check_gradients(lambda x: abs(x[0]), zero, gradient=lambda x: np.array([2.0]))
    assert inside.passed
    assert inside.verdict == "kink"
    assert outside.verdict == "wrong"


def test_a_kink_nearby_is_not_an_error():
    report = fg.check_gradients(lambda x: abs(x[0]), np.array([1e-6]), gradient=lambda x: np.sign(x))
    assert report.passed
    assert report.verdict == "ok"


def test_functions_of_any_shape():
    def f(x):
        return np.sum(x**3) + x[0, 0] * x[1, 2]

    def g(x):
        d = 3 * x**2
        d[0, 0] += x[1, 2]
        d[1, 2] += x[0, 0]
        return d

    x = np.arange(6.0).reshape(2, 3) / 3
    assert fg.check_gradients(f, x, gradient=g).passed
    report = fg.check_gradients(f, x, gradient=lambda x: 3 * x**2)
    assert report.verdict == "wrong"
    assert tuple(report.worst.index) in ((0, 0), (1, 2))


def test_noise_is_called_noise():
    def f(x):
        # a pseudo-random error of 1e-3, the same at each call with the same x
        return float(x[0] ** 2 + 1e-3 * np.sin(1e9 * x[0]))

    report = fg.check_gradients(f, np.array([1.0]), gradient=lambda x: 2 * x)
    assert report.verdict == "noise"


def test_a_gradient_that_changes_from_call_to_call():
    calls = iter(range(1000))
    report = fg.check_gradients(lambda x: float(x @ x), np.ones(3), gradient=lambda x: 2 * x + 1e-12 * next(calls))
    assert not report.passed
    assert report.verdict == "nondeterministic"


@pytest.mark.parametrize("planted", [False, True])
def test_large_networks_by_directions(planted, rng):
    def scaled(grads):
        return [(1.01 * W, b) if k == 1 else (W, b) for k, (W, b) in enumerate(grads)]

    net = tampered(scaled if planted else (lambda grads: grads), (64, 160, 100, 5))
    X, y = rng.normal(size=(16, 64)), rng.integers(0, 5, 16)
    before = net.parameters.copy()
    report = fg.check_gradients(net, X, y)
    assert report.passed == (not planted), str(report)
    if planted:
        assert report.worst.parameter == "layers.1.weight"
    assert report.checked < net.size
    np.testing.assert_array_equal(net.parameters, before)


def test_sample_weight_is_part_of_the_loss(data, rng):
    net = fg.Network([5, 6, 3], activation="tanh", loss="cross_entropy", dtype="float64")
    weight = rng.uniform(0.1, 2, 12)
    assert fg.check_gradients(net, *data, sample_weight=weight).passed


def test_arguments_are_checked(data):
    net = fg.Network([5, 3], loss="cross_entropy")
    with pytest.raises(TypeError, match="y"):
        fg.check_gradients(net, data[0])
    with pytest.raises(fg.DifferentiationError, match="is no Python function"):
        fg.check_gradients(np.linalg.norm, np.ones(2))
    with pytest.raises(TypeError):
        fg.check_gradients(7, np.ones(2))


def test_a_copy_is_worked_on_even_when_it_fails(data):
    net = fg.Network([5, 3], loss="cross_entropy")
    twin = copy.deepcopy(net)
    with pytest.raises(ValueError, match="X"):
        fg.check_gradients(net, np.full((4, 5), np.nan), [0, 1, 2, 0])
    np.testing.assert_array_equal(net.parameters, twin.parameters)


def test_an_error_too_small_in_each_entry_is_seen_along_random_directions(data):
    """All entries are off by half the tolerance: no single one is wrong, their sum along a direction is."""
    net = tampered(lambda grads: [(W * (1 + 5e-7), b * (1 + 5e-7)) for W, b in grads])
    assert fg.check_gradients(net, *data).passed
    report = fg.check_gradients(net, *data, max_entries=60)
    assert report.verdict == "wrong" and report.worst.index == () and "(random direction)" in report.worst.parameter
    assert report.worst.place == report.worst.parameter and "raise max_entries" in str(report)
    assert fg.check_gradients(tampered(lambda grads: grads), *data, max_entries=60).verdict == "ok"


def test_a_gradient_of_another_size_is_refused(data):
    with pytest.raises(ValueError, match=r"target.gradient: found 91 numbers, expected 99"):
        fg.check_gradients(tampered(lambda grads: [grads[0], (grads[1][0][:, :5], grads[1][1][:4]), grads[2]]), *data)
