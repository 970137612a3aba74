"""Networks as files: safetensors, with all that is not a number in its metadata.  Never pickle, never code.

A file holds each layer's `layers.k.weight` (I, O) and `layers.k.bias` (O,), both (O,) of a norm, `layers.k.running_mean`
and `layers.k.running_var` of a batch norm, `layers.0.embeddings.j.weight` (codes, values) of an embedding; as JSON in its
header, the format, the version and instruction set that wrote it, the network's description and the user's `metadata`.  A
checkpoint (checkpoint.py) is such a file with more tensors and one more entry.  Everything is looked at before a network is
made: a file that is malformed, truncated or made up raises ValueError.
Source of the format: https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from . import arrays, catalog, dispatch, lazy, losses
from .embedding import Embedding
from .files import replacing
from .layers import Dense, Dropout
from .network import Record, aligned
from .norms import BatchNorm, LayerNorm, Norm
from .parts import parts_of
from .stack import Layer, checked
from .vocabulary import read_update

Array = npt.NDArray[Any]
FORMAT = "fastgrad-1"
NORMS = {norm.kind: norm for norm in (BatchNorm, LayerNorm)}
RUNNING = ("running_mean", "running_var")
FEATURES = "layers.0.features"  # of a lazy network: the features whose rows W holds
LAYER_LIMIT = 10_000  # of a file's header; its tensors bound the sizes


def describe(record: Record) -> dict[str, Any]:
    """What a network is, without its numbers.  What older versions do not know stands there only where it is needed."""
    options = [layer.options for layer in record.layers]
    return {
        "layers": [describe_layer(layer) for layer in record.layers],
        "dropout": list(record.drops), "loss": {"name": record.loss.name, **record.loss.hyper},
        "dtype": record.dtype.name, "seed": record.seed, "epochs_seen": record.epochs_seen,
        **({"blocks": [list(block) for block in record.blocks]} if record.blocks else {}),
        **({"options": options} if any(options) else {}),
        **({} if record.vocabulary is None else {"sparse_update": "lazy"}),
    }  # fmt: skip


def describe_layer(layer: Layer) -> Any:
    """[inputs, outputs, activation] of a dense layer; name and arguments of a norm, whose width follows, or an embedding."""
    if isinstance(layer, Dense):
        return [layer.inputs, layer.outputs, layer.activation]
    if isinstance(layer, Embedding):
        return {"kind": "embedding", "inputs": layer.inputs, "columns": [list(table) for table in layer.kernel]}
    return {"kind": layer.kind, **{f.name: getattr(layer, f.name) for f in dataclasses.fields(layer) if f.init}}


def read_layer(told: Any, options: dict[str, Any]) -> Layer:
    """The other way; KeyError, TypeError or ValueError where it is no layer."""
    if isinstance(told, dict) and told["kind"] == "embedding":
        return Embedding(told["inputs"], [(column, (n, d)) for column, n, d in told["columns"]], **options)
    if isinstance(told, dict):
        return NORMS[told["kind"]](**{name: value for name, value in told.items() if name != "kind"}, **options)
    inputs, outputs, activation = told
    return Dense(int(inputs), int(outputs), str(activation), **options)


def as_json(value: Any, name: str) -> str:
    """`value` as JSON; TypeError or ValueError, naming it, where it is not made of what JSON knows, NaN included."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, got {type(value).__name__}")
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise type(error)(f"{name} must hold what JSON knows (str, numbers, lists, dicts): {error}") from None
    if json.loads(text) != value:
        raise TypeError(f"{name} would come back from JSON as another value: use str keys, lists and plain numbers")
    return text


def tensors_of(record: Record, buffer: Array, prefix: str = "", running: bool = True) -> dict[str, Array]:
    """A buffer of panels as named arrays; `running`: with the running statistics, which slots of an optimizer lack."""
    named: dict[str, Array] = {}
    for part, pair in zip(record.parts, lazy.contents(record, buffer).values(), strict=True):
        named |= {f"{prefix}{name}": np.ascontiguousarray(a) for name, a in zip(part.names, pair, strict=False)}
    if record.vocabulary is not None:
        named[FEATURES] = record.vocabulary.met
    for k in record.batch_norms if running else ():
        named |= dict(zip((f"{prefix}layers.{k}.{name}" for name in RUNNING), record.running(buffer, k), strict=True))
    return named


def write(
    path: str | os.PathLike[str], record: Record, tensors: Mapping[str, Array], more: Mapping[str, Any] | None = None
) -> None:
    """Write tensors and description; whole or not at all.  OSError where the file cannot be written."""
    from safetensors.numpy import save_file

    header = {
        "format": FORMAT, "version": dispatch.info()["version"], "isa": dispatch.info()["isa"],
        "network": json.dumps(describe(record)), "metadata": as_json(record.metadata, "metadata"),
        **{name: json.dumps(value) for name, value in (more or {}).items()},
    }  # fmt: skip
    with replacing(path) as new:
        save_file(dict(tensors), new, header)


@dataclass
class Contents:
    """A file that was read: its header, `network` as described there, and its tensors by name."""

    path: str
    header: dict[str, str]
    network: dict[str, Any]
    tensors: dict[str, Array]

    def refuse(self, why: str) -> NoReturn:
        """ValueError: the file cannot be what it says."""
        raise ValueError(f"{self.path} is not a network that fastgrad saved: {why}")

    def json(self, name: str) -> dict[str, Any]:
        """An entry of the header."""
        try:
            value = json.loads(self.header[name])
        except (KeyError, ValueError, RecursionError) as error:
            self.refuse(f"its entry {name!r} cannot be read ({type(error).__name__})")
        if not isinstance(value, dict):
            self.refuse(f"its entry {name!r} is no table of names and values")
        return value

    def features(self) -> Array:
        """The features that a lazy network has met."""
        found = self.tensors.get(FEATURES)
        if found is None or found.ndim != 1 or found.dtype != np.int64:
            self.refuse(f"{FEATURES} must be a vector of int64")
        return found

    def buffer(self, record: Record, prefix: str = "", into: Array | None = None, running: bool = True) -> Array:
        """The named arrays of `prefix` as a buffer of panels, see `tensors_of`; shapes, dtypes and finiteness are checked."""
        buffer = aligned(record.program.size, record.dtype) if into is None else into
        pairs = {}
        for place, part in enumerate(record.parts):
            shapes, n = lazy.shapes(record, part), len(part.names)
            found = [self.array(record, prefix + name, shape) for name, shape in zip(part.names, shapes, strict=False)]
            pairs[place] = [*found, *(np.empty(shape, record.dtype) for shape in shapes[n:])]
        lazy.fill(record, buffer, pairs)
        for k in record.batch_norms if running else ():
            shape = (record.layers[k].outputs,)
            mean, var = (self.array(record, f"{prefix}layers.{k}.{name}", shape) for name in RUNNING)
            if (var < 0).any():
                self.refuse(f"{prefix}layers.{k}.running_var has values below 0")
            record.program.running(buffer, k, mean, var, True)
        return buffer

    def array(self, record: Record, name: str, shape: tuple[int, ...]) -> Array:
        """A tensor that is finite and of that shape and the network's dtype."""
        array = self.tensors.get(name)
        if array is None:
            self.refuse(f"it holds no {name}")
        if array.shape != shape or array.dtype != record.dtype:
            self.refuse(f"{name} is {array.dtype} {array.shape}, expected {record.dtype} {shape}")
        try:
            arrays.require_finite(array, name)
        except ValueError as error:
            self.refuse(str(error))
        return np.ascontiguousarray(array)


def read(path: str | os.PathLike[str]) -> Contents:
    """A file's contents.  OSError where it cannot be read, ValueError where it is not one of ours."""
    from safetensors import SafetensorError, safe_open

    name = os.fspath(path)
    with open(name, "rb"):  # the errors of the file system, in the system's words
        pass
    found = Contents(str(name), {}, {}, {})
    try:
        with safe_open(name, framework="numpy") as file:
            found.header = dict(file.metadata() or {})
            if found.header.get("format") == FORMAT:
                found.tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no dict
    except (SafetensorError, TypeError, KeyError, AttributeError, ValueError) as error:  # dtypes that NumPy lacks, too
        found.refuse(f"it cannot be read as safetensors ({error})")
    if found.header.get("format") != FORMAT:
        found.refuse(f"its header says format {found.header.get('format')!r}, expected {FORMAT!r}")
    found.network = found.json("network")
    return found


def make_record(contents: Contents) -> Record:
    """The network of a file, its parameters in place; ValueError where the parts do not fit each other."""
    told = contents.network
    try:
        if len(told["layers"]) > LAYER_LIMIT:
            contents.refuse(f"it has {len(told['layers'])} layers")
        options = [dict(one) for one in told.get("options", [{}] * len(told["layers"]))]
        if len(options) != len(told["layers"]):
            contents.refuse(f"options of {len(options)} layers for {len(told['layers'])}")
        layers, loss = [], dict(told["loss"])
        met = contents.features() if read_update(told.get("sparse_update", "exact")) else None
        for k, (one, more) in enumerate(zip(told["layers"], options, strict=True)):
            try:
                layers.append(layer := read_layer(one, more))
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                contents.refuse(f"layer {k}: {error}")
            # before anything of that size is allocated; a norm is as wide as a dense layer is
            for part in () if isinstance(layer, Norm) else parts_of([layer], k):
                shape = part.shapes[0] if k or met is None else (len(met), layer.outputs)
                if getattr(contents.tensors.get(part.names[0]), "shape", None) != shape:
                    contents.refuse(f"layer {k} should have weights of shape {shape}")
        face = losses.FACES[catalog.lookup(catalog.LOSSES, loss.pop("name"), "loss").name]
        drops = tuple(Dropout(rate).rate for rate in told["dropout"])
        if len(drops) not in (0, len(layers)):
            contents.refuse(f"{len(drops)} rates of dropout for {len(layers)} layers")
        blocks = tuple((int(start), int(end)) for start, end in told.get("blocks", ()))
        stack = checked(layers, drops, blocks)
        record = Record(stack.layers, face(**loss), told["dtype"], told["seed"], drops, blocks, met is not None)
        if met is not None:
            lazy.meet(record, met, draw=False)
        record.epochs_seen = arrays.check_integer(told["epochs_seen"], "epochs_seen", 0)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if str(error).startswith(contents.path):
            raise
        contents.refuse(str(error))
    record.published = contents.buffer(record)
    record.metadata = contents.json("metadata")
    return record
