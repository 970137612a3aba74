"""Two result files of the same machine: has anything become slower, beyond what chance explains?

Promises: shares of peak are compared, not times, so that a machine that is slower today as a whole changes nothing; what
may differ by chance is estimated from the rounds of both files; what cannot be compared is an error or a note.

How much a share may fall.  All is done on logarithms, as noise multiplies.
1. A file's figure is the median over the rounds: what a neighbour takes away for a round or two does not move it.
2. The spread of the rounds is 1.4826 times their median absolute deviation, with n / (n - 0.8) for few rounds (Croux &
   Rousseeuw 1992): the same outliers do not widen it either.  Seven rounds may agree, or not, by luck; so a record's
   variance is drawn half-way to the usual one, that of the median spread of all records, and counts as no less.
3. The standard error of a median is sqrt(pi / 2) times that of a mean; those of both files add up as squares.
4. n records are n chances to be wrong.  One in 200 comparisons of the same code may fail: the quantile of the normal
   distribution at 1 - 0.005 / n says how many standard errors that is (Bonferroni).
5. Two runs differ by more than their rounds do: where memory lies, what else the machine does for minutes.  No number of
   rounds shows it, so RUN_TO_RUN is added, as a square, since the two have nothing to do with each other.  Medians of the
   same code, measured ten times on one of two busy cores, lay up to 4 % apart.

6. Only slow rounds are somebody else's doing; slower code has no fast round left.  So the better rounds, the upper quartile,
   must have fallen as well, by three quarters of that; where they have not, the case was "disturbed" and is no failure.

With 3 % of noise, one round in twenty a quarter slower, seven rounds and up to 60 records, a fifth more time is caught in
99 of 100 files, and the same code fails in fewer than 1 of 100; with one round in ten slower, it still does.  Where noise
is 5 %, or rounds are five, more slips through: --rounds 11 mends that.

Leaves out: times, ratios to peers, and measuring (suites.py).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import results
from .results import Results
from .runs import table

RUN_TO_RUN = 0.05
BETTER_ROUNDS = 0.75  # of the allowed fall, which they must exceed as well
FALSE_ALARMS = 0.005  # of comparisons in which nothing has changed
LEAST_ROUNDS = 3  # a spread of fewer says nothing
SAME_MACHINE = ("machine", "cpu")  # what must agree, ...
SAME_BUILD = ("isa", "vector_bytes")  # ... also of the build; where one file does not say it, nothing follows
WORTH_A_NOTE = ("python", "system", "processors")


@dataclass(frozen=True)
class Row:
    """One case: shares of peak (medians), change = new / old - 1, the fall that chance explains, and the verdict.

    `verdict`: "same", "faster", "slower", "disturbed" (slower, but not in its better rounds: measure again), "only in old" or
    "only in new".
    """

    name: str
    old: float = math.nan
    new: float = math.nan
    allowed: float = math.nan
    verdict: str = "same"

    @property
    def change(self) -> float:
        """Relative change of the share: -0.17 is a sixth less, a step that takes a fifth longer."""
        return self.new / self.old - 1


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: a row for each case of either file, and notes on what else differs."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Is nothing slower?"""
        return not self.slower

    @property
    def slower(self) -> tuple[Row, ...]:
        """The rows that are."""
        return tuple(row for row in self.rows if row.verdict == "slower")

    def __str__(self) -> str:
        """A Markdown table, the notes, and the outcome in one line."""

        def percent(value: float, sign: str = "") -> str:
            return "-" if math.isnan(value) else f"{value:{sign}.1%}"

        cells = [
            [row.name, percent(row.old), percent(row.new), percent(row.change, "+"), percent(-row.allowed), row.verdict]
            for row in self.rows
        ]
        compared = sum(not row.verdict.startswith("only") for row in self.rows)
        end = (
            f"{len(self.slower)} of {compared} slower than chance explains"
            if self.slower
            else f"none of {compared} slower"
        )
        head = ["case", "old share", "new share", "change", "allowed", "verdict"]
        notes = [*(f"- {note}" for note in self.notes), ""] if self.notes else []
        return "\n".join([table(head, cells), "", *notes, end])


def compare(old: str | Path, new: str | Path, *, threshold: float | None = None) -> Comparison:
    """Compare the shares of peak in two files of `fastgrad bench ... --json FILE`, case by case.

    `threshold`: how much a share may fall, as a part of 1, instead of what the rounds of the files say.

    Raises ValueError where the threshold is not between 0 and 1, a file is not sound, has fewer than three rounds or
    was made with --quick, where processor or instruction set differ, or nothing is in both; OSError for an unreadable file.
    """
    if threshold is not None and not (0 <= threshold < 1):
        raise ValueError(f"threshold: expected a number from 0 up to, but not, 1, found {threshold!r}")
    before, after = results.read(old), results.read(new)
    notes = differences(before, after)
    mine, theirs = usable(before), usable(after)
    both = [name for name in mine if name in theirs]
    if not both:
        raise ValueError(f"{old} and {new} have no case in common: {examples(mine)} and {examples(theirs)}")
    limits = allowances([mine[k] for k in both], [theirs[k] for k in both])
    rows = []
    for name, limit in zip(both, limits, strict=True):
        first, second = logs(mine[name]), logs(theirs[name])
        if threshold is None:
            rows.append(judge(name, first, second, limit, BETTER_ROUNDS * limit))
        else:
            rows.append(judge(name, first, second, -math.log1p(-threshold), -math.inf))
    rows += [Row(name, old=mine[name]["share"], verdict="only in old") for name in mine if name not in theirs]
    rows += [Row(name, new=theirs[name]["share"], verdict="only in new") for name in theirs if name not in mine]
    return Comparison(tuple(rows), tuple(notes))


def judge(name: str, old: Sequence[float], new: Sequence[float], limit: float, better: float) -> Row:
    """The row of one case, from logarithms of shares: its median may fall by `limit`, its upper quartile by `better`.

    >>> judge("train", [-0.50, -0.51, -0.52], [-0.70, -0.71, -0.72], 0.09, 0.07).verdict
    'slower'
    >>> judge("train", [-0.50, -0.51, -0.52], [-0.40, -0.71, -0.72], 0.09, 0.07).verdict
    'disturbed'
    """
    middles, uppers = [[measure(file) for file in (old, new)] for measure in (statistics.median, upper_quartile)]
    fall, fall_of_better = middles[0] - middles[1], uppers[0] - uppers[1]
    verdict = "same"
    if fall > limit:
        verdict = "slower" if fall_of_better > better else "disturbed"
    elif -fall > limit:
        verdict = "faster"
    return Row(name, math.exp(middles[0]), math.exp(middles[1]), -math.expm1(-limit), verdict)


def upper_quartile(values: Sequence[float]) -> float:
    """What a quarter of the values exceeds."""
    return statistics.quantiles(values, n=4, method="inclusive")[2]


# ---- what chance explains ----------------------------------------------------------------------------------------


def logs(record: Mapping[str, Any]) -> list[float]:
    """Logarithms of the shares, round by round."""
    return [math.log(share) for share in record["shares"]]


def spread(values: Sequence[float]) -> float:
    """A robust standard deviation of a few values.

    >>> round(spread([1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 5.0]), 3)
    0.167
    """
    middle, n = statistics.median(values), len(values)
    return 1.4826 * statistics.median(abs(value - middle) for value in values) * n / (n - 0.8)


def allowances(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[float]:
    """For each pair of records, how much the logarithm of the share may fall."""
    times = statistics.NormalDist().inv_cdf(1 - FALSE_ALARMS / len(old))
    pairs = [(spread(logs(a)), spread(logs(b))) for a, b in zip(old, new, strict=True)]
    usual = statistics.median(value for pair in pairs for value in pair) ** 2
    limits = []
    for (first, second), a, b in zip(pairs, old, new, strict=True):
        variance = max(usual, ((first**2 + second**2) / 2 + usual) / 2)
        error = math.sqrt(math.pi / 2 * variance * (1 / len(a["shares"]) + 1 / len(b["shares"])))
        limits.append(math.hypot(RUN_TO_RUN, times * error))
    return limits


# ---- what can be compared ----------------------------------------------------------------------------------------


def usable(found: Results) -> dict[str, Mapping[str, Any]]:
    """fastgrad's records by name; ValueError, naming the file, where they show nothing."""
    own = found.own()
    if not own:
        raise ValueError(f"{found.path}: expected records of fastgrad with a share of peak, found none")
    for name, record in own.items():
        if record.get("quick"):
            raise ValueError(f"{found.path}: {name}: expected a real run, found one with --quick, which shows no speed")
        if len(record["shares"]) < LEAST_ROUNDS:
            rounds = len(record["shares"])
            raise ValueError(
                f"{found.path}: {name}: expected at least {LEAST_ROUNDS} rounds, found {rounds} (--rounds)"
            )
    return own


def differences(old: Results, new: Results) -> list[str]:
    """Notes on what differs between the files' surroundings; ValueError where shares then mean something else."""
    pairs = [(key, old.machine.get(key), new.machine.get(key)) for key in SAME_MACHINE]
    pairs += [(key, old.versions.get(key), new.versions.get(key)) for key in SAME_BUILD]
    for key, a, b in pairs:
        if a and b and a != b:
            raise ValueError(f"{old.path} and {new.path}: {key}: expected the same, found {a!r} and {b!r}")
    notes = [(key, old.machine.get(key), new.machine.get(key)) for key in WORTH_A_NOTE]
    notes += [(key, old.versions.get(key), new.versions.get(key)) for key in ("version", "numpy")]
    return [f"{key}: {a} in the old file, {b} in the new" for key, a, b in notes if a != b]


def examples(names: Mapping[str, Any]) -> str:
    """The first two of many names."""
    return "; ".join(list(names)[:2]) + (" ..." if len(names) > 2 else "")
