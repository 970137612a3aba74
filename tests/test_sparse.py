"""CSR input: it gives the bits of its dense twin, takes every shape and setting, and is never made dense or changed.

The oracle of most tests is the same network on `X.toarray()`: the kernels sum over nonzeros in the order of the dense
products.  Left out: what the dense kernels promise themselves (test_computing.py, test_fit.py).
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from oracle import bits, oracle_of, sparse

import fastgrad as fg
from fastgrad import catalog, csr

ROWS = 1300


def twins(sizes, dtype="float64", **more):
    return [fg.Network(sizes, dtype=dtype, seed=1, **more) for _ in range(2)]


def same(dense, other, X):
    """Parameters and predictions, bit for bit."""
    assert bits(dense) == bits(other)
    assert np.array_equal(dense.predict(X.toarray()), other.predict(X))


SHAPES = [[70, 33, 40, 3], [70, 1], [5, 7], [100, 100, 1], [300, 17, 2], [40, 150, 4]]


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("batch", [1, 7, 64, None])
def test_fit_gives_the_bits_of_the_dense_twin(sizes, batch, threads, dtype, rng):
    X = sparse(rng, 200 if batch == 1 else ROWS, sizes[0], dtype=dtype)
    y, weight = rng.normal(size=(X.shape[0], sizes[-1])), rng.random(X.shape[0])
    dense, other = twins(sizes, dtype)
    histories = [
        net.fit(data, y, epochs=2, batch_size=batch, sample_weight=weight, threads=count)
        for net, data, count in ((dense, X.toarray(), 1), (other, X, threads))
    ]
    same(dense, other, X)
    assert histories[0]["loss"] == histories[1]["loss"] and histories[0]["grad_norm"] == histories[1]["grad_norm"]
    assert dense.loss(X.toarray(), y, weight) == other.loss(X, y, weight)


@pytest.mark.parametrize("sizes", [[45, 37, 3], [45, 1]], ids=str)
def test_every_instruction_set(build, sizes, threads, rng):
    """Kernels alone: two slices, a shuffled order, an index of 64 bits, values of another type."""
    bits_ = build.constants()["bits"]
    real, X = np.dtype(f"float{bits_}"), sparse(rng, 700, sizes[0], dtype="float32")
    wide = csr.CSR(X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64), X.shape)
    program = build.Program(tuple(sizes), ("relu",) * (len(sizes) - 2) + ("identity",), "mse", ())
    start, y = np.zeros(program.size, real), rng.normal(size=(700, sizes[-1])).astype(real)
    for k, (i, o) in enumerate(itertools.pairwise(sizes)):
        W = rng.normal(size=(i, o)).astype(real) * 0.1
        program.pack(start, k, W, np.zeros(o, real))
    found = []
    for data, count in ((X.toarray(), 1), (csr.as_matrix(X), threads), (wide, threads)):
        params, slots = start.copy(), np.zeros((2, program.size), real)
        adam = fg.Adam(0.01)
        trainer = build.Trainer(
            program, 600, "adam", adam.variant, adam.numbers, "values", count, sparse=not isinstance(data, np.ndarray)
        )
        order = np.random.default_rng(3).permutation(700).astype(np.int32)
        done, status = trainer.run(params, slots, data, y, None, order, 0, 2, np.full(2, 0.01))[:2]
        assert (done, status) == (2, 0)
        out = np.zeros((700, sizes[-1]), real)
        program.scores(params, data, out, False, count, True)
        found.append((params.tobytes(), slots.tobytes(), out.tobytes()))
    assert found[0] == found[1] == found[2]
    assert found[0][0] != start.tobytes()


@pytest.mark.parametrize("name", catalog.OPTIMIZERS)
def test_every_optimizer(name, rng):
    X, y = sparse(rng, 90, 61), rng.normal(size=(90, 2))
    dense, other = twins([61, 20, 2])
    for net, data in ((dense, X.toarray()), (other, X)):
        net.fit(data, y, epochs=3, batch_size=8, optimizer=name)
    same(dense, other, X)


@pytest.mark.parametrize(
    "optimizer",
    [fg.SGD(0.01), fg.SGD(0.01, weight_decay=0.1), fg.SGD(0.01, momentum=0.9), fg.Adagrad(0.1),
     fg.Adagrad(0.1, weight_decay=0.1)], ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("sizes", [[900, 20, 2], [900, 1]], ids=str)
def test_what_rests_is_told_from_what_decays(optimizer, sizes, rng):
    """Where the optimizer changes nothing without a gradient, tiles without nonzeros are passed over."""
    X, y = sparse(rng, 60, 900, share=0.003), rng.normal(size=(60, sizes[-1]))
    X = X[:-1]  # no full row: most tiles are empty
    dense, other = twins(sizes)
    for net, data in ((dense, X.toarray()), (other, X)):
        net.fit(data, y[:-1], epochs=3, batch_size=3, optimizer=optimizer)
    same(dense, other, X)


@pytest.mark.parametrize(
    "more", [{"clip_norm": 0.1}, {"clip_value": 0.01}, {"clip_norm": 0.1, "clip_value": 0.01}], ids=str
)
@pytest.mark.parametrize("batch", [16, 600])
@pytest.mark.parametrize("optimizer", ["adam", fg.SGD(0.1)], ids=["adam", "sgd"])
def test_clipping(more, batch, optimizer, threads, rng):
    X, y = sparse(rng, 700, 50), rng.normal(size=(700, 3)) * 10
    dense, other = twins([50, 40, 3])
    dense.fit(X.toarray(), y, epochs=2, batch_size=batch, threads=1, optimizer=optimizer, **more)
    other.fit(X, y, epochs=2, batch_size=batch, threads=threads, optimizer=optimizer, **more)
    same(dense, other, X)


def test_dropout_and_activations(rng):
    X, y = sparse(rng, 100, 50), rng.integers(0, 3, 100)
    layers = [fg.Dense(50, 70, "gelu"), fg.Dropout(0.3), fg.Dense(70, 20, "sigmoid"), fg.Dense(20, 3)]
    dense, other = twins(layers, loss="cross_entropy")
    for net, data in ((dense, X.toarray()), (other, X)):
        net.fit(data, y, epochs=3, batch_size=16)
        net.partial_fit(data, y, batch_size=30)
    same(dense, other, X)
    assert dense.loss(X.toarray(), y, training=True) == other.loss(X, y, training=True)


@pytest.mark.parametrize("sizes", [[30, 17, 3], [30, 1]], ids=str)
def test_gradient(sizes, dtype, rng):
    """Against the dense kernels to the bit, against float64 NumPy to K eps: K terms of a sum, at most 100 rows."""
    X, y, weight = sparse(rng, 100, 30, dtype=dtype), rng.normal(size=(100, sizes[-1])), rng.random(100)
    net = fg.Network(sizes, dtype=dtype, seed=1)
    loss, grads = net.gradient(X, y, weight)
    dense_loss, dense = net.gradient(X.toarray(), y, weight)
    exact_loss, exact = oracle_of(net).gradient(X.toarray(), y, weight)
    assert loss == dense_loss
    np.testing.assert_allclose(loss, exact_loss, rtol=100 * np.finfo(dtype).eps)
    for pair, twin, true in zip(grads, dense, exact, strict=True):
        for part, other, wanted in zip(pair, twin, true, strict=True):
            assert np.array_equal(part, other)
            np.testing.assert_allclose(part, wanted, rtol=0, atol=100 * np.finfo(dtype).eps)
    slopes = rng.normal(size=y.shape)
    for pair, twin in zip(net.backward(X, slopes), net.backward(X.toarray(), slopes), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(pair, twin, strict=True))
    with pytest.raises(ValueError, match="inputs: dL/dX of a sparse X"):
        net.backward(X, slopes, inputs=True)


def test_check_gradients(dtype, rng):
    X, y = sparse(rng, 20, 15), rng.normal(size=(20, 2))
    net = fg.Network([15, 8, 2], activation="tanh", dtype=dtype, seed=1)
    for data in (X, X.tocsc()):
        report = fg.check_gradients(net, data, y)
        assert report.passed, report


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csr_array, sp.csc_array, sp.coo_matrix, sp.lil_array, sp.dok_array])
def test_every_sparse_kind(form, rng):
    X, y = sparse(rng, 40, 12), rng.normal(size=(40, 1))
    dense, other = twins([12, 5, 1])
    dense.fit(X.toarray(), y, epochs=2)
    other.fit(form(X), y, epochs=2)
    same(dense, other, X)
    assert np.array_equal(dense.forward(X.toarray()[:1]), other.forward(form(X.tocsr()[:1])))


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64", "uint8", "bool", ">f8", "int32"])
def test_values_of_any_numeric_type(dtype, rng):
    X = sp.csr_array((rng.random((50, 20)) < 0.2).astype(float) * rng.integers(1, 100, (50, 20)))
    data = X.data.astype(dtype)
    X = sp.csr_array((data.astype(float), X.indices, X.indptr), X.shape)
    typed = csr.CSR(data, X.indices, X.indptr, X.shape)
    if np.dtype(dtype).isnative and dtype != "float16":  # the others SciPy has not, or turns round
        typed = sp.csr_array((data, X.indices, X.indptr), X.shape)
    dense, other = twins([20, 4, 1])
    dense.fit(X.toarray(), np.ones(50), epochs=2)
    other.fit(typed, np.ones(50), epochs=2)
    same(dense, other, X)


def test_matrices_of_zeros_and_single_rows(dtype, rng):
    for shape, count in (((6, 9), 0), ((1, 9), 3), ((600, 9), 0)):
        X = np.zeros(shape)
        X[0, :count] = 1
        dense, other = twins([9, 4, 2], dtype)
        dense.fit(X, np.ones((len(X), 2)), epochs=2, batch_size=4)
        other.fit(sp.csr_array(X), np.ones((len(X), 2)), epochs=2, batch_size=4)
        same(dense, other, sp.csr_array(X))


def test_dense_and_sparse_take_turns(rng):
    X, y = sparse(rng, 64, 30), rng.normal(size=(64, 2))
    dense, other = twins([30, 8, 2])
    for k in range(6):
        rows = slice(k * 10, k * 10 + 10)
        dense.partial_fit(X.toarray()[rows], y[rows])
        other.partial_fit(X[rows] if k % 2 else X.toarray()[rows], y[rows])
    same(dense, other, X)


def test_all_around_a_fit(tmp_path, rng):
    """Validation given and held out, metrics, early stopping, a checkpoint in between."""
    X, y = sparse(rng, 300, 40), rng.integers(0, 3, 300)
    for validation in ((X[:50], y[:50]), 0.2):
        more = {"epochs": 6, "batch_size": 16, "metrics": ["accuracy"], "early_stopping": 3, "validation": validation}
        dense, other = twins([40, 12, 3], loss="cross_entropy")
        twin = (X[:50].toarray(), y[:50]) if isinstance(validation, tuple) else validation
        a = dense.fit(X.toarray(), y, **{**more, "validation": twin})
        b = other.fit(X, y, **more)
        same(dense, other, X)
        for name in ("loss", "val_loss", "accuracy", "val_accuracy"):
            assert a[name] == b[name]
    whole, half, rest = (fg.Network([40, 12, 3], loss="cross_entropy", seed=1) for _ in range(3))
    whole.fit(X, y, epochs=4)
    half.fit(X, y, epochs=2, checkpoint=tmp_path / "c")
    rest.fit(X, y, epochs=4, resume=tmp_path / "c")
    assert bits(whole) == bits(rest)
    other_data = X.copy()
    other_data.data[0] += 1
    with pytest.raises(ValueError, match="not the data"):
        half.fit(other_data, y, epochs=4, resume=tmp_path / "c")
    # time runs out behind the first step
    assert len(half.fit(X, y, epochs=50, max_seconds=0.0)["loss"]) == 1


def test_values_too_large_for_float32_are_found(rng):
    X = sp.csr_array(np.array([[0.0, 1.0], [1e300, 0.0]]))
    net = fg.Network([2, 1])
    for call in (lambda: net.predict(X), lambda: net.fit(X, np.zeros(2)), lambda: net.loss(X, np.zeros(2))):
        with pytest.raises(ValueError, match=r"X must be finite in float32, found 1e\+300 at row 1, column 0"):
            call()


def test_divergence_is_told_and_taken_back(rng):
    X, y = sparse(rng, 100, 40) * 1e3, rng.normal(size=100) * 1e3
    net = fg.Network([40, 8, 1], seed=1)
    with pytest.raises(fg.DivergenceError, match="training diverged in epoch"):
        net.fit(X, y, epochs=50, optimizer=fg.SGD(1.0))
    assert np.isfinite(net.parameters).all()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="its peak of memory is not told here")
def test_a_wide_matrix_is_never_made_dense():
    """20,000 rows of 400,000 columns: 32 GB as an array of float32."""
    code = (
        "import numpy as np, scipy.sparse as sp, fastgrad as fg\n"
        "rng = np.random.default_rng(0)\n"
        "columns = rng.integers(0, 400_000, 200_000)\n"
        "X = sp.csr_array((np.ones(200_000, 'f4'), columns, np.arange(0, 200_001, 10)), (20_000, 400_000))\n"
        "net = fg.Network([400_000, 8, 1])\n"
        "net.fit(X, np.ones(20_000), epochs=1, batch_size=10_000, validation=0.1, metrics=['r2'])\n"
        "assert net.predict(X).shape == (20_000, 1) and np.isfinite(net.loss(X, np.ones(20_000)))\n"
        "print(next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) // 1024)\n"
    )
    path = os.pathsep.join([str(Path(fg.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1000  # MB; parameters, Adam's slots and the published copy are 13 MB each
