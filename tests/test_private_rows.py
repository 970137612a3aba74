"""Rows without a public name, and the L2 term: the kernels against the float64 oracle, and what threads may not change.

Tolerances are those of test_kernels.py: c * K * eps for sums of K products.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from oracle import oracle_of, row_losses, targets_for

import fastgrad as fg
from fastgrad import batches, catalog, formulas, losses, train
from fastgrad.layers import Dense
from fastgrad.network import Record
from fastgrad.private_rows import PRIVATE_LOSSES, PRIVATE_OPTIMIZERS

LOSSES = {name: losses.make_face(row) for name, row in PRIVATE_LOSSES.items()}
SIZES = [(9, 7, 4), (40, 33, 3), (5, 1), (12, 20, 1), (3, 2)]


def record_of(sizes, loss, dtype="float64", activation="tanh"):
    layers = [Dense(i, o, activation) for i, o in itertools.pairwise(sizes[:-1])]
    return Record((*layers, Dense(sizes[-2], sizes[-1])), loss, dtype, 3)


def network_of(record):
    net = fg.Network.__new__(fg.Network)
    net._record = record
    return net


@pytest.mark.parametrize("name", [name for name in PRIVATE_LOSSES if name != "log_loss"])
def test_derivatives_of_losses(name, rng):
    row, t, p, h = PRIVATE_LOSSES[name], targets_for(name, 300, 1, rng), rng.normal(size=(300, 1)), 1e-6
    value = formulas.numpy_function(row.value)
    with np.errstate(all="ignore"):
        high, low = (value(p=p + d, t=t, **row.hyper)["value"] for d in (h, -h))
    slope = formulas.numpy_function(row.derivative)(p=p, t=t, **row.hyper)["value"]
    np.testing.assert_allclose(slope, (high - low) / (2 * h), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("table", [PRIVATE_LOSSES, PRIVATE_OPTIMIZERS])
def test_private_names_are_nobodys_else(table):
    for name, row in table.items():
        assert name not in catalog.LOSSES | catalog.OPTIMIZERS
        assert not row.public or not hasattr(fg, row.public)


@pytest.mark.parametrize(
    "name, sizes", [(name, sizes) for name in PRIVATE_LOSSES for sizes in SIZES if name != "log_loss" or sizes[-1] > 1]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_sum_over_outputs_as_they_say(sizes, name, weighted, rng):
    record = record_of(sizes, LOSSES[name]())
    X, t = rng.normal(size=(70, sizes[0])), targets_for(name, 70, sizes[-1], rng)
    weight = rng.uniform(0.5, 2, 70) if weighted else None
    data = batches.read_data(record, X, t, weight)
    with np.errstate(all="ignore"):
        want, exact = oracle_of(network_of(record), PRIVATE_LOSSES[name].hyper).gradient(X, t, weight)
    loss, grads = train.gradient(record, data, 1)
    np.testing.assert_allclose(loss, want, rtol=1e-12)
    np.testing.assert_allclose(train.loss(record, data, record.published, 1), want, rtol=1e-12)
    for (dW, db), (eW, eb) in zip(grads, exact, strict=True):
        np.testing.assert_allclose(dW, eW, rtol=0, atol=1e-13)
        np.testing.assert_allclose(db, eb, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["log_loss", "binary_log_loss"])
def test_logarithms_are_cut_off(name):
    loss = LOSSES[name](most=5.0)
    record = record_of((1, 2), loss)
    train.assign(record, record.split(np.array([-30.0, 30.0, 0.0, 0.0])))
    t = np.zeros(1, np.int32) if name == "log_loss" else np.array([[1.0, 1.0]])
    data = batches.read_data(record, np.ones((1, 1)), t)
    assert train.loss(record, data, record.published, 1) == pytest.approx(5.0, abs=1e-12)
    want = row_losses(name, loss.hyper, np.array([[-30.0, 30.0]]), t)[0][0]
    assert train.gradient(record, data, 1)[0] == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("rows", [1, 33, 1100])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_l2_adds_its_term_and_its_slope(sizes, rows, weighted, dtype, rng):
    record, l2 = record_of(sizes, "mse", dtype), 3.0
    X, t = rng.normal(size=(rows, sizes[0])), rng.normal(size=(rows, sizes[-1]))
    weight = rng.uniform(5, 20, rows) if weighted else None
    data = batches.read_data(record, X, t, weight)
    total = rows if weight is None else weight.sum()
    loss, grads = train.gradient(record, data, 1)
    got, pulled = train.gradient(record, data, 1, l2=l2)
    W = [record.layer_arrays(record.published, k)[0].astype(float) for k in range(len(record.layers))]
    tolerance = 4 * max(sizes) * float(np.finfo(dtype).eps)
    assert got == pytest.approx(loss + 0.5 * l2 / total * sum((w**2).sum() for w in W), rel=tolerance)
    for (dW, db), (eW, eb), w in zip(pulled, grads, W, strict=True):
        np.testing.assert_allclose(dW, eW + l2 / total * w, rtol=0, atol=tolerance * (1 + np.abs(dW).max()))
        assert db.tobytes() == eb.tobytes()


def test_bits_of_l2_do_not_depend_on_threads(build, edge_shapes, rng):
    dtype = np.dtype(f"float{build.constants()['bits']}")
    for sizes, batch in edge_shapes:
        names = ("tanh",) * (len(sizes) - 2) + ("identity",)
        program = build.Program(sizes, names, "mse", ())
        X, t = rng.normal(size=(3 * batch + 2, sizes[0])), rng.normal(size=(3 * batch + 2, sizes[-1]))
        start, seen, order = np.zeros(program.size, dtype), set(), rng.permutation(len(X)).astype(np.int32)
        for k, (i, o) in enumerate(itertools.pairwise(sizes)):
            program.pack(start, k, rng.normal(size=(i, o)).astype(dtype), rng.normal(size=o).astype(dtype))
        for threads in (1, 2, 3, 1):
            trainer = build.Trainer(program, batch, "sgd", 0, (0.0, 0.0, 0.0, 0.0), "values", threads, False, 0.5)
            params = start.copy()
            done, status, _, loss = trainer.run(params, params, X, t, None, order, 0, 4, np.full(4, 1e-3))
            assert (done, status) == (4, 0)
            seen.add((params.tobytes(), loss, trainer.reached))
        assert len(seen) == 1, (sizes, batch)


@pytest.mark.parametrize("sizes", [(5, 1), (9, 7, 4)], ids=str)
@pytest.mark.parametrize("batch", [1, 20])
def test_epochs_with_l2_follow_the_oracle(sizes, batch, rng):
    """Plain steps on weighted rows: parameters, and the mean of batches that count by their rows."""
    record, l2, lr = record_of(sizes, "mse"), 0.7, 0.05
    X, t, weight = rng.normal(size=(50, sizes[0])), rng.normal(size=(50, sizes[-1])), rng.uniform(3, 9, 50)
    data, oracle = batches.read_data(record, X, t, weight), oracle_of(network_of(record))
    run = train.Run(record, fg.SGD(lr), l2, by_rows=True)
    run.catch_up()
    steps = -(-50 // batch)
    assert run.steps(data, batch, 1, None, 0, steps, np.full(steps, lr))[:2] == (steps, 0)
    losses_, counts = [], []
    for k in range(steps):
        rows = slice(k * batch, (k + 1) * batch)
        loss, grads = oracle.gradient(X[rows], t[rows], weight[rows])
        losses_.append(loss + 0.5 * l2 / weight[rows].sum() * sum((W**2).sum() for W in oracle.W))
        counts.append(len(X[rows]))
        for W, b, (dW, db) in zip(oracle.W, oracle.b, grads, strict=True):
            W -= lr * (dW + l2 / weight[rows].sum() * W)
            b -= lr * db
    total, counted, _ = run.reached[3]
    assert counted == 50
    assert total / counted == pytest.approx(np.average(losses_, weights=counts), rel=1e-12)
    for k, (W, b) in enumerate(zip(oracle.W, oracle.b, strict=True)):
        got = record.layer_arrays(run.params, k)
        np.testing.assert_allclose(got[0], W, rtol=0, atol=1e-12)
        np.testing.assert_allclose(got[1], b, rtol=0, atol=1e-12)
