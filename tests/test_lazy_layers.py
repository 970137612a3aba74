"""Lazy updates beside norms, residual blocks, options of layers, averages and accumulation; what does not go with them.

The oracle is the same network with exact updates, under plain gradient descent: equal to the bit.
"""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from oracle import bits

import fastgrad as fg

BLOCK = fg.Residual([fg.LayerNorm(), fg.Dense(20, 20, "tanh")])
STACKS = {
    "batch norm": [fg.Dense(500, 20), fg.BatchNorm(activation="relu"), fg.Dropout(0.2), fg.Dense(20, 3)],
    "layer norm": [fg.Dense(500, 20, "relu"), fg.LayerNorm(affine=False), fg.Dense(20, 3)],
    "residual": [fg.Dense(500, 20), BLOCK, BLOCK, fg.BatchNorm(), fg.Dense(20, 3)],
    "options": [fg.Dense(500, 20, "relu"), fg.Dense(20, 20, l1=0.01, max_norm=0.5), fg.Dense(20, 3, lr_factor=0.5)],
    "frozen": [fg.Dense(500, 20, "relu", frozen=True), fg.Dense(20, 3)],
    "its own rate": [fg.Dense(500, 20, "relu", lr_factor=0.1), fg.Dense(20, 3)],
    "init": [fg.Dense(500, 20, "relu", init="glorot_uniform"), fg.Dense(20, 3, init="orthogonal")],
}


def wide(rng, rows=301, columns=500, share=0.01):
    """A CSR matrix; rows left over by the batches below are one."""
    return sp.csr_array(rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < share))


def pair(layers, **more):
    made = {"dtype": "float64", "seed": 1, **more}
    return fg.Network(layers, **made), fg.Network(layers, sparse_update="lazy", **made)


def assert_same(exact, net):
    assert bits(net) == bits(exact)
    for (name, array), (other, expected) in zip(net.named_buffers(), exact.named_buffers(), strict=True):
        assert name == other and np.array_equal(array, expected)


@pytest.mark.parametrize("more", [{}, {"clip_value": 0.01}], ids=str)
@pytest.mark.parametrize("name", STACKS)
def test_other_layers(name, more, threads, tmp_path, rng):
    X, y = wide(rng), rng.normal(size=(301, 3))
    exact, net = pair(STACKS[name])
    rule = fg.SGD(0.05)
    for part in (slice(0, 50), slice(50, 100)):  # rows are added, what lies behind them moves
        exact.partial_fit(X[part], y[part], batch_size=10, optimizer=rule, **more)
        net.partial_fit(X[part], y[part], batch_size=10, optimizer=rule, threads=threads, **more)
    assert_same(exact, net)
    assert np.array_equal(exact.predict(X), net.predict(X))
    exact.fit(X, y, epochs=3, batch_size=20, optimizer=rule, **more)
    net.fit(X, y, epochs=3, batch_size=20, optimizer=rule, threads=threads, **more)
    assert_same(exact, net)
    assert exact.loss(X, y) == net.loss(X, y)
    for one, other in zip(exact.gradient(X, y, training=True)[1], net.gradient(X, y, training=True)[1], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    net.save(tmp_path / "net")
    for again in (fg.load(tmp_path / "net"), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert_same(exact, again)
        assert again.layers == net.layers and repr(again) == repr(net)


@pytest.mark.parametrize("option", [{"weight_decay": 0.1}, {"lr_factor": 0.3}], ids=str)
@pytest.mark.parametrize("optimizer", [fg.AdamW(0.01), fg.SGD(0.01, momentum=0.9)], ids=["adamw", "momentum"])
@pytest.mark.parametrize("more", [{}, {"clip_norm": 0.1}], ids=str)
def test_the_first_layers_own_constants(option, optimizer, more, threads, rng):
    """All rows are in each batch; the norm's squares are added in another order, hence the tolerance of rounding."""
    X, y = sp.csr_array(rng.normal(size=(64, 40))), rng.normal(size=(64, 3))
    exact, net = pair([fg.Dense(40, 12, "relu", **option), fg.Dense(12, 3)])
    plain = fg.Network([40, 12, 3], dtype="float64", seed=1)
    for one, count in ((exact, 1), (net, threads), (plain, 1)):
        one.fit(X, y, epochs=4, batch_size=16, optimizer=optimizer, threads=count, **more)
    np.testing.assert_allclose(net.parameters, exact.parameters, rtol=0, atol=1e-12)
    assert np.abs(net.weights[0] - plain.weights[0]).max() > 1e-6


def test_batches_that_make_one_step(rng):
    """A lazy step takes them whole, so it is the step of one batch of all their rows."""
    X, y = wide(rng), rng.normal(size=(301, 3))
    _, net = pair([500, 20, 3])
    one = copy.deepcopy(net)
    one.fit(X, y, epochs=3, batch_size=64)
    net.fit(X, y, epochs=3, batch_size=16, accumulate=4)
    assert_same(one, net)


def test_a_mean_over_epochs(rng):
    X, y = wide(rng), rng.normal(size=(301, 3))
    exact, net = pair([500, 20, 3])
    more = {"epochs": 5, "batch_size": 20, "optimizer": fg.SGD(0.05), "average": fg.SWA(2), "validation": 0.2}
    assert exact.fit(X, y, **more)["val_loss"] == net.fit(X, y, **more)["val_loss"]
    assert_same(exact, net)
    for one in (exact, net):  # features come that were not there
        one.partial_fit(np.eye(500)[:50], np.ones((50, 3)))
    assert_same(exact, net)


def test_gradients_of_dense_rows(rng):
    X, slopes = wide(rng).toarray(), rng.normal(size=(301, 3))
    exact, net = pair([500, 20, 3])
    for one, other in zip(exact.backward(sp.csr_array(X), slopes), net.backward(X, slopes), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    with pytest.raises(ValueError, match="inputs: a network with sparse_update='lazy' knows X by its nonzeros"):
        net.backward(X, slopes, inputs=True)


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ([fg.LayerNorm(), fg.Dense(500, 3)], "need an fg.Dense outside of any fg.Residual as the first layer"),
        ([fg.Residual([fg.Dense(500, 500)]), fg.Dense(500, 3)], "need an fg.Dense outside of any fg.Residual"),
        ([fg.Embedding(500, {0: (4, 1)}), fg.Dense(500, 3)], r"need an fg.Dense .* here that is Embedding\("),
        ([fg.Dense(500, 3, init="he_normal")], "takes a uniform init such as 'he_uniform', got init='he_normal'"),
        ([fg.Dense(500, 3, init="zeros")], "takes a uniform init such as 'he_uniform', got init='zeros'"),
        ([fg.Dense(500, 3, l1=0.1)], "the first layer must have none, got l1=0.1"),
        ([fg.Dense(500, 3, max_norm=2)], r"the first layer must have none, got max_norm=2\.0"),
        ([2**31 + 1, 3], "the first layer must have at most 2147483648 inputs, got 2147483649"),
    ],
    ids=["norm", "residual", "embedding", "he_normal", "zeros", "l1", "max_norm", "inputs"],
)
def test_networks_that_are_refused(layers, found):
    with pytest.raises(ValueError, match=f"^sparse_update='lazy': .*{found}"):
        fg.Network(layers, sparse_update="lazy")


def test_fits_that_are_refused(rng):
    X, y = wide(rng), np.ones((301, 3))
    _, net = pair([500, 20, 3])
    before = bits(net)
    with pytest.raises(ValueError, match=r"average: EMA\(decay=0\.999\) moves a mean of all parameters at every step"):
        net.fit(X, y, average=fg.EMA())
    many = sp.csr_array((9000, 500))
    with pytest.raises(ValueError, match=r"batch_size must be at most 8192 .*, got 9000"):
        net.fit(many, np.ones((9000, 3)), batch_size=1000, accumulate=10)
    assert bits(net) == before and net._record.vocabulary.rows == 0


def test_what_older_versions_wrote(tmp_path, rng):
    """Neither files nor pickles of them tell of lazy updates."""
    net = fg.Network([4, 3, 2], seed=1)
    net.save(tmp_path / "net")
    assert "sparse_update" not in fg.exchange.read(tmp_path / "net").network
    state = {name: value for name, value in net.__getstate__().items() if name not in ("blocks", "running", "met")}
    again = fg.Network([1, 1])
    again.__setstate__({**state, "parameters": np.array(net.parameters)})
    assert_same(net, again)


def test_pickles_that_number_parameters_by_layers(rng):
    """As they did before there were embeddings."""
    layers = [fg.Dense(500, 20), fg.LayerNorm(affine=False), fg.Dense(20, 3)]
    for how in ("exact", "lazy"):
        net = fg.Network(layers, seed=1, sparse_update=how)
        net.predict(wide(rng))
        state = net.__getstate__()
        again = fg.Network([1, 1])
        again.__setstate__({**state, "parameters": dict(zip((0, 2), state["parameters"].values(), strict=True))})
        assert_same(net, again)


def test_a_summary_tells_of_the_rows_that_there_are(rng):
    X, (exact, net) = wide(rng), pair([500, 20, 3])
    net.predict(X[:5])
    rows = np.unique(X[:5].indices).size
    assert f"lazy updates: rows for {rows} of 500 features so far" in str(net.summary())
    held = 8 * (net.size - (500 - rows) * 20)
    assert f"{net.size:,} parameters, float64: {held / 1000:.3g} kB" in str(net.summary())
    assert "lazy" not in str(exact.summary())
