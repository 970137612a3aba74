"""The grids that many tests share: compiled builds, dtypes, threads, shapes, a random generator; how hypothesis draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings

from fastgrad import dispatch, pace

# the same cases in every run, a failure can be run again; no deadline, since machines are busy
settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")

LEVELS = dispatch.usable_levels()
BUILDS = [(bits, level) for bits in (32, 64) for level in LEVELS]


@pytest.fixture(params=BUILDS, ids=[f"f{b}-{v}" for b, v in BUILDS])
def build(request):
    """Every compiled module that this processor can run."""
    bits, level = request.param
    return dispatch.kernels(f"float{bits}", level)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    """More than two, so that a thread has neighbours on both sides; more than some machines have."""
    return request.param


@pytest.fixture
def edge_shapes(build):
    """(sizes, batch) around the edges of tiles, panels and slices of one build."""
    constants = build.constants()
    P, M = constants["panel"], constants["rows"]
    return [
        ((16, 32, 1), 32),
        ((5, 1), 7),
        ((1, 1, 2), 1),
        ((P, P, P), M + 1),
        ((P + 1, P - 1, P // 2 + 1, P + 3), M - 1),
        ((33, 47, 70, 40), 29),
        ((5, max(P // 2, 1), P // 2 + 1, 7), 3),
        ((20, 3), M),
        ((2 * P, 3), 2 * M),
        ((9, 6, 1), 2 * constants["slice"] + 5),
        ((7, 2 * P + 1, 4), constants["slice"] + 1),
    ]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def small_calls(monkeypatch):
    """The kernels come back after every two steps."""
    monkeypatch.setattr(pace.Pace, "next", lambda self: (1, 2))
