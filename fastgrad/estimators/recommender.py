"""MatrixFactorization: what users will think of items, from what users thought of other items.

Promises: implicit's names and returns; the same bits for one seed whatever the threads.  Leaves out: features of users and
items, time, and weighted implicit feedback as in Hu, Koren & Volinsky (every unknown entry a zero).
"""

from __future__ import annotations

import copy
import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from . import factors, ranks
from .ratings import moments, read_count, read_ids, read_matrix, read_training, side_of

Array = npt.NDArray[Any]
# what None stands for: regularization, bias_regularization, iterations
DEFAULTS = {"squared": (15.0, 2.5, 15), "bpr": (0.01, 0.01, 100)}
PAIRS = 1 << 16  # that are predicted at a time


class MatrixFactorization(BaseEstimator):  # type: ignore[misc]
    """A recommender: each user and each item gets a vector of factors and a bias.

    With `loss="squared"` the stored entries are ratings r, explained as mean + user's bias + item's bias + p q.
    Minimised is the sum of w ((r - that) / deviation of the ratings)^2 + regularization (|p|^2 + |q|^2) +
    bias_regularization (biases^2 / deviation^2) by alternating least squares, in which p and q are in units of the
    deviation's root, so that the regularization means the same for stars and for percents.  An explicit zero is a rating of
    0; what is not stored is unknown.  With `loss="bpr"` an entry above 0 says that the user chose the item, and nothing
    else; the others, stored or not, are not chosen.  Minimised is, over pairs of an item that the user chose and one
    drawn from those not chosen, log(1 + exp(-difference of their scores)), by stochastic gradient descent.

    Arguments:
    `factors`: how many; 0 leaves the biases alone.  `regularization`, `bias_regularization`: the terms above, None for 15
    and 2.5, for bpr 0.01 and 0.01 (there a step shrinks what it touches by learning_rate times this).  Few ratings
    of a user or an item weigh little against it, and so they should; with many more ratings a user than some hundred it
    may be larger.  `iterations`: rounds of least squares or passes over the entries, None for 15 and 100.
    `learning_rate`: of bpr.  `tol`: rounds end where the loss falls by less than this share of it; not for bpr.
    `n_jobs`: threads; None and -1 use as many as help, the result is the same, bit for bit.  `dtype`: of the factors,
    "float32" or "float64".  `random_state`: of first factors, shuffles and draws.  `verbose`: print each iteration's loss.

    Attributes:
    `user_factors_` (U, k), `item_factors_` (I, k), `user_biases_` (U,), `item_biases_` (I,), `global_mean_`: a score is
    global_mean_ + user_biases_[u] + item_biases_[i] + user_factors_[u] @ item_factors_[i]; for bpr the mean and the users'
    biases are 0.  `rating_range_`: the lowest and the highest rating, None for bpr.  `rating_scale_`: the deviation.
    `loss_curve_`: after each iteration what is minimised, per entry, in squared units of the ratings; for bpr the mean
    over the pairs of the pass.  `n_iter_`; `n_features_in_`: items.

    Matrices are scipy's, users x items, of any format.  In every method TypeError or ValueError says what is wrong with an
    argument; ValueError also where the loss of bpr stops being finite.

    Sources: Koren, Bell & Volinsky, Matrix factorization techniques for recommender systems, IEEE Computer 42 (2009);
    Rendle, Freudenthaler, Gantner & Schmidt-Thieme, BPR: Bayesian personalized ranking from implicit feedback, UAI 2009;
    blocks that share neither users nor items: Gemulla, Nijkamp, Haas & Sismanis, KDD 2011.  Names: implicit 0.7.

    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> rng = np.random.default_rng(0)
    >>> stars = np.clip(np.round(3 + rng.normal(size=(300, 2)) @ rng.normal(size=(2, 40))), 1, 5)
    >>> known = rng.random(stars.shape) < 0.5
    >>> model = MatrixFactorization(factors=4, random_state=0).fit(csr_array(stars * known))
    >>> u, i = np.nonzero(~known)
    >>> bool(np.sqrt(np.mean((model.predict(u, i) - stars[u, i]) ** 2)) < 0.6 * stars[u, i].std())
    True
    >>> ids, scores = model.recommend(7, csr_array(stars * known)[[7]], N=3)
    >>> ids.shape, bool(known[7, ids].any())
    ((3,), False)
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn reads it
        "factors": [Interval(Integral, 0, 4096, closed="both")],
        "loss": [StrOptions(set(DEFAULTS))],
        "regularization": [Interval(Real, 0, None, closed="left"), None],
        "bias_regularization": [Interval(Real, 0, None, closed="left"), None],
        "iterations": [Interval(Integral, 1, None, closed="left"), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_jobs": [None, Options(Integral, {-1}), Interval(Integral, 1, 1024, closed="both")],
        "dtype": [StrOptions({"float32", "float64"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self, factors: int = 32, *, loss: str = "squared", regularization: float | None = None,
        bias_regularization: float | None = None, iterations: int | None = None, learning_rate: float = 0.05,
        tol: float = 1e-4, n_jobs: int | None = None, dtype: str = "float32", random_state: Any = None,
        verbose: Any = False,
    ) -> None:  # fmt: skip
        self.factors = factors
        self.loss = loss
        self.regularization = regularization
        self.bias_regularization = bias_regularization
        self.iterations = iterations
        self.learning_rate = learning_rate
        self.tol = tol
        self.n_jobs = n_jobs
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    # ---- training ----
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, user_items: Any, y: Any = None, sample_weight: Any = None) -> MatrixFactorization:
        """Learn afresh from `user_items` (U, I), a sparse matrix; `y` is ignored.

        `sample_weight`: a sparse matrix that stores the same entries, each what that entry counts; an entry of weight 0 is
        as if it were not there.  Ctrl-C ends the training with a warning, and what the iteration before reached is kept.
        A warning also says where all ratings are the same.  Raises as the class says, and TypeError where the matrix is
        not sparse; the model is then as it was.
        """
        fresh = copy.copy(self)
        fresh._fit(user_items, sample_weight)
        self.__dict__ = fresh.__dict__
        return self

    def _fit(self, user_items: Any, sample_weight: Any) -> None:
        ranking = self.loss == "bpr"
        rows, weight = read_training(user_items, sample_weight, ranking)
        values = rows.data.astype(np.float64)
        self.rating_range_ = None if ranking else (float(values.min()), float(values.max()))
        self.global_mean_, self.rating_scale_ = (0.0, 1.0) if ranking else moments(values, weight)
        if self.rating_range_ is not None and rows.nnz > 1 and values.min() == values.max():
            warnings.warn(f"all ratings are {values[0]:g}; for what users chose there is loss='bpr'", stacklevel=4)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        side = side_of(rows, (values - self.global_mean_) / self.rating_scale_, weight, np.dtype(self.dtype))
        whole = float(rows.nnz if weight is None else weight.sum())
        self.loss_curve_: list[float] = []
        if ranking:
            per_entry, rate = 1.0, float(self.learning_rate)
            training = factors.ranking(side, rows.shape, self._ridge(), rate, seed, self._threads())
        else:
            per_entry = self.rating_scale_**2 / whole
            training = factors.least_squares(side, rows.shape, self._ridge(), seed, self._threads())
        try:
            for tables, _ in zip(training, range(self._default(self.iterations, 2)), strict=False):
                if not np.isfinite(tables.loss):
                    cure = f"lower learning_rate, {self.learning_rate}, or" if ranking else "raise regularization or"
                    raise ValueError(
                        f"the loss is no longer finite in iteration {len(self.loss_curve_) + 1}: {cure} look for very "
                        "large values of sample_weight"
                    )
                self._keep(tables, tables.loss * per_entry)
                if not ranking and self._converged():
                    break
        except KeyboardInterrupt:
            if not self.loss_curve_:
                raise
            warnings.warn("Training interrupted by user.", stacklevel=4)
        self.n_features_in_ = rows.shape[1]

    def _keep(self, tables: factors.Tables, loss: float) -> None:
        root, curve = self.rating_scale_**0.5, [*self.loss_curve_, loss]
        self.__dict__.update(  # at once: Ctrl-C may come between any two statements
            user_factors_=tables.user_factors * root,
            item_factors_=tables.item_factors * root,
            user_biases_=tables.user_biases * self.rating_scale_,
            item_biases_=tables.item_biases * self.rating_scale_,
            loss_curve_=curve,
            n_iter_=len(curve),
        )
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")

    def _converged(self) -> bool:
        last = self.loss_curve_[-2:]
        return len(last) == 2 and last[0] - last[1] < self.tol * last[0]

    def _default(self, given: Any, place: int) -> Any:
        return DEFAULTS[self.loss][place] if given is None else given

    def _ridge(self) -> Array:
        """(k + 1,): what the squares of factors and bias weigh."""
        of_factors, of_bias = self._default(self.regularization, 0), self._default(self.bias_regularization, 1)
        return factors.ridges(int(self.factors), of_factors, of_bias, np.dtype(self.dtype))

    def _threads(self) -> int | None:
        return None if self.n_jobs in (None, -1) else int(self.n_jobs)

    # ---- pairs ----
    def predict(self, users: Any, items: Any) -> Array:
        """Ratings of pairs: `users` and `items` are row and column numbers of one shape, or one is a single number.

        Ratings are held within `rating_range_`; for bpr scores, of which the order counts.  A user or an item
        without ratings has bias 0 and factors 0.  The result has the shape of the arguments.  ValueError where a
        number is negative or was not there in fit.
        """
        check_is_fitted(self)
        u = read_ids(users, "users", len(self.user_factors_))
        i = read_ids(items, "items", self.n_features_in_)
        if u.shape != i.shape and u.ndim and i.ndim:
            raise ValueError(f"users and items must have one shape, got {u.shape} and {i.shape}")
        u, i = np.broadcast_arrays(u, i)
        out = np.empty(u.shape, self.user_factors_.dtype)
        flat_u, flat_i, flat = u.ravel(), i.ravel(), out.reshape(-1)
        for start in range(0, len(flat), PAIRS):
            part = slice(start, start + PAIRS)
            a, b = flat_u[part], flat_i[part]
            flat[part] = np.einsum("nk,nk->n", self.user_factors_[a], self.item_factors_[b])
            flat[part] += self.global_mean_ + self.user_biases_[a] + self.item_biases_[b]
        return out if self.rating_range_ is None else np.clip(out, *self.rating_range_)

    def score(self, user_items: Any, y: Any = None, *, known: Any = None) -> float:
        """How good the model is on `user_items` (U, I), which it was not fitted on; the higher, the better.

        Ratings: minus the root of the mean squared error, as scikit-learn's "neg_root_mean_squared_error".  For bpr: the
        area under the ROC curve of items chosen (entries above 0) against all others, as a mean over the users that
        have any; entries of `known` (U, I), what was fitted on, are left out of both.  ValueError where there is nothing
        to score, and where `known` is given for ratings, which do not need it.
        """
        check_is_fitted(self)
        rows = self._read(user_items, "user_items", len(self.user_factors_))
        if known is not None and self.rating_range_ is not None:
            raise ValueError("known is for loss='bpr'; the ratings of user_items are scored alone")
        if rows.nnz == 0:
            raise ValueError(f"user_items, shape {rows.shape}, holds nothing to score")
        if self.rating_range_ is not None:
            error = self.predict(np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)), rows.indices) - rows.data
            return -float(np.sqrt(np.mean(np.square(error, dtype=np.float64))))
        seen = None if known is None else self._read(known, "known", rows.shape[0])
        return ranks.mean_area(rows, seen, lambda u: self.item_factors_ @ self.user_factors_[u] + self.item_biases_)

    # ---- the best ----
    def recommend(
        self, userid: Any, user_items: Any = None, N: int = 10, filter_already_liked_items: bool = True,
        filter_items: Any = None, recalculate_user: bool = False, items: Any = None,
    ) -> tuple[Array, Array]:  # fmt: skip
        """The `N` items with the highest scores for a user, or for each of several: (ids, scores), falling.

        `userid`: a row number, for results of shape (N,), or an array of them (R,), for (R, N).  `user_items`: the rows of
        these users in their order, sparse (R, I), such as `user_items[[7]]` for user 7; its entries are not recommended
        unless `filter_already_liked_items=False`.  `filter_items`: items that nobody is to get.  `items`: candidates, all
        where None.  `recalculate_user`: take the factors of the rows given, by least squares against the items' as they
        are, in place of those learnt; then `userid` only counts the rows and may be a user that fit never saw.  Not for
        bpr.  Scores are not held within the range of the ratings.  Where fewer than N items are left, id -1 and score
        -inf fill the rest.  ValueError where rows, users or items do not fit the model.
        """
        check_is_fitted(self)
        N = read_count(N)
        users = read_ids(userid, "userid", np.iinfo(np.int64).max if recalculate_user else len(self.user_factors_))
        rows = None
        if filter_already_liked_items or recalculate_user:
            rows = self._rows_of(user_items, users.size)
        P, biases = self._recalculated(rows) if recalculate_user else self._learnt(np.atleast_1d(users))
        candidates = self._candidates(items, filter_items, self.n_features_in_, "items")
        place = np.full(self.n_features_in_, -1)
        place[candidates] = np.arange(len(candidates))
        Q, of_items = self.item_factors_[candidates], self.item_biases_[candidates]

        def scores(part: Array) -> Array:
            out: Array = P[part] @ Q.T
            out += of_items
            out += (biases[part] + np.asarray(self.global_mean_, out.dtype))[:, None]
            return out

        def hide(found: Array, start: int) -> None:
            if rows is not None and filter_already_liked_items:
                ends = rows.indptr[start : start + len(found) + 1]
                columns = place[rows.indices[ends[0] : ends[-1]]]
                lines = np.repeat(np.arange(len(found)), np.diff(ends))
                found[lines[columns >= 0], columns[columns >= 0]] = -np.inf

        ids, values = ranks.best_of(np.arange(users.size), candidates, N, scores, hide)
        return (ids[0], values[0]) if users.ndim == 0 else (ids, values)

    def similar_items(
        self, itemid: Any, N: int = 10, *, filter_items: Any = None, items: Any = None
    ) -> tuple[Array, Array]:
        """The `N` items whose factors have the smallest angle to those of `itemid`, itself among them.

        `itemid`: a column number, for results of shape (N,), or an array of them (R,), for (R, N).  `filter_items`: not
        to be found.  `items`: candidates, all where None.  Gives (ids, cosines), falling; an item without ratings has no
        direction: cosine 0.  Where fewer are left than N, id -1 and -inf.  ValueError where an item is unknown.
        """
        check_is_fitted(self)
        return self._similar(self.item_factors_, itemid, "itemid", N, filter_items, items, "items")

    def similar_users(
        self, userid: Any, N: int = 10, *, filter_users: Any = None, users: Any = None
    ) -> tuple[Array, Array]:
        """The `N` users most like `userid`, as `similar_items`; `filter_users`: not to be found, `users`: candidates.

        Gives (ids, cosines) of shape (N,), or (R, N) for an array of users.  ValueError where a user is unknown.
        """
        check_is_fitted(self)
        return self._similar(self.user_factors_, userid, "userid", N, filter_users, users, "users")

    def _similar(
        self, table: Array, ids: Any, name: str, N: int, hidden: Any, given: Any, kind: str
    ) -> tuple[Array, Array]:
        N, wanted = read_count(N), read_ids(ids, name, len(table))
        candidates = self._candidates(given, hidden, len(table), kind)
        units = ranks.directions(table)
        among = units[candidates].T
        found, cosines = ranks.best_of(
            np.atleast_1d(wanted), candidates, N, lambda part: units[part] @ among, lambda scores, start: None
        )
        return (found[0], cosines[0]) if wanted.ndim == 0 else (found, cosines)

    # ---- arguments ----
    def _read(self, matrix: Any, name: str, count: int | None) -> Any:
        rows = read_matrix(matrix, name, unique=self.rating_range_ is not None)
        if rows.shape[1] != self.n_features_in_ or (count is not None and rows.shape[0] != count):
            users = "any number of" if count is None else count
            raise ValueError(
                f"{name} must have {users} rows and {self.n_features_in_} columns, one for each item, got {rows.shape}"
            )
        return rows

    def _rows_of(self, user_items: Any, count: int) -> Any:
        if user_items is None:
            raise ValueError("user_items is needed to know what to leave out, or filter_already_liked_items=False")
        return self._read(user_items, "user_items (the rows of the users asked for, user_items[userid])", count)

    def _learnt(self, users: Array) -> tuple[Array, Array]:
        return self.user_factors_[users], self.user_biases_[users]

    def _recalculated(self, rows: Any) -> tuple[Array, Array]:
        """Factors and biases of rows of ratings, by one half of a round."""
        if self.rating_range_ is None:
            raise ValueError("recalculate_user needs loss='squared': BPR has no solution for a single user")
        scale, k, dtype = self.rating_scale_, self.item_factors_.shape[1], self.item_factors_.dtype
        other = factors.table(self.n_features_in_, k, dtype)
        other[:, :k], other[:, k] = self.item_factors_ / scale**0.5, self.item_biases_ / scale
        side = side_of(rows, (rows.data - self.global_mean_) / scale, None, dtype)
        P, _ = factors.solve(side, other, self._ridge(), self._threads())
        return P[:, :k] * scale**0.5, P[:, k] * scale

    def _candidates(self, given: Any, hidden: Any, count: int, name: str) -> Array:
        """Ids that may be found, ascending."""
        found = np.arange(count) if given is None else np.unique(read_ids(given, name, count))
        return found if hidden is None else np.setdiff1d(found, read_ids(hidden, f"filter_{name}", count))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.no_validation = True  # what is not stored is unknown, not 0: dense arrays are refused
        return tags
