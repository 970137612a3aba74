"""The estimators' arguments: what each may be, and what it means.  scikit-learn's own first, then those beyond it."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from .. import catalog
from ..losses import Loss
from ..optimizers import Optimizer
from ..schedules import Schedule
from .rules import ACTIVATIONS, MORE_LOSSES, REGRESSION

STOCHASTIC = ("sgd", "adam")
# data frames come column by column; shuffled rows of those cost a cache miss for each value, twice the time of a training
ROWS = "C"

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions({*ACTIVATIONS, *catalog.ACTIVATIONS}), list, tuple],
    "solver": [StrOptions({*STOCHASTIC, "lbfgs"})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), Schedule],
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
    "optimizer": [StrOptions(set(catalog.OPTIMIZERS)), Optimizer, None],
    "validation_set": [tuple, list, None],
    "max_seconds": [Interval(Real, 0, None, closed="left"), None],
    "n_jobs": [Integral, None],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
}
REGRESSOR_CONSTRAINTS = {**CONSTRAINTS, "loss": [StrOptions({*REGRESSION, *MORE_LOSSES}), Loss]}
CLASSIFIER_CONSTRAINTS = {**CONSTRAINTS, "class_weight": [dict, StrOptions({"balanced"}), None]}

TEXT = f"""
Arguments that are scikit-learn's, with its defaults:

- hidden_layer_sizes: units of each hidden layer, a sequence of ints or one; () is a linear model.
- activation: of the hidden layers: identity, logistic, tanh, relu, or any other of fastgrad
  ({", ".join(name for name in catalog.ACTIVATIONS if name not in ("identity", "tanh", "relu"))}), or a list with
  one for each layer.
- solver: "adam", "sgd", or "lbfgs" (scipy's L-BFGS-B on the whole data, always in float64).
- alpha: the loss has the term alpha / 2 * sum of W^2 / n, n the rows (or sample weights) of the batch; biases have none.
- batch_size: rows of a step; "auto" is min(200, rows).
- learning_rate: of sgd: "constant"; "invscaling", divided after each epoch by (samples seen + 1)^power_t; "adaptive", a
  fifth whenever the training would otherwise stop, down to 1e-6.  learning_rate_init: the first rate; power_t: the power.
- max_iter: epochs, or iterations of lbfgs; max_fun: evaluations of lbfgs.
- shuffle: a new order each epoch.  random_state: seed or RandomState of parameters, split and shuffles.
- tol, n_iter_no_change: training ends after more than n_iter_no_change epochs without progress by tol, in the loss or, with
  early_stopping, in the score on validation_fraction of the rows, which are held out; then the best parameters are kept.
- verbose: print the loss of each epoch.  warm_start: `fit` goes on from the present parameters.
- momentum, nesterovs_momentum: of sgd.  beta_1, beta_2, epsilon: of adam.

Arguments beyond it, by keyword:

- optimizer: a name or an optimizer of fastgrad such as `fg.AdamW(1e-3)`, in place of the solver's; a name takes
  learning_rate_init.
- learning_rate: also a schedule such as `fg.Cosine()`, over max_iter epochs, of any solver that takes steps on batches
  (not for partial_fit).
- validation_set: (X, y) or (X, y, sample_weight) to judge the training by: `validation_loss_curve_` holds its loss after
  each epoch; with early_stopping it takes the place of the rows held out, and partial_fit may be combined with
  early_stopping: each call adds to `validation_scores_`, none restores parameters.
- max_seconds: `fit` returns after the step in which time runs out (not for lbfgs).
- dropout: while training, each value of a hidden layer is dropped with this probability (not for lbfgs).
- clip_norm: a gradient longer than this is shortened to it (not for lbfgs).
- n_jobs: threads; None and -1 use as many as help.  The result does not depend on it, bit for bit.
"""

ATTRIBUTES = """
Attributes after fitting: coefs_ (list of (I, O)) and intercepts_ (list of (O,)), which may be assigned; loss_, loss_curve_,
best_loss_, validation_scores_, best_validation_score_, n_iter_, t_ (samples seen), n_layers_, n_outputs_, out_activation_,
n_features_in_, feature_names_in_; validation_loss_curve_ where there is a validation_set.

float32 input trains in float32, anything else in float64.  A sparse X (CSR; other
kinds are converted) is never made dense.

ValueError or TypeError where an argument, X or y is out of range, or where the loss stops being finite; then the parameters
are those of the last good epoch.  ConvergenceWarning where max_iter ends the training.
"""
