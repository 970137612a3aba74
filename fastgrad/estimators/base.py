"""What both estimators share: scikit-learn's `fit` over the compiled loop.

The random numbers are drawn as scikit-learn draws them, in its order: first parameters (W uniform, then b, layer by layer),
the split for early stopping, a shuffle of the order before for each epoch.  The epochs themselves, their batches and steps
run in the kernels.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, shuffle
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, validate_data

from .. import catalog, optimizers, train
from ..history import DivergenceError
from ..losses import Loss
from .engine import Engine, Epochs, Shape
from .rules import ACTIVATIONS, OPTIMIZERS, LearningRate, output_name

Array = npt.NDArray[Any]
STOCHASTIC = ("sgd", "adam")
NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


class BaseMLP(BaseEstimator):  # type: ignore[misc]
    """A multi-layer perceptron; the two estimators add targets, loss and predictions."""

    loss: Any
    activation: str
    solver: str
    alpha: float
    batch_size: Any
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: Any
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    hidden_layer_sizes: Any
    # set by training
    coefs_: list[Array]
    intercepts_: list[Array]

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn reads and extends it
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({*ACTIVATIONS, *catalog.ACTIVATIONS})],
        "solver": [StrOptions({*STOCHASTIC, "lbfgs"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
    }

    def _remember(self, arguments: dict[str, Any]) -> None:
        """Keep the arguments of __init__ as they were given."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    # ---- what the two estimators say ----
    def _read(self, X: Any, y: Any, first: bool) -> tuple[Array, Array]:
        """X as validate_data gives it, and targets (N, O) as numbers."""
        raise NotImplementedError

    def _loss(self, dtype: Any) -> Loss:
        raise NotImplementedError

    def _targets(self, Y: Array) -> Array:
        """Targets (N, O) as the kernels take them."""
        return Y

    def _labels(self, outputs: Array) -> Array:
        """What `predict` returns, of the network's outputs (N, O)."""
        raise NotImplementedError

    def _quality(self, X: Array, Y: Array, weight: Array | None) -> float:
        """The validation score of the network's present parameters; NaN where an output is not finite."""
        raise NotImplementedError

    # ---- fit ----
    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> Any:
        hidden = self._hidden_sizes()
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        X, Y = self._read(X, y, first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        self.n_outputs_ = Y.shape[1]
        self._random_state = check_random_state(self.random_state)
        sizes = (X.shape[1], *hidden, self.n_outputs_)
        if first:
            self._initialize(sizes, X.dtype)
        loss = self._loss(np.float64 if self.solver == "lbfgs" else self.coefs_[0].dtype)
        self.out_activation_ = output_name(loss)
        engine = self._prepared(loss)
        data = train.read_data(engine.record, X, self._targets(Y), sample_weight)
        if self.solver == "lbfgs":
            self._fit_lbfgs(engine, data)
        else:
            self._fit_stochastic(engine, data, Y, incremental)
        return self

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if isinstance(sizes, Iterable) else [sizes]
        if np.any(np.array(sizes) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _initialize(self, sizes: tuple[int, ...], dtype: Any) -> None:
        """First parameters and empty records of the training."""
        self.n_iter_, self.t_, self.n_layers_ = 0, 0, len(sizes)
        self.coefs_, self.intercepts_ = [], []
        for inputs, outputs in itertools.pairwise(sizes):
            bound = np.sqrt((2.0 if self.activation in ("logistic", "sigmoid") else 6.0) / (inputs + outputs))
            draw = self._random_state.uniform
            self.coefs_.append(draw(-bound, bound, (inputs, outputs)).astype(dtype, copy=False))
            self.intercepts_.append(draw(-bound, bound, outputs).astype(dtype, copy=False))
        if self.solver == "lbfgs":
            return
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        stopping = self.early_stopping
        self._best_parameters = self.coefs_, self.intercepts_
        self.best_loss_ = None if stopping else np.inf
        self.validation_scores_: list[float] | None = [] if stopping else None
        self.best_validation_score_ = -np.inf if stopping else None

    def _prepared(self, loss: Loss | None = None) -> Engine:
        """The engine with the parameters of the estimator in it; the one of before where it has the right shape."""
        engine: Engine | None = getattr(self, "_engine", None)
        if loss is None:  # to predict
            dtype = np.result_type(*self.coefs_, *self.intercepts_)
            loss = engine.shape.loss if engine is not None else self._loss(dtype)
        else:
            dtype = np.dtype(np.float64 if self.solver == "lbfgs" else self.coefs_[0].dtype)
        hidden = ACTIVATIONS.get(self.activation, self.activation)
        sizes = (self.coefs_[0].shape[0], *(W.shape[1] for W in self.coefs_))
        shape = Shape(sizes, (hidden,) * (len(sizes) - 2) + ("identity",), loss, dtype.name)
        if engine is None or engine.shape != shape:
            engine = self._engine = Engine(shape)
        engine.load(self.coefs_, self.intercepts_)
        return engine

    def _outputs(self, X: Any) -> Array:
        """The network's outputs (N, O) for input that is still to be checked."""
        X = dense(validate_data(self, X, accept_sparse=["csr", "csc"], reset=False))
        return self._prepared().predict(X, None)

    def _fit_lbfgs(self, engine: Engine, data: train.Batches) -> None:
        options = {"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol}

        def told(intermediate_result: Any) -> None:
            if self.verbose:
                print(f"loss = {intermediate_result.fun:.8f}")

        result = engine.minimise(data, self.alpha, None, options, told)
        self.loss_, self.n_iter_ = float(result.fun), min(result.nit, self.max_iter)
        if not np.isfinite(result.x).all():
            raise ValueError(NOT_FINITE)
        self.coefs_, self.intercepts_ = engine.parameters()
        if result.status != 0:
            warnings.warn(
                f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}): {result.message}. "
                f"Increase max_iter ({self.max_iter}) or max_fun ({self.max_fun}), or scale the data.",
                ConvergenceWarning, stacklevel=4,
            )  # fmt: skip

    def _optimizer_of_solver(self) -> optimizers.Optimizer:
        if self.solver == "sgd":
            nesterov = bool(self.nesterovs_momentum and self.momentum)
            return OPTIMIZERS["velocity_sgd"](float(self.learning_rate_init), float(self.momentum), nesterov)
        betas = float(self.beta_1), float(self.beta_2)
        return OPTIMIZERS["plain_eps_adam"](float(self.learning_rate_init), betas, float(self.epsilon))

    def _fit_stochastic(self, engine: Engine, data: train.Batches, Y: Array, incremental: bool) -> None:
        if not incremental or engine.run is None:
            rule = self._optimizer_of_solver()
            engine.start(rule, self.alpha)
            kind = self.learning_rate if self.solver == "sgd" else "constant"
            self._optimizer = LearningRate(rule.lr, kind, self.power_t)
        rows, held = self._split(Y) if self.early_stopping else (None, None)
        count = data.rows if rows is None else len(rows)
        order = np.arange(count, dtype=np.int32)

        def shuffled(epoch: int) -> Array:
            nonlocal order
            order = np.asarray(shuffle(order, random_state=self._random_state))
            return order if rows is None else rows[order]

        def after(state: Any) -> bool:
            self._epoch_over(float(state.logs["loss"]), count)
            held_out = None if held is None else (data.X[held], Y[held], whole_weight(data, held))
            return self._stop(held_out, incremental)

        self.n_iter_ = 0
        asked = Epochs(
            1 if incremental else self.max_iter, self._batch(count), rows, shuffled if self.shuffle else None, after,
            self._optimizer, None, None, None,
        )  # fmt: skip
        try:
            engine.epochs(data, asked)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        except DivergenceError as error:
            self._diverged(error, count)
        self.coefs_, self.intercepts_ = engine.parameters()
        if self.early_stopping:
            self.coefs_, self.intercepts_ = self._best_parameters

    def _batch(self, rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, rows)
        if self.batch_size > rows:
            warnings.warn(
                f"Got `batch_size` larger than sample size: {self.batch_size} is clipped to {rows}", stacklevel=5
            )
        return min(int(self.batch_size), rows)

    def _split(self, Y: Array) -> tuple[Array, Array]:
        """(rows to train on, rows held out), as scikit-learn draws them: stratified where there is one output of classes."""
        rows = np.arange(len(Y), dtype=np.int32)
        kept, held = train_test_split(
            rows, random_state=self._random_state, test_size=self.validation_fraction, stratify=self._strata(Y)
        )
        if len(held) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return kept, held

    def _strata(self, Y: Array) -> Array | None:
        return None

    # ---- between epochs ----
    def _epoch_over(self, loss: float, rows: int) -> None:
        self.n_iter_ += 1
        self.loss_ = loss
        self.t_ += rows
        self.loss_curve_.append(loss)
        self._tell(f"Iteration {self.n_iter_}, loss = {loss:.8f}")

    def _tell(self, text: str) -> None:
        if self.verbose:
            print(text)

    def _stop(self, held: tuple[Array, Array, Array | None] | None, incremental: bool) -> bool:
        """Whether training ends here, judged by the score on `held` or by the loss."""
        if held is None:
            self._judge_loss()
        else:
            self._judge_score(self._quality(*held))
        self._optimizer.epoch_over(self.t_)
        if self._no_improvement_count > self.n_iter_no_change:
            what = "Training loss" if held is None else "Validation score"
            why = f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs."
            instead = self._optimizer.no_progress()
            self._tell(f"{why} {instead or 'Stopping.'}")
            if not instead:
                return True
            self._no_improvement_count = 0
        if self.n_iter_ == self.max_iter and not incremental:
            self._warn_of_limit()
        return incremental

    def _warn_of_limit(self) -> None:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged yet.",
            ConvergenceWarning, stacklevel=9,
        )  # fmt: skip

    def _judge_loss(self) -> None:
        loss, best = self.loss_curve_[-1], self.best_loss_
        assert best is not None
        self._no_improvement_count = self._no_improvement_count + 1 if loss > best - self.tol else 0
        self.best_loss_ = min(best, loss)

    def _judge_score(self, score: float) -> None:
        assert self.validation_scores_ is not None and self.best_validation_score_ is not None
        self.validation_scores_.append(score)
        self._tell(f"Validation score: {score:f}")
        worse = score < self.best_validation_score_ + self.tol
        self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
        if score > self.best_validation_score_:
            self.best_validation_score_ = score
            self._best_parameters = self._engine.parameters()

    def _diverged(self, error: DivergenceError, rows: int) -> None:
        """The loss is not finite any more.  The best parameters stand where early stopping kept them."""
        if not self.early_stopping:
            raise ValueError(NOT_FINITE) from error
        self._epoch_over(float("nan"), rows)
        self._judge_score(float("nan"))
        warnings.warn(f"Stopped: {error}", ConvergenceWarning, stacklevel=4)

    def _check_solver(self) -> bool:
        if self.solver not in STOCHASTIC:
            raise AttributeError(
                f"partial_fit needs a stochastic solver, {' or '.join(STOCHASTIC)}, not {self.solver!r}"
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def dense(X: Any) -> Array:
    """Sparse input as an ordinary array."""
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X)


def whole_weight(data: train.Batches, rows: Array) -> Array | None:
    """Sample weights of some rows."""
    return None if data.weight is None else data.weight[rows]
