"""Products and linear algebra."""

import numpy as np


def outer_product_of_numbers(x, y):
    return np.outer(x, y)[0, 0] * x


def inner_product(u, v):
    return u @ v + np.dot(u, u) * 0.5


def matrix_and_vector(A, r):
    return A @ r


def vector_and_matrix(w, A):
    return np.sum((w @ A) ** 2)


def matrix_product(A, B):
    return np.sum((A @ B) ** 2) + np.sum(np.dot(B, A))


def method_dot(A, r, w):
    return w.dot(A.dot(r))


def product_of_three(A, M, B):
    return np.trace(A @ M @ B)


def quadratic_form(M, r):
    return r @ M @ r + r @ M.T @ r


def matrix_power_by_a_loop(M, n):
    P = np.eye(4)
    for _ in range(n):
        P = P @ M * 0.3
    return np.sum(P * P)


def outer_products(u, w):
    return np.sum(np.outer(u, w) ** 2) + np.outer(u, u)[1, 3]


def trace_and_transpose(M):
    return np.trace(M @ M) + np.trace(M.T @ M) + np.trace(np.transpose(M)) ** 2


def transposes_of_a_cube(T):
    return np.sum(np.transpose(T, (2, 0, 1))[1] ** 2) + np.sum(T.T[0] ** 3)


def reshapes(A, r):
    return np.sum(A.reshape(4, 3) @ A) + np.sum(A.reshape((2, 6))[1] ** 2) + np.sum(np.reshape(A, (3, 2, 2)) ** 3)


def reshape_with_a_free_length(A):
    return np.sum(A.reshape(-1)[2:5] ** 2) + np.sum(A.reshape(6, -1)[2] ** 3)


def flattened(A, B):
    return np.sum(A.ravel() * np.ravel(B)) + np.sum(A.flatten()[::2] ** 2)


def joined(u, w):
    c = np.concatenate((u, w, u[1:3]))
    return np.sum(c * c * np.arange(10.0))


def joined_along_axes(A, C, M):
    return np.sum(np.concatenate((A, M), axis=0) ** 2 @ M) + np.sum(np.concatenate((A, C * 2.0), axis=1) ** 3)


def stacked(u, v):
    S = np.stack((u, v, u * v))
    K = np.stack((u, v), axis=1)
    return np.sum(S[2] * S[0]) + np.sum(K[:, 0] * K[:, 1] ** 2)


def stacked_by_other_names(u, v, A, C):
    return np.sum(np.vstack((u, v)) ** 2) + np.sum(np.hstack((A, C))[1] ** 2) + np.sum(np.column_stack((u, v))[3] ** 3)


def solved(M, r):
    return np.linalg.solve(M, r)


def solved_for_several(M, B):
    return np.sum(np.linalg.solve(M, B) ** 2)


def inverse(M, r):
    return np.sum(np.linalg.inv(M) * M.T) + r @ np.linalg.inv(M) @ r


def determinant(M):
    return np.linalg.det(M) ** 2


def logarithm_of_the_determinant(M):
    sign, value = np.linalg.slogdet(M)
    return sign * value * value


def cholesky(S):
    return np.sum(np.linalg.cholesky(0.5 * (S + S.T)) ** 3)


def norms(u, A):
    return np.linalg.norm(u) * np.linalg.norm(A)


def gaussian_log_density(S, r):
    L = np.linalg.cholesky(0.5 * (S + S.T))
    z = np.linalg.solve(L, r)
    return -0.5 * z @ z - np.sum(np.log(np.diag(L)))


def least_squares(X, w):
    G = X.T @ X + 0.1 * np.eye(3)
    c = np.linalg.solve(G, X.T @ (X @ w**2 + 1.0))
    return np.sum(c * w)


def cosine(u, v):
    return u @ v / (np.linalg.norm(u) * np.linalg.norm(v))


def rayleigh_quotient(S, r):
    return (r @ S @ r) / (r @ r)


def power_iteration(S, r, n):
    x = r.copy()
    for _ in range(n):
        x = S @ x
        x = x / np.linalg.norm(x)
    return x @ S @ x


def conjugate_gradients(S, r):
    x = np.zeros(4)
    residual = r - S @ x
    p = residual.copy()
    for _ in range(3):
        old = residual @ residual
        step = old / (p @ (S @ p))
        x = x + step * p
        residual = residual - step * (S @ p)
        p = residual + (residual @ residual) / old * p
    return np.sum(x)


def product_by_loops(A, B):
    C = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for k in range(4):
                C[i, j] += A[i, k] * B[k, j]
    return np.sum(C * C)


def product_of_views(M):
    return np.sum(M[1:, :3] @ M[:3, 1:]) + M[:, 0] @ M[1]


def householder(M, r):
    v = r / np.linalg.norm(r)
    return np.sum((M - 2.0 * np.outer(v, v @ M)) ** 2 * M)
