"""Checkpoints: the whole state of a `fit`, so that another process can go on with it to the same bits.

A checkpoint is a file of exchange.py: the network as readers see it, the training's own parameters, the optimizer's slots,
the best parameters of early stopping, and as one entry of its header everything else: where the fit stood when its present
epoch began (`Mark`), what the kernels have reached since, the history, and what the fit was asked for and trained on, so that
going on with something else is refused.  It is written between two calls of the kernels, whole or not at all, and no oftener
than keeps the time it takes to a fiftieth.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import time
import warnings
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import dispatch, exchange
from .batches import Batches
from .csr import CSR
from .files import writable
from .history import History
from .network import Record
from .optimizers import Optimizer
from .schedules import Schedule
from .train import Run

Array = npt.NDArray[Any]
FIRST_SECONDS, SHARE = 0.5, 50  # before the first file; running time for each second of writing
DIGEST_ROWS = 1024


@dataclasses.dataclass(frozen=True)
class Mark:
    """Where a fit stood when its present epoch began."""

    epoch: int
    epochs_seen: int  # of the network: names the stream of random numbers
    taken: float  # the optimizer's steps
    schedule: Any  # a copy, with what it remembers
    best: float = np.inf
    best_parameters: Array | None = None
    waited: int = 0  # epochs without a better validation loss
    mean: Array | None = None  # of the parameters, over epochs


def digest(data: Batches) -> int:
    """A checksum of rows spread over the data: enough to notice that these are others."""
    rows = np.unique(np.linspace(0, data.rows - 1, DIGEST_ROWS).astype(np.intp))
    found = zlib.crc32(str(data.X.shape).encode())
    X = data.X[rows]
    picked = [*(X.parts if isinstance(X, CSR) else (X,)), data.y[rows]]
    for part in (*picked, *(() if data.weight is None else (data.weight[rows],))):
        found = zlib.crc32(np.ascontiguousarray(part, np.float64).tobytes(), found)
    return found


def plain(value: Any) -> Any:
    """An optimizer or a schedule as JSON knows it, by name; any function of the user's is just that."""
    if isinstance(value, Optimizer):
        return {"name": value.row.name, **{k: list(v) if isinstance(v, tuple) else v for k, v in value.hyper.items()}}
    if isinstance(value, Schedule):
        public = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        return {"name": type(value).__name__, **public}
    return {"name": "a function"}


def remembered(schedule: Any) -> dict[str, Any]:
    """What a schedule has learnt while it ran."""
    if not isinstance(schedule, Schedule):
        return {}
    return {f.name: getattr(schedule, f.name) for f in dataclasses.fields(schedule) if not f.init}


class Saver:
    """Writes a fit's checkpoints to `path`.  `asked`: what the fit was asked for, as JSON knows it."""

    def __init__(self, path: str | os.PathLike[str], asked: Mapping[str, Any]) -> None:
        self.path, self.asked = writable(path, "checkpoint"), asked
        self._next = time.monotonic() + FIRST_SECONDS

    def due(self) -> bool:
        """Is it time for the next file?"""
        return time.monotonic() >= self._next

    def write(self, state: Run, mark: Mark, history: History, horizon: int, seconds: float) -> None:
        """Write now; `seconds` is the time spent in the present epoch.  OSError leaves the file before in place."""
        began = time.monotonic()
        record, slots = state.record, state.optimizer.slots
        tensors = exchange.tensors_of(record, record.published) | exchange.tensors_of(record, state.params, "training.")
        for name, slot in zip(slots, state.slots, strict=False):
            tensors |= exchange.tensors_of(record, slot, f"slots.{name}.", running=False)
        mean = mark.mean if state.mean is None else state.mean
        if mean is not None:
            tensors |= exchange.tensors_of(record, mean, "mean.")
        if mark.best_parameters is not None:
            tensors |= exchange.tensors_of(record, mark.best_parameters, "best.")
        schedule, best = {"schedule": remembered(mark.schedule)}, {"best": mark.best, "waited": mark.waited}
        reached = state.reached
        if reached[0] == mark.taken:  # no step of this epoch yet; what the kernels say may be of the one before
            reached = (*reached[:2], 0, (0.0, 0.0, 0.0))
        told = {
            "epoch": mark.epoch, "epochs_seen": mark.epochs_seen, "taken": mark.taken, **schedule, **best,
            "reached": reached, "seconds": seconds, "horizon": horizon, "asked": self.asked,
            "history": {name: column[: mark.epoch] for name, column in history.items()},
        }  # fmt: skip
        exchange.write(self.path, record, tensors, {"training": told})
        now = time.monotonic()
        self._next = now + max(FIRST_SECONDS, SHARE * (now - began))


class Saved:
    """A checkpoint that was read, to go on with."""

    def __init__(self, path: str | os.PathLike[str], record: Record) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"resume must be a path, got {type(path).__name__}")
        self.contents = exchange.read(path)
        if "training" not in self.contents.header:
            raise ValueError(
                f"resume: {self.contents.path} holds a network but no training; written by save, not by fit?"
            )
        here, there = exchange.describe(record), dict(self.contents.network)
        for what in ("layers", "dropout", "blocks", "loss", "dtype", "seed", "options"):
            if here.get(what) != there.get(what):
                raise ValueError(
                    f"resume: the checkpoint's network has {what} {there.get(what)}, this one {here.get(what)}"
                )
        self.told = self.contents.json("training")

    def require(self, asked: Mapping[str, Any]) -> None:
        """ValueError where the fit that was interrupted was asked for something else than this one."""
        before = self.told.get("asked", {})
        for name in {**before, **asked}:
            if before.get(name) != (value := asked.get(name)):
                if name == "data":
                    raise ValueError(
                        "resume: X, y or sample_weight are not the data that the checkpoint was trained on"
                    )
                raise ValueError(
                    f"resume: the checkpoint was made with {name} {before.get(name)}, this call has {value}"
                )

    def restore(self, state: Run, schedule: Any, epochs: int) -> tuple[Mark, History, float]:
        """Put everything where it was; gives mark, history and the seconds spent in the present epoch.

        ValueError, with nothing changed, where the file's parts do not fit each other.
        """
        record, told, contents = state.record, self.told, self.contents
        try:
            published, best, mean = contents.buffer(record), None, None
            contents.buffer(record, "training.", state.params)
            for name, slot in zip(state.optimizer.slots, state.slots, strict=False):
                contents.buffer(record, f"slots.{name}.", slot, running=False)
            if any(name.startswith("best.") for name in contents.tensors):
                best = contents.buffer(record, "best.")
            if state.mean is not None or any(name.startswith("mean.") for name in contents.tensors):
                mean = contents.buffer(record, "mean.", state.mean)
            taken, carry, at, sums = told["reached"]
            state.reached = (float(taken), tuple(map(float, carry)), int(at), tuple(map(float, sums)))  # type: ignore[assignment]
            for name, value in told["schedule"].items():
                if name in remembered(schedule):
                    setattr(schedule, name, value)
            history = History()
            for values in zip(*told["history"].values(), strict=True):
                history.add(**dict(zip(told["history"], map(float, values), strict=True)))
            mark = Mark(
                int(told["epoch"]), int(told["epochs_seen"]), float(told["taken"]), copy.copy(schedule),
                float(told["best"]), best, int(told["waited"]), None if state.mean is not None else mean,
            )  # fmt: skip
            seconds, horizon = float(told["seconds"]), int(told["horizon"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if str(error).startswith(contents.path):
                raise
            contents.refuse(f"its training cannot be read ({error})")
        self._warn(schedule, horizon, epochs)
        record.published = state.origin = published
        record.epochs_seen, state.ahead = mark.epochs_seen, state.reached[0] != mark.taken
        return mark, history, seconds

    def _warn(self, schedule: Any, horizon: int, epochs: int) -> None:
        """Of what keeps the result from being that of one uninterrupted fit."""
        isa = dispatch.info()["isa"]
        if self.contents.header.get("isa") != isa:
            warnings.warn(
                f"the checkpoint was written with the instruction set {self.contents.header.get('isa')}, this process uses "
                f"{isa}: training goes on, but not to the same bits", UserWarning, stacklevel=6,
            )  # fmt: skip
        if isinstance(schedule, Schedule) and horizon != epochs:
            times = np.linspace(0, horizon, 64)
            if not np.array_equal(schedule(1.0, times, horizon), schedule(1.0, times, epochs)):
                warnings.warn(
                    f"{type(schedule).__name__} was laid out over {horizon} epochs before the checkpoint and is now over "
                    f"{epochs}: the learning rate makes a jump", UserWarning, stacklevel=6,
                )  # fmt: skip
