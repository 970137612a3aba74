"""Integers that Python would let grow, or would not divide by: an error where compiled ones would wrap or give zero."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from interpreting import interpreted

import fastgrad as fg


def quotient(x, a, b):
    return x * (a // b)


def remainder(x, a, b):
    return x * (a % b) if a else x


def power(x, a, b):
    return x * a**b


def power_of_two(x, a, b):
    return x * 2**b * a


def factorial(x, a, b):
    product = 1
    for k in range(1, a + 1):
        product *= k
    return x / product * b


def doubled(x, a, b):
    grown = b
    while a > 0:
        if a % 2 == 0:
            grown = 3 * grown
        a -= 1
    return x * grown


RIGHT = [
    (quotient, 7, -2), (remainder, -7, 3), (remainder, 0, 0), (power, -3, 39), (power, 5, 0), (power_of_two, 1, 62),
    (factorial, 20, 1), (doubled, 78, 1),
]  # fmt: skip
WRONG = [
    (quotient, 7, 0, ZeroDivisionError), (remainder, 7, 0, ZeroDivisionError), (power, 2, -1, ValueError),
    (power, -3, 40, OverflowError), (power_of_two, 1, 63, OverflowError), (power_of_two, 1, -1, ValueError),
    (factorial, 21, 1, OverflowError), (doubled, 80, 1, OverflowError),
]  # fmt: skip


@pytest.fixture(params=["plain", "compiled"])
def run(request):
    with interpreted() if request.param == "plain" else nullcontext():
        yield


@pytest.mark.parametrize(("f", "a", "b"), RIGHT)
def test_what_fits_is_as_in_python(run, f, a, b):
    value, slope = fg.value_and_grad(f)(2.0, a, b)
    assert value == f(2.0, a, b)
    assert slope == f(1.0, a, b)


@pytest.mark.parametrize(("f", "a", "b", "error"), WRONG)
def test_what_does_not_is_an_error(run, f, a, b, error):
    with pytest.raises(error):
        fg.value_and_grad(f)(2.0, a, b)


@pytest.mark.parametrize(
    "f", [lambda x: x * 2**70, lambda x: x * (2**62 * 4), lambda x: x * 100000000000000000000],
    ids=["a power", "a product", "a literal"],
)  # fmt: skip
def test_constants_of_more_than_64_bits_are_refused(f):
    with pytest.raises(fg.DifferentiationError, match="more than 64 bits: write it as a float"):
        fg.grad(f)(1.0)


def test_a_negative_power_that_is_written_out_is_a_float(run):
    assert fg.grad(lambda x: x * 10**-3)(2.0) == 10**-3
