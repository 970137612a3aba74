"""What AutoencoderDetector does beside its network: rows in standardised blocks, and thresholds of scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .engine import dense

Array = npt.NDArray[Any]
BLOCK_ROWS, BLOCK_VALUES = 8192, 1 << 19  # a block has at most so many rows, and 4 MiB in float64
# a standardised value is held within this: a row with 1e300 in it shall have a score, not overflow inside the network
FARTHEST = 1e15


def blocks(X: Any) -> Iterator[slice]:
    """Slices of rows: few enough that what is made of them is small beside X, and stays in the cache."""
    step = max(1, min(BLOCK_ROWS, BLOCK_VALUES // X.shape[1]))
    for start in range(0, X.shape[0], step):
        yield slice(start, start + step)


def standardised(part: Any, mean: Array, scale: Array) -> Array:
    """Rows (n, F) of X in deviations from the mean: new, float64, C-contiguous."""
    Z = dense(part).astype(np.float64, order="C")
    with np.errstate(over="ignore"):
        Z -= mean
        Z /= scale
    np.clip(Z, -FARTHEST, FARTHEST, out=Z)
    return Z


def quantiles(scores: Array, weight: Array | None, shares: Any) -> Array:
    """For each share the smallest of `scores` (N,) that this share of the weight (None: of the rows) does not exceed.

    A row of weight 2 is as two rows.

    >>> quantiles(np.array([3.0, 1.0, 2.0]), np.array([1, 1, 2]), [0.5, 1.0]).tolist()
    [2.0, 3.0]
    """
    order = np.argsort(scores)
    total = np.cumsum(np.ones(len(scores)) if weight is None else weight[order])
    # a share that is a whole number of rows must not become one more by rounding
    exact = np.asarray(shares) * total[-1] * (1 - 1e-12)
    found: Array = scores[order[np.searchsorted(total, exact)]]
    return found


def fence(low: float, high: float) -> float:
    """The upper fence of a box plot with these quartiles, taken of cube roots: at least `high`.

    >>> fence(1.0, 8.0)
    42.875
    """
    roots = np.cbrt([low, high])
    return max(float((roots[1] + 1.5 * (roots[1] - roots[0])) ** 3), float(high))
