"""The command line: exit codes, what is printed, what is refused; the demonstration reaches its accuracy."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import fastgrad as fg
from fastgrad import cli, demo
from fastgrad.bench.suites import SUITES
from fastgrad.catalog import ACTIVATIONS, LOSSES, OPTIMIZERS
from fastgrad.cli import info, output


def in_a_process(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "fastgrad", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(fg.__file__).parents[1])}


@pytest.mark.parametrize(
    "wrong",
    [
        [], ["nothing"], ["demo", "--epochs", "0"], ["demo", "--plot", "/no/such/folder/x.png"],
        ["check", "--activation", "rleu"], ["check", "--network", "4"], ["check", "--network", "4,x"],
        ["check", "--target", "y"], ["check", "no-such-file"], ["predict"], ["train"], ["train", "."],
        ["bench", "compare", "no-such-file", "."], ["bench", "report"],
        ["check", "--dtype", "float16"], ["bench"], ["bench", "everything"], ["bench", "train", "--cases", "64"],
        ["bench", "train", "--peers", "keras"], ["bench", "train", "--threads", "0"],
        ["bench", "train", "--rounds", "-1"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_call_ends_with_2_and_a_usage_line(wrong, capsys):
    assert cli.main(wrong) == 2
    said = capsys.readouterr()
    assert "Usage: fastgrad" in said.err
    assert said.out == ""


COMMANDS = ["demo", "train", "predict", "check", "bench", "info", "bench compare", "bench report"]


@pytest.mark.parametrize("command", ["", *COMMANDS, *(f"bench {suite}" for suite in SUITES)])
def test_help_says_what_it_is_and_shows_examples(command, capsys):
    assert cli.main([*command.split(), "--help"]) == 0
    said = capsys.readouterr()
    assert f"Usage: fastgrad {command}".rstrip() in said.out
    assert re.search(rf"Examples?:\n *fastgrad {command}".rstrip(), said.out)
    assert said.err == ""


def test_help_names_what_the_catalog_has(capsys):
    assert cli.main(["train", "--help"]) == 0
    words = re.split(r"[\s,.]+", capsys.readouterr().out)
    assert {*ACTIVATIONS, *LOSSES, *OPTIMIZERS} <= set(words)


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"fastgrad {cli.version()}\n"


def test_info_names_version_and_optional_parts(capsys):
    assert cli.main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"version", "isa", "threads", "optional"} <= set(found)
    assert set(found["optional"]) == set(info.OPTIONAL)
    assert cli.main(["info"]) == 0
    assert str(found["version"]) in capsys.readouterr().out


def test_info_says_what_is_missing(capsys, monkeypatch):
    monkeypatch.setitem(info.OPTIONAL, "no-such-library", "nothing")
    assert cli.main(["info"]) == 0
    assert "not installed" in capsys.readouterr().out


def test_check_covers_every_activation_and_loss(capsys):
    assert cli.main(["check", "--network", "3,4,2"]) == 0
    out = capsys.readouterr().out
    for activation in ACTIVATIONS:
        for loss in LOSSES:
            assert any(line.split()[1:4:2] == [activation, loss] for line in out.splitlines() if line.startswith("| "))
    assert f"{len(ACTIVATIONS) * len(LOSSES)} of {len(ACTIVATIONS) * len(LOSSES)}" in out


def test_check_takes_one_of_each_and_float32(capsys):
    assert cli.main(["check", "--activation", "tanh", "--loss", "mse", "--dtype", "float32"]) == 0
    assert "1 of 1 gradients agree" in capsys.readouterr().out


def test_check_with_one_output_leaves_out_what_needs_two(capsys):
    assert cli.main(["check", "--network", "3,4,1", "--activation", "tanh"]) == 0
    said = capsys.readouterr()
    assert "cross_entropy needs at least two outputs" in said.err
    assert f"{len(LOSSES) - 1} of {len(LOSSES) - 1}" in said.out
    assert cli.main(["check", "--network", "3,1", "--loss", "cross_entropy"]) == 1


def test_check_prints_json(capsys):
    assert cli.main(["check", "--activation", "tanh", "--loss", "mse", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["gradients"]
    assert (found["activation"], found["loss"], found["passed"]) == ("tanh", "mse", True)
    assert found["worst"]["parameter"].startswith("layers.")


def test_check_reads_a_saved_network(tmp_path, capsys):
    path = tmp_path / "net.safetensors"
    fg.Network([3, 4, 2], activation="tanh", loss="hinge", seed=2).save(path)
    assert cli.main(["check", str(path)]) == 0
    assert "gradient check: ok" in capsys.readouterr().out
    assert cli.main(["check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "ok"
    assert cli.main(["check", str(path), "--loss", "mse"]) == 2
    assert "MODEL says that already" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"no network", b"\0" * 64])
def test_check_of_another_file_fails(content, tmp_path, capsys):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    assert cli.main(["check", str(path)]) == 1
    assert "net.safetensors" in capsys.readouterr().err


def test_tables_are_markdown_in_a_pipe_and_drawn_on_a_terminal(capsys, monkeypatch):
    output.show_table(["a", "b"], [["1", "[red]"]])
    assert capsys.readouterr().out == "| a | b     |\n| - | ----- |\n| 1 | [red] |\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    pytest.importorskip("rich")
    output.show_table(["a", "b"], [["1", "[red]"]], "figures")
    drawn = capsys.readouterr().out
    assert "[red]" in drawn
    assert "figures" in drawn
    assert "| - |" not in drawn
    monkeypatch.setitem(sys.modules, "rich.console", None)  # as if rich were not installed
    output.show_table(["a", "b"], [["1", "[red]"]], "figures")
    assert capsys.readouterr().out == "## figures\n\n| a | b     |\n| - | ----- |\n| 1 | [red] |\n"


def test_check_fails_on_a_wrong_gradient(capsys, monkeypatch):
    right = fg.Network.gradient

    def wrong(self, *args, **kwargs):
        loss, grads = right(self, *args, **kwargs)
        W, b = grads[0]
        return loss, [(W * 1.01, b), *grads[1:]]

    monkeypatch.setattr(fg.Network, "gradient", wrong)
    assert cli.main(["check", "--activation", "tanh", "--loss", "mse"]) == 1
    out = capsys.readouterr().out
    assert "WRONG" in out
    assert "0 of 1" in out


def test_bench_prints_a_table_and_writes_json(tmp_path, capsys):
    path = tmp_path / "figures.json"
    call = ["bench", "train", "--quick", "--cases", "8-4-2:4", "--threads", "1", "--rounds", "2", "--json", str(path)]
    assert cli.main(call) == 0
    said = capsys.readouterr()
    assert "| 8-4-2 b4" in said.out
    assert "round 2 of 2" in said.err
    document = json.loads(path.read_text())
    assert len(document["records"][0]["runs"]) == 2
    assert document["fastgrad"]["version"]


@pytest.mark.parametrize(("passed", "status"), [(True, 0), (False, 1)])
def test_bench_compare_prints_the_comparison_and_tells_by_its_status(passed, status, tmp_path, capsys, monkeypatch):
    class Comparison:
        def __init__(self, old: Path, new: Path, *, threshold: float | None) -> None:
            self.words, self.passed = f"{old.name} and {new.name}, {threshold}", passed

        def __str__(self) -> str:
            return self.words

    old, new = tmp_path / "old.json", tmp_path / "new.json"
    for path in (old, new):
        path.write_text("{}")
    monkeypatch.setattr("fastgrad.bench.compare.compare", Comparison)
    assert cli.main(["bench", "compare", str(old), str(new)]) == status
    assert capsys.readouterr().out == "old.json and new.json, None\n"
    assert cli.main(["bench", "compare", str(old), str(new), "--threshold", "0.1"]) == status
    assert capsys.readouterr().out == "old.json and new.json, 0.1\n"


def test_bench_compare_refuses_files_that_hold_no_figures(tmp_path, capsys):
    path = tmp_path / "old.json"
    path.write_text("{}")
    assert cli.main(["bench", "compare", str(path), str(path)]) == 1
    assert "old.json" in capsys.readouterr().err


def test_bench_report_is_given_all_files(tmp_path, monkeypatch):
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in files:
        path.write_text("{}")
    told: list[Any] = []
    monkeypatch.setattr("fastgrad.bench.report.write", lambda results, output: told.append(([*results], output)))
    assert cli.main(["bench", "report", *map(str, files), "--output", str(tmp_path / "r.html")]) == 0
    assert told == [(files, tmp_path / "r.html")]


def test_bench_mnist_says_where_it_looked(tmp_path, capfd):
    assert cli.main(["bench", "mnist", "--quick", "--peers", "none", "--threads", "1", "--data", str(tmp_path)]) == 1
    assert "train-images-idx3-ubyte.gz" in capfd.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_with_130_and_no_traceback():
    call = in_a_process("bench", "train", "--cases", "16-32-1:32", "--threads", "1", "--rounds", "500")
    with subprocess.Popen(
        call, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as running:
        assert running.stderr is not None
        seen = ""
        while "round 2 of" not in seen:
            line = running.stderr.readline()
            assert line, seen
            seen += line
        start = time.monotonic()
        running.send_signal(signal.SIGINT)
        rest = running.communicate(timeout=30)[1]
    assert running.returncode == 130
    assert "Traceback" not in rest
    assert time.monotonic() - start < 10


def test_a_reader_that_goes_away_is_no_traceback():
    call = in_a_process("info")
    with subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        assert "Traceback" not in running.stderr.read()


# ---- the demonstration


def test_the_demonstration_reads_digits_and_explains_itself(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("plotext")
    pytest.importorskip("matplotlib")
    said: list[str] = []
    found = demo.run(epochs=40, seed=0, plot=tmp_path / "curve.png", say=said.append)
    text = "\n".join(said)
    assert found["gradient_passed"]
    assert found["accuracy"] >= 0.97
    assert found["loss"][-1] < found["loss"][0] / 10
    assert found["share_of_peak"] > 0
    assert found["sklearn"]["accuracy"] >= 0.95
    for word in ("agrees", "images a second", "one\ncore", "scikit-learn", "error on the training images"):
        assert word in text
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_demonstration_prints_json_alone(capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("plotext")
    assert cli.main(["demo", "--epochs", "1", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["gradient_passed"]
    assert "handwritten digits" in said.err


@pytest.mark.parametrize("missing", ["sklearn", "plotext"])
def test_the_demonstration_says_what_to_install(missing, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("plotext")
    monkeypatch.setitem(sys.modules, missing, None)  # an import of it now fails as if it were not installed
    assert cli.main(["demo"]) == 1
    assert 'pip install "fastgrad[demo]"' in capsys.readouterr().err
