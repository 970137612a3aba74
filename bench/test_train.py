"""Training: whole epochs of `net.fit`, as `fastgrad bench train` runs them; extra_info["steps"] of them are timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fastgrad.bench.worker import trainer
from fastgrad.bench.workloads import ODD, OWN, Case, Task


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", [*OWN, *ODD], ids=lambda case: case.name.replace(" ", "-"))
def test_epoch(case: Case, dtype: str, threads: int, quick: bool, measure: Callable[..., None], benchmark: Any) -> None:
    task = Task("train", case.sizes, case.batch, dtype, threads, quick=quick)
    fit, reset = trainer(task, threads)
    steps = case.steps(dtype, quick)
    measure(task, fit, 1, reset, flops=case.flops * steps)
    benchmark.extra_info |= {"case": case.name, "steps": steps}
