"""The suites of `fastgrad bench`: which tasks each measures, and the table it prints.

Promises: one function a suite, from the same options to a `Result`: a Markdown table, notes in words, all figures as
records for JSON.  Leaves out: workloads (workloads.py), runs and ratios (runs.py), the command line (cli/).
"""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import estimators, functions, layers, pieces, runs
from .runs import ROUNDS, Series, cell, duration, processors, say, table
from .workloads import MNIST_CASE, MNIST_EPOCHS, ONLINE_COLUMNS, ONLINE_EPOCHS, ONLINE_ROWS, OWN, Case, Task

PEERS = ("jax", "jax-npshuffle", "torch", "torch.compile", "sklearn")
ABOUT_RATIOS = (
    "2.00x (1.90-2.10): takes 2 times as long as fastgrad, median (lowest-highest round); then its own median."
)
ABOUT_JAX = "jax permutes inside its jit; jax-npshuffle is the same program with NumPy's permutation handed in."


@dataclass(frozen=True)
class Options:
    """What the command line says: cases, numbers of threads, contenders, rounds (0: as the suite wants), float type.

    `extra`: further contenders, name -> command, as in `run_alternating`.  `data`: the folder with MNIST's files.
    """

    cases: tuple[Case, ...] = OWN
    threads: tuple[int, ...] = (1, 2)
    peers: tuple[str, ...] = PEERS
    rounds: int = 0
    dtype: str = "float32"
    seed: int = 0
    quick: bool = False
    data: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    log: Callable[[str], None] = say

    def task(self, kind: str, case: Case, threads: int) -> Task:
        """The task of a kind, in these options' float type, seed and haste."""
        return Task(kind, case.sizes, case.batch, self.dtype, threads, self.seed, self.quick, self.data)

    def measure(self, task: Task, peers: Sequence[str], rounds: int = ROUNDS) -> list[Series]:
        """The alternating run of one task, announced."""
        what = f"{task.kind} {task.piece}".strip()
        self.log(f"{what} {task.case.name}, {task.dtype}, threads: {task.threads}")
        asked = self.rounds or (1 if self.quick else rounds)
        chosen = [name for name in peers if name in self.peers]
        return runs.run_alternating(
            task, chosen, asked, extra=self.extra if task.kind == "train" else None, log=self.log
        )

    def possible_threads(self) -> Iterator[int]:
        """The wanted numbers of threads that this machine has processors for; says which it leaves out."""
        for threads in self.threads:
            if threads <= len(processors()):
                yield threads
            else:
                self.log(f"{threads} threads left out: this process may use {len(processors())} processors")


@dataclass
class Result:
    """A suite's outcome: a table, notes, and the same in full for JSON."""

    title: str
    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    def __str__(self) -> str:
        """The table and the notes as Markdown."""
        return "\n".join([f"## {self.title}", "", table(self.header, self.rows), "", *(f"- {n}" for n in self.notes)])

    def row(self, options: Options, *cells: str) -> None:
        """Add a row; show it at once, so that nothing is lost where a long run ends early."""
        self.rows.append(list(cells))
        options.log("  " + " | ".join(cells))

    def add(self, suite: str, task: Task, found: Sequence[Series], work: float, limit: str = "flops") -> None:
        """Keep what was found, and once each what must be said about it."""
        self.records += runs.records(suite, task, found, work, limit)
        skips = [f"{s.name} skipped: {s.skipped}" for s in found if s.skipped]
        used = [s.about for s in found if s.about]
        notes = [f"{task.case.name}: {note}" for note in runs.disagreements(found)]
        self.notes += [note for note in dict.fromkeys([*used, *skips, *notes]) if note not in self.notes]


def own_cell(series: Series) -> str:
    """fastgrad's cell: median, lowest and highest round."""
    return f"{duration(series.median())} ({duration(min(series.seconds))}-{duration(max(series.seconds))})"


def training(suite: str, title: str, options: Options, peers: Sequence[str], kind: str = "train") -> Result:
    """Training steps of all cases and numbers of threads, with the share of peak and the peers that are asked for."""
    chosen = [name for name in peers if name in options.peers] + list(options.extra)
    result = Result(title, ["network, batch", "threads", "fastgrad, a step", "of peak", *chosen])
    if chosen:
        result.notes.append(ABOUT_RATIOS)
    if {"jax", "jax-npshuffle"} <= set(chosen):
        result.notes.append(ABOUT_JAX)
    for threads in options.possible_threads():
        for case in options.cases:
            task = options.task(kind, case, threads)
            found = options.measure(task, peers)
            share = f"{found[0].share(case.flops):.0%}"
            cells = [cell(series, found[0]) for series in found[1:]]
            result.row(options, case.name, str(threads), own_cell(found[0]), share, *cells)
            result.add(suite, task, found, case.flops)
    return result


def train(options: Options) -> Result:
    """fastgrad alone: time of a training step and share of the machine's peak."""
    return training("train", f"Training, {options.dtype}, Adam", options, ())


def peers(options: Options) -> Result:
    """fastgrad beside the other libraries."""
    return training("peers", f"Training beside other libraries, {options.dtype}, Adam", options, PEERS)


def kernels(options: Options) -> Result:
    """The pieces of a training step on their own, each beside the limit that holds for it, on one thread."""
    result = Result(
        f"Pieces of a training step, {options.dtype}, one thread",
        ["piece", "sizes", "fastgrad, a run", "a value", "of peak", "peak"],
        notes=[
            "flops: of the machine's multiply-adds; a function's value counts as one, so that 5 % takes as long as twenty",
            "bytes: of those that a large NumPy copy moves; more than 100 % where results go where the data came from",
        ],
    )
    for task in pieces.tasks(options.dtype, options.quick):
        task = replace(task, seed=options.seed)
        measure, found = pieces.measure_of(task), options.measure(task, ())
        shape = " x ".join(f"{n:,}" for n in (task.batch, *task.sizes) if n > 1)
        value = f"{found[0].median() / measure.values * 1e9:.3g} ns"
        share = f"{found[0].share(measure.work, measure.limit):.1%}"
        result.row(options, f"{task.kind} {task.piece}", shape, own_cell(found[0]), value, share, measure.limit)
        result.add("kernels", task, found, measure.work, measure.limit)
    return result


def optimizers(options: Options) -> Result:
    """Adam on its own: one flat array of ten thousand and of ten million parameters."""
    result = Result(
        f"Adam on its own, {options.dtype}",
        ["parameters", "threads", "fastgrad, an update", "of a copy's bandwidth", "torch, fused"],
        notes=[
            ABOUT_RATIOS,
            "bandwidth: 7 numbers a parameter (w, g, m, v read; w, m, v written), beside a NumPy copy",
        ],
    )
    for threads in options.possible_threads():
        for size in (1000, 20_000) if options.quick else (10_000, 10_000_000):
            task = options.task("update", Case((size,), 1), threads)
            found = options.measure(task, ("torch",))
            measure = pieces.measure_of(task)
            share = f"{found[0].share(measure.work, measure.limit):.0%}"
            cells = [cell(series, found[0]) for series in found[1:]]
            result.row(options, f"{size:,}", str(threads), own_cell(found[0]), share, *(cells or ["-"]))
            result.add("optimizers", task, found, measure.work, measure.limit)
    return result


def inference(options: Options) -> Result:
    """`predict` of one row and of many, NumPy arrays in and out, the link included."""
    names = [name for name in ("jax", "torch", "sklearn") if name in options.peers]
    result = Result(
        f"Prediction, {options.dtype}",
        ["network", "rows", "threads", "fastgrad, a call", "of peak", *names],
        notes=[ABOUT_RATIOS],
    )
    many = 1000 if options.quick else 100_000
    shapes = [("64-128-10", 1), ("64-128-10", many), ("784-256-128-10", many)]
    for threads in options.possible_threads():
        for sizes, rows in shapes:
            if rows == 1 and threads > 1:
                continue
            case = Case.parse(f"{sizes}:{rows}")
            task = options.task("predict", case, threads)
            found = options.measure(task, names)
            share = f"{found[0].share(case.forward_flops):.0%}" if rows > 1 else ""
            cells = [cell(series, found[0]) for series in found[1:]]
            result.row(options, sizes, f"{rows:,}", str(threads), own_cell(found[0]), share, *cells)
            result.add("inference", task, found, case.forward_flops)
    return result


def gradients(options: Options) -> Result:
    """Gradients of functions with loops and writes: beside the function itself, and beside JAX."""
    result = Result(
        "Gradients of functions, float64, one thread",
        ["function", "size", "gradient, a call", "function, a call", "gradient / function", "jax"],
        notes=[
            ABOUT_RATIOS,
            "function: compiled by Numba as it stands; calls from Python with NumPy arrays, all included",
        ],
    )
    for name, case in functions.OBJECTIVES.items():
        for size in case.sizes:
            small = Case((min(size, 20),) if options.quick else (size,), 1)
            task = replace(options.task("gradient", small, 1), piece=name, dtype="float64")
            found = options.measure(task, ("jax",))
            ratios = [answer["seconds"] / answer["objective"] for answer in found[0].answers]
            ratio = f"{statistics.median(ratios):.2f}x ({min(ratios):.2f}-{max(ratios):.2f})"
            alone = duration(found[0].median("objective"))
            peers = [cell(series, found[0]) for series in found[1:]] or ["-"]
            result.row(options, name, f"{small.sizes[0]:,}", own_cell(found[0]), alone, ratio, *peers)
            result.add("gradients", task, found, 0.0)
    return result


def default_estimators(options: Options) -> Result:
    """Default MLPClassifier and MLPRegressor, fastgrad's and scikit-learn's, on tables and sparse text."""
    result = Result(
        f"Default estimators, {options.dtype}, fit to the end",
        ["data", "rows x columns", "fastgrad, a fit", "peak memory", "sklearn", "its peak memory"],
        notes=[ABOUT_RATIOS, "text is CSR; peak memory: of the whole process, reading and encoding included"],
    )
    threads = max(options.possible_threads(), default=1)
    for name in estimators.names(options.data):
        task = replace(options.task("estimator", Case((1, 1), 1), threads), piece=name)
        found = options.measure(task, ("sklearn",), 3)
        shape = "{rows:,.0f} x {columns:,.0f}".format(**found[0].facts)
        cells = [text for s in found[1:] for text in (cell(s, found[0]), memory_cell(s))] or ["-", "-"]
        result.row(options, name, shape, own_cell(found[0]), memory_cell(found[0]), *cells)
        result.add("estimators", task, found, 0.0)
    return result


def memory_cell(series: Series) -> str:
    """The most memory that the contender's process had had after its first fit."""
    used = series.answers[0].get("memory") if series.answers else None
    return "-" if used is None else f"{used:.0f} MB"


def layer_costs(options: Options) -> Result:
    """What dropout, norms and clipping of gradients add to a training step."""
    names = tuple(name for name in layers.VARIANTS if name != "fastgrad")
    cases = (Case.parse(layers.CASE),) if options.cases == OWN else options.cases
    options = replace(options, peers=names, cases=cases, extra={})
    return training("layers", f"Layers and clipping, {options.dtype}, Adam", options, names, "layers")


def whole_trainings(suite: str, result: Result, options: Options, task: Task, peer: str, rounds: int) -> Result:
    """Trainings to the end, a row for each contender: seconds, ratio, accuracy."""
    found = options.measure(task, (peer,), rounds)
    for series in found:
        if not series.skipped:
            reached = [answer["accuracy"] for answer in series.answers]
            spread = f"{statistics.median(reached):.2%} ({min(reached):.2%}-{max(reached):.2%})"
            ratio = f"{statistics.median(series.times_slower(found[0])):.2f}x"
            result.row(options, series.name, str(task.threads), own_cell(series), ratio, spread)
    result.add(suite, task, found, 0.0)
    return result


def mnist(options: Options) -> Result:
    """MNIST to the end, a seed a round, fastgrad and PyTorch."""
    case = Case.parse(MNIST_CASE)
    result = Result(
        f"MNIST, {case.name}, Adam, one cycle, {MNIST_EPOCHS} epochs",
        ["library", "threads", "training", "of fastgrad's time", "test accuracy"],
    )
    threads = max(options.possible_threads(), default=1)
    return whole_trainings("mnist", result, options, options.task("mnist", case, threads), "torch", 5)


def online(options: Options) -> Result:
    """Logistic regression, a row a step, fastgrad and scikit-learn's SGDClassifier."""
    result = Result(
        f"Online logistic regression, {ONLINE_ROWS:,} x {ONLINE_COLUMNS}, {ONLINE_EPOCHS} epochs",
        ["library", "threads", "training", "of fastgrad's time", "training accuracy"],
    )
    task = options.task("online", Case((ONLINE_COLUMNS, 1), 1), 1)
    return whole_trainings("online", result, options, task, "sklearn", ROUNDS)


SUITES: Mapping[str, Callable[[Options], Result]] = {
    "train": train, "kernels": kernels, "peers": peers, "optimizers": optimizers, "inference": inference,
    "layers": layer_costs, "gradients": gradients, "estimators": default_estimators, "mnist": mnist, "online": online,
}  # fmt: skip


def run(name: str, options: Options) -> Result:
    """The suite `name`, its cases made small where only their running is to be seen."""
    if options.quick and options.cases == OWN:
        options = replace(options, cases=OWN[:2])
    return SUITES[name](options)


def cpu_name() -> str:
    """The processor's name, as far as the system tells; empty where it does not."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def document(results: Sequence[Result]) -> dict[str, Any]:
    """What is written for --json: where it was measured, and all records."""
    from .. import dispatch

    machine = {
        "machine": platform.machine(), "cpu": cpu_name(), "system": platform.platform(), "processors": len(processors())
    }  # fmt: skip
    found = [record for result in results for record in result.records]
    return {"fastgrad": dispatch.info(), "python": platform.python_version(), **machine, "records": found}
