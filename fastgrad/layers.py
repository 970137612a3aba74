"""The layers of a network as users write them: records, checked when made, and lists of them.  Nothing here computes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from . import arrays, catalog, initialisers


def check_options(layer: Any, names: Sequence[str]) -> None:
    """ValueError or TypeError where one of these numbers, or `frozen`, is not what a layer may ask for."""
    for name in names:
        value = getattr(layer, name)
        if value is not None or name in ("l1", "lr_factor"):
            value = arrays.check_number(value, name, 0.0, open_low=name in ("max_norm", "lr_factor"))
            object.__setattr__(layer, name, value)
    if not isinstance(layer.frozen, bool | np.bool_):
        raise TypeError(f"frozen must be True or False, got {layer.frozen!r}")
    object.__setattr__(layer, "frozen", bool(layer.frozen))


def options_of(layer: Any) -> dict[str, Any]:
    """What is not as it is by default, of the arguments that are given by keyword."""
    found = {f.name: (getattr(layer, f.name), f.default) for f in fields(layer) if f.kw_only}
    return {name: value for name, (value, default) in found.items() if value != default}


@dataclass(frozen=True)
class Dense:
    """A dense layer: A = f(X W + b), W (inputs, outputs), b (outputs,).

    `inputs`, `outputs`: sizes, at least 1; `activation`: a name of the catalog, elementwise, default none.
    ValueError or TypeError where one is out of range or unknown.

    By keyword, and of this layer alone:

    - `init`: how W is first drawn: he_uniform, he_normal, glorot_uniform, glorot_normal, lecun_uniform, lecun_normal,
      orthogonal or zeros; None: uniform, as it suits the activation.  b starts at zero.
    - `weight_decay`: in place of the optimizer's own, of W and b; `fit` raises ValueError where the optimizer has none.
    - `l1`: behind each step `W = sign(W) max(abs(W) - lr lr_factor l1, 0)`, that of `l1 sum(abs(W))`: real zeros.
    - `max_norm`: behind each step the weights into an output, a column of W, are scaled back to this length where longer.
    - `lr_factor`: multiplies the learning rate.
    - `frozen`: W and b stay as they are.  `history["grad_norm"]` and `clip_norm` count what is trained; `gradient` gives all.

    Source: Rumelhart, Hinton & Williams, Nature 323 (1986).

    >>> Dense(3, 2, "relu")
    Dense(inputs=3, outputs=2, activation='relu')
    >>> Dense(3, 2, init="orthogonal", frozen=True)
    Dense(inputs=3, outputs=2, activation='identity', init='orthogonal', frozen=True)
    """

    inputs: int
    outputs: int
    activation: str = "identity"
    init: str | None = field(default=None, kw_only=True)
    weight_decay: float | None = field(default=None, kw_only=True)
    l1: float = field(default=0.0, kw_only=True)
    max_norm: float | None = field(default=None, kw_only=True)
    lr_factor: float = field(default=1.0, kw_only=True)
    frozen: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):  # NumPy's integers become plain ones
            object.__setattr__(self, name, arrays.check_integer(getattr(self, name), name, 1))
        catalog.lookup(catalog.ACTIVATIONS, self.activation, "activation")
        if self.init is not None:
            initialisers.check(self.init)
        check_options(self, ("weight_decay", "l1", "max_norm", "lr_factor"))

    @property
    def options(self) -> dict[str, Any]:
        """What is not as it is by default, of the arguments that are given by keyword.

        >>> Dense(3, 2, l1=0.5).options
        {'l1': 0.5}
        """
        return options_of(self)

    def __repr__(self) -> str:
        given = {"inputs": self.inputs, "outputs": self.outputs, "activation": self.activation, **self.options}
        return f"Dense({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of W and b."""
        return (self.inputs, self.outputs), (self.outputs,)


@dataclass(frozen=True)
class Dropout:
    """While training, each value of the layer before is dropped with probability `rate`; the others grow by 1 / (1 - rate).

    `rate`: from 0 up to, but not, 1, to one part in 65536.  It stands behind a hidden layer.  Predictions, `loss` and
    `gradient` drop nothing.  ValueError or TypeError where the rate is out of range or no number.
    Source: Srivastava et al., Dropout, JMLR 15 (2014).

    >>> import fastgrad as fg
    >>> fg.Network([fg.Dense(3, 8, "relu"), fg.Dropout(0.2), fg.Dense(8, 1)]).layers[1]
    Dropout(rate=0.2)
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", arrays.check_number(self.rate, "rate", 0.0, 1.0 - 2**-16))


def check_chain(layers: Sequence[Any]) -> None:
    """ValueError where a layer's outputs are not as many as the next one's inputs."""
    for k, (a, b) in enumerate(itertools.pairwise(layers)):
        if a.outputs != b.inputs:
            raise ValueError(f"layer {k} has {a.outputs} outputs but layer {k + 1} has {b.inputs} inputs")


def read_layers(layers: Any, activation: Any, init: Any = None) -> tuple[Dense, ...]:
    """[784, 128, 10] with activations and an initialiser for all, or a list of Dense, as checked layers."""
    if isinstance(layers, (str, bytes)) or not isinstance(layers, Sequence | np.ndarray) or len(layers) == 0:
        raise TypeError(f"layers must be a list of sizes or of fg.Dense, got {layers!r}")
    if all(isinstance(layer, Dense) for layer in layers):
        if activation is not None:
            raise ValueError("activation is given by each fg.Dense; leave the argument out")
        if init is not None:
            raise ValueError("init is given by each fg.Dense; leave the argument out")
        check_chain(tuple(layers))
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
    return tuple(Dense(i, o, f, init=init) for i, o, f in zip(sizes[:-1], sizes[1:], [*names, "identity"], strict=True))
