"""What both estimators share: scikit-learn's `fit` over the compiled loop.

The random numbers are drawn as scikit-learn draws them, in its order: first parameters (W uniform, then b, layer by layer),
the split for early stopping, for each epoch a shuffle of the order before.  The epochs themselves, their batches and steps
run in the kernels.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import batches, catalog, train
from ..history import DivergenceError
from ..losses import Loss, as_loss
from . import progress, validation
from .arguments import STOCHASTIC
from .callbacks import CallbackSupportMixin, Tasks
from .engine import Engine, Epochs, Shape
from .rules import ACTIVATIONS, learning_rate, output_name, update_rule

Array = npt.NDArray[Any]


class BaseMLP(CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A multi-layer perceptron; the two estimators add targets, loss and predictions."""

    # the arguments, as they were given: what each may be stands in arguments.py
    loss: Any
    hidden_layer_sizes: Any
    activation: Any
    solver: str
    learning_rate: Any
    learning_rate_init: float
    alpha: float
    power_t: float
    tol: float
    validation_fraction: float
    n_iter_no_change: float
    max_iter: int
    max_fun: int
    shuffle: bool
    warm_start: bool
    early_stopping: bool
    batch_size: Any
    random_state: Any
    verbose: Any
    optimizer: Any
    validation_set: Any
    class_weight: Any
    max_seconds: float | None
    n_jobs: int | None
    dropout: float
    clip_norm: float | None
    # set by training
    _best_parameters: tuple[list[Array], list[Array]]
    coefs_: list[Array]
    intercepts_: list[Array]

    def _remember(self, arguments: dict[str, Any]) -> None:
        """Keep the arguments of __init__ as they were given."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    # ---- what the two estimators say ----
    def _check(self, X: Any, y: Any, reset: bool) -> tuple[Any, Array]:
        """X, an array or CSR of SciPy, and y as scikit-learn's validate_data gives them."""
        raise NotImplementedError

    def _learn_classes(self, y: Array, incremental: bool) -> None:
        """What is to be known of y before it is encoded."""

    def _check_known(self, y: Array, name: str) -> None:
        """ValueError where y holds what training does not know."""

    def _encode(self, y: Array) -> Array:
        """y as the kernels take it: numbers (N, O), or the number of each row's class (N,), int32."""
        raise NotImplementedError

    def _width(self, Y: Array) -> int:
        """Outputs of the network for encoded targets."""
        return int(Y.shape[1])

    def _weigh(self, y: Array, weight: Array | None, incremental: bool) -> Array | None:
        """Sample weights, with what the classes weigh."""
        return weight

    def _loss(self, dtype: Any) -> Loss:
        raise NotImplementedError

    def _strata(self, Y: Array) -> Array | None:
        """What the split for early stopping keeps in proportion."""
        return None

    def _quality(self, outputs: Array, Y: Array, weight: Array | None) -> float:
        """The validation score of outputs (N, O), which are finite."""
        raise NotImplementedError

    # ---- fit ----
    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> None:
        before = getattr(self, "coefs_", None)
        with progress.unharmed(self):
            engine, data, Y = self._begin(X, y, sample_weight, incremental)
            asked = self._plan(engine, data, Y, incremental) if self._stochastic else None
        if incremental:
            assert asked is not None
            self._fit_stochastic(engine, data, asked, incremental, False)
            return
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        name, most = ("lbfgs-iter", None) if asked is None else ("epoch", self.max_iter)
        tasks = Tasks(self, name, most, {"X": X, "y": y, "metadata": metadata})
        if asked is None:
            self._fit_lbfgs(engine, data, tasks)
        else:
            drawn = self.coefs_ is not before
            self._fit_stochastic(engine, data, tasks.around(asked, lambda: self._as_fitted(engine)), False, drawn)
        tasks.close(lambda: self._as_fitted(engine))

    def _as_fitted(self, engine: Engine) -> dict[str, Any]:
        """The attributes that a copy needs to be this estimator as if its fit had ended now; its engine is its own."""
        coefs, intercepts = self._best_parameters if self._stochastic and self.early_stopping else engine.parameters()
        return {"coefs_": coefs, "intercepts_": intercepts, "_engine": None}

    def _begin(self, X: Any, y: Any, weight: Any, incremental: bool) -> tuple[Engine, batches.Batches, Array]:
        """Check the data and, where the training does not go on from before, draw first parameters."""
        hidden, activations = self._hidden_sizes(), self._activations()
        planned = not isinstance(self.learning_rate, str)
        if not self._stochastic and (self.dropout or self.clip_norm is not None or planned):
            raise ValueError(
                "dropout, clip_norm and schedules are for solvers that take steps on batches, not for lbfgs"
            )
        if incremental and planned:
            raise ValueError(
                f"partial_fit has no end for {self.learning_rate!r} to run towards: set learning_rate_init"
            )
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        if self.early_stopping and incremental and self.validation_set is None:
            raise ValueError("partial_fit does not support early_stopping=True without a validation_set")
        X, y = self._check(X, y, reset=first)
        weight = None if weight is None else _check_sample_weight(weight, X)
        self._learn_classes(y, incremental)
        weight, Y = self._weigh(y, weight, incremental), self._encode(y)
        self.n_outputs_ = self._width(Y)
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize((X.shape[1], *hidden, self.n_outputs_), activations, X.dtype)
        if self._stochastic and (first or not progress.fits(self)):
            progress.begin(self)
        # a line search needs more digits than float32 has
        engine = self._prepared(self.coefs_[0].dtype if self._stochastic else np.float64)
        self.out_activation_ = output_name(engine.shape.loss)
        return engine, batches.read_data(engine.record, X, Y, weight), Y

    @property
    def _stochastic(self) -> bool:
        return self.optimizer is not None or self.solver in STOCHASTIC

    @property
    def _threads(self) -> int | None:
        return None if self.n_jobs in (None, -1) else joblib.effective_n_jobs(self.n_jobs)

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if isinstance(sizes, Iterable) else [sizes]
        if np.any(np.array(sizes) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _activations(self) -> list[str]:
        """The catalog's name for each hidden layer."""
        count = len(self._hidden_sizes())
        names = [*self.activation] if isinstance(self.activation, list | tuple) else [self.activation] * count
        if len(names) != count:
            raise ValueError(f"activation has {len(names)} entries for {count} hidden layers")
        known = [ACTIVATIONS.get(name, name) if isinstance(name, str) else name for name in names]
        return [catalog.lookup(catalog.ACTIVATIONS, name, "activation").name for name in known]

    def _initialize(self, sizes: tuple[int, ...], activations: list[str], dtype: Any) -> None:
        """First parameters.  Bounds: Glorot & Bengio 2010, for the logistic function a third of their square; the last
        layer's is that of the layer before."""
        own = [*activations, activations[-1] if activations else self.activation]
        self.n_iter_, self.t_, self.n_layers_ = 0, 0, len(sizes)
        self.coefs_, self.intercepts_ = [], []
        for (inputs, outputs), name in zip(itertools.pairwise(sizes), own, strict=True):
            bound = np.sqrt((2.0 if name in ("sigmoid", "logistic") else 6.0) / (inputs + outputs))
            draw = self._random_state.uniform
            self.coefs_.append(draw(-bound, bound, (inputs, outputs)).astype(dtype, copy=False))
            self.intercepts_.append(draw(-bound, bound, outputs).astype(dtype, copy=False))
        if self.dropout:  # scikit-learn's draws are left as they are where there is none
            self._mask_seed = int(self._random_state.randint(2**31))

    def _shape(self, coefs: list[Array], activations: list[str], loss: Loss, dtype: Any) -> Shape:
        """The network of these weights."""
        sizes = (coefs[0].shape[0], *(W.shape[1] for W in coefs))
        drops = (*[float(self.dropout)] * (len(coefs) - 1), 0.0) if self.dropout else ()
        # a warm start may be the first to drop anything
        seed = getattr(self, "_mask_seed", 0) if self.dropout else 0
        return Shape(sizes, tuple(activations), loss, np.dtype(dtype).name, drops, seed)

    def _prepared(self, dtype: Any) -> Engine:
        """The engine with the estimator's parameters in it; the one of before where it has the right shape."""
        shape = self._shape(self.coefs_, [*self._activations(), "identity"], self._loss(dtype), dtype)
        engine: Engine | None = getattr(self, "_engine", None)
        if engine is None or engine.shape != shape:
            engine = self._engine = Engine(shape)
        engine.load(self.coefs_, self.intercepts_)
        return engine

    def _fit_lbfgs(self, engine: Engine, data: batches.Batches, tasks: Tasks) -> None:
        options = {"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol}

        def fitted() -> dict[str, Any]:
            return self._as_fitted(engine)

        def told(intermediate_result: Any) -> None:
            progress.tell(self, f"loss = {intermediate_result.fun:.8f}")
            if tasks.end(fitted):
                raise StopIteration
            tasks.begin(fitted)

        tasks.begin(fitted)
        result = engine.minimise(data, self.alpha, self._threads, options, told)
        self.loss_, self.n_iter_ = float(result.fun), min(result.nit, self.max_iter)
        if not np.isfinite(result.x).all():
            raise ValueError(validation.NOT_FINITE)
        self.coefs_, self.intercepts_ = engine.parameters()
        if result.status != 0 and not tasks.stopped:
            warnings.warn(
                f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}): {result.message}. "
                f"Increase max_iter ({self.max_iter}) or max_fun ({self.max_fun}), or scale the data.",
                ConvergenceWarning, stacklevel=5,
            )  # fmt: skip

    def _plan(self, engine: Engine, data: batches.Batches, Y: Array, incremental: bool) -> Epochs:
        """What the epochs are made of; with a fresh optimizer unless that of before goes on."""
        given, rows, held = validation.read_given(self, engine), None, None
        if self.early_stopping and given is not None:
            held = given[:3]
        elif self.early_stopping:
            rows, out = validation.split(self, Y)
            held = data.X[out], Y[out], None if data.weight is None else data.weight[out]
        count = data.rows if rows is None else len(rows)
        places = np.arange(count)

        def shuffled(epoch: int) -> Array:
            # the draws of sklearn.utils.shuffle, which takes ten times as long over its arguments
            self._random_state.shuffle(places)
            return places.astype(np.int32) if rows is None else rows[places]

        def after(state: Any) -> bool:
            progress.add_epoch(self, count, state.logs["loss"], state.logs.get("val_loss"))
            return validation.judge(self, engine, held)

        batch = self._batch(count)
        if not incremental or engine.run is None:
            rule = update_rule(self)
            engine.start(rule, self.alpha)
            self._optimizer = learning_rate(self, rule)
        return Epochs(
            1 if incremental else self.max_iter, batch, rows, shuffled if self.shuffle else None, after, self._optimizer,
            self._threads, None if incremental else self.max_seconds, None if given is None else given[3],
            train.read_clip(self.clip_norm, None),
        )  # fmt: skip

    def _fit_stochastic(
        self, engine: Engine, data: batches.Batches, asked: Epochs, incremental: bool, drawn: bool
    ) -> None:
        """The epochs that are asked for.  `drawn`: the parameters are this fit's own, and the result may take their place."""
        self.n_iter_ = 0
        try:
            engine.epochs(data, asked)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=5)
        except DivergenceError as error:
            self.coefs_, self.intercepts_ = engine.parameters()
            validation.diverged(self, error, data.rows if asked.rows is None else len(asked.rows))
        if self.early_stopping and not incremental:
            self.coefs_, self.intercepts_ = self._best_parameters
        else:
            self.coefs_, self.intercepts_ = engine.parameters((self.coefs_, self.intercepts_) if drawn else None)
        stopped = self._no_improvement_count > self.n_iter_no_change
        if self.n_iter_ == self.max_iter and not (stopped or incremental):
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
                "converged yet.", ConvergenceWarning, stacklevel=5,
            )  # fmt: skip

    def _batch(self, rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, rows)
        if self.batch_size > rows:
            found = f"{self.batch_size} where there are {rows} rows"
            warnings.warn(
                f"Got `batch_size` larger than sample size: {found}. It is going to be clipped.", stacklevel=6
            )
        return min(int(self.batch_size), rows)

    # ---- use ----
    def _read_rows(self, X: Any) -> Any:
        """X to be predicted for, checked."""
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", reset=False)

    def _outputs(self, X: Any) -> Array:
        """The network's outputs (N, O) for input that is still to be checked."""
        X = self._read_rows(X)
        return self._prepared(np.result_type(*self.coefs_, *self.intercepts_)).predict(X, self._threads)

    def transform(self, X: Any) -> Array:
        """The last hidden layer's values (N, H): what the network has made of X (N, I) before its linear last layer.

        ValueError where there is no hidden layer, or X does not fit.
        """
        X = self._read_rows(X)
        if len(self.coefs_) < 2:
            raise ValueError("transform needs a hidden layer, but hidden_layer_sizes is empty")
        engine = Engine(self._shape(self.coefs_[:-1], self._activations(), as_loss("mse"), self.coefs_[0].dtype))
        engine.load(self.coefs_[:-1], self.intercepts_[:-1])
        return engine.predict(X, self._threads)

    @property
    def _n_features_out(self) -> int:
        return len(self.coefs_[-1])

    def _check_solver(self) -> bool:
        if not self._stochastic:
            raise AttributeError(
                f"partial_fit needs a stochastic solver, {' or '.join(STOCHASTIC)}, not {self.solver!r}"
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
