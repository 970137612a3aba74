"""What the estimators can besides: arguments beyond scikit-learn's, and life among its tools."""

from __future__ import annotations

import importlib
import itertools
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.special import erf

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastgrad as fg
import fastgrad.sklearn as ours
from fastgrad import catalog

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAMES = ("MLPClassifier", "MLPRegressor")
X, y = load_digits(return_X_y=True)
X = X / 16


def made(name, **arguments):
    return getattr(ours, name)(**{"random_state": 3, "max_iter": 10, **arguments})


def alike(a, b):
    np.testing.assert_allclose(b.loss_curve_, a.loss_curve_, rtol=1e-12)
    for mine, their in zip(b.coefs_ + b.intercepts_, a.coefs_ + a.intercepts_, strict=True):
        np.testing.assert_allclose(mine, their, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_any_optimizer_and_activation(name):
    for rule, activation in itertools.zip_longest(catalog.OPTIMIZERS, catalog.ACTIVATIONS, fillvalue="adam"):
        activation = "relu" if activation == "adam" else activation
        b = made(name, optimizer=rule, activation=activation, max_iter=2).fit(X, y)
        assert len(b.loss_curve_) == 2 and np.isfinite(b.loss_)
        assert b.partial_fit(X, y).t_ == 3 * len(X)
    b = clone(made(name, optimizer=fg.AdamW(0.01), max_iter=20)).fit(X, y)
    assert b.optimizer == fg.AdamW(0.01) and b.loss_curve_[-1] < 0.3 * b.loss_curve_[0]


def test_an_optimizer_is_the_networks(rng):
    """The same steps by hand with fg.Network on whole batches."""
    t = rng.normal(size=len(X))
    b = ours.MLPRegressor(
        "huber", 7, "tanh", optimizer=fg.AdamW(0.01), alpha=0, batch_size=len(X), shuffle=False, max_iter=5,
        random_state=0,
    )  # fmt: skip
    b.fit(X, t)
    net = fg.Network([64, 7, 1], activation="tanh", loss="huber", dtype="float64")
    start = ours.MLPRegressor("huber", 7, "tanh", max_iter=1, random_state=0, learning_rate_init=1e-300).fit(X, t)
    net.weights, net.biases = start.coefs_, start.intercepts_
    history = net.fit(X, t, epochs=5, batch_size=None, shuffle=False, optimizer=fg.AdamW(0.01))
    np.testing.assert_allclose(b.loss_curve_, history["loss"], rtol=1e-12)
    np.testing.assert_allclose(b.predict(X), net.predict(X)[:, 0], rtol=1e-9)


def test_class_weights_are_sample_weights():
    kind = {k: 1.0 + k for k in range(10)}
    a, b = made("MLPClassifier"), made("MLPClassifier", class_weight=kind)
    alike(a.fit(X, y, np.array([kind[c] for c in y])), b.fit(X, y))
    few = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:12]]
    plain, even = (made("MLPClassifier", class_weight=w, max_iter=8).fit(X[few], y[few]) for w in (None, "balanced"))
    assert (even.predict(X[y == 1]) == 1).mean() >= (plain.predict(X[y == 1]) == 1).mean()


@pytest.mark.parametrize("name", NAMES)
def test_a_validation_set(name):
    train, held = slice(0, 1200), slice(1200, None)
    b = made(name, validation_set=(X[held], y[held]), max_iter=6).fit(X[train], y[train])
    assert len(b.validation_loss_curve_) == 6 and b.validation_scores_ is None
    alike(made(name, max_iter=6).fit(X[train], y[train]), b)  # it changes nothing but what is told
    if name == "MLPRegressor":
        want = 0.5 * np.mean((b.predict(X[held]) - y[held]) ** 2)
    else:
        want = -np.log(b.predict_proba(X[held])[np.arange(597), y[held]]).mean()
    assert b.validation_loss_curve_[-1] == pytest.approx(want, rel=1e-9)
    b = made(name, validation_set=(X[held], y[held]), early_stopping=True, max_iter=6).fit(X[train], y[train])
    assert b.score(X[held], y[held]) == pytest.approx(b.best_validation_score_)
    for _ in range(2):
        b.partial_fit(X[train], y[train])
    assert len(b.validation_scores_) == len(b.validation_loss_curve_) == 8
    assert b.score(X[held], y[held]) == pytest.approx(b.validation_scores_[-1])


@pytest.mark.parametrize("name", NAMES)
def test_threads_do_not_change_the_bits(name):
    curves = {tuple(made(name, n_jobs=jobs, batch_size=300).fit(X, y).loss_curve_) for jobs in (None, 1, 2, -1)}
    assert len(curves) == 1


def test_a_fit_leaves_the_parameters_of_the_fit_before_alone():
    b = made("MLPClassifier").fit(X, y)
    before, copies = b.coefs_, [W.copy() for W in b.coefs_]
    b.set_params(random_state=5).fit(X, y)
    assert all(np.array_equal(W, copy) for W, copy in zip(before, copies, strict=True))
    assert not np.array_equal(b.coefs_[0], before[0])


def test_texts_are_classes_in_any_order():
    names = np.array(["wrong", "late", "right", "early"])
    b, codes = made("MLPClassifier"), y % 4
    b.fit(X, names[codes])
    numbers = made("MLPClassifier").fit(X, np.argsort(np.argsort(names))[codes])
    assert b.loss_curve_ == numbers.loss_curve_ and list(b.classes_) == sorted(names)
    assert np.array_equal(b.predict(X), b.classes_[numbers.predict(X)])
    with pytest.raises(ValueError, match="has classes not in"):
        b.partial_fit(X, np.where(codes == 1, "new", names[codes]))


def test_time_limit():
    b = made("MLPClassifier", max_seconds=0.0, max_iter=100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        b.fit(X, y)
    assert b.n_iter_ == 1 and np.isfinite(b.loss_)


@pytest.mark.parametrize("name", NAMES)
def test_transform_gives_the_hidden_layer(name):
    b = made(name, hidden_layer_sizes=(9, 4), activation="tanh").fit(X, y)
    hidden = np.tanh(np.tanh(X @ b.coefs_[0] + b.intercepts_[0]) @ b.coefs_[1] + b.intercepts_[1])
    np.testing.assert_allclose(b.transform(X), hidden, atol=1e-12)
    assert list(b.get_feature_names_out()) == [f"{name.lower()}{k}" for k in range(4)]


def test_bad_input_costs_nothing(rng):
    b = made("MLPRegressor", loss="poisson", early_stopping=True).fit(X, y)
    before, told = b.predict(X), {key: value for key, value in vars(b).items() if not key.startswith("_")}
    small = (X[:, :5], y)
    for inputs, targets, more in [(X, y - 3.0, {}), (X, y, {"validation_fraction": 0.0}), (X, y, {"batch_size": -1}),
                                  (X, y, {"validation_set": small}), (X[:, :5], -1.0 * y, {})]:  # fmt: skip
        b.set_params(**more)
        with pytest.raises(ValueError):  # noqa: PT011 - that it raises is another test's
            b.fit(inputs, targets)
        b.set_params(validation_fraction=0.1, batch_size="auto", validation_set=None)
        assert np.array_equal(b.predict(X), before)
        assert all(getattr(b, key) is value for key, value in told.items() if key.endswith("_"))


def test_warm_start_with_early_stopping_keeps_the_best():
    b = made("MLPClassifier", early_stopping=True, warm_start=True, max_iter=40, learning_rate_init=0.01).fit(X, y)
    best, coefs = b.best_validation_score_, [W.copy() for W in b.coefs_]
    b.set_params(max_iter=2, learning_rate_init=10.0).fit(X, y)
    assert b.best_validation_score_ == best
    assert all(np.array_equal(mine, before) for mine, before in zip(b.coefs_, coefs, strict=True))


def test_interruption_keeps_what_was_reached(monkeypatch):
    from fastgrad.estimators import progress

    calls, judge = [], progress.judge_loss

    def interrupted(mlp):
        calls.append(judge(mlp))
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(progress, "judge_loss", interrupted)
    b = made("MLPClassifier")
    with pytest.warns(UserWarning, match="interrupted by user"):
        b.fit(X, y)
    assert b.n_iter_ == 3 and b.score(X, y) > 0.1
    monkeypatch.undo()
    alike(made("MLPClassifier", max_iter=3).fit(X, y), b)


def test_a_warning_says_that_the_training_was_cut_off():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(10\)"):
        made("MLPClassifier").fit(X, y)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        made("MLPClassifier", solver="lbfgs").fit(X, y)


# ---- among scikit-learn's tools --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cars():
    """Two kinds of columns, as a pandas frame."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"weight": rng.normal(1500, 300, 240), "power": rng.normal(90, 20, 240)})
    frame["maker"] = rng.choice(["north", "south"], 240)
    return frame, (frame.power / frame.weight > 0.06) ^ (frame.maker == "south")


def columns():
    return ColumnTransformer([("numbers", StandardScaler(), ["weight", "power"]), ("text", OneHotEncoder(), ["maker"])])


def test_pipeline_over_mixed_columns(cars):
    frame, fast = cars
    pipe = make_pipeline(columns(), made("MLPClassifier", max_iter=150, learning_rate_init=0.02))
    assert pipe.fit(frame, fast).score(frame, fast) > 0.95
    assert pickle.loads(pickle.dumps(pipe)).score(frame, fast) == pipe.score(frame, fast)
    assert np.array_equal(clone(pipe).fit(frame, fast).predict_proba(frame), pipe.predict_proba(frame))


def test_searches_and_folds_in_two_processes(cars):
    frame, fast = cars
    pipe = make_pipeline(columns(), made("MLPClassifier", hidden_layer_sizes=8, n_jobs=1))
    grid = {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__optimizer": [None, "adamw", fg.NAdam(0.02)]}
    search = GridSearchCV(pipe, grid, cv=2).fit(frame, fast)
    assert set(search.best_params_) == set(grid)
    alone, two = (cross_val_score(pipe, frame, fast, cv=3, n_jobs=jobs) for jobs in (1, 2))
    assert np.array_equal(alone, two)


def test_calibration_and_importance(cars):
    frame, fast = cars
    numbers = StandardScaler().fit_transform(frame[["weight", "power"]])
    calibrated = CalibratedClassifierCV(made("MLPClassifier"), cv=2).fit(
        numbers, fast, sample_weight=np.ones(len(fast))
    )
    assert calibrated.predict_proba(numbers).shape == (240, 2)
    mlp = made("MLPRegressor", max_iter=100, learning_rate_init=0.02).fit(numbers, numbers[:, 0])
    weight, power = permutation_importance(mlp, numbers, numbers[:, 0], random_state=0).importances_mean
    assert weight > 0.5 > 0.1 > abs(power)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_in_and_out(library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({f"pixel{k}": X[:, k] for k in range(64)})
    mlp = made("MLPClassifier", max_iter=3, hidden_layer_sizes=5).fit(frame, frames.Series(y))
    assert list(mlp.feature_names_in_) == list(frame.columns)
    assert np.array_equal(
        mlp.predict(frame), made("MLPClassifier", max_iter=3, hidden_layer_sizes=5).fit(X, y).predict(X)
    )
    with pytest.raises(ValueError, match="feature names"):
        mlp.predict(frame[list(frame.columns)[::-1]])
    out = mlp.set_output(transform=library).transform(frame)
    assert isinstance(out, frames.DataFrame) and out.shape == (len(X), 5)
    assert list(out.columns) == [f"mlpclassifier{k}" for k in range(5)]


def test_sparse_input():
    sparse = pytest.importorskip("scipy.sparse")
    for kind in (sparse.csr_array, sparse.csc_matrix):
        mlp = made("MLPClassifier", max_iter=3).fit(kind(X), y)
        assert np.array_equal(mlp.predict_proba(kind(X)), made("MLPClassifier", max_iter=3).fit(X, y).predict_proba(X))


def test_letters_are_learnt():
    path = Path(__file__).parents[1].parent / "shared" / "data" / "letter"
    if not path.is_dir():
        pytest.skip("shared/data/letter is not here")
    table = np.genfromtxt(path / "letter-recognition.data", dtype=str, delimiter=",", max_rows=6000)
    letters, inputs = table[:, 0], StandardScaler().fit_transform(table[:, 1:].astype("float32"))
    mlp = made("MLPClassifier", max_iter=30, learning_rate_init=0.01).fit(inputs[:5000], letters[:5000])
    assert mlp.coefs_[0].dtype == np.float32 and len(mlp.classes_) == 26
    assert mlp.score(inputs[5000:], letters[5000:]) > 0.9


@parametrize_with_checks([ours.MLPClassifier(max_iter=100), ours.MLPRegressor(max_iter=100)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("fastgrad.sklearn", "fastgrad.estimators"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs scikit-learn .*: pip install 'fastgrad\[sklearn\]'"):
        importlib.import_module("fastgrad.sklearn")


# ---- one activation a layer, dropout, clipping ------------------------------------------------------------------------


def test_one_activation_for_each_layer():
    mlp = ours.MLPClassifier((20, 10), ["tanh", "gelu"], max_iter=5, tol=0, random_state=0).fit(X, y)
    assert clone(mlp).get_params()["activation"] == ["tanh", "gelu"]
    hidden = np.tanh(X @ mlp.coefs_[0] + mlp.intercepts_[0])
    z = hidden @ mlp.coefs_[1] + mlp.intercepts_[1]
    np.testing.assert_allclose(mlp.transform(X), z * (1 + erf(z / np.sqrt(2))) / 2, atol=1e-10)
    same = ours.MLPClassifier((20, 10), ["tanh", "tanh"], max_iter=5, tol=0, random_state=0).fit(X, y)
    assert (
        same.loss_curve_
        == ours.MLPClassifier((20, 10), "tanh", max_iter=5, tol=0, random_state=0).fit(X, y).loss_curve_
    )
    for wrong, message in ((["tanh"], "1 entries for 2 hidden"), (["tanh", "rleu"], "unknown activation 'rleu'")):
        with pytest.raises(ValueError, match=message):
            ours.MLPClassifier((20, 10), wrong).fit(X, y)


def test_dropout_drops_in_training_only():
    def fitted(**more):
        return ours.MLPClassifier((64,), max_iter=40, tol=0, random_state=0, **more).fit(X, y)

    plain, half = fitted(), fitted(dropout=0.5)
    assert half.loss_ > 1.5 * plain.loss_ and half.score(X, y) > 0.95
    assert fitted(dropout=0.5).loss_curve_ == half.loss_curve_ and fitted(dropout=0.0).loss_curve_ == plain.loss_curve_
    assert (half.predict_proba(X) == half.predict_proba(X)).all()
    again = pickle.loads(pickle.dumps(half))
    assert (again.predict_proba(X) == half.predict_proba(X)).all() and again.partial_fit(X, y).t_ > half.t_
    warm = fitted(warm_start=True).set_params(dropout=0.2, max_iter=42).fit(X, y)
    assert np.isfinite(warm.loss_)


def test_clipping_bounds_a_step():
    settings = {
        "solver": "sgd",
        "learning_rate_init": 1.0,
        "momentum": 0.0,
        "alpha": 0.0,
        "batch_size": len(X),
        "max_iter": 1,
    }
    free, short = (ours.MLPClassifier((8,), random_state=0, clip_norm=limit, **settings) for limit in (None, 1e-3))
    first = ours.MLPClassifier((8,), random_state=0, **{**settings, "learning_rate_init": 1e-300}).fit(X, y)
    moved = []
    for mlp in (free, short):
        mlp.fit(X, y)
        parts = [*mlp.coefs_, *mlp.intercepts_], [*first.coefs_, *first.intercepts_]
        moved.append(np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(*parts, strict=True))))
    assert moved[0] > 0.1 and moved[1] == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("given", [{"dropout": 0.1}, {"clip_norm": 1.0}])
def test_lbfgs_neither_drops_nor_clips(given):
    with pytest.raises(ValueError, match="not for lbfgs"):
        ours.MLPClassifier(solver="lbfgs", **given).fit(X, y)
    with pytest.raises(ValueError, match=next(iter(given))):
        ours.MLPClassifier(**dict.fromkeys(given, -1.0)).fit(X, y)
