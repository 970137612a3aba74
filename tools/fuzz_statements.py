"""Random statements without a body: assignments, writes into arrays, views, swaps, tuples, small functions.

`w` is the Writer that draws.  STATEMENTS says how often each is tried; one that finds nothing to work on writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fuzz_names import CUBE, LENGTH, MATRIX, PICKED, Callee, Shape


def target(w: Any, shape: Shape, letter: str) -> str:
    """A name to assign to, known or new."""
    known = [name for name, found in w.say.names.shapes.items() if found == shape]
    return w.say.pick(known) if known and w.say.chance(0.6) else w.fresh(letter)  # type: ignore[no-any-return]


def set_number(w: Any) -> None:
    """`s = number`"""
    text = w.say.number()
    name = target(w, (), "s")
    w.write(f"{name} = {text}")
    w.say.names.shapes[name] = ()


def increase_number(w: Any) -> None:
    """`s += number`"""
    numbers = [name for name, shape in w.say.names.shapes.items() if shape == ()]
    if numbers:
        w.write(f"{w.say.pick(numbers)} {w.say.pick(['+=', '-=', '*='])} {w.say.number()}")


def set_vector(w: Any) -> None:
    """`a = vector`"""
    length = (3, 4, LENGTH, LENGTH, LENGTH)[w.say.below(5)]
    text = w.say.vector(length)
    name = target(w, (length,), "a")
    w.write(f"{name} = {text}")
    w.say.names.shapes[name] = (length,)


def set_matrix(w: Any) -> None:
    """`M = matrix`"""
    if w.say.of_shape(MATRIX):
        text = w.say.matrix()
        name = target(w, MATRIX, "M")
        w.write(f"{name} = {text}")
        w.say.names.shapes[name] = MATRIX


def set_cube(w: Any) -> None:
    """`T = array of three dimensions`"""
    if w.say.of_shape(CUBE):
        text = w.say.cube()
        name = target(w, CUBE, "T")
        w.write(f"{name} = {text}")
        w.say.names.shapes[name] = CUBE


def view(w: Any) -> None:
    """A name for a part of an array."""
    length = 1 + w.say.below(LENGTH)
    text, name = w.say.part(length), w.fresh("p")
    w.write(f"{name} = {text}")
    w.say.names.shapes[name] = (length,)


def write_entry(w: Any) -> None:
    """`a[i] = number`"""
    if w.say.vectors():
        name = w.say.pick(w.say.vectors())
        where, how = w.say.index(w.say.names.shapes[name][0]), w.say.pick(["=", "=", "+=", "-=", "*="])
        w.write(f"{name}[{where}] {how} {w.say.number()}")


def write_slice(w: Any) -> None:
    """`a[i:j] = vector`"""
    if not w.say.vectors():
        return
    name = w.say.pick(w.say.vectors())
    length = w.say.names.shapes[name][0]
    size = 1 + w.say.below(length)
    value = w.say.vector(size, 1) if w.say.chance(0.7) else w.say.number(1)
    where = w.say.slice(size, length) if w.say.chance(0.8) or size < length else ":"
    # NumPy 2.4 gives u[::2] = u[:3] entries that it has just written, against its documentation: no program may rest on that
    value = f"({value}) + 0.0" if f"{name}[" in value and re.search(r":[^],]*:", where + value) else value
    w.write(f"{name}[{where}] {w.say.pick(['=', '=', '+=', '*='])} {value}")


def write_picked(w: Any) -> None:
    """`a[indices] = vector`, or where a condition holds."""
    if not w.say.vectors(LENGTH):
        return
    name, s = w.say.pick(w.say.vectors(LENGTH)), w.say.number(1)
    size = 2 + w.say.below(2)
    picked = sorted(int(k) for k in w.say.rng.permutation(LENGTH)[:size])
    texts = [f"{name}[{name} > {w.say.number(0)}] {w.say.pick(['=', '*='])} {s}",
             f"{name}[np.array({picked})] {w.say.pick(['=', '+='])} {w.say.vector(size, 1)}"]  # fmt: skip
    texts += [f"{name}[{q}] {w.say.pick(['=', '+='])} {w.say.vector(PICKED, 1)}" for q in w.say.names.picks]
    w.write(w.say.pick(texts))


def write_matrix(w: Any) -> None:
    """`M[i, j] = number`, or a row, a column, a block."""
    if not w.say.of_shape(MATRIX):
        return
    name, how = w.say.pick(w.say.of_shape(MATRIX)), w.say.pick(["=", "+=", "*="])
    i, j, vector = w.say.index(LENGTH), w.say.index(LENGTH), w.say.vector(LENGTH, 1)
    rows, columns, length = w.say.slice(2, LENGTH), w.say.slice(3, LENGTH), 1 + w.say.below(LENGTH)
    w.write(w.say.pick([
        f"{name}[{i}, {j}] {how} {w.say.number()}", f"{name}[{i}] {how} {vector}", f"{name}[:, {j}] {how} {vector}",
        f"{name}[{rows}, {columns}] {how} {w.say.number(1)}", f"{name}[{i}, {w.say.slice(length, LENGTH)}] {how} "
        f"{w.say.vector(length, 1)}", f"{name}[{rows}, {columns}] {how} {w.say.vector(3, 0)}",
        f"{name}[:] {how} {w.say.matrix()}", f"{name} {how[0]}= {w.say.number(0)}".replace("==", "*="),
    ]))  # fmt: skip


def write_cube(w: Any) -> None:
    """`T[i, j, k] = number`, or a matrix, a line."""
    if not w.say.of_shape(CUBE):
        return
    name, how = w.say.pick(w.say.of_shape(CUBE)), w.say.pick(["=", "+=", "*="])
    i, j, k = w.say.index(2), w.say.index(LENGTH), w.say.index(LENGTH)
    texts = [f"{name}[{i}, {j}, {k}] {how} {w.say.number()}", f"{name}[{i}, :, {k}] {how} {w.say.vector(LENGTH, 1)}",
             f"{name}[:, {j}, {w.say.slice(3, LENGTH)}] {how} {w.say.vector(3, 0)}"]  # fmt: skip
    texts += [f"{name}[{i}] {how} {w.say.matrix()}"]
    w.write(w.say.pick(texts))


def in_place(w: Any) -> None:
    """`a *= number`, also where a is a view or an argument."""
    if w.say.vectors():
        w.write(f"{w.say.pick(w.say.vectors())} {w.say.pick(['+=', '-=', '*='])} {w.say.number(1)}")


def swap(w: Any) -> None:
    """`a, b = b, a`, or three of them in turn."""
    shape = w.say.names.shapes[w.say.pick(w.say.vectors())] if w.say.vectors() and w.say.chance(0.6) else ()
    same = [name for name, found in w.say.names.shapes.items() if found == shape]
    if len(same) > 1:
        order = [same[k] for k in w.say.rng.permutation(len(same))[: 2 + w.say.below(2)]]
        w.write(f"{', '.join(order)} = {', '.join([*order[1:], order[0]])}")


def set_tuple(w: Any) -> None:
    """`t = (number, vector)`; as long as it is a tuple, it has the same form."""
    known = list(w.say.names.tuples)
    name = w.say.pick(known) if known and w.say.chance(0.5) else w.fresh("t")
    shapes = w.say.names.tuples.get(name) or [(), (LENGTH,), ()][: 2 + w.say.below(2)]
    w.write(f"{name} = ({', '.join(w.say.value(shape, 1) for shape in shapes)})")
    w.say.names.tuples[name] = shapes


def unpack(w: Any) -> None:
    """`s, a = t`, `s, a = call` or `s, r = numbers`."""
    givers = [callee for callee in w.say.names.callees if len(callee.gives) > 1]
    known = list(w.say.names.tuples)
    if givers and w.say.chance(0.6):
        callee = givers[w.say.below(len(givers))]
        text, shapes = w.say.call(callee, 1), list(callee.gives)
    elif known and w.say.chance(0.5):
        text = w.say.pick(known)
        shapes = w.say.names.tuples[text]
    else:
        text, shapes = f"{w.say.number(1)}, {w.say.number(1)}", [(), ()]
    names = [target(w, shape, "a" if shape else "s") for shape in shapes]
    if len(set(names)) == len(names):
        w.write(f"{', '.join(names)} = {text}")
        w.say.names.shapes |= dict(zip(names, shapes, strict=True))


def small_function(w: Any) -> None:
    """A function inside: of a number, perhaps with a default, that reads what is around it; or a lambda."""
    name, a, outer = w.fresh("f"), w.fresh("b"), w.say.names.copy()
    takes: dict[str, Shape | None] = {a: ()}
    head, optional = a, 0
    if w.say.chance(0.4):
        takes[f"{a}_"], head, optional = (), f"{a}, {a}_={w.say.constant()}", 1
    w.say.names.shapes |= dict.fromkeys(takes, ())
    if w.say.chance(0.4):
        w.write(f"{name} = lambda {head}: {w.say.number()}")
    else:
        w.write(f"def {name}({head}):")
        if w.say.chance(0.5):
            w.write(f"    {a} = {w.say.number(1)}")
        w.write(f"    return {w.say.number()}")
    w.say.names = outer
    w.say.names.callees.append(Callee(name, takes, optional=optional))


def call_writer(w: Any) -> None:
    """`h(a, number)`, which writes into a."""
    for callee in w.say.names.callees:
        if not callee.gives and w.say.vectors(LENGTH):
            w.write(f"{callee.name}({w.say.pick(w.say.vectors(LENGTH))}, {w.say.number(1)})")


def neighbours(w: Any) -> None:
    """Entries from entries beside them, upwards, downwards or counted from the end; then arrays may change places."""
    if not w.say.vectors(3) or w.depth > 3:
        return
    say, known = w.say, w.say.vectors(3)
    source, goal, i = say.pick(known), say.pick(known), w.fresh("i")
    shapes = say.names.shapes
    length = min(shapes[source][0], shapes[goal][0])
    low, high = say.below(3) - 1, length - 1 - say.below(2)
    if low > 0 and say.chance(0.2):
        low, high = low - length, high - length
    over = say.pick([f"{low}, {high}"] * 4 + [f"{high - 1}, {low - 1}, -1", f"{low}, {high}, 2"])
    beside = [f"{i}", f"{i} - 1", f"{i} + 1"]
    entries = [f"{say.pick([source] * 3 + [goal])}[{say.pick(beside)}]" for _ in range(6)]
    a, b, c = say.pick(entries), say.pick(entries), say.pick(entries)
    terms = [f"0.4 * {a}", f"0.3 * {a} * {b}", f"math.sin({a})", f"0.2 * {c} ** 2", f"0.5 * {b}", say.number(0)]
    chosen = " + ".join(say.pick(terms) for _ in range(1 + say.below(4)))
    where = say.pick(beside) if say.chance(0.2) else i
    guard, swapped = say.chance(0.15), source != goal and shapes[source] == shapes[goal] and say.chance(0.6)
    lines = [f"for {i} in range({over}):"]
    if guard:
        lines.append(f"    if {a} > {b}:")
    lines.append("    " * (1 + guard) + f"{goal}[{where}] {say.pick(['=', '=', '=', '+=', '*='])} {chosen}")
    if swapped:
        lines = [f"for {w.fresh('k')} in range({2 + say.below(2)}):", *(f"    {line}" for line in lines)]
        lines.append(f"    {source}, {goal} = {goal}, {source}")
    for line in lines:
        w.write(line)


STATEMENTS: list[tuple[int, Callable[[Any], None]]] = [
    (5, set_number), (4, set_vector), (2, increase_number), (4, write_entry), (4, write_slice), (2, write_picked),
    (3, write_matrix), (2, write_cube), (2, set_matrix), (1, set_cube), (2, in_place), (2, view), (2, swap),
    (2, set_tuple), (2, unpack), (1, small_function), (1, call_writer), (2, neighbours),
]  # fmt: skip
