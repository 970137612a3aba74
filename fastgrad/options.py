"""What layers ask for themselves in training: held against the optimizer, and as kernels/options.pxi takes it."""

from __future__ import annotations

from collections.abc import Sequence

from . import formulas
from .embedding import Embedding
from .layers import Dense
from .optimizers import Optimizer
from .stack import Layer

# of one layer: frozen, factor of lr, l1, max_norm (0: none), the optimizer's hyperparameters where they are its own
Asked = tuple[bool, float, float, float, tuple[float, ...] | None]
NOTHING: Asked = (False, 1.0, 0.0, 0.0, None)


def for_kernels(layers: Sequence[Layer], optimizer: Optimizer) -> tuple[Asked, ...]:
    """One entry a layer; () where none asks for anything, so that such a network pays nothing.

    ValueError where the optimizer lacks what a layer asks for, or no layer is left to train.
    """
    trained = [layer for layer in layers if layer.shapes]
    if all(isinstance(layer, Dense | Embedding) and layer.frozen for layer in trained):
        raise ValueError(f"frozen: all {len(trained)} layers are, expected at least one that can be trained")
    asked = tuple(_asked(layer, k, optimizer) for k, layer in enumerate(layers))
    return () if set(asked) == {NOTHING} else asked


def _asked(layer: Layer, k: int, optimizer: Optimizer) -> Asked:
    if not isinstance(layer, Dense | Embedding):  # a norm has no such arguments
        return NOTHING
    numbers = None
    if layer.weight_decay is not None:
        names = list(formulas.expand_hyper(optimizer.row))
        if "weight_decay" not in names:
            raise ValueError(f"weight_decay={layer.weight_decay} of layer {k}: {type(optimizer).__name__} has none")
        at = names.index("weight_decay")
        numbers = (*optimizer.numbers[:at], layer.weight_decay, *optimizer.numbers[at + 1 :])
    elif layer.lr_factor != 1:
        numbers = optimizer.numbers
    l1, most = (layer.l1, layer.max_norm or 0.0) if isinstance(layer, Dense) else (0.0, 0.0)
    return layer.frozen, layer.lr_factor, l1, most, numbers
