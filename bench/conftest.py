"""What the suites share: how large the workloads are, and how a result becomes a share of the machine's limit.

Set FASTGRAD_BENCH_QUICK=1 (or run with --benchmark-disable) for tiny sizes that show no more than that everything runs.
Nothing here asserts a time: `extra_info` of each result holds the share of a peak measured right after it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from fastgrad.bench import timing
from fastgrad.bench.runs import processors
from fastgrad.bench.workloads import Task


@pytest.fixture(scope="session")
def quick(request: pytest.FixtureRequest) -> bool:
    return os.environ.get("FASTGRAD_BENCH_QUICK") == "1" or bool(request.config.getoption("benchmark_disable"))


@pytest.fixture(params=[1, 2], ids=["1thread", "2threads"])
def threads(request: pytest.FixtureRequest) -> int:
    if request.param > len(processors()):
        pytest.skip(f"needs {request.param} processors, this process may use {len(processors())}")
    return int(request.param)


@pytest.fixture
def measure(benchmark: Any, quick: bool) -> Callable[..., None]:
    """measure(task, work, calls, setup, flops=... or moved=...): time work(calls), note the share of the limit."""

    def measured(
        task: Task,
        work: Callable[[int], object],
        calls: int = 1,
        setup: Callable[[], None] | None = None,
        *,
        flops: float = 0.0,
        moved: float = 0.0,
    ) -> None:
        rounds, warm = (1, 0) if quick else (7, 1)
        benchmark.pedantic(work, args=(calls,), setup=setup, rounds=rounds, warmup_rounds=warm)
        benchmark.extra_info |= {"threads": task.threads, "dtype": task.dtype}
        if benchmark.stats is None:  # --benchmark-disable: it ran once, untimed
            return
        seconds = benchmark.stats.stats.median
        if flops:
            peak = timing.peak_flops(task.dtype, task.threads)
            benchmark.extra_info |= {"flops": flops / seconds, "share_of_peak": flops / seconds / peak}
        if moved:
            copied = timing.copy_bandwidth(task.threads)
            benchmark.extra_info |= {"bytes": moved / seconds, "share_of_copy": moved / seconds / copied}

    return measured
