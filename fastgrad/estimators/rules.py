"""scikit-learn's losses, update rules and learning rates, as fastgrad's engine takes them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import catalog, losses, optimizers, private_rows, schedules

LOSSES = {name: losses.make_face(row, __name__) for name, row in private_rows.PRIVATE_LOSSES.items()}
OPTIMIZERS = {
    name: optimizers.make_face(row, __name__) for name, row in private_rows.PRIVATE_OPTIMIZERS.items() if row.public
}
globals().update({face.__name__: face for face in (*LOSSES.values(), *OPTIMIZERS.values())})  # so that they pickle

ACTIVATIONS = {"logistic": "sigmoid"}  # the one name that is scikit-learn's own
SMALLEST_RATE = 1e-6  # `adaptive` ends there
REGRESSION = {"squared_error": "half_squared_error", "poisson": "half_poisson_deviance"}
# the catalog's losses that a regressor may have besides
MORE_LOSSES = tuple(name for name, row in catalog.LOSSES.items() if row.kind == "real" and name != "mse")
OUTPUT_NAMES = {"identity": "identity", "exp": "exp", "softmax": "softmax", "sigmoid": "logistic"}


def classification_loss(multiclass: bool, dtype: Any) -> losses.Loss:
    """Log loss, cut off where scikit-learn clips a probability: at the type's eps."""
    return LOSSES["log_loss" if multiclass else "binary_log_loss"](most=-float(np.log(np.finfo(dtype).eps)))


def regression_loss(loss: Any) -> losses.Loss:
    """scikit-learn's loss of that name, or any that the catalog has for numbers."""
    if isinstance(loss, str) and loss in REGRESSION:
        return LOSSES[REGRESSION[loss]]()
    return losses.as_loss(loss)


def output_name(loss: losses.Loss) -> str:
    """scikit-learn's name of the function that turns scores into predictions."""
    return OUTPUT_NAMES[loss.row.link_name]


def update_rule(mlp: Any) -> optimizers.Optimizer:
    """What an estimator's arguments ask for: its optimizer, or scikit-learn's rule of its solver."""
    rate = float(mlp.learning_rate_init)
    if isinstance(mlp.optimizer, str):
        return optimizers.FACES[mlp.optimizer](lr=rate)
    if mlp.optimizer is not None:
        return optimizers.as_optimizer(mlp.optimizer)
    if mlp.solver == "sgd":
        nesterov = bool(mlp.nesterovs_momentum and mlp.momentum)
        return OPTIMIZERS["velocity_sgd"](rate, float(mlp.momentum), nesterov)
    return OPTIMIZERS["plain_eps_adam"](rate, (float(mlp.beta_1), float(mlp.beta_2)), float(mlp.epsilon))


class LearningRate(schedules.Schedule):
    """The rate of an epoch: constant, by the samples seen (invscaling), or a fifth when told (adaptive).

    `learning_rate` is the present one.
    """

    def __init__(self, start: float, kind: str, power: float) -> None:
        super().__init__()
        self.start, self.kind, self.power = float(start), kind, power
        self.learning_rate = self.start

    def __repr__(self) -> str:
        return f"LearningRate({self.learning_rate!r}, {self.kind!r})"

    def __call__(self, lr: float, epoch: npt.ArrayLike, total: float, step: float = 0.0) -> schedules.Times:
        """The same for all steps of the epoch."""
        return np.full(np.shape(epoch), self.learning_rate)

    def epoch_over(self, samples: int) -> None:
        """An epoch is over; `samples` were seen in all."""
        if self.kind == "invscaling":
            self.learning_rate = self.start / float((samples + 1) ** self.power)

    def no_progress(self) -> str:
        """What follows from a loss that improves no more: "" to stop, else what was done instead."""
        if self.kind != "adaptive":
            return ""
        if self.learning_rate <= SMALLEST_RATE:
            return ""
        self.learning_rate /= 5.0
        return f"Setting learning rate to {self.learning_rate:f}"


class Planned(LearningRate):
    """A schedule of fastgrad's in their place; a copy, since some remember what they are told."""

    def __init__(self, start: float, schedule: schedules.Schedule) -> None:
        super().__init__(start, "constant", 0.0)
        self.schedule = copy.copy(schedule)

    def __call__(self, lr: float, epoch: npt.ArrayLike, total: float, step: float = 0.0) -> schedules.Times:
        """The schedule's rates, of which the last is the present one."""
        rates = self.schedule(lr, epoch, total, step)
        self.learning_rate = float(rates.flat[-1]) if rates.size else self.learning_rate
        return rates

    def observe(self, loss: float) -> None:
        """Told to the schedule."""
        self.schedule.observe(loss)


def learning_rate(mlp: Any, rule: optimizers.Optimizer) -> LearningRate:
    """What an estimator's arguments ask for: a schedule, or scikit-learn's rule, which only its sgd has."""
    if isinstance(mlp.learning_rate, schedules.Schedule):
        return Planned(rule.lr, mlp.learning_rate)
    own = mlp.solver == "sgd" and mlp.optimizer is None
    return LearningRate(rule.lr, mlp.learning_rate if own else "constant", mlp.power_t)
