"""Derivatives as the plain Python that their `.source` shows: for tests and the fuzzer, which have no time to compile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import fastgrad.differentiate.compiling as compiling


def plain(text: str, entry: str, signature: Sequence[Any], checks: bool = False, meant: str = "") -> Any:
    """In the place of compiling.compiled: the function `entry` of the text, run by Python."""
    space: dict[str, Any] = {}
    exec(compile(text, f"<{entry}>", "exec"), space)
    return space[entry]


@contextmanager
def interpreted() -> Iterator[None]:
    """Whatever derivative is made or called for the first time inside is run by Python, not compiled."""
    with mock.patch.object(compiling, "compiled", plain):
        yield
