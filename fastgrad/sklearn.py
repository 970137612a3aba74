"""scikit-learn's multi-layer perceptrons on fastgrad's kernels: change the import, and nothing else.

    from fastgrad.sklearn import MLPClassifier, MLPRegressor

Arguments, attributes, methods, defaults and the random numbers drawn are those of `sklearn.neural_network`, version 1.9,
so that a float64 training follows the same trajectory.  Beyond it stand arguments behind its own.  Sparse input is made
dense inside the estimator.  Needs scikit-learn: `pip install fastgrad[sklearn]`.
"""

from .estimators.classifier import MLPClassifier
from .estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
