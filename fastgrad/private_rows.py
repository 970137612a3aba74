"""Rows of the catalog's kind without a public name: what the library needs for itself.

`store` keeps the gradient instead of using it.  The rest is scikit-learn's multi-layer perceptron, where it differs from
the catalog: losses are halved, and their gradients are sums over a row's outputs; a logarithm is cut off at the smallest
probability that the type can tell from 0; the learning rate is inside SGD's velocity, eps outside Adam's correction.
"""

from __future__ import annotations

from .catalog import Loss, Optimizer, table

_SOURCE = "sklearn.neural_network, version 1.9"

PRIVATE_LOSSES = table(
    Loss(
        "half_squared_error", "HalfSquaredError", "d = p - t; 0.5 * d * d", "p - t", "p", "real",
        "half the squared error", _SOURCE, sums_slopes=True,
    ),
    Loss(
        "half_poisson_deviance", "HalfPoissonDeviance",
        "exp(p) - t * p - t + where(t > 0, t * log(t), 0)", "exp(p) - t", "exp(p)", "count",
        "half the Poisson deviance, p = log of the rate", _SOURCE, link_name="exp", sums_values=True, sums_slopes=True,
    ),
    Loss(
        "binary_log_loss", "BinaryLogLoss",
        "minimum(maximum(p, 0) - p * t + log1p(exp(-abs(p))), most)",
        "e = exp(-abs(p)); where(p < 0, e, 1) / (1 + e) - t", "1 / (1 + exp(-p))", "probability",
        "log loss of yes/no targets, at most `most` for each", _SOURCE, hyper={"most": 36.0}, link_name="sigmoid",
        sums_values=True, sums_slopes=True,
    ),
    Loss(
        "log_loss", "LogLoss", "log(sum(exp(p))) - sum(t * p)", "softmax(p) - t", "softmax(p)", "class",
        "log loss of one class among several, at most `most`", _SOURCE,
        hyper={"label_smoothing": 0.0, "most": 36.0}, rows="softmax_loss", link_name="softmax",
    ),
)  # fmt: skip

PRIVATE_OPTIMIZERS = table(
    Optimizer("store", "", {"lr": 0.0}, "s = g", "the gradient itself, kept in a slot", "-", slots={"s": "0"}),
    Optimizer(
        "velocity_sgd", "VelocitySGD", {"lr": 1e-3, "momentum": 0.9, "nesterov": True},
        """
if momentum:
    v = momentum * v - lr * g
    if nesterov:
        w = w + (momentum * v - lr * g)
    else:
        w = w + v
else:
    w = w - lr * g
""",
        "gradient descent whose velocity holds the learning rates of its time", _SOURCE,
        slots={"v": "0"}, flags=("momentum", "nesterov"),
    ),
    Optimizer(
        "plain_eps_adam", "PlainEpsAdam", {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8},
        """
m = beta1 * m + (1 - beta1) * g
v = beta2 * v + (1 - beta2) * g * g
w = w - rate * m / (sqrt(v) + eps)
""",
        "Adam as in the paper's remark: the correction is in the rate alone", "Kingma & Ba 2014, section 2; " + _SOURCE,
        slots={"m": "0", "v": "0"}, carry={"power1": 1.0, "power2": 1.0},
        per_step="""
power1 = power1 * beta1
power2 = power2 * beta2
rate = lr * sqrt(1 - power2) / (1 - power1)
""",
    ),
)  # fmt: skip
