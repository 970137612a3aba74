"""Calls of other functions: nested, recursive, closures, globals, defaults, keywords, already compiled."""

import math

import numba
import numpy as np

SCALE = 1.75
WEIGHTS = np.array([0.5, -1.0, 2.0, 0.25, -0.75])
CHOICES = (2.0, 3.0)
SETTINGS = {"scale": 1.5, "power": 2}


def _square(x):
    return x * x


def _both(x, y):
    return x * y, x + y


def _fill(a, x):
    for i in range(len(a)):
        a[i] = a[i] * x + i


def _scaled(u, scale=2.0, shift=0.0):
    return u * scale + shift


def _two_returns(x):
    if x < 1.0:
        return x * x
    return math.exp(x)


def _fibonacci(x, n):
    if n < 2:
        return x
    return _fibonacci(x, n - 1) + x * _fibonacci(x, n - 2)


def _tail(u):
    return u[1:]


@numba.njit
def _compiled(x, y):
    return x * math.sin(y)


@numba.njit
def _compiled_sum(u):
    s = 0.0
    for a in u:
        s += a * a
    return s


def _make(c):
    def power(x):
        return c * x**3

    return power


_cubed = _make(2.5)


def once(x):
    return _square(x) + x


def several_times(x, y):
    return _square(x) * _square(y) + _square(_square(x - y))


def of_an_array(u):
    return np.sum(_square(u) * u)


def two_results(x, y):
    p, s = _both(x, y)
    q, _ = _both(p, s)
    return p * s + q


def in_a_loop(u, x):
    s = x
    for a in u:
        s = _two_returns(s * 0.5) + a * s
    return s


def under_a_condition(x, y):
    return _square(x) if x > y else _two_returns(y)


def that_writes_into_its_argument(u, x):
    a = u.copy()
    _fill(a, x)
    s = np.sum(a * a)
    _fill(a[1:4], s)
    return np.sum(a) * x


def that_returns_a_view(u):
    a = u.copy()
    part = _tail(a)
    part[0] = a[0] * part[1]
    return np.sum(a * a)


def defaults_and_keywords(u, x):
    return np.sum(_scaled(u) * _scaled(u, x) + _scaled(u, shift=x) - _scaled(u, shift=x * x, scale=3.0))


def default_of_the_function_itself(x, power=3.0):
    return x**power * power


def recursive_twice(x):
    return _fibonacci(x, 6)


def compiled_before(x, y):
    return _compiled(x, y) * _compiled(y, x)


def compiled_before_of_an_array(u):
    return _compiled_sum(u) * _compiled_sum(u[1:])


def closure(x):
    return _cubed(x) * x


def global_number(x):
    return SCALE * x**2 + CHOICES[1] * x


def global_array(u):
    return np.sum(WEIGHTS * u * u) + WEIGHTS[2] * u[0]


def nested_function(x, y):
    def inner(a):
        return a * y + a**2

    return inner(x) * inner(y)


def nested_function_of_the_loop(u, x):
    def weight(i):
        return x * i + 1.0

    s = 0.0
    for i in range(5):
        s += weight(i) * u[i] ** 2
    return s


def local_lambda(u):
    f = lambda a: a * math.sin(a)  # noqa: E731  a lambda is what is tested
    s = 0.0
    for a in u:
        s += f(a)
    return s


def function_as_an_argument(x):
    def apply(f, a):
        return f(f(a))

    return apply(_square, x)


def through_several_levels(x, y):
    def outer(a):
        def middle(b):
            return _square(b) * a

        return middle(a + y)

    return outer(x)


def call_of_a_call(x):
    return math.sin(_square(math.cos(_square(x))))


def result_is_not_used(x, u):
    _square(u)
    return x * x


def keywords_of_numpy(A):
    return np.sum(A, axis=0)[1] * np.mean(a=A) + np.sum(np.zeros(shape=4) + A[0])


def dictionary_of_the_module(x):
    return x**2 * SETTINGS["scale"] + SETTINGS["power"] * x


def starred_argument(x, y):
    pair = (x, x * y)
    return math.hypot(*pair) + _both(*pair)[0]


def imported_inside(x):
    import math as m

    return m.sin(x) * x


def _shifted(a, b=0.7):
    return a + b * b


def default_of_the_name_of_a_local(x, v):
    s = x
    k = 0
    while k < 3:
        s *= _shifted(_shifted(1.0), v[k])
        k += 1
    return s


def default_is_first_used_in_a_loop(u, x):
    b = x
    for k in range(4):
        if u[k] > 0.2:
            b = b * _shifted(u[k])
        else:
            b = b - _shifted(u[k], b)
    return b


def _raised(a, b=0.3):
    for _ in range(3):
        b += np.sum(a)
    return b * a


def global_number_starts_a_loop(u):
    return np.sum(_raised(u, SCALE) * u)


def global_array_or_a_product_of_it(x, y):
    a = WEIGHTS * x
    s = 0.0
    for k in range(3):
        a = WEIGHTS if y > 5.0 + k else a[:] * y
        s += a[k]
    return s * np.sum(a)


def _set_first(a):
    a[0] = 5.0 * a[1]
    return 1.0


def _read_late(t, a):
    a[0] = 3.0
    return t[0] * t[1]


def array_is_read_before_a_call_that_writes_into_it(u):
    a = u.copy()
    row = np.array([a[0], _set_first(a), a[0]])
    a[0] = u[0]
    s = max(a[0], _set_first(a)) + a[0]
    a[0] = u[1]
    return s * row @ np.array([1.0, 2.0, 3.0]) + (a[0] < 9.0 * _set_first(a)) * a[0]


def tuple_is_made_before_the_call(u):
    a = u.copy()
    return _read_late((a[0], a[1]), a) + a[0]


def element_is_read_before_the_call_that_is_added(u):
    a = u.copy()
    a[0] += _set_first(a)
    a[:2] *= _set_first(a)
    a[0] *= a[0] * _set_first(a)
    return a[0] * a[1] + a[2]


def default_is_computed_with_the_function(u):
    a = u.copy()

    def inner(x=a[0]):
        return x * a[0] * a[1]

    a[0] = 2.0 * a[2]
    return inner() * inner(a[3])
