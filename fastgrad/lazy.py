"""`sparse_update="lazy"`: how a network meets features, and what a call sees of it while others may go on meeting some.

Rows are added where nobody reads: behind those that are met, or in new and larger buffers.  Whoever computes holds a view, a
record of its own whose buffers and rows fit each other.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .averaging import EMA
from .csr import CSR, Matrix, from_array
from .network import Record, aligned
from .parts import Part

Array = npt.NDArray[Any]
DRAWN = 1 << 16  # rows that are drawn together
MOST_ROWS = 8192  # of a batch: it goes through the buffers whole


def meet(record: Record, features: npt.NDArray[np.int64], draw: bool = True) -> None:
    """Rows for features that have none, drawn unless others will be put there; also in a training's buffers."""
    known, run = record.vocabulary, record.run
    assert known is not None
    capacity, first = known.needs(known.rows + len(features)), known.rows
    if capacity != known.capacity:
        before, old = record.program, record.published
        known.capacity = capacity
        record.program = record.make_program(True)
        record.published = _moved(record, before, old)
        if run is not None:
            run.resize(lambda buffer, into=None: _moved(record, before, buffer, into))
            run.origin = record.published if run.origin is old else None
    for start in range(0, len(features) if draw else 0, DRAWN):
        W = record.draw_rows(features[start : start + DRAWN])
        for buffer in (record.published, *(() if run is None else run.parameters())):
            record.program.put_rows(buffer, first + start, W)
    known.meet(features)


def _moved(record: Record, before: Any, buffer: Array, into: Array | None = None) -> Array:
    """A buffer of the program `before` as one of the record's program, which has more rows."""
    fresh = aligned(record.program.size, record.dtype) if into is None else into
    outputs = record.sizes[1]
    W, b = np.empty((before.inputs, outputs), record.dtype), np.empty(outputs, record.dtype)
    before.unpack(buffer, 0, W, b)
    record.program.put_rows(fresh, 0, W)
    fresh[record.program.behind :] = buffer[before.behind :]
    return fresh


def meet_all(record: Record) -> None:
    """Rows for every feature.  The caller sees to it that nobody trains."""
    if record.vocabulary is not None:
        meet(record, record.vocabulary.strangers(np.arange(record.sizes[0])))


def inside(record: Record, X: Matrix) -> Matrix:
    """X of a training that begins: its features have been met, and rows stand in their place."""
    known = record.vocabulary
    if known is None or (isinstance(X, CSR) and X.original is not None):
        return X
    assert isinstance(X, CSR)
    with record.publishing:
        strangers = known.strangers(X.indices)
        if len(strangers):
            meet(record, strangers)
        return known.inside(X)


def view(record: Record, X: Matrix) -> tuple[Record, Matrix]:
    """(record, X) to compute with: for a lazy network a copy that stays as it is, which has met all features of X.

    The caller has published what there was to publish.
    """
    known = record.vocabulary
    if known is None:
        return record, X
    assert isinstance(X, CSR)
    with record.publishing:
        strangers = known.strangers(X.indices) if X.original is None else known.met[:0]
        alone = len(strangers) > 0 and record.busy.acquire(blocking=False)
        try:
            if alone:
                meet(record, strangers)
            own = copy.copy(record)
            own.vocabulary, own.run = copy.copy(known), None
            if len(strangers) and not alone:  # somebody trains: these rows are for this call only
                own.published, own.vocabulary = record.published.copy(), copy.deepcopy(known)
                meet(own, strangers)
            assert own.vocabulary is not None
            return own, X if X.original is not None else own.vocabulary.inside(X)
        finally:
            if alone:
                record.busy.release()


def sparse_if_lazy(record: Record, X: Matrix) -> Matrix:
    """X, as a CSR matrix where the network's updates are lazy."""
    return X if record.vocabulary is None or isinstance(X, CSR) else from_array(X)


def check_batch(record: Record, batch: int) -> None:
    """ValueError where a step has too many rows for a lazy update."""
    if record.vocabulary is not None and batch > MOST_ROWS:
        raise ValueError(
            f"batch_size must be at most {MOST_ROWS} with sparse_update='lazy', all batches that make one step together, "
            f"got {batch}"
        )


def check_fit(record: Record, average: Any, checkpoint: Any, resume: Any) -> None:
    """ValueError where `fit` is asked for what would look at all rows of W, or whose files do not tell of some."""
    if record.vocabulary is None:
        return
    if checkpoint is not None or resume is not None:
        raise ValueError("checkpoint and resume are not for a network with sparse_update='lazy'; use save and load")
    if isinstance(average, EMA):
        raise ValueError(
            f"average: {average} moves a mean of all parameters at every step, which sparse_update='lazy' is to avoid; "
            "fg.SWA, by epochs, goes with it"
        )


def shapes(record: Record, part: Part) -> tuple[tuple[int, ...], ...]:
    """Of the two arrays of a part, W with rows for features met only."""
    if part.layer or record.vocabulary is None:
        return part.shapes
    return (record.vocabulary.rows, record.sizes[1]), (record.sizes[1],)


def contents(record: Record, buffer: Array) -> dict[int, tuple[Array, Array]]:
    """The two arrays of each part, of these shapes, by its place among them."""
    pairs = {place: record.layer_arrays(buffer, part.layer, part.table) for place, part in enumerate(record.parts)}
    if record.vocabulary is not None:
        pairs[0] = pairs[0][0][: record.vocabulary.rows], pairs[0][1]
    return pairs


def fill(record: Record, buffer: Array, pairs: Mapping[int, Sequence[Array]]) -> None:
    """Into a buffer what `contents` gave, of a record that has met the same features."""
    for place, (W, b) in pairs.items():
        rows, part = W, record.parts[place]
        if part.layer == 0 and record.vocabulary is not None:
            rows = np.zeros(record.shapes_inside(0)[0], record.dtype)
            rows[: len(W)] = W
        record.program.pack(buffer, part.layer, np.ascontiguousarray(rows), np.ascontiguousarray(b), part.table)
