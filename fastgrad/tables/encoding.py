"""Columns -> numbers for a network, and back: what is learnt from a training table and kept with the network.

Promises: every cell that cannot be encoded is a ValueError that names file, row and column; the encoding is a dict of
JSON values; `encode` of the same cells gives the same numbers whatever stands beside them.  Numbers stay as they are
(standardising them is folded into the network, folding.py), texts become one input for each category.  An empty cell
is an error unless the rule for missing cells says what to do:

- mean: the mean of the training rows, for numbers;
- category: a category of its own in columns of text, the mean in columns of numbers;
- drop: the row is left out of training; asked for a prediction, it is an error.

Leaves out: words with a meaning (text is a name here), dates, numbers in other notations.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .table import MISSING, Table

Array = npt.NDArray[Any]
RULES = ("error", "mean", "category", "drop")


@dataclass(frozen=True)
class Feature:
    """A column that is learnt from: numbers (`categories` None) or texts; None among them stands for an empty cell."""

    name: str
    place: int
    categories: tuple[str | None, ...] | None = None
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def width(self) -> int:
        """How many inputs of the network it takes."""
        return 1 if self.categories is None else len(self.categories)


@dataclass(frozen=True)
class Target:
    """A column that is learnt: classes, or numbers (`classes` None); `numeric`: the classes are numbers in the file."""

    name: str
    place: int
    classes: tuple[str, ...] | None = None
    numeric: bool = False


@dataclass(frozen=True)
class Encoding:
    """How a table's rows become a network's inputs and targets.

    `header`, `columns`: whether the training table had names, and how many columns.  `missing`: one of RULES.
    `na`: what stands for an empty cell.

    >>> table = Table("t", ("age", "job"), (("20", "30"), ("cook", "clerk")), header=True)
    >>> encoding = Encoding((Feature("age", 0), Feature("job", 1, ("clerk", "cook"))), (), True, 2)
    >>> encoding.encode(table).tolist()
    [[20.0, 0.0, 1.0], [30.0, 1.0, 0.0]]
    """

    features: tuple[Feature, ...]
    targets: tuple[Target, ...]
    header: bool
    columns: int
    missing: str = "error"
    na: tuple[str, ...] = MISSING

    @property
    def inputs(self) -> int:
        """Inputs of the network."""
        return sum(feature.width for feature in self.features)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes; None where the targets are numbers."""
        return self.targets[0].classes if self.targets else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        task = "regression" if self.classes is None else "classification"
        found: dict[str, Any] = json.loads(json.dumps({"task": task, **asdict(self)}))
        return found

    @staticmethod
    def from_dict(found: Any) -> Encoding:
        """The other way; ValueError where the dict is none of ours."""
        try:
            parts: dict[str, Any] = {**found}
            parts.pop("task")
            features = [
                Feature(**{**f, "categories": None if f["categories"] is None else tuple(f["categories"])})
                for f in parts.pop("features")
            ]
            targets = [
                Target(**{**t, "classes": None if t["classes"] is None else tuple(t["classes"])})
                for t in parts.pop("targets")
            ]
            na = tuple(parts.pop("na"))
            return Encoding(tuple(features), tuple(targets), na=na, **parts)
        except (TypeError, KeyError) as error:
            raise ValueError(f"metadata['table']: expected an encoding of this version, found {found!r:.80}") from error

    # ---- encoding ----
    def encode(
        self, table: Table, dtype: npt.DTypeLike = "float64", *, unknown: str = "error", standard: bool = False
    ) -> Array:
        """Rows as the network takes them, (N, inputs); `unknown="zero"`: a category that is not known is no category.

        `standard`: numbers less their mean, over their deviation, as the network takes them while it is trained.
        ValueError where a column is missing or a cell cannot be encoded.
        """
        places = self.find(table)
        X = np.zeros((table.rows, self.inputs), dtype)
        at = 0
        for feature, place in zip(self.features, places, strict=True):
            if feature.categories is None:
                values = self._numbers(table, place, feature, X.dtype)
                X[:, at] = (values - feature.mean) / feature.deviation if standard else values
            else:
                chosen = self._categories(table, place, feature, unknown)
                known = np.flatnonzero(chosen >= 0)
                X[known, at + chosen[known]] = 1
            at += feature.width
        return X

    def moments(self) -> tuple[Array, Array]:
        """Mean and deviation of each input (inputs,), 0 and 1 of a category's."""
        numeric = [(f.mean, f.deviation) if f.categories is None else (0.0, 1.0) for f in self.features]
        widths = [feature.width for feature in self.features]
        mean, deviation = np.repeat(np.array(numeric), widths, axis=0).T
        return mean, deviation

    def draw(self, rows: int, rng: np.random.Generator) -> Array:
        """Random rows such as the training table's, (rows, inputs): normal numbers, a category of each column."""
        mean, deviation = self.moments()
        X = rng.normal(mean, deviation, (rows, self.inputs))
        at = 0
        for feature in self.features:
            if feature.categories is not None:
                X[:, at : at + feature.width] = np.eye(feature.width)[rng.integers(feature.width, size=rows)]
            at += feature.width
        return X

    def find(self, table: Table) -> list[int]:
        """The place of each feature in another table: by name where both have a header, else by position."""
        if self.header and table.header:
            lost = [feature.name for feature in self.features if feature.name not in table.names]
            if lost:
                raise ValueError(
                    f"{table.source} has no column {', '.join(map(repr, lost))}; "
                    f"its columns: {', '.join(map(repr, table.names))}"
                )
            return [table.names.index(feature.name) for feature in self.features]
        wanted = {target.place for target in self.targets}
        others = [place for place in range(self.columns) if place not in wanted]
        if len(table.columns) == self.columns:
            return [feature.place for feature in self.features]
        if len(table.columns) == len(others):
            return [others.index(feature.place) for feature in self.features]
        expected = f"{self.columns} columns" + (f" or, without the target, {len(others)}" if others != [] else "")
        raise ValueError(f"{table.source}: expected {expected}, as in training, found {len(table.columns)}")

    def _gaps(self, table: Table, place: int, mendable: bool) -> Array:
        """Empty cells; ValueError where the rule does not mend them."""
        gaps = table.gaps(place, self.na)
        if gaps.any() and not mendable:
            ways = "--missing mean, category or drop says what to do" if self.missing == "error" else ""
            ways = ways or f"--missing {self.missing}, as in training, is no help here"
            raise ValueError(f"{table.at(int(gaps.argmax()), place)} where a value was expected; {ways}")
        return gaps

    def _numbers(self, table: Table, place: int, feature: Feature, dtype: np.dtype[Any]) -> Array:
        gaps = self._gaps(table, place, self.missing in ("mean", "category"))
        values, bad = table.numbers(place, self.na)
        if bad is not None:
            raise ValueError(f"{table.at(bad, place)} where a number was expected, as in training")
        require_finite(table, place, values, gaps, dtype)
        return np.where(gaps, feature.mean, values)

    def _categories(self, table: Table, place: int, feature: Feature, unknown: str) -> Array:
        """The category of each row (N,); -1 where it is not known."""
        assert feature.categories is not None
        gaps = self._gaps(table, place, self.missing == "category")
        ranks = {category: rank for rank, category in enumerate(feature.categories)}
        cells = [None if gap else str(cell) for cell, gap in zip(table.column(place), gaps.tolist(), strict=True)]
        chosen = np.fromiter((ranks.get(cell, -1) for cell in cells), np.intp, table.rows)
        if unknown != "zero" and (chosen < 0).any():
            row = int((chosen < 0).argmax())
            known = ", ".join("an empty cell" if c is None else repr(c) for c in feature.categories[:8])
            more = ", ..." if len(feature.categories) > 8 else ""
            raise ValueError(
                f"{table.at(row, place)}, which was not there in training; known: {known}{more} "
                "(--unknown zero goes on without)"
            )
        return chosen

    def encode_targets(self, table: Table, places: Sequence[int], dtype: npt.DTypeLike = "float64") -> Array:
        """The targets in these columns: class numbers (N,), or float64 (N, targets) that `dtype` can hold.

        ValueError where one is empty, a class is not known, or a number is none or not finite.
        """
        columns = []
        for target, place in zip(self.targets, places, strict=True):
            gaps = table.gaps(place, self.na)
            if gaps.any():
                hint = "--missing drop leaves such rows out" if self.missing != "drop" else ""
                raise ValueError(f"{table.at(int(gaps.argmax()), place)} where a target was expected; {hint}")
            if target.classes is not None:
                return class_numbers(table, place, target, self.na)
            values, bad = table.numbers(place, self.na)
            if bad is not None:
                raise ValueError(f"{table.at(bad, place)} where a number was expected")
            require_finite(table, place, values, gaps, np.dtype(dtype))
            columns.append(values)
        return np.stack(columns, axis=1)


def class_numbers(table: Table, place: int, target: Target, na: Sequence[str]) -> Array:
    """The classes of a column as numbers from 0 (N,)."""
    assert target.classes is not None
    ranks = {name: rank for rank, name in enumerate(target.classes)}
    names = class_names(table, place, target.numeric, na)
    found = np.fromiter((ranks.get(name, -1) for name in names), np.int64, table.rows)
    if (found < 0).any():
        known = ", ".join(map(repr, target.classes[:8]))
        raise ValueError(f"{table.at(int((found < 0).argmax()), place)} where a class was expected: {known}")
    return found


def class_names(table: Table, place: int, numeric: bool, na: Sequence[str]) -> list[str]:
    """Each row's class in words; numbers in one notation, so that 1 and 1.0 are one class."""
    if not numeric:
        return [str(cell) for cell in table.column(place)]
    values, bad = table.numbers(place, na)
    if bad is not None:
        raise ValueError(f"{table.at(bad, place)} where a class was expected that is a number, as in training")
    return [str(int(value)) if value.is_integer() else repr(value) for value in values.tolist()]


def require_finite(table: Table, place: int, values: Array, gaps: Array, dtype: np.dtype[Any]) -> None:
    """ValueError with the place of the first number that is infinite, or is too large for `dtype`."""
    bad = ~(np.abs(values) <= np.finfo(dtype).max) & ~gaps
    if bad.any():
        row = int(bad.argmax())
        what = f"a finite number within {dtype}" if np.isfinite(values[row]) else "a finite number"
        raise ValueError(f"{table.at(row, place)}, expected {what}")
