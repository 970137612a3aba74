"""PyTorch: eager steps with fused Adam, and the same through torch.compile.

The gather is `index_select`, which was measured to be faster than indexing and than permuting the epoch at once.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from .. import timing, workloads
from ..timing import Prepared
from ..workloads import Array, Task


def import_torch(task: Task) -> tuple[Any, str]:
    """torch, kept to the task's threads, and what to call it."""
    import torch

    torch.set_num_threads(task.threads)
    return torch, f"torch {torch.__version__}"


def make_network(torch: Any, task: Task) -> Any:
    """Linear layers with ReLU between them, holding the first parameters."""
    layers: list[Any] = []
    for W, b in workloads.first_parameters(task):
        linear = torch.nn.Linear(*W.shape, dtype=getattr(torch, task.dtype))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T.copy()))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def train(task: Task, compiled: bool = False) -> Prepared:
    """Eager steps with fused Adam, or the forward and backward pass through torch.compile; seconds per step."""
    torch, about = import_torch(task)
    X, y = (torch.from_numpy(a) for a in workloads.training_data(task))
    mse, held = task.case.loss == "mse", {}

    def loss_of(network: Any, x: Any, target: Any) -> Any:
        if mse:
            return torch.nn.functional.mse_loss(network(x)[:, 0], target)
        return torch.nn.functional.cross_entropy(network(x), target)

    network = make_network(torch, task)
    first = {name: value.clone() for name, value in network.state_dict().items()}
    forward = torch.compile(loss_of) if compiled else loss_of

    def reset() -> None:
        network.load_state_dict(first)
        held["optimizer"] = torch.optim.Adam(network.parameters(), lr=workloads.LR, fused=True)

    def step(index: Any) -> Any:
        held["optimizer"].zero_grad(set_to_none=True)
        loss = forward(network, X.index_select(0, index), y.index_select(0, index))
        loss.backward()
        held["optimizer"].step()
        return loss

    reset()
    losses = [step(index).item() for index in torch.arange(task.check_rows).split(task.batch)]
    run = timing.eager(task, lambda: torch.randperm(len(X)), step, reset)
    return Prepared(run, about, {"loss": float(np.mean(losses))})


def train_compiled(task: Task) -> Prepared:
    """As `train`, through torch.compile."""
    return train(task, compiled=True)


def update(task: Task) -> Prepared:
    """Fused Adam on one flat tensor; seconds per update."""
    torch, about = import_torch(task)
    w, g = (torch.from_numpy(a) for a in workloads.optimizer_data(task))
    w.requires_grad_()
    w.grad = g
    optimizer = torch.optim.Adam([w], lr=workloads.LR, fused=True)

    def work(n: int) -> None:
        for _ in range(n):
            optimizer.step()

    return Prepared(timing.timed(work, 1, quick=task.quick), about)


def predict_rows(task: Task) -> Prepared:
    """Forward pass and link under inference_mode, NumPy array in and out; seconds per call."""
    torch, about = import_torch(task)
    network, X, mse = make_network(torch, task).eval(), workloads.rows_to_predict(task), task.case.loss == "mse"

    def predict() -> Array:
        with torch.inference_mode():
            scores = network(torch.from_numpy(X))
            found: Array = (scores if mse else torch.softmax(scores, -1)).numpy()
        return found

    def work(n: int) -> None:
        for _ in range(n):
            predict()

    return Prepared(timing.timed(work, 1, quick=task.quick), about, {"mean": float(np.mean(predict() ** 2))})


def mnist(task: Task) -> Prepared:
    """MNIST to the end with fused Adam and OneCycleLR; seconds of the training, test accuracy."""
    torch, about = import_torch(task)
    X, y, X_test, y_test = (torch.from_numpy(np.ascontiguousarray(a)) for a in workloads.mnist(task.data))
    seeds = iter(range(task.seed, sys.maxsize))
    epochs = 1 if task.quick else workloads.MNIST_EPOCHS

    def run(rows: int = len(X)) -> dict[str, float]:
        torch.manual_seed(next(seeds))
        layers: list[Any] = []
        for i, o in task.case.layers:
            layers += [torch.nn.Linear(i, o), torch.nn.ReLU()]
        network = torch.nn.Sequential(*layers[:-1])
        start = time.perf_counter()
        optimizer = torch.optim.Adam(network.parameters(), lr=workloads.MNIST_LR, fused=True)
        total = epochs * -(-rows // task.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, workloads.MNIST_LR, total_steps=total, cycle_momentum=False
        )
        for _ in range(epochs):
            for index in torch.randperm(rows).split(task.batch):
                optimizer.zero_grad(set_to_none=True)
                scores = network(X.index_select(0, index))
                torch.nn.functional.cross_entropy(scores, y.index_select(0, index)).backward()
                optimizer.step()
                schedule.step()
        seconds = time.perf_counter() - start
        with torch.inference_mode():
            return {"seconds": seconds, "accuracy": float((network(X_test).argmax(1) == y_test).double().mean())}

    run(10 * task.batch)
    seeds = iter(range(task.seed, sys.maxsize))
    return Prepared(run, about)
