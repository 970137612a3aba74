"""Loops over arrays: which of them collect, what is checked before a loop, and that neither changes what comes out."""

import math

import numpy as np
import pytest

import fastgrad as fg
from fastgrad.differentiate.emit import source
from fastgrad.differentiate.gathering import gathered
from fastgrad.differentiate.gradient import reverse_program
from fastgrad.differentiate.indices import checked, unsigned
from fastgrad.differentiate.kinds import I8, Kind
from fastgrad.differentiate.lowering import lower
from fastgrad.differentiate.program import For, Store, every

VECTOR = Kind("f8", 1)


def gradient(function, *kinds):
    return reverse_program(lower(function, (VECTOR, *kinds)), [0])


# ---- collecting ------------------------------------------------------------------------------------------------------


def beside(u):
    s = 0.0
    for i in range(1, len(u) - 1):
        s += u[i - 1] * u[i] * u[i + 1]
    return s


def of_a_buffer(u, n):
    old = u.copy()
    new = u.copy()
    for _ in range(n):
        for i in range(1, len(u) - 1):
            new[i] = old[i - 1] + old[i + 1] + old[i] * old[i]
        old, new = new, old
    return np.sum(old)


@pytest.mark.parametrize(("function", "kinds"), [(beside, ()), (of_a_buffer, (I8,))])
def test_what_several_neighbours_receive_is_collected(function, kinds):
    program = gradient(function, *kinds)
    loops = [s for s in every(gathered(program).body) if isinstance(s, For) and s.free]
    before = [s for s in every(program.body) if isinstance(s, For) and s.free]
    assert len(before) == 1 and len(loops) > 4
    for loop in loops:
        added = [s.base.id for s in loop.body if isinstance(s, Store) and s.add]
        assert len(added) == len(set(added)), "two entries of one array in an iteration"


def carried(u):
    for i in range(1, len(u) - 1):
        u[i] = u[i - 1] * u[i + 1]
    return np.sum(u)


def left_early(u):
    s = 0.0
    for i in range(1, len(u) - 1):
        s += u[i - 1] * u[i + 1]
        if s > 1.0:
            break
    return s


def under_a_condition(u):
    s = 0.0
    for i in range(1, len(u) - 1):
        if u[i] > 0.0:
            s += u[i - 1] * u[i + 1]
    return s


def of_an_expensive_function(u):
    s = 0.0
    for i in range(1, len(u) - 1):
        s += math.lgamma(3.0 + u[i - 1] * u[i + 1])
    return s


def in_steps(u):
    s = 0.0
    for i in range(1, len(u) - 1, 2):
        s += u[i - 1] * u[i + 1]
    return s


def counted_from_the_end(u):
    a = u * 1.0
    for i in range(-len(u), 2):
        a[i] = 2.0 * a[i] + u[i] * u[i + 1]
    return np.sum(a)


def one_place_each(u):
    s = 0.0
    for i in range(len(u)):
        s += u[i] ** 3
    return s


@pytest.mark.parametrize(
    "function",
    [carried, left_early, under_a_condition, of_an_expensive_function, in_steps, counted_from_the_end, one_place_each],
)
def test_other_loops_stay_as_they_are(function):
    program = gradient(function)
    assert gathered(program) is program


@pytest.mark.parametrize("size", [*range(8), 40])
@pytest.mark.parametrize("function", [beside, of_a_buffer])
def test_all_sizes(function, size):
    u = np.random.default_rng(size).uniform(0.5, 1.5, size)
    rest = (3,) if function is of_a_buffer else ()
    slope = fg.grad(function)(u, *rest)
    report = fg.check_gradients(lambda x: function(x, *rest), u, gradient=lambda _: slope) if size else None
    assert slope.shape == u.shape and (report is None or report.passed), str(report)
    np.testing.assert_array_equal(fg.grad(function).jitted(u, *rest), slope)


def test_the_source_shows_the_loop_as_it_is():
    derivative = fg.grad(beside)
    derivative(np.ones(4))
    assert derivative.source.count("\n    for i in") == 1 and "uint64" not in derivative.source


# ---- indices ---------------------------------------------------------------------------------------------------------


def rising(u, n):
    s = 0.0
    for i in range(n):
        s += u[i] * u[i]
    return s


def falling(u, n):
    s = 0.0
    for i in range(n, -3, -2):
        s += u[i] * u[i]
    return s


def from_the_end(u, n):
    s = 0.0
    for i in range(n):
        s += u[-i] * u[len(u) - 1 - i]
    return s


def one_place(u, n):
    s = 0.0
    for i in range(3):
        s += u[n - 1] * i
    return s


def no_loop(u, n):
    return u[n - 1] * u[-n]


def as_long_as(u, n):
    s, i = 0.0, 0
    while i < n:
        s += u[i] ** 2
        i += 1
    return s


def overwritten(u, n):
    for _ in range(2):
        for i in range(n):
            u[i] = u[i] * u[0]
    return np.sum(u)


@pytest.mark.parametrize("function", [rising, falling, from_the_end, one_place, no_loop, as_long_as, overwritten])
def test_an_index_outside_of_its_array_is_an_error_wherever_it_stands(function):
    u = np.arange(1.0, 6.0)
    slope = fg.grad(function)(u, 4)
    assert fg.check_gradients(lambda x: function(x.copy(), 4), u, gradient=lambda _: slope).passed
    for n in (7, 60):
        with pytest.raises(IndexError, match="an index is outside of"):
            fg.grad(function)(u, n)


def guarded(u, n):
    s = 0.0
    for i in range(n):
        s += u[i] * (u[i + 1] if i + 1 < len(u) else 1.0)
    return s


def left_in_time(u, n):
    s = 0.0
    for i in range(n):
        if i >= len(u):
            break
        s += u[i] ** 2
    return s


def skipped(u, n):
    s = u[0] * 1.0
    for i in range(n):
        if i < len(u):
            s += u[i] ** 2
    return s


def never(u, n):
    s = u[0] * 1.0
    for i in range(n + 50, n):
        s += u[i] ** 2
    return s


@pytest.mark.parametrize("function", [guarded, left_in_time, skipped, never])
def test_what_is_not_read_is_no_error(function):
    u = np.arange(1.0, 6.0)
    n = 5 if function is guarded else 9
    slope = fg.grad(function)(u, n)
    assert fg.check_gradients(lambda x: function(x, n), u, gradient=lambda _: slope).passed


def test_checks_stand_before_the_loop_where_that_says_all():
    assert "checked(" not in source(checked(gradient(beside)))
    assert "raise IndexError" in source(checked(gradient(rising, I8)))
    assert "checked(" in source(checked(gradient(as_long_as, I8)))


def test_an_index_that_may_be_negative_is_a_signed_number():
    text = source(unsigned(gradient(from_the_end, I8)))
    assert "uint64(-i" not in text and "uint64(len" not in text
    assert "uint64" not in source(unsigned(gradient(falling, I8)))
    assert "u[np.uint64(i)]" in source(unsigned(gradient(rising, I8)))


def test_index_arrays_are_left_to_numba():
    assert checked(gradient(lambda u, idx: np.sum(u[idx] ** 2), Kind("i8", 1))) is None
