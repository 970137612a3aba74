"""What `fit` watches while it trains: validation data, rows held out, metrics, early stopping.

Rows of the identity matrix show which rows were trained on: the weights of a row change only then.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import fastgrad as fg


@pytest.fixture
def data(rng):
    return rng.normal(size=(60, 4)), rng.integers(0, 3, 60)


def network(**more):
    return fg.Network(
        [4, 6, 3], **{"activation": "tanh", "loss": "cross_entropy", "dtype": "float64", "seed": 1, **more}
    )


def trained_on(net, y, **fit):
    """Which rows of the identity matrix a fit on them trained on."""
    before = net.weights[0]
    net.fit(np.eye(len(y)), y, **{"epochs": 2, "batch_size": 1, "optimizer": "sgd", **fit})
    return (before != net.weights[0]).any(axis=1)


# ---- validation -----------------------------------------------------------------------------------------------------


def test_given_validation_data_are_scored_after_each_epoch(data):
    X, y = data
    other, weight, seen = (X[::-2] / 2, y[::-2]), np.arange(30.0), []
    for validation in (other, [*other], (*other, weight)):

        def look(state, validation=validation):
            seen.append(state.network.loss(*validation))

        seen.clear()
        net = network()
        history = net.fit(X, y, epochs=3, validation=validation, callbacks=look)
        assert history["val_loss"] == seen and history["val_loss"][-1] == net.loss(*validation)
    plain = network()
    plain.fit(X, y, epochs=3)
    assert plain.parameters.tobytes() == net.parameters.tobytes()  # to look is not to train


@pytest.mark.parametrize("kind", ["classes", "one output", "sign", "soft", "numbers"])
def test_rows_held_out_are_never_trained_on(kind, rng):
    """And they hold each class in its share, by the seed."""
    y = {
        "classes": rng.permutation(np.repeat([0, 1, 2], [100, 60, 40])),
        "one output": rng.permutation(np.repeat([0, 1], [180, 20])),
        "sign": rng.permutation(np.repeat([-1, 1], [180, 20])),
        "soft": rng.dirichlet(np.ones(3), 200),
        "numbers": rng.normal(size=200) + 10,
    }[kind]
    loss = {
        "classes": "cross_entropy",
        "one output": "binary_cross_entropy",
        "sign": "hinge",
        "soft": "cross_entropy",
    }.get(kind, "mse")
    outputs = 3 if loss == "cross_entropy" else 1
    found = []
    for seed in (0, 0, 1):
        net = fg.Network([200, outputs], loss=loss, seed=seed)
        used = trained_on(net, y, validation=0.2)
        assert used.sum() == 160
        held = np.flatnonzero(~used)
        assert net.history["val_loss"][-1] == pytest.approx(net.loss(np.eye(200)[held], y[held]), rel=1e-6)
        if y.ndim == 1 and kind != "numbers":
            values, counts = np.unique(y, return_counts=True)
            np.testing.assert_array_equal([(y[held] == v).sum() for v in values], counts // 5)
        found.append(held.tolist())
        assert (
            trained_on(net, y, validation=0.2).nonzero()[0].tolist() == np.flatnonzero(used).tolist()
        )  # the next fit's too
    assert found[0] == found[1] != found[2]


def test_rows_held_out_take_their_weights_along(data):
    X, y = data
    weight = np.where(np.arange(60) % 2, 1.0, 3.0)
    net = fg.Network([60, 3], loss="cross_entropy", dtype="float64")
    held = ~trained_on(net, y, validation=0.25, sample_weight=weight)
    assert net.history["val_loss"][-1] == pytest.approx(net.loss(np.eye(60)[held], y[held], weight[held]))
    weight = np.zeros(60)
    weight[7] = 1
    with pytest.raises(ValueError, match=r"validation=0\.25 leaves only rows of sample_weight 0 on one side"):
        network().fit(X, y, validation=0.25, sample_weight=weight)


@pytest.mark.parametrize(
    "validation, error, text",
    [
        (0.0, ValueError, "validation must be a finite number > 0"),
        (1.0, ValueError, "validation=1.0 leaves 0 of 60 rows for training"),
        (-0.1, ValueError, "validation must be"),
        (1e-9, ValueError, "validation=1e-09 leaves 60 of 60 rows"),
        (
            "0.1",
            TypeError,
            "validation must be (X, y), (X, y, sample_weight) or a fraction of the rows, got '0.1' (str)",
        ),
        (True, TypeError, "validation must be a number"),
        ((np.zeros((2, 4)),), ValueError, "validation must be (X, y) or (X, y, sample_weight), got 1 entries"),
        ((np.zeros((2, 3)), [0, 0]), ValueError, "validation X must have 4 columns"),
        ((np.zeros((2, 4)), [0, 7]), ValueError, "validation y must be class indices"),
        ((np.full((2, 4), np.nan), [0, 0]), ValueError, "validation X must be finite"),
        ((np.zeros((2, 4)), [0, 0], [1]), ValueError, "sample_weight must have shape (2,)"),
    ],
)
def test_bad_validation_is_refused_before_anything_changes(validation, error, text, data):
    net = network()
    before = net.parameters.tobytes()
    with pytest.raises(error, match=re.escape(text)):
        net.fit(*data, validation=validation)
    assert net.parameters.tobytes() == before and net.history.epochs == 0


def test_a_mapped_validation_file_names_itself(tmp_path, data):
    X = np.memmap(tmp_path / "X", "f8", "w+", shape=(9, 4))
    X[7, 3] = np.inf
    with pytest.raises(ValueError, match="validation X must be finite, found inf at row 7, column 3"):
        network().fit(*data, validation=(X, np.zeros(9, int)))


# ---- metrics --------------------------------------------------------------------------------------------------------


def error_count(y, predictions):
    assert y.shape == predictions.shape == (len(y),) and predictions.dtype.kind == "i"
    return np.count_nonzero(y != predictions)


@pytest.mark.parametrize("form", ["indices", "one-hot", "soft", "column"])
def test_metrics_of_classes_and_their_twins(form, data):
    X, y = data
    hot = np.eye(3)[y]
    given = {"indices": y, "one-hot": hot, "soft": 0.7 * hot + 0.1, "column": y[:, None].astype(float)}[form]
    net = network()
    history = net.fit(X, given, epochs=4, metrics=["accuracy", error_count], validation=(X[:20], given[:20]))
    right = net.predict(X).argmax(1) == y
    assert history["accuracy"][-1] == right.mean() and history["val_accuracy"][-1] == right[:20].mean()
    assert history["error_count"][-1] == (~right).sum() and history["val_error_count"][-1] == (~right[:20]).sum()
    assert all(len(column) == 4 for column in history.values())


@pytest.mark.parametrize("loss, labels", [("binary_cross_entropy", [0, 1]), ("hinge", [0, 1]), ("hinge", [-1, 1])])
def test_accuracy_of_yes_or_no(loss, labels, data):
    X, y = data[0], np.array(labels)[(data[0][:, 0] > 0.3).astype(int)]
    net = fg.Network([4, 1], loss=loss, dtype="float64")
    history = net.fit(X, y, epochs=60, optimizer=fg.Adam(0.05), metrics="accuracy", validation=0.3)
    sure = net.forward(X)[:, 0] > 0
    held = round(0.3 * (y == labels[1]).sum()) + round(0.3 * (y == labels[0]).sum())
    right = history["accuracy"][-1] * (60 - held) + history["val_accuracy"][-1] * held
    assert right == pytest.approx((sure == (y == labels[1])).sum()) and right > 40


@pytest.mark.parametrize("outputs", [1, 2])
def test_r2_is_scikit_learns(outputs, data, rng):
    score = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed").r2_score
    X = data[0]
    y = X[:, :outputs] * [1, 5][:outputs] + rng.normal(size=(60, outputs))
    y = y if outputs > 1 else y[:, 0]
    net = fg.Network([4, outputs], dtype="float64")
    history = net.fit(X, y, epochs=20, optimizer=fg.Adam(0.05), metrics=("r2", mean_gap), validation=(X[:9], y[:9]))
    assert history["r2"][-1] == pytest.approx(score(y, net.predict(X)), rel=1e-12)
    assert history["val_r2"][-1] == pytest.approx(score(y[:9], net.predict(X)[:9]), rel=1e-12)
    assert history["mean_gap"][-1] == pytest.approx((y - net.predict(X).reshape(y.shape)).mean())
    still = net.fit(X, np.ones_like(y), epochs=1, metrics="r2")["r2"]
    assert still == [score(np.ones_like(y), net.predict(X))] == [0]


def mean_gap(y, predictions):
    return (y - predictions).mean()


@pytest.mark.parametrize(
    "loss, metrics, error, text",
    [
        ("mse", "mse", ValueError, "unknown metric 'mse'; known: accuracy, r2, or a function"),
        ("mse", ("r2", 3), ValueError, "unknown metric 3"),
        ("mse", 3, TypeError, "metrics must be names or functions, one or a list of them, got 3"),
        ("mse", "accuracy", ValueError, "accuracy is for classes, but the loss is mse"),
        ("hinge", "r2", ValueError, "r2 is for numbers, but the loss is hinge"),
        ("mse", (lambda y, p: 0, lambda y, p: 1), ValueError, "two entries '<lambda>'"),
        ("mse", ("r2", "r2"), ValueError, "two entries 'r2'"),
    ],
)
def test_bad_metrics_are_refused(loss, metrics, error, text, data):
    with pytest.raises(error, match=re.escape(text)):
        fg.Network([4, 1], loss=loss).fit(data[0], data[1] > 0, metrics=metrics)


def test_an_error_inside_a_metric_comes_through(data):
    def broken(y, predictions):
        raise ZeroDivisionError("mine")

    net = network()
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        net.fit(*data, metrics=broken)
    once = network()
    once.fit(*data, epochs=1)
    assert net.parameters.tobytes() == once.parameters.tobytes() and caught.value.history is net.history


# ---- early stopping -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping_restores_the_best_parameters(patience, rng):
    X, y = rng.normal(size=(30, 4)), rng.integers(0, 3, 30)  # nothing to learn: the validation loss soon grows
    other, kept = (rng.normal(size=(50, 4)), rng.integers(0, 3, 50)), []
    net = network()

    def keep(state):
        kept.append(state.network.parameters)

    fit = {"batch_size": 5, "optimizer": fg.Adam(0.02)}
    history = net.fit(X, y, epochs=500, validation=other, early_stopping=patience, callbacks=keep, **fit)
    best = int(np.argmin(history["val_loss"]))
    assert history.epochs == len(kept) == best + patience + 1 < 500
    assert net.parameters.tobytes() == kept[best].tobytes() and net.loss(*other) == history["val_loss"][best]
    plain = network()
    plain.fit(X, y, epochs=best + 1, **fit)
    assert plain.parameters.tobytes() == net.parameters.tobytes()
    net.partial_fit(X, y)  # goes on from what was restored
    plain.partial_fit(X, y, optimizer=fg.Adam(0.02))
    assert abs(net.parameters - plain.parameters).max() < 0.05


def test_the_best_is_restored_however_training_ends(data):
    X, y = data
    for ending in ({"epochs": 12}, {"callbacks": lambda state: state.epoch == 11}):
        net = network()
        other = X[:20], (y[:20] + 1) % 3  # what is learnt is wrong here
        fit = {"epochs": 400, "optimizer": fg.Adam(0.05), "validation": other, "early_stopping": 50, **ending}
        history = net.fit(X, y, **fit)
        assert history.epochs == 12 and net.loss(*other) == min(history["val_loss"]) < history["val_loss"][-1]


def test_early_stopping_needs_something_to_watch(data):
    with pytest.raises(ValueError, match="early_stopping needs validation="):
        network().fit(*data, early_stopping=3)
    for bad in (0, -1, 2.5, True):
        with pytest.raises((TypeError, ValueError), match="early_stopping must be an integer >= 1"):
            network().fit(*data, validation=0.2, early_stopping=bad)
