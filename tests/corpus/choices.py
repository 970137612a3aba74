"""Arrays that are chosen by a condition or change their names, and are written into afterwards."""

import numpy as np


def one_of_two_arrays(u, v, flag):
    a = u.copy()
    b = v.copy()
    c = a if flag else b
    c[0] = a[1] * b[1]
    return np.sum(a * a) + np.sum(b * b * b)


def slice_of_one_of_two(u, v, flag):
    a = u.copy()
    b = v.copy()
    c = a[1:] if flag else b[1:]
    c[0] = a[1] * b[1]
    return np.sum(a * a) + np.sum(b * b * b)


def one_of_two_by_value(u, v, x):
    a = u.copy()
    b = v.copy()
    if x > 5.0:
        c = a
    else:
        c = b
    c *= x
    return np.sum(a * b)


def swapped_under_a_condition(u, v, n):
    a = u.copy()
    b = v.copy()
    for i in range(n):
        if a[0] > b[0]:
            a, b = b, a
        a[i] = b[i] * a[i + 1] + 1.0
        b[i + 1] *= a[i]
    return np.sum(a * a) + np.sum(b)


def chosen_in_a_loop(u, v, n):
    a = u.copy()
    b = v.copy()
    for i in range(n):
        t = a if i % 2 == 0 else b
        t[i] = a[i + 1] * b[i]
    return np.sum(a * a) + np.sum(b * b * b)


def both_written_and_swapped(u, v, n):
    a = u.copy()
    b = v.copy()
    for i in range(n):
        a[i] = b[i] * a[i + 1]
        b[0] += a[i]
        a, b = b, a
    return np.sum(a * a * u) + np.sum(b)


def three_in_turn(u, v, n):
    a = u.copy()
    b = v.copy()
    c = np.zeros(5)
    for i in range(n):
        a[i] = b[i] * a[i + 1]
        c[i] = a[0] + c[i - 1]
        a, b, c = b, c, a
    return np.sum(a * a * u) + np.sum(b) + np.sum(c * c)


def swapped_unless_left_early(u, v, n):
    x = u.copy()
    y = np.empty(5)
    for k in range(n):
        for i in range(1, 4):
            y[i] = x[i - 1] + x[i + 1] - x[i]
        y[0] = x[0]
        y[4] = x[4]
        if k == 1:
            continue
        x, y = y, x
    return np.sum(x * x)


def two_names_chosen_at_once(u, v, flag):
    a = u.copy()
    b = v.copy()
    if flag:
        p, q = a, b
    else:
        p, q = b, a
    p[0] = q[1] * 2.0
    q[2] = p[0] * p[1]
    return np.sum(a * a) + np.sum(b**3) + p[1]


def chosen_by_a_function(u, v, x):
    def pick(a, b):
        return a if x > 0.5 else b

    a = u.copy()
    b = v.copy()
    c = pick(a, b)
    c[1:3] = a[2:4] * b[0:2]
    return np.sum(a * a) + np.sum(b**3) + c[0]


def old_and_new(u, v, n):
    a = u.copy()
    b = v.copy()
    old = a
    for i in range(n):
        old, a = a, old * 0.5
        a[i] = old[i + 1] * a[0]
    return np.sum(a * old) + np.sum(b)


def chosen_twice(u, v, x):
    a = u.copy()
    b = v.copy()
    c = a if x > 0.5 else b
    d = b if u[0] > 3 else a
    c[1] = d[2] * 2.0
    d[2] = c[1] * c[0]
    return np.sum(a * a) + np.sum(b**3) + np.sum(c * d)


def chosen_before_an_inner_loop(u, v, n):
    a = u.copy()
    b = v.copy()
    s = 0.0
    for i in range(n):
        t = a if u[i] > 0 else b
        for j in range(4):
            t[j] = t[j] * t[j + 1] + a[j]
            s += b[j] * t[0]
        if s > 100:
            break
    return np.sum(a * b) + s


def chosen_or_left(u, v, x):
    a = u.copy()
    b = v.copy()
    c = a
    if x > 0.5:
        c = b
    c[0] = 3.0 * a[1]
    c = c * 2.0
    c[1] = a[0] + b[0]
    return np.sum(a * b) + np.sum(c * c)


def lower_and_higher(u, v, n):
    a = u.copy()
    b = v.copy()
    i = 0
    while i < n:
        if a[i] < b[i]:
            lo, hi = a, b
        else:
            lo, hi = b, a
        lo[i] += 0.5 * hi[i]
        hi[i + 1] = lo[i] * lo[i + 1]
        i += 1
    return np.sum(a * a) + np.sum(b)


def row_or_column(A, flag):
    B = A.copy()
    r = B[0] if flag else B[:, 1][:3]
    r[0] = 2.0
    B[1, 1] = r[1] * r[2]
    return np.sum(B * B * B)


def new_array_after_the_choice(u, v, flag):
    a = u.copy()
    b = v.copy()
    c = a if flag else b
    d = np.zeros(5)
    d[0] = c[1] * c[2]
    c[0] = d[0] * 2.0
    d[1:3] = a[0:2] * b[2:4]
    return d


def chosen_array_is_returned(u, v, flag):
    a = u.copy()
    b = v.copy()
    c = a if flag else b
    c[0] = 2.0 * a[1] * b[1]
    return c, a


def slice_chosen_before_a_break(u, v, n):
    a = u.copy()
    b = v.copy()
    for i in range(4):
        c = a[i:] if i % 2 == 0 else b[:i]
        c[0] = c[0] * a[1] + b[2]
        if c[0] > 0.4:
            break
        d = c * 2.0
        d[0] = a[0]
        a[i] += np.sum(d)
    return np.sum(a * b)


def written_under_further_conditions(u, v, x):
    a = u.copy()
    b = v.copy()
    c = a if x > 5 else b
    if x > 0.1:
        c[1] = c[0] * a[1]
        if a[0] > 7.0:
            return np.sum(c)
        c[2] *= b[1]
    e = c
    e[3] = 1.5 * c[1]
    return np.sum(a * a * b) + np.sum(c * e)


def matrix_chosen_before_its_rows(A, B, flag):
    P = A.copy()
    Q = B.T.copy()
    R = P if flag else Q
    for i in range(3):
        row = R[i]
        row[0] = np.sum(P[i] * Q[0])
        R[:, 1] *= 2.0
    return np.sum(P * Q)


def part_of_one_of_two_arrays(u, v, x):
    a = u.copy()
    b = v.copy()
    c = a[1:4] if x > 5.0 else b[:3]
    b[1] = x * b[0]
    return np.sum(c * c) + np.sum(a * b)


def row_in_the_place_of_a_matrix(T, C, flag):
    if not flag:
        A = C
    else:
        A = T[0]
    A[0] = A[1] * A[2]
    return np.sum(T * T) + np.sum(A)


def swapped_and_chosen_on_some_ways(u, v, x, flag):
    a = u.copy()
    b = v.copy()
    c = b
    b = np.sin(c)
    if flag:
        p = c[:3] if x > 5 else a[1:4]
        b, a = a, b
    if b[0] < b[1]:
        c[2] = 0.5
    else:
        a[3:0:-1][:] = x
        p = b[:3]
    return np.sum(a * a * u) + np.sum(b * v) + np.sum(c) + np.sum(p * 0.3)
