"""How results look: a table that fits a terminal, the same as Markdown for pipes and files, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..bench.runs import table


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table: with rich on a terminal where it is installed, otherwise as Markdown, which grep can read."""
    if sys.stdout.isatty():
        try:
            from rich.console import Console
            from rich.table import Table
            from rich.text import Text
        except ImportError:
            pass
        else:
            shown = Table(title=Text(title) if title else None, title_justify="left")
            for name in header:  # as Text: a name such as [red] is no markup
                shown.add_column(Text(name))
            for row in rows:
                shown.add_row(*map(Text, row))
            Console(highlight=False).print(shown)
            return
    if title:
        print(f"## {title}\n")
    print(table(header, rows))


def require_matplotlib() -> None:
    """ImportError, with the command that mends it, before the work is done."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f'{error}. --plot needs matplotlib: pip install "fastgrad[plot]"') from error


def plain(value: Any) -> Any:
    """What JSON knows: NumPy's numbers and arrays as plain ones, null for what is not finite, the rest as text.

    >>> plain({"a": np.float32(0.5), "b": (float("nan"), None)})
    {'a': 0.5, 'b': [None, None]}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def show_json(value: Any) -> None:
    """Print JSON that any program can read."""
    print(json.dumps(plain(value), indent=2, allow_nan=False))
