"""Our multi-layer perceptrons follow scikit-learn's own: the same draws, the same trajectory, the same records.

float64 sums of a few hundred products in another order differ by about 1e-14 of their size; ten epochs of training carry
that on, hence 1e-6 for losses and parameters where 1e-12 is what is usually seen.
"""

from __future__ import annotations

import contextlib
import io
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn.neural_network as theirs
from sklearn.datasets import load_digits, make_multilabel_classification, make_regression

import fastgrad.sklearn as ours

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAMES = ("MLPClassifier", "MLPRegressor")
RECORDS = ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_", "loss_")
COUNTS = ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_", "_no_improvement_count")
X, y = load_digits(return_X_y=True)
X = X / 16
FEW = slice(0, 500)


def both(name, **arguments):
    arguments = {"random_state": 3, "max_iter": 10, **arguments}
    return getattr(theirs, name)(**arguments), getattr(ours, name)(**arguments)


def same(a, b, rtol=1e-6):
    """Everything that a fitted estimator tells."""
    public = {key for key in vars(a) if key.endswith("_") and not key.startswith("_")}
    assert public <= set(vars(b)), public - set(vars(b))
    for key in COUNTS:
        assert getattr(a, key, None) == getattr(b, key, None), key
    for key in RECORDS:
        if getattr(a, key, None) is None:
            assert getattr(b, key, None) is None, key
        else:
            np.testing.assert_allclose(getattr(b, key), getattr(a, key), rtol=rtol, err_msg=key)
    for key in ("coefs_", "intercepts_"):
        for mine, their in zip(getattr(b, key), getattr(a, key), strict=True):
            assert mine.dtype == their.dtype and mine.shape == their.shape
            np.testing.assert_allclose(mine, their, rtol=0, atol=rtol * (1 + np.abs(their).max()), err_msg=key)


SETTINGS = {
    "adam": {},
    "adam, other betas": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3, "learning_rate_init": 0.01},
    "adam, alpha 1": {"alpha": 1.0, "activation": "tanh"},
    "adam, in order": {"shuffle": False, "batch_size": 64},
    "adam, deep": {"hidden_layer_sizes": (30, 20), "activation": "logistic"},
    "adam, linear": {"hidden_layer_sizes": (), "batch_size": 1797},
    "adam, a row a step": {"hidden_layer_sizes": 5, "batch_size": 1, "max_iter": 2},
    "adam, early stopping": {"early_stopping": True, "validation_fraction": 0.2},
    "sgd, constant": {"solver": "sgd"},
    "sgd, invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1, "power_t": 0.3},
    "sgd, adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1, "alpha": 0.1},
    "sgd, no momentum": {"solver": "sgd", "momentum": 0},
    "sgd, not Nesterov's": {"solver": "sgd", "nesterovs_momentum": False, "alpha": 0.01},
    "sgd, ends early": {"solver": "sgd", "tol": 10.0, "n_iter_no_change": 3},
    "sgd, early stopping, in order": {"solver": "sgd", "early_stopping": True, "shuffle": False},
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", NAMES)
def test_trajectories_are_scikit_learns(name, setting):
    a, b = both(name, **SETTINGS[setting])
    same(a.fit(X, y), b.fit(X, y))
    np.testing.assert_allclose(b.predict(X), a.predict(X), rtol=1e-6)
    assert b.score(X, y) == pytest.approx(a.score(X, y), rel=1e-6)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("stopping", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_sample_weights(name, solver, stopping, rng):
    weight = rng.uniform(0.1, 30, 500)
    a, b = both(name, solver=solver, early_stopping=stopping, alpha=0.5)
    same(a.fit(X[FEW], y[FEW], weight), b.fit(X[FEW], y[FEW], weight))


@pytest.mark.parametrize("arguments", [{}, {"solver": "sgd", "early_stopping": True}, {"solver": "lbfgs"}], ids=str)
def test_two_classes_and_several_labels(arguments):
    two = y[FEW] < 5
    labels = make_multilabel_classification(300, 20, n_classes=7, random_state=0)
    for inputs, targets in ((X[FEW], np.where(two, "low", "high")), labels):
        a, b = both("MLPClassifier", **arguments)
        same(a.fit(inputs, targets), b.fit(inputs, targets), 1e-5)
        np.testing.assert_allclose(b.predict_proba(inputs), a.predict_proba(inputs), rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(b.predict_log_proba(inputs), a.predict_log_proba(inputs), rtol=1e-4, atol=1e-9)
        assert np.array_equal(b.predict(inputs), a.predict(inputs))


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_losses_of_regression(loss, solver, outputs, rng):
    inputs, targets = make_regression(200, 8, n_targets=outputs, random_state=1)
    targets = rng.poisson(np.exp(targets / np.abs(targets).max())) if loss == "poisson" else targets / 100
    a, b = both("MLPRegressor", loss=loss, solver=solver)
    same(a.fit(inputs, targets), b.fit(inputs, targets))
    np.testing.assert_allclose(b.predict(inputs), a.predict(inputs), rtol=1e-5, atol=1e-9)
    assert b.predict(inputs).shape == ((200,) if outputs == 1 else (200, 3))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("name", NAMES)
def test_partial_fit_goes_on_as_scikit_learns(name, solver):
    a, b = both(name, solver=solver, learning_rate="invscaling")
    first = {"classes": np.arange(10)} if name == "MLPClassifier" else {}
    for mlp in (a, b):
        mlp.partial_fit(X[:500], y[:500], **first)
        mlp.partial_fit(X[500:800], y[500:800])
        mlp.partial_fit(X[:300], y[:300], sample_weight=np.arange(300) + 1.0)
    same(a, b)
    b = pickle.loads(pickle.dumps(b))
    same(a.fit(X[FEW], y[FEW]).partial_fit(X, y), b.fit(X[FEW], y[FEW]).partial_fit(X, y))
    b = pickle.loads(pickle.dumps(b))  # with the optimizer's state
    same(a.partial_fit(X, y), b.partial_fit(X, y))


@pytest.mark.parametrize("arguments", [{}, {"solver": "sgd"}, {"early_stopping": True}, {"solver": "lbfgs"}], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_warm_start(name, arguments):
    a, b = both(name, warm_start=True, max_iter=4, **arguments)
    for _ in range(2):
        same(a.fit(X[FEW], y[FEW]), b.fit(X[FEW], y[FEW]))


def test_one_generator_for_several_fits():
    a, b = (mlp.set_params(random_state=np.random.RandomState(5), early_stopping=True) for mlp in both("MLPRegressor"))
    for _ in range(2):
        same(a.fit(X[FEW], y[FEW]), b.fit(X[FEW], y[FEW]))
    assert np.array_equal(a.random_state.uniform(size=3), b.random_state.uniform(size=3))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_float32_follows_roughly_and_keeps_its_type(name, solver):
    a, b = both(name, solver=solver)
    a.fit(X[FEW].astype("float32"), y[FEW])
    b.fit(X[FEW].astype("float32"), y[FEW])
    for mine, their in zip(b.coefs_ + b.intercepts_, a.coefs_ + a.intercepts_, strict=True):
        assert mine.dtype == their.dtype
    np.testing.assert_allclose(b.loss_, a.loss_, rtol=1e-2)


def test_loss_of_sure_and_wrong_rows_is_cut_off_as_scikit_learns():
    a, b = both("MLPClassifier", solver="sgd", learning_rate_init=1e-9, max_iter=1)
    same(a.fit(1e4 * X, y), b.fit(1e4 * X, y))
    assert a.loss_ > 20
    a, b = both("MLPClassifier", solver="sgd", learning_rate_init=1e-9, max_iter=1)
    same(a.fit(1e4 * X, y < 5), b.fit(1e4 * X, y < 5))


def test_verbose_prints_what_scikit_learn_prints():
    said = []
    for mlp in both("MLPRegressor", verbose=True, tol=100.0, n_iter_no_change=2, solver="sgd", early_stopping=True):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            mlp.fit(X, y)
        said.append(out.getvalue())
    assert said[0] == said[1]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults_are_scikit_learns(name):
    their, our = (getattr(module, name)().get_params() for module in (theirs, ours))
    assert {key: our[key] for key in their} == their
    import inspect

    order = [list(inspect.signature(getattr(module, name)).parameters) for module in (theirs, ours)]
    assert order[1][: len(order[0])] == order[0]
    for key in (k for k in dir(getattr(theirs, name)) if not k.startswith("_")):
        assert hasattr(getattr(ours, name), key), key


@pytest.mark.parametrize("name", NAMES)
def test_assigned_parameters_count(name):
    b = both(name)[1].fit(X, y)
    before = b.predict(X)
    b.coefs_[0][:] = 0
    b.intercepts_[0][:] = 0
    assert len(np.unique(b.predict(X))) == 1
    assert not np.array_equal(before, b.predict(X))


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="y must be >= 0 for half_poisson_deviance"):
        ours.MLPRegressor(loss="poisson").fit(X, y - 5.0)
    with pytest.raises(ValueError, match="class_weight='balanced' needs all of y"):
        ours.MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=np.arange(10))
    with pytest.raises(ValueError, match=r"'optimizer' parameter .* must be"):
        ours.MLPClassifier(optimizer="adamm").fit(X, y)
    with pytest.raises(ValueError, match=r"validation_set must be \(X, y\) or \(X, y, weights\), got 1"):
        ours.MLPClassifier(validation_set=(X,)).fit(X, y)
    with pytest.raises(ValueError, match="`validation_set` has classes not in"):
        ours.MLPClassifier(validation_set=(X, y)).fit(X[y < 9], y[y < 9])
    with pytest.raises(ValueError, match="transform needs a hidden layer"):
        ours.MLPRegressor(hidden_layer_sizes=(), max_iter=1).fit(X, y).transform(X)
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        ours.MLPRegressor(solver="sgd", learning_rate_init=1e6).fit(X, y)


def test_a_divergence_leaves_whole_parameters():
    b = ours.MLPRegressor(solver="sgd", learning_rate_init=1e6, random_state=0)
    with pytest.raises(ValueError, match="non-finite"):
        b.fit(X, y)
    b.set_params(learning_rate_init=1e-3).partial_fit(X, y)
    assert all(np.isfinite(W).all() for W in b.coefs_)
