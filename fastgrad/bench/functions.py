"""Functions whose gradients are timed: what each is, at which sizes, and the data it is called with.

Promises: each is written with the loops and in-place writes that people write where a function is compiled; compiled as
it stands it is the objective that the gradient is compared with.  Leaves out: the same functions in the words of other
libraries (peers/), the suite (suites.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .workloads import Array, Task


def rosenbrock(x: Array) -> Any:
    """The valley of Rosenbrock (1960): x (n,)."""
    s = 0.0
    for i in range(len(x) - 1):
        s += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return s


def stencil(u: Array, rounds: int) -> Any:
    """Diffusion with a reaction, written in place between two buffers: u (n,) at the start, the energy at the end."""
    old = u.copy()
    new = u.copy()
    for _ in range(rounds):
        for i in range(1, len(u) - 1):
            new[i] = old[i] + 0.2 * (old[i - 1] - 2.0 * old[i] + old[i + 1]) + 0.01 * old[i] * (1.0 - old[i])
        old, new = new, old
    return np.sum(old * old)


def runge_kutta(rates: Array, rounds: int) -> Any:
    """Predators and prey (Lotka 1925) by the classical method of fourth order: rates (6,), the two numbers last."""
    a, b, c, d, x, y = rates[0], rates[1], rates[2], rates[3], rates[4], rates[5]
    h, s = 0.01, 0.0
    for _ in range(rounds):
        x1, y1 = x * (a - b * y), y * (c * x - d)
        p, q = x + 0.5 * h * x1, y + 0.5 * h * y1
        x2, y2 = p * (a - b * q), q * (c * p - d)
        p, q = x + 0.5 * h * x2, y + 0.5 * h * y2
        x3, y3 = p * (a - b * q), q * (c * p - d)
        p, q = x + h * x3, y + h * y3
        x4, y4 = p * (a - b * q), q * (c * p - d)
        x += h / 6.0 * (x1 + 2.0 * x2 + 2.0 * x3 + x4)
        y += h / 6.0 * (y1 + 2.0 * y2 + 2.0 * y3 + y4)
        s += (x - 1.0) ** 2 + (y - 1.0) ** 2
    return s * h


def kalman(noise: Array, F: Array, H: Array, z: Array) -> Any:
    """Minus the log-likelihood of a Kalman filter (1960): noise (d + 1,) logarithms; F (d, d), H (d,), z (t,) given."""
    d = len(H)
    Q, r = np.diag(np.exp(noise[:d])), math.exp(noise[d])
    m, P, s = np.zeros(d), np.eye(d), 0.0
    for t in range(len(z)):
        m = F @ m
        P = F @ P @ F.T + Q
        g = P @ H
        v = H @ g + r
        e = z[t] - H @ m
        s += 0.5 * (math.log(v) + e * e / v)
        m = m + g * (e / v)
        P = P - np.outer(g, g) / v
    return s


def rosenbrock_data(size: int, rng: np.random.Generator) -> tuple[Any, ...]:
    """x (size,)."""
    return (rng.uniform(-1.0, 1.0, size),)


def stencil_data(size: int, rng: np.random.Generator) -> tuple[Any, ...]:
    """u (size,) and a tenth as many rounds."""
    return rng.uniform(0.0, 1.0, size), size // 10


def runge_kutta_data(size: int, rng: np.random.Generator) -> tuple[Any, ...]:
    """Rates (6,) and `size` rounds."""
    return np.array([1.1, 0.4, 0.1, 0.4, 1.5, 1.0]) + 0.01 * rng.uniform(-1.0, 1.0, 6), size


def kalman_data(size: int, rng: np.random.Generator) -> tuple[Any, ...]:
    """A body that moves at a constant speed in a plane, one coordinate of it seen `size` times."""
    F = np.eye(4) + 0.1 * np.eye(4, k=2)
    return rng.uniform(-2.0, 0.0, 5), F, np.array([1.0, 0.5, 0.0, 0.0]), np.cumsum(rng.normal(size=size))


@dataclass(frozen=True)
class Objective:
    """A function of one active array, its first argument; data(size, rng): its arguments."""

    function: Callable[..., Any]
    data: Callable[[int, np.random.Generator], tuple[Any, ...]]
    sizes: tuple[int, ...]

    def arguments(self, task: Task) -> tuple[Any, ...]:
        """The same for every contender."""
        return self.data(task.sizes[0], np.random.default_rng(task.seed))


OBJECTIVES: Mapping[str, Objective] = {
    "rosenbrock": Objective(rosenbrock, rosenbrock_data, (10, 1000)),
    "stencil": Objective(stencil, stencil_data, (1000,)),
    "runge_kutta": Objective(runge_kutta, runge_kutta_data, (1000,)),
    "kalman": Objective(kalman, kalman_data, (200,)),
}
