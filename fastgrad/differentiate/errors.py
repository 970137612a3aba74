"""The one error of differentiation: it says where, and what stands there."""

from __future__ import annotations

from typing import NamedTuple


class Where(NamedTuple):
    """A place in the user's source."""

    file: str
    function: str
    line: int


class DifferentiationError(ValueError):
    """A function, or a part of it, cannot be differentiated: there is no derivative, or none that fastgrad knows.

    message: what is wrong.  where: the file, function and line, None where there is no source.  construct: what stands there.
    The error has them as .file, .line and .construct.  It is a ValueError, and raised when a derivative is asked for or first
    called, before anything is computed.  Source: Tangent refuses in the same way (arXiv 1809.09569, 2018).

    >>> error = DifferentiationError("is not differentiable", Where("a.py", "f", 3), "yield x")
    >>> print(error)
    a.py, line 3, in f: `yield x` is not differentiable
    """

    def __init__(self, message: str, where: Where | None = None, construct: str | None = None):
        self.file = where.file if where else None
        self.line = where.line if where else None
        self.construct = construct
        place = f"{where.file}, line {where.line}, in {where.function}: " if where else ""
        super().__init__(place + (f"`{construct}` " if construct else "") + message)
