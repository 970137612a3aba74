"""Reading entries, slices, rows, columns and lists of entries."""

import numpy as np


def one_entry(u):
    return u[1] * u[1] + u[0] * u[4]


def entries_from_the_end(u):
    return u[-1] * u[-2] - u[-5] ** 2


def index_by_an_argument(u, n):
    return u[n] * u[n - 1] + u[-n] ** 2 + u[n // 2]


def entries_of_a_matrix(A):
    return A[0, 0] * A[1, 2] - A[2, -1] * A[-2, 1] + A[0][3] ** 2


def entries_of_a_cube(T):
    return T[0, 1, 2] * T[1, 0, -1] + T[1][2][3] ** 2 + T[0, 2][1]


def slice_of_a_vector(u):
    return np.sum(u[1:4] ** 2) + np.sum(u[:2] * u[3:]) + np.sum(u[:])


def slices_from_the_end(u):
    return np.sum(u[-3:] * u[:-2]) + np.sum(u[-4:-1] ** 2)


def backwards(u, v):
    return np.sum(u[::-1] * v) + np.sum(u[3:0:-1] * v[1:4]) + np.sum(v[-2::-2])


def every_second(u):
    return np.sum(u[::2] ** 2) * np.sum(u[1::2]) + np.sum(u[4::-2] * u[::2])


def slices_of_changing_bounds(u, n):
    s = 0.0
    for i in range(n):
        s += np.sum(u[i : i + 2]) ** 2 * np.sum(u[: n - i])
    return s


def rows_and_columns(A):
    return np.sum(A[1] * A[2]) + np.sum(A[:, 0] * A[:, 3]) + np.sum(A[-1, :] ** 2)


def block_of_a_matrix(A):
    return np.sum(A[1:, 1:3] ** 2) + np.sum(A[:2, ::2] * A[1:, 1::2]) + np.sum(A[::-1, :2] ** 3)


def block_of_a_cube(T):
    return np.sum(T[:, 1, :] ** 2) + np.sum(T[0, :, 1:3]) * np.sum(T[1, ::2]) + np.sum(T[..., 0])


def slice_of_a_slice(u, A):
    return np.sum(u[1:][:3] ** 2) + np.sum(A[1:][:, 2:][0]) ** 2


def list_of_entries(u, idx):
    return np.sum(u[idx] ** 2) + np.sum(u[idx + 0] * idx)


def list_with_repetitions(v, idx):
    picked = v[idx]
    return np.sum(picked * picked[::-1])


def constant_list_of_entries(u):
    return np.sum(u[np.array([4, 0, 0, 2])] * np.array([1.0, 2.0, 3.0, 4.0]))


def taken_rows(X, idx):
    return np.sum(X[idx] ** 2) + np.sum(np.take(X[:, 0], idx))


def entries_under_a_mask(u, mask):
    return np.sum(u[mask] ** 3)


def entries_under_a_computed_mask(u, v):
    return np.sum(v[u > 0.0] * u[u > 0.0])


def entry_at_the_largest(u, v):
    return u[np.argmax(v)] * v[np.argmin(u)]


def entries_in_sorted_order(u, v):
    order = np.argsort(u)
    return np.sum(v[order] * np.arange(5.0))


def neighbours(u):
    d = u[1:] - u[:-1]
    return np.sum(d * d) + np.sum((u[2:] - 2.0 * u[1:-1] + u[:-2]) ** 2)


def index_computed_from_an_index(u, idx):
    s = 0.0
    for i in range(len(idx)):
        s += u[idx[i]] * u[(idx[i] + i) % 5]
    return s


def gather_and_reduce(X, idx, y):
    s = 0.0
    for i in idx:
        s += y * np.sum(X[i]) ** 2
    return s


def flat_positions(A):
    a = A.ravel()
    return a[0] * a[5] + np.sum(a[3:9:2] ** 2)


def tuple_index(A):
    position = (1, 2)
    return A[position] ** 2 + A[0, 1]


def index_of_a_product(A, B):
    return (A @ B)[1, 2] * (A @ B)[0, 0] + (A * 2.0)[2][1]


def index_of_a_result(u):
    return np.cumsum(u * u)[3] + np.sin(u)[2] * (u + 1.0)[-1]


def interpolated(u, y):
    position = 2.0 * y
    i = int(position)
    t = position - i
    return (1.0 - t) * u[i] + t * u[i + 1] ** 2


def elements_between(u, x):
    return np.sum(u[(u > -0.5) & (u < 0.5)] ** 2) * x + np.sum(u[~((u < -0.5) | (u > 0.5))])


def neither_infinite_nor_missing(u):
    missing = np.isnan(u) | np.isinf(u)
    return np.sum(u[~missing] ** 2)


def combined_masks_are_written(u, x, mask):
    a = u.copy()
    a[mask & (u > -0.2)] = x
    a[(u < -0.5) | (u > 0.5)] *= x
    a[mask ^ (u > 0)] += x * u[0]
    return np.sum(a * a * u)


def logical_functions(u, v, x):
    both = np.logical_and(u, v > 0)
    one = np.logical_xor(u > 0, v > 0)
    t = np.logical_not(x > 0)
    return np.sum(u[both] * x) + np.sum(u[one] ** 2) + (x if t else u[0]) + np.sum(u[np.logical_or(one, both)])
