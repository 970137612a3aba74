"""MLPRegressor: numbers, one or several."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ..losses import Loss
from .base import BaseMLP, dense
from .rules import MORE_LOSSES, REGRESSION, regression_loss

Array = npt.NDArray[Any]


class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    """A multi-layer perceptron for numbers."""

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn reads it
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({*REGRESSION, *MORE_LOSSES}), Loss],
    }

    def __init__(
        self, loss: Any = "squared_error", hidden_layer_sizes: Any = (100,), activation: str = "relu", *,
        solver: str = "adam", alpha: float = 0.0001, batch_size: Any = "auto", learning_rate: str = "constant",
        learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
        random_state: Any = None, tol: float = 1e-4, verbose: Any = False, warm_start: bool = False,
        momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
        n_iter_no_change: float = 10, max_fun: int = 15000,
    ) -> None:  # fmt: skip
        self._remember(locals())

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train on X (N, I) and y (N,) or (N, O), from the start or, with `warm_start`, from the present parameters."""
        self._fit(X, y, sample_weight, False)
        return self

    @available_if(lambda self: self._check_solver())  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """One epoch over X (N, I) and y, with the optimizer's state of the call before."""
        self._fit(X, y, sample_weight, True)
        return self

    def predict(self, X: Any) -> Array:
        """Predictions (N,), or (N, O) where there are several outputs."""
        check_is_fitted(self)
        return self._labels(self._outputs(X))

    def _read(self, X: Any, y: Any, first: bool) -> tuple[Array, Array]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True,
            dtype=(np.float64, np.float32), reset=first,
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return dense(X), y.reshape(len(y), -1)

    def _loss(self, dtype: Any) -> Loss:
        return regression_loss(self.loss)

    def _labels(self, outputs: Array) -> Array:
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _quality(self, X: Array, Y: Array, weight: Array | None) -> float:
        outputs = self._engine.predict(X, None)
        return float(r2_score(Y, outputs, sample_weight=weight)) if np.isfinite(outputs).all() else float("nan")
