"""What AutoencoderDetector takes and refuses: frames, sparse matrices, extremes, streams; every error message."""

from __future__ import annotations

import numpy as np
import pandas
import polars
import pytest
import scipy.sparse

pytest.importorskip("sklearn")

from anomalies import CODE, FEATURES, ROWS, detector, make_planted
from sklearn.preprocessing import StandardScaler

import fastgrad as fg


@pytest.fixture(scope="module")
def planted():
    return make_planted()


@pytest.fixture(scope="module")
def fitted(planted):
    return detector().fit(planted[0])


# ---- what data may look like


def test_frames_and_sparse_matrices(planted, fitted):
    X, expected = planted[0], fitted.score_samples(planted[0])
    names = list("abcdef")
    for frame in (pandas.DataFrame(X, columns=names), polars.DataFrame(X, schema=names)):
        det = detector().fit(frame)
        assert list(det.feature_names_in_) == names
        np.testing.assert_array_equal(det.score_samples(frame), expected)
    with pytest.raises(ValueError, match="feature names"):
        det.predict(pandas.DataFrame(X, columns=list("abcdeg")))
    for sparse in (scipy.sparse.csr_array(X), scipy.sparse.csc_matrix(X), scipy.sparse.coo_array(X)):
        np.testing.assert_array_equal(detector().fit(sparse).score_samples(sparse), expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint16", "bool"])
def test_numbers_of_other_types(dtype):
    X = (np.random.default_rng(0).normal(size=(300, 4)) * 3).astype(dtype)
    det = detector(max_iter=2).fit(X)
    np.testing.assert_array_equal(det.decision_scores_, detector(max_iter=2).fit(X.astype(float)).decision_scores_)


def test_constant_columns_and_few_rows():
    X = np.random.default_rng(0).normal(size=(200, 4))
    X[:, 1], X[:, 2] = 0.1, 1e9  # 0.1 is no sum of powers of two: its mean is not exactly itself
    det = detector(max_iter=3).fit(X)
    np.testing.assert_array_equal(det.scale_[1:3], 1)
    assert np.isfinite(det.decision_scores_).all() and det.decision_scores_.max() < 10
    changed = X[:1] + np.array([0, 5, 0, 0])
    assert det.feature_errors(changed).argmax() == 1
    assert detector(max_iter=1).fit(X[:1]).decision_scores_.shape == (1,)
    assert detector(max_iter=1).fit(X[:, :1]).reconstruct(X[:3, :1]).shape == (3, 1)


def test_rows_as_they_are(planted):
    X = StandardScaler().fit_transform(planted[0]) + 3
    det = detector(standardize=False, max_iter=60).fit(X)
    np.testing.assert_array_equal((det.mean_, det.scale_), (np.zeros(FEATURES), np.ones(FEATURES)))
    np.testing.assert_allclose(((X - det.reconstruct(X)) ** 2).mean(1), det.decision_scores_, rtol=1e-6, atol=1e-9)


def test_a_huge_value_is_an_outlier_and_no_error(planted, fitted):
    X = np.repeat(planted[0][:1], 3, axis=0)
    X[0, 2], X[1, 2], X[2, 2] = 1e300, -np.finfo(float).max, 1e12
    scores = fitted.score_samples(X)
    assert np.isfinite(scores).all() and scores.max() < fitted.score_samples(planted[0]).min()
    assert (fitted.predict(X) == -1).all() and np.isfinite(fitted.reconstruct(X)).all()


# ---- streams


def test_a_stream_keeps_its_first_standardisation(planted):
    X = np.random.default_rng(1).permutation(planted[0])
    det = detector(learning_rate_init=0.01).partial_fit(X[:400])
    mean = det.mean_.copy()
    for _ in range(20):
        det.partial_fit(X[:400]).partial_fit(X[400:])
    np.testing.assert_array_equal(det.mean_, mean)
    np.testing.assert_allclose(mean, X[:400].mean(0))
    assert det.n_iter_ == len(det.loss_curve_) == 41 and det.loss_curve_[-1] < 0.5 * det.loss_curve_[0]
    np.testing.assert_array_equal(det.decision_scores_, -det.score_samples(X[400:]))
    fitted = detector().fit(X)
    fitted.partial_fit(X[:100])
    np.testing.assert_allclose(fitted.mean_, X.mean(0))


# ---- errors


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden_layer_sizes": ()}, r"hidden_layer_sizes must be one or more integers >= 1, got \(\)"),
        ({"hidden_layer_sizes": (4, 0)}, r"hidden_layer_sizes must be .* got \(4, 0\)"),
        ({"hidden_layer_sizes": (4, 2.5)}, r"hidden_layer_sizes must be .* got \(4, 2.5\)"),
        ({"hidden_layer_sizes": 0}, "The 'hidden_layer_sizes' parameter"),
        ({"activation": "rleu"}, "The 'activation' parameter"),
        ({"activation": ["relu", "rleu", "relu"]}, "unknown activation 'rleu'"),
        ({"activation": ["relu"]}, "activation has 1 entries for 3 hidden layers"),
        ({"contamination": 0.0}, "The 'contamination' parameter"),
        ({"contamination": 0.6}, "The 'contamination' parameter"),
        ({"contamination": "some"}, "The 'contamination' parameter"),
        ({"standardize": "no"}, "The 'standardize' parameter"),
        ({"optimizer": "adamm"}, "The 'optimizer' parameter"),
        ({"learning_rate_init": 0}, "The 'learning_rate_init' parameter"),
        ({"schedule": "cosine"}, "The 'schedule' parameter"),
        ({"batch_size": 0}, "The 'batch_size' parameter"),
        ({"max_iter": 0}, "The 'max_iter' parameter"),
        ({"early_stopping": 3}, "The 'early_stopping' parameter"),
        ({"validation_fraction": 1.0}, "The 'validation_fraction' parameter"),
        ({"early_stopping": True, "validation_fraction": 1e-4}, "validation_fraction=0.0001 holds out 0 of 800 rows"),
        ({"n_iter_no_change": 0}, "The 'n_iter_no_change' parameter"),
        ({"max_seconds": -1}, "The 'max_seconds' parameter"),
        ({"n_jobs": 0}, "The 'n_jobs' parameter"),
        ({"n_jobs": -2}, "The 'n_jobs' parameter"),
        ({"dtype": "float16"}, "The 'dtype' parameter"),
    ],
    ids=str,
)
def test_bad_arguments(planted, given, message):
    with pytest.raises(ValueError, match=message):
        detector(**given).fit(planted[0])


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (lambda X: np.where(np.equal(X, X[0, 0]), np.nan, X), {}, "Input X contains NaN"),
        (lambda X: np.where(np.equal(X, X[0, 0]), np.inf, X), {}, "Input X contains infinity"),
        (lambda X: X[:0], {}, r"Found array with 0 sample\(s\)"),
        (lambda X: X[0], {}, "Expected 2D array, got 1D array"),
        (lambda X: X.astype(str)[:, :1] + "x", {}, "not compatible with arrays of bytes/strings"),
        (lambda X: X * [1, 1, 1, 1, 1, 1e300], {}, "too large to be standardised in column 5"),
        (lambda X: X, {"sample_weight": np.zeros(ROWS)}, "sample_weight must not be zero everywhere"),
        (lambda X: X, {"sample_weight": -np.ones(ROWS)}, "sample_weight must be finite and >= 0"),
        (lambda X: X, {"sample_weight": np.ones(3)}, "sample_weight must have shape"),
        (lambda X: X[:, :2], {"sample_weight": np.ones(3)}, "sample_weight must have shape"),
    ],
)
def test_bad_data_leave_the_detector_as_it_was(planted, change, given, message):
    X = planted[0]
    det = detector(max_iter=1).fit(X)
    before = det.score_samples(X)
    with pytest.raises(ValueError, match=message):
        det.fit(change(X), **given)
    np.testing.assert_array_equal(det.score_samples(X), before)
    assert det.n_features_in_ == FEATURES


def test_a_training_that_diverges_leaves_the_detector_as_it_was(planted):
    X = planted[0]
    det = detector(max_iter=1, activation="identity", optimizer="sgd").fit(X)
    before = det.score_samples(X)
    with pytest.raises(fg.DivergenceError, match="smaller learning rate"):
        det.set_params(learning_rate_init=1e6, max_iter=50).fit(X)
    np.testing.assert_array_equal(det.score_samples(X), before)


def test_errors_of_streams_and_of_use_before_fit(planted):
    X = planted[0]
    for name in ("predict", "score_samples", "decision_function", "feature_errors", "reconstruct", "transform"):
        with pytest.raises(ValueError, match="not fitted yet"):
            getattr(detector(), name)(X)
    with pytest.raises(ValueError, match="does not support early_stopping"):
        detector(early_stopping=True).partial_fit(X)
    det = detector().partial_fit(X)
    before = det.score_samples(X)
    with pytest.raises(ValueError, match="goes on with Network"):
        det.set_params(hidden_layer_sizes=(3,)).partial_fit(X)
    with pytest.raises(ValueError, match="goes on with Adam"):
        det.set_params(hidden_layer_sizes=(16, CODE, 16), learning_rate_init=0.5).partial_fit(X)
    with pytest.raises(ValueError, match="X has 2 features, but AutoencoderDetector is expecting 6"):
        det.partial_fit(X[:, :2])
    np.testing.assert_array_equal(det.score_samples(X), before)
    with pytest.raises(ValueError, match="X has 2 features"):
        det.predict(X[:, :2])
