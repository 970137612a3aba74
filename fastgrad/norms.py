"""Batch norm and layer norm as users write them: records, checked when made.  Nothing here computes.

Definitions, names and defaults are those of PyTorch's BatchNorm1d and LayerNorm over the last dimension.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from . import arrays, catalog

Kind = TypeVar("Kind", bound="Norm")


class Norm:
    """What both have: as many outputs as inputs, and a scale gamma and a shift beta (outputs,) if `affine`."""

    eps: float
    affine: bool
    activation: str
    width: int

    @property
    def inputs(self) -> int:
        """How many values come in: the outputs of the layer before."""
        return self.width

    @property
    def outputs(self) -> int:
        """How many values go out: as many."""
        return self.width

    @property
    def options(self) -> dict[str, Any]:
        """What it asks for itself in training: nothing."""
        return {}

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of gamma and beta, (O,) both, or nothing."""
        return ((self.width,), (self.width,)) if self.affine else ()


def of_width(norm: Kind, width: int) -> Kind:
    """The same between layers of so many values."""
    placed = copy.copy(norm)
    object.__setattr__(placed, "width", width)
    return placed


def check(norm: Norm) -> None:
    """ValueError or TypeError where an argument is out of range."""
    object.__setattr__(norm, "eps", arrays.check_number(norm.eps, "eps", 0.0, open_low=True))
    if not isinstance(norm.affine, bool):
        raise TypeError(f"affine must be True or False, got {norm.affine!r}")
    catalog.lookup(catalog.ACTIVATIONS, norm.activation, "activation")


@dataclass(frozen=True)
class BatchNorm(Norm):
    """Each column to mean 0 and variance 1 over the rows of the batch: A = f(gamma (x - mean) / sqrt(var + eps) + beta).

    `eps`: above 0, joins the variance; `momentum`: in [0, 1], the batch's share in the running mean and (unbiased) variance,
    which predictions, `loss` and `gradient` take in place of the batch's; `affine`: whether there are gamma and beta, which
    are trained and start at 1 and 0; `activation`: a name of the catalog, default none.

    It stands anywhere in the list of layers, and is as wide as what comes before it, or, in front, as the next `Dense` has
    inputs.  A network that has one trains on batches of at least 2 rows, and a single row that an epoch leaves over joins
    the batch before; a batch is held in memory whole, whatever its size.  Sample weights do not count in the statistics.
    ValueError or TypeError where an argument is out of range or unknown.
    Source: Ioffe & Szegedy, Batch normalization, arXiv:1502.03167; PyTorch's BatchNorm1d.

    >>> import fastgrad as fg
    >>> net = fg.Network([fg.Dense(3, 8), fg.BatchNorm(activation="relu"), fg.Dense(8, 1)])
    >>> [(name, array.shape) for name, array in net.named_buffers()]
    [('layers.1.running_mean', (8,)), ('layers.1.running_var', (8,))]
    """

    eps: float = 1e-5
    momentum: float = 0.1
    affine: bool = True
    activation: str = "identity"
    width: int = field(default=0, init=False, repr=False, compare=False)  # known once it stands in a network
    kind: ClassVar[str] = "batch_norm"

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "momentum", arrays.check_number(self.momentum, "momentum", 0.0, 1.0))

    @property
    def kernel(self) -> tuple[Any, ...]:
        """What the kernels need to know."""
        return "batch", self.eps, self.momentum, self.affine


@dataclass(frozen=True)
class LayerNorm(Norm):
    """Each row to mean 0 and variance 1 over its values: A = f(gamma (x - mean) / sqrt(var + eps) + beta).

    `eps`: above 0, joins the variance; `affine`: whether there are gamma and beta (one for each column), which are trained
    and start at 1 and 0; `activation`: a name of the catalog, default none.  It stands anywhere in the list of layers, and
    is as wide as what comes before it, or, in front, as the next `Dense` has inputs.  Training and prediction are alike.
    ValueError or TypeError where an argument is out of range or unknown.
    Source: Ba, Kiros & Hinton, Layer normalization, arXiv:1607.06450; PyTorch's LayerNorm.

    >>> import fastgrad as fg
    >>> fg.Network([fg.Dense(3, 8, "gelu"), fg.LayerNorm(), fg.Dense(8, 1)]).layers[1]
    LayerNorm(eps=1e-05, affine=True, activation='identity')
    """

    eps: float = 1e-5
    affine: bool = True
    activation: str = "identity"
    width: int = field(default=0, init=False, repr=False, compare=False)  # known once it stands in a network
    kind: ClassVar[str] = "layer_norm"

    def __post_init__(self) -> None:
        check(self)

    @property
    def kernel(self) -> tuple[Any, ...]:
        """What the kernels need to know."""
        return "layer", self.eps, 0.0, self.affine
