"""MatrixFactorization: what it learns, recommends and refuses; real ratings; scikit-learn's machinery.

Left out: the kernels (test_factorization_kernels.py), and what is refused (test_factorization_inputs.py).  scikit-learn's
check_estimator gives dense matrices whose zeros are zeros, which this estimator refuses; what of its promises makes sense
for sparse ratings is tested here.
"""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pages
import pytest

pytest.importorskip("sklearn")

from ratings import ITEMS, USERS, planted
from scipy import sparse
from sklearn.base import clone

from fastgrad.estimators import factors, ranks
from fastgrad.sklearn import MatrixFactorization

GUIDE = Path(__file__).parents[1] / "docs" / "recommenders.md"
RATINGS = Path(__file__).parents[1].parent / "shared" / "data" / "movielens-small" / "ratings.csv"


@pytest.fixture
def data(rng):
    return planted(rng)


@pytest.fixture
def model(data):
    return MatrixFactorization(4, regularization=1, random_state=0).fit(data[0])


def scores_of(model):
    """All scores in float64."""
    biases = model.global_mean_ + model.user_biases_.astype(float)[:, None] + model.item_biases_
    return biases + model.user_factors_.astype(float) @ model.item_factors_.T


# ---- what it learns


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_a_matrix_of_low_rank_is_recovered(data, dtype, scale):
    rows, whole, known = data
    model = MatrixFactorization(2, regularization=0.1, bias_regularization=0.1, iterations=60, random_state=0)
    model.set_params(dtype=dtype.name, tol=0.0).fit(rows * scale)
    error = (scores_of(model) - whole * scale)[~known]
    assert np.sqrt((error**2).mean()) < 0.05 * scale * whole.std()
    assert model.user_factors_.dtype == model.item_biases_.dtype == dtype
    assert model.user_factors_.shape == (USERS, 2) and model.item_biases_.shape == (ITEMS,)
    assert model.n_iter_ == 60 == len(model.loss_curve_)


def test_the_unit_of_ratings_does_not_matter(data):
    stars, percents = (MatrixFactorization(3, random_state=0).fit(data[0] * by) for by in (1, 20))
    np.testing.assert_allclose(scores_of(percents), 20 * scores_of(stars), rtol=1e-3, atol=1e-3)
    assert percents.loss_curve_[-1] == pytest.approx(400 * stars.loss_curve_[-1], rel=1e-4)


def test_the_loss_is_what_is_minimised_and_falls(data, rng):
    rows = data[0]
    weight = rows.copy()
    weight.data = rng.uniform(0.5, 2, rows.nnz)
    for w in (None, weight):
        model = MatrixFactorization(3, dtype="float64", random_state=0, tol=0).fit(rows, sample_weight=w)
        given = np.ones(rows.nnz) if w is None else w.data
        assert model.global_mean_ == pytest.approx(np.average(rows.data, weights=given))
        u, i = rows.nonzero()
        s = model.rating_scale_
        total = (given * ((rows.data - scores_of(model)[u, i]) / s) ** 2).sum()
        total += 15 / s * ((model.user_factors_**2).sum() + (model.item_factors_**2).sum())
        total += 2.5 / s**2 * ((model.user_biases_**2).sum() + (model.item_biases_**2).sum())
        assert model.loss_curve_[-1] == pytest.approx(total * s**2 / given.sum(), rel=1e-9)
        assert (np.diff(model.loss_curve_) < 0).all() and len(model.loss_curve_) == 15


def test_rounds_end_where_nothing_is_gained(data):
    model = MatrixFactorization(3, iterations=500, tol=1e-3, random_state=0).fit(data[0])
    last = model.loss_curve_[-3:]
    assert model.n_iter_ < 100 and (last[1] - last[2]) / last[1] < 1e-3 <= (last[0] - last[1]) / last[0]


def test_biases_alone(data):
    rows = data[0]
    model = MatrixFactorization(0, bias_regularization=0.01, random_state=0, iterations=50).fit(rows)
    u, i = rows.nonzero()
    dummies = np.zeros((rows.nnz, USERS + ITEMS))
    dummies[np.arange(rows.nnz), u] = dummies[np.arange(rows.nnz), USERS + i] = 1
    normal = np.linalg.pinv(dummies.T @ dummies) @ (dummies.T @ (rows.data - rows.data.mean()))
    best = dummies @ normal + rows.data.mean()
    np.testing.assert_allclose(scores_of(model)[u, i], best, atol=0.02)
    assert model.user_factors_.shape == (USERS, 0)


@pytest.mark.parametrize("loss", ["squared", "bpr"])
def test_one_seed_gives_the_same_bits_whatever_the_threads(data, loss, dtype):
    rows = planted(np.random.default_rng(0), 400, 300, filled=0.2)[0]
    given = {"loss": loss, "dtype": dtype.name, "iterations": 4}
    assert factors.block_count(rows.shape, (rows > 0).sum()) == 4  # of which three threads have unlike shares
    found = [MatrixFactorization(5, n_jobs=n, random_state=0, **given).fit(rows) for n in (None, -1, 1, 2, 3)]
    for other in found[1:]:
        for name in ("user_factors_", "item_factors_", "user_biases_", "item_biases_"):
            assert getattr(other, name).tobytes() == getattr(found[0], name).tobytes()
        assert other.loss_curve_ == found[0].loss_curve_
    again = MatrixFactorization(5, random_state=1, **given).fit(rows)
    assert (again.item_factors_ != found[0].item_factors_).any()


@pytest.mark.parametrize("loss", ["squared", "bpr"])
def test_an_entry_of_weight_zero_is_not_there(data, loss):
    rows = data[0]
    weight = rows.copy()
    weight.data = (np.arange(rows.nnz) % 3 > 0) * 1.0
    kept = weight.data > 0
    u, i = rows.nonzero()
    fewer = sparse.csr_array((rows.data[kept], (u[kept], i[kept])), shape=rows.shape)
    ours = MatrixFactorization(3, loss=loss, iterations=3, random_state=0).fit(rows, sample_weight=weight)
    plain = MatrixFactorization(3, loss=loss, iterations=3, random_state=0).fit(fewer)
    np.testing.assert_allclose(ours.item_factors_, plain.item_factors_, rtol=1e-5, atol=1e-6)


def test_explicit_zeros_are_ratings_but_no_choices():
    u, i = np.indices((20, 10)).reshape(2, -1)
    rows = sparse.csr_array(((i < 5) * 4.0, (u, i)), shape=(20, 10))
    rated = MatrixFactorization(1, bias_regularization=0.1, random_state=0).fit(rows)
    assert rated.rating_range_ == (0, 4) and rated.predict(3, 7) < 0.5 < 3.5 < rated.predict(3, 2)
    chosen = MatrixFactorization(1, loss="bpr", random_state=0).fit(rows)
    assert chosen.item_biases_[:5].min() > chosen.item_biases_[5:].max()


# ---- pairs, scores


def test_predictions_are_scores_within_the_range_of_the_ratings(data, model):
    rows, whole, _ = data
    u, i = np.indices(whole.shape)
    exact = np.clip(scores_of(model), rows.data.min(), rows.data.max())
    np.testing.assert_allclose(model.predict(u, i), exact, atol=1e-4)
    np.testing.assert_array_equal(model.predict(3, i[3]), model.predict(u, i)[3])
    assert model.predict(3, 4).shape == () and model.predict([], []).shape == (0,)
    error = exact[rows.nonzero()] - rows.data
    assert model.score(rows) == pytest.approx(-np.sqrt((error**2).mean()), rel=1e-4)


def test_users_and_items_without_ratings_get_the_mean(rng):
    rows = sparse.csr_array(planted(rng, 20, 10)[0])
    rows.resize(25, 13)
    model = MatrixFactorization(2, random_state=0).fit(rows)
    assert not model.user_factors_[20:].any() and not model.item_biases_[10:].any()
    assert model.predict(22, 12) == pytest.approx(model.global_mean_)
    assert (model.similar_items(12, 3)[1] == 0).all()
    chosen = MatrixFactorization(2, loss="bpr", random_state=0, iterations=20).fit(rows)
    ids, _ = chosen.recommend(22, rows[[22]], N=13)
    np.testing.assert_array_equal(ids, np.argsort(-chosen.item_biases_, kind="stable"))


# ---- the best


def test_recommendations_are_the_highest_scores(data, model, monkeypatch):
    rows, _, known = data
    exact = np.where(known, -np.inf, scores_of(model))
    users = np.array([5, 3, 149, 3])
    for block in (1, 10**6):
        monkeypatch.setattr(ranks, "BLOCK_SCORES", block)
        ids, scores = model.recommend(users, rows[users], N=7)
        np.testing.assert_array_equal(ids, np.argsort(-exact[users], axis=1)[:, :7])
        np.testing.assert_allclose(scores, np.take_along_axis(exact[users], ids, 1), rtol=1e-5)
    one = model.recommend(5, rows[[5]], N=7)
    assert one[0].shape == one[1].shape == (7,)
    np.testing.assert_array_equal(one[0], ids[0])
    everything = model.recommend(5, N=7, filter_already_liked_items=False)[0]
    np.testing.assert_array_equal(everything, np.argsort(-scores_of(model)[5])[:7])


def test_candidates_and_filters(data, model):
    rows, _, known = data
    exact = np.where(known, -np.inf, scores_of(model))[8]
    some, hidden = np.arange(0, ITEMS, 2), [0, 4, 8, 12]
    ids, _ = model.recommend(8, rows[[8]], N=5, items=some[::-1], filter_items=hidden)
    left = np.setdiff1d(some, hidden)
    np.testing.assert_array_equal(ids, left[np.argsort(-exact[left])][:5])
    ids, scores = model.recommend(8, rows[[8]], N=50)
    unknown = int((~known[8]).sum())
    assert unknown < 50 and (ids[unknown:] == -1).all() and (scores[unknown:] == -np.inf).all()
    assert sorted(ids[:unknown]) == np.flatnonzero(~known[8]).tolist()
    nothing = model.recommend([1, 2], rows[[1, 2]], N=3, items=[])
    assert (nothing[0] == -1).all() and nothing[0].shape == (2, 3)


def test_factors_of_users_that_were_never_seen(data, dtype):
    rows, whole, known = data
    model = MatrixFactorization(4, regularization=1, random_state=0, dtype=dtype.name).fit(rows[:100])
    scores = {u: model.recommend(0, rows[[u]], N=ITEMS, recalculate_user=True) for u in range(100, USERS)}
    error = [values[j] - whole[u, i] for u, (ids, values) in scores.items() for j, i in enumerate(ids) if i >= 0]
    assert np.sqrt(np.mean(np.square(error))) < 0.5 * whole.std()
    # of a user that was seen, the solution against the items as they are: one half of a round more
    side = factors.Side(
        rows[:100].indptr.astype(np.int64),
        rows[:100].indices.astype(np.int32),
        ((rows[:100].data - model.global_mean_) / model.rating_scale_).astype(dtype),
        None,
    )
    other = factors.table(ITEMS, 4, dtype)
    other[:, :4] = model.item_factors_ / model.rating_scale_**0.5
    other[:, 4] = model.item_biases_ / model.rating_scale_
    P = factors.table(100, 4, dtype)
    factors.solve(side, other, factors.ridges(4, 1, 2.5, dtype), 1, P)
    again = scores_of(model) * 0 + model.global_mean_ + model.item_biases_ + P[:, 4:5] * model.rating_scale_
    again += P[:, :4] @ model.item_factors_.T * model.rating_scale_**0.5
    found = model.recommend(np.arange(100), rows[:100], N=1, recalculate_user=True)
    np.testing.assert_allclose(found[1][:, 0], np.where(known[:100], -np.inf, again).max(1), rtol=1e-4)
    stranger = model.recommend(10**9, sparse.csr_array((1, ITEMS)), N=3, recalculate_user=True)
    np.testing.assert_array_equal(stranger[0], np.argsort(-model.item_biases_)[:3])


@pytest.mark.parametrize("kind", ["item", "user"])
def test_similar_ones_are_those_of_the_smallest_angle(data, model, kind):
    table = getattr(model, f"{kind}_factors_").astype(float)
    ask = getattr(model, f"similar_{kind}s")
    units = table / np.linalg.norm(table, axis=1)[:, None]
    cosines = units @ units.T
    ids, values = ask([7, 9], N=5)
    np.testing.assert_array_equal(ids, np.argsort(-cosines[[7, 9]], axis=1)[:, :5])
    np.testing.assert_allclose(values, np.sort(cosines[[7, 9]], axis=1)[:, :-6:-1], rtol=1e-5)
    assert ids[0, 0] == 7 and values[0, 0] == pytest.approx(1)
    np.testing.assert_array_equal(ask(7, N=5)[0], ids[0])
    some = ask(7, 4, **{f"{kind}s": range(20), f"filter_{kind}s": [7]})[0]
    np.testing.assert_array_equal(some, [i for i in np.argsort(-cosines[7]) if i < 20 and i != 7][:4])


# ---- training as others know it


def test_ctrl_c_keeps_the_last_whole_iteration(data, monkeypatch):
    plain, solve, calls = MatrixFactorization(3, iterations=2, random_state=0).fit(data[0]), factors.solve, []

    def press(*given):
        calls.append(given)
        if len(calls) == 6:  # within the third round, its items
            raise KeyboardInterrupt
        return solve(*given)

    monkeypatch.setattr(factors, "solve", press)
    with pytest.warns(UserWarning, match="interrupted by user") as told:
        model = MatrixFactorization(3, random_state=0).fit(data[0])
    assert told[0].filename == __file__
    assert model.n_iter_ == 2 and model.item_factors_.tobytes() == plain.item_factors_.tobytes()
    assert model.user_factors_.tobytes() == plain.user_factors_.tobytes()
    calls[:] = [None] * 5
    with pytest.raises(KeyboardInterrupt):
        MatrixFactorization(3, random_state=0).fit(data[0])


def test_words(data, capsys):
    MatrixFactorization(2, iterations=2, verbose=True).fit(data[0])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("Iteration 2, loss = ")


def test_pickles_clones_and_searches(data, model):
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(3, np.arange(ITEMS)), model.predict(3, np.arange(ITEMS)))
    other = clone(model)
    assert other.get_params() == model.get_params() and not hasattr(other, "item_factors_")
    assert repr(other) == "MatrixFactorization(factors=4, random_state=0, regularization=1)"
    assert other.set_params(factors=2).fit(data[0], None).item_factors_.shape == (ITEMS, 2)
    assert other.n_features_in_ == ITEMS and other.__sklearn_tags__().input_tags.sparse


def test_the_guide(capsys):
    if not GUIDE.is_file():
        pytest.skip(f"{GUIDE} is not here")
    number, names = pages.run(GUIDE)
    errors, *_, ours, popular = capsys.readouterr().out.splitlines()
    assert number == 7 and names["ids"].shape == (3,)
    ours_error, bias_error = map(float, re.findall(r"0\.\d+", errors))
    assert ours_error < 0.9 * bias_error
    assert float(ours.split()[-1]) > float(popular.split()[-1]) + 0.05


# ---- real ratings: 100836 of 610 users


@pytest.fixture(scope="module")
def stars():
    """(train, test): the split of the data's README."""
    if not RATINGS.is_file():
        pytest.skip(f"{RATINGS} is not here")
    user, movie, rating, _ = np.loadtxt(RATINGS, delimiter=",", skiprows=1).T
    (_, u), (_, i) = (np.unique(ids, return_inverse=True) for ids in (user, movie))
    order = np.random.RandomState(0).permutation(len(rating))
    parts = np.split(order, [round(0.9 * len(rating))])
    return [sparse.csr_array((rating[p], (u[p], i[p])), shape=(u.max() + 1, i.max() + 1)) for p in parts]


def test_real_ratings_as_well_as_the_reference(stars):
    train, test = stars
    errors = [-MatrixFactorization(k, random_state=0).fit(train).score(test) for k in (32, 0)]
    assert errors[0] <= 0.837 and errors[1] <= 0.853  # the README's, for factors and for biases alone


def test_ranking_of_real_choices_beats_popularity(stars):
    train, test = (part * (part >= 4) for part in stars)
    for part in (train, test):
        part.eliminate_zeros()
    model = MatrixFactorization(loss="bpr", random_state=0).fit(train)
    popular = copy.copy(model)
    popular.user_factors_ = np.zeros_like(model.user_factors_)
    popular.item_biases_ = np.bincount(train.indices, minlength=train.shape[1]).astype(np.float32)
    hits = []
    users = np.flatnonzero(np.diff(test.indptr))
    chosen = test.toarray() > 0
    for each in (model, popular):
        ids, _ = each.recommend(users, train[users])
        hits.append(np.take_along_axis(chosen[users], ids, 1).mean())
    assert model.score(test, known=train) > popular.score(test, known=train) + 0.015
    assert hits[0] > 1.2 * hits[1]
