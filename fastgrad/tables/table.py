"""A table: named columns of one length, their cells as texts, as numbers, and as places in words for messages.

Promises: fields are kept as they were read until they are asked for as numbers; a cell is named by file, row, line and
column.  Leaves out: files (reading.py), what a column means (encoding.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Column = tuple[str, ...] | Array  # cells of a text file, or numbers (N,)
MISSING = ("", "?", "NA", "nan")  # what stands for an empty cell


def number(cell: str) -> float:
    """The number that a cell holds; ValueError where it holds none.  Python's 1_000 is text here.

    >>> number(" 1e3 ")
    1000.0
    """
    if "_" in cell:
        raise ValueError(cell)
    return float(cell)


def is_number(cell: str) -> bool:
    """Tell whether a cell holds a number."""
    try:
        number(cell)
    except ValueError:
        return False
    return True


@dataclass
class Table:
    """Columns of one length, with names.

    `source`: the file, for messages.  `header`: whether the names are the file's own.  `lines` (N,): where each row
    stands in a text file.  `picked` (N,): the rows of the file that these are, None for all.  `labels`: columns that
    came beside the table, as targets; `classes`: whether they are classes by their file's nature.  `alike`: all columns
    are of one unit, as pixels are.
    """

    source: str
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    header: bool = False
    lines: Array | None = None
    labels: tuple[Column, ...] = ()
    classes: bool = False
    alike: bool = False
    picked: Array | None = None
    parsed: dict[Any, tuple[Mask, Array, int | None]] = field(default_factory=dict, repr=False)

    @property
    def rows(self) -> int:
        """N."""
        return len((self.columns or self.labels)[0])

    def column(self, place: int) -> Column:
        """A column; -1, -2, ... are the labels."""
        return self.columns[place] if place >= 0 else self.labels[-1 - place]

    def name(self, place: int) -> str:
        """Its name."""
        if place >= 0:
            return self.names[place]
        return "label" if len(self.labels) == 1 else f"label {-1 - place}"

    def at(self, row: int, place: int) -> str:
        """A cell's place in words: file, row (from 1), line of a text file, column, and what it holds."""
        line = "" if self.lines is None else f" (line {self.lines[row]})"
        cell, number = self.column(place)[row], row if self.picked is None else self.picked[row]
        shown = repr(cell if isinstance(cell, str) else cell.item())
        return f"{self.source}, row {number + 1}{line}, column {self.name(place)!r}: found {shown:.60}"

    def gaps(self, place: int, na: Iterable[str] = MISSING) -> Mask:
        """Which cells of a column are empty (N,): `na` in text, NaN among numbers."""
        column = self.column(place)
        if isinstance(column, np.ndarray):
            return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)
        return self._parsed(place, na)[0]

    def numbers(self, place: int, na: Iterable[str] = MISSING) -> tuple[Array, int | None]:
        """A column as float64 (N,), NaN where it is empty, and the first row that holds no number (None: all do)."""
        column = self.column(place)
        return (column.astype(np.float64), None) if isinstance(column, np.ndarray) else self._parsed(place, na)[1:]

    def _parsed(self, place: int, na: Iterable[str]) -> tuple[Mask, Array, int | None]:
        """Kept, since the same cells are asked for again and again, and reading them is dear."""
        key = place, frozenset(na)
        if key not in self.parsed:
            column, empty = [*self.column(place)], {"", *na}
            gaps = np.fromiter((cell in empty for cell in column), bool, len(column))
            self.parsed[key] = gaps, *parse(column, gaps)
        return self.parsed[key]

    def find(self, column: str) -> int:
        """The place of a column given by its name, or by its number: from 0, or from the end as -1, -2, ...

        ValueError lists the columns.

        >>> Table("t", ("age", "pay"), (("1",), ("2",)), header=True).find("pay")
        1
        """
        if self.header and column in self.names:
            return self.names.index(column)
        try:
            place = range(len(self.columns))[int(column)]
        except (ValueError, IndexError):
            if self.header:
                known = ", ".join(map(repr, self.names))
            else:
                count = len(self.columns)
                known = f"0 to {count - 1}, or -{count} to -1 from the end (there is no header)"
            raise ValueError(f"no column {column!r} in {self.source}; its columns: {known}") from None
        return place

    def keep(self, mask: Mask) -> Table:
        """The rows where `mask` (N,) is True."""
        rows = np.flatnonzero(mask)

        def chosen(column: Column) -> Column:
            return column[rows] if isinstance(column, np.ndarray) else tuple(column[row] for row in rows.tolist())

        lines = None if self.lines is None else self.lines[rows]
        columns, labels = tuple(map(chosen, self.columns)), tuple(map(chosen, self.labels))
        picked = rows if self.picked is None else self.picked[rows]
        return replace(self, columns=columns, labels=labels, lines=lines, picked=picked, parsed={})


def parse(column: Sequence[str], gaps: Mask) -> tuple[Array, int | None]:
    """As `Table.numbers`."""
    cells = ["nan" if gap else cell for cell, gap in zip(column, gaps.tolist(), strict=True)]
    values: list[float] = []
    try:
        values.extend(map(number, cells))
    except ValueError:  # `values` holds what came before
        return np.array(values + [math.nan] * (len(cells) - len(values))), len(values)
    return np.array(values), None
