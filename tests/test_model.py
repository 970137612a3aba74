"""`fg.Network` without training: what it is made of, its parameters, its copies, and everything that it computes.

The oracle is float64 NumPy (oracle.py).  Left out: what single functions of the input checks refuse (test_arrays.py), and
training (test_fit.py, test_stopping.py).
"""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import oracle_of, targets_for

import fastgrad as fg
from fastgrad import catalog

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
        ([3, 2, 1], {"activation": "rellu"}, ValueError, "unknown activation 'rellu' (did you mean 'relu'?); known: identity"),
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
    with pytest.raises((TypeError, ValueError), match="inputs|outputs|activation"):
        fg.Dense(*arguments)


@pytest.mark.parametrize("make", [lambda: fg.Huber(0), lambda: fg.Quantile(1.0), lambda: fg.CrossEntropy(-0.1),
                                  lambda: fg.Huber("1"), lambda: fg.Huber(True), lambda: fg.Huber(float("nan"))])  # fmt: skip
def test_bad_parameters_of_losses_are_refused(make):
    with pytest.raises((TypeError, ValueError), match="delta|q must|label_smoothing"):
        make()


def test_a_loss_takes_any_number_and_stays_what_it_is():
    loss = fg.Huber(np.float32(0.5))
    assert loss == fg.Huber(0.5) != fg.Huber(1) and hash(loss) == hash(fg.Huber(0.5))
    with pytest.raises(AttributeError, match="delta of a Huber is fixed"):
        loss.delta = 2.0
    assert repr(loss) == "Huber(delta=0.5)" and pickle.loads(pickle.dumps(loss)) == loss


def test_what_a_network_says_of_itself():
    net = fg.Network(np.array([4, 6, 5, 3]), activation=("relu", "tanh"), loss=fg.CrossEntropy(0.1), dtype=np.float64, seed=9)
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
    again = eval(repr(net), {**vars(fg), "Network": fg.Network, **{row.public: getattr(fg, row.public)
                 for row in catalog.LOSSES.values()}, "Dense": fg.Dense})  # fmt: skip
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
        (set_weights, [np.zeros((4, 6)), np.zeros((3, 3))], ValueError, "weights[1] must have shape (6, 3), got (3, 3)"),
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


# ---- computing ------------------------------------------------------------------------------------------------------


def test_scores_and_predictions_have_the_shape_of_their_rows(data, dtype):
    net, X = network(dtype), data[0]
    scores, sure = net.forward(X), net.predict(X)
    assert scores.shape == sure.shape == (37, 3) and scores.dtype == sure.dtype == dtype
    np.testing.assert_allclose(scores, oracle_of(net).forward(X)[1][-1], rtol=0, atol=50 * np.finfo(dtype).eps)
    powers = np.exp(scores.astype(float))
    np.testing.assert_allclose(sure, powers / powers.sum(1, keepdims=True), rtol=50 * np.finfo(dtype).eps)
    for k in (0, 17, 36):
        assert net.forward(X[k]).shape == (3,) and net.forward(X[k]).tobytes() == scores[k].tobytes()
        assert net.predict(X[k : k + 1]).shape == (1, 3) and net.predict(list(X[k])).tobytes() == sure[k].tobytes()
    line = fg.Network([1, 1], dtype=dtype)
    assert line.predict([2.0]).shape == (1,) and line.predict([[2.0], [3.0]]).shape == (2, 1)


@pytest.mark.parametrize("loss, link", [("poisson", np.exp), ("binary_cross_entropy", lambda p: 1 / (1 + np.exp(-p))),
                                        ("mse", lambda p: p), ("hinge", lambda p: p)])  # fmt: skip
@pytest.mark.parametrize("outputs", [1, 3])
def test_predict_goes_through_the_link(loss, link, outputs, data):
    net = fg.Network([4, outputs], loss=loss, dtype="float64", seed=4)
    np.testing.assert_allclose(net.predict(data[0]), link(net.forward(data[0])), rtol=1e-13)


@pytest.mark.parametrize("loss", catalog.LOSSES)
@pytest.mark.parametrize("activation", catalog.ACTIVATIONS)
def test_gradients_of_every_pair_match_the_oracle(activation, loss, rng):
    outputs = 3 if loss in ("cross_entropy", "hinge") else 2
    net = fg.Network([4, 6, 5, outputs], activation=activation, loss=loss, dtype="float64", seed=3)
    net.biases = [rng.normal(size=b.shape) / 4 for b in net.biases]
    X, y, weight = rng.normal(size=(29, 4)), targets_for(loss, 29, outputs, rng), rng.uniform(0.5, 2, 29)
    for w in (None, weight):
        want, exact = oracle_of(net, dict(net._record.loss.hyper)).gradient(X, y, w)
        value, grads = net.gradient(X, y, w)
        np.testing.assert_allclose([value, net.loss(X, y, w)], want, rtol=1e-13, atol=1e-14)
        for got, oracle in zip(grads, exact, strict=True):
            for a, b in zip(got, oracle, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("loss", [fg.CrossEntropy(0.2), fg.Huber(0.3), fg.Quantile(0.9), fg.BinaryCrossEntropy(0.2)])
def test_parameters_of_losses_reach_the_kernels(loss, rng):
    net = fg.Network([fg.Dense(4, 5, "tanh"), fg.Dense(5, 3, "softplus")], loss=loss, dtype="float64")
    X = rng.normal(size=(9, 4))
    targets = [targets_for(loss.name, 9, 3, rng)] + [rng.dirichlet(np.ones(3), 9)] * (loss.name == "cross_entropy")
    for y in targets:
        want, exact = oracle_of(net, loss.hyper).gradient(X, y)
        value, named = net.gradient(X, y, as_dict=True)
        assert list(named) == [name for name, _ in net.named_parameters()]
        np.testing.assert_allclose(value, want, rtol=1e-13)
        for got, array in zip(named.values(), (a for pair in exact for a in pair), strict=True):
            np.testing.assert_allclose(got, array, rtol=1e-11, atol=1e-14)


def test_one_hot_and_indices_are_the_same_targets(data):
    X, y = data
    net = network()
    for same in (np.eye(3)[y], np.eye(3, dtype=bool)[y], y[:, None], y.astype("f4"), y.tolist()):
        assert net.loss(X, same) == net.loss(X, y)
        assert all(a.tobytes() == b.tobytes() for p, q in zip(net.gradient(X, same)[1], net.gradient(X, y)[1], strict=True)
                   for a, b in zip(p, q, strict=True))  # fmt: skip


def test_backward_takes_the_callers_own_slopes(rng, dtype):
    net = fg.Network([fg.Dense(5, 7, "silu"), fg.Dense(7, 2, "tanh")], dtype=dtype)
    X, dscores = rng.normal(size=(600, 5)), rng.normal(size=(600, 2))
    oracle, eps = oracle_of(net), np.finfo(dtype).eps
    Z, A = oracle.forward(X)
    d1 = dscores * (1 - A[2] ** 2)
    s = 1 / (1 + np.exp(-Z[0]))
    d0 = (d1 @ oracle.W[1].T) * (s + A[1] * (1 - s))
    grads, dX = net.backward(X, dscores, inputs=True)
    want = [A[0].T @ d0, d0.sum(0), A[1].T @ d1, d1.sum(0), d0 @ oracle.W[0].T]
    for got, exact in zip([a for pair in grads for a in pair] + [dX], want, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, exact, rtol=0, atol=100 * eps * (1 + abs(exact).max()))
    alone = net.backward(X, dscores)
    assert all(a.tobytes() == b.tobytes() for p, q in zip(grads, alone, strict=True) for a, b in zip(p, q, strict=True))
    for bad in (dscores[:5], dscores[:, :1], np.where(dscores > 3, np.nan, dscores) * np.nan):
        with pytest.raises(ValueError, match="dscores"):
            net.backward(X, bad)


def test_weights_are_counts(data):
    """sum(w l) / sum(w): a whole number stands for as many rows, 0 for none, and the unit does not matter."""
    X, y = data
    weight = np.arange(37) % 4
    net, repeated = network(), np.repeat(np.arange(37), weight)
    value, grads = net.gradient(X, y, weight)
    want, exact = net.gradient(X[repeated], y[repeated])
    np.testing.assert_allclose([value, net.loss(X, y, weight)], want, rtol=1e-13)
    for scale in (1, 3.7, 1e-45, 1e45, 1e-300):
        for precise in (True, False):
            other = net if precise else net.astype("float32")
            again, scaled = other.gradient(X, y, weight * scale)
            np.testing.assert_allclose(again, want, rtol=1e-13 if precise else 1e-6)
            for p, q in zip(scaled, exact, strict=True):
                for a, b in zip(p, q, strict=True):
                    np.testing.assert_allclose(a, b, rtol=0, atol=1e-15 if precise else 1e-6)


# ---- the forms of data ----------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 20), st.sampled_from(["f2", "f4", "f8", ">f4", ">f8", "i1", "u2", ">i4", "i8", "?"]),
       st.sampled_from([1, 2, -1, -3]), st.sampled_from([1, 2, -1, -3]), st.sampled_from("CF"), st.booleans(),
       st.sampled_from(["float32", "float64"]))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_any_form_of_the_same_numbers_gives_the_same_bits(rows, columns, kind, down, across, order, writeable, dtype):
    whole = (np.arange(rows * abs(down) * columns * abs(across)) * 7 % 100).reshape(rows * abs(down), -1)
    X = whole.astype(kind, order=order)[::down, ::across]
    X.flags.writeable = writeable
    plain = np.ascontiguousarray(X, dtype) / 1
    y = np.arange(rows)[::-1] % 2
    net = fg.Network([columns, 3, 2], loss="cross_entropy", dtype=dtype, seed=5)
    assert net.predict(X).tobytes() == net.predict(plain.astype(dtype)).tobytes()
    assert net.loss(X, y) == net.loss(plain.astype(dtype), y.astype("f4"))
    once, again = copy.deepcopy(net), net
    once.fit(X, y.astype(">i2"), epochs=2, batch_size=7)
    again.fit(plain.astype(dtype), y, epochs=2, batch_size=7)
    assert bits(once) == bits(again)


def test_mapped_files_broadcasts_and_frames_are_read_as_they_are(tmp_path, data):
    X, y = data
    mapped = np.memmap(tmp_path / "X", "f4", "w+", shape=X.shape)
    mapped[:] = X
    X = np.array(mapped)
    want = network().fit(X, y, epochs=2, batch_size=8)["loss"]
    forms = [(mapped, y), (mapped[:], np.memmap(tmp_path / "y", "i8", "w+", shape=37))]
    forms[1][1][:] = y
    for name in ("pandas", "polars"):
        try:
            library = __import__(name)
        except ImportError:
            continue
        columns = {f"c{k}": X[:, k] for k in range(4)}
        forms.append((library.DataFrame(columns), library.Series(y)))
    for form, targets in forms:
        assert network().fit(form, targets, epochs=2, batch_size=8)["loss"] == want
        assert network().predict(form).tobytes() == network().predict(X).tobytes()
    same = np.broadcast_to(X[0], (9, 4))
    assert network().predict(same).tobytes() == np.tile(network().predict(X[0]), 9).tobytes()


def test_data_that_does_not_fit_is_refused_by_name(data):
    X, y = data
    net = network()
    before = bits(net)
    calls = [net.loss, net.gradient, net.fit, net.partial_fit]
    broken = X.copy()
    broken[5, 2] = np.nan
    cases = [((X[:, :3], y), "X must have 4 columns, got 3"), ((X, y[:5]), "X has 37, y has 5"), ((X[:0], y[:0]), "X has no rows"),
             ((X, y + 1), "y must be class indices"), ((broken, y), "X must be finite, found nan at row 5, column 2"),
             ((X[0], y), "X must be 2-D"), ((X, np.zeros((37, 2))), "y must be class indices")]  # fmt: skip
    for call in calls:
        for given_, text in cases:
            with pytest.raises(ValueError, match=re.escape(text)):
                call(*given_)
        for weight in (np.ones(5), -np.ones(37), np.zeros(37), np.full(37, np.nan)):
            with pytest.raises(ValueError, match="sample_weight"):
                call(X, y, sample_weight=weight)
    for call in (net.forward, net.predict):
        for bad in (X[:, :3], X[0, :3], broken, broken[5], X[None]):
            with pytest.raises(ValueError, match="X must"):
                call(bad)
    with pytest.raises(ValueError, match=re.escape("X must be finite in float32, found 1e+300 at row 0, column 0")):
        network("float32").predict(np.full((2, 4), 1e300))
    assert bits(net) == before


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True, 5000])
def test_a_number_of_threads_that_is_none_is_refused(threads, data):
    net, (X, y) = network(), data
    for call in (net.loss, net.gradient, net.fit, net.partial_fit):
        with pytest.raises((TypeError, ValueError), match="threads must be an integer in"):
            call(X, y, threads=threads)
    with pytest.raises((TypeError, ValueError), match="threads must be"):
        net.predict(X, threads=threads)
    with pytest.raises((TypeError, ValueError), match="threads must be"):
        net.backward(X, np.ones((37, 3)), threads=threads)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_what_is_computed(threads, rng):
    net = fg.Network([30, 40, 5], loss="cross_entropy", seed=2)
    X, y = rng.normal(size=(1300, 30)).astype("f4"), rng.integers(0, 5, 1300)
    one = (net.predict(X, threads=1), *net.gradient(X, y, as_dict=True, threads=1)[1].values())
    many = (net.predict(X, threads=threads), *net.gradient(X, y, as_dict=True, threads=threads)[1].values())
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, many, strict=True))
    assert net.loss(X, y, threads=threads) == net.loss(X, y, threads=1)
