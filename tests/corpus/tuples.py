"""Tuples in, tuples out, tuples between."""

import math

import numpy as np


def unpacked(pair):
    a, b = pair
    return a * b + a**2


def by_position(pair):
    return math.sin(pair[0]) * pair[1] + pair[-1] ** 2


def number_and_array(state):
    scale, values = state
    return scale * np.sum(values**2)


def nested_tuple(layer):
    (W, b), x = layer
    return np.sum(np.tanh(W @ x + b))


def two_results(x, y):
    return x * y, x / y


def results_of_all_kinds(x, u, A):
    return x * np.sum(u), u * x, A * u[0]


def tuple_of_locals(x, y):
    t = (x * y, x + y, 2.0)
    return t[0] * t[1] + t[2] * t[0]


def swap(x, y):
    x, y = y, x * y
    x, y = y * 2.0, x
    return x - y * x


def rotation(x, y, z):
    x, y, z = y, z, x
    x, y, z = y * z, z + x, x
    return x * y + z


def unpacked_in_a_loop(x, y):
    pairs = ((1.0, 2.0), (3.0, 4.0))
    s = 0.0
    for a, b in pairs:
        s += a * x + b * y * s
    return s


def length_of_a_tuple(pair, x):
    return len(pair) * x * pair[0]


def tuple_through_a_call(x, y):
    def step(state):
        a, b = state
        return (a * b, a - b)

    state = (x, y)
    for _ in range(3):
        state = step(state)
    return state[0] + state[1] ** 2


def tuple_of_arrays(u, v):
    both = (u * v, u - v)
    return np.sum(both[0] * both[1])


def added_tuples(x, y):
    t = (x, y) + (x * y,)
    return t[0] + t[1] * t[2]


def sum_of_a_tuple(x, y, z):
    return sum((x * y, y * z, z * x)) * max((x, y))


def tuple_argument_is_returned(pair, x):
    return pair[0] * x, pair


def shape_as_a_tuple(A):
    shape = A.shape
    B = np.zeros(shape)
    B[0] = A[1]
    return np.sum(B * A) * shape[1]


def several_targets(x):
    a = b = x * x
    b = b * x
    return a * b


def unpacked_array(w):
    a, b, c = w
    return a * b - c**2


def starred_target(x, y):
    first, *rest = (x, y, x * y)
    return first * rest[1] + len(rest) * rest[-1] ** 2


def deletion(x, y):
    t = x * y
    s = t * t
    del t
    return s + x
