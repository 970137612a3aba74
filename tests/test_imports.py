"""The house: who may import whom, and what `import fastgrad` loads.

Left out: imports whose names are computed at run time.
"""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest
from fresh import PACKAGE, SOURCES, run

import fastgrad

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


def test_import_is_light():
    code = f"import sys, fastgrad; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert run(code).strip() == "[]"
