"""Embeddings of categorical columns as users write them: a record, checked when made.  Nothing here computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arrays, layers

Array = npt.NDArray[Any]
Columns = tuple[tuple[int, tuple[int, int]], ...]
MOST_ROWS = 2**31 - 1  # of all tables of a layer: the kernels hold a code in 32 bits


@dataclass(frozen=True)
class Embedding:
    """Columns of category codes: each code stands for a row of a table that is trained; the other columns stay numbers.

    `inputs`: columns of X; `columns`: {column of X: (number of codes n, values d of a row)}, all at least 1.  It stands first
    in the list of layers, and its output is the numeric columns in their order, then the d values of each column of codes,
    in the order of these columns: `outputs` of them, which is what the next `Dense` has as inputs.

    A code is a whole number from 0 to n - 1, in any numeric dtype that holds it (float32 does up to 2**24).  Anything else is
    a ValueError that names row, column and value, before anything is computed; in a memmap when the row is met, as NaN is.
    X must not be sparse.  Tables begin normal with deviation 0.05.

    By keyword, for all tables, as in `Dense`: `weight_decay` in place of the optimizer's own, `lr_factor`, `frozen`.

    In `net.weights` and `net.biases`, and in gradients, each table has an entry: (n, d), and as bias an empty array.  In
    `named_parameters` and in files it is `layers.0.embeddings.k.weight`, k counting the columns of codes.
    ValueError or TypeError where an argument is out of range.
    Source: Guo & Berkhahn, Entity embeddings of categorical variables, arXiv:1604.06737; PyTorch's nn.Embedding.

    >>> import numpy as np, fastgrad as fg
    >>> first = fg.Embedding(3, {1: (4, 2)})  # two numbers, and codes 0 to 3 between them
    >>> net = fg.Network([first, fg.Dense(first.outputs, 8, "relu"), fg.Dense(8, 1)])
    >>> net.predict(np.array([[0.5, 3, -1.0], [0.5, 0, -1.0]])).shape
    (2, 1)
    >>> net.predict(np.array([[0.5, 4, -1.0]]))
    Traceback (most recent call last):
    ValueError: X must hold codes, whole numbers from 0 to 3, in column 1, found 4.0 at row 0
    """

    inputs: int
    columns: Any  # kept as `Columns`
    weight_decay: float | None = field(default=None, kw_only=True)
    lr_factor: float = field(default=1.0, kw_only=True)
    frozen: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", arrays.check_integer(self.inputs, "inputs", 1))
        object.__setattr__(self, "columns", read_columns(self.columns, self.inputs))
        layers.check_options(self, ("weight_decay", "lr_factor"))

    @property
    def outputs(self) -> int:
        """Numeric columns and values of the codes' rows."""
        return self.inputs + sum(d - 1 for *_, d in self.kernel)

    @property
    def activation(self) -> str:
        """What follows the tables: nothing."""
        return "identity"

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of each table, and of the bias that it has not."""
        return tuple(shape for _, table in self.columns for shape in (table, (0,)))

    @property
    def options(self) -> dict[str, Any]:
        """What is not as it is by default, of the arguments that are given by keyword."""
        return layers.options_of(self)

    @property
    def kernel(self) -> tuple[tuple[int, int, int], ...]:
        """What the kernels need to know."""
        return tuple((column, n, d) for column, (n, d) in self.columns)

    def __repr__(self) -> str:
        more = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"Embedding(inputs={self.inputs}, columns={dict(self.columns)}{more})"


def require_codes(layer: Embedding, X: Array, name: str) -> None:
    """ValueError with the first row of X (N, inputs) that holds anything but a code, and its column."""
    found = [bad for column, n, _ in layer.kernel for bad in _no_code(X[:, column], n, column)]
    if found:
        row, column, n = min(found)
        raise ValueError(
            f"{name} must hold codes, whole numbers from 0 to {n - 1}, in column {column}, "
            f"found {X[row, column].item()} at row {row}"
        )


def _no_code(values: Array, n: int, column: int) -> Iterator[tuple[int, int, int]]:
    """The first of a column's values that is none, if any."""
    for start, block in arrays.row_blocks(values):
        bad = ~((block >= 0) & (block < n) & (block == np.rint(block)))
        if bad.any():
            yield start + int(bad.argmax()), column, n
            return


def expanded(layer: Embedding, X: Array, tables: list[Array]) -> Array:
    """The layer's output for X (N, inputs), in NumPy: for a look at where a training went wrong."""
    numbers = np.delete(X, [column for column, *_ in layer.kernel], axis=1)
    codes = [X[:, column].astype(np.int64).clip(0, n - 1) for column, n, _ in layer.kernel]
    return np.concatenate([numbers, *(table[code] for table, code in zip(tables, codes, strict=True))], axis=1)


def read_columns(columns: Any, inputs: int) -> Columns:
    """{column: (codes, values)} as sorted pairs; ValueError or TypeError where one is out of range."""
    expected = "columns must be {column of X: (number of codes, values of a row)}"
    pairs = columns.items() if isinstance(columns, Mapping) else columns
    try:
        read = sorted((column, tuple(table)) for column, table in pairs)
    except (TypeError, ValueError):
        raise TypeError(f"{expected}, got {columns!r}") from None
    if not read:
        raise ValueError(f"{expected}, at least one, got {columns!r}")
    found: dict[int, tuple[int, int]] = {}
    for column, table in read:
        if len(table) != 2:
            raise ValueError(f"{expected}, got {table!r} for column {column!r}")
        at = arrays.check_integer(column, "columns: a column", 0, inputs - 1)
        if at in found:
            raise ValueError(f"columns must name a column once, got {at} twice")
        n = arrays.check_integer(table[0], f"columns[{at}]: number of codes", 1, MOST_ROWS)
        found[at] = n, arrays.check_integer(table[1], f"columns[{at}]: values of a row", 1)
    if (total := sum(n for n, _ in found.values())) > MOST_ROWS:
        raise ValueError(f"columns must have at most {MOST_ROWS} codes in all, got {total}")
    return tuple(found.items())
