"""The layers of a network as users write them: records, checked when made, and lists of them.  Nothing here computes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import arrays, catalog


@dataclass(frozen=True)
class Dense:
    """A dense layer: A = f(X W + b), W (inputs, outputs), b (outputs,).

    `inputs`, `outputs`: sizes, at least 1; `activation`: a name of the catalog, elementwise, default none.
    ValueError or TypeError where one is out of range or unknown.

    Source: Rumelhart, Hinton & Williams, Nature 323 (1986).

    >>> Dense(3, 2, "relu")
    Dense(inputs=3, outputs=2, activation='relu')
    """

    inputs: int
    outputs: int
    activation: str = "identity"

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):  # NumPy's integers become plain ones
            object.__setattr__(self, name, arrays.check_integer(getattr(self, name), name, 1))
        catalog.lookup(catalog.ACTIVATIONS, self.activation, "activation")


@dataclass(frozen=True)
class Dropout:
    """While training, each value of the layer before is dropped with probability `rate`; the others grow by 1 / (1 - rate).

    `rate`: from 0 up to, but not, 1, to one part in 65536.  It stands behind a hidden `Dense` layer.  Predictions, `loss` and
    `gradient` drop nothing.  ValueError or TypeError where the rate is out of range or no number.
    Source: Srivastava et al., Dropout, JMLR 15 (2014).

    >>> import fastgrad as fg
    >>> fg.Network([fg.Dense(3, 8, "relu"), fg.Dropout(0.2), fg.Dense(8, 1)]).layers[1]
    Dropout(rate=0.2)
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", arrays.check_number(self.rate, "rate", 0.0, 1.0 - 2**-16))


def read_update(sparse_update: Any) -> bool:
    """Is it "lazy"?  ValueError where it is neither that nor "exact"."""
    if sparse_update not in ("exact", "lazy"):
        raise ValueError(f"sparse_update must be 'exact' or 'lazy', got {sparse_update!r}")
    return bool(sparse_update == "lazy")


def take_dropout(layers: Any) -> tuple[Any, tuple[float, ...]]:
    """Layers without their dropout, and the rate behind each; ValueError where one does not stand between two layers."""
    if not isinstance(layers, list | tuple) or not any(isinstance(layer, Dropout) for layer in layers):
        return layers, ()
    if not all(isinstance(layer, Dense | Dropout) for layer in layers):
        raise TypeError("layers: fg.Dropout stands between fg.Dense layers, not between sizes")
    kept: list[Any] = []
    rates: list[float] = []
    for k, layer in enumerate(layers):
        if not isinstance(layer, Dropout):
            kept.append(layer)
            rates.append(0.0)
            continue
        if k in (0, len(layers) - 1) or isinstance(layers[k - 1], Dropout):
            raise ValueError(f"layers[{k}]: {layer} must stand between two fg.Dense layers")
        rates[-1] = layer.rate
    return kept, tuple(rates)


def read_layers(layers: Any, activation: Any) -> tuple[Dense, ...]:
    """[784, 128, 10] with activations, or a list of Dense, as checked layers."""
    if isinstance(layers, (str, bytes)) or not isinstance(layers, Sequence | np.ndarray) or len(layers) == 0:
        raise TypeError(f"layers must be a list of sizes or of fg.Dense, got {layers!r}")
    if all(isinstance(layer, Dense) for layer in layers):
        if activation is not None:
            raise ValueError("activation is given by each fg.Dense; leave the argument out")
        for k, (a, b) in enumerate(itertools.pairwise(layers)):
            if a.outputs != b.inputs:
                raise ValueError(f"layer {k} has {a.outputs} outputs but layer {k + 1} has {b.inputs} inputs")
        return tuple(layers)
    if any(isinstance(layer, Dense) for layer in layers):
        raise TypeError("layers must be all sizes or all fg.Dense, not a mixture")
    sizes = [arrays.check_integer(size, f"layers[{k}]", 1) for k, size in enumerate(layers)]
    if len(sizes) < 2:
        raise ValueError(f"layers needs at least an input and an output size, got {sizes}")
    hidden = len(sizes) - 2
    several = isinstance(activation, list | tuple)
    names = [*activation] if several else ["relu" if activation is None else activation] * hidden
    if len(names) != hidden:
        raise ValueError(f"activation has {len(names)} entries for {hidden} hidden layers")
    if not hidden and activation is not None and not several:
        catalog.lookup(catalog.ACTIVATIONS, activation, "activation")
    return tuple(Dense(i, o, f) for i, o, f in zip(sizes[:-1], sizes[1:], [*names, "identity"], strict=True))
