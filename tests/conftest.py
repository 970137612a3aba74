"""The grids that many tests share: compiled builds, dtypes, a random generator; how hypothesis draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings

from fastgrad import dispatch

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


@pytest.fixture
def rng():
    return np.random.default_rng(7)
