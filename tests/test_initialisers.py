"""The first weights: those without a name are what they always were, named ones follow their table."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import bits

import fastgrad as fg
from fastgrad import catalog, dispatch
from fastgrad.initialisers import INITIALISERS

BOUNDS = {"he": lambda I, O: 6 / I, "glorot": lambda I, O: 6 / (I + O), "lecun": lambda I, O: 3 / I}


def weights(init, I=120, O=80, dtype="float64", seed=3, activation="tanh"):
    return fg.Network([fg.Dense(I, O, activation, init=init)], dtype=dtype, seed=seed).weights[0]


@pytest.mark.parametrize("activation", catalog.ACTIVATIONS)
def test_without_a_name_not_a_bit_has_changed(activation, dtype):
    net = fg.Network([fg.Dense(7, 19, activation), fg.Dense(19, 5)], dtype=dtype, seed=11)
    for k, (I, O, name) in enumerate([(7, 19, activation), (19, 5, "identity")]):
        drawn = np.empty((I, O))
        dispatch.kernels(dtype).fill_uniform(11, k, BOUNDS[catalog.ACTIVATIONS[name].init](I, O) ** 0.5, drawn)
        assert net.weights[k].tobytes() == drawn.astype(dtype).tobytes()
        assert not net.biases[k].any()


@pytest.mark.parametrize("kind", BOUNDS)
def test_uniform_draws(kind):
    W, bound = weights(f"{kind}_uniform"), BOUNDS[kind](120, 80) ** 0.5
    assert abs(W).max() <= bound and abs(W).max() > 0.99 * bound
    assert abs(W.mean()) < 5 * bound / np.sqrt(3 * W.size)
    np.testing.assert_allclose(W.std(), bound / np.sqrt(3), rtol=0.03)
    suiting = {"he": "relu", "glorot": "tanh", "lecun": "selu"}[kind]
    assert (weights(None, activation=suiting) == weights(f"{kind}_uniform")).all()


@pytest.mark.parametrize("kind", BOUNDS)
def test_normal_draws(kind):
    from scipy.stats import kstest

    W = weights(f"{kind}_normal")
    deviation = (BOUNDS[kind](120, 80) / 3) ** 0.5
    # one seed in a hundred has a p-value below 0.01: those of many seeds must be uniform
    drawn = [weights(f"{kind}_normal", seed=seed).ravel() / deviation for seed in range(100)]
    assert kstest([kstest(one, "norm").pvalue for one in drawn], "uniform").pvalue > 0.01
    assert abs(W).max() > 3 * deviation  # not cut off
    for axis in (0, 1):
        assert abs(np.corrcoef(W if axis else W.T)[np.triu_indices(len(W if axis else W.T), 1)]).max() < 0.6
    assert np.isfinite(weights(f"{kind}_normal", 700, 900)).all()


@pytest.mark.parametrize(("I", "O"), [(40, 40), (40, 7), (7, 40), (1, 5), (5, 1), (1, 1)])
def test_orthogonal_draws(I, O):
    W = weights("orthogonal", I, O)
    small = W.T @ W if I >= O else W @ W.T
    np.testing.assert_allclose(small, np.eye(min(I, O)), atol=1e-12)
    if I == O == 40:
        signs = [np.sign(np.diag(weights("orthogonal", 40, 40, seed=seed))).sum() for seed in range(30)]
        assert abs(np.mean(signs)) < 6  # LAPACK's own signs would not be even


def test_zeros():
    assert not weights("zeros").any() and not np.signbit(weights("zeros")).any()


@pytest.mark.parametrize("name", INITIALISERS)
def test_a_layers_draws_are_its_own(name, dtype):
    """They depend on seed and number of the layer alone, and on nothing that other layers ask for."""
    one = fg.Network([fg.Dense(5, 6, init=name), fg.Dense(6, 6, init=name)], dtype=dtype, seed=5)
    other = fg.Network([fg.Dense(5, 6), fg.Dense(6, 6, init=name)], dtype=dtype, seed=5)
    assert (one.weights[1] == other.weights[1]).all() and one.weights[0].dtype == dtype
    whole = fg.Network([5, 6, 6], init=name, activation="identity", dtype=dtype, seed=5)
    assert bits(whole) == bits(one) and eval(repr(whole), {"Network": fg.Network, "MSE": fg.MSE}).layers == whole.layers
    assert bits(fg.Network([5, 6, 6], init=name, dtype=dtype, seed=5)) == bits(whole)
    if name != "zeros":
        assert bits(fg.Network([5, 6, 6], init=name, dtype=dtype, seed=6)) != bits(whole)
        assert (one.weights[1][:5] != one.weights[0]).any()


@pytest.mark.parametrize("name", INITIALISERS)
def test_networks_train_from_them(name, rng):
    X = rng.normal(size=(60, 6))
    y = np.tanh(X[:, 0] - X[:, 1])
    layers = [fg.Dense(6, 20, "relu", init=name if name != "zeros" else None), fg.Dense(20, 1, init=name)]
    net = fg.Network(layers, dtype="float64", seed=0)
    history = net.fit(X, y, epochs=60, batch_size=10, optimizer=fg.Adam(0.01))
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    assert fg.check_gradients(net, X, y).passed


def test_unknown_names_are_refused():
    with pytest.raises(
        ValueError, match=r"unknown init 'he_norm' .did you mean 'he_normal'.*; known: he_uniform, he_normal"
    ):
        fg.Network([3, 2], init="he_norm")
    with pytest.raises(ValueError, match=r"init is given by each fg.Dense"):
        fg.Network([fg.Dense(3, 2)], init="zeros")


def test_the_table_is_told_where_users_look():
    for row in INITIALISERS.values():
        assert row.name in fg.Dense.__doc__ and row.about and row.source
