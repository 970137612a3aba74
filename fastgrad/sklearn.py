"""scikit-learn's multi-layer perceptrons on fastgrad's kernels: change the import, and nothing else.

    from fastgrad.sklearn import MLPClassifier, MLPRegressor

and AutoencoderDetector, an outlier detector after scikit-learn's and pyod's conventions.

Arguments, attributes, methods, defaults of the perceptrons and the random numbers that they draw are those of
`sklearn.neural_network`, version 1.9, so that a float64 training follows the same trajectory.  Beyond it stand arguments
behind its own.  Sparse input is made dense inside the estimator.  Needs scikit-learn: `pip install fastgrad[sklearn]`.
"""

from .estimators.classifier import MLPClassifier
from .estimators.detector import AutoencoderDetector
from .estimators.regressor import MLPRegressor

__all__ = ["AutoencoderDetector", "MLPClassifier", "MLPRegressor"]
