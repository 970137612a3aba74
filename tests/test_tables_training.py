"""Training on tables: what is folded is exact, losses suit targets, predictions carry the names of the table."""

from __future__ import annotations

import numpy as np
import pytest

import fastgrad as fg
from fastgrad.tables import learning, predictions, reading, training
from fastgrad.tables.encoding import Encoding
from fastgrad.tables.table import Table
from fastgrad.tables.training import Plan


def trained(table: Table, task: str = "auto", **plan: object) -> training.Trained:
    places = [-1 - k for k in range(len(table.labels))]
    encoding = learning.learn(table, places, task=task)
    return training.train(table, encoding, places, Plan(progress=False, **plan))  # type: ignore[arg-type]


def curve(rng: np.random.Generator, rows: int = 400, outputs: int = 1) -> Table:
    """Columns of very different sizes, one of them constant, and targets far from 0."""
    X = np.stack([rng.normal(1e4, 30, rows), rng.normal(0, 1e-3, rows), np.full(rows, 7.0)], axis=1)
    y = 5e5 + 1e5 * (np.sin((X[:, :1] - 1e4) / 30) + 1e3 * X[:, 1:2]) * np.arange(1, outputs + 1)
    return reading.of_array(X, "curve", y=y)


def kinds(rng: np.random.Generator, classes: int, rows: int = 300) -> Table:
    y = rng.integers(0, classes, rows)
    X = np.stack([100 + 20 * y + rng.normal(size=rows), rng.normal(size=rows)], axis=1)
    return reading.of_array(X, "kinds", y=np.array([f"kind {k}" for k in y.tolist()]))


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "quantile", "log_cosh"])
@pytest.mark.parametrize("hidden", [(), (8,)], ids=str)
def test_folding_changes_no_score(loss, hidden, rng):
    table = curve(rng, outputs=2)
    encoding = learning.measure(learning.learn(table, [-1, -2]), table, np.arange(table.rows))
    y = encoding.encode_targets(table, [-1, -2])
    centre, scale = training.target_moments(y, loss)
    net = fg.Network([3, *hidden, 2], activation="tanh" if hidden else None, loss=loss, dtype="float64", seed=1)
    wanted = net.forward(encoding.encode(table, standard=True)) * scale + centre
    training.fold(net, encoding, centre, scale)
    np.testing.assert_allclose(net.forward(encoding.encode(table)), wanted, rtol=1e-9)


@pytest.mark.parametrize("loss", ["mse", "mae", "quantile", "huber"])
def test_standardised_targets_leave_the_best_network_the_best(loss, rng):
    """The loss of raw targets is a constant times the loss that was trained: no network changes its rank."""
    table = curve(rng)
    y = np.asarray(table.labels[0])[:, None]
    centre, scale = training.target_moments(y, loss)
    inner = fg.Huber(1 / float(scale[0])) if loss == "huber" else loss
    losses = []
    for seed in range(3):
        net = fg.Network([3, 1], loss=inner, dtype="float64", seed=seed)
        X = rng.normal(size=(table.rows, 3))
        raw = fg.Network([3, 1], loss=loss, dtype="float64", seed=seed)
        raw.weights[0], raw.biases[0] = net.weights[0] * scale, net.biases[0] * scale + centre
        losses.append(raw.loss(X, y) / net.loss(X, (y - centre) / scale))
    np.testing.assert_allclose(losses, losses[0], rtol=1e-9)


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_a_regression_in_its_own_units_is_learnt(loss, rng):
    found = trained(curve(rng), loss=loss, epochs=150, lr=0.01, batch_size=32, activation="tanh")
    assert found.figures["training"]["r2"] > 0.95
    assert found.figures["validation"]["r2"] > 0.9
    assert found.network.loss_name == loss
    assert repr(found.network) == repr(fg.Network([3, 64, 1], activation="tanh", loss=loss, dtype=found.network.dtype))


def test_counts_keep_their_scale(rng):
    X = rng.normal(size=(500, 2))
    table = reading.of_array(X, "counts", y=rng.poisson(np.exp(1 + X[:, 0])))
    found = trained(table, loss="poisson", epochs=60, lr=0.01, batch_size=32)
    rates = found.network.predict(X)[:, 0]
    assert abs(rates.mean() / table.labels[0].mean() - 1) < 0.2
    negative = reading.of_array(X, "counts", y=np.arange(-1.0, 499.0))
    with pytest.raises(ValueError, match=">= 0"):
        trained(negative, loss="poisson")


def test_several_targets_are_learnt_at_once(rng):
    table = curve(rng, outputs=2)
    found = trained(table, epochs=100, lr=0.01, batch_size=32, activation="tanh")
    encoding = predictions.encoding_of(found.network, table)
    told = predictions.predict(found.network, encoding, table)
    assert told.names == ("label 0", "label 1")
    assert told.values.shape == (400, 2)
    assert found.figures["validation"]["r2"] > 0.9


@pytest.mark.parametrize(
    ("classes", "loss", "outputs"),
    [(2, None, 1), (2, "binary_cross_entropy", 1), (2, "cross_entropy", 2), (2, "hinge", 1), (3, None, 3), (3, "hinge", 3)],
)  # fmt: skip
def test_classes_are_learnt_and_named(classes, loss, outputs, rng):
    table = kinds(rng, classes)
    found = trained(table, loss=loss, epochs=40, batch_size=16, lr=0.01)
    assert found.network.sizes[-1] == outputs
    assert found.figures["validation"]["accuracy"] > 0.95
    assert found.figures["validation"]["rows"] == 30
    told = predictions.predict(found.network, predictions.encoding_of(found.network, table), table)
    assert told.names == tuple(f"kind {k}" for k in range(classes))
    truth = np.array(table.labels[0])
    assert np.mean(np.array(told.classes) == truth) > 0.95
    np.testing.assert_array_equal(np.array(told.names)[told.values.argmax(axis=1)], told.classes)
    assert told.values.shape == (300, classes)
    if loss == "hinge":
        assert next(told.rows())[1] == "score of kind 0"
    else:
        np.testing.assert_allclose(told.values.sum(axis=1), 1, rtol=1e-6)
        assert set(told.records()[0]) == {"class", "probabilities"}


@pytest.mark.parametrize(
    ("classes", "loss", "match"),
    [
        (2, "mse", "mse is not for classification, expected one of binary_cross_entropy, cross_entropy, hinge"),
        (3, "binary_cross_entropy", "for two classes, found 3; use cross_entropy"),
        (0, "hinge", "hinge is not for regression, expected one of mse, mae"),
    ],
)
def test_losses_that_do_not_suit_are_refused(classes, loss, match, rng):
    with pytest.raises(ValueError, match=match):
        trained(kinds(rng, classes) if classes else curve(rng), loss=loss)


def test_text_gives_every_number_back(rng):
    table = kinds(rng, 2)
    net = trained(table, epochs=1).network
    told = predictions.predict(net, predictions.encoding_of(net, table), table)
    header, *rows = told.rows()
    assert header == ("class", "probability of kind 0", "probability of kind 1")
    np.testing.assert_array_equal(np.array([row[1:] for row in rows], dtype=np.float32), told.values)
    np.testing.assert_array_equal(np.float32([list(r["probabilities"].values()) for r in told.records()]), told.values)
    np.testing.assert_array_equal(told.values[:, 1], net.predict(np.stack(table.columns, axis=1))[:, 0])


def test_large_numbers_that_differ_little_are_kept_apart(rng):
    """Seconds since 1970 within one day: float32 knows them to 128 s only."""
    when = 1.7e9 + rng.uniform(0, 3600, 500)
    table = reading.of_array(when[:, None], "clock", y=np.sin(when / 600))
    found = trained(table, epochs=200, lr=0.01, batch_size=32, activation="tanh")
    assert found.network.dtype == np.float64
    assert found.figures["dtype"] == "float64"
    assert found.figures["training"]["r2"] > 0.9
    small = reading.of_array(when[:, None] - 1.7e9, "clock", y=np.sin(when / 600))
    assert trained(small, epochs=1).network.dtype == np.float32


def test_the_held_out_rows_teach_nothing(rng):
    table = kinds(rng, 3)
    encoding = learning.learn(table, [-1])
    y = encoding.encode_targets(table, [-1])
    kept, held = training.split(y, encoding, Plan(validation=0.2, seed=3))
    assert sorted([*kept, *held]) == list(range(300))
    for k in range(3):
        assert np.sum(y[held] == k) == round(0.2 * np.sum(y == k))
    found = trained(table, validation=0.2, seed=3, epochs=1)
    saved = Encoding.from_dict(found.network.metadata["table"])
    np.testing.assert_allclose(saved.features[0].mean, np.asarray(table.columns[0])[kept].mean(), rtol=1e-12)
    assert trained(table, validation=0.0, epochs=1).figures["validation"] is None


def test_the_same_seed_gives_the_same_network(rng):
    table = curve(rng)
    one, two, other = (trained(table, epochs=2, seed=seed).network.parameters for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_a_network_without_an_encoding_takes_numbers(rng):
    X = rng.normal(size=(4, 3))
    table = reading.of_array(X, "numbers")
    for loss, outputs, names in (
        ("mse", 2, ("output 0", "output 1")),
        ("cross_entropy", 2, ("0", "1")),
        ("hinge", 1, ("0", "1")),
    ):
        net = fg.Network([3, outputs], loss=loss, seed=1)
        told = predictions.predict(net, predictions.encoding_of(net, table), table)
        assert told.names == names
        np.testing.assert_array_equal(told.values[:, -1], net.predict(X)[:, -1])
    with pytest.raises(ValueError, match="takes 2 columns, found 3"):
        predictions.encoding_of(fg.Network([2, 1]), table)


def test_an_encoding_of_another_network_is_refused(rng):
    table = kinds(rng, 2)
    other = fg.Network([5, 1], loss="hinge")
    other.metadata = trained(table, epochs=1).network.metadata
    with pytest.raises(ValueError, match="describes 2 inputs, but the network has 5"):
        predictions.predict(other, predictions.encoding_of(other, table), table)
