"""The objects that fg.grad and its relatives return: called as functions, compiled at the first call for a kind of arguments.

Promised: a call of what is compiled costs a few comparisons beside the compiled code (entrances.py); captured values are
read at every call; errors in the arguments are raised before anything is computed; any number of threads may call.
Left out: what is compiled (recipes.py), and how (compiling.py).
"""

from __future__ import annotations

import inspect
import operator
import threading
from collections.abc import Callable, Sequence
from typing import Any

from fastgrad.differentiate import compiling, recipes
from fastgrad.differentiate.entrances import MISSING, Case, direct, entrance, last
from fastgrad.differentiate.errors import DifferentiationError, Where
from fastgrad.differentiate.forms import Form, form_of, number_form
from fastgrad.differentiate.kinds import Constant, Kind

Verify = Callable[["Derivative", list[Any], Any], None]


class Derivative:
    """A derivative of a function, as fg.grad and its relatives make it; it takes the function's own arguments.

    function: what it is the derivative of.  argnums: which arguments it is taken with respect to.  recipe: which derivative,
    a row of differentiate/recipes.py.  verify: what looks at the first result for each kind of arguments, if anything.

    The arguments of a call are numbers, NumPy arrays, and tuples or lists of such.  Python integers become float64 where they
    are differentiated; float32 stays float32.  An array that is not C-contiguous, or not writable, is copied first.
    TypeError where `function` is none, ValueError where argnums names no argument, DifferentiationError where the syntax of
    the function says that it cannot be differentiated; see __call__ for what only a call can show.
    Source: the signatures are those of JAX (github.com/jax-ml/jax); the transformation is that of Tangent (arXiv 1809.09569).

    >>> import fastgrad as fg
    >>> def f(x, y):
    ...     return x**2 + 3 * x * y + y**2
    >>> derivative = fg.grad(f)
    >>> isinstance(derivative, fg.Derivative), derivative(1.0, 2.0)
    (True, 8.0)
    >>> print(derivative)
    fastgrad.grad(f, argnums=0)
    """

    def __init__(self, function: Any, argnums: Any, recipe: recipes.Recipe, verify: Verify | None = None) -> None:
        self.function, self.argnums, self.recipe, self.verify = function, argnums, recipe, verify
        own = parameters_of(function)
        self.wrt, self.single = positions(argnums, list(own))
        extra = unlike(recipe.extras(len(self.wrt)), own)
        self.names, self.defaults = [*own, *extra], [*own.values(), *[MISSING] * len(extra)]
        self._subject = function.subject if isinstance(function, Derivative) else recipes.subject(function)
        self._space: dict[str, Any] = {}
        self._cases: list[Case] = []
        self._lock = threading.RLock()
        self.__name__ = identifier(f"{recipe.label}_{getattr(function, '__name__', 'f')}")
        self.__doc__ = f"fastgrad.{recipe.label} of {describe(function)}"
        self._enter: Callable[..., Any] = self._entrance()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The derivative at these arguments, given as the function itself takes them.

        TypeError where an argument is missing, or is to be differentiated and is not made of floating-point numbers;
        ValueError where two arguments that must have the same shape have not; DifferentiationError, which names file,
        line and construct, where the function cannot be differentiated for such arguments.
        """
        return self._enter(*args, **kwargs)

    def __repr__(self) -> str:
        return f"fastgrad.{self.recipe.label}({describe(self.function)}, argnums={self.argnums!r})"

    def __reduce__(self) -> Any:
        return remade, (self.function, self.argnums, self.recipe.label, self.verify)

    def subject(self, kinds: Sequence[Any]) -> Any:
        """Its program for arguments of these kinds, so that it can be differentiated again.

        kinds: as in kinds.py, one for each argument.  DifferentiationError where there is no program for them.
        """
        return self.recipe.sweep(self._subject(kinds), self.wrt, self.single)

    @property
    def source(self) -> str:
        """What is compiled, as Python: for the latest new kind of arguments or, before any call, for float64."""
        return (self._cases[0] if self._cases else self._guess()).source

    @property
    def jitted(self) -> Any:
        """A Numba dispatcher of the same arguments, to be called in functions of your own that Numba compiles.

        It is compiled for the types that it meets there.  Captured values are those of the time when that happens, as in
        everything that Numba compiles.
        """
        from fastgrad.differentiate.dispatching import dispatcher

        return dispatcher(self)

    # ---- from a call to a compiled program ---------------------------------------------------------------------------

    def _entrance(self) -> Callable[..., Any]:
        made: Callable[..., Any] = entrance(self.__name__, self.names, self._cases, self._general, self._space)
        extras = self.names[len(self.names) - len(self.recipe.extras(len(self.wrt))) :]
        own = self.defaults[: len(self.names) - len(extras)]
        return last(made, extras) if extras and any(default is not MISSING for default in own) else made

    def _general(self, args: tuple[Any, ...]) -> Any:
        """A call that no case served in line: find or make its case."""
        given = self._filled(args)
        forms = tuple(
            form_of(value, name, self.differentiates(k), self._space)
            for k, (value, name) in enumerate(zip(given, self.names, strict=True))
        )
        with self._lock:
            known = next((case for case in self._cases if case.forms == forms and self._serves(case)), None)
            case = known or self.case(forms)
            if known is None:
                self._add(case)
        case.check(self.names, given)
        result = direct(case, self.names, self._space)(*given)
        if known is None and self.verify:
            self.verify(self, given, result)
        return result

    def _add(self, case: Case) -> None:
        """From now on calls of its forms go to this case, and those of what became stale to none."""
        self._cases = [case, *(old for old in self._cases if old.fresh() and old.forms != case.forms)]
        self._enter = self._entrance()

    def _filled(self, args: tuple[Any, ...]) -> list[Any]:
        """The arguments with the function's defaults in place; TypeError where one is missing."""
        given = [default if value is MISSING else value for value, default in zip(args, self.defaults, strict=True)]
        missing = [name for name, value in zip(self.names, given, strict=True) if value is MISSING]
        if missing:
            raise TypeError(f"{self.__name__}() misses {', '.join(missing)}, expected {', '.join(self.names)}")
        return given

    def differentiates(self, position: int) -> bool:
        """Is the argument at a position one of floating-point numbers only: a differentiated one, or a tangent?

        TypeError where the position is no integer.
        """
        return position in self.wrt or position >= len(self.names) - len(self.recipe.extras(len(self.wrt)))

    def _serves(self, case: Case) -> bool:
        """Is the case still right: are captured values of the kinds that it was compiled for?"""
        return case.fresh() and all(
            form == form_of(read(), "captured", False, self._space) for read, form in case.captured
        )

    def case(self, forms: tuple[Form, ...], checks: bool = True) -> Case:
        """The program for arguments of these forms (forms.py), compiled.

        checks: an index outside of its array raises IndexError, as in Python.

        TypeError where a tangent is not of the kind that it must be; DifferentiationError where the function cannot be
        differentiated for such arguments.
        """
        built = recipes.build(self.recipe, self._subject, self.names, forms, self.wrt, self.single, checks)
        captured = [(c.read, form_of(c.read(), c.path, False, self._space)) for c in built.captured]
        signature = [numba_type(form.kind) for form in forms] + [numba_type(form.kind) for _, form in captured]
        compiled = compiling.compiled(built.code, built.entry, signature, built.checks, built.compiled)
        watched = [(w.read, w.value) for w in built.watched]
        return Case(forms, compiled, built.returns, captured, watched, built.alike, built.apart, built.text)

    def _guess(self) -> Case:
        """The program for float64 numbers or, where that is none, for vectors."""
        try:
            return self.case(tuple(number_form(Kind("f8")) for _ in self.names))
        except (DifferentiationError, TypeError) as error:
            try:
                return self.case(tuple(number_form(Kind("f8", 1)) for _ in self.names))
            except (DifferentiationError, TypeError):
                raise error from None


def remade(function: Any, argnums: Any, label: str, verify: Verify | None) -> Derivative:
    """A derivative that was pickled."""
    return Derivative(function, argnums, recipes.RECIPES[label], verify)


def parameters_of(function: Any) -> dict[str, Any]:
    """The names of the parameters with their defaults (or MISSING).

    TypeError where it is no function; DifferentiationError where it takes any number of arguments.
    """
    if isinstance(function, Derivative):
        return dict(zip(function.names, function.defaults, strict=True))
    if not callable(function):
        raise TypeError(f"fun must be a function, got {type(function).__name__}")
    plain = getattr(function, "py_func", function)
    found = inspect.signature(plain).parameters
    for parameter in found.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            code = getattr(plain, "__code__", None)
            where = code and Where(code.co_filename, code.co_name, code.co_firstlineno)
            raise DifferentiationError(
                f"takes any number of arguments ({parameter}), expected named ones", where, describe(function)
            )
    return {name: MISSING if p.default is p.empty else p.default for name, p in found.items()}


def unlike(wanted: Sequence[str], taken: Any) -> list[str]:
    """Names for further parameters, changed until they are not taken."""
    names: list[str] = []
    for name in wanted:
        while name in taken or name in names:
            name += "_"
        names.append(name)
    return names


def positions(argnums: Any, names: list[str]) -> tuple[tuple[int, ...], bool]:
    """The positions meant by an integer, a name, or several; and whether it was one.

    TypeError for anything else; ValueError where there is no such argument, or the same one twice.
    """
    single = not isinstance(argnums, tuple | list)
    found = []
    for wanted in [argnums] if single else argnums:
        if isinstance(wanted, str):
            if wanted not in names:
                raise ValueError(f"there is no argument {wanted!r}, expected one of {', '.join(names)}")
            found.append(names.index(wanted))
            continue
        try:
            index = operator.index(wanted)
        except TypeError:
            raise TypeError(f"argnums must be an integer or a tuple of integers, got {argnums!r}") from None
        if not -len(names) <= index < len(names):
            raise ValueError(f"argnums={index}, but the function takes {len(names)} arguments: {', '.join(names)}")
        found.append(index % len(names))
    if len(set(found)) < len(found) or not found:
        raise ValueError(f"argnums={argnums!r}, expected different arguments, at least one")
    return tuple(found), single


def describe(function: Any) -> str:
    """A function's name, or a derivative's own description."""
    return repr(function) if isinstance(function, Derivative) else getattr(function, "__qualname__", repr(function))


def identifier(name: str) -> str:
    """A name that Python takes."""
    return "".join(c for c in name.replace("<lambda>", "lambda") if c.isidentifier() or c.isdigit())


def numba_type(kind: Any) -> Any:
    """Numba's type for a kind, or for a tuple of kinds."""
    from numba import types

    if isinstance(kind, Constant):
        return types.none
    if isinstance(kind, tuple):
        return types.Tuple([numba_type(item) for item in kind])
    scalar = {"f8": types.float64, "f4": types.float32, "i8": types.int64, "b1": types.boolean}[kind.dtype]
    return types.Array(scalar, kind.ndim, "C") if kind.ndim else scalar
