"""The table of everything built in: each activation, loss and optimizer is one row, written here and nowhere else.

Read by the build (block functions in C), the float64 oracle of the tests, the gradient checks, the README's tables, the
command line's choices and the error texts.  Adding a builtin is adding a row.

Formulas are a small language that is at once Python, NumPy and (after translation) C: arithmetic, comparisons inside
`where`, and the functions of `VOCABULARY`.  A formula is lines separated by newlines or `;`: assignments first, the value
last.  Optimizer rows hold assignments, and `if flag:` blocks that the build resolves: one compiled variant for each
sensible combination of flags, so that a slot which is not asked for is neither stored nor read.

This file imports nothing but the standard library: the build reads it before anything is installed.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

VOCABULARY = (
    "exp", "expm1", "log", "log1p", "tanh", "erf", "sqrt", "abs", "sign", "maximum", "minimum", "where",
)  # fmt: skip


@dataclass(frozen=True)
class Activation:
    """a = f(z), elementwise.

    `formula` in z; `derivative` in z and/or a (z is kept in memory for the backward pass only if it occurs there);
    `kinks`: the z at which f has no derivative; `init`: the bound of the uniform initialisation that suits it.
    """

    name: str
    formula: str
    derivative: str
    about: str
    source: str
    kinks: tuple[float, ...] = ()
    init: str = "glorot"


@dataclass(frozen=True)
class Loss:
    """l(p, t) of a raw score p and its target t; `derivative` is dl/dp, `link` turns p into what `predict` returns.

    `value`/`derivative` are elementwise; `rows` names the C function that serves a whole row instead (softmax needs it).
    `kind` says which targets are allowed, `hyper` which parameters the loss has.  A row's loss and slopes are means over its
    outputs unless `sums_values`, `sums_slopes` say that they are sums.
    """

    name: str
    public: str
    value: str
    derivative: str
    link: str
    kind: str
    about: str
    source: str
    hyper: Mapping[str, float] = field(default_factory=dict)
    rows: str = ""
    link_name: str = "identity"
    sums_values: bool = False
    sums_slopes: bool = False


@dataclass(frozen=True)
class Optimizer:
    """w, slots <- update(w, g, slots), elementwise.

    `hyper`: arguments with their defaults, `lr` first.  `per_step`: scalar lines in float64, once a step, over `lr`, `t`
    (1 for the first step), hyper and `carry` (scalars that live on from step to step, with their first values).
    `slots`: state as large as the parameters, with the value it starts from.  `flags`: hyper names tested by `if`.
    """

    name: str
    public: str
    hyper: Mapping[str, float | tuple[float, float] | bool]
    update: str
    about: str
    source: str
    slots: Mapping[str, str] = field(default_factory=dict)
    per_step: str = ""
    carry: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


Row = TypeVar("Row", Activation, Loss, Optimizer)
Entry = TypeVar("Entry")


def table(*rows: Row) -> dict[str, Row]:
    """Rows by their names."""
    return {row.name: row for row in rows}


ACTIVATIONS = table(
    Activation("identity", "z", "1", "no activation: a linear layer", "-"),
    Activation(
        "relu", "maximum(z, 0)", "where(a > 0, 1, 0)", "zero below zero, unchanged above",
        "Nair & Hinton 2010", kinks=(0.0,), init="he",
    ),
    Activation(
        "leaky_relu", "where(z < 0, 0.01 * z, z)", "where(a > 0, 1, 0.01)", "relu with a slope of 0.01 below zero",
        "Maas et al. 2013", kinks=(0.0,), init="he",
    ),
    Activation(
        "elu", "where(z > 0, z, expm1(z))", "where(a > 0, 1, a + 1)", "exponential below zero, down to -1",
        "Clevert et al. 2015, arXiv:1511.07289", init="he",
    ),
    Activation(
        "selu",
        "1.0507009873554805 * where(z > 0, z, 1.6732632423543772 * expm1(z))",
        "where(a > 0, 1.0507009873554805, a + 1.7580993408473766)",
        "elu scaled so that activations keep mean 0 and variance 1",
        "Klambauer et al. 2017, arXiv:1706.02515", kinks=(0.0,), init="lecun",
    ),
    Activation(
        "gelu",
        "0.5 * z * (1 + erf(z * 0.7071067811865476))",
        "0.5 * (1 + erf(z * 0.7071067811865476)) + z * exp(-0.5 * z * z) * 0.3989422804014327",
        "z times the probability that a normal variable is below z (exact, with erf)",
        "Hendrycks & Gimpel 2016, arXiv:1606.08415", init="he",
    ),
    Activation(
        "silu", "z / (1 + exp(-z))", "s = 1 / (1 + exp(-z)); s + a * (1 - s)", "z times its own sigmoid (swish)",
        "Elfwing et al. 2017, arXiv:1702.03118", init="he",
    ),
    Activation(
        "mish",
        "e = exp(minimum(z, 20)); n = e * (e + 2); z * (n / (n + 2))",
        "e = exp(minimum(z, 20)); n = e * (e + 2); d = n + 2; n / d + 4 * z * (e / d) * ((1 + e) / d)",
        "z times tanh(softplus(z))", "Misra 2019, arXiv:1908.08681", init="he",
    ),
    Activation("tanh", "tanh(z)", "1 - a * a", "squashes to (-1, 1)", "LeCun et al. 1998, Efficient BackProp"),
    Activation("sigmoid", "1 / (1 + exp(-z))", "a * (1 - a)", "squashes to (0, 1)", "Rumelhart et al. 1986"),
    Activation(
        "softplus", "maximum(z, 0) + log1p(exp(-abs(z)))", "-expm1(-a)", "a smooth relu: log(1 + exp(z))",
        "Dugas et al. 2000", init="he",
    ),
    Activation(
        "softsign", "z / (1 + abs(z))", "s = 1 - abs(a); s * s", "squashes to (-1, 1), with long tails",
        "Turian et al. 2009",
    ),
    Activation(
        "hard_sigmoid", "minimum(maximum(z + 3, 0), 6) / 6", "where(a > 0, where(a < 1, 0.16666666666666667, 0), 0)",
        "sigmoid in three straight pieces", "Courbariaux et al. 2015, arXiv:1511.00363", kinks=(-3.0, 3.0),
    ),
    Activation(
        "hard_swish",
        "z * (minimum(maximum(z + 3, 0), 6) / 6)",
        "where(z < -3, 0, where(z <= 3, z / 3 + 0.5, 1))",
        "silu with the sigmoid in three straight pieces", "Howard et al. 2019, arXiv:1905.02244",
        kinks=(-3.0, 3.0), init="he",
    ),
)  # fmt: skip

LOSSES = table(
    Loss(
        "mse", "MSE", "d = p - t; d * d", "2 * (p - t)", "p", "real",
        "mean squared error", "Gauss 1809; torch.nn.MSELoss",
    ),
    Loss("mae", "MAE", "abs(p - t)", "sign(p - t)", "p", "real", "mean absolute error", "torch.nn.L1Loss"),
    Loss(
        "huber", "Huber",
        "d = abs(p - t); where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))",
        "minimum(maximum(p - t, -delta), delta)", "p", "real",
        "squared near the target, absolute farther than delta", "Huber 1964; torch.nn.HuberLoss", hyper={"delta": 1.0},
    ),
    Loss(
        "log_cosh", "LogCosh", "d = abs(p - t); d + log1p(exp(-2 * d)) - 0.6931471805599453", "tanh(p - t)", "p", "real",
        "log(cosh(p - t)): a smooth absolute error", "Chen et al. 2018, Log hyperbolic cosine loss",
    ),
    Loss(
        "quantile", "Quantile", "maximum(q * (t - p), (q - 1) * (t - p))",
        "where(t > p, -q, where(t < p, 1 - q, 0))", "p", "real",
        "pinball loss: p estimates the q-quantile of t", "Koenker & Bassett 1978", hyper={"q": 0.5},
    ),
    Loss(
        "poisson", "Poisson", "exp(p) - t * p", "exp(p) - t", "exp(p)", "count",
        "negative log-likelihood of counts, p = log of the rate", "torch.nn.PoissonNLLLoss(log_input=True)",
        link_name="exp",
    ),
    Loss(
        "binary_cross_entropy", "BinaryCrossEntropy",
        "s = t * (1 - label_smoothing) + 0.5 * label_smoothing; maximum(p, 0) - p * s + log1p(exp(-abs(p)))",
        "s = t * (1 - label_smoothing) + 0.5 * label_smoothing; e = exp(-abs(p)); where(p < 0, e, 1) / (1 + e) - s",
        "1 / (1 + exp(-p))", "probability",
        "log loss of yes/no targets, p = log odds", "torch.nn.BCEWithLogitsLoss",
        hyper={"label_smoothing": 0.0}, link_name="sigmoid",
    ),
    Loss(
        "cross_entropy", "CrossEntropy", "log(sum(exp(p))) - sum(t * p)", "softmax(p) - t", "softmax(p)", "class",
        "log loss of one class among several", "Bridle 1990; torch.nn.CrossEntropyLoss",
        hyper={"label_smoothing": 0.0}, rows="softmax_loss", link_name="softmax",
    ),
    Loss(
        "hinge", "Hinge", "maximum(1 - t * p, 0)", "where(t * p < 1, -t, 0)", "p", "sign",
        "margin loss; with several outputs the mean over the other classes (multi-margin)",
        "Cortes & Vapnik 1995; torch.nn.MultiMarginLoss", rows="margin_loss",
    ),
)  # fmt: skip

_DECAY = "g = g + weight_decay * w\n"
_BETAS = (0.9, 0.999)
_MOMENTS = "m = m + (1 - beta1) * (g - m)\nv = beta2 * v + (1 - beta2) * g * g\n"
# powers of the betas are carried along: a pow() a step would be a tenth of a small network's step
_POWERS = {"power1": 1.0, "power2": 1.0}
_ADAM_SCALARS = """
power1 = power1 * beta1
power2 = power2 * beta2
size = lr / (1 - power1)
root = 1 / sqrt(1 - power2)
"""
_ADAM = (
    _MOMENTS
    + """
if amsgrad:
    x = maximum(x, v)
    w = w - size * m / (sqrt(x) * root + eps)
else:
    w = w - size * m / (sqrt(v) * root + eps)
"""
)

OPTIMIZERS = table(
    Optimizer(
        "sgd", "SGD",
        {"lr": 1e-3, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False},
        _DECAY + """
if momentum:
    m = momentum * m + mix * g
    if nesterov:
        w = w - lr * (g + momentum * m)
    else:
        w = w - lr * m
else:
    w = w - lr * g
""",
        "gradient descent, with momentum and Nesterov's look ahead", "Robbins & Monro 1951; Sutskever et al. 2013",
        slots={"m": "0"}, per_step="mix = where(t > 1, 1 - dampening, 1)", flags=("momentum", "nesterov"),
    ),
    Optimizer(
        "adagrad", "Adagrad",
        {"lr": 1e-2, "lr_decay": 0.0, "weight_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-10},
        _DECAY + "s = s + g * g\nw = w - rate * g / (sqrt(s) + eps)",
        "each weight's step shrinks with the sum of its squared gradients", "Duchi et al. 2011",
        slots={"s": "initial_accumulator_value"}, per_step="rate = lr / (1 + (t - 1) * lr_decay)",
    ),
    Optimizer(
        "adadelta", "Adadelta", {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.0},
        _DECAY + """
v = rho * v + (1 - rho) * g * g
d = sqrt(u + eps) / sqrt(v + eps) * g
u = rho * u + (1 - rho) * d * d
w = w - lr * d
""",
        "steps in the units of the weights, from running means", "Zeiler 2012, arXiv:1212.5701",
        slots={"v": "0", "u": "0"},
    ),
    Optimizer(
        "rmsprop", "RMSprop",
        {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "centered": False},
        _DECAY + """
v = alpha * v + (1 - alpha) * g * g
if centered:
    c = c + (1 - alpha) * (g - c)
    d = g / (sqrt(v - c * c) + eps)
else:
    d = g / (sqrt(v) + eps)
if momentum:
    m = momentum * m + d
    w = w - lr * m
else:
    w = w - lr * d
""",
        "divides by a running root mean square of the gradient", "Tieleman & Hinton 2012",
        slots={"v": "0", "c": "0", "m": "0"}, flags=("momentum", "centered"),
    ),
    Optimizer(
        "adam", "Adam", {"lr": 1e-3, "betas": _BETAS, "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False},
        _DECAY + _ADAM, "running mean over running root mean square, bias corrected",
        "Kingma & Ba 2014, arXiv:1412.6980", slots={"m": "0", "v": "0", "x": "0"}, per_step=_ADAM_SCALARS,
        carry=_POWERS, flags=("amsgrad",),
    ),
    Optimizer(
        "adamw", "AdamW", {"lr": 1e-3, "betas": _BETAS, "eps": 1e-8, "weight_decay": 1e-2, "amsgrad": False},
        "w = w * keep\n" + _ADAM, "Adam with the weights' decay apart from the gradient",
        "Loshchilov & Hutter 2017, arXiv:1711.05101", slots={"m": "0", "v": "0", "x": "0"},
        per_step=_ADAM_SCALARS + "keep = 1 - lr * weight_decay", carry=_POWERS, flags=("amsgrad",),
    ),
    Optimizer(
        "adamax", "Adamax", {"lr": 2e-3, "betas": _BETAS, "eps": 1e-8, "weight_decay": 0.0},
        _DECAY + "m = m + (1 - beta1) * (g - m)\nu = maximum(beta2 * u, abs(g) + eps)\nw = w - size * m / u",
        "Adam with a running maximum in place of the root mean square", "Kingma & Ba 2014, arXiv:1412.6980",
        slots={"m": "0", "u": "0"}, per_step="power1 = power1 * beta1\nsize = lr / (1 - power1)",
        carry={"power1": 1.0},
    ),
    Optimizer(
        "nadam", "NAdam",
        {"lr": 2e-3, "betas": _BETAS, "eps": 1e-8, "weight_decay": 0.0, "momentum_decay": 4e-3},
        _DECAY + _MOMENTS + "w = w - (now * g + next * m) / (sqrt(v) * root + eps)",
        "Adam with Nesterov's look ahead", "Dozat 2016", slots={"m": "0", "v": "0"}, carry={"product": 1.0, "power2": 1.0},
        per_step="""
power2 = power2 * beta2
mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
product = product * mu
now = lr * (1 - mu) / (1 - product)
next = lr * mu_next / (1 - product * mu_next)
root = 1 / sqrt(1 - power2)
""",
    ),
    Optimizer(
        "radam", "RAdam", {"lr": 1e-3, "betas": _BETAS, "eps": 1e-8, "weight_decay": 0.0},
        _DECAY + _MOMENTS + "w = w - m * (plain + adaptive / (sqrt(v) + eps))",
        "Adam that waits until its second moment can be trusted", "Liu et al. 2019, arXiv:1908.03265",
        slots={"m": "0", "v": "0"}, carry=_POWERS,
        per_step="""
power1 = power1 * beta1
power2 = power2 * beta2
size = lr / (1 - power1)
bias = 1 - power2
top = 2 / (1 - beta2) - 1
rho = top - 2 * t * power2 / bias
ready = where(rho > 5, 1, 0)
rectify = sqrt(maximum((rho - 4) * (rho - 2) * top / ((top - 4) * (top - 2) * rho), 0))
adaptive = ready * size * rectify * sqrt(bias)
plain = (1 - ready) * size
""",
    ),
    Optimizer(
        "lion", "Lion", {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0.0},
        "w = w - lr * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * w)\nm = beta2 * m + (1 - beta2) * g",
        "the sign of a mean of gradients", "Chen et al. 2023, arXiv:2302.06675", slots={"m": "0"},
    ),
)  # fmt: skip


def lookup(table: Mapping[str, Entry], name: object, what: str) -> Entry:
    """The row called `name`; otherwise a ValueError that lists what exists and the nearest name.

    >>> lookup(ACTIVATIONS, "relu", "activation").kinks
    (0.0,)
    """
    row = table.get(name) if isinstance(name, str) else None
    if row is None:
        near = difflib.get_close_matches(str(name), table, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"unknown {what} {name!r}{hint}; known: {', '.join(table)}")
    return row
