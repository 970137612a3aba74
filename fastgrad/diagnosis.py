"""Where a value that is not finite began, layer by layer in NumPy: for the error of a training that diverged."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .network import Record

Array = npt.NDArray[Any]


def last_bad_layer(record: Record, params: Array) -> int | None:
    """The last layer with parameters that are not finite: where a gradient, on its way back, became so first."""
    for k in reversed(range(len(record.layers))):
        if not all(np.isfinite(part).all() for part in record.layer_arrays(params, k)):
            return k
    return None


def first_bad_layer(record: Record, params: Array, X: Any) -> int | None:
    """The first layer whose output is not finite, walking a batch, dense or of SciPy's sparse kind, through NumPy."""
    A = X.astype(np.float64)
    with np.errstate(all="ignore"):
        for k, layer in enumerate(record.layers):
            W, b = record.layer_arrays(params, k)
            Z = (A @ W.astype(np.float64) + b).astype(record.dtype)
            if not np.isfinite(Z).all():
                return k
            out, slope = np.empty_like(Z), np.ones_like(Z)
            record.kernels.activation(layer.activation, Z, out, slope)
            if not np.isfinite(out).all():
                return k
            A = out.astype(np.float64)
    return None
