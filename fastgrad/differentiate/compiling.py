"""Source text -> a function that Numba compiled for given types, from disk where it has been compiled before.

Promised: the text stands in a real file (or, where the disk refuses, in linecache), so that tracebacks and debuggers show
it; one file holds one function for one list of types, so that processes which compile at the same time can only write
the same thing; what lies damaged on disk is compiled anew.
Left out: where the files lie and whose they are (caching.py).
"""

from __future__ import annotations

import ast
import functools
import linecache
import math
import pickle
import sys
import types
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastgrad.differentiate import arrayloops, caching, cheaper, linking, selftyped

# fastmath stays off: NaN and inf are numbers here.  "numpy": a division by zero gives inf instead of an exception.
OPTIONS = {"error_model": "numpy", "fastmath": False, "nogil": True}
DAMAGE = (
    OSError,
    EOFError,
    pickle.UnpicklingError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    RuntimeError,  # Numba finds no place to keep machine code at, since the source file is gone
    TypeError,
    ValueError,
)


KNOWN: dict[str, Any] = {}  # name -> dispatcher, of this process


@functools.cache
def machine() -> str:
    """The processor that machine code is made for: homes are shared among unlike computers."""
    from llvmlite import binding

    return f"{binding.get_process_triple()} {binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"


def compiled(text: str, entry: str, signature: Sequence[Any], checks: bool = False, meant: str = "") -> Any:
    """The function `entry` of a source text as a Numba dispatcher, compiled for one list of Numba types.

    meant: another text, which says the same line by line and is compiled in its place; it follows from text and types.
    checks: IndexError where an index is outside of its array; otherwise that reads or writes other memory, as in everything
    that Numba compiles.  Text and machine code are kept on disk under a name made of all that they depend on.
    """
    name = f"{entry}_{caching.key(machine(), text, str(tuple(signature)), repr(checks))}"
    if name not in KNOWN:
        work = Work(name, text, meant or text, entry, tuple(signature), checks)
        circle = selftyped.circular(ast.parse(text))  # machine code that does not survive on disk
        KNOWN[name] = (None if circle else stored(work)) or loaded(work, None)
    return KNOWN[name]


@dataclass(frozen=True)
class Work:
    """What `compiled` was asked for, and the name of its file."""

    name: str
    text: str
    meant: str
    entry: str
    signature: tuple[Any, ...]
    checks: bool


def stored(work: Work) -> Any | None:
    """The dispatcher by way of the disk; None, and a warning once, where the disk refuses."""
    path = kept(work.name, work.text)
    if path is None:
        return None
    try:
        return loaded(work, path)
    except DAMAGE:  # to what Numba keeps beside the file: what fails in compiling is a NumbaError
        caching.forget(work.name)
        path = caching.store(work.name, work.text)
    try:
        return path and loaded(work, path)
    except DAMAGE as error:
        caching.warn(str(error))
        return None


def loaded(work: Work, path: Path | None) -> Any:
    """The dispatcher, from the file at `path` and what Numba keeps beside it, or else compiled in memory."""
    from numba import NumbaPerformanceWarning, njit

    module = module_of(work.name, work.text, path, work.meant)
    enliven(module)
    for other in selftyped.definitions(ast.parse(work.text)).keys() - {work.entry}:
        setattr(module, other, njit(boundscheck=work.checks, **OPTIONS)(getattr(module, other)))
    dispatcher = njit(boundscheck=work.checks, **OPTIONS)(getattr(module, work.entry))
    if path is not None:
        linking.from_disk(dispatcher)
    with linking.lazily(), warnings.catch_warnings():  # what a slice costs in `@` is not what the caller can change
        warnings.simplefilter("ignore", NumbaPerformanceWarning)
        dispatcher.compile(work.signature)
    return dispatcher


def kept(name: str, text: str) -> Path | None:
    """The file that holds this text, written if it is not there; None where the disk refuses."""
    if caching.load(name) != text:
        return caching.store(name, text)
    place = caching.folder()
    return place and place / f"{name}.py"


def module_of(name: str, text: str, path: Path | None, meant: str = "") -> types.ModuleType:
    """The source text run as a module of its own, which tracebacks can quote, though it is `meant` that runs."""
    file = str(path) if path else f"<fastgrad {name}>"
    if path is None:
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = types.ModuleType(f"fastgrad.differentiate.generated.{name}")
    module.__file__ = file
    sys.modules[module.__name__] = module  # Numba finds a function's globals by the name of its module
    tree = cheaper.rewritten(selftyped.typed(ast.parse("\n" * (path is not None) + (meant or text))))
    vars(module).update(arrayloops.NAMES)
    exec(compile(tree, file, "exec"), module.__dict__)
    return module


def enliven(module: types.ModuleType) -> None:
    """Give the text's names their compiled meaning: those of math become code that loops can vectorise."""
    from fastgrad.differentiate import mathematics

    register_helpers()
    cheaper.register()
    selftyped.register()
    vars(module).update(cheaper.NAMES | selftyped.NAMES)
    for name, value in list(vars(module).items()):
        if value is math:
            setattr(module, name, mathematics)


@functools.cache
def register_helpers() -> None:
    """Tell Numba that the functions of helpers.py may be compiled where generated code calls them."""
    from numba.extending import register_jitable

    from fastgrad.differentiate import helpers

    for value in vars(helpers).values():
        if getattr(value, "__module__", None) == helpers.__name__ and callable(value) and value not in cheaper.OWN:
            register_jitable(**OPTIONS)(value)
