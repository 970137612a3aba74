"""Averages of the parameters over a training: what readers see in place of the parameters themselves.

`EMA` is taken by the kernels, step by step, `SWA` here, epoch by epoch.  Validation, metrics, early stopping and the network
after `fit` are those of the average; the training goes on with its own parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arrays

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class EMA:
    """A mean of the parameters that follows them from step to step: mean = decay mean + (1 - decay) parameters.

    `decay`: from 0 up to, but not, 1; about 1 / (1 - decay) steps count.  The mean starts as the parameters after the first
    step and is not corrected for that start, as `torch.optim.swa_utils` has it: a training of fewer steps than that wants a
    smaller decay.  ValueError or TypeError where the decay is out of range or no number.
    Source: Polyak & Juditsky 1992; torch.optim.swa_utils.get_ema_multi_avg_fn.

    >>> import numpy as np, fastgrad as fg
    >>> net, X = fg.Network([1, 8, 1], seed=0), np.linspace(-1, 1, 64)[:, None]
    >>> history = net.fit(X, X**2, epochs=20, batch_size=8, average=fg.EMA(0.9))
    >>> bool(net.loss(X, X**2) < history["loss"][0])
    True
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        decay = arrays.check_number(self.decay, "decay", 0.0, 1.0, open_high=True)
        object.__setattr__(self, "decay", decay)


@dataclass(frozen=True)
class SWA:
    """The plain mean of the parameters at the end of each epoch, from epoch `start` on (stochastic weight averaging).

    `start`: a fraction of the run's epochs below 1, or an epoch as an int (0: the first).  Before it the network is not
    averaged.  ValueError or TypeError where it is out of range or no number; `fit` raises ValueError where its epochs end
    before.  It goes with a learning rate that stays high, such as `fg.Constant()`.
    Source: Izmailov et al. 2018, arXiv:1803.05407; torch.optim.swa_utils.AveragedModel.

    >>> import numpy as np, fastgrad as fg
    >>> net, X = fg.Network([1, 8, 1], seed=0), np.linspace(-1, 1, 64)[:, None]
    >>> history = net.fit(X, X**2, epochs=20, batch_size=8, average=fg.SWA(start=10))
    >>> bool(net.loss(X, X**2) < history["loss"][0])
    True
    """

    start: int | float = 0.75

    def __post_init__(self) -> None:
        if isinstance(self.start, int | np.integer):  # a bool is told what it is
            object.__setattr__(self, "start", arrays.check_integer(self.start, "start", 0))
        else:
            object.__setattr__(self, "start", arrays.check_number(self.start, "start", 0.0, 1.0, open_high=True))


Average = EMA | SWA | None


def first_epoch(average: SWA, epochs: int) -> int:
    """The first epoch, from 0, that goes into the mean of a run of `epochs`.

    >>> first_epoch(SWA(), 20), first_epoch(SWA(3), 20)
    (15, 3)
    """
    return average.start if isinstance(average.start, int) else int(average.start * epochs)


def check(average: Any, epochs: int) -> Average:
    """What `fit` was given; TypeError for what is no average, ValueError where it would begin behind the last epoch."""
    if average is not None and not isinstance(average, EMA | SWA):
        raise TypeError(f"average must be fg.EMA(...) or fg.SWA(...), got {average!r:.60}")
    if isinstance(average, SWA) and first_epoch(average, epochs) >= epochs > 0:
        raise ValueError(f"average: {average} begins behind the last of {epochs} epochs, expected start < {epochs}")
    return average


def described(average: Average, epochs: int) -> dict[str, Any] | None:
    """An average as JSON knows it: what must be the same for a fit to go on with another's checkpoint."""
    if isinstance(average, SWA):
        return {"name": "SWA", "first": first_epoch(average, epochs)}
    return None if average is None else {"name": "EMA", "decay": average.decay}


def epoch_mean(params: Array, before: Array | None, epoch: int, first: int) -> Array | None:
    """SWA's mean at the end of epoch `epoch`, when `before` is that of the epochs `first` .. epoch - 1; None: not begun."""
    if epoch < first or before is None:
        return None if epoch < first else params
    mean: Array = before + (params - before) / (epoch - first + 1)
    return mean
