"""The package as a whole: imports point one way, importing is light and changes nothing, names resolve, examples run.

Left out: what a single module promises (test_<module>.py), and imports whose names are computed at run time.
"""

from __future__ import annotations

import ast
import doctest
import graphlib
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pages
import pytest

import fastgrad

PACKAGE = Path(fastgrad.__file__).parent
README = Path(__file__).parents[1] / "README.md"

# The house, from the foundation up: module -> the modules it may import. A module of a subpackage is "package.module"; a
# subpackage that is one thing stands for all its modules; an __init__.py that only says what is there needs no entry.
# "__init__": the public names, `import fastgrad`; it loads the library lazily, so only what stands above the library may
# use it.
FOUNDATION = {"catalog", "formulas", "arrays", "csr", "plots", "history"}
TRAINING = FOUNDATION | {
    "initialisers", "layers", "embedding", "norms", "stack", "parts", "vocabulary", "options", "averaging", "network", "lazy",
    "batches", "losses", "optimizers", "schedules", "dispatch", "diagnosis", "work", "train", "scoring", "holdout", "pace",
    "files", "exchange", "copies", "checkpoint", "loop",
}  # fmt: skip
CHECKING = {"checking.slopes", "checking.subjects", "checking.verdicts", "checking.reports", "check"}
TABLES = {
    "tables.table", "tables.reading", "tables.encoding", "tables.learning", "tables.predictions", "tables.training"
}  # fmt: skip
BENCH = {
    "bench.workloads", "bench.pieces", "bench.timing", "bench.peers", "bench.worker", "bench.runs", "bench.suites",
    "bench.results", "bench.compare", "bench.charts", "bench.report", "bench.functions",
    "bench.estimators", "bench.layers",
}  # fmt: skip
ESTIMATORS = {
    f"estimators.{name}" for name in ("rules", "arguments", "engine", "progress", "validation", "callbacks", "base")
}
LAYERS: dict[str, set[str]] = {
    "catalog": set(),
    "formulas": {"catalog"},
    "arrays": set(),
    "csr": {"arrays"},
    "plots": set(),
    "history": {"plots"},
    "private_rows": {"catalog"},
    "kernels": {"catalog", "formulas", "private_rows"},
    "dispatch": {"kernels"},
    "losses": {"catalog"},
    "schedules": {"catalog"},
    "optimizers": {"catalog", "formulas", "arrays", "dispatch"},
    "initialisers": {"catalog", "formulas"},
    "layers": {"catalog", "arrays", "initialisers"},
    "embedding": {"arrays", "layers"},
    "norms": {"catalog", "arrays"},
    "stack": {"embedding", "layers", "norms"},
    "options": {"embedding", "formulas", "layers", "optimizers", "stack"},
    "averaging": {"arrays"},
    "parts": {"embedding", "stack"},
    "vocabulary": {"csr", "initialisers", "layers"},
    "network": {
        "arrays",
        "losses",
        "dispatch",
        "embedding",
        "initialisers",
        "layers",
        "norms",
        "parts",
        "stack",
        "vocabulary",
    },
    "lazy": {"averaging", "csr", "network", "parts", "vocabulary"},
    "work": {"arrays", "csr", "dispatch", "network"},
    "diagnosis": {"embedding", "network", "norms"},
    "batches": {"arrays", "csr", "embedding", "lazy", "network"},
    "copies": {"arrays", "lazy", "network"},
    "train": {"arrays", "batches", "csr", "diagnosis", "lazy", "network", "optimizers", "options", "history", "work"},
    "scoring": {"csr", "train", "network"},
    "holdout": {"arrays", "batches", "csr", "network"},
    "pace": set(),
    "files": set(),
    "exchange": {
        "arrays",
        "catalog",
        "dispatch",
        "embedding",
        "lazy",
        "losses",
        "files",
        "layers",
        "network",
        "norms",
        "parts",
        "stack",
        "vocabulary",
    },
    "checkpoint": {
        "batches",
        "csr",
        "dispatch",
        "exchange",
        "files",
        "history",
        "network",
        "optimizers",
        "schedules",
        "train",
    },
    "loop": {
        "arrays",
        "averaging",
        "batches",
        "csr",
        "lazy",
        "work",
        "schedules",
        "train",
        "history",
        "options",
        "network",
        "optimizers",
        "scoring",
        "holdout",
        "pace",
        "checkpoint",
    },
    "checking.slopes": FOUNDATION,
    "checking.subjects": FOUNDATION | {"checking.slopes"},
    "checking.verdicts": FOUNDATION | {"checking.slopes", "checking.subjects"},
    "checking.reports": FOUNDATION | {"checking.slopes", "checking.subjects", "checking.verdicts"},
    "differentiate": set(),  # reading, the small language, the reverse sweep, printing
    "differentiate.polynomials": set(),
    "differentiate.mathematics": {"differentiate.polynomials"},
    "differentiate.pruning": set(),
    "differentiate.caching": {"files", "differentiate.pruning"},
    "differentiate.linking": set(),
    "differentiate.arrayloops": {"differentiate", "differentiate.mathematics"},
    "differentiate.elementwise": {"differentiate"},
    "differentiate.cheaper": {"differentiate"},
    "differentiate.compiling": {
        "differentiate",
        "differentiate.caching",
        "differentiate.mathematics",
        "differentiate.cheaper",
        "differentiate.arrayloops",
        "differentiate.linking",
        "differentiate.selftyped",
    },
    "differentiate.forms": {"differentiate"},
    "differentiate.entrances": {"differentiate.forms"},
    "differentiate.tangents": set(),
    "differentiate.terms": set(),
    "differentiate.selftyped": set(),
    "differentiate.dualcalls": {"differentiate"},
    "differentiate.forward": {"differentiate", "differentiate.dualcalls", "differentiate.terms"},
    "differentiate.columns": {"differentiate", "differentiate.forward"},
    "differentiate.recipes": {
        "differentiate",
        "differentiate.columns",
        "differentiate.elementwise",
        "differentiate.forms",
        "differentiate.forward",
    },
    "differentiate.dispatching": {"differentiate", "differentiate.entrances", "differentiate.forms"},
    "differentiate.calling": {
        "differentiate",
        "differentiate.compiling",
        "differentiate.dispatching",
        "differentiate.entrances",
        "differentiate.forms",
        "differentiate.recipes",
    },
    "differentiate.directions": {"differentiate", "differentiate.calling", "differentiate.recipes"},
    "check": TRAINING | CHECKING - {"check"} | {"differentiate.calling", "differentiate.recipes"},
    "derivatives": {"check"} | {f"differentiate{m}" for m in ("", ".calling", ".directions", ".recipes", ".tangents")},
    "model": TRAINING | CHECKING,
    "__init__": TRAINING | CHECKING | {"model", "derivatives"},
    "estimators.rules": {"catalog", "losses", "optimizers", "private_rows", "schedules"},
    "estimators.engine": TRAINING | {"estimators.rules"},
    "estimators.arguments": {"catalog", "losses", "optimizers", "schedules", "estimators.rules"},
    "estimators.progress": set(),
    "estimators.validation": {"batches", "csr", "history", "estimators.engine", "estimators.progress"},
    "estimators.callbacks": {"estimators.engine"},
    "estimators.base": TRAINING | ESTIMATORS - {"estimators.base"},
    "estimators.classifier": TRAINING | ESTIMATORS,
    "estimators.regressor": TRAINING | ESTIMATORS,
    "estimators.outliers": {"estimators.engine"},
    "estimators.detector": TRAINING | ESTIMATORS | {"estimators.outliers", "model"},
    "estimators.ratings": set(),
    "estimators.ranks": set(),
    "estimators.factors": {"dispatch", "estimators.ratings"},
    "estimators.recommender": {"estimators.factors", "estimators.ranks", "estimators.ratings"},
    "sklearn": {"estimators.classifier", "estimators.detector", "estimators.recommender", "estimators.regressor"},
    "tables.table": set(),
    "tables.reading": {"tables.table"},
    "tables.encoding": {"tables.table"},
    "tables.learning": {"tables.table", "tables.encoding"},
    "tables.predictions": {"__init__", "catalog", "tables.table", "tables.encoding"},
    "tables.training": TRAINING | TABLES - {"tables.training"} | {"__init__"},
    "bench.workloads": {"__init__", "tables.reading"},
    "bench.functions": {"bench.workloads"},
    "bench.timing": {"__init__", "bench.workloads", "dispatch"},
    "bench.estimators": {"tables.learning", "tables.reading", "bench.timing", "bench.workloads"},
    "bench.layers": {"__init__", "bench.timing", "bench.workloads"},
    "bench.peers": {"bench.workloads", "bench.estimators", "bench.functions", "bench.timing"},
    "bench.pieces": {"__init__", "catalog", "network", "dispatch", "bench.workloads"},
    "bench.worker": {
        "__init__",
        "sklearn",
        "bench.workloads",
        "bench.estimators",
        "bench.functions",
        "bench.layers",
        "bench.pieces",
        "bench.timing",
        "bench.peers",
        "dispatch",
    },
    "bench.runs": {"__init__", "bench.workloads", "bench.timing", "bench.peers", "bench.worker", "dispatch"},
    "bench.suites": {
        "__init__",
        "dispatch",
        "bench.workloads",
        "bench.estimators",
        "bench.functions",
        "bench.layers",
        "bench.pieces",
        "bench.runs",
    },
    "bench.results": set(),
    "bench.compare": {"bench.runs", "bench.results"},
    "bench.charts": {"bench.results"},
    "bench.report": {"files", "bench.runs", "bench.results", "bench.charts"},
    "demo": BENCH | {"__init__", "dispatch"},
    "cli": BENCH
    | TABLES
    | {"__init__", "catalog", "check", "differentiate.caching", "dispatch", "demo", "files", "schedules"},
    "__main__": {"cli"},
}
HEAVY = ("click", "matplotlib", "numba", "rich", "scipy", "sklearn", "tqdm")

SOURCES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def module_of(parts: tuple[str, ...], modules: set[str]) -> str:
    """The entry that stands for a dotted name of the package: itself, its subpackage, or the public names."""
    return next((name for k in (2, 1) if (name := ".".join(parts[:k])) in modules), "__init__")


def parts_of(path: Path) -> tuple[str, ...]:
    return path.with_suffix("").parts


MODULES = {
    name if (name := module_of(parts_of(path), set(LAYERS))) != "__init__" else ".".join(parts_of(path))
    for path in SOURCES
    if path.name != "__init__.py" or path.parent == Path()
}


def imported_modules(source: str, path: Path, modules: set[str]) -> set[str]:
    """The modules of fastgrad that `source`, the text of the file `path` in the package, imports at any place."""
    package = ("fastgrad", *path.parts[:-1])
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join((*base, *([node.module] if node.module else [])))
            names |= {f"{start}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            given = [*node.args, *(word.value for word in node.keywords if word.arg == "name")]
            names |= {constant_start(name, ".".join(package)) for name in given[:1]}
    inside = [name.split(".")[1:] for name in names if name.split(".")[0] == "fastgrad"]
    found = {module_of(tuple(parts), modules) for parts in inside}
    return found - {module_of(parts_of(path), modules)}


def constant_start(name: ast.expr, package: str) -> str:
    """What is known of a module's name given to import_module: "fastgrad.kernels." of f"fastgrad.kernels.{variant}"."""
    if isinstance(name, ast.JoinedStr) and name.values:
        name = name.values[0]
    text = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else ""
    return package + text if text.startswith(".") else text


def run(code: str) -> str:
    """What a fresh Python process prints that finds this very fastgrad."""
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_has_its_layer():
    assert sorted(MODULES - set(LAYERS)) == [], "enter them in LAYERS"


def test_layers_name_a_direction():
    tuple(graphlib.TopologicalSorter(LAYERS).static_order())  # raises CycleError
    assert set().union(*LAYERS.values()) <= set(LAYERS)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_point_one_way(path):
    allowed = LAYERS.get(module_of(parts_of(path), MODULES), set())
    found = imported_modules((PACKAGE / path).read_text(encoding="utf-8"), path, MODULES)
    assert sorted(found - allowed) == [], f"{path} may import {sorted(allowed)}"


@pytest.mark.parametrize(
    ("source", "path", "expected"),
    [
        ("import numpy, os.path\nfrom collections import abc", "arrays.py", set()),
        ("import fastgrad as fg", "demo.py", {"__init__"}),
        ("import fastgrad.train", "arrays.py", {"train"}),
        ("from fastgrad import Network", "demo.py", {"__init__"}),
        ("from fastgrad import train, Network", "demo.py", {"train", "__init__"}),
        ("from fastgrad.train import fit", "arrays.py", {"train"}),
        ("from . import train", "arrays.py", {"train"}),
        ("from .train import fit", "arrays.py", {"train"}),
        ("from .kernels.generate import source", "arrays.py", {"kernels"}),
        ("def f():\n    from . import train", "arrays.py", {"train"}),
        ("if TYPE_CHECKING:\n    from .train import fit", "arrays.py", {"train"}),
        ("from .. import train", "kernels/generate.py", {"train"}),
        ("from ..train import fit\nfrom . import generate", "kernels/__init__.py", {"train"}),
        ("importlib.import_module('fastgrad.train')", "arrays.py", {"train"}),
        ("import_module('.train', 'fastgrad')", "arrays.py", {"train"}),
        ("import_module(f'fastgrad.kernels.{name}')", "arrays.py", {"kernels"}),
        ("importlib.import_module(name='fastgrad.train')", "arrays.py", {"train"}),
        ("importlib.import_module(name)", "arrays.py", set()),
        ("from .rows import Row\nfrom . import cells", "tables/rows.py", {"tables.cells"}),
        ("from .tables.rows import Row", "arrays.py", {"tables.rows"}),
    ],
)
def test_no_way_to_import_goes_unseen(source, path, expected):
    assert (
        imported_modules(source, Path(path), {"arrays", "demo", "kernels", "train", "tables.rows", "tables.cells"})
        == expected
    )


def test_no_module_bears_the_name_of_a_public_function():
    # Once such a module has been imported, the attribute is the module; so each name is looked up in a fresh process.
    shared = sorted(MODULES & set(fastgrad.__all__))
    code = "import fastgrad, inspect; print(inspect.ismodule(getattr(fastgrad, {!r})))"
    assert [name for name in shared if run(code.format(name)).strip() != "True"] == []


@pytest.mark.parametrize("name", fastgrad.__all__)
def test_public_names_resolve(name):
    assert getattr(fastgrad, name) is not None
    assert name in dir(fastgrad)


def test_typed_marker_is_installed():
    assert (PACKAGE / "py.typed").is_file()


def test_import_is_light():
    code = f"import sys, fastgrad; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert run(code).strip() == "[]"


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
