"""The oracle: a network, its losses and the optimizers in plain float64 NumPy, read straight from the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

import fastgrad as fg
from fastgrad import catalog
from fastgrad.formulas import numpy_function
from fastgrad.private_rows import PRIVATE_LOSSES

LOSSES = catalog.LOSSES | PRIVATE_LOSSES


def targets_for(loss: str, rows: int, outputs: int, rng: np.random.Generator) -> np.ndarray:
    """Valid random targets, in the form that the kernels take."""
    kind = LOSSES[loss].kind
    if kind == "class" or (kind == "sign" and outputs > 1):
        return rng.integers(0, outputs, rows).astype(np.int32)
    if kind == "sign":
        return rng.choice([-1.0, 1.0], (rows, 1))
    if kind == "count":
        return rng.poisson(2.0, (rows, outputs)).astype(float)
    if kind == "probability":
        return rng.uniform(size=(rows, outputs))
    return rng.normal(size=(rows, outputs))


def row_losses(loss: str, hyper: dict[str, float], p: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Loss of each row, and its derivative by the scores, in float64."""
    n = p.shape[1]
    if loss in ("cross_entropy", "log_loss"):
        smooth = hyper.get("label_smoothing", 0.0)
        target = (np.eye(n)[t] if t.ndim == 1 else t) * (1 - smooth) + smooth / n
        shifted = p - p.max(1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        return np.minimum(-(target * logs).sum(1), hyper.get("most", np.inf)), np.exp(logs) - target
    if loss == "hinge" and n > 1:
        margins = np.maximum(0, 1 - p[np.arange(len(p)), t][:, None] + p)
        margins[np.arange(len(p)), t] = 0
        slope = (margins > 0).astype(float)
        slope[np.arange(len(p)), t] = -slope.sum(1)
        return margins.sum(1) / n, slope / n
    row = LOSSES[loss]
    names = {**row.hyper, **hyper, "p": p, "t": t}
    value = numpy_function(row.value)(**names)["value"]
    slope = numpy_function(row.derivative)(**names)["value"]
    values, slopes = np.broadcast_to(value, p.shape).sum(1), np.broadcast_to(slope, p.shape)
    return values / (1 if row.sums_values else n), slopes / (1 if row.sums_slopes else n)


@dataclass
class Oracle:
    """A network in float64: forward, gradient, and steps of any optimizer of the catalog."""

    W: list[np.ndarray]
    b: list[np.ndarray]
    activations: tuple[str, ...]
    loss: str
    hyper: dict[str, float]

    def forward(self, X: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        Z, A = [], [np.asarray(X, np.float64)]
        with np.errstate(all="ignore"):
            for W, b, name in zip(self.W, self.b, self.activations, strict=True):
                Z.append(A[-1] @ W + b)
                A.append(numpy_function(catalog.ACTIVATIONS[name].formula)(z=Z[-1])["value"])
        return Z, A

    def gradient(self, X: np.ndarray, t: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, list[Any]]:
        Z, A = self.forward(X)
        w = np.ones(len(X)) if weight is None else weight
        losses, d = row_losses(self.loss, self.hyper, A[-1], t)
        d = d * (w / w.sum())[:, None]
        grads: list[Any] = [None] * len(self.W)
        with np.errstate(all="ignore"):
            for k in range(len(self.W) - 1, -1, -1):
                slope = numpy_function(catalog.ACTIVATIONS[self.activations[k]].derivative)(z=Z[k], a=A[k + 1])["value"]
                d = d * slope
                grads[k] = (A[k].T @ d, d.sum(0))
                d = d @ self.W[k].T
        return float((losses * w).sum() / w.sum()), grads


def oracle_of(net: Any, hyper: dict[str, float] | None = None) -> Oracle:
    """The oracle with a network's parameters."""
    W, b = ([np.array(a, np.float64) for a in part] for part in (net.weights, net.biases))
    return Oracle(W, b, net.activations, net.loss_name, hyper or {})


def optimizer_steps(
    row: catalog.Optimizer, hyper: dict[str, float], params: list[np.ndarray], gradients: Any, steps: int
) -> None:
    """Run an optimizer of the catalog over `params` in place, through its formulas in NumPy; gradients(k) gives step k's."""
    flags = {flag: bool(hyper[flag]) for flag in row.flags}
    slots = [{s: np.full_like(p, hyper.get(start, 0.0)) for s, start in row.slots.items()} for p in params]
    carry = dict(row.carry)
    update = numpy_function(row.update, flags)
    per_step = numpy_function(row.per_step) if row.per_step else None
    for k in range(steps):
        scalars = {**hyper, "t": float(k + 1), **carry}
        with np.errstate(all="ignore"):
            if per_step:
                scalars = per_step(**scalars)
            carry = {name: scalars[name] for name in carry}
            for p, s, g in zip(params, slots, gradients(k), strict=True):
                space = update(**{n: v for n, v in scalars.items() if n != "value"}, w=p, g=g, **s)
                p[...] = space["w"]
                for name in s:
                    s[name][...] = space[name]


def network(dtype="float64", **more):
    """A small classifier for tests of what surrounds the training."""
    return fg.Network([4, 6, 3], **{"activation": "tanh", "loss": "cross_entropy", "dtype": dtype, "seed": 1, **more})


def bits(net):
    """The parameters, to be compared bit for bit."""
    return net.parameters.tobytes()


def sparse(rng, rows, columns, share=0.06, dtype="float64"):
    """A random CSR matrix with a row and a column of zeros, and a full row."""
    X = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < share)
    X[-1] = rng.normal(size=columns)
    X[rows // 3], X[:, columns // 2] = 0, 0
    return sp.csr_array(X.astype(dtype))
