"""The record of a network: layers, loss, parameters and the locks that keep trainings apart.  Nothing here computes.

Parameters live in one buffer of panels (see kernels/simd.h).  The buffer that readers see is never written: training
works on its own and publishes a new one, so that `predict` in another thread sees whole parameters, and a failed run
leaves the last good ones.  Ordinary arrays are made when somebody looks.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arrays, dispatch, initialisers
from .embedding import Embedding
from .layers import Dense
from .losses import Loss, as_loss
from .norms import BatchNorm, Norm
from .parts import Part, parts_of
from .stack import Layer, Stack, nested
from .vocabulary import Vocabulary, require_by_row

Array = npt.NDArray[Any]
NORM_FLOPS = 8  # a value of a norm or an embedding counts as so many multiplications and additions in a product


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
    """Layers, loss, dtype and parameters of one network; `published` is the buffer that readers see.

    `private`: only its owner reads it, and fills it, so that it need not be drawn, nor replaced by another to be published.
    """

    def __init__(
        self, layers: tuple[Layer, ...], loss: Any, dtype: Any, seed: int, drops: tuple[float, ...] = (),
        blocks: tuple[tuple[int, int], ...] = (), lazy: bool = False, private: bool = False,
    ) -> None:  # fmt: skip
        self.layers, self.loss, self.drops, self.blocks = layers, as_loss(loss), drops, blocks
        self.dtype = read_dtype(dtype)
        self.kernels = dispatch.kernels(self.dtype)
        self.seed = arrays.check_integer(seed, "seed", 0, 2**64 - 1)
        self.sizes = (layers[0].inputs, *(layer.outputs for layer in layers))
        _check_loss(self.loss, self.outputs)
        if lazy:
            self.require_dense_first("sparse_update='lazy'")
            require_by_row(layers[0])
        self.embedding = layers[0] if isinstance(layers[0], Embedding) else None
        # the features that a network with lazy updates has met; None: W holds a row for each
        self.vocabulary = Vocabulary(self.sizes[0]) if lazy else None
        self.program = self.make_program(lazy)
        # pairs of parameters, and layers with running statistics, which share their buffers
        self.parts = tuple(parts_of(layers))
        self.batch_norms = tuple(k for k, layer in enumerate(layers) if isinstance(layer, BatchNorm))
        self.size = sum(part.size for part in self.parts)
        # flops of a step per row: forward, dW, and dX of every layer but the first
        products = [
            layer.inputs * layer.outputs if isinstance(layer, Dense) else layer.outputs * NORM_FLOPS for layer in layers
        ]
        self.flops_forward, self.flops_step = 2.0 * sum(products), 6.0 * sum(products) - 2.0 * products[0]
        self.busy = threading.Lock()  # held while a training runs
        self.publishing = threading.RLock()  # held while a reader publishes what partial_fit left
        self.epochs_seen = 0
        self.history: Any = None  # of the last fit
        self.metadata: dict[str, Any] = {}  # the user's own, made of what JSON knows; travels with the network
        self.run: Any = None  # buffers and optimizer state of the training that partial_fit goes on with
        self.published, self.private = aligned(self.program.size, self.dtype), private
        if not private:
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
        names = tuple(layer.activation for layer in self.layers)
        norms = tuple(layer.kernel if isinstance(layer, Norm) else None for layer in self.layers)
        inputs = self.sizes[0] if self.vocabulary is None else self.vocabulary.capacity
        sizes, loss = (inputs, *self.sizes[1:]), self.loss
        return self.kernels.Program(
            sizes, names, loss.name, tuple(loss.hyper.values()), self.drops, norms if any(norms) else (), self.blocks,
            self.embedding.kernel if self.embedding else (), lazy,
        )  # fmt: skip

    def steps_of(self, rows: int, batch: int) -> int:
        """Batches of a pass over so many rows: a single row, of no use to a batch norm, joins the batch before."""
        whole, left = divmod(rows, batch)
        return whole + (left > bool(self.batch_norms) or whole == 0)

    def require_rows(self, rows: int, name: str) -> None:
        """ValueError where a batch norm would be trained on a batch of a single row, whose variance is zero."""
        if self.batch_norms and rows < 2:
            k = self.batch_norms[0]
            raise ValueError(
                f"{name}: a batch of {rows} row, expected at least 2: layers.{k}, {self.layers[k]}, takes mean and variance "
                "of the batch that it is trained on"
            )

    def require_dense_first(self, name: str) -> None:
        """ValueError where sparse rows would meet anything but a dense layer."""
        if not isinstance(self.layers[0], Dense) or any(start == 0 for start, _ in self.blocks):
            raise ValueError(
                f"{name}: sparse rows need an fg.Dense outside of any fg.Residual as the first layer, here that is "
                f"{self.stack[0]}"
            )

    def draw(self) -> None:
        """First parameters: weights as the layer says, from the stream of its number (initialisers.py), biases zero.

        Of a norm gamma and the running variance are one, beta and the running mean zero.
        """
        for k in self.batch_norms:
            o = self.layers[k].outputs
            self.program.running(self.published, k, np.zeros(o, self.dtype), np.ones(o, self.dtype), True)
        for k, table, shapes, _ in self.parts:
            layer, fill, b = self.layers[k], self.kernels.fill_uniform, np.zeros(shapes[1], self.dtype)
            if k == 0 and self.vocabulary is not None:  # its rows are drawn as they are met
                continue
            if isinstance(layer, Norm):
                draws = np.ones(shapes[0])
            elif isinstance(layer, Embedding):
                draws = initialisers.draw_table(shapes[0][0], shapes[0][1], fill, self.seed, table)
            else:
                draws = initialisers.draw(layer.init, layer.activation, shapes[0][0], shapes[0][1], fill, self.seed, k)
            self.program.pack(self.published, k, draws.astype(self.dtype), b, table)

    def draw_rows(self, features: Array) -> Array:
        """The first rows of the first W for some features (int64), (n, O)."""
        first, fill = self.layers[0], self.kernels.fill_uniform_rows
        assert isinstance(first, Dense)
        draws = initialisers.draw_rows(
            first.init, first.activation, first.inputs, first.outputs, fill, self.seed, 0, features
        )
        return draws.astype(self.dtype)

    @property
    def stack(self) -> tuple[Any, ...]:
        """The layers as the user gave them, with dropout and residual blocks in their places."""
        return nested(Stack(self.layers, self.drops, self.blocks))

    def shapes_inside(self, k: int) -> tuple[tuple[int, ...], ...]:
        """Of W and b of layer k in a buffer."""
        if k or self.vocabulary is None:
            return self.layers[k].shapes
        return (self.vocabulary.capacity, self.sizes[1]), (self.sizes[1],)

    def layer_arrays(self, buffer: Array, k: int, table: int = 0) -> tuple[Array, Array]:
        """W (I, O), or its rows inside, and b (O,) of layer k in a buffer, as new arrays.

        Of a norm gamma and beta (O,); of an embedding a table, (codes, values), and an empty array.
        """
        W, b = (np.empty(shape, self.dtype) for shape in self.shapes_inside(k)[2 * table : 2 * table + 2])
        self.program.unpack(buffer, k, W, b, table)
        return W, b

    def whole_arrays(self, buffer: Array, part: Part, others: bool = True) -> tuple[Array, Array]:
        """`layer_arrays` with all rows of W: of features that were not met the first ones or, without `others`, zeros."""
        W, b = self.layer_arrays(buffer, part.layer, part.table)
        if part.layer or self.vocabulary is None:
            return W, b
        whole = np.zeros((self.sizes[0], self.sizes[1]), self.dtype)
        if others:
            whole[:] = self.draw_rows(np.arange(self.sizes[0]))
        whole[self.vocabulary.met] = W[: self.vocabulary.rows]
        return whole, b

    def pairs(self, buffer: Array, others: bool = True) -> list[tuple[Array, Array]]:
        """`whole_arrays` of every part."""
        return [self.whole_arrays(buffer, part, others) for part in self.parts]

    def named(self, buffer: Array) -> Iterator[tuple[str, Array]]:
        """The same by name, but for what is empty."""
        for part, pair in zip(self.parts, self.pairs(buffer), strict=True):
            yield from zip(part.names, pair, strict=False)

    def running(self, buffer: Array, k: int) -> tuple[Array, Array]:
        """Running mean and variance (O,) of the batch norm that is layer k, as new arrays."""
        mean, var = np.empty(self.layers[k].outputs, self.dtype), np.empty(self.layers[k].outputs, self.dtype)
        self.program.running(buffer, k, mean, var, False)
        return mean, var

    def flat(self, buffer: Array) -> Array:
        """All parameters of a buffer side by side: W0 row by row, b0, W1, ..."""
        return np.concatenate([array.ravel() for pair in self.pairs(buffer) for array in pair])

    def put(self, buffer: Array, part: Part, W: Array, b: Array) -> None:
        """The two arrays of a part, W with all its rows, into a buffer; a lazy network must have met every feature."""
        if part.layer == 0 and self.vocabulary is not None:
            W = W[self.vocabulary.met]
        self.program.pack(buffer, part.layer, np.ascontiguousarray(W), np.ascontiguousarray(b), part.table)

    def split(self, flat: Array) -> dict[int, tuple[Array, Array]]:
        """The other way: the two arrays of each part, by its place among them."""
        pairs, at = {}, 0
        for place, part in enumerate(self.parts):
            pair = []
            for shape in part.shapes:
                n = math.prod(shape)
                pair.append(flat[at : at + n].reshape(shape))
                at += n
            pairs[place] = pair[0], pair[1]
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
        own = sum(part.size for part in record.parts if part.layer == k)
        if isinstance(layer, Norm):
            shape = f"{layer.kind.replace('_', ' ')} ({layer.width},)"
        else:
            shape = f"({layer.inputs}, {layer.outputs})"
        if isinstance(layer, Embedding):
            shape = f"embedding {shape}"
        more = [f"{name} {value}" if value is not True else name for name, value in layer.options.items()]
        more += [f"dropout {rate:g}" for rate in record.drops[k : k + 1] if rate]
        more += [f"+ layers.{start - 1}" if start else "+ X" for start, end in record.blocks if end == k]
        what = ", ".join([layer.activation, *more])
        rows.append((f"layers.{k}", shape, what, f"{own:,}", f"{own / record.size:.1%}"))
        for column, j, part in tables_of(record, k):
            share = f"{part.size / record.size:.1%}"
            rows.append((f"  .embeddings.{j}", f"{part.shapes[0]}", f"column {column}", f"{part.size:,}", share))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[cell.rjust(w) if k > 2 else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))]
             for row in rows]  # fmt: skip
    lines = ["  ".join(row).rstrip() for row in cells]
    known = record.vocabulary
    unknown = 0 if known is None else known.features - known.rows
    memory = (record.size - unknown * record.sizes[1]) * record.dtype.itemsize
    return Text(
        "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
        + f"\n\n{record.size:,} parameters, {record.dtype.name}: {quantity(memory, 'B')}; "
        f"training with Adam: {quantity(4 * memory, 'B')} and a batch's activations"
        f"\na row: {quantity(record.flops_forward, 'flop')} to predict, {quantity(record.flops_step, 'flop')} to train on"
        f"\nloss {record.loss!r}, seed {record.seed}"
        + ("" if known is None else f"\nlazy updates: rows for {known.rows:,} of {known.features:,} features so far")
    )


def tables_of(record: Record, k: int) -> list[tuple[int, int, Part]]:
    """(column of X, number, part) of each table of layer k."""
    layer, parts = record.layers[k], [part for part in record.parts if part.layer == k]
    columns = [column for column, _ in layer.columns] if isinstance(layer, Embedding) else []
    return [(column, part.table, part) for column, part in zip(columns, parts, strict=False)]


def written(record: Record) -> str:
    """The network as the call that makes it: by sizes where that says all."""
    layers = record.layers
    names, what = [layer.activation for layer in layers], repr(list(record.stack))
    init = layers[0].init if isinstance(layers[0], Dense) else None
    plain = {} if init is None else {"init": init}
    if names[-1] == "identity" and all(isinstance(layer, Dense) and layer.options == plain for layer in record.stack):
        what = repr(list(record.sizes))
        if len(names) > 1:
            what += f", activation={names[0] if len(set(names[:-1])) == 1 else names[:-1]!r}"
        if init is not None:
            what += f", init={init!r}"
    lazily = "" if record.vocabulary is None else ", sparse_update='lazy'"
    return f"Network({what}, loss={record.loss!r}, dtype={record.dtype.name!r}, seed={record.seed}{lazily})"


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
        return len(self._network._record.parts)

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
