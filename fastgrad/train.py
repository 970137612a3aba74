"""What is computed with a network: scores, loss, gradient, one pass of training.  It alone calls the kernels.

Plain functions over a `Record`.  The arrays of the user are checked before anything is computed; the kernels read them
where they lie.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from . import arrays, csr, dispatch
from .csr import CSR, Matrix
from .diagnosis import first_bad_layer, last_bad_layer
from .embedding import require_codes
from .history import DivergenceError, History
from .network import Record, aligned
from .optimizers import Optimizer, as_optimizer
from .options import for_kernels

Array = npt.NDArray[Any]
Reached = tuple[float, tuple[float, ...], int, tuple[float, float, float]]
FINE, BAD_LOSS, BAD_ROW, BAD_GRADIENT, INTERRUPTED = range(5)
NO_CLIP = (0.0, 0.0)
# streams of random numbers for dropout, 2^32 to a layer: the passes of fit, and those of partial_fit behind them
DROPS, PARTIAL_PASSES = 1 << 42, 1 << 31
SLICE_ROWS = 512  # a batch with more rows goes through the buffers slice by slice
UPDATE_FLOPS = 16.0  # what an optimizer's turn on one parameter counts for


@dataclass
class Batches:
    """Checked data: what one epoch reads."""

    X: Matrix
    y: Array
    weight: npt.NDArray[np.float64] | None
    kind: str  # how the kernels read y: "labels", "values" or "slopes"
    on_disk: bool
    names: tuple[str, str] = ("X", "y")
    unit: float = 1.0  # what the caller's weights were multiplied by

    @property
    def rows(self) -> int:
        """N."""
        return len(self.X)

    def require_finite(self, dtype: np.dtype[Any]) -> None:
        """ValueError where a value is not finite once it is cast to `dtype`: the data are to blame, not the network."""
        for array, name in zip((self.X, self.y), self.names, strict=True):
            require_finite(array, name, dtype)


def read_data(
    record: Record, X: Any, y: Any, sample_weight: Any = None, names: tuple[str, str] = ("X", "y")
) -> Batches:
    """Check X (N, I), y and weights against the network."""
    matrix = read_matrix(record, X, names[0])
    soft = record.loss.name == "cross_entropy"
    target = arrays.as_targets(y, len(matrix), record.target, record.outputs, record.loss.name, names[1], soft=soft)
    weight, unit = arrays.as_weights(sample_weight, len(matrix)), 1.0
    if weight is not None:
        # but for an L2 term only their ratios count: a power of two keeps those, and float32 sums within range
        power = -int(np.frexp(weight.max())[1])
        weight, unit = np.ldexp(weight, power), math.ldexp(1.0, min(power, 1023))
    labels = record.target == "class" and target.ndim == 1
    return Batches(matrix, target, weight, "labels" if labels else "values", on_disk(matrix), names, unit)


def read_matrix(record: Record, X: Any, name: str = "X") -> Matrix:
    """Check X (N, I), dense or sparse, against the network."""
    matrix = csr.as_matrix(X, name, columns=record.sizes[0])
    if isinstance(matrix, CSR):
        record.require_dense_first(name)
    elif record.embedding is not None and not on_disk(matrix):
        require_codes(record.embedding, matrix, name)
    return matrix


def on_disk(X: Matrix) -> bool:
    """Tell whether the values of X are only read as the batches come."""
    return not isinstance(X, CSR) and arrays.is_memmap(X)


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
    fresh = aligned(record.program.size, record.dtype)
    fresh[:] = run.params if mean is None else mean
    if mean is not None:
        record.take_running(run.params, fresh)
    record.published = fresh
    run.origin = fresh if mean is None else None  # whoever goes on later starts from what readers see
    run.ahead = False


def assign(record: Record, buffer: Array) -> None:
    """Replace the parameters; RuntimeError while a training runs."""
    with training(record, "the parameters cannot be assigned while fit runs on this network in another thread"):
        record.published = buffer
        if record.run is not None:
            record.run.ahead = False


def require_finite(array: Matrix, name: str, dtype: np.dtype[Any]) -> None:
    """ValueError with the place of the first value that is NaN or infinite, or is so once it is cast to `dtype`."""
    expected = f"finite in {dtype}"

    def fits(block: Array) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = np.isfinite(block.astype(dtype))
        return found

    with np.errstate(over="ignore"):
        if isinstance(array, CSR):
            array.require(name, fits, expected)
        else:
            arrays.require_finite(array, name)
            arrays.require(array, name, fits, expected)


def not_finite(array: Matrix, name: str, dtype: np.dtype[Any]) -> NoReturn:
    """The error for what the kernels found not finite."""
    require_finite(array, name, dtype)
    raise ValueError(f"{name} changed while it was read")


def bad_row(record: Record, X: Matrix, name: str) -> NoReturn:
    """The error for a row that the kernels could not take."""
    if record.embedding is not None and not isinstance(X, CSR):
        require_codes(record.embedding, X, name)
    not_finite(X, name, record.dtype)


def choose_threads(threads: int | None, flops: float) -> int:
    """Threads for so much work; ValueError or TypeError where the caller's number is none."""
    if threads is not None:
        arrays.check_integer(threads, "threads", 1, 1024)
    return dispatch.choose_threads(threads, flops)


def scores(record: Record, X: Any, link: bool, threads: int | None) -> Array:
    """Raw scores (link False) or predictions (True): (N, O), or (O,) for a single row."""
    if csr.is_sparse(X):
        matrix, single = read_matrix(record, X), False
    else:
        matrix, single = arrays.as_row_or_matrix(X, "X", record.sizes[0])
    out = np.empty((len(matrix), record.outputs), record.dtype)
    count = choose_threads(threads, forward_flops(record, matrix))
    # the kernel looks for NaN while a row is in the first cache; only then do we look where it was
    if record.program.scores(current(record), matrix, out, link, count, True) is None:
        bad_row(record, matrix, "X")
    return out[0] if single else out


def loss(record: Record, data: Batches, params: Array, threads: int | None) -> float:
    """sum(w l) / sum(w) over the rows."""
    count = choose_threads(threads, forward_flops(record, data.X))
    total = record.program.losses(params, data.X, data.y, data.weight, count, data.on_disk)
    if total is None:
        bad_row(record, data.X, data.names[0])
    if not math.isfinite(total):
        data.require_finite(record.dtype)
    weight = data.rows if data.weight is None else float(data.weight.sum())
    return float(total) / weight


def forward_flops(record: Record, X: Matrix) -> float:
    """Arithmetic of the forward pass."""
    first = record.layers[0]
    zeros = math.prod(X.shape) - X.nonzeros if isinstance(X, CSR) else 0
    return len(X) * record.flops_forward - 2.0 * zeros * first.outputs


def step_flops(record: Record, X: Matrix, batch: int) -> float:
    """Arithmetic of a step of `batch` rows.  Where X is sparse, or codes, its first layer is soon multiplied; the optimizer
    remains."""
    if not isinstance(X, CSR):
        tables = record.embedding.kernel if record.embedding else ()
        return batch * record.flops_step + UPDATE_FLOPS * sum(n * d for _, n, d in tables)
    first = record.layers[0]
    zeros = first.inputs - X.nonzeros / len(X)
    return batch * (record.flops_step - 4.0 * zeros * first.outputs) + UPDATE_FLOPS * first.inputs * first.outputs


def step_threads(record: Record, X: Matrix, batch: int, threads: int | None) -> int:
    """Threads for steps of `batch` rows of X."""
    return choose_threads(threads, step_flops(record, X, min(batch, SLICE_ROWS)))


def gradient(
    record: Record, data: Batches, threads: int | None, dX: Array | None = None, l2: float = 0.0, training: bool = False
) -> tuple[float, list[tuple[Array, Array]]]:
    """(loss, [(dW, db), ...]) over all rows as one batch, through the very kernels that train.

    With `l2`, of the loss and l2 / 2 * sum of W^2 / the sum of the weights.  With `training`, under dropout's mask of pass 0
    and with the statistics of these rows in each batch norm.
    """
    if training:
        record.require_rows(data.rows, data.names[0])
    count = step_threads(record, data.X, data.rows, threads)
    trainer = record.kernels.Trainer(
        record.program, data.rows, "store", 0, (), data.kind, count, dX is not None, l2 * data.unit, drops=training,
        sparse=isinstance(data.X, CSR),
    )  # fmt: skip
    store = aligned(record.program.size, record.dtype, 1)
    # the trainer asks for writeable parameters, though `store` writes none
    _, status, _, batch_loss = trainer.run(
        current(record), store, data.X, data.y, data.weight, None, 0, 1, np.zeros(1), data.on_disk, dX,
        seed=record.seed, stream=DROPS,
    )  # fmt: skip
    if status == BAD_ROW:
        bad_row(record, data.X, data.names[0])
    if status in (BAD_LOSS, BAD_GRADIENT):
        data.require_finite(record.dtype)
    if status == BAD_LOSS:
        raise FloatingPointError(f"the loss is not finite ({batch_loss}); there is no gradient")
    return batch_loss, record.pairs(store[0])


class Run:
    """Buffers and optimizer state of a training: `fit` makes one, `partial_fit` goes on with it.

    `params` is the training's own copy; `origin` the published buffer that it came from or went to; `ahead` says that
    `params` has moved on since.  `l2`: the loss of a batch has the term l2 / 2 * sum of W^2 / the batch's weight (biases
    have none).  `by_rows`: in the mean over an epoch a batch's loss counts by its rows, not by its weight.  `clip`: the
    longest gradient and its largest entry that the optimizer sees, 0 for any.  `room`: rows that go through the network at
    a time, 0 for as many as a slice may have.  `mean`: follows the parameters step by step, with `decay` as the past's share.
    """

    def __init__(self, record: Record, optimizer: Optimizer, l2: float = 0.0, by_rows: bool = False) -> None:
        self.record, self.optimizer, self.l2, self.by_rows = record, optimizer, l2, by_rows
        self.clip, self.room = NO_CLIP, 0
        self.options = for_kernels(record.layers, optimizer)
        self.mean: Array | None = None
        self.decay, self.since = 0.0, 0.0
        self.passes = 0  # over the data, as far as dropout is concerned: each has its own masks
        self.params = aligned(record.program.size, record.dtype)
        self.slots = aligned(record.program.size, record.dtype, max(1, len(optimizer.slots)))
        for slot, value in zip(self.slots, optimizer.first_slots(), strict=False):
            slot[:] = value
        # optimizer steps, its scalars that live on, the epoch's next step and sums: what the kernels say, also where
        # Ctrl-C ended a call of theirs
        self.reached: Reached = (0.0, optimizer.carry, 0, (0.0, 0.0, 0.0))
        self.origin: Array | None = None
        self.ahead = False
        self.before: Array | None = None  # the parameters before the present partial_fit
        self._trainer: Any = None
        self._shape: tuple[Any, ...] = ()

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
    count = step_threads(record, data.X, batch, threads)
    with training(record):
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
