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

try:
    from .estimators.classifier import MLPClassifier
    from .estimators.detector import AutoencoderDetector
    from .estimators.recommender import MatrixFactorization
    from .estimators.regressor import MLPRegressor
except ModuleNotFoundError as error:
    if (error.name or "").split(".")[0] != "sklearn":
        raise
    raise ModuleNotFoundError(
        "fastgrad.sklearn needs scikit-learn 1.6 or newer: pip install 'fastgrad[sklearn]'", name="sklearn"
    ) from error

__all__ = ["AutoencoderDetector", "MLPClassifier", "MLPRegressor", "MatrixFactorization"]
