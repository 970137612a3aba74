"""Dropout: which values are dropped, that everything else follows from that, and that nothing but training drops.

Masks are seen through the public face: with one row of weight, dW of the next layer is that row's activation, as dropped,
times one slope.
"""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from oracle import bits

import fastgrad as fg
from fastgrad import catalog

WIDE = 300
NAMES = {name: getattr(fg, name) for name in fg.__all__}


def ones(rate, dtype="float64", width=WIDE, seed=3):
    """A network whose hidden values are all 1."""
    net = fg.Network([fg.Dense(2, width), fg.Dropout(rate), fg.Dense(width, 1)], dtype=dtype, seed=seed)
    net.weights[0], net.biases[0] = np.zeros((2, width)), np.ones(width)
    return net


def mask(net, rows, row):
    """What the hidden values of one row of a batch were multiplied by (width,)."""
    one = np.zeros(rows)
    one[row] = 1.0
    _, grads = net.gradient(np.zeros((rows, 2)), np.full(rows, 5.0), one, training=True)
    dW, db = grads[1]
    return dW[:, 0] / db[0]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_values_are_zero_or_grown(rate, dtype):
    masks = np.array([mask(ones(rate, dtype), 40, row) for row in range(40)])
    kept = masks > 0
    step = 2.0**-16
    np.testing.assert_allclose(
        masks[kept], 1 / (1 - round(rate / step) * step), rtol=1e-5 if dtype == np.float32 else 1e-12
    )
    spread = np.sqrt(rate * (1 - rate) / masks.size)
    assert abs(kept.mean() - (1 - rate)) < 5 * spread
    for axis in (0, 1):  # neither a row nor a column is special
        assert np.ptp(kept.mean(axis)) < 10 * np.sqrt(rate * (1 - rate) / masks.shape[axis])
    assert len({row.tobytes() for row in masks}) == 40


def test_a_mask_belongs_to_its_row(build, dtype):
    """Whatever the batch, its slices (700 rows are two), the threads, the float type and the instruction set."""
    kept = mask(ones(0.5), 700, 650) > 0
    for rows in (651, 1400):
        assert ((mask(ones(0.5, dtype), rows, 650) > 0) == kept).all()
    bits_, level = build.constants()["bits"], build.__name__
    program = build.Program((2, WIDE, 1), ("identity", "identity"), "mse", (), (0.5, 0.0))
    real = np.dtype(f"float{bits_}")
    params, store = np.zeros(program.size, real), np.zeros(program.size, real)
    program.pack(params, 0, np.zeros((2, WIDE), real), np.ones(WIDE, real))
    program.pack(params, 1, np.ones((WIDE, 1), real), np.zeros(1, real))
    trainer = build.Trainer(program, 651, "store", 0, (), "values", 1)
    one = np.eye(651)[650]
    X, y = np.zeros((651, 2), real), np.full((651, 1), 1e4, real)
    trainer.run(params, store, X, y, one, None, 0, 1, np.zeros(1), seed=3, stream=1 << 42)
    dW, db = np.zeros((WIDE, 1), real), np.zeros(1, real)
    trainer.gradient(store, 1, dW, db)
    assert ((dW[:, 0] != 0) == kept).all(), level


def test_layers_passes_and_seeds_have_masks_of_their_own():
    first = mask(ones(0.5), 8, 3) > 0
    assert (first != (mask(ones(0.5, seed=4), 8, 3) > 0)).any()
    net = fg.Network(
        [fg.Dense(2, 64), fg.Dropout(0.5), fg.Dense(64, 64), fg.Dropout(0.5), fg.Dense(64, 1)], dtype="float64"
    )
    net.weights[1], net.biases[0], net.biases[1] = np.eye(64), np.ones(64), np.zeros(64)
    net.weights[0] = np.zeros((2, 64))
    _, grads = net.gradient(np.zeros((1, 2)), [5.0], training=True)
    through = grads[2][0][:, 0] != 0  # both masks
    alone = np.array([np.ptp(column) > 0 for column in grads[1][0].T])  # the second
    assert 8 < through.sum() < 24 and 20 < alone.sum() < 44
    # a pass changes no parameter at rate 0, so that only its masks make its loss
    net, X, y = ones(0.5), np.zeros((16, 2)), np.full(16, 5.0)
    losses = net.fit(X, y, epochs=4, optimizer=fg.SGD(0.0), shuffle=False)["loss"]
    assert len(set(losses)) == 4
    again = ones(0.5)
    for _ in range(2):
        again.fit(X, y, epochs=2, optimizer=fg.SGD(0.0), shuffle=False)
    assert again.history["loss"] == losses[2:]


@pytest.mark.parametrize("activation", catalog.ACTIVATIONS)
def test_gradients_under_a_mask_are_slopes(activation, rng):
    layers = [
        fg.Dense(3, 11, activation),
        fg.Dropout(0.3),
        fg.Dense(11, 7, activation),
        fg.Dropout(0.5),
        fg.Dense(7, 2),
    ]
    net = fg.Network(layers, dtype="float64", seed=1)
    X, y = rng.normal(size=(13, 3)), rng.normal(size=(13, 2))

    def loss(theta):
        net.parameters = theta
        return net.loss(X, y, training=True)

    def gradient(theta):
        net.parameters = theta
        _, grads = net.gradient(X, y, training=True)
        return np.concatenate([part.ravel() for pair in grads for part in pair])

    report = fg.check_gradients(loss, np.array(net.parameters), gradient=gradient)
    assert report.passed, report


@pytest.mark.parametrize("batch", [7, 600])
def test_bits_do_not_depend_on_threads(batch, threads, dtype, rng):
    X, y = rng.normal(size=(700, 20)), rng.integers(0, 3, 700)
    found = []
    for count in (1, threads):
        layers = [fg.Dense(20, 65, "relu"), fg.Dropout(0.4), fg.Dense(65, 3)]
        net = fg.Network(layers, loss="cross_entropy", dtype=dtype, seed=2)
        net.fit(X, y, epochs=2, batch_size=batch, threads=count)
        found.append(bits(net))
    assert found[0] == found[1]


def network(rate=0.4, seed=2):
    return fg.Network([fg.Dense(4, 12, "tanh"), fg.Dropout(rate), fg.Dense(12, 3)], loss="cross_entropy", seed=seed)


@pytest.fixture
def data(rng):
    return rng.normal(size=(50, 4)), rng.integers(0, 3, 50)


def test_only_training_drops(data):
    net, plain = network(), fg.Network([4, 12, 3], activation="tanh", loss="cross_entropy", seed=2)
    assert bits(net) == bits(plain) and (net.predict(data[0]) == plain.predict(data[0])).all()
    assert net.loss(*data) == plain.loss(*data) != net.loss(*data, training=True)
    assert fg.check_gradients(net, *data).passed
    for one in (net, plain):
        one.fit(*data, epochs=2)
    assert bits(net) != bits(plain)
    none = network(rate=0.0)
    none.fit(*data, epochs=2)
    assert bits(none) == bits(plain)


def test_copies_and_files_keep_it(data, tmp_path):
    net = network()
    net.save(tmp_path / "m")
    for again in (
        fg.load(tmp_path / "m"),
        pickle.loads(pickle.dumps(net)),
        copy.deepcopy(net),
        eval(repr(net), NAMES),
    ):
        assert again.layers == net.layers and repr(again) == repr(net)
        assert again.loss(*data, training=True) == net.loss(*data, training=True)
    assert "tanh, dropout 0.4" in net.summary()


def test_a_checkpoint_goes_on_with_the_same_masks(data, tmp_path):
    whole, resumed = network(), network()
    whole.fit(*data, epochs=4)
    network().fit(*data, epochs=2, checkpoint=tmp_path / "c")
    resumed.fit(*data, epochs=4, resume=tmp_path / "c")
    assert bits(whole) == bits(resumed)
    with pytest.raises(ValueError, match=r"dropout \[0.4, 0.0\], this one \[0.5, 0.0\]"):
        network(0.5).fit(*data, epochs=4, resume=tmp_path / "c")


def test_partial_fit_draws_anew_at_each_call(data):
    net = ones(0.5)
    before = bits(net)
    moved = []
    for _ in range(3):
        net.partial_fit(np.zeros((1, 2)), [5.0], optimizer=fg.SGD(0.0))
        moved.append(net._record.run.reached[3][0])
    assert len(set(moved)) == 3 and bits(net) == before


D = fg.Dense(3, 3)


@pytest.mark.parametrize(
    ("layers", "message"),
    [([fg.Dropout(0.1), D, D], r"layers\[0\]: Dropout\(rate=0.1\) must stand between"),
     ([D, fg.Dropout(0.1)], r"layers\[1\]"), ([D, fg.Dropout(0.1), fg.Dropout(0.1), D], r"layers\[2\]"),
     ([3, fg.Dropout(0.1), 3], "stands between fg.Dense layers, not between sizes")],
)  # fmt: skip
def test_it_stands_between_layers(layers, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fg.Network(layers)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2, float("nan"), "0.5", True, None])
def test_bad_rates_are_refused(rate):
    with pytest.raises((ValueError, TypeError), match="rate"):
        fg.Dropout(rate)


def test_it_keeps_a_large_network_from_learning_by_heart(rng):
    """Few noisy rows, many parameters: what is learnt with dropout holds better for rows that were not seen."""
    W = rng.normal(size=20)
    X, X_new = rng.normal(size=(80, 20)), rng.normal(size=(2000, 20))
    y = X @ W + 3 * rng.normal(size=80)
    found = []
    for rate in (0.0, 0.5):
        net = fg.Network([fg.Dense(20, 512, "relu"), fg.Dropout(rate), fg.Dense(512, 1)], seed=0)
        net.fit(X, y, epochs=300, batch_size=20)
        found.append(net.loss(X_new, X_new @ W))
    assert found[1] < 0.9 * found[0]
