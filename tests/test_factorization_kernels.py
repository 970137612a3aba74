"""The kernels of MatrixFactorization against float64 NumPy: a round of least squares, a pass of BPR; threads; Ctrl-C.

Left out: what the estimator makes of them (test_factorization.py).
"""

from __future__ import annotations

import _thread
import threading

import numpy as np
import pytest

from fastgrad import dispatch

WIDE = 16


def type_of(build):
    return np.dtype(f"f{build.constants()['bits'] // 8}")


def stride_of(k):
    return -(-(k + 2) // WIDE) * WIDE


def entries(rng, rows, columns, counts, dtype, weighted):
    """(indptr, indices, values, weights) with so many entries in each row."""
    indices = np.concatenate([np.sort(rng.choice(columns, n, replace=False)) for n in counts])
    weights = rng.uniform(0.5, 2, len(indices)).astype(dtype) if weighted else None
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    assert len(indptr) == rows + 1
    return indptr, indices.astype(np.int32), rng.normal(size=len(indices)).astype(dtype), weights


def table(rng, rows, k, dtype):
    out = np.zeros((rows, stride_of(k)), dtype)
    out[:, : k + 1] = rng.normal(size=(rows, k + 1))
    return out


def exact_row(side, row, other, ridge):
    """The minimum, and where it lies, by NumPy's solver."""
    indptr, indices, values, weights = side
    part, k = slice(indptr[row], indptr[row + 1]), len(ridge) - 1
    F = other[indices[part], : k + 1].astype(float)
    target = values[part] - F[:, k]
    F[:, k] = 1
    w = np.ones(len(target)) if weights is None else weights[part].astype(float)
    x = np.linalg.solve(F.T * w @ F + np.diag(ridge.astype(float)), F.T * w @ target)
    return x, float((w * (target - F @ x) ** 2).sum() + (ridge * x**2).sum())


def solved(build, side, other, ridge, threads=1):
    out, loss = np.full((len(side[0]) - 1, other.shape[1]), 0, other.dtype), np.full(len(side[0]) - 1, np.nan)
    build.solve_factors(*side, other, ridge, out, loss, threads)
    return out, loss


def widths(build):
    """Numbers of factors at the edges of vectors, panels and tiles: two columns stand behind them."""
    lanes, panel, rows = (build.constants()[name] for name in ("lanes", "panel", "rows"))
    return sorted({0, 1, 2, lanes - 1, lanes, panel - 2, panel - 1, rows, panel + rows - 1, 2 * panel + 1} - {-1})


@pytest.mark.parametrize("weighted", [False, True])
def test_a_round_is_the_ridge_regression_of_every_row(build, weighted, rng):
    dtype, chunk = type_of(build), build.constants()["slice"]
    columns = 2 * chunk + 40
    for k in widths(build):
        counts = [0, 1, 3, k + 2, 50, chunk - 1, chunk, chunk + 1, columns, 7]
        side = entries(rng, len(counts), columns, counts, dtype, weighted)
        other, ridge = table(rng, columns, k, dtype), rng.uniform(1, 5, k + 1).astype(dtype)
        out, loss = solved(build, side, other, ridge)
        assert (out[:, k + 1 :] == 0).all()
        for row in range(len(counts)):
            x, least = exact_row(side, row, other, ridge)
            # rounding grows with the terms that are summed and with the condition of the equations, here below 100
            room = 100 * np.finfo(dtype).eps * (k + 20)
            np.testing.assert_allclose(out[row, : k + 1], x, rtol=0, atol=room)
            np.testing.assert_allclose(loss[row], least, rtol=room, atol=room)


def test_without_a_ridge_dependent_factors_are_left_out(build, rng):
    """Fewer ratings than factors, and a factor that stands there twice: as good a fit as any, and finite."""
    dtype, k = type_of(build), 6
    side = entries(rng, 3, 30, [4, 25, 1], dtype, False)
    other = table(rng, 30, k, dtype)
    other[:, 3] = other[:, 1]
    out, loss = solved(build, side, other, np.zeros(k + 1, dtype))
    assert np.isfinite(out).all()
    for row in range(3):
        part = slice(side[0][row], side[0][row + 1])
        F = other[side[1][part], : k + 1].astype(float)
        target = side[2][part] - F[:, k]
        F[:, k] = 1
        best = ((target - F @ np.linalg.lstsq(F, target, rcond=None)[0]) ** 2).sum()
        reached = ((target - F @ out[row, : k + 1]) ** 2).sum()
        room = 1e-3 if dtype == np.float32 else 1e-10  # eps times the condition of equations that are nearly singular
        assert reached == pytest.approx(best, abs=room) and loss[row] == pytest.approx(best, abs=room)


def test_rounds_do_not_depend_on_threads(build, rng):
    dtype, k = type_of(build), 19
    counts = rng.integers(0, 60, 83)
    side = entries(rng, 83, 700, [*counts[:-1], 700], dtype, True)
    other, ridge = table(rng, 700, k, dtype), np.ones(k + 1, dtype)
    first = solved(build, side, other, ridge)
    for threads in (2, 3, 5):
        found = solved(build, side, other, ridge, threads)
        assert found[0].tobytes() == first[0].tobytes() and found[1].tobytes() == first[1].tobytes()


@pytest.fixture
def ctrl_c():
    """Comes after a third of a second."""
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    yield
    timer.join()


def test_ctrl_c_is_seen_within_a_round(rng, dtype, threads, ctrl_c):
    n, k = 3_000_000, 500  # a row of so many ratings takes seconds
    side = np.arange(4) * n, np.zeros(3 * n, np.int32), np.ones(3 * n, dtype), None
    loss = np.full(3, np.nan)
    other, out = table(rng, 1, k, dtype), np.zeros((3, stride_of(k)), dtype)
    with pytest.raises(KeyboardInterrupt):
        dispatch.kernels(dtype).solve_factors(*side, other, np.ones(k + 1, dtype), out, loss, threads)
    assert np.isnan(loss).any() and not out[np.isnan(loss)].any()


def test_ctrl_c_is_seen_within_a_pass(dtype, threads, ctrl_c):
    n, k = 4_000_000, 2000
    P, Q, decay = (
        np.ones((1, stride_of(k)), dtype),
        np.zeros((2, stride_of(k)), dtype),
        np.full(stride_of(k), 1e-5, dtype),
    )
    zeros, weights = np.zeros(n, np.int32), np.zeros(n, dtype)  # of weight 0: a step only shrinks, all steps to nothing
    with pytest.raises(KeyboardInterrupt):
        dispatch.kernels(dtype).rank_factors(
            np.array([0, n]), zeros, zeros, weights, P, Q, decay, 1.0, k, 1, 0, 0, threads
        )
    assert 1 > P[0, 0] > 1e-10


# ---- ranking --------------------------------------------------------------------------------------------------------


def words(build, seed, stream, counter):
    out = np.empty(4, np.uint32)
    build.random_words(seed, stream, counter, out)
    return out.astype(np.uint64)


def shuffle(build, seed, stream, n):
    out = np.empty(n, np.int32)
    build.permutation(seed, stream, out)
    return out


def exact_pass(build, side, P, Q, decay, rate, k, blocks, seed, number):
    """The definition, one positive after the other: cells of users and items, round by round, then as they were drawn."""
    indptr, indices, _, weights = side
    users, items, P, Q = len(indptr) - 1, len(Q), P.astype(float), Q.astype(float)
    owner = np.repeat(np.arange(users), np.diff(indptr))
    edges = [[n * b // blocks for b in range(blocks + 1)] for n in (users, items)]
    streams = [shuffle(build, seed, 4 * number + j, n) for j, n in ((1, users), (2, items), (3, len(indices)))]
    block = [np.empty(n, int) for n in (users, items)]
    for places, order, ends in zip(block, streams, edges, strict=False):
        places[order] = np.searchsorted(ends, np.arange(len(order)), side="right") - 1
    cells = [(block[1][indices[e]] - block[0][owner[e]]) % blocks * blocks + block[0][owner[e]] for e in streams[2]]
    losses, total = np.zeros(blocks**2), 0.0
    for at, e in enumerate(streams[2][np.argsort(cells, kind="stable")]):
        u, i, w = owner[e], indices[e], 1.0 if weights is None else float(weights[e])
        first, last = edges[1][block[1][i]], edges[1][block[1][i] + 1]
        for word in words(build, seed, 4 * number, at):
            j = streams[1][first + (int(word) * (last - first) >> 32)]
            if j not in indices[indptr[u] : indptr[u + 1]]:
                break
        else:
            continue
        p, q, o = P[u].copy(), Q[i].copy(), Q[j].copy()
        z = p @ (q - o)
        g = w / (1 + np.exp(z))
        P[u] += rate * (g * (q - o) - decay * p)
        Q[i] += rate * (g * p - decay * q)
        Q[j] += rate * (-g * p - decay * o)
        P[u, k] = 1
        losses[(block[1][i] - block[0][u]) % blocks * blocks + block[0][u]] += w * np.logaddexp(0, -z)
        total += w
    return P, Q, losses.sum(), total


def choices(build, rng, k, weighted, users=40, items=31):
    """A user who knows everything, one who knows nothing, and others."""
    dtype = type_of(build)
    counts = [items, 0, items - 1, *rng.integers(1, 12, users - 3)]
    side = entries(rng, users, items, counts, dtype, weighted)
    P, Q = table(rng, users, k, dtype) / 2, table(rng, items, k, dtype) / 2
    P[:, k] = 1
    decay = np.zeros(stride_of(k), dtype)
    decay[: k + 1] = rng.uniform(0, 0.1, k + 1)
    return side, P, Q, decay


def passed(build, side, P, Q, decay, k, blocks, number=3, threads=1, rate=0.1):
    owner = np.repeat(np.arange(len(P), dtype=np.int32), np.diff(side[0]))
    P, Q = P.copy(), Q.copy()
    sums = build.rank_factors(*side[:2], owner, side[3], P, Q, decay, rate, k, blocks, 11, number, threads)
    return P, Q, *sums


@pytest.mark.parametrize("blocks", [1, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_pass_is_that_of_its_definition(build, blocks, weighted, rng):
    for k in (0, 1, 15, 40):
        side, P, Q, decay = choices(build, rng, k, weighted)
        found = passed(build, side, P, Q, decay, k, blocks)
        exact = exact_pass(build, side, P, Q, decay.astype(float), 0.1, k, blocks, 11, 3)
        room = (
            200 * np.finfo(type_of(build)).eps * (k + 20)
        )  # some hundred steps, each rounded, shrinking what was before
        for mine, right in zip(found, exact, strict=True):
            np.testing.assert_allclose(mine, right, rtol=room, atol=room)
        assert (found[1] != Q).any() and (found[0][1] == P[1]).all() and (found[0][0] == P[0]).all()


def test_passes_do_not_depend_on_threads(build, rng):
    side, P, Q, decay = choices(build, rng, 20, True, 200, 90)
    first = passed(build, side, P, Q, decay, 20, 5)
    for threads in (2, 3, 5, 8):
        found = passed(build, side, P, Q, decay, 20, 5, threads=threads)
        assert [np.asarray(x).tobytes() for x in found] == [np.asarray(x).tobytes() for x in first]
    assert passed(build, side, P, Q, decay, 20, 5, number=4)[2] != first[2]


def test_steps_of_scores_that_are_far_apart_are_finite(build, rng):
    side, P, Q, decay = choices(build, rng, 3, False)
    found = passed(build, side, P * 1e4, Q * 1e4, decay, 3, 2)
    assert all(np.isfinite(x).all() for x in found) and found[2] > 0


def test_arrays_that_do_not_fit_are_refused(build, rng):
    dtype = type_of(build)
    side = entries(rng, 2, 5, [2, 3], dtype, False)
    other, ridge = table(rng, 5, 3, dtype), np.ones(4, dtype)
    wrong = np.dtype("f8" if dtype == np.float32 else "f4")
    for given, kwargs in (
        ((*side[:3], None), {"other": other.astype(wrong)}),
        ((side[0], side[1][:-1], side[2], None), {}),
        ((side[0], side[1], side[2][:-1], None), {}),
        (side, {"ridge": np.ones(stride_of(3), dtype)}),
    ):
        with pytest.raises(ValueError, match=r"needed|wide"):
            solved(build, given, kwargs.get("other", other), kwargs.get("ridge", ridge))
    side, P, Q, decay = choices(build, rng, 3, False)
    for blocks in (0, 32):
        with pytest.raises(ValueError, match="blocks"):
            passed(build, side, P, Q, decay, 3, blocks)
