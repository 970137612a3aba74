"""A file of rows and columns -> a Table of named columns: CSV, .npy, .npz, and the IDX files of MNIST.

Promises: the kind of file is told from its first bytes, not its name; nothing is guessed that changes a value: fields are
stripped of surrounding blanks and kept as text until they are asked for as numbers.  A file that does not hold what it
should (ragged rows, an open quote, no rows) is a ValueError that names file and line.  Leaves out: what the columns mean
(encoding.py), files larger than memory, spreadsheets and databases.

The delimiter is the one of `, ; tab |` that gives the same number of fields, the most, in all of the first lines.
csv.Sniffer is not used: it takes letters of the text for delimiters.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from .table import MISSING, Column, Table, is_number

Array = npt.NDArray[Any]
DELIMITERS = (",", ";", "\t", "|")
GZIP, NPY, ZIP, IDX = b"\x1f\x8b", b"\x93NUMPY", b"PK\x03\x04", b"\0\0\x08"
SAMPLE_LINES = 100


def read(
    path: Path, *, delimiter: str | None = None, header: bool | None = None, labels: Path | None = None,
    names: Sequence[str] = (),
) -> Table:  # fmt: skip
    """Read a file into a Table.

    `delimiter`, `header`: of a text file, None to find out; `names`: columns that are wanted: a first line that holds one
    is a header.  `labels`: a file of targets, a row for each row.

    Raises ValueError where the file does not hold a table, OSError where it cannot be read.
    """
    table = read_one(path, delimiter, header, names)
    if labels is not None:
        if table.labels:
            raise ValueError(f"labels: {path} holds its own labels y already; leave {labels} out")
        beside = read_one(labels, None, None, ())
        found = beside.labels or beside.columns
        table = replace(table, labels=found, classes=beside.classes)
    if table.labels and len(table.labels[0]) != table.rows:
        raise ValueError(f"labels: {path} has {table.rows} rows, expected as many labels, found {len(table.labels[0])}")
    return table


def read_one(path: Path, delimiter: str | None, header: bool | None, names: Sequence[str]) -> Table:
    """One file, told from its first bytes."""
    with open_either(path) as file:
        start = file.read(8)
    if start.startswith(IDX):
        return of_array(read_idx(path), str(path), alike=True, classes=True)
    if start.startswith((NPY, ZIP)):
        return read_numpy(path, start.startswith(ZIP))
    return read_csv(path, delimiter, header, names)


def open_either(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked where it is gzipped."""
    with open(path, "rb") as file:
        packed = file.read(2) == GZIP
    return gzip.open(path, "rb") if packed else open(path, "rb")  # type: ignore[return-value]


# ---- arrays ------------------------------------------------------------------------------------------------------


def of_array(X: Array, source: str, *, alike: bool = False, classes: bool = False, y: Array | None = None) -> Table:
    """A Table of an array (N, ...) and labels y (N,) or (N, k); rows of more than one dimension (images) are flattened.

    ValueError where an array holds neither numbers nor text, or no row.
    """
    columns = columns_of(X, source)
    labels = () if y is None else columns_of(y, f"{source}, y")
    names = tuple(f"column {j}" for j in range(len(columns)))
    return Table(source, names, columns, labels=labels, classes=classes, alike=alike or X.ndim > 2)


def columns_of(array: Array, source: str) -> tuple[Column, ...]:
    """The columns of an array (N, ...)."""
    if array.dtype.kind not in "biufU" or array.ndim == 0:
        raise ValueError(f"{source}: expected rows of numbers or text, found dtype {array.dtype}, shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{source}: expected at least one row and column, found shape {array.shape}")
    flat = array.reshape(len(array), -1)
    if array.dtype.kind == "U":
        return tuple(tuple(cell.strip() for cell in column) for column in flat.T.tolist())
    return tuple(flat.T)


def read_numpy(path: Path, archive: bool) -> Table:
    """A .npy file, or arrays X and perhaps y of a .npz file."""
    try:
        with open(path, "rb") as file:  # np.load leaves the file open where it fails
            loaded = np.load(file, allow_pickle=False)
            if not archive:
                return of_array(loaded, str(path))
            if "X" not in loaded.files:
                raise ValueError(f"expected an array X (and perhaps y), found {', '.join(loaded.files) or 'none'}")
            return of_array(loaded["X"], str(path), y=loaded["y"] if "y" in loaded.files else None)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: {error}") from error


def read_idx(path: Path) -> Array:
    """The array in an IDX file of unsigned bytes, gzipped or not: the format of MNIST (LeCun, Cortes & Burges 1998).

    Raises ValueError where the file is of another kind or is cut off.
    """
    try:
        with open_either(path) as file:
            raw = file.read()
    except EOFError as error:
        raise ValueError(f"{path}: {error}") from error
    if len(raw) < 4 or raw[:3] != IDX:
        raise ValueError(f"{path}: expected an IDX file of unsigned bytes, found another header")
    header = 4 + 4 * raw[3]
    if len(raw) < header:
        raise ValueError(f"{path}: expected a header of {header} bytes, found {len(raw)}")
    shape = tuple(np.frombuffer(raw, ">i4", count=raw[3], offset=4).tolist())
    expected = header + math.prod(shape)
    if len(raw) != expected:
        raise ValueError(f"{path}: expected {expected} bytes for an array of shape {shape}, found {len(raw)}")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


# ---- text --------------------------------------------------------------------------------------------------------


def read_csv(path: Path, delimiter: str | None, header: bool | None, names: Sequence[str]) -> Table:
    """A text file of rows, in UTF-8.  Lines without anything are passed over."""
    try:
        with open_either(path) as file:
            text = file.read().decode("utf-8-sig")
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: expected text in UTF-8, .npy, .npz or IDX; {error}") from error
    records, lines = split(path, [*io.StringIO(text, newline="")], delimiter)
    if not records:
        raise ValueError(f"{path}: expected rows, found an empty file")
    first = records[0]
    if header is None:
        header = looks_like_header(first, records[1:SAMPLE_LINES], names)
    if header:
        records, lines = records[1:], lines[1:]
        if not records:
            raise ValueError(f"{path}: expected rows below the header, found none")
        # a mark of comment before the names is the custom of numpy.savetxt
        first = (first[0].removeprefix("#").strip().strip('"'), *first[1:])
        twice = sorted({name for name in first if name and first.count(name) > 1})
        if twice:
            raise ValueError(f"{path}: expected a header of different names, found {twice[0]!r} more than once")
    found = tuple(name if header and name else f"column {j}" for j, name in enumerate(first))
    return Table(str(path), found, tuple(zip(*records, strict=True)), header, np.array(lines))


def split(path: Path, text: Sequence[str], delimiter: str | None) -> tuple[list[tuple[str, ...]], list[int]]:
    """Rows of stripped fields, and the line on which each ends."""
    records: list[tuple[str, ...]] = []
    lines: list[int] = []
    reader = csv.reader(text, delimiter=delimiter or sniff(text), skipinitialspace=True, strict=True)
    try:
        for fields in reader:
            if len(fields) <= 1 and not "".join(fields).strip():
                continue
            if records and len(fields) != len(records[0]):
                raise ValueError(
                    f"{path}: line {reader.line_num} has {len(fields)} fields, expected {len(records[0])} "
                    f"as in line {lines[0]}"
                )
            records.append(tuple(map(str.strip, fields)))
            lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: {error}") from error
    return records, lines


def sniff(text: Sequence[str]) -> str:
    """The delimiter.

    >>> sniff(["a;b", "1;2,5"]), sniff(["1.0", "2.0"])
    (';', ',')
    """
    sample = [line for line in text[:SAMPLE_LINES] if line.strip()]

    def fields(delimiter: str) -> tuple[int, int]:
        """Lines with the commonest number of fields above one; that number."""
        try:
            counts = [len(row) for row in csv.reader(sample, delimiter=delimiter, skipinitialspace=True)]
        except csv.Error:
            return 0, 0
        several = [count for count in counts if count > 1]
        return max(((several.count(count), count) for count in several), default=(0, 0))

    return max(DELIMITERS, key=fields)


def looks_like_header(first: Sequence[str], below: Sequence[Sequence[str]], names: Sequence[str]) -> bool:
    """Tell whether the first line holds names: one that is wanted; or no number, over a column that holds only numbers.

    >>> looks_like_header(["age", "job"], [["39", "clerk"]], []), looks_like_header(["39", "x"], [["38", "y"]], [])
    (True, False)
    """
    if set(first) & {name for name in names if not is_number(name)}:
        return True
    if any(is_number(cell) or (cell and cell in MISSING) for cell in first):
        return False
    filled = [cell for cell in first if cell]
    if len(set(filled)) < len(filled):
        return False
    columns = [column for name, column in zip(first, zip(*below, strict=True), strict=False) if name]
    cells = ([cell for cell in column if cell not in MISSING] for column in columns)
    return any(column and all(map(is_number, column)) for column in cells)
