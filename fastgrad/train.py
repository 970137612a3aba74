"""What is computed with a network: scores, loss, gradient, one pass of training.  It alone calls the kernels.

Plain functions over a `Record`.  The arrays of the user are checked before anything is computed; the kernels read them
where they lie.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arrays, csr, lazy
from .batches import Batches, bad_row, inside, not_finite, read_data, read_matrix
from .csr import CSR
from .diagnosis import first_bad_layer, last_bad_layer
from .history import DivergenceError, History
from .network import Record, aligned
from .optimizers import Optimizer, as_optimizer
from .options import for_kernels
from .work import choose_threads, forward_flops, step_threads

Array = npt.NDArray[Any]
Reached = tuple[float, tuple[float, ...], int, tuple[float, float, float]]
FINE, BAD_LOSS, BAD_ROW, BAD_GRADIENT, INTERRUPTED = range(5)
NO_CLIP = (0.0, 0.0)
# streams of random numbers for dropout, 2^32 to a layer: the passes of fit, and those of partial_fit behind them
DROPS, PARTIAL_PASSES = 1 << 42, 1 << 31


def current(record: Record) -> Array:
    """The parameters to read now: the latest, or while a training runs elsewhere the last that it published."""
    run = record.run
    if run is not None and run.ahead:
        with record.publishing:
            if record.run is run and run.ahead and not record.busy.locked():
                publish(record)
    return record.published


@contextmanager
def training(record: Record, refusal: str = "this network is being trained by another call") -> Iterator[None]:
    """Have the network to oneself; RuntimeError where another call does."""
    if not record.busy.acquire(blocking=False):
        raise RuntimeError(refusal)
    try:
        with record.publishing:  # a reader who found nobody training may still be copying: wait
            pass
        yield
    finally:
        record.busy.release()


def publish(record: Record, mean: Array | None = None) -> None:
    """Make the training's parameters, or a mean of them, what readers see (by a copy: they may still hold the old ones)."""
    run = record.run
    fresh = record.published if record.private else aligned(record.program.size, record.dtype)
    fresh[:] = run.params if mean is None else mean
    record.published = fresh
    run.origin = fresh if mean is None else None  # whoever goes on later starts from what readers see
    run.ahead = False


def assign(record: Record, pairs: Mapping[int, Sequence[Array]]) -> None:
    """Replace some pairs of parameters, by their places, all at once; RuntimeError while a training runs."""
    with training(record, "the parameters cannot be assigned while fit runs on this network in another thread"):
        if 0 in pairs:
            lazy.meet_all(record)
        buffer = aligned(record.program.size, record.dtype)
        buffer[:] = record.published if record.run is None or not record.run.ahead else record.run.params
        for place, (W, b) in pairs.items():
            record.put(buffer, record.parts[place], W, b)
        record.published = buffer
        if record.run is not None:
            record.run.ahead = False


def scores(record: Record, X: Any, link: bool, threads: int | None) -> Array:
    """Raw scores (link False) or predictions (True): (N, O), or (O,) for a single row."""
    if csr.is_sparse(X):
        matrix, single = read_matrix(record, X), False
    else:
        matrix, single = arrays.as_row_or_matrix(X, "X", record.sizes[0])
    params = current(record)
    if record.vocabulary is not None:
        record, matrix = lazy.view(record, lazy.sparse_if_lazy(record, matrix))
        params = record.published
    out = np.empty((len(matrix), record.outputs), record.dtype)
    count = choose_threads(threads, forward_flops(record, matrix))
    # the kernel looks for NaN while a row is in the first cache; only then do we look where it was
    if record.program.scores(params, matrix, out, link, count, True) is None:
        bad_row(record, matrix, "X")
    return out[0] if single else out


def loss(record: Record, data: Batches, params: Array, threads: int | None) -> float:
    """sum(w l) / sum(w) over the rows, at `params`, which are the record's current or published ones."""
    if record.vocabulary is not None:
        record, X = lazy.view(record, data.X)
        data, params = replace(data, X=X), record.published
    count = choose_threads(threads, forward_flops(record, data.X))
    total = record.program.losses(params, data.X, data.y, data.weight, count, data.on_disk)
    if total is None:
        bad_row(record, data.X, data.names[0])
    if not math.isfinite(total):
        data.require_finite(record.dtype)
    weight = data.rows if data.weight is None else float(data.weight.sum())
    return float(total) / weight


def gradient(
    record: Record, data: Batches, threads: int | None, dX: Array | None = None, l2: float = 0.0, training: bool = False
) -> tuple[float, list[tuple[Array, Array]]]:
    """(loss, [(dW, db), ...]) over all rows as one batch, through the very kernels that train.

    With `l2`, of the loss and l2 / 2 * sum of W^2 / the sum of the weights.  With `training`, under dropout's mask of pass 0
    and with the statistics of these rows in each batch norm.
    """
    if training:
        record.require_rows(data.rows, data.names[0])
    params, program = current(record), record.program
    if record.vocabulary is not None:  # all of it is wanted here, so the gradient is made as for any network
        record, X = lazy.view(record, data.X)
        data, params, program = replace(data, X=X), record.published, record.make_program(False)
    count = step_threads(record, data.X, data.rows, threads)
    trainer = record.kernels.Trainer(
        program, data.rows, "store", 0, (), data.kind, count, dX is not None, l2 * data.unit, drops=training,
        sparse=isinstance(data.X, CSR),
    )  # fmt: skip
    store = aligned(program.size, record.dtype, 1)
    # the trainer asks for writeable parameters, though `store` writes none
    _, status, _, batch_loss = trainer.run(
        params, store, data.X, data.y, data.weight, None, 0, 1, np.zeros(1), data.on_disk, dX,
        seed=record.seed, stream=DROPS,
    )  # fmt: skip
    if status == BAD_ROW:
        bad_row(record, data.X, data.names[0])
    if status in (BAD_LOSS, BAD_GRADIENT):
        data.require_finite(record.dtype)
    if status == BAD_LOSS:
        raise FloatingPointError(f"the loss is not finite ({batch_loss}); there is no gradient")
    return batch_loss, record.pairs(store[0], False)


class Run:
    """Buffers and optimizer state of a training: `fit` makes one, `partial_fit` goes on with it.

    `params` is the training's own copy; `origin` the published buffer that it came from or went to; `ahead` says that
    `params` has moved on since.  `l2`: the loss of a batch has the term l2 / 2 * sum of W^2 / the batch's weight (biases
    have none).  `by_rows`: in the mean over an epoch a batch's loss counts by its rows, not by its weight.  `clip`: the
    longest gradient and its largest entry that the optimizer sees, 0 for any.  `room`: rows that go through the network at
    a time, 0 for as many as a slice may have.  `mean`: follows the parameters step by step, with `decay` as the past's share.
    """

    def __init__(self, record: Record, optimizer: Optimizer, l2: float = 0.0, by_rows: bool = False) -> None:
        # weakly: the record holds its run, and a circle of large buffers would outlive their last user by a while
        self._record = weakref.ref(record)
        self.optimizer, self.l2, self.by_rows = optimizer, l2, by_rows
        self.clip, self.room = NO_CLIP, 0
        self.options = for_kernels(record.layers, optimizer)
        self.mean: Array | None = None
        self.decay, self.since = 0.0, 0.0
        self.passes = 0  # over the data, as far as dropout is concerned: each has its own masks
        self.params = aligned(record.program.size, record.dtype)
        self.slots = self._fresh_slots()
        # optimizer steps, its scalars that live on, the epoch's next step and sums: what the kernels say, also where
        # Ctrl-C ended a call of theirs
        self.reached: Reached = (0.0, optimizer.carry, 0, (0.0, 0.0, 0.0))
        self.origin: Array | None = None
        self.ahead = False
        self.before: Array | None = None  # the parameters before the present partial_fit
        self._trainer: Any = None
        self._shape: tuple[Any, ...] = ()

    @property
    def record(self) -> Record:
        """What it trains."""
        record = self._record()
        assert record is not None, "a run is used by those who hold its record"
        return record

    def _fresh_slots(self) -> Array:
        slots = aligned(self.record.program.size, self.record.dtype, max(1, len(self.optimizer.slots)))
        for slot, value in zip(slots, self.optimizer.first_slots(), strict=False):
            slot[:] = value
        return slots

    def parameters(self) -> tuple[Array, ...]:
        """The buffers of parameters that are its own."""
        return (self.params,) if self.before is None else (self.params, self.before)

    def resize(self, moved: Callable[..., Array]) -> None:
        """Its buffers as those of a program with more rows: moved(buffer, into) copies one."""
        old, self.slots = self.slots, self._fresh_slots()
        for slot, into in zip(old, self.slots, strict=True):
            moved(slot, into)
        self.params, self.before = moved(self.params), None if self.before is None else moved(self.before)
        self._shape = ()  # the trainer's, which was made for the program before

    def catch_up(self) -> None:
        """Start from the published parameters, unless those are this run's own."""
        if not self.ahead and self.origin is not self.record.published:
            self.params[:] = self.record.published
            self.origin = self.record.published

    def average(self, decay: float) -> None:
        """Have a mean follow the parameters from here on."""
        self.mean, self.decay, self.since = aligned(self.record.program.size, self.record.dtype), decay, self.reached[0]
        self.mean[:] = self.params

    def begin(self) -> None:
        """An epoch begins: no step of it is done, and its sums are zero."""
        self.reached = (*self.reached[:2], 0, (0.0, 0.0, 0.0))

    def steps(
        self, data: Batches, batch: int, threads: int, order: Array | None, first: int, last: int, lr: Array
    ) -> Any:
        """Steps first..last of an epoch; gives what `Trainer.run` gives."""
        sparse = isinstance(data.X, CSR)
        shape = batch, data.kind, self.l2 * data.unit, self.clip, self.room, sparse
        if shape != self._shape or threads > self._trainer.threads:
            o = self.optimizer
            self._trainer = self.record.kernels.Trainer(
                self.record.program, batch, o.row.name, o.variant, o.numbers, data.kind, threads, False, shape[2],
                self.by_rows, *self.clip, options=self.options, room=self.room, sparse=sparse,
            )  # fmt: skip
            self._shape = shape
        self._trainer.reached = self.reached
        self.ahead = True
        try:
            return self._trainer.run(
                self.params, self.slots, data.X, data.y, data.weight, order, first, last, lr, data.on_disk,
                threads=threads, seed=self.record.seed, stream=DROPS + self.passes, mean=self.mean, decay=self.decay,
                since=self.since,
            )  # fmt: skip
        finally:
            self.reached = self._trainer.reached


def read_clip(clip_norm: Any, clip_value: Any) -> tuple[float, float]:
    """The two limits as numbers, 0 for none; ValueError or TypeError where one is no number above 0."""
    limits = {"clip_norm": clip_norm, "clip_value": clip_value}
    norm, value = (
        0.0 if limit is None else arrays.check_number(limit, name, 0.0, open_low=True) for name, limit in limits.items()
    )
    return norm, value


def partial_fit(
    record: Record, X: Any, y: Any, sample_weight: Any, batch_size: int | None, optimizer: Any, threads: int | None,
    clip: tuple[float, float] = NO_CLIP,
) -> float:  # fmt: skip
    """One pass over the rows in their order, with the optimizer's state of before; gives the mean loss."""
    data = read_data(record, X, y, sample_weight)
    batch = data.rows if batch_size is None else arrays.check_integer(batch_size, "batch_size", 1)
    batch = min(batch, data.rows)
    record.require_rows(batch, data.names[0] if batch == data.rows else "batch_size")
    lazy.check_batch(record, batch)
    count = step_threads(record, data.X, batch, threads)
    with training(record):
        data, _ = inside(record, data)
        run = record.run
        if run is None:
            run = Run(record, as_optimizer("adam" if optimizer is None else optimizer))
        elif optimizer is not None and as_optimizer(optimizer) != run.optimizer:
            raise ValueError(f"partial_fit goes on with {run.optimizer!r}; to change it, start anew with fit")
        run.clip, run.room, run.mean = clip, 0, None
        run.catch_up()
        if run.before is None:
            run.before = aligned(record.program.size, record.dtype)
        run.before[:] = run.params
        steps = record.steps_of(data.rows, batch)
        rate = np.full(steps, run.optimizer.lr)
        record.run = run
        run.begin()
        run.passes = PARTIAL_PASSES + int(run.reached[0]) % PARTIAL_PASSES
        done, status = run.steps(data, batch, count, None, 0, steps, rate)[:2]
        if status == BAD_ROW:
            bad_row(record, data.X, data.names[0])
        if status in (BAD_LOSS, BAD_GRADIENT):
            raise diverged(run, data, batch, None, 0, done, status)
        total, weight, _ = run.reached[3]
        return total / weight if weight else float("nan")


def diverged(
    run: Run, data: Batches, batch: int, order: Array | None, first: int, done: int, status: int, epoch: int = 0,
    history: History | None = None,
) -> Exception:  # fmt: skip
    """The error of a run whose loss or gradient is not finite, after `done` steps from batch `first` on.

    The network goes back to the parameters before: those that `fit` published last, or those that `partial_fit` kept.
    ValueError where the data are to blame.
    """
    record, params, bad_gradient = run.record, run.params, status == BAD_GRADIENT
    if run.before is not None:
        record.published = run.before
    run.ahead, record.run = False, None  # its slots may hold NaN
    step = _step_of(data, batch, order, first, done - bad_gradient)
    count = data.rows if order is None else len(order)
    step = min(step, record.steps_of(count, batch) - 1)  # a single row that was left over is none of its own
    rows: Any = slice(step * batch, (step + 1) * batch + 1 if count == (step + 1) * batch + 1 else (step + 1) * batch)
    rows = rows if order is None else order[rows]
    with np.errstate(over="ignore"):
        y = np.asarray(data.y[rows]).astype(record.dtype)
        X = data.X[rows]
        X = X.to_scipy().astype(record.dtype) if isinstance(X, CSR) else np.asarray(X).astype(record.dtype)
    for found, whole, name in zip((X, y), (data.X, data.y), data.names, strict=True):
        if not np.isfinite(found.data if csr.is_sparse(found) else found).all():
            not_finite(whole, name, record.dtype)
    if bad_gradient:
        layer = last_bad_layer(record, params)
        where = "in the norm of the gradient" if layer is None else f"in the gradient of layer {layer}"
    else:
        layer = first_bad_layer(record, params, X)
        where = "in the loss" if layer is None else f"in layer {layer} ({record.layers[layer].activation})"
    message = (
        f"training diverged in epoch {epoch}, batch {step}: the first value that is not finite appeared {where}. "
        f"The network holds its last good parameters. "
        f"Try a smaller learning rate (now {run.optimizer.lr:g}) or scaled inputs."
    )
    return DivergenceError(message, epoch, step, layer, History() if history is None else history)


def _step_of(data: Batches, batch: int, order: Array | None, first: int, done: int) -> int:
    """The batch behind `done` steps: a batch of weight 0 makes none."""
    if data.weight is None:
        return first + done
    weight = data.weight if order is None else data.weight[order]
    counts = np.flatnonzero(np.add.reduceat(weight, np.arange(first * batch, len(weight), batch)))
    return first + int(counts[done])
