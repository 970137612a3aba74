"""What `fit` measures besides the loss: names and functions of (y, predictions), as scikit-learn's metrics take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import train
from .csr import Matrix
from .network import Record

Array = npt.NDArray[Any]


def check(record: Record, metrics: tuple[Any, ...]) -> None:
    """Names that are known, stand for themselves in the history, and suit the targets."""
    names = [metric_name(metric) for metric in metrics]
    for k, (name, metric) in enumerate(zip(names, metrics, strict=True)):
        if name in (*names[:k], "loss", "val_loss", "lr", "grad_norm", "seconds"):
            raise ValueError(f"metrics: the history would have two entries {name!r}; rename the function")
        if metric == "accuracy" and record.target in ("real", "count"):
            raise ValueError(f"metrics: accuracy is for classes, but the loss is {record.loss.name}; use 'r2'")
        if metric == "r2" and record.target in ("class", "sign"):
            raise ValueError(f"metrics: r2 is for numbers, but the loss is {record.loss.name}; use 'accuracy'")


def metric_name(metric: Any) -> str:
    """The name under which a metric stands in the history; ValueError for an unknown one."""
    if callable(metric):
        return str(getattr(metric, "__name__", type(metric).__name__))
    if metric not in ("accuracy", "r2"):
        raise ValueError(f"unknown metric {metric!r}; known: accuracy, r2, or a function (y, predictions) -> number")
    return str(metric)


def score(record: Record, metric: Any, X: Matrix, y: Array) -> float:
    """A metric of the published parameters on X and y."""
    predicted = train.scores(record, X, True, None)
    if record.target == "class":
        predicted = predicted.argmax(1)
        y = y if y.ndim == 1 else y.argmax(1)
    elif record.outputs == 1:
        predicted, y = predicted[:, 0], np.asarray(y).reshape(-1)
    if callable(metric):
        return float(metric(y, predicted))
    if metric == "accuracy":
        if record.target == "sign":
            return float(np.mean((predicted > 0) == (y > 0)))
        if record.target == "probability":
            return float(np.mean((predicted > 0.5) == (y > 0.5)))
        return float(np.mean(predicted == y))
    return r2(y, predicted)


def r2(y: Any, predicted: Any) -> float:
    """1 - squared error over spread, of y and predictions (N,) or (N, O): the mean over the outputs, as scikit-learn has it.

    Its values, too, where an output never changes: 1 for a perfect prediction, otherwise 0.

    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
    0.5
    """
    truth = np.asarray(y, np.float64)
    spread, error = ((truth - truth.mean(0)) ** 2).sum(0), ((truth - predicted) ** 2).sum(0)
    return float(np.mean(1 - np.where(spread > 0, error / np.where(spread > 0, spread, 1), error > 0)))
