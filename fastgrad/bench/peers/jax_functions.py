"""The functions of functions.py as JAX wants them: without loops over entries and without writes, `lax.scan` over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from .. import functions, timing
from ..timing import Prepared
from ..workloads import Task
from .with_jax import import_jax


def rosenbrock(jax: Any, jnp: Any, x: Any) -> Any:
    """As functions.rosenbrock."""
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def stencil(jax: Any, jnp: Any, u: Any, rounds: int) -> Any:
    """As functions.stencil; an odd number of rounds would need the first buffer's edges, which both have."""

    def step(a: Any, _: Any) -> Any:
        inner = a[1:-1] + 0.2 * (a[:-2] - 2.0 * a[1:-1] + a[2:]) + 0.01 * a[1:-1] * (1.0 - a[1:-1])
        return jnp.concatenate((a[:1], inner, a[-1:])), None

    a, _ = jax.lax.scan(step, u, None, length=rounds)
    return jnp.sum(a * a)


def runge_kutta(jax: Any, jnp: Any, rates: Any, rounds: int) -> Any:
    """As functions.runge_kutta."""
    a, b, c, d, x0, y0 = rates
    h = 0.01

    def slope(x: Any, y: Any) -> Any:
        return x * (a - b * y), y * (c * x - d)

    def step(state: Any, _: Any) -> Any:
        x, y, s = state
        x1, y1 = slope(x, y)
        x2, y2 = slope(x + 0.5 * h * x1, y + 0.5 * h * y1)
        x3, y3 = slope(x + 0.5 * h * x2, y + 0.5 * h * y2)
        x4, y4 = slope(x + h * x3, y + h * y3)
        x = x + h / 6.0 * (x1 + 2.0 * x2 + 2.0 * x3 + x4)
        y = y + h / 6.0 * (y1 + 2.0 * y2 + 2.0 * y3 + y4)
        return (x, y, s + (x - 1.0) ** 2 + (y - 1.0) ** 2), None

    (_, _, s), _ = jax.lax.scan(step, (x0, y0, jnp.zeros(())), None, length=rounds)
    return s * h


def kalman(jax: Any, jnp: Any, noise: Any, F: Any, H: Any, z: Any) -> Any:
    """As functions.kalman."""
    d = len(H)
    Q, r = jnp.diag(jnp.exp(noise[:d])), jnp.exp(noise[d])

    def step(state: Any, seen: Any) -> Any:
        m, P, s = state
        m, P = F @ m, F @ P @ F.T + Q
        g = P @ H
        v = H @ g + r
        e = seen - H @ m
        return (m + g * (e / v), P - jnp.outer(g, g) / v, s + 0.5 * (jnp.log(v) + e * e / v)), None

    (_, _, s), _ = jax.lax.scan(step, (jnp.zeros(d), jnp.eye(d), jnp.zeros(())), z)
    return s


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "rosenbrock": rosenbrock, "stencil": stencil, "runge_kutta": runge_kutta, "kalman": kalman
}  # fmt: skip


def gradient(task: Task) -> Prepared:
    """The gradient under one jit, NumPy array in and out; seconds per call."""
    jax, jnp, _, about = import_jax(task)
    arguments = functions.OBJECTIVES[task.piece].arguments(task)
    fixed = tuple(place for place, value in enumerate(arguments) if isinstance(value, int))  # lengths of scans
    call = jax.jit(jax.grad(partial(FUNCTIONS[task.piece], jax, jnp)), static_argnums=fixed)

    def work(n: int) -> None:
        for _ in range(n):
            np.asarray(call(*arguments))

    facts = {"norm": float(np.linalg.norm(np.asarray(call(*arguments))))}
    return Prepared(timing.timed(work, 1, quick=task.quick), about, facts)
