"""What a gradient check found, in the parameters' names: the report, and how verdicts on entries and lines make one.

Promised: one verdict, the worst entry by name, a table that a person can read, an error that carries it all.
Left out: how anything was judged (verdicts.py) and what was chosen to be looked at (check.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastgrad import plots
from fastgrad.checking.subjects import TOLERANCE, Block, Subject, native_error
from fastgrad.checking.verdicts import BAD, Rules, Slopes


class GradientCheckError(AssertionError):
    """A gradient check failed; the text is the report.

    >>> import fastgrad as fg
    >>> fg.check_gradients(abs, 2.0, gradient=lambda x: -1.0).raise_if_failed()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    fastgrad.checking.reports.GradientCheckError: ...
    """


@dataclass(frozen=True)
class Entry:
    """One entry of a gradient: its place, what was claimed, what was measured, the relative error between them.

    parameter: the name, such as "layers.0.weight", or "x" for a function. index: of the entry in it, () for a number and
    for a random direction. given, numeric: the slope claimed and measured. error: beyond that of `numeric` itself.
    """

    parameter: str
    index: tuple[int, ...]
    given: float
    numeric: float
    error: float

    @property
    def place(self) -> str:
        """Parameter and index, "layers.0.weight[3, 4]" say."""
        return f"{self.parameter}[{', '.join(map(str, self.index))}]" if self.index else self.parameter

    def __str__(self) -> str:
        return f"{self.place}: given {self.given:.9g}, numeric {self.numeric:.9g}, relative error {self.error:.2g}"


@dataclass
class GradientReport:
    """The result of check_gradients.

    verdict: "ok", "kink" (right; some entries sit on a kink, where any value between the one-sided slopes is right),
    "wrong", "noise" (finite differences of this function cannot tell), "nondeterministic" (two calls of the gradient
    differ) or "nonfinite". passed: verdict is "ok" or "kink". max_error: the largest relative error of an entry,
    `max(|given - numeric| - error of numeric, 0) / (max(|given|, |numeric|) + floor * max |gradient|)`; worst: that
    entry. kinks, noise, wrong: lists of Entry; numeric is the middle of the one-sided slopes at a kink. checked of size
    entries were compared one by one, and lines random directions, to the relative tolerance rtol, with floor as above.
    rows: one per parameter, for the table. entries: all that were compared, each with its verdict. evaluations: of the
    function. notes: what else there is to say.

    >>> import fastgrad as fg
    >>> report = fg.check_gradients(lambda x: x**2, 3.0, gradient=lambda x: 2.1 * x)
    >>> report.verdict, round(report.worst.given, 6), round(report.worst.numeric, 6)
    ('wrong', 6.3, 6.0)
    >>> isinstance(report, fg.GradientReport)
    True
    """

    verdict: str
    max_error: float
    worst: Entry | None
    rtol: float
    checked: int
    size: int
    floor: float = 1e-3
    lines: int = 0
    evaluations: int = 0
    kinks: list[Entry] = field(default_factory=list)
    noise: list[Entry] = field(default_factory=list)
    wrong: list[Entry] = field(default_factory=list)
    rows: list[tuple[str, int, int, float, float, int, int, str]] = field(default_factory=list)
    entries: list[tuple[Entry, str]] = field(default_factory=list, repr=False)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Is the gradient right, as far as it was checked?"""
        return self.verdict in ("ok", "kink")

    def raise_if_failed(self) -> None:
        """Raise GradientCheckError with this report as its text unless `passed`."""
        if not self.passed:
            raise GradientCheckError(f"\n{self}")

    def plot(self, axes: Any = None) -> Any:
        """Draw how far each checked entry is from its measured slope, by parameter and verdict; gives matplotlib's axes.

        The difference is relative, as in `max_error`, but holds the error of the measurement: an entry above the dashed
        line, the tolerance, may still be right.  At a kink it is that to the middle of the one-sided slopes.
        `axes`: where to draw; new ones by default.

        ValueError where `axes` are several; ImportError where matplotlib is not installed.
        """
        return plots.plot_report(self, axes)

    def __str__(self) -> str:
        along = f" and {self.lines} random directions" if self.lines else ""
        lines = [
            f"gradient check: {self.verdict} ({self.checked} of {self.size} entries{along}, "
            f"{self.evaluations} evaluations, rtol {self.rtol:.1g})"
        ]
        if self.rows:
            width = max(9, *(len(row[0]) for row in self.rows))
            lines.append(f"{'parameter':<{width}}   entries   checked  difference     error  kinks  noise  verdict")
            lines += [
                f"{name:<{width}} {size:>9} {checked:>9} {differ:>11.1e} {error:>9.1e} {kinks:>6} {noise:>6}  {verdict}"
                for name, size, checked, differ, error, kinks, noise, verdict in self.rows
            ]
            lines.append("difference: largest |given - numeric|; error: beyond that of numeric, relative to the entry")
        if self.worst is not None:
            lines.append(f"worst: {self.worst}")
        return "\n".join(lines + self.notes)


class Findings(NamedTuple):
    """Random directions that were judged: the block of each, None for all parameters at once, and their slopes."""

    blocks: list[Block | None]
    slopes: Slopes


def unusable(subject: Subject, rtol: float) -> GradientReport | None:
    """The report on a gradient that is not finite or not the same twice; None if there is something to compare."""
    surface, size = subject.surface, subject.given.size
    report = GradientReport("nonfinite", np.inf, None, rtol, 0, size, evaluations=surface.calls)
    of = "loss" if subject.kind == "network" else "function"
    bad = ~np.isfinite(surface.theta)
    if bad.any():
        name, index = subject.name(int(np.argmax(bad)))
        report.notes.append(f"the parameter {name}{list(index)} is {surface.theta[bad][0]}")
    if not np.isfinite(surface.origin):
        report.notes.append(f"the {of} is {surface.origin} at the given point")
    for claim, which in ((subject.first, ""), (subject.given, " in float64")):
        bad = ~np.isfinite(claim)
        if bad.any() and report.worst is None:
            at = int(np.argmax(bad))
            report.worst = Entry(*subject.name(at), float(claim[at]), np.nan, np.inf)
            report.notes.append(f"the gradient{which} is not finite in {np.count_nonzero(bad)} of {size} entries")
    if report.notes:
        return report
    width = subject.first.dtype.itemsize
    differ = subject.first.view(f"V{width}") != subject.again.view(f"V{width}")  # bit by bit: -0.0 is not 0.0
    if not differ.any():
        return None
    first, again = subject.first.astype(np.float64), subject.again.astype(np.float64)
    error = np.abs(first - again) / np.maximum(np.maximum(np.abs(first), np.abs(again)), 1e-290)
    at = int(np.argmax(np.where(differ, error, -1.0)))
    report.verdict, report.max_error = "nondeterministic", float(error[at])
    report.worst = Entry(*subject.name(at), float(first[at]), float(again[at]), float(error[at]))
    report.notes.append(f"two calls of the gradient differ in {np.count_nonzero(differ)} of {size} entries")
    return report


def conclude(
    subject: Subject, rules: Rules, positions: Any, slopes: Slopes, findings: Findings | None
) -> GradientReport:
    """Put what was found about the entries at `positions` and along random directions under the parameters' names."""
    numeric = slopes.numeric / subject.surface.unit[positions]
    entries = [
        Entry(*subject.name(int(i)), float(subject.given[i]), float(measured), float(error))
        for i, measured, error in zip(positions, numeric, slopes.error, strict=True)
    ]
    report = GradientReport("ok", 0.0, None, rules.rtol, len(entries), subject.given.size, rules.floor)
    pairs = report.entries = list(zip(entries, slopes.verdict.tolist(), strict=True))
    report.kinks, report.noise, report.wrong = (
        [e for e, v in pairs if v == which] for which in ("kink", "noise", "wrong")
    )
    judged = [e for e, v in pairs if v not in ("noise", "open")] or entries
    report.worst = max(judged, key=lambda e: (e.error, abs(e.given - e.numeric)))
    report.max_error = report.worst.error
    unexamined = sum(v == "open" for _, v in pairs)
    if unexamined:
        report.notes.append(f"{unexamined} more entries disagree and were not looked into for kinks")
    if not subject.repeatable:
        report.notes.append("the function returns different values at the same point")
    if findings is not None:
        add_lines(report, findings)
    if subject.native is not None:
        add_native(report, subject)
    for verdict in ("kink", "noise", "wrong"):
        if getattr(report, {"kink": "kinks"}.get(verdict, verdict)):
            report.verdict = verdict
    if report.verdict == "noise":
        report.worst = report.noise[0]
    report.evaluations = subject.surface.calls
    report.rows = [table_row(block, pairs, report) for block in subject.blocks]
    return report


def add_lines(report: GradientReport, findings: Findings) -> None:
    """Add what the random directions say where no single entry was found wrong.

    Along a line with a jump the one-sided slopes of many entries mix, and a right claim may lie outside: no proof.
    """
    slopes = findings.slopes
    report.lines = len(findings.blocks)
    if report.wrong:
        return
    proof = np.isin(slopes.verdict, BAD) & ~slopes.jump
    if proof.any():
        at = int(np.argmax(np.where(proof, slopes.error, -1.0)))
        block = findings.blocks[at]
        name = f"{block.name if block else 'all parameters'} (random direction)"
        entry = Entry(name, (), float(slopes.given[at]), float(slopes.numeric[at]), float(slopes.error[at]))
        report.wrong.append(entry)
        report.worst, report.max_error = entry, entry.error
        report.notes.append("a random direction is wrong, but no single entry was found: raise max_entries")


def add_native(report: GradientReport, subject: Subject) -> None:
    """Add the comparison of the gradient in the user's own precision with the float64 one."""
    assert subject.native is not None
    error, allowance, kink = native_error(subject)
    tolerance = TOLERANCE * subject.native_precision
    ratio = error / allowance
    own = str(subject.first.dtype)

    def entry(at: int) -> Entry:
        given, numeric = float(subject.native[at]), float(subject.given[at])  # type: ignore[index]
        return Entry(*subject.name(at), given, numeric, float(ratio[at] * tolerance))

    at = int(np.argmax(ratio))
    report.notes.append(
        f"re-run in float64; the {own} gradient against the float64 one: {ratio[at]:.2g} of the allowed error "
        f"(rtol {tolerance:.1g}) at worst"
    )
    if kink.any():
        report.notes.append(
            f"{np.count_nonzero(kink)} of its entries belong to parameters beside these, within rounding"
        )
    failed = np.flatnonzero(ratio > 1)
    if len(failed) and not report.wrong:
        report.worst = entry(at)
        report.max_error = report.worst.error
        report.notes.append(f"the float64 gradient is right; the {own} gradient is not, in {len(failed)} entries")
    report.wrong += [entry(int(i)) for i in failed[np.argsort(-ratio[failed])][:32]]


def table_row(
    block: Block, pairs: list[tuple[Entry, str]], report: GradientReport
) -> tuple[str, int, int, float, float, int, int, str]:
    """Name, entries, entries checked, largest difference and error, kinks, noise, verdict of one parameter."""
    own = [(e, v) for e, v in pairs if e.parameter == block.name]
    kinks, noise, wrong = (
        sum(e.parameter == block.name or e.parameter.startswith(f"{block.name} ") for e in found)
        for found in (report.kinks, report.noise, report.wrong)
    )
    difference = max((abs(e.given - e.numeric) for e, v in own if v in ("ok", "wrong")), default=0.0)
    error = max((e.error for e, v in own if v not in ("noise", "open")), default=0.0)
    verdict = "wrong" if wrong else "noise" if noise else "kink" if kinks else "ok"
    return block.name, block.stop - block.start, len(own), difference, error, kinks, noise, verdict
