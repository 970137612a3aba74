"""Slopes of a function along lines, by finite differences, with honest errors.

Promised: the error of a slope holds both the change from one step size to the next (SciPy's estimate) and the noise of
the function, rounding included, which is measured here and not assumed; a kink that lies very near is told from a kink
at the point itself.
Left out: what the slopes say about a claim (verdicts.py).

Units: a line is theta + t v, where v is scaled so that t = 1 moves each parameter by about its own size. All steps are
steps in t, all slopes are dF/dt.

Sources: Nocedal & Wright, Numerical Optimization (2006), ch. 8.1 (choice of the step); Moré & Wild, "Estimating
computational noise", SIAM J. Sci. Comput. 33 (2011) (noise from difference tables); scipy.differentiate.derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CENTRAL, ONE_SIDED = 0, 1
SIDES = np.array([-1, 1])
# (kind, order) -> how far noise of size s in F moves the last slope of two iterations: gain * s / step. The norm of the
# formula's weights, e.g. sqrt(2) for (F(h/2) - F(-h/2)) / h. NOISE_SIGMAS of it are allowed for.
NOISE_GAIN = {(CENTRAL, 2): 1.42, (CENTRAL, 4): 3.9, (ONE_SIDED, 2): 12.0}
NOISE_SIGMAS = 6.0
TRUST = (
    2.5  # the change from one step to half of it is half the error that a kink very near makes: it grows as 1 / step
)


class Line(NamedTuple):
    """A direction: the positions in theta that move, and by how much each for t = 1."""

    where: Any  # int, NDArray of int, or slice
    move: Any  # float or Floats, as many as positions


@dataclass
class Surface:
    """A scalar function F of a flat vector, around the point theta.

    value: (n,) float64 -> float. theta (n,), unit (n,): the natural size of a step in each parameter. resolution: the
    relative rounding error of theta itself as F sees it (float32's where F casts its argument to float32).
    rng: of random lines and of points near by. claim: the claimed gradient (n,) at any theta.
    """

    value: Callable[[Floats], float]
    theta: Floats
    unit: Floats
    resolution: float
    rng: np.random.Generator
    claim: Callable[[Floats], Floats]
    origin: float = math.nan
    noise: float = 0.0
    calls: int = 0
    work: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.work = self.theta.copy()
        self.origin = self.at(Line(slice(None), 0.0), 0.0)
        self.noise = max(self.noise, float(np.finfo(np.float64).eps) / 2 * abs(self.origin))

    def at(self, line: Line, t: float) -> float:
        """F(theta + t v)."""
        self.calls += 1
        self.work[line.where] += t * line.move
        try:
            with np.errstate(all="ignore"):  # a step may leave the domain of F: nan says so, a warning would not help
                return self.value(self.work)
        finally:
            self.work[line.where] = self.theta[line.where]

    def entry(self, position: int) -> Line:
        """The line along one parameter."""
        return Line(position, float(self.unit[position]))

    def random(self, where: Any) -> Line:
        """A line along which all the given parameters move at random, each by about its own size."""
        unit = self.unit[where]
        return Line(where, unit * self.rng.standard_normal(unit.shape))

    def nearby(self, distance: float) -> Surface:
        """The same function around a random point, each parameter moved by about `distance` of its unit."""
        return replace(self, theta=self.theta + distance * self.unit * self.rng.standard_normal(self.theta.shape))

    def measure_noise(self) -> None:
        """Set `noise`, the size of the rounding errors (or of any other noise) in F near theta.

        Nine values on a short ray; k-th differences of a smooth function die out as spacing^k, those of noise do not:
        noise^2 = (k!)^2 / (2k)! * mean((Delta^k F)^2), the median over k = 4, 5, 6. A ray's spacing grows until most
        neighbours differ. Of five rays with several spacings to start with, the second quietest counts: others may
        cross kinks. At least half a unit in the last place of F(theta), and the rounding of F to its quantum (0.3 of it).
        """
        found = []
        for start in (-9, -9, -7, -7, -5):
            line = self.random(slice(None))
            for spacing in 10.0 ** np.arange(start, -1):
                values = np.array([self.at(line, spacing * k) for k in range(1, 10)])
                if not np.isfinite(values).all():
                    break
                if np.count_nonzero(np.diff(values)) >= 6:
                    size = [
                        math.sqrt(np.mean(np.diff(values, k) ** 2) * math.factorial(k) ** 2 / math.factorial(2 * k))
                        for k in (4, 5, 6)
                    ]
                    found.append(float(np.median(size)))
                    break
        self.noise = max(self.noise, sorted(found)[1] if len(found) > 1 else 0.0, 0.3 * self.quantum())

    def quantum(self) -> float:
        """The least change of F: its values may be multiples of more than their last place, as log(1 + 1e-6) is."""
        line = self.random(slice(None))
        for spacing in 10.0 ** np.arange(-15, -1):
            values = np.array([self.at(line, spacing * k) for k in range(9)])
            changes = np.abs(np.diff(values[np.isfinite(values)]))
            if changes.any():
                return float(changes[changes > 0].min())
        return 0.0


def finite_difference(
    surface: Surface, lines: Sequence[Line], pick: NDArray[np.intp], step: Any, kind: Any, order: int
) -> tuple[Floats, Floats]:
    """The slopes of lines[pick] with their errors, both nan where F is not finite.

    pick: any shape; step and kind (0 central, +1 right, -1 left) broadcast with it. F is evaluated four times for
    order 2, six times for order 4.
    """
    from scipy.differentiate import derivative

    def along(t: Floats, number: Floats) -> Floats:
        t, number = np.broadcast_arrays(t, number)
        # of F - F(theta): the formula's weights sum to zero but for rounding, which would give a constant a slope
        values = [
            0.0 * surface.origin if s == 0 else surface.at(lines[int(k)], float(s)) - surface.origin
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
        return np.asarray(found.df), np.asarray(TRUST * found.error + rounding)


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
