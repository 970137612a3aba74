"""One contender in a process of its own: fastgrad's side of every workload, and the loop that answers the parent.

Promises: `python -m fastgrad.bench.worker NAME TASK` prepares a contender, warms it up, says {"ready": about, "facts": {...}}
or {"skip": reason}, and then answers each line of JSON on standard input with a line on standard output: {"do": "run"}
with {"seconds": per unit}, {"do": "limits"} with {"flops": ..., "bytes": ...}, what the machine can do at this moment.
A program that keeps to this protocol, in whatever language, can stand in the same alternating run.  The process ends
with its standard input.

Leaves out: the other libraries (peers/), and everything that compares (runs.py).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TextIO

import numpy as np

from . import estimators, functions, layers, pieces, timing, workloads
from .peers import CONTENDERS, Builder
from .timing import Prepared
from .workloads import Task


def trainer(task: Task, threads: int | None = None) -> tuple[Callable[..., Any], Callable[[], None]]:
    """fit(epochs) -> History over the task's data, and reset(), which puts the first parameters back.

    fit(epochs, rows, shuffle): over the first `rows` rows, shuffled or not.  `threads=None`, as users have it: as many
    as help, of those that this process may use; the parent has limited them to the task's.
    """
    import fastgrad as fg

    case, (X, y) = task.case, workloads.training_data(task)
    net = fg.Network(list(case.sizes), activation="relu", loss=case.loss, dtype=task.dtype, seed=task.seed)

    def reset() -> None:
        for layer, (W, b) in enumerate(workloads.first_parameters(task)):
            net.weights[layer], net.biases[layer] = W, b

    def fit(epochs: int, rows: int = len(X), shuffle: bool = True) -> Any:
        return net.fit(
            X[:rows], y[:rows], epochs=epochs, batch_size=case.batch, optimizer=fg.Adam(workloads.LR),
            shuffle=shuffle, threads=threads, progress=False,
        )  # fmt: skip

    return fit, reset


def train(task: Task) -> Prepared:
    """`net.fit` over whole epochs; seconds per step, everything included but making the network."""
    fit, reset = trainer(task)
    reset()
    loss = fit(1, task.check_rows, shuffle=False)["loss"][0]
    run = timing.timed(fit, task.case.steps(task.dtype, task.quick), quick=task.quick, reset=reset)
    return Prepared(run, about(), {"loss": float(loss)})


def piece(task: Task) -> Prepared:
    """A piece of a training step, such as `opt.update` on one flat array; seconds per run."""
    return Prepared(timing.timed(pieces.prepare(task), 1, quick=task.quick), about())


def predict(task: Task) -> Prepared:
    """`net.predict` of a batch, or of one row; seconds per call."""
    import fastgrad as fg

    X = workloads.rows_to_predict(task)
    net = fg.Network(list(task.sizes), activation="relu", loss=task.case.loss, dtype=task.dtype, seed=task.seed)
    for layer, (W, b) in enumerate(workloads.first_parameters(task)):
        net.weights[layer], net.biases[layer] = W, b

    def work(n: int) -> None:
        for _ in range(n):
            net.predict(X)

    facts = {"mean": float(np.mean(net.predict(X) ** 2))}
    return Prepared(timing.timed(work, 1, quick=task.quick), about(), facts)


def mnist(task: Task) -> Prepared:
    """MNIST to the end with Adam and one cycle of the learning rate; seconds of the training, test accuracy."""
    import fastgrad as fg

    X, y, X_test, y_test = workloads.mnist(task.data)
    seeds = iter(range(task.seed, sys.maxsize))
    epochs = 1 if task.quick else workloads.MNIST_EPOCHS

    def run(rows: int = len(X)) -> dict[str, float]:
        net = fg.Network(list(task.sizes), activation="relu", loss="cross_entropy", dtype=task.dtype, seed=next(seeds))
        optimizer, schedule = fg.Adam(workloads.MNIST_LR), fg.OneCycle(workloads.MNIST_LR)
        start = time.perf_counter()
        net.fit(
            X[:rows], y[:rows], epochs=epochs, batch_size=task.batch, optimizer=optimizer, schedule=schedule,
            progress=False,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "accuracy": float(np.mean(net.predict(X_test).argmax(axis=1) == y_test))}

    run(10 * task.batch)
    seeds = iter(range(task.seed, sys.maxsize))
    return Prepared(run, about())


def online(task: Task) -> Prepared:
    """Logistic regression, one row a step, several epochs; seconds of the training, accuracy on the same rows."""
    import fastgrad as fg

    X, y = workloads.online_data(task)

    def run() -> dict[str, float]:
        net = fg.Network([X.shape[1], 1], loss="binary_cross_entropy", dtype=task.dtype, seed=task.seed)
        start = time.perf_counter()
        net.fit(
            X, y, epochs=workloads.ONLINE_EPOCHS, batch_size=1, optimizer=fg.SGD(workloads.ONLINE_LR),
            progress=False,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "accuracy": float(np.mean((net.predict(X)[:, 0] > 0.5) == y))}

    run()
    return Prepared(run, about())


def gradient(task: Task) -> Prepared:
    """`fg.grad` of a function, called from Python; seconds per call, and "objective", those of the compiled function."""
    import numba

    import fastgrad as fg

    case = functions.OBJECTIVES[task.piece]
    arguments, call = case.arguments(task), fg.grad(case.function)

    def repeated(call: Callable[..., Any]) -> Callable[[], dict[str, float]]:
        def work(n: int) -> None:
            for _ in range(n):
                call(*arguments)

        return timing.timed(work, 1, quick=task.quick)

    both = {"seconds": repeated(call), "objective": repeated(numba.njit(error_model="numpy")(case.function))}
    facts = {"norm": float(np.linalg.norm(call(*arguments)))}
    return Prepared(lambda: {name: run()["seconds"] for name, run in both.items()}, about(), facts)


def estimator(task: Task) -> Prepared:
    """A whole fit of the default estimator of fastgrad.sklearn."""
    from ..sklearn import MLPClassifier, MLPRegressor

    return estimators.prepare(task, (MLPClassifier, MLPRegressor), about())


FASTGRAD: Mapping[str, Builder] = {
    "train": train, "predict": predict, "mnist": mnist, "online": online, "gradient": gradient, "estimator": estimator,
    **dict.fromkeys(pieces.PREPARE, piece)
}  # fmt: skip


def about() -> str:
    """Name, version and instruction set of this fastgrad."""
    from .. import dispatch

    found = dispatch.info()
    return f"fastgrad {found['version']} ({found['isa']})"


def builder(name: str, kind: str) -> Builder | None:
    """What prepares the contender `name` for tasks of a kind; None where it does not do such tasks."""
    if kind == "layers":
        return partial(layers.prepare, name, about)
    if name == "fastgrad":
        return FASTGRAD[kind]
    return CONTENDERS[name].get(kind)


def limits(task: Task) -> dict[str, float]:
    """What the machine can do on the task's threads, a second: "flops" in registers, "bytes" of a large copy."""
    seconds = 0.005 if task.quick else 0.05
    found = {"flops": timing.peak_flops(task.dtype, task.threads, seconds)}
    if task.kind in pieces.MEMORY:
        size = workloads.MB if task.quick else 64 * workloads.MB
        found["bytes"] = timing.copy_bandwidth(task.threads, size)
    return found


def prepare(name: str, task: Task) -> tuple[Prepared | None, str]:
    """The warm contender, or None and the reason: not installed, no such task, or its own failure."""
    build = builder(name, task.kind)
    if build is None:
        return None, f"{name} takes no part in {task.kind}"
    try:
        return build(task), ""
    except ImportError as error:
        return None, f"not installed: {error}"
    except Exception as error:
        # A peer that cannot do a task (no compiler, no float64) is skipped with its own words, our own failure is one.
        if name == "fastgrad":
            raise
        return None, f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def serve(prepared: Prepared | None, reason: str, task: Task, requests: Iterable[str], replies: TextIO) -> None:
    """Say ready or skip, then answer request after request until there are no more."""

    def reply(**fields: object) -> None:
        print(json.dumps(fields), file=replies, flush=True)

    if prepared is None:
        reply(skip=reason)
        return
    reply(ready=prepared.about, facts=dict(prepared.facts))
    for line in requests:
        wanted = json.loads(line)["do"]
        try:
            reply(**(prepared.run() if wanted == "run" else limits(task)))
        except Exception as error:
            reply(error=f"{type(error).__name__}: {error}")


def main(arguments: list[str]) -> int:
    """Be the contender `arguments[0]` for the task in `arguments[1]`; arguments[2] names the processors to stay on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it ends us by closing our input
    name, task = arguments[0], Task.from_json(arguments[1])
    if len(arguments) > 2 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [int(cpu) for cpu in arguments[2].split(",")])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not get between the replies
    prepared, reason = prepare(name, task)
    serve(prepared, reason, task, sys.stdin, replies)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
