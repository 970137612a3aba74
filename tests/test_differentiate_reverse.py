"""Reverse sweeps, run as plain Python, against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgrad.differentiate.custom import custom_gradient
from fastgrad.differentiate.errors import DifferentiationError
from fastgrad.differentiate.gradient import reverse_source
from fastgrad.differentiate.kinds import Kind, kind_of


def gradients(f, *args, argnums=None):
    """The gradients by the generated source, and by central differences."""
    kinds = [kind_of(a) for a in args]
    if argnums is None:
        argnums = [k for k, kind in enumerate(kinds) if isinstance(kind, Kind) and kind.is_float]
    made = reverse_source(f, kinds, argnums, with_value=True)
    space: dict[str, object] = {}
    exec(made.source, space)
    value, found = space[made.entry](*args, *(c.read() for c in made.captured))
    assert np.allclose(value, f(*[copied(a) for a in args]))
    return found, [differences(f, args, k) for k in argnums], made.source


def copied(value):
    return value.copy() if isinstance(value, np.ndarray) else value


def differences(f, args, k, h=1e-6):
    point = np.array(args[k], float)
    slopes = np.zeros_like(point)
    for at in np.ndindex(point.shape):
        ends = []
        for step in (h, -h):
            moved = point.copy()
            moved[at] += step
            ends.append(
                f(*[(moved if moved.ndim else float(moved)) if j == k else copied(a) for j, a in enumerate(args)])
            )
        slopes[at] = (ends[0] - ends[1]) / (2 * h)
    return slopes


def polynomial(x, y):
    return x**2 + 3 * x * y + y**2


def rosenbrock(x):
    s = 0
    for i in range(len(x) - 1):
        a = x[i + 1] - x[i] ** 2
        b = 1 - x[i]
        s += 100 * a * a + b * b
    return s


def stencil(x, n):
    u = x.copy()
    for _ in range(n):
        for i in range(1, len(u) - 1):
            u[i] = u[i] + 0.1 * math.sin(u[i - 1] - 2 * u[i] + u[i + 1])
        if u[0] > 3:
            break
    m = 0.0
    for v in u:
        if v > m:
            m = v
        elif v < -1:
            return v * 2
    return np.sum(u**2) * m


def runge_kutta(y, h, n):
    for _ in range(n):
        k1 = -np.sin(y)
        k2 = -np.sin(y + h * k1)
        y = y + h / 2 * (k1 + k2)
    return y @ y


def overlapping_sum(u, v):
    v[:4] += v[1:] + u[1:]
    return np.sum(v * v)


def own_element_added_to_all(u, y):
    u += u[3] - y
    return np.sum(u * u)


def read_backwards(u, x):
    u += np.minimum(u[::-1], x)
    return np.sum(u * u)


def repeated_indices(u):
    u[1:4] += u[np.array([2, 0, 2])]
    return np.sum(u * u)


def part_of_a_part(u, y):
    u[1:2] *= y
    p = u[1:4]
    a = np.concatenate((p[np.array([2, 1])], p[1:2]))
    return np.sum(a * a)


def continue_and_break(y, n):
    s = 0.0
    if y > 0.05:
        for _ in range(n):
            s += y * y
            if s > 3:
                continue
            break
    return s


def names_change_places(u, n):
    v = u * 2
    for _ in range(n):
        u, v = v, u * v
    return np.sum(u)


def view_that_a_branch_hands_on(u, y):
    if y > u[4]:
        p = u[:]
        u, p = p, u
    else:
        u[3] = np.mean(u[:2])
    return np.sum(u * u)


def array_that_a_loop_replaces_and_writes(y, u):
    for i in range(3, 1, -1):
        u = np.concatenate((u[3:], u[2:]))
        u[i], u[1] = y * u[1], u[i]
    return np.sum(u)


def old_array_is_restored(y, u):
    s = sum([y * e for e in u])
    for i in range(4, 1, -1):
        u[i] += y
        u = np.arange(5.0)
    return s + np.sum(u)


@custom_gradient
def softplus(x):
    e = math.exp(x)
    return math.log1p(e), lambda d: d * e / (1.0 + e)


@custom_gradient
def product(a, b):
    s = 0.0
    for i in range(len(a)):
        s += a[i] * b[i]

    def pull(d):
        return d * b, d * a

    return s, pull


def rules_in_a_loop(u, v):
    t = 0.0
    for _ in range(3):
        u = u * 1.1
        t += product(u, v) * softplus(t)
    return t


X = np.array([0.1, 0.2, 0.5, -0.3, 0.7])
V = X[::-1] * 1.3
CASES = [
    (polynomial, 1.0, 2.0), (rosenbrock, X), (stencil, X, 3), (runge_kutta, X, 0.1, 4), (overlapping_sum, X, V),
    (own_element_added_to_all, X, 0.3), (read_backwards, X, 0.25), (repeated_indices, X), (part_of_a_part, X, 0.7),
    (continue_and_break, 0.9, 4), (names_change_places, X, 3), (view_that_a_branch_hands_on, X, 0.3),
    (view_that_a_branch_hands_on, X, 1.3), (array_that_a_loop_replaces_and_writes, 0.3, X),
    (old_array_is_restored, 0.3, X), (softplus, 0.3), (rules_in_a_loop, X, V),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
def test_gradients_agree_with_differences(case):
    found, expected, source = gradients(*case)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7, err_msg=source)


def source_of(f, *args):
    return reverse_source(f, [kind_of(a) for a in args], (0,)).source


def test_nothing_is_saved_where_nothing_is_overwritten():
    source = source_of(rosenbrock, X)
    assert "tape" not in source and source.count("for ") == 2  # the loop, and the comment that quotes it
    assert "# line" in source and "s +=" not in source.split("# line", 2)[1].split("\n", 1)[1]


def test_a_short_function_has_a_short_gradient():
    assert "d_x = 2.0 * x + 3 * y" in source_of(polynomial, 1.0, 2.0)


def test_inactive_work_is_left_out():
    def f(x, v):
        w = np.sum(np.exp(v) * 2.0)
        return 3.0 * x + w

    assert "exp" not in source_of(f, 1.0, X).split("line", 1)[1].split("\n", 1)[1]


def test_the_untaken_side_makes_no_nan():
    def f(x):
        return np.sum(np.where(x > 0, np.log(x), 0.0) + np.where(x > 0, np.sqrt(x), x / 1.0))

    with np.errstate(all="ignore"):
        made = reverse_source(f, [kind_of(X)], (0,))
        space: dict[str, object] = {}
        exec(made.source, space)
        (found,) = space[made.entry](np.array([1.0, 0.0, -1.0]))
    np.testing.assert_allclose(found, [1.5, 1.0, 1.0])


def test_float32_stays_float32():
    def f(x):
        s = 0.0
        for i in range(len(x)):
            s += x[i] * x[i] * i
        return s + np.sum(np.exp(x) * 2.0)

    made = reverse_source(f, [Kind("f4", 1)], (0,))
    space: dict[str, object] = {}
    exec(made.source, space)
    assert space[made.entry](X.astype(np.float32))[0].dtype == np.float32


def test_two_names_of_a_written_array_are_refused():
    def f(a, b, n):
        c = a
        for k in range(n):
            a = a * 2.0
            if a[0] > b[k]:
                c = a
        c[0] = a[1] * b[1]
        return np.sum(a) + np.sum(b * c)

    with pytest.raises(DifferentiationError, match="another name: copy it") as caught:
        source_of(f, X, V, 3)
    assert caught.value.line and caught.value.file and caught.value.file.endswith("test_differentiate_reverse.py")
