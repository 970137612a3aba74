"""Gradient checks of networks: each activation and loss, an error in each entry, kinks of many rows, large networks.

Most tests run on fg.Network and on a network in plain NumPy, whose gradient is known to be right without the kernels.
"""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest

import fastgrad as fg
from fastgrad import catalog


class NumpyNetwork:
    """A dense network with the interface that the checker needs: tanh or relu, mean squared error or cross-entropy."""

    def __init__(self, sizes, activation="relu", loss="cross_entropy", dtype="float32", seed=0):
        rng = np.random.default_rng(seed)
        self.sizes, self.activation, self.loss_name, self.dtype = tuple(sizes), activation, loss, np.dtype(dtype)
        self.layers = [
            [rng.standard_normal((i, o)) / np.sqrt(i), 0.1 * rng.standard_normal(o)]
            for i, o in itertools.pairwise(sizes)
        ]
        self.layers = self.astype(dtype).layers

    @property
    def parameters(self):
        return np.concatenate([part.ravel() for layer in self.layers for part in layer])

    @parameters.setter
    def parameters(self, flat):
        start = 0
        for layer in self.layers:
            for part in layer:
                part[...] = np.reshape(flat[start : start + part.size], part.shape)
                start += part.size

    def astype(self, dtype):
        other = copy.copy(self)
        other.dtype = np.dtype(dtype)
        other.layers = [[part.astype(dtype) for part in layer] for layer in self.layers]
        return other

    def run(self, X, y, sample_weight):
        A = [np.asarray(X, self.dtype)]
        for k, (W, b) in enumerate(self.layers):
            Z = A[-1] @ W + b
            last = k == len(self.layers) - 1
            A.append(Z if last else np.tanh(Z) if self.activation == "tanh" else np.where(Z > 0, Z, 0))
        weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
        weight = (weight / weight.sum()).astype(self.dtype)
        if self.loss_name == "mse":
            D = A[-1] - np.asarray(y, self.dtype).reshape(A[-1].shape)
            losses, D = (D * D).mean(axis=1), 2 * D / D.shape[1]
        else:
            S = A[-1] - A[-1].max(axis=1, keepdims=True)
            log_sum, rows = np.log(np.exp(S).sum(axis=1, keepdims=True)), np.arange(len(S))
            losses, D = log_sum[:, 0] - S[rows, y], np.exp(S - log_sum)
            D[rows, y] -= 1
        return A, float(weight @ losses), D * weight[:, None]

    def loss(self, X, y, sample_weight=None):
        return self.run(X, y, sample_weight)[1]

    def gradient(self, X, y, sample_weight=None):
        A, loss, D = self.run(X, y, sample_weight)
        grads = []
        for k in reversed(range(len(self.layers))):
            grads.append((A[k].T @ D, D.sum(axis=0)))
            if k:
                D = (D @ self.layers[k][0].T) * (1 - A[k] ** 2 if self.activation == "tanh" else A[k] > 0)
        return loss, grads[::-1]


class Planted:
    """A network that passes its gradient, [[dW, db], ...], through `spoil(grads, dtype)`: a mistake in a kernel."""

    def __init__(self, net, spoil):
        self.net, self.spoil = net, spoil

    parameters = property(lambda self: self.net.parameters, lambda self, flat: setattr(self.net, "parameters", flat))
    dtype = property(lambda self: self.net.dtype)

    def astype(self, dtype):
        return Planted(self.net.astype(dtype), self.spoil)

    def loss(self, X, y, sample_weight=None):
        return self.net.loss(X, y, sample_weight)

    def gradient(self, X, y, sample_weight=None):
        loss, grads = self.net.gradient(X, y, sample_weight)
        grads = [[np.array(part) for part in pair] for pair in grads]
        self.spoil(grads, self.dtype)
        return loss, grads


@pytest.fixture(params=["numpy", "fastgrad"])
def make(request):
    """A function that makes a network; fastgrad's gets random biases, as NumpyNetwork has: no kinks at the start."""
    if request.param == "numpy":
        return NumpyNetwork

    def network(sizes, activation="relu", loss="cross_entropy", dtype="float32", seed=0):
        net = fg.Network(list(sizes), activation=activation, loss=loss, dtype=dtype, seed=seed)
        for k, b in enumerate(net.biases):
            net.biases[k] = 0.1 * np.random.default_rng(k).standard_normal(b.shape)
        return net

    return network


def data(net, rng, n=30, loss="cross_entropy"):
    X = rng.standard_normal((n, net.sizes[0]))
    y = rng.integers(0, net.sizes[-1], n) if loss == "cross_entropy" else rng.standard_normal((n, net.sizes[-1]))
    return X, y


def place(report):
    return report.worst.parameter, report.worst.index


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_right_gradient_passes(make, activation, loss, dtype, rng):
    net = make((7, 9, 6, 3), activation, loss, dtype)
    X, y = data(net, rng, loss=loss)
    before = net.parameters.copy()
    report = fg.check_gradients(net, X, y, sample_weight=rng.uniform(0, 2, len(X)))
    report.raise_if_failed()
    assert report.verdict == "ok" and report.max_error <= report.rtol
    assert report.checked == report.size == before.size == sum(row[2] for row in report.rows)
    assert abs(report.worst.given - report.worst.numeric) < 1e-7
    np.testing.assert_array_equal(net.parameters, before)


@pytest.mark.parametrize("activation", catalog.ACTIVATIONS)
def test_each_activation_passes(activation, dtype, rng):
    net = fg.Network([5, 6, 4, 3], activation=activation, loss="cross_entropy", dtype=dtype, seed=1)
    report = fg.check_gradients(net, *data(net, rng, n=9))
    assert report.passed, report


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("loss", catalog.LOSSES)
def test_each_loss_passes(loss, outputs, dtype, rng):
    outputs = max(outputs, 2) if loss == "cross_entropy" else outputs
    y = {
        "cross_entropy": rng.integers(0, outputs, 9),
        "hinge": rng.integers(0, max(outputs, 2), 9),
        "binary_cross_entropy": rng.integers(0, 2, (9, outputs)),
        "poisson": rng.poisson(2.0, (9, outputs)).astype(float),
    }.get(loss, rng.standard_normal((9, outputs)))
    net = fg.Network([5, 6, outputs], activation="tanh", loss=loss, dtype=dtype, seed=1)
    report = fg.check_gradients(net, rng.standard_normal((9, 5)), y)
    assert report.passed, report


def test_every_entry_is_looked_at(make, rng):
    """The factor 1.001 in each entry of a small network in turn is found, and it alone."""
    net = make((3, 4, 2), "tanh", "mse", "float64")
    X, y = data(net, rng, loss="mse")
    for block, part in enumerate(part for pair in net.gradient(X, y)[1] for part in pair):
        for index in np.ndindex(part.shape):

            def spoil(grads, dtype, block=block, index=index):
                grads[block // 2][block % 2][index] *= 1.001

            report = fg.check_gradients(Planted(net, spoil), X, y)
            assert report.verdict == "wrong" and report.wrong == [report.worst]
            assert place(report) == (f"layers.{block // 2}.{('weight', 'bias')[block % 2]}", index)


def test_an_error_in_float32_alone_is_caught(make, rng):
    net = make((6, 8, 8, 3), "tanh", "cross_entropy", "float32")
    X, y = data(net, rng)
    largest = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(net.gradient(X, y)[1][1][0])), (8, 8)))

    def spoil(grads, dtype):
        if dtype == np.float32:
            grads[1][0][largest] *= 1.001

    report = fg.check_gradients(Planted(net, spoil), X, y)
    assert report.verdict == "wrong" and "float64 gradient is right" in str(report)
    assert place(report) == ("layers.1.weight", largest)
    assert fg.check_gradients(Planted(net.astype("float64"), spoil), X, y).verdict == "ok"


def test_one_bit_from_call_to_call(make, rng):
    net, calls = make((4, 5, 3), "tanh"), []

    def spoil(grads, dtype):
        calls.append(0)
        if len(calls) % 2:
            grads[0][1][2] = np.nextafter(grads[0][1][2], np.float32(np.inf))

    report = fg.check_gradients(Planted(net, spoil), *data(net, rng))
    assert report.verdict == "nondeterministic" and not report.passed and place(report) == ("layers.0.bias", (2,))


def test_what_is_not_finite_is_named(make, rng):
    net = make((4, 5, 3), "tanh")

    def spoil(grads, dtype):
        grads[1][0][3, 1] = np.nan

    report = fg.check_gradients(Planted(net, spoil), *data(net, rng))
    assert report.verdict == "nonfinite" and not report.passed and place(report) == ("layers.1.weight", (3, 1))
    assert "not finite in 1 of 43 entries" in str(report)


def test_a_loss_that_overflows():
    net = fg.Network([2, 3, 1], activation="identity", loss="mse", dtype="float32", seed=0)
    net.parameters = np.full(net.size, 1e25, np.float32)
    report = fg.check_gradients(net, np.ones((4, 2)), np.zeros(4))
    assert report.verdict == "nonfinite" and not report.passed


def test_the_network_stays_as_it_was_when_its_loss_raises(rng):
    class Failing(NumpyNetwork):
        def loss(self, X, y, sample_weight=None):
            if not np.array_equal(self.parameters, start):
                raise RuntimeError("out of luck")
            return super().loss(X, y, sample_weight)

    net = Failing((4, 5, 3), dtype="float64")
    start = net.parameters.copy()
    with pytest.raises(RuntimeError, match="out of luck"):
        fg.check_gradients(net, *data(net, rng))
    np.testing.assert_array_equal(net.parameters, start)


def at_zero(make, dtype, seed, first):
    """A network whose parameters from `first` to the end of the first layer are 0."""
    net = make((6, 8, 3), "relu", "cross_entropy", dtype, seed=seed)
    flat = net.parameters.copy()
    flat[first:56] = 0
    net.parameters = flat
    return net


def test_rows_of_zeros_and_biases_of_zero(make, dtype, rng):
    """Every unit of the first layer sits on its kink."""
    net = at_zero(make, dtype, 0, 48)
    X, y = data(net, rng, n=20)
    X[::4] = 0
    report = fg.check_gradients(net, X, y)
    assert report.verdict == "kink" and report.passed and not report.wrong
    assert {entry.parameter for entry in report.kinks} == {"layers.0.bias"}

    def spoil(grads, dtype):
        grads[0][1][3] += 0.5

    report = fg.check_gradients(Planted(net, spoil), X, y)
    assert report.verdict == "wrong" and place(report) == ("layers.0.bias", (3,))


@pytest.mark.parametrize("seed", range(3))
def test_kinks_of_many_rows_at_one_point(make, seed, dtype):
    """The one-sided slopes are sums over rows, and what the chain rule gives may lie outside their interval."""
    rng = np.random.default_rng(seed)
    net = at_zero(make, dtype, seed, 0)
    X, y = data(net, rng, n=20)
    report = fg.check_gradients(net, X, y)
    assert report.verdict == "kink", report

    def spoil(grads, dtype):
        grads[0][0] += 0.1

    assert fg.check_gradients(Planted(net, spoil), X, y).verdict == "wrong"


def test_mae_at_its_targets(dtype, rng):
    """In float64, the predictions of a float32 network lie beside the targets, by its rounding."""
    net = fg.Network([4, 5, 2], activation="tanh", loss="mae", dtype=dtype, seed=1)
    X = rng.standard_normal((9, 4)).astype(dtype)
    y = np.array(net.forward(X))
    y[3:] += 1
    report = fg.check_gradients(net, X, y)
    assert report.passed, report


@pytest.fixture(scope="module")
def large():
    net = NumpyNetwork((256, 256, 128, 10), "tanh", "cross_entropy", "float32")
    return net, *data(net, np.random.default_rng(1), n=16)


def test_a_large_network_passes(large):
    report = fg.check_gradients(*large)
    assert report.verdict == "ok" and report.size == 99978 and report.checked == 512 and report.lines > 8
    assert report.evaluations < 5000


def test_one_entry_of_a_large_network_is_found(large):
    """Not one of the largest, which are compared in any case: the random directions lead to it."""
    net, X, y = large
    dW = np.abs(net.gradient(X, y)[1][0][0])
    index = tuple(int(i) for i in np.unravel_index(np.argsort(dW, axis=None)[dW.size // 2], dW.shape))

    def spoil(grads, dtype):
        grads[0][0][index] *= 1.01

    report = fg.check_gradients(Planted(net, spoil), X, y)
    assert report.verdict == "wrong" and place(report) == ("layers.0.weight", index)


def test_relu_in_a_network_too_large_to_compare_all(dtype, rng):
    net = fg.Network([100, 60, 10], activation="relu", loss="cross_entropy", dtype=dtype, seed=3)
    report = fg.check_gradients(net, *data(net, rng, n=20))
    assert report.size > 5000 > report.checked and report.passed, report


def test_the_report_is_a_table(make, rng, capsys):
    net = make((4, 5, 3), "tanh")
    report = fg.check_gradients(net, *data(net, rng), progress=True)
    print(report)
    printed = capsys.readouterr()
    names = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    assert [line.split()[0] for line in printed.out.splitlines()[2:6]] == names
    assert str(report.worst) in printed.out and "0/43" in printed.err


def test_the_same_seed_gives_the_same_report(make, rng):
    net = make((4, 5, 3), "tanh")
    X, y = data(net, rng)
    reports = [fg.check_gradients(net, X, y, max_entries=20, seed=seed) for seed in (1, 1, 2)]
    assert str(reports[0]) == str(reports[1]) and reports[0].checked == 20 < reports[0].size
    assert reports[0].lines > 8 and reports[2].verdict == "ok"
