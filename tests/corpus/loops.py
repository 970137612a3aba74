"""`for`, `while`, `break`, `continue`, comprehensions, `zip`, `enumerate`."""

import math

import numpy as np


def sum_by_a_loop(u):
    s = 0.0
    for i in range(len(u)):
        s += u[i] * u[i]
    return s


def over_the_entries(u):
    s = 0.0
    for a in u:
        s += math.sin(a) * s + a
    return s


def product_by_a_loop(u):
    p = 1.0
    for a in u:
        p *= a
    return p


def power_by_a_loop(x, n):
    p = 1.0
    for _ in range(n):
        p = p * x
    return p


def range_with_start_and_step(u):
    s = 0.0
    for i in range(1, 5, 2):
        s += u[i] ** 2 * i
    for i in range(4, -1, -1):
        s = s * 0.5 + u[i]
    return s


def empty_range(x, u):
    s = x
    for i in range(3, 1):
        s *= u[i]
    return s * x


def nested(A, x):
    s = 0.0
    for i in range(A.shape[0]):
        t = x
        for j in range(A.shape[1]):
            t *= 1.0 + A[i, j] ** 2
        s += math.log(t)
    return s


def nested_with_bounds_of_the_outer(u):
    s = 0.0
    for i in range(5):
        for j in range(i):
            s += u[i] * u[j] * (i - j)
    return s


def triple(T):
    s = 0.0
    for i in range(2):
        for j in range(3):
            for k in range(4):
                s = 0.9 * s + T[i, j, k] ** 2 * (i + j - k)
    return s


def newton_square_root(x):
    r = x
    while abs(r * r - x) > 1e-12:
        r = 0.5 * (r + x / r)
    return r


def fixed_number_of_rounds(x, y, n):
    i = 0
    while i < n:
        x = math.cos(x) * y
        i += 1
    return x


def while_with_two_conditions(x, y):
    n = 0
    while x < 10.0 and n < 8:
        x = x * 1.5 + y
        n += 1
    return x * n


def left_in_the_middle(u):
    s = 0.0
    for i in range(5):
        if s > 0.6:
            break
        s += u[i] ** 2
    return s * i


def left_and_something_after(u, x):
    s = x
    for a in u:
        s = s * 1.3 + a
        if s > 1.5:
            s = s * s
            break
        s += 0.1
    return s + x * s


def some_are_passed_over(u):
    s = 0.0
    for i in range(5):
        if u[i] < 0.0:
            continue
        s += math.sqrt(u[i]) * (s + 1.0)
    return s


def break_and_continue(u):
    s = 1.0
    for i in range(5):
        if i == 1:
            continue
        if i == 4:
            break
        s *= 1.0 + u[i] ** 2
    return s


def forever_until_a_break(x):
    n = 0
    while True:
        x = x * x + 0.2
        n += 1
        if n > 3 or x > 2.0:
            break
    return x


def break_of_the_inner_loop(A):
    s = 0.0
    for i in range(3):
        for j in range(4):
            if A[i, j] > 0.7:
                break
            s += A[i, j] ** 2 * (i + 1)
        else:
            s += 1.0
    return s


def else_of_a_loop(u, x):
    s = 0.0
    for a in u:
        if a > 100.0:
            break
        s += a * x
    else:
        s *= x
    return s


def while_with_else(x):
    n = 0
    while n < 3:
        x = math.sin(x) + 0.5
        n += 1
    else:
        x *= 2.0
    return x


def pairs(u, v):
    s = 0.0
    for a, b in zip(u, v):
        s += a * b + a * s
    return s


def pairs_of_unequal_length(u, w):
    s = 0.0
    for a, b in zip(u, w):
        s += a * b**2
    return s


def numbered(u):
    s = 0.0
    for i, a in enumerate(u):
        s += (i + 1) * a**2
    for i, a in enumerate(u, 2):
        s += i * a
    return s


def numbered_pairs(u, v):
    s = 0.0
    for i, (a, b) in enumerate(zip(u, v)):
        s += i * a * b
    return s


def backwards(u):
    s = 0.0
    for i in reversed(range(5)):
        s = s * 0.5 + u[i] ** 2
    return s


def over_rows(A):
    s = 0.0
    for row in A:
        s += np.max(row) * np.sum(row * row)
    return s


def list_comprehension(u, x):
    squares = [a * a * x for a in u]
    return sum(squares) + squares[1] * squares[2]


def comprehension_with_a_condition(u):
    return sum([a**3 for a in u if a > 0.0])


def array_from_a_comprehension(u, x):
    a = np.array([x * u[i] + i for i in range(5)])
    return np.sum(a * a)


def over_a_tuple_of_numbers(x):
    s = 0.0
    for c in (1.0, 2.0, 3.0):
        s += c * x**c
    return s


def state_of_several_numbers(x, y, n):
    a, b = x, y
    for _ in range(n):
        a, b = b * 0.9, a + b * x
    return a * b


def number_of_rounds_depends_on_the_value(x):
    s = 1.0
    t = 1.0
    k = 1
    while abs(t) > 1e-10:
        t = t * x / k
        s += t
        k += 1
    return s


def value_from_the_last_round(u):
    for i in range(5):
        t = u[i] * u[i] * (i + 1)
    return t


def loop_variable_after_the_loop(u):
    s = 0.0
    for i in range(4):
        s += u[i]
    return s * u[i + 1] * i


def two_loops_with_the_same_names(u, v):
    s = 0.0
    for i in range(3):
        t = u[i] * 2.0
        s += t * t
    for i in range(5):
        t = v[i] * s
        s = s * 0.5 + t
    return s


def bound_changes_inside(u):
    n = 3
    s = 0.0
    for i in range(n):
        n = n + 1
        s += u[i] * n * s + u[i]
    return s


def counter_changes_inside(u):
    s = 0.0
    for i in range(4):
        k = i
        i = i + 1
        s += u[i] * u[k]
    return s


def tuple_of_entries_is_made_before_the_loop(u):
    a = u.copy()
    s = 0.0
    for e, k in ((a[0], 1), (a[0] * a[1], 2)):
        a[0] = 2.0 * a[1] * k
        s += e * e
    return s + a[0]


def powers_of_zero(u, n):
    s = 0.0
    for k in range(n):
        s += (u[0] - u[0] + u[1] * 0.0) ** k * u[2]
    a = u * 0.0
    for k in range(n):
        s += np.sum(a**k * u)
    return s
