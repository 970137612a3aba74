"""What holds for any network, any batch and any form of the data, drawn by hypothesis (the same cases in every run).

The oracle is float64 NumPy (oracle.py); the forms and sizes are those of strategies.py.
Left out: activations and losses one by one at chosen edges (test_kernels.py), refusals (test_arrays.py, test_model.py).
"""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from oracle import bits, optimizer_steps, oracle_of, targets_for
from strategies import matrices, widths

import fastgrad as fg
from fastgrad import catalog
from fastgrad.formulas import expand_hyper

SMOOTH = ["identity", "tanh", "sigmoid", "softplus", "gelu", "silu", "mish"]
STEEPEST = 1.76  # the largest slope of an activation of the catalog: selu's, just below 0
LINKS = {"mse": lambda p: p, "binary_cross_entropy": lambda p: 1 / (1 + np.exp(-p)), "cross_entropy": lambda p: (
    (e := np.exp(p - p.max(1, keepdims=True))) / e.sum(1, keepdims=True))}  # fmt: skip


@st.composite
def cases(draw, activations=tuple(catalog.ACTIVATIONS), rows=widths):
    """(network, X (N, I) in any form, targets)."""
    sizes = draw(st.lists(widths, min_size=2, max_size=4))
    loss = draw(st.sampled_from(list(LINKS)))
    sizes[-1] = max(sizes[-1], 2) if loss == "cross_entropy" else sizes[-1]
    names = [draw(st.sampled_from(activations)) for _ in sizes[2:]]
    net = fg.Network(sizes, activation=names, loss=loss, dtype=draw(st.sampled_from(["float32", "float64"])),
                     seed=draw(st.integers(0, 99)))  # fmt: skip
    rng = np.random.default_rng(0)
    net.parameters = net.parameters + rng.uniform(-0.1, 0.1, net.size)  # biases that are not 0
    net.weights[0] = net.weights[0] / 64  # inputs go up to 99; activations are not to saturate
    X = draw(matrices(rows=rows, columns=st.just(sizes[0])))
    return net, X, targets_for(loss, len(X), sizes[-1], rng)


def plain(X, net):
    """The same numbers, as the kernels would like them best."""
    return np.array(X.astype(net.dtype), order="C")


def score_error(net, X, eps):
    """How far scores may be from the oracle's, entry by entry: rounding errors of each layer, carried on to the last.

    A sum of K products in any order is wrong by at most K eps sum |a w| (Higham, Accuracy and Stability, 3.1), with
    2 for the bias and the casts; an elementary function by a few eps; an earlier error grows by |W| and by the slope.
    """
    oracle = oracle_of(net)
    _, A = oracle.forward(X)
    error = np.zeros(X.shape)
    for k, (W, b) in enumerate(zip(oracle.W, oracle.b, strict=True)):
        sums = np.abs(A[k]) @ np.abs(W) + np.abs(b)
        error = STEEPEST * (error @ np.abs(W) + (len(W) + 2) * eps * sums) + 8 * eps * (1 + np.abs(A[k + 1]))
    return error, A[-1]


def close(grads, others, eps, terms):
    """Gradients agree within c K eps of the largest entry: every entry is a sum of products of that size."""
    largest = max(np.abs(part).max() for pair in others for part in pair)
    for pair, other in zip(grads, others, strict=True):
        for got, want in zip(pair, other, strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=16 * terms * eps * largest)


def same(grads, others):
    flat, other = (b"".join(part.tobytes() for pair in g for part in pair) for g in (grads, others))
    return flat == other


@given(cases())
@settings(max_examples=60)
def test_predictions_are_the_oracles(case):
    net, X, _ = case
    error, scores = score_error(net, plain(X, net).astype(float), np.finfo(net.dtype).eps)
    assert (np.abs(net.forward(X) - scores) <= error).all()
    # no link is steeper than 1, and softmax looks at the whole row
    row = error.max(axis=1, keepdims=True) + 8 * np.finfo(net.dtype).eps
    assert (np.abs(net.predict(X) - LINKS[net.loss_name](scores)) <= row + error).all()


@given(cases(), st.integers(1, 3), st.data())
@settings(max_examples=60)
def test_a_row_is_predicted_alone_as_in_company(case, threads, data):
    net, X, _ = case
    together = net.predict(X, threads=threads)
    for i in {0, len(X) - 1, data.draw(st.integers(0, len(X) - 1))}:
        assert net.predict(X[i]).tobytes() == together[i].tobytes()


@given(cases(SMOOTH), st.integers(1, 3))
@settings(max_examples=60)
def test_gradients_are_the_oracles(case, threads):
    net, X, y = case
    loss, grads = net.gradient(X, y, threads=threads)
    want, exact = oracle_of(net).gradient(plain(X, net).astype(float), y)
    eps, terms = float(np.finfo(net.dtype).eps), sum(net.sizes) + len(X)
    assert loss == pytest.approx(want, abs=16 * terms * eps * (1 + abs(want)))
    close(grads, exact, eps, terms)


@given(cases(), st.integers(1, 80) | st.none())
@settings(max_examples=40)
def test_form_and_threads_change_no_bit(case, batch):
    net, X, y = case
    best = plain(X, net)
    loss, grads = net.gradient(best, y, threads=1)
    alone = net.loss(best, y, threads=1)  # sums in another order than the gradient's loss
    trained = copy.deepcopy(net)
    trained.fit(best, y, epochs=2, batch_size=batch, threads=1)
    for given_X, threads in itertools.product((X, np.asfortranarray(best)), (1, 2, 3)):
        assert net.predict(given_X, threads=threads).tobytes() == net.predict(best, threads=1).tobytes()
        value, found = net.gradient(given_X, y, threads=threads)
        assert value == loss and same(found, grads) and net.loss(given_X, y, threads=threads) == alone
        again = copy.deepcopy(net)
        again.fit(given_X, y, epochs=2, batch_size=batch, threads=threads)
        assert bits(again) == bits(trained)


@given(cases(SMOOTH, rows=st.integers(1, 20)), st.data())
@settings(max_examples=40)
def test_a_weight_counts_as_repeated_rows(case, data):
    net, X, y = case
    times = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(X), max_size=len(X)).filter(any)))
    loss, grads = net.gradient(X, y, times)
    value, repeated = net.gradient(np.repeat(X, times, axis=0), np.repeat(y, times, axis=0))
    eps, terms = float(np.finfo(net.dtype).eps), sum(net.sizes) + int(times.sum())
    assert loss == pytest.approx(value, abs=16 * terms * eps * (1 + abs(value)))
    close(grads, repeated, eps, terms)


@given(cases(rows=st.just(1)))
@settings(max_examples=40)
def test_parameters_go_round(case):
    net, X, _ = case
    before, said = bits(net), net.predict(X).tobytes()
    for name in ("parameters", "weights", "biases"):
        setattr(net, name, getattr(net, name))
        assert bits(net) == before
    other = fg.Network(net.layers, loss=net.loss_name, dtype=net.dtype, seed=100)
    for k in range(len(net.layers)):
        other.weights[k], other.biases[k] = net.weights[k], net.biases[k]
    flat = [part.ravel() for pair in zip(net.weights, net.biases, strict=True) for part in pair]
    assert bits(other) == before == np.concatenate(flat).tobytes() and other.predict(X).tobytes() == said


@given(st.integers(1, 150), st.integers(1, 160) | st.none(), st.booleans(), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=60)
def test_an_epoch_visits_every_row_once(rows, batch, shuffle, threads, seed):
    """With rows of the identity and slopes of 1, a visit moves the row's weight by 1 / rows of its batch."""
    net = fg.Network([rows, 1], loss="mae", dtype="float64", seed=seed)
    size = min(batch or rows, rows)
    sizes = np.full(rows, size)
    sizes[rows - rows % size :] = rows % size
    for _ in range(2):
        before = net.weights[0][:, 0]
        net.fit(np.eye(rows), np.full(rows, -1e6), epochs=1, batch_size=batch, shuffle=shuffle, threads=threads,
                optimizer=fg.SGD(1.0))  # fmt: skip
        moved = before - net.weights[0][:, 0]
        np.testing.assert_allclose(np.sort(moved) if shuffle else moved, np.sort(1 / sizes) if shuffle else 1 / sizes)


@given(st.sampled_from(list(catalog.OPTIMIZERS)), array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=40),
       st.sampled_from(["float32", "float64"]), st.integers(1, 9))  # fmt: skip
@settings(max_examples=100)
def test_optimizers_follow_their_formulas_on_any_shape(name, shape, dtype, steps):
    row, rng = catalog.OPTIMIZERS[name], np.random.default_rng(0)
    opt = getattr(fg, row.public)(lr=0.01)
    w, grads = np.array(rng.normal(size=shape), dtype), rng.normal(size=(steps, *shape)).astype(dtype)
    exact, state = [w.astype(float)], opt.init(w)
    for g in grads:
        opt.update(w, np.array(g, dtype), state)
    hyper = {**expand_hyper(row), "lr": 0.01}
    optimizer_steps(row, hyper, exact, lambda k: [grads[k].astype(float)], steps)
    # a step divides by the gradient's own size, so that an error stays relative to the weights: a few eps a step
    assert np.linalg.norm(w - exact[0]) <= 8 * steps * np.finfo(dtype).eps * np.linalg.norm(exact[0])
