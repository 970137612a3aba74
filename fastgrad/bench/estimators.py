"""Whole fits of default estimators: fastgrad.sklearn's, or scikit-learn's own, on tables and on sparse text.

Promises: the same rows in the same order, encoded alike, the estimators' own defaults, the same random_state; an estimator's
time is that of `fit`, from the arrays.  Two sets are at hand for everybody, the others where `data` names a folder that
holds them, each in a folder of its own, as downloaded.

Leaves out: which contender is which (worker.py, peers/), scores on held-out rows.
"""

from __future__ import annotations

import csv
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..tables import learning, reading
from .timing import Prepared
from .workloads import Array, Task

WARM_EPOCHS = 5
DOCUMENTS, WORDS, TOPICS = 10_000, 2_300, 77


def digits(task: Task) -> tuple[Any, Array]:
    """X (1797, 64) in 0..1 and the digits: scikit-learn's own set."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(task.dtype), y


def generated_text(task: Task) -> tuple[Any, Array]:
    """CSR (documents, words) of unit rows, about 11 words in each, and the topic that half of its words are drawn from.

    Words are as frequent as 1 / rank (Zipf); a topic has twelve words of its own, common ones or rare.
    """
    import scipy.sparse

    rng = np.random.default_rng(task.seed)
    rows = 500 if task.quick else DOCUMENTS
    frequency = 1 / np.arange(1, WORDS + 1)
    own = rng.choice(WORDS, (TOPICS, 12))
    topic = rng.integers(0, TOPICS, rows)
    lengths = rng.poisson(10, rows) + 1
    row = np.repeat(np.arange(rows), lengths)
    common = rng.choice(WORDS, row.size, p=frequency / frequency.sum())
    word = np.where(rng.random(row.size) < 0.5, own[topic[row], rng.integers(0, 12, row.size)], common)
    counts = scipy.sparse.csr_array((np.ones(row.size), (row, word)), shape=(rows, WORDS))
    counts.sum_duplicates()
    norms = np.sqrt(counts.multiply(counts).sum(axis=1))
    scaled = scipy.sparse.csr_array(counts.multiply(1 / norms[:, None]))
    scaled.sort_indices()
    return scaled.astype(task.dtype), topic


def table(path: Path, dtype: str, target: int | str, missing: str = "error") -> tuple[Any, Array]:
    """A text table: numbers standardised, categories one-hot; a target of numbers is standardised, too."""
    rows = reading.read(path, header=isinstance(target, str))
    place = rows.find(target) if isinstance(target, str) else range(len(rows.columns))[target]
    encoding = learning.learn(rows, [place], missing=missing)
    encoding = learning.measure(encoding, rows, np.arange(rows.rows))
    y = encoding.encode_targets(rows, [place])
    if encoding.classes is None:
        y = (y[:, 0] - y.mean()) / y.std()
    return encoding.encode(rows, dtype, standard=True), y


def texts(path: Path, dtype: str, text: int, label: int) -> tuple[Any, Array]:
    """Short texts and their labels, in columns of a .csv file with a header, or of lines with tabs: TF-IDF with
    scikit-learn's defaults, CSR."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    with path.open(encoding="utf-8", newline="") as lines:
        if path.suffix == ".csv":
            rows = list(csv.reader(lines))[1:]
        else:
            rows = [line.rstrip("\r\n").split("\t") for line in lines]
    X = TfidfVectorizer(dtype=np.dtype(dtype).type).fit_transform([row[text] for row in rows])
    return X, np.array([row[label] for row in rows])


OWN: Mapping[str, Callable[[Task], tuple[Any, Array]]] = {"digits": digits, "generated text": generated_text}
FILES: Mapping[str, tuple[str, Callable[..., tuple[Any, Array]], tuple[Any, ...]]] = {
    "letter": ("letter/letter-recognition.data", table, (0,)),
    "adult": ("adult/adult.data", table, (-1, "category")),
    "california": ("california-housing/housing.csv", table, ("median_house_value", "mean")),
    "sms-spam": ("sms-spam/SMSSpamCollection", texts, (1, 0)),
    "banking77": ("banking77/train.csv", texts, (0, 1)),
}


def names(data: str) -> list[str]:
    """The sets that can be read; `data`: a folder, or empty."""
    return [*OWN, *(name for name, (file, *_) in FILES.items() if data and (Path(data) / file).is_file())]


def read(task: Task) -> tuple[Any, Array]:
    """The set that the task names: X (N, I), dense or CSR, and y (N,)."""
    if task.piece in OWN:
        return OWN[task.piece](task)
    file, reader, columns = FILES[task.piece]
    return reader(Path(task.data) / file, task.dtype, *columns)


def peak_memory() -> dict[str, float]:
    """The most memory that this process has had, "memory" in MB; empty where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return {}
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"memory": used / (2**20 if sys.platform == "darwin" else 2**10)}


def prepare(task: Task, makers: Sequence[Callable[..., Any]], about: str) -> Prepared:
    """`fit` of the default estimator; makers: of the classifier and of the regressor.  Seconds of a fit, peak memory."""
    X, y = read(task)
    maker = makers[np.issubdtype(y.dtype, np.floating)]

    def fit(**more: Any) -> tuple[Any, float]:
        model = maker(random_state=task.seed, **more)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that 200 epochs were not enough
            start = time.perf_counter()
            model.fit(X, y)
            return model, time.perf_counter() - start

    warm, _ = fit(max_iter=WARM_EPOCHS)
    options = {"max_iter": 2} if task.quick else {}

    def run() -> dict[str, float]:
        model, seconds = fit(**options)
        return {"seconds": seconds, "epochs": float(model.n_iter_), **peak_memory()}

    facts = {"rows": float(X.shape[0]), "columns": float(X.shape[1]), "loss": float(warm.loss_)}
    return Prepared(run, about, facts)
