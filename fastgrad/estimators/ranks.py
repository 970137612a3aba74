"""The best of many scores, the most similar rows, and how well a ranking finds what was chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
BLOCK_SCORES = 1 << 22  # scores that are held at a time
NOBODY = -1


def best(scores: Array, N: int) -> tuple[Array, Array]:
    """Columns and values (R, N) of the highest of each row of `scores` (R, C), falling; -inf is never taken: what is left
    over is filled with NOBODY and -inf.

    >>> best(np.array([[1.0, 3.0, -np.inf]]), 3)[0].tolist()
    [[1, 0, -1]]
    """
    taken = min(N, scores.shape[1])
    found = np.sort(np.argpartition(-scores, taken - 1, axis=1)[:, :taken], axis=1)  # of equals, the first comes first
    values = np.take_along_axis(scores, found, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    columns = np.full((len(scores), N), NOBODY)
    out = np.full((len(scores), N), -np.inf, scores.dtype)
    columns[:, :taken], out[:, :taken] = np.take_along_axis(found, order, 1), np.take_along_axis(values, order, 1)
    columns[out == -np.inf] = NOBODY
    return columns, out


def best_of(
    rows: Array, candidates: Array, N: int, scores: Callable[[Array], Array], hide: Callable[[Array, int], None]
) -> tuple[Array, Array]:
    """`best` of `scores(part of rows)`, block by block; `hide(scores, first row)` sets to -inf what must not be found.
    Column c stands for `candidates[c]`.
    """
    ids = np.full((len(rows), N), NOBODY)
    values = np.full((len(rows), N), -np.inf, scores(rows[:0]).dtype)
    if len(candidates):
        step = max(1, BLOCK_SCORES // len(candidates))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            found = scores(rows[part])
            hide(found, start)
            columns, values[part] = best(found, N)
            ids[part] = np.where(columns == NOBODY, NOBODY, candidates[columns])
    return ids, values


def directions(factors: Array) -> Array:
    """Rows (R, k) divided by their lengths; zeros stay."""
    lengths = np.sqrt(np.square(factors, dtype=np.float64).sum(1))
    out: Array = factors / np.where(lengths > 0, lengths, 1).astype(factors.dtype)[:, None]
    return out


def area(chosen: Array, others: Array) -> float:
    """How often a score of `chosen` is above one of `others`, a tie counting half: the area under the ROC curve.

    >>> area(np.array([2.0]), np.array([1.0, 2.0, 3.0]))
    0.5
    """
    others = np.sort(others)
    below, not_above = np.searchsorted(others, chosen, "left"), np.searchsorted(others, chosen, "right")
    return float((below + not_above).mean() / (2 * len(others)))


def mean_area(rows: Any, seen: Any, scores: Callable[[int], Array]) -> float:
    """The mean of `area` over the rows of a CSR matrix: entries above 0 against all others, without what `seen` (CSR
    or None) stores.  `scores(row)` (C,).  ValueError where no row has both.
    """
    found = []
    for row in np.flatnonzero(np.diff(rows.indptr)):
        entries = slice(rows.indptr[row], rows.indptr[row + 1])
        chosen = np.zeros(rows.shape[1], bool)
        chosen[rows.indices[entries][rows.data[entries] > 0]] = True
        others = ~chosen
        if seen is not None:
            known = seen.indices[seen.indptr[row] : seen.indptr[row + 1]]
            chosen[known] = others[known] = False
        if chosen.any() and others.any():
            values = scores(int(row))
            found.append(area(values[chosen], values[others]))
    if not found:
        raise ValueError("user_items has no user with an item that was chosen and one that was not")
    return float(np.mean(found))
