"""AutoencoderDetector: scikit-learn's own checks, planted and real anomalies, thresholds, training, pipelines."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas
import pytest

pytest.importorskip("sklearn")

from anomalies import CODE, FEATURES, ROWS, detector, make_planted
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastgrad as fg
from fastgrad.estimators import outliers
from fastgrad.sklearn import AutoencoderDetector

ADBENCH = Path(__file__).parents[1].parent / "shared" / "data" / "anomaly-adbench"
# README of the folder: AUROC of scikit-learn's MLPRegressor as the autoencoder
AUROC = {"6_cardio": 0.921, "38_thyroid": 0.972, "30_satellite": 0.814, "32_shuttle": 1.000, "10_cover": 0.840}
ROUNDING = "a row of weight 2 and two such rows are summed in another order: equal but for float32's rounding"


@pytest.fixture(scope="module")
def planted():
    return make_planted()


@pytest.fixture(scope="module")
def fitted(planted):
    return detector().fit(planted[0])


def own_scores(det, X):
    """The definition, through NumPy in float64."""
    Z = A = (X - det.mean_) / det.scale_
    layers = zip(det.network_.weights, det.network_.biases, det.network_.activations, strict=True)
    for W, b, name in layers:
        A = A @ W.astype(float) + b
        A = np.tanh(A) if name == "tanh" else A
    return ((Z - A) ** 2).mean(1)


# ---- scikit-learn's checks


@parametrize_with_checks(
    [AutoencoderDetector(), AutoencoderDetector(dtype="float64")],
    expected_failed_checks=lambda estimator: {} if estimator.dtype == "float64" else {
        "check_sample_weight_equivalence_on_dense_data": ROUNDING,
        "check_sample_weight_equivalence_on_sparse_data": ROUNDING,
    },
)  # fmt: skip
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# ---- it finds what is odd


def test_planted_anomalies_are_found_and_explained(planted, fitted):
    X, y, feature = planted
    odd = y == 1
    assert roc_auc_score(y, fitted.decision_scores_) > 0.99
    assert (fitted.predict(X[odd]) == -1).all() and (fitted.labels_[odd] == 1).all()
    errors = fitted.feature_errors(X)
    assert errors.shape == X.shape
    np.testing.assert_array_equal(errors[odd].argmax(1), feature[odd])


@pytest.mark.parametrize("name", AUROC)
def test_real_anomalies_as_well_as_the_reference(name):
    if not (ADBENCH / f"{name}.npz").is_file():
        pytest.skip(f"{ADBENCH} is not here")
    with np.load(ADBENCH / f"{name}.npz") as file:
        X, y = file["X"], file["y"]
    normal = np.random.RandomState(0).permutation(np.flatnonzero(y == 0))
    half = len(normal) // 2
    seen, asked = normal[:half][:30000], np.concatenate([normal[half:], np.flatnonzero(y == 1)])
    found = []
    for seed in range(3):
        det = AutoencoderDetector(
            (32, 8, 32), batch_size=64, max_iter=15 if len(seen) >= 20000 else 30, random_state=seed
        )
        found.append(roc_auc_score(y[asked], -det.fit(X[seen]).score_samples(X[asked])))
    assert np.median(found) >= AUROC[name] - 0.01, found


def test_it_comes_near_to_scikit_learns_network_of_the_same_design(planted):
    from sklearn.neural_network import MLPRegressor

    X, y, _ = planted
    Z = StandardScaler().fit_transform(X)
    peer = MLPRegressor(
        hidden_layer_sizes=(16, CODE, 16),
        activation="tanh",
        batch_size=64,
        max_iter=30,
        n_iter_no_change=30,
        random_state=0,
    )
    with pytest.warns(match="Maximum iterations"):
        theirs = np.mean((peer.fit(Z, Z).predict(Z) - Z) ** 2, axis=1)
    ours = detector().fit(X).decision_scores_
    assert np.median(ours) < 2 * np.median(theirs)
    assert roc_auc_score(y, ours) > roc_auc_score(y, theirs) - 0.01


# ---- scores and thresholds


def test_scores_are_what_they_are_said_to_be(planted, fitted):
    X, scores = planted[0], fitted.decision_scores_
    np.testing.assert_allclose(scores, own_scores(fitted, X), rtol=1e-3, atol=1e-6)  # float32 against float64
    np.testing.assert_array_equal(fitted.score_samples(X), -scores)
    np.testing.assert_array_equal(fitted.decision_function(X), -scores - fitted.offset_)
    np.testing.assert_array_equal(fitted.feature_errors(X).mean(1), scores)
    np.testing.assert_array_equal(fitted.predict(X), np.where(fitted.labels_ == 1, -1, 1))
    np.testing.assert_array_equal(detector().fit_predict(X), fitted.predict(X))
    assert fitted.threshold_ == -fitted.offset_
    np.testing.assert_allclose(fitted.mean_, X.mean(0))
    np.testing.assert_allclose(fitted.scale_, X.std(0))
    Z = (fitted.reconstruct(X) - X) / fitted.scale_
    np.testing.assert_allclose((Z**2).mean(1), scores, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.29, 0.5])
def test_contamination_is_the_share_of_training_rows_beyond_the_threshold(planted, share):
    det = detector(contamination=share, max_iter=2).fit(planted[0])
    assert det.labels_.sum() == round(share * 1000) * ROWS // 1000 == (det.decision_function(planted[0]) < 0).sum()


def test_the_automatic_threshold(planted, fitted):
    low, high = np.sort(fitted.decision_scores_)[[ROWS // 4 - 1, 3 * ROWS // 4 - 1]]
    fence = (np.cbrt(high) + 1.5 * (np.cbrt(high) - np.cbrt(low))) ** 3
    assert fitted.threshold_ == pytest.approx(fence)
    chi = np.random.default_rng(0).chisquare(8, 100_000)  # nearly normal roots: the share is that of a normal's fence
    share = (chi > outliers.fence(*outliers.quantiles(chi, None, [0.25, 0.75]))).mean()
    assert share == pytest.approx(0.0035, rel=0.25)
    assert not detector(max_iter=1).fit(np.ones((9, 3))).labels_.any()  # rows that are all the same


def test_quantiles_count_a_row_of_weight_two_twice(rng):
    scores, weight = rng.normal(size=50).round(1), rng.integers(0, 4, 50).astype(float)
    shares = np.linspace(0.01, 1, 37)
    twice = outliers.quantiles(scores.repeat(weight.astype(int)), None, shares)
    np.testing.assert_array_equal(outliers.quantiles(scores, weight, shares), twice)
    np.testing.assert_array_equal(outliers.quantiles(scores, weight * 0.1, shares), twice)
    for rows in (1, 7, 100):  # the share below is never more than was asked for, and a row more would be
        ordered = np.arange(rows)
        found = outliers.quantiles(ordered, None, np.arange(1, 101) / 100)
        np.testing.assert_array_equal(found, -(-np.arange(1, 101) * rows // 100) - 1)


def test_no_row_depends_on_its_company(planted, fitted, monkeypatch):
    X = planted[0]
    methods = ("score_samples", "feature_errors", "reconstruct", "transform")
    whole = {name: getattr(fitted, name)(X) for name in methods}
    for rows in (1, 7, 64, 799):
        monkeypatch.setattr(outliers, "BLOCK_ROWS", rows)
        for name in methods:
            np.testing.assert_array_equal(getattr(fitted, name)(X), whole[name])
    monkeypatch.undo()
    for name in methods:
        np.testing.assert_array_equal(getattr(fitted, name)(X[5:6]), whole[name][5:6])
    wide = np.random.default_rng(0).normal(size=(300, 40))  # NumPy sums eight or more numbers by their layout
    ours, fortran = (detector(max_iter=2).fit(layout(wide)) for layout in (np.ascontiguousarray, np.asfortranarray))
    np.testing.assert_array_equal(ours.decision_scores_, fortran.decision_scores_)
    np.testing.assert_array_equal(ours.score_samples(np.asfortranarray(wide)), -ours.decision_scores_)
    np.testing.assert_array_equal(ours.score_samples(wide[::-1])[::-1], -ours.decision_scores_)


def test_scoring_holds_one_block(monkeypatch):
    import tracemalloc

    X = np.random.default_rng(0).normal(size=(200_000, 20))
    det = detector(max_iter=1).fit(X[:500])
    tracemalloc.start()
    det.score_samples(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes / 4  # the scores, and a block of 8192 rows with its copies; a second X would be 1


# ---- the code


def test_the_code_is_the_narrowest_layer(planted, fitted):
    X = planted[0]
    code = fitted.transform(X)
    Z = (X - fitted.mean_) / fitted.scale_
    for W, b in zip(fitted.network_.weights[:2], fitted.network_.biases[:2], strict=True):
        Z = np.tanh(Z @ W.astype(float) + b)
    np.testing.assert_allclose(code, Z, atol=1e-5)
    assert code.dtype == np.float32 and code.shape == (ROWS, CODE)
    assert detector(dtype="float64", max_iter=1).fit(X).transform(X).dtype == np.float64
    assert detector(hidden_layer_sizes=[5, 3, 3, 4], max_iter=1).fit(X).transform(X).shape == (ROWS, 3)
    one = detector(hidden_layer_sizes=3, max_iter=1).fit(X)
    assert one.network_.sizes == (FEATURES, 3, FEATURES)
    mixed = detector(activation=["relu", "identity", "gelu"], max_iter=1).fit(X)
    assert mixed.network_.activations == ("relu", "identity", "gelu", "identity")


def test_output_as_a_frame(planted, fitted):
    det = clone(fitted).set_output(transform="pandas")
    code = det.fit_transform(pandas.DataFrame(planted[0], columns=list("abcdef")))
    assert list(code.columns) == ["autoencoderdetector0", "autoencoderdetector1"]
    np.testing.assert_array_equal(code, fitted.transform(planted[0]))


# ---- what training is given


def test_one_seed_gives_the_same_bits_whatever_the_threads(planted):
    X = planted[0]
    found = [detector(n_jobs=n, max_iter=3).fit(X) for n in (None, -1, 1, 2, 3)]
    for other in found[1:]:
        np.testing.assert_array_equal(other.decision_scores_, found[0].decision_scores_)
        np.testing.assert_array_equal(other.network_.parameters, found[0].network_.parameters)
    assert (detector(max_iter=3, random_state=1).fit(X).decision_scores_ != found[0].decision_scores_).any()
    state = np.random.RandomState(0)
    drawn = [detector(max_iter=3, random_state=state).fit(X).decision_scores_ for _ in range(2)]
    np.testing.assert_array_equal(drawn[0], found[0].decision_scores_)
    assert (drawn[1] != drawn[0]).any()


def test_training_is_that_of_a_network(planted):
    X = planted[0]
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    Z = ((X - X.mean(0)) / X.std(0)).astype("float32")
    net = fg.Network([FEATURES, 16, CODE, 16, FEATURES], activation="tanh", seed=int(seed))
    history = net.fit(Z, Z, epochs=4, batch_size=200, optimizer=fg.AdamW(0.01), schedule=fg.Cosine())
    given = {"max_iter": 4, "batch_size": "auto", "schedule": fg.Cosine()}
    for optimizer, rate in ((fg.AdamW(0.01), 1e-3), ("adamw", 0.01)):
        det = detector(optimizer=optimizer, learning_rate_init=rate, **given).fit(X)
        np.testing.assert_allclose(det.loss_curve_, history["loss"], rtol=1e-4)  # the mean is summed in another order
        assert det.n_iter_ == 4 and det.validation_loss_curve_ is None


def test_early_stopping_takes_the_best(planted):
    det = detector(early_stopping=True, n_iter_no_change=3, max_iter=400, learning_rate_init=0.05).fit(planted[0])
    held = det.validation_loss_curve_
    assert len(held) == det.n_iter_ < 400 and int(np.argmin(held)) == len(held) - 4


def test_a_time_limit_and_words(planted, capsys):
    assert detector(max_seconds=0, max_iter=1000).fit(planted[0]).n_iter_ == 1
    detector(verbose=True, max_iter=2, early_stopping=True).fit(planted[0])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("Iteration 2, loss = ") and "validation loss" in lines[1]
    detector(verbose=True).partial_fit(planted[0])
    assert capsys.readouterr().out.startswith("Iteration 1, loss = ")


def test_rows_of_weight_zero_are_not_there(planted):
    X, y, _ = planted
    some = detector(max_iter=3).fit(X[y == 0])
    det = detector(max_iter=3).fit(X, sample_weight=1 - y)
    np.testing.assert_array_equal(det.network_.parameters, some.network_.parameters)
    assert det.threshold_ == some.threshold_ and det.decision_scores_.shape == (ROWS,)
    stream = detector().partial_fit(X, sample_weight=1 - y), detector().partial_fit(X[y == 0])
    np.testing.assert_array_equal(stream[0].score_samples(X), stream[1].score_samples(X))


def test_ctrl_c_keeps_what_was_reached(planted):
    def schedule(epoch):
        if epoch >= 2:
            raise KeyboardInterrupt
        return 1e-3

    with pytest.warns(UserWarning, match="interrupted by user") as told:
        det = detector(schedule=schedule).fit(planted[0])
    assert told[0].filename == __file__
    assert det.n_iter_ == 2 and np.isfinite(det.decision_scores_).all()


# ---- scikit-learn's machinery


def test_pipelines_cross_validation_and_search(planted):
    X, y, _ = planted
    pipe = make_pipeline(MinMaxScaler(), detector(contamination=0.01))
    assert (pipe.fit_predict(X)[y == 1] == -1).mean() > 0.8
    assert pipe.transform(X).shape == (ROWS, CODE)
    normal = np.where(y == 1, -1, 1)  # scikit-learn's scorers take the larger label for what scores high
    assert cross_val_score(detector(), X, normal, scoring="roc_auc", cv=3).mean() > 0.95
    search = GridSearchCV(detector(max_iter=5), {"learning_rate_init": [1e-6, 1e-2]}, scoring="roc_auc", cv=2)
    assert search.fit(X, normal).best_params_ == {"learning_rate_init": 1e-2}


def test_pickles_and_clones(planted, fitted):
    X = planted[0]
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.decision_function(X), fitted.decision_function(X))
    other = clone(detector(optimizer=fg.AdamW(0.01), schedule=fg.Cosine(), max_iter=2))
    assert not hasattr(other, "network_") and other.get_params()["optimizer"] == fg.AdamW(0.01)
    assert other.set_params(max_iter=1).fit(X).n_iter_ == 1
