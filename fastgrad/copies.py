"""A network as a dict, for pickle and copy.  Unlike a file (exchange.py) it keeps the history, and fits another dtype."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arrays, lazy
from .network import Record

Array = npt.NDArray[Any]


def state_of(r: Record, buffer: Array) -> dict[str, Any]:
    """All that makes the network, with the parameters of a buffer."""
    return {
        "layers": r.layers, "drops": r.drops, "blocks": r.blocks, "loss": r.loss, "dtype": r.dtype.name,
        "seed": r.seed, "epochs_seen": r.epochs_seen,
        "parameters": lazy.contents(r, buffer), "met": None if r.vocabulary is None else r.vocabulary.met,
        "running": {k: r.running(buffer, k) for k in r.batch_norms},
        "history": r.history, "metadata": copy.deepcopy(r.metadata),
    }  # fmt: skip


def record_of(state: Mapping[str, Any]) -> Record:
    """The other way; ValueError where its dtype is none, or cannot hold a value."""
    # pickles of before there were norms have no blocks, and of before there were lazy updates one array of all parameters
    blocks, met, told = state.get("blocks", ()), state.get("met"), state["parameters"]
    r = Record(state["layers"], state["loss"], state["dtype"], state["seed"], state["drops"], blocks, met is not None)
    if met is not None:
        lazy.meet(r, met, draw=False)
    # pickles of before there were embeddings number the pairs by their layers, in the same order
    pairs = dict(enumerate(told.values())) if isinstance(told, dict) else r.split(told)
    names = [f"parameters of layers.{part.layer}" for part in r.parts]
    lazy.fill(r, r.published, {place: _cast(pair, r.dtype, names[place]) for place, pair in pairs.items()})
    for k, pair in state.get("running", {}).items():
        r.program.running(r.published, k, *_cast(pair, r.dtype, f"running statistics of layers.{k}"), True)
    r.epochs_seen, r.history, r.metadata = state["epochs_seen"], state["history"], state["metadata"]
    return r


def _cast(pair: Sequence[Array], dtype: np.dtype[Any], name: str) -> list[Array]:
    """Arrays in a dtype; ValueError where that cannot hold a value."""
    return [arrays.as_parameter(a, a.shape, dtype, name) for a in pair]
