"""`average=`: what readers see is the mean of the parameters, step by step (`EMA`) or epoch by epoch (`SWA`).

The oracle is a plain training whose parameters are read after each step or epoch, and their mean in float64.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from interrupted import interrupted, same
from oracle import bits, network

import fastgrad as fg
from fastgrad import averaging, loop, train
from fastgrad.network import aligned


@pytest.fixture
def data(rng):
    return rng.normal(size=(61, 4)), rng.integers(0, 3, 61)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c.safetensors"


def asking(dtype="float64"):
    """Layers that finish their step in different places."""
    layers = [fg.Dense(4, 33, "tanh", max_norm=0.8), fg.Dense(33, 18, "relu", frozen=True), fg.Dense(18, 3, l1=0.05)]
    return fg.Network(layers, loss="cross_entropy", dtype=dtype, seed=1)


def after_each_step(net, data, batch, epochs, **more):
    """The parameters after each step of a training in order, by `partial_fit`."""
    X, y = data
    found = []
    for _ in range(epochs):
        for k in range(0, len(X), batch):
            net.partial_fit(X[k : k + batch], y[k : k + batch], optimizer=more.get("optimizer", "adam"))
            found.append(np.array(net.parameters, np.float64))
    return found


@pytest.mark.parametrize("made", [network, asking])
@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
@pytest.mark.parametrize("optimizer", ["sgd", "nadam"])
@pytest.mark.parametrize("batch", [7, 61])
def test_ema_is_the_mean_of_the_oracle(made, decay, optimizer, batch, data):
    steps = after_each_step(made(), data, batch, 3, optimizer=optimizer)
    mean = steps[0]
    for params in steps[1:]:
        mean = decay * mean + (1 - decay) * params
    net = made()
    net.fit(*data, epochs=3, batch_size=batch, shuffle=False, optimizer=optimizer, average=fg.EMA(decay))
    np.testing.assert_allclose(net.parameters, mean, rtol=1e-12, atol=1e-14)
    if decay == 0:
        np.testing.assert_array_equal(net.parameters, steps[-1])


@pytest.mark.parametrize("sizes", [[3, 1], [3, 33, 5], [70, 40, 1]], ids=str)
def test_every_build_follows(build, sizes, rng):
    """On its own buffers: the mean after n steps against the parameters after each."""
    dtype = np.dtype(f"float{build.constants()['bits']}")
    program = build.Program(tuple(sizes), ("relu",) * (len(sizes) - 2) + ("identity",), "mse", ())
    X, y = rng.normal(size=(60, sizes[0])).astype(dtype), rng.normal(size=(60, sizes[-1])).astype(dtype)
    start = aligned(program.size, dtype)
    for k, (i, o) in enumerate(itertools.pairwise(sizes)):
        program.pack(start, k, rng.normal(size=(i, o)).astype(dtype) / 8, np.zeros(o, dtype))

    def run(steps, threads, mean=None):
        params = start.copy()
        trainer = build.Trainer(program, 1 if sizes == [3, 1] else 10, "sgd", 0, (0.0,) * 4, "values", threads)
        trainer.run(
            params, params, X, y, None, None, 0, steps, np.full(steps, 0.05), threads=threads, mean=mean, decay=0.75
        )
        return params

    found = [np.full(program.size, 7, dtype) for _ in range(3)]
    for threads, mean in enumerate(found, 1):
        assert (run(6, threads, mean) == run(6, 1)).all()  # the training does not notice
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()
    want = run(1, 1).astype(float)
    for steps in range(2, 7):
        want += 0.25 * (run(steps, 1) - want)
    got = [np.empty((sizes[-2], sizes[-1]), dtype), np.empty(sizes[-1], dtype)]
    expected = [np.empty((sizes[-2], sizes[-1]), dtype), np.empty(sizes[-1], dtype)]
    program.unpack(found[0], len(sizes) - 2, *got)
    program.unpack(want.astype(dtype), len(sizes) - 2, *expected)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize(("start", "first"), [(0, 0), (2, 2), (0.5, 3), (0.75, 4), (0.0, 0), (5, 5)])
def test_swa_is_the_mean_of_the_oracle(start, first, data):
    ends, plain, net = [], network(), network()
    plain.fit(*data, epochs=6, batch_size=8, callbacks=lambda s: ends.append(np.array(s.network.parameters)))
    net.fit(*data, epochs=6, batch_size=8, average=fg.SWA(start))
    np.testing.assert_allclose(net.parameters, np.mean(ends[first:], axis=0), rtol=1e-12, atol=1e-15)
    assert net.history["loss"] == plain.history["loss"]


AVERAGES = {"ema": fg.EMA(0.9), "swa": fg.SWA(2), "swa, half": fg.SWA(0.5)}


@pytest.mark.parametrize("average", AVERAGES.values(), ids=AVERAGES)
@pytest.mark.parametrize("batch", [7, 600])
def test_bits_do_not_depend_on_threads(average, batch, threads, dtype, rng):
    X, y = rng.normal(size=(700, 4)), rng.integers(0, 3, 700)
    found = []
    for count in (1, threads):
        net = asking(dtype)
        net.fit(X, y, epochs=4, batch_size=batch, threads=count, average=average, clip_norm=2.0)
        found.append(bits(net))
    assert found[0] == found[1]


@pytest.mark.parametrize("average", AVERAGES.values(), ids=AVERAGES)
def test_everybody_sees_the_mean(average, data):
    """Callbacks, validation, metrics and early stopping during the training are those of the network as it is then."""
    X, y = data
    net, seen = network(), []

    def look(state):
        seen.append(bits(state.network))
        assert state.network is net
        assert state.logs["val_loss"] == net.loss(X[40:], y[40:])
        assert state.logs["val_accuracy"] == np.mean(net.predict(X[40:]).argmax(1) == y[40:])

    fit = {
        "epochs": 6,
        "batch_size": 8,
        "validation": (X[40:], y[40:]),
        "metrics": "accuracy",
        "optimizer": fg.Adam(0.1),
    }
    net.fit(X[:40], y[:40], callbacks=look, average=average, **fit)
    assert bits(net) == seen[-1] and len(set(seen)) == 6
    plain = network()
    plain.fit(X[:40], y[:40], **fit)
    assert plain.history["loss"] == net.history["loss"] and plain.history["val_loss"] != net.history["val_loss"]
    stopped = network()
    stopped.fit(X[:40], y[:40], **{**fit, "epochs": 40}, average=fg.EMA(0.9), early_stopping=2)
    assert stopped.loss(X[40:], y[40:]) == min(stopped.history["val_loss"])


def test_what_follows_starts_from_the_mean(data):
    net, other = network(), network()
    net.fit(*data, epochs=3, optimizer="sgd", average=fg.EMA(0.5))
    other.parameters = net.parameters
    for one in (net, other):  # sgd has no state that could differ
        one.partial_fit(*data, optimizer="sgd")
    assert bits(net) == bits(other)
    net.fit(*data, epochs=1, shuffle=False, optimizer="sgd")
    other.fit(*data, epochs=1, shuffle=False, optimizer="sgd")
    assert bits(net) == bits(other)


@pytest.mark.parametrize("average", AVERAGES.values(), ids=AVERAGES)
def test_a_run_that_diverges_keeps_the_last_mean(average, rng):
    X, y = rng.normal(size=(64, 3)), rng.normal(size=(64, 1))
    rate = lambda epoch: 0.01 if epoch < 4 else 1e30  # noqa: E731
    net, seen = fg.Network([3, 8, 1], seed=1), []
    with pytest.raises(fg.DivergenceError) as caught:
        net.fit(
            X,
            y,
            epochs=9,
            batch_size=8,
            optimizer="sgd",
            schedule=rate,
            average=average,
            callbacks=lambda s: seen.append(bits(net)),
        )
    assert caught.value.epoch == 4 and bits(net) == seen[-1] and np.isfinite(net.parameters).all()


@pytest.mark.parametrize("average", AVERAGES.values(), ids=AVERAGES)
def test_a_failing_callback_leaves_the_mean(average, data):
    net, seen = network(), []

    def fail(state):
        seen.append(bits(net))
        if state.epoch == 3:
            raise RuntimeError("of my own")

    with pytest.raises(RuntimeError, match="of my own"):
        net.fit(*data, epochs=6, callbacks=fail, average=average)
    assert bits(net) == seen[-1]


# ---- checkpoints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("average", AVERAGES.values(), ids=AVERAGES)
@pytest.mark.parametrize("epoch", [0, 1, 2, 4])
def test_a_fit_in_two_parts_is_the_fit_in_one(average, epoch, dtype, data, path):
    fit = {"epochs": 6, "batch_size": 8, "average": average, "validation": 0.3, "early_stopping": 5}
    whole, resumed = network(dtype), network(dtype)
    whole.fit(*data, **fit)
    network(dtype).fit(*data, callbacks=lambda s: s.epoch == epoch, checkpoint=path, **fit)
    resumed.fit(*data, resume=path, **fit)
    same(resumed, whole)


def test_nothing_left_to_do_leaves_the_mean(data, path):
    whole, resumed = network(), network()
    whole.fit(*data, epochs=3, average=fg.EMA(0.9), checkpoint=path)
    resumed.fit(*data, epochs=3, average=fg.EMA(0.9), resume=path)
    assert bits(resumed) == bits(whole) == bits(fg.load(path))
    for net in (whole, resumed):
        net.partial_fit(*data)
    assert bits(resumed) == bits(whole)


@pytest.mark.parametrize("average", AVERAGES.values(), ids=AVERAGES)
@pytest.mark.parametrize("looks", range(1, 14, 2))
def test_out_of_time_within_an_epoch(average, looks, data, path, small_calls, monkeypatch):
    fit = {"epochs": 3, "batch_size": 8, "average": average}
    whole, cut, resumed = network(), network(), network()
    whole.fit(*data, **fit)
    left = iter([False] * looks)
    monkeypatch.setattr(loop, "_late", lambda fit: next(left, True))
    cut.fit(*data, checkpoint=path, **fit)
    monkeypatch.setattr(loop, "_late", lambda fit: False)
    resumed.fit(*data, resume=path, **fit)
    same(resumed, whole)


@pytest.mark.slow
@pytest.mark.parametrize("average", [fg.EMA(0.9), fg.SWA(1)], ids=["ema", "swa"])
def test_ctrl_c_on_any_line_loses_nothing(average, data, path, small_calls):
    fit = {"epochs": 3, "batch_size": 16, "average": average, "validation": 0.2, "early_stopping": 5}
    whole = network()
    whole.fit(*data, **fit)
    written = 0
    for net in interrupted(data, path, fit, 1, 3):
        assert np.isfinite(net.parameters).all()
        if path.exists():
            written += 1
            resumed = network()
            resumed.fit(*data, resume=path, **fit)
            same(resumed, whole)
    assert written > 20


@pytest.mark.parametrize(
    ("before", "now"),
    [(None, fg.EMA()), (fg.EMA(), None), (fg.EMA(), fg.EMA(0.9)), (fg.EMA(), fg.SWA(1)), (fg.SWA(1), fg.SWA(2))],
)
def test_another_average_is_refused(before, now, data, path):
    network().fit(*data, epochs=3, average=before, checkpoint=path)
    net = network()
    first = bits(net)
    with pytest.raises(ValueError, match=r"resume: the checkpoint was made with average .*, this call has"):
        net.fit(*data, epochs=5, average=now, resume=path)
    assert bits(net) == first


def test_a_fraction_of_more_epochs_is_another_average(data, path):
    network().fit(*data, epochs=4, average=fg.SWA(0.5), checkpoint=path)
    with pytest.raises(ValueError, match=r"average .*'first': 2.*, this call has .*'first': 4"):
        network().fit(*data, epochs=8, average=fg.SWA(0.5), resume=path)
    whole, resumed = network(), network()
    whole.fit(*data, epochs=8, average=fg.SWA(2))
    resumed.fit(*data, epochs=8, average=fg.SWA(0.25), resume=path)
    assert bits(resumed) == bits(whole)


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2, np.nan, "0.9", True, None])
def test_bad_decays_are_refused(decay):
    with pytest.raises((ValueError, TypeError), match="decay"):
        fg.EMA(decay)


@pytest.mark.parametrize("start", [-1, -0.5, 1.0, 1.5, np.nan, "3", True, None])
def test_bad_starts_are_refused(start):
    with pytest.raises((ValueError, TypeError), match="start"):
        fg.SWA(start)


@pytest.mark.parametrize("average", ["ema", 0.9, fg.EMA, fg.SWA(3)])
def test_bad_averages_are_refused_before_anything_is_computed(average, data):
    net = network()
    before = bits(net)
    with pytest.raises((ValueError, TypeError), match="average"):
        net.fit(*data, epochs=3, average=average)
    assert bits(net) == before


def test_they_compare_and_show():
    assert repr(fg.EMA()) == "EMA(decay=0.999)" and repr(fg.SWA(np.int64(3))) == "SWA(start=3)"
    assert fg.SWA(1) != fg.EMA() and averaging.first_epoch(fg.SWA(0.9), 1) == 0
    assert train.Run(network()._record, fg.Adam()).mean is None


def test_the_mean_of_noisy_steps_is_nearer(rng):
    """A large rate keeps the parameters jumping about the minimum; their mean does not jump."""
    X = rng.normal(size=(400, 5))
    y = X @ np.arange(5.0) + rng.normal(size=400)
    best = np.linalg.lstsq(np.c_[X, np.ones(400)], y, rcond=None)[0]
    far = []
    for average in (None, fg.EMA(0.99), fg.SWA(0.5)):
        net = fg.Network([5, 1], dtype="float64", seed=0)
        net.fit(X, y, epochs=40, batch_size=4, optimizer=fg.SGD(0.05), average=average)
        far.append(np.linalg.norm(net.parameters - best))
    assert max(far[1:]) < 0.5 * far[0]
