"""Gradient descent in its three kinds, with momentum, and the adaptive methods: all reach the known optimum.

The one problem is least squares with a solution in closed form.  Batch descent reaches it to the last digits, at the
speed that theory promises; steps on a few rows, whose gradients never vanish together, come as close as their learning
rate allows, and arrive once it falls to nothing.  The README shows these recipes.
"""

from __future__ import annotations

import numpy as np
import pytest

import fastgrad as fg

N = 240


@pytest.fixture(scope="module")
def problem():
    """X (N, 3) with unequal scales, y (N,) with noise, and the solution (w1, w2, w3, b)."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(N, 3)) * [1.0, 2.0, 0.5]
    y = X @ [1.0, -0.5, 2.0] + 0.7 + rng.normal(size=N) / 2
    return X, y, np.linalg.lstsq(np.c_[X, np.ones(N)], y, rcond=None)[0]


def distance(problem, **fit):
    X, y, best = problem
    net = fg.Network([3, 1], loss="mse", dtype="float64", seed=0)
    net.fit(X, y, **fit)
    return float(np.linalg.norm(net.parameters - best))


KINDS = {  # batch_size is all that distinguishes them
    "batch": {"batch_size": None, "optimizer": fg.SGD(0.1), "epochs": 600},
    "mini-batch": {"batch_size": 16, "optimizer": fg.SGD(0.05), "epochs": 60, "schedule": fg.Cosine()},
    "stochastic": {"batch_size": 1, "optimizer": fg.SGD(0.01), "epochs": 60, "schedule": fg.Cosine()},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_three_kinds_of_descent_reach_the_optimum(kind, problem):
    assert distance(problem, **{**KINDS[kind], "epochs": 0}) > 1
    assert distance(problem, **KINDS[kind]) < (1e-9 if kind == "batch" else 0.02)


def test_batch_descent_converges_as_theory_says(problem):
    """A step shrinks the error by 1 - lr * (smallest eigenvalue of the Hessian), once other directions have died."""
    X, _, _ = problem
    A = np.c_[X, np.ones(N)]
    curvature = np.linalg.eigvalsh(2 * A.T @ A / N)
    lr = 1 / curvature[-1]
    early, late = (distance(problem, batch_size=None, optimizer=fg.SGD(lr), epochs=n) for n in (100, 150))
    assert (late / early) ** (1 / 50) == pytest.approx(1 - lr * curvature[0], rel=1e-6)
    with pytest.raises(fg.DivergenceError):  # beyond 2 / (largest eigenvalue) it diverges
        distance(problem, batch_size=None, optimizer=fg.SGD(2.1 / curvature[-1]), epochs=20000)
    assert distance(problem, batch_size=None, optimizer=fg.SGD(1.9 / curvature[-1]), epochs=2000) < 1e-9


@pytest.mark.parametrize("kind", ["mini-batch", "stochastic"])
def test_a_constant_rate_stays_noisy_and_a_falling_one_arrives(kind, problem):
    """Few rows: the parameters wander about the optimum, the less the smaller the rate."""
    fit = {**KINDS[kind], "schedule": None}
    lr = fit["optimizer"].lr
    wide, narrow = distance(problem, **fit), distance(problem, **{**fit, "optimizer": fg.SGD(lr / 10), "epochs": 300})
    assert wide > 2 * narrow and wide > 2 * distance(problem, **KINDS[kind]) and wide < 0.5


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_is_faster_than_plain_descent(nesterov, problem):
    plain = distance(problem, batch_size=None, optimizer=fg.SGD(0.02), epochs=100)
    momentum = distance(problem, batch_size=None, optimizer=fg.SGD(0.02, momentum=0.8, nesterov=nesterov), epochs=100)
    assert momentum < plain / 10
    assert (
        distance(problem, batch_size=None, optimizer=fg.SGD(0.02, momentum=0.8, nesterov=nesterov), epochs=500) < 1e-9
    )


ADAPTIVE = {
    "Adagrad": fg.Adagrad(0.5),
    "Adadelta": fg.Adadelta(5.0),
    "RMSprop": fg.RMSprop(0.02),
    "RMSprop, momentum": fg.RMSprop(0.005, momentum=0.9),
    "RMSprop, centered": fg.RMSprop(0.02, centered=True),
    "Adam": fg.Adam(0.05),
    "Adam, amsgrad": fg.Adam(0.05, amsgrad=True),
    "AdamW": fg.AdamW(0.05, weight_decay=0.0),
    "Adamax": fg.Adamax(0.05),
    "NAdam": fg.NAdam(0.05),
    "RAdam": fg.RAdam(0.05),
    "Lion": fg.Lion(0.02),
}


@pytest.mark.parametrize("batch", [None, 16])
@pytest.mark.parametrize("name", ADAPTIVE)
def test_adaptive_methods_reach_the_optimum(name, batch, problem):
    """With a rate that falls to nothing, so that methods whose steps do not shrink by themselves arrive too."""
    fit = {
        "batch_size": batch,
        "epochs": 1500 if batch is None else 200,
        "optimizer": ADAPTIVE[name],
        "schedule": fg.Cosine(),
    }
    assert distance(problem, **fit) < (1e-5 if batch is None else 0.01)


def test_weight_decay_is_ridge_regression(problem):
    """It adds decay * w to the gradient, the bias's too: the optimum solves (A'A / N + decay / 2) w = A'y / N."""
    X, y, _ = problem
    A, decay = np.c_[X, np.ones(N)], 0.3
    best = np.linalg.solve(A.T @ A / N + decay / 2 * np.eye(4), A.T @ y / N)
    fit = {"batch_size": None, "optimizer": fg.SGD(0.1, weight_decay=decay), "epochs": 500}
    assert distance((X, y, best), **fit) < 1e-12
