"""Numba's compiling of many small functions, in about half of the time: each is optimised where it is linked in, not before.

Numba makes a library of every function that compiled code calls (np.zeros_like alone needs six), optimises each as far as it
can be, makes machine code of it, and does it all again where the library is linked into its caller: only the outermost one
is ever entered.  Here a library waits until somebody asks for an address in it; the others are only linked.
Measured (CPU seconds of a first call, arrays): 8.5 -> 5.6; the machine code of the outermost function is as before.

This is the one place that knows how Numba's CodeLibrary is made inside.  Where a release of Numba makes it otherwise,
compiling is only slower: `lazily` then does nothing.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

NEEDED = ("_optimize_final_module", "_finalize_final_module", "_finalize_dynamic_globals", "get_pointer_to_function")
ENVIRONMENT, UNRESOLVED = "_ZN08NumbaEnv", ".numba.unresolved$"  # how Numba's names of globals begin


@contextlib.contextmanager
def lazily() -> Iterator[None]:
    """Whatever is compiled inside, by this thread alone meanwhile, is optimised and emitted when its address is asked for."""
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target
    from numba.core.runtime import rtsys

    with global_compiler_lock:
        rtsys.initialize(cpu_target.target_context)  # its functions are asked for by name: they must not wait
        codegen = cpu_target.target_context.codegen()
        kind: Any = getattr(codegen, "_library_class", object)
        kind = lazy(kind)
        # unlike what is known here; or inside of another `lazily`
        if kind is None or "_library_class" in vars(codegen):
            yield
            return
        codegen._library_class, kind.met_recursion = kind, False
        context, made = cpu_target.target_context, cpu_target.target_context.create_cfunc_wrapper
        context.create_cfunc_wrapper = lambda *args, **kwargs: inner() or made(*args, **kwargs)
        try:
            yield
        finally:
            del codegen._library_class, context.create_cfunc_wrapper


def inner() -> bool:
    """Is what is compiled just now called by compiled code alone?  Numba would make it callable from C all the same."""
    from numba.core.targetconfig import ConfigStack

    stack = ConfigStack()  # of one who asks for a callback of C alone, there is nothing below
    return len(stack) > 1 and bool(stack.top().no_cpython_wrapper)


def from_disk(dispatcher: Any) -> None:
    """Let a dispatcher keep its machine code beside the source file, and read it back without what only compiling needs.

    Numba imports SciPy and all that it can compile before it reads: 0.3 of the 0.35 seconds of a second process's first call.
    """
    dispatcher.enable_caching()
    kept = getattr(dispatcher, "_cache", None)
    if callable(getattr(kept, "_load_overload", None)) and callable(
        getattr(kept, "_guard_against_spurious_io_errors", None)
    ):
        kind: Any = type(kept)
        kept.__class__ = reading(kind)


@functools.cache
def reading(kind: Any) -> Any:
    """A class of Numba's caches that reads at once."""

    class Cache(kind):  # type: ignore[misc]
        """Machine code on disk."""

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            """What is kept for a signature; None where nothing is."""
            from numba.core.runtime import rtsys
            from numba.cpython import hashing  # noqa: F401  with symbols that machine code may name

            rtsys.initialize(target_context)
            with self._guard_against_spurious_io_errors():
                return self._load_overload(sig, target_context)

    return Cache


@functools.cache
def lazy(eager: Any) -> Any:
    """The lazy kind of a class of libraries; None where that class is not made as this file believes."""
    if not all(callable(getattr(eager, name, None)) for name in NEEDED):
        return None

    class Library(eager):  # type: ignore[misc]
        """Finalized means: all that it needs is linked in.  The rest follows when it is first entered."""

        waiting = met_recursion = False

        def _optimize_final_module(self) -> None:
            # what calls a function that is not compiled yet finds it by name once that is emitted: nothing waits from here on
            if any(v.name.startswith(UNRESOLVED) for v in self._final_module.global_variables):
                type(self).met_recursion = True
            self.waiting = not type(self).met_recursion
            if not self.waiting:
                super()._optimize_final_module()

        def _finalize_final_module(self) -> None:
            if not self.waiting:  # the above, or read from disk
                super()._finalize_final_module()
                return
            self._finalize_dynamic_globals()
            self.place_environments()
            self._finalized = True

        def place_environments(self) -> None:
            """The variables that compiled code finds its constants by: Numba fills them as soon as a function is compiled."""
            from llvmlite import binding, ir

            engine = self._codegen._engine
            names = [v.name for v in self._final_module.global_variables if v.name.startswith(ENVIRONMENT)]
            missing = [name for name in names if not engine.is_symbol_defined(name)]
            if not missing:
                return
            module = self._codegen._create_empty_module(f"environments of {self.name}")
            for name in missing:
                pointer = ir.IntType(8).as_pointer()
                variable = ir.GlobalVariable(module, pointer, name)
                variable.linkage, variable.initializer = "common", ir.Constant(pointer, None)
            engine.add_module(binding.parse_assembly(str(module)))
            engine.finalize_object()

        def emit(self) -> None:
            """What an eager library does at once."""
            self.waiting = False
            super()._optimize_final_module()
            self._final_module.verify()
            super()._finalize_final_module()

        def get_pointer_to_function(self, name: str) -> int:
            self._ensure_finalized()
            if self.waiting:
                if not any(f.name == name for f in self.get_defined_functions()):
                    if name.startswith("cfunc."):  # `inner` was wrong: better this than a call of nothing
                        raise RuntimeError(f"{name} was taken for a function that only compiled code calls")
                    return 0
                self.emit()
            return super().get_pointer_to_function(name)  # type: ignore[no-any-return]

        def serialize_using_object_code(self) -> Any:
            self._ensure_finalized()
            if self.waiting:
                self.emit()
            return super().serialize_using_object_code()

    return Library
