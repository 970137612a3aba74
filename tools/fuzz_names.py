"""What a random program may name, with the shapes of it all."""

from __future__ import annotations

from dataclasses import dataclass, field

LENGTH = 5  # of whole vectors; matrices are LENGTH x LENGTH
Shape = tuple[int, ...]
MATRIX: Shape = (LENGTH, LENGTH)
CUBE: Shape = (2, LENGTH, LENGTH)
PICKED = 3  # how many entries the index array picks


@dataclass(frozen=True)
class Callee:
    """A function that may be called. takes: its arguments, the last `optional` of which have defaults; None: an integer.

    gives: the shapes of its results; none: it writes into its first argument.
    """

    name: str
    takes: dict[str, Shape | None]
    gives: tuple[Shape, ...] = ((),)
    optional: int = 0


@dataclass
class Names:
    """What may be read: arrays and numbers with their shapes, those from outside never written; integers with what they stay
    below; tuples with their parts; truths, as the conditions that they are; index arrays; functions."""

    shapes: dict[str, Shape] = field(default_factory=dict)
    outside: dict[str, Shape] = field(default_factory=dict)
    indices: dict[str, int] = field(default_factory=dict)
    tuples: dict[str, list[Shape]] = field(default_factory=dict)
    truths: list[str] = field(default_factory=list)
    picks: list[str] = field(default_factory=list)
    callees: list[Callee] = field(default_factory=list)

    def copy(self) -> Names:
        """The same, to be changed on its own."""
        return Names(dict(self.shapes), dict(self.outside), dict(self.indices), dict(self.tuples), [*self.truths],
                     [*self.picks], [*self.callees])  # fmt: skip
