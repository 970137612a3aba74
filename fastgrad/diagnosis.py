"""Where a value that is not finite began, layer by layer in NumPy: for the error of a training that diverged."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .embedding import Embedding, expanded
from .network import Record
from .norms import BatchNorm, Norm

Array = npt.NDArray[Any]


def last_bad_layer(record: Record, params: Array) -> int | None:
    """The last layer with parameters that are not finite: where a gradient, on its way back, became so first."""
    for part in reversed(record.parts):
        if not all(np.isfinite(array).all() for array in record.layer_arrays(params, part.layer, part.table)):
            return part.layer
    return None


def first_bad_layer(record: Record, params: Array, X: Any) -> int | None:
    """The first layer whose output is not finite, walking a batch of training through NumPy, without dropout.

    X: an array, or one of SciPy's sparse arrays.
    """
    outputs: list[Any] = [X.astype(np.float64)]
    with np.errstate(all="ignore"):
        for k, layer in enumerate(record.layers):
            Z = before_activation(record, params, k, outputs[-1]).astype(record.dtype)
            if not np.isfinite(Z).all():
                return k
            out, slope = np.empty_like(Z), np.ones_like(Z)
            record.kernels.activation(layer.activation, Z, out, slope)
            out = out.astype(np.float64) + sum(outputs[start] for start, end in record.blocks if end == k)
            if not np.isfinite(out.astype(record.dtype)).all():
                return k
            outputs.append(out)
    return None


def before_activation(record: Record, params: Array, k: int, A: Array) -> Array:
    """Z of layer k for its input A (N, I), in float64; a batch norm takes the statistics of these rows."""
    layer = record.layers[k]
    if isinstance(layer, Embedding):
        return expanded(layer, A, [record.layer_arrays(params, k, j)[0] for j in range(len(layer.columns))])
    parts = record.layer_arrays(params, k) if layer.shapes else (1.0, 0.0)
    W, b = (np.asarray(part, np.float64) for part in parts)
    if not isinstance(layer, Norm):
        return np.asarray(A @ W + b)
    axis = 0 if isinstance(layer, BatchNorm) else 1
    centred = A - A.mean(axis, keepdims=True)
    return np.asarray(centred / np.sqrt(centred.var(axis, keepdims=True) + layer.eps) * W + b)
