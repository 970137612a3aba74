"""Loops over entries and their neighbours: between two arrays, in place, in all directions, with ends and exceptions."""

import math

import numpy as np


def diffusion_between_two_buffers(u, n):
    old = u.copy()
    new = u.copy()
    for _ in range(n):
        for i in range(1, len(u) - 1):
            new[i] = old[i] + 0.2 * (old[i - 1] - 2.0 * old[i] + old[i + 1])
        old, new = new, old
    return np.sum(old * old)


def reaction_between_two_buffers(u, x, n):
    old = u.copy()
    new = u.copy()
    for _ in range(n):
        for i in range(1, len(u) - 1):
            new[i] = old[i] + x * (old[i - 1] + old[i + 1]) + 0.1 * old[i] * (1.0 - old[i])
        old, new = new, old
    return np.sum(old * old * old)


def neighbours_are_multiplied(u, n):
    old = u.copy()
    new = u.copy()
    for _ in range(n):
        for i in range(1, len(u) - 1):
            new[i] = old[i - 1] * old[i + 1] + math.exp(-old[i])
        old, new = new, old
    return np.sum(old * old)


def two_arrays_in_turn(u, v, n):
    for _ in range(n):
        for i in range(4):
            v[i] += 0.3 * (u[i + 1] - u[i]) * u[i]
        for i in range(1, 5):
            u[i] += 0.3 * (v[i] - v[i - 1]) * v[i]
    return np.sum(u * u) + np.sum(v)


def in_place_from_both_sides(u, n):
    for _ in range(n):
        for i in range(1, len(u) - 1):
            u[i] = 0.25 * u[i - 1] ** 2 + 0.5 * u[i] + 0.25 * u[i + 1]
    return np.sum(u * u)


def downwards(u, v):
    a = np.zeros(5)
    for i in range(3, 0, -1):
        a[i] = u[i - 1] * v[i] + u[i + 1] * u[i]
    return np.sum(a * a)


def every_second_entry(u, v):
    a = np.zeros(5)
    for i in range(1, 4, 2):
        a[i] = u[i - 1] * v[i] + u[i + 1] ** 2
    return np.sum(a * v)


def counted_from_the_end(u, v):
    s = 0.0
    for i in range(5):
        s += u[i] * u[i - 1] * v[i - 2]
    return s


def a_place_counted_twice(u, v):
    a = u[:3].copy()
    for i in range(-3, 3):
        a[i] = 2.0 * a[i] + v[i] * u[i + 2 - 3]
    return np.sum(a * np.arange(1.0, 4.0))


def a_place_counted_twice_between_bounds(u, n):
    a = u[:3].copy()
    for i in range(-n, n):
        a[i] = 1.5 * a[i] + u[i + 2] * u[0]
    return np.sum(a * np.arange(1.0, 4.0))


def far_neighbours(u):
    s = 0.0
    for i in range(1):
        s += u[i] * u[i + 4] - u[i + 2] ** 2
    return s


def range_that_is_empty(u, n):
    s = u[0]
    for i in range(n, n):
        s += u[i - 1] * u[i + 1]
    for i in range(3, 1):
        s += u[i - 1] * u[i + 1]
    return s * u[1]


def range_that_ends_before_zero(u, n):
    old = u.copy()
    new = u * 2.0
    for k in range(n):
        for i in range(1, 3 * k - 4):
            new[i] = old[i - 1] * old[i + 1] * old[i]
        old, new = new, old
    return np.sum(old * old)


def one_iteration(u, v):
    for i in range(2, 3):
        v[i] = u[i - 1] * u[i + 1] * u[i]
    return np.sum(v * v)


def until_it_is_large(u, v):
    s = 0.0
    for i in range(1, 4):
        v[i] = u[i - 1] * u[i + 1] + u[i]
        s += v[i]
        if s > 0.3:
            break
    return s + np.sum(v * u)


def end_is_treated_apart(u):
    s = 0.0
    for i in range(5):
        right = u[i + 1] if i < 4 else 0.0
        s += (right - u[i]) ** 2
    return s


def end_is_treated_apart_in_place(u, v):
    for i in range(5):
        v[i] += u[i] * (u[i + 1] if i < len(u) - 1 else v[0])
    return np.sum(v * v)


def end_is_treated_apart_in_a_product(u, v, x, y):
    s = 0.0
    for i in range(5):
        s += v[i] * (math.sin(x * u[i + 1] * (y + u[i + 1] * x)) * u[i] * y if i < 4 else x * v[i])
    return s * x


def ends_are_treated_apart_twice(u, x):
    s = 0.0
    for i in range(5):
        s += u[i - 1] * (u[i + 1] * x if i < 4 else x) ** 2 if i > 0 else x * u[i + 1] if len(u) > 1 else u[7]
    return s


def only_where_it_rises(u, v):
    for i in range(1, 4):
        if u[i] > u[i - 1]:
            v[i] = u[i - 1] * u[i + 1]
    return np.sum(v * v)


def bounds_from_data(u, idx):
    s = 0.0
    for i in range(idx[1] - 1, idx[3]):
        s += u[i - 1] * u[i] * u[(i + 1) % 5]
    return s


def places_from_data(u, v, idx):
    for k in range(4):
        v[k] += u[idx[k]] * u[k + 1] * v[k]
    return np.sum(v * v)


def view_of_the_same_memory(u):
    a = u.copy()
    left = a[:-1]
    for i in range(1, 4):
        left[i] = a[i + 1] * a[i - 1] + left[i]
    return np.sum(a * a)


def read_through_a_view(u):
    a = u.copy()
    b = u * 2.0
    right = a[1:]
    for i in range(1, 4):
        b[i] = right[i] * a[i - 1]
    return np.sum(b * b)


def what_was_written_is_used(u, v):
    for i in range(1, 4):
        v[i] = u[i - 1] * v[i]
        t = v[i] * v[i]
        u[i + 1] += t
        u[i - 1] += v[i] * t
    return np.sum(u * u)


def sums_besides(u, x):
    s = 0.0
    a = np.zeros(5)
    for i in range(1, 4):
        t = x * u[i - 1] - u[i + 1]
        s += t * t
        a[i] = t * u[i]
    return s * np.sum(a)


def overlap_with_itself(u, x):
    a = u.copy()
    for i in range(1, 5):
        a[i - 1] += x * u[i] * u[i - 1]
        a[i] += u[i - 1] * u[i - 1]
    return np.sum(a * a)


def sweep_of_a_matrix(A, n):
    old = A.copy()
    new = A.copy()
    for _ in range(n):
        for i in range(1, A.shape[0] - 1):
            for j in range(1, A.shape[1] - 1):
                new[i, j] = old[i, j - 1] + old[i, j + 1] + old[i - 1, j] * old[i + 1, j] - 0.1 * old[i, j] ** 2
        old, new = new, old
    return np.sum(old * old)


def rows_of_a_matrix(M, r):
    a = np.zeros(4)
    for i in range(4):
        for j in range(1, 4):
            a[i] += M[i, j] * M[i, j - 1] * r[j] * r[j - 1]
    return np.sum(a * a)


def triangle_of_a_matrix(M):
    s = 0.0
    for i in range(3):
        for j in range(i, 3):
            s += M[i, j] * M[i, j + 1] * M[j, i]
    return s


def last_value_wins(u, v):
    for i in range(1, 4):
        v[2] = u[i - 1] * u[i + 1] + 0.5 * v[2]
    return v[2] ** 2


def numbers_kept_in_rows(u, v, x):
    s = 0.0
    for i in range(1, 5):
        v[i] = v[i] * v[i - 1] + u[i]
        s += x * math.tanh(v[i])
    return s * np.sum(v)


def nested_and_shrinking(u, x):
    for k in range(1, 4):
        for i in range(k, 4):
            u[i] = u[i] + x * u[i] * u[i - k]
    return np.sum(u * u)


def saved_in_a_branch(u, v, flag):
    if flag:
        for i in range(1, 4):
            v[i] = v[i] * v[i] * u[i - 1]
    for i in range(1, 4):
        v[i] *= u[i + 1] * v[i]
    return np.sum(v * v)


def arrays_in_a_loop(w, n):
    y = w
    for _ in range(n):
        k = np.array([y[1] * y[2], y[2] - y[0], y[0] * y[1]])
        half = y + 0.1 * k
        y = y + 0.2 * np.array([half[1] * half[2], half[2] - half[0], half[0] * half[1]]) + 0.1 * (k * 2.0)
    return np.sum(y * y)


def one_entry_for_all(u, x, n):
    y = np.array([x])
    s = u * 0.0
    for _ in range(n):
        s = s + y * np.sin(u * 0.5 + y * (y + u))
        y = y * 0.5 + 0.1
    return np.sum(s * u)


def columns_and_rows_are_spread(A, r, w, n):
    column = w.reshape(3, 1)
    total = A * 0.0
    for _ in range(n):
        total = total + np.exp(0.3 * column) * (A + 2.0 * r.reshape(1, 4) * column)
        column = column * 0.5
    return np.sum(total * A)
