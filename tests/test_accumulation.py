"""`accumulate=k`: k batches make one step, which is that of one batch of all their rows, in the memory of one of them."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import bits, network

import fastgrad as fg


@pytest.fixture
def data(rng):
    return rng.normal(size=(101, 4)), rng.integers(0, 3, 101)


def layers(outputs=3):
    return [
        fg.Dense(4, 33, "tanh", max_norm=0.8), fg.Dropout(0.2), fg.Dense(33, 18, "relu", l1=0.01), fg.Dropout(0.4),
        fg.Dense(18, outputs, lr_factor=0.5),
    ]  # fmt: skip


FITS = {
    "adam": {},
    "nadam": {"optimizer": "nadam"},
    "momentum": {"optimizer": fg.SGD(0.1, momentum=0.9)},
    "clipped": {"clip_norm": 0.1},
    "weights": {"sample_weight": np.arange(101) % 4},
    "averaged": {"average": fg.EMA(0.9)},
    "in order": {"shuffle": False},
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize(("batch", "k"), [(1, 5), (8, 3), (8, 100), (33, 2)])
def test_it_is_one_large_batch(fit, batch, k, data):
    whole, parts = (fg.Network(layers(), loss="cross_entropy", dtype="float64", seed=1) for _ in range(2))
    whole.fit(*data, epochs=3, batch_size=min(batch * k, 101), **fit)
    parts.fit(*data, epochs=3, batch_size=batch, accumulate=k, **fit)
    np.testing.assert_allclose(parts.parameters, whole.parameters, rtol=1e-9, atol=1e-12)
    for name in ("loss", "grad_norm"):
        np.testing.assert_allclose(parts.history[name], whole.history[name], rtol=1e-9)
    assert parts._record.run.reached[0] == whole._record.run.reached[0] == 3 * -(-101 // min(batch * k, 101))


def test_its_buffers_hold_one_batch(data):
    for batch, k, room in ((8, 10, 8), (8, 1, 8), (101, 4, 101), (None, 4, 101), (300, 2, 101)):
        net = network()
        net.fit(*data, epochs=1, batch_size=batch, accumulate=k)
        assert net._record.run._trainer.room == room


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize(("batch", "k"), [(7, 3), (40, 20), (600, 2)])
def test_bits_do_not_depend_on_threads(outputs, batch, k, threads, dtype, rng):
    X, y = rng.normal(size=(1500, 4)), rng.normal(size=(1500, outputs))
    found = []
    for count in (1, threads):
        net = fg.Network(layers(outputs), dtype=dtype, seed=1)
        net.fit(X, y, epochs=2, batch_size=batch, accumulate=k, threads=count)
        found.append(bits(net))
    assert found[0] == found[1]


def test_rows_without_weight_make_no_step(rng):
    X, y, weight = rng.normal(size=(40, 4)), rng.integers(0, 3, 40), np.r_[np.zeros(20), np.ones(20)]
    whole, parts = network(), network()
    whole.fit(X, y, epochs=2, batch_size=10, shuffle=False, sample_weight=weight)
    parts.fit(X, y, epochs=2, batch_size=5, accumulate=2, shuffle=False, sample_weight=weight)
    np.testing.assert_allclose(parts.parameters, whole.parameters, rtol=1e-10)
    assert parts._record.run.reached[0] == 4


def test_a_checkpoint_remembers_it(data, tmp_path):
    fit = {"batch_size": 8, "accumulate": 3}
    whole, resumed = network(), network()
    whole.fit(*data, epochs=4, **fit)
    network().fit(*data, epochs=2, checkpoint=tmp_path / "c", **fit)
    resumed.fit(*data, epochs=4, resume=tmp_path / "c", **fit)
    assert bits(whole) == bits(resumed)
    for other in ({"batch_size": 24}, {"batch_size": 8}, {"batch_size": 12, "accumulate": 2}):
        with pytest.raises(ValueError, match=r"batch_size \[8, 'of', 24\], this call has"):
            network().fit(*data, epochs=4, resume=tmp_path / "c", **other)


def test_a_run_that_diverges_names_the_step(rng):
    X, y = rng.normal(size=(64, 3)), rng.normal(size=(64, 1))
    y[40] = 1e30
    with pytest.raises(fg.DivergenceError, match="batch 2") as caught:
        fg.Network([3, 1]).fit(X, y, epochs=1, batch_size=8, accumulate=2, shuffle=False, optimizer="sgd")
    assert caught.value.batch == 2


@pytest.mark.parametrize("k", [0, -1, 1.5, "2", True, None])
def test_bad_numbers_are_refused(k, data):
    net = network()
    before = bits(net)
    with pytest.raises((ValueError, TypeError), match="accumulate"):
        net.fit(*data, accumulate=k)
    assert bits(net) == before
