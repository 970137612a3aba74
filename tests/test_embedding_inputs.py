"""What an embedding asks of its arguments, of its place and of X; records, copies, files and fits of networks that have one.

Left out: what it computes (test_embedding.py).
"""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from oracle import bits
from safetensors import safe_open
from safetensors.numpy import save_file

import fastgrad as fg

NAMES = {name: getattr(fg, name) for name in fg.__all__}
ADULT = Path(__file__).parents[1].parent / "shared" / "data" / "adult"
FIRST = fg.Embedding(4, {3: (9, 5), 1: (3, 2)})


def network(first=FIRST, dtype="float32", outputs=3, seed=2, loss="cross_entropy"):
    return fg.Network(
        [first, fg.Dense(first.outputs, 12, "tanh"), fg.Dense(12, outputs)], loss=loss, dtype=dtype, seed=seed
    )


@pytest.fixture
def data(rng):
    X = rng.normal(size=(60, 4))
    X[:, 1], X[:, 3] = rng.integers(0, 3, 60), rng.integers(0, 9, 60)
    return X, rng.integers(0, 3, 60)


# ---- arguments and place ---------------------------------------------------------------------------------------------


def test_it_says_what_it_is():
    assert FIRST.columns == ((1, (3, 2)), (3, (9, 5))) and (FIRST.inputs, FIRST.outputs) == (4, 9)
    assert repr(FIRST) == "Embedding(inputs=4, columns={1: (3, 2), 3: (9, 5)})"
    frozen = fg.Embedding(np.int64(4), [(np.int8(1), [3, 2])], frozen=True, lr_factor=2, weight_decay=0.1)
    for layer in (FIRST, frozen):
        assert eval(repr(layer), NAMES) == layer and hash(eval(repr(layer), NAMES)) == hash(layer)
    assert frozen.options == {"weight_decay": 0.1, "lr_factor": 2.0, "frozen": True}
    text = network(frozen).summary()
    assert "embedding (4, 5)  identity, weight_decay 0.1, lr_factor 2.0, frozen" in text
    assert ".embeddings.0  (3, 2)" in text and "column 1" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, {0: (2, 2)}), "inputs must be an integer >= 1"), ((4, {}), "at least one"), ((4, 3), "columns must be"),
     ((4, {4: (2, 2)}), r"columns: a column must be an integer in \[0, 3\], got 4"), ((4, {-1: (2, 2)}), "got -1"),
     ((4, {"a": (2, 2)}), "columns: a column must be"), ((4, {0: (0, 2)}), r"columns\[0\]: number of codes must be"),
     ((4, {0: (2, 0)}), r"columns\[0\]: values of a row must be"), ((4, {0: (2.5, 2)}), "number of codes"),
     ((4, {0: 3}), "columns must be"), ((4, {0: (3,)}), "columns must be"), ((4, [(0, (2, 2)), (0, (3, 3))]), "0 twice"),
     ((4, {0: (2**31, 1)}), "number of codes"), ((4, {0: (2**30, 1), 1: (2**30, 1)}), "at most 2147483647 codes in all"),
     ((4, {0: (2, 2), "a": (2, 2)}), "columns must be")],
)  # fmt: skip
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fg.Embedding(*arguments)


@pytest.mark.parametrize("more", [{"lr_factor": 0}, {"frozen": 1}, {"weight_decay": -1}, {"l1": 0.1}])
def test_bad_options_are_refused(more):
    with pytest.raises((ValueError, TypeError), match=next(iter(more))):
        fg.Embedding(4, {1: (3, 2)}, **more)


@pytest.mark.parametrize(
    ("layers", "message"),
    [([FIRST], "must hold an fg.Dense"), ([fg.Dense(3, 4), FIRST, fg.Dense(9, 1)], "must stand first"),
     ([FIRST, FIRST, fg.Dense(9, 1)], "must stand first"), ([FIRST, fg.Dense(8, 1)], "layer 0 has 9 outputs"),
     ([fg.Dropout(0.1), FIRST, fg.Dense(9, 1)], "must stand between"), ([FIRST, 12, 1], "not between sizes"),
     ([fg.BatchNorm(), FIRST, fg.Dense(9, 1)], "must stand first")],
)  # fmt: skip
def test_it_stands_first(layers, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fg.Network(layers)
    with pytest.raises(TypeError, match=r"layers\[0\] of fg.Residual must be"):
        fg.Residual([FIRST, fg.Dense(9, 4)])


def test_first_rows_depend_on_the_seed_and_the_table_alone():
    net, wide = network(), network(fg.Embedding(5, {0: (3, 2), 2: (9, 5), 4: (500, 40)}))
    assert np.array_equal(net.weights[0], wide.weights[0]) and np.array_equal(net.weights[1], wide.weights[1])
    assert not np.array_equal(net.weights[0], network(seed=3).weights[0])
    table = wide.weights[2].astype(float)
    assert abs(table.mean()) < 5 * 0.05 / table.size**0.5 and abs(table.std() - 0.05) < 0.001
    assert network(dtype="float64").weights[1].astype("float32").tobytes() == net.weights[1].tobytes()


# ---- X ---------------------------------------------------------------------------------------------------------------


def calls(net, X, y):
    """Everything that takes X."""
    return [lambda: net.fit(X, y), lambda: net.partial_fit(X, y), lambda: net.predict(X), lambda: net.loss(X, y),
            lambda: net.gradient(X, y), lambda: net.backward(X, np.zeros((len(y), 3))), lambda: net.forward(X),
            lambda: fg.check_gradients(net, X, y)]  # fmt: skip


BAD = [
    (3, 9.0, "0 to 8, in column 3, found 9.0 at row 41"), (1, -1.0, "0 to 2, in column 1, found -1.0 at row 41"),
    (1, 0.5, "found 0.5 at row 41"), (3, 1e30, "found 1e[+]30"), (1, 1 + 1e-12, "found 1.000000000001 "),
    (1, -1e-9, "found -1e-09"), (1, 3.0, "found 3.0"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value", "message"), BAD)
def test_what_is_no_code_is_refused_before_anything_is_computed(column, value, message, data, dtype):
    X, y = data
    net = network(dtype=dtype)
    before, broken = bits(net), X.copy()
    broken[41, column], broken[55, 1] = value, 7
    for call in calls(net, broken, y):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(ValueError, match=message.split(",")[-1]):
        net.fit(X, y, validation=(broken, y))
    assert bits(net) == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("column", [0, 3])
def test_what_is_not_finite_is_refused(value, column, data):
    X, y = data
    net, broken = network(), X.copy()
    broken[41, column] = value
    for call in calls(net, broken, y):
        with pytest.raises(ValueError, match=f"found {value} .*row 41|found {value} at row 41"):
            call()


@pytest.mark.parametrize("value", [9.0, 2.5, np.nan])
def test_a_mapped_file_is_looked_at_as_it_is_read(value, data, tmp_path):
    X, y = data
    whole = np.memmap(tmp_path / "x", np.float32, "w+", shape=X.shape)
    whole[:] = X
    net, twin = network(), network()
    net.fit(whole, y, epochs=2)
    twin.fit(X.astype("float32"), y, epochs=2)
    assert bits(net) == bits(twin)
    whole[41, 3] = value
    for call in calls(net, whole, y)[:7]:
        with pytest.raises(ValueError, match=r"X must (hold codes|be finite).*found (9.0|2.5|nan) at row 41"):
            call()


@pytest.mark.parametrize(
    "kind", ["int8", "uint8", "int16", "int32", "int64", "uint64", "float16", "float32", ">f8", ">i2"]
)
@pytest.mark.parametrize("form", ["C", "F", "strided", "reversed"])
def test_codes_of_any_type_and_layout(kind, form, data, dtype):
    X, y = data
    whole = np.round(X).astype(kind) if kind[0] not in "u" else np.abs(np.round(X)).astype(kind)
    plain = whole.astype("float64")
    if form == "F":
        whole = np.asfortranarray(whole)
    elif form == "strided":
        whole = np.repeat(np.repeat(whole, 3, 0), 2, 1)[::3, ::2]
    elif form == "reversed":
        whole = whole[::-1].copy()[::-1]
    net, twin = network(dtype=dtype), network(dtype=dtype)
    net.fit(whole, y, epochs=2)
    twin.fit(plain, y, epochs=2)
    assert bits(net) == bits(twin) and np.array_equal(net.predict(whole), twin.predict(plain))


def test_frames_lists_and_flags(data):
    pd = pytest.importorskip("pandas")
    X, net = data[0], network()
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1].astype("int8"), "c": X[:, 2], "d": X[:, 3].astype("int64")})
    assert np.array_equal(net.predict(frame), net.predict(X)) and np.array_equal(
        net.predict(X.tolist()), net.predict(X)
    )
    yes_no = network(fg.Embedding(2, {0: (2, 3), 1: (2, 1)}))
    flags = X[:, :2] > 0
    assert np.array_equal(yes_no.predict(flags), yes_no.predict(flags.astype(float)))


def test_sparse_rows_are_refused(data):
    X, y = data
    net = network()
    for call in calls(net, sp.csr_array(X), y):
        with pytest.raises(ValueError, match=r"sparse rows need an fg.Dense .* here that is Embedding\(inputs=4"):
            call()


# ---- records, copies, files ------------------------------------------------------------------------------------------


def test_each_table_has_an_entry(data):
    net = network()
    names = [f"layers.{name}" for name in (
        "0.embeddings.0.weight", "0.embeddings.1.weight", "1.weight", "1.bias", "2.weight", "2.bias")]  # fmt: skip
    assert [name for name, _ in net.named_parameters()] == list(net.gradient(*data, as_dict=True)[1]) == names
    assert [W.shape for W in net.weights] == [(3, 2), (9, 5), (9, 12), (12, 3)]
    assert [b.shape for b in net.biases] == [(0,), (0,), (12,), (3,)]
    assert net.size == 6 + 45 + 108 + 12 + 36 + 3 == len(net.parameters)
    assert np.array_equal(net.parameters[6:51].reshape(9, 5), net.weights[1])
    net.weights[1] = np.arange(45.0).reshape(9, 5)
    net.biases = list(net.biases)
    assert net.weights[1][2].tolist() == [10, 11, 12, 13, 14] and not any(
        net.weights[1].flags[f] for f in ("WRITEABLE",)
    )
    with pytest.raises(ValueError, match=r"weights\[1\] must have shape \(9, 5\)"):
        net.weights[1] = np.zeros((5, 9))
    other = network(seed=9)
    other.parameters = net.parameters
    assert np.array_equal(other.predict(data[0]), net.predict(data[0]))


def test_copies_and_files_keep_it(data, tmp_path):
    net = network(fg.Embedding(4, {1: (3, 2), 3: (9, 5)}, lr_factor=0.5))
    net.fit(*data, epochs=2)
    net.save(tmp_path / "m")
    with safe_open(tmp_path / "m", framework="numpy") as file:
        assert sorted(file.keys()) == sorted(name for name, _ in net.named_parameters())
    for again in (fg.load(tmp_path / "m"), pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert again.layers == net.layers and bits(again) == bits(net) and repr(again) == repr(net)
        assert np.array_equal(again.predict(data[0]), net.predict(data[0]))
    assert eval(repr(net), NAMES).layers == net.layers
    assert net.astype("float64").layers == net.layers


@pytest.mark.parametrize(
    ("before", "after"),
    [("[1, 3, 2]", "[1, 3, 3]"), ("[1, 3, 2]", "[1, 3]"), ("[1, 3, 2]", "[9, 3, 2]"), ("[1, 3, 2]", "3"),
     ('"inputs": 4', '"inputs": "a"'), ("[3, 9, 5]", "[3, 900000000, 5]"), ('"embedding"', '"embed"')],
)  # fmt: skip
def test_a_file_whose_embedding_is_none_is_refused(before, after, tmp_path):
    network().save(tmp_path / "m")
    with safe_open(tmp_path / "m", framework="numpy") as file:
        header, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert before in header["network"]
    save_file(tensors, tmp_path / "m", {**header, "network": header["network"].replace(before, after)})
    with pytest.raises(ValueError, match="is not a network that fastgrad saved"):
        fg.load(tmp_path / "m")


def test_the_command_line_takes_a_saved_one(tmp_path, capsys):
    pytest.importorskip("click")
    from fastgrad import cli

    network(outputs=1, loss="mse").save(tmp_path / "m")
    assert cli.main(["check", str(tmp_path / "m")]) == 0
    assert "layers.0.embeddings.1.weight" in capsys.readouterr().out
    (tmp_path / "t.csv").write_text("1.5,2,0.5,8\n0,0,0,0\n")
    assert cli.main(["predict", str(tmp_path / "m"), str(tmp_path / "t.csv")]) == 0
    (tmp_path / "t.csv").write_text("1.5,2,0.5,8\n0,3,0,0\n")
    assert cli.main(["predict", str(tmp_path / "m"), str(tmp_path / "t.csv")]) == 1
    assert "in column 1, found 3.0 at row 1" in capsys.readouterr().err


# ---- fits ------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_goes_on_to_the_same_bits(data, tmp_path):
    whole, resumed = network(), network()
    whole.fit(*data, epochs=4, batch_size=8)
    network().fit(*data, epochs=2, batch_size=8, checkpoint=tmp_path / "c")
    resumed.fit(*data, epochs=4, batch_size=8, resume=tmp_path / "c")
    assert bits(whole) == bits(resumed)
    with pytest.raises(ValueError, match="resume: the checkpoint's network has layers"):
        network(fg.Embedding(4, {1: (3, 2), 3: (10, 5)})).fit(*data, epochs=4, batch_size=8, resume=tmp_path / "c")


def test_all_around_a_fit(data):
    X, y = data
    net = network()
    history = net.fit(
        X, y, epochs=40, batch_size=8, validation=0.25, metrics=["accuracy"], early_stopping=3, clip_value=0.1,
        sample_weight=np.linspace(0, 1, 60), schedule=fg.Cosine(), optimizer=fg.Adam(0.02),
    )  # fmt: skip
    assert len(history["val_accuracy"]) < 40 and np.isfinite(history["grad_norm"]).all()
    assert min(history["val_loss"]) < history["val_loss"][0]
    net.fit(X, y, epochs=2, batch_size=4, accumulate=5, average=fg.SWA(0.5))


def test_a_training_that_diverges_is_taken_back(data):
    X, y = data
    net = network(outputs=1, loss="mse")
    before = bits(net)
    with pytest.raises(fg.DivergenceError, match="training diverged in epoch 0"):
        net.fit(X, y * 1e15, batch_size=4, optimizer=fg.SGD(1e15))
    assert bits(net) == before


def test_a_network_whose_layers_are_all_frozen_cannot_be_trained(data):
    first = fg.Embedding(4, {1: (3, 2)}, frozen=True)
    with pytest.raises(ValueError, match="frozen: all 2 layers are"):
        fg.Network([first, fg.Dense(5, 1, frozen=True)]).fit(data[0], data[1])


def adult(name):
    lines = (ADULT / name).read_text().splitlines()
    return [line.rstrip(".").split(", ") for line in lines if line and not line.startswith("|")]


@pytest.mark.skipif(not ADULT.is_dir(), reason="the adult data are not beside the checkout")
def test_adult():
    """Text columns as codes: test accuracy at least that of the data's README for a network of 64 on 108 one-hot columns."""
    rows, test = adult("adult.data"), adult("adult.test")
    text = {j: sorted({row[j] for row in rows + test}) for j in (1, 3, 5, 6, 7, 8, 9, 13)}

    def encoded(table):
        columns = [[text[j].index(row[j]) if j in text else float(row[j]) for row in table] for j in range(14)]
        return np.array(columns, float).T, np.array([row[14] == ">50K" for row in table], float)

    (X, y), (X_test, y_test) = encoded(rows), encoded(test)
    for j in sorted({*range(14)} - {*text}):
        mean, deviation = X[:, j].mean(), X[:, j].std()
        X[:, j], X_test[:, j] = (X[:, j] - mean) / deviation, (X_test[:, j] - mean) / deviation
    first = fg.Embedding(14, {j: (len(names), min(16, (len(names) + 1) // 2)) for j, names in text.items()})
    layers = [first, fg.Dense(first.outputs, 64, "relu"), fg.Dense(64, 1)]
    net = fg.Network(layers, loss="binary_cross_entropy", seed=0)
    net.fit(X, y, epochs=10, batch_size=128)
    assert np.mean((net.predict(X_test)[:, 0] > 0.5) == y_test) >= 0.8566
