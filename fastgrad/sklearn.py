"""scikit-learn's multi-layer perceptrons on fastgrad's kernels: change the import, and nothing else.

    from fastgrad.sklearn import MLPClassifier, MLPRegressor

AutoencoderDetector, an outlier detector after scikit-learn's and pyod's conventions, and MatrixFactorization, a recommender
after implicit's.

Arguments, attributes, methods, defaults of the perceptrons and the random numbers that they draw are those of
`sklearn.neural_network`, version 1.9, so that a float64 training follows the same trajectory.  Beyond it stand arguments
behind its own.  Two things differ on purpose.  A training whose loss stops being finite ends there, with the best parameters
where early stopping kept some, else with a ValueError; scikit-learn goes on to max_iter.  And where a warm start with early
stopping finds nothing better, the parameters are the best of before; scikit-learn's are the last.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .estimators.classifier import MLPClassifier
    from .estimators.detector import AutoencoderDetector
    from .estimators.recommender import MatrixFactorization
    from .estimators.regressor import MLPRegressor

_PLACES = {
    "AutoencoderDetector": ".estimators.detector",
    "MLPClassifier": ".estimators.classifier",
    "MLPRegressor": ".estimators.regressor",
    "MatrixFactorization": ".estimators.recommender",
}

__all__ = ["AutoencoderDetector", "MLPClassifier", "MLPRegressor", "MatrixFactorization"]

try:
    import sklearn  # noqa: F401 - asked for here, so that its absence is told at once
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise ModuleNotFoundError(
        "fastgrad.sklearn needs scikit-learn 1.6 or newer: pip install 'fastgrad[sklearn]'", name="sklearn"
    ) from error


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'fastgrad.sklearn' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PLACES[name], __package__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
