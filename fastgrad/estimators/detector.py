"""AutoencoderDetector: rows that a network trained on all rows cannot reproduce.

Promises: scikit-learn's conventions for outlier detectors and pyod's attributes; a score that depends neither on the rows
it is asked with, nor on threads.  Beyond the rows in float32 that training reads and the results, scoring holds one
block of rows.  Leaves out: text columns and missing values (encode and impute before), and losses other than the squared
error.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin, _fit_context
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import arrays, catalog, optimizers, train
from ..layers import Dense
from ..model import Network
from .engine import dense
from .outliers import blocks, fence, quantiles, standardised

Array = npt.NDArray[Any]


class AutoencoderDetector(ClassNamePrefixFeaturesOutMixin, TransformerMixin, OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Outliers by the error of an autoencoder: a dense network that learns to give back its input through a narrow layer.

    The anomaly score of a row is the mean over the features of (z - output(z))^2, z the standardised row.  The network
    learns what most rows have in common; rows that are otherwise come back badly.

    Arguments:
    `hidden_layer_sizes`: of the hidden layers; the first of the narrowest is the code.  `activation`: of the hidden
    layers, a name or one for each; the output is linear.  `contamination`: the share of outliers, in (0, 0.5]: so many
    training rows, rounded down, lie beyond the threshold; or "auto": the threshold is the upper fence of a box plot (third
    quartile and 1.5 times the distance of the quartiles) of the cube roots of the training scores, since those of sums
    of squares are nearly normal.  `standardize`: subtract each feature's mean and divide by its deviation, by 1 where it
    is constant; otherwise rows are taken as they are.  `optimizer`: a name, which gets `learning_rate_init`, or e.g.
    `fg.AdamW(1e-3, weight_decay=0.01)`, which has its own.  `schedule`: e.g. `fg.Cosine()`, or a function epoch -> rate.
    `batch_size`: rows of a step, "auto" for min(200, N); never more than N.  `max_iter`: passes over the rows; more need
    not be better, since in the end outliers are learnt as well.  `early_stopping`: hold out `validation_fraction` of the
    rows, end after `n_iter_no_change` epochs without a better loss on them and take the best parameters.
    `max_seconds`: end training when so much time has passed.  `n_jobs`: threads; None and -1 use as many as help, the
    result is the same.  `dtype`: of the network, "float32" or "float64".  `random_state`: of first parameters, shuffles
    and the rows held out.  `verbose`: print each epoch's loss.

    Attributes:
    `offset_`: `decision_function` is `score_samples` minus this.  `decision_scores_` (N,), `threshold_`, `labels_` (N,):
    pyod's: scores of the training rows, the higher the more abnormal; -offset_; 1 for those above it, else 0.
    `mean_`, `scale_` (F,): the standardisation.  `network_`: the `fg.Network`.  `loss_curve_`, `n_iter_`: one loss for
    each epoch, and their number.  `validation_loss_curve_`: with `early_stopping`, else None.  `n_features_in_`,
    `feature_names_in_`.

    X is (N, F): an array, a pandas or polars frame, or a sparse matrix, which is made dense block by block (by `fit` as
    a whole).  In every method ValueError says what is wrong with an argument; `fastgrad.DivergenceError` where training
    leaves the finite numbers.  Note that pyod's `decision_function` has the other sign.

    Sources: Hawkins, He, Williams & Baxter, Outlier detection using replicator neural networks, DaWaK 2002; Sakurada &
    Yairi, Anomaly detection using autoencoders with nonlinear dimensionality reduction, MLSDA 2014.  The threshold:
    Tukey, Exploratory data analysis, 1977; Wilson & Hilferty, The distribution of chi-square, PNAS 17 (1931).

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 2)) @ rng.normal(size=(2, 6))  # six features, but two things vary
    >>> X[7, 2] += 6
    >>> detector = AutoencoderDetector((32, 2, 32), "tanh", random_state=0).fit(X)
    >>> int(detector.decision_scores_.argmax()), int(detector.predict(X)[7])
    (7, -1)
    >>> int(detector.feature_errors(X[7:8]).argmax())
    2
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn reads it
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(catalog.ACTIVATIONS)), list, tuple],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "standardize": ["boolean"],
        "optimizer": [StrOptions(set(catalog.OPTIMIZERS)), optimizers.Optimizer],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "schedule": [None, callable],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "max_seconds": [None, Interval(Real, 0, None, closed="left")],
        "n_jobs": [None, Options(Integral, {-1}), Interval(Integral, 1, 1024, closed="both")],
        "dtype": [StrOptions({"float32", "float64"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self, hidden_layer_sizes: Any = (32, 8, 32), activation: Any = "relu", *, contamination: Any = "auto",
        standardize: bool = True, optimizer: Any = "adam", learning_rate_init: float = 1e-3, schedule: Any = None,
        batch_size: Any = 64, max_iter: int = 30, early_stopping: bool = False, validation_fraction: float = 0.1,
        n_iter_no_change: int = 10, max_seconds: float | None = None, n_jobs: int | None = None,
        dtype: str = "float32", random_state: Any = None, verbose: Any = False,
    ) -> None:  # fmt: skip
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.contamination = contamination
        self.standardize = standardize
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.max_seconds = max_seconds
        self.n_jobs = n_jobs
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    # ---- training ----
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> AutoencoderDetector:
        """Train afresh on X (N, F); `y` is ignored.

        `sample_weight` (N,): what a row counts in the loss, the means, the deviations and the threshold.  A row of
        weight 0 is as if it were not there, but has its entry in `decision_scores_` and `labels_`.  Ctrl-C ends the
        training with a warning, and the parameters reached are kept.  Raises as the class says; the detector is then as
        it was.
        """
        fresh = copy.copy(self)
        fresh._fit(X, sample_weight)
        self.__dict__ = fresh.__dict__
        return self

    def _fit(self, X: Any, sample_weight: Any) -> None:
        stopping = bool(self.early_stopping)
        X, weight, kept, Z, (mean, scale, network) = self._prepared(X, sample_weight, True)
        if stopping and not 0 < (held := round(self.validation_fraction * len(Z))) < len(Z):
            raise ValueError(f"validation_fraction={self.validation_fraction} holds out {held} of {len(Z)} rows")
        try:
            network.fit(
                Z, Z, epochs=self.max_iter, batch_size=self._batch(len(Z)), optimizer=self._optimizer(),
                schedule=self.schedule, sample_weight=kept, threads=self._threads(), max_seconds=self.max_seconds,
                validation=float(self.validation_fraction) if stopping else None, progress=False,
                early_stopping=int(self.n_iter_no_change) if stopping else None, callbacks=self._tell,
            )  # fmt: skip
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        self.mean_, self.scale_, self.network_ = mean, scale, network
        history = network.history
        self.loss_curve_ = list(history.get("loss", []))
        self.validation_loss_curve_ = list(history.get("val_loss", [])) if stopping else None
        self.n_iter_ = len(self.loss_curve_)
        self._judge(X, weight)

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> AutoencoderDetector:
        """One pass over X (N, F), in its order, with the optimizer's state of the call before; for streams.

        Means and deviations are those of the first call, or of the `fit` before, and stay: let it see some hundred rows.
        Threshold, `offset_`, `decision_scores_` and `labels_` are of the rows of this call.  `schedule` and `max_iter`
        have no say.  ValueError with `early_stopping`, and where the optimizer is another one than before.  A copy, and a
        detector from a pickle, start with a fresh state of the optimizer.
        """
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True; use fit")
        first = not hasattr(self, "network_")
        X, weight, kept, Z, (mean, scale, network) = self._prepared(X, sample_weight, first)
        loss = train.partial_fit(
            network._record, Z, Z, kept, self._batch(len(Z)), self._optimizer(), self._threads()
        )  # fmt: skip
        if first:
            self.mean_, self.scale_, self.network_ = mean, scale, network
            self.loss_curve_, self.validation_loss_curve_ = [], None
        self.loss_curve_.append(loss)
        self.n_iter_ = len(self.loss_curve_)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")
        self._judge(X, weight)
        return self

    def _prepared(self, X: Any, sample_weight: Any, first: bool) -> tuple[Any, Any, Any, Array, tuple[Any, ...]]:
        """Everything that training needs, checked: X, its weights; the weights above 0 and the standardised rows that they
        belong to; mean, deviation and network, made anew where this is the `first` call.
        """
        X = self._read(X, first)
        layers = self._layers(X.shape[1])
        weight = arrays.as_weights(sample_weight, X.shape[0])
        # rows of weight 0 must not take part in the order of the others; equal weights are none
        rows, kept = (X, weight) if weight is None or weight.all() else (X[weight > 0], weight[weight > 0])
        kept = None if kept is None or (kept == kept[0]).all() else kept
        if first:
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            parts = *self._moments(rows, kept), Network(layers, loss="mse", dtype=self.dtype, seed=seed)
        elif layers != self.network_.layers or self.dtype != self.network_.dtype:
            raise ValueError(f"partial_fit goes on with {self.network_!r}; for another network, start anew with fit")
        else:
            parts = self.mean_, self.scale_, self.network_
        Z = np.empty(rows.shape, parts[2].dtype)
        for block in blocks(rows):
            Z[block] = standardised(rows[block], *parts[:2])
        return X, weight, kept, Z, parts

    def _read(self, X: Any, first: bool = False) -> Any:
        """X as validate_data gives it: an ndarray of its own dtype, or CSR."""
        return validate_data(self, X, accept_sparse="csr", reset=first)

    def _layers(self, features: int) -> tuple[Dense, ...]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if isinstance(sizes, Iterable) else [sizes]
        if not sizes or not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be one or more integers >= 1, got {self.hidden_layer_sizes!r}")
        several = isinstance(self.activation, list | tuple)
        names = [*self.activation] if several else [self.activation] * len(sizes)
        if len(names) != len(sizes):
            raise ValueError(f"activation has {len(names)} entries for {len(sizes)} hidden layers")
        ends = [features, *map(int, sizes), features]
        return tuple(Dense(i, o, f) for i, o, f in zip(ends[:-1], ends[1:], [*names, "identity"], strict=True))

    def _moments(self, X: Any, weight: Array | None) -> tuple[Array, Array]:
        """Mean and deviation (F,) of each feature; 0 and 1 where they are not asked for."""
        if not self.standardize:
            return np.zeros(X.shape[1]), np.ones(X.shape[1])
        scaler = StandardScaler()
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in blocks(X):
                part = dense(X[rows]).astype(np.float64, order="C")  # one order of sums for all layouts
                scaler.partial_fit(part, sample_weight=None if weight is None else weight[rows])
        bad = ~(np.isfinite(scaler.mean_) & np.isfinite(scaler.scale_))
        if bad.any():
            raise ValueError(
                f"X has values too large to be standardised in column {int(bad.argmax())}; scale them first"
            )
        return scaler.mean_, scaler.scale_

    def _optimizer(self) -> optimizers.Optimizer:
        if isinstance(self.optimizer, optimizers.Optimizer):
            return self.optimizer
        return type(optimizers.as_optimizer(self.optimizer))(lr=float(self.learning_rate_init))

    def _batch(self, rows: int) -> int:
        return min(200 if self.batch_size == "auto" else int(self.batch_size), rows)

    def _threads(self) -> int | None:
        return None if self.n_jobs in (None, -1) else int(self.n_jobs)

    def _tell(self, state: Any) -> None:
        if self.verbose:
            held = f", validation loss = {state.logs['val_loss']:.8f}" if "val_loss" in state.logs else ""
            print(f"Iteration {state.epoch + 1}, loss = {state.logs['loss']:.8f}{held}")

    def _judge(self, X: Any, weight: Array | None) -> None:
        """Scores of the training rows, and the threshold that follows."""
        self.decision_scores_ = self._scores(X)
        if self.contamination == "auto":
            self.threshold_ = fence(*quantiles(self.decision_scores_, weight, [0.25, 0.75]))
        else:
            self.threshold_ = float(quantiles(self.decision_scores_, weight, 1.0 - self.contamination))
        self.offset_ = -self.threshold_
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)

    # ---- what it tells ----
    def score_samples(self, X: Any) -> Array:
        """The negative anomaly score (N,) of X (N, F): the lower, the more abnormal."""
        check_is_fitted(self)
        return -self._scores(self._read(X))

    def decision_function(self, X: Any) -> Array:
        """score_samples(X) - offset_ (N,): below 0 for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> Array:
        """-1 for outliers, 1 for all others (N,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def feature_errors(self, X: Any) -> Array:
        """The squared error (N, F) of each standardised feature: why a row is odd.  Its row means are the scores."""
        check_is_fitted(self)
        X = self._read(X)
        out = np.empty(X.shape)
        for rows, Z, found in self._passes(X):
            np.square(np.subtract(Z, found, out=Z), out=out[rows])
        return out

    def reconstruct(self, X: Any) -> Array:
        """What the autoencoder makes of X (N, F), in the units of X, float64 (N, F)."""
        check_is_fitted(self)
        X = self._read(X)
        out = np.empty(X.shape)
        for rows, _, found in self._passes(X):
            np.add(np.multiply(found, self.scale_, out=out[rows]), self.mean_, out=out[rows])
        return out

    def transform(self, X: Any) -> Array:
        """The code (N, C) of X (N, F): activations of the first narrowest hidden layer, in the network's dtype."""
        check_is_fitted(self)
        X = self._read(X)
        encoder = self._encoder()
        out = np.empty((X.shape[0], self._n_features_out), encoder.dtype)
        for rows, Z in self._standard(X):
            out[rows] = encoder.predict(Z.astype(encoder.dtype), threads=self._threads())
        return out

    @property
    def _n_features_out(self) -> int:
        """C: the size of the code."""
        return int(min(self.network_.sizes[1:-1]))

    def _encoder(self) -> Network:
        """The layers up to the code."""
        depth = self.network_.sizes[1:-1].index(self._n_features_out) + 1
        encoder = Network(list(self.network_.layers[:depth]), dtype=self.network_.dtype)
        encoder.weights, encoder.biases = self.network_.weights[:depth], self.network_.biases[:depth]
        return encoder

    def _standard(self, X: Any) -> Iterator[tuple[slice, Array]]:
        for rows in blocks(X):
            yield rows, standardised(X[rows], self.mean_, self.scale_)

    def _passes(self, X: Any) -> Iterator[tuple[slice, Array, Array]]:
        """Block by block: rows, standardised values in float64, the network's output."""
        network, threads = self.network_, self._threads()
        for rows, Z in self._standard(X):
            yield rows, Z, network.predict(Z.astype(network.dtype, copy=False), threads=threads)

    def _scores(self, X: Any) -> Array:
        """Anomaly scores (N,) of checked rows."""
        out = np.empty(X.shape[0])
        for rows, Z, found in self._passes(X):
            np.subtract(Z, found, out=Z)
            np.mean(np.square(Z, out=Z), axis=1, out=out[rows])
        return out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = [self.dtype]
        return tags
