"""Learning-rate schedules: the step size as a function of training time in epochs.

A schedule gets the optimizer's lr, the time at which each step starts (epochs, float64, any shape), the epochs that
`fit` will run in total and the length of a step in epochs; it gives the lr of each step.  Written with NumPy, evaluated
for many steps at once.  `warmup`: epochs over which the result rises linearly from nearly 0.
"""

# ruff: noqa: D102 - what a schedule's method computes stands in the docstring of its class

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.float64]
ROUNDING = 1e-12  # 0.3 / 0.1 is a little less than 3; the third period begins there all the same


@dataclass(kw_only=True)
class Schedule:
    """What all schedules share: they are called with times, and can be told the loss of each epoch.

    `warmup`: epochs over which lr rises linearly from nearly 0.  ValueError where it is negative or no number.
    """

    warmup: float = 0.0

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            number = isinstance(value, numbers.Real) and not isinstance(value, bool)
            if f.init and value is not None and not (number and math.isfinite(value) and value >= 0):
                raise ValueError(f"{type(self).__name__}: {f.name} must be a number >= 0, got {value!r}")

    def shape(self, lr: float, epoch: Times, total: float) -> Times:
        """The lr at `epoch` in the shape of `epoch`, without the warm-up; `lr`, `epoch` and `total` as in a call.

        NotImplementedError where a class of one's own does not define it.
        """
        raise NotImplementedError

    def __call__(self, lr: float, epoch: npt.ArrayLike, total: float, step: float = 0.0) -> Times:
        """The lr at the times `epoch` (any shape, in epochs), in the shape of `epoch`.

        `lr`: the optimizer's.  `total`: epochs of the whole training.  `step`: the length of a step, in epochs: the
        warm-up ends with its last step.  ValueError if `epoch` does not hold numbers.

        >>> Cosine()(0.1, [0.0, 5.0, 10.0], 10).round(3).tolist()
        [0.1, 0.05, 0.0]
        """
        times = np.asarray(epoch, np.float64)
        rates = np.broadcast_to(self.shape(lr, times, total), times.shape)
        if self.warmup:
            rates = rates * np.minimum(1.0, (times + step) / self.warmup)
        return np.array(rates, np.float64, order="C")

    def observe(self, loss: float) -> None:
        """Told the loss after each epoch, validation's where there is one; only ReduceOnPlateau makes use of it."""


@dataclass
class Constant(Schedule):
    """The optimizer's lr, unchanged but for the warm-up.

    `warmup`: epochs.  ValueError where it is negative or no number.

    >>> Constant(warmup=2)(0.1, [0.0, 1.0, 5.0], 10).tolist()
    [0.0, 0.05, 0.1]
    """

    def shape(self, lr: float, epoch: Times, total: float) -> Times:
        return np.full(epoch.shape, lr)


@dataclass
class StepDecay(Schedule):
    """A step down every `step_size` epochs: `lr gamma^floor(epoch / step_size)`.

    `warmup`: epochs.  ValueError where an argument is negative, or `step_size` 0.

    Source: torch.optim.lr_scheduler.StepLR.

    >>> StepDecay(2, 0.5)(0.1, [0.0, 1.0, 2.0, 4.0], 10).tolist()
    [0.1, 0.1, 0.05, 0.025]
    """

    step_size: float = 10.0
    gamma: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_size == 0:
            raise ValueError("StepDecay: step_size must be above 0")

    def shape(self, lr: float, epoch: Times, total: float) -> Times:
        return lr * self.gamma ** np.floor(epoch / self.step_size + ROUNDING)


@dataclass
class ExponentialDecay(Schedule):
    """Down by the same factor in every epoch: `lr gamma^epoch`.

    `warmup`: epochs.  ValueError where an argument is negative.

    Source: torch.optim.lr_scheduler.ExponentialLR.

    >>> ExponentialDecay(0.5)(0.1, [0.0, 1.0, 2.0], 10).tolist()
    [0.1, 0.05, 0.025]
    """

    gamma: float = 0.95

    def shape(self, lr: float, epoch: Times, total: float) -> Times:
        return lr * self.gamma**epoch


@dataclass
class Polynomial(Schedule):
    """From lr to `end_lr` as `(1 - epoch / total)^power`; with power 1, along a straight line.

    `warmup`: epochs.  ValueError where an argument is negative.

    Source: torch.optim.lr_scheduler.PolynomialLR.

    >>> Polynomial()(0.1, [0.0, 5.0, 10.0], 10).tolist()
    [0.1, 0.05, 0.0]
    """

    power: float = 1.0
    end_lr: float = 0.0

    def shape(self, lr: float, epoch: Times, total: float) -> Times:
        return self.end_lr + (lr - self.end_lr) * (1 - np.minimum(epoch / total, 1)) ** self.power


@dataclass
class InverseScaling(Schedule):
    """Down as a power of time: `lr / (1 + epoch)^power`.

    `warmup`: epochs.  ValueError where an argument is negative.

    Source: Robbins & Monro 1951; scikit-learn's invscaling, in epochs, not samples.

    >>> InverseScaling()(0.1, [0.0, 3.0], 10).tolist()
    [0.1, 0.05]
    """

    power: float = 0.5

    def shape(self, lr: float, epoch: Times, total: float) -> Times:
        return lr / (1 + epoch) ** self.power


@dataclass
class Cosine(Schedule):
    """From lr to `end_lr` along half a cosine.

    `warmup`: epochs.  ValueError where an argument is negative.

    Source: Loshchilov & Hutter 2016, arXiv:1608.03983.

    >>> Cosine()(0.1, [0.0, 5.0, 10.0], 10).round(3).tolist()
    [0.1, 0.05, 0.0]
    """

    end_lr: float = 0.0

    def shape(self, lr: float, epoch: Times, total: float) -> Times:
        return self.end_lr + (lr - self.end_lr) * 0.5 * (1 + np.cos(np.pi * np.minimum(epoch / total, 1)))


@dataclass
class WarmRestarts(Schedule):
    """Cosine over `period` epochs, again and again, each period `multiply` times as long as the one before.

    `end_lr`: where each period ends.  `warmup`: epochs.  ValueError where an argument is negative, `period` 0 or
    `multiply` below 1.

    Source: Loshchilov & Hutter 2016, arXiv:1608.03983 (SGDR).

    >>> WarmRestarts(2)(0.1, [0.0, 1.0, 2.0, 3.0], 4).round(3).tolist()
    [0.1, 0.05, 0.1, 0.05]
    """

    period: float = 10.0
    multiply: float = 1.0
    end_lr: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.period == 0 or self.multiply < 1:
            raise ValueError("WarmRestarts: period must be above 0 and multiply at least 1")

    def shape(self, lr: float, epoch: Times, total: float) -> Times:
        if self.multiply == 1:
            place = epoch / self.period - np.floor(epoch / self.period + ROUNDING)
        else:
            m = self.multiply
            count = np.floor(np.log(epoch / self.period * (m - 1) + 1) / np.log(m) + ROUNDING)
            start, length = self.period * (m**count - 1) / (m - 1), self.period * m**count
            place = (epoch - start) / length
        return self.end_lr + (lr - self.end_lr) * 0.5 * (1 + np.cos(np.pi * place))


@dataclass
class OneCycle(Schedule):
    """Up from `max_lr` / `div_factor` to `max_lr` in the first `pct_start` of training, then down for the rest.

    It ends at 1 / `final_div_factor` of where it started; both ways along half a cosine.  `max_lr` is the optimizer's lr
    where not given.  `warmup`: epochs.  ValueError where an argument is negative, `pct_start` is not between 0 and 1, or
    a factor is below 1.

    Source: Smith & Topin 2017, arXiv:1708.07120; torch.optim.lr_scheduler.OneCycleLR.

    >>> OneCycle()(0.1, [0.0, 3.0, 10.0], 10).round(4).tolist()
    [0.004, 0.1, 0.0]
    """

    max_lr: float | None = None
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.pct_start < 1 or self.div_factor < 1 or self.final_div_factor < 1:
            raise ValueError("OneCycle: pct_start must be between 0 and 1, both div factors at least 1")

    def shape(self, lr: float, epoch: Times, total: float) -> Times:
        top = lr if self.max_lr is None else self.max_lr
        low, place = top / self.div_factor, np.minimum(epoch / total, 1)
        end = low / self.final_div_factor
        up, down = place / self.pct_start, (place - self.pct_start) / (1 - self.pct_start)
        rising, falling = 0.5 * (1 - np.cos(np.pi * up)), 0.5 * (1 + np.cos(np.pi * down))
        return np.where(up < 1, low + (top - low) * rising, end + (top - end) * falling)


@dataclass
class ReduceOnPlateau(Schedule):
    """Times `factor` whenever the loss has not improved by `threshold` (relative) for more than `patience` epochs.

    `cooldown`: epochs after such a step in which none is counted.  `min_lr`: where it ends.  `warmup`: epochs.
    ValueError where an argument is negative, or `factor` is not between 0 and 1.

    Source: torch.optim.lr_scheduler.ReduceLROnPlateau.

    >>> schedule = ReduceOnPlateau(0.5, patience=0)
    >>> for loss in (1.0, 1.0):
    ...     schedule.observe(loss)
    >>> schedule(0.1, 2.0, 10).item()
    0.05
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    min_lr: float = 0.0
    _scale: float = field(default=1.0, init=False, repr=False)
    _best: float = field(default=math.inf, init=False, repr=False)
    _bad: int = field(default=0, init=False, repr=False)
    _resting: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.factor < 1:
            raise ValueError("ReduceOnPlateau: factor must be between 0 and 1")

    def shape(self, lr: float, epoch: Times, total: float) -> Times:
        return np.full(epoch.shape, max(lr * self._scale, min(self.min_lr, lr)))

    def observe(self, loss: float) -> None:
        if loss < self._best * (1 - self.threshold):
            self._best, self._bad = loss, 0
        else:
            self._bad += 1
        if self._resting:
            self._resting, self._bad = self._resting - 1, 0
        if self._bad > self.patience:
            self._scale, self._bad, self._resting = self._scale * self.factor, 0, self.cooldown


SCHEDULES = {kind.__name__: kind for kind in Schedule.__subclasses__()}


def as_schedule(schedule: object) -> Schedule | Callable[[float], float]:
    """A Schedule, None (constant), or any function of the epoch that gives an lr; TypeError otherwise."""
    if schedule is None:
        return Constant()
    if isinstance(schedule, type) and issubclass(schedule, Schedule):
        return schedule()
    if isinstance(schedule, Schedule) or callable(schedule):
        return schedule
    raise TypeError(f"schedule must be a Schedule such as Cosine(), or a function epoch -> lr, got {schedule!r}")


def rates(
    schedule: Schedule | Callable[[float], float], lr: float, epoch: int, first: int, last: int, steps: int, total: int
) -> Times:
    """The lr of steps first..last of an epoch of `steps` steps; ValueError where one is negative or not finite."""
    times = epoch + np.arange(first, last) / steps
    if isinstance(schedule, Schedule):
        found = schedule(lr, times, total, 1 / steps)
    else:
        found = np.array([float(schedule(float(t))) for t in times])
    if not (np.isfinite(found).all() and (found >= 0).all()):
        raise ValueError(f"the schedule gave an lr that is negative or not finite in epoch {epoch}")
    return found
