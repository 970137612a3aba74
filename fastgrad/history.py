"""What training tells about itself: the history, the state that callbacks see, and the error of a run that diverged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import plots


class History(Mapping[str, list[float]]):
    """One entry per epoch under "loss", "lr", "grad_norm", "seconds", and "val_loss" or metrics where asked for.

    >>> h = History(); h.add(loss=0.5, lr=0.1); h.add(loss=0.25, lr=0.1); h["loss"]
    [0.5, 0.25]
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {}

    def add(self, **values: float) -> None:
        """Append an epoch: `values`, one number for each column."""
        for name, value in values.items():
            self._columns.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> list[float]:
        try:
            return self._columns[name]
        except KeyError:
            known = ", ".join(self._columns) or "no epoch yet"
            raise KeyError(f"{name!r} is not in this history; it has {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def epochs(self) -> int:
        """Number of epochs recorded."""
        return len(next(iter(self._columns.values()), []))

    def plot(self, names: str | Sequence[str] | None = None, axes: Any = None) -> Any:
        """Draw columns over the epochs: the losses, or what `names` says; gives matplotlib's axes.

        `names`: a column or several, such as "lr" or ("loss", "val_loss", "lr").  A column and its `val_` twin share a
        panel; a panel whose values are positive and span more than two decades has a logarithmic axis.  `axes`: where to
        draw, one for each panel; new ones by default.

        KeyError where a name is not in the history; ValueError where the number of axes does not fit; ImportError where
        matplotlib is not installed.
        """
        return plots.plot_history(self, names, axes)

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={column[-1]:.4g}" for name, column in self._columns.items() if column)
        return f"History({self.epochs} epochs{': ' + last if last else ''})"


class DivergenceError(ArithmeticError):
    """The loss or the gradient stopped being finite.  The network holds the parameters of the last good epoch.

    `message` says where; `epoch` and `batch` count from 0; `layer` is where the first value that is not finite appeared
    (None: in the loss, or in the norm of the gradient); `history` holds the epochs before.

    >>> import numpy as np, fastgrad as fg
    >>> try:
    ...     fg.Network([1, 1]).fit(np.ones((8, 1)), np.ones(8), epochs=100, optimizer=fg.SGD(1e6))
    ... except fg.DivergenceError as error:
    ...     print(error.epoch == error.history.epochs)
    True
    """

    def __init__(self, message: str, epoch: int, batch: int, layer: int | None, history: History) -> None:
        super().__init__(message)
        self.epoch, self.batch, self.layer, self.history = epoch, batch, layer, history

    def __reduce__(self) -> tuple[type[DivergenceError], tuple[Any, ...]]:
        # an exception that does not unpickle hangs the process pool that it comes from
        return type(self), (str(self), self.epoch, self.batch, self.layer, self.history)


@dataclass
class FitState:
    """What a callback sees after each epoch.

    `network`; `epoch`, from 0; `epochs`, of this fit; `logs`, this epoch's entries of `history`.  A callback that
    returns True ends the training.
    """

    network: Any
    epoch: int
    epochs: int
    history: History
    logs: dict[str, float] = field(default_factory=dict)
