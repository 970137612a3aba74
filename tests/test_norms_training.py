"""Norms in trainings, copies and files: what is kept, restored and refused, whichever way it was reached."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from normed import NORMS, rows_of, three
from oracle import bits
from stacked import Stacked, distance, flat, state

import fastgrad as fg
from fastgrad import exchange

NAMES = {name: getattr(fg, name) for name in fg.__all__}


@pytest.mark.parametrize("norm", NORMS)
def test_copies_and_files_keep_everything(norm, dtype, rng, tmp_path):
    net = three(norm, 33, dtype)
    X, y = rows_of(rng, 40, dtype)
    net.fit(X, y, epochs=2)
    net.partial_fit(X, y)  # not published yet
    net.save(tmp_path / "m")
    for again in (fg.load(tmp_path / "m"), pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert state(again) == state(net) and again.layers == net.layers and repr(again) == repr(net)
        assert (again.forward(X) == net.forward(X)).all()
    assert eval(repr(net), NAMES).layers == net.layers
    other = net.astype("float64").astype("float32")
    assert other.layers == net.layers and [n for n, _ in other.named_buffers()] == [n for n, _ in net.named_buffers()]
    if dtype == np.float32:
        assert state(other) == state(net)
    running = state(net)[1:]
    net.parameters = net.parameters * 2
    net.weights[0] = np.ones(5)
    assert state(net)[1:] == running


def test_names_are_those_of_pytorch(tmp_path):
    net = three(fg.BatchNorm, 4)
    parameters = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "layers.2.weight", "layers.2.bias",
                  "layers.3.weight", "layers.3.bias", "layers.5.weight", "layers.5.bias"]  # fmt: skip
    buffers = [f"layers.{k}.running_{name}" for k in (0, 2, 4) for name in ("mean", "var")]
    assert [name for name, _ in net.named_parameters()] == parameters
    assert [name for name, _ in net.named_buffers()] == buffers
    assert list(net.gradient(np.eye(5), np.arange(5) % 3, as_dict=True)[1]) == parameters
    net.save(tmp_path / "m")
    assert sorted(exchange.read(tmp_path / "m").tensors) == sorted(parameters + buffers)
    assert net.size == sum(array.size for _, array in net.named_parameters()) == len(net.parameters)
    assert "layers.2  batch norm (4,)   tanh" in net.summary() and "layers.4  batch norm (19,)" in net.summary()
    with pytest.raises(ValueError, match="read-only"):
        next(net.named_buffers())[1][0] = 1


@pytest.mark.parametrize("norm", NORMS)
def test_a_checkpoint_goes_on_with_the_same_bits(norm, rng, tmp_path):
    X, y = rows_of(rng, 61)
    fit = {"batch_size": 12, "validation": 0.3, "early_stopping": 2, "optimizer": fg.Adam(0.1)}
    whole, resumed = three(norm, 17, "float32"), three(norm, 17, "float32")
    whole.fit(X, y, epochs=6, **fit)
    three(norm, 17, "float32").fit(X, y, epochs=2, checkpoint=tmp_path / "c", **fit)
    resumed.fit(X, y, epochs=6, resume=tmp_path / "c", **fit)
    assert state(whole) == state(resumed) and whole.history["val_loss"] == resumed.history["val_loss"]
    with pytest.raises(ValueError, match="resume: the checkpoint's network has layers"):
        three(norm, 18, "float32").fit(X, y, epochs=6, resume=tmp_path / "c", **fit)


def test_early_stopping_restores_the_statistics_of_the_best(rng):
    X, y = rows_of(rng, 60)
    net, seen = three(fg.BatchNorm, 17), []
    net.fit(X, y, epochs=40, validation=0.4, early_stopping=3, optimizer=fg.Adam(0.2),
            callbacks=lambda told: seen.append(state(told.network)))  # fmt: skip
    best = int(np.argmin(net.history["val_loss"]))
    assert best < len(seen) - 1 and state(net) == seen[best] != seen[-1]


def test_a_run_that_diverges_leaves_no_trace(rng):
    X, y = rows_of(rng, 48)
    net, seen = fg.Network([fg.Dense(5, 4), fg.BatchNorm(), fg.Dense(4, 1)]), []

    def note(told):
        seen.append(state(told.network))

    net.fit(X, y, epochs=1, batch_size=12, callbacks=note)
    with pytest.raises(fg.DivergenceError, match="training diverged in epoch"):
        net.fit(X, y, epochs=50, batch_size=12, optimizer=fg.SGD(1e4), callbacks=note)
    assert state(net) == seen[-1]
    with pytest.raises(fg.DivergenceError):
        net.partial_fit(X, y, optimizer=fg.SGD(1e30), batch_size=12)
    assert state(net) == seen[-1]


def test_partial_fit_is_fit_in_the_given_order(rng):
    X, y = rows_of(rng, 48)
    one, two = three(fg.BatchNorm, 17), three(fg.BatchNorm, 17)
    one.fit(X, y, epochs=1, batch_size=16, shuffle=False, optimizer="sgd")
    for k in range(3):
        two.partial_fit(X[16 * k :][:16], y[16 * k :][:16], optimizer="sgd")
    assert state(one) == state(two)


def test_a_row_that_is_left_over_joins_the_batch_before(rng):
    X, y = rows_of(rng, 17)
    weight = rng.uniform(1, 2, 17)
    one, two, three_ = (three(fg.BatchNorm, 17) for _ in range(3))
    one.fit(X, y, epochs=1, batch_size=8, shuffle=False, optimizer="sgd", sample_weight=weight)
    two.partial_fit(X, y, weight, batch_size=8, optimizer="sgd")
    for rows in (slice(0, 8), slice(8, 17)):
        three_.partial_fit(X[rows], y[rows], weight[rows], optimizer="sgd")
    assert state(one) == state(two) and distance(one.parameters, three_.parameters) < 1e-14
    seen = three(fg.LayerNorm, 17).fit(X, y, epochs=1, batch_size=8)  # which does not mind
    assert np.isfinite(seen["loss"]).all()


def test_a_single_row_is_refused_before_anything_is_computed(rng):
    X, y = rows_of(rng, 17)
    net = three(fg.BatchNorm, 17)
    before = state(net)
    for call in (
        lambda: net.fit(X, y, batch_size=1), lambda: net.fit(X[:1], y[:1]), lambda: net.partial_fit(X[:1], y[:1]),
        lambda: net.partial_fit(X, y, batch_size=1), lambda: net.gradient(X[:1], y[:1], training=True),
        lambda: net.loss(X[:1], y[:1], training=True),
    ):  # fmt: skip
        with pytest.raises(
            ValueError, match=r"(X|batch_size): a batch of 1 row, expected at least 2: layers.0, BatchNorm\("
        ):
            call()
    assert state(net) == before
    assert np.isfinite(net.gradient(X[:1], y[:1])[0]) and three(fg.LayerNorm, 17).partial_fit(X[:1], y[:1])


def test_a_limit_that_is_never_reached_changes_nothing(rng):
    X, y = rows_of(rng, 40)
    nets = [three(fg.BatchNorm, 17) for _ in range(3)]
    for net, clip in zip(nets, ({}, {"clip_norm": 1e9}, {"clip_value": 1e9}), strict=True):
        net.fit(X, y, epochs=2, batch_size=10, **clip)
    assert state(nets[0]) == state(nets[1]) == state(nets[2])
    net = three(fg.BatchNorm, 17)
    want = np.linalg.norm(flat(Stacked(net).gradient(X, y, training=True)[1]))
    before = net.parameters
    net.fit(X, y, epochs=1, batch_size=None, clip_norm=0.01, optimizer=fg.SGD(1.0), shuffle=False)
    assert abs(net.history["grad_norm"][0] - want) < 1e-12 * want
    assert abs(np.linalg.norm(net.parameters - before) - 0.01) < 1e-6


def test_the_mean_of_the_parameters_has_the_mean_of_the_statistics(rng, tmp_path):
    """As torch.optim.swa_utils.AveragedModel(use_buffers=True)."""
    X, y = rows_of(rng, 40)
    plain, seen = three(fg.BatchNorm, 17), []
    for _ in range(6):
        plain.partial_fit(X, y, optimizer="sgd")
        seen.append({**dict(plain.named_parameters()), **dict(plain.named_buffers())})
    want = seen[0]
    for now in seen[1:]:
        want = {name: 0.8 * value + 0.2 * now[name] for name, value in want.items()}
    fit = {"batch_size": None, "optimizer": "sgd", "shuffle": False}
    for average, expected in (
        (fg.EMA(0.8), want),
        (fg.SWA(4), {name: (seen[4][name] + seen[5][name]) / 2 for name in want}),
    ):
        net, resumed = three(fg.BatchNorm, 17), three(fg.BatchNorm, 17)
        net.fit(X, y, epochs=6, average=average, **fit)
        for name, array in (*net.named_parameters(), *net.named_buffers()):
            np.testing.assert_allclose(array, expected[name], rtol=1e-10, atol=1e-12, err_msg=name)
        three(fg.BatchNorm, 17).fit(
            X, y, epochs=6, average=average, checkpoint=tmp_path / "c", callbacks=lambda told: told.epoch == 4, **fit
        )
        resumed.fit(X, y, epochs=6, average=average, resume=tmp_path / "c", **fit)
        assert state(resumed) == state(net)


def test_accumulated_batches_are_one_batch(rng):
    """Its statistics, too: a network with a batch norm holds it whole."""
    X, y = rows_of(rng, 49)
    found = []
    for fit in ({"batch_size": 16}, {"batch_size": 4, "accumulate": 4}, {"batch_size": 1, "accumulate": 16}):
        net = three(fg.BatchNorm, 17)
        net.fit(X, y, epochs=2, **fit)
        found.append(state(net))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("norm", NORMS)
def test_layers_below_may_be_frozen(norm, rng):
    X, y = rows_of(rng, 40)
    nets = []
    for frozen, threads in ((False, 1), (True, 1), (True, 3)):
        net = fg.Network(
            [fg.Dense(5, 17, frozen=frozen), norm(activation="tanh"), fg.Dense(17, 3)],
            loss="cross_entropy", dtype="float64", seed=1,
        )  # fmt: skip
        net.fit(X, y, epochs=1, batch_size=None, shuffle=False, threads=threads, optimizer="sgd")
        nets.append(net)
    assert state(nets[1]) == state(nets[2])
    assert (
        nets[1].weights[0] == fg.Network([5, 17, 3], seed=1, dtype="float64", activation="identity").weights[0]
    ).all()
    for place in (1, 2):  # one step: what is trained has the same gradient
        assert (nets[0].weights[place] == nets[1].weights[place]).all()
        assert (nets[0].biases[place] == nets[1].biases[place]).all()


def test_norms_help_a_deep_network_to_learn(rng):
    """Twelve narrow layers of tanh on badly scaled inputs."""
    X = rng.normal(size=(400, 6)) * 10.0 ** rng.integers(-3, 4, 6)
    y = (X / np.abs(X).max(0)).sum(1) > 0
    found = {}
    for norm in (None, *NORMS):
        layers = [] if norm is None else [fg.BatchNorm()]
        for k in range(12):
            layers += [fg.Dense(6 if k == 0 else 16, 16, "tanh" if norm is None else "identity")]
            layers += [] if norm is None else [norm(activation="tanh")]
        net = fg.Network([*layers, fg.Dense(16, 2)], loss="cross_entropy", seed=0)
        net.fit(X, y.astype(int), epochs=30, batch_size=40, optimizer=fg.SGD(0.1))
        found[norm] = float(np.mean(net.predict(X).argmax(1) == y))
    assert min(found[fg.BatchNorm], found[fg.LayerNorm]) > max(0.9, found[None])


# ---- what is refused, and what is old ------------------------------------------------------------------------------
D = fg.Dense(3, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda: fg.BatchNorm(eps=0), "eps must be a finite number > 0"), (lambda: fg.LayerNorm(eps="1"), "eps must be a num"),
     (lambda: fg.BatchNorm(momentum=1.5), "momentum"), (lambda: fg.BatchNorm(momentum=None), "momentum"),
     (lambda: fg.LayerNorm(affine=1), "affine must be True or False, got 1"),
     (lambda: fg.BatchNorm(activation="rleu"), "unknown activation 'rleu'"),
     (lambda: fg.Network([fg.BatchNorm()]), "must hold an fg.Dense"),
     (lambda: fg.Network([fg.BatchNorm(), D, fg.Dense(4, 1)]), "layer 1 has 3 outputs but layer 2 has 4"),
     (lambda: fg.Network([fg.Dense(3, 1), fg.LayerNorm()]), "one output must end in an fg.Dense"),
     (lambda: fg.Network([3, fg.LayerNorm(), 3]), r"layers: LayerNorm\(.*\) stands between fg.Dense layers, not between"),
     (lambda: fg.Network([D, fg.LayerNorm(), D], activation="relu"), "activation is given by each")],
)  # fmt: skip
def test_what_makes_no_network_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_a_file_with_impossible_statistics_is_refused(tmp_path):
    from safetensors.numpy import save_file

    three(fg.BatchNorm, 4).save(tmp_path / "m")
    read = exchange.read(tmp_path / "m")
    for name, array, message in (
        ("layers.2.running_var", np.full(4, -1.0), "layers.2.running_var has values below 0"),
        ("layers.0.running_mean", np.full(5, np.inf), "layers.0.running_mean must be finite"),
        ("layers.4.running_var", np.ones(3), r"layers.4.running_var is float64 \(3,\), expected float64 \(19,\)"),
        ("layers.2.weight", np.ones((4, 4)), r"layers.2.weight is float64 \(4, 4\)"),
    ):
        save_file({**read.tensors, name: array}, tmp_path / "n", read.header)
        with pytest.raises(ValueError, match=message):
            fg.load(tmp_path / "n")


def test_what_was_written_before_there_were_norms_is_read(tmp_path):
    net = fg.Network([fg.Dense(3, 4, "tanh"), fg.Dropout(0.25), fg.Dense(4, 2)], seed=5)
    told = exchange.describe(net._record)
    assert told == {
        "layers": [[3, 4, "tanh"], [4, 2, "identity"]], "dropout": [0.25, 0.0], "loss": {"name": "mse"},
        "dtype": "float32", "seed": 5, "epochs_seen": 0,
    }  # fmt: skip
    old = {name: value for name, value in net.__getstate__().items() if name not in ("blocks", "running")}
    again = fg.Network.__new__(fg.Network)
    again.__setstate__(old)
    assert bits(again) == bits(net) and again.layers == net.layers
