"""Losses as the user configures them: each class is a thin face of its row in the catalog."""

from __future__ import annotations

import inspect
import numbers
from typing import Any, ClassVar

from . import catalog

# what each loss's parameter may be: (lowest, highest), both excluded but for a smoothing of 0, and what it means
_RANGES = {
    "delta": (0.0, float("inf"), "the error from which on the loss is straight, in units of the target"),
    "q": (0.0, 1.0, "the quantile to be predicted: the share of targets below"),
    "label_smoothing": (-1e-300, 1.0, "the share of each target that is spread evenly over all classes"),
}
_ANY = (-float("inf"), float("inf"), "a number")


class Loss:
    """A loss with its parameters, which are keyword or positional numbers.

    TypeError or ValueError where one is no number or out of range.

    >>> Huber(delta=2.0).delta
    2.0
    """

    row: ClassVar[catalog.Loss]
    hyper: dict[str, float]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        bound = inspect.signature(type(self)).bind(*args, **kwargs)
        bound.apply_defaults()
        self.hyper = {}
        for name, value in bound.arguments.items():
            low, high, _ = _RANGES.get(name, _ANY)
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                raise TypeError(f"{type(self).__name__}: {name} must be a number, got {value!r}")
            if not low < float(value) < high:
                allowed = f"[0, {high:g})" if name == "label_smoothing" else f"({low:g}, {high:g})"
                raise ValueError(f"{type(self).__name__}: {name} must be in {allowed}, got {value!r}")
            self.hyper[name] = float(value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("hyper", ()):
            raise AttributeError(f"{name} of a {type(self).__name__} is fixed; make a new one")
        super().__setattr__(name, value)

    @property
    def name(self) -> str:
        """The row's name in the catalog."""
        return self.row.name

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["hyper"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.hyper.items())})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.hyper == other.__dict__["hyper"]

    def __hash__(self) -> int:
        return hash(repr(self))


def make_face(row: catalog.Loss, module: str = __name__) -> type[Loss]:
    """The class of a row, to be bound to the row's public name in `module`."""
    kinds, place = inspect.Parameter.POSITIONAL_OR_KEYWORD, "fastgrad" if module == __name__ else module
    parameters = [inspect.Parameter(name, kinds, default=value) for name, value in row.hyper.items()]
    meanings = {k: f"- `{k}={v!r}`: {_RANGES.get(k, _ANY)[2]}\n" for k, v in row.hyper.items()}
    refusal = "\nRaises TypeError or ValueError where an argument is no number or out of range.\n\n" if meanings else ""
    doc = (
        f"{row.public}: {row.about}.\n\n"
        f"Of a score p and its target t, the mean over all elements (over rows where a row has one class)::\n\n"
        f"    {row.value}\n\n{''.join(meanings.values())}{refusal}Source: {row.source}.\n\n"
        f">>> from {place} import {row.public}\n>>> import fastgrad as fg\n"
        f">>> fg.Network([3, 2], loss={row.public}()).loss_name\n'{row.name}'\n"
    )
    body = {"row": row, "__doc__": doc, "__module__": module, "__signature__": inspect.Signature(parameters)}
    return type(row.public, (Loss,), body)


FACES = {row.name: make_face(row) for row in catalog.LOSSES.values()}
globals().update({face.__name__: face for face in FACES.values()})


def as_loss(loss: object) -> Loss:
    """A Loss, or the default one of that name; ValueError lists the names."""
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, type) and issubclass(loss, Loss):
        return loss()
    return FACES[catalog.lookup(catalog.LOSSES, loss, "loss").name]()
