"""Which features of a very wide sparse X a network has met, and the rows of its first W that stand for them.

With `sparse_update="lazy"` the network keeps rows for the features alone that it has met, in the order of their arrival:
"inside" is that W (rows, O), "whole" the one that users think of, (I, O).  A feature's first row is drawn by the feature's
number from the network's seed, as the row of an ordinary network is: nothing depends on when it was met.  To know whether it
was costs 4 bytes for each of the I features, on those pages of memory that are touched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .csr import CSR, MOST_COLUMNS
from .initialisers import law_and_scale
from .layers import Dense

CHUNK = 1 << 22  # indices that are looked at together
SORTED = 16  # a set is sorted up to this part of all features
ROOM = 1.5  # more than is needed, so that a stream of data seldom makes a larger W


def read_update(sparse_update: Any) -> bool:
    """Is it "lazy"?  ValueError where it is neither that nor "exact"."""
    if sparse_update not in ("exact", "lazy"):
        raise ValueError(f"sparse_update must be 'exact' or 'lazy', got {sparse_update!r}")
    return bool(sparse_update == "lazy")


def require_by_row(first: Any) -> None:
    """ValueError where the rows of the first W cannot be drawn and updated one by one, or are too many."""
    assert isinstance(first, Dense)
    name = "sparse_update='lazy'"
    if first.inputs > MOST_COLUMNS:
        raise ValueError(f"{name}: the first layer must have at most {MOST_COLUMNS} inputs, got {first.inputs}")
    if law_and_scale(first.init, first.activation, first.inputs, first.outputs)[0] != "uniform":
        raise ValueError(
            f"{name}: the rows of the first W are drawn as they are met, which takes a uniform init such as 'he_uniform', "
            f"got init={first.init!r}"
        )
    for option in ("l1", "max_norm"):
        if option in first.options:
            raise ValueError(
                f"{name}: {option} concerns all rows of W behind each step, of which a lazy update moves only some; the "
                f"first layer must have none, got {option}={first.options[option]}"
            )


class Vocabulary:
    """The features met: `rows` of them, with room for `capacity`."""

    def __init__(self, features: int) -> None:
        self.features, self.capacity = features, 1
        self._place = np.zeros(features, np.int32)  # 1 + the row of a feature; 0: not met
        self.met = np.zeros(0, np.int64)  # the feature of each row

    @property
    def rows(self) -> int:
        """Features met."""
        return len(self.met)

    def strangers(self, indices: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Features (ascending) that are not met yet."""
        found = np.zeros(0, np.int64)
        for start in range(0, len(indices), CHUNK):
            part = indices[start : start + CHUNK]
            part = part[self._place[part] == 0]
            if SORTED * len(part) < self.features:
                found = np.union1d(found, part)
            else:  # so many are sooner ticked off than sorted
                ticked = np.zeros(self.features, bool)
                ticked[part], ticked[found] = True, True
                found = np.flatnonzero(ticked)
        return found.astype(np.int64, copy=False)

    def meet(self, features: npt.NDArray[np.int64]) -> None:
        """Give rows to features that had none; ValueError where one is no feature, or stands here twice."""
        if len(features) and not (features.min() >= 0 and features.max() < self.features):
            raise ValueError(f"features must lie in [0, {self.features}), found {features.min()} to {features.max()}")
        if len(np.unique(features)) != len(features) or self._place[features].any():
            raise ValueError("a feature was given twice")
        self._place[features] = np.arange(self.rows + 1, self.rows + 1 + len(features))
        self.met = np.concatenate([self.met, features])

    def inside(self, X: CSR) -> CSR:
        """X with rows in place of features; all of them must have been met.  Values and row ends are shared."""
        places = np.empty(len(X.indices), np.int32)
        for start in range(0, len(places), CHUNK):
            part = slice(start, start + CHUNK)
            np.subtract(self._place[X.indices[part]], 1, out=places[part])
        return CSR(X.data, places, X.indptr, (len(X), self.capacity), X)

    def needs(self, rows: int) -> int:
        """The capacity for so many rows: the present one if it serves, exactly as many at first, later some more."""
        if rows <= self.capacity:
            return self.capacity
        return rows if self.rows == 0 else min(max(rows, int(ROOM * self.capacity)), self.features)
