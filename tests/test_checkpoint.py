"""`checkpoint=` and `resume=`: a fit that was cut anywhere and went on gives the bits of one that never was.

Left out: the file as a file (test_exchange.py).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from interrupted import interrupted, same
from oracle import bits, network
from safetensors import safe_open
from safetensors.numpy import save_file

import fastgrad as fg
from fastgrad import catalog, checkpoint, loop

EPOCHS = 5


@pytest.fixture
def data(rng):
    return rng.normal(size=(61, 4)), rng.integers(0, 3, 61)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c.safetensors"


def stop_after(epoch):
    return lambda state: state.epoch == epoch


FITS = {
    **{name: {"optimizer": name} for name in catalog.OPTIMIZERS},
    "every flag": {"optimizer": fg.RMSprop(momentum=0.9, centered=True)},
    "amsgrad": {"optimizer": fg.Adam(amsgrad=True)},
    "one row": {"batch_size": 1},
    "all rows": {"batch_size": None},
    "in order": {"shuffle": False},
    "held out": {"validation": 0.3, "metrics": ("accuracy",)},
    "patience": {"validation": 0.4, "early_stopping": 2, "optimizer": fg.Adam(0.2)},
    "plateaus": {"schedule": fg.ReduceOnPlateau(patience=0, threshold=0.3, cooldown=1)},
    "one cycle": {"schedule": fg.OneCycle()},
    "a function": {"schedule": lambda epoch: 0.01 / (1 + epoch)},
    "weights": {"sample_weight": np.arange(61) % 3},
    "weights, single rows": {"sample_weight": np.arange(61) % 2, "batch_size": 1},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_a_fit_in_two_parts_is_the_fit_in_one(fit, dtype, data, path):
    fit = {"batch_size": 8, "epochs": EPOCHS, **fit}
    whole, cut = network(dtype), network(dtype)
    whole.fit(*data, **fit)
    for epoch in (1, 3):
        cut = network(dtype)
        cut.fit(*data, callbacks=stop_after(epoch), checkpoint=path, **fit)
        resumed = network(dtype)
        resumed.fit(*data, resume=path, **fit)
        same(resumed, whole)


def test_a_fit_may_get_more_epochs_than_it_had(data, path):
    whole, resumed = network(), network()
    whole.fit(*data, epochs=6)
    network().fit(*data, epochs=2, checkpoint=path)
    resumed.fit(*data, epochs=4, checkpoint=path, resume=path)
    resumed = network()
    resumed.fit(*data, epochs=6, resume=path)
    same(resumed, whole)
    assert len(network().fit(*data, epochs=3, resume=path)["loss"]) == 4  # they are done; nothing to undo


def test_partial_fit_goes_on_alike(data, path):
    whole, resumed = network(), network()
    whole.fit(*data, epochs=4)
    network().fit(*data, epochs=2, checkpoint=path)
    resumed.fit(*data, epochs=4, resume=path)
    for net in (whole, resumed):
        net.partial_fit(*data)
    assert bits(whole) == bits(resumed)


def test_a_checkpoint_is_a_network_too(data, path):
    net = network()
    net.metadata["a"] = "b"
    net.fit(*data, epochs=3, checkpoint=path)
    again = fg.load(path)
    assert bits(again) == bits(net) and again.metadata == {"a": "b"}
    again.fit(*data, epochs=5, resume=path)
    whole = network()
    whole.fit(*data, epochs=5)
    assert bits(again) == bits(whole)


@pytest.mark.parametrize("looks", range(1, 12))
def test_out_of_time_within_an_epoch(looks, data, path, small_calls, monkeypatch):
    whole, cut, resumed = network(), network(), network()
    whole.fit(*data, epochs=3, batch_size=8)
    left = iter([False] * looks)
    monkeypatch.setattr(loop, "_late", lambda fit: next(left, True))
    cut.fit(*data, epochs=3, batch_size=8, checkpoint=path)
    monkeypatch.setattr(loop, "_late", lambda fit: False)
    resumed.fit(*data, epochs=3, batch_size=8, resume=path)
    same(resumed, whole)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_ctrl_c_on_any_line_loses_nothing(part, data, path, small_calls):
    """After each interruption the file gives the bits of a whole fit, or the fit had not begun and there is none."""
    fit = {
        "epochs": 2,
        "batch_size": 16,
        "validation": 0.2,
        "early_stopping": 5,
        "schedule": fg.ReduceOnPlateau(patience=0),
    }
    whole = network()
    whole.fit(*data, **fit)
    written = 0
    for _ in interrupted(data, path, fit, part + 1, 4):
        if path.exists():
            written += 1
            resumed = network()
            resumed.fit(*data, resume=path, **fit)
            same(resumed, whole)
    assert written > 10


CHILD = """
import sys, numpy as np, fastgrad as fg
rng = np.random.default_rng(0)
X, y = rng.normal(size=(60_000, 20)).astype("float32"), rng.integers(0, 3, 60_000)
net = fg.Network([20, 64, 64, 3], loss="cross_entropy", seed=4)
net.fit(X, y, epochs=int(sys.argv[2]), batch_size=16, progress=False, **eval(sys.argv[1]))
sys.stdout.buffer.write(net.parameters.tobytes())
"""


def child(arguments, epochs=8):
    return subprocess.Popen(
        [sys.executable, "-P", "-c", CHILD, repr(arguments), str(epochs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals to another process are POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_process_that_was_ended_goes_on_in_another(number, path):
    process = child({"checkpoint": str(path)}, epochs=10_000)
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=60)
    with safe_open(path, framework="numpy") as file:
        epochs = json.loads(file.metadata()["training"])["epoch"] + 2
    whole = child({}, epochs).communicate(timeout=120)[0]
    resumed = child({"resume": str(path)}, epochs)
    out, errors = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, errors
    assert out == whole and len(out) > 1000
    assert [name for name in os.listdir(path.parent) if name != path.name] == [] or number == signal.SIGKILL


def test_a_failing_callback_leaves_a_checkpoint(data, path):
    def fail(state):
        if state.epoch == 2:
            raise RuntimeError("of my own")

    with pytest.raises(RuntimeError, match="of my own"):
        network().fit(*data, epochs=EPOCHS, callbacks=fail, checkpoint=path)
    whole, resumed = network(), network()
    whole.fit(*data, epochs=EPOCHS)
    resumed.fit(*data, epochs=EPOCHS, resume=path)
    same(resumed, whole)


def test_a_run_that_diverges_leaves_the_last_good_checkpoint(data, path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", 0)
    with pytest.raises(fg.DivergenceError):
        network("float32", activation="relu", loss="mse").fit(
            data[0], data[0][:, :3], epochs=50, optimizer=fg.SGD(1e3), checkpoint=path
        )
    assert np.isfinite(fg.load(path).parameters).all()


def test_that_a_checkpoint_could_not_be_written_is_told_with_the_error_that_ended_the_fit(data, path, monkeypatch):
    def fail(state):
        monkeypatch.setattr(checkpoint.exchange, "write", no_space)
        raise RuntimeError("of my own")

    def no_space(*arguments):
        raise OSError("no space left")

    net = network()
    with pytest.raises(RuntimeError, match="of my own") as caught:
        net.fit(*data, epochs=2, callbacks=fail, checkpoint=path)
    assert caught.value.__notes__ == ["The checkpoint could not be written: no space left"]
    with pytest.raises(OSError, match="no space left"):
        net.fit(*data, epochs=2, checkpoint=path)
    assert len(net.history["loss"]) == 2


# ---- what is refused -------------------------------------------------------------------------------------------------

OTHERS = {
    "batch_size 8, this call has 9": {"batch_size": 9},
    "shuffle True, this call has False": {"shuffle": False},
    r"optimizer .*'name': 'adam'.*, this call has .*'name': 'sgd'": {"optimizer": "sgd"},
    r"optimizer .*'lr': 0.001,.*, this call has .*'lr': 0.01,": {"optimizer": fg.Adam(0.01)},
    "schedule .*Constant.*, this call has .*Cosine": {"schedule": fg.Cosine()},
    "validation None, this call has": {"validation": 0.2},
    "metrics .*, this call has .*accuracy": {"metrics": "accuracy"},
    "X, y or sample_weight are not the data": {"sample_weight": np.ones(61)},
}


@pytest.mark.parametrize("message", OTHERS)
def test_another_fit_is_refused_and_nothing_changes(message, data, path):
    network().fit(*data, epochs=2, batch_size=8, checkpoint=path)
    net = network(seed=1)
    before = bits(net)
    with pytest.raises(ValueError, match="^resume: .*" + message):
        net.fit(*data, **{"epochs": 3, "batch_size": 8, "resume": path, **OTHERS[message]})
    assert bits(net) == before and net._record.epochs_seen == 0 and net.history.epochs == 0


def test_other_data_are_refused(data, path):
    X, y = data
    network().fit(X, y, epochs=2, checkpoint=path)
    other = X.copy()
    other[30, 2] += 1e-9
    for changed in ((other, y), (X, (y + 1) % 3), (X[:60], y[:60])):
        with pytest.raises(ValueError, match="are not the data that the checkpoint was trained on"):
            network().fit(*changed, resume=path)
    network().fit(np.asfortranarray(X), y.astype(np.int8), resume=path)  # the same values


@pytest.mark.parametrize(
    ("net", "what"),
    [
        (network(seed=2), "seed 1, this one 2"), (network("float32"), "dtype float64, this one float32"),
        (network(activation="relu"), "layers"), (network(loss=fg.CrossEntropy(0.1)), "loss"),
    ],
)  # fmt: skip
def test_another_network_is_refused(net, what, data, path):
    network().fit(*data, epochs=1, checkpoint=path)
    with pytest.raises(ValueError, match=f"^resume: the checkpoint's network has {what}"):
        net.fit(*data, resume=path)


def rewrite(path, change=None, drop=(), **header):
    with safe_open(path, framework="numpy") as file:
        found = {**file.metadata(), **header}
        tensors = {name: file.get_tensor(name) for name in file.keys() if name not in drop}  # noqa: SIM118
    training = json.loads(found["training"])
    (change or training.update)(training)
    save_file(tensors, path, {**found, "training": json.dumps(training)})


@pytest.mark.parametrize(
    "broken",
    [
        {"change": lambda t: t.pop("reached")}, {"change": lambda t: t.update(reached=[1])},
        {"change": lambda t: t.update(history={"loss": ["x"]})}, {"change": lambda t: t.update(epoch=None)},
        {"drop": ["training.layers.1.weight"]}, {"drop": ["slots.v.layers.0.bias"]},
    ],
)  # fmt: skip
def test_a_broken_checkpoint_is_refused_and_nothing_changes(broken, data, path):
    network().fit(*data, epochs=1, checkpoint=path)
    rewrite(path, **broken)
    net = network()
    before = bits(net)
    with pytest.raises(ValueError, match="is not a network that fastgrad saved"):
        net.fit(*data, epochs=2, resume=path)
    assert bits(net) == before and net._record.epochs_seen == 0
    net.fit(*data, epochs=2)  # and it trains as ever
    whole = network()
    whole.fit(*data, epochs=2)
    assert bits(net) == bits(whole)


def test_bad_paths_are_refused_before_anything_is_computed(data, tmp_path):
    net = network()
    net.save(tmp_path / "m")
    for arguments, error, message in (
        ({"checkpoint": tmp_path}, IsADirectoryError, "checkpoint: .* is a folder"),
        ({"checkpoint": tmp_path / "a" / "b"}, FileNotFoundError, "checkpoint: the folder .* does not exist"),
        ({"checkpoint": 3}, TypeError, "checkpoint must be a path, got int"),
        ({"resume": 3}, TypeError, "resume must be a path, got int"),
        ({"resume": tmp_path / "none"}, FileNotFoundError, "none"),
        ({"resume": tmp_path / "m"}, ValueError, "holds a network but no training"),
    ):
        with pytest.raises(error, match=message):
            net.fit(*data, **arguments)
    assert net.history.epochs == 0


def test_what_changes_the_result_is_warned_of(data, path):
    fit = {"schedule": fg.Cosine(), "batch_size": 8}
    network().fit(*data, epochs=2, checkpoint=path, **fit)
    with pytest.warns(
        UserWarning, match="Cosine was laid out over 2 epochs before the checkpoint and is now over 5"
    ) as seen:
        network().fit(*data, epochs=5, resume=path, **fit)
    assert seen[0].filename == __file__
    network().fit(*data, epochs=2, checkpoint=path)
    rewrite(path, isa="v9")
    with pytest.warns(UserWarning, match="written with the instruction set v9, this process uses"):
        network().fit(*data, epochs=3, resume=path)
