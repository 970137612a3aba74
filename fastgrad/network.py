"""The record of a network: layers, loss, parameters and the locks that keep trainings apart.  Nothing here computes.

Parameters live in one buffer of panels (see kernels/simd.h).  The buffer that readers see is never written: training
works on its own and publishes a new one, so that `predict` in another thread sees whole parameters, and a failed run
leaves the last good ones.  Ordinary arrays are made when somebody looks.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arrays, catalog, dispatch
from .layers import Dense
from .losses import Loss, as_loss
from .vocabulary import Vocabulary

Array = npt.NDArray[Any]


def aligned(reals: int, dtype: np.dtype[Any], rows: int | None = None) -> Array:
    """Zeros that start on a cache line."""
    count = reals * (rows or 1)
    raw = np.zeros(count + 64 // dtype.itemsize, dtype)
    skip = -raw.ctypes.data % 64 // dtype.itemsize
    flat = raw[skip : skip + count]
    return flat if rows is None else flat.reshape(rows, reals)


def read_dtype(dtype: Any) -> np.dtype[Any]:
    """float32 or float64; ValueError for anything else (None too, which NumPy takes for float64)."""
    try:
        name = "" if dtype is None else np.dtype(dtype).str
    except TypeError:
        name = ""
    for known in (np.dtype(np.float32), np.dtype(np.float64)):
        if name == known.str:
            return known
    raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")


class Record:
    """Layers, loss, dtype and parameters of one network; `published` is the buffer that readers see."""

    def __init__(
        self,
        layers: tuple[Dense, ...],
        loss: Any,
        dtype: Any,
        seed: int,
        drops: tuple[float, ...] = (),
        lazy: bool = False,
    ) -> None:
        self.layers, self.loss, self.drops = layers, as_loss(loss), drops
        self.dtype = read_dtype(dtype)
        self.kernels = dispatch.kernels(self.dtype)
        self.seed = arrays.check_integer(seed, "seed", 0, 2**64 - 1)
        self.sizes = (layers[0].inputs, *(layer.outputs for layer in layers))
        _check_loss(self.loss, self.outputs)
        # the features that a network with lazy updates has met; None: W holds a row for each
        self.vocabulary = Vocabulary(self.sizes[0]) if lazy else None
        self.program = self.make_program(lazy)
        self.size = sum(layer.inputs * layer.outputs + layer.outputs for layer in layers)
        # flops of a step per row: forward, dW, and dX of every layer but the first
        products = [layer.inputs * layer.outputs for layer in layers]
        self.flops_forward, self.flops_step = 2.0 * sum(products), 6.0 * sum(products) - 2.0 * products[0]
        self.busy = threading.Lock()  # held while a training runs
        self.publishing = threading.RLock()  # held while a reader publishes what partial_fit left
        self.epochs_seen = 0
        self.history: Any = None  # of the last fit
        self.metadata: dict[str, Any] = {}  # the user's own, made of what JSON knows; travels with the network
        self.run: Any = None  # buffers and optimizer state of the training that partial_fit goes on with
        self.published = aligned(self.program.size, self.dtype)
        self.draw()

    @property
    def outputs(self) -> int:
        """O of the last layer."""
        return self.sizes[-1]

    @property
    def target(self) -> str:
        """The kind of targets, as `arrays.as_targets` names it."""
        kind = self.loss.row.kind
        return "class" if kind == "sign" and self.outputs > 1 else kind

    def make_program(self, lazy: bool) -> Any:
        """The fixed part of the network for the kernels, with as many inputs as its W has rows inside."""
        names, hyper = tuple(layer.activation for layer in self.layers), tuple(self.loss.hyper.values())
        sizes = (self.rows_inside(0), *self.sizes[1:])
        return self.kernels.Program(sizes, names, self.loss.name, hyper, self.drops, lazy)

    def rows_inside(self, k: int) -> int:
        """Rows of W of layer k in a buffer."""
        return self.layers[k].inputs if k or self.vocabulary is None else self.vocabulary.capacity

    def bound(self, k: int) -> float:
        """The bound of the first weights of layer k."""
        i, o = self.layers[k].inputs, self.layers[k].outputs
        kind = catalog.ACTIVATIONS[self.layers[k].activation].init
        return float({"he": 6 / i, "glorot": 6 / (i + o), "lecun": 3 / i}[kind] ** 0.5)

    def draw(self) -> None:
        """First parameters: weights uniform within the bound that suits the activation, biases zero.

        He: sqrt(6 / I); Glorot: sqrt(6 / (I + O)); LeCun: sqrt(3 / I).  Sources: He et al. 2015, arXiv:1502.01852;
        Glorot & Bengio 2010; LeCun et al. 1998.
        """
        for k, layer in enumerate(self.layers):
            if k == 0 and self.vocabulary is not None:  # its rows are drawn as they are met
                continue
            draws = np.empty((layer.inputs, layer.outputs))
            self.kernels.fill_uniform(self.seed, k, self.bound(k), draws)
            self.program.pack(self.published, k, draws.astype(self.dtype), np.zeros(layer.outputs, self.dtype))

    def draw_rows(self, features: Array) -> Array:
        """The first rows of the first W for some features (int64), (n, O)."""
        draws = np.empty((len(features), self.sizes[1]))
        self.kernels.fill_uniform_rows(self.seed, 0, self.bound(0), features, self.sizes[1], draws)
        return draws.astype(self.dtype)

    def layer_arrays(self, buffer: Array, k: int) -> tuple[Array, Array]:
        """W (I, O), or its rows inside, and b (O,) of layer k in a buffer, as new arrays."""
        outputs = self.layers[k].outputs
        W, b = np.empty((self.rows_inside(k), outputs), self.dtype), np.empty(outputs, self.dtype)
        self.program.unpack(buffer, k, W, b)
        return W, b

    def whole_arrays(self, buffer: Array, k: int, others: bool = True) -> tuple[Array, Array]:
        """`layer_arrays` with all rows of W: of features that were not met the first ones or, without `others`, zeros."""
        W, b = self.layer_arrays(buffer, k)
        if k or self.vocabulary is None:
            return W, b
        whole = np.zeros((self.sizes[0], self.sizes[1]), self.dtype)
        if others:
            whole[:] = self.draw_rows(np.arange(self.sizes[0]))
        whole[self.vocabulary.met] = W[: self.vocabulary.rows]
        return whole, b

    def flat(self, buffer: Array) -> Array:
        """All parameters of a buffer side by side: W0 row by row, b0, W1, ..."""
        return np.concatenate([part.ravel() for k in range(len(self.layers)) for part in self.whole_arrays(buffer, k)])

    def put(self, buffer: Array, k: int, W: Array, b: Array) -> None:
        """W (I, O) and b (O,) of layer k into a buffer; a lazy network must have met every feature."""
        if k == 0 and self.vocabulary is not None:
            W = W[self.vocabulary.met]
        self.program.pack(buffer, k, np.ascontiguousarray(W), np.ascontiguousarray(b))

    def split(self, flat: Array) -> dict[int, tuple[Array, Array]]:
        """The other way: W (I, O) and b (O,) of each layer."""
        pairs, at = {}, 0
        for k, layer in enumerate(self.layers):
            n = layer.inputs * layer.outputs
            W, b = flat[at : at + n].reshape(layer.inputs, layer.outputs), flat[at + n : at + n + layer.outputs]
            pairs[k] = W, b
            at += n + layer.outputs
        return pairs


def _check_loss(loss: Loss, outputs: int) -> None:
    if loss.name == "cross_entropy" and outputs < 2:
        raise ValueError(
            "cross_entropy needs at least 2 outputs, one for each class, got 1; "
            "for yes/no targets use binary_cross_entropy"
        )


class Text(str):
    """A text that shows itself as it is, also at a prompt."""

    __repr__ = str.__str__


def summary(record: Record) -> Text:
    """Layers, parameters, memory and arithmetic of a network, as a table."""
    rows = [("layer", "W", "activation", "parameters", "share")]
    for k, layer in enumerate(record.layers):
        own = layer.inputs * layer.outputs + layer.outputs
        shape = f"({layer.inputs}, {layer.outputs})"
        dropout = f", dropout {record.drops[k]:g}" if any(record.drops[k : k + 1]) else ""
        rows.append((f"layers.{k}", shape, layer.activation + dropout, f"{own:,}", f"{own / record.size:.1%}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[cell.rjust(w) if k > 2 else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))]
             for row in rows]  # fmt: skip
    lines = ["  ".join(row).rstrip() for row in cells]
    memory = record.size * record.dtype.itemsize
    return Text(
        "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
        + f"\n\n{record.size:,} parameters, {record.dtype.name}: {quantity(memory, 'B')}; "
        f"training with Adam: {quantity(4 * memory, 'B')} and a batch's activations"
        f"\na row: {quantity(record.flops_forward, 'flop')} to predict, {quantity(record.flops_step, 'flop')} to train on"
        f"\nloss {record.loss!r}, seed {record.seed}"
    )


def quantity(value: float, unit: str) -> str:
    """A number with a prefix: 12.3 k, 4.56 M.

    >>> quantity(950272, "B")
    '950 kB'
    """
    prefixes = ("", "k", "M", "G", "T")
    power = min(int(np.log10(max(value, 1)) / 3), len(prefixes) - 1)
    return f"{value / 1000**power:.3g} {prefixes[power]}{unit}"


class ParameterList(Sequence[Array]):
    """What `net.weights` and `net.biases` are: items read as read-only arrays; assigning to one copies into the network.

    `network` is whose, `part` 0 for weights and 1 for biases.
    """

    def __init__(self, network: Any, part: int) -> None:
        self._network, self._part = network, part

    def __len__(self) -> int:
        return len(self._network.activations)

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        array = self._network._layer(range(len(self))[k])[self._part]
        array.flags.writeable = False
        return array

    def __setitem__(self, k: int | slice, value: Any) -> None:
        name = "biases" if self._part else "weights"
        places = range(len(self))[k] if isinstance(k, slice) else [range(len(self))[k]]
        values = list(value) if isinstance(k, slice) else [value]
        if len(values) != len(places):
            raise ValueError(f"{name} must be {len(places)} arrays, one for each layer, got {len(values)}")
        pairs = {place: list(self._network._layer(place)) for place in places}
        for place, one in zip(places, values, strict=True):
            shape = pairs[place][self._part].shape
            pairs[place][self._part] = arrays.as_parameter(one, shape, self._network.dtype, f"{name}[{place}]")
        self._network._assign(pairs)

    def __repr__(self) -> str:
        letter = "b" if self._part else "W"
        return f"[{', '.join(f'{letter}{a.shape}' for a in self)}]"
