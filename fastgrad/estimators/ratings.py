"""What a recommender is given: a sparse matrix users x items, checked, and read from both sides.

A stored entry is a rating, or that a user chose an item; what is not stored is unknown.  Nothing is changed in the
caller's matrix.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[Any]


class Side(NamedTuple):
    """A CSR matrix as the kernels take it; `weights` None: all 1."""

    indptr: Array
    indices: Array
    values: Array
    weights: Array | None


def read_matrix(matrix: Any, name: str, unique: bool = False) -> Any:
    """`matrix` as CSR with ascending columns, finite numbers and explicit zeros kept; entries that stand there twice are
    summed, or refused where they must be `unique`.
    """
    if not sparse.issparse(matrix) or matrix.ndim != 2:
        raise TypeError(
            f"{name} must be a sparse matrix of scipy, users x items, got {type(matrix).__name__}; "
            "scipy.sparse.csr_array(...) makes one of an array's nonzero entries"
        )
    if matrix.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {matrix.dtype}")
    if max(matrix.shape) >= 2**31:
        raise ValueError(f"{name} has shape {matrix.shape}; there is room for 2^31 - 1 users and as many items")
    rows = matrix.tocsr()
    rows.check_format(full_check=True)  # ValueError where an index is negative or beyond the shape
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    if unique and rows.nnz < matrix.nnz:
        raise ValueError(f"{name} holds {matrix.nnz - rows.nnz} entries twice; give one rating for a user and an item")
    bad = ~np.isfinite(rows.data)
    if bad.any():
        k = int(bad.argmax())
        user = int(np.searchsorted(rows.indptr, k, side="right")) - 1
        raise ValueError(f"{name} holds {rows.data[k]} for user {user} and item {rows.indices[k]}; all must be finite")
    return rows


def read_training(matrix: Any, weights: Any, chosen: bool) -> tuple[Any, Array | None]:
    """The entries to learn from, and their weights (nnz,) or None: ratings, or what was `chosen` (values above 0).

    ValueError where nothing is left.
    """
    rows = read_matrix(matrix, "user_items", unique=not chosen)
    kept = rows.data > 0 if chosen else np.ones(rows.nnz, bool)
    weight = None
    if weights is not None:
        given = read_matrix(weights, "sample_weight", unique=True)
        if given.shape != rows.shape or not (
            np.array_equal(given.indptr, rows.indptr) and np.array_equal(given.indices, rows.indices)
        ):
            raise ValueError(
                f"sample_weight must store the same entries as user_items, shape {rows.shape} with {rows.nnz}, "
                f"got shape {given.shape} with {given.nnz}"
            )
        weight = given.data.astype(np.float64)
        if (weight < 0).any():
            raise ValueError(f"sample_weight must not be negative, found {weight.min()}")
        kept &= weight > 0
    if not kept.any():
        wanted = "entry above 0" if chosen else "rating"
        raise ValueError(
            f"user_items, shape {rows.shape}, holds no {wanted}" + " of weight above 0" * (weight is not None)
        )
    if kept.all():
        return rows, weight
    ends = np.concatenate([[0], np.cumsum(kept)])[rows.indptr]
    return (
        sparse.csr_array((rows.data[kept], rows.indices[kept], ends), shape=rows.shape),
        None if weight is None else weight[kept],
    )


def moments(values: Array, weight: Array | None) -> tuple[float, float]:
    """Mean and deviation of ratings; 1 where they are all the same."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.average(values, weights=weight))
        scale = float(np.sqrt(np.average(np.square(values - mean), weights=weight)))
    if not np.isfinite(mean) or not np.isfinite(scale):
        raise ValueError(f"user_items holds ratings up to {np.abs(values).max():.3g}, too large for their variance")
    return mean, scale if scale > 1e-12 * abs(mean) else 1.0


def side_of(rows: Any, values: Array, weights: Array | None, dtype: Any) -> Side:
    """The users' side: entries as they lie."""
    return Side(
        rows.indptr.astype(np.int64),
        rows.indices.astype(np.int32),
        values.astype(dtype),
        None if weights is None else weights.astype(dtype),
    )


def turned(side: Side, shape: tuple[int, int]) -> Side:
    """The items' side of the users' side, of a matrix of that shape."""
    places = sparse.csr_array((np.arange(len(side.indices)), side.indices, side.indptr), shape=shape).T.tocsr()
    weights = None if side.weights is None else side.weights[places.data]
    return Side(places.indptr.astype(np.int64), places.indices.astype(np.int32), side.values[places.data], weights)


def read_ids(ids: Any, name: str, count: int) -> Array:
    """Row numbers 0 .. count - 1, of the shape given; TypeError or ValueError for anything else."""
    found = np.asarray(ids)
    if found.dtype.kind not in "iu" and found.size:
        raise TypeError(f"{name} must be integers, got {found.dtype} ({ids!r})" if found.ndim == 0 else
                        f"{name} must be integers, got dtype {found.dtype}")  # fmt: skip
    found = found.astype(np.int64)
    if found.size and (found.min() < 0 or found.max() >= count):
        bad = found.min() if found.min() < 0 else found.max()
        raise ValueError(f"{name} holds {bad}; there are {count}, numbered from 0")
    return found


def read_count(N: Any) -> int:
    """How many are wanted: at least one."""
    if isinstance(N, bool) or not isinstance(N, Integral) or N < 1:
        raise ValueError(f"N must be an integer >= 1, got {N!r}")
    return int(N)
