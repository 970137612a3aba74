"""The pieces of a training step on their own: which there are, how each is run, and beside which limit it is judged.

Promises: `tasks` lists the pieces, one task each, read off the catalog; `prepare(task)` gives the function that runs one
n times in compiled code, on one thread; `measure_of(task)` says how much work that is.  Products and everything that
is computed value by value are judged by the machine's flops, what only moves memory by the bandwidth of a copy.

Leaves out: how time is taken (timing.py), whole steps (the suite `train`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..catalog import ACTIVATIONS, LOSSES, OPTIMIZERS, VOCABULARY
from .workloads import Array, Task, first_parameters, optimizer_data, uniform

Work = Callable[[int], object]

SHAPES = ((784, 256, 128), (128, 128, 128), (45, 90, 40))  # inputs, outputs, rows
BLOCK = 2048  # values that stay in the first cache with their results, as the kernels' tiles do
OUTPUTS, ROWS = 32, 128  # of a loss: outputs that fill whole vectors in both float types
PARAMETERS = 4_000_000  # of an optimizer: far more than a cache
SHUFFLED = 1_000_000
GATHERED = ((64, 128), (784, 128))  # inputs, rows of a batch
MEMORY = ("update", "shuffle", "gather")  # kinds that are judged by bytes
UNARY = tuple(name for name in VOCABULARY if name not in ("maximum", "minimum", "where"))


@dataclass(frozen=True)
class Measure:
    """What one run of a piece amounts to: `work` of the limit's unit ("flops" or "bytes"), and how many values come out."""

    work: float
    limit: str
    values: float


def tasks(dtype: str, quick: bool = False) -> Iterator[Task]:
    """All pieces in one float type; with `quick`, small, and one of each kind but the products.

    >>> [task.piece for task in tasks("float32", quick=True)][:4]
    ['forward', 'backward_input', 'backward_weights', 'exp']
    """
    shapes, gathered = (SHAPES[-1:], GATHERED[:1]) if quick else (SHAPES, GATHERED)
    curved = [name for name in ACTIVATIONS if name != "identity"]
    for inputs, outputs, rows in shapes:
        for name in ("forward", "backward_input", "backward_weights"):
            yield Task("product", (inputs, outputs), rows, dtype, quick=quick, piece=name)
    groups: Mapping[str, tuple[list[str], tuple[int, ...], int]] = {
        "elementary": (list(UNARY), (BLOCK,), 1),
        "activation": (curved, (BLOCK,), 1),
        "derivative": (curved, (BLOCK,), 1),
        "loss": (list(LOSSES), (OUTPUTS,), ROWS),
        "update": (list(OPTIMIZERS), (1000 if quick else PARAMETERS,), 1),
        "shuffle": (["permutation"], (1000 if quick else SHUFFLED,), 1),
    }
    for kind, (names, sizes, rows) in groups.items():
        for name in names[:1] if quick else names:
            yield Task(kind, sizes, rows, dtype, quick=quick, piece=name)
    for inputs, rows in gathered:
        yield Task("gather", (inputs,), rows, dtype, quick=quick, piece="rows")


def measure_of(task: Task) -> Measure:
    """The work of one run.

    A product has 2 N I O flops.  A value of a function counts as one fused multiply-add, 2 flops: a share of 5 % says that
    it takes as long as twenty.  An optimizer reads parameters, gradient and slots and writes parameters and slots.  A
    shuffled or gathered number is read once and written once.
    """
    values, width = float(np.prod(task.sizes)) * task.batch, np.dtype(task.dtype).itemsize
    if task.kind == "product":
        return Measure(2 * values, "flops", float(task.batch * task.sizes[1]))
    if task.kind == "update":
        return Measure((3 + 2 * len(optimizer_of(task).slots)) * width * values, "bytes", values)
    if task.kind == "shuffle":
        return Measure(2 * np.dtype(np.int32).itemsize * values, "bytes", values)
    if task.kind == "gather":
        return Measure(2 * width * values, "bytes", values)
    return Measure(2 * values, "flops", values)


def optimizer_of(task: Task) -> Any:
    """The optimizer that a task of the kind "update" names, with its defaults; Adam where it names none."""
    import fastgrad as fg

    return getattr(fg, OPTIMIZERS[task.piece or "adam"].public)()


def prepare(task: Task) -> Work:
    """work(n), which runs the piece n times.

    Raises KeyError where the task is of no kind that is here, or names no piece.
    """
    return PREPARE[task.kind](task)


def kernels(task: Task) -> Any:
    """The compiled module for the task's float type."""
    from .. import dispatch

    return dispatch.kernels(task.dtype)


def phase(task: Task, name: str, sizes: tuple[int, ...], loss: str, X: Array, y: Array, layer: int) -> Work:
    """A phase of training steps of a network of `sizes`, at one layer, over batches of a shuffled X."""
    from ..network import aligned

    build, real = kernels(task), np.dtype(task.dtype)
    straight = ("identity",) * (len(sizes) - 1)
    program = build.Program(sizes, straight, loss, tuple(LOSSES[loss].hyper.values()))
    params, store = aligned(program.size, real), aligned(program.size, real, 1)
    for k, (W, b) in enumerate(first_parameters(replace(task, sizes=sizes))):
        program.pack(params, k, W, b)
    trainer = build.Trainer(program, task.batch, "store", 0, (), "labels" if y.ndim == 1 else "values", 1)
    order = np.empty(len(X), np.int32)
    build.permutation(task.seed, 0, order)
    return lambda n: build.repeat_phase(name, trainer, params, store, X, y, order, layer, n)


def product(task: Task) -> Work:
    """One of a layer's three products, all of it in the cache; the layer is the second, so that it has a dX."""
    (inputs, outputs), rng = task.sizes, np.random.default_rng(task.seed)
    X, y = uniform(rng, task.batch, 8, task.dtype), uniform(rng, task.batch, outputs, task.dtype)
    return phase(task, task.piece, (8, inputs, outputs), "mse", X, y, 1)


def loss(task: Task) -> Work:
    """Value and derivative of a loss over the rows of a batch, the reduction to a value a row included."""
    rng, outputs = np.random.default_rng(task.seed), task.sizes[0]
    X = uniform(rng, task.batch, 8, task.dtype)
    if LOSSES[task.piece].kind in ("class", "sign"):
        y = rng.integers(0, outputs, task.batch).astype(np.int32)
    else:
        y = rng.random((task.batch, outputs)).astype(task.dtype)  # within the range of every other loss
    return phase(task, "loss", (8, outputs), task.piece, X, y, 0)


def gather(task: Task) -> Work:
    """Rows of a large X by the numbers of a shuffle, batch after batch, into the kernels' layout."""
    rng, bytes_ = np.random.default_rng(task.seed), 2**20 if task.quick else 2**26
    rows = bytes_ // (task.sizes[0] * np.dtype(task.dtype).itemsize)
    X = uniform(rng, rows, task.sizes[0], task.dtype)
    return phase(task, "gather", (task.sizes[0], 2), "cross_entropy", X, np.zeros(rows, np.int32), 0)


def elementary(task: Task) -> Work:
    """One function of the formulas' vocabulary over a block."""
    build, (z, out) = kernels(task), apart(positive(task), 2)
    return lambda n: build.elementary(task.piece, z, out, n)


def activation(task: Task) -> Work:
    """An activation, or its derivative (multiplied into a gradient, as in the backward pass), over a block."""
    drawn = uniform(np.random.default_rng(task.seed), 1, task.sizes[0], task.dtype)[0] * 3
    build, (z, a, g) = kernels(task), apart(drawn, 3)
    build.repeat_activation(task.piece, z, a, None, 1)
    g[:] = 1
    slope = g if task.kind == "derivative" else None
    return lambda n: build.repeat_activation(task.piece, z, a, slope, n)


def apart(first: Array, count: int) -> list[Array]:
    """`count` blocks of the size of `first`, which the first of them holds, always at the same distance from each other.

    Where malloc puts them a whole number of pages apart, loads wait for stores that only look like theirs: two runs of the
    same code then differ by a third.
    """
    from ..network import aligned

    held = aligned(first.size + 1024 // first.itemsize, first.dtype, count)[:, : first.size]
    held[0] = first
    return list(held)


def positive(task: Task) -> Array:
    """A block of values between 0.1 and 3, which every function is defined for."""
    block: Array = np.random.default_rng(task.seed).uniform(0.1, 3, task.sizes[0]).astype(task.dtype)
    return block


def update(task: Task) -> Work:
    """`opt.update` of one flat array."""
    opt, (w, g) = optimizer_of(task), optimizer_data(task)
    state = opt.init(w)

    def work(n: int) -> None:
        for _ in range(n):
            opt.update(w, g, state)

    return work


def shuffle(task: Task) -> Work:
    """A new permutation of as many rows."""
    build, order = kernels(task), np.empty(task.sizes[0], np.int32)

    def work(n: int) -> None:
        for stream in range(n):
            build.permutation(task.seed, stream, order)

    return work


PREPARE: Mapping[str, Callable[[Task], Work]] = {
    "product": product, "loss": loss, "gather": gather, "elementary": elementary, "activation": activation,
    "derivative": activation, "update": update, "shuffle": shuffle,
}  # fmt: skip
