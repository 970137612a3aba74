"""Small programs as people write them: objectives, integrators, filters, networks, stencils."""

import math

import numpy as np


def rosenbrock(u):
    return np.sum(100.0 * (u[1:] - u[:-1] ** 2) ** 2 + (1.0 - u[:-1]) ** 2)


def rosenbrock_by_a_loop(u):
    s = 0.0
    for i in range(len(u) - 1):
        s += 100.0 * (u[i + 1] - u[i] ** 2) ** 2 + (1.0 - u[i]) ** 2
    return s


def ackley(u):
    n = len(u)
    a = -0.2 * math.sqrt(np.sum(u**2) / n)
    b = np.sum(np.cos(2.0 * math.pi * u)) / n
    return -20.0 * math.exp(a) - math.exp(b) + 20.0 + math.e


def rastrigin(u):
    s = 10.0 * u.size
    for a in u:
        s += a * a - 10.0 * math.cos(2.0 * math.pi * a)
    return s


def linear_regression(X, w, x):
    y = np.arange(6.0)
    residual = X @ w + x - y
    return np.mean(residual**2) + 0.01 * np.sum(w * w)


def logistic_regression(X, w, x):
    y = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    z = X @ w + x
    return np.mean(np.maximum(z, 0.0) - z * y + np.log1p(np.exp(-np.abs(z))))


def poisson_regression(X, w):
    y = np.array([0.0, 2.0, 1.0, 3.0, 0.0, 1.0])
    eta = X @ w
    s = 0.0
    for i in range(len(y)):
        s += math.exp(eta[i]) - y[i] * eta[i] + math.lgamma(y[i] + 1.0)
    return s


def network_of_two_layers(X, B, w, r):
    hidden = np.tanh(X @ B.T[:, :3] @ B.T[:, 1:] + 0.1)
    return np.sum((hidden @ w[:3] - np.sum(r)) ** 2)


def softmax_regression(X, A):
    labels = np.array([0, 1, 2, 3, 1, 0])
    scores = X @ A
    loss = 0.0
    for i in range(6):
        m = np.max(scores[i])
        loss += m + np.log(np.sum(np.exp(scores[i] - m))) - scores[i, labels[i]]
    return loss / 6


def runge_kutta(x, y, n):
    def slope(t, v):
        return math.sin(t) * v - 0.1 * v**3

    t = 0.0
    h = 0.1
    v = x
    for _ in range(n):
        k1 = y * slope(t, v)
        k2 = y * slope(t + h / 2.0, v + h / 2.0 * k1)
        k3 = y * slope(t + h / 2.0, v + h / 2.0 * k2)
        k4 = y * slope(t + h, v + h * k3)
        v += h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        t += h
    return v


def pendulum(x, y, n):
    state = np.array([x, y])
    for _ in range(n):
        force = -math.sin(state[0])
        state[1] += 0.1 * force
        state[0] += 0.1 * state[1]
    return 0.5 * state[1] ** 2 + 1.0 - math.cos(state[0])


def heat(u, x, n):
    a = u.copy()
    b = np.empty_like(a)
    for _ in range(n):
        b[0] = a[0]
        b[-1] = a[-1]
        b[1:-1] = a[1:-1] + 0.2 * x * (a[2:] - 2.0 * a[1:-1] + a[:-2])
        a, b = b, a
    return np.sum(a * a)


def stencil_in_place(u, n):
    a = u.copy()
    for _ in range(n):
        for i in range(1, 4):
            a[i] = 0.25 * a[i - 1] + 0.5 * a[i] + 0.25 * a[i + 1] * a[i]
    return np.sum(a * a)


def laplace_in_two_dimensions(M, n):
    a = M.copy()
    for _ in range(n):
        for i in range(1, 3):
            for j in range(1, 3):
                a[i, j] = 0.25 * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1])
    return np.sum(a**3)


def kalman_filter(u, x, y):
    m = 0.0
    p = 1.0
    s = 0.0
    for z in u:
        p = p + x * x
        f = p + y * y
        d = z - m
        s += 0.5 * (math.log(2.0 * math.pi * f) + d * d / f)
        k = p / f
        m = m + k * d
        p = (1.0 - k) * p
    return s


def kalman_filter_with_matrices(u, S, r):
    m = np.zeros(4)
    P = S * 1.0
    s = 0.0
    for z in u:
        P = 0.9 * P + 0.1 * np.eye(4)
        Pr = P @ r
        f = r @ Pr + 0.5
        d = z - r @ m
        s += 0.5 * (np.log(f) + d * d / f)
        m = m + Pr * (d / f)
        P = P - np.outer(Pr, Pr) / f
    return s


def garch(u, x, y):
    h = 0.5
    s = 0.0
    for a in u:
        h = 0.1 + 0.1 * x * a * a + 0.3 * y * h
        s += math.log(h) + a * a / h
    return s


def recurrent_network(u, x, y, z):
    h = 0.0
    s = 0.0
    for a in u:
        h = math.tanh(x * a + y * h + z)
        s += (h - a) ** 2
    return s


def lstm_cell(u, r):
    h = np.zeros(4)
    c = np.zeros(4)
    for a in u:
        gate = 1.0 / (1.0 + np.exp(-(r * a + h)))
        c = gate * c + (1.0 - gate) * np.tanh(r + a)
        h = gate * np.tanh(c)
    return np.sum(h * h)


def lennard_jones(X):
    e = 0.0
    for i in range(len(X)):
        for j in range(i):
            d = 0.0
            for k in range(3):
                d += (X[i, k] - X[j, k] + 0.7 * (i - j)) ** 2
            s = 1.0 / d**3
            e += 4.0 * (s * s - s)
    return e


def mixture_of_gaussians(u, w, x):
    total = 0.0
    for a in u:
        terms = np.zeros(3)
        for k in range(3):
            terms[k] = w[k] - 0.5 * ((a - k * x) / x) ** 2 - math.log(x)
        m = np.max(terms)
        total += m + math.log(np.sum(np.exp(terms - m)))
    return total - 5.0 * math.log(np.sum(np.exp(w)))


def black_scholes(x, y, s):
    d1 = (math.log(s / y) + 0.5 * x * x) / x
    d2 = d1 - x
    return s * 0.5 * (1.0 + math.erf(d1 / math.sqrt(2.0))) - y * 0.5 * (1.0 + math.erf(d2 / math.sqrt(2.0)))


def binomial_option(x, s, n):
    up = math.exp(0.2 * x)
    p = (1.0 - 1.0 / up) / (up - 1.0 / up)
    values = np.zeros(n + 1)
    for i in range(n + 1):
        values[i] = max(s * up ** (2 * i - n) - 2.0, 0.0)
    for k in range(n, 0, -1):
        for i in range(k):
            values[i] = p * values[i + 1] + (1.0 - p) * values[i]
    return values[0]


def gaussian_process(X, x):
    n = len(X)
    K = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            d = X[i] - X[j]
            K[i, j] = math.exp(-np.sum(d * d) / (2.0 * x * x))
    for i in range(n):
        K[i, i] += 0.1
    y = np.arange(6.0)
    L = np.linalg.cholesky(K)
    a = np.linalg.solve(L, y)
    return 0.5 * a @ a + np.sum(np.log(np.diag(L)))


def convolution(u, w):
    out = np.zeros(3)
    for i in range(3):
        for k in range(3):
            out[i] += u[i + k] * w[k]
    return np.sum(np.maximum(out, 0.1 * out) ** 2)


def dynamic_time_warping(u, v):
    n = len(u)
    D = np.full((n + 1, n + 1), 1e6)
    D[0, 0] = 0.0
    for i in range(n):
        for j in range(n):
            D[i + 1, j + 1] = (u[i] - v[j]) ** 2 + min(D[i, j + 1], D[i + 1, j], D[i, j])
    return D[n, n]


def forward_algorithm(M, r, idx):
    P = np.exp(M)
    for i in range(4):
        P[i] /= np.sum(P[i])
    a = np.ones(4) / 4.0
    s = 0.0
    for o in idx:
        a = (a @ P) * np.exp(-((r - o) ** 2))
        c = np.sum(a)
        s += math.log(c)
        a /= c
    return s


def gradient_descent_inside(x, y, n):
    w = x
    for _ in range(n):
        w -= 0.1 * (4.0 * w**3 - 2.0 * y * w + 1.0)
    return w**4 - y * w**2 + w


def bisection_then_newton(y):
    low, high = 0.0, 3.0
    for _ in range(20):
        middle = 0.5 * (low + high)
        if middle * middle * middle > y:
            high = middle
        else:
            low = middle
    x = 0.5 * (low + high)
    for _ in range(3):
        x = x - (x * x * x - y) / (3.0 * x * x)
    return x


def projectile(x, y, s):
    px, py, vx, vy = 0.0, 1.0, x * s, y * s
    dt = 0.05
    while True:
        vx -= dt * 0.1 * vx
        vy -= dt * (9.81 + 0.1 * vy)
        if py + dt * vy < 0.0:
            t = -py / vy
            return px + t * vx
        px += dt * vx
        py += dt * vy


def spline(w, r):
    x = np.array([0.1, 0.45, 0.8, 0.3])
    s = 0.0
    for i in range(4):
        t = x[i]
        k = 0
        while k < 2 and t > 0.25 * (k + 1):
            k += 1
        f = (t - 0.25 * k) / 0.25
        s += (w[k] * (1.0 - f) + w[min(k + 1, 2)] * f - r[i]) ** 2
    return s


def elastic_net(X, w):
    residual = X @ w - np.arange(6.0)
    return 0.5 * np.sum(residual**2) + 0.3 * np.sum(np.abs(w)) + 0.2 * np.sum(w**2)


def rotation_by_an_axis(w, x):
    theta = math.sqrt(np.sum(w * w))
    k = w / theta
    v = np.array([x, 1.0, 2.0])
    cross = np.array([k[1] * v[2] - k[2] * v[1], k[2] * v[0] - k[0] * v[2], k[0] * v[1] - k[1] * v[0]])
    return v * math.cos(theta) + cross * math.sin(theta) + k * (k @ v) * (1.0 - math.cos(theta))
