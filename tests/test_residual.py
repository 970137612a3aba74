"""`fg.Residual`: its sum and its gradient against NumPy in float64, at every edge; lists of layers and back."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from stacked import Stacked, distance, flat, state, stir

import fastgrad as fg
from fastgrad import catalog, dispatch, exchange, stack

NAMES = {name: getattr(fg, name) for name in fg.__all__}


@pytest.fixture
def level(build, monkeypatch):
    """Networks are made with the kernels of `build`; gives its dtype."""
    monkeypatch.setattr(dispatch, "kernels", lambda dtype, level=None: build)
    return np.dtype(f"float{build.constants()['bits']}")


def blocks(w, norm=fg.LayerNorm, activation="tanh"):
    """A block on the inputs, one within another that shares its end, one behind the other, one at the end."""
    inner = fg.Residual([norm(), fg.Dense(w, w, activation)])
    return [
        fg.Residual([fg.Dense(5, 12, activation), fg.Dense(12, 5)]),
        fg.Dense(5, w, activation),
        fg.Residual([fg.Dense(w, 9), norm(activation=activation), fg.Dense(9, w, activation), inner]),
        fg.Residual([norm(affine=False), fg.Dense(w, w)]),
        fg.Dense(w, 3),
        fg.Residual([fg.Dense(3, 3, activation)]),
    ]


def data(rng, rows, dtype="float64"):
    return rng.normal(size=(rows, 5)).astype(dtype), rng.integers(0, 3, rows)


@pytest.mark.parametrize("norm", [fg.BatchNorm, fg.LayerNorm])
@pytest.mark.parametrize("width", [1, 15, 16, 17, 33])
def test_scores_and_gradients_match_the_oracle(norm, width, level, rng):
    tolerance = 300 * np.finfo(level).eps
    for rows in (6, 70, 600):
        net = fg.Network(blocks(width, norm), loss="cross_entropy", dtype=level, seed=1)
        stir(net, rng)
        X, y = data(rng, rows, level)
        oracle = Stacked(net)
        assert distance(net.forward(X), oracle.scores(X)) < tolerance
        for training in (False, True):
            want, exact, _ = oracle.gradient(X, y, None, training)
            found = [net.gradient(X, y, training=training, threads=threads) for threads in (1, 2, 3)]
            assert abs(found[0][0] - want) < tolerance * (1 + abs(want))
            assert distance(flat(found[0][1]), flat(exact)) < tolerance * (10 if width == 1 else 1), (rows, training)
            for _, grads in found[1:]:
                assert flat(grads).tobytes() == flat(found[0][1]).tobytes()


def test_dX_passes_by_the_blocks(dtype, rng):
    net = fg.Network(blocks(17), dtype=dtype, seed=1)
    X, t = rng.normal(size=(40, 5)), rng.normal(size=(40, 3))
    X = X.astype(dtype)
    _, exact, dX = Stacked(net).gradient(X, t)
    slopes = 2 * (Stacked(net).scores(X) - t) / t.size
    for threads in (1, 2, 3):
        grads, found = net.backward(X, slopes, inputs=True, threads=threads)
        assert distance(found, dX) < 300 * np.finfo(dtype).eps
        assert distance(flat(grads), flat(exact)) < 300 * np.finfo(dtype).eps


@pytest.mark.parametrize("batch", [7, 650])
def test_bits_do_not_depend_on_threads(batch, level, rng):
    X, y = data(rng, 1301)
    found = []
    for threads in (1, 2, 3):
        layers = [*blocks(33)[:2], fg.Residual([fg.Dense(33, 33, "relu"), fg.Dropout(0.3)]), *blocks(33)[2:]]
        net = fg.Network(layers, loss="cross_entropy", dtype=level, seed=2)
        net.fit(X, y, epochs=1, batch_size=batch, threads=threads)
        found.append((state(net), net.history["loss"]))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("activation", catalog.ACTIVATIONS)
def test_gradients_are_slopes(activation, rng):
    """Also of those activations whose slope is told by what they gave: the sum must not be taken for it."""
    layers = blocks(9, fg.BatchNorm, activation)
    layers[2:2] = [fg.Residual([fg.Dense(9, 9, activation), fg.Dropout(0.4)])]
    net = fg.Network(layers, loss="cross_entropy", dtype="float64", seed=3)
    X, y = data(rng, 11)
    for training in (False, True):
        report = fg.check_gradients(net, X, y, training=training)
        assert report.passed, report


def test_a_block_of_zeros_changes_nothing(dtype, rng):
    X = rng.normal(size=(30, 5)).astype(dtype)
    plain = fg.Network([fg.Dense(5, 17, "tanh"), fg.Dense(17, 3)], dtype=dtype, seed=1)
    with_block = fg.Network(
        [fg.Dense(5, 17, "tanh"), fg.Residual([fg.Dense(17, 8), fg.Dense(8, 17)]), fg.Dense(17, 3)], dtype=dtype, seed=1
    )
    for place in (0, 3):
        with_block.weights[place] = plain.weights[min(place, 1)]
        with_block.biases[place] = plain.biases[min(place, 1)]
    with_block.weights[2] = np.zeros((8, 17))
    assert (with_block.forward(X) == plain.forward(X)).all()


def test_copies_files_and_checkpoints_keep_it(rng, tmp_path):
    net = fg.Network(blocks(9, fg.BatchNorm), loss="cross_entropy", seed=1)
    X, y = data(rng, 40)
    net.fit(X, y, epochs=2, batch_size=10, checkpoint=tmp_path / "c")
    net.save(tmp_path / "m")
    for again in (fg.load(tmp_path / "m"), pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert state(again) == state(net) and again.layers == net.layers and repr(again) == repr(net)
        assert (again.forward(X) == net.forward(X)).all()
    assert eval(repr(net), NAMES).layers == tuple(blocks(9, fg.BatchNorm)) == net.layers
    resumed, whole = (fg.Network(blocks(9, fg.BatchNorm), loss="cross_entropy", seed=1) for _ in range(2))
    resumed.fit(X, y, epochs=4, batch_size=10, resume=tmp_path / "c")
    whole.fit(X, y, epochs=4, batch_size=10)
    assert state(resumed) == state(whole)
    assert "identity, + X" in net.summary() and "tanh, + layers.5, + layers.2" in net.summary()
    layers = [*blocks(9, fg.BatchNorm)[:-1], fg.Dense(3, 3, "tanh")]
    with pytest.raises(ValueError, match="resume: the checkpoint's network has blocks"):
        fg.Network(layers, loss="cross_entropy", seed=1).fit(X, y, epochs=4, batch_size=10, resume=tmp_path / "c")


def test_a_run_that_diverges_names_the_layer(rng):
    net = fg.Network([fg.Dense(3, 4), fg.Residual([fg.LayerNorm(), fg.Dense(4, 4)]), fg.Dense(4, 1)])
    net.weights[2] = 3e38 * np.eye(4, dtype="f4")
    with pytest.raises(fg.DivergenceError) as caught:
        net.fit(rng.normal(size=(20, 3)), np.ones(20), epochs=1)
    assert caught.value.layer == 2


D, E = fg.Dense(3, 3), fg.Dense(3, 4)


@pytest.mark.parametrize(
    "layers",
    [
        [D, fg.Residual([D])],
        [fg.Residual([fg.Residual([D]), D]), E],
        [fg.Residual([D, fg.Residual([fg.LayerNorm()])]), fg.Residual([fg.Residual([D])]), E],
        [fg.LayerNorm(), fg.Dropout(0.1), fg.Residual([D, fg.Dropout(0.2)]), fg.Residual([E, fg.Dense(4, 3)]), D],
        [fg.Residual([fg.Residual([fg.Residual([fg.Residual([D])])])]), E],
    ],
)
def test_a_list_comes_back_as_it_was(layers):
    assert stack.nested(stack.read(layers, None)) == tuple(layers)


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda: fg.Residual([]), "must be at least one layer"), (lambda: fg.Residual(D), "must be a list"),
     (lambda: fg.Residual([3, 3]), r"layers\[0\] of fg.Residual must be an fg.Dense"),
     (lambda: fg.Network([fg.Residual([E]), fg.Dense(4, 3)]), "layers 0 to 0 are a Residual of 3 inputs and 4 outputs"),
     (lambda: fg.Network([D, fg.Residual([D]), fg.Dropout(0.1), D]), r"layers\[2\]: .* must not stand behind a Residual"),
     (lambda: fg.Network([D, fg.Residual([fg.Dropout(0.1), D]), D]), r"layers\[1\].layers\[0\]: .* must stand between"),
     (lambda: fg.Network([D, fg.Residual([D, fg.Dropout(0.1)])]), "nothing may be dropped behind the last layer"),
     (lambda: fg.Network([fg.Dense(3, 1), fg.Residual([fg.Dense(1, 1)])]), "must end in an fg.Dense, outside"),
     (lambda: fg.Network([E, fg.Residual([E]), D]), "layer 0 has 4 outputs but layer 1 has 3"),
     (lambda: fg.Network([eval("fg.Residual([" * 5 + "D" + "])" * 5), E]), "more than 4 Residuals begin, or end")],
)  # fmt: skip
def test_what_makes_no_network_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


@pytest.mark.parametrize(
    "blocks_", [[[1, 0]], [[-1, 0]], [[0, 9]], [[0, 1], [1, 2]], [[0, 2], [0, 1]], [[0]], 3, [["0", None]]]
)
def test_a_file_with_impossible_blocks_is_refused(blocks_, tmp_path):
    import json

    from safetensors.numpy import save_file

    net = fg.Network([D, fg.Residual([D]), D])
    net.save(tmp_path / "m")
    read = exchange.read(tmp_path / "m")
    told = json.dumps({**read.network, "blocks": blocks_})
    save_file(read.tensors, tmp_path / "n", {**read.header, "network": told})
    with pytest.raises(ValueError, match="is not a network that fastgrad saved"):
        fg.load(tmp_path / "n")
