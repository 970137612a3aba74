"""From a table to a trained network that takes the table's own numbers.

Promises: numbers are standardised for training, with mean and deviation of the training rows, and the standardisation is
folded into the first layer afterwards, so that the network in the file takes raw numbers.  Where float32 is too coarse
for that (timestamps, say: large numbers that differ little) the folded network is float64.  Targets of regression are
shifted by their mean where the loss looks at differences only, and scaled by their deviation where a scale of the
differences only scales the loss (mse, mae, quantile; huber, where delta is scaled with them); both are folded into the last
layer.  log_cosh turns from squares to absolute values at a difference of 1, poisson counts: their scale is left alone.

Two classes take one output and binary_cross_entropy: two outputs with cross_entropy say the same with twice the weights
in the last layer, since only their difference matters.  Leaves out: files (reading.py) and words (the command line).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import fastgrad as fg

from .. import catalog, holdout, optimizers, schedules, scoring
from .encoding import Encoding
from .learning import measure
from .predictions import classes_of
from .table import Table

Array = npt.NDArray[Any]
SCALED = ("mse", "mae", "quantile")  # loss(c d) = c' loss(d) for any scale c of the differences
KINDS = {"classification": ("class", "probability", "sign"), "regression": ("real", "count")}
FOLDED = 1e-3  # of the scores' spread: what folding may change before float64 is taken


@dataclass(frozen=True)
class Plan:
    """How to train: the network, the loss (None: as the task wants) and what `fit` is told.

    `lr`: None for the optimizer's own; `schedule`: a name of `schedules.SCHEDULES`; `validation`: the fraction of rows held
    out.
    """

    hidden: tuple[int, ...] = (64,)
    activation: str = "relu"
    loss: str | None = None
    optimizer: str = "adam"
    lr: float | None = None
    epochs: int = 20
    batch_size: int | None = 128
    schedule: str = "Constant"
    validation: float = 0.1
    early_stopping: int | None = None
    seed: int = 0
    dtype: str = "float32"
    threads: int | None = None
    max_seconds: float | None = None
    checkpoint: Path | None = None
    resume: Path | None = None
    progress: bool | None = None


@dataclass(frozen=True)
class Trained:
    """A network with its encoding in `metadata["table"]`, the history of its training, and figures in words and numbers."""

    network: fg.Network
    history: fg.History
    figures: dict[str, Any]


def choose_loss(encoding: Encoding, loss: str | None) -> tuple[str, int]:
    """The loss and the number of outputs that suit the targets; ValueError where a loss does not."""
    classes = encoding.classes
    task = "regression" if classes is None else "classification"
    if loss is None:
        loss = "mse" if classes is None else "binary_cross_entropy" if len(classes) == 2 else "cross_entropy"
    kind = catalog.LOSSES[loss].kind
    if kind not in KINDS[task]:
        suits = ", ".join(row.name for row in catalog.LOSSES.values() if row.kind in KINDS[task])
        raise ValueError(f"loss: {loss} is not for {task}, expected one of {suits}")
    if classes is None:
        return loss, len(encoding.targets)
    if kind == "probability" and len(classes) > 2:
        raise ValueError(f"loss: {loss} is for two classes, found {len(classes)}; use cross_entropy")
    return loss, 1 if kind != "class" and len(classes) == 2 else len(classes)


def split(y: Array, encoding: Encoding, plan: Plan) -> tuple[Array, Array]:
    """Rows to train on and rows held out, in each class its share, by the seed."""
    if not plan.validation:
        return np.arange(len(y)), np.zeros(0, np.intp)
    strata = y if encoding.classes is not None else np.zeros(len(y), np.intp)
    order = np.random.default_rng(plan.seed).permutation(len(y))
    held, kept = holdout.pick(plan.validation, order, strata)
    return kept, held


def train(table: Table, encoding: Encoding, places: list[int], plan: Plan) -> Trained:
    """Train a network on the table's rows; `places`: where the targets stand.

    Raises ValueError where the plan or a cell does not fit, and as `fg.Network.fit`.
    """
    loss, outputs = choose_loss(encoding, plan.loss)
    y = encoding.encode_targets(table, places, plan.dtype)
    kept, held = split(y, encoding, plan)
    encoding = measure(encoding, table, kept)
    centre, scale = target_moments(y[kept], loss)
    rescaled = fg.Huber(1 / float(scale[0])) if loss == "huber" else loss  # delta is 1 in the targets' own unit
    goal = (y - centre) / scale if encoding.classes is None else y
    sizes = [encoding.inputs, *plan.hidden, outputs]
    net = fg.Network(
        sizes, activation=plan.activation if plan.hidden else None, loss=rescaled, dtype=plan.dtype, seed=plan.seed
    )
    net.metadata = {"table": encoding.to_dict()}
    rule = optimizers.FACES[plan.optimizer]
    X = encoding.encode(table, plan.dtype, standard=True)
    started = time.monotonic()
    history = net.fit(
        X[kept], goal[kept], epochs=plan.epochs, batch_size=plan.batch_size,
        optimizer=rule() if plan.lr is None else rule(lr=plan.lr), schedule=schedules.SCHEDULES[plan.schedule](),
        validation=(X[held], goal[held]) if held.size else None, early_stopping=plan.early_stopping,
        threads=plan.threads, max_seconds=plan.max_seconds, checkpoint=plan.checkpoint, resume=plan.resume,
        progress=plan.progress,
    )  # fmt: skip
    seconds = time.monotonic() - started
    wanted = net.forward(X, threads=plan.threads) * np.asarray(scale, net.dtype) + np.asarray(centre, net.dtype)
    del X
    whole = fg.Network(list(net.layers), loss=loss, dtype="float64", seed=plan.seed)
    whole.parameters, whole.metadata = net.parameters, net.metadata
    fold(whole, encoding, centre, scale)
    net, raw = narrowed(whole, plan, encoding, table, wanted)
    figures = {
        "columns": len(encoding.features), "inputs": encoding.inputs, "parameters": net.size,
        "epochs": history.epochs, "seconds": seconds, "loss": loss, "dtype": net.dtype.name,
        "training": judge(net, encoding, raw[kept], y[kept], plan.threads),
        "validation": judge(net, encoding, raw[held], y[held], plan.threads) if held.size else None,
    }  # fmt: skip
    return Trained(net, history, figures)


def target_moments(y: Array, loss: str) -> tuple[Array, Array]:
    """What is taken off the targets (outputs,) and what they are divided by, as far as the loss allows."""
    if catalog.LOSSES[loss].kind != "real":
        return np.zeros(1), np.ones(1)
    deviation = y.std(axis=0) if loss in SCALED else np.ones(y.shape[1])
    if loss == "huber":  # one scale for all: delta is one number
        deviation = np.full(y.shape[1], np.sqrt(y.var(axis=0).mean()))
    return y.mean(axis=0), np.where(deviation > 0, deviation, 1.0)


def fold(net: fg.Network, encoding: Encoding, centre: Array, scale: Array) -> None:
    """Make a float64 network that takes standardised rows take raw ones, and its scores those of raw targets.

    With z = (x - m) / s: z W + b = x (W / s) + (b - (m / s) W); the last layer's scores times `scale`, plus `centre`.
    """
    mean, deviation = encoding.moments()
    W, b = net.weights[0], net.biases[0]
    net.weights[0], net.biases[0] = W / deviation[:, None], b - (mean / deviation) @ W
    net.weights[-1], net.biases[-1] = net.weights[-1] * scale, net.biases[-1] * scale + centre


def narrowed(
    net: fg.Network, plan: Plan, encoding: Encoding, table: Table, wanted: Array
) -> tuple[fg.Network, Array]:  # fmt: skip
    """The float64 network in the plan's dtype if that keeps the scores `wanted` (N, O), else as it is; its raw rows."""
    raw = encoding.encode(table, plan.dtype)
    try:
        narrow = net.astype(plan.dtype)
    except ValueError:  # a weight that float32 cannot hold
        return net, encoding.encode(table, net.dtype)
    spread = wanted.std(axis=0, dtype=np.float64)
    if (np.abs(narrow.forward(raw, threads=plan.threads) - wanted) <= FOLDED * np.where(spread > 0, spread, 1.0)).all():
        return narrow, raw
    return net, encoding.encode(table, net.dtype)


def judge(net: fg.Network, encoding: Encoding, X: Array, y: Array, threads: int | None) -> dict[str, float]:
    """Number of rows, loss, and accuracy or r2."""
    predicted = net.predict(X, threads=threads)
    if encoding.classes is None:
        score = {"r2": scoring.r2(y, predicted)}
    else:
        score = {"accuracy": float(np.mean(classes_of(net, predicted) == y))}
    return {"rows": len(y), "loss": net.loss(X, y, threads=threads), **score}
