"""Operands of different shapes."""

import numpy as np


def number_and_vector(x, u):
    return np.sum(x * u + u / x - x)


def vector_and_matrix(r, A):
    return np.sum(A * r + r) + np.sum((A - r) ** 2)


def column_and_matrix(w, A):
    return np.sum(A * w.reshape(3, 1)) + np.sum(w.reshape((3, 1)) ** 2 * A)


def column_by_new_axis(w, A):
    return np.sum(A * w[:, np.newaxis] ** 2) + np.sum(A / (2.0 + w[:, None] ** 2))


def column_and_row(w, r):
    return np.sum((w[:, None] - r[None, :]) ** 2 * r)


def matrix_and_cube(A, T):
    return np.sum(T * A) + np.sum(T**2 - A)


def vector_and_cube(r, T):
    return np.sum(T * r * r)


def axis_of_length_one(A):
    first = A[:, :1]
    return np.sum(A * first) + np.sum(A[:1] / (3.0 + A * A))


def number_against_a_power(x, p):
    return np.sum(p**x + x**p)


def one_side_of_where(x, u):
    return np.sum(np.where(u > 0.0, x, u * x))


def both_sides_of_where(x, y, u):
    return np.sum(np.where(u > 0.0, x, y) * u)


def maximum_with_a_number(x, u):
    return np.sum(np.maximum(u, x) + np.minimum(x / 2.0, u) * u)


def clipped_by_active_bounds(x, u):
    return np.sum(np.clip(u, -x, x) * u)


def result_of_two_shapes(w, r):
    return w.reshape(3, 1) * r


def vector_of_length_one(x, u):
    one = np.array([x])
    return np.sum(one * u + one)


def added_in_place(A, r):
    B = A.copy()
    B += r
    B *= 2.0
    B -= r * r
    return np.sum(B * B)


def written_in_place(x, r, A):
    B = np.zeros((3, 4))
    B[:] = r
    B[1] = x
    B[:, 2] += x * x
    return np.sum(B * A)


def affine_layer(A, B, w):
    return np.sum(np.tanh(A @ B + w))


def squared_distances(X, w):
    d = X - w
    return np.sum(np.exp(-np.sum(d * d, axis=1)))


def pairwise_distances(X):
    d = X[:, None, :] - X[None, :, :]
    return np.sum(1.0 / (1.0 + np.sum(d * d, axis=2)))


def outer_by_broadcasting(u, v):
    return np.sum(np.sin(u.reshape(5, 1) * v))


def number_from_a_vector(u):
    return np.sum(u[0] * u + u[1] - u * u[4])


def explicit_broadcast(r, A):
    return np.sum(np.broadcast_to(r, (3, 4)) * A * A)
