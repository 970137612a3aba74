"""Gradients of functions with loops and writes, called from Python, and the functions themselves, compiled alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import pytest

import fastgrad as fg
from fastgrad.bench.functions import OBJECTIVES
from fastgrad.bench.workloads import Task

CASES = [(name, size) for name, case in OBJECTIVES.items() for size in case.sizes]


@pytest.mark.parametrize("what", ["gradient", "function"])
@pytest.mark.parametrize("name, size", CASES)
def test_gradient(name: str, size: int, what: str, quick: bool, measure: Callable[..., None], benchmark: Any) -> None:
    case = OBJECTIVES[name]
    task = Task("gradient", (min(size, 20) if quick else size,), dtype="float64", quick=quick, piece=name)
    arguments = case.arguments(task)
    call = fg.grad(case.function) if what == "gradient" else numba.njit(error_model="numpy")(case.function)
    calls = 1 if quick else 100

    def work(n: int) -> None:
        for _ in range(n):
            call(*arguments)

    work(1)  # compiles
    measure(task, work, calls)
    benchmark.extra_info |= {"function": name, "size": size, "what": what, "calls": calls}
