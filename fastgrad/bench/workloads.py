"""What is benchmarked: cases, data and the recipe.

Promises: every contender gets the same arrays, the same first parameters and the same recipe (ReLU, Adam with a
learning rate of 1e-3, shuffled mini-batches, loss included), generated from a seed in each process.  X has 8 to 64 MB,
so that an epoch does not live in the L2 cache.  Every timed run starts again from the first parameters: no
contender trains into a region of vanishing gradients that another has not reached.

Leaves out: how a run is timed (timing.py), running it with fastgrad (worker.py) and with other libraries (peers/); the
order of runs, medians, ratios and tables (runs.py).
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tables.reading import read_idx

Array = NDArray[Any]
LR = 1e-3
MB = 2**20
SMALLEST, LARGEST = 8 * MB, 64 * MB  # bytes of X in an epoch
LEAST_STEPS = 60
CHECK_STEPS = 60  # unshuffled steps after which all contenders must have seen the same mean loss
MNIST_CASE = "784-256-128-10:128"
MNIST_EPOCHS, MNIST_LR = 10, 4e-3
ONLINE_ROWS, ONLINE_COLUMNS, ONLINE_EPOCHS, ONLINE_LR = 200_000, 20, 5, 0.01


@dataclass(frozen=True)
class Case:
    """A network and a batch size.

    >>> case = Case.parse("64-128-10:32")
    >>> case.name, case.loss, case.flops
    ('64-128-10 b32', 'cross_entropy', 1294336.0)
    """

    sizes: tuple[int, ...]
    batch: int

    @classmethod
    def parse(cls, text: str) -> Case:
        """The case written as sizes joined by "-", then ":" and the batch size (128 if left out).

        Raises ValueError where a number is missing, not whole or below 1.
        """
        sizes, _, batch = text.partition(":")
        try:
            case = cls(tuple(int(n) for n in sizes.split("-")), int(batch or 128))
        except ValueError:
            raise ValueError(f"cases: expected sizes and batch such as 64-128-10:32, found {text!r}") from None
        if len(case.sizes) < 2 or min(*case.sizes, case.batch) < 1:
            raise ValueError(f"cases: expected at least two sizes and a batch, all at least 1, found {text!r}")
        return case

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{'-'.join(map(str, self.sizes))} b{self.batch}"

    @property
    def loss(self) -> str:
        """Squared error for one output, otherwise cross-entropy."""
        return "mse" if self.sizes[-1] == 1 else "cross_entropy"

    @property
    def flops(self) -> float:
        """Floating-point operations of one training step: 6 N I O a layer, less 2 N I O as the first needs no dX."""
        return self.batch * (sum(6.0 * i * o for i, o in self.layers) - 2.0 * self.sizes[0] * self.sizes[1])

    @property
    def forward_flops(self) -> float:
        """Floating-point operations of one forward pass: 2 N I O a layer."""
        return self.batch * sum(2.0 * i * o for i, o in self.layers)

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(I, O) of every layer."""
        return list(itertools.pairwise(self.sizes))

    def steps(self, dtype: str, quick: bool = False) -> int:
        """Steps of an epoch: at least 60 and 8 MB of X, at most 64 MB of X (but one step), all batches full."""
        if quick:
            return 8
        row = self.sizes[0] * np.dtype(dtype).itemsize
        rows = max(LEAST_STEPS * self.batch, math.ceil(SMALLEST / row))
        return max(1, min(rows, LARGEST // row) // self.batch)


OWN = tuple(
    Case.parse(text)
    for text in ("16-32-1:32", "64-128-10:32", "64-128-128-10:128", "784-256-128-10:128", "784-1024-1024-10:256")
)
ODD = (Case.parse("45-90-6:40"), Case.parse("180-420-420-4:90"))


def random_cases(seed: int = 0, count: int = 10) -> tuple[Case, ...]:
    """`count` shapes drawn at random: 2 to 4 layers, sizes and batches log-uniform, batches 1 and 7 among them.

    >>> [case.batch for case in random_cases(3)[:2]]
    [1, 7]
    """
    rng = np.random.default_rng(seed)

    def draw(low: float, high: float) -> int:
        return round(math.exp(rng.uniform(math.log(low), math.log(high))))

    cases = []
    for number in range(count):
        hidden = [draw(5, 600) for _ in range(rng.integers(1, 4))]
        sizes = (draw(3, 800), *hidden, draw(1, 30))
        cases.append(Case(sizes, (1, 7)[number] if number < 2 else draw(2, 400)))
    return tuple(cases)


def find_cases(text: str, seed: int = 0) -> tuple[Case, ...]:
    """The cases that a comma-separated text names: `own`, `odd`, `random` (drawn from `seed`), or sizes:batch.

    Raises ValueError as `Case.parse` does.

    >>> [case.name for case in find_cases("odd,16-32-1:32")]
    ['45-90-6 b40', '180-420-420-4 b90', '16-32-1 b32']
    """
    groups = {"own": OWN, "odd": ODD, "random": random_cases(seed)}
    chosen: list[Case] = []
    for word in text.split(","):
        chosen += groups.get(word) or [Case.parse(word)]
    return tuple(chosen)


@dataclass(frozen=True)
class Task:
    """One thing to measure, as it travels to a worker process.

    `kind`: train, update (an optimizer alone; sizes = number of parameters), predict (`batch` rows), mnist, online,
    gradient (functions.py), estimator (estimators.py), layers (layers.py), or one of the others of pieces.py.  `piece`:
    which of a kind (an activation, a product, a function, a set of data; of update, empty: Adam).
    `threads`: what the contender may use.  `quick`: smallest sizes, one run, to see that it runs.  `data`: a folder.
    """

    kind: str
    sizes: tuple[int, ...]
    batch: int = 1
    dtype: str = "float32"
    threads: int = 1
    seed: int = 0
    quick: bool = False
    data: str = ""
    piece: str = ""

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Task:
        """The task that `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "sizes": tuple(fields["sizes"])})

    @property
    def case(self) -> Case:
        """The network and batch."""
        return Case(self.sizes, self.batch)

    @property
    def check_rows(self) -> int:
        """Rows of the unshuffled steps whose mean loss must be the same for all contenders."""
        return min(CHECK_STEPS, self.case.steps(self.dtype, self.quick)) * self.batch


# ---- data, the same for everybody --------------------------------------------------------------------------------


def uniform(rng: np.random.Generator, rows: int, columns: int, dtype: str) -> Array:
    """(rows, columns) uniform in (-1, 1), made in place: it may be large."""
    X: Array = rng.random((rows, columns), dtype=np.float32 if dtype == "float32" else np.float64)
    X *= 2
    X -= 1
    return X


def training_data(task: Task) -> tuple[Array, Array]:
    """X (rows, I) uniform in (-1, 1), and targets from X with noise: class indices, or numbers (rows,) for mse."""
    case = task.case
    rows = case.steps(task.dtype, task.quick) * case.batch
    rng = np.random.default_rng(task.seed)
    X = uniform(rng, rows, case.sizes[0], task.dtype)
    W = rng.normal(size=(case.sizes[0], case.sizes[-1])).astype(task.dtype) * math.sqrt(3 / case.sizes[0])
    scores = X @ W
    scores += rng.normal(scale=0.3, size=scores.shape)
    if case.loss == "mse":
        return X, np.ascontiguousarray(scores[:, 0])
    return X, scores.argmax(axis=1).astype(np.int64)


def first_parameters(task: Task) -> list[tuple[Array, Array]]:
    """[(W (I, O), b (O,)), ...], uniform within 1 / sqrt(I)."""
    rng = np.random.default_rng(task.seed + 1)
    return [
        (
            rng.uniform(-1, 1, (i, o)).astype(task.dtype) / np.dtype(task.dtype).type(math.sqrt(i)),
            rng.uniform(-0.1, 0.1, o).astype(task.dtype),
        )
        for i, o in task.case.layers
    ]


def optimizer_data(task: Task) -> tuple[Array, Array]:
    """Parameters and a gradient, (n,) each, both normal."""
    rng = np.random.default_rng(task.seed)
    return rng.normal(size=task.sizes[0]).astype(task.dtype), rng.normal(size=task.sizes[0]).astype(task.dtype)


def rows_to_predict(task: Task) -> Array:
    """X (batch, I) uniform in (-1, 1); a single row is (I,)."""
    rng = np.random.default_rng(task.seed)
    X = uniform(rng, task.batch, task.sizes[0], task.dtype)
    single: Array = X[0]
    return single if task.batch == 1 else X


def mnist(folder: str | Path) -> tuple[Array, Array, Array, Array]:
    """MNIST's X (60000, 784) float32 in 0..1, y, and the test set's X and y, from the four .gz files of `folder`.

    Raises FileNotFoundError where one of them is missing.
    """
    parts: list[Array] = []
    for part in ("train", "t10k"):
        for what in ("images-idx3", "labels-idx1"):
            path = Path(folder) / f"{part}-{what}-ubyte.gz"
            if not path.is_file():
                raise FileNotFoundError(f"data: expected MNIST's {path.name} in {folder}, found no such file")
            parts.append(read_idx(path))
    X, y, X_test, y_test = parts
    flat, flat_test = (a.reshape(len(a), -1) * np.float32(1 / 255) for a in (X, X_test))
    return flat, y.astype(np.int64), flat_test, y_test.astype(np.int64)


def online_data(task: Task) -> tuple[Array, Array]:
    """X (200000, 20) normal and labels 0/1 drawn from a logistic model."""
    rng = np.random.default_rng(task.seed)
    rows = 2000 if task.quick else ONLINE_ROWS
    X = rng.normal(size=(rows, ONLINE_COLUMNS)).astype(task.dtype)
    odds = X @ rng.normal(size=ONLINE_COLUMNS)
    return X, (rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int64)
