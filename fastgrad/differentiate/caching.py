"""Compiled derivatives on disk: a folder that belongs to the user alone, and files in it that are whole or absent.

Promised: a file that was torn, edited or written by another version is not used; many processes may read and write at
once; where nothing can be written, one warning, and everything is compiled in memory.  FASTGRAD_CACHE_DIR says where,
else the platform's place for caches.  The folder may be deleted at any time.
Left out: the machine code itself, which Numba keeps beside each source file, in __pycache__; what is removed (pruning.py).
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import sys
import time
import warnings
import zlib
from pathlib import Path

from fastgrad.differentiate import pruning
from fastgrad.files import replacing

PLACE = "compiled"  # made by us inside the folder that was named, so that its mode is ours to set
HEAD = "# fastgrad "


def wanted() -> Path:
    """The folder named by FASTGRAD_CACHE_DIR, or the platform's place for caches."""
    if named := os.environ.get("FASTGRAD_CACHE_DIR"):
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "fastgrad" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "fastgrad"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastgrad"


def folder() -> Path | None:
    """The folder for compiled derivatives, made if need be; None, and a warning once, where it cannot be had."""
    try:
        return private(wanted() / PLACE)
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        warn(str(error))
        return None


def private(path: Path) -> Path:
    """The folder, which nobody else may read or write; PermissionError where that cannot be had.

    What lies there is run as code, so a folder that is another user's, or a link, is refused.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(f"{path} is not a folder of this user's own")
        if found.st_mode & 0o077:
            os.chmod(path, 0o700)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"{path} is not writable")
    return path


@functools.cache
def warn(reason: str) -> None:
    """Say once that derivatives are compiled in memory."""
    warnings.warn(f"compiled derivatives are not kept on disk: {reason}", RuntimeWarning, stacklevel=2)


@functools.cache
def versions() -> str:
    """What compiled code depends on besides the user's function: Python, Numba, and our own sources, byte by byte."""
    import numba

    ours = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        ours.update(path.read_bytes())
    return f"{sys.version_info[:2]} {numba.__version__} {ours.hexdigest()}"


def key(*parts: str) -> str:
    """A name for what follows from these texts and from the versions of all that makes it."""
    joined = "\0".join([versions(), *parts])
    return hashlib.sha256(joined.encode()).hexdigest()[:40]


def digest(text: str) -> str:
    """What the first line of a file says of the rest."""
    return hashlib.sha256(text.encode()).hexdigest()


def load(name: str) -> str | None:
    """The text that was stored under a name; None where there is none or where it is not whole."""
    place = folder()
    if place is None:
        return None
    path = place / f"{name}.py"
    try:
        head, _, text = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if head != HEAD + digest(text):
        return None
    pruning.used(path)
    return text


def store(name: str, text: str) -> Path | None:
    """Keep a text under a name, whole or not at all; None, and a warning once, where that cannot be done."""
    place = folder()
    if place is None:
        return None
    path = place / f"{name}.py"
    try:
        with replacing(path) as new:
            new.write_text(f"{HEAD}{digest(text)}\n{text}", encoding="utf-8")
            # Numba takes another time of writing for another text: the same text has the same time, whoever writes it
            moment = 1_000_000_000 + zlib.crc32(text.encode()) // 8
            os.utime(new, (time.time(), moment))
    except OSError as error:
        warn(str(error))
        return None
    pruning.TURN.take(place)
    return path


def told() -> tuple[Path, int, int]:
    """Where compiled derivatives are kept, how many, and of how many bytes in all; nothing is made or removed."""
    place = wanted() / PLACE
    found = pruning.contents(place).values()
    return place, len(found), sum(kept.size for kept in found)


def clear() -> int:
    """Remove them all; the number of functions.  Processes that use them go on, and compile anew what they need again."""
    return pruning.prune(wanted() / PLACE, 0, 0.0)


def forget(name: str) -> None:
    """Remove a text and the machine code made of it, as far as that is possible."""
    place = folder()
    if place is not None:
        for path in [place / f"{name}.py", *place.glob(f"__pycache__/{name}.*")]:
            path.unlink(missing_ok=True)
