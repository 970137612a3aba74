"""`if`, `elif`, `else`, early `return`, conditional expressions, and what is not taken."""

import math

import numpy as np


def two_sides(x, y):
    if x > y:
        return x * y
    else:
        return x + y * y


def one_side(x):
    y = x * x
    if y < 1.0:
        y = y * 3.0
    return y * x


def many_sides(x, n):
    if n == 0:
        y = x
    elif n == 1:
        y = x * x
    elif n == 3:
        y = math.sin(x) * x
    else:
        y = 1.0
    return y * 2.0


def early_return(x, y):
    if x < 0.0:
        return -x
    y = y * x
    if y < 10.0:
        return y * y
    return y


def early_return_from_a_loop(u):
    s = 0.0
    for a in u:
        s += a * a
        if s > 0.5:
            return s * a
    return s


def early_return_from_nested_loops(A):
    s = 1.0
    for i in range(3):
        for j in range(4):
            s *= 1.0 + 0.1 * A[i, j]
            if i * j == 2:
                return s * A[i, j]
    return s


def return_from_while(x):
    n = 0
    while True:
        x = x * x + 0.3
        n += 1
        if n == 4:
            return x * n


def conditional_expression(x, y):
    return (x * y if x > y else x / y) + (y if x < 0.0 else x**2)


def chained_conditional_expression(x):
    return 0.0 if x < -1.0 else x * x if x < 0.5 else x**3 if x < 1.0 else 1.0


def square_root_is_not_taken(z):
    return math.sqrt(z) if z > 0.0 else z * z


def division_is_not_taken(x):
    d = x - x
    return x / d if d != 0.0 else 3.0 * x


def nested_conditions(x, y, z):
    if x > 0.0:
        if y > 1.0:
            w = x * y
            if z > 0.0:
                w = w * z
            else:
                w = w - z
        else:
            w = x
    else:
        w = z
    return w * x


def logic(x, y, z):
    if (x > 0.0 and y > 0.0) or z > 0.0:
        r = x * y
    else:
        r = z
    if not (z > 0.0) and x < 1.0:
        r += z * z
    return r


def condition_is_an_argument(x, flag):
    return x**3 if flag else x


def condition_is_a_string(x, mode):
    if mode == "square":
        return x * x
    if mode == "tanh":
        return math.tanh(x)
    return x


def condition_is_none(x, nothing):
    if nothing is None:
        return x * 4.0
    return x * nothing


def defined_on_both_sides(x, y):
    if x < y:
        a = x
        b = y * 2.0
    else:
        a = y
        b = x
    return a * b + a


def overwritten_on_one_side(x, y):
    a = x * y
    b = a * a
    if b > 0.1:
        a = math.exp(a)
    return a * b


def condition_in_a_loop(u, x):
    s = x
    for a in u:
        if a > 0.0:
            s = s * a + 1.0
        else:
            s = s - a * x
    return s


def branch_that_ends_the_loop(u):
    s = 0.0
    i = 0
    while i < 5:
        if u[i] > 0.0:
            s += u[i] ** 2
            i += 2
        else:
            s -= u[i] * s
            i += 1
    return s


def arrays_on_both_sides(u, v, x):
    if x > 0.5:
        a = u * v
    else:
        a = u - v
    return np.sum(a * a)


def truth_of_a_number(x, n):
    y = x if n else 0.0
    if n % 2:
        y *= x
    return y


def condition_on_a_reduction(u, v):
    if np.sum(u) > np.sum(v):
        return np.sum(u * u)
    return np.sum(u * v * v)


def any_and_all(u):
    s = np.sum(u)
    if np.any(u > 0.5):
        s *= 2.0
    if np.all(u > -10.0):
        s = s * u[0]
    return s


def nothing_happens(x):
    if x > 100.0:
        pass
    return x * x


def checked_by_assert(x):
    assert x > 0.0
    return math.sqrt(x) * x


def raises_where_it_is_not_taken(x):
    if x < 0.0:
        raise ValueError("x: expected a positive number")
    return math.log(x) ** 2


def piecewise(x):
    knots = (0.0, 0.5, 1.0, 2.0)
    y = 0.0
    for k in range(3):
        if knots[k] <= x < knots[k + 1]:
            t = (x - knots[k]) / (knots[k + 1] - knots[k])
            y = t * t * (3.0 - 2.0 * t) + k
    return y


def walrus(x):
    if (y := x * x) > 0.2:
        return y * x
    return y


def swapped_numbers_after_a_loop_that_may_return(x, y, u):
    for a in u:
        y -= a * a
        if a > 0.95 and x < 0.1:
            return x * u[4]
    if x <= 5.0:
        x, y = y, x
    return 0.5 * x + 0.87 * y * y


def part_of_one_of_two_arrays_is_written(u, v, x):
    a = u * 2.0
    b = v * v
    if x > 5.0:
        c = a[1:4]
    else:
        c = b[:3]
    c[1] = x * c[0]
    c *= x
    return np.sum(c * c * c)


def turned_with_an_argument_that_is_not_differentiated(x, y, u, power=2.0):
    if u[0] > 5.0:
        x, power, y = power, y, x
    u[3] += power * u[1]
    k = 0
    while k < 2 and not y < x:
        break
    return np.sum(u * u)


def argument_that_is_not_differentiated_is_set_in_a_branch(y, A, C, n, power=2.0):
    if n > 5 and A[0, 0] < y:
        power, s = np.sum(A), A[0, 0] * A[0, 1]
        if A[0, 1] > -0.78:
            power, s = -0.93, -s
    total = 0.5 * y + 1.24 * power
    return np.sum(A * C) * total


def or_gives_its_first_operand(x, y):
    w = x or 1.0
    v = 0.0 * x or y
    return w * w * x + v * v


def and_gives_its_last_operand(x, y):
    w = x and y
    v = 0.0 * y and x
    return x * w + v


def truth_or_number(x, y, u, flag):
    a = flag and u[0] * 2.0
    b = (not flag) or u[1]
    c = x > 5.0 or y
    return a * 2.0 + b * u[2] + c * c + ((x > 0.1 and y > 0.1) + x) * y


def operands_that_need_statements(x, y, u):
    def squares(a):
        s = 0.0
        for e in u:
            s += a * e * e
        return s

    return (squares(x) and squares(y)) + (squares(x) or squares(y)) * x


def integer_or_its_default(x, n):
    k = n - 3 or 2
    return sum(x**i for i in range(k or 5)) * k


def truths_of_numbers(x, u, n):
    s = 1.0 if any(e for e in u) and not all(n and e > 0 for e in u) else 2.0
    while n and x > 0:
        n -= 1
        s += x * x
    return s * (3.0 if x and not (s and n) else 5.0)
