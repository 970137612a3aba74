"""Nested tuples of numbers and arrays, and the flat vector of all that they hold: for tests and the fuzzer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def leaves(tree: Any) -> list[Any]:
    """The numbers and arrays in nested tuples and lists, in order."""
    return [leaf for entry in tree for leaf in leaves(entry)] if isinstance(tree, tuple | list) else [tree]


def flat(tree: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """All numbers as one vector."""
    return np.concatenate([np.ravel(leaf) for leaf in leaves(tree)]).astype(np.float64)


def filled(tree: Any, numbers: Iterator[float]) -> Any:
    """A tree of the same form with its numbers taken, in order, from an iterator over a flat vector."""
    if isinstance(tree, tuple):
        return tuple(filled(entry, numbers) for entry in tree)
    values = np.array([next(numbers) for _ in range(np.size(tree))])
    return values.reshape(np.shape(tree)) if np.ndim(tree) else float(values[0])
