"""The training loop: epochs of compiled steps, and what happens between them.

The kernels run for about 50 ms at a time without the GIL; then Python looks at signals, the deadline and the progress
bar.  At the end of each epoch the parameters are published, so readers see whole epochs and a failure leaves the last
good one.
"""

from __future__ import annotations

import contextlib
import copy
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arrays, averaging, batches, checkpoint, holdout, lazy, options, schedules, scoring, train, work
from .batches import Batches
from .checkpoint import Mark, Saved, Saver
from .csr import CSR
from .history import FitState, History
from .network import Record
from .optimizers import Optimizer, as_optimizer
from .pace import Pace
from .train import Run

Array = npt.NDArray[Any]
HEAVY_FLOPS = 5e8  # a few milliseconds
# a stream of random numbers is named by what it is for and the epoch (see holdout.py, too); layer k's weights use stream k
SHUFFLES = 1 << 40
# shuffling a mapped file by single rows would read a page for each; beyond this size whole blocks are shuffled
DISK_BLOCK_BYTES, DISK_LIMIT_BYTES = 1 << 20, 1 << 30


@dataclass
class Fit:
    """One call of fit: what was asked for, checked, and how far it is."""

    record: Record
    data: Batches
    epochs: int
    batch: int
    optimizer: Optimizer
    schedule: Any
    pace: Pace
    shuffle: bool
    validation: Batches | None
    metrics: tuple[Any, ...]
    callbacks: tuple[Callable[[FitState], Any], ...]
    patience: int | None
    deadline: float | None
    rows: Array | None = None  # the rows trained on, where some are held out
    saver: Saver | None = None
    saved: Saved | None = None
    order: Callable[[int], Array] | None = None  # the rows (int32) of an epoch in their order, where not drawn here
    state: Run | None = None  # to go on with; None: a fresh one
    clip: tuple[float, float] = train.NO_CLIP
    room: int = 0  # rows that go through the network at a time; 0: as many as a slice may have
    average: averaging.Average = None
    network: Any = None  # what callbacks see
    history: History = field(default_factory=History)
    mark: Mark = field(init=False)
    started: float = 0.0  # when the present epoch began

    def __post_init__(self) -> None:
        self.mark = Mark(0, self.record.epochs_seen, 0.0, copy.copy(self.schedule))

    @property
    def count(self) -> int:
        """Rows trained on."""
        return self.data.rows if self.rows is None else len(self.rows)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.record.steps_of(self.count, self.batch)


def prepare(
    record: Record, X: Any, y: Any, *, epochs: int, batch_size: int | None, optimizer: Any, schedule: Any,
    validation: Any, sample_weight: Any, callbacks: Iterable[Any], threads: int | None, max_seconds: float | None,
    shuffle: bool, metrics: Any, early_stopping: int | None, checkpoint_path: Any, resume: Any, clip_norm: Any = None,
    clip_value: Any = None, accumulate: int = 1, average: Any = None, network: Any = None,
) -> Fit:  # fmt: skip
    """Check everything before anything is computed."""
    arrays.check_integer(epochs, "epochs", 0)
    if batch_size is not None:
        arrays.check_integer(batch_size, "batch_size", 1)
    if threads is not None:
        arrays.check_integer(threads, "threads", 1, 1024)
    if max_seconds is not None:
        arrays.check_number(max_seconds, "max_seconds", 0.0)
    if early_stopping is not None:
        arrays.check_integer(early_stopping, "early_stopping", 1)
    callbacks = several(callbacks, "callbacks", "functions of one argument")
    for f in callbacks:
        if not callable(f):
            raise TypeError(f"callbacks must be functions of one argument, got {f!r}")
    metrics = several(metrics, "metrics", "names or functions")
    scoring.check(record, metrics)
    clip = train.read_clip(clip_norm, clip_value)
    arrays.check_integer(accumulate, "accumulate", 1)
    averaging.check(average, epochs)
    lazy.check_fit(record, average, checkpoint_path, resume)
    # a copy: what a schedule remembers of this fit is no business of the next
    rule, plan = as_optimizer(optimizer), copy.copy(schedules.as_schedule(schedule))
    options.for_kernels(record.layers, rule)
    data = batches.read_data(record, X, y, sample_weight)
    held, rows = holdout.split(record, data, validation)
    if early_stopping is not None and held is None:
        raise ValueError("early_stopping needs validation=(Xv, yv) or a fraction to hold out, to tell when to stop")
    count = data.rows if rows is None else len(rows)
    room = min(count, count if batch_size is None else batch_size)
    batch = min(count, room * accumulate)
    record.require_rows(batch, "X" if batch == count else "batch_size")
    lazy.check_batch(record, batch)
    deadline = None if max_seconds is None else time.monotonic() + max_seconds
    # one step on one thread, for comparison, would be dear where a step takes long; threads surely help there
    heavy = work.step_flops(record, data.X, batch) > HEAVY_FLOPS
    pace = Pace(work.step_threads(record, data.X, room, threads), fixed=threads is not None or heavy)
    fit = Fit(
        record, data, epochs, batch, rule, plan, pace, bool(shuffle), held, metrics, callbacks, early_stopping,
        deadline, rows, clip=clip, room=room, average=average, network=network,
    )  # fmt: skip
    if checkpoint_path is not None or resume is not None:
        asked = _asked(fit)
        fit.saver = None if checkpoint_path is None else Saver(checkpoint_path, asked)
        if resume is not None:
            fit.saved = Saved(resume, record)
            fit.saved.require(asked)
    return fit


def _asked(fit: Fit) -> dict[str, Any]:
    """What must be the same for a fit to go on with another's checkpoint."""
    held = None if fit.validation is None else checkpoint.digest(fit.validation)
    average = averaging.described(fit.average, fit.epochs)
    return {
        "data": checkpoint.digest(fit.data), "validation": held, "shuffle": fit.shuffle,
        "batch_size": fit.batch if fit.batch == fit.room else [fit.room, "of", fit.batch],
        "optimizer": checkpoint.plain(fit.optimizer), "schedule": checkpoint.plain(fit.schedule),
        "metrics": [scoring.metric_name(metric) for metric in fit.metrics],
        "early_stopping": fit.patience, "clip": list(fit.clip),
        **({} if average is None else {"average": average}),  # checkpoints of older versions have none
    }  # fmt: skip


def several(value: Any, name: str, what: str) -> tuple[Any, ...]:
    """One thing or many, as a tuple; TypeError for what is neither."""
    if isinstance(value, str) or callable(value):
        return (value,)
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} must be {what}, one or a list of them, got {value!r}")
    return tuple(value)


def run(fit: Fit, progress: bool | None) -> History:
    """Train.  Whatever ends it, the network holds whole parameters and `record.run` the optimizer's state."""
    record = fit.record
    with train.training(record):
        if record.run is not None and record.run.ahead:  # steps of partial_fit that nobody has looked at yet
            train.publish(record)
        fit.data, fit.validation = batches.inside(record, fit.data, fit.validation)
        record.run, record.history = state, fit.history = _start(fit)
        try:
            with _bar(fit, progress) as bar:
                _epochs(fit, state, bar)
            if fit.mark.best_parameters is not None:
                record.published = fit.mark.best_parameters
            _save(fit, state)
        except BaseException as error:
            if record.run is state:  # or the run diverged, and its state is of no use
                if not isinstance(error, OSError):
                    _save_in_passing(fit, state, error)
                if state.ahead:
                    train.publish(record, state.mean if fit.mark.mean is None else fit.mark.mean)
            error.history = fit.history  # type: ignore[attr-defined]
            raise
    return fit.history


def _start(fit: Fit) -> tuple[Run, History]:
    """A fresh run, the one that was given, or the one that was interrupted."""
    state, fit.started = Run(fit.record, fit.optimizer) if fit.state is None else fit.state, time.monotonic()
    state.clip, state.room = fit.clip, fit.room
    if fit.saved is None:
        state.catch_up()
        state.begin()
    if isinstance(fit.average, averaging.EMA):
        state.average(fit.average.decay)
    if fit.saved is None:
        fit.mark = replace(fit.mark, taken=state.reached[0])
        return state, fit.history
    fit.mark, history, seconds = fit.saved.restore(state, fit.schedule, fit.epochs)
    fit.started -= seconds
    fit.saved = None  # its arrays are in place
    if fit.average is not None:
        state.origin = None
    return state, history


def _save(fit: Fit, state: Run) -> None:
    if fit.saver is not None:
        fit.saver.write(state, fit.mark, fit.history, fit.epochs, time.monotonic() - fit.started)


def _save_in_passing(fit: Fit, state: Run, error: BaseException) -> None:
    """Write what was reached before `error`; that this fails, too, is told with it."""
    try:
        _save(fit, state)
    except Exception as other:
        error.add_note(f"The checkpoint could not be written: {other}")


def _epochs(fit: Fit, state: Run, bar: Any) -> None:
    while fit.mark.epoch < fit.epochs and not _out_of_patience(fit):
        logs = _one_epoch(fit, state, bar)
        if logs is None:  # out of time before the epoch's first step
            return
        if (
            state.reached[2] < fit.steps
        ):  # out of time within it: what follows counts it as one, a resumed fit goes on in it
            _save(fit, state)
            fit.saver = None
        train.publish(fit.record, _mean(fit, state))
        logs["seconds"] = time.monotonic() - fit.started
        _evaluate(fit, logs)
        fit.history.add(**logs)
        fit.record.epochs_seen += 1
        watched = logs.get("val_loss", logs["loss"])
        if isinstance(fit.schedule, schedules.Schedule):
            fit.schedule.observe(watched)
        fit.mark, epoch = _next_mark(fit, state, watched), fit.mark.epoch
        state.begin()
        fit.started = time.monotonic()
        if bar is not None:
            bar.set_postfix({k: f"{v:.4g}" for k, v in logs.items() if k in ("loss", "val_loss")}, refresh=False)
        if fit.saver is not None and fit.saver.due():
            _save(fit, state)
        told = FitState(fit.network, epoch, fit.epochs, fit.history, dict(logs))
        answers = [f(told) for f in fit.callbacks]
        stop = any(isinstance(answer, bool | np.bool_) and answer for answer in answers)
        if stop or _late(fit):
            return


def _late(fit: Fit) -> bool:
    return fit.deadline is not None and time.monotonic() >= fit.deadline


def _next_mark(fit: Fit, state: Run, watched: float) -> Mark:
    """Where the fit stands now that an epoch is over, whose loss to be watched was `watched`."""
    old, record = fit.mark, fit.record
    best, parameters, waited = old.best, old.best_parameters, old.waited + 1
    if fit.patience is not None and watched < old.best:
        best, parameters, waited = watched, record.published, 0
    mean = record.published if isinstance(fit.average, averaging.SWA) and state.origin is None else None
    return Mark(
        old.epoch + 1, record.epochs_seen, state.reached[0], copy.copy(fit.schedule), best, parameters, waited, mean
    )  # fmt: skip


def _mean(fit: Fit, state: Run) -> Array | None:
    """What readers are to see of a whole epoch in place of the training's own parameters; None: nothing."""
    if isinstance(fit.average, averaging.SWA):
        first = averaging.first_epoch(fit.average, fit.epochs)
        return averaging.epoch_mean(state.params, fit.mark.mean, fit.mark.epoch, first)
    return state.mean


def _out_of_patience(fit: Fit) -> bool:
    return fit.patience is not None and fit.mark.waited >= fit.patience


def _order(fit: Fit) -> Array | None:
    """The rows of this epoch in their order; None: as they lie."""
    record, count = fit.record, fit.count
    if fit.order is not None:
        return fit.order(fit.mark.epoch)
    if not fit.shuffle:
        return fit.rows
    stream = SHUFFLES + record.epochs_seen
    X = fit.data.X
    if fit.data.on_disk and not isinstance(X, CSR) and X.nbytes > DISK_LIMIT_BYTES:
        per = max(1, DISK_BLOCK_BYTES // max(1, X.nbytes // fit.data.rows))
        blocks = np.empty(-(-count // per), np.int32)
        record.kernels.permutation(record.seed, stream, blocks)
        places = np.arange(count, dtype=np.int32)
        order = np.concatenate([places[b * per : (b + 1) * per] for b in blocks.tolist()])
    else:
        order = np.empty(count, np.int32)
        record.kernels.permutation(record.seed, stream, order)
    return order if fit.rows is None else fit.rows[order]


def _one_epoch(fit: Fit, state: Run, bar: Any) -> dict[str, float] | None:
    """The epoch's steps, from where it stands, or as many as there is time for; None where that is none at all."""
    order, epoch, rate = _order(fit), fit.mark.epoch, None
    state.passes = fit.record.epochs_seen
    while (step := state.reached[2]) < fit.steps and not (_late(fit) and (step or epoch)):
        threads, count = fit.pace.next()
        last = min(step + count, fit.steps)
        rate = schedules.rates(fit.schedule, fit.optimizer.lr, epoch, step, last, fit.steps, fit.epochs)
        began = time.perf_counter()
        done, status = state.steps(fit.data, fit.batch, threads, order, step, last, rate)[:2]
        if status == train.BAD_ROW:
            batches.bad_row(fit.record, fit.data.X, "X")
        if status in (train.BAD_LOSS, train.BAD_GRADIENT):
            how = epoch, fit.history
            raise train.diverged(state, fit.data, fit.batch, order, step, done, status, *how)
        fit.pace.took(threads, last - step, time.perf_counter() - began)
        if bar is not None:
            bar.update(last - step)
        if fit.saver is not None and last < fit.steps and fit.saver.due():
            _save(fit, state)
    taken, _, step, (losses, weights, norms) = state.reached
    if step == 0:
        return None
    mean, counted = losses / weights if weights else float("nan"), taken - fit.mark.taken
    if rate is None:  # all its steps had been done when the fit was interrupted
        rate = schedules.rates(fit.schedule, fit.optimizer.lr, epoch, step - 1, step, fit.steps, fit.epochs)
    return {"loss": mean, "lr": float(rate[-1]), "grad_norm": norms / counted if counted else float("nan")}


def _evaluate(fit: Fit, logs: dict[str, float]) -> None:
    """Validation loss and metrics of the epoch."""
    record = fit.record
    if fit.validation is not None:
        logs["val_loss"] = train.loss(record, fit.validation, record.published, None)
    for metric in fit.metrics:
        rows = slice(None) if fit.rows is None else fit.rows
        logs[scoring.metric_name(metric)] = scoring.score(record, metric, fit.data.X[rows], fit.data.y[rows])
        if fit.validation is not None:
            logs[f"val_{scoring.metric_name(metric)}"] = scoring.score(
                record, metric, fit.validation.X, fit.validation.y
            )


def _bar(fit: Fit, progress: bool | None) -> Any:
    """A progress bar over the steps: where asked for, or where a person looks on for more than half a second."""
    if not (progress is True or (progress is None and sys.stderr is not None and sys.stderr.isatty())):
        return contextlib.nullcontext()
    from tqdm import tqdm

    delay = 0.0 if progress else 0.5
    done = fit.mark.epoch * fit.steps
    return tqdm(total=fit.epochs * fit.steps, initial=done, unit="step", delay=delay, leave=False, desc="fit")
