"""Prediction: a single row, and many rows, NumPy arrays in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import fastgrad as fg
from fastgrad.bench.workloads import Case, Task, rows_to_predict


@pytest.mark.parametrize("text", ["64-128-10:1", "64-128-10:100000", "784-256-128-10:100000"])
def test_predict(text: str, quick: bool, measure: Callable[..., None], benchmark: Any) -> None:
    case = Case.parse(text)
    rows = min(case.batch, 1000) if quick else case.batch
    task = Task("predict", case.sizes, rows, quick=quick)
    net = fg.Network(list(case.sizes), activation="relu", loss="cross_entropy", seed=0)
    X = rows_to_predict(task)
    calls = 1 if quick else max(1, 10_000 // rows)

    def work(n: int) -> None:
        for _ in range(n):
            net.predict(X)

    measure(task, work, calls, flops=Case(case.sizes, rows).forward_flops * calls if rows > 1 else 0.0)
    benchmark.extra_info |= {"case": f"{text.split(':')[0]}, {rows} rows", "calls": calls}
