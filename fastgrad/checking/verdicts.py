"""What measured slopes say about claimed ones.

Promised: a claim is called "ok", "kink" (it lies between two one-sided slopes that differ), "wrong", "noise" (the slope
cannot be measured well enough to tell), or "open" (it misses the central slope, but so many do, and some were proven
wrong, that this one was not looked into). Whether a claim agrees plays no role in how its slope is measured.
Left out: how slopes are measured (slopes.py), where claims come from (subjects.py).

Source: any value between the one-sided slopes is right at a kink: github.com/BVLC/caffe/issues/1334. A sum of kinks
needs more: relu(w + b) - relu(b - w) at b = 0 is w, with slope 1 at 0, yet the chain rule with relu'(0) = 0 gives 0,
the slope for b < 0 (Kakade & Lee, "Provably correct automatic subdifferentiation", 2018). So before a claim is called
wrong at a kink, it is looked at beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgrad.checking.slopes import (
    CENTRAL,
    NOISE_GAIN,
    NOISE_SIGMAS,
    SIDES,
    Floats,
    Line,
    Surface,
    finite_difference,
    interval,
)

# Central differences, tried in this order until the error is small enough: (step in t, order of the formula). Small
# steps come before large ones: the usual trouble is a ReLU's kink within the step.
LADDER = ((1e-4, 2), (1e-6, 2), (1e-3, 4), (1e-8, 2), (1e-10, 2), (1e-2, 4), (1e-1, 4))
SIDE_STEPS = 10.0 ** -np.arange(1.0, 10.0)  # one-sided slopes are taken at all of these
NEIGHBOURS = 16  # random points near by, ...
NEAR = 1e-4  # ... at this distance from the point, whose slopes are taken ...
NEAR_STEP = 1e-7  # ... over this step: hardly one meets a kink within it
PROBE_STEP = 1e-6
PROBED = 256  # so few lines are looked at for kinks even where the claim agrees with the central slope
UNRESOLVED = 1e-3  # a slope known to no better than this fraction is no basis for a judgement
CHUNK = 256  # lines measured at a time, so that progress can be told
BAD = ("wrong", "open")  # the verdicts on claims that disagree
BATCH = 32  # suspicious lines looked into at a time, the worst first; the last batch is the one that holds a wrong one


class Rules(NamedTuple):
    """What passes: |given - numeric| <= spread + rtol (max(|given|, |numeric|) + floor scale) =: spread + limit.

    Steps are varied until spread <= settle limit. nearby: look at points near by before calling a claim wrong?
    """

    rtol: float
    floor: float
    settle: float
    nearby: bool


@dataclass
class Slopes:
    """Claimed and measured slopes of some lines; arrays of equal length, in dF/dt.

    numeric +- spread is the measurement, span the steepest slope seen. error: by how much the claim misses that
    (at a kink: the interval of the one-sided slopes), relative to max(|given|, |numeric|) + floor scale. jump: are the
    one-sided slopes known to differ?
    """

    given: Floats
    scale: Floats
    numeric: Floats
    spread: Floats
    span: Floats
    error: Floats
    jump: NDArray[np.bool_]
    verdict: NDArray[np.str_]

    def limit(self, rules: Rules) -> Floats:
        """How far each claim may miss a perfectly known slope; never zero, so that it can be divided by."""
        size = np.fmax(np.abs(self.given), np.abs(self.numeric)) + rules.floor * self.scale
        return np.asarray(rules.rtol * np.maximum(size, 1e-290))


def judge(
    surface: Surface,
    lines: Sequence[Line],
    given: Floats,
    scale: Floats,
    rules: Rules,
    tick: Callable[[int], object] = lambda done: None,
) -> Slopes:
    """Compare the claimed slope of each line with finite differences; `tick` is told how many lines are measured."""
    count = len(lines)
    numeric, spread, error = np.full(count, np.nan), np.full(count, np.inf), np.zeros(count)
    result = Slopes(
        given, scale, numeric, spread, scale.copy(), error, np.zeros(count, bool), np.full(count, "ok", "U5")
    )
    for start in range(0, count, CHUNK):
        part = np.arange(start, min(start + CHUNK, count))
        climb_ladder(surface, lines, part, result, rules)
        tick(len(part))
    limit = result.limit(rules)
    with np.errstate(invalid="ignore"):
        missed = np.abs(given - result.numeric) - result.spread
        suspicious = ~(missed <= limit)  # nan (no finite value on one side) is suspicious too
        result.error = np.maximum(missed, 0.0) / limit * rules.rtol
    for k in np.flatnonzero(~suspicious).tolist():
        if unresolved(surface, lines[k], result, k):
            result.verdict[k] = "noise"
    order = np.flatnonzero(suspicious)
    order = order[np.argsort(-np.nan_to_num(result.error[order], nan=np.inf))]
    result.verdict[order] = "open"
    if rules.nearby:  # what looks like noise may be many kinks close together
        order = np.concatenate([order, np.flatnonzero(result.verdict == "noise")[:BATCH]])
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        compare_sides(surface, lines, batch, result, rules)
        if (result.verdict[batch] == "wrong").any():
            break
    if count <= PROBED:
        probe_kinks(surface, lines, result, rules)
    return result


def unresolved(surface: Surface, line: Line, result: Slopes, k: int) -> bool:
    """Is the slope of line k too uncertain, against itself and the steepest slope around, to judge a claim by?"""
    size = max(abs(float(result.given[k])), abs(float(result.numeric[k])))
    if result.spread[k] <= UNRESOLVED * (size + 0.1 * result.span[k]) or size == 0:  # 0: F is the same on both sides
        return False
    excursion = abs(surface.at(line, 0.01) - surface.origin) / 0.01  # at a minimum all slopes vanish, but this does not
    result.span[k] = np.fmax(result.span[k], excursion)
    return bool(result.spread[k] > UNRESOLVED * (size + 0.1 * result.span[k]))


def climb_ladder(surface: Surface, lines: Sequence[Line], part: NDArray[np.intp], result: Slopes, rules: Rules) -> None:
    """Measure the central slopes of `part`, keeping for each line the step with the smallest error.

    Where two steps contradict each other, the shorter is right: the longer one met a kink, or went over waves. Whether
    a slope agrees with the claim plays no role: else one of several noisy steps would agree by chance.
    """
    reached = np.full(len(result.given), np.inf)
    left = part
    for step, order in LADDER:
        hopeless = NOISE_SIGMAS * NOISE_GAIN[CENTRAL, order] * surface.noise / step >= result.spread[left]
        tried = left[~hopeless]  # where noise alone exceeds the error reached, a step is not worth its price
        if len(tried):
            slope, spread = finite_difference(surface, lines, tried, step, CENTRAL, order)
            if step >= 1e-4:  # slopes over shorter steps can be nothing but noise
                result.span[tried] = np.fmax(result.span[tried], np.abs(slope))
            known = np.isfinite(result.spread[tried])
            differ = known & (np.abs(slope - result.numeric[tried]) > spread + result.spread[tried])
            better = np.where(differ, step < reached[tried], spread < result.spread[tried])  # False where nan
            result.numeric[tried[better]], result.spread[tried[better]] = slope[better], spread[better]
            reached[tried[better]] = step
        left = left[result.spread[left] > rules.settle * result.limit(rules)[left]]
        if not len(left):
            return


def compare_sides(
    surface: Surface, lines: Sequence[Line], batch: NDArray[np.intp], result: Slopes, rules: Rules
) -> None:
    """Judge the lines of `batch`, whose claims miss the central slope, by their one-sided slopes."""
    slope, spread = finite_difference(surface, lines, batch[:, None, None], SIDE_STEPS[:, None], SIDES, 2)
    for row, k in enumerate(batch.tolist()):
        low, high, unsure, near = interval(slope[row], spread[row])
        if math.isnan(low):  # no finite value of F around the point at any scale
            result.verdict[k], result.error[k] = "noise", 0.0
            continue
        jump = high - low > 4 * unsure
        agree = abs(result.numeric[k] - (low + high) / 2) <= result.spread[k] + unsure
        if not jump and not near and agree and result.spread[k] <= unsure:  # smooth: the central slope knows better
            low = high = float(result.numeric[k])
            unsure = float(result.spread[k])
        decide(surface, lines[k], k, (low, high, unsure), jump, result, rules)
    doubtful = batch[np.isin(result.verdict[batch], ("wrong", "noise"))]
    if rules.nearby and len(doubtful):
        excuse_kinks(surface, lines, doubtful, result, rules)


def excuse_kinks(
    surface: Surface, lines: Sequence[Line], doubtful: NDArray[np.intp], result: Slopes, rules: Rules
) -> None:
    """Call the lines of `doubtful` kinks where claims are right at points near by, whose slopes differ widely.

    Where many kinks meet, the one-sided slopes are sums over them, while the chain rule takes a side of each by itself:
    its claim may lie outside their interval. At a random point near by there is no kink, and a claim must be right, by
    an error that has to be smaller than what is excused. The claim at the point itself must lie in the range of those;
    if they take more than two values (many kinks), of which few points show few, in that range widened.
    """
    count = len(doubtful)
    given, numeric = result.given[doubtful], result.numeric[doubtful]
    size = np.maximum(np.abs(given), np.abs(numeric))
    needed = 0.2 * np.where(result.verdict[doubtful] == "noise", 0.01 * size, np.abs(given - numeric))
    claimed, right = np.full((NEIGHBOURS, count), np.nan), np.ones(count, bool)
    for draw in range(NEIGHBOURS):
        point = surface.nearby(NEAR)
        gradient = surface.claim(point.theta)
        left = np.flatnonzero(right)
        slope, spread = finite_difference(point, lines, doubtful[left, None], NEAR_STEP, SIDES, 2)
        surface.calls = point.calls
        claims = np.array([np.sum(gradient[lines[k].where] * lines[k].move) for k in doubtful[left]])
        doubt = spread.sum(axis=1)
        sharp = doubt <= needed[left]  # not so where a kink lies within the step or F is not finite
        allowed = doubt + result.limit(rules)[doubtful[left]]
        fits = (claims >= slope.min(axis=1) - allowed) & (claims <= slope.max(axis=1) + allowed)
        claimed[draw, left[sharp]] = claims[sharp]
        right[left[sharp & ~fits]] = False
        if not right.any():
            return
    for i in np.flatnonzero(right).tolist():
        values, k = np.sort(claimed[:, i][np.isfinite(claimed[:, i])]), doubtful[i]
        if len(values) < NEIGHBOURS // 2:
            continue
        bend = 10 * NEAR * (size[i] + np.abs(values).max())  # how far curvature alone may take the slope near by
        width = values[-1] - values[0]
        margin = bend + (2 * width if np.count_nonzero(np.diff(values) > bend) > 1 else 0.0)
        if (width > bend or result.jump[k]) and values[0] - margin <= given[i] <= values[-1] + margin:
            result.verdict[k], result.error[k], result.jump[k] = "kink", 0.0, True
            result.numeric[k] = (values[0] + values[-1]) / 2


def decide(
    surface: Surface,
    line: Line,
    k: int,
    bounds: tuple[float, float, float],
    jump: bool,
    result: Slopes,
    rules: Rules,
) -> None:
    """Give the verdict on line k, whose slope at the point is anything in low - unsure .. high + unsure."""
    low, high, unsure = bounds
    given = float(result.given[k])
    result.numeric[k], result.spread[k], result.jump[k] = (low + high) / 2, unsure, jump
    result.span[k] = max(result.span[k], abs(low), abs(high))
    missed = max(low - given, given - high, 0.0) - unsure
    limit = float(result.limit(rules)[k])
    result.error[k] = max(missed, 0.0) / limit * rules.rtol
    if missed > limit:
        result.verdict[k] = "wrong"
    elif jump:
        result.verdict[k] = "kink"
    else:
        result.verdict[k] = "noise" if unresolved(surface, line, result, k) else "ok"


def probe_kinks(surface: Surface, lines: Sequence[Line], result: Slopes, rules: Rules) -> None:
    """Find kinks among claims that agree with the central slope: slope 0 of |x| at 0 lies in the middle of its kink."""
    bent = []
    for k in np.flatnonzero(result.verdict == "ok").tolist():
        bend = abs(surface.at(lines[k], PROBE_STEP) - 2 * surface.origin + surface.at(lines[k], -PROBE_STEP))
        if bend > 20 * surface.noise and bend / PROBE_STEP > UNRESOLVED * abs(result.given[k]):
            bent.append(k)
    if bent:
        found = Slopes(**{name: values.copy() for name, values in vars(result).items()})
        compare_sides(surface, lines, np.array(bent), found, rules)
        for name, values in vars(result).items():
            kinks = found.verdict == "kink"
            values[kinks] = getattr(found, name)[kinks]
