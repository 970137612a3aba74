"""The network behind an estimator: parameters in and out, epochs of the compiled loop, and L-BFGS-B on its gradient.

The estimator's `coefs_` and `intercepts_` are the parameters: they go in before each use, so that what a user assigns to
them counts.  What lives on between calls is the optimizer's state.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import batches, loop, train, work
from ..csr import Matrix
from ..history import DivergenceError
from ..layers import Dense
from ..losses import Loss
from ..network import Record
from ..optimizers import Optimizer
from ..pace import Pace
from .rules import LearningRate

Array = npt.NDArray[Any]
Pairs = tuple[list[Array], list[Array]]  # W, and b, of each layer


@dataclass(frozen=True)
class Shape:
    """What makes two networks interchangeable."""

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: Loss
    dtype: str
    drops: tuple[float, ...] = ()  # rates of dropout behind the layers
    seed: int = 0  # of its masks


@dataclass
class Epochs:
    """What `Engine.epochs` is asked for.

    `rows` (int32): those to train on, None for all; `order`: gives them in the order of an epoch, None: as they are;
    `after`: called with a FitState after each epoch, True ends the training.
    """

    epochs: int
    batch: int
    rows: Array | None
    order: Callable[[int], Array] | None
    after: Callable[[Any], bool]
    rate: LearningRate
    threads: int | None
    max_seconds: float | None
    validation: batches.Batches | None
    clip: tuple[float, float]


class Engine:
    """A network of one shape, and the state of its optimizer between calls."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        pairs = itertools.pairwise(shape.sizes)
        layers = tuple(Dense(i, o, f) for (i, o), f in zip(pairs, shape.activations, strict=True))
        # one buffer for all uses: a fresh one would cost a page fault for each 4 kB, more than to fill it
        self.record = Record(layers, shape.loss, shape.dtype, shape.seed, shape.drops, private=True)
        self.run: train.Run | None = None
        self.pace: Pace | None = None  # of the last training

    def load(self, coefs: Sequence[Array], intercepts: Sequence[Array]) -> None:
        """Make these the parameters."""
        dtype = self.record.dtype
        for k, (W, b) in enumerate(zip(coefs, intercepts, strict=True)):
            pair = np.ascontiguousarray(W, dtype), np.ascontiguousarray(b, dtype)
            self.record.program.pack(self.record.published, k, *pair)
        if self.run is not None:
            self.run.origin = None  # whatever it came from, it is not what the buffer holds now

    def parameters(self, over: Pairs | None = None) -> Pairs:
        """(coefs, intercepts): new arrays, or those of `over`, C-contiguous and of this dtype, which are written over."""
        return self._unpacked(self.record.published, over)

    def _unpacked(self, buffer: Array, over: Pairs | None = None) -> Pairs:
        """(coefs, intercepts) in a buffer of parameters, or of what belongs to each of them."""
        if over is None:
            pairs = [self.record.layer_arrays(buffer, k) for k in range(len(self.record.layers))]
            return [W for W, _ in pairs], [b for _, b in pairs]
        for k, (W, b) in enumerate(zip(*over, strict=True)):
            self.record.program.unpack(buffer, k, W, b)
        return over

    def predict(self, X: Any, threads: int | None) -> Array:
        """(N, O) after the loss's link."""
        return train.scores(self.record, X, True, threads)

    def start(self, optimizer: Optimizer, alpha: float) -> None:
        """A fresh state of this optimizer, for a loss with the L2 term `alpha`."""
        self.run = train.Run(self.record, optimizer, float(alpha), by_rows=True)

    def _begin(self, X: Matrix, batch: int, threads: int | None) -> Pace:
        """A training on steps of `batch` rows of X begins: what tells on how many threads."""
        heavy = work.step_flops(self.record, X, batch) > loop.HEAVY_FLOPS
        pace = self.pace = Pace(work.step_threads(self.record, X, batch, threads), fixed=threads is not None or heavy)
        return pace

    def judged(self, X: Matrix) -> Array:
        """`predict` while a training runs: on as many threads as it has found to help."""
        return self.predict(X, None if self.pace is None else self.pace.next()[0])

    def epochs(self, data: batches.Batches, asked: Epochs) -> None:
        """Train; the parameters are those after the last step.  Raises as `fastgrad.Network.fit` does."""
        assert self.run is not None
        record, pace = self.record, self._begin(data.X, asked.batch, asked.threads)
        deadline = None if asked.max_seconds is None else time.monotonic() + asked.max_seconds
        fit = loop.Fit(
            record, data, asked.epochs, asked.batch, self.run.optimizer, asked.rate, pace, False, asked.validation, (),
            (asked.after,), None, deadline, rows=asked.rows, order=asked.order, state=self.run,
            clip=asked.clip,
        )  # fmt: skip
        try:
            loop.run(fit, progress=False)
        except DivergenceError:
            self.run = None  # its state may hold NaN
            raise

    def minimise(self, data: batches.Batches, alpha: float, threads: int | None, options: dict[str, Any],
                 told: Callable[[Any], None]) -> Any:  # fmt: skip
        """scipy's result of L-BFGS-B from the present parameters; they are then where it ended."""
        import scipy.optimize

        record, pace = self.record, self._begin(data.X, data.rows, threads)

        def objective(theta: Array) -> tuple[float, Array]:
            self.load(*self._split(theta))
            count, began = pace.next()[0], time.perf_counter()
            try:
                loss, pairs = train.gradient(record, data, count, l2=alpha)
            except FloatingPointError:
                return np.nan, np.full_like(theta, np.nan)
            pace.took(count, 1, time.perf_counter() - began)
            return loss, joined([W for W, _ in pairs], [b for _, b in pairs])

        start = joined(*self.parameters())
        result = scipy.optimize.minimize(objective, start, method="L-BFGS-B", jac=True, options=options, callback=told)
        self.load(*self._split(result.x))
        return result

    def _split(self, theta: Array) -> tuple[list[Array], list[Array]]:
        pairs = list(itertools.pairwise(self.shape.sizes))
        shapes: list[tuple[int, ...]] = [*pairs, *((o,) for _, o in pairs)]
        ends = np.cumsum([np.prod(shape) for shape in shapes])
        parts = [part.reshape(shape) for part, shape in zip(np.split(theta, ends[:-1]), shapes, strict=True)]
        return parts[: len(pairs)], parts[len(pairs) :]

    # ---- pickling: the panels differ from one instruction set to another ----
    def __getstate__(self) -> dict[str, Any]:
        run = self.run
        if run is None:
            return {"shape": self.shape}
        slots = [self._unpacked(slot) for slot in run.slots]
        return {"shape": self.shape, "optimizer": run.optimizer, "l2": run.l2, "slots": slots, "reached": run.reached}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["shape"])  # type: ignore[misc]
        if "optimizer" in state:
            self.start(state["optimizer"], state["l2"])
            assert self.run is not None
            for slot, (coefs, intercepts) in zip(self.run.slots, state["slots"], strict=True):
                for k, (W, b) in enumerate(zip(coefs, intercepts, strict=True)):
                    self.record.program.pack(slot, k, W, b)
            self.run.reached = state["reached"]


def joined(coefs: Sequence[Array], intercepts: Sequence[Array]) -> Array:
    """All weights, then all biases, in one float64 array."""
    return np.concatenate([part.ravel() for part in (*coefs, *intercepts)], dtype=np.float64)


def dense(X: Any) -> Array:
    """Sparse input as an ordinary array."""
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X)
