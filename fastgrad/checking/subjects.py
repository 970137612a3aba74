"""What a gradient check is about: a network's loss or a user's function, as a function of one flat float64 vector.

Promised: the network or array given is only read (all work is done on copies), everything is evaluated in float64 at
exactly the numbers that the user's precision sees; a gradient in a lower precision is compared with the float64 one.
Left out: finite differences (slopes.py), what to check (check.py), what to report (reports.py).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastgrad.checking.slopes import Floats, Line, Surface
from fastgrad.csr import is_sparse

PAIR = ("weight", "bias")  # of a layer, in the order of its gradient
ROWS = 32  # rows whose own gradients say how much cancels in the sum over rows
TOLERANCE = 3000  # rounding errors by which a gradient in a lower precision may differ from the float64 one
DRAWS = 64  # at most so many float64 gradients span a neighbourhood of the size of the lower precision


class Block(NamedTuple):
    """A named parameter and its place in the flat vector."""

    name: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass
class Subject:
    """A function with a claimed gradient.

    given (n,): the claim, in float64 where that can be had. precision: the relative rounding error of `given`.
    first, again: the claim in the user's own precision, asked for twice. repeatable: is the function's value the same
    when asked for twice? native: `first`, where that is less precise than `given`. cancelled (n,): the mean size of
    one row's gradient.
    """

    kind: str
    blocks: list[Block]
    surface: Surface
    given: Floats
    first: np.ndarray[Any, Any]
    again: np.ndarray[Any, Any]
    precision: float
    repeatable: bool
    native: Floats | None = None
    native_precision: float = 0.0
    cancelled: Floats | None = None

    def name(self, position: int) -> tuple[str, tuple[int, ...]]:
        """The parameter's name and the index in it of a position in the flat vector."""
        block = next(b for b in self.blocks if b.start <= position < b.stop)
        return block.name, tuple(int(i) for i in np.unravel_index(position - block.start, block.shape))


def is_network(target: object) -> bool:
    """Does it have what a network has?"""
    return all(hasattr(target, name) for name in ("loss", "gradient", "parameters", "astype", "dtype"))


def units(theta: Floats) -> Floats:
    """A natural step for each parameter: its own size, but not far below the common size (1 at most) of all of them."""
    common = float(np.sqrt(np.mean(theta**2))) if theta.size else 0.0
    return np.maximum(np.abs(theta), min(common, 1.0) or 1.0)


def network_blocks(net: Any, gradient: Callable[[], Any]) -> list[Block]:
    """The names, shapes and places of a network's parameters: its own names if it has any."""
    if hasattr(net, "named_parameters"):
        parts = [(name, np.shape(part)) for name, part in net.named_parameters()]
    else:
        pairs = enumerate(gradient())
        parts = [(f"layers.{k}.{name}", np.shape(part)) for k, p in pairs for name, part in zip(PAIR, p, strict=True)]
    blocks, start = [], 0
    for name, shape in parts:
        blocks.append(Block(name, shape, start, start + math.prod(shape)))
        start = blocks[-1].stop
    if start != np.size(net.parameters):
        raise ValueError(f"target.gradient: found {start} numbers, expected {np.size(net.parameters)}: the parameters")
    return blocks


def from_network(
    net: Any, X: Any, y: Any, sample_weight: Any, rng: np.random.Generator, training: bool = False
) -> Subject:
    """The loss of a network over (X, y), in evaluation or in training, as a function of its parameters."""
    mode = {"training": True} if training else {}  # not every network knows the word
    own = copy.deepcopy(net)
    X = X.tocsr() if is_sparse(X) else X
    dtype = np.dtype(net.dtype)
    if dtype.itemsize < 8:  # the float64 copy has to see the numbers that the network sees
        X, y, sample_weight = rounded_inputs(net, X, dtype), rounded(y, dtype), rounded(sample_weight, dtype)
    double = net.astype("float64")

    def loss(theta: Floats) -> float:
        double.parameters = theta
        return value(double, X, y, sample_weight, mode)

    def gradient(theta: Floats) -> Floats:
        double.parameters = theta
        return flat(double, X, y, sample_weight, mode).astype(np.float64)

    blocks = network_blocks(net, lambda: own.gradient(X, y, sample_weight=sample_weight)[1])
    first, again = flat(own, X, y, sample_weight, mode), flat(own, X, y, sample_weight, mode)
    theta = np.array(double.parameters, dtype=np.float64)
    eps = float(np.finfo(np.float64).eps)
    surface = Surface(loss, theta, units(theta), eps, rng, gradient)
    same = loss(theta) == surface.origin
    subject = Subject("network", blocks, surface, gradient(theta), first, again, eps, same)
    if dtype.itemsize < 8:
        subject.native, subject.native_precision = first.astype(np.float64), float(np.finfo(dtype).eps)
        subject.cancelled = row_gradients(double, theta, X, y)
    return subject


def value(net: Any, X: Any, y: Any, sample_weight: Any, mode: dict[str, bool]) -> float:
    """The loss; nan where the network raises instead."""
    try:
        return float(net.loss(X, y, sample_weight=sample_weight, **mode))
    except FloatingPointError:
        return math.nan


def flat(net: Any, X: Any, y: Any, sample_weight: Any, mode: dict[str, bool]) -> np.ndarray[Any, Any]:
    """The gradient as one vector, in the order of `parameters`; nan where the network raises instead."""
    try:
        grads = net.gradient(X, y, sample_weight=sample_weight, **mode)[1]
    except FloatingPointError:
        return np.full(np.size(net.parameters), np.nan, dtype=net.dtype)
    vector = np.concatenate([np.ravel(part) for pair in grads for part in pair])
    if vector.size != np.size(net.parameters):
        raise ValueError(f"target.gradient: found {vector.size} numbers, expected {np.size(net.parameters)}")
    return vector


def rounded(array: Any, dtype: np.dtype[Any]) -> Any:
    """Floating numbers in the network's precision; integers, class labels and None as they are."""
    if array is None:
        return None
    values = array if is_sparse(array) else np.asarray(array)
    return values.astype(dtype) if values.dtype.kind == "f" else values


def rounded_inputs(net: Any, X: Any, dtype: np.dtype[Any]) -> Any:
    """X in the network's precision, but for columns that hold codes of an embedding: those are never rounded."""
    values = rounded(X, dtype)
    codes = [column for layer in getattr(net, "layers", ())[:1] for column, _ in getattr(layer, "columns", ())]
    if codes and not is_sparse(X) and values.ndim == 2 and values.shape[1] > max(codes):
        values = values.astype(np.float64)
        values[:, codes] = np.asarray(X)[:, codes]
    return values


def row_gradients(double: Any, theta: Floats, X: Any, y: Any) -> Floats:
    """The mean size of one row's gradient, over at most ROWS rows: what rounding in the gradient is measured by.

    Where a network tells dL/dparameters for any dL/dscores, no less than for dL/dscores = +-max(1, |scores|): near a
    minimum the gradient is a small difference of such terms, such as probability - target.
    """
    double.parameters = theta
    count = X.shape[0] if is_sparse(X) else len(X)
    picked = np.unique(np.linspace(0, count - 1, min(ROWS, count)).astype(np.intp))
    total, terms = np.zeros(theta.size), np.zeros(theta.size)
    for n in picked:
        row = X[n : n + 1]
        total += np.abs(flat(double, row, y[n : n + 1], None, {}))  # a row alone has no statistics to train on
        if hasattr(double, "backward"):
            scores = np.asarray(double.forward(row))
            signs = np.where(np.arange(scores.size) % 2, -1.0, 1.0).reshape(scores.shape)
            pairs = double.backward(row, signs * np.maximum(np.abs(scores), 1.0))
            terms += np.abs(np.concatenate([np.ravel(part) for pair in pairs for part in pair]))
    return np.maximum(total, terms) / max(len(picked), 1)


def from_function(f: Callable[[Any], Any], x: Any, gradient: Callable[[Any], Any], rng: np.random.Generator) -> Subject:
    """A scalar function of one array with a given gradient."""
    point = np.asarray(x)
    if point.dtype.kind not in "fiub" or point.dtype.itemsize > 8:
        raise TypeError(f"x: found dtype {point.dtype}, expected real numbers of at most 64 bits")
    if not point.size:
        raise ValueError(f"x: found shape {point.shape}, which holds no number; expected at least one")
    if not np.isfinite(point).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(point))[0])
        raise ValueError(f"x: found {point[where]} at index {where}, expected finite numbers")
    low = point.dtype.kind == "f" and point.dtype.itemsize < 8
    point = point if point.dtype.kind == "f" else point.astype(np.float64)
    theta = point.astype(np.float64).ravel()

    def scalar(argument: Any) -> float:
        out = np.asarray(f(argument))
        if out.size != 1 or out.dtype.kind not in "fiub":
            raise TypeError(f"target(x): found shape {out.shape} and dtype {out.dtype}, expected one real number")
        return float(out.reshape(()))

    def shaped(values: Floats, dtype: Any = np.float64) -> Any:
        return values.reshape(point.shape).astype(dtype)[()]  # a copy; a number where x is one

    def claim(argument: Any) -> np.ndarray[Any, Any]:
        out = np.asarray(gradient(argument))
        if out.shape != point.shape:
            raise ValueError(f"gradient(x): found shape {out.shape}, expected the shape of x, {point.shape}")
        if out.dtype.kind not in "fiub":
            raise TypeError(f"gradient(x): found dtype {out.dtype}, expected real numbers")
        return (out if out.dtype.kind == "f" else out.astype(np.float64)).ravel()

    casts = low and not accepts_float64(scalar, shaped(theta))
    seen = point.dtype if casts else np.dtype(np.float64)
    surface = Surface(
        lambda v: scalar(shaped(v, seen)),
        theta,
        units(theta),
        float(np.finfo(seen).eps),
        rng,
        lambda v: claim(shaped(v, seen)).astype(np.float64),
    )
    first, again = claim(shaped(theta, point.dtype)), claim(shaped(theta, point.dtype))
    wide = claim(shaped(theta)) if low and not casts else first
    subject = Subject(
        "function",
        [Block("x", point.shape, 0, theta.size)],
        surface,
        wide.astype(np.float64),
        first,
        again,
        float(np.finfo(wide.dtype).eps),
        surface.at(Line(slice(None), 0.0), 0.0) == surface.origin,
    )
    if wide.dtype.itemsize > first.dtype.itemsize:
        subject.native, subject.native_precision = first.astype(np.float64), float(np.finfo(first.dtype).eps)
    return subject


def accepts_float64(scalar: Callable[[Any], float], point: Any) -> bool:
    """Can a function that was given float32 be evaluated in float64? Compiled signatures may refuse."""
    try:
        scalar(point)
    except TypeError:
        return False
    return True


def native_error(subject: Subject) -> tuple[Floats, Floats, np.ndarray[Any, Any]]:
    """How far the user's precision is from float64: error and allowance (n,), and which entries sit on a kink (n,).

    error = |native - given|; where that is too much, less what an activation that switches sides within the rounding of
    the parameters explains: the range of float64 gradients over DRAWS points theta + 16 eps unit N(0, 1).
    allowance = TOLERANCE eps |given| + 8 eps (mean size of one row's gradient + twice the largest such).
    """
    assert subject.native is not None
    eps, given, native = subject.native_precision, subject.given, subject.native
    terms = np.abs(given) if subject.cancelled is None else np.maximum(subject.cancelled, np.abs(given))
    allowance = TOLERANCE * eps * np.abs(given)
    allowance = np.maximum(allowance + eps * (8 * terms + 16 * terms.max()), 1e-290)
    error = np.abs(native - given)
    failed = error > allowance
    if not failed.any():
        return error, allowance, failed
    low, high, missed = given.copy(), given.copy(), error
    for _ in range(DRAWS):
        near = subject.surface.unit * subject.surface.rng.standard_normal(given.shape) * 16 * eps
        vector = subject.surface.claim(subject.surface.theta + near)
        low, high = np.fmin(low, vector), np.fmax(high, vector)
        missed = np.maximum(np.maximum(low - native, native - high), 0.0)
        if not (failed & (missed > 0.3 * allowance)).any():
            break
    kink = failed & (missed <= 0.3 * allowance)
    return np.where(kink, missed, error), allowance, kink
