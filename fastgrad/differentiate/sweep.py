"""The state of a reverse sweep: names of adjoints, what has one already, contributions to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .activity import active, masked
from .adjoint import Adjoint, gathered
from .aliases import direct_memory, roots, source_of, stored
from .coalesce import assigned_here
from .errors import DifferentiationError, Where
from .indexing import whole
from .kinds import Kind
from .program import Assign, Expr, Lit, Name, Op, Program, Statement, Store, every, leaves, unused
from .rules import make
from .tapes import Tapes


@dataclass
class Sweep:
    """One reversal of one program. block: reverses a block (set by reverse.py, since blocks stand in statements)."""

    program: Program
    inputs: set[str]
    wanted: set[str]  # the results that are differentiated
    callees: dict[str, Any] = field(default_factory=dict)  # functions of the program, as selfcalls.Reversed
    undo: set[int] = field(default_factory=set)  # ids of the Stores whose old content is needed
    save: set[int] = field(default_factory=set)  # ids of the Assigns that set a carried name, whose old value is needed
    block: Callable[..., Any] = field(default=lambda *a: ([], []))
    out: list[Statement] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    where: Where | None = None
    movable: str | None = None

    def __post_init__(self) -> None:
        self.active = active(self.program, self.inputs, self.wanted)
        self.masked = masked(self.program)
        self.roots = roots(self.program)
        self.mutable = stored(self.program)
        self.direct = direct_memory(self.program)
        self.homes = homes(self.program.body) + Counter(
            n.id for tree in self.program.arguments for n in leaves(tree) if n
        )
        self.hoisted: set[int] = set()
        self.views: set[str] = set()  # whose adjoints are views of adjoints
        self.viewed = {
            source_of(s.value)
            for s in every(self.program.body)
            if isinstance(s, Assign) and isinstance(s.value, Op) and s.target in self.mutable
        }
        self.kinds = dict(self.program.kinds)
        self.tapes = Tapes(self.fresh)
        self.adjoints: dict[str, Name] = {}
        self.origin: dict[int, Statement] = {}
        self.statements: dict[int, Statement] = {}  # the same keys; keeps the statements, and so their ids, alive
        self.needed_carried: set[str] = set()

    # ---- names ------------------------------------------------------------------------------------------------------

    def fresh(self, base: str, kind: Kind) -> Name:
        """A name that the program does not have."""
        return unused(self.kinds, base, kind, first=1)

    def d(self, name: str) -> Name:
        """The adjoint of a variable."""
        if name not in self.adjoints:
            self.adjoints[name] = self.fresh(f"d_{name}", self.program.kinds[name])
        return self.adjoints[name]

    def emit(self, s: Statement) -> None:
        """Append to the reverse sweep."""
        if s.where is None:
            s.where = self.where
        self.out.append(s)

    def bind(self, base: str, value: Expr) -> Name:
        """A value of the reverse sweep that is used more than once."""
        new = self.fresh(base, value.kind)
        self.emit(Assign(new.id, value))
        return new

    # ---- contributions ----------------------------------------------------------------------------------------------

    def zero(self, name: str) -> None:
        """d_name = 0."""
        kind = self.program.kinds[name]
        blank = make("zeros_like", Name(name, kind)) if kind.is_array else Lit(0.0, kind)
        self.emit(Assign(self.d(name).id, blank))
        self.live.add(name)

    def contribute(self, name: Name, index: Any, value: Expr) -> None:
        """d_name[index] += value; the first contribution sets."""
        d = self.d(name.id)
        if index is None and value.kind.is_float and value.kind.dtype != name.kind.dtype and not isinstance(value, Lit):
            cast = {"f4": ("float32", "as_f4"), "f8": ("float", "as_f8")}[name.kind.dtype]
            value = make(cast[value.kind.is_array], value)
        if index is not None:
            if name.id not in self.live:
                self.zero(name.id)
            self.scatter(d, index, value)
        elif name.id in self.live:
            if name.kind.is_array:
                self.emit(Store(d, (whole(name.kind),), value, add=True))
            else:
                self.emit(Assign(d.id, make("add", d, value)))
        else:
            self.emit(Assign(d.id, self.own(value, name)))
            self.live.add(name.id)

    def own(self, value: Expr, name: Name) -> Expr:
        """The value as an array of its own, of the shape of `name`."""
        if not name.kind.is_array:
            return value
        if not value.kind.is_array:
            return make("full_like", name, value)
        if value.kind.ndim < name.kind.ndim:
            return make("full_of", value, name)
        if self.movable and _is_of(value, self.movable):
            self.movable = None
            return value
        return make("copy", value) if source_of(value) or _is_of(value, None) else value

    def scatter(self, d: Name, index: tuple[Expr, ...], value: Expr) -> None:
        """d[index] += value."""
        fancy = [k for k, item in enumerate(index) if item.kind.is_array]
        if not fancy:
            self.emit(Store(d, index, value, add=True))
            return
        item = index[fancy[0]]
        if not value.kind.is_array:
            value = make("full_of", value, Op("getitem", (d, *index), d.kind.array(1)))
        if item.kind.dtype == "b1":
            op = "scatter_add_where"
        elif item.kind.ndim == 1 and len(index) == 1:
            op = "scatter_add"
        elif item.kind.ndim == 1 and len(index) == 2 and fancy[0] == 1 and d.kind.ndim == 2:
            op = "scatter_add_to_columns"
        else:
            raise DifferentiationError(
                "reads with an index array in a way that has no derivative here", self.where, d.id[2:]
            )
        self.emit(Assign(d.id, make(op, d, item, value)))

    def seed(self, leaf: Name, value: Expr) -> None:
        """The adjoint of a result."""
        if leaf.id in self.live:
            self.contribute(leaf, None, value)
            return
        if leaf.id in self.mutable:
            self.zero(leaf.id)
        self.contribute(leaf, None, value)

    def spread(self, target: str | None, value: Expr, d: Expr, out: Expr) -> list[Any]:
        """The contributions of target = value."""
        walk = Adjoint(self.active, self.bind, target is None or target in self.masked, self.where, [])
        walk.walk(value, d, out)
        return gathered(walk.found)

    # ---- statements -------------------------------------------------------------------------------------------------

    def note(self, new: Statement, origin: Statement) -> None:
        """Remember which statement of the function a statement of the reverse sweep belongs to."""
        for part in every([new]):
            if id(part) not in self.origin:
                self.origin[id(part)] = origin
                self.statements[id(part)] = part

    def memory(self, name: str) -> frozenset[str]:
        """The arrays whose memory a name shares; of an adjoint, those of its variable."""
        for variable, d in self.adjoints.items():
            if d.id == name:
                return frozenset({"d_" + self.direct.get(variable, variable)})
        return frozenset({self.direct.get(name, name)})

    # ---- what a repeated block must keep --------------------------------------------------------------------------------


def homes(body: list[Statement]) -> Counter[str]:
    """For every name, how many statements set it."""
    found: Counter[str] = Counter()
    for s in every(body):
        found.update(assigned_here(s))
    return found


def _is_of(value: Expr, name: str | None) -> bool:
    """Is the value the array `name` (None: any array) itself, or what unbroadcast may hand through?"""
    if isinstance(value, Op) and value.name == "unbroadcast":
        value = value.args[0]
        if name is None:
            return source_of(value) is not None
    return isinstance(value, Name) and value.kind.is_array and value.id == name
