"""Every function of the corpus: its gradient against finite differences, forwards against backwards, second derivatives.

Derivatives run as plain Python, the text that would be compiled (tools/interpreting.py); some as `.source` shows it, and a
sample over all themes compiled, have to give the same numbers.  FASTGRAD_COMPILE_ALL=1 compiles them all, which takes
minutes.  What is refused is in test_differentiate_refused.py.
"""

from __future__ import annotations

import copy
import inspect
import os

import corpus
import numpy as np
import pytest
from interpreting import interpreted
from trees import filled, flat, leaves

import fastgrad as fg
from fastgrad.differentiate.calling import Derivative
from fastgrad.differentiate.recipes import RECIPES

CASES = {case.name: case for case in corpus.cases()}
COMPILED = list(CASES) if os.environ.get("FASTGRAD_COMPILE_ALL") == "1" else list(CASES)[7::31]
SHOWN = [name for k, name in enumerate(CASES) if name.startswith(("loops", "writes", "stencils")) or k % 7 == 0]
EXACT = 1e-10  # relative to the sum of absolute terms: both sides are exact but for rounding


class Subject:
    """A case as a function of one flat vector: a weighted sum of all its results."""

    def __init__(self, case):
        self.case, self.function = case, case.function
        self.active = case.active
        self.start = self.pick(case.arguments())
        with np.errstate(all="ignore"):
            self.result = self.function(*case.arguments())
        self.scalar = np.ndim(self.result) == 0 if not isinstance(self.result, tuple) else False
        rng = np.random.default_rng(1)
        self.weights = filled(self.result, iter(rng.uniform(0.5, 1.5, flat(self.result).size)))
        self.x = flat(self.start)
        self.direction = rng.standard_normal(self.x.size)

    def pick(self, arguments):
        return tuple(arguments[i] for i in self.active)

    def arguments(self, vector):
        """The function's arguments with the active ones from a vector."""
        found = list(self.case.arguments())
        for i, value in zip(self.active, filled(self.start, iter(vector)), strict=True):
            found[i] = value
        return tuple(found)

    def value(self, vector):
        return float(flat(self.function(*self.arguments(vector))) @ flat(self.weights))

    def backwards(self, arguments):
        """The weighted sum's result and gradient, in the ways that users have."""
        if self.scalar:
            value, gradient = fg.value_and_grad(self.function, argnums=self.active)(*arguments)
            return value, self.weights * flat(gradient)
        gradient = self.derivative("pull")(*arguments, self.weights)
        return self.derivative("value")(*arguments), flat(gradient)

    def forwards(self, arguments, direction):
        """The weighted sum of the results' derivatives along a direction."""
        _, along = self.derivative("jvp")(*self.whole(arguments), *filled(self.start, iter(direction)))
        return float(flat(along) @ flat(self.weights))

    def whole(self, arguments):
        """The arguments with the defaults, without which tangents would stand in their places."""
        bound = inspect.signature(self.function).bind(*arguments)
        bound.apply_defaults()
        return bound.args

    def derivative(self, recipe):
        """What fg.vjp and fg.jvp call, with respect to the active arguments alone."""
        return Derivative(self.function, self.active, RECIPES[recipe])


@pytest.fixture
def quiet():
    with np.errstate(all="ignore"):
        yield


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    subject = Subject(CASES[name])
    arguments = subject.case.arguments()
    before = copy.deepcopy(arguments)
    with interpreted():
        value, gradient = subject.backwards(arguments)
        along = subject.forwards(arguments, subject.direction)
    for given, kept in zip(leaves(arguments), leaves(before), strict=True):
        np.testing.assert_array_equal(given, kept, "an argument was written into")
    np.testing.assert_allclose(flat(value), flat(subject.result), rtol=1e-12, atol=1e-13)
    report = fg.check_gradients(subject.value, subject.x, gradient=lambda _: gradient)
    assert report.passed and not report.kinks, f"{report}\n{gradient}"
    assert abs(along - gradient @ subject.direction) <= EXACT * (np.abs(gradient) @ np.abs(subject.direction) + 1e-3)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", CASES)
def test_second_derivatives(name):
    subject = Subject(CASES[name])
    if not subject.scalar:
        pytest.skip("has more than one result")
    place, rng = subject.active[0], np.random.default_rng(2)
    arguments = subject.case.arguments()
    if isinstance(arguments[place], tuple):
        pytest.skip("is a function of a tuple")
    point = np.asarray(arguments[place])
    direction = rng.standard_normal(point.shape)[()]
    with interpreted():
        gradient, product = fg.grad(subject.function, argnums=place), fg.hvp(subject.function, argnums=place)

        def at(x):
            found = list(subject.case.arguments())
            found[place] = np.reshape(x, point.shape).copy() if point.ndim else float(x[0])
            return found

        def slope(x):  # and something of a known slope, since of nothing but zeros differences see only noise
            return float(np.sum(gradient(*at(x)) * direction) + np.sum(x))

        curvature = np.ravel(product(*subject.whole(at(point.ravel())), direction))
        report = fg.check_gradients(slope, point.ravel(), gradient=lambda _: curvature + 1.0)
    assert report.passed, f"{report}\n{curvature}"


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", SHOWN)
def test_the_source_that_is_shown_gives_the_same(name):
    found = []
    for shown in (False, True):
        subject = Subject(CASES[name])
        with interpreted(shown):
            found.append(subject.backwards(subject.case.arguments()))
    (value, gradient), (shown_value, shown_gradient) = found
    np.testing.assert_array_equal(flat(shown_value), flat(value))
    scale = np.max(np.abs(gradient), initial=1e-3)  # the sums of a loop that collects have another order
    np.testing.assert_allclose(shown_gradient, gradient, rtol=1e-12, atol=1e-14 * scale)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_is_interpreted(name):
    subject = Subject(CASES[name])
    with interpreted():
        value, gradient = subject.backwards(subject.case.arguments())
    compiled_value, compiled_gradient = subject.backwards(subject.case.arguments())
    np.testing.assert_allclose(flat(compiled_value), flat(value), rtol=1e-12, atol=1e-13)
    scale = np.max(np.abs(gradient), initial=1e-3)
    np.testing.assert_allclose(compiled_gradient, gradient, rtol=1e-10, atol=1e-11 * scale)


def test_the_corpus_is_as_large_as_is_said():
    assert len(CASES) >= 400 and all(case.active for case in CASES.values())
