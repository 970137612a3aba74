"""Embeddings: what they compute and how they are trained.

The oracle is float64 NumPy on one-hot columns: there a table is a block of a first dense layer without activation, whose
other entries are held.  Left out: what is asked of X and of the record, files (test_embedding_inputs.py).
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from oracle import Oracle, bits, optimizer_steps

import fastgrad as fg
from fastgrad import catalog, train
from fastgrad.embedding import expanded
from fastgrad.formulas import expand_hyper
from fastgrad.network import aligned

COLUMNS = {1: (7, 4), 3: (1, 1), 4: (300, 19)}  # five columns: numbers are 0 and 2


def data(rng, rows, columns=COLUMNS, inputs=5, outputs=2):
    """X with numbers and codes, y, weights."""
    X = rng.normal(size=(rows, inputs))
    for column, (n, _) in dict(columns).items():
        X[:, column] = rng.integers(0, n, rows)
    return X, rng.normal(size=(rows, outputs)), rng.random(rows)


def network(dtype="float64", columns=COLUMNS, inputs=5, outputs=2, behind=None, seed=1, **more):
    first = fg.Embedding(inputs, columns, **more)
    behind = behind or [fg.Dense(first.outputs, 17, "tanh"), fg.Dense(17, outputs)]
    return fg.Network([first, *behind], dtype=dtype, seed=seed)


def one_hot(X, columns):
    """The numeric columns, and one column for each code."""
    codes = [np.eye(n)[X[:, column].astype(int)] for column, (n, _) in columns]
    return np.concatenate([np.delete(X, [column for column, _ in columns], axis=1), *codes], axis=1)


class Twin:
    """A network whose first layer is an embedding, over one-hot columns, in float64: `parts` are its parameters."""

    def __init__(self, columns, inputs, pairs, activations, loss="mse"):
        self.columns, self.activations, self.loss = tuple(sorted(dict(columns).items())), activations, loss
        self.numbers, self.tables = inputs - len(self.columns), len(self.columns)
        self.parts = [np.array(part, np.float64) for pair in pairs for part in pair]

    def blocks(self):
        """Where each table lies in the first layer's W."""
        at, to = self.numbers, self.numbers
        for _, (n, d) in self.columns:
            yield slice(at, at + n), slice(to, to + d)
            at, to = at + n, to + d

    def oracle(self):
        blocks = list(self.blocks())
        W = np.zeros((blocks[-1][0].stop, blocks[-1][1].stop))
        W[: self.numbers, : self.numbers] = np.eye(self.numbers)
        for block, table in zip(blocks, self.parts[0 : 2 * self.tables : 2], strict=True):
            W[block] = table
        rest = self.parts[2 * self.tables :]
        activations = ("identity", *self.activations[1:])
        return Oracle([W, *rest[::2]], [np.zeros(W.shape[1]), *rest[1::2]], activations, self.loss, {})

    def scores(self, X):
        return self.oracle().forward(one_hot(X, self.columns))[1][-1]

    def gradient(self, X, y, weight=None):
        """(loss, gradients of `parts`)."""
        oracle, hot = self.oracle(), one_hot(X, self.columns)
        loss, grads = oracle.gradient(hot, y, weight)
        tables = [(grads[0][0][block], np.zeros(0)) for block in self.blocks()]
        return loss, [part for pair in (*tables, *grads[1:]) for part in pair]


def twin_of(net):
    first = net.layers[0]
    return Twin(first.columns, first.inputs, zip(net.weights, net.biases, strict=True), net.activations, net.loss_name)


def shapes(edge):
    """Tables around the edges of panels and spans, alone, several, and with numbers around them."""
    return [
        (1, {0: (3, 1)}, (5, 1)), (2, {1: (40, edge - 1)}, (edge, 3)), (edge + 2, {0: (9, 2), edge: (70, edge + 1)}, (1,)),
        (3, {0: (5, 3), 1: (600, 2), 2: (2, 700)}, (33, 2)), (4, {2: (171, 3)}, (8, 8, 2)),
    ]  # fmt: skip


@pytest.mark.parametrize("case", range(5))
def test_every_build(build, case, rng):
    """Each type and instruction set: three steps of two slices, to K eps, the same on any number of threads."""
    constants = build.constants()
    real = np.dtype(f"float{constants['bits']}")
    inputs, columns, widths = shapes(constants["panel"])[case]
    first = fg.Embedding(inputs, columns)
    sizes = (inputs, first.outputs, *widths)
    names = ("identity",) + ("tanh",) * (len(widths) - 1) + ("identity",)
    program = build.Program(sizes, names, "mse", (), (), (), (), first.kernel)
    start, pairs = aligned(program.size, real), []
    for j, (n, d) in enumerate(first.shapes[::2]):
        pairs.append((rng.normal(size=(n, d)).astype(real), np.zeros(0, real)))
        program.pack(start, 0, *pairs[-1], j)
    for k, (i, o) in enumerate(itertools.pairwise(sizes[1:]), 1):
        pairs.append((rng.normal(size=(i, o)).astype(real) / np.sqrt(i, dtype=real), rng.normal(size=o).astype(real)))
        program.pack(start, k, *pairs[-1])
    X, y, _ = data(rng, 2100, columns, inputs, widths[-1])
    X, y, found = X.astype(real), y.astype(real), []
    for threads in (1, 2, 3):
        params = start.copy()
        trainer = build.Trainer(program, 700, "sgd", 0, fg.SGD(0.1).numbers, "values", threads)
        done, status = trainer.run(params, params, X, y, None, None, 0, 3, np.full(3, 0.1), threads=threads)[:2]
        assert (done, status) == (3, train.FINE)
        out = np.empty(y.shape, real)
        program.scores(params, X, out, False, threads, True)
        found.append((params.tobytes(), out.tobytes()))
    assert found[0] == found[1] == found[2]
    hand = Twin(columns, inputs, pairs, names)
    for k in range(3):
        rows = slice(700 * k, 700 * k + 700)
        for part, g in zip(hand.parts, hand.gradient(X[rows].astype(float), y[rows].astype(float))[1], strict=True):
            part -= 0.1 * g
    eps = 40 * sum(sizes) * np.finfo(real).eps
    for j, (n, d) in enumerate(first.shapes[::2]):
        program.unpack(params, 0, table := np.empty((n, d), real), np.zeros(0, real), j)
        np.testing.assert_allclose(table, hand.parts[2 * j], rtol=0, atol=eps)
    np.testing.assert_allclose(out, hand.scores(X.astype(float)), rtol=0, atol=eps)


@pytest.mark.parametrize("rows", [1, 40, 1300])
@pytest.mark.parametrize("outputs", [1, 3])
def test_gradient(rows, outputs, threads, dtype, rng):
    X, y, weight = data(rng, rows, outputs=outputs)
    net = network(dtype, outputs=outputs)
    X = X.astype(dtype)
    for w in (None, weight):
        loss, grads = net.gradient(X, y, w, threads=threads)
        exact, wanted = twin_of(net).gradient(X.astype(float), y, w)
        eps = 60 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(loss, exact, rtol=eps)
        for part, true in zip((part for pair in grads for part in pair), wanted, strict=True):
            np.testing.assert_allclose(part, true, rtol=0, atol=eps)
    np.testing.assert_allclose(net.predict(X), twin_of(net).scores(X.astype(float)), rtol=0, atol=eps)
    assert net.loss(X, y) == pytest.approx(net.gradient(X, y)[0], rel=eps)


@pytest.mark.parametrize("name", catalog.OPTIMIZERS)
def test_steps_of_every_optimizer(name, rng):
    X, y, _ = data(rng, 60)
    net = network()
    hand, optimizer = twin_of(net), getattr(fg, catalog.OPTIMIZERS[name].public)(0.01)
    hyper = {**dict(zip(expand_hyper(optimizer.row), optimizer.numbers, strict=True)), "lr": 0.01, **{
        flag: optimizer.hyper[flag] for flag in optimizer.row.flags}}  # fmt: skip

    def gradients(k):
        rows = slice(k % 4 * 15, k % 4 * 15 + 15)
        return hand.gradient(X[rows], y[rows])[1]

    optimizer_steps(optimizer.row, hyper, hand.parts, gradients, 8)
    net.fit(X, y, epochs=2, batch_size=15, shuffle=False, optimizer=optimizer)
    found = [part for pair in zip(net.weights, net.biases, strict=True) for part in pair]
    for part, true in zip(found, hand.parts, strict=True):
        np.testing.assert_allclose(part, true, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("rows", [30, 1300])
def test_bits_of_the_sparse_one_hot_twin(rows, threads, dtype, rng):
    """One column of codes and nothing else: a dense layer on one-hot rows, whose bias is zero."""
    codes, y, weight = rng.integers(0, 90, rows), rng.normal(size=(rows, 2)), rng.random(rows)
    X = sp.csr_array((np.ones(rows, dtype), codes, np.arange(rows + 1)), (rows, 90))
    net = network(dtype, {0: (90, 21)}, 1, behind=[fg.Dense(21, 9, "gelu"), fg.Dense(9, 2)])
    other = fg.Network([fg.Dense(90, 21), fg.Dense(21, 9, "gelu"), fg.Dense(9, 2)], dtype=dtype)
    other.weights, other.biases = list(net.weights), [np.zeros(21), *list(net.biases)[1:]]
    assert np.array_equal(net.predict(codes[:, None]), other.predict(X))
    loss, grads = net.gradient(codes[:, None], y, weight, threads=threads)
    same, twins = other.gradient(X, y, weight, threads=1)
    assert loss == same and np.array_equal(grads[0][0], twins[0][0])
    assert all(
        np.array_equal(a, b) for p, q in zip(grads[1:], twins[1:], strict=True) for a, b in zip(p, q, strict=True)
    )


BEHIND = {
    "dropout": lambda i: [fg.Dropout(0.3), fg.Dense(i, 40, "relu"), fg.Dropout(0.5), fg.Dense(40, 2)],
    "layer norm": lambda i: [fg.LayerNorm(), fg.Dense(i, 33, "relu"), fg.Dense(33, 2)],
    "batch norm": lambda i: [fg.BatchNorm(), fg.Dense(i, 33, "relu"), fg.BatchNorm(), fg.Dense(33, 2)],
    "residual": lambda i: [fg.Residual([fg.Dense(i, 20, "gelu"), fg.Dense(20, i)]), fg.Dense(i, 2)],
}


@pytest.mark.parametrize("name", BEHIND)
@pytest.mark.parametrize("batch", [7, 600])
def test_bits_do_not_depend_on_threads(name, batch, dtype, rng):
    X, y, weight = data(rng, 700)
    found = []
    for threads in (1, 2, 3):
        net = network(dtype, behind=BEHIND[name](26))
        net.fit(X, y, epochs=2, batch_size=batch, threads=threads, sample_weight=weight, clip_norm=1.0)
        net.fit(X, y, epochs=1, batch_size=batch, threads=threads, optimizer="adagrad")
        found.append((bits(net), net.predict(X, threads=threads).tobytes()))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("name", BEHIND)
@pytest.mark.parametrize("training", [False, True])
def test_check_gradients(name, training, dtype, rng):
    X, y, _ = data(rng, 30)
    report = fg.check_gradients(network(dtype, behind=BEHIND[name](26)), X, y, training=training, max_entries=500)
    assert report.passed, report


@pytest.mark.parametrize(
    "optimizer",
    [fg.SGD(0.1), fg.Adagrad(0.1), fg.SGD(0.1, weight_decay=0.1), fg.SGD(0.1, momentum=0.9), fg.Adam(0.01)], ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("more", [{}, {"weight_decay": 0.1}, {"lr_factor": 0.5}], ids=str)
def test_what_rests_is_told_from_what_decays(optimizer, more, dtype, rng):
    """Parts of a table that no code touches are passed over where the optimizer would leave them alone, and else not: through
    the clipping of a gradient, which looks at all, the bits are the same."""
    columns = {1: (5000, 3)}
    X, y, _ = data(rng, 64, columns)
    found = []
    for clip in ({}, {"clip_norm": 1e30}):
        net = network(dtype, columns, **more)
        before = net.weights[0]
        history = net.fit(X, y, epochs=3, batch_size=4, optimizer=optimizer, **clip)
        found.append((bits(net), history["grad_norm"]))
    assert found[0] == found[1]
    untouched = np.setdiff1d(np.arange(5000), X[:, 1].astype(int))
    decays = more.get("weight_decay") or "weight_decay=0.1" in repr(optimizer)
    assert np.array_equal(net.weights[0][untouched], before[untouched]) != bool(decays)


def test_options_of_the_tables(rng):
    """Against plain gradient descent by hand."""
    X, y, _ = data(rng, 40)
    for more in ({"frozen": True}, {"lr_factor": 0.25}, {"weight_decay": 0.5}, {"lr_factor": 2.0, "weight_decay": 0.0}):
        net = network(**more)
        hand, before = twin_of(net), [np.array(W) for W in net.weights]
        rate, decay = 0.1 * more.get("lr_factor", 1.0), more.get("weight_decay", 0.3)
        rate = 0.0 if "frozen" in more else rate
        for _ in range(5):
            for k, (part, g) in enumerate(zip(hand.parts, hand.gradient(X, y)[1], strict=True)):
                part -= (rate if k < 6 else 0.1) * (g + (decay if k < 6 else 0.3) * part)
        net.fit(X, y, epochs=5, batch_size=None, optimizer=fg.SGD(0.1, weight_decay=0.3))
        for W, true in zip(net.weights, hand.parts[::2], strict=True):
            np.testing.assert_allclose(W, true, rtol=1e-8, atol=1e-11)
        if "frozen" in more:
            assert all(np.array_equal(W, was) for W, was in zip(net.weights[:3], before[:3], strict=True))
        assert fg.check_gradients(net, X, y, max_entries=300).passed


def test_an_l2_term_counts_the_tables(rng):
    """The loss of estimators; no layer but a dense one and a table has weights that it counts."""
    X, y, _ = data(rng, 40)
    net = network()
    _, grads = train.gradient(net._record, train.read_data(net._record, X, y), None, l2=0.7)
    _, plain = net.gradient(X, y)
    for (dW, db), (dW0, db0), W in zip(grads, plain, net.weights, strict=True):
        np.testing.assert_allclose(dW, dW0 + 0.7 / 40 * W, rtol=1e-12, atol=1e-14)
        assert np.array_equal(db, db0)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_mean_follows_the_tables(threads, rng):
    X, y, _ = data(rng, 30)
    plain, mean, seen = network(), network(), []
    plain.fit(X, y, epochs=6, batch_size=None, callbacks=lambda state: seen.append(state.network.parameters))
    mean.fit(X, y, epochs=6, batch_size=None, average=fg.EMA(0.7), threads=threads)
    expected = seen[0]
    for parameters in seen[1:]:
        expected = 0.7 * expected + 0.3 * parameters
    np.testing.assert_allclose(mean.parameters, expected, rtol=1e-12, atol=1e-14)


def test_slopes_of_the_inputs(threads, dtype, rng):
    X, _, _ = data(rng, 600)
    net, slopes = network(dtype), rng.normal(size=(600, 2))
    grads, dX = net.backward(X, slopes, inputs=True, threads=threads)
    assert dX.shape == X.shape and not dX[:, [1, 3, 4]].any()
    dense = fg.Network([fg.Dense(26, 17, "tanh"), fg.Dense(17, 2)], dtype=dtype)
    dense.weights, dense.biases = net.weights[3:], net.biases[3:]
    whole = expanded(net.layers[0], X, net.weights[:3])
    others, wanted = dense.backward(whole, slopes, inputs=True)
    np.testing.assert_allclose(dX[:, [0, 2]], wanted[:, :2], rtol=0, atol=40 * np.finfo(dtype).eps)
    assert np.array_equal(grads[3][0], others[0][0])


@pytest.mark.parametrize("batch", [1, 9])
def test_single_rows_and_passes(batch, dtype, rng):
    X, y, _ = data(rng, 45)
    whole, parts = network(dtype), network(dtype)
    whole.fit(X, y, epochs=1, batch_size=batch, shuffle=False, optimizer="adam")
    for at in range(0, 45, batch):
        parts.partial_fit(X[at : at + batch], y[at : at + batch], optimizer="adam")
    assert bits(whole) == bits(parts)
    assert np.array_equal(whole.predict(X[3]), whole.predict(X)[3])


def test_codes_beyond_what_float32_holds():
    """Read from the integers themselves, not from the reals that the other columns become."""
    from fastgrad import dispatch

    kernels, rows = dispatch.kernels("float32"), 2**24 + 4
    program = kernels.Program((1, 1, 1), ("identity", "identity"), "mse", (), (), (), (), ((0, rows, 1),))
    params, table = aligned(program.size, np.dtype("float32")), np.zeros((rows, 1), "float32")
    table[-4:, 0] = [1, 2, 3, 4]
    program.pack(params, 0, table, np.zeros(0, "float32"), 0)
    program.pack(params, 1, np.ones((1, 1), "float32"), np.zeros(1, "float32"))
    for dtype in ("int32", "uint32", "int64", "uint64", "float64", ">i4", ">f8"):
        X, out = np.arange(rows - 4, rows).astype(dtype)[:, None], np.zeros((4, 1), "float32")
        program.scores(params, X, out, False, 1, True)
        assert out[:, 0].tolist() == [1, 2, 3, 4], dtype
