"""Sums, means, products, extremes, deviations and running sums, over all entries and along axes."""

import math

import numpy as np


def sum_of_all(A):
    return np.sum(A * A)


def sum_along_axis_0(A, r):
    return np.sum(np.sum(A * A, axis=0) * r)


def sum_along_axis_1(A, w):
    return np.sum(np.sum(A, axis=1) ** 2 * w)


def sum_along_the_last_axis(A, w):
    return np.sum(A.sum(axis=-1) * w * w)


def sum_along_axes_of_a_cube(T, A):
    return np.sum(np.sum(T * T, axis=0) * A) + np.sum(np.sum(T, axis=1) ** 2) + np.sum(np.sum(T, axis=2) ** 3)


def positional_axis(A):
    return np.sum(np.sum(A, 0) ** 2) + np.sum(A.sum(1) ** 2)


def vector_of_sums(A):
    return np.sum(A * A, axis=1)


def mean_of_all(A):
    return np.mean(A**3)


def mean_along_an_axis(A, r):
    return np.sum(np.mean(A, axis=0) * r) * np.mean(A.mean(axis=1) ** 2)


def product_of_all(p):
    return np.prod(p)


def product_where_one_factor_is_zero(o):
    return np.prod(o) + np.prod(1.0 + o * o)


def product_where_two_factors_are_zero(o):
    return np.prod(o * o[::-1]) + np.prod(o[1:2]) * 2.0


def largest_and_smallest(u, A):
    return np.max(u) * np.min(A) + np.max(A * A) - np.min(u * u)


def largest_along_an_axis(A, r):
    return np.sum(np.max(A, axis=0) * r) + np.sum(np.min(A, axis=1) ** 2)


def other_names_of_extremes(u):
    return np.amax(u) * np.amin(u) + u.max() ** 2


def variance(u):
    return np.var(u) + np.var(u * u)


def standard_deviation(u):
    return np.std(u) * np.std(u**2 + 1.0)


def variance_along_an_axis(A, r):
    return np.sum(np.var(A, axis=0) * r) + np.sum(np.std(A, axis=1))


def running_sum(u, v):
    return np.sum(np.cumsum(u * v) ** 2)


def running_sum_that_is_used_twice(u):
    c = np.cumsum(u)
    return np.sum(c * u) + c[-1] ** 2


def builtin_sum(u):
    return sum(u * u) + sum(u) * 2.0


def builtin_extremes(u):
    return max(u) * min(u)


def norm_by_hand(u):
    return math.sqrt(np.sum(u * u))


def standardised(u):
    m = np.mean(u)
    s = np.std(u)
    z = (u - m) / s
    return np.sum(z**3)


def layer_norm(A, r):
    m = A.mean(axis=1).reshape(3, 1)
    d = A - m
    s = np.sqrt(np.mean(d * d, axis=1) + 1e-5).reshape(3, 1)
    return np.sum(d / s * r)


def correlation(u, v):
    a = u - np.mean(u)
    b = v - np.mean(v)
    return np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))


def sum_of_a_slice(u):
    return np.sum(u[1:4]) * np.mean(u[::2]) + np.max(u[:3])


def sum_of_a_generator(u):
    return sum([a * a for a in u]) + sum([math.sin(a) for a in u])


def entropy(p):
    q = p / np.sum(p)
    return -np.sum(q * np.log(q))


def row_softmax_loss(A, r):
    loss = 0.0
    for i in range(A.shape[0]):
        m = np.max(A[i])
        loss += m + math.log(np.sum(np.exp(A[i] - m))) - np.sum(A[i] * r)
    return loss / A.shape[0]


def mean_of_a_product(A, C):
    return np.mean(A * C) * np.sum(A) / np.mean(C * C)


def number_is_its_own_sum(x):
    return np.sum(x * x) + np.mean(x)


def product_along_an_axis(A, C):
    return np.sum(np.prod(A, axis=0) * np.prod(C, axis=0)) + np.sum(np.prod(A + C, axis=1) ** 2)


def product_along_an_axis_where_factors_are_zero(A):
    B = A * (A > -0.4)
    B[:, 1] = 0.0
    B[0, 1] = A[0, 1]
    return np.sum(np.prod(B, axis=1) + np.prod(B + A, axis=-1)) + np.prod(B, axis=0)[2]


def extremes_and_products_of_a_transposed_array(T):
    a = np.transpose(T, (0, 2, 1))
    return np.sum(np.max(a, axis=0) * np.min(a, axis=0) * np.prod(a, axis=0))


def one_dimension_kept(u):
    return np.sum(u * np.max(u, axis=0, keepdims=True)) * np.prod(u, axis=-1, keepdims=True)[0]


def products_of_nothing(A):
    return np.sum(np.prod(A[:0], axis=0) * A[0])


def running_counts(u, x):
    return np.sum(np.cumsum(u > 0) * u) + np.cumsum(x)[0]


def rounded_to_places(u):
    return np.sum(np.round(u, decimals=1) * u) + round(u[0] * u[0], ndigits=2) * u[1]
