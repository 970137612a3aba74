"""The parameters of a network as pairs (W, b): how they are numbered, what they are called, what shapes they have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .embedding import Embedding
from .stack import Layer


class Part(NamedTuple):
    """A pair (W, b) of parameters: of a dense layer; gamma and beta of a norm; of an embedding a table and nothing."""

    layer: int
    table: int
    shapes: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]  # of what is not empty, PyTorch's dotted ones

    @property
    def size(self) -> int:
        """How many parameters."""
        return sum(map(math.prod, self.shapes))


def parts_of(layers: Sequence[Layer], first: int = 0) -> Iterator[Part]:
    """The pairs of parameters of layers, numbered from `first` on, in their order."""
    for k, layer in enumerate(layers, first):
        for j in range(len(layer.shapes) // 2):
            if isinstance(layer, Embedding):
                names: tuple[str, ...] = (f"layers.{k}.embeddings.{j}.weight",)
            else:
                names = f"layers.{k}.weight", f"layers.{k}.bias"
            yield Part(k, j, layer.shapes[2 * j : 2 * j + 2], names)
