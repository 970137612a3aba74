"""Files that are either whole or as they were before."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def writable(path: str | os.PathLike[str], name: str = "path") -> Path:
    """The path as an absolute one, links followed; OSError, naming it, where no file can be written there.

    Asked before long work, so that no result is lost at its end.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} must be a path, got {type(path).__name__}")
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{name}: {target} is a folder, expected a file")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{name}: the folder {target.parent} does not exist")
    if not os.access(target.parent, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise PermissionError(f"{name}: no permission to write {target}")
    return target


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], name: str = "path") -> Iterator[Path]:
    """A new file beside `path`, to be written to; it takes that place, at once, when the block ends without an error.

    Otherwise it is removed and what was at `path` is untouched.  OSError as `writable`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "answer")) as new:
    ...         _ = new.write_text("42")
    ...     Path(folder, "answer").read_text()
    '42'
    """
    target = writable(path, name)
    new = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        # made here and not by the writer: a name that exists is refused, and the mode is the user's
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = (target if target.exists() else new).stat().st_mode & 0o7777
        yield new
        with open(new, "rb+") as file:
            os.fsync(file.fileno())  # the content is on the disk before the name points to it
        os.chmod(new, mode)
        os.replace(new, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
