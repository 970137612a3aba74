"""Optimizers as the user configures them: each class is a thin face of its row in the catalog.

Names, defaults and update rules are PyTorch's; the arithmetic is the compiled block function that training uses too.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from . import catalog, dispatch, formulas

Arrays = npt.NDArray[Any] | Sequence[npt.NDArray[Any]] | Mapping[str, npt.NDArray[Any]]
# below this many numbers a second thread costs more than it brings (the kernel knows the same number)
ONE_THREAD = 65536
# what the docstrings say of each argument; a name that is not here is "a number"
MEANINGS = {
    "lr": "the step size",
    "momentum": "the share of past steps that goes into the next, below 1 to be stable",
    "dampening": "the share of the gradient that momentum leaves out",
    "weight_decay": "pulls the weights towards zero, in proportion to their size",
    "nesterov": "look ahead by one step of momentum",
    "lr_decay": "lr / (1 + step lr_decay) in place of lr",
    "initial_accumulator_value": "what the sums of squares start from",
    "eps": "added to the divisor, against division by zero",
    "rho": "the share of the past in the running means, below 1",
    "alpha": "the share of the past in the running mean of squares, below 1",
    "centered": "subtract the squared mean: divide by a standard deviation",
    "betas": "the shares of the past in the running means (for Adam of the gradient and of its square), each below 1",
    "amsgrad": "divide by the largest root mean square so far (Reddi et al. 2018)",
    "momentum_decay": "how fast the momentum rises to betas[0]",
}


class Optimizer:
    """An update rule with its hyperparameters.

    Every argument is a number (or a pair of them, or a bool); `lr` is the step size.  TypeError or ValueError where one
    is out of range.

    >>> import numpy as np
    >>> w, opt = np.array([1.0, -2.0]), SGD(0.5)
    >>> opt.update(w, np.array([2.0, 2.0]), opt.init(w)); w
    array([ 0., -3.])
    """

    row: ClassVar[catalog.Optimizer]
    hyper: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        bound = inspect.signature(type(self)).bind(*args, **kwargs)
        bound.apply_defaults()
        self.hyper = {name: _checked(self.row, name, value) for name, value in bound.arguments.items()}
        if self.hyper.get("nesterov") and (not self.momentum or self.hyper.get("dampening")):
            raise ValueError("nesterov=True needs momentum > 0 and dampening = 0")
        flags = formulas.variants(self.row)
        self.variant = formulas.variant_of(self.row, self.hyper)
        self.slots = formulas.slots_of(self.row, flags[self.variant])

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["hyper"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("hyper", ()):
            raise AttributeError(f"{name} of an optimizer is fixed; make a new one, use a schedule or update(..., lr=)")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.hyper.items())})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.hyper == other.__dict__["hyper"]

    def __hash__(self) -> int:
        return hash(repr(self))

    @property
    def numbers(self) -> tuple[float, ...]:
        """Hyperparameters without lr, as the kernels take them."""
        flat: dict[str, float] = {}
        for name, value in self.hyper.items():
            if isinstance(value, tuple):
                flat.update({f"{name[:-1]}{i}": v for i, v in enumerate(value, 1)})
            else:
                flat[name] = float(value)
        return tuple(flat[name] for name in formulas.expand_hyper(self.row))

    @property
    def carry(self) -> tuple[float, ...]:
        """First values of the scalars that live on from step to step."""
        return tuple(self.row.carry.values())

    def first_slots(self) -> tuple[float, ...]:
        """The value that each slot starts from."""
        return tuple(float(self.hyper.get(self.row.slots[s], 0)) for s in self.slots)

    def init(self, params: Arrays) -> OptimizerState:
        """State for `params`: an array of any shape, or a list or dict of them; C-contiguous, writeable, one dtype.

        Raises TypeError where the dtype is not float32 or float64; ValueError where there is nothing to update in place.
        """
        return OptimizerState(self, params)

    def update(self, params: Arrays, grads: Arrays, state: OptimizerState, lr: float | None = None) -> None:
        """One step in place: `params`, of any shape, and `state` change, in one pass over memory.

        `grads` has the structure, shapes and dtypes of `params`; `lr` overrides the optimizer's own for this step.
        Raises ValueError, before anything changes, where they do not match or the state is another optimizer's.
        """
        rate = self.hyper["lr"] if lr is None else _number(type(self).__name__, "lr", lr, below=np.inf)
        state.step_with(self, params, grads, rate)


class OptimizerState:
    """Slots and step count of one `optimizer` for one set of parameters, `params` of any shape.

    `step`: steps done.  `slots`: for each array of the parameters, its state arrays, in its shape, by the
    names of the catalog.
    """

    def __init__(self, optimizer: Optimizer, params: Arrays) -> None:
        arrays = _as_list(params, "params")
        if not arrays:
            raise ValueError("params is empty: there is nothing to optimize")
        self.optimizer, self.step, self.names = optimizer, 0, list(params) if isinstance(params, Mapping) else None
        self.dtype = _parameter_dtype(arrays)
        self.shapes = [a.shape for a in arrays]
        first = np.array(optimizer.first_slots(), self.dtype)
        # an optimizer without slots gets one of no use, so that nothing below has to ask
        self._slots = [
            np.repeat(first[:, None], a.size, axis=1) if len(first) else np.zeros((1, 0), self.dtype) for a in arrays
        ]
        self.large = max(a.size for a in arrays) >= ONE_THREAD
        self._rule = dispatch.kernels(self.dtype).Stepper(
            optimizer.row.name, optimizer.variant, optimizer.numbers, optimizer.carry
        )

    @property
    def slots(self) -> list[dict[str, npt.NDArray[Any]]]:
        """Views of the state arrays, in the parameters' shapes."""
        names = self.optimizer.slots
        return [
            {name: s[k].reshape(shape) for k, name in enumerate(names)}
            for s, shape in zip(self._slots, self.shapes, strict=True)
        ]

    def step_with(self, optimizer: Optimizer, params: Arrays, grads: Arrays, lr: float) -> None:
        """The work of `Optimizer.update`: `params` and `grads` in the shapes of this state, `lr` given.

        ValueError where they do not match, or the state is not that of `optimizer`.
        """
        if optimizer is not self.optimizer and optimizer != self.optimizer:
            raise ValueError(f"the state belongs to {self.optimizer!r}, not to {optimizer!r}")
        if (
            isinstance(params, np.ndarray) and isinstance(grads, np.ndarray)
            and params.dtype is self.dtype is grads.dtype and self.shapes == [params.shape] == [grads.shape]
        ):  # fmt: skip
            # the usual case, where looking closer would take longer than the step
            ws: list[npt.NDArray[Any]] = [params]
            gs: list[npt.NDArray[Any]] = [grads]
            if not (params.flags.c_contiguous and params.flags.writeable and grads.flags.c_contiguous):
                self._check(ws, gs)
        else:
            ws, gs = _as_list(params, "params", self.names), _as_list(grads, "grads", self.names)
            self._check(ws, gs)
        threads = dispatch.available_threads() if self.large else 1
        self._rule.advance(lr, self.step + 1, ws, gs, self._slots, threads)
        self.step += 1

    def _check(self, ws: list[npt.NDArray[Any]], gs: list[npt.NDArray[Any]]) -> None:
        if len(ws) != len(self.shapes) or len(gs) != len(self.shapes):
            raise ValueError(f"{len(ws)} params and {len(gs)} grads where the state has {len(self.shapes)} arrays")
        for what, arrays in (("params", ws), ("grads", gs)):
            for k, array in enumerate(arrays):
                if array.shape != self.shapes[k] or array.dtype != self.dtype or not array.flags.c_contiguous:
                    raise ValueError(
                        f"{what}[{k}] must be a C-contiguous {self.dtype} array of shape {self.shapes[k]}, "
                        f"got {array.dtype} {array.shape}{'' if array.flags.c_contiguous else ', not contiguous'}"
                    )
                if what == "params" and not array.flags.writeable:
                    raise ValueError(f"params[{k}] is read-only; it is updated in place")


def _as_list(arrays: Arrays, what: str, names: list[str] | None = None) -> list[npt.NDArray[Any]]:
    """The arrays in a list, those of a mapping in the order of `names`, which the state has them in."""
    if isinstance(arrays, np.ndarray):
        return [arrays]
    if isinstance(arrays, Mapping):
        if names is not None and set(arrays) != set(names):
            raise ValueError(f"{what} has the names {list(arrays)}, expected {names}")
        arrays = [arrays[name] for name in (arrays if names is None else names)]
    found = list(arrays)
    for k, array in enumerate(found):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{what}[{k}] must be a NumPy array, got {type(array).__name__}")
    return found


def _parameter_dtype(arrays: list[npt.NDArray[Any]]) -> np.dtype[Any]:
    dtype = arrays[0].dtype
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"params must be float32 or float64, got {dtype}")
    for k, array in enumerate(arrays):
        if array.dtype != dtype:
            raise TypeError(f"params[{k}] is {array.dtype}, but params[0] is {dtype}: one dtype for all")
        if not array.flags.c_contiguous or not array.flags.writeable:
            raise ValueError(f"params[{k}] must be C-contiguous and writeable: it is updated in place")
    return dtype


def _checked(row: catalog.Optimizer, name: str, value: Any) -> Any:
    """A hyperparameter within its range: betas, rho and alpha in [0, 1), flags bools, everything else >= 0."""
    owner, default = row.public, row.hyper[name]
    if isinstance(default, bool):
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{owner}: {name} must be True or False, got {value!r}")
        return bool(value)
    if isinstance(default, tuple):
        if not isinstance(value, (tuple, list)) or len(value) != len(default):
            raise ValueError(f"{owner}: {name} must be {len(default)} numbers, got {value!r}")
        return tuple(_number(owner, f"{name}[{i}]", v, below=1.0) for i, v in enumerate(value))
    return _number(owner, name, value, below=1.0 if name in ("rho", "alpha") else np.inf)


def _number(owner: str, name: str, value: Any, below: float) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}")
    if not 0 <= value < below or not np.isfinite(value):
        raise ValueError(f"{owner}: {name} must be at least 0 and below {below:g}, got {value!r}")
    return float(value)


def make_face(row: catalog.Optimizer, module: str = __name__) -> type[Optimizer]:
    """The class of a row, to be bound to the row's public name in `module`."""
    kinds, place = inspect.Parameter.POSITIONAL_OR_KEYWORD, "fastgrad" if module == __name__ else module
    parameters = [inspect.Parameter(name, kinds, default=value) for name, value in row.hyper.items()]
    arguments = "\n".join(
        f"- `{name}={value!r}`: {MEANINGS.get(name, 'a number')}" for name, value in row.hyper.items()
    )
    example = (
        f">>> import numpy as np\n>>> from {place} import {row.public}\n"
        f">>> w, opt = np.array([1.0, -2.0]), {row.public}(lr=0.01)\n"
        f">>> opt.update(w, np.array([2.0, -2.0]), opt.init(w))\n>>> bool(w[0] < 1 and w[1] > -2)\nTrue\n"
    )
    doc = (
        f"{row.public}: {row.about}.\n\n{arguments}\n\n"
        f"Raises TypeError or ValueError where an argument is out of range.\n\n"
        f"Each step, elementwise::\n\n{_indented(row.per_step)}{_indented(row.update)}\nSource: {row.source}.\n\n{example}"
    )
    body = {"row": row, "__doc__": doc, "__module__": module, "__signature__": inspect.Signature(parameters)}
    return type(row.public, (Optimizer,), body)


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.strip().splitlines() if line.strip())


FACES = {row.name: make_face(row) for row in catalog.OPTIMIZERS.values()}
globals().update({face.__name__: face for face in FACES.values()})
SGD, Adam = FACES["sgd"], FACES["adam"]  # named for readers and type checkers; the rest are made just as these are


def as_optimizer(optimizer: object) -> Optimizer:
    """An Optimizer, or the default one of that name; ValueError lists the names."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        return optimizer()
    return FACES[catalog.lookup(catalog.OPTIMIZERS, optimizer, "optimizer").name]()
