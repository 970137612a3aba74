"""Writing into arrays: entries, slices, lists of entries, in place, over what is still needed."""

import numpy as np


def one_entry(u, x):
    a = u.copy()
    a[1] = x * a[0]
    return np.sum(a * a)


def entry_over_itself(u):
    a = u.copy()
    a[2] = a[2] * a[2]
    a[2] = np.sin(a[2]) + a[1]
    return a[2] * np.sum(a)


def added_to_an_entry(u, x):
    a = np.zeros(5)
    a[0] += x
    a[0] += u[1] * x
    a[3] -= u[2]
    a[3] *= x
    a[3] /= u[4]
    return a[0] * a[3]


def recurrence_over_an_array(u, x):
    a = np.zeros(5)
    a[0] = x
    for i in range(1, 5):
        a[i] = a[i - 1] * u[i] + a[i - 1] ** 2
    return a[4] + np.sum(a)


def written_into_the_argument(u):
    u[0] = u[1] * u[2]
    u[3] *= u[0]
    return np.sum(u * u)


def argument_doubled_in_place(u):
    u *= 2.0
    u += u * u
    return np.sum(u**2)


def slice_is_set(u, x):
    a = u * 1.0
    a[1:3] = x
    a[3:] = a[:2] * u[3:]
    return np.sum(a**2 * u)


def slice_is_increased(u, v):
    a = u.copy()
    a[1:] += v[:-1] * a[1:]
    a[::2] -= v[::2] ** 2
    a[-2:] *= u[:2]
    return np.sum(a * v)


def slice_that_overlaps_itself(u):
    a = u.copy()
    a[1:] = a[:-1]
    return np.sum(a * u * np.arange(1.0, 6.0))


def slice_that_overlaps_itself_and_grows(u):
    a = u.copy()
    a[1:] += a[:-1]
    a[:-1] *= a[1:]
    return np.sum(a**2)


def reversed_into_itself(u):
    a = u.copy()
    a[:] = a[::-1]
    return np.sum(a * u * np.arange(5.0))


def everything_is_set(u, x):
    a = u * u
    s = np.sum(a)
    a[:] = x
    return s + np.sum(a * u)


def set_to_a_constant(u):
    a = u * 1.0
    s = np.sum(a**2)
    a[1:4] = 0.0
    return s * np.sum(a)


def row_and_column(A, r, w):
    B = A.copy()
    B[0] = r
    B[:, 1] = w
    B[1] += B[0] * r
    B[:, -1] *= w
    return np.sum(B**2)


def block(A, x):
    B = np.zeros((4, 5))
    B[1:, :4] = A
    B[:3, 1:] += A * x
    B[::2, ::2] *= B[::2, ::2]
    return np.sum(B * B)


def plane_of_a_cube(T, A):
    U = T.copy()
    U[0] = A
    U[1, :, 2] += A[:, 0] * U[0, :, 1]
    U[:, 0, 0] = 3.0
    return np.sum(U**2)


def entries_of_a_matrix_by_loops(A, C):
    B = np.zeros((3, 4))
    for i in range(3):
        for j in range(4):
            B[i, j] = A[i, j] * C[i, 3 - j]
            if j > 0:
                B[i, j] += B[i, j - 1] ** 2
    return np.sum(B)


def list_of_entries_is_set(u, idx):
    a = u.copy()
    a[np.array([0, 3])] = u[np.array([1, 2])] ** 2
    return np.sum(a * u) + np.sum(idx)


def mask_is_set(u):
    a = u.copy()
    a[a < 0.0] = 0.0
    return np.sum(a**2 + a)


def mask_is_set_to_an_entry(u):
    a = u.copy()
    a[a > 0.1] = a[1]
    return np.sum(a * np.arange(1.0, 6.0))


def mask_is_scaled(u, x):
    a = u.copy()
    a[a > 0.1] *= x
    a[a < -0.2] += u[0] * x
    return np.sum(a * a * np.arange(1.0, 6.0))


def mask_is_set_to_a_vector(u, mask, r):
    a = u * u
    a[mask] = r[:3] * a[1:4]
    return np.sum(a**3)


def mask_is_set_in_a_loop(u, x, n):
    b = u.copy()
    for k in range(n):
        b[b > k * 0.3] *= x
    return np.sum(b * b)


def argument_is_written_and_there_is_a_text(u, x, mode, nothing):
    if mode == "tanh" and nothing is None:
        u[1] = x * u[0]
    return np.sum(u * u)


def scattered_by_a_loop(v, idx):
    a = np.zeros(5)
    for i in range(len(idx)):
        a[idx[i]] += v[i] ** 2
    return np.sum(a * a)


def counted_twice_in_one_entry(u):
    a = np.zeros(1)
    for i in range(5):
        a[0] += u[i] * a[0] + u[i]
    return a[0]


def written_after_it_was_used(u):
    a = u.copy()
    s = a[0] ** 2
    a[0] = 5.0
    return s + a[0] * a[1]


def used_array_is_overwritten_in_a_loop(u, x, n):
    a = u.copy()
    s = 0.0
    for _ in range(n):
        s += np.sum(a * a) * x
        a[:] = np.sin(a) + x
    return s


def swapped_entries(u):
    a = u.copy()
    a[0], a[1] = a[1] * 2.0, a[0]
    a[2], a[4] = a[4], a[2]
    return np.sum(a * np.arange(1.0, 6.0) * u)


def bubble(u):
    a = u.copy()
    for i in range(4):
        for j in range(4 - i):
            if a[j] > a[j + 1]:
                a[j], a[j + 1] = a[j + 1], a[j]
    return np.sum(a * np.array([1.0, -2.0, 3.0, -4.0, 5.0]))


def result_is_a_written_array(u, x):
    out = np.empty(5)
    for i in range(5):
        out[i] = u[i] * x + i
    out[0] = out[1] * out[2]
    return out


def prefix_sums_in_place(u):
    a = u.copy()
    for i in range(1, len(a)):
        a[i] += a[i - 1]
    return np.sum(a * a)


def triangular_solve_in_place(M, r):
    x = r.copy()
    for i in range(4):
        for j in range(i):
            x[i] -= M[i, j] * x[j]
        x[i] /= M[i, i]
    return np.sum(x * x)


def elimination_in_place(M):
    a = M.copy()
    d = 1.0
    for k in range(4):
        d *= a[k, k]
        for i in range(k + 1, 4):
            f = a[i, k] / a[k, k]
            a[i, k:] -= f * a[k, k:]
    return d


def ring_buffer(u):
    buffer = np.zeros(3)
    s = 0.0
    for i in range(5):
        buffer[i % 3] = u[i] * (1.0 + buffer[(i + 1) % 3])
        s += np.sum(buffer) ** 2
    return s


def write_under_a_condition(u, x):
    a = u.copy()
    for i in range(5):
        if a[i] > 0.0:
            a[i] = a[i] ** 2 * x
        elif i > 2:
            a[i] -= x
    return np.sum(a * a)


def picked_entries_are_set_twice(u, v, T):
    a = u * 1.0
    a[np.array([0, 4])] += T[1, 1, :2] ** 2
    a[np.array([2, 4, 2])] = v[::2] * v[0]
    return np.sum(a)


def picked_entries_are_set_by_an_index_that_repeats(u, p, idx):
    a = u * u
    a[idx] = p[:4] * a[1:5]
    a[idx] *= p[1]
    return np.sum(a * p)


def overwritten_in_a_loop_that_counts(u, n):
    a = u * 1.5
    s = np.sum(a[:3] ** 2)
    k = 0
    while True:
        k += 1
        if k > 2:
            break
        a[0:2] += n * np.arange(2.0)
    return s + np.sum(a * u)


def place_of_a_write_is_overwritten(u, idx):
    a = u * u
    where = idx.copy()
    s = np.sum(a**2)
    for k in range(3):
        a[where[k]] += 1.0 + k
        where[k] = 0
    return s + np.sum(a * u)


def sum_with_a_number_is_new_memory(u, x):
    a = u + 1.5
    b = -(-u)
    u[1:3] = u[:2] * x
    u[0] = 0.0
    return np.sum(a * a) + np.sum(a * b * u)


def masks_and_other_arrays_fill_the_tapes(u, v):
    a = u * 1.0
    b = v * 0.5
    for i in range(40):
        c = np.concatenate((a[1:3], b[:2]))
        mask = a > 0.1 * i
        part = c * c
        a[mask] = np.sum(part) * 0.05
        b[0] += np.sum(part * np.sin(c)) * 0.1
        a[i % 5] = b[i % 5] * u[i % 5]
    return np.sum(a * a) + np.sum(b)


def integers_and_truths_keep_no_derivative(x, y):
    a = np.zeros(3, dtype=bool)
    b = np.zeros(3, dtype=np.int64)
    a[1] = x
    b[1] = 5 * x
    b[2] = y
    return np.sum(a * x) + np.sum(b * y)
