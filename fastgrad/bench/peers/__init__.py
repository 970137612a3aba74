"""The other libraries, each written the way its own users would write it for speed: the table of contenders.

Promises: the recipe, data and first parameters of workloads.py; where two ways were possible, the one that was faster.
Leaves out: fastgrad's own side (worker.py).  A library that is not installed raises ImportError; the caller says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..timing import Prepared
from ..workloads import Task
from . import jax_functions, with_jax, with_sklearn, with_torch

Builder = Callable[[Task], Prepared]

CONTENDERS: Mapping[str, Mapping[str, Builder]] = {
    "jax": {"train": with_jax.train, "predict": with_jax.predict_rows, "gradient": jax_functions.gradient},
    "jax-npshuffle": {"train": with_jax.train_numpy_shuffle},
    "torch": {
        "train": with_torch.train,
        "update": with_torch.update,
        "predict": with_torch.predict_rows,
        "mnist": with_torch.mnist,
    },
    "torch.compile": {"train": with_torch.train_compiled},
    "sklearn": {
        "train": with_sklearn.train,
        "predict": with_sklearn.predict_rows,
        "online": with_sklearn.online,
        "estimator": with_sklearn.estimator,
    },
}
