"""An array that a branch chose among others and that is written into afterwards: what follows moves into the branches.

    t = a if flag else b        if flag:
    t[0] = a[1] * b[1]    ->        a[0] = a[1] * b[1]
                                else:
                                    b[0] = a[1] * b[1]

In each branch the chosen array has one name, as everywhere in straight code, and nothing is copied. Where no branch hands on
an array that is written into while another name of it is in use, nothing changes.
"""

from __future__ import annotations

from dataclasses import replace

from .aliases import Later, direct_memory, roots, source_of, stored
from .program import (
    Assign,
    Expr,
    For,
    If,
    Move,
    Name,
    Program,
    Return,
    Statement,
    While,
    assigned,
    every,
    substitute,
    unused,
    used,
)

MOST = 4000  # statements; every choice doubles what follows it


def unshared(program: Program) -> Program:
    """The program, in which every branch goes on by itself where it chooses an array that is written into."""
    mutable = stored(program)
    if not mutable or not any(isinstance(s, If) for s in every(program.body)):
        return program
    work = Unsharing(program, mutable)
    body = work.block(program.body, Later(set(), set()))
    return program if work.too_long else replace(program, body=body, kinds=work.kinds)


class Unsharing:
    """One pass over a program, whose names keep their memory all the while."""

    def __init__(self, program: Program, mutable: set[str]) -> None:
        self.mutable, self.roots, self.direct = mutable, roots(program), direct_memory(program)
        self.kinds = dict(program.kinds)
        self.made = 0
        self.too_long = False

    def block(self, body: list[Statement], later: Later) -> list[Statement]:
        """The statements of a block. later: what happens once it is done."""
        done: list[Statement] = []
        for k, s in enumerate(body):
            rest = body[k + 1 :]
            after = later.then(rest, self.roots)
            if isinstance(s, If):
                chosen = self.chosen(s, after)
                if chosen and rest and not isinstance(rest[0], Move | Return) and not self.too_long:
                    return [*done, *self.split(s, rest, chosen, later)]
                s = replace(s, body=self.block(s.body, after), orelse=self.block(s.orelse, after))
            elif isinstance(s, For | While):
                around = after.then([s], self.roots)
                around.reads = (after.reads | used([s])) - assigned(s.body)
                s = replace(s, body=self.block(s.body, around))
            done.append(s)
        return done

    def chosen(self, s: If, after: Later) -> set[str]:
        """The arrays that the branches hand on under a new name, and that must not have two."""
        found: set[str] = set()
        handed = assigned(s.body) & assigned(s.orelse) & self.mutable
        for part in every([s]):
            if isinstance(part, Assign) and part.target in handed and part.target in after.reads:
                origin = source_of(part.value)
                if origin in self.mutable and after.writes & (self.roots[str(origin)] | self.roots[part.target]):
                    own = self.direct.get(str(origin), origin)
                    if any(n != part.target and self.direct.get(n, n) == own for n in after.reads):
                        found.add(part.target)
        return found

    def split(self, s: If, rest: list[Statement], chosen: set[str], later: Later) -> list[Statement]:
        """The `if` with what follows it inside; what must stand last in the block stays behind."""
        last: list[Statement] = [x for x in rest[-1:] if isinstance(x, Move | Return)]
        rest = rest[: len(rest) - len(last)]
        self.made += 2 * len(list(every(rest)))
        self.too_long = self.too_long or self.made > MOST
        after = later.then(last, self.roots)
        handed = sorted(assigned(rest) & after.reads)
        parts: list[list[Statement]] = []
        for part, all_new in ((s.body, False), (s.orelse, True)):
            own = {x.target: x.value for x in part if isinstance(x, Assign) and x.target in chosen}
            names = {t: v for t, v in own.items() if isinstance(v, Name)}
            new = self.renamed([*(sorted(assigned(rest)) if all_new else handed), *sorted(chosen - set(names))])
            self.look(own, new)

            def change(name: Name, names: dict[str, Name] = names, new: dict[str, str] = new) -> Expr:
                return names.get(name.id) or Name(new.get(name.id, name.id), name.kind)

            kept = [x for x in part if not (isinstance(x, Assign) and x.target in names)]
            follows = substitute([*kept, *rest], change, lambda name, new=new: new.get(name, name))  # type: ignore[misc]
            back = [(t, names.get(t) or Name(new[t], self.kinds[t])) for t in sorted(chosen & after.reads)]
            back += [(t, Name(new[t], self.kinds[t])) for t in handed]
            ends: list[Statement] = [Assign(t, v, where=s.where) for t, v in back]
            parts.append(self.block([*follows, *ends], after))
        return [replace(s, body=parts[0], orelse=parts[1]), *last]

    def look(self, views: dict[str, Expr], new: dict[str, str]) -> None:
        """Remember into which arrays the chosen views look, each in its own branch."""
        for name, value in views.items():
            origin = source_of(value)
            if name in new and origin:
                self.roots[new[name]] = set(self.roots.get(origin, set()))
                self.direct[new[name]] = self.direct.get(origin, origin)

    def renamed(self, names: list[str]) -> dict[str, str]:
        """New names for these, which look into the same memory."""
        new = {name: unused(self.kinds, name, self.kinds[name]).id for name in names}
        for name, other in new.items():
            if name in self.roots:
                self.roots[other] = {new.get(root, root) for root in self.roots[name]}
                self.direct[other] = new.get(self.direct.get(name, name), self.direct.get(name, name))
            if name in self.mutable:
                self.mutable.add(other)
        return new
