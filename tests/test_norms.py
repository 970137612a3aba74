"""`fg.BatchNorm` and `fg.LayerNorm`: values, gradients and running statistics against NumPy in float64, at every edge.

Tolerances are of norms, in units of the type's rounding.  What is compared has been seen to differ from PyTorch by as
little; PyTorch itself is not asked here.
"""

from __future__ import annotations

import numpy as np
import pytest
from normed import NORMS, rows_of, three
from stacked import Stacked, distance, flat, state, stir

import fastgrad as fg
from fastgrad import dispatch

WIDTHS = (1, 15, 16, 17, 31, 32, 33, 100)
NAMES = {name: getattr(fg, name) for name in fg.__all__}


@pytest.fixture
def level(build, monkeypatch):
    """Networks are made with the kernels of `build`; gives its dtype."""
    monkeypatch.setattr(dispatch, "kernels", lambda dtype, level=None: build)
    return np.dtype(f"float{build.constants()['bits']}")


# ---- values and gradients ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("width", WIDTHS)
def test_scores_and_gradients_match_the_oracle(norm, width, level, rng):
    eps = np.finfo(level).eps
    for rows in (6, 70, 600):
        net = three(norm, width, level)
        stir(net, rng)
        X, y = rows_of(rng, rows, level)
        net.partial_fit(X, y, optimizer=fg.SGD(0.1))  # running statistics other than the first
        oracle, weight = Stacked(net), rng.uniform(0.5, 2, rows)
        # one column, normed: its gradient is a small difference of large numbers
        tolerance = eps * (300 if width > 1 else 3000)
        assert distance(net.forward(X), oracle.scores(X)) < tolerance
        for training in (False, True):
            for w in (None, weight):
                want, exact, _ = oracle.gradient(X, y, w, training)
                found = [net.gradient(X, y, w, training=training, threads=threads) for threads in (1, 2, 3)]
                assert abs(found[0][0] - want) < tolerance * (1 + abs(want))
                assert distance(flat(found[0][1]), flat(exact)) < tolerance, (rows, training)
                for _, grads in found[1:]:
                    assert flat(grads).tobytes() == flat(found[0][1]).tobytes()
        assert net.loss(X, y, weight, training=True) == found[0][0]


@pytest.mark.parametrize("norm", NORMS)
def test_steps_and_running_statistics_follow_the_oracle(norm, level, rng):
    net = three(norm, 33, level)
    stir(net, rng)
    oracle = Stacked(net)
    X, y = rows_of(rng, 64, level)
    for step in range(12):
        rows = slice(step % 4 * 16, step % 4 * 16 + 16)
        oracle.step(X[rows], y[rows], 0.1)
    net.fit(X, y, epochs=3, batch_size=16, shuffle=False, optimizer=fg.SGD(0.1))
    tolerance = 3000 * np.finfo(level).eps
    assert distance(net.parameters, flat(oracle.pairs[k] for k in sorted(oracle.pairs))) < tolerance
    for name, array in net.named_buffers():
        assert distance(array, oracle.running[name]) < tolerance, name
    assert len(list(net.named_buffers())) == (6 if norm is fg.BatchNorm else 0)
    assert distance(net.forward(X), oracle.scores(X)) < tolerance


@pytest.mark.parametrize("norm", NORMS)
def test_dX_matches_the_oracle(norm, dtype, rng):
    net = three(norm, 17, dtype, loss="mse")
    X, _ = rows_of(rng, 40, dtype)
    t = rng.normal(size=(40, 3))
    net.partial_fit(X, t)
    _, exact, dX = Stacked(net).gradient(X, t)
    slopes = 2 * (Stacked(net).scores(X) - t) / t.size
    for threads in (1, 2, 3):
        grads, found = net.backward(X, slopes, inputs=True, threads=threads)
        assert distance(found, dX) < 300 * np.finfo(dtype).eps
        assert distance(flat(grads), flat(exact)) < 300 * np.finfo(dtype).eps


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("rows", "batch"), [(50, 7), (43, 7), (1301, 650), (1101, 1100), (20, 20)])
def test_bits_do_not_depend_on_threads(norm, rows, batch, level, rng):
    """Slices (of layer norms; 650 rows are two), few rows a thread, a row left over, one batch."""
    X, y = rows_of(rng, rows)
    found = []
    for threads in (1, 2, 3):
        net = three(norm, 70, level)
        net.fit(X, y, epochs=2, batch_size=batch, threads=threads, clip_norm=0.5 if threads == 3 else None)
        found.append((state(net), net.history["loss"]))
    assert found[0] == found[1]
    again = three(norm, 70, level)
    again.fit(X, y, epochs=2, batch_size=batch, threads=1, clip_norm=0.5)
    assert (state(again), again.history["loss"]) == found[2]


@pytest.mark.parametrize("norm", NORMS)
def test_constant_columns_and_rows_become_zero(norm, level):
    for value in (0.1, -1e4, 1e-30, 0.0):
        for width in (1, 15, 33, 100):
            net = fg.Network([norm(), fg.Dense(width, 2)], dtype=level)
            net.biases[0] = np.full(width, 0.25, level)
            X = np.full((75, width), value, level)
            _, ((dgamma, dbeta), _) = net.gradient(X, np.ones((75, 2)), training=True)
            assert np.abs(dgamma).max() <= 1e-6 * np.abs(dbeta).max()  # xhat is 0: gamma does not matter
            if norm is fg.LayerNorm:
                np.testing.assert_allclose(net.forward(X), net.forward(np.zeros_like(X)), rtol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_far_from_zero_the_spread_is_kept(norm, rng):
    """A mean of 1000 deviations in float32: no digit is lost but those of the data."""
    X = (rng.normal(size=(300, 40)) + 1000).astype("f4")
    t = rng.normal(size=(300, 2))
    net = fg.Network([norm(), fg.Dense(40, 2)], dtype="float32")
    _, grads = net.gradient(X, t, training=True)
    _, exact, _ = Stacked(net).gradient(X, t, training=True)
    assert distance(flat(grads), flat(exact)) < 1e-5


def test_many_rows_keep_their_digits(rng):
    X = rng.normal(size=(100_000, 2)).astype("f4") + np.array([0, 30], "f4")
    net = fg.Network([fg.BatchNorm(momentum=1), fg.Dense(2, 1)])
    net.partial_fit(X, np.zeros(len(X)), optimizer=fg.SGD(0))
    (_, mean), (_, var) = net.named_buffers()
    exact = X.astype(float)
    np.testing.assert_allclose(mean, exact.mean(0), rtol=2e-7, atol=3e-8)
    np.testing.assert_allclose(var, exact.var(0, ddof=1), rtol=2e-7)


@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_slopes(training, dtype, rng):
    layers = [
        fg.BatchNorm(), fg.Dense(5, 11), fg.LayerNorm(activation="softplus"), fg.Dropout(0.3), fg.Dense(11, 7),
        fg.BatchNorm(activation="tanh"), fg.Dropout(0.2), fg.Dense(7, 3), fg.LayerNorm(),
    ]  # fmt: skip
    net = fg.Network(layers, loss="cross_entropy", dtype=dtype, seed=1)
    X, y = rows_of(rng, 13, dtype)
    report = fg.check_gradients(net, X, y, training=training, sample_weight=rng.uniform(0.5, 2, 13))
    assert report.passed, report
    with pytest.raises(TypeError, match="training: found True beside a function"):
        fg.check_gradients(np.sin, 1.0, gradient=np.cos, training=True)


# ---- training and evaluation ---------------------------------------------------------------------------------------
def test_rows_are_predicted_one_by_one(dtype, rng):
    """With the running statistics: a row's scores are the same in any company, and `loss` looks at nothing else."""
    net = three(fg.BatchNorm, 33, dtype)
    X, y = rows_of(rng, 90, dtype)
    net.fit(X, y, epochs=2)
    whole = net.forward(X)
    for rows in (slice(0, 1), slice(3, 40), slice(0, 90, 7)):
        assert (net.forward(X[rows]) == whole[rows]).all()
    assert net.loss(X, y) != net.loss(X, y, training=True)
    before = state(net)
    net.gradient(X, y, training=True), net.loss(X, y, training=True), net.gradient(X, y), net.predict(X)
    assert state(net) == before
