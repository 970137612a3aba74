"""Small functions to differentiate, by theme; the names of their arguments choose the values.

Every public function of a theme is a case.  At the sample values none has a kink.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

THEMES = (
    "scalars", "arrays", "reductions", "broadcasting", "indexing", "writes", "views", "choices", "loops", "branches", "calls",
    "linalg", "tuples", "recursion", "combined", "stencils", "handed", "rows", "elses",
    "lists",
)  # fmt: skip


class Case(NamedTuple):
    """One function of the corpus."""

    theme: str
    function: Callable[..., Any]

    @property
    def name(self) -> str:
        """`theme.function`, as the tests call it."""
        return f"{self.theme}.{self.function.__name__}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arguments, those with a default or stars left out."""
        found = inspect.signature(self.function).parameters.values()
        return tuple(p.name for p in found if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD)

    def arguments(self) -> tuple[Any, ...]:
        """New values of the arguments."""
        values = samples()
        return tuple(values[name] for name in self.names)

    @property
    def active(self) -> tuple[int, ...]:
        """The positions of the arguments that hold floating-point numbers."""
        return tuple(i for i, value in enumerate(self.arguments()) if is_active(value))


def is_active(value: Any) -> bool:
    """Whether a value is a floating-point number, an array of them or a tuple of such."""
    if isinstance(value, tuple):
        return all(is_active(entry) for entry in value)
    return isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def samples() -> dict[str, Any]:
    """Name of an argument -> a new value: numbers and arrays in general position, then what is not differentiated."""
    rng = np.random.default_rng(20)

    def draw(*shape: int) -> np.ndarray:
        return rng.uniform(-1.0, 1.0, shape)

    G = draw(4, 4)
    return {
        "x": 0.7, "y": 1.3, "z": -0.4, "s": 2.5,
        "u": draw(5), "v": draw(5), "p": rng.uniform(0.3, 2.0, 5), "q": rng.uniform(-0.8, 0.8, 5),
        "o": np.array([0.5, 0.0, -1.2, 0.8]), "w": draw(3), "r": draw(4),
        "A": draw(3, 4), "B": draw(4, 3), "C": draw(3, 4), "X": draw(6, 3), "T": draw(2, 3, 4),
        "M": draw(4, 4) + 2.0 * np.eye(4), "S": G @ G.T + np.eye(4),
        "pair": (0.5, 1.5), "state": (0.7, draw(3)), "layer": ((draw(2, 3), draw(2)), draw(3)),
        "n": 3, "flag": True, "mode": "tanh", "nothing": None,
        "idx": np.array([0, 2, 2, 4]), "mask": np.array([True, False, True, True, False]),
    }  # fmt: skip


def cases() -> Iterator[Case]:
    """All cases, theme by theme, in the order in which they are written."""
    for theme in THEMES:
        module = importlib.import_module(f"{__name__}.{theme}")
        for name, function in list(vars(module).items()):
            if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
                yield Case(theme, function)
