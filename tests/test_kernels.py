"""The compiled kernels of every build against the float64 oracle: products, losses, updates, threads, slices, gather.

Tolerances: sums of K products of values near 1 in a type with unit eps differ from exact by at most c * K * eps; c = 4 covers
the chain of layers and the polynomials of the activations.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from oracle import Oracle, optimizer_steps, targets_for

from fastgrad import catalog
from fastgrad.formulas import expand_hyper, slots_of, variants
from fastgrad.network import aligned
from fastgrad.private_rows import PRIVATE_OPTIMIZERS

RULES = catalog.OPTIMIZERS | PRIVATE_OPTIMIZERS
ADAM = (0.9, 0.999, 1e-8, 0.0, 0.0)


class Bench:
    """A program of one build with random parameters, and its oracle."""

    def __init__(self, build, sizes, loss="mse", activation="tanh", rng=None, hyper=()):
        rng = rng or np.random.default_rng(3)
        self.build, self.sizes, self.loss = build, sizes, loss
        bits = build.constants()["bits"]
        self.dtype = np.dtype(f"float{bits}")
        names = (activation,) * (len(sizes) - 2) + ("identity",)
        self.program = build.Program(sizes, names, loss, tuple(hyper))
        self.params = aligned(self.program.size, self.dtype)
        W = [(rng.uniform(-1, 1, (i, o)) / np.sqrt(i)).astype(self.dtype) for i, o in itertools.pairwise(sizes)]
        b = [rng.uniform(-0.1, 0.1, o).astype(self.dtype) for o in sizes[1:]]
        for k, (w, c) in enumerate(zip(W, b, strict=True)):
            self.program.pack(self.params, k, w, c)
        named = dict(zip(catalog.LOSSES[loss].hyper, hyper, strict=False))
        self.oracle = Oracle([w.astype(float) for w in W], [c.astype(float) for c in b], names, loss, named)

    def read(self, buffer):
        out = []
        for k, (i, o) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            W, b = np.empty((i, o), self.dtype), np.empty(o, self.dtype)
            self.program.unpack(buffer, k, W, b)
            out.append((W, b))
        return out

    def gradient(self, X, t, weight=None, threads=1, dX=None):
        kind = "labels" if t.ndim == 1 else "values"
        trainer = self.build.Trainer(self.program, len(X), "store", 0, (), kind, threads, dX is not None)
        store = aligned(self.program.size, self.dtype, 1)
        done, status, _, loss = trainer.run(self.params, store, X, t, weight, None, 0, 1, np.zeros(1), False, dX)
        norm = trainer.reached[3][2]
        assert (done, status) == (1, 0)
        return loss, self.read(store[0]), norm

    def train(self, X, t, batch, steps, threads, optimizer="adam", hyper=ADAM, carry=(1.0, 1.0), slots=2, lr=1e-3):
        kind = "labels" if t.ndim == 1 else "values"
        trainer = self.build.Trainer(self.program, batch, optimizer, 0, hyper, kind, threads)
        trainer.reached = (0, carry, 0, (0.0, 0.0, 0.0))
        params = aligned(self.program.size, self.dtype)
        params[:] = self.params
        state = aligned(self.program.size, self.dtype, slots)
        order = np.empty(len(X), np.int32)
        self.build.permutation(1, 2, order)
        result = trainer.run(params, state, X, t, None, order, 0, steps, np.full(steps, lr))
        return params, state, (*result, trainer.reached)


def close(got, want, eps, terms, scale=1.0):
    np.testing.assert_allclose(got, want, rtol=0, atol=4 * terms * eps * scale)


def test_gradient_and_loss_match_the_oracle_at_every_edge(build, edge_shapes, rng):
    eps = 2.0 ** -(23 if build.constants()["bits"] == 32 else 52)
    for sizes, rows in edge_shapes:
        for loss in ("mse", "cross_entropy" if sizes[-1] > 1 else "binary_cross_entropy", "hinge"):
            bench = Bench(build, sizes, loss, rng=rng)
            X = rng.uniform(-1, 1, (rows, sizes[0])).astype(bench.dtype)
            t = targets_for(loss, rows, sizes[-1], rng)
            t = t if t.ndim == 1 else t.astype(bench.dtype)
            for weight in (None, rng.uniform(0.5, 2, rows)):
                value, grads, norm = bench.gradient(X, t, weight)
                want, exact = bench.oracle.gradient(X, t, weight)
                terms = max(sizes) * len(sizes)
                close(value, want, eps, terms, 1 + abs(want))
                biggest = max(np.abs(a).max() for pair in exact for a in pair)
                for (dW, db), (eW, eb) in zip(grads, exact, strict=True):
                    close(dW, eW, eps, terms + 64, biggest)
                    close(db, eb, eps, terms + 64, biggest)
                total = np.sqrt(sum((a**2).sum() for pair in exact for a in pair))
                np.testing.assert_allclose(norm, total, rtol=200 * eps * np.sqrt(terms))


def test_bits_do_not_depend_on_threads(build, edge_shapes, rng):
    for sizes, batch in edge_shapes:
        bench = Bench(build, sizes, "cross_entropy" if sizes[-1] > 1 else "mse", rng=rng)
        X = rng.uniform(-1, 1, (3 * batch + 2, sizes[0])).astype(bench.dtype)
        t = targets_for(bench.loss, len(X), sizes[-1], rng)
        t = t if t.ndim == 1 else t.astype(bench.dtype)
        first = None
        for threads in (1, 2, 3, 4, 1):
            params, state, result = bench.train(X, t, batch, 4, threads)
            assert result[:2] == (4, 0)
            whole = (params.tobytes(), state.tobytes(), result)
            first = first or whole
            assert whole == first, (sizes, batch, threads)


def test_training_follows_the_oracle(build, rng):
    """Twenty steps of Adam, whole batches in order of the shuffle, against the catalog's formulas in float64."""
    sizes, batch, steps = (12, 17, 5), 20, 20
    bench = Bench(build, sizes, "mse", rng=rng)
    X = rng.uniform(-1, 1, (batch * steps, sizes[0])).astype(bench.dtype)
    t = rng.normal(size=(len(X), 5)).astype(bench.dtype)
    params, _, _ = bench.train(X, t, batch, steps, 1)
    order = np.empty(len(X), np.int32)
    build.permutation(1, 2, order)
    oracle = bench.oracle
    flat = [*oracle.W, *oracle.b]

    def gradients(k):
        rows = order[k * batch : (k + 1) * batch]
        grads = oracle.gradient(X[rows], t[rows].astype(float))[1]
        return [g[0] for g in grads] + [g[1] for g in grads]

    row = catalog.OPTIMIZERS["adam"]
    optimizer_steps(row, {**expand_hyper(row), "lr": 1e-3}, flat, gradients, steps)
    # Adam divides by |g|: where a gradient is near 0 rounding is magnified, up to the step size itself
    atol = 2e-5 if bench.dtype == np.float32 else 1e-11
    for (W, b), eW, eb in zip(bench.read(params), oracle.W, oracle.b, strict=True):
        np.testing.assert_allclose(W, eW, rtol=0, atol=atol)
        np.testing.assert_allclose(b, eb, rtol=0, atol=atol)


@pytest.mark.parametrize("name", [name for name in RULES if name != "store"])
def test_every_optimizer_variant_follows_its_formulas(name, dtype, rng):
    from fastgrad import dispatch

    row, build = RULES[name], dispatch.kernels(dtype)
    for index, flags in enumerate(variants(row)):
        hyper = {**expand_hyper(row), "lr": 0.01, "weight_decay": 0.02}
        hyper |= {flag: (0.8 if flag == "momentum" else 1.0) * on for flag, on in flags.items()}
        w = rng.normal(size=83).astype(dtype)
        exact = [w.astype(float)]
        grads = rng.normal(size=(60, 83)).astype(dtype)
        stepper = build.Stepper(name, index, tuple(hyper[k] for k in expand_hyper(row)), tuple(row.carry.values()))
        slots = np.zeros((max(1, len(slots_of(row, flags))), 83), dtype)
        for k in range(60):
            stepper.advance(0.01, k + 1, [w], [grads[k]], [slots], 1)
        optimizer_steps(row, hyper, exact, lambda k, grads=grads: [grads[k].astype(float)], 60)
        error = np.linalg.norm(w - exact[0]) / np.linalg.norm(exact[0])
        assert error < (2e-6 if dtype == np.float32 else 1e-12), (name, flags, error)


@pytest.mark.parametrize("name", catalog.ACTIVATIONS)
def test_every_activation_and_its_slope(build, name):
    dtype = np.dtype(f"float{build.constants()['bits']}")
    eps = np.finfo(dtype).eps
    z = np.concatenate([np.linspace(-30, 30, 3001), [0.0, -0.0, 3.0, -3.0, 1e-6, -1e-6]]).astype(dtype)
    a, g = np.empty_like(z), np.ones_like(z)
    build.activation(name, z, a, g)
    from fastgrad.formulas import numpy_function

    row, exact = catalog.ACTIVATIONS[name], z.astype(float)
    with np.errstate(all="ignore"):
        want = numpy_function(row.formula)(z=exact)["value"]
        slope = np.broadcast_to(numpy_function(row.derivative)(z=exact, a=want)["value"], z.shape)
    np.testing.assert_allclose(a, want, rtol=8 * eps, atol=8 * eps)
    np.testing.assert_allclose(g, slope, rtol=16 * eps, atol=32 * eps)


@pytest.mark.parametrize("name", catalog.ACTIVATIONS)
def test_activations_never_swallow_nan(build, name):
    dtype = np.dtype(f"float{build.constants()['bits']}")
    z = np.full(37, np.nan, dtype)
    a, g = np.zeros_like(z), np.ones_like(z)
    build.activation(name, z, a, g)
    assert np.isnan(a).all()


def test_a_row_does_not_know_its_company(build, edge_shapes, rng):
    """predict(X)[i] equals predict(X[i]), bit for bit, for any block of rows."""
    for sizes, _ in edge_shapes:
        loss = "cross_entropy" if sizes[-1] > 1 else "binary_cross_entropy"
        bench = Bench(build, sizes, loss, "silu", rng=rng)
        X = rng.uniform(-1, 1, (301, sizes[0])).astype(bench.dtype)
        whole = np.empty((301, sizes[-1]), bench.dtype)
        for threads in (1, 2, 3):
            bench.program.scores(bench.params, X, whole, True, threads, False)
            for rows in (slice(0, 1), slice(17, 18), slice(3, 40), slice(300, 301)):
                part = np.empty((rows.stop - rows.start, sizes[-1]), bench.dtype)
                bench.program.scores(bench.params, X[rows], part, True, 1, False)
                assert part.tobytes() == whole[rows].tobytes()
        _Z, A = bench.oracle.forward(X)
        shifted = A[-1] - A[-1].max(1, keepdims=True)
        want = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True) if sizes[-1] > 1 else 1 / (1 + np.exp(-A[-1]))
        np.testing.assert_allclose(whole, want, rtol=0, atol=40 * max(sizes) * np.finfo(bench.dtype).eps)


def test_slopes_for_the_inputs(build, rng):
    sizes = (11, 9, 3)
    bench = Bench(build, sizes, "mse", rng=rng)
    X = rng.uniform(-1, 1, (600, 11)).astype(bench.dtype)
    t = rng.normal(size=(600, 3)).astype(bench.dtype)
    _Z, A = bench.oracle.forward(X)
    d = 2 * (A[-1] - t) / t.size
    want = ((d @ bench.oracle.W[1].T) * (1 - A[1] ** 2)) @ bench.oracle.W[0].T
    for threads in (1, 2, 3):
        dX = np.full((600, 11), np.nan)
        bench.gradient(X, t, threads=threads, dX=dX)
        np.testing.assert_allclose(dX, want, rtol=0, atol=200 * np.finfo(bench.dtype).eps * np.abs(want).max())


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?"])
def test_gather_reads_every_type_stride_and_byte_order(build, kind, rng):
    bench = Bench(build, (6, 2), "mse", rng=rng)
    plain = (rng.uniform(0, 100, (40, 6)) if kind != "?" else rng.integers(0, 2, (40, 6))).astype(kind)
    want = np.empty((40, 2), bench.dtype)
    bench.program.scores(bench.params, plain.astype(bench.dtype), want, False, 1, False)
    wide = np.zeros((80, 18), kind)
    wide[::2, ::3] = plain
    forms = [plain, np.asfortranarray(plain), wide[::2, ::3], plain[::-1, ::-1][::-1, ::-1]]
    if np.dtype(kind).itemsize > 1:
        forms += [form.astype(np.dtype(kind).newbyteorder()) for form in forms[:2]]
    for form in forms:
        got = np.empty((40, 2), bench.dtype)
        bench.program.scores(bench.params, form, got, False, 1, False)
        assert got.tobytes() == want.tobytes(), (form.dtype, form.strides)


def test_the_gather_finds_what_is_not_finite(build):
    bench = Bench(build, (70, 3), "mse")
    for bad in (np.nan, np.inf, -np.inf):
        for column in (0, 31, 69):
            X = np.ones((5, 70), bench.dtype)
            X[3, column] = bad
            assert bench.program.scores(bench.params, X, np.empty((5, 3), bench.dtype), False, 1, True) is None


def test_half_floats_of_every_pattern(build):
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    program = build.Program((1, 1), ("identity",), "mse", ())
    dtype = np.dtype(f"float{build.constants()['bits']}")
    params = aligned(program.size, dtype)
    program.pack(params, 0, np.ones((1, 1), dtype), np.zeros(1, dtype))
    got = np.empty((len(finite), 1), dtype)
    program.scores(params, finite[:, None], got, False, 1, False)
    np.testing.assert_array_equal(got[:, 0], finite.astype(dtype))
