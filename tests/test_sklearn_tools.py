"""The estimators among scikit-learn's tools: callbacks, schedules, halving searches, metadata routing, memory-mapped data."""

from __future__ import annotations

import copy

import joblib
import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the search importable
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastgrad as fg
import fastgrad.sklearn as ours

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAMES = ("MLPClassifier", "MLPRegressor")
X, y = load_digits(return_X_y=True)
X, y = X[:400] / 16, y[:400]


def made(name, **arguments):
    return getattr(ours, name)(**{"hidden_layer_sizes": 8, "random_state": 3, "max_iter": 6, "tol": 0, **arguments})


class Diary:
    """What the callbacks were told, and the loss of each fitted estimator that they were given."""

    def __init__(self, stop_at=None):
        self.stop_at, self.events, self.estimators, self.data = stop_at, [], [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.events.append(f"end {context.task_name} {context.task_id}")
        self.estimators.append(fitted_estimator)
        self.data.append((X, y, metadata))
        return context.task_id + 1 == self.stop_at


needs_callbacks = pytest.mark.skipif(
    not hasattr(ours.MLPClassifier, "set_callbacks"), reason="this scikit-learn has no callbacks"
)


@needs_callbacks
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_see_every_epoch(name, solver):
    diary, weight = Diary(), np.linspace(0.5, 1.5, len(X))
    mlp = made(name, solver=solver).set_callbacks(diary).fit(X, y, weight)
    plain = made(name, solver=solver).fit(X, y, weight)
    assert all(np.array_equal(a, b) for a, b in zip(mlp.coefs_, plain.coefs_, strict=True)), "watching changes nothing"
    task = "epoch" if solver == "adam" else "lbfgs-iter"
    inner = [f"{kind} {task} {k}" for k in range(mlp.n_iter_) for kind in ("begin", "end")]
    left_over = [] if solver == "adam" else [f"begin {task} {mlp.n_iter_}", f"end {task} {mlp.n_iter_}"]
    assert diary.events == ["setup", "begin fit 0", *inner, *left_over, "end fit 0", "teardown"]
    assert diary.data[0][0] is X and diary.data[0][1] is y and diary.data[0][2]["sample_weight"] is weight
    after = [made(name, solver=solver, max_iter=k + 1).fit(X, y, weight) for k in range(mlp.n_iter_)]
    for seen, alone in zip(diary.estimators, after, strict=False):
        np.testing.assert_array_equal(seen.predict(X), alone.predict(X))
    np.testing.assert_array_equal(diary.estimators[-1].predict(X), mlp.predict(X))


@needs_callbacks
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_a_callback_ends_the_training(solver):
    diary = Diary(stop_at=2)
    mlp = made("MLPClassifier", solver=solver).set_callbacks(diary).fit(X, y)
    assert mlp.n_iter_ == 2 and diary.events[-1] == "teardown"
    assert np.array_equal(mlp.predict(X), made("MLPClassifier", solver=solver, max_iter=2).fit(X, y).predict(X))


@needs_callbacks
def test_callbacks_with_early_stopping_see_the_best():
    diary = Diary()
    mlp = made("MLPClassifier", early_stopping=True, learning_rate_init=0.1, max_iter=12).set_callbacks(diary).fit(X, y)
    best = int(np.argmax(mlp.validation_scores_))
    expected = diary.estimators[best].coefs_[0]
    assert all(np.array_equal(seen.coefs_[0], expected) for seen in diary.estimators[best:])


@needs_callbacks
def test_callbacks_are_taken_down_after_an_error():
    diary = Diary()
    with pytest.raises(ValueError, match="finite"), np.errstate(all="ignore"):
        made("MLPRegressor", learning_rate_init=1e30, solver="sgd").set_callbacks(diary).fit(X, y)
    assert diary.events[:2] == ["setup", "begin fit 0"] and diary.events[-1] == "teardown"
    diary = Diary()
    with pytest.raises(ValueError, match="NaN"):
        made("MLPRegressor").set_callbacks(diary).fit(np.full_like(X, np.nan), y)
    assert diary.events == []


@needs_callbacks
def test_scikit_learns_own_callbacks():
    from sklearn.callback import ProgressBar, ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    mlp = made("MLPClassifier").set_callbacks(monitor).fit(X, y)
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == 6 and scores[-1] == mlp.score(X, y)
    # in a meta-estimator that hands its callbacks down
    pytest.importorskip("rich")
    search = GridSearchCV(made("MLPClassifier"), {"alpha": [0.1, 1.0]}, cv=2).set_callbacks(ProgressBar())
    assert search.fit(X, y).best_score_ > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_in_the_place_of_the_rules(name):
    plan = fg.Cosine(warmup=1)
    mlp = made(name, learning_rate=plan, learning_rate_init=0.01, alpha=0.0).fit(X, y)
    constant = made(name, learning_rate_init=0.01, alpha=0.0).fit(X, y)
    assert mlp.loss_curve_ != constant.loss_curve_ and plan == fg.Cosine(warmup=1)
    assert mlp.get_params()["learning_rate"] == plan
    # the constant schedule is no schedule, in sgd too
    for solver in ("sgd", "adam"):
        a, b = (made(name, solver=solver, learning_rate=kind).fit(X, y) for kind in (fg.Constant(), "constant"))
        assert a.loss_curve_ == b.loss_curve_
    told = made(name, learning_rate=fg.ReduceOnPlateau(patience=0, factor=0.1, threshold=10.0), max_iter=5).fit(X, y)
    assert told._optimizer.learning_rate < 1e-3
    with pytest.raises(ValueError, match="lbfgs"):
        made(name, solver="lbfgs", learning_rate=plan).fit(X, y)
    with pytest.raises(ValueError, match="partial_fit"):
        made(name, learning_rate=plan).partial_fit(X, y, **({"classes": range(10)} if name == NAMES[0] else {}))


def test_the_schedule_is_the_networks():
    t = X[:, 10]
    mlp = ours.MLPRegressor(
        "squared_error", 7, "tanh", optimizer=fg.SGD(0.1), learning_rate=fg.StepDecay(step_size=2, gamma=0.5), alpha=0,
        batch_size=50, shuffle=False, max_iter=5, tol=0, random_state=0,
    )  # fmt: skip
    mlp.fit(X, t)
    net = fg.Network([64, 7, 1], activation="tanh", loss="mse", dtype="float64")
    start = ours.MLPRegressor("squared_error", 7, "tanh", max_iter=1, random_state=0, learning_rate_init=1e-300)
    start.fit(X, t)
    net.weights, net.biases = start.coefs_, start.intercepts_
    # half the mean squared error, so half the rate
    net.fit(X, t, epochs=5, batch_size=50, shuffle=False, optimizer=fg.SGD(0.05),
            schedule=fg.StepDecay(step_size=2, gamma=0.5))  # fmt: skip
    np.testing.assert_allclose(mlp.predict(X), net.predict(X)[:, 0], rtol=1e-9)


def test_halving_and_random_searches():
    pipe = make_pipeline(StandardScaler(), made("MLPClassifier", hidden_layer_sizes=16))
    space = {"mlpclassifier__learning_rate_init": [1e-4, 1e-3, 1e-2, 3e-2], "mlpclassifier__alpha": [1e-5, 1e-2]}
    for kind in (
        HalvingRandomSearchCV(pipe, space, cv=2, random_state=0, min_resources=100),
        HalvingRandomSearchCV(
            pipe, {"mlpclassifier__alpha": [1e-5, 1e-2, 1.0]}, resource="mlpclassifier__max_iter", max_resources=90,
            min_resources=30, cv=2, random_state=0,
        ),
        RandomizedSearchCV(pipe, space, n_iter=3, cv=2, random_state=0),
    ):  # fmt: skip
        search = kind.fit(X, y)
        assert search.best_score_ > 0.3 and search.predict(X).shape == y.shape


def test_metadata_is_routed():
    weight = np.where(y < 5, 3.0, 0.1)
    with sklearn.config_context(enable_metadata_routing=True):
        mlp = made("MLPClassifier").set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        routed = cross_validate(mlp, X, y, cv=2, params={"sample_weight": weight}, return_estimator=True)
        plain = cross_validate(copy.deepcopy(mlp), X, y, cv=2, return_estimator=True)
        search = GridSearchCV(mlp, {"alpha": [0.1, 1.0]}, cv=2).fit(X, y, sample_weight=weight)
    halves = [fitted.loss_curve_ for fitted in routed["estimator"]]
    assert halves != [fitted.loss_curve_ for fitted in plain["estimator"]]
    assert (
        search.best_estimator_.loss_curve_ == made("MLPClassifier", **search.best_params_).fit(X, y, weight).loss_curve_
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_memory_mapped_data(tmp_path, dtype):
    joblib.dump((X.astype(dtype), y), tmp_path / "data")
    mapped, labels = joblib.load(tmp_path / "data", mmap_mode="r")
    assert isinstance(mapped, np.memmap) and not mapped.flags.writeable
    a, b = made("MLPClassifier").fit(mapped, labels), made("MLPClassifier").fit(X.astype(dtype), y)
    assert a.loss_curve_ == b.loss_curve_ and np.array_equal(a.predict_proba(mapped), b.predict_proba(X.astype(dtype)))
    assert a.coefs_[0].dtype == dtype
    wide = made("MLPRegressor").fit(mapped, labels)
    assert wide.loss_curve_ == made("MLPRegressor").fit(X.astype(dtype), y).loss_curve_
    detector = ours.AutoencoderDetector(hidden_layer_sizes=(8,), max_iter=3, random_state=0).fit(mapped)
    assert np.isfinite(detector.decision_scores_).all()
