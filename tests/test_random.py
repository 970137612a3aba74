"""Random numbers by counter: known answers, shuffles, bounds, independence of who asks."""

from __future__ import annotations

import numpy as np
import pytest


def test_known_answers(build):
    """Vectors of the reference implementation (Random123, kat_vectors: philox4x32 10)."""
    words = np.empty(4, np.uint32)
    build.random_words(0, 0, 0, words)
    assert [f"{w:08x}" for w in words] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    build.random_words(2**64 - 1, 2**64 - 1, 2**64 - 1, words)
    assert [f"{w:08x}" for w in words] == ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]


def test_every_build_draws_the_same(build):
    from fastgrad import dispatch

    base = dispatch.kernels(np.float32, "base")
    mine, theirs = np.empty(1001, np.int32), np.empty(1001, np.int32)
    build.permutation(5, 6, mine)
    base.permutation(5, 6, theirs)
    np.testing.assert_array_equal(mine, theirs)
    a, b = np.empty(333), np.empty(333)
    build.fill_uniform(5, 6, 0.25, a)
    base.fill_uniform(5, 6, 0.25, b)
    np.testing.assert_array_equal(a, b)
    assert -0.25 <= a.min() < -0.2
    assert 0.2 < a.max() < 0.25


@pytest.mark.parametrize("n", [0, 1, 2, 3, 255, 256, 257, 1000])
def test_shuffles_are_permutations(build, n):
    order = np.empty(n, np.int32)
    build.permutation(3, 1, order)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    if n >= 255:
        other = np.empty(n, np.int32)
        build.permutation(3, 2, other)
        assert (order != other).mean() > 0.9
        build.permutation(4, 1, other)
        assert (order != other).mean() > 0.9


def test_shuffles_are_fair(build):
    """Each of the 24 orders of 4 comes up equally often: chi-square with 23 degrees stays below its 1e-6 quantile, 71."""
    counts: dict[tuple[int, ...], int] = {}
    order = np.empty(4, np.int32)
    for stream in range(4800):
        build.permutation(11, stream, order)
        counts[tuple(order)] = counts.get(tuple(order), 0) + 1
    assert len(counts) == 24
    assert sum((c - 200) ** 2 / 200 for c in counts.values()) < 71


def test_uniform_moments(build):
    x = np.empty(200_000)
    build.fill_uniform(1, 2, 1.0, x)
    assert abs(x.mean()) < 4 / np.sqrt(3 * len(x))
    assert abs((x**2).mean() - 1 / 3) < 4 * np.sqrt(4 / 45 / len(x))
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 4 / np.sqrt(len(x))
