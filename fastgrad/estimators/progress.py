"""What an estimator keeps of its training, epoch by epoch, and when that ends: scikit-learn's rules.

Plain functions over an estimator, whose attributes they set.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def begin(mlp: Any) -> None:
    """Empty records; also where a warm start finds none of its kind."""
    mlp.loss_curve_, mlp._no_improvement_count = [], 0
    stopping = mlp.early_stopping
    mlp.best_loss_ = None if stopping else np.inf
    mlp.validation_scores_ = [] if stopping else None
    mlp.best_validation_score_ = -np.inf if stopping else None
    if stopping:
        mlp._best_parameters = mlp.coefs_, mlp.intercepts_
    if mlp.validation_set is not None:
        mlp.validation_loss_curve_ = []


def fits(mlp: Any) -> bool:
    """Whether the records are there and of the kind that the arguments ask for."""
    if not hasattr(mlp, "loss_curve_") or (getattr(mlp, "validation_scores_", None) is not None) != mlp.early_stopping:
        return False
    return mlp.validation_set is None or hasattr(mlp, "validation_loss_curve_")


def tell(mlp: Any, text: str) -> None:
    """Print where that is wanted."""
    if mlp.verbose:
        print(text)


def add_epoch(mlp: Any, rows: int, loss: float, validation_loss: float | None) -> None:
    """An epoch over so many rows ended with this mean loss."""
    mlp.n_iter_ += 1
    mlp.t_ += rows
    mlp.loss_ = loss
    mlp.loss_curve_.append(loss)
    if validation_loss is not None:
        mlp.validation_loss_curve_.append(validation_loss)
    tell(mlp, f"Iteration {mlp.n_iter_}, loss = {loss:.8f}")


def judge_loss(mlp: Any) -> None:
    """Has the last loss made progress?"""
    loss, best = mlp.loss_curve_[-1], mlp.best_loss_
    mlp._no_improvement_count = mlp._no_improvement_count + 1 if loss > best - mlp.tol else 0
    mlp.best_loss_ = min(best, loss)


def judge_score(mlp: Any, score: float) -> bool:
    """Has this validation score?  True where it is the best so far."""
    best = mlp.best_validation_score_
    mlp.validation_scores_.append(score)
    tell(mlp, f"Validation score: {score:f}")
    mlp._no_improvement_count = mlp._no_improvement_count + 1 if score < best + mlp.tol else 0
    mlp.best_validation_score_ = max(best, score) if score == score else best
    return bool(score > best)


def converged(mlp: Any) -> bool:
    """The learning rate of the next epoch, and whether there is none: more than n_iter_no_change without progress."""
    mlp._optimizer.epoch_over(mlp.t_)
    if mlp._no_improvement_count <= mlp.n_iter_no_change:
        return False
    what = "Validation score" if mlp.early_stopping else "Training loss"
    instead = mlp._optimizer.no_progress()
    tell(
        mlp,
        f"{what} did not improve more than tol={mlp.tol:f} for {mlp.n_iter_no_change} consecutive epochs. "
        f"{instead or 'Stopping.'}",
    )
    if instead:
        mlp._no_improvement_count = 0
    return not instead


@contextmanager
def unharmed(mlp: Any) -> Iterator[None]:
    """Where checking what was given raises, the estimator is as it was before."""
    before = dict(mlp.__dict__)
    try:
        yield
    except Exception:
        mlp.__dict__.clear()
        mlp.__dict__.update(before)
        raise
