"""`fg.Network` as an object: what it is made of and refuses, its parameters, its copies.

Left out: what it computes (test_computing.py) and how it trains (test_fit.py and its neighbours).
"""

from __future__ import annotations

import copy
import gc
import pickle
import re
import weakref

import numpy as np
import pytest

import fastgrad as fg

CLASSES = {"activation": "tanh", "loss": "cross_entropy", "seed": 1}


def network(dtype="float64", **more):
    return fg.Network([4, 6, 3], dtype=dtype, **{**CLASSES, **more})


@pytest.fixture
def data(rng):
    return rng.normal(size=(37, 4)), rng.integers(0, 3, 37)


def bits(net):
    return net.parameters.tobytes()


# ---- construction ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layers, more, error, text",
    [
        ([], {}, TypeError, "layers must be a list of sizes"),
        ("12", {}, TypeError, "layers must be a list of sizes"),
        (3, {}, TypeError, "layers must be a list of sizes"),
        ([3], {}, ValueError, "layers needs at least an input and an output size, got [3]"),
        ([3, 0], {}, ValueError, "layers[1] must be an integer >= 1, got 0"),
        ([3.0, 1], {}, TypeError, "layers[0] must be an integer >= 1, got 3.0"),
        ([True, 1], {}, TypeError, "layers[0] must be an integer"),
        ([3, fg.Dense(3, 1)], {}, TypeError, "layers must be all sizes or all fg.Dense"),
        ([fg.Dense(3, 2), fg.Dense(3, 1)], {}, ValueError, "layer 0 has 2 outputs but layer 1 has 3 inputs"),
        ([fg.Dense(3, 1)], {"activation": "relu"}, ValueError, "activation is given by each fg.Dense"),
        (
            [3, 2, 1],
            {"activation": "rellu"},
            ValueError,
            "unknown activation 'rellu' (did you mean 'relu'?); known: identity",
        ),
        ([3, 1], {"activation": "rellu"}, ValueError, "unknown activation 'rellu'"),
        ([3, 2, 1], {"activation": ["relu", "relu"]}, ValueError, "activation has 2 entries for 1 hidden layers"),
        ([3, 2, 1], {"activation": [None]}, ValueError, "unknown activation None"),
        ([3, 1], {"loss": "mse2"}, ValueError, "unknown loss 'mse2' (did you mean 'mse'?)"),
        ([3, 1], {"loss": None}, ValueError, "unknown loss None"),
        ([3, 1], {"loss": "cross_entropy"}, ValueError, "for yes/no targets use binary_cross_entropy"),
        ([3, 1], {"dtype": "float16"}, ValueError, "dtype must be float32 or float64, got 'float16'"),
        ([3, 1], {"dtype": "no such"}, ValueError, "dtype must be float32 or float64, got 'no such'"),
        ([3, 1], {"dtype": None}, ValueError, "dtype must be float32 or float64, got None"),
        ([3, 1], {"seed": -1}, ValueError, "seed must be an integer in [0, "),
        ([3, 1], {"seed": None}, TypeError, "seed must be an integer in [0, "),
        ([3, 1], {"seed": 1.5}, TypeError, "seed must be an integer in [0, "),
    ],
)
def test_bad_arguments_are_refused_by_name(layers, more, error, text):
    with pytest.raises(error, match=re.escape(text)):
        fg.Network(layers, **more)


@pytest.mark.parametrize("arguments", [(0, 1), (1, -2), (1.0, 2), (1, "2"), (1, 2, "no"), (1, 2, None)])
def test_bad_dense_layers_are_refused(arguments):
    with pytest.raises((TypeError, ValueError), match=r"inputs|outputs|activation"):
        fg.Dense(*arguments)


@pytest.mark.parametrize(
    "loss, value, error, text",
    [
        (fg.Huber, 0, ValueError, "Huber: delta must be in (0, inf), got 0"),
        (fg.Huber, "1", TypeError, "Huber: delta must be a number, got '1'"),
        (fg.Huber, True, TypeError, "Huber: delta must be a number, got True"),
        (fg.Huber, float("nan"), ValueError, "Huber: delta must be in (0, inf), got nan"),
        (fg.Quantile, 1.0, ValueError, "Quantile: q must be in (0, 1), got 1.0"),
        (fg.CrossEntropy, -0.1, ValueError, "CrossEntropy: label_smoothing must be in [0, 1), got -0.1"),
        (fg.BinaryCrossEntropy, 1, ValueError, "BinaryCrossEntropy: label_smoothing must be in [0, 1), got 1"),
    ],
)
def test_bad_parameters_of_losses_are_refused(loss, value, error, text):
    with pytest.raises(error, match=re.escape(text)):
        loss(value)


def test_a_loss_takes_any_number_and_stays_what_it_is():
    loss = fg.Huber(np.float32(0.5))
    assert loss == fg.Huber(0.5) != fg.Huber(1) and hash(loss) == hash(fg.Huber(0.5))
    with pytest.raises(AttributeError, match="delta of a Huber is fixed"):
        loss.delta = 2.0
    assert repr(loss) == "Huber(delta=0.5)" and pickle.loads(pickle.dumps(loss)) == loss


def test_what_a_network_says_of_itself():
    net = fg.Network(
        np.array([4, 6, 5, 3]), activation=("relu", "tanh"), loss=fg.CrossEntropy(0.1), dtype=np.float64, seed=9
    )
    assert net.sizes == (4, 6, 5, 3) and all(type(size) is int for size in net.sizes)
    assert net.activations == ("relu", "tanh", "identity") and net.loss_name == "cross_entropy"
    assert net.dtype == np.float64 and net.size == 4 * 6 + 6 + 6 * 5 + 5 + 5 * 3 + 3 == len(net.parameters)
    assert net.layers == (fg.Dense(4, 6, "relu"), fg.Dense(6, 5, "tanh"), fg.Dense(5, 3))
    assert type(fg.Dense(np.int64(2), np.int32(1)).inputs) is int
    assert len(net.history) == 0


@pytest.mark.parametrize(
    "net",
    [
        fg.Network([2, 1]),
        fg.Network([2, 3, 1], activation="gelu", loss=fg.Huber(0.5), dtype="float64", seed=3),
        fg.Network([2, 3, 4, 2], activation=["gelu", "tanh"], loss="cross_entropy"),
        fg.Network([fg.Dense(2, 3, "relu"), fg.Dense(3, 1, "sigmoid")]),
        fg.Network([fg.Dense(2, 3), fg.Dense(3, 1)]),
    ],
)
def test_repr_makes_the_same_network_again(net):
    again = eval(repr(net), {name: getattr(fg, name) for name in fg.__all__})
    assert repr(again) == repr(net) and bits(again) == bits(net) and again.layers == net.layers


def test_first_parameters_follow_the_seed_and_suit_the_activation():
    assert bits(network()) == bits(network()) != bits(network(seed=2))
    np.testing.assert_array_equal(network("float32").parameters, network().parameters.astype("float32"))
    I, O = 300, 200
    for name, bound in (("relu", 6 / I), ("tanh", 6 / (I + O)), ("selu", 3 / I)):
        W = fg.Network([I, O, 1], activation=name, dtype="float64").weights[0]
        assert 0.999 * bound**0.5 < abs(W).max() <= bound**0.5
        assert abs(W.std() / (bound / 3) ** 0.5 - 1) < 0.01 and abs(W.mean()) < 0.01 * bound**0.5
        assert not np.array_equal(W[:100], W[100:200])
    one, two = fg.Network([9, 9, 9], activation="identity", seed=3).weights
    assert not np.array_equal(one, two)


# ---- parameters -----------------------------------------------------------------------------------------------------


def test_parameters_are_read_as_copies_that_cannot_be_written(dtype):
    net = network(dtype)
    flat = net.parameters
    parts = [part.ravel() for W, b in zip(net.weights, net.biases, strict=True) for part in (W, b)]
    np.testing.assert_array_equal(flat, np.concatenate(parts))
    named = dict(net.named_parameters())
    assert list(named) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    for array in (flat, net.weights[1], net.biases[-1], named["layers.1.weight"]):
        assert array.dtype == dtype
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert len(net.weights) == 2 and [W.shape for W in net.weights] == [(4, 6), (6, 3)] and net.biases[1].shape == (3,)
    assert repr(net.weights) == "[W(4, 6), W(6, 3)]" and [b.shape for b in net.biases[:1]] == [(6,)]
    with pytest.raises(IndexError):
        net.weights[2]
    before = flat.copy()
    net.parameters = np.zeros(net.size)
    np.testing.assert_array_equal(flat, before)  # what was read stays


def test_assignments_copy_in(data):
    net, X = network("float32"), data[0]
    given = np.arange(24.0).reshape(4, 6)
    net.weights[0] = given[::-1]
    given[:] = 7
    np.testing.assert_array_equal(net.weights[0], np.arange(24.0).reshape(4, 6)[::-1])
    net.biases[-1] = [1, 2, 3]
    assert net.biases[1].tolist() == [1, 2, 3] and net.biases[1].dtype == np.float32
    net.weights = [np.ones((4, 6)), np.zeros((6, 3), int)]
    net.biases[:] = (np.zeros(6), [0.5, 0, 0])
    np.testing.assert_array_equal(net.forward(X), np.tile(np.float32([0.5, 0, 0]), (37, 1)))
    net.parameters = list(range(net.size))
    np.testing.assert_array_equal(net.parameters, np.arange(net.size))
    net.parameters = net.parameters[::-1]
    assert net.weights[0][0, 0] == net.size - 1
    net.weights[0] = net.weights[0] * 2
    assert net.weights[0][0, 0] == 2 * (net.size - 1)


def set_parameters(net, value):
    net.parameters = value


def set_weight(net, value):
    net.weights[0] = value


def set_weights(net, value):
    net.weights = value


@pytest.mark.parametrize(
    "change, value, error, text",
    [
        (set_parameters, np.zeros(3), ValueError, "parameters must have shape (51,), got (3,)"),
        (set_parameters, 0.0, ValueError, "parameters must have shape (51,), got ()"),
        (set_parameters, np.full(51, np.nan), ValueError, "parameters must be finite in float32"),
        (set_parameters, np.full(51, 1e300), ValueError, "parameters must be finite in float32, found 1e+300"),
        (set_parameters, np.zeros(51, complex), TypeError, "parameters must hold real numbers"),
        (set_weight, np.zeros((6, 4)), ValueError, "weights[0] must have shape (4, 6), got (6, 4)"),
        (set_weight, [["a"] * 6] * 4, TypeError, "weights[0] must hold real numbers"),
        (set_weights, [np.zeros((4, 6))], ValueError, "weights must be 2 arrays, one for each layer, got 1"),
        (
            set_weights,
            [np.zeros((4, 6)), np.zeros((3, 3))],
            ValueError,
            "weights[1] must have shape (6, 3), got (3, 3)",
        ),
    ],
)
def test_a_refused_assignment_changes_nothing(change, value, error, text):
    net = network("float32")
    before = bits(net)
    with pytest.raises(error, match=re.escape(text)):
        change(net, value)
    assert bits(net) == before


def test_copies_are_whole_and_stand_alone(data, dtype):
    net = network(dtype)
    net.fit(*data, epochs=2)
    for again in (copy.deepcopy(net), copy.copy(net), pickle.loads(pickle.dumps(net)), net.astype(dtype)):
        assert repr(again) == repr(net) and bits(again) == bits(net) and again.history == net.history
        once, twice = copy.deepcopy(net), copy.deepcopy(again)
        assert once.fit(*data, epochs=2)["loss"] == twice.fit(*data, epochs=2)["loss"] and bits(once) == bits(twice)
        again.biases[0] = np.ones(6)
        assert not net.biases[0].all() or bits(again) != bits(net)
    other = net.astype("float64" if dtype == np.float32 else "float32")
    np.testing.assert_array_equal(other.parameters, net.parameters.astype(other.dtype))
    assert other.dtype != net.dtype and other.layers == net.layers and net.dtype == dtype
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        net.astype("int32")


def test_buffers_go_with_their_last_user(data):
    net = network("float64")
    net.fit(*data, epochs=1)
    record = weakref.ref(net._record)
    gc.disable()
    try:
        del net
        assert record() is None, "the network's buffers wait for the collector of circles"
    finally:
        gc.enable()
