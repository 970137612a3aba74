"""The pieces of a training step on their own, on one thread, as `fastgrad bench kernels` runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fastgrad.bench import pieces
from fastgrad.bench.workloads import Task

LARGE = 1e7  # values worked on in a timed call, about: so many that the call itself does not count


def name(task: Task) -> str:
    return "-".join([task.kind, task.piece, *map(str, task.sizes), str(task.batch)])


# test_optimizers.py has the optimizers, in two sizes.
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", [task for task in pieces.tasks("float32") if task.kind != "update"], ids=name)
def test_piece(task: Task, dtype: str, quick: bool, measure: Callable[..., None], benchmark: Any) -> None:
    task = replace(task, dtype=dtype, quick=quick)
    found, work = pieces.measure_of(task), pieces.prepare(task)
    calls = 1 if quick else max(1, round(LARGE / found.values))
    limit = "flops" if found.limit == "flops" else "moved"
    measure(task, work, calls, **{limit: found.work * calls})
    benchmark.extra_info |= {"piece": f"{task.kind} {task.piece}", "sizes": list(task.sizes), "calls": calls}
