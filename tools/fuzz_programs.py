"""Random programs of the subset of Python that is differentiated.

Promises: the same random state gives the same program; names are set before they are read, indices are within bounds,
loops end.  Left out: whether the numbers stay within range and away from kinks (fuzz_gradients.py), expressions
(fuzz_expressions.py), statements without a body (fuzz_statements.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from fuzz_expressions import Expressions
from fuzz_names import CUBE, LENGTH, MATRIX, PICKED, Callee, Names, Shape
from fuzz_statements import STATEMENTS

HEAD = "import math\n\nimport numpy as np\n\nSCALE = 1.3\nWEIGHTS = np.array([0.5, -1.0, 2.0, 0.25, -0.75])\n\n\n"
OUTSIDE: dict[str, Shape] = {"SCALE": (), "WEIGHTS": (LENGTH,)}
# what is differentiated, with shapes; a list is a tuple of such
ARGUMENTS: dict[str, Shape | list[Shape]] = {
    "x": (), "y": (), "u": (LENGTH,), "v": (LENGTH,), "A": MATRIX, "T": CUBE, "state": [(), (LENGTH,)],
}  # fmt: skip
ROUNDS, MODES = "n", ("soft", "hard")
# what is not: how it is drawn.  "n" is at most LENGTH.
OTHERS: dict[str, Callable[[np.random.Generator], Any]] = {
    ROUNDS: lambda rng: int(rng.integers(1, 4)), "flag": lambda rng: bool(rng.integers(2)),
    "mode": lambda rng: MODES[rng.integers(2)], "nothing": lambda rng: None,
    "idx": lambda rng: rng.integers(0, LENGTH, PICKED), "power": lambda rng: 2.0,
}  # fmt: skip
DEFAULTS = {"power": "2.0"}
RESULTS: list[list[Shape]] = [[()], [()], [()], [()], [(3,)], [(), (LENGTH,)]]


class Writer:
    """Writes one function, statement by statement: `size` of them at most."""

    def __init__(self, rng: np.random.Generator, size: int, callees: list[Callee]) -> None:
        self.say, self.left, self.lines = Expressions(rng), size, list[str]()
        self.say.names.callees = list(callees)
        self.depth, self.made, self.rounds, self.result = 1, 0, False, list[Shape]()

    def fresh(self, letter: str) -> str:
        """A name that was not used."""
        self.made += 1
        return f"{letter}{self.made}"

    def write(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.depth + text)

    def block(self, head: str, most: int, ending: Callable[[], None] | None = None) -> None:
        """A compound statement; names that its body makes are forgotten after it."""
        self.write(head)
        before = self.say.names.copy()
        self.depth += 1
        start = len(self.lines)
        for _ in range(1 + self.say.below(most)):
            self.statement()
        if ending:
            ending()
        if len(self.lines) == start:
            self.write("pass")
        self.depth -= 1
        self.say.names = before

    def statement(self) -> None:
        """One statement, or none where the size is used up."""
        self.left -= 1
        if self.left < 0:
            return
        kinds = [kind for often, kind in STATEMENTS for _ in range(often)]
        if self.depth < 4:
            kinds += [Writer.for_loop] * 6 + [Writer.branch] * 5 + [Writer.while_loop] * 2
        kinds[self.say.below(len(kinds))](self)

    def returned(self, depth: int, number: str = "") -> str:
        """What is returned, in the form of the function's result; number: a number that it depends on."""
        number = number or self.say.number(depth)
        parts = [number if shape == () else f"{number} * {self.say.vector(shape[0], 0)}" for shape in self.result]
        return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"

    def leave(self) -> None:
        """Out of the loop, or on to its next round, or out of the function."""
        if self.say.chance(0.5):
            self.write(f"if {self.say.condition()}:")
            back = f"return {self.returned(1)}" if self.result else "return"
            last = back if self.say.chance(0.2) else self.say.pick(["break", "break", "continue"])
            self.write(f"    {last}")

    def for_loop(self) -> None:
        """Over a range, upwards or downwards, over arrays, or over a tuple."""
        rounds, i, e, r = 2 + self.say.below(3), self.fresh("i"), self.fresh("e"), self.fresh("r")
        outer, names = self.say.names.copy(), self.say.names
        kind, vectors, matrices = self.say.below(6), self.say.vectors(), self.say.of_shape(MATRIX)
        if kind == 0 and vectors:
            over = self.say.pick(vectors)
            head = self.say.pick([f"for {e} in {over}:", f"for {i}, {e} in enumerate({over}):"])
            names.shapes[e] = ()
            if "enumerate" in head:
                names.indices[i] = names.shapes[over][0]
        elif kind == 1:
            head = self.say.pick([f"for {i} in range({rounds} - 1, -1, -1):", f"for {i} in range(0, {rounds}, 2):"])
            names.indices[i] = rounds
        elif kind == 2 and vectors:
            length = self.say.length()
            head = f"for {e}, {r} in zip({self.say.part(length)}, {self.say.part(length)}):"
            names.shapes |= {e: (), r: ()}
        elif kind == 3 and matrices:
            pairs = [f"({self.say.number(0)}, {self.say.part(LENGTH)})" for _ in range(2)]
            head = self.say.pick([f"for {r} in {self.say.pick(matrices)}:", f"for {e}, {r} in ({', '.join(pairs)}):"])
            names.shapes |= {r: (LENGTH,)} | ({e: ()} if f"{e}," in head else {})
        else:
            known = self.rounds and self.say.chance(0.3)
            head = f"for {i} in range({ROUNDS if known else rounds}):"
            names.indices[i] = LENGTH if known else rounds
        self.block(head, 4, self.leave)
        self.say.names = outer

    def while_loop(self) -> None:
        """With a counter, so that it ends."""
        k, rounds = self.fresh("k"), 2 + self.say.below(3)
        self.write(f"{k} = 0")
        if self.say.chance(0.2):
            self.write("while True:")
            self.write(f"    {k} += 1")
            self.write(f"    if {k} > {rounds}:")
            self.write("        break")
        else:
            self.write(f"while {k} < {rounds}{' and ' + self.say.condition() if self.say.chance(0.5) else ''}:")
            self.write(f"    {k} += 1")
        lines, self.lines = self.lines, []
        self.block("while:", 3, self.leave)
        self.lines = lines + self.lines[1:]

    def branch(self) -> None:
        """`if`, perhaps `elif` and `else`."""
        self.block(f"if {self.say.condition()}:", 3)
        if self.say.chance(0.3):
            self.block(f"elif {self.say.condition()}:", 2)
        if self.say.chance(0.6):
            self.block("else:", 3)

    def function(self, name: str, head: list[str], names: Names, result: list[Shape]) -> str:
        """The text of a function with these parameters; its result depends on all names that are left at its end.

        names: what is known at its start.  result: the shapes of what is returned, none for a function that only writes.
        """
        names.callees = self.say.names.callees
        self.say.names, self.result, self.rounds = names, result, ROUNDS in head
        while self.left > 0:
            self.statement()
        if result:
            terms = []
            known = self.say.names.shapes | {
                f"{t}[{k}]": shape for t, shapes in self.say.names.tuples.items() for k, shape in enumerate(shapes)
            }
            for place, (found, shape) in enumerate(known.items()):
                weight = f"{0.5 + 0.37 * place:.2f}"
                sum_of_all = f"np.sum({found} * np.arange(1.0, {shape[-1] + 1}.0))" if shape else found
                terms.append(f"{weight} * {sum_of_all}")
            if result != [()]:
                self.write(f"total = {' + '.join(terms)}")
                terms = ["total"]
            self.write(f"return {self.returned(0, ' + '.join(terms))}")
        elif not self.lines:
            self.write("pass")
        return "\n".join([f"def {name}({', '.join(head)}):", *self.lines]) + "\n"


def helpers(rng: np.random.Generator) -> tuple[list[str], list[Callee]]:
    """The texts of functions beside the main one, and how they are called."""
    texts, callees = list[str](), list[Callee]()

    def one(share: float, callee: Callee, *head: str) -> None:
        if rng.random() < share:
            names = Names({name: shape for name, shape in callee.takes.items() if shape is not None})
            texts.append(Writer(rng, 3, []).function(callee.name, list(head), names, list(callee.gives)))
            callees.append(callee)

    one(0.3, Callee("g", {"a": (), "b": ()}, optional=1), "a", "b=0.7")
    one(0.3, Callee("h", {"a": (LENGTH,), "b": ()}, ()), "a", "b")
    one(0.2, Callee("both", {"a": (), "b": (LENGTH,)}, ((), (LENGTH,))), "a", "b")
    one(0.2, Callee("shifted", {"a": (LENGTH,), "b": (), "c": ()}, ((LENGTH,),), 2), "a", "b=0.3", "c=1.1")
    if rng.random() < 0.15:
        say = Expressions(rng)
        say.names.shapes["a"] = ()
        again = f"deep({say.number(1)}, k - 1)"
        texts.append(f"def deep(a, k):\n    if k <= 0:\n        return a\n    return {say.number(1)} * {again} + a\n")
        callees.append(Callee("deep", {"a": (), "k": None}))
    return texts, callees


def program(rng: np.random.Generator, size: int) -> str:
    """The text of a module with a function f of some of `ARGUMENTS` and `OTHERS`, and with what f calls.

    size: about how many statements f has.
    """
    texts, callees = helpers(rng)
    chosen = [name for name in ARGUMENTS if rng.random() < 0.45] or ["x", "u"]
    others = [name for name in OTHERS if name == ROUNDS or rng.random() < 0.25]
    names = Names(outside=dict(OUTSIDE) if rng.random() < 0.3 else {})
    for name in chosen:
        shape = ARGUMENTS[name]
        if isinstance(shape, list):
            names.tuples[name] = shape
        else:
            names.shapes[name] = shape
    truths = {"flag": ["flag", "not flag"], "mode": ["mode == 'soft'"], "nothing": ["nothing is None"]}
    names.truths = [text for name in others for text in truths.get(name, [])]
    names.picks = [name for name in others if name == "idx"]
    names.shapes |= {name: () for name in others if name == "power"}
    head = [*chosen, *(name + (f"={DEFAULTS[name]}" if name in DEFAULTS else "") for name in others)]
    result = RESULTS[int(rng.integers(len(RESULTS)))]
    texts.append(Writer(rng, size, callees).function("f", head, names, result))
    return HEAD + "\n\n".join(texts)
