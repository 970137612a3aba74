"""MLPClassifier: classes, or several labels at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ..losses import Loss
from .base import BaseMLP, dense
from .rules import classification_loss

Array = npt.NDArray[Any]


class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]
    """A multi-layer perceptron for classes."""

    def __init__(
        self, hidden_layer_sizes: Any = (100,), activation: str = "relu", *, solver: str = "adam",
        alpha: float = 0.0001, batch_size: Any = "auto", learning_rate: str = "constant",
        learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
        random_state: Any = None, tol: float = 1e-4, verbose: Any = False, warm_start: bool = False,
        momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
        n_iter_no_change: float = 10, max_fun: int = 15000,
    ) -> None:  # fmt: skip
        self._remember(locals())

    @property
    def loss(self) -> str:
        """The loss that is minimised: "log_loss"."""
        return "log_loss"

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:
        """Train on X (N, I) and y: classes (N,), or labels (N, O) of 0 and 1; afresh unless `warm_start`."""
        self._fit(X, y, sample_weight, False)
        return self

    @available_if(lambda self: self._check_solver())  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """One epoch over X and y, with the optimizer's state of the call before; `classes`: all there will be."""
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer().fit(y if type_of_target(y).startswith("multilabel") else classes)
        self._fit(X, y, sample_weight, True)
        return self

    def predict(self, X: Any) -> Array:
        """Classes (N,), or labels (N, O)."""
        check_is_fitted(self)
        return self._labels(self._outputs(X))

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (N, classes), in the order of `classes_`."""
        check_is_fitted(self)
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _read(self, X: Any, y: Any, first: bool) -> tuple[Array, Array]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=(np.float64, np.float32), reset=first
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._learn_classes(y, first)
        return dense(X), self._label_binarizer.transform(y).astype(bool)

    def _learn_classes(self, y: Array, first: bool) -> None:
        """Set `classes_`, or hold y against those of before: all of them with `warm_start`, no other in partial_fit."""
        if not hasattr(self, "classes_") or (first and hasattr(self, "coefs_")):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return
        classes = unique_labels(y)
        if self.warm_start and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}"
            )
        if not set(classes) <= set(self.classes_):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    @property
    def _multiclass(self) -> bool:
        return bool(self._label_binarizer.y_type_ == "multiclass")

    def _loss(self, dtype: Any) -> Loss:
        return classification_loss(self.n_outputs_, self._multiclass, dtype)

    def _targets(self, Y: Array) -> Array:
        return Y.argmax(1).astype(np.int32) if self._multiclass else Y

    def _strata(self, Y: Array) -> Array | None:
        return Y if self.n_outputs_ == 1 else None

    def _labels(self, outputs: Array) -> Array:
        labels: Array = self._label_binarizer.inverse_transform(outputs.ravel() if self.n_outputs_ == 1 else outputs)
        return labels

    def _quality(self, X: Array, Y: Array, weight: Array | None) -> float:
        outputs = self._engine.predict(X, None)
        if not np.isfinite(outputs).all():
            return float("nan")
        return float(
            accuracy_score(self._label_binarizer.inverse_transform(Y), self._labels(outputs), sample_weight=weight)
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
