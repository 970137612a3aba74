"""`fg.Network` as people use it: a thin class over the record; its methods call train and loop."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arrays, averaging, batches, copies, csr, exchange, loop, train
from .history import History
from .network import ParameterList, Record, Text, summary, written
from .stack import read
from .vocabulary import read_update

Array = npt.NDArray[Any]


class Network:
    """A dense network: layers A = f(X W + b) and a loss.

    Arguments: `layers`: sizes [inputs, hidden..., outputs] or a list of `fg.Dense`, with `fg.BatchNorm`, `fg.LayerNorm`,
    `fg.Dropout` and `fg.Residual` between them, and an `fg.Embedding` of categorical columns in front.
    `activation`: of hidden layers, a name or one name for each (default relu).  `init`: how the first weights of all layers
    are drawn, a name that `fg.Dense` lists (default: as it suits each activation).  `loss`: a name or a loss such as
    `fg.Huber(0.5)`.  `dtype`: "float32" or "float64", of the parameters and of all arithmetic.  `seed`: of the first
    parameters, of all shuffles and of dropout.  `sparse_update`: "exact", or "lazy" for a sparse X of very many columns: W of
    the first layer, an `fg.Dense`, then holds rows for those features alone that the network has met, and a step moves only
    the rows that its batch has nonzeros for.  That is the exact update for SGD and Adagrad without momentum and weight decay;
    for others a row's slots and its decay wait while it is not in a batch, as in PyTorch's SparseAdam.  At most 8192 rows a
    step, no checkpoints and no `fg.EMA`; of the first layer's own options no `l1`, `max_norm` or `init` that is not uniform.
    `weights[0]`, `parameters` and `gradient` give whole arrays (I, O), and assigning W meets every feature.
    Raises ValueError or TypeError where one is out of range or unknown, naming it and what was expected.

    Source: Rumelhart, Hinton & Williams, Learning representations by back-propagating errors, Nature 323 (1986).

    >>> import numpy as np, fastgrad as fg
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> net = fg.Network([1, 16, 1], activation="tanh", loss="mse", seed=0)
    >>> history = net.fit(X, X[:, 0] ** 2, epochs=400, batch_size=16, optimizer=fg.Adam(0.01))
    >>> history["loss"][-1] < 0.001
    True
    >>> net.predict(X).shape
    (64, 1)
    """

    def __init__(
        self, layers: Any, *, activation: Any = None, loss: Any = "mse", dtype: npt.DTypeLike = "float32", seed: int = 0,
        init: str | None = None, sparse_update: str = "exact",
    ) -> None:  # fmt: skip
        stack, lazily = read(layers, activation, init), read_update(sparse_update)
        self._record = Record(stack.layers, loss, dtype, seed, stack.drops, stack.blocks, lazily)
        self._record.history = History()

    # ---- what it is ----
    @property
    def layers(self) -> tuple[Any, ...]:
        """The layers, first to last, as they were given."""
        return self._record.stack

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, and outputs of each layer."""
        return self._record.sizes

    @property
    def activations(self) -> tuple[str, ...]:
        """One name for each layer; the last is usually identity."""
        return tuple(layer.activation for layer in self._record.layers)

    @property
    def loss_name(self) -> str:
        """The loss's name in the catalog."""
        return self._record.loss.name

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of parameters and of all arithmetic: float32 or float64."""
        dtype: np.dtype[Any] = self._record.dtype
        return dtype

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self._record.size

    @property
    def history(self) -> History:
        """The history of the last `fit`."""
        history: History = self._record.history
        return history

    def __repr__(self) -> str:
        return written(self._record)

    # ---- parameters ----
    @property
    def parameters(self) -> Array:
        """All parameters as one flat read-only array (size,): W0 row by row, b0, W1, ...; assigning copies in.

        Assigning raises ValueError or TypeError where shape or dtype do not fit, and changes nothing then.
        """
        flat = self._record.flat(train.current(self._record))
        flat.flags.writeable = False
        return flat

    @parameters.setter
    def parameters(self, value: Any) -> None:
        flat = arrays.as_parameter(value, (self.size,), self.dtype, "parameters")
        train.assign(self._record, self._record.split(flat))

    @property
    def weights(self) -> ParameterList:
        """Each layer's W (I, O), each table of an embedding; items read as read-only arrays, assignment copies in.

        Assigning raises ValueError or TypeError where number, shape or dtype do not fit, and changes nothing then.
        """
        return ParameterList(self, 0)

    @weights.setter
    def weights(self, values: Any) -> None:
        self.weights[:] = values

    @property
    def biases(self) -> ParameterList:
        """Each layer's b (O,), an empty array for a table; items read as read-only arrays, assignment copies in.

        Assigning raises ValueError or TypeError where number, shape or dtype do not fit, and changes nothing then.
        """
        return ParameterList(self, 1)

    @biases.setter
    def biases(self, values: Any) -> None:
        self.biases[:] = values

    def named_parameters(self) -> Iterator[tuple[str, Array]]:
        """Pairs of PyTorch's dotted names and read-only arrays.

        W (I, O), b (O,) of a dense layer; gamma and beta (O,) of a norm; the tables (codes, values) of an embedding.
        The number in a name counts the layers but for `fg.Dropout`, which has none of its own.

        >>> [name for name, _ in Network([2, 1]).named_parameters()]
        ['layers.0.weight', 'layers.0.bias']
        """
        for name, array in self._record.named(train.current(self._record)):
            array.flags.writeable = False
            yield name, array

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        """Pairs of PyTorch's dotted names and read-only arrays (O,): what each `fg.BatchNorm` remembers of its batches.

        >>> import fastgrad as fg
        >>> for name, array in fg.Network([fg.Dense(3, 2), fg.BatchNorm(), fg.Dense(2, 1)]).named_buffers():
        ...     print(name, array)
        layers.1.running_mean [0. 0.]
        layers.1.running_var [1. 1.]
        """
        buffer = train.current(self._record)
        for k in self._record.batch_norms:
            for name, array in zip(("mean", "var"), self._record.running(buffer, k), strict=True):
                array.flags.writeable = False
                yield f"layers.{k}.running_{name}", array

    def _layer(self, place: int) -> tuple[Array, Array]:
        return self._record.whole_arrays(train.current(self._record), self._record.parts[place])

    def _assign(self, layers: Mapping[int, Sequence[Array]]) -> None:
        """(W, b) at some places of `weights` and `biases`, all at once."""
        train.assign(self._record, layers)

    def astype(self, dtype: npt.DTypeLike) -> Network:
        """A copy of the network with its parameters in another dtype; ValueError where it is not float32 or float64.

        >>> Network([2, 1]).astype("float64").dtype
        dtype('float64')
        """
        other = type(self).__new__(type(self))  # a subclass keeps what it overrides
        other.__setstate__({**self.__getstate__(), "dtype": dtype})
        return other

    def __getstate__(self) -> dict[str, Any]:
        return copies.state_of(self._record, train.current(self._record))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._record = copies.record_of(state)

    # ---- as a file ----
    @property
    def metadata(self) -> dict[str, Any]:
        """Your own notes (names of columns and classes, say): a dict of what JSON knows, saved and copied along.

        Assigning raises TypeError or ValueError where it holds anything else, and changes nothing then.
        """
        metadata: dict[str, Any] = self._record.metadata
        return metadata

    @metadata.setter
    def metadata(self, value: Mapping[str, Any]) -> None:
        exchange.as_json(value, "metadata")
        self._record.metadata = dict(value)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to the safetensors file `path`, for `fg.load`; whole, or not at all.

        OSError where it cannot be written; TypeError or ValueError where `metadata` holds what JSON does not know.
        The example of `fg.load` shows both.
        """
        exchange.write(path, self._record, exchange.tensors_of(self._record, train.current(self._record)))

    def summary(self) -> Text:
        """Layers, parameters, memory and flops as a table: print it, or look at it at the prompt."""
        return summary(self._record)

    # ---- computing ----
    def forward(self, X: Any, *, threads: int | None = None) -> Array:
        """Raw scores (N, O) of X (N, I), dense or sparse, or (O,) of one row (I,).  `threads`: None uses as many as help.

        ValueError where X does not fit or is not finite.
        """
        return train.scores(self._record, X, False, threads)

    def predict(self, X: Any, *, threads: int | None = None) -> Array:
        """Scores of X (N, I), dense or sparse, after the loss's link: probabilities, rates or means.

        (N, O), or (O,) of a single row (I,).

        A row's result does not depend on the rows it came with, nor on `threads` (None: as many as help).
        ValueError where X does not fit or is not finite.

        >>> import numpy as np
        >>> Network([3, 2], loss="cross_entropy").predict(np.zeros(3, "float32"))
        array([0.5, 0.5], dtype=float32)
        """
        return train.scores(self._record, X, True, threads)

    def loss(
        self, X: Any, y: Any, sample_weight: Any = None, *, training: bool = False, threads: int | None = None
    ) -> float:
        """Mean loss of X (N, I), dense or sparse, against the targets y; with `sample_weight` (N,), sum(w l) / sum(w).

        y (N,) or (N, O): classes or one-hot rows for cross_entropy, numbers otherwise.  `training`: with dropout, always the
        same, and in each `fg.BatchNorm` the statistics of these rows, not the running ones.  `threads`: None uses as many as
        help.  ValueError or TypeError where the data do not fit the network.
        """
        data = batches.read_data(self._record, X, y, sample_weight)
        if training:
            return train.gradient(self._record, data, threads, training=True)[0]
        return train.loss(self._record, data, train.current(self._record), threads)

    def gradient(
        self, X: Any, y: Any, sample_weight: Any = None, *, as_dict: bool = False, training: bool = False,
        threads: int | None = None,
    ) -> tuple[float, Any]:  # fmt: skip
        """The loss over all rows and its gradient, (loss, [(dW, db), ...]), by the kernels that train.

        X (N, I), dense or sparse, y (N,) or (N, O) and `sample_weight` (N,) as in `loss`; dW (I, O) and db (O,) of each
        layer, of an embedding's table its gradient and an empty array.  With `as_dict`, the gradient by the names of
        `named_parameters`.  `training`: as in `loss`; the running statistics stay as they are.  `threads`: None uses as many
        as help.
        ValueError where X or y do not fit; FloatingPointError where the loss is not finite.

        >>> import numpy as np
        >>> loss, ((dW, db),) = Network([2, 1], seed=1).gradient(np.ones((4, 2)), np.zeros(4))
        >>> dW.shape, db.shape
        ((2, 1), (1,))
        """
        data = batches.read_data(self._record, X, y, sample_weight)
        value, grads = train.gradient(self._record, data, threads, training=training)
        if not as_dict:
            return value, grads
        pairs = zip(self._record.parts, grads, strict=True)
        return value, {name: g for part, pair in pairs for name, g in zip(part.names, pair, strict=False)}

    def backward(self, X: Any, dscores: Any, *, inputs: bool = False, threads: int | None = None) -> Any:
        """The gradient [(dW, db), ...] at X (N, I) for the caller's own dL/dscores, `dscores` (N, O).

        With `inputs`, a pair: that list, and dL/dX (N, I), zero in the columns of an `fg.Embedding`, whose codes have no
        derivative; not for a sparse X.  `threads`: None uses as many as help.
        ValueError where the shapes do not fit or a value is not finite.

        >>> import numpy as np
        >>> grads, dX = Network([2, 3, 1]).backward(np.ones((5, 2)), np.ones((5, 1)), inputs=True)
        >>> dX.shape
        (5, 2)
        """
        r = self._record
        matrix = batches.read_matrix(r, X)
        if inputs and r.vocabulary is not None:
            raise ValueError("inputs: a network with sparse_update='lazy' knows X by its nonzeros and gives no dL/dX")
        if inputs and isinstance(matrix, csr.CSR):
            raise ValueError("inputs: dL/dX of a sparse X would be dense; give X.toarray() where it is wanted")
        slopes = arrays.as_targets(dscores, len(matrix), "real", r.outputs, "backward", "dscores")
        data = batches.Batches(matrix, slopes, None, "slopes", csr.on_disk(matrix), ("X", "dscores"))
        dX = np.empty(matrix.shape) if inputs else None
        _, grads = train.gradient(r, data, threads, dX)
        return (grads, dX.astype(r.dtype, copy=False)) if dX is not None else grads

    # ---- training ----
    def fit(
        self, X: Any, y: Any, *, epochs: int = 10, batch_size: int | None = 128, optimizer: Any = "adam",
        schedule: Any = None, validation: Any = None, sample_weight: Any = None, callbacks: Any = (),
        threads: int | None = None, max_seconds: float | None = None, progress: bool | None = None,
        shuffle: bool = True, metrics: Any = (), early_stopping: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None, resume: str | os.PathLike[str] | None = None,
        clip_norm: float | None = None, clip_value: float | None = None, accumulate: int = 1,
        average: averaging.EMA | averaging.SWA | None = None,
    ) -> History:  # fmt: skip
        """Train on X (N, I) and y, (N,) or (N, O), for `epochs` passes; gives the history, one entry per epoch.

        X: an array, a frame or nested lists, or a sparse matrix or array of SciPy, which is read as CSR and never made dense:
        the result is that of `X.toarray()`, bit for bit.
        `batch_size`: rows of a step; 1 is stochastic, None is batch, anything between mini-batch gradient descent.
        `optimizer`: a name or e.g. `fg.Adam(1e-3)`, with a fresh state; training goes on from the present parameters.
        `schedule`: e.g. `fg.Cosine()`, or a function epoch -> lr.  `validation`: (X, y), (X, y, weights), or a fraction
        to hold out (by the seed, in each class its share).  `sample_weight` (N,): a batch's loss is sum(w l) / sum(w).
        `callbacks`: functions of a FitState, called after each epoch; True ends training.  `threads`: None uses as many
        as help; the result is the same, bit for bit.  `max_seconds`: returns after the step in which time runs out.
        `progress`: True or False, or None for a bar where a person looks on.  `shuffle`: a new order each epoch.
        `metrics`: "accuracy", "r2" or functions (y, predictions) -> number; with `val_` twins.  `early_stopping`: ends
        after so many epochs without a better validation loss, and restores the best parameters.  `checkpoint`: a file
        that the whole state of the training is written to as it goes, and at its end, whatever ends it.  `resume`: such
        a file to go on from, to `epochs` in all; the result is that of a fit that was never interrupted, bit for bit.
        All else must be as it was, data included: ValueError; a UserWarning where the instruction set differs.
        `clip_norm`: a gradient longer than this, over all parameters, is shortened to it; `clip_value`: its entries are
        held within it, as PyTorch's `clip_grad_norm_` and `clip_grad_value_`; `history["grad_norm"]` is taken before.
        `accumulate`: so many batches make one step, as one batch of all their rows would, in the memory of one.
        `average`: `fg.EMA(...)` or `fg.SWA(...)`: the network, its validation and metrics are those of the mean of the
        parameters; `history["loss"]` is that of the parameters themselves.

        Raises ValueError or TypeError for bad input before anything is computed; `fg.DivergenceError` where the loss
        stops being finite; RuntimeError where another thread trains this network.  Ctrl-C and a callback's error come
        through once the parameters are whole; `error.history` holds the epochs before.
        """
        fit = loop.prepare(
            self._record, X, y, epochs=epochs, batch_size=batch_size, optimizer=optimizer, schedule=schedule,
            validation=validation, sample_weight=sample_weight, callbacks=callbacks, threads=threads,
            max_seconds=max_seconds, shuffle=shuffle, metrics=metrics, early_stopping=early_stopping,
            checkpoint_path=checkpoint, resume=resume, clip_norm=clip_norm, clip_value=clip_value, accumulate=accumulate,
            average=average, network=self,
        )  # fmt: skip
        return loop.run(fit, progress)

    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, batch_size: int | None = None, optimizer: Any = None,
        threads: int | None = None, clip_norm: float | None = None, clip_value: float | None = None,
    ) -> Network:  # fmt: skip
        """One pass in the given order: one step, or steps of `batch_size` rows; gives the network.

        X (N, I), y (N,) or (N, O), `sample_weight` (N,), `threads`, `clip_norm` and `clip_value` as in `fit`.
        The `optimizer` (Adam where none is named) is set at first use, goes on from a preceding `fit`, and keeps its
        state between calls.  Raises as `fit`, and takes back what this call did where the loss is to blame;
        ValueError where another optimizer is named later.

        >>> import numpy as np
        >>> net = Network([2, 1]).partial_fit(np.ones((4, 2)), np.zeros(4), optimizer="sgd")
        """
        clip = train.read_clip(clip_norm, clip_value)
        train.partial_fit(self._record, X, y, sample_weight, batch_size, optimizer, threads, clip)
        return self


def load(path: str | os.PathLike[str]) -> Network:
    """The network in the file `path` that `Network.save` wrote, or `fit(checkpoint=...)`.

    OSError where it cannot be read; ValueError, before anything is made, where it is malformed, truncated or not one of
    fastgrad's.  Loading never runs code from the file.
    Source: https://github.com/huggingface/safetensors, the format.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Network([4, 3], seed=1).save(f"{folder}/m.safetensors")
    ...     load(f"{folder}/m.safetensors")
    Network([4, 3], loss=MSE(), dtype='float32', seed=1)
    """
    network = Network.__new__(Network)
    network._record = exchange.make_record(exchange.read(path))
    network._record.history = History()
    return network
