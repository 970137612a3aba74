"""X, dense or sparse, as the kernels take it.  A sparse X becomes a `CSR`: the three arrays of compressed rows, checked.

Promises: nothing is made dense, the user's object is never changed, and a CSR matrix whose rows are sorted and free of
duplicates is not copied.  Sparse matrices and arrays of SciPy are known by their method `tocsr`; SciPy is not imported for
that.  Everything else goes to `arrays`.  Its cached flags are not asked: they do not see what was written into its arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arrays
from .arrays import Array, Test

INDEX_TYPES = (np.dtype(np.int32), np.dtype(np.int64))
MOST_COLUMNS = 2**31  # the kernels hold a column in 32 bits


@dataclass(frozen=True, eq=False)
class CSR:
    """Rows of nonzeros: row r holds `data[k]` in column `indices[k]` for k from indptr[r] to indptr[r + 1].

    `data` (K,) of any numeric dtype, `indices` (K,) and `indptr` (N + 1,) int32 or int64, `shape` (N, I).
    """

    data: Array
    indices: Array
    indptr: Array
    shape: tuple[int, int]
    original: CSR | None = None  # where columns were numbered anew: the matrix before
    _most: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nonzeros(self) -> int:
        """K."""
        return len(self.data)

    @property
    def parts(self) -> tuple[Array, Array, Array]:
        """All that it is made of."""
        return self.indptr, self.indices, self.data

    def __getitem__(self, rows: slice | Array) -> CSR:
        """Some rows, as a copy; all of them as they are."""
        if isinstance(rows, slice):
            if rows == slice(None):
                return self
            rows = np.arange(*rows.indices(len(self)))
        first, lengths = self.indptr[rows].astype(np.int64), np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        places = np.arange(indptr[-1]) + np.repeat(first - indptr[:-1], lengths)
        before = None if self.original is None else self.original[rows]
        return CSR(self.data[places], self.indices[places], indptr, (len(rows), self.shape[1]), before)

    def most(self, rows: int) -> int:
        """The most nonzeros that so many rows have, whichever they are: the kernels ask for their buffers."""
        if rows not in self._most:
            lengths, others = np.diff(self.indptr), max(len(self) - rows, 0)
            self._most[rows] = int(np.partition(lengths, others)[others:].sum()) if others else self.nonzeros
        return self._most[rows]

    def require(self, name: str, good: Test, expected: str) -> None:
        """ValueError, with the place of the first, if `good` is False for some of the values."""
        bad = np.flatnonzero(~good(self.data))
        if len(bad):
            k = int(bad[0])
            row = int(np.searchsorted(self.indptr, k, "right")) - 1
            indices = self.indices if self.original is None else self.original.indices
            found = f"{self.data[k].item()} at row {row}, column {int(indices[k])}"
            more = f", the first of {len(bad)}" if len(bad) > 1 else ""
            raise ValueError(f"{name} must be {expected}, found {found}{more}")

    def to_scipy(self) -> Any:
        """The same as SciPy's csr_array."""
        from scipy.sparse import csr_array

        return csr_array((self.data, self.indices, self.indptr), self.shape)


Matrix = Array | CSR


def from_array(X: Array) -> CSR:
    """The nonzeros of an array (N, I)."""
    from scipy.sparse import csr_array

    made = csr_array(X)
    return CSR(made.data, made.indices, made.indptr, X.shape)


def on_disk(X: Matrix) -> bool:
    """Tell whether the values of X are only read as the batches come."""
    return not isinstance(X, CSR) and arrays.is_memmap(X)


def is_sparse(X: Any) -> bool:
    """Tell whether X is one of SciPy's sparse matrices or arrays, or a `CSR`.

    >>> is_sparse(np.eye(2))
    False
    """
    return type(X) is not np.ndarray and (isinstance(X, CSR) or hasattr(X, "tocsr"))


def as_matrix(X: Any, name: str = "X", *, columns: int | None = None) -> Matrix:
    """X (N, I) as `arrays.as_matrix` gives it or, where it is sparse, as a checked `CSR`.

    `columns`: the I that is expected, None for any.  Raises as `arrays.as_matrix`; ValueError, too, where the indices of a
    sparse matrix point out of it.

    >>> import scipy.sparse
    >>> as_matrix(scipy.sparse.csr_array([[0.0, 2.0], [0.0, 0.0]])).indices.tolist()
    [1]
    """
    if not is_sparse(X):
        return arrays.as_matrix(X, name, columns=columns)
    if isinstance(X, CSR):
        return X
    if len(X.shape) != 2:
        raise ValueError(f"{name} must be 2-D (N, I), got shape {X.shape}")
    if 0 in X.shape:
        raise ValueError(f"{name} has no {'columns' if X.shape[0] else 'rows'}, got shape {X.shape}")
    if columns is not None and X.shape[1] != columns:
        raise ValueError(f"{name} must have {columns} columns, got {X.shape[1]} (shape {X.shape})")
    if X.shape[1] > MOST_COLUMNS:
        raise ValueError(f"{name} must have at most {MOST_COLUMNS} columns, got {X.shape[1]}")
    matrix = _read(X, name)
    matrix.require(name, np.isfinite, "finite")
    return matrix


def _read(X: Any, name: str) -> CSR:
    """X with rows that are sorted and free of duplicates: its own arrays, or a copy where they are not."""
    given = X.tocsr()
    data = np.ascontiguousarray(arrays.read_array(given.data, name)[0])
    indices, indptr = _integers(given.indices, name), _integers(given.indptr, name)
    rows, columns = (int(n) for n in given.shape)
    count = int(indptr[-1]) if len(indptr) else 0
    if len(indptr) != rows + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any():
        raise ValueError(f"{name}.indptr must rise from 0 in {rows + 1} steps, one for each row and one more")
    if count > min(len(indices), len(data)):
        raise ValueError(f"{name}.indptr ends at {count}, but there are {len(indices)} indices and {len(data)} values")
    data, indices = data[:count], indices[:count]
    if count and not (indices.min() >= 0 and indices.max() < columns):
        worst = indices.min() if indices.min() < 0 else indices.max()
        raise ValueError(f"{name}.indices must be columns in [0, {columns}), found {worst}")
    rising = indices[1:] > indices[:-1]
    edges = indptr[1:-1]
    rising[edges[(edges > 0) & (edges < count)] - 1] = True
    if not rising.all():
        from scipy.sparse import csr_array

        tidy = csr_array((data.copy(), indices.copy(), indptr.copy()), (rows, columns))
        tidy.sum_duplicates()
        data, indices, indptr = tidy.data, tidy.indices, tidy.indptr
    return CSR(data, indices, indptr, (rows, columns))


def _integers(values: Any, name: str) -> npt.NDArray[Any]:
    """Indices as the kernels read them, not copied where they are so already."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise TypeError(f"{name} must have vectors of integers as its indices, got {array.dtype} {array.shape}")
    return np.ascontiguousarray(array, array.dtype if array.dtype in INDEX_TYPES else np.int64)
