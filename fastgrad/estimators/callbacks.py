"""scikit-learn's callbacks, from its version 1.9 on: the fit is a task, and each epoch or iteration a task below it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .engine import Epochs

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9 has no callbacks, and asks for none

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support."""


__all__ = ["CallbackSupportMixin", "Tasks"]
Fitted = Callable[[], dict[str, Any]]


class Tasks:
    """What the callbacks of an estimator are told of one fit; where it has none, every method does nothing.

    `data`: X, y and metadata as the user gave them.  A `Fitted` makes the attributes of the estimator as if the fit had ended
    there, and is only called by a callback that asks for the fitted estimator.
    """

    def __init__(self, mlp: Any, name: str, most: int | None, data: dict[str, Any]) -> None:
        self._mlp, self._name, self._data = mlp, name, data
        self._root: Any = None
        if hasattr(mlp, "set_callbacks"):  # also without any: a search above this estimator may have some
            self._root = mlp._init_callback_context(max_subtasks=most)
        self._wanted = bool(getattr(mlp, "_skl_callbacks", []))
        self._present: Any = None
        self.stopped = False  # a callback has asked for the end
        if self._wanted:
            self._root.call_on_fit_task_begin(estimator=mlp, **data)

    def begin(self, fitted: Fitted) -> None:
        """An epoch or iteration begins."""
        if self._wanted:
            self._present = self._root.subcontext(task_name=self._name)
            self._present.call_on_fit_task_begin(
                estimator=self._mlp, **self._data, reconstruction_attributes=fitted
            )  # fmt: skip

    def end(self, fitted: Fitted) -> bool:
        """It has ended; True where a callback wants the training to."""
        if self._wanted:
            task, self._present = self._present, None
            self.stopped |= task.call_on_fit_task_end(
                estimator=self._mlp, **self._data, reconstruction_attributes=fitted
            )  # fmt: skip
        return self.stopped

    def close(self, fitted: Fitted) -> None:
        """So has the fit; an epoch that was cut short, or an iteration that did not come about, has nothing to tell."""
        if not self._wanted:
            return
        if self._present is not None:
            self._present.call_on_fit_task_end(estimator=self._mlp)
        self._root.call_on_fit_task_end(estimator=self._mlp, **self._data, reconstruction_attributes=fitted)

    def around(self, asked: Epochs, fitted: Fitted) -> Epochs:
        """The same epochs, of which the callbacks are told."""
        if not self._wanted:
            return asked

        def order(epoch: int) -> Any:
            self.begin(fitted)
            return asked.rows if asked.order is None else asked.order(epoch)

        def after(state: Any) -> bool:
            over = asked.after(state)
            return self.end(fitted) or over

        return replace(asked, order=order, after=after)
