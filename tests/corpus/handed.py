"""Arrays and parts of arrays that a loop hands from one iteration to the next, where what they look into is written."""

import numpy as np


def part_of_a_new_array(u, x):
    b = np.zeros(4)
    s = 0.0
    for i in range(3):
        a = u * (2.0 + i)
        t = a[1:]
        t[0] = x * x
        s += a[1] * a[2]
        b = t
    return s + np.sum(b * b)


def part_whose_array_is_written_later(u, x):
    b = np.zeros(4)
    for i in range(3):
        a = u * (2.0 + i)
        t = a[1:]
        t[0] = x * x
        a[2] = x * t[0]
        b = t
    return np.sum(b * b)


def row_of_a_new_matrix(S, x):
    b = np.zeros(4)
    s = 0.0
    for i in range(3):
        M = S * (1.0 + i)
        r = M[1]
        q = r[1:]
        M[1, 1] = x
        q[1] = x * M[0, 0]
        s += np.sum(M) * b[0]
        b = r
    return s + np.sum(b * b)


def array_from_before_the_loop(u, x):
    a = u.copy()
    t = a[1:]
    a[1] = x * a[0]
    b = np.zeros(5)
    s = np.sum(t * t * x)
    for i in range(2):
        s += b[0] * i
        b = a
    return s + np.sum(b * b)


def part_from_before_the_loop(u, x):
    a = u.copy()
    t = a[1:]
    a[1] = x * a[0]
    b = np.zeros(4)
    for _ in range(2):
        b = t
    return np.sum(b * b) + np.sum(t * t) * a[1]


def part_of_a_part_in_two_steps(u, x):
    a = u.copy()
    t = a[1:]
    r = t[1:]
    a[2] = x * a[0]
    b = np.zeros(3)
    c = np.zeros(3)
    for _ in range(2):
        c = b
        b = r
    return np.sum(b * b) + np.sum(t * t) * a[1] + np.sum(c)


def part_of_the_array_before(u, x):
    a = u.copy()
    b = np.zeros(4)
    c = np.zeros(4)
    for _ in range(3):
        t = a[1:]
        a[1] = x * a[0]
        new = a * 2.0
        new[2] *= x
        c = b
        b = t
        a = new
    return np.sum(b * b * c) + np.sum(a)


def part_in_an_inner_loop(u, x):
    a = u.copy()
    t = a[1:]
    a[1] = x * a[0]
    b = np.zeros(4)
    for _ in range(2):
        for _ in range(2):
            b = t
        x = x * b[0]
    return np.sum(b * b) + np.sum(t * t) * a[1] * x


def part_that_is_returned_at_last(T):
    t = T[0, 1]
    T[0] = T[1, :, ::-1] * T[0, 2, 1]
    a = t
    for _ in T[1, 0]:
        a = t
    return a
