"""MLPRegressor: numbers, one or several."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d, validate_data

from ..losses import Loss
from .arguments import ATTRIBUTES, REGRESSOR_CONSTRAINTS, ROWS, TEXT
from .base import BaseMLP
from .rules import MORE_LOSSES, regression_loss

Array = npt.NDArray[Any]


class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]  # noqa: D101 - made of parts
    __doc__ = f"""A multi-layer perceptron for numbers, as `sklearn.neural_network.MLPRegressor`, on compiled kernels.

Its loss: "squared_error" (half of it; the gradient is that of the sum over the outputs, the value their mean) or "poisson"
(half the deviance, summed over the outputs; predictions are exp(scores), y >= 0), or a loss of fastgrad, by name
({", ".join(MORE_LOSSES)}) or such as `fg.Quantile(0.9)`.
{TEXT}{ATTRIBUTES}
Source: scikit-learn 1.9, sklearn.neural_network.MLPRegressor.

>>> import numpy as np
>>> X = np.linspace(-1, 1, 200)[:, None]
>>> mlp = MLPRegressor(hidden_layer_sizes=20, activation="tanh", solver="lbfgs", random_state=0)
>>> mlp.fit(X, X[:, 0] ** 2).score(X, X[:, 0] ** 2) > 0.99
True
"""

    _parameter_constraints: dict[str, list[Any]] = REGRESSOR_CONSTRAINTS

    def __init__(
        self, loss: Any = "squared_error", hidden_layer_sizes: Any = (100,), activation: Any = "relu", *,
        solver: str = "adam", alpha: float = 0.0001, batch_size: Any = "auto", learning_rate: str = "constant",
        learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
        random_state: Any = None, tol: float = 1e-4, verbose: Any = False, warm_start: bool = False,
        momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
        n_iter_no_change: float = 10, max_fun: int = 15000, optimizer: Any = None, validation_set: Any = None,
        max_seconds: float | None = None, n_jobs: int | None = None, dropout: float = 0.0, clip_norm: float | None = None,
    ) -> None:  # fmt: skip
        self._remember(locals())

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train on X (N, I) and y (N,) or (N, O), afresh or, with `warm_start`, from the present parameters.

        `sample_weight` (N,): a batch's loss is sum(w l) / sum(w).  Raises as the class says; gives the estimator.
        """
        self._fit(X, y, sample_weight, False)
        return self

    @available_if(lambda self: self._check_solver())  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """One epoch over X (N, I) and y, with the optimizer's state of the call before.  Raises as `fit`."""
        self._fit(X, y, sample_weight, True)
        return self

    def predict(self, X: Any) -> Array:
        """Predictions for X (N, I): (N,), or (N, O) where there are several outputs.  ValueError where X does not fit."""
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _check(self, X: Any, y: Any, reset: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True, order=ROWS,
            dtype=(np.float64, np.float32), reset=reset,
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _encode(self, y: Array) -> Array:
        return y.reshape(len(y), -1)

    def _loss(self, dtype: Any) -> Loss:
        return regression_loss(self.loss)

    def _quality(self, outputs: Array, Y: Array, weight: Array | None) -> float:
        return float(r2_score(Y, outputs, sample_weight=weight))
