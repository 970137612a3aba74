"""Which build of the kernels, on how many threads: the rules, and what `fastgrad info` says of them.

Instruction set: the highest that the processor has and the build made, or what FASTGRAD_ISA names.  Threads: read at every
call from OpenMP (OMP_NUM_THREADS, threadpoolctl), the process's affinity and the container's quota; never more than cores.
"""

from __future__ import annotations

import functools
import importlib
import math
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

LEVELS = ("base", "v2", "v3", "v4")
# a thread is worth its barriers from about this much work on (flops a thread and step; measured crossover, see kernels)
FLOPS_PER_THREAD = 4e5
_after_fork = False


def _forked() -> None:
    # GNU OpenMP's pool does not live on in a forked child: its first parallel region would wait for ever
    global _after_fork
    _after_fork = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _module(bits: int, level: str) -> Any:
    return importlib.import_module(f"fastgrad.kernels._f{bits}_{level}")


@functools.cache
def built_levels() -> tuple[str, ...]:
    """Instruction sets that this installation has kernels for, lowest first."""
    folder = Path(__file__).parent / "kernels"
    return tuple(level for level in LEVELS if any(folder.glob(f"_f32_{level}.*[do]")))


@functools.cache
def usable_levels() -> tuple[str, ...]:
    """Built, and within the processor's means."""
    has = {"base", *_module(32, "base").processor_levels()}
    return tuple(level for level in built_levels() if level in has)


@functools.cache
def isa() -> str:
    """The instruction set in use; ValueError where FASTGRAD_ISA names one that is not there."""
    wanted = os.environ.get("FASTGRAD_ISA")
    if not wanted:
        return usable_levels()[-1]
    if wanted not in usable_levels():
        raise ValueError(f"FASTGRAD_ISA={wanted!r}: this processor and build have {', '.join(usable_levels())}")
    return wanted


def kernels(dtype: npt.DTypeLike, level: str | None = None) -> Any:
    """The compiled module for float32 or float64.

    >>> kernels("float32").constants()["bits"]
    32
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be float32 or float64, got {dtype}")
    return _module(dtype.itemsize * 8, level or isa())


@functools.cache
def _quota_files() -> tuple[Path, ...]:
    """Files that hold this process's processor quota (cgroup 2, then 1), as far as there are any."""
    try:
        own = {l.split(":", 2)[1]: l.split(":", 2)[2] for l in Path("/proc/self/cgroup").read_text().splitlines()}
    except (OSError, IndexError):
        own = {}
    root, inside = Path("/sys/fs/cgroup"), Path(own.get("", "/"))
    found = [root / folder.relative_to("/") / "cpu.max" for folder in (inside, *inside.parents)]
    first = own.get("cpu,cpuacct", "/").lstrip("/")
    found += [root / "cpu" / folder / "cpu.cfs_quota_us" for folder in (first, "")]
    return tuple(p for p in dict.fromkeys(found) if p.exists())


@functools.lru_cache(maxsize=1)
def _quota(second: int) -> float:
    """Processors that the container may use, read anew each second; inf where nothing limits it."""
    least = math.inf
    for path in _quota_files():
        try:
            words = path.read_text().split()
            period = words[1] if len(words) > 1 else path.with_name("cpu.cfs_period_us").read_text()
            if words[0] not in ("max", "-1"):
                least = min(least, int(words[0]) / int(period))
        except (OSError, ValueError):
            continue
    return least


def available_threads() -> int:
    """How many threads may be used now.

    >>> 1 <= available_threads() <= (os.cpu_count() or 1)
    True
    """
    if _after_fork:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = int(_module(32, "base").max_threads())  # any module answers; this one has been asked for the processor
    return max(1, math.ceil(min(asked, cores, _quota(int(time.monotonic())))))


def choose_threads(asked: int | None, flops: float) -> int:
    """Threads for work of `flops` between two barriers: what was asked for, or as many as help."""
    if asked is not None:
        return 1 if _after_fork else asked
    if flops < 2 * FLOPS_PER_THREAD:  # before asking the system, which takes longer than such work
        return 1
    return max(1, min(available_threads(), int(flops / FLOPS_PER_THREAD)))


def info() -> dict[str, Any]:
    """Version, instruction set, threads, OpenMP, and which optional parts are installed.

    >>> info()["isa"] in info()["usable"]
    True
    """
    from importlib.metadata import version
    from importlib.util import find_spec

    constants = kernels(np.float32).constants()
    parts = ("tqdm", "safetensors", "scipy", "numba", "sklearn", "matplotlib", "plotext", "pandas", "polars")
    return {
        "version": version("fastgrad"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "processor": platform.machine(),
        "isa": isa(),
        "usable": list(usable_levels()),
        "built": list(built_levels()),
        "vector_bytes": constants["vector_bytes"],
        "threads": available_threads(),
        "openmp": constants["openmp"] or False,
        "platform": sys.platform,
        "optional": {name: find_spec(name) is not None for name in parts},
    }
