"""`fit`: which rows make which step, what the history says of it, and that threads and runs agree bit for bit.

The oracle takes the same steps in float64 NumPy.  Two tricks make steps visible through the public face alone: with
rows of the identity matrix the weights of a row change only when that row is trained on; with the mean absolute error
far from its target every slope is 1, so a parameter moves by exactly the sum of the learning rates.
Left out: validation, metrics and early stopping (test_validation.py), how training ends (test_stopping.py).
"""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from oracle import bits, network, optimizer_steps, oracle_of, targets_for

import fastgrad as fg
from fastgrad import catalog, loop
from fastgrad.formulas import expand_hyper

FAR = -1e6  # a target so far below that the slope of the mean absolute error is 1


@pytest.fixture
def data(rng):
    return rng.normal(size=(37, 4)), rng.integers(0, 3, 37)


def visits(rows, **fit):
    """How often each row was trained on (in units of lr), and the network."""
    net = fg.Network([rows, 1], loss="mae", dtype="float64")
    before = net.weights[0]
    net.fit(np.eye(rows), np.full(rows, FAR), **{"batch_size": 1, "optimizer": fg.SGD(1.0), **fit})
    return (before - net.weights[0])[:, 0].round(9), net


# ---- history --------------------------------------------------------------------------------------------------------


def test_history_has_one_entry_per_epoch(data):
    net = network()
    history = net.fit(*data, epochs=3, validation=0.2, metrics="accuracy")
    names = ["loss", "lr", "grad_norm", "seconds", "val_loss", "accuracy", "val_accuracy"]
    assert sorted(history) == sorted(names) and history is net.history and history.epochs == 3
    for name in names:
        assert len(history[name]) == 3 and all(type(value) is float and math.isfinite(value) for value in history[name])
    assert all(seconds > 0 for seconds in history["seconds"]) and history["lr"] == [1e-3] * 3
    assert repr(history).startswith("History(3 epochs: loss=") and len(history) == 7
    with pytest.raises(KeyError, match="'val_los' is not in this history; it has loss, "):
        history["val_los"]
    assert len(net.fit(*data, epochs=0)) == 0 == net.history.epochs
    with pytest.raises(KeyError, match="no epoch yet"):
        net.history["loss"]


# ---- steps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [name for name, row in catalog.LOSSES.items() if row.kind != "class"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_row_a_step_takes_the_same_steps_on_one_thread_as_on_two(loss, weighted, rng):
    X, y = rng.normal(size=(50, 40)), targets_for(loss, 50, 1, rng)
    weight = rng.integers(0, 3, 50).astype(float) if weighted else None
    found = []
    for threads in (1, 2):  # one thread goes a way of its own where a step is one dot product
        net = fg.Network([40, 1], loss=loss, seed=0)
        history = net.fit(X, y, epochs=3, batch_size=1, sample_weight=weight, threads=threads)
        found.append((bits(net), history["loss"], history["grad_norm"]))
    assert found[0] == found[1] and len(set(found[0][1])) == 3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch", [1, 7, 36, 37, 100, None])
def test_every_batch_is_one_step_of_the_oracle(batch, weighted, data, rng):
    X, y = data
    weight = rng.uniform(0, 2, 37) if weighted else np.ones(37)
    net = network()
    oracle, losses, norms = oracle_of(net), [], []
    size, row = batch or 37, catalog.OPTIMIZERS["sgd"]

    def gradients(k):
        rows = slice(k % -(-37 // size) * size, (k % -(-37 // size) + 1) * size)
        value, grads = oracle.gradient(X[rows], y[rows], weight[rows])
        flat = [g for pair in grads for g in pair]
        losses.append((value, weight[rows].sum()))
        norms.append(math.sqrt(sum((g**2).sum() for g in flat)))
        return flat

    hyper = {**expand_hyper(row), "lr": 0.1, "momentum": 0.9}
    params = [part for pair in zip(oracle.W, oracle.b, strict=True) for part in pair]
    steps = -(-37 // size)
    optimizer_steps(row, hyper, params, gradients, 2 * steps)
    history = net.fit(X, y, epochs=2, batch_size=batch, optimizer=fg.SGD(0.1, momentum=0.9), shuffle=False,
                      sample_weight=weight if weighted else None)  # fmt: skip
    np.testing.assert_allclose(net.parameters, np.concatenate([part.ravel() for part in params]), rtol=0, atol=1e-12)
    for epoch in range(2):
        part = slice(epoch * steps, (epoch + 1) * steps)
        value, mass = np.array(losses[part]).T
        np.testing.assert_allclose(history["loss"][epoch], (value * mass).sum() / mass.sum(), rtol=1e-11)
        np.testing.assert_allclose(history["grad_norm"][epoch], np.mean(norms[part]), rtol=1e-11)


@pytest.mark.parametrize("rows, batch", [(1, 1), (50, 1), (50, 7), (50, None), (2000, 600), (2000, None)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_each_epoch_takes_every_row_once(rows, batch, shuffle):
    size = batch or rows
    sizes = np.full(rows, size)
    if rows % size:
        sizes[rows - rows % size :] = rows % size  # without shuffling the last, smaller batch holds the last rows
    moved, net = visits(rows, epochs=3, batch_size=batch, shuffle=shuffle)
    if shuffle:
        assert (moved > 0).all() and moved.sum() == pytest.approx(3 * -(-rows // size))
    else:
        np.testing.assert_allclose(moved, 3 / sizes)
    assert net.biases[0][0] == pytest.approx(-3 * -(-rows // size))


def test_shuffles_are_seeded_and_new_in_each_epoch(data):
    def trained(seed=1, **fit):
        net = network(seed=seed)
        net.parameters = np.linspace(-1, 1, net.size)  # the seed is left with the order of the rows alone
        net.fit(*data, batch_size=5, optimizer="sgd", **fit)
        return net

    assert bits(trained(epochs=2)) == bits(trained(epochs=2)) != bits(trained(epochs=2, shuffle=False))
    assert bits(trained(seed=2)) != bits(trained())
    assert bits(trained(seed=2, shuffle=False)) == bits(trained(shuffle=False))
    twice = trained(epochs=1)
    again = copy.deepcopy(twice)
    again.parameters = np.linspace(-1, 1, again.size)
    again.fit(*data, batch_size=5, optimizer="sgd", epochs=1)
    assert bits(again) != bits(twice)  # the second epoch has an order of its own
    twice.fit(*data, batch_size=5, optimizer="sgd", epochs=1)
    assert bits(twice) == bits(trained(epochs=2))  # and SGD, which keeps nothing, goes on where it stood


def test_fit_goes_on_with_a_fresh_optimizer(data):
    net, fit = network(), {"epochs": 3, "optimizer": fg.Adam(0.01), "shuffle": False}
    net.fit(*data, **fit)
    new = network()  # it never trained: no state of an optimizer can have come along
    new.parameters = net.parameters
    assert net.fit(*data, **fit)["loss"] == new.fit(*data, **fit)["loss"] and bits(net) == bits(new)


def test_large_files_are_shuffled_by_blocks(monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "DISK_LIMIT_BYTES", 1000)
    monkeypatch.setattr(loop, "DISK_BLOCK_BYTES", 4 * 50 * 8)  # four rows of fifty numbers
    X = np.memmap(tmp_path / "X", "f8", "w+", shape=(50, 50))
    X[:] = np.eye(50)
    for held in (None, 0.2):
        net = fg.Network([50, 1], loss="mae", dtype="float64")
        before = net.weights[0]
        net.fit(X, np.full(50, FAR), epochs=4, batch_size=1, optimizer=fg.SGD(1.0), validation=held)
        moved = (before - net.weights[0])[:, 0].round(9)
        assert sorted(set(moved)) == ([4] if held is None else [0, 4]) and (moved == 0).sum() == (
            0 if held is None else 10
        )
    orders = []
    one = fg.Network([50, 1], loss="mse", dtype="float64")
    for _ in range(2):
        one.parameters = np.zeros(51)
        one.fit(X, np.arange(50.0), epochs=1, batch_size=1, optimizer=fg.SGD(0.1))
        orders.append(bits(one))
    assert orders[0] != orders[1]


# ---- the same bits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sizes, batch, rows", [([7, 5, 1], 3, 50), ([40, 70, 33, 9], 64, 300), ([12, 90, 4], None, 1300)]
)
def test_threads_and_runs_give_the_same_bits(sizes, batch, rows, rng, dtype):
    loss = "cross_entropy" if sizes[-1] > 1 else "binary_cross_entropy"
    X = rng.normal(size=(rows, sizes[0])).astype(dtype)
    y = targets_for(loss, rows, sizes[-1], rng)
    found = set()
    for threads in (1, 2, 3, 1, None):
        net = fg.Network(sizes, loss=loss, dtype=dtype, seed=3)
        history = net.fit(X, y, epochs=2, batch_size=batch, threads=threads, validation=(X[:9], y[:9]))
        found.add((bits(net), *(tuple(history[name]) for name in ("loss", "val_loss", "grad_norm"))))
    assert len(found) == 1


# ---- weights of rows ------------------------------------------------------------------------------------------------


def test_rows_of_weight_zero_are_as_absent(data):
    X, y = data
    weight = np.ones(37)
    weight[[3, 4, 20, 36]] = 0
    there, absent = network(), network()
    one = there.fit(X, y, epochs=20, batch_size=None, sample_weight=weight, optimizer=fg.SGD(0.1))
    two = absent.fit(X[weight > 0], y[weight > 0], epochs=20, batch_size=None, optimizer=fg.SGD(0.1))
    np.testing.assert_allclose(there.parameters, absent.parameters, rtol=0, atol=1e-13)
    np.testing.assert_allclose(one["loss"], two["loss"], rtol=1e-12)


def test_a_batch_of_weight_zero_makes_no_step(threads, data):
    X, y = data
    weight = np.ones(37)
    weight[4:8] = weight[12:16] = weight[36:] = 0  # the second, the fourth and the last batch of four
    some, rest = network(), network()
    keep = weight > 0
    one = some.fit(X, y, epochs=3, batch_size=4, sample_weight=weight, shuffle=False, threads=threads)
    two = rest.fit(X[keep], y[keep], epochs=3, batch_size=4, shuffle=False)
    assert bits(some) == bits(rest) and one["loss"] == two["loss"] and one["grad_norm"] == two["grad_norm"]
    moved, _ = visits(6, sample_weight=np.array([1, 0, 1, 0, 0, 3.0]), epochs=2)
    assert moved.tolist() == [2, 0, 2, 0, 0, 2]


# ---- schedules ------------------------------------------------------------------------------------------------------


SCHEDULES = [fg.OneCycle(), fg.Cosine(warmup=0.5), fg.StepDecay(1, 0.5), fg.WarmRestarts(2), fg.Polynomial(2.0)]


@pytest.mark.parametrize("schedule", [None, *SCHEDULES, fg.ExponentialDecay, lambda epoch: 0.3 / (1 + epoch)])
def test_a_schedule_reaches_every_step(schedule):
    """The bias falls by lr in every step, so each epoch's fall is the sum of its learning rates."""
    rows, batch, epochs = 23, 5, 4
    steps, fallen = -(-rows // batch), []
    net = fg.Network([1, 1], loss="mae", dtype="float64")

    def watch(state):
        fallen.append(-state.network.biases[0][0])

    history = net.fit(np.ones((rows, 1)), np.full(rows, FAR), epochs=epochs, batch_size=batch, optimizer=fg.SGD(0.2),
                      schedule=schedule, callbacks=watch)  # fmt: skip
    times = np.arange(steps * epochs) / steps
    if schedule is None:
        rates = np.full(len(times), 0.2)
    elif isinstance(schedule, type):
        rates = schedule()(0.2, times, epochs, 1 / steps)
    elif isinstance(schedule, fg.Constant.__base__):
        rates = schedule(0.2, times, epochs, 1 / steps)
    else:
        rates = np.array([schedule(t) for t in times])
    np.testing.assert_allclose(fallen, np.cumsum(rates)[steps - 1 :: steps], rtol=1e-9)
    np.testing.assert_allclose(history["lr"], rates[steps - 1 :: steps], rtol=1e-12)


def test_a_plateau_lowers_lr_and_the_next_fit_starts_afresh():
    schedule = fg.ReduceOnPlateau(factor=0.5, patience=1)
    X, y = np.zeros((8, 1)), np.ones(8)  # nothing to learn from zeros but the bias, which lr 0 keeps
    for _ in range(2):
        net = fg.Network([1, 1], loss="mae", dtype="float64")
        history = net.fit(X, np.full(8, 0.0), epochs=7, schedule=schedule, optimizer=fg.SGD(0.4), batch_size=None)
        assert history["lr"] == [0.4, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1]
    watched = fg.Network([1, 1], loss="mae", dtype="float64").fit(
        X, y, epochs=4, schedule=fg.ReduceOnPlateau(factor=0.5, patience=0), optimizer=fg.SGD(0.01), validation=(X, -y)
    )
    assert watched["loss"][-1] < watched["loss"][0] and watched["lr"] == [0.01, 0.01, 0.005, 0.0025]  # val_loss grows


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("epoch", [0, 2])
def test_bad_rates_of_a_schedule_are_refused(bad, epoch):
    X, y = np.ones((4, 1)), np.ones(4)
    net, good = fg.Network([1, 1], dtype="float64"), fg.Network([1, 1], dtype="float64")
    with pytest.raises(
        ValueError, match=f"schedule gave an lr that is negative or not finite in epoch {epoch}"
    ) as caught:
        net.fit(X, y, schedule=lambda time: bad if time >= epoch else 0.1)
    good.fit(X, y, epochs=epoch, schedule=lambda time: 0.1)
    assert bits(net) == bits(good) and caught.value.history.epochs == net.history.epochs == epoch


@pytest.mark.parametrize("schedule", ["cosine", 0.1, fg.Adam])
def test_what_is_no_schedule_is_refused(schedule):
    with pytest.raises(TypeError, match=r"schedule must be a Schedule such as|float"):
        fg.Network([1, 1]).fit(np.ones((4, 1)), np.ones(4), schedule=schedule)


# ---- shapes of networks ---------------------------------------------------------------------------------------------


def test_no_hidden_layer_is_linear_regression(rng):
    X = rng.normal(size=(200, 3)) * [1, 2, 0.5]
    y = X @ [[1.0, -1], [2, 0.5], [0, 3]] + [0.3, -2] + rng.normal(size=(200, 2)) / 3
    net = fg.Network([3, 2], dtype="float64")
    net.fit(X, y, epochs=1500, batch_size=None, optimizer=fg.SGD(0.05, momentum=0.9))
    best = np.linalg.lstsq(np.c_[X, np.ones(200)], y, rcond=None)[0]
    np.testing.assert_allclose(np.vstack([net.weights[0], net.biases[0]]), best, rtol=0, atol=1e-10)


def test_no_hidden_layer_is_logistic_regression(rng):
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    X = rng.normal(size=(300, 3))
    y = (X @ [1.0, -2, 0.5] + rng.logistic(size=300) > 0.2).astype(int)
    best = linear.LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    net = fg.Network([3, 1], loss="binary_cross_entropy", dtype="float64")
    net.fit(X, y, epochs=1500, batch_size=None, optimizer=fg.SGD(0.5, momentum=0.9))
    np.testing.assert_allclose(net.weights[0][:, 0], best.coef_[0], rtol=1e-5)
    np.testing.assert_allclose(net.biases[0], best.intercept_, rtol=1e-4)
    several = fg.Network([3, 2], loss="cross_entropy", dtype="float64")
    several.fit(X, y, epochs=3000, batch_size=None, optimizer=fg.SGD(0.5, momentum=0.9))
    np.testing.assert_allclose(several.weights[0] @ [-1, 1], best.coef_[0], rtol=1e-5)
    np.testing.assert_allclose(several.predict(X), best.predict_proba(X), rtol=0, atol=1e-5)


@pytest.mark.parametrize("sizes", [[3, *[8] * 30, 2], [3, *[1] * 5, 2], [1, 1, 2], [1, 2], [2000, 2]])
def test_deep_narrow_and_wide_networks_follow_the_oracle(sizes, rng):
    net = fg.Network(sizes, activation="tanh", loss="cross_entropy", dtype="float64", seed=2)
    X, y = rng.normal(size=(50, sizes[0])), rng.integers(0, 2, 50)
    oracle, row = oracle_of(net), catalog.OPTIMIZERS["sgd"]
    params = [part for pair in zip(oracle.W, oracle.b, strict=True) for part in pair]

    def gradients(k):
        rows = slice(k % 5 * 10, k % 5 * 10 + 10)
        return [g for pair in oracle.gradient(X[rows], y[rows])[1] for g in pair]

    optimizer_steps(row, {**expand_hyper(row), "lr": 0.05}, params, gradients, 20)
    net.fit(X, y, epochs=4, batch_size=10, optimizer=fg.SGD(0.05), shuffle=False)
    np.testing.assert_allclose(net.parameters, np.concatenate([part.ravel() for part in params]), rtol=0, atol=1e-11)
