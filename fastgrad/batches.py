"""The data of a call, checked against the network that they are for: X, targets and weights as the kernels read them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from . import arrays, csr, lazy
from .csr import CSR, Matrix
from .embedding import require_codes
from .network import Record

Array = npt.NDArray[Any]


@dataclass
class Batches:
    """Checked data: what one epoch reads."""

    X: Matrix
    y: Array
    weight: npt.NDArray[np.float64] | None
    kind: str  # how the kernels read y: "labels", "values" or "slopes"
    on_disk: bool
    names: tuple[str, str] = ("X", "y")
    unit: float = 1.0  # what the caller's weights were multiplied by

    @property
    def rows(self) -> int:
        """N."""
        return len(self.X)

    def require_finite(self, dtype: np.dtype[Any]) -> None:
        """ValueError where a value is not finite once it is cast to `dtype`: the data are to blame, not the network."""
        for array, name in zip((self.X, self.y), self.names, strict=True):
            require_finite(array, name, dtype)


def read_data(
    record: Record, X: Any, y: Any, sample_weight: Any = None, names: tuple[str, str] = ("X", "y")
) -> Batches:
    """Check X (N, I), y and weights against the network."""
    matrix = read_matrix(record, X, names[0])
    soft = record.loss.name == "cross_entropy"
    target = arrays.as_targets(y, len(matrix), record.target, record.outputs, record.loss.name, names[1], soft=soft)
    weight, unit = arrays.as_weights(sample_weight, len(matrix)), 1.0
    if weight is not None:
        # but for an L2 term only their ratios count: a power of two keeps those, and float32 sums within range
        power = -int(np.frexp(weight.max())[1])
        weight, unit = np.ldexp(weight, power), math.ldexp(1.0, min(power, 1023))
    labels = record.target == "class" and target.ndim == 1
    return Batches(matrix, target, weight, "labels" if labels else "values", csr.on_disk(matrix), names, unit)


def read_matrix(record: Record, X: Any, name: str = "X") -> Matrix:
    """Check X (N, I), dense or sparse, against the network; dense rows become their nonzeros where its updates are lazy."""
    matrix = csr.as_matrix(X, name, columns=record.sizes[0])
    if isinstance(matrix, CSR):
        record.require_dense_first(name)
    elif record.embedding is not None and not csr.on_disk(matrix):
        require_codes(record.embedding, matrix, name)
    return lazy.sparse_if_lazy(record, matrix)


def inside(record: Record, data: Batches, other: Batches | None = None) -> tuple[Batches, Batches | None]:
    """Data of a training that begins: where its updates are lazy, all their features are met and rows stand for them."""
    if record.vocabulary is None:
        return data, other
    if other is not None:  # first: meeting its features may change how many rows there are
        lazy.inside(record, other.X)
    data = replace(data, X=lazy.inside(record, data.X))
    return data, None if other is None else replace(other, X=lazy.inside(record, other.X))


def require_finite(array: Matrix, name: str, dtype: np.dtype[Any]) -> None:
    """ValueError with the place of the first value that is NaN or infinite, or is so once it is cast to `dtype`."""
    expected = f"finite in {dtype}"

    def fits(block: Array) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = np.isfinite(block.astype(dtype))
        return found

    with np.errstate(over="ignore"):
        if isinstance(array, CSR):
            array.require(name, fits, expected)
        else:
            arrays.require_finite(array, name)
            arrays.require(array, name, fits, expected)


def not_finite(array: Matrix, name: str, dtype: np.dtype[Any]) -> NoReturn:
    """The error for what the kernels found not finite."""
    require_finite(array, name, dtype)
    raise ValueError(f"{name} changed while it was read")


def bad_row(record: Record, X: Matrix, name: str) -> NoReturn:
    """The error for a row that the kernels could not take."""
    if record.embedding is not None and not isinstance(X, CSR):
        require_codes(record.embedding, X, name)
    not_finite(X, name, record.dtype)
