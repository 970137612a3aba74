"""The package's files, and Python processes that have not seen it yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fastgrad

PACKAGE = Path(fastgrad.__file__).parent
SOURCES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def run(code: str) -> str:
    """What a fresh Python process prints that finds this very fastgrad."""
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
