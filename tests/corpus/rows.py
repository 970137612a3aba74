"""Rows, columns and planes that a loop writes without reading the array, which was read before."""

import numpy as np


def rows_are_replaced(A, r):
    B = A.copy()
    t = np.sum(B[::2] * B[1])
    for i in range(3):
        B[i] = r * i
    return t + np.sum(B * B)


def rows_become_numbers(A, w):
    B = A.copy()
    t = B[::2] * B[1]
    for i in range(3):
        B[i] = w[i]
    return np.sum(t) + np.sum(B * B * A)


def columns_are_replaced(A, w):
    B = A.copy()
    t = np.sum(B[::2] * B[1])
    for i in range(3):
        B[:, i] = w * i
    return t + np.sum(B * B)


def planes_are_replaced(T, A):
    B = T.copy()
    t = np.sum(B[::2] * B[1])
    for i in range(2):
        B[i] = A * i
    return t + np.sum(B * B)


def rows_of_a_plane_are_replaced(T, A):
    B = T.copy()
    t = np.sum(B[::2] * B[1])
    for i in range(2):
        B[0, i] = A[1] * i
    return t + np.sum(B * B)
