"""Two names of one array: slices that are kept, transposes, rows, swapped names."""

import numpy as np


def write_through_a_slice(u):
    a = u.copy()
    part = a[1:4]
    part[0] = part[1] * part[2]
    part *= 2.0
    return np.sum(a * a)


def write_is_seen_by_the_slice(u, x):
    a = u.copy()
    part = a[2:]
    a[3] = x * a[0]
    return np.sum(part**2)


def write_through_a_row(A):
    B = A.copy()
    row = B[1]
    row[2] = row[0] * 3.0
    row += 1.0
    return np.sum(B * B)


def write_through_a_column(A):
    B = A.copy()
    column = B[:, 2]
    column[:] = column * B[:, 0]
    return np.sum(B**2)


def write_through_a_transpose(A):
    B = A.copy()
    C = B.T
    C[1, 2] = C[0, 0] * C[3, 1]
    C[0] += 2.0
    return np.sum(B * B)


def write_through_a_reshape(A):
    B = A.copy()
    flat = B.reshape(12)
    flat[5] = flat[0] * flat[1]
    flat[6:9] *= 2.0
    return np.sum(B**3)


def write_through_a_ravel(A):
    B = A.copy()
    flat = B.ravel()
    flat[::3] += flat[0] * 1.5
    return np.sum(B * B)


def alias(u):
    a = u.copy()
    b = a
    b[0] = a[1] ** 2
    a[1] = b[0] * b[2]
    return np.sum(a * b)


def copies_are_no_aliases(u):
    a = u.copy()
    b = a.copy()
    b[0] = 7.0 * a[1]
    c = a + 0.0
    c[1] = b[0]
    return np.sum(a * a) + np.sum(b * c)


def view_of_a_view(u):
    a = u.copy()
    b = a[1:]
    c = b[::2]
    c[1] = b[0] * c[0]
    b[2] += 1.0
    return np.sum(a**2) + np.sum(c)


def two_overlapping_slices(u):
    a = u.copy()
    left, right = a[:4], a[1:]
    left[1] = right[2] * 2.0
    right[0] *= left[0]
    return np.sum(left * right)


def swapped_names(u, v, n):
    a = u.copy()
    b = v.copy()
    for _ in range(n):
        a, b = b, a
        a *= 0.5
        b += a * a
    return np.sum(a * b) + np.sum(a)


def swapped_names_and_a_part_of_one(u, v, x, n):
    a = u.copy()
    b = v.copy()
    s = x
    for _ in range(n):
        part = a[1:4]
        s *= 1.0 + np.sum(part * part)
        a, b = b, a
    a[2] *= s
    return s + np.sum(a * a) + np.sum(b * u)


def swapped_buffers_of_a_recursion(u, n):
    old = u.copy()
    new = np.zeros(5)
    for _ in range(n):
        for i in range(1, 4):
            new[i] = old[i - 1] * 0.3 + old[i] * old[i + 1]
        new[0] = old[0]
        new[4] = old[4]
        old, new = new, old
    return np.sum(old * old)


def name_moves_to_another_array(u, v):
    a = u.copy()
    b = a
    a = v.copy()
    a[0] = b[1] * 2.0
    b[2] = a[0] ** 2
    return np.sum(a) * np.sum(b * b)


def rows_as_they_come(A):
    B = A.copy()
    s = 0.0
    for row in B:
        row[0] = row[1] * row[2]
        s += np.sum(row * row)
    return s + np.sum(B)


def slice_that_moves(u):
    a = u.copy()
    for i in range(3):
        window = a[i : i + 3]
        window[1] = window[0] * window[2]
    return np.sum(a * a)


def view_of_the_argument(u):
    part = u[1:3]
    part *= 3.0
    return np.sum(u**2)


def argument_under_two_names(u):
    a = u
    a[0] = u[1] * u[2]
    return np.sum(u * a)


def diagonal_by_loop_over_a_view(M):
    B = M.copy()
    C = B[1:, 1:]
    for i in range(3):
        C[i, i] = B[i, i] * C[i, 0]
    return np.sum(B * B)


def view_outlives_the_name(u):
    a = u * 2.0
    part = a[::-1]
    a = u * u
    part[0] = a[0]
    return np.sum(part * a)


def ravel_of_a_vector_is_no_copy(u):
    a = u.copy()
    b = a.ravel()
    b[0] = a[1] * a[2]
    c = a.flatten()
    c[1] = 4.0 * b[0]
    return np.sum(a * a) + np.sum(c)


def arithmetic_that_changes_nothing_copies(u):
    a = u.copy()
    total = 0.0
    for b in (a + 0.0, 1.0 * a, -(-a), a**1, a / 1.0, +a, a - 0.0):
        b[0] = 2.0 * a[1]
        total += np.sum(b * b)
    return total + np.sum(a * a)


def copies_one_by_one(u):
    a = u.copy()
    b = a + 0.0
    b[0] = 2.0 * a[1]
    c = 1.0 * a
    c[1] = b[0] * a[2]
    d = a**1
    d[2] = c[1] + a[3]
    e = +a
    e[3] = 5.0 * a[0]
    f = a.astype(np.float64)
    f[4] = e[3]
    return np.sum(a * a) + np.sum(b * c + d * e * f)


def double_transpose(A):
    B = A.copy()
    C = B.T.T
    C[0, 1] = B[1, 1] ** 2
    return np.sum(B * C)


def write_while_it_is_read_by_a_loop(u):
    a = u.copy()
    s = 0.0
    for i, x in enumerate(a):
        a[(i + 1) % 5] += 0.5 * x
        s += x * a[i]
    return s + np.sum(a * a)


def saved_view_is_overwritten_later(u):
    a = u.copy()
    part = a[1:4]
    s = np.sum(part * part)
    a[2] = 3.0 * a[0]
    t = np.sum(part**3)
    a[:] = 0.5
    return s * t + np.sum(part) * u[0]


def sum_with_a_constant_outlives_its_array(u, x):
    a = u.copy()
    b = a + 1.5
    a[1] = x * a[0]
    c = 2.0 - a
    c[0] = a[2]
    a[3] = 0.5
    return np.sum(a * a) + np.sum(b * c * c)


def view_is_the_result(u, x):
    a = u.copy()
    part = a[1:4]
    a[2] = x * a[0]
    return part


def view_is_one_of_the_results(u, mask):
    a = u * u
    part = a[::2]
    a[mask] = 2.0
    return a, part, np.sum(part)


def diagonal_scales_a_column(M, n):
    a = M.copy()
    for _ in range(n):
        a[:, 2] *= np.diag(a.T)
    return np.sum(a * a)


def copied_diagonal_of_an_array_that_is_written(A):
    a = A.copy()
    d = np.diag(a).copy()
    a[0, 0] = a[1, 1] * d[2]
    return np.sum(d * d) + np.sum(a**3)


def reshape_that_has_to_copy(A):
    B = A.copy()
    flat = B.T.reshape(12)
    flat[1] = flat[0] * flat[2]
    return np.sum(B * B) + np.sum(flat**2)


def ravel_that_has_to_copy(A):
    B = A.copy()
    flat = B[:, ::2].ravel()
    flat[1] *= B[0, 0]
    B[0, 2] *= 3.0
    return np.sum(B * B) + np.sum(flat**2)


def copies_of_columns_and_steps(A, u):
    B = A.copy()
    part = B[:, 1:3].reshape(3 * 2)
    part[1] = B[0, 2] * 2.0
    B[0, 2] = part[2]
    a = u.copy()
    steps = a[::-2].ravel()
    steps[0] *= a[4]
    a[4] = steps[1]
    return np.sum(B * B) + np.sum(part**3) + np.sum(steps**2) * np.sum(a)


def copies_of_transposes_in_a_loop(T, x):
    S = T.copy()
    s = 0.0
    for k in range(2):
        flat = np.transpose(S, (2, 0, 1))[k].ravel()
        flat[k] = x * S[k, 0, 0]
        S[k, 1] *= flat[2]
        s += np.sum(flat**2)
    return s + np.sum(S * S)


def reshape_of_a_part_that_is_a_block(A):
    B = A.copy()
    flat = B[1:].reshape(8)
    flat[2] = B[0, 0] * flat[1]
    return np.sum(B * B)
