"""fastgrad: dense networks trained at the speed of the hardware, from NumPy arrays.

The public names, loaded when first used.  `import fastgrad` costs what `import numpy` costs plus a few milliseconds.
"""

from __future__ import annotations

import importlib
from typing import Any

from . import catalog

_PLACES = {
    "Network": "model",
    "load": "model",
    "Dense": "layers",
    "Dropout": "layers",
    "Embedding": "embedding",
    "EMA": "averaging",
    "SWA": "averaging",
    "BatchNorm": "norms",
    "LayerNorm": "norms",
    "Residual": "stack",
    "History": "history",
    "DivergenceError": "history",
    "check_gradients": "check",
    "GradientReport": "check",
    "GradientCheckError": "check",
    **dict.fromkeys(
        ("grad", "value_and_grad", "partial", "jacobian", "hessian", "hvp", "jvp", "vjp", "Derivative",
         "DifferentiationError", "custom_gradient"), "derivatives"),
    **{row.public: "losses" for row in catalog.LOSSES.values()},
    **{row.public: "optimizers" for row in catalog.OPTIMIZERS.values()},
    **dict.fromkeys(
        ("Constant", "StepDecay", "ExponentialDecay", "Polynomial", "InverseScaling", "Cosine", "WarmRestarts",
         "OneCycle", "ReduceOnPlateau"), "schedules"),
}  # fmt: skip

__all__ = [*_PLACES, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("fastgrad")
    if name not in _PLACES:
        raise AttributeError(f"module 'fastgrad' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
