"""Jacobians: forward, a column for each element of the arguments, or in reverse, a row for each element of the result.

Promised: the cheaper of the two, for each list of shapes by itself; what a call costs beside that is reading the shapes.
How large a result is, is known once it has been computed: shapes that are new are tried in the direction of the call before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgrad.differentiate.calling import Derivative
from fastgrad.differentiate.errors import DifferentiationError
from fastgrad.differentiate.recipes import RECIPES

ROW = 4  # a row costs about as much as so many columns
MOST = 1000  # lists of shapes that are remembered


class Jacobian(Derivative):
    """The Jacobian of a function, in the cheaper direction.  function, argnums: as in Derivative.

    TypeError, ValueError and DifferentiationError as Derivative raises them.
    Source: Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008), ch. 3.2.

    >>> import numpy as np
    >>> jacobian = Jacobian(lambda x: np.sum(x**2) * np.ones(2), 0)
    >>> jacobian(np.ones(3)).shape, jacobian(np.ones(30)).shape
    ((2, 3), (2, 30))
    >>> "a row for each" in jacobian.source
    True
    """

    def __init__(self, function: Any, argnums: Any) -> None:
        super().__init__(function, argnums, RECIPES["jacobian"])
        self._rows = Derivative(function, argnums, RECIPES["jacobian_by_rows"])
        self._wide: dict[Any, bool] = {}
        self._by_rows = False  # in the call before

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The Jacobian at these arguments; the errors are those of any Derivative."""
        shapes = (shape(args), *((name, shape(value)) for name, value in kwargs.items()))
        known = self._wide.get(shapes)
        wide = self._by_rows if known is None else known
        try:
            result = self._rows(*args, **kwargs) if wide else super().__call__(*args, **kwargs)
        except DifferentiationError:
            if not wide:
                raise
            self._wide[shapes] = self._by_rows = False  # some have a derivative forward alone
            return super().__call__(*args, **kwargs)
        self._by_rows = wide
        if known is None:
            if len(self._wide) >= MOST:
                self._wide.clear()
            self._wide[shapes] = self.is_wide(args, kwargs, result)
            if self._wide[shapes] != wide:
                return self(*args, **kwargs)
        return result

    def is_wide(self, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
        """Are there so many more columns than rows that rows are cheaper?  result: the Jacobian."""
        given = dict(zip(self.names, self.defaults, strict=True)) | dict(zip(self.names, args, strict=False)) | kwargs
        columns = elements([given[self.names[k]] for k in self.wrt])
        return columns > 0 and columns > ROW * elements(result) / columns

    def __reduce__(self) -> Any:
        return Jacobian, (self.function, self.argnums)

    @property
    def source(self) -> str:
        """What is compiled, as Python, in the direction of the latest call."""
        return self._rows.source if self._by_rows else super().source


def shape(value: Any) -> Any:
    """The shapes of an array, or of the arrays in nested tuples and lists."""
    if isinstance(value, np.ndarray):
        return value.shape
    return tuple(map(shape, value)) if isinstance(value, tuple | list) else None


def elements(tree: Any) -> int:
    """The number of numbers in nested tuples and lists."""
    return sum(elements(item) for item in tree) if isinstance(tree, tuple | list) else int(np.size(tree))
