"""The Python of a page of the documentation, run as a reader would, block after block."""

from __future__ import annotations

import linecache
import re
from pathlib import Path


def run(page: Path) -> tuple[int, dict[str, object]]:
    """How many blocks there are, and the names that they left."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks, 1):
        name = f"<{page.name}, block {number}>"
        linecache.cache[name] = len(block), None, block.splitlines(keepends=True), name  # fg.grad reads its function
        exec(compile(block, name, "exec"), names)
    return len(blocks), names
