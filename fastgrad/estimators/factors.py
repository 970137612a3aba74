"""The training of MatrixFactorization: rounds of least squares, passes of BPR, on the compiled kernels.

Inside, a row of factors is padded to whole vectors and carries its bias behind the factors (see kernels/factors.h).  A
round or a pass is taken whole or not at all: one that is interrupted leaves the tables as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import dispatch
from .ratings import Side, turned

Array = npt.NDArray[Any]
WIDEST = 16  # values of the widest vector
FIRST = 0.1  # deviation of first factors
# random numbers: pass n of BPR has streams 4 n .. 4 n + 3
STREAM_USERS, STREAM_ITEMS = 2**62, 2**62 + 1
# blocks of BPR: as many threads may work at once; each has enough items to draw from, and a cell is worth its barrier
MOST_BLOCKS, LEAST_IN_BLOCK, LEAST_IN_CELL = 16, 64, 1000


class Tables(NamedTuple):
    """Factors and biases of users (U, k), (U,) and items (I, k), (I,), and the loss that they have."""

    user_factors: Array
    user_biases: Array
    item_factors: Array
    item_biases: Array
    loss: float


def table(rows: int, k: int, dtype: Any, seed: int | None = None, stream: int = 0) -> Array:
    """Room (rows, stride) for k factors and a bias; with a seed, the factors are drawn, uniform, of deviation FIRST."""
    out = np.zeros((rows, -(-(k + 2) // WIDEST) * WIDEST), dtype)
    if seed is not None:
        drawn = np.empty(rows * k)
        dispatch.kernels(dtype).fill_uniform(seed, stream, FIRST * np.sqrt(3), drawn)
        out[:, :k] = drawn.reshape(rows, k)
    return out


def ridges(k: int, of_factors: float, of_bias: float, dtype: Any) -> Array:
    """(k + 1,): what the squares of factors and bias are multiplied by."""
    out = np.full(k + 1, of_factors, dtype)
    out[k] = of_bias
    return out


def solve(side: Side, other: Array, ridge: Array, threads: int | None) -> tuple[Array, float]:
    """The factors of each row of `side` that fit best to those of the columns, and the minimum that was reached."""
    rows, k = len(side.indptr) - 1, len(ridge) - 1
    out, loss = table(rows, k, other.dtype), np.empty(rows)
    used = dispatch.choose_threads(threads, 2.0 * (len(side.indices) + rows * k / 3) * k * k)
    kernels = dispatch.kernels(other.dtype)
    kernels.solve_factors(
        side.indptr, side.indices, side.values, side.weights, other, ridge, out, loss, max(1, min(used, rows))
    )
    return out, float(loss.sum())


def least_squares(
    users: Side, shape: tuple[int, int], ridge: Array, seed: int, threads: int | None
) -> Iterator[Tables]:
    """After each round (all users, then all items): the tables, and their loss as a sum over the entries."""
    k, dtype = len(ridge) - 1, users.values.dtype
    items = turned(users, shape)
    Q = table(shape[1], k, dtype, seed, STREAM_ITEMS)
    while True:
        P, _ = solve(users, Q, ridge, threads)
        Q, loss = solve(items, P, ridge, threads)
        loss += float((np.square(P[:, : k + 1], dtype=np.float64) @ ridge.astype(np.float64)).sum())
        yield Tables(P[:, :k], P[:, k], Q[:, :k], Q[:, k], loss)


def block_count(shape: tuple[int, int], entries: int) -> int:
    """Into how many blocks users and items are divided: a power of two, for even shares; the data's word, not the threads'.

    >>> block_count((610, 9724), 43000), block_count((10**6, 10**5), 10**8), block_count((90, 90), 500)
    (4, 16, 1)
    """
    blocks = 1
    while 2 * blocks <= min(MOST_BLOCKS, min(shape) // LEAST_IN_BLOCK, (entries / LEAST_IN_CELL) ** 0.5):
        blocks *= 2
    return blocks


def ranking(
    users: Side, shape: tuple[int, int], ridge: Array, rate: float, seed: int, threads: int | None
) -> Iterator[Tables]:
    """After each pass of BPR: the tables, and the mean loss of the pass; users have no biases."""
    k, dtype = len(ridge) - 1, users.values.dtype
    P, Q = (table(n, k, dtype, seed, s) for n, s in zip(shape, (STREAM_USERS, STREAM_ITEMS), strict=True))
    counts = np.diff(users.indptr)
    P[counts == 0] = 0  # of users without a choice nothing is known: they get what is liked in general
    P[:, k] = 1
    decay = np.zeros(P.shape[1], dtype)
    decay[: k + 1] = ridge
    owner = np.repeat(np.arange(shape[0], dtype=np.int32), counts)
    blocks = block_count(shape, len(owner))
    used = min(dispatch.choose_threads(threads, 8.0 * len(owner) * P.shape[1] / blocks), blocks)
    kernels, number = dispatch.kernels(dtype), 0
    while True:
        next_P, next_Q = P.copy(), Q.copy()
        loss, weight = kernels.rank_factors(
            users.indptr,
            users.indices,
            owner,
            users.weights,
            next_P,
            next_Q,
            decay,
            rate,
            k,
            blocks,
            seed,
            number,
            used,
        )
        P, Q, number = next_P, next_Q, number + 1
        yield Tables(P[:, :k], np.zeros(shape[0], dtype), Q[:, :k], Q[:, k], loss / weight if weight else 0.0)
