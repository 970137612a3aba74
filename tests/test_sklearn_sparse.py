"""The estimators on CSR: as on its dense twin to the bit, and along scikit-learn's trajectory."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from oracle import sparse


def estimators():
    neural = pytest.importorskip("sklearn.neural_network")
    import fastgrad.sklearn as ours

    return [(ours.MLPClassifier, neural.MLPClassifier), (ours.MLPRegressor, neural.MLPRegressor)]


@pytest.mark.parametrize("which", [0, 1], ids=["classifier", "regressor"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"early_stopping": True},
        {"solver": "sgd", "learning_rate": "adaptive"},
        {"solver": "lbfgs"},
        {"shuffle": False},
    ],
    ids=str,
)
def test_estimators_follow_scikit_learn_on_csr(which, more, rng):
    ours, theirs = estimators()[which]
    X, y = sparse(rng, 220, 60, share=0.2), rng.integers(0, 3, 220)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, data in ((ours, X), (ours, X.toarray()), (theirs, X)):
            found.append(kind(hidden_layer_sizes=(12,), random_state=3, max_iter=8, **more).fit(data, y))
    csr_one, dense, sklearn_one = found
    for W, twin, other in zip(csr_one.coefs_, dense.coefs_, sklearn_one.coefs_, strict=True):
        assert np.array_equal(W, twin)
        # eight steps of a line search amplify the rounding that eight epochs do not
        np.testing.assert_allclose(W, other, rtol=1e-5, atol=1e-6 if more.get("solver") == "lbfgs" else 1e-9)
    assert csr_one.n_iter_ == sklearn_one.n_iter_
    np.testing.assert_allclose(csr_one.loss_, sklearn_one.loss_, rtol=1e-6)
    assert np.array_equal(csr_one.predict(X), dense.predict(X.toarray()))
    assert np.array_equal(csr_one.predict(X.tocsc()), csr_one.predict(X))
    assert np.array_equal(csr_one.transform(X), dense.transform(X.toarray()))


def test_estimators_take_a_sparse_validation_set(rng):
    ours = estimators()[0][0]
    X, y = sparse(rng, 120, 30, dtype="float32"), rng.integers(0, 2, 120)
    fitted = []
    for form in (sp.csr_array, lambda A: A.toarray(), sp.csc_matrix):
        given = (form(X[:40]), y[:40])
        one = ours(8, random_state=0, validation_set=given, early_stopping=True, max_iter=5, optimizer="adagrad")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted.append(one.fit(form(X[40:]), y[40:]))
        one.partial_fit(form(X[40:]), y[40:])
    for one in fitted[1:]:
        assert one.validation_loss_curve_ == fitted[0].validation_loss_curve_
        assert np.array_equal(one.coefs_[0], fitted[0].coefs_[0]) and one.coefs_[0].dtype == np.float32
