"""Lists that are changed where they were made, and functions that are called by other names than np.name."""

import math
from math import floor as down

import numpy
import numpy as np
from numpy import array
from numpy import hstack as beside
from numpy import vstack as above


def changed_in_a_branch(x, y, flag):
    a = [x, y]
    if flag:
        a[0] = y * y
    else:
        a[1] = x * x
    return a[0] * a[1] ** 2


def changed_in_a_loop(x, y, n):
    a = [x, y]
    for i in range(n):
        if i > 0:
            a[0] = a[0] * a[1]
        a[1] += x
    return a[0] * a[1] ** 2


def changed_until_it_is_large(x, y):
    a = [x, y]
    while a[0] < 5.0:
        a[0] *= 1.5 + x
    return a[0] * a[1]


def changed_until_a_break(x, y):
    a = [x, 0.0]
    for _ in range(4):
        a[1] += a[0] * y
        if a[1] > 1.5:
            break
        a[0] *= x
    return a[0] * a[1]


def copy_of_a_list_is_changed(x, y):
    a = [x, y]
    b = list(a)
    b[0] = y * y
    c = a[:]
    c[1] = x * x
    return a[0] * a[1] + b[0] * c[1] ** 2


def part_of_a_list_is_its_own(u, x):
    a = [2 * e for e in u]
    b = a[1:]
    c = list(a)
    d = np.asarray(a)
    a[1] = x
    return a[1] * b[0] * c[1] + d[1]


def list_of_an_array_is_its_own(u, x):
    a = u * 2.0
    b = list(a)
    c = tuple(a)
    a[0] = x
    return a[0] * b[0] * b[1] * c[0]


def value_before_its_place(u, x):
    a = u.copy()

    def place():
        a[0] = 9.0 * x
        return 1

    a[place()] = a[0]
    return np.sum(a * u)


def copies_by_other_names(u, x):
    b = array(u)
    b[0] = x
    c = numpy.array(u)
    c[1] = x * x
    return np.sum(b * c * u)


def one_block_of_memory(u, A, x):
    a = u * 1.0
    b = np.ascontiguousarray(a)
    b[0] = x
    return np.sum(a * b) + np.sum(np.ascontiguousarray(A.T)[0])


def joined_by_other_names(A, C, u):
    return np.sum(above((A, C))[1:4] * C) + np.sum(beside((A, C))[:, 2:6] * C) + beside((u, u))[6] * above((u, u))[1, 0]


def rounded_by_other_names(z, x):
    floor, ceil, larger = math.floor, math.ceil, max
    return floor(z) * x + 3 * ceil(x) * x + down(2 * z) * x * x + larger(x, z) * 5
