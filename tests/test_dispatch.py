"""Instruction sets, threads and the process around us: each promise in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import fastgrad as fg
from fastgrad import dispatch

DATA = """
import numpy as np, fastgrad as fg, fastgrad.dispatch, os, sys
rng = np.random.default_rng(0)
X = rng.normal(size=(2000, 20)).astype("float32")
y = rng.integers(0, 3, 2000)
def train(threads=None, **more):
    net = fg.Network([20, 64, 3], loss="cross_entropy", seed=1)
    net.fit(X, y, epochs=2, batch_size=100, threads=threads, **more)
    return net.parameters.tobytes()
"""


def run(code: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", DATA + code], env={**os.environ, **env}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("level", dispatch.usable_levels())
def test_the_instruction_set_can_be_chosen(level):
    out = run("train(); print(fg.dispatch.info()['isa'])", FASTGRAD_ISA=level)
    assert out == level


def test_an_instruction_set_that_is_not_there_is_an_error():
    out = run("try:\n    train()\nexcept ValueError as error:\n    print(error)\n", FASTGRAD_ISA="avx99")
    assert "FASTGRAD_ISA='avx99'" in out
    assert "base" in out


def test_threads_follow_the_environment_at_every_call():
    pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    assert run("print(fg.dispatch.available_threads())", OMP_NUM_THREADS="1") == "1"
    code = """
import threadpoolctl
train()
all_ = fg.dispatch.available_threads()
with threadpoolctl.threadpool_limits(1, user_api="openmp"):
    assert fg.dispatch.available_threads() == 1
assert fg.dispatch.available_threads() == all_
"""
    run(code)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity calls")
def test_threads_follow_the_affinity():
    run("os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); assert fg.dispatch.available_threads() == 1")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinities of threads")
def test_every_thread_keeps_its_affinity():
    code = """
def affinities():
    return {frozenset(os.sched_getaffinity(int(task))) for task in os.listdir("/proc/self/task")}
before = affinities()
both = train(threads=2)
assert affinities() == before, (affinities(), before)
one = {min(os.sched_getaffinity(0))}
for task in os.listdir("/proc/self/task"):
    os.sched_setaffinity(int(task), one)
assert train(threads=2) == both    # two threads that have one core between them
assert affinities() == {frozenset(one)}
"""
    run(code)


def test_quota_of_the_container(tmp_path, monkeypatch):
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    monkeypatch.setattr(dispatch, "_quota_files", lambda: (tmp_path / "cpu.max",))
    assert dispatch._quota(-1) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert dispatch._quota(-2) == np.inf
    (tmp_path / "cpu.max").write_text("what no kernel writes")
    assert dispatch._quota(-4) == np.inf
    (tmp_path / "cpu.max").write_text("50000")  # of cgroup 1: the period lies in a file beside it, here in none
    assert dispatch._quota(-5) == np.inf
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    assert dispatch._quota(-6) == 0.5
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    dispatch._quota.cache_clear()
    monkeypatch.setattr(dispatch.time, "monotonic", lambda: -3.0)
    assert dispatch.available_threads() == 1
    dispatch._quota.cache_clear()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_of_a_training_process_trains():
    code = """
import signal, warnings
warnings.simplefilter("ignore")
mine = train(threads=2)
child = os.fork()
if child == 0:
    signal.alarm(30)  # a deadlock ends here, and not with 0
    os._exit(0 if train(threads=2) == mine and train() == mine else 1)
assert os.waitpid(child, 0)[1] == 0
assert train(threads=2) == mine
"""
    run(code)


def test_many_python_threads_at_once():
    net = fg.Network([30, 64, 5], loss="cross_entropy", seed=4)
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(500, 30)), rng.integers(0, 5, 500)
    want = net.predict(X).tobytes()
    trained = fg.Network([30, 64, 5], loss="cross_entropy", seed=4)
    trained.fit(X, y, epochs=3)
    errors: list[str] = []

    def work(k: int) -> None:
        predictions = {net.predict(X, threads=1 + k % 2).tobytes() for _ in range(10)}
        if predictions != {want}:
            errors.append("predict")
        mine = fg.Network([30, 64, 5], loss="cross_entropy", seed=4)
        mine.fit(X, y, epochs=3, threads=1 + k % 2)
        if mine.parameters.tobytes() != trained.parameters.tobytes():
            errors.append("fit")

    workers = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert errors == []


def test_the_gil_is_free_while_kernels_run():
    """Another Python thread counts while a long step runs: it would stand still if the kernels held the lock."""
    net = fg.Network([400, 600, 600, 10], loss="cross_entropy")
    X = np.random.default_rng(0).normal(size=(6000, 400)).astype(np.float32)
    y = np.zeros(6000, int)
    ticks, stop = [0], threading.Event()

    def count() -> None:
        while not stop.wait(0.001):
            ticks[0] += 1

    counter = threading.Thread(target=count)
    counter.start()
    before = ticks[0]
    net.gradient(X, y, threads=1)
    during = ticks[0] - before
    stop.set()
    counter.join()
    assert during >= 5


def test_the_floating_point_state_is_left_alone():
    code = """
tiny = np.float32(1e-40)
def alive():
    with np.errstate(all="raise", under="ignore"):
        return float(tiny * np.float32(1)) > 0 and np.isnan(np.float32(np.nan) * 0)
assert alive()
train(threads=1); assert alive()
train(threads=2); assert alive()
net = fg.Network([20, 8, 3], loss="cross_entropy")
net.predict(X); net.gradient(X, y); assert alive()
w = np.ones(200_000, "float32"); opt = fg.Adam(); opt.update(w, w * 0 + 1e-30, opt.init(w)); assert alive()
with np.errstate(all="raise"):
    assert np.float64(1.0) + 1 == 2
"""
    run(code)


def test_moments_do_not_stick_among_the_subnormals():
    """Without gradient Adam's m decays; in 5000 steps it must pass through the subnormals to 0, not stay there."""
    net = fg.Network([40, 16, 1], seed=2)
    X = np.zeros((64, 40), np.float32)
    X[:, :2] = np.random.default_rng(0).normal(size=(64, 2))
    first = X.copy()
    first[:, 2:] = 1.0
    net.partial_fit(first, X[:, 0], optimizer=fg.Adam(1e-3))
    for _ in range(50):
        net.partial_fit(np.tile(X, (100, 1)), np.tile(X[:, 0], 100), batch_size=64)
    slots = net._record.run.slots
    subnormal = (np.abs(slots) > 0) & (np.abs(slots) < np.finfo(np.float32).tiny)
    assert not subnormal.any()
    assert (slots[0] == 0).any()
