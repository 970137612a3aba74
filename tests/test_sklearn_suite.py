"""scikit-learn's own tests of its multi-layer perceptrons, run against ours: one import line of theirs is replaced."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

sklearn = pytest.importorskip("sklearn")

THEIRS = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
OURS = "from fastgrad.sklearn import MLPClassifier, MLPRegressor\n"
EXCLUDED = {"test_gradient": "calls the private _loss_grad_lbfgs with lists of its own buffers"}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def their_tests() -> dict[str, object]:
    """The names of scikit-learn's installed test module, made anew with our estimators."""
    if importlib.util.find_spec("sklearn.neural_network.tests") is None:
        return {}
    path = Path(sklearn.__file__).parent / "neural_network" / "tests" / "test_mlp.py"
    source = path.read_text(encoding="utf-8")
    assert source.count(THEIRS) == 1
    names: dict[str, object] = {"__name__": __name__, "__file__": str(path)}
    exec(compile(source.replace(THEIRS, OURS), str(path), "exec"), names)
    return {name: value for name, value in names.items() if name.startswith("test_")}


FOUND = their_tests()
globals().update({name: test for name, test in FOUND.items() if name not in EXCLUDED})


@pytest.fixture
def global_random_seed():
    return 42


def test_the_tests_were_found():
    if not FOUND:
        pytest.skip("this scikit-learn was installed without its tests")
    assert len(FOUND) > 40 and set(EXCLUDED) <= set(FOUND)
