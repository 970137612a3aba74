"""Functions that call themselves, to a depth that arguments decide: on numbers, on slices, in loops, through others."""

import math

import numpy as np

SHRINK = 0.8
WEIGHTS = np.array([0.5, -1.0, 2.0, 0.25, -0.75])


def _fibonacci(x, n):
    if n < 2:
        return x
    return _fibonacci(x, n - 1) + x * _fibonacci(x, n - 2)


def _total(u):
    if len(u) == 0:
        return 0.0
    return u[0] * math.sin(u[0]) + _total(u[1:])


def _is_even(x, n):
    return x if n == 0 else _is_odd(x * x, n - 1)


def _is_odd(x, n):
    return 1.0 if n == 0 else _is_even(math.sin(x), n - 1)


def _female(x, n):
    return 1.0 if n == 0 else x - _male(0.5 * _female(x, n - 1), n - 1)


def _male(x, n):
    return 0.0 if n == 0 else x + math.sin(_female(_male(x, n - 1), n - 1))


def _fill(a, n):
    if n == 0:
        return
    a[n - 1] = a[n - 1] * a[n]
    _fill(a, n - 1)


def _sort(a):
    if len(a) < 2:
        return
    last, k = a[-1], 0
    for i in range(len(a) - 1):
        if a[i] < last:
            a[i], a[k] = a[k], a[i]
            k += 1
    a[-1] = a[k]
    a[k] = last
    _sort(a[:k])
    _sort(a[k + 1 :])


def _smooth(u, n):
    if n == 0:
        return u
    return _smooth(np.sin(u) * u, n - 1)


def _pair(x, y, n):
    if n <= 0:
        return x, y
    p, q = _pair(x * y, x + y, n - 1)
    return q * x, p


def _area(f, a, b, tolerance):
    middle = 0.5 * (a + b)
    coarse = (b - a) * (f(a) + f(b)) / 2
    fine = (b - a) * (f(a) + 2 * f(middle) + f(b)) / 4
    if abs(fine - coarse) < tolerance:
        return fine
    return _area(f, a, middle, tolerance / 2) + _area(f, middle, b, tolerance / 2)


def _layers(W, x, n):
    return x if n == 0 else np.tanh(W @ _layers(W, x, n - 1) + x)


def power(x, n):
    return 1.0 if n == 0 else x * power(x, n - 1)


def two_branches(x, n):
    return _fibonacci(x, n + 3) * x


def squaring(x, n):
    if n == 0:
        return 1.0
    half = squaring(x * x, n // 2)
    return half * x if n % 2 == 1 else half


def over_slices(u):
    return _total(u) ** 2


def halves(u):
    if len(u) == 1:
        return u[0] ** 2
    m = len(u) // 2
    left, right = halves(u[:m]), halves(u[m:])
    return left * right + math.sin(left)


def every_other(u, x):
    if len(u) == 1:
        return u[0] * x
    return every_other(u[::2], x) + math.cos(every_other(u[1::2], x * x)) * np.sum(u[::-1] * u)


def rows_of_a_matrix(A):
    if A.shape[0] == 1:
        return np.sum(A**2)
    return rows_of_a_matrix(A[1:, 1:]) * A[0, 0] + np.sum(A[0] * A[1])


def two_arrays(u, v):
    return 0.0 if len(u) == 0 else u[0] * v[-1] ** 2 + two_arrays(u[1:], v[:-1]) * v[0]


def by_position(u, v):
    def dot(i):
        return 0.0 if i == len(u) else u[i] * v[i] + u[i] * dot(i + 1)

    return dot(0)


def through_another(x, n):
    return _is_even(x, n + 1) * _is_odd(x, n)


def each_through_the_other(x, n):
    return _female(x, n)


def in_a_loop(u, n):
    s = 0
    for i in range(n):
        s = s * u[i] + power(u[i] + 0.1, i + 1)
    return s


def loop_around_itself(u, x):
    def tree(i, y):
        s = y
        for k in range(2):
            if 2 * i + k + 1 < len(u):
                s += tree(2 * i + k + 1, s * u[i])
        return s * u[i]

    return tree(0, x)


def inner_function(x, n, u):
    scale = x * x

    def step(k, y):
        if k == 0:
            return y + scale
        return step(k - 1, y * u[k] + math.sin(scale * y))

    return step(n, x) + step(1, scale)


def inner_function_of_two_levels(x, n):
    def outer(k, y):
        z = y * x

        def inner(m):
            return z if m == 0 else inner(m - 1) * y

        return inner(2) if k == 0 else outer(k - 1, 0.5 * z) + inner(k)

    return outer(n, x)


def result_is_an_array(u, n):
    return np.sum(_smooth(u, n) * u)


def result_is_a_tuple(x, y, n):
    p, q = _pair(x, y, n)
    return p * p + x * q


def writes_in_place(u, n):
    a = u.copy()
    _fill(a, n)
    return np.sum(a * u) * a[0]


def writes_in_place_in_a_loop(u, n, x):
    a = u * x
    for k in range(1, n + 1):
        _fill(a[1:], k)
        a[0] += a[1] * x
    return np.sum(a * a)


def sorts_in_place(u):
    a = u.copy()
    _sort(a)
    return np.sum(a * WEIGHTS) * a[0]


def inner_function_that_writes(u, n):
    a = np.zeros(8)

    def put(k, y):
        a[k] = y * u[k]
        if k < n:
            put(k + 1, y * a[k] + a[k - 1])

    put(1, u[0])
    return np.sum(a) * a[2]


def own_array_written_into(u, n):
    if n == 0:
        return np.sum(u * u)
    a = u.copy()
    for i in range(1, len(a)):
        a[i] = a[i - 1] * a[i] + 0.3
    b = own_array_written_into(a, n - 1)
    a[0] = b * u[1]
    return a[0] + np.sum(a)


def depth_by_value(x):
    y = 0.5 * (x + 2.0 / x)
    return y if abs(y * y - 2.0) < 0.05 else depth_by_value(y) * x


def adaptive_area(x, y):
    return _area(lambda t: math.exp(-x * t) * math.sin(t), 0.0, y, 1e-2)


def many_levels_that_the_text_shows(x):
    return power(0.3 + x, 40)


def counts_up(x, k=0):
    return x if x < 0.2 or k > 20 else counts_up(x * 0.7, k + 1) + x * k


def sum_handed_down(u, done=0):
    if len(u) == 0:
        return done
    return sum_handed_down(u[1:], done * 0.5 + u[0] ** 2)


def globals_inside(x, n):
    if n == 0:
        return x * WEIGHTS[2]
    return SHRINK * globals_inside(math.sin(x), n - 1) + WEIGHTS[n] * x


def weights_handed_down(M, r, n):
    return np.sum(_layers(M, r, n) * r)


def under_where(p, x, n):
    logs = np.zeros(5)
    for i in range(5):
        logs[i] = _is_even(p[i], n)
    return np.sum(np.where(p > x, np.sqrt(logs + 2.0), p))


def argument_of_an_argument(x, n):
    return x if n == 0 else argument_of_an_argument(argument_of_an_argument(x * 0.5, n - 1), n - 1) * math.cos(x)


def while_it_calls_itself(x, n):
    y = x
    while y > 0.1 and n > 0:
        y *= 0.4 + 0.1 * while_it_calls_itself(y, n - 1)
        n -= 1
    return y * x


def array_grows_less(T):
    def inside(B):
        return np.sum(B**3) if B.shape[1] == 1 else inside(B[:, 1:] * B[:, :-1]) + np.mean(B)

    return inside(T[0]) * inside(T[1])
