"""What an estimator's training is judged by: rows held out, a given validation set, or its loss.

Plain functions over an estimator, whose attributes they read and set.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight

from .. import batches
from ..csr import Matrix
from ..history import DivergenceError
from . import progress
from .engine import Engine

Array = npt.NDArray[Any]
Held = tuple[Matrix, Array, Array | None]  # X, encoded targets, sample weights
NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


def split(mlp: Any, Y: Array) -> tuple[Array, Array]:
    """(rows to train on, rows held out)."""
    kept, held = train_test_split(
        np.arange(len(Y), dtype=np.int32), random_state=mlp._random_state, test_size=mlp.validation_fraction,
        stratify=mlp._strata(Y),
    )  # fmt: skip
    if len(held) < 2:
        raise ValueError(
            f"The validation set is too small: {len(held)} of {len(Y)} rows. "
            "Increase 'validation_fraction' or the size of your dataset."
        )
    return kept, held


def read_given(mlp: Any, engine: Engine) -> tuple[Matrix, Array, Array | None, batches.Batches] | None:
    """The validation_set, checked: X, encoded targets, weights, and all that as the kernels take it."""
    if mlp.validation_set is None:
        return None
    if len(mlp.validation_set) not in (2, 3):
        raise ValueError(f"validation_set must be (X, y) or (X, y, weights), got {len(mlp.validation_set)} entries")
    X, y, weight = (*mlp.validation_set, None)[:3]
    X, y = mlp._check(X, y, reset=False)
    weight = None if weight is None else _check_sample_weight(weight, X)
    mlp._check_known(y, "validation_set")
    Y = mlp._encode(y)
    read = batches.read_data(engine.record, X, Y, weight, ("validation X", "validation y"))
    return read.X, Y, weight, read


def judge(mlp: Any, engine: Engine, held: Held | None) -> bool:
    """Whether training ends after this epoch, by the score on `held` or by the loss."""
    if held is None:
        progress.judge_loss(mlp)
    else:
        X, Y, weight = held
        outputs = engine.judged(X)
        score = mlp._quality(outputs, Y, weight) if np.isfinite(outputs).all() else float("nan")
        if progress.judge_score(mlp, score):
            mlp._best_parameters = engine.parameters()
    return progress.converged(mlp)


def diverged(mlp: Any, error: DivergenceError, rows: int) -> None:
    """The loss is not finite any more.  Early stopping has kept the best parameters; without it there are none."""
    if not mlp.early_stopping:
        raise ValueError(f"{NOT_FINITE} ({error})") from error
    nan = float("nan")
    progress.add_epoch(mlp, rows, nan, None if mlp.validation_set is None else nan)
    progress.judge_score(mlp, nan)
    warnings.warn(f"Stopped early: {error}", ConvergenceWarning, stacklevel=5)
