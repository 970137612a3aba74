"""Derivatives as plain Python, the text that would be compiled: for tests and the fuzzer, which have no time to compile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import fastgrad.differentiate.compiling as compiling
import fastgrad.differentiate.recipes as recipes


def plain(text: str, entry: str, signature: Sequence[Any], checks: bool = False, meant: str = "") -> Any:
    """In the place of compiling.compiled: the function `entry` of the text, run by Python."""
    space: dict[str, Any] = {}
    exec(compile(text, f"<{entry}>", "exec"), space)
    return space[entry]


@contextmanager
def interpreted(shown: bool = False) -> Iterator[None]:
    """Whatever derivative is made or called for the first time inside is run by Python, not compiled.

    shown: what runs is what `.source` shows, without what is done to it for the compiler.
    """
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(compiling, "compiled", plain))
        for name in ("checked", "gathered", "unsigned") if shown else ():
            patches.enter_context(mock.patch.object(recipes, name, lambda program: program))
        yield
