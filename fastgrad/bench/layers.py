"""What layers and clipping cost: the same network with and without them, each in a process of its own.

Leaves out: the order of runs and the ratios (runs.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from . import timing, workloads
from .timing import Prepared
from .workloads import Task

CASE = "784-256-128-10:128"
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "fastgrad": {},
    "Dropout": {"dropout": True},
    "LayerNorm": {"norm": "LayerNorm"},
    "BatchNorm": {"norm": "BatchNorm"},
    "clip_value": {"clip_value": 0.01},
    "clip_norm": {"clip_norm": 0.5},
}


def make_layers(sizes: tuple[int, ...], dropout: bool = False, norm: str = "") -> list[Any]:
    """Dense layers with ReLU; a norm before it, or dropout after it, in every hidden layer."""
    import fastgrad as fg

    layers: list[Any] = []
    for i, o in itertools.pairwise(sizes[:-1]):
        if norm:
            layers += [fg.Dense(i, o), getattr(fg, norm)(activation="relu")]
        else:
            layers += [fg.Dense(i, o, "relu"), *([fg.Dropout(0.2)] if dropout else [])]
    return [*layers, fg.Dense(sizes[-2], sizes[-1])]


def prepare(name: str, about: Callable[[], str], task: Task) -> Prepared:
    """`net.fit` over whole epochs of the variant `name`; seconds per step."""
    import fastgrad as fg

    asked = dict(VARIANTS[name])
    fitting = {key: asked.pop(key) for key in list(asked) if key.startswith("clip")}
    case, (X, y) = task.case, workloads.training_data(task)
    held: dict[str, Any] = {}

    def reset() -> None:
        layers = make_layers(task.sizes, **asked)
        held["net"] = fg.Network(layers, loss=case.loss, dtype=task.dtype, seed=task.seed)

    def work(epochs: int) -> None:
        held["net"].fit(
            X, y, epochs=epochs, batch_size=case.batch, optimizer=fg.Adam(workloads.LR), progress=False, **fitting
        )

    return Prepared(timing.timed(work, case.steps(task.dtype, task.quick), quick=task.quick, reset=reset), about())
