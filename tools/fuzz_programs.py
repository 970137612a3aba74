"""Random programs of the subset of Python that is differentiated.

Promises: the same random state gives the same program; names are set before they are read, indices are within bounds,
loops end.  Left out: whether the numbers stay within range and away from kinks (fuzz_gradients.py), expressions
(fuzz_expressions.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from fuzz_expressions import LENGTH, MATRIX, Expressions, Shape

HEAD = "import math\n\nimport numpy as np\n\n\n"
ARGUMENTS: dict[str, Shape] = {"x": (), "y": (), "u": (LENGTH,), "v": (LENGTH,), "A": MATRIX}
ROUNDS = "n"  # the one integer argument; at most LENGTH


class Writer:
    """Writes one function, statement by statement: `size` of them at most."""

    def __init__(self, rng: np.random.Generator, size: int, helpers: dict[str, tuple[Shape, ...]]) -> None:
        self.say, self.left, self.lines = Expressions(rng, helpers), size, list[str]()
        self.depth, self.made, self.rounds, self.result = 1, 0, False, True

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
        names, indices = dict(self.say.names), dict(self.say.indices)
        self.depth += 1
        start = len(self.lines)
        for _ in range(1 + self.say.below(most)):
            self.statement()
        if ending:
            ending()
        if len(self.lines) == start:
            self.write("pass")
        self.depth -= 1
        self.say.names, self.say.indices = names, indices

    def statement(self) -> None:
        """One statement, or none where the size is used up."""
        self.left -= 1
        if self.left < 0:
            return
        kinds: list[Callable[[], None]] = [self.set_number] * 4 + [self.set_vector] * 3 + [self.increase_number] * 2
        if self.say.vectors():
            kinds += (
                [self.write_entry] * 4 + [self.write_slice] * 3 + [self.in_place] * 2 + [self.view] * 2 + [self.swap]
            )
        if self.say.vectors(3) and self.depth < 4:
            kinds += [self.neighbours] * 2
        if self.say.of_shape(MATRIX):
            kinds += [self.set_matrix, self.write_matrix]
        if any(shapes != ((), ()) for shapes in self.say.helpers.values()) and self.say.vectors():
            kinds += [self.call_writer]
        if self.depth < 4:
            kinds += [self.for_loop] * 3 + [self.branch] * 3 + [self.while_loop]
        kinds[self.say.below(len(kinds))]()

    def target(self, shape: Shape, letter: str) -> str:
        """A name to assign to, known or new."""
        known = self.say.of_shape(shape)
        return self.say.pick(known) if known and self.say.chance(0.6) else self.fresh(letter)

    def set_number(self) -> None:
        """`s = number`"""
        text = f"{self.say.number()}"
        name = self.target((), "s")
        self.write(f"{name} = {text}")
        self.say.names[name] = ()

    def increase_number(self) -> None:
        """`s += number`"""
        if self.say.of_shape(()):
            self.write(
                f"{self.say.pick(self.say.of_shape(()))} {self.say.pick(['+=', '-=', '*='])} {self.say.number()}"
            )

    def set_vector(self) -> None:
        """`a = vector`"""
        length = self.say.pick(["3", "4", "5", "5", "5"])
        text = self.say.vector(int(length))
        name = self.target((int(length),), "a")
        self.write(f"{name} = {text}")
        self.say.names[name] = (int(length),)

    def set_matrix(self) -> None:
        """`M = matrix`"""
        text = self.say.matrix()
        name = self.target(MATRIX, "M")
        self.write(f"{name} = {text}")
        self.say.names[name] = MATRIX

    def view(self) -> None:
        """A name for a part of an array."""
        length = 1 + self.say.below(LENGTH)
        text, name = self.say.part(length), self.fresh("p")
        self.write(f"{name} = {text}")
        self.say.names[name] = (length,)

    def write_entry(self) -> None:
        """`a[i] = number`"""
        name = self.say.pick(self.say.vectors())
        where, how = self.say.index(self.say.names[name][0]), self.say.pick(["=", "=", "+=", "-=", "*="])
        self.write(f"{name}[{where}] {how} {self.say.number()}")

    def write_slice(self) -> None:
        """`a[i:j] = vector`"""
        name = self.say.pick(self.say.vectors())
        length = self.say.names[name][0]
        size = 1 + self.say.below(length)
        low = self.say.below(length - size + 1)
        value = self.say.vector(size, 1) if self.say.chance(0.7) else self.say.number(1)
        where = f"{low or ''}:{low + size}" if self.say.chance(0.8) or size < length else ":"
        self.write(f"{name}[{where}] {self.say.pick(['=', '=', '+=', '*='])} {value}")

    def write_matrix(self) -> None:
        """`M[i, j] = number`, or a row or a column."""
        name, how = self.say.pick(self.say.of_shape(MATRIX)), self.say.pick(["=", "+=", "*="])
        i, j = self.say.index(LENGTH), self.say.index(LENGTH)
        if self.say.chance(0.5):
            self.write(f"{name}[{i}, {j}] {how} {self.say.number()}")
        else:
            self.write(f"{name}[{self.say.pick([i, f':, {j}'])}] {how} {self.say.vector(LENGTH, 1)}")

    def in_place(self) -> None:
        """`a *= vector`"""
        name = self.say.pick(self.say.vectors())
        value = self.say.vector(self.say.names[name][0], 1) if self.say.chance(0.5) else self.say.number(1)
        self.write(f"{name} {self.say.pick(['+=', '-=', '*='])} {value}")

    def swap(self) -> None:
        """Two arrays or two entries change places."""
        name = self.say.pick(self.say.vectors())
        same = self.say.of_shape(self.say.names[name])
        i, j = self.say.index(self.say.names[name][0]), self.say.index(self.say.names[name][0])
        if len(same) > 1 and self.say.chance(0.5):
            other = self.say.pick([found for found in same if found != name])
            self.write(f"{name}, {other} = {other}, {name}")
        else:
            self.write(f"{name}[{i}], {name}[{j}] = {name}[{j}], {name}[{i}]")

    def neighbours(self) -> None:
        """Entries from entries beside them, upwards, downwards or counted from the end; then arrays may change places."""
        say, names = self.say, self.say.vectors(3)
        source, target, i = say.pick(names), say.pick(names), self.fresh("i")
        length = min(say.names[source][0], say.names[target][0])
        low, high = say.below(3) - 1, length - 1 - say.below(2)
        if low > 0 and say.chance(0.2):
            low, high = low - length, high - length
        over = say.pick([f"{low}, {high}"] * 4 + [f"{high - 1}, {low - 1}, -1", f"{low}, {high}, 2"])
        beside = [f"{i}", f"{i} - 1", f"{i} + 1"]
        entries = [f"{say.pick([source] * 3 + [target])}[{say.pick(beside)}]" for _ in range(6)]
        a, b, c = say.pick(entries), say.pick(entries), say.pick(entries)
        terms = [f"0.4 * {a}", f"0.3 * {a} * {b}", f"math.sin({a})", f"0.2 * {c} ** 2", f"0.5 * {b}", say.number(0)]
        chosen = [say.pick(terms) for _ in range(1 + say.below(4))]
        swapped = source != target and say.names[source] == say.names[target] and say.chance(0.6)
        if swapped:
            self.write(f"for {self.fresh('i')} in range({2 + say.below(2)}):")
        self.depth += swapped
        self.write(f"for {i} in range({over}):")
        guarded = say.chance(0.15)
        if guarded:
            self.write(f"    if {a} > {b}:")
        where = say.pick(beside) if say.chance(0.2) else i
        line = f"{target}[{where}] {say.pick(['=', '=', '=', '+=', '*='])} {' + '.join(chosen)}"
        self.write("    " * (1 + guarded) + line)
        if swapped:
            self.write(f"{source}, {target} = {target}, {source}")
        self.depth -= swapped

    def call_writer(self) -> None:
        """A call of a function that writes into its argument."""
        name = self.say.pick([name for name, shapes in self.say.helpers.items() if shapes != ((), ())])
        whole = self.say.of_shape((LENGTH,))
        if whole:
            self.write(f"{name}({self.say.pick(whole)}, {self.say.number(1)})")

    def leave(self) -> None:
        """Out of the loop, or on to its next round, or out of the function."""
        if self.say.chance(0.5):
            self.write(f"if {self.say.condition()}:")
            back = f"return {self.say.number(1)}" if self.result else "return"
            last = back if self.say.chance(0.2) else self.say.pick(["break", "break", "continue"])
            self.write(f"    {last}")

    def for_loop(self) -> None:
        """Over a range, upwards or downwards, or over an array."""
        rounds, i, e = 2 + self.say.below(3), self.fresh("i"), self.fresh("e")
        names, indices = dict(self.say.names), dict(self.say.indices)
        kind = self.say.below(4)
        if kind == 0 and self.say.vectors():
            over = self.say.pick(self.say.vectors())
            head = self.say.pick([f"for {e} in {over}:", f"for {i}, {e} in enumerate({over}):"])
            self.say.names[e] = ()
            if "enumerate" in head:
                self.say.indices[i] = self.say.names[over][0]
        elif kind == 1:
            head = self.say.pick([f"for {i} in range({rounds} - 1, -1, -1):", f"for {i} in range(0, {rounds}, 2):"])
            self.say.indices[i] = rounds
        else:
            known = self.rounds and self.say.chance(0.3)
            head = f"for {i} in range({ROUNDS if known else rounds}):"
            self.say.indices[i] = LENGTH if known else rounds
        self.block(head, 4, self.leave)
        self.say.names, self.say.indices = names, indices

    def while_loop(self) -> None:
        """With a counter, so that it ends."""
        k, rounds = self.fresh("k"), 2 + self.say.below(3)
        self.write(f"{k} = 0")
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

    def function(self, name: str, arguments: dict[str, Shape], result: bool = True, rounds: bool = False) -> str:
        """The text of a function of these arguments; its result depends on all names that are left at its end."""
        self.say.names, self.rounds, self.result = dict(arguments), rounds, result
        head = f"def {name}({', '.join([*arguments, *([ROUNDS] if rounds else [])])}):"
        while self.left > 0:
            self.statement()
        if result:
            terms = []
            for place, (found, shape) in enumerate(self.say.names.items()):
                weight = f"{0.5 + 0.37 * place:.2f}"
                sum_of_all = f"np.sum({found} * np.arange(1.0, {shape[-1] + 1}.0))" if shape else found
                terms.append(f"{weight} * {sum_of_all}")
            self.write(f"return {' + '.join(terms)}")
        return "\n".join([head, *self.lines]) + "\n"


def program(rng: np.random.Generator, size: int) -> str:
    """The text of a module with a function f of some of `ARGUMENTS` and of `ROUNDS`, and with what f calls.

    size: about how many statements f has.
    """
    helpers: dict[str, tuple[Shape, ...]] = {}
    texts = []
    if rng.random() < 0.4:
        texts.append(Writer(rng, 3, {}).function("g", {"a": (), "b": ()}))
        helpers["g"] = ((), ())
    if rng.random() < 0.3:
        texts.append(Writer(rng, 3, {}).function("h", {"a": (LENGTH,), "b": ()}, result=False))
        helpers["h"] = ((LENGTH,), ())
    count = 2 + int(rng.integers(len(ARGUMENTS) - 1))
    chosen = sorted(rng.choice(len(ARGUMENTS), count, replace=False))
    arguments = {name: shape for place, (name, shape) in enumerate(ARGUMENTS.items()) if place in chosen}
    texts.append(Writer(rng, size, helpers).function("f", arguments, rounds=True))
    return HEAD + "\n\n".join(texts)
