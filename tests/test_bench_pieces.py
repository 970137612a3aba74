"""The pieces of a training step on their own: they are those of training, and each is measured beside its limit.

No test looks at a speed.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fastgrad import catalog, dispatch
from fastgrad.bench import pieces, results, suites, workloads
from fastgrad.bench.workloads import Task
from fastgrad.network import aligned


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_row_of_the_catalog_is_a_piece(dtype):
    found = {(task.kind, task.piece) for task in pieces.tasks(dtype)}
    assert {("loss", name) for name in catalog.LOSSES} <= found
    assert {("update", name) for name in catalog.OPTIMIZERS} <= found
    curved = set(catalog.ACTIVATIONS) - {"identity"}
    assert {(kind, name) for name in curved for kind in ("activation", "derivative")} <= found
    assert {kind for kind, _ in found} == set(pieces.PREPARE)
    assert all(pieces.measure_of(task).work > 0 for task in pieces.tasks(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_piece_runs(dtype):
    small = {"update": (1000,), "shuffle": (1000,)}
    for task in pieces.tasks(dtype):
        pieces.prepare(replace(task, sizes=small.get(task.kind, task.sizes), quick=True))(2)


def phase(build, name, layer, times=1):
    """A two-layer network of one build after `times` of a phase: (X, y, W, b, params, store, program)."""
    dtype, rng = np.dtype(f"float{build.constants()['bits']}"), np.random.default_rng(0)
    sizes = (5, 40, 3)
    program = build.Program(sizes, ("identity", "identity"), "mse", ())
    params, store = aligned(program.size, dtype), aligned(program.size, dtype, 1)
    layers = workloads.first_parameters(Task("train", sizes, 8, dtype.name))
    for k, (W, b) in enumerate(layers):
        program.pack(params, k, W, b)
    X, y = rng.normal(size=(8, 5)).astype(dtype), rng.normal(size=(8, 3)).astype(dtype)
    trainer = build.Trainer(program, 8, "store", 0, (), "values", 1)
    before = params.copy()
    build.repeat_phase(name, trainer, params, store, X, y, np.arange(8, dtype=np.int32), layer, times)
    np.testing.assert_array_equal(params, before)
    return X, y, layers, store, program, dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_product_alone_is_the_one_of_training(dtype):
    # what a phase leaves behind can be read where it is a gradient: it does not depend on how often the phase ran
    X, y, ((W1, b1), (W2, b2)), store, program, real = phase(dispatch.kernels(dtype), "backward_weights", 1, 3)
    hidden = X.astype(float) @ W1 + b1
    slope = 2 * (hidden @ W2 + b2 - y) / y.size
    dW, db = np.empty((40, 3), real), np.empty(3, real)
    program.unpack(store[0], 1, dW, db)
    tolerance = 100 * np.finfo(real).eps  # sums of 8 products of values near 1, after 45 before them
    np.testing.assert_allclose(dW, hidden.T @ slope, rtol=0, atol=tolerance)
    np.testing.assert_allclose(db, slope.sum(axis=0), rtol=0, atol=tolerance)


def test_a_phase_that_is_not_there_is_refused():
    build = dispatch.kernels("float32")
    for name, layer in (("backward_input", 0), ("forward", 2), ("forward", -1), ("sideways", 0)):
        with pytest.raises(ValueError, match=f"{name}|tuple"):
            phase(build, name, layer)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_alone_are_those_of_training(dtype, rng):
    build, z = dispatch.kernels(dtype), rng.uniform(-3, 3, 100).astype(dtype)
    for name in set(catalog.ACTIVATIONS) - {"identity"}:
        a, g, want, slope = np.empty_like(z), np.ones_like(z), np.empty_like(z), np.ones_like(z)
        build.activation(name, z, want, slope)
        build.repeat_activation(name, z, a, None, 3)
        build.repeat_activation(name, z, a, g, 1)
        np.testing.assert_array_equal(a, want)
        np.testing.assert_array_equal(g, slope)
    with pytest.raises(ValueError, match="nothing to compute"):
        build.repeat_activation("identity", z, a, None, 1)
    with pytest.raises(ValueError, match="different lengths"):
        build.repeat_activation("relu", z, a[:-1].copy(), None, 1)


def test_the_pieces_are_measured_beside_the_limit_that_holds_for_them(tmp_path):
    result = suites.run("kernels", suites.Options(threads=(2,), dtype="float64", quick=True, log=str))
    wanted = list(pieces.tasks("float64", quick=True))
    assert [row[0] for row in result.rows] == [f"{task.kind} {task.piece}" for task in wanted]
    assert [row[-1] for row in result.rows] == [pieces.measure_of(task).limit for task in wanted]
    for record, task in zip(result.records, wanted, strict=True):
        measure = pieces.measure_of(task)
        reached = measure.work / record["seconds"] / record["limits"][0][measure.limit]
        assert record["shares"] == pytest.approx([reached])
        assert (record["piece"], record["threads"], record["quick"]) == (task.piece, 1, True)
    path = tmp_path / "kernels.json"
    path.write_text(json.dumps(suites.document([result]), default=str))
    assert len(results.read(path).own()) == len(wanted)
