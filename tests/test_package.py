"""The package as a whole: names resolve, importing and training change nothing, examples run.

Left out: what a single module promises (test_<module>.py), who imports whom (test_imports.py).
"""

from __future__ import annotations

import doctest
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pages
import pytest
from fresh import PACKAGE, SOURCES, run

import fastgrad

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("name", fastgrad.__all__)
def test_public_names_resolve(name):
    assert getattr(fastgrad, name) is not None
    assert name in dir(fastgrad)


def test_typed_marker_is_installed():
    assert (PACKAGE / "py.typed").is_file()


FLOATING_POINT_STATE = """
import json, threading
import numpy as np

def state():
    small, smallest = np.full(67, 1e-40, np.float32), np.full(67, 5e-324)
    nan = np.full(67, np.nan, np.float32)
    return {
        "float32 subnormals": bool((small * np.float32(1) != 0).all() and np.float32(1e-40) * np.float32(1) != 0),
        "float64 subnormals": bool((smallest * 1.0 != 0).all() and float("1e-310") * 1.0 != 0),
        "nan": bool(np.isnan(nan).all() and np.isnan(nan.sum()) and (nan != nan).all()),
        "errors": repr(np.geterr()),
    }

def everywhere():
    found = [state()]
    thread = threading.Thread(target=lambda: found.append(state()))
    thread.start()
    thread.join()
    return found

seen = {"before": everywhere()}
import fastgrad as fg
seen["imported"] = everywhere()
X = np.random.default_rng(0).normal(size=(256, 8)).astype(np.float32)
for threads in 1, 2:
    net = fg.Network([8, 16, 3], loss="cross_entropy", seed=0)
    net.fit(X, np.arange(256) % 3, epochs=2, batch_size=64, threads=threads)
    net.predict(X)
    net.gradient(X, np.arange(256) % 3)
    seen[f"trained, {threads} threads"] = everywhere()
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def floating_point_state() -> dict[str, list[dict[str, object]]]:
    """Subnormals, NaN and NumPy's error state in the main and in a new thread, before fastgrad and as it is used."""
    state: dict[str, list[dict[str, object]]] = json.loads(run(FLOATING_POINT_STATE))
    return state


@pytest.mark.parametrize("when", ["imported", "trained, 1 threads", "trained, 2 threads"])
def test_floating_point_state_is_left_alone(floating_point_state, when):
    before = floating_point_state["before"]
    assert before[0]["float32 subnormals"], "the probe itself must see subnormals"
    assert before[0]["nan"], "the probe itself must see NaN"
    assert floating_point_state[when] == before


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name != "__main__.py"], ids=str)
def test_docstring_examples(path):
    name = ".".join(("fastgrad", *path.with_suffix("").parts)).removesuffix(".__init__")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "fastgrad":
            raise
        pytest.skip(f"needs {error.name}")
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples, see the output"


@pytest.mark.skipif(os.name != "posix", reason="the commands are those of a POSIX shell")
def test_readme_commands_on_a_table(tmp_path):
    if not README.is_file():
        pytest.skip("README.md is not beside the tests")
    shown = re.search(r"<!-- command:table -->\n```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert shown
    python = f"'{sys.executable}' -P"
    commands = shown[1].replace(".venv/bin/python", python).replace(".venv/bin/fastgrad", f"{python} -m fastgrad")
    done = subprocess.run(["sh", "-ec", commands], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    predictions = (tmp_path / "predictions.csv").read_text().splitlines()
    assert predictions[0].startswith("class,probability of class_0,") and len(predictions) == 179


def test_readme_examples(tmp_path, monkeypatch):
    if not README.is_file():
        pytest.skip("README.md is not beside the tests")
    monkeypatch.chdir(tmp_path)
    count, names = pages.run(README)
    assert count, "README.md shows no Python"
    assert f"```python\n{names['slope'].source.strip()}\n```" in README.read_text(encoding="utf-8")
