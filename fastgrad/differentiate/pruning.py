"""What is removed from the folder of compiled derivatives: what was not used for long, and what is too much.

Promised: the least recently used goes first; a look at the folder once a day, when something new is stored anyway; any
number of processes may look, store and use at once: who finds a file gone compiles anew.
When something was last used is the access time of its source file, set by `used` (most systems do not keep it by themselves)
once a day; its time of writing belongs to Numba (caching.py).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SIZE = 512 * 1024**2  # bytes in all: some thousands of functions
DAY = 86400.0
AGE = 90 * DAY  # no use for so many seconds: most of it belongs to functions and versions that are gone
MARK = "looked_through"  # an empty file: its time of writing is that of the last look
STORES = 200  # a look after so many new functions of one process, however soon that is


@dataclass
class Kept:
    """One compiled function: its source file and what Numba made of it."""

    used: float = 0.0
    size: int = 0
    files: list[Path] = field(default_factory=list)


def used(path: Path) -> None:
    """Note that a source file is in use, if that was not noted today."""
    with contextlib.suppress(OSError):  # a disk that has become read-only is no reason to stop
        found = path.stat()
        if time.time() - found.st_atime > DAY:
            os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))


def contents(folder: Path) -> dict[str, Kept]:
    """All that lies in the folder, by name."""
    found: dict[str, Kept] = {}
    for entry in entries(folder):
        with contextlib.suppress(OSError):
            state = entry.stat(follow_symlinks=False)
            kept = found.setdefault(entry.name.lstrip(".").split(".")[0], Kept())
            source = entry.name.endswith(".py") and not entry.name.startswith(".")
            kept.used = max(kept.used, state.st_atime if source else state.st_mtime)
            kept.size += state.st_size
            kept.files.append(Path(entry.path))
    return found


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The files of the folder and of Numba's in it."""
    for place in (folder, folder / "__pycache__"):
        with contextlib.suppress(OSError), os.scandir(place) as found:
            yield from (e for e in found if e.name != MARK and not e.is_dir(follow_symlinks=False))


def prune(folder: Path, size: int = SIZE, age: float = AGE) -> int:
    """Remove what was not used for `age` seconds, then the least recently used until `size` bytes are left; how many."""
    found = sorted(contents(folder).values(), key=lambda kept: kept.used)
    total, limit, removed = sum(kept.size for kept in found), time.time() - age, 0
    for kept in found:
        if kept.used >= limit and total <= size:
            break
        for path in kept.files:
            with contextlib.suppress(OSError):  # gone already, or, on Windows, in use
                path.unlink()
        total -= kept.size
        removed += 1
    return removed


class Turn:
    """Whose turn it is to look: nobody's if somebody did today."""

    def __init__(self) -> None:
        self.stored = 0

    def take(self, folder: Path) -> None:
        """Something new was stored in the folder: prune it if that is due."""
        self.stored += 1
        mark = folder / MARK
        with contextlib.suppress(OSError):
            last = mark.stat().st_mtime if mark.exists() else 0.0
            if abs(time.time() - last) > DAY or self.stored >= STORES:
                mark.touch()  # first, so that no other process looks, too
                self.stored = 0
                prune(folder)


TURN = Turn()
