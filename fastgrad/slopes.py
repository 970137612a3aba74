"""Slopes of a function along lines, by finite differences, and what they say about a claimed slope.

Promised: each slope comes with an error that holds both the change from one step size to the next (SciPy's estimate)
and the function's own rounding or noise, which is measured here and not assumed. A claimed slope is called "ok", "kink"
(it lies between two one-sided slopes that differ), "wrong", "noise" (it cannot be told), or "open" (it misses the
central slope, but so many do, and some were proven wrong, that this one was not looked into).
Left out: where claimed slopes come from, names of parameters, reports (subjects.py, check.py).

Units: a line is theta + t v, where v is scaled so that t = 1 moves each parameter by about its own size. All steps are
steps in t, all slopes are dF/dt.

Sources: Nocedal & Wright, Numerical Optimization (2006), ch. 8.1 (choice of the step); Moré & Wild, "Estimating
computational noise", SIAM J. Sci. Comput. 33 (2011) (noise from difference tables); scipy.differentiate.derivative;
any value between the one-sided slopes is right at a kink: github.com/BVLC/caffe/issues/1334. A sum of kinks needs more:
relu(w) - relu(-w) = w has slope 1 at 0, yet the chain rule with relu'(0) = 0 gives 0 (Kakade & Lee, "Provably correct
automatic subdifferentiation", 2018). Therefore, where F is a mean over rows, the intervals of the rows are added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Central differences, tried in this order until the error is small enough: (step in t, order of the formula). Small
# steps come before large ones: the usual trouble is a ReLU's kink within the step.
LADDER = ((1e-4, 2), (1e-6, 2), (1e-3, 4), (1e-8, 2), (1e-10, 2), (1e-2, 4), (1e-1, 4))
SIDES = np.array([-1, 1])
SIDE_STEPS = 10.0 ** -np.arange(1, 10)  # one-sided slopes are taken at all of these, ...
ROW_STEP = 1e-6  # ... the rows' own ones at this: small enough to miss other kinks, large against rounding
PROBED = 256  # so few lines are looked at for kinks even where the claim agrees with the central slope
CENTRAL, ONE_SIDED = 0, 1
# (kind, order) -> how far noise of size s in F moves the last slope of two iterations: gain * s / step. The norm of the
# formula's weights, e.g. sqrt(2) for (F(h/2) - F(-h/2)) / h. NOISE_SIGMAS of it are allowed for.
NOISE_GAIN = {(CENTRAL, 2): 1.42, (CENTRAL, 4): 3.9, (ONE_SIDED, 2): 12.0}
NOISE_SIGMAS = 5.0
UNRESOLVED = 1e-3  # a slope known to no better than this fraction is no basis for a judgement, ...
FLAT = 1e-10  # ... unless it is this small against F: a step of a parameter's own size would not change F visibly
CHUNK = 256  # lines measured at a time, so that progress can be told
BATCH = 32  # suspicious lines looked into at a time, the worst first; the last batch is the one that holds a wrong one


class Line(NamedTuple):
    """A direction: the positions in theta that move, and by how much each for t = 1."""

    where: Any  # int, NDArray of int, or slice
    move: Any  # float or Floats, as many as positions


class Rules(NamedTuple):
    """What passes: |given - numeric| <= spread + rtol (max(|given|, |numeric|) + floor scale) =: spread + limit.

    Steps are varied until spread <= settle limit. by_rows: add the intervals of the rows before calling a claim wrong?
    """

    rtol: float
    floor: float
    settle: float
    by_rows: bool


@dataclass
class Surface:
    """A scalar function F of a flat vector, around the point theta.

    value: (n,) float64 -> float. theta (n,), unit (n,): the natural size of a step in each parameter. resolution: the
    relative rounding error of theta itself as F sees it (float32's where F casts its argument to float32).
    rows: None, or a function that gives surfaces whose values add up to F, for kinks that add up; row_count: how many.
    """

    value: Callable[[Floats], float]
    theta: Floats
    unit: Floats
    resolution: float
    rows: Callable[[], Sequence[Surface]] | None = None
    row_count: int = 0
    origin: float = math.nan
    noise: float = math.nan
    calls: int = 0
    work: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.work = self.theta.copy()
        self.origin = self.at(Line(slice(None), 0.0), 0.0)
        self.noise = np.finfo(np.float64).eps / 2 * abs(self.origin)

    def at(self, line: Line, t: float) -> float:
        """F(theta + t v)."""
        self.calls += 1
        self.work[line.where] += t * line.move
        try:
            return self.value(self.work)
        finally:
            self.work[line.where] = self.theta[line.where]

    def entry(self, position: int) -> Line:
        """The line along one parameter."""
        return Line(position, float(self.unit[position]))

    def random(self, where: Any, rng: np.random.Generator) -> Line:
        """A line along which all the given parameters move at random, each by about its own size."""
        unit = self.unit[where]
        return Line(where, unit * rng.standard_normal(unit.shape))

    def measure_noise(self, rng: np.random.Generator) -> None:
        """Set `noise`, the size of the rounding errors (or of any other noise) in F near theta.

        Nine values on a short ray; k-th differences of a smooth function die out as spacing^k, those of noise do not:
        noise^2 = (k!)^2 / (2k)! * mean((Delta^k F)^2). The spacing is the smallest at which most neighbours differ. The
        median over three rays and k = 3, 4, 5; at least half a unit in the last place of F(theta).
        """
        found: list[float] = []
        for _ in range(3):
            line = self.random(slice(None), rng)
            for spacing in 10.0 ** np.arange(-9, -1):
                values = np.array([self.at(line, spacing * k) for k in range(1, 10)])
                if not np.isfinite(values).all():
                    break
                if np.count_nonzero(np.diff(values)) >= 6:
                    found += [
                        math.sqrt(np.mean(np.diff(values, k) ** 2) * math.factorial(k) ** 2 / math.factorial(2 * k))
                        for k in (3, 4, 5)
                    ]
                    break
        if found:
            self.noise = max(self.noise, float(np.median(found)))


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


def finite_difference(
    surface: Surface, lines: Sequence[Line], pick: NDArray[np.intp], step: Floats | float, kind: Any, order: int
) -> tuple[Floats, Floats]:
    """The slopes of lines[pick] with their errors, both nan where F is not finite.

    pick: any shape; step and kind (0 central, +1 right, -1 left) broadcast with it. F is evaluated four times for
    order 2, six times for order 4.
    """
    from scipy.differentiate import derivative

    def along(t: Floats, number: Floats) -> Floats:
        t, number = np.broadcast_arrays(t, number)
        values = [
            surface.origin if s == 0 else surface.at(lines[int(k)], float(s))
            for s, k in zip(t.ravel(), number.ravel(), strict=True)
        ]
        return np.array(values, dtype=np.float64).reshape(t.shape)

    shape = np.broadcast_shapes(pick.shape, np.shape(step), np.shape(kind))
    with np.errstate(all="ignore"):
        found = derivative(
            along,
            np.zeros(shape),
            args=(np.broadcast_to(pick, shape).astype(np.float64),),
            initial_step=np.broadcast_to(step, shape),
            step_direction=np.broadcast_to(kind, shape),
            order=order,
            maxiter=2,
            tolerances={"atol": 0.0, "rtol": 0.0},  # always both steps: their difference is the error
        )
        gain = NOISE_GAIN[ONE_SIDED if np.any(kind) else CENTRAL, order]
        rounding = (NOISE_SIGMAS * gain * surface.noise + surface.resolution * np.abs(found.df)) / step
        return np.asarray(found.df), np.asarray(found.error + rounding)


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
    for k in np.flatnonzero(~suspicious):
        if unresolved(surface, lines[k], result, k):
            result.verdict[k] = "noise"
    order = np.flatnonzero(suspicious)
    order = order[np.argsort(-np.nan_to_num(result.error[order], nan=np.inf))]
    result.verdict[order] = "open"
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        compare_sides(surface, lines, batch, result, rules)
        if (result.verdict[batch] == "wrong").any():
            break
    if count <= PROBED:
        probe_kinks(surface, lines, result, rules)
    return result


def unresolved(surface: Surface, line: Line, result: Slopes, k: int) -> bool:
    """Is the slope of line k too uncertain to judge a claim by?

    Uncertain against the slope itself, the steepest slope around, and (where all slopes vanish) against F itself.
    """

    def vague() -> bool:
        size = max(abs(float(result.given[k])), abs(float(result.numeric[k])))
        return bool(result.spread[k] > UNRESOLVED * (size + 0.1 * result.span[k]))

    if vague() and result.spread[k] > FLAT * abs(surface.origin):
        result.span[k] = max(result.span[k], abs(surface.at(line, 0.01) - surface.origin) / 0.01)
        return vague()
    return False


def climb_ladder(
    surface: Surface, lines: Sequence[Line], part: NDArray[np.intp], result: Slopes, rules: Rules
) -> None:
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
    proven = 0
    for row, k in enumerate(batch):
        low, high, unsure, near = interval(slope[row], spread[row])
        if math.isnan(low):  # no finite value of F around the point at any scale
            result.verdict[k], result.error[k] = "noise", 0.0
            continue
        jump = high - low > 4 * unsure
        if not jump and not near and result.spread[k] <= unsure:  # smooth: the central slope knows better
            low = high = float(result.numeric[k])
            unsure = float(result.spread[k])
        given = float(result.given[k])
        worth = surface.rows and rules.by_rows and proven < 2 and (jump or surface.theta.size * surface.row_count < 1e6)
        if worth and max(low - given, given - high) > unsure + result.limit(rules)[k]:
            rows = rows_interval(surface.rows(), lines[k])
            if rows[1] - rows[0] > 4 * rows[2]:  # kinks within the rows, wherever they cancel in the sum
                low, high, unsure = rows
                jump = True
        result.numeric[k], result.spread[k], result.jump[k] = (low + high) / 2, unsure, jump
        result.span[k] = max(result.span[k], abs(low), abs(high))
        missed = max(low - given, given - high, 0.0) - unsure
        limit = float(result.limit(rules)[k])
        result.error[k] = max(missed, 0.0) / limit * rules.rtol
        if missed > limit:
            result.verdict[k] = "wrong"
            proven += 1
        elif unresolved(surface, lines[k], result, k):
            result.verdict[k] = "noise"
        else:
            result.verdict[k] = "kink" if jump else "ok"


def probe_kinks(surface: Surface, lines: Sequence[Line], result: Slopes, rules: Rules) -> None:
    """Find kinks among claims that agree with the central slope: slope 0 of |x| at 0 lies in the middle of its kink."""
    bent = []
    for k in np.flatnonzero(result.verdict == "ok"):
        bend = abs(surface.at(lines[k], ROW_STEP) - 2 * surface.origin + surface.at(lines[k], -ROW_STEP))
        if bend > 20 * surface.noise and bend / ROW_STEP > UNRESOLVED * abs(result.given[k]):
            bent.append(k)
    if bent:
        found = Slopes(**{name: values.copy() for name, values in vars(result).items()})
        compare_sides(surface, lines, np.array(bent), found, rules)
        for name, values in vars(result).items():
            kinks = found.verdict == "kink"
            values[kinks] = getattr(found, name)[kinks]


def interval(slope: Floats, spread: Floats) -> tuple[float, float, float, bool]:
    """The interval of one line's one-sided slopes, its error, and whether a kink lies near, from (scales, 2) slopes.

    A kink near the point makes coarse slopes agree on something that is not the slope at the point. So the scale with
    the smallest error says how large the jump is, the finest scale that still resolves such a jump says whether it is
    at the point, and of the scales that agree with that one the most accurate is believed.
    """
    dead = ~np.isfinite(spread).any(axis=0)
    if dead.any() and not dead.all():  # the edge of where F is finite: the other side counts for both
        live = int(np.flatnonzero(~dead)[0])
        slope, spread = slope[:, [live, live]], spread[:, [live, live]]
    unsure = np.where(np.isfinite(spread), spread, np.inf).sum(axis=1)
    best = int(np.argmin(unsure))
    if not math.isfinite(unsure[best]):
        return math.nan, math.nan, math.inf, False
    jump = abs(slope[best, 1] - slope[best, 0])
    near = bool(jump > 4 * unsure[best])
    if near:
        fine = max(best, int(np.flatnonzero(unsure <= 0.05 * jump)[-1:].sum()))
        with np.errstate(invalid="ignore"):
            agree = (np.abs(slope - slope[fine]) <= 2 * (spread + spread[fine])).all(axis=1)
        best = int(np.argmin(np.where(agree, unsure, np.inf)))
    low, high = sorted(slope[best].tolist())
    if high - low <= 4 * unsure[best]:
        low = high = (low + high) / 2
    return low, high, float(unsure[best]), near


def rows_interval(rows: Sequence[Surface], line: Line) -> tuple[float, float, float]:
    """The sum over rows of the intervals between their one-sided slopes along one line, and its error."""
    low = high = unsure = 0.0
    for row in rows:
        slope, spread = finite_difference(row, [line], np.zeros(1, np.intp), ROW_STEP, SIDES, 2)
        low, high, unsure = low + slope.min(), high + slope.max(), unsure + spread.max()
    return float(low), float(high), float(unsure)
