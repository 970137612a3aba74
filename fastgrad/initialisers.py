"""The table of initialisers: how the first weights of a layer are drawn.  Biases start at zero.

Draws are made by counter from the network's seed and the layer's number, so a layer's weights do not depend on the other
layers'.  Normals are not cut off (PyTorch's are not either; Keras cuts its at two deviations).  "orthogonal" goes through
LAPACK: its last digits are those of the installed one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .catalog import ACTIVATIONS, lookup
from .formulas import numpy_function

TABLES = 1 << 39  # the stream of an embedding's first table; loop.py names the others
# Adult data, three seeds: test accuracy 0.858 with 0.3 and all below, 0.856 with 1, which is what PyTorch takes
TABLE_DEVIATION = 0.05
Draws = npt.NDArray[np.float64]
Fill = Callable[[int, int, float, Draws], None]  # (seed, stream, bound, out): uniform in [-bound, bound)
# (seed, stream, bound, rows, O, out): those rows of a matrix that Fill would fill
FillRows = Callable[[int, int, float, npt.NDArray[np.int64], int, Draws], None]


@dataclass(frozen=True)
class Initialiser:
    """W (I, O) drawn by `law`, whose width is `scale`: a formula in I and O."""

    name: str
    law: str  # a key of LAWS
    scale: str
    about: str
    source: str


_HE = "He et al. 2015, arXiv:1502.01852"
_GLOROT = "Glorot & Bengio 2010"
_LECUN = "LeCun et al. 1998, Efficient BackProp"
_ORTHOGONAL = "Saxe et al. 2013, arXiv:1312.6120"
_ZEROS = "Zhang et al. 2019, arXiv:1901.09321"

INITIALISERS = {
    row.name: row
    for row in (
        Initialiser("he_uniform", "uniform", "(6 / I) ** 0.5", "for relu and its like", _HE),
        Initialiser("he_normal", "normal", "(2 / I) ** 0.5", "for relu and its like", _HE),
        Initialiser("glorot_uniform", "uniform", "(6 / (I + O)) ** 0.5", "for tanh, sigmoid, none", _GLOROT),
        Initialiser("glorot_normal", "normal", "(2 / (I + O)) ** 0.5", "for tanh, sigmoid, none", _GLOROT),
        Initialiser("lecun_uniform", "uniform", "(3 / I) ** 0.5", "for selu", _LECUN),
        Initialiser("lecun_normal", "normal", "(1 / I) ** 0.5", "for selu", _LECUN),
        Initialiser("orthogonal", "orthogonal", "1", "keeps lengths: for deep networks", _ORTHOGONAL),
        Initialiser("zeros", "zeros", "0", "for a last layer that should start silent", _ZEROS),
    )
}  # fmt: skip


def check(name: str) -> str:
    """The name, where the table has it; ValueError lists what exists.

    >>> check("he_normal")
    'he_normal'
    """
    return lookup(INITIALISERS, name, "init").name


def draw(name: str | None, activation: str, I: int, O: int, fill: Fill, seed: int, stream: int) -> Draws:
    """First weights W (I, O) in float64; without a name those that suit the activation, uniform."""
    law, scale = law_and_scale(name, activation, I, O)

    def uniform(count: int, bound: float) -> Draws:
        fill(seed, stream, bound, drawn := np.empty(count))
        return drawn

    return LAWS[law](uniform, I, O, scale)


def law_and_scale(name: str | None, activation: str, I: int, O: int) -> tuple[str, float]:
    """The law of the draws and its width."""
    row = INITIALISERS[f"{ACTIVATIONS[activation].init}_uniform" if name is None else name]
    return row.law, numpy_function(row.scale)(I=I, O=O)["value"]


def draw_rows(
    name: str | None, activation: str, I: int, O: int, fill: FillRows, seed: int, stream: int, rows: npt.NDArray[np.int64]
) -> Draws:  # fmt: skip
    """Some rows (n, O) of what `draw` gives, whose law is uniform: the others need the whole matrix."""
    drawn = np.empty((len(rows), O))
    fill(seed, stream, law_and_scale(name, activation, I, O)[1], rows, O, drawn)
    return drawn


def draw_table(codes: int, values: int, fill: Fill, seed: int, table: int) -> Draws:
    """First rows (codes, values) of an embedding's table in float64: normal with deviation TABLE_DEVIATION."""

    def uniform(count: int, bound: float) -> Draws:
        fill(seed, TABLES + table, bound, drawn := np.empty(count))
        return drawn

    return _normal(uniform, codes, values, TABLE_DEVIATION)


def _uniform(draws: Any, I: int, O: int, bound: float) -> Draws:
    drawn: Draws = draws(I * O, bound)
    return drawn.reshape(I, O)


def _normal(draws: Any, I: int, O: int, deviation: float) -> Draws:
    """Source: Box & Muller, Annals of Mathematical Statistics 29 (1958)."""
    first, second = draws(2 * I * O, 1.0).reshape(2, I, O)
    # first in [-1, 1): half of one less it is in (0, 1], whose logarithm is finite
    drawn: Draws = deviation * np.sqrt(-2 * np.log(0.5 * (1 - first))) * np.cos(np.pi * second)
    return drawn


def _orthogonal(draws: Any, I: int, O: int, gain: float) -> Draws:
    """Columns (or rows, where there are fewer of them) of length `gain`, at right angles: Q of a normal matrix.

    With the signs of R's diagonal taken out Q is uniform (Mezzadri, Notices of the AMS 54, 2007)."""
    Q, R = np.linalg.qr(_normal(draws, max(I, O), min(I, O), 1.0))
    Q *= gain * np.where(np.diag(R) < 0, -1.0, 1.0)
    return np.ascontiguousarray(Q if I >= O else Q.T)


def _zeros(draws: Any, I: int, O: int, scale: float) -> Draws:
    return np.zeros((I, O))


LAWS: dict[str, Callable[[Any, int, int, float], Draws]] = {
    "uniform": _uniform, "normal": _normal, "orthogonal": _orthogonal, "zeros": _zeros,
}  # fmt: skip
