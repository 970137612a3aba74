"""What a fit is validated on: data of the caller's, or some of its own rows, held out."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arrays
from .batches import Batches, read_data
from .csr import CSR
from .network import Record

Array = npt.NDArray[Any]
SPLITS = 1 << 41  # the stream of random numbers; loop.py names the others


def split(record: Record, data: Batches, validation: Any) -> tuple[Batches | None, Array | None]:
    """(validation data, rows left for training): given arrays, or a fraction held out by the network's seed."""
    if validation is None:
        return None, None
    if isinstance(validation, tuple | list):
        if len(validation) not in (2, 3):
            raise ValueError(f"validation must be (X, y) or (X, y, sample_weight), got {len(validation)} entries")
        X, y, weight = (*validation, None)[:3]
        return read_data(record, X, y, weight, ("validation X", "validation y")), None
    if not isinstance(validation, numbers.Real):
        what = f"{validation!r:.40} ({type(validation).__name__})"
        raise TypeError(f"validation must be (X, y), (X, y, sample_weight) or a fraction of the rows, got {what}")
    fraction = arrays.check_number(validation, "validation", 0.0, 1.0, open_low=True)
    if data.kind == "labels":
        strata = data.y
    elif record.outputs == 1 and record.target in ("sign", "probability"):
        strata = np.asarray(data.y[:, 0]) > 0.5
    else:
        strata = np.zeros(data.rows, np.int32)
    order = np.empty(data.rows, np.int32)
    record.kernels.permutation(record.seed, SPLITS, order)
    held, kept = pick(fraction, order, strata)
    weight = None
    if data.weight is not None:
        weight = data.weight[held]
        if not (weight.any() and data.weight[kept].any()):
            raise ValueError(f"validation={fraction} leaves only rows of sample_weight 0 on one side")
    X, y = data.X[held], np.ascontiguousarray(data.y[held])
    X = X if isinstance(X, CSR) else np.ascontiguousarray(X)
    part = Batches(X, y, weight, data.kind, data.on_disk, ("validation X", "validation y"))
    return part, kept.astype(np.int32)


def pick(fraction: float, order: Array, strata: Array) -> tuple[Array, Array]:
    """Rows held out and rows kept, both ascending: held is the first `fraction` of each stratum in `order` (N,).

    ValueError where that leaves none on one side.

    >>> held, kept = pick(0.5, np.arange(6), np.array([0, 0, 1, 1, 1, 1]))
    >>> held.tolist(), kept.tolist()
    ([0, 2, 3], [1, 4, 5])
    """
    by = order[np.argsort(strata[order], kind="stable")]
    parts = np.split(by, np.flatnonzero(np.diff(strata[by])) + 1)
    held = np.sort(np.concatenate([members[: round(fraction * len(members))] for members in parts]))
    if not 0 < len(held) < len(order):
        raise ValueError(f"validation={fraction} leaves {len(order) - len(held)} of {len(order)} rows for training")
    keep = np.ones(len(order), bool)
    keep[held] = False
    return held, np.flatnonzero(keep)
