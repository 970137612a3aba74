"""Rows with anomalies planted in them, and a small detector for them: what both tests of the detector work on."""

import numpy as np

from fastgrad.sklearn import AutoencoderDetector

CODE, ROWS, FEATURES = 2, 800, 6


def detector(**other):
    return AutoencoderDetector(
        **{"hidden_layer_sizes": (16, CODE, 16), "activation": "tanh", "random_state": 0} | other
    )


def make_planted():
    """(X, y, feature): six features of which two things vary, and 1 in 100 rows with one feature that does not fit."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(ROWS, 2)) @ rng.normal(size=(2, FEATURES)) * 10.0 ** np.arange(FEATURES) + 100
    deviation, y, feature = X.std(0), np.zeros(ROWS, int), np.full(ROWS, -1)
    for k, row in enumerate(rng.permutation(ROWS)[: ROWS // 100]):
        y[row], feature[row] = 1, k % FEATURES
        X[row, k % FEATURES] += (-1) ** k * 5 * deviation[k % FEATURES]
    return X, y, feature
