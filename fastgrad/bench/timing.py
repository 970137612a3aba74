"""How a contender is timed, and what the machine itself can do: the two halves of "share of peak".

Promises: warm before timed; a run long enough for the clock; the reset to the first parameters outside the clock.
Leaves out: which contenders there are, and every comparison between them (runs.py).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .workloads import LEAST_STEPS, MB, Task

RUN_SECONDS = 0.3  # what a timed run should take


@dataclass
class Prepared:
    """A contender that is warm: `run()` measures once: "seconds" per unit (step, update, call, training).

    `about`: library and version.  `facts`: what else should be reported, such as the loss that is compared.
    """

    run: Callable[[], dict[str, float]]
    about: str
    facts: Mapping[str, float] = field(default_factory=dict)


def timed(
    work: Callable[[int], object], units: float, *, quick: bool, reset: Callable[[], object] = lambda: None
) -> Callable[[], dict[str, float]]:
    """A `run` for `Prepared`: seconds / units of `work(n)`, n such that a run takes 0.3 s; `reset()` is not timed.

    `work(1)` runs first to warm up, so that no run holds a compilation or the first touch of memory.
    """
    n = 1
    reset()
    work(n)
    while not quick:
        reset()
        start = time.perf_counter()
        work(n)
        seconds = time.perf_counter() - start
        if seconds >= RUN_SECONDS / 3:
            n = max(1, round(n * RUN_SECONDS / seconds))
            break
        n *= 2 if seconds > RUN_SECONDS / 30 else 10

    def run() -> dict[str, float]:
        reset()
        start = time.perf_counter()
        work(n)
        return {"seconds": (time.perf_counter() - start) / (n * units)}

    return run


def eager(
    task: Task, permute: Callable[[], Any], step: Callable[[Any], object], reset: Callable[[], None]
) -> Callable[[], dict[str, float]]:
    """A `run` for libraries that Python drives step by step: the shuffle's share of a step, plus a mean over steps.

    `permute()` gives an index of all rows; `step(index)` trains on one batch.  An epoch that would take longer than
    0.6 s is cut off after at least 60 steps: every step does the same.
    """
    steps, batch = task.case.steps(task.dtype, task.quick), task.batch

    def pass_over(count: int) -> float:
        start = time.perf_counter()
        order = permute()
        shuffle = time.perf_counter() - start
        start = time.perf_counter()
        for first in range(0, count * batch, batch):
            step(order[first : first + batch])
        return shuffle / steps + (time.perf_counter() - start) / count

    reset()
    pass_over(min(steps, 20))
    one = pass_over(min(steps, LEAST_STEPS))
    count = min(steps, max(LEAST_STEPS, round(2 * RUN_SECONDS / one)))
    passes = 1 if task.quick else max(1, round(RUN_SECONDS / (one * count)))

    def run() -> dict[str, float]:
        reset()
        return {"seconds": sum(pass_over(count) for _ in range(passes)) / passes}

    return run


def peak_flops(dtype: str, threads: int, seconds: float = 0.05) -> float:
    """Flop/s of a loop of fused multiply-adds in registers, on `threads` threads: what no program can exceed."""
    from .. import dispatch

    return float(dispatch.kernels(np.dtype(dtype)).peak_flops(threads, seconds))


def copy_bandwidth(threads: int = 1, size: int = 64 * MB, repeats: int = 3) -> float:
    """Bytes/s of memory traffic (read and written both counted) of a large NumPy copy; the best of `repeats`."""
    source = [np.ones(size // threads, np.uint8) for _ in range(threads)]
    target = [np.zeros_like(part) for part in source]
    best = math.inf
    for _ in range(repeats):
        copies = [threading.Thread(target=np.copyto, args=pair) for pair in zip(target, source, strict=True)]
        start = time.perf_counter()
        for copy in copies:
            copy.start()
        for copy in copies:
            copy.join()
        best = min(best, time.perf_counter() - start)
    return 2 * sum(part.nbytes for part in source) / best
