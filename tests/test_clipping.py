"""`clip_norm` and `clip_value`: what the optimizer sees of a gradient that is too long.

The oracle is NumPy's float64, with PyTorch's definitions: g * min(1, most / (norm + 1e-6)) over all parameters together, and
each entry held within most.  Left out: steps without clipping (test_fit.py).
"""

from __future__ import annotations

import numpy as np
import pytest
from oracle import bits, network, optimizer_steps, oracle_of

import fastgrad as fg
from fastgrad.formulas import expand_hyper


@pytest.fixture
def data(rng):
    return rng.normal(size=(40, 4)) * 10, rng.integers(0, 3, 40)


def by_norm(grads, most):
    norm = np.sqrt(sum((g**2).sum() for g in grads))
    return [g * min(1.0, most / (norm + 1e-6)) for g in grads]


def by_value(grads, most):
    return [np.clip(g, -most, most) for g in grads]


CLIPS = {
    "norm": ({"clip_norm": 0.3}, lambda grads: by_norm(grads, 0.3)),
    "value": ({"clip_value": 0.05}, lambda grads: by_value(grads, 0.05)),
    "both": ({"clip_norm": 0.3, "clip_value": 0.05}, lambda grads: by_value(by_norm(grads, 0.3), 0.05)),
}


@pytest.mark.parametrize("optimizer", [fg.SGD(0.1), fg.Adam(0.01)], ids=["sgd", "adam"])
@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("batch", [10, 40])
def test_steps_are_those_of_the_oracle(clip, batch, optimizer, data):
    X, y = data
    given, clipped = CLIPS[clip]
    net = network()
    oracle, norms = oracle_of(net), []
    params = [a for pair in zip(oracle.W, oracle.b, strict=True) for a in pair]
    steps = 40 // batch

    def gradients(k):
        rows = slice(k * batch, (k + 1) * batch)
        grads = [a for pair in oracle.gradient(X[rows], y[rows])[1] for a in pair]
        norms.append(np.sqrt(sum((g**2).sum() for g in grads)))
        return clipped(grads)

    hyper = dict(zip(expand_hyper(optimizer.row), optimizer.numbers, strict=True)) | {"lr": optimizer.lr}
    optimizer_steps(optimizer.row, hyper, params, gradients, steps)
    history = net.fit(X, y, epochs=1, batch_size=batch, shuffle=False, optimizer=optimizer, **given)
    for k, W in enumerate(net.weights):
        np.testing.assert_allclose(W, oracle.W[k], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(net.biases[k], oracle.b[k], rtol=1e-10, atol=1e-12)
    assert max(norms) > 0.3  # something was clipped
    np.testing.assert_allclose(history["grad_norm"], [np.mean(norms)], rtol=1e-10)


@pytest.mark.parametrize("sizes", [[4, 3], [4, 1], [4, 40, 33, 3]])
@pytest.mark.parametrize("batch", [1, 7, 1200])
def test_a_limit_that_nothing_reaches_changes_no_bit(sizes, batch, dtype, rng):
    """Where a norm may be clipped the whole gradient is kept before it is used; it is the same gradient."""
    X, y = rng.normal(size=(1500, 4)), rng.normal(size=(1500, sizes[-1]))
    found = []
    for clip in ({}, {"clip_norm": 1e30}, {"clip_value": 1e30}):
        net = fg.Network(sizes, dtype=dtype, seed=2)
        net.fit(X, y, epochs=2, batch_size=batch, **clip)
        found.append(bits(net))
    assert found[0] == found[1] == found[2]


def test_bits_do_not_depend_on_threads(threads, dtype, rng):
    X, y = rng.normal(size=(700, 20)), rng.normal(size=(700, 2)) * 100
    found = []
    for count in (1, threads):
        net = fg.Network([20, 65, 2], dtype=dtype, seed=2)
        net.fit(X, y, epochs=2, batch_size=300, clip_norm=1.0, threads=count)
        found.append(bits(net))
    assert found[0] == found[1]


def test_partial_fit_clips_as_well(data):
    X, y = data
    whole, steps = network(), network()
    whole.fit(X, y, epochs=1, batch_size=10, shuffle=False, clip_norm=0.3)
    for k in range(0, 40, 10):
        steps.partial_fit(X[k : k + 10], y[k : k + 10], optimizer="adam", clip_norm=0.3)
    assert bits(whole) == bits(steps)
    steps.partial_fit(X, y)  # and no longer, where it is not asked for
    assert np.isfinite(steps.parameters).all()


def test_clipping_keeps_a_training_from_diverging(rng):
    X = rng.normal(size=(64, 3))
    y = X @ [1.0, 2.0, 3.0] * 1e6
    settings = {"epochs": 30, "batch_size": 8, "optimizer": fg.SGD(0.5, momentum=0.9)}
    with pytest.raises(fg.DivergenceError):
        fg.Network([3, 16, 1], seed=0).fit(X, y, **settings)
    assert np.isfinite(fg.Network([3, 16, 1], seed=0).fit(X, y, clip_norm=1.0, **settings)["loss"]).all()


def test_a_checkpoint_remembers_the_limits(data, tmp_path):
    network().fit(*data, epochs=1, checkpoint=tmp_path / "c", clip_norm=0.3)
    with pytest.raises(ValueError, match=r"clip \[0.3, 0.0\], this call has \[0.0, 0.0\]"):
        network().fit(*data, epochs=2, resume=tmp_path / "c")


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "1", True])
@pytest.mark.parametrize("name", ["clip_norm", "clip_value"])
def test_bad_limits_are_refused(name, value, data):
    for method in ("fit", "partial_fit"):
        with pytest.raises((ValueError, TypeError), match=name):
            getattr(network(), method)(*data, **{name: value})
