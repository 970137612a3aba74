"""Benchmarks measure what they say: the same work for all, alternating runs, paired ratios, reasons for gaps.

Covers workloads, timing, worker, peers, runs and suites. No test looks at a speed.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastgrad.bench import pieces, runs, suites, timing, worker, workloads
from fastgrad.bench.peers import CONTENDERS
from fastgrad.bench.runs import Series, command, run_alternating
from fastgrad.bench.workloads import OWN, Case, Task

MNIST = Path(__file__).parents[2] / "shared" / "data" / "mnist"
SMALL = Task("train", (12, 9, 3), 8, quick=True)

# A contender that keeps to the protocol: it notes each request in a file and answers with the times it was given.
FAKE = """
import json, sys
name, log, times, task = sys.argv[1], sys.argv[2], iter(json.loads(sys.argv[3])), json.loads(sys.argv[4])
print(json.dumps({"ready": name, "facts": {"loss": 1.0}}), flush=True)
for line in sys.stdin:
    wanted = json.loads(line)["do"]
    with open(log, "a") as file:
        file.write(f"{name} {wanted}\\n")
    print(json.dumps({"seconds": next(times)} if wanted == "run" else {"flops": 1e9}), flush=True)
"""


def fake(name: str, log: Path, times: list[float]) -> list[str]:
    return [sys.executable, "-c", FAKE, name, str(log), json.dumps(times)]


def quiet(text: str) -> None:
    """No progress in the tests' output."""


# ---- cases and data


@pytest.mark.parametrize("text", ["", "64", "64-0-3:8", "64-3:0", "64-3:-1", "a-b:3", "64-128-10:x", "nonsense"])
def test_a_case_that_makes_no_sense_is_refused(text):
    with pytest.raises(ValueError, match="cases: expected"):
        Case.parse(text)


def test_flops_count_what_the_step_computes():
    case = Case((5, 4, 3), 2)
    forward = 2 * 2 * (5 * 4 + 4 * 3)
    weights, inputs = forward, 2 * 2 * 4 * 3  # dX of the first layer is not needed
    assert case.flops == forward + weights + inputs
    assert case.forward_flops == forward


@pytest.mark.parametrize("case", [*OWN, *workloads.ODD, *workloads.random_cases(1)], ids=lambda case: case.name)
def test_an_epoch_is_longer_than_the_cache_and_fits_in_memory(case, dtype):
    size = case.steps(dtype) * case.batch * case.sizes[0] * np.dtype(dtype).itemsize
    batch = case.batch * case.sizes[0] * np.dtype(dtype).itemsize
    assert workloads.SMALLEST - batch <= size <= workloads.LARGEST
    assert case.steps(dtype) >= workloads.LEAST_STEPS or size >= workloads.LARGEST - batch


def test_random_cases_are_ten_and_depend_on_the_seed_alone():
    cases = workloads.random_cases(3)
    assert cases == workloads.random_cases(3) != workloads.random_cases(4)
    assert len(cases) == 10
    assert {1, 7} <= {case.batch for case in cases}


@pytest.mark.parametrize("sizes", [(16, 32, 1), (64, 128, 10), (20, 4, 2)])
def test_targets_depend_on_the_inputs_and_no_class_is_alone(sizes):
    X, y = workloads.training_data(Task("train", sizes, 32))
    assert X.dtype == np.float32
    assert abs(X.mean()) < 0.01
    assert X.max() > 0.9
    target = y[:, None] if sizes[-1] == 1 else np.eye(sizes[-1])[y]
    assert target.mean(axis=0).max() < 0.7  # no class has nearly all rows
    fitted = X @ np.linalg.lstsq(X, target - target.mean(axis=0), rcond=None)[0]
    assert np.corrcoef(fitted[:, 0], target[:, 0])[0, 1] > 0.15


def test_every_process_makes_the_same_arrays():
    code = (
        "from fastgrad.bench import workloads as w\n"
        "t = w.Task('train', (12, 9, 3), 8, quick=True)\n"
        "X, y = w.training_data(t); print(repr(X.sum()), y.sum(), [float(W.sum()) for W, b in w.first_parameters(t)])"
    )
    X, y = workloads.training_data(SMALL)
    here = f"{X.sum()!r} {y.sum()} {[float(W.sum()) for W, _ in workloads.first_parameters(SMALL)]}"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert there.stdout.strip() == here


def test_a_task_survives_its_journey():
    task = Task("predict", (3, 2), 7, "float64", 2, 5, True, "somewhere", "forward")
    assert Task.from_json(task.to_json()) == task


def idx(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


def test_mnist_is_read_from_its_four_files(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (5, 28, 28)).astype(np.uint8), np.arange(5, dtype=np.uint8)
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    X, y, X_test, _ = workloads.mnist(tmp_path)
    assert X.dtype == np.float32
    np.testing.assert_allclose(X * 255, images.reshape(5, 784), rtol=1e-6)
    np.testing.assert_array_equal(y, labels)
    np.testing.assert_array_equal(X, X_test)


def test_mnist_files_that_are_missing_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz"):
        workloads.mnist(tmp_path)


@pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST's files are not beside the checkout")
def test_real_mnist_has_its_known_shape():
    X, y, X_test, y_test = workloads.mnist(MNIST)
    assert (X.shape, X_test.shape, X.min(), X.max()) == ((60000, 784), (10000, 784), 0, 1)
    assert np.bincount(y).tolist()[:2] == [5923, 6742]
    assert len(y_test) == 10000


# ---- timing


def test_timed_divides_by_calls_and_units_and_leaves_the_reset_out():
    calls, resets = [], []
    run = timing.timed(calls.append, 4, quick=True, reset=lambda: resets.append(len(calls)))
    assert calls == [1]  # the warm-up
    assert 0 < run()["seconds"] < 1
    assert (calls, resets) == ([1, 1], [0, 1])


def test_limits_are_physical():
    for dtype in ("float32", "float64"):
        assert 1e8 < timing.peak_flops(dtype, 1) < 1e13
    assert 1e7 < timing.copy_bandwidth(1, size=workloads.MB) < 1e13


# ---- the runner


def test_contenders_alternate_and_ratios_are_paired(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setattr(runs, "command", lambda name: fake(name, log, [1.0, 10.0, 2.0]))
    found = run_alternating(SMALL, (), 3, extra={"other": fake("other", log, [2.0, 30.0, 8.0])}, log=quiet)
    turn = ["fastgrad run", "fastgrad limits"]
    assert log.read_text().splitlines() == [*turn, "other run", "other run", *turn, *turn, "other run"]
    assert found[1].times_slower(found[0]) == [2.0, 3.0, 4.0]
    assert found[0].share(2e9) == pytest.approx(1.0)  # the middle one of 2/1, 2/10, 2/2
    assert "3.00x (2.00-4.00) 8.00 s" in runs.cell(found[1], found[0])
    own, record = runs.records("train", SMALL, found, 2e9)
    assert own["shares"] == pytest.approx([2.0, 0.2, 1.0])
    assert (record["seconds"], record["ratio"], record["contender"]) == (8.0, 3.0, "other")


def test_a_contender_that_is_not_there_is_skipped_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "command", lambda name: fake(name, tmp_path / "log", [1.0]))
    absent = [sys.executable, "-c", 'print(\'{"skip": "not installed: No module named nowhere"}\')']
    found = run_alternating(SMALL, (), 1, extra={"absent": absent}, log=quiet)
    assert found[1].skipped == "not installed: No module named nowhere"
    assert runs.cell(found[1], found[0]) == "-"
    result = suites.Result("title", ["a"])
    result.add("train", SMALL, found, 1.0)
    assert "absent skipped: not installed: No module named nowhere" in result.notes
    assert result.records[1]["skipped"]


def test_a_process_that_dies_is_reported_with_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "command", lambda name: [sys.executable, "-c", "raise SystemExit('out of luck')"])
    with pytest.raises(RuntimeError, match="out of luck"):
        run_alternating(SMALL, (), 1, log=quiet)
    monkeypatch.setattr(runs, "command", lambda name: fake(name, tmp_path / "log", []))
    with pytest.raises(RuntimeError, match="StopIteration"):
        run_alternating(SMALL, (), 1, log=quiet)


def test_other_work_is_noticed():
    mine, same, other = (Series(n, facts={"loss": v}) for n, v in [("fastgrad", 2.0), ("a", 2.01), ("b", 2.3)])
    assert runs.disagreements([mine, same, other]) == ["b: loss 2.3 where fastgrad has 2: not the same work"]
    other.facts["loss"] = float("nan")
    assert len(runs.disagreements([mine, same, other])) == 1


def test_an_import_error_is_a_reason_and_our_own_failure_is_an_error(monkeypatch):
    def absent(task):
        raise ImportError("No module named 'jax'")

    def broken(task):
        raise ArithmeticError("first line\nsecond line")

    monkeypatch.setitem(CONTENDERS["jax"], "train", absent)
    assert worker.prepare("jax", SMALL) == (None, "not installed: No module named 'jax'")
    monkeypatch.setitem(CONTENDERS["jax"], "train", broken)
    assert worker.prepare("jax", SMALL) == (None, "ArithmeticError: first line")
    assert worker.prepare("sklearn", Task("update", (5,)))[0] is None
    monkeypatch.setitem(worker.FASTGRAD, "train", broken)
    with pytest.raises(ArithmeticError):
        worker.prepare("fastgrad", SMALL)


def test_a_run_that_fails_answers_with_an_error(capsys):
    def fails():
        raise ZeroDivisionError("of no use")

    worker.serve(timing.Prepared(fails, "x"), "", SMALL, ['{"do": "run"}'], sys.stdout)
    ready, answer = map(json.loads, capsys.readouterr().out.splitlines())
    assert ready == {"ready": "x", "facts": {}}
    assert answer == {"error": "ZeroDivisionError: of no use"}


# ---- the contenders themselves


def installed(name: str) -> bool:
    modules = {"sklearn": ["sklearn"], "torch": ["torch"], "torch.compile": ["torch"]}.get(name, ["jax", "optax"])
    return all(importlib.util.find_spec(module) for module in modules)


def in_its_process(name: str, task: Task) -> tuple[dict, dict]:
    """What the contender says when ready, and the answer to one run, from a process as the runner starts it."""
    with runs.Worker(name, command(name), task) as running:
        return running.answer(), running.ask("run")


@pytest.mark.parametrize(
    "task", [SMALL, Task("train", (12, 9, 1), 8, "float64", quick=True)], ids=["float32", "float64"]
)
@pytest.mark.parametrize("name", ["jax", "jax-npshuffle", "torch", "sklearn"])
def test_contenders_train_the_same_network_alike(name, task):
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    mine, theirs = in_its_process("fastgrad", task), in_its_process(name, task)
    # scikit-learn makes its parameters in its first step: its Adam has one step behind it when it is given ours.
    close = 0.05 if name == "sklearn" else 1e-5
    assert theirs[0]["facts"]["loss"] == pytest.approx(mine[0]["facts"]["loss"], rel=close)
    assert 0 < theirs[1]["seconds"] < 60


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("name", ["jax", "torch"])
def test_contenders_predict_alike(name, rows):
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    task = Task("predict", (12, 9, 3), rows, quick=True)
    mine, theirs = in_its_process("fastgrad", task), in_its_process(name, task)
    assert theirs[0]["facts"]["mean"] == pytest.approx(mine[0]["facts"]["mean"], rel=1e-5)


def test_fastgrad_answers_every_kind_of_task():
    assert set(worker.FASTGRAD) == {"train", "predict", "mnist", "online", "gradient", "estimator", *pieces.PREPARE}
    for task in (Task("update", (100,), quick=True), Task("online", (20, 1), quick=True)):
        prepared, _ = worker.prepare("fastgrad", task)
        answer = prepared.run()
        assert answer["seconds"] > 0
        assert answer.get("accuracy", 1) > 0.7


# ---- the suites


def test_a_suite_measures_its_cases_and_keeps_every_figure():
    options = suites.Options(cases=(Case((12, 9, 3), 8),), threads=(1, 1000), peers=(), quick=True, log=quiet)
    result = suites.run("train", options)
    assert [row[0] for row in result.rows] == ["12-9-3 b8"]  # 1000 threads: there are not so many processors
    (record,) = result.records
    assert record["share"] > 0
    assert record["runs"][0]["seconds"] == record["seconds"]
    assert "| 12-9-3 b8" in str(result)
    assert json.loads(json.dumps(suites.document([result]), default=str))["records"][0]["threads"] == 1


@pytest.mark.parametrize("name", ["optimizers", "inference", "gradients", "online", "layers", "estimators"])
def test_the_other_suites_run(name):
    result = suites.run(name, suites.Options(threads=(1,), peers=(), quick=True, log=quiet))
    assert result.rows
    assert all(record["seconds"] > 0 for record in result.records)
