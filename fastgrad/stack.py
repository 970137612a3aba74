"""Lists of layers as users write them, and the flat stack of layers that a network is.

Dropout belongs to the layer before it, a residual block is a range of layers: in the stack both are notes beside the layers
that have parameters, or could have.  `read` makes the stack, `nested` the list again.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .embedding import Embedding
from .layers import Dense, Dropout, check_chain, read_layers
from .norms import BatchNorm, LayerNorm, of_width

Layer = Dense | BatchNorm | LayerNorm | Embedding
MOST_BLOCKS = 4  # that begin, or end, at one layer; kernels/declare.pxi


@dataclass(frozen=True)
class Residual:
    """The block's input is added to its output: A = x + block(x).

    `layers`: a list of `Dense`, `BatchNorm`, `LayerNorm`, `Dropout` and `Residual`, whose output is as wide as its input.
    It stands anywhere in the list of layers.  ValueError or TypeError where the list is empty or holds anything else.
    Source: He, Zhang, Ren & Sun, Deep residual learning for image recognition, arXiv:1512.03385.

    >>> import fastgrad as fg
    >>> block = fg.Residual([fg.LayerNorm(), fg.Dense(8, 32, "gelu"), fg.Dense(32, 8), fg.Dropout(0.1)])
    >>> fg.Network([fg.Dense(3, 8), block, block, fg.Dense(8, 1)]).size
    1177
    """

    layers: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.layers, list | tuple):
            raise TypeError(f"layers of fg.Residual must be a list, got {self.layers!r}")
        if not self.layers:
            raise ValueError("layers of fg.Residual must be at least one layer, got none")
        for k, layer in enumerate(self.layers):
            require_layer(layer, f"layers[{k}] of fg.Residual")
        object.__setattr__(self, "layers", tuple(self.layers))

    def __repr__(self) -> str:
        return f"Residual({list(self.layers)})"


def require_layer(layer: Any, name: str) -> None:
    """TypeError where it is none."""
    if not isinstance(layer, Dense | Dropout | BatchNorm | LayerNorm | Residual):
        raise TypeError(
            f"{name} must be an fg.Dense, fg.BatchNorm, fg.LayerNorm, fg.Dropout or fg.Residual, got {layer!r}"
        )


@dataclass(frozen=True)
class Stack:
    """Layers, widths known; the rate of dropout behind each, or nothing; (first, last) layer of each residual block, a block
    within another before it."""

    layers: tuple[Layer, ...]
    drops: tuple[float, ...] = ()
    blocks: tuple[tuple[int, int], ...] = ()


def read(layers: Any, activation: Any, init: Any = None) -> Stack:
    """What a user gave as layers; ValueError or TypeError where it makes no network."""
    several = isinstance(layers, list | tuple)
    if not several or all(isinstance(layer, Dense) for layer in layers) or not any(map(is_more, layers)):
        return Stack(read_layers(layers, activation, init))
    if activation is not None:
        raise ValueError("activation is given by each layer; leave the argument out")
    if init is not None:
        raise ValueError("init is given by each fg.Dense; leave the argument out")
    if not all(isinstance(layer, Dense) or is_more(layer) for layer in layers):
        raise TypeError(f"layers: {next(filter(is_more, layers))} stands between fg.Dense layers, not between sizes")
    found: list[Layer] = []
    rates: list[float] = []
    blocks: list[tuple[int, int]] = []

    def walk(items: Sequence[Any], path: str) -> None:
        for k, item in enumerate(items):
            name = f"{path}layers[{k}]"
            if isinstance(item, Dropout):
                if k == 0 or isinstance(items[k - 1], Dropout) or (not path and k == len(items) - 1):
                    raise ValueError(f"{name}: {item} must stand between two layers")
                if isinstance(items[k - 1], Residual):
                    raise ValueError(f"{name}: {item} must not stand behind a Residual; drop within the block")
                rates[-1] = item.rate
            elif isinstance(item, Residual):
                start = len(found)
                walk(item.layers, name + ".")
                blocks.append((start, len(found) - 1))
            else:
                found.append(item)
                rates.append(0.0)

    walk(layers, "")
    drops = any(isinstance(item, Dropout) for item in flat(layers))
    return checked(found, tuple(rates) if drops else (), tuple(blocks))


def is_more(item: Any) -> bool:
    """Is it more than a list of `Dense` or of sizes may hold?"""
    return isinstance(item, Dropout | BatchNorm | LayerNorm | Residual | Embedding)


def flat(layers: Sequence[Any]) -> list[Any]:
    """The layers of a list and of the blocks in it."""
    return list(itertools.chain(*(flat(item.layers) if isinstance(item, Residual) else [item] for item in layers)))


def checked(layers: Sequence[Layer], drops: tuple[float, ...], blocks: tuple[tuple[int, int], ...]) -> Stack:
    """A stack whose norms have their widths; ValueError where widths or blocks do not fit each other."""
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    if not dense:
        raise ValueError("layers must hold an fg.Dense, which says how wide they are")
    for k, layer in enumerate(layers):
        if isinstance(layer, Embedding) and (k or any(start == 0 for start, _ in blocks)):
            raise ValueError(f"layers: {layer} must stand first, outside of any Residual: it takes columns of X")
    width, placed = dense[0].inputs, []
    for layer in layers:
        placed.append(of_width(layer, width) if isinstance(layer, BatchNorm | LayerNorm) else layer)
        width = placed[-1].outputs
    check_chain(placed)
    for k, (start, end) in enumerate(blocks):
        apart = all(last < start or (start <= first and last <= end) for first, last in blocks[:k])
        if not (0 <= start <= end < len(placed) and apart):
            raise ValueError(
                f"no Residual can hold layers {start} to {end} of {len(placed)}, beside {list(blocks[:k])}"
            )
        if placed[start].inputs != placed[end].outputs:
            raise ValueError(
                f"layers {start} to {end} are a Residual of {placed[start].inputs} inputs and {placed[end].outputs} outputs; "
                "the two are added, so they must be as many"
            )
    for ends in zip(*blocks, strict=True):
        if max(map(ends.count, ends)) > MOST_BLOCKS:
            raise ValueError(f"more than {MOST_BLOCKS} Residuals begin, or end, at one layer")
    if any(drops[-1:]):
        raise ValueError("nothing may be dropped behind the last layer")
    last = len(placed) - 1
    if width == 1 and (not isinstance(placed[-1], Dense) or any(end == last for _, end in blocks)):
        raise ValueError("a network with one output must end in an fg.Dense, outside of any Residual")
    return Stack(tuple(placed), drops, blocks)


def nested(stack: Stack) -> tuple[Any, ...]:
    """The list that `read` makes this stack of."""
    opened: list[list[Any]] = [[]]
    for k, layer in enumerate(stack.layers):
        opened += [[] for start, _ in stack.blocks if start == k]
        rates = stack.drops[k : k + 1]
        opened[-1] += [layer, *(Dropout(rate) for rate in rates if rate)]
        for _, end in stack.blocks:
            if end == k:
                block = Residual(tuple(opened.pop()))
                opened[-1].append(block)
    return tuple(opened[0])
