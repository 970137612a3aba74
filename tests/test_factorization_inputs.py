"""MatrixFactorization: which matrices and questions it takes, and how it refuses the others."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from ratings import ITEMS, USERS, planted
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from fastgrad.sklearn import MatrixFactorization


@pytest.fixture
def data(rng):
    return planted(rng)


@pytest.fixture
def model(data):
    return MatrixFactorization(4, regularization=1, random_state=0).fit(data[0])


# ---- scikit-learn's checks, of what needs no data


def test_scikit_learn_checks():
    found = check_estimator(MatrixFactorization(), on_fail=None, on_skip=None)
    passed = {result["check_name"] for result in found if result["status"] == "passed"}
    assert passed >= {
        "check_estimator_cloneable", "check_estimator_tags_renamed", "check_valid_tag_types", "check_estimator_repr",
        "check_no_attributes_set_in_init", "check_do_not_raise_errors_in_init_or_set_params", "check_mixin_order",
        "check_parameters_default_constructible", "check_get_params_invariance", "check_set_params",
    }  # fmt: skip


# ---- what it takes


def test_row_numbers_with_wide_gaps(data):
    rows = data[0].tocoo()
    far = sparse.coo_array((rows.data, (rows.row * 1000, rows.col * 500)), shape=(USERS * 1000, ITEMS * 500))
    near, wide = (MatrixFactorization(2, iterations=60, tol=0, random_state=0).fit(x) for x in (rows, far))
    assert not wide.user_factors_[1:1000].any() and not wide.item_biases_[1:500].any()
    u, i = rows.row, rows.col  # the first factors are others, but what they come to is the same
    np.testing.assert_allclose(wide.predict(u * 1000, i * 500), near.predict(u, i), atol=0.02)


def test_ratings_that_are_all_the_same_are_told(data):
    with pytest.warns(UserWarning, match="all ratings are 1; for what users chose there is loss='bpr'") as told:
        model = MatrixFactorization(2).fit(data[0] != 0)
    assert told[0].filename == __file__
    assert model.predict(0, 0) == 1 and model.score(data[0] != 0) == 0


@pytest.mark.parametrize("form", ["coo", "csc", "lil", "dok", "bsr", "matrix", "unsorted", "integers"])
def test_any_sparse_format_is_read_and_left_alone(data, form):
    rows = sparse.csr_array(np.rint(data[0].toarray()))
    if form == "unsorted":
        given = rows.copy()
        for a, b in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
            given.indices[a:b], given.data[a:b] = rows.indices[a:b][::-1], rows.data[a:b][::-1]
        given.has_sorted_indices = given.has_canonical_format = False
    elif form == "integers":
        given = rows.astype(np.int16)
    else:
        given = sparse.csr_matrix(rows) if form == "matrix" else rows.asformat(form)
    before = copy.deepcopy(given)
    ours, plain = (MatrixFactorization(2, iterations=2, random_state=0).fit(x) for x in (given, rows))
    np.testing.assert_array_equal(ours.item_factors_, plain.item_factors_)
    if form == "unsorted":
        np.testing.assert_array_equal(given.indices, before.indices)
    np.testing.assert_array_equal(given.toarray(), before.toarray())


def broken(rows, value):
    rows = rows.copy()
    rows.data[5] = value
    return rows


@pytest.mark.parametrize(
    "change, error, words",
    [
        (lambda m: m.toarray(), TypeError, "sparse matrix of scipy, users x items, got ndarray"),
        (lambda m: m.astype(complex), TypeError, "real numbers, got dtype complex"),
        (lambda m: broken(m, np.nan), ValueError, "nan for user 0 and item"),
        (lambda m: broken(m, np.inf), ValueError, "inf for user 0 and item"),
        (lambda m: broken(m, 1e300), ValueError, "too large"),
        (lambda m: sparse.csr_array(m.shape), ValueError, "no rating"),
        (lambda m: sparse.csr_array((0, 5)), ValueError, "no rating"),
        (lambda m: sparse.coo_array(([1.0, 2], ([0, 0], [3, 3])), shape=(2, 5)), ValueError, "1 entries twice"),
        (lambda m: sparse.csr_array(([1.0, 2], [3, 3], [0, 2, 2]), shape=(2, 5)), ValueError, "1 entries twice"),
    ],
)
def test_matrices_that_cannot_be_ratings(data, change, error, words):
    model = MatrixFactorization(2, iterations=1, random_state=0).fit(data[0])
    before = pickle.dumps(model)
    with pytest.raises(error, match=words):
        model.fit(change(data[0]))
    assert pickle.dumps(model) == before


def test_indices_beyond_the_matrix_are_refused(data):
    for bad in (-1, ITEMS):
        rows = data[0].copy()
        rows.indices[3] = bad
        with pytest.raises(ValueError, match=r"ind(ex|ices)"):
            MatrixFactorization().fit(rows)


def test_weights_that_do_not_fit(data):
    rows = data[0]
    other = rows.copy()
    other.data = np.ones(rows.nnz)
    for weight, words in (
        (other[:-1], "same entries"),
        (broken(other, -1), "negative"),
        (broken(other, np.nan), "nan"),
        (other * 0, "weight above 0"),
    ):
        with pytest.raises(ValueError, match=words):
            MatrixFactorization().fit(rows, sample_weight=weight)
    with pytest.raises(TypeError, match="sample_weight must be a sparse"):
        MatrixFactorization().fit(rows, sample_weight=np.ones(USERS))


@pytest.mark.parametrize(
    "change",
    [{"factors": -1}, {"loss": "warp"}, {"regularization": -1}, {"iterations": 0}, {"learning_rate": 0}, {"n_jobs": 0}],
)
def test_arguments_out_of_range(data, change):
    with pytest.raises(ValueError, match=next(iter(change))):
        MatrixFactorization(**change).fit(data[0])


def test_questions_that_have_no_answer(data, model):
    rows = data[0]
    for ask, words in (
        (lambda: model.predict([0, -1], [0, 0]), "users holds -1; there are 150"),
        (lambda: model.predict(0, ITEMS), "items holds 60"),
        (lambda: model.predict([0, 1], [0, 1, 2]), r"one shape, got \(2,\) and \(3,\)"),
        (lambda: model.recommend(USERS, rows[[0]]), "userid holds 150"),
        (lambda: model.recommend(0, rows), r"must have 1 rows and 60 columns.*got \(150, 60\)"),
        (lambda: model.recommend(0, rows[[0]][:, :5]), "60 columns"),
        (lambda: model.recommend(0), "user_items is needed"),
        (lambda: model.recommend(0, rows[[0]], N=0), "N must be"),
        (lambda: model.recommend(0, rows[[0]], items=[99]), "items holds 99"),
        (lambda: model.similar_items(-2), "itemid holds -2"),
        (lambda: model.similar_users(0, filter_users=[1000]), "filter_users holds 1000"),
        (lambda: model.score(sparse.csr_array(rows.shape)), "nothing to score"),
        (lambda: model.score(rows, known=rows), "bpr"),
        (lambda: model.score(rows[:3]), "150 rows"),
    ):
        with pytest.raises(ValueError, match=words):
            ask()
    with pytest.raises(TypeError, match="userid must be integers"):
        model.recommend(1.5, rows[[0]])
    with pytest.raises(NotFittedError):
        MatrixFactorization().predict(0, 0)
    chosen = MatrixFactorization(2, loss="bpr", iterations=1).fit(rows)
    with pytest.raises(ValueError, match="recalculate_user needs loss='squared'"):
        chosen.recommend(0, rows[[0]], recalculate_user=True)
    with pytest.raises(ValueError, match="no longer finite in iteration"):
        MatrixFactorization(2, loss="bpr", learning_rate=1e30).fit(rows)
