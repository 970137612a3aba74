"""Rules of the user's own for functions that have none, or a better one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def custom_gradient(rule: Callable[..., tuple[Any, Callable[..., Any]]]) -> Callable[..., Any]:
    """The function whose value and derivative `rule` gives: `rule(*args)` = (value, pull), pull(d) = an adjoint each.

    As jax.custom_gradient: d is the adjoint of the value, a number or an array of its shape; pull returns one array of
    the argument's shape, or a tuple where there are several arguments. Both must be Python that fastgrad can read; the value
    need not be differentiable. Called as it stands the function returns the value alone.

    ValueError (DifferentiationError) when the gradient is made: the rule does not return what is said above.
    Source: jax.custom_gradient.

    >>> import math
    >>> @custom_gradient
    ... def log1pexp(x):
    ...     return math.log1p(math.exp(x)), lambda d: d / (1.0 + math.exp(-x))
    >>> round(log1pexp(0.0), 6)
    0.693147
    """

    @functools.wraps(rule)
    def value(*args: Any) -> Any:
        return rule(*args)[0]

    value.custom_gradient_ = rule  # type: ignore[attr-defined]
    return value
