"""Optimizers on their own: one pass over flat arrays, beside the bandwidth of a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import fastgrad as fg
from fastgrad.bench.workloads import Task, optimizer_data
from fastgrad.catalog import OPTIMIZERS


@pytest.mark.parametrize("size", [10_000, 10_000_000])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_update(name: str, size: int, quick: bool, measure: Callable[..., None], benchmark: Any) -> None:
    if size > 1_000_000 and name not in ("sgd", "adam") and not quick:
        pytest.skip("large arrays: sgd and adam only")
    task = Task("update", (1000 if quick else size,), quick=quick)
    w, g = optimizer_data(task)
    opt = getattr(fg, OPTIMIZERS[name].public)()
    state = opt.init(w)
    calls = 1 if quick else max(1, 2_000_000 // size)

    def work(n: int) -> None:
        for _ in range(n):
            opt.update(w, g, state)

    # Adam reads w, g, m, v and writes w, m, v.  The others move other amounts: for them the time alone is noted.
    measure(task, work, calls, moved=7.0 * w.nbytes * calls if name == "adam" else 0.0)
    benchmark.extra_info |= {"parameters": task.sizes[0], "updates": calls}
