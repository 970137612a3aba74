"""scikit-learn: the MLP's `partial_fit` a batch, its predictions, whole fits, and SGDClassifier for logistic regression."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from .. import estimators, timing, workloads
from ..timing import Prepared
from ..workloads import Array, Task


def make_network(task: Task, X: Array, y: Array) -> tuple[Any, str]:
    """An MLP with the first parameters after one step (scikit-learn makes them at its first step), no L2 term."""
    import sklearn
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    maker = MLPRegressor if task.case.loss == "mse" else MLPClassifier
    network = maker(
        hidden_layer_sizes=task.sizes[1:-1], solver="adam", learning_rate_init=workloads.LR, alpha=0.0,
        batch_size=max(1, min(task.batch, len(X))), random_state=task.seed,
    )  # fmt: skip
    if task.sizes[-1] == 2 and task.case.loss == "cross_entropy":
        raise ValueError("two classes share one output in scikit-learn: not the same network")
    options = {} if task.case.loss == "mse" else {"classes": np.arange(task.sizes[-1])}
    network.partial_fit(X[: task.batch], y[: task.batch], **options)
    for (W, b), coef, intercept in zip(
        workloads.first_parameters(task), network.coefs_, network.intercepts_, strict=True
    ):
        coef[...], intercept[...] = W, b
    return network, f"scikit-learn {sklearn.__version__}"


def train(task: Task) -> Prepared:
    """`partial_fit` of many batches at a time, shuffled by itself (a call for each batch takes five times as long).

    Seconds per step.  Where an epoch would take longer than 0.6 s, its first rows serve, at least 60 steps.
    """
    X, y = workloads.training_data(task)
    network, about = make_network(task, X, y)
    n = task.check_rows
    network.set_params(shuffle=False).partial_fit(X[:n], y[:n])
    loss = network.loss_ * (2 if task.case.loss == "mse" else 1)  # scikit-learn's is half the square
    held = {"network": network}

    def reset() -> None:
        held["network"] = make_network(task, X, y)[0]

    start = time.perf_counter()
    network.partial_fit(X[:n], y[:n])
    steps = round(2 * timing.RUN_SECONDS / (time.perf_counter() - start) * (n // task.batch))
    rows = min(len(X), max(n, steps * task.batch))

    def work(passes: int) -> None:
        for _ in range(passes):
            held["network"].partial_fit(X[:rows], y[:rows])

    run = timing.timed(work, rows // task.batch, quick=task.quick, reset=reset)
    return Prepared(run, about, {"loss": float(loss)})


def predict_rows(task: Task) -> Prepared:
    """`predict_proba` (or `predict` of a regressor); seconds per call."""
    X = np.atleast_2d(workloads.rows_to_predict(task))
    y = np.zeros(len(X), np.int64 if task.case.loss == "cross_entropy" else X.dtype)
    network, about = make_network(task, X[:1], y[:1])
    predict = network.predict if task.case.loss == "mse" else network.predict_proba

    def work(n: int) -> None:
        for _ in range(n):
            predict(X)

    return Prepared(timing.timed(work, 1, quick=task.quick), about, {"mean": float(np.mean(predict(X) ** 2))})


def online(task: Task) -> Prepared:
    """SGDClassifier on the same rows, rate and number of epochs; seconds of the training, accuracy on the same rows."""
    import sklearn
    from sklearn.linear_model import SGDClassifier

    X, y = workloads.online_data(task)

    def run() -> dict[str, float]:
        model = SGDClassifier(
            loss="log_loss", penalty=None, learning_rate="constant", eta0=workloads.ONLINE_LR,
            max_iter=workloads.ONLINE_EPOCHS, tol=None, shuffle=True, random_state=task.seed,
        )  # fmt: skip
        start = time.perf_counter()
        model.fit(X, y)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "accuracy": float(model.score(X, y))}

    run()
    return Prepared(run, f"scikit-learn {sklearn.__version__}")


def estimator(task: Task) -> Prepared:
    """A whole fit of scikit-learn's default MLP."""
    import sklearn
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    return estimators.prepare(task, (MLPClassifier, MLPRegressor), f"scikit-learn {sklearn.__version__}")
