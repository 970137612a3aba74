"""`fastgrad train` and `fastgrad predict`: from files to files, and what is refused before any work is done."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastgrad as fg
from fastgrad import cli
from fastgrad.tables import predictions, reading

ADULT = Path(__file__).parents[1].parent / "shared" / "data" / "adult"


def process(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "fastgrad", *map(str, arguments)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(fg.__file__).parents[1])},
    )  # fmt: skip


def call(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def people(tmp_path, rng) -> Path:
    """A table of numbers and text, with a class and a number to learn."""
    age, rows = rng.uniform(18, 80, 300), ["age,job,town,rich,pay"]
    for k, years in enumerate(age):
        job = ("cook", "clerk", "smith")[k % 3]
        pay = 1000 + 50 * years + 800 * (job == "smith")
        rows.append(f"{years:.1f},{job},{'north' if k % 2 else 'south'},{'yes' if pay > 4000 else 'no'},{pay:.2f}")
    path = tmp_path / "people.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def model(people, tmp_path) -> Path:
    path = tmp_path / "model.safetensors"
    assert (
        call("train", people, "--target", "rich", "--ignore", "pay", "--epochs", 30, "--output", path, "--quiet") == 0
    )
    return path


def test_training_prints_a_table_and_saves_the_network(people, tmp_path, capsys):
    path = tmp_path / "model.safetensors"
    assert call("train", people, "--target", "rich", "--ignore", "pay", "--output", path, "--batch-size", "all") == 0
    said = capsys.readouterr()
    for row in ("rows", "columns", "parameters", "epochs", "seconds", "loss (binary_cross_entropy)", "accuracy"):
        assert f"| {row} " in said.out
    assert "| training | validation |" in said.out
    assert said.err == ""
    net = fg.load(path)
    told = net.metadata["table"]
    assert told["task"] == "classification"
    assert [feature["name"] for feature in told["features"]] == ["age", "job", "town"]
    assert told["features"][1]["categories"] == ["clerk", "cook", "smith"]
    assert told["targets"][0]["classes"] == ["no", "yes"]


def test_json_holds_the_figures(people, tmp_path, capsys):
    path = tmp_path / "model.safetensors"
    options = ("--missing", "mean", "--schedule", "onecycle", "--hidden", "16,8", "--epochs", 40, "--seed", 3, "--json")
    assert call("train", people, "--target", "pay", "--ignore", "rich", "--output", path, *options) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["epochs"] == 40
    assert found["parameters"] == fg.load(path).size
    assert found["training"]["rows"] + found["validation"]["rows"] == 300
    assert found["validation"]["r2"] > 0.8


def test_quiet_is_quiet_and_linear_models_have_no_hidden_layer(people, tmp_path, capsys):
    path = tmp_path / "m.safetensors"
    assert (
        call("train", people, "--target", "pay", "--target", "age", "--hidden", "none", "--output", path, "--quiet")
        == 0
    )
    assert capsys.readouterr() == ("", "")
    assert fg.load(path).sizes == (7, 2)


def test_predictions_are_those_of_the_network_in_memory(people, model, tmp_path):
    net, table = fg.load(model), reading.read(people)
    expected = predictions.predict(net, predictions.encoding_of(net, table), table)
    output = tmp_path / "told.csv"
    with process("predict", model, people, "--output", output) as running:
        assert running.communicate(timeout=60) == ("", "")
    assert running.returncode == 0
    header, *rows = csv.reader(io.StringIO(output.read_text()))
    assert header == ["class", "probability of no", "probability of yes"]
    np.testing.assert_array_equal(np.array([row[1:] for row in rows], np.float32), expected.values)
    assert tuple(row[0] for row in rows) == expected.classes


def test_predictions_need_no_target_and_find_columns_by_name(people, model, tmp_path, capsys):
    assert call("predict", model, people) == 0
    whole = capsys.readouterr().out
    rows = [line.split(",") for line in people.read_text().splitlines()]
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(f"{town};{job};{age}" for age, job, town, *_ in rows))
    assert call("predict", model, bare) == 0
    assert capsys.readouterr().out == whole
    assert call("predict", model, bare, "--json") == 0
    told = json.loads(capsys.readouterr().out)["predictions"]
    assert len(told) == 300
    assert list(told[0]["probabilities"]) == ["no", "yes"]
    bare.write_text("town,age\nnorth,30\n")
    assert call("predict", model, bare) == 1
    assert "no column 'job'; its columns: 'town', 'age'" in capsys.readouterr().err


def test_an_unknown_category_is_an_error_unless_it_is_none(model, tmp_path, capsys):
    path, to = tmp_path / "new.csv", tmp_path / "told.csv"
    path.write_text("age,job,town\n30,cook,north\n30,baker,north\n")
    assert call("predict", model, path, "--output", to) == 1
    said = capsys.readouterr()
    assert "row 2 (line 3), column 'job': found 'baker'" in said.err
    assert said.out == ""
    assert not to.exists()
    assert call("predict", model, path, "--unknown", "zero", "--output", to) == 0
    assert len(to.read_text().splitlines()) == 3


def test_a_saved_network_is_checked_on_its_table(people, model, capsys):
    assert call("check", model, "--data", people) == 0
    assert call("check", model, "--data", people, "--target", "rich") == 0
    assert call("check", model) == 0
    assert capsys.readouterr().out.count("gradient check: ok") == 3
    assert call("check", model, "--data", people, "--target", "town") == 1
    assert "expected" in capsys.readouterr().err


def test_a_picture_of_the_losses(people, tmp_path):
    pytest.importorskip("matplotlib")
    path, plot = tmp_path / "m.safetensors", tmp_path / "losses.png"
    assert call("train", people, "--target", "pay", "--epochs", 2, "--output", path, "--plot", plot, "--quiet") == 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_checkpoint_is_gone_on_from(people, tmp_path):
    state, whole, resumed = tmp_path / "state", tmp_path / "whole", tmp_path / "resumed"
    options = ("--target", "pay", "--quiet", "--early-stopping", 50)
    assert call("train", people, *options, "--epochs", 4, "--output", whole) == 0
    assert call("train", people, *options, "--epochs", 2, "--output", resumed, "--checkpoint", state) == 0
    assert call("train", people, *options, "--epochs", 4, "--output", resumed, "--resume", state) == 0
    np.testing.assert_array_equal(fg.load(whole).parameters, fg.load(resumed).parameters)


def test_images_with_labels(tmp_path, rng, capsys):
    y = rng.integers(0, 3, 200).astype(np.uint8)
    images = (rng.integers(0, 50, (200, 4, 4)) + 70 * y[:, None, None]).astype(np.uint8)
    paths = tmp_path / "images", tmp_path / "labels"
    for path, array in zip(paths, (images, y), strict=True):
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        path.write_bytes(b"\0\0\x08" + bytes([array.ndim]) + sizes + array.tobytes())
    to = tmp_path / "digits.safetensors"
    assert (
        call("train", paths[0], "--labels", paths[1], "--output", to, "--epochs", 20, "--batch-size", 16, "--quiet")
        == 0
    )
    assert call("predict", to, paths[0]) == 0
    told = [line.split(",")[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert np.mean(np.array(told, int) == y) > 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "wealth"], "no column 'wealth' in"), ([], "--target: name the column"),
        (["--target", "pay", "--ignore", "wealth"], "Invalid value for --ignore: no column 'wealth'"),
        (["--target", "pay", "--hidden", "0"], "whole numbers from 1 up"), (["--target", "pay", "--lr", "0"], "'--lr'"),
        (["--target", "pay", "--loss", "rmse"], "'--loss'"), (["--target", "pay", "--validation", "1"], "'--validation'"),
        (["--target", "pay", "--early-stopping", "3", "--validation", "0"], "needs --validation"),
        (["--target", "pay", "--delimiter", "::"], "one character"), (["--target", "pay", "--plot", "no/x.png"], "folder"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_call_of_train_ends_with_2(arguments, message, people, tmp_path, capsys):
    to = tmp_path / "model.safetensors"
    assert call("train", people, "--output", to, *arguments) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert message in said
    if "wealth" in message:
        assert "'age', 'job', 'town', 'rich', 'pay'" in said
    assert not to.exists()


@pytest.mark.parametrize("to", ["", "no-such-folder/m.safetensors", "people.csv/m.safetensors"])
def test_an_output_that_cannot_be_written_is_refused_before_training(to, people, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fg.Network, "fit", lambda *_, **__: pytest.fail("trained"))
    assert call("train", people, "--target", "pay", "--output", tmp_path / to) == 2
    assert "'--output'" in capsys.readouterr().err


def test_a_device_is_no_output(people, capsys):
    assert call("train", people, "--target", "pay", "--output", os.devnull) == 2
    assert "expected an ordinary file" in capsys.readouterr().err
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"), ("age,pay\n1,2\n3\n", "line 3 has 1 fields, expected 2 as in line 1"),
        ("age,pay\n1,2\n3,2\n", "the target 'pay' is 2 in every row"), ("age,pay\n1,2\n,3\n", "row 2 (line 3), column 'age'"),
        ("age,pay\n1,2\n3,inf\n", "column 'pay': found 'inf'"), ("age,pay\n1e999,2\n3,4\n", "column 'age': found '1e999'"),
        ("age,pay\n1,2\n3,\n4,5\n", "where a target was expected"), ("pay\n1\n2\n", "a column to learn from"),
    ],
)  # fmt: skip
def test_bad_data_end_with_1_and_a_line_that_says_where(text, message, tmp_path, capsys):
    path, to = tmp_path / "data.csv", tmp_path / "model.safetensors"
    path.write_text(text)
    assert call("train", path, "--target", "-1", "--validation", "0", "--output", to) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.startswith("fastgrad: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert [found.name for found in tmp_path.iterdir()] == ["data.csv"]


def test_too_few_rows_to_hold_some_out_are_told(tmp_path, capsys):
    path, to = tmp_path / "data.csv", tmp_path / "model.safetensors"
    path.write_text("age,pay\n1,2\n3,4\n")
    assert call("train", path, "--target", "pay", "--output", to) == 1
    assert "validation=0.1 leaves 2 of 2 rows" in capsys.readouterr().err
    assert call("train", path, "--target", "pay", "--validation", "0", "--output", to, "--quiet") == 0


def test_a_training_that_diverges_fails(people, tmp_path, capsys):
    to = tmp_path / "model.safetensors"
    assert call("train", people, "--target", "pay", "--optimizer", "sgd", "--lr", "1e30", "--output", to) == 1
    assert "finite" in capsys.readouterr().err
    assert not to.exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_in_a_long_training_ends_with_130_and_leaves_no_output(people, tmp_path):
    to, state = tmp_path / "model.safetensors", tmp_path / "state"
    options = ("--epochs", 100_000_000, "--output", to, "--checkpoint", state)
    with process("train", people, "--target", "pay", *options) as running:
        try:
            assert running.stderr is not None
            while not state.exists():  # it is written as the training goes
                assert running.poll() is None, running.stderr.read()
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == 130
    assert err == "stopped\n"
    assert out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people.csv", "state"]


@pytest.mark.skipif(not ADULT.is_dir(), reason="the adult data are not beside the checkout")
def test_adult_as_it_comes(tmp_path, capsys):
    """No header, blanks after commas, `?` for empty cells, the target last."""
    to, told = tmp_path / "adult.safetensors", tmp_path / "told.csv"
    data = ADULT / "adult.data"
    assert call("train", data, "--target", "-1", "--output", to) == 1
    assert "row 28 (line 28), column 'column 1': found '?'" in capsys.readouterr().err
    options = ("--target", "-1", "--missing", "category", "--epochs", 5, "--json")
    assert call("train", data, *options, "--output", to) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["columns"], found["inputs"], found["loss"]) == (14, 108, "binary_cross_entropy")
    assert found["validation"]["accuracy"] > 0.84
    with process("predict", to, ADULT / "adult.test", "--output", told) as running:
        assert running.communicate(timeout=120) == ("", "")
    net, table = fg.load(to), reading.read(ADULT / "adult.test")
    expected = predictions.predict(net, predictions.encoding_of(net, table), table)
    rows = [*csv.reader(io.StringIO(told.read_text()))][1:]
    np.testing.assert_array_equal(np.array([row[1:] for row in rows], np.float32), expected.values)
    truth = [str(cell).rstrip(".") for cell in table.columns[-1]]
    assert np.mean(np.array(expected.classes) == np.array(truth)) > 0.84
