"""What a network computes: scores, predictions, loss, gradients; and that the form of the data does not matter.

The oracle is float64 NumPy (oracle.py).  Left out: what single functions of the input checks refuse
(test_arrays.py), and training (test_fit.py and its neighbours).
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from oracle import oracle_of, targets_for

import fastgrad as fg
from fastgrad import catalog


def network(dtype="float64", **more):
    return fg.Network([4, 6, 3], **{"activation": "tanh", "loss": "cross_entropy", "dtype": dtype, "seed": 1, **more})


@pytest.fixture
def data(rng):
    return rng.normal(size=(37, 4)), rng.integers(0, 3, 37)


def bits(net):
    return net.parameters.tobytes()


def same(grads, others):
    """Are two gradients equal, bit for bit?"""
    return all(
        a.tobytes() == b.tobytes() for p, q in zip(grads, others, strict=True) for a, b in zip(p, q, strict=True)
    )


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
    for form in (np.eye(3)[y], np.eye(3, dtype=bool)[y], y[:, None], y.astype("f4"), y.tolist()):
        assert net.loss(X, form) == net.loss(X, y) and same(net.gradient(X, form)[1], net.gradient(X, y)[1])


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
    assert same(grads, net.backward(X, dscores))
    for bad in (dscores[:5], dscores[:, :1], np.where(dscores > 3, np.nan, dscores) * np.nan):
        with pytest.raises(ValueError, match="dscores"):
            net.backward(X, bad)


def test_weights_are_counts(data):
    """sum(w l) / sum(w): a whole number stands for as many rows, 0 for none, and the unit does not matter."""
    X, y = data
    weight = np.arange(37) % 4
    net, repeated = network(), np.repeat(np.arange(37), weight)
    value = net.gradient(X, y, weight)[0]
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


def test_mapped_files_and_broadcasts_are_read_as_they_are(tmp_path, data):
    X, y = np.memmap(tmp_path / "X", "f4", "w+", shape=(37, 4)), np.memmap(tmp_path / "y", "i8", "w+", shape=37)
    X[:], y[:] = data
    plain, mapped = network(), network()
    plain.fit(np.array(X), np.array(y), epochs=2, batch_size=8)
    mapped.fit(X, y, epochs=2, batch_size=8)
    assert bits(plain) == bits(mapped) and plain.predict(np.array(X)).tobytes() == mapped.predict(X[:]).tobytes()
    row = np.broadcast_to(X[0], (9, 4))
    assert plain.predict(row).tobytes() == np.tile(plain.predict(X[0]), 9).tobytes()


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_frames_are_read_as_they_are(name, data):
    library = pytest.importorskip(name, reason=f"{name} is not installed")
    X, y = data
    plain, framed = network(), network()
    frame, series = library.DataFrame({f"c{k}": X[:, k] for k in range(4)}), library.Series(y)
    plain.fit(X, y, epochs=2, batch_size=8, sample_weight=X[:, 0] ** 2)
    framed.fit(frame, series, epochs=2, batch_size=8, sample_weight=frame["c0"] ** 2)
    assert bits(plain) == bits(framed) and plain.predict(X).tobytes() == framed.predict(frame).tobytes()


def test_data_that_does_not_fit_is_refused_by_name(data):
    X, y = data
    net = network()
    before = bits(net)
    calls = [net.loss, net.gradient, net.fit, net.partial_fit]
    broken = X.copy()
    broken[5, 2] = np.nan
    cases = [
        ((X[:, :3], y), "X must have 4 columns, got 3"),
        ((X, y[:5]), "X has 37, y has 5"),
        ((X[:0], y[:0]), "X has no rows"),
        ((X, y + 1), "y must be class indices"),
        ((broken, y), "X must be finite, found nan at row 5, column 2"),
        ((X[0], y), "X must be 2-D"),
        ((X, np.zeros((37, 2))), "y must be class indices"),
    ]
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
    assert bits(net) == before


def test_numbers_beyond_float32_are_refused_where_float32_computes(rng):
    X, y, huge = rng.normal(size=(9, 4)), rng.normal(size=(9, 2)), np.full((9, 2), 1e300)
    net = fg.Network([4, 2])
    for call in (net.loss, net.gradient, net.backward):
        name = "dscores" if call == net.backward else "y"
        with pytest.raises(
            ValueError, match=re.escape(f"{name} must be finite in float32, found 1e+300 at row 0, column 0")
        ):
            call(X, huge)
        with pytest.raises(ValueError, match=re.escape("X must be finite in float32, found 1e+300 at row 0, column 0")):
            call(np.full((9, 4), 1e300), y)
    with pytest.raises(ValueError, match=re.escape("X must be finite in float32, found 1e+300 at row 0, column 0")):
        net.predict(np.full((9, 4), 1e300))
    precise = net.astype("float64")
    assert (
        np.isfinite(precise.predict(np.full((9, 4), 1e300))).all()
        and np.isfinite(precise.backward(X, huge)[0][0]).all()
    )


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


def test_threads_do_not_change_what_is_computed(threads, rng):
    net = fg.Network([30, 40, 5], loss="cross_entropy", seed=2)
    X, y = rng.normal(size=(1300, 30)).astype("f4"), rng.integers(0, 5, 1300)
    one = (net.predict(X, threads=1), *net.gradient(X, y, as_dict=True, threads=1)[1].values())
    many = (net.predict(X, threads=threads), *net.gradient(X, y, as_dict=True, threads=threads)[1].values())
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, many, strict=True))
    assert net.loss(X, y, threads=threads) == net.loss(X, y, threads=1)
