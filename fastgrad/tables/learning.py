"""What a training table teaches about its columns: numbers or texts, categories, classes, means and deviations.

Promises: what a column is follows from all its cells; means and deviations are those of the rows that are trained on.  A
column that nothing can be learnt from is a ValueError that says why.  Leaves out: the numbers themselves (encoding.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .encoding import Encoding, Feature, Target, class_names, require_finite
from .table import MISSING, Table, is_number

Array = npt.NDArray[Any]
TASKS = ("auto", "classification", "regression")
MAX_CATEGORIES = 1000  # above it, texts are identifiers or sentences, from which one input for each learns nothing


def complete(table: Table, places: Sequence[int], na: Sequence[str] = MISSING) -> Table:
    """The rows that have no empty cell in these columns; ValueError where none is left."""
    whole = np.ones(table.rows, bool)
    for place in places:
        whole &= ~table.gaps(place, na)
    if not whole.any():
        raise ValueError(f"{table.source}: every row has an empty cell, --missing drop leaves none")
    return table if whole.all() else table.keep(whole)


def learn(
    table: Table, targets: Sequence[int], *, task: str = "auto", missing: str = "error", na: Sequence[str] = MISSING,
    ignore: Sequence[int] = (),
) -> Encoding:  # fmt: skip
    """What the columns of a table are; `targets`: places of the columns to learn (labels are -1, -2, ...).

    `task`: one of TASKS; auto is classification where the one target holds text (or came as classes), else regression.
    Means and deviations are those of `measure`.

    Raises ValueError where a column cannot be encoded or a target never changes.
    """
    features = [feature_of(table, j, missing, na) for j in range(len(table.columns)) if j not in {*targets, *ignore}]
    if not features:
        raise ValueError(f"{table.source}: expected a column to learn from beside the target, found none")
    found = tuple(target_of(table, place, task, na) for place in targets)
    if len(found) > 1 and any(target.classes is not None for target in found):
        raise ValueError(f"{table.source}: expected one target for classification, found {len(found)}")
    return Encoding(tuple(features), found, table.header, len(table.columns), missing, tuple(na))


def feature_of(table: Table, place: int, missing: str, na: Sequence[str]) -> Feature:
    """A column as numbers where every filled cell holds one, else as categories."""
    gaps = table.gaps(place, na)
    text_row = table.numbers(place, na)[1]
    plain = Feature(table.name(place), place)
    if text_row is None and not gaps.all():
        return plain
    cells = table.column(place)
    names = sorted({str(cell) for cell, gap in zip(cells, gaps.tolist(), strict=True) if not gap})
    require_notation(table, place, names, text_row)
    if len(names) > MAX_CATEGORIES:
        raise ValueError(
            f"{table.at(text_row or 0, place)}, which makes it a column of text with {len(names)} different values; "
            f"at most {MAX_CATEGORIES} can be learnt from: mend the cell, or leave the column out with --ignore"
        )
    empty = (None,) if gaps.any() and missing == "category" else ()
    return replace(plain, categories=(*names, *empty))


def require_notation(table: Table, place: int, cells: Sequence[str], text_row: int | None) -> None:
    """ValueError where a column's texts are numbers in another notation, 1,5 or 1.234,5: categories would be nonsense."""
    digits = [cell.replace(",", "").replace(".", "") for cell in cells]
    if text_row is not None and any("," in cell for cell in cells) and all(map(is_number, digits)):
        raise ValueError(f"{table.at(text_row, place)}, expected numbers in the notation 1234.5")


def target_of(table: Table, place: int, task: str, na: Sequence[str]) -> Target:
    """A target column as classes or numbers."""
    values, text_row = table.numbers(place, na)
    name = table.name(place)
    if task == "regression" and text_row is not None:
        raise ValueError(f"{table.at(text_row, place)} where regression expects a number")
    if text_row is not None:
        require_notation(table, place, list(map(str, table.column(place))), text_row)
    named = text_row is not None or (table.classes and place < 0)
    gaps = table.gaps(place, na)
    if task == "classification" or (task == "auto" and named):
        require_finite(table, place, values, gaps | np.isnan(values), np.dtype(np.float64))
        kept = table.keep(~gaps) if gaps.any() else table
        numeric = text_row is None
        classes = sorted(set(class_names(kept, place, numeric, na)), key=float if numeric else None)
        if len(classes) < 2:
            raise ValueError(f"{table.source}: expected at least two classes in {name!r}, found {classes}")
        return Target(name, place, tuple(classes), numeric)
    filled = values[~gaps]
    if filled.size and (filled == filled[0]).all():
        raise ValueError(f"{table.source}: the target {name!r} is {filled[0]:g} in every row: nothing to learn")
    return Target(name, place)


def measure(encoding: Encoding, table: Table, rows: Array) -> Encoding:
    """The encoding with mean and deviation of each column of numbers, over `rows` (indices) of the table.

    A column that never changes has deviation 1.  Columns that are alike share one mean and one deviation.
    ValueError where a number is not finite, or too large to be squared.
    """
    numeric = [feature for feature in encoding.features if feature.categories is None]
    found: list[tuple[float, float]] = []
    for feature in numeric:
        values, gaps = table.numbers(feature.place, encoding.na)[0], table.gaps(feature.place, encoding.na)
        require_finite(table, feature.place, values, gaps, np.dtype(np.float64))
        try:
            found.append(moments(values[rows][~gaps[rows]]))
        except ValueError as error:
            raise ValueError(f"{table.source}, column {feature.name!r}: {error}") from None
    if table.alike:
        means, variances = np.array(found).T
        found = [(float(means.mean()), float((variances + (means - means.mean()) ** 2).mean()))] * len(numeric)
    known = {f.place: (mean, variance**0.5 or 1.0) for f, (mean, variance) in zip(numeric, found, strict=True)}
    measured = []
    for feature in encoding.features:
        mean, deviation = known.get(feature.place, (0.0, 1.0))
        measured.append(replace(feature, mean=mean, deviation=deviation))
    return replace(encoding, features=tuple(measured))


def moments(values: Array) -> tuple[float, float]:
    """Mean and variance of numbers (N,), 0 and 0 of none; ValueError where they are too large to be squared.

    >>> moments(np.array([1.0, 3.0])), moments(np.array([0.1, 0.1, 0.1]))
    ((2.0, 1.0), (0.1, 0.0))
    """
    if not values.size:
        return 0.0, 0.0
    if values.min() == values.max():  # np.var of equal numbers need not be 0
        return float(values[0]), 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variance = float(values.mean()), float(values.var())
    if not np.isfinite(variance):
        raise ValueError(f"expected numbers that can be squared, found {np.abs(values).max():g}")
    return mean, variance
