"""`save` and `load`: networks come back as they were, and a file that is not one of ours makes nothing but a ValueError.

Left out: checkpoints (test_checkpoint.py).
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracle import bits, network
from safetensors import safe_open
from safetensors.numpy import save_file

import fastgrad as fg
from fastgrad import catalog, exchange

ODD_LAYERS = [fg.Dense(5, 33, "gelu"), fg.Dense(33, 17, "leaky_relu"), fg.Dense(17, 1, "softplus")]


def saved(net, tmp_path, name="m.safetensors"):
    net.save(path := tmp_path / name)
    return path


def rewritten(path, header=None, tensors=None):
    """The file with other entries in its header, or other tensors; None takes one away."""
    with safe_open(path, framework="numpy") as file:
        told, arrays = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    told.update(header or {})
    arrays.update(tensors or {})
    save_file(
        {k: v for k, v in arrays.items() if v is not None}, path, {k: v for k, v in told.items() if v is not None}
    )
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "made",
    [
        lambda dtype: fg.Network([3, 1], dtype=dtype),
        lambda dtype: fg.Network([4, 40, 3], activation="mish", loss=fg.CrossEntropy(0.1), dtype=dtype, seed=2**63),
        lambda dtype: fg.Network(ODD_LAYERS, loss=fg.Quantile(0.9), dtype=dtype, seed=7),
    ],
)
def test_a_network_comes_back_as_it_was(made, dtype, tmp_path, rng):
    net = made(dtype)
    X = rng.normal(size=(40, net.sizes[0]))
    y = rng.integers(0, 3, 40) if net.loss_name == "cross_entropy" else rng.normal(size=40)
    net.fit(X, y, epochs=2)
    net.metadata = {"columns": ["é", "b"], "nested": {"x": [1, 2.5, None, True]}}
    again = fg.load(saved(net, tmp_path))
    assert repr(again) == repr(net) and bits(again) == bits(net) and again.metadata == net.metadata
    assert again.predict(X).tobytes() == net.predict(X).tobytes()
    for one in (net, again):  # the shuffles go on where they were
        one.fit(X, y, epochs=1)
    assert bits(again) == bits(net)


def test_another_process_gets_the_same_bits(tmp_path, rng):
    net, X = network("float32"), rng.normal(size=(9, 4)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    code = "import sys, numpy, fastgrad; print(fastgrad.load(sys.argv[1]).predict(numpy.load(sys.argv[2])).tobytes().hex())"
    told = subprocess.run(
        [sys.executable, "-P", "-c", code, saved(net, tmp_path), tmp_path / "X.npy"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.stdout.strip() == net.predict(X).tobytes().hex(), told.stderr


def test_any_reader_of_safetensors_finds_the_arrays(tmp_path):
    net = network()
    with safe_open(saved(net, tmp_path), framework="numpy") as file:
        assert sorted(file.keys()) == sorted(name for name, _ in net.named_parameters())
        for name, array in net.named_parameters():
            np.testing.assert_array_equal(file.get_tensor(name), array)
        told = file.metadata()
    assert told["format"] == "fastgrad-1" and told["version"] == fg.__version__ and told["isa"]
    assert json.loads(told["network"])["layers"] == [[4, 6, "tanh"], [6, 3, "identity"]]


@pytest.mark.parametrize("name", catalog.ACTIVATIONS)
def test_every_activation_has_its_name_in_the_file(name, tmp_path):
    assert fg.load(saved(fg.Network([2, 3, 1], activation=name), tmp_path)).activations[0] == name


@pytest.mark.parametrize("row", catalog.LOSSES.values(), ids=lambda row: row.name)
def test_every_loss_has_its_name_and_numbers_in_the_file(row, tmp_path):
    loss = getattr(fg, row.public)(*[0.25] * len(row.hyper))
    assert fg.load(saved(fg.Network([2, 3], loss=loss), tmp_path))._record.loss == loss


# ---- files that are not what they should be --------------------------------------------------------------------------


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    path = saved(network(), tmp_path)
    whole = path.read_bytes()
    for length in {*range(0, len(whole), 97), 1, 7, 8, 9, len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is not a network that fastgrad saved"):
            fg.load(path)


def test_no_changed_byte_does_more_than_raise_value_error(tmp_path):
    path, rng = saved(network(), tmp_path), np.random.default_rng(5)
    whole = path.read_bytes()
    head = 8 + int.from_bytes(whole[:8], "little")
    survived = 0
    for _ in range(600):
        changed = bytearray(whole)
        for at in rng.integers(0, head, rng.integers(1, 4)):
            changed[at] = rng.integers(0, 256)
        path.write_bytes(changed)
        with contextlib.suppress(ValueError):
            survived += isinstance(fg.load(path), fg.Network)
    assert survived < 300  # a seed, a name in the metadata or a blank may well be another


def layers(*rows):
    return {"network": json.dumps({**exchange.describe(network()._record), "layers": rows})}


@pytest.mark.parametrize(
    ("header", "tensors", "message"),
    [
        ({"format": "fastgrad-9"}, {}, "format 'fastgrad-9', expected 'fastgrad-1'"),
        ({"format": None}, {}, "format None"),
        ({"network": None}, {}, "'network' cannot be read"),
        ({"network": "[" * 100_000}, {}, "'network' cannot be read"),
        ({"network": "3"}, {}, "'network' is no table"),
        ({"metadata": "[1]"}, {}, "'metadata' is no table"),
        (layers([4, 6, "rleu"], [6, 3, "identity"]), {}, "unknown activation 'rleu'"),
        (layers([10**12, 10**12, "tanh"]), {}, r"layer 0 should have weights of shape \(10{12}, 10{12}\)"),
        (layers(*[[4, 4, "tanh"]] * 20_000), {}, "layer"),
        (layers([4, -6, "tanh"]), {}, "layer 0"),
        (layers([4, 6]), {}, "not enough values"),
        (layers(), {}, "layers"),
        ({}, {"layers.1.bias": None}, "holds no layers.1.bias"),
        ({}, {"layers.1.bias": np.zeros(4)}, r"layers.1.bias is float64 \(4,\), expected float64 \(3,\)"),
        ({}, {"layers.1.bias": np.zeros(3, np.float32)}, "float32"),
        ({}, {"layers.0.weight": np.full((4, 6), np.nan)}, "layers.0.weight must be finite, found nan"),
    ],
)
def test_a_hostile_file_is_refused(header, tensors, message, tmp_path):
    path = rewritten(saved(network(), tmp_path), header, tensors)
    with pytest.raises(ValueError, match="is not a network that fastgrad saved: .*" + message):
        fg.load(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "p").write_bytes(pickle.dumps(network()))
    (tmp_path / "e").write_bytes(b"")
    save_file({"a": np.zeros(2)}, tmp_path / "s")
    for name in "pes":
        with pytest.raises(ValueError, match="is not a network that fastgrad saved"):
            fg.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        fg.load(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        fg.load(tmp_path)


# ---- writing ---------------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = saved(network(), tmp_path)
    before = path.read_bytes()

    def fail(tensors, file, header):
        Path(file).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("safetensors.numpy.save_file", fail)
    with pytest.raises(OSError, match="no space left"):
        network(seed=2).save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


def test_a_link_is_followed_and_the_mode_kept(tmp_path):
    path = saved(network(), tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
    path.chmod(0o600)
    (tmp_path / "link").symlink_to(path)
    network(seed=2).save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert bits(fg.load(path)) == bits(network(seed=2))


def _umask():
    found = os.umask(0)
    os.umask(found)
    return found


def test_bad_places_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist"):
        network().save(tmp_path / "nowhere" / "m")
    with pytest.raises(IsADirectoryError, match="is a folder, expected a file"):
        network().save(tmp_path)
    with pytest.raises(TypeError, match="path must be a path, got int"):
        network().save(3)


@pytest.mark.parametrize(
    "value", [{1: 2}, {"a": (1, 2)}, {"a": {3}}, {"a": float("nan")}, {"a": np.float32(1)}, [1], None]
)
def test_metadata_must_be_what_json_knows(value, tmp_path):
    net = network()
    net.metadata["kept"] = 1
    with pytest.raises((TypeError, ValueError), match=r"metadata must|metadata would"):
        net.metadata = value
    assert net.metadata == {"kept": 1}
    if isinstance(value, dict):
        net.metadata.update(value)  # past the setter
        with pytest.raises((TypeError, ValueError), match=r"metadata must|metadata would"):
            net.save(tmp_path / "m")
        assert os.listdir(tmp_path) == []


def test_copies_have_metadata_of_their_own():
    net = network()
    net.metadata["a"] = [1]
    for copied in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), net.astype("float32")):
        copied.metadata["a"].append(2)
        assert net.metadata == {"a": [1]}


def test_summary_counts():
    text = fg.Network([784, 256, 10], loss="cross_entropy", seed=3).summary()
    for part in ("layers.0  (784, 256)  relu", "200,960", "203,530 parameters, float32: 814 kB", "407 kflop to predict",
                 "818 kflop to train on", "CrossEntropy(label_smoothing=0.0), seed 3"):  # fmt: skip
        assert part in text
    assert repr(text) == str(text)
