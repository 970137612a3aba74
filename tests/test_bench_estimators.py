"""The sets and fits of `fastgrad bench estimators`, the networks of `fastgrad bench layers`.

Left out: how suites run and print (test_workloads.py).  No test looks at a speed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastgrad as fg
from fastgrad.bench import estimators, layers, worker
from fastgrad.bench.workloads import Task

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
scipy_sparse = pytest.importorskip("scipy.sparse")
DATA = Path(__file__).parents[2] / "shared" / "data"
SHAPES = {
    "letter": (20_000, 16), "adult": (32_561, 108), "california": (20_640, 13), "sms-spam": (5574, 8713),
    "banking77": (10_003, 2320),
}  # fmt: skip


def task(piece, dtype="float32", **more):
    return Task("estimator", (1, 1), dtype=dtype, quick=True, piece=piece, **more)


def test_generated_text_is_csr_of_unit_rows(dtype):
    X, y = estimators.read(task("generated text", dtype.name))
    again, _ = estimators.read(task("generated text", dtype.name))
    assert X.dtype == dtype
    assert (again != X).nnz == 0
    assert X.has_sorted_indices
    assert 8 < X.nnz / X.shape[0] < 12
    np.testing.assert_allclose(np.sqrt(X.multiply(X).sum(axis=1)), 1, rtol=1e-5)
    assert set(y) <= set(range(estimators.TOPICS))


def test_sets_are_those_that_are_there(tmp_path):
    assert estimators.names("") == ["digits", "generated text"]
    (tmp_path / "sms-spam").mkdir()
    text = 'ham\tsay "hello" to all\nspam\tfree "money\nham\thello again to you\nspam\tmoney for free\n'
    (tmp_path / "sms-spam" / "SMSSpamCollection").write_text(text, encoding="utf-8")
    assert estimators.names(str(tmp_path)) == ["digits", "generated text", "sms-spam"]
    X, y = estimators.read(task("sms-spam", data=str(tmp_path)))
    assert X.shape == (4, 9)
    assert list(y) == ["ham", "spam", "ham", "spam"]


@pytest.mark.parametrize("name", SHAPES)
def test_public_sets_as_downloaded(name):
    if not DATA.is_dir():
        pytest.skip(f"no data sets in {DATA}")
    X, y = estimators.read(task(name, data=str(DATA)))
    assert X.shape == SHAPES[name]
    assert len(y) == X.shape[0]
    if not scipy_sparse.issparse(X):
        assert np.isfinite(X).all()
        np.testing.assert_allclose(X[:, 0].mean(dtype=float), 0, atol=1e-4)


@pytest.mark.parametrize("piece", ["digits", "generated text"])
def test_both_libraries_learn_the_same(piece):
    mine, theirs = (worker.prepare(name, task(piece, "float64"))[0] for name in ("fastgrad", "sklearn"))
    assert theirs.facts == pytest.approx(mine.facts, rel=1e-6)
    answer = mine.run()
    assert answer["epochs"] == 2
    assert answer["seconds"] > 0


@pytest.mark.parametrize("name", layers.VARIANTS)
def test_variants_are_what_they_are_called(name):
    asked = layers.VARIANTS[name]
    made = layers.make_layers((6, 5, 4, 3), **{k: v for k, v in asked.items() if not k.startswith("clip")})
    kinds = [type(layer).__name__ for layer in made]
    assert kinds.count("Dense") == 3
    assert kinds.count(name) == (2 if hasattr(fg, name) else 0)
    out = fg.Network(made, loss="cross_entropy", seed=0).forward(np.ones((4, 6), np.float32))
    assert out.shape == (4, 3)
    prepared, _ = worker.prepare(name, Task("layers", (6, 5, 4, 3), 8, quick=True))
    assert prepared.run()["seconds"] > 0
