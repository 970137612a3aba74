"""Networks with norms, and rows for them, that the tests of norms share."""

from __future__ import annotations

import fastgrad as fg

NORMS = (fg.BatchNorm, fg.LayerNorm)


def three(norm, width, dtype="float64", **more):
    """A norm in front, one with an activation, one without parameters."""
    layers = [
        norm(),
        fg.Dense(5, width),
        norm(activation="tanh"),
        fg.Dense(width, 19, "gelu"),
        norm(affine=False, eps=1e-3),
    ]
    return fg.Network([*layers, fg.Dense(19, 3)], **{"loss": "cross_entropy", "dtype": dtype, "seed": 1, **more})


def rows_of(rng, rows, dtype="float64"):
    return (rng.normal(size=(rows, 5)) * 3 + 10 * rng.normal(size=5)).astype(dtype), rng.integers(0, 3, rows)
