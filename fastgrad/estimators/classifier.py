"""MLPClassifier: classes, or several labels at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._unique import attach_unique
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d, validate_data

from ..losses import Loss
from .arguments import ATTRIBUTES, CLASSIFIER_CONSTRAINTS, ROWS, TEXT
from .base import BaseMLP
from .rules import classification_loss

Array = npt.NDArray[Any]


class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]  # noqa: D101 - made of parts
    __doc__ = f"""A multi-layer perceptron for classes, as `sklearn.neural_network.MLPClassifier`, on compiled kernels.

Its loss is the log loss: of a softmax where there are more than two classes, of the logistic function for two classes or
for several labels at once, y (N, O) of 0 and 1, summed over the labels.
{TEXT}- class_weight: {{class: weight}} or "balanced" (n / (classes * count), not for partial_fit); multiplies sample_weight.
{ATTRIBUTES}
classes_: the classes in the order of `predict_proba`'s columns.

Source: scikit-learn 1.9, sklearn.neural_network.MLPClassifier.

>>> import numpy as np
>>> X = np.random.default_rng(0).normal(size=(300, 2))
>>> mlp = MLPClassifier(hidden_layer_sizes=20, solver="lbfgs", random_state=0)
>>> mlp.fit(X, X[:, 0] * X[:, 1] > 0).score(X, X[:, 0] * X[:, 1] > 0) > 0.95
True
"""

    _parameter_constraints: dict[str, list[Any]] = CLASSIFIER_CONSTRAINTS

    def __init__(
        self, hidden_layer_sizes: Any = (100,), activation: Any = "relu", *, solver: str = "adam",
        alpha: float = 0.0001, batch_size: Any = "auto", learning_rate: str = "constant",
        learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
        random_state: Any = None, tol: float = 1e-4, verbose: Any = False, warm_start: bool = False,
        momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
        n_iter_no_change: float = 10, max_fun: int = 15000, optimizer: Any = None, validation_set: Any = None,
        max_seconds: float | None = None, n_jobs: int | None = None, class_weight: Any = None,
        dropout: float = 0.0, clip_norm: float | None = None,
    ) -> None:  # fmt: skip
        self._remember(locals())

    @property
    def loss(self) -> str:
        """The loss that is minimised: "log_loss"."""
        return "log_loss"

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:
        """Train on X (N, I) and y, classes (N,) or labels (N, O) of 0 and 1; afresh, or on with `warm_start`.

        `sample_weight` (N,): a batch's loss is sum(w l) / sum(w).  Raises as the class says; gives the estimator.
        """
        self._fit(X, y, sample_weight, False)
        return self

    @available_if(lambda self: self._check_solver())  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """One epoch over X (N, I) and y, with the optimizer's state of the call before.

        `classes`: all that there will be, at the first call.  Raises as `fit`; ValueError where they are not given then.
        """
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer().fit(y if type_of_target(y).startswith("multilabel") else classes)
        self._fit(X, y, sample_weight, True)
        return self

    def predict(self, X: Any) -> Array:
        """The classes of X (N, I): (N,), or labels (N, O).  ValueError where X does not fit."""
        return self._labels(self._outputs(X))

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (N, classes) for X (N, I), in the order of `classes_`.  ValueError where X does not fit."""
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _check(self, X: Any, y: Any, reset: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, dtype=(np.float64, np.float32), reset=reset, order=ROWS
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _learn_classes(self, y: Array, incremental: bool) -> None:
        """Set `classes_`, or hold y against those of before: all of them with `warm_start`, no other in partial_fit."""
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            # sought once and not three times: of texts that takes milliseconds
            self._label_binarizer = LabelBinarizer().fit(attach_unique(y))
            self.classes_ = self._label_binarizer.classes_
            return
        if self.warm_start and set(unique_labels(y)) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {unique_labels(y)}"
            )
        self._check_known(y)

    def _check_known(self, y: Array, name: str = "y") -> None:
        found = unique_labels(y)
        if not set(found) <= set(self.classes_):
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`. `self.classes_` has {self.classes_}, `{name}` has {found}."
            )

    def _encode(self, y: Array) -> Array:
        if self._multiclass and y.ndim == 1:
            return np.searchsorted(self.classes_, y).astype(np.int32)
        return self._label_binarizer.transform(y).astype(bool)  # type: ignore[no-any-return]

    def _width(self, Y: Array) -> int:
        return len(self.classes_) if self._multiclass else super()._width(Y)

    def _weigh(self, y: Array, weight: Array | None, incremental: bool) -> Array | None:
        if self.class_weight is None:
            return weight
        if incremental and self.class_weight == "balanced":
            raise ValueError("class_weight='balanced' needs all of y at once: for partial_fit give a dict of weights")
        by_class: Array = compute_sample_weight(self.class_weight, y)
        return by_class if weight is None else by_class * weight

    @property
    def _multiclass(self) -> bool:
        return bool(self._label_binarizer.y_type_ == "multiclass")

    def _loss(self, dtype: Any) -> Loss:
        return classification_loss(self._multiclass, dtype)

    def _strata(self, Y: Array) -> Array | None:
        return Y if self.n_outputs_ == 1 else None

    def _labels(self, outputs: Array) -> Array:
        labels: Array = self._label_binarizer.inverse_transform(outputs.ravel() if self.n_outputs_ == 1 else outputs)
        return labels

    def _quality(self, outputs: Array, Y: Array, weight: Array | None) -> float:
        truth = self.classes_[Y] if self._multiclass else self._label_binarizer.inverse_transform(Y)
        return float(accuracy_score(truth, self._labels(outputs), sample_weight=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
