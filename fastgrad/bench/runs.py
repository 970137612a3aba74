"""The order of runs and what is made of them: contenders alternate, ratios are paired, medians are quoted.

Promises: every contender lives in its own process, pinned to the same processors with the same thread limits, and waits
while another runs.  In each round each runs once, in an order that rotates; a ratio is that of one round's two times,
and its median over the rounds is quoted, so that a drift of the machine's speed touches neither.  The share of peak
is measured in the same rounds.  A contender that is missing or cannot do a task is listed with the reason.

Leaves out: what is run (workloads.py), and by whom (worker.py, peers/).
"""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from .workloads import Task

ROUNDS = 7
SETTLE = 0.2  # seconds between two runs: idle threads of the last contender sleep by then (OpenBLAS's spin for 0.1 s)
AGREE = 0.05  # relative difference of two contenders' losses or predictions above which a note says so
LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def say(text: str) -> None:
    """Progress, to standard error."""
    print(text, file=sys.stderr, flush=True)


def processors() -> list[int]:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def command(name: str) -> list[str]:
    """How the contender `name` of this package is started; the task is appended."""
    return [sys.executable, "-P", "-m", "fastgrad.bench.worker", name]


@dataclass
class Series:
    """What one contender did: one answer a round, or the reason why there is none.

    `limits`: what the machine could do, measured right after each answer of the reference contender.
    """

    name: str
    about: str = ""
    skipped: str = ""
    facts: dict[str, float] = field(default_factory=dict)
    answers: list[dict[str, float]] = field(default_factory=list)
    limits: list[dict[str, float]] = field(default_factory=list)

    @property
    def seconds(self) -> list[float]:
        """Seconds per unit, a value for each round."""
        return [answer["seconds"] for answer in self.answers]

    def median(self, key: str = "seconds") -> float:
        """The median of one entry of the answers over the rounds."""
        return statistics.median(answer[key] for answer in self.answers)

    def shares(self, work: float, key: str = "flops") -> list[float]:
        """work / seconds / limit, round by round: the part of the machine's peak that was reached."""
        return [work / s / limit[key] for s, limit in zip(self.seconds, self.limits, strict=True)]

    def share(self, work: float, key: str = "flops") -> float:
        """The median of `shares`."""
        return statistics.median(self.shares(work, key))

    def times_slower(self, reference: Series) -> list[float]:
        """This contender's seconds over the reference's, round by round."""
        return [mine / other for mine, other in zip(self.seconds, reference.seconds, strict=True)]


class Worker:
    """A contender's process: started pinned, asked line by line, ended when its input is closed.

    Raises RuntimeError, with the end of what it wrote to standard error, where the process dies or reports an error.
    """

    def __init__(self, name: str, start: Sequence[str], task: Task) -> None:
        self.name = name
        cpus = ",".join(map(str, processors()[: task.threads]))
        pin = ["taskset", "-c", cpus] if shutil.which("taskset") else []
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        environment = {
            **os.environ, **dict.fromkeys(LIMITS, str(task.threads)),
            "PYTHONPATH": paths, "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "",
        }  # fmt: skip
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        self.process = subprocess.Popen(
            [*pin, *start, task.to_json(), cpus], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
        )  # fmt: skip

    def answer(self) -> dict[str, Any]:
        """The next line of the process."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = self.errors.read().decode(errors="replace").strip().splitlines()[-6:]
            raise RuntimeError(f"the process of {self.name} ended with {self.process.returncode}: " + "\n".join(last))
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise RuntimeError(f"{self.name}: {found['error']}")
        return found

    def ask(self, wanted: str) -> dict[str, Any]:
        """The answer to one request."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": wanted}) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """End the process: by closing its input, or at once where something went wrong or it does not end."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        with suppress(subprocess.TimeoutExpired):
            if error is None:
                self.process.wait(timeout=1)
        self.process.kill()
        self.process.wait()
        self.errors.close()


def run_alternating(
    task: Task,
    names: Iterable[str] = (),
    rounds: int = ROUNDS,
    *,
    extra: Mapping[str, Sequence[str]] | None = None,
    log: Callable[[str], None] = say,
) -> list[Series]:
    """Measure fastgrad and others on one task, by turns; fastgrad's series comes first.

    `names`: contenders of peers/; `extra`: name -> command of any other program that keeps to worker.py's protocol.

    Raises RuntimeError where fastgrad itself fails, or a contender dies in the middle.
    """
    starts = {name: command(name) for name in ("fastgrad", *names)} | dict(extra or {})
    found = [Series(name) for name in starts]
    with ExitStack() as stack:
        ready: list[tuple[Worker, Series]] = []
        for series in found:
            log(f"  {series.name}: preparing")
            worker = stack.enter_context(Worker(series.name, starts[series.name], task))
            first = worker.answer()
            if "skip" in first:
                series.skipped = first["skip"]
                log(f"  {series.name}: skipped, {series.skipped}")
                continue
            series.about, series.facts = first["ready"], first["facts"]
            ready.append((worker, series))
        for number in range(rounds):
            log(f"  round {number + 1} of {rounds}")
            turn = number % len(ready)
            for worker, series in ready[turn:] + ready[:turn]:
                time.sleep(SETTLE)
                series.answers.append(worker.ask("run"))
                if series is found[0]:
                    series.limits.append(worker.ask("limits"))
    return found


# ---- what is made of the series ----------------------------------------------------------------------------------


def duration(seconds: float) -> str:
    """Seconds in a unit that reads well.

    >>> duration(9.04e-6), duration(0.0005352), duration(3.1)
    ('9.04 us', '535 us', '3.10 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)):
        if seconds >= size or unit == "ns":
            value = seconds / size
            return f"{value:.{max(0, 2 - max(0, math.floor(math.log10(value))))}f} {unit}" if value > 0 else "0 s"
    raise AssertionError(seconds)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns.

    >>> print(table(["network", "time"], [["16-32-1 b32", "1 us"]]))
    | network     | time |
    | ----------- | ---- |
    | 16-32-1 b32 | 1 us |
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines
    )


def cell(series: Series, reference: Series) -> str:
    """A peer's cell: how many times longer it takes, lowest and highest round, its time."""
    if series.skipped:
        return "-"
    ratios = series.times_slower(reference)
    middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
    return f"{middle:.2f}x ({low:.2f}-{high:.2f}) {duration(series.median())}"


def disagreements(found: Sequence[Series]) -> list[str]:
    """A note for each contender whose loss or predictions are not fastgrad's: it would have done other work."""
    notes = []
    for series in found[1:]:
        for key, value in series.facts.items():
            mine = found[0].facts.get(key, value)
            if not abs(value - mine) <= AGREE * abs(mine):
                notes.append(f"{series.name}: {key} {value:.6g} where fastgrad has {mine:.6g}: not the same work")
    return notes


def records(
    suite: str, task: Task, found: Sequence[Series], work: float = 0.0, limit: str = "flops"
) -> list[dict[str, Any]]:
    """One dict for each contender, for JSON: task, times, paired ratios, share of the machine's limit."""
    rows = []
    for series in found:
        row: dict[str, Any] = {
            "suite": suite, "kind": task.kind, "sizes": list(task.sizes), "batch": task.batch, "dtype": task.dtype,
            "threads": task.threads, "piece": task.piece, "quick": task.quick,
            "contender": series.name, "about": series.about, "facts": series.facts,
        }  # fmt: skip
        if series.skipped:
            row["skipped"] = series.skipped
        else:
            ratios = series.times_slower(found[0])
            row |= {
                "seconds": series.median(), "runs": series.answers,
                "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
            }  # fmt: skip
            if series.limits and work:
                shares = series.shares(work, limit)
                row |= {"share": statistics.median(shares), "shares": shares, "limits": series.limits}
        rows.append(row)
    return rows
