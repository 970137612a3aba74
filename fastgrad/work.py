"""How much arithmetic a call has to do, and on how many threads."""

from __future__ import annotations

from . import arrays, dispatch
from .csr import CSR, Matrix
from .network import Record

SLICE_ROWS = 512  # a batch with more rows goes through the buffers slice by slice
UPDATE_FLOPS = 16.0  # what an optimizer's turn on one parameter counts for


def choose_threads(threads: int | None, flops: float) -> int:
    """Threads for so much work; ValueError or TypeError where the caller's number is none."""
    if threads is not None:
        arrays.check_integer(threads, "threads", 1, 1024)
    return dispatch.choose_threads(threads, flops)


def forward_flops(record: Record, X: Matrix) -> float:
    """Arithmetic of the forward pass."""
    first = record.layers[0]
    zeros = len(X) * first.inputs - X.nonzeros if isinstance(X, CSR) else 0
    return len(X) * record.flops_forward - 2.0 * zeros * first.outputs


def step_flops(record: Record, X: Matrix, batch: int) -> float:
    """Arithmetic of a step of `batch` rows.  Where X is sparse, or codes, its first layer is soon multiplied; the optimizer
    remains."""
    if not isinstance(X, CSR):
        tables = record.embedding.kernel if record.embedding else ()
        return batch * record.flops_step + UPDATE_FLOPS * sum(n * d for _, n, d in tables)
    first = record.layers[0]
    filled = X.nonzeros / len(X)
    updated = first.inputs if record.vocabulary is None else min(batch * filled, first.inputs)
    products = record.flops_step - 4.0 * (first.inputs - filled) * first.outputs
    return batch * products + UPDATE_FLOPS * updated * first.outputs


def step_threads(record: Record, X: Matrix, batch: int, threads: int | None) -> int:
    """Threads for steps of `batch` rows of X."""
    return choose_threads(threads, step_flops(record, X, min(batch, SLICE_ROWS)))
