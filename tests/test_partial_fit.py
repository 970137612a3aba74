"""`partial_fit`: one step or consecutive batches, in the given order, with an optimizer that lives on.

Left out: how errors end it, beside `fit` (test_stopping.py).
"""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
from oracle import bits, network

import fastgrad as fg
from fastgrad import catalog

SETTINGS = [getattr(fg, row.public)() for row in catalog.OPTIMIZERS.values()] + [
    fg.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    fg.Adam(0.01, amsgrad=True),
    fg.RMSprop(centered=True, momentum=0.5),
]


@pytest.fixture
def data(rng):
    return rng.normal(size=(48, 4)), rng.integers(0, 3, 48)


@pytest.mark.parametrize("optimizer", SETTINGS, ids=repr)
def test_its_steps_are_those_of_fit_without_shuffling(optimizer, data, dtype):
    X, y = data
    whole, calls, batches = (network(dtype) for _ in range(3))
    whole.fit(X, y, epochs=3, batch_size=8, optimizer=optimizer, shuffle=False)
    for _ in range(3):
        for start in range(0, 48, 8):
            assert calls.partial_fit(X[start : start + 8], y[start : start + 8], optimizer=optimizer) is calls
        batches.partial_fit(X, y, batch_size=8, optimizer=optimizer)
    assert bits(whole) == bits(calls) == bits(batches)


@pytest.mark.parametrize("looks", [False, True])
def test_it_goes_on_from_fit_with_its_optimizer(looks, data):
    X, y = data
    whole, split = network(), network()
    fit = {"batch_size": 8, "optimizer": fg.Adam(0.01), "shuffle": False}
    whole.fit(X, y, epochs=4, **fit)
    split.fit(X, y, epochs=2, **fit)
    for _ in range(2):
        split.partial_fit(X, y, batch_size=8)
        if looks:  # whether somebody reads the parameters in between must not matter
            split.predict(X)
    assert bits(whole) == bits(split) and split.history.epochs == 2


@pytest.mark.parametrize("looks", [False, True])
def test_a_later_fit_goes_on_from_its_parameters(looks, data):
    X, y = data
    net, fresh = network(), network()
    net.partial_fit(X, y, optimizer=fg.SGD(0.5))
    kept = copy.deepcopy(net).parameters if looks else None
    net.fit(X, y, epochs=2, optimizer=fg.Adam(0.01))
    fresh.partial_fit(X, y, optimizer=fg.SGD(0.5))
    fresh.parameters = np.array(fresh.parameters)
    assert kept is None or fresh.parameters.tobytes() == kept.tobytes()
    fresh.fit(X, y, epochs=2, optimizer=fg.Adam(0.01))
    assert bits(net) == bits(fresh)


def test_the_optimizer_is_set_at_first_use(data):
    X, y = data
    default, adam = network(), network()
    for _ in range(3):
        default.partial_fit(X, y)
        adam.partial_fit(X, y, optimizer="adam")
    assert bits(default) == bits(adam)
    before = bits(adam)
    for other in ("sgd", fg.Adam(0.1), fg.AdamW):
        with pytest.raises(ValueError, match=re.escape("partial_fit goes on with Adam(lr=0.001, ")):
            adam.partial_fit(X, y, optimizer=other)
    assert bits(adam) == before
    adam.partial_fit(X, y, optimizer=fg.Adam())
    default.partial_fit(X, y)
    assert bits(default) == bits(adam)
    adam.fit(X, y, epochs=1, optimizer="sgd").epochs  # noqa: B018
    with pytest.raises(ValueError, match=r"partial_fit goes on with SGD\(lr=0.001"):
        adam.partial_fit(X, y, optimizer="adam")
    with pytest.raises(ValueError, match="unknown optimizer 'adm'"):
        network().partial_fit(X, y, optimizer="adm")


def test_assigned_parameters_are_taken_up_and_the_state_is_kept(data):
    X, y = data
    net, hand = network(), network()
    net.partial_fit(X, y, optimizer=fg.SGD(0.1, momentum=0.9))
    start = np.linspace(-1, 1, net.size)
    velocity = np.concatenate([g.ravel() for pair in hand.gradient(X, y)[1] for g in pair])
    net.parameters = start
    net.partial_fit(X, y)
    hand.parameters = start
    now = np.concatenate([g.ravel() for pair in hand.gradient(X, y)[1] for g in pair])
    np.testing.assert_allclose(net.parameters, start - 0.1 * (0.9 * velocity + now), rtol=0, atol=1e-14)
    net.biases[0] = np.ones(6)
    assert (net.biases[0] == 1).all()


def test_batches_of_other_sizes_and_weights(data):
    X, y = data
    weight = np.where(np.arange(48) < 5, 0.0, 2.0)
    one, two = network(), network()
    one.partial_fit(X, y, weight, batch_size=5, optimizer="sgd")  # the first batch of weight 0 makes no step
    two.partial_fit(X[5:], y[5:], batch_size=5, optimizer="sgd")
    assert bits(one) == bits(two)
    one.partial_fit(X, y, batch_size=100)
    two.partial_fit(X, y)
    one.partial_fit(X[:1], y[:1])
    two.partial_fit(X[:1], y[:1], batch_size=1)
    assert bits(one) == bits(two)
    one.partial_fit(X, y)
    one.partial_fit(X, np.eye(3)[y] * 0.9 + 0.1 / 3)  # soft labels in between
    two.partial_fit(X, np.eye(3)[y])
    two.partial_fit(X, np.eye(3)[y] * 0.9 + 0.1 / 3)
    assert bits(one) == bits(two)
    for bad in (0, -1, 2.5, True):
        with pytest.raises((TypeError, ValueError), match="batch_size must be an integer >= 1"):
            one.partial_fit(X, y, batch_size=bad)
    assert bits(one) == bits(two)


def test_threads_give_the_same_bits(threads, rng):
    net, other = (fg.Network([30, 40, 5], loss="cross_entropy", seed=2) for _ in range(2))
    for rows in (7, 40, 700):
        X, y = rng.normal(size=(rows, 30)).astype("f4"), rng.integers(0, 5, rows)
        net.partial_fit(X, y, threads=1)
        other.partial_fit(X, y, threads=threads)
    assert bits(net) == bits(other)


def test_copies_leave_the_optimizer_behind(data):
    X, y = data
    net = network()
    net.partial_fit(X, y, optimizer=fg.Adam(0.01))
    for again in (copy.deepcopy(net), net.astype("float64")):
        assert bits(again) == bits(net)
        again.partial_fit(X, y, optimizer="sgd")  # its first use
        assert bits(again) != bits(net)
