"""Functions of NumPy that work entry by entry, and arrays made by NumPy."""

import numpy as np


def sum_of_squares(u):
    return np.sum(u * u)


def elementwise_arithmetic(u, v):
    return np.sum(u * v - u / (2.0 + v * v) + (u - 1.0) ** 2)


def vector_result(u, v):
    return u * v + np.sin(u)


def matrix_result(A, C):
    return A * C - np.exp(0.1 * A)


def trigonometry(u, q):
    return np.sum(np.sin(u) * np.cos(q) + np.tan(q) - np.arcsin(q) * np.arccos(q) + np.arctan(u))


def hyperbolic(u, q):
    return np.sum(np.sinh(q) + np.cosh(u) * np.tanh(q) + np.arcsinh(u) - np.arctanh(q))


def exponentials_and_logarithms(u, p):
    return np.sum(np.exp(-u) + np.expm1(u) * np.log(p) - np.log1p(p) + np.log2(p) * np.log10(p) + np.exp2(u))


def roots_and_squares(u, p):
    return np.sum(np.sqrt(p) * np.square(u) + np.cbrt(p) - np.reciprocal(p))


def powers(u, p, y):
    return np.sum(p**y + p**u + np.power(p, 1.5) + u**2 + 2.0**u + u**3)


def functions_for_operators(u, v):
    return np.sum(np.add(u, v) * np.subtract(u, 1.0) + np.multiply(u, v) - np.divide(u, 3.0 + v * v) + np.negative(v))


def two_arguments(u, v, p):
    return np.sum(np.arctan2(u, p) + np.hypot(u, v) + np.logaddexp(u, v))


def largest_and_smallest_of_two(u, v):
    return np.sum(np.maximum(u, v) * u + np.minimum(u, 0.2) - np.fmax(u, v) * np.fmin(v, 0.1))


def choice_by_condition(u, v):
    return np.sum(np.where(u > v, u * v, u - v) + np.where(u < 0.0, 0.0, u**3))


def clipping(u, v):
    return np.sum(np.clip(u, -0.5, 0.6) * v + np.clip(v, 0.0, 1.0) ** 2)


def absolute_values(u, v):
    return np.sum(np.abs(u) * v + np.absolute(v) - np.sign(u) * u**2 + abs(u - v))


def steps_have_slope_zero(u, p):
    return np.sum(np.floor(3.0 * u) * p + np.ceil(p) * u - np.trunc(2.0 * p) * u)


def root_on_the_side_that_is_not_taken(u):
    positive = u > 0.0
    return np.sum(np.where(positive, np.sqrt(np.where(positive, u, 1.0)), u))


def zero_is_guarded_by_where(u):
    d = u - u[0]
    return np.sum(np.where(d == 0.0, 1.0 + u, np.sin(d) / d))


def logarithm_of_what_is_not_taken(u):
    return np.sum(np.where(u > 0.0, np.log(u), u * u))


def masks_as_numbers(u, v):
    return np.sum((u > 0.0) * v * v + (u <= 0.0) * u)


def logic_of_masks(u, v):
    both = np.logical_and(u > -0.5, v < 0.5)
    return np.sum(np.where(both, u * v, 0.0) + np.where((u > 0.0) | (v > 0.0), u, v) * 2.0)


def sigmoid_of_an_array(u):
    return np.sum(1.0 / (1.0 + np.exp(-u)))


def softmax(u):
    e = np.exp(u - np.max(u))
    return e / np.sum(e)


def log_sum_exp(u):
    m = np.max(u)
    return m + np.log(np.sum(np.exp(u - m)))


def leaky_relu(u):
    return np.sum(np.where(u > 0.0, u, 0.01 * u) * u)


def huber(u, v):
    r = np.abs(u - v)
    return np.sum(np.where(r < 0.5, 0.5 * r * r, 0.5 * (r - 0.25)))


def rectified_through_the_origin(u, v):
    return np.sum(np.maximum(u * v, 0.0) - np.maximum(-u * v, 0.0))


def zeros_and_ones(u, n):
    a = np.zeros(5) + u
    b = np.ones(5) * u * u
    return np.sum(a * b) + np.sum(np.ones((n, n))) * u[0]


def filled(x, u):
    a = np.full(5, x)
    b = np.full((2, 3), x * x)
    return np.sum(a * u) + np.sum(b)


def alike(u, A):
    a = np.zeros_like(u)
    b = np.ones_like(A)
    c = np.full_like(u, 2.0)
    a[1] = u[0]
    return np.sum(a * u + c * u) + np.sum(b * A * A)


def empty_and_filled_by_a_loop(u):
    a = np.empty(len(u))
    b = np.empty_like(u)
    for i in range(len(u)):
        a[i] = u[i] ** 2
        b[i] = a[i] * i
    return np.sum(a * b)


def numbers_of_a_range(u, n):
    k = np.arange(5)
    half = np.arange(0.0, 2.5, 0.5)
    return np.sum(u**2 * k + half * u) + np.sum(np.arange(n)) * u[1]


def spaced(u, x):
    return np.sum(u * np.linspace(0.0, 1.0, 5)) * x


def identity_and_diagonals(r, M):
    return np.sum(np.eye(4) * M * M) + np.sum(np.diag(r) * M) + np.sum(np.diag(M) * r * r)


def triangles(M):
    return np.sum(np.triu(M) * M) + np.sum(np.tril(M, -1) ** 3) - np.sum(np.triu(M, 1))


def polynomial_of_an_array(u, x):
    return np.sum(((x * u + 1.0) * u - 2.0) * u + x)


def arrays_of_three_dimensions(T):
    return np.sum(T * np.sin(T)) + np.sum(T[0] * T[1])


def array_of_numbers(x, y):
    a = np.array([x, x * y, 2.0, y])
    m = np.array([[x, 1.0], [y, x * y]])
    return np.sum(a * a) + m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]


def integer_array_beside_floats(u, idx):
    return np.sum(idx) * u[0] + np.sum(u[idx] * idx)


def methods(u, A):
    return u.sum() * A.mean() + (u.copy() * u).sum() + A.max() * A.min() + A.T.sum() + u.dot(u)


def attributes(u, A):
    rows, columns = A.shape
    return np.sum(u) * u.size + A[rows - 1, columns - 1] * A.ndim * u.shape[0] * len(A)


def cast(u, idx):
    return np.sum(idx.astype(np.float64) * u[:4]) + np.sum(u.astype(np.float64) ** 2)


def diagonal_of_a_matrix_that_is_not_square(A, B):
    return np.sum(np.diag(A) * np.diag(B) ** 2) + np.sum(np.diag(A[1:]))


def numbers_as_other_types(u, x):
    return np.sum(np.float64(u) ** 2) + np.sum(u + 3.0).astype(int) * x + np.array(x + 1.0, dtype=int) * u[0]


def truths_of_numbers(u):
    return np.sum(u.astype(bool) * u) + np.sum(np.array(u, dtype=bool) * u * u)


def steps_by_name(u):
    return np.sum(np.arange(0, 10, step=2) * u) + np.sum(np.arange(start=1, stop=6) * u * u)


def points_from_a_moving_start(x, y):
    a = np.arange(x, x + 2.4, 0.5)
    return np.sum(a * a) + np.sum(np.arange(0.0, 2.9, y * 0.5) ** 3) + np.sum(np.linspace(x, y, 1))


def joined_flat_and_in_rows(A, r):
    flat, rows = np.concatenate((A, A * A), axis=None), np.vstack((r, A))
    return flat @ np.arange(24.0) + np.sum(rows[0] * rows[1])


def clipped_nowhere(u):
    a = np.clip(u, None, None)
    a[0] = 2.0
    return np.sum(a * u)


def larger_that_skip_nan(u):
    return np.sum(np.fmax(u, np.where(u > 0.1, np.nan, 0.2)) ** 2) + np.sum(np.fmin(np.nan, u) * u)
