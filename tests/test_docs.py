"""The docstrings keep the rule of tools/docstrings.py, the rule finds planted faults, no public name lacks a page.

Left out: the build of the site, which needs Sphinx (nox -s docs).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pages
import pytest

if not Path(__file__).parents[1].joinpath("tools").is_dir():
    pytest.skip("the folder tools/ is not beside the tests", allow_module_level=True)

import docstrings
import reference

import fastgrad


def test_public_docstrings_owe_nothing():
    assert docstrings.faults() == []


def test_every_public_name_is_looked_at():
    names = {subject.name for subject in docstrings.subjects()}
    assert set(fastgrad.__all__) - names == {"__version__"}
    assert {"Network.fit", "Network.parameters", "Optimizer.update", "Schedule.__call__", "FitState"} <= names
    assert not {name for name in names if name.startswith(("SGD.", "MSE.", "Cosine."))}, "inherited, or an override"
    assert len(names) == len(docstrings.subjects())


def test_every_public_name_has_its_place_in_the_reference():
    pages = reference.pages()
    shown = re.findall(r"^\.\. auto(?:class|function):: (\w+)$", "\n".join(pages.values()), re.MULTILINE)
    assert sorted(set(shown) & set(fastgrad.__all__)) == sorted(set(fastgrad.__all__) - {"__version__"})
    assert all(f"   {name}\n" in pages["index"] for name in pages if name != "index")


def test_a_module_without_a_topic_gets_a_page_of_its_own(monkeypatch):
    monkeypatch.delitem(reference.TOPICS, "losses")
    pages = reference.pages()
    assert "autoclass:: Huber\n" in pages["losses"] and pages["losses"].startswith("Losses\n")
    assert pages["index"].index("   history\n") < pages["index"].index("   losses\n")


@pytest.mark.parametrize("page", sorted(Path(__file__).parents[1].glob("docs/*.md")), ids=lambda path: path.name)
def test_the_examples_of_a_page_run(page):
    pages.run(page)


# ---- the rule itself ------------------------------------------------------------------------------------------------


def good(X: npt.ArrayLike, scale: float = 1.0) -> npt.NDArray[np.float64]:
    """Rows of X (N, I) times `scale`, in the shape of X.

    ValueError where X is not made of numbers.  Source: Gauss 1809.

    >>> good([[1.0]], 2.0).tolist()
    [[2.0]]
    """
    return np.asarray(X, float) * scale


class Planted:
    """A class whose members are wrong in one way each."""

    def silent(self):
        pass

    @property
    def half(self):
        """It halves."""

    def _private(self):
        pass

    @property
    def row(self) -> npt.NDArray[np.float64]:
        """One of the rows."""

    @row.setter
    def row(self, value):
        pass


def subject(doc):
    return docstrings.Subject("good", good, doc, *docstrings.signature(good), True, {"good": good})


def test_a_good_docstring_passes():
    assert docstrings.faults_of(subject(good.__doc__)) == {}


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("summary", "Rows of X (N, I) times `scale`, in the shape of X.", "good. X (N, I) `scale`."),
        ("summary", "Rows of X", "rows of X"),
        ("summary", "in the shape of X.", "in the shape of X"),
        ("summary", "Rows of", "TODO Rows of"),
        ("arguments", "times `scale`", "times a number"),
        ("arguments", "times `scale`", "times scales"),
        ("shapes", "X (N, I) times `scale`, in the shape of X.", "X times `scale`, an array."),
        ("raises", "ValueError where X is not made of numbers.", ""),
        ("raises", "ValueError where X is not made of numbers.", "Raises ValueError."),
        ("raises", "ValueError where X is not made of numbers.", "Raises errors where X is bad indeed."),
        ("raises", "ValueError where", "ValuesError where"),
        ("source", "Source: Gauss 1809.", ""),
        ("source", "Source: Gauss 1809.", "Source: well known."),
        ("source", "Source: Gauss 1809.", "Gauss 1809."),
        ("example", "[[2.0]]", "[[3.0]]"),
        ("example", ">>> good([[1.0]], 2.0).tolist()\n    [[2.0]]", ""),
        ("example", ">>> good([[1.0]], 2.0).tolist()\n    [[2.0]]", ">>> 1 + 1\n    2"),
        ("example", ".tolist()\n    [[2.0]]", ";"),
        ("example", "good([[1.0]], 2.0)", "good(unknown)"),
    ],
)
def test_a_planted_fault_is_found(rule, old, new):
    assert old in good.__doc__
    assert rule in docstrings.faults_of(subject(good.__doc__.replace(old, new)))


def test_what_an_example_says_is_not_said():
    doc = good.__doc__.replace("times `scale`", "times a number").replace(
        "good([[1.0]], 2.0)", "good([[1.0]], scale=2.0)"
    )
    assert list(docstrings.faults_of(subject(doc))) == ["arguments"]


def test_members_are_looked_at():
    found = list(docstrings.members(Planted, False))
    lines = docstrings.faults(found, {})
    assert [s.name for s in found] == ["Planted", "Planted.silent", "Planted.half", "Planted.row"]
    assert [line.split(": ")[:2] for line in lines] == [
        ["Planted.silent", "summary"], ["Planted.half", "summary"], ["Planted.row", "shapes"], ["Planted.row", "raises"],
    ]  # fmt: skip


def test_excuses_excuse_one_fault_and_must_be_needed():
    bad = [subject(good.__doc__.replace("Source: Gauss 1809.", ""))]
    assert docstrings.faults(bad, {("good", "source"): "a planted fault"}) == []
    assert docstrings.faults(bad, {("good", "raises"): "not this one"}) == [
        "good: source: no source with a year, a number or an address",
        "good: raises: the excuse is not needed",
    ]
    assert all(len(reason.split()) > 3 for reason in docstrings.EXCUSED.values())
