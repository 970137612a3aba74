"""What stops training for good: a loss or gradient that is not finite, and data that is unfit.

The parameters go back to the last good epoch (before the call, in `partial_fit`), and the error says where it began.
"""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from oracle import bits, network

import fastgrad as fg


@pytest.fixture
def data(rng):
    return rng.normal(size=(60, 4)), rng.integers(0, 3, 60)


def linear(lr, epochs, **more):
    """A line learns y = 1 at x = 1: slope and offset both move, so each step multiplies its error by 1 - 4 lr."""
    net = fg.Network([1, 1], seed=0, **more)
    net.parameters = [0.0, 0.0]
    return net, {
        "X": np.ones((2, 1)),
        "y": np.ones(2),
        "epochs": epochs,
        "optimizer": fg.SGD(lr),
        "batch_size": 1,
        "shuffle": False,
    }


def test_divergence_restores_the_last_good_epoch(dtype):
    net, fit = linear(1e4, 50, dtype=dtype)
    with pytest.raises(fg.DivergenceError) as caught:
        net.fit(**fit)
    error = caught.value
    assert isinstance(error, ArithmeticError) and error.history is net.history and error.epoch == net.history.epochs > 1
    assert error.batch in (0, 1) and f"epoch {error.epoch}, batch {error.batch}" in str(error)
    assert np.isfinite(net.parameters).all() and np.isfinite(net.history["loss"]).all()
    good, fit = linear(1e4, error.epoch, dtype=dtype)
    good.fit(**fit)
    assert bits(net) == bits(good) and good.history["loss"] == error.history["loss"]
    net.parameters = [0.0, 0.0]
    net.partial_fit([[1.0]], [1.0], optimizer="adam")  # another optimizer is welcome: the old one's state is gone


def test_divergence_in_the_first_epoch_restores_the_start(data):
    X, y = data
    net = fg.Network([4, 6, 1], activation="relu", seed=1)
    before = bits(net)
    with pytest.raises(fg.DivergenceError) as caught:
        net.fit(X, y, batch_size=10, optimizer=fg.SGD(1e20))
    assert bits(net) == before and caught.value.epoch == 0 and caught.value.batch > 0 and net.history.epochs == 0
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and (again.epoch, again.batch, again.layer) == (
        0,
        caught.value.batch,
        caught.value.layer,
    )


@pytest.mark.parametrize("layer", [0, 1, 2, None])
def test_the_layer_where_it_began_is_named(layer, dtype):
    """A single row of ones; weights of one layer so large that its output is beyond the type."""
    big = float(np.finfo(dtype).max) / 2
    net = fg.Network([4, 5, 3, 2], dtype=dtype)
    for k in range(3):
        net.weights[k] = np.full(net.weights[k].shape, 0.1)
    if layer is None:
        net.biases[2] = np.full(2, big)  # finite, but its square is not
    else:
        net.weights[layer] = np.full(net.weights[layer].shape, big)
        net.biases[layer] = np.full(net.biases[layer].shape, big)
    before = bits(net)
    X, y = np.ones((6, 4)) * 10, np.zeros((6, 2))
    with pytest.raises(fg.DivergenceError) as caught:
        net.fit(X, y)
    assert caught.value.layer == layer and caught.value.batch == 0 and bits(net) == before
    named = "in the loss" if layer is None else f"in layer {layer} ({net.activations[layer]})"
    assert named in str(caught.value)
    with pytest.raises(FloatingPointError, match="the loss is not finite"):
        net.gradient(X, y)


def test_the_layer_is_named_though_its_activation_hides_it():
    """relu makes nothing of minus infinity; it is the next layer that comes to light, but the first that began."""
    net = fg.Network([1, 2, 2, 1], dtype="float32")
    net.weights[0], net.biases[1] = np.full((1, 2), -3e38), np.full(2, 3e38)
    net.weights[2] = np.full((2, 1), 3e38)
    with pytest.raises(fg.DivergenceError, match=r"in layer 0 \(relu\)"):
        net.fit(np.full((3, 1), 10.0), np.zeros(3))


def test_the_batch_is_named(threads):
    """One wild step, batch 86 of the second epoch, among many in a call of the kernels: the next loss overflows."""
    net, wild = fg.Network([1, 1]), {"schedule": lambda time: 1e25 * (abs(time - 1.86) < 1e-6), "optimizer": "sgd"}
    with pytest.raises(fg.DivergenceError, match="in epoch 1, batch 87") as caught:
        net.fit(np.ones((500, 1)), np.zeros(500), batch_size=5, threads=threads, **wild)
    assert (caught.value.epoch, caught.value.batch, caught.value.layer) == (1, 87, None)


def test_a_gradient_beyond_the_type_is_divergence_too():
    """The loss is finite, its slope times x is not: w leaves the numbers, the bias stays."""
    net = fg.Network([fg.Dense(1, 1), fg.Dense(1, 1)], dtype="float32")
    net.parameters = [1e-20, 0, 1, 1e15]
    before = bits(net)
    with pytest.raises(fg.DivergenceError, match="in the gradient of layer 0") as caught:
        net.fit(np.full((3, 1), 1e30), np.zeros(3), batch_size=1, optimizer="sgd", shuffle=False)
    assert (caught.value.epoch, caught.value.batch, caught.value.layer) == (0, 0, 0) and bits(net) == before


def test_the_batch_is_counted_past_those_of_weight_zero():
    X = np.ones((12, 1), "f4")
    X[10] = 1e30
    weight = np.array([0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1.0])
    net = fg.Network([1, 1])
    with pytest.raises(fg.DivergenceError) as caught:
        net.fit(X, np.zeros(12), sample_weight=weight, batch_size=2, shuffle=False)
    assert caught.value.batch == 5
    with pytest.raises(fg.DivergenceError) as caught:
        net.partial_fit(X, np.zeros(12), weight, batch_size=2)
    assert caught.value.batch == 5


@pytest.mark.parametrize("batch", [None, 1])
def test_divergence_of_partial_fit_takes_back_that_call_alone(batch):
    net, good = fg.Network([1, 1]), fg.Network([1, 1])
    for one in (net, good):
        for _ in range(3):
            one.partial_fit([[1.0]], [2.0], optimizer=fg.SGD(0.1))
    with pytest.raises(fg.DivergenceError):
        net.partial_fit([[1.0], [1e30]], [2.0, 0.0], batch_size=batch)
    assert bits(net) == bits(good)


# ---- bad data -------------------------------------------------------------------------------------------------------


def test_bad_data_is_refused_before_anything_changes(data):
    X, y = data
    net = network()
    net.fit(X, y, epochs=1)
    before, history = bits(net), net.history
    holes = X.copy()
    holes[59, 3] = np.nan
    for bad in (
        (holes, y),
        (X, np.where(np.arange(60) == 59, 3, y)),
        (X, -1 - y),
        (X, y + 0.5),
        (X, y[:, None] * [np.nan] * 3),
    ):
        for call in (net.fit, net.partial_fit):
            with pytest.raises(ValueError, match=r"[Xy] must be"):
                call(*bad)
    assert bits(net) == before and net.history is history
    for name, value in (("epochs", -1), ("epochs", 1.0), ("batch_size", 0), ("batch_size", 2.0), ("threads", 0)):
        with pytest.raises((TypeError, ValueError), match=f"{name} must be an integer"):
            net.fit(X, y, **{name: value})
    with pytest.raises(ValueError, match=r"unknown optimizer 'adm'.*did you mean 'adam'"):
        net.fit(X, y, optimizer="adm")
    assert bits(net) == before and net.history is history


@pytest.mark.parametrize("where", ["X", "y"])
def test_holes_in_mapped_files_are_found_on_the_way(where, tmp_path, rng):
    X, y = (np.memmap(tmp_path / name, "f8", "w+", shape=shape) for name, shape in (("X", (50, 3)), ("y", (50, 1))))
    X[:], y[:] = rng.normal(size=(50, 3)), rng.normal(size=(50, 1))
    (X if where == "X" else y)[33, 0] = np.nan
    net, good = fg.Network([3, 1], dtype="float64"), fg.Network([3, 1], dtype="float64")
    message = re.escape(f"{where} must be finite, found nan at row 33, column 0")
    fit = {"batch_size": 10, "shuffle": False, "optimizer": "sgd"}
    with pytest.raises(ValueError, match=message) as caught:
        net.fit(X, y, **fit)
    assert caught.value.history is net.history and net.history.epochs == 0 and np.isfinite(net.parameters).all()
    if where == "X":  # the steps before were whole, and stay
        good.fit(np.array(X[:30]), np.array(y[:30]), epochs=1, **fit)
    assert bits(net) == bits(good)
    for call in (net.loss, net.gradient, net.partial_fit):
        with pytest.raises(ValueError, match=message):
            call(X, y)
    if where == "X":
        with pytest.raises(ValueError, match=message):
            net.predict(X)


def test_numbers_beyond_float32_are_no_divergence(data):
    X = data[0]
    for bad_X, bad_y, name in ((X * 1e300, X[:, :1], "X"), (X, X[:, :1] * 1e300, "y")):
        net = fg.Network([4, 1], dtype="float32")
        before = bits(net)
        with pytest.raises(ValueError, match=f"{name} must be finite in float32, found .*e\\+.* at row 0, column 0"):
            net.fit(bad_X, bad_y)
        assert bits(net) == before
