"""What the user passed -> checked NumPy arrays. Every data error of the library is raised here, before any computation.

Promises: a numeric ndarray is never copied, whatever its order, strides, byte order or dtype (float16/32/64, integers,
bool): the compiled gather casts batch by batch. NaN and infinity are found with their place. pandas and polars objects
are known by their attributes, never imported. Leaves out: a sparse X (csr.py), text columns, and the
values of a memory-mapped X, which only the pass over the batches can read without loading them (see `is_memmap`).
Measured: `isfinite(block).all()` over blocks of 1 MiB reads 28 GB/s; a plain sum (scikit-learn's test) reads 23 and
may overflow. Fortran-ordered arrays are read along their columns: 24 GB/s instead of 13.
"""

from __future__ import annotations

import math
import mmap
import numbers
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Test = Callable[[Array], npt.NDArray[np.bool_]]
Names = Sequence[str] | None
Bound = float | None
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
BLOCK_BYTES = 1 << 20
POLARS_NUMBERS = re.compile(r"U?Int(8|16|32|64)|Float(16|32|64)|Boolean")
CONVERT = "convert it to numbers first"
ENCODE = "encode other labels: classes, y = np.unique(y, return_inverse=True)"
DTYPE_HINTS = {"f": "use .astype(np.float64)", "c": "pass real and imaginary parts"}
RANGES = {"count": (0.0, math.inf, ">= 0"), "probability": (0.0, 1.0, "within [0, 1]")}


def is_number_dtype(dtype: Any) -> bool:
    """Tell whether the gather can read this NumPy, pandas or polars dtype: bool, integer or float up to 64 bits."""
    kind = getattr(dtype, "kind", None)
    if kind is None:
        return POLARS_NUMBERS.fullmatch(str(dtype)) is not None
    # Floats by their letters: a long double is 'g' even where it is 8 bytes long; extension dtypes have no letter.
    return kind in "iub" or (kind == "f" and getattr(dtype, "char", "d") in "efd")


def is_memmap(array: Array) -> bool:
    """Tell whether the memory of `array` is a mapped file (`np.memmap`), also seen through views of views.

    Not told from the type: a copy of a memmap, or rows picked from it, is a memmap by type but lies in memory.
    """
    holder: Any = array
    while holder is not None and not isinstance(holder, mmap.mmap):
        holder = getattr(holder, "base", None)
    return holder is not None


def row_blocks(array: Array) -> Iterator[tuple[int, Array]]:
    """Yield (first row, rows) of about 1 MiB each, in the order of the rows."""
    rows = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield start, array[start : start + rows]


def require(array: Array, name: str, good: Test, expected: str, names: Names = None, first_row: int = 0) -> None:
    """Raise ValueError if `good`, called with blocks of the rows of `array` (1-D or 2-D), is False for some values."""
    count, first = 0, ""
    for start, block in row_blocks(array):
        bad = ~good(block)
        if not count and bad.any():
            row, *column = at = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
            first = f"{block[at].item()} at row {first_row + start + row}" + "".join(f", column {j}" for j in column)
            first += f" ({names[column[0]]!r})" if names else ""
        count += int(np.count_nonzero(bad))
    if count:
        raise ValueError(f"{name} must be {expected}, found {first}" + (f", the first of {count}" if count > 1 else ""))


def require_finite(array: Array, name: str, names: Names = None, first_row: int = 0) -> None:
    """Raise ValueError with the place of the first value of `array` (1-D or 2-D) that is NaN or infinite.

    `names`: of the columns. `first_row`: that of `array` among all rows, where it is a batch of them.

    >>> require_finite(np.array([[1.0, 2.0], [3.0, np.nan]]), "X")
    Traceback (most recent call last):
    ValueError: X must be finite, found nan at row 1, column 1
    """
    by_memory = array.T if array.ndim == 2 and abs(array.strides[0]) < abs(array.strides[1]) else array
    if array.dtype.kind == "f" and not all(np.isfinite(block).all() for _, block in row_blocks(by_memory)):
        require(array, name, np.isfinite, "finite", names, first_row)


def read_array(value: Any, name: str, hint: str = CONVERT) -> tuple[Array, list[str] | None]:
    """Return (ndarray of a dtype that the gather reads, column names or None) for anything array-like, of any shape.

    `hint`: what to do about text. TypeError for sparse input and for what holds no real numbers of at most 64 bits;
    ValueError for ragged lists, missing and masked values.
    """
    names = None
    if type(value) not in (np.ndarray, np.memmap):
        if hasattr(value, "tocsr"):
            raise TypeError(f"{name} is sparse ({type(value).__name__}), expected an array; use .toarray()")
        if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
            raise ValueError(f"{name} must have no masked values, found {value.mask.sum()}; fill or drop them")
        if hasattr(value, "to_numpy"):
            value, names = read_table(value, name, hint)
        try:
            value = np.asarray(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{name} must be one array of numbers, got a {type(value).__name__}: {error}") from error
    if value.dtype.kind == "O":
        value = read_objects(value, name, hint)
    if not is_number_dtype(value.dtype):
        advice = DTYPE_HINTS.get(value.dtype.kind, hint)
        raise TypeError(f"{name} must hold real numbers of at most 64 bits, got dtype {value.dtype}; {advice}")
    return value, names


def read_objects(array: Array, name: str, hint: str) -> Array:
    """Return an object array as float64 if every element is a number; else TypeError with the first that is not."""
    for at, item in np.ndenumerate(array):
        # Text such as "1.5" would convert too, but it is a mistake more often than data.
        if not isinstance(item, (numbers.Real, np.bool_)):
            found = f"{item!r:.80} ({type(item).__name__})" + (f" at {list(at)}" if at else "")
            raise TypeError(f"{name} must hold numbers, found {found}" + (f"; {hint}" if isinstance(item, str) else ""))
    try:
        return array.astype(np.float64)
    except OverflowError as error:
        raise ValueError(f"{name} must hold numbers within the range of float64: {error}") from error


def read_table(table: Any, name: str, hint: str) -> tuple[Any, list[str] | None]:
    """Return (array, column names) of a pandas or polars frame, (1-D array, None) of a series; shared where possible.

    TypeError names the first column that is not numeric, ValueError the place of the first missing value (NA, null).
    """
    frame = table.to_frame() if len(table.shape) == 1 and hasattr(table, "to_frame") else table
    series = frame is not table
    if not hasattr(frame, "dtypes") or (series and getattr(table.dtype, "char", "") == "O"):
        return table.to_numpy(), None
    pandas = hasattr(frame, "iloc")
    names, gaps, plain = [str(column) for column in frame.columns], [], set()
    for j, dtype in enumerate(frame.dtypes):
        if not is_number_dtype(dtype):
            place, advice = "" if series else f" column {names[j]!r}", DTYPE_HINTS.get(getattr(dtype, "kind", ""), hint)
            raise TypeError(f"{name}{place} must hold real numbers of at most 64 bits, got dtype {dtype}; {advice}")
        if not isinstance(dtype, np.dtype):  # NumPy's own have no marker for what is missing: NaN is a value here
            mask = frame.iloc[:, j].isna().to_numpy() if pandas else frame[:, j].is_null().to_numpy()
            gaps += [(int(mask.argmax()), j)] if mask.any() else []
        plain.add(getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype)))
    if gaps:
        row, j = min(gaps)
        place = f"row {row}" if series else f"row {row}, column {j} ({names[j]!r})"
        raise ValueError(f"{name} must have no missing values, found one at {place}; fill or drop such rows first")
    # Left to itself pandas makes objects of bool beside float, and of its nullable dtypes.
    array = frame.to_numpy(dtype=np.result_type(*plain)) if pandas and plain else frame.to_numpy()
    return (array[:, 0], None) if series else (array, names)


def feature_names(X: Any) -> tuple[str, ...] | None:
    """Return the column names of a frame if all are strings (as scikit-learn's `feature_names_in_`), else None.

    >>> feature_names(np.zeros((2, 2))) is None
    True
    """
    names = tuple(X.columns) if len(getattr(X, "shape", ())) == 2 and hasattr(X, "columns") else ()
    return tuple(map(str, names)) if names and all(isinstance(n, str) for n in names) else None


def as_matrix(X: Any, name: str = "X", *, columns: int | None = None, check_finite: bool = True) -> Array:
    """Return `X` as a 2-D array (N, I) of numbers, checked; a numeric ndarray is returned as it is.

    X: (N, I) ndarray, nested lists, pandas or polars frame; float16/32/64, any integer, bool. `columns`: the I that is
    expected, None for any. `check_finite=False` lets NaN and infinity pass; a memmap's values are never read here.
    TypeError for what holds no real numbers (naming a frame's column), ValueError for a wrong shape, no rows, no
    columns, missing or non-finite values.

    >>> as_matrix(np.zeros(3))
    Traceback (most recent call last):
    ValueError: X must be 2-D (N, I), got shape (3,); for a single row use X[None, :]
    """
    array, names = read_array(X, name)
    if array.ndim != 2:
        flat = f"for rows of one value use {name}[:, None]" if columns == 1 else f"for a single row use {name}[None, :]"
        hint = flat if array.ndim < 2 else f"use {name}.reshape(len({name}), -1)"
        raise ValueError(f"{name} must be 2-D (N, I), got shape {array.shape}; {hint}")
    if array.size == 0:
        raise ValueError(f"{name} has no {'columns' if len(array) else 'rows'}, got shape {array.shape}")
    if columns is not None and array.shape[1] != columns:
        raise ValueError(f"{name} must have {columns} columns, got {array.shape[1]} (shape {array.shape})")
    if check_finite and not is_memmap(array):
        require_finite(array, name, names)
    return array


def as_row_or_matrix(X: Any, name: str, columns: int, *, check_finite: bool = False) -> tuple[Array, bool]:
    """Return (matrix, single): as `as_matrix`, but one row (I,) is taken as (1, I) and `single` is True.

    NaN and infinity pass unless `check_finite`. A float row takes 0.4 us, 0.8 us with that check. Errors are
    those of `as_matrix`; a 1-D `X` must have `columns` values.

    >>> as_row_or_matrix([1.0, 2.0], "X", 2)
    (array([[1., 2.]]), True)
    """
    if type(X) is np.ndarray and (X.dtype is FLOAT32 or X.dtype is FLOAT64) and 0 < X.size < BLOCK_BYTES:
        fits = X.shape[-1:] == (columns,) and X.ndim <= 2
        if fits and (not check_finite or np.count_nonzero(np.isfinite(X)) == X.size):
            return (X, False) if X.ndim == 2 else (X[None], True)
    if len(getattr(X, "shape", ())) != 2:
        X = read_array(X, name)[0]
        if X.shape == (columns,):
            return as_matrix(X[None], name, check_finite=check_finite), True
        if X.ndim == 1 and columns != 1:
            raise ValueError(f"{name} must be one row ({columns},) or rows (N, {columns}), got shape {X.shape}")
    return as_matrix(X, name, columns=columns, check_finite=check_finite), False


def as_targets(y: Any, rows: int, kind: str, outputs: int, loss: str, name: str = "y", *, soft: bool = False) -> Array:
    """Return the targets `y` of `rows` rows for `outputs` outputs, checked for a kind of loss (`loss` is its name).

    kind "real", "count" (>= 0), "probability" (within [0, 1]): (N, outputs), or (N,) if outputs is 1 -> (N, outputs) in
    its own dtype, not copied. "sign": (N,) or (N, 1) of 0/1 or -1/+1 -> float32 (N, 1) of -1/+1. "class": indices (N,)
    or (N, 1), or one-hot (N, outputs) -> int32 (N,); if `soft`, probabilities -> float32 or float64 (N, outputs). The
    values of a "real" memmap are not read. TypeError for no numbers, ValueError for another shape and for bad values.

    >>> as_targets([[0, 0, 1], [1, 0, 0]], 2, "class", 3, "cross_entropy")
    array([2, 0], dtype=int32)
    """
    array, names = read_array(y, name, ENCODE if kind == "class" else CONVERT)
    expected = f"({rows},) or ({rows}, 1)" if outputs == 1 else f"({rows}, {outputs})"
    fits = array.shape[1:] in ({(), (1,)} if outputs == 1 else {(outputs,)})
    if kind == "class":
        expected = f"class indices ({rows},) or one-hot ({rows}, {outputs})"
        fits = array.shape[1:] in {(), (1,), (outputs,)}
    if array.ndim == 0 or not fits:
        raise ValueError(f"{name} must be {expected} for {loss} and outputs={outputs}, got shape {array.shape}")
    if len(array) != rows:
        raise ValueError(f"{name} must have a row for each row of X: X has {rows}, {name} has {len(array)}")
    if kind != "real" or not is_memmap(array):
        require_finite(array, name, names)
    if kind == "class":
        table = array.size > rows
        return class_rows(array, loss, name, soft) if table else class_indices(array.reshape(rows), outputs, name)
    if kind == "sign":
        low = 0 if (array == 0).any() else -1
        require(array, name, lambda block: (block == 1) | (block == low), f"all 0/1 or all -1/+1 for {loss}")
        return np.where(array.reshape(rows, 1) == 1, np.float32(1), np.float32(-1))
    if kind != "real":
        least, most, words = RANGES[kind]
        require(array, name, lambda block: (block >= least) & (block <= most), f"{words} for {loss}")
    return array.reshape(rows, outputs)


def class_indices(y: Array, outputs: int, name: str) -> Array:
    """Return labels (N,) as int32 (N,), not copied if they are that already."""
    if y.dtype.kind == "b" and outputs != 2:
        raise ValueError(f"{name} must be class indices in [0, {outputs}), got dtype bool, which has two classes")
    hint = f"labels that start from 1: use {name} - 1" if y.min() >= 1 and y.max() == outputs else ENCODE
    expected = f"class indices in [0, {outputs}) ({hint})"
    require(y, name, lambda block: (block >= 0) & (block < outputs) & (block == np.rint(block)), expected)
    return np.ascontiguousarray(y, dtype=np.int32)


def class_rows(y: Array, loss: str, name: str, soft: bool) -> Array:
    """Return one-hot rows (N, O) as int32 (N,), else, if `soft`, rows of probabilities as float32 or float64 (N, O)."""
    double = y.dtype.itemsize == 8
    total = y.sum(axis=1, dtype=np.float64)
    require(y, name, lambda block: block >= 0, "one-hot or probabilities")
    several = "one-hot or probabilities; for several classes in a row use binary_cross_entropy"
    near = 1e-6 if double else 1e-3
    require(total, f"each row sum of {name}", lambda block: np.abs(block - 1) <= near, f"1 ({several})")
    hot = (y.max(axis=1) == 1) & (total == 1)  # what is left beside a 1 is then less than the rounding of a float64
    if hot.all():
        return np.asarray(y.argmax(axis=1), dtype=np.int32)
    if not soft:
        raise ValueError(f"{name} must be class indices or one-hot for {loss}, found soft labels at row {hot.argmin()}")
    return y.astype(np.float64 if double else np.float32, copy=False)


def as_weights(sample_weight: Any, rows: int, name: str = "sample_weight") -> npt.NDArray[np.float64] | None:
    """Return weights (N,) of `rows` rows as float64, None for None.

    ValueError for another shape, values that are negative or not finite, and if all are 0; TypeError for no numbers.

    >>> as_weights([1, 0, 2], 3)
    array([1., 0., 2.])
    """
    if sample_weight is None:
        return None
    weights = read_array(sample_weight, name)[0]
    if weights.shape != (rows,):
        raise ValueError(f"{name} must have shape ({rows},), one weight for each row of X, got shape {weights.shape}")
    require(weights, name, lambda block: (block >= 0) & np.isfinite(block), "finite and >= 0")
    if not weights.any():
        raise ValueError(f"{name} must not be zero everywhere")
    return np.ascontiguousarray(weights, dtype=np.float64)


def as_parameter(value: Any, shape: tuple[int, ...], dtype: npt.DTypeLike, name: str) -> Array:
    """Return `value`, to be assigned to weights of `shape` and `dtype`, as a C-contiguous array of these.

    ValueError for another shape (nothing is broadcast) and for values that are not finite, or are not in `dtype`;
    TypeError for what holds no real numbers.

    >>> as_parameter([[1, 2]], (1, 2), "float32", "W")
    array([[1., 2.]], dtype=float32)
    """
    array = read_array(value, name)[0]
    if array.shape != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {array.shape}")
    with np.errstate(over="ignore"):
        require(array, name, lambda block: np.isfinite(block.astype(dtype)), f"finite in {np.dtype(dtype)}")
        return np.asarray(array, dtype=dtype, order="C")


def check_integer(value: Any, name: str, low: int, high: int | None = None) -> int:
    """Return `value` as an int within [low, high]; TypeError if it is no integer (bool is none), ValueError outside.

    >>> check_integer(np.int64(3), "epochs", 1)
    3
    """
    expected = f"{name} must be an integer " + (f">= {low}" if high is None else f"in [{low}, {high}]")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{expected}, got {value!r} ({type(value).__name__})")
    number = int(value)
    if number < low or (high is not None and number > high):
        raise ValueError(f"{expected}, got {number}")
    return number


def check_number(
    value: Any, name: str, low: Bound = None, high: Bound = None, open_low: bool = False, open_high: bool = False
) -> float:
    """Return `value` as a float within [low, high], without the ends if `open_low`, `open_high`.

    TypeError if it is no real number (bool is none), ValueError outside and if it is not finite.

    >>> check_number(1, "lr", 0, open_low=True)
    1.0
    """
    ends = "" if low is None else f" {'>' if open_low else '>='} {low}"
    ends += "" if high is None else f"{' and' * bool(ends)} {'<' if open_high else '<='} {high}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number{ends}, got {value!r} ({type(value).__name__})")
    number = float(value)
    inside = (low is None or number >= low) and (high is None or number <= high) and math.isfinite(number)
    if not inside or (open_low and number == low) or (open_high and number == high):
        raise ValueError(f"{name} must be a finite number{ends}, got {value}")
    return number
