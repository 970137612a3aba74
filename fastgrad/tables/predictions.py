"""What a saved network says about a table: predictions under the names that it was trained with.

Promises: the network's own numbers, unrounded: reading the text gives them back to the last bit.  A network without an
encoding (one that was saved from Python) takes tables of numbers, column by column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import fastgrad as fg

from .. import catalog
from .encoding import Encoding, Feature, Target
from .table import Table

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """`classes`: the class of each row, None for regression; `names`, `values` (N, names): of each class or target."""

    classes: tuple[str, ...] | None
    names: tuple[str, ...]
    values: Array
    kind: str  # what a class's value is: probability or score

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The header, then a row of text for each row."""
        if self.classes is None:
            yield self.names
            yield from (tuple(map(str, row)) for row in self.values)
            return
        yield ("class", *(f"{self.kind} of {name}" for name in self.names))
        for label, row in zip(self.classes, self.values, strict=True):
            yield (label, *map(str, row))

    def records(self) -> list[dict[str, Any]]:
        """A dict of JSON values for each row."""
        rows = [dict(zip(self.names, (float(str(v)) for v in row), strict=True)) for row in self.values]
        if self.classes is None:
            return rows
        plural = {"probability": "probabilities", "score": "scores"}[self.kind]
        return [{"class": label, plural: row} for label, row in zip(self.classes, rows, strict=True)]


def encoding_of(net: fg.Network, table: Table, places: Sequence[int] = ()) -> Encoding:
    """The encoding that the network was saved with; without one, columns of numbers, the targets in `places`.

    ValueError where the network does not take that many columns.
    """
    if "table" in net.metadata:
        return Encoding.from_dict(net.metadata["table"])
    columns = [place for place in range(len(table.columns)) if place not in places]
    if len(columns) != net.sizes[0]:
        hint = "; it was not saved by `fastgrad train`, so it must be given numbers alone"
        raise ValueError(f"{table.source}: the network takes {net.sizes[0]} columns, found {len(columns)}{hint}")
    outputs = net.sizes[-1]
    kind = catalog.LOSSES[net.loss_name].kind
    if kind == "class" or (kind == "sign" and outputs > 1):
        targets = [Target("class", min(places, default=-1), tuple(map(str, range(outputs))), True)]
    elif kind in ("sign", "probability") and outputs == 1:
        targets = [Target("class", min(places, default=-1), ("0", "1"), True)]
    else:
        where = [*places, *[-1] * outputs]
        targets = [Target(f"output {k}", where[k]) for k in range(outputs)]
    features = tuple(Feature(table.name(place), place) for place in columns)
    return Encoding(features, tuple(targets), table.header, len(table.columns))


def classes_of(net: fg.Network, predicted: Array) -> Array:
    """The class numbers (N,) of what `net.predict` gave (N, O)."""
    if predicted.shape[1] > 1:
        return np.asarray(predicted.argmax(axis=1))
    threshold = 0.5 if catalog.LOSSES[net.loss_name].kind == "probability" else 0.0
    return (predicted[:, 0] > threshold).astype(np.int64)


def predict(
    net: fg.Network, encoding: Encoding, table: Table, *, unknown: str = "error", threads: int | None = None
) -> Predictions:
    """Predictions for the rows of a table; its targets, if it has them, are not looked at.

    ValueError where a column is missing or a cell cannot be encoded.
    """
    if encoding.inputs != net.sizes[0]:
        raise ValueError(f"metadata['table'] describes {encoding.inputs} inputs, but the network has {net.sizes[0]}")
    predicted = net.predict(encoding.encode(table, net.dtype, unknown=unknown), threads=threads)
    if encoding.classes is None:
        return Predictions(None, tuple(target.name for target in encoding.targets), predicted, "value")
    names = [encoding.classes[k] for k in classes_of(net, predicted).tolist()]
    kind = "score" if catalog.LOSSES[net.loss_name].kind == "sign" else "probability"
    if predicted.shape[1] == 1:
        other = -predicted if kind == "score" else 1 - predicted
        predicted = np.concatenate([other, predicted], axis=1)
    return Predictions(tuple(names), encoding.classes, predicted, kind)
