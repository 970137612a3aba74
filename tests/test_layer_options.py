"""What layers ask for themselves: `lr_factor`, `weight_decay`, `l1`, `max_norm`, `frozen`.

The oracle steps by hand in float64 NumPy, layer by layer, through the catalog's formulas.  Left out: `init`
(test_initialisers.py).
"""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest
from oracle import Oracle, bits, oracle_of
from safetensors import safe_open
from safetensors.numpy import save_file
from stepping import Stepper

import fastgrad as fg
from fastgrad import catalog, options, train
from fastgrad.estimators import rules
from fastgrad.formulas import expand_hyper
from fastgrad.network import aligned

NAMES = {name: getattr(fg, name) for name in fg.__all__}


def mixed(outputs=3, **first):
    """Layers that ask for this and that."""
    return [
        fg.Dense(4, 33, "tanh", l1=0.02, **first),
        fg.Dense(33, 17, "sigmoid", frozen=True),
        fg.Dense(17, 20, "tanh", max_norm=0.9, lr_factor=0.5),
        fg.Dense(20, outputs, weight_decay=0.3, max_norm=0.7, l1=0.01, lr_factor=2),
    ]


@pytest.fixture
def data(rng):
    return rng.normal(size=(40, 4)), rng.integers(0, 3, 40)


OPTIMIZERS = {
    **{name: {"lr": 0.02} for name in catalog.OPTIMIZERS},
    "sgd": {"lr": 0.1, "momentum": 0.9, "dampening": 0.1},
    "adamw": {"lr": 0.02, "weight_decay": 0.1},
    "nadam": {"lr": 0.02, "weight_decay": 0.05},
}
CLIPS = {"whole": {}, "norm": {"clip_norm": 0.05}, "value": {"clip_value": 0.01}}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("clip", CLIPS)
def test_steps_are_those_of_the_oracle(name, clip, data):
    X, y = data
    optimizer = getattr(fg, catalog.OPTIMIZERS[name].public)(**OPTIMIZERS[name])
    net = fg.Network(mixed(), loss="cross_entropy", dtype="float64", seed=1)
    hand = Stepper(net.layers, optimizer, oracle_of(net), **CLIPS[clip])
    for _ in range(3):
        for rows in (slice(0, 15), slice(15, 30), slice(30, 40)):
            hand.step(X[rows], y[rows])
    history = net.fit(X, y, epochs=3, batch_size=15, shuffle=False, optimizer=optimizer, **CLIPS[clip])
    for k, (W, b) in enumerate(hand.params):
        np.testing.assert_allclose(net.weights[k], W, rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose(net.biases[k], b, rtol=1e-8, atol=1e-11)
        assert ((net.weights[k] == 0) == (W == 0)).all()
    np.testing.assert_allclose(history["grad_norm"], np.reshape(hand.norms, (3, 3)).mean(1), rtol=1e-9)
    if clip != "whole" and name not in ("adam", "adamw", "adamax", "nadam", "radam", "lion"):
        assert max(hand.norms) > 0.05  # something was clipped


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("batch", [1, 40, 1100])
def test_one_output_single_rows_and_slices(outputs, batch, rng):
    X, y = rng.normal(size=(1100, 4)), rng.normal(size=(1100, outputs))
    weight = rng.integers(0, 3, 1100).astype(float)
    net = fg.Network(mixed(outputs), dtype="float64", seed=1)
    hand, steps = Stepper(net.layers, fg.Adam(0.01), oracle_of(net)), min(12, 1100 // batch)
    for k in range(steps):
        rows = slice(k * batch, (k + 1) * batch)
        if weight[rows].any():
            hand.step(X[rows], y[rows], weight[rows])
    rows = slice(0, steps * batch)
    net.fit(
        X[rows], y[rows], epochs=1, batch_size=batch, shuffle=False, optimizer=fg.Adam(0.01), sample_weight=weight[rows]
    )
    for k, (W, b) in enumerate(hand.params):
        np.testing.assert_allclose(net.weights[k], W, rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose(net.biases[k], b, rtol=1e-8, atol=1e-11)


def test_zeros_and_factors_follow_the_schedule(data):
    X, y = data
    net = fg.Network(mixed(), loss="cross_entropy", dtype="float64", seed=1)
    hand = Stepper(net.layers, fg.SGD(), oracle_of(net))
    for k in range(12):
        rows = slice(k % 4 * 10, k % 4 * 10 + 10)
        hand.step(X[rows], y[rows], lr=0.5 / (1 + k / 4))
    net.fit(X, y, epochs=3, batch_size=10, shuffle=False, optimizer="sgd", schedule=lambda epoch: 0.5 / (1 + epoch))
    for k, (W, b) in enumerate(hand.params):
        np.testing.assert_allclose(net.weights[k], W, rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose(net.biases[k], b, rtol=1e-8, atol=1e-11)
        assert ((net.weights[k] == 0) == (W == 0)).all()
    assert (net.weights[0] == 0).any()


SIZES = [(5, 1), (1, 1, 2), (33, 47, 40, 3), (16, 32, 1), (9, 64, 65, 7)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_build(build, sizes, rng):
    """Around the edges of panels and tiles, for each type and instruction set: the same steps, to its rounding."""
    constants = build.constants()
    dtype, eps = np.dtype(f"float{constants['bits']}"), np.finfo(f"float{constants['bits']}").eps
    names = ("tanh",) * (len(sizes) - 2) + ("identity",)
    layers = [
        fg.Dense(i, o, f, l1=0.03 * (k % 2), max_norm=0.6 if k != 1 else None, lr_factor=1 + k, frozen=k == 2)
        for k, ((i, o), f) in enumerate(zip(itertools.pairwise(sizes), names, strict=True))
    ]
    program = build.Program(sizes, names, "mse", ())
    start, optimizer = aligned(program.size, dtype), fg.SGD(0.1)
    W = [rng.normal(size=(i, o)).astype(dtype) / np.sqrt(i, dtype=dtype) for i, o in itertools.pairwise(sizes)]
    b = [rng.normal(size=o).astype(dtype) for o in sizes[1:]]
    for k, pair in enumerate(zip(W, b, strict=True)):
        program.pack(start, k, *pair)
    X, y = rng.normal(size=(70, sizes[0])).astype(dtype), rng.normal(size=(70, sizes[-1])).astype(dtype)
    oracle = Oracle([w.astype(float) for w in W], [c.astype(float) for c in b], names, "mse", {})
    hand = Stepper(layers, optimizer, oracle)
    for k in range(7):
        hand.step(X[k * 10 : k * 10 + 10], y[k * 10 : k * 10 + 10])
    asked, found = options.for_kernels(layers, optimizer), []
    for threads in (1, 2, 3):
        params = start.copy()
        trainer = build.Trainer(program, 10, "sgd", 0, optimizer.numbers, "values", threads, options=asked)
        done, status = trainer.run(params, params, X, y, None, None, 0, 7, np.full(7, 0.1), threads=threads)[:2]
        assert (done, status) == (7, train.FINE)
        found.append(params.tobytes())
    assert found[0] == found[1] == found[2]
    for k, (w, c) in enumerate(hand.params):
        got = np.empty(w.shape, dtype), np.empty(c.shape, dtype)
        program.unpack(params, k, *got)
        np.testing.assert_allclose(got[0], w, rtol=0, atol=4 * 7 * sum(sizes) * eps)
        np.testing.assert_allclose(got[1], c, rtol=0, atol=4 * 7 * sum(sizes) * eps)


@pytest.mark.parametrize("batch", [7, 300, 600])
@pytest.mark.parametrize("clip", [{}, {"clip_norm": 1.0}])
def test_bits_do_not_depend_on_threads(batch, clip, threads, dtype, rng):
    X, y = rng.normal(size=(700, 4)), rng.normal(size=(700, 2))
    found = []
    for count in (1, threads):
        net = fg.Network(mixed(2), dtype=dtype, seed=2)
        net.fit(X, y, epochs=2, batch_size=batch, threads=count, **clip)
        found.append(bits(net))
    assert found[0] == found[1]


def trained(net, data, **fit):
    net.fit(*data, **{"epochs": 3, "batch_size": 8, **fit})
    return bits(net)


@pytest.mark.parametrize("name", catalog.OPTIMIZERS)
def test_what_all_layers_ask_for_is_what_the_optimizer_does(name, data, dtype):
    """Half the rate in each layer is half the rate; so for the decay.  The scalars that live on advance once a step."""
    face = getattr(fg, catalog.OPTIMIZERS[name].public)
    sizes = [(4, 9, "relu"), (9, 9, "relu"), (9, 3, "identity")]

    def net(**asked):
        return fg.Network([fg.Dense(*size, **asked) for size in sizes], loss="cross_entropy", dtype=dtype)

    assert trained(net(lr_factor=0.5), data, optimizer=face(lr=0.02)) == trained(net(), data, optimizer=face(lr=0.01))
    decayed = trained(net(), data, optimizer=face(lr=0.02, weight_decay=0.25))
    assert trained(net(weight_decay=0.25), data, optimizer=face(lr=0.02)) == decayed
    assert trained(net(weight_decay=0.25, max_norm=1e30), data, optimizer=face(lr=0.02, weight_decay=1.0)) == decayed


@pytest.mark.parametrize("batch", [1, 40])
def test_single_rows_take_either_path_to_the_same_bits(batch, dtype, rng):
    X, y = rng.normal(size=(40, 21)), rng.normal(size=40)
    for asked in ({"lr_factor": 0.5}, {"weight_decay": 0.1}, {"l1": 0.05}, {"max_norm": 0.3}):
        layer = fg.Dense(21, 1, **asked)
        fast, general = (fg.Network([layer], dtype=dtype, seed=3) for _ in range(2))
        assert trained(fast, (X, y), batch_size=batch) == trained(general, (X, y), batch_size=batch, clip_value=1e30)


# ---- frozen ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2)])
def test_frozen_layers_keep_their_bits_and_the_others_do_not_notice(which, data, dtype):
    X, y = data
    sizes = [(4, 40, "tanh"), (40, 18, "relu"), (18, 3, "identity")]
    layers = [fg.Dense(*size, frozen=k in which) for k, size in enumerate(sizes)]
    net = fg.Network(layers, loss="cross_entropy", dtype=dtype, seed=5)
    free = fg.Network([fg.Dense(*size) for size in sizes], loss="cross_entropy", dtype=dtype, seed=5)
    before = [(np.array(W), np.array(b)) for W, b in zip(net.weights, net.biases, strict=True)]
    _, grads = free.gradient(X, y)
    history = net.fit(X, y, epochs=1, batch_size=None)
    free.fit(X, y, epochs=1, batch_size=None)
    for k in range(3):
        one = before[k] if k in which else (free.weights[k], free.biases[k])
        assert net.weights[k].tobytes() == one[0].tobytes() and net.biases[k].tobytes() == one[1].tobytes()
    trainable = [g for k in range(3) for g in grads[k] if k not in which]
    norm = np.sqrt(sum((g.astype(float) ** 2).sum() for g in trainable))
    np.testing.assert_allclose(history["grad_norm"], [norm], rtol=1e-5 if dtype == np.float32 else 1e-12)
    run = net._record.run
    for k, slot in itertools.product(which, run.slots):
        assert not any(part.any() for part in net._record.layer_arrays(slot, k))  # Adam's moments: still none
    for _ in range(3):
        net.partial_fit(X, y)
    assert all(net.weights[k].tobytes() == before[k][0].tobytes() for k in which)


def test_gradients_count_frozen_layers(data):
    net = fg.Network(mixed(), loss="cross_entropy", dtype="float64")
    plain = [fg.Dense(layer.inputs, layer.outputs, layer.activation) for layer in net.layers]
    free = fg.Network(plain, loss="cross_entropy", dtype="float64")
    free.parameters = net.parameters
    (loss, grads), (same, others) = net.gradient(*data), free.gradient(*data)
    assert loss == same
    assert all(
        (g == o).all() for pair, other in zip(grads, others, strict=True) for g, o in zip(pair, other, strict=True)
    )
    assert fg.check_gradients(net, *data).passed


def test_transfer_learning(data):
    """A trained network's lower layers under a new head, as the documentation shows it."""
    X, y = data
    whole = fg.Network([4, 16, 3], loss="cross_entropy", seed=1)
    whole.fit(X, y, epochs=5)
    head = fg.Network([fg.Dense(4, 16, "relu", frozen=True), fg.Dense(16, 1)], seed=1)
    head.weights[0], head.biases[0] = whole.weights[0], whole.biases[0]
    head.fit(X, X[:, 0], epochs=5)
    assert head.weights[0].tobytes() == whole.weights[0].tobytes()
    thawed = fg.Network([fg.Dense(4, 16, "relu"), fg.Dense(16, 1)], seed=1)
    thawed.parameters = head.parameters
    assert thawed.fit(X, X[:, 0], epochs=50, optimizer=fg.Adam(0.01))["loss"][-1] < head.history["loss"][-1]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_network_of_frozen_layers_cannot_be_trained(method, data):
    net = fg.Network([fg.Dense(4, 3, frozen=True)], loss="cross_entropy")
    before = bits(net)
    with pytest.raises(ValueError, match="frozen: all 1 layers are"):
        getattr(net, method)(*data)
    assert bits(net) == before and np.isfinite(net.loss(*data))


# ---- l1, max_norm ----------------------------------------------------------------------------------------------------


def test_l1_finds_the_features_that_count(dtype, rng):
    X = rng.normal(size=(400, 20))
    y = X[:, 3] - 2 * X[:, 11]
    net = fg.Network([fg.Dense(20, 1, l1=0.2)], dtype=dtype)
    net.fit(X, y, epochs=60, optimizer=fg.SGD(0.05))
    assert np.flatnonzero(net.weights[0]).tolist() == [3, 11]
    assert net.biases[0].all()  # not held to zero


@pytest.mark.parametrize("outputs", [1, 3, 40])
@pytest.mark.parametrize("most", [0.05, 1.0])
def test_no_column_is_longer(outputs, most, dtype, rng):
    X, y = rng.normal(size=(80, 37)), 10 * rng.normal(size=(80, outputs))
    net = fg.Network([fg.Dense(37, outputs, max_norm=most)], dtype=dtype, seed=1)
    for _ in range(3):
        net.fit(X, y, epochs=1, batch_size=16, optimizer=fg.Adam(0.1))
        norms = np.linalg.norm(net.weights[0].astype(float), axis=0)
        assert (norms <= most * (1 + 8 * np.finfo(dtype).eps)).all() and (norms > 0.9 * most).any()


@pytest.mark.parametrize("asked", [{"max_norm": 1.0}, {"l1": 0.1}])
@pytest.mark.parametrize("outputs", [1, 2])
def test_what_overflows_is_told(asked, outputs, rng):
    net = fg.Network([fg.Dense(3, outputs, **asked)], seed=1)
    before = bits(net)
    with pytest.raises(fg.DivergenceError):
        net.fit(rng.normal(size=(64, 3)), np.full((64, outputs), 1e15), epochs=9, batch_size=8, optimizer=fg.SGD(1e12))
    assert bits(net) == before


# ---- what surrounds it -----------------------------------------------------------------------------------------------


def test_layers_say_what_they_ask_for():
    layer = fg.Dense(3, 2, "relu", init="zeros", weight_decay=0, l1=1, max_norm=2, lr_factor=3, frozen=np.True_)
    assert eval(repr(layer), NAMES) == layer and hash(layer) == hash(eval(repr(layer), NAMES))
    assert layer.options == {
        "init": "zeros", "weight_decay": 0.0, "l1": 1.0, "max_norm": 2.0, "lr_factor": 3.0, "frozen": True
    }  # fmt: skip
    assert repr(fg.Dense(3, 2)) == "Dense(inputs=3, outputs=2, activation='identity')"
    assert fg.Dense(3, 2, l1=0.1) != fg.Dense(3, 2) == fg.Dense(3, 2, lr_factor=1, l1=0)
    text = fg.Network([layer]).summary()
    assert "relu, init zeros, weight_decay 0.0, l1 1.0, max_norm 2.0, lr_factor 3.0, frozen" in text


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"init": "he"}, "unknown init 'he'.*known: he_uniform"), ({"init": 3}, "unknown init 3"),
        ({"weight_decay": -1}, "weight_decay"), ({"weight_decay": "0.1"}, "weight_decay must be a number"),
        ({"l1": -0.1}, "l1"), ({"l1": None}, "l1"), ({"l1": np.nan}, "l1"), ({"max_norm": 0}, "max_norm"),
        ({"max_norm": np.inf}, "max_norm"), ({"lr_factor": 0}, "lr_factor"), ({"lr_factor": True}, "lr_factor"),
        ({"frozen": 1}, "frozen must be True or False, got 1"), ({"frozen": None}, "frozen"),
    ],
)  # fmt: skip
def test_bad_options_are_refused(asked, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fg.Dense(3, 2, **asked)


def test_options_go_by_keyword():
    with pytest.raises(TypeError):
        fg.Dense(3, 2, "relu", "zeros")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_decay_that_the_optimizer_has_not_is_refused(method, data):
    net = fg.Network([fg.Dense(4, 5), fg.Dense(5, 3, weight_decay=0.1)], loss="cross_entropy")
    before = bits(net)
    with pytest.raises(ValueError, match=r"weight_decay=0.1 of layer 1: .* has none"):
        getattr(net, method)(*data, optimizer=rules.OPTIMIZERS["plain_eps_adam"]())
    assert bits(net) == before and net._record.run is None


def test_copies_and_files_keep_it(data, tmp_path):
    net = fg.Network(mixed(init="orthogonal"), loss="cross_entropy", seed=4)
    net.save(tmp_path / "m")
    copies = (fg.load(tmp_path / "m"), pickle.loads(pickle.dumps(net)), copy.deepcopy(net), eval(repr(net), NAMES))
    assert all(again.layers == net.layers and repr(again) == repr(net) for again in copies)
    after = {trained(one, data) for one in (net, *copies)}
    assert len(after) == 1
    assert net.astype("float64").layers == net.layers


def test_layers_that_an_older_version_pickled_ask_for_nothing():
    old = fg.Dense.__new__(fg.Dense)
    vars(old).update(inputs=3, outputs=2, activation="relu")
    assert old == fg.Dense(3, 2, "relu") and old.options == {} and hash(old) == hash(fg.Dense(3, 2, "relu"))


def rewrite(path, change):
    with safe_open(path, framework="numpy") as file:
        header, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header["network"] = change(header["network"])
    save_file(tensors, path, header)


def test_files_of_networks_without_options_are_as_they_were(tmp_path):
    fg.Network([4, 3]).save(tmp_path / "m")
    rewrite(tmp_path / "m", lambda text: text if "options" not in text else pytest.fail(text))


@pytest.mark.parametrize(
    "broken",
    ['[{"l1": -1}, {}]', '[{"frozen": 1}, {}]', '[{"cost": 1}, {}]', "[{}]", "[{}, 3]", '{"l1": 1}', '[{"inputs": 9}, {}]'],
)  # fmt: skip
def test_a_file_whose_options_are_none_is_refused(broken, tmp_path):
    fg.Network([fg.Dense(4, 5, l1=0.1), fg.Dense(5, 3)]).save(tmp_path / "m")
    rewrite(tmp_path / "m", lambda text: text.replace('[{"l1": 0.1}, {}]', broken))
    with pytest.raises(ValueError, match="is not a network that fastgrad saved"):
        fg.load(tmp_path / "m")


@pytest.mark.parametrize("name", ["adam", "nadam"])
def test_a_checkpoint_goes_on_to_the_same_bits(name, data, tmp_path):
    def net(**first):
        return fg.Network(mixed(**first), loss="cross_entropy", seed=4)

    whole = trained(net(), data, epochs=4, optimizer=name)
    trained(net(), data, epochs=2, optimizer=name, checkpoint=tmp_path / "c")
    assert trained(net(), data, epochs=4, optimizer=name, resume=tmp_path / "c") == whole
    with pytest.raises(ValueError, match=r"resume: the checkpoint's network has options .*, this one .*0.25"):
        trained(net(lr_factor=0.25), data, epochs=4, optimizer=name, resume=tmp_path / "c")


def test_no_optimizers_decay_is_a_flag():
    """A layer's own decay replaces a number; a flag would choose another update, with other slots."""
    for row in catalog.OPTIMIZERS.values():
        assert "weight_decay" not in row.flags and "weight_decay" in expand_hyper(row)
