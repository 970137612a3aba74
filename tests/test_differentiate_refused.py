"""What cannot be differentiated is refused, in words that name the construct and its line (corpus/refused.py)."""

from __future__ import annotations

import inspect
import re

import pytest
from corpus import Case, refused
from interpreting import interpreted

import fastgrad as fg

FUNCTIONS = {
    name: function
    for name, function in vars(refused).items()
    if inspect.isfunction(function) and function.__module__ == refused.__name__
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_refused(name):
    function = FUNCTIONS[name]
    lines, first = inspect.getsourcelines(function)
    ((line, word),) = [
        (first + k, found[1]) for k, text in enumerate(lines) if (found := re.search("# refused: (.+)$", text))
    ]
    with interpreted(), pytest.raises(fg.DifferentiationError) as caught:
        fg.grad(function)(*Case("refused", function).arguments())
    error = caught.value
    assert (error.file, error.line) == (inspect.getsourcefile(function), line), str(error)
    assert word in str(error)
