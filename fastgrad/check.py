"""Gradient checks: is this the gradient of that? For our own kernels and for anybody's function.

Promised: a correct gradient passes in float32 and in float64, with kinks (ReLU at 0) and in large networks; a wrong one
is called wrong, and the worst entry is named. What is checked one by one, what only along random lines, and how small
an error can be seen is written in the docstring of check_gradients.
Left out: second derivatives, vector-valued functions, functions whose gradient is not given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from fastgrad.checking.reports import Findings, GradientCheckError, GradientReport, conclude, unusable
from fastgrad.checking.slopes import Floats, Line
from fastgrad.checking.subjects import Block, Subject, from_function, from_network, is_network
from fastgrad.checking.verdicts import BAD, Rules, Slopes, judge

__all__ = ["GradientCheckError", "GradientReport", "check_gradients"]

SAMPLE = 512  # entries compared one by one in a network too large to compare all
GROUP = 512  # a wrong block is halved down to this many entries before each is looked at
FLOOR = 1e-3  # entries below this fraction of the largest are judged relative to that; times 10 in lower precision
# A kink closer than the smallest step, crossed by chance, makes one line of a right gradient look wrong.  So a line that
# disagrees is followed by others at the same point; it counts unless all of these agree.
CONFIRMING = 6
LINE_GAIN = 1e-2  # the slope along a random line is held to this fraction of rtol: one wrong entry is diluted in it


def check_gradients(
    target: Any,
    x: Any,
    y: Any = None,
    *,
    gradient: Callable[[Any], Any] | None = None,
    sample_weight: Any = None,
    rtol: float | None = None,
    max_entries: int = 5000,
    directions: int = 8,
    seed: int = 0,
    training: bool = False,
    progress: bool | None = None,
) -> GradientReport:
    """Compare a gradient with finite differences and say whether it is right, wrong, on a kink, or lost in noise.

    Central differences (F(x + h) - F(x - h)) / 2h with several h, each with its error: the change from one h to the
    next, plus the function's own rounding, which is measured. An entry is right if::

        |given - numeric| <= error of numeric + rtol (max(|given|, |numeric|) + 1e-3 max |gradient|).

    An entry that is not is compared with its two one-sided slopes; where they differ, any value between them is right.
    A network in float32 is checked in float64, and its own float32 gradient is compared with the float64 one.
    Asked twice, the gradient has to be the same to the last bit. Nothing given is changed: the work is done on copies.

    Seen for certain, up to max_entries parameters: an error of 0.1 % in any one entry that is larger than 1e-5 of the
    largest entry and 1e-7 of the loss. In a float32 gradient that is right in float64: in any one larger than about 5 %
    of the largest. Above max_entries, random directions in all parameters and in each are tried, parameters that
    disagree are searched for the entry, and 512 entries are compared (the largest of each parameter and others at
    random): an error in a single other entry is seen if it exceeds about 1e-7 of the norm of the gradient, among many
    kinks 1e-5. Not to be seen: a wrong value between the one-sided slopes at a kink, or nearer to a kink than 1e-9 of
    the parameter's size; where many kinks meet at the point, a value that is wrong only there.

    Args:
        target: a network, or a function of one array that returns one number.
        x: for a network X, its inputs (N, I); for a function the point, a number or an array of any shape. At a float32
            point the function is evaluated in float64 if it accepts that.
        y: for a network, the targets (N,) or (N, O), as `loss` takes them.
        gradient: for a function, its gradient: takes x, returns an array of x's shape. None: fg.grad of the function.
        sample_weight: for a network, weights of the rows (N,).
        rtol: relative tolerance; None is 1e-6 for a gradient in float64, else 1000 times its rounding error.
        max_entries: up to this many entries, all are compared one by one.
        directions: how many random directions in all parameters at once; used above max_entries.
        seed: of the directions and the sample.
        training: for a network, of the loss as it is in training: with dropout, always the same, and in each batch norm
            with the statistics of the rows of x.
        progress: show a bar; None: if standard error is a terminal.

    Returns:
        A GradientReport with .passed, .verdict, .max_error, .worst, .kinks, .noise, .raise_if_failed(); print it.

    Raises:
        TypeError: target is no network and not callable; gradient= is given for a network; y is missing for a network, or
            training given for a function; x is not real; the function returns anything but one real number.
        ValueError: x is empty or not finite; the gradient has another shape than x; rtol, max_entries or directions
            is out of range; DifferentiationError where fg.grad cannot differentiate the function and gradient= is missing.
            What the network or function itself raises passes through.

    Example:
        >>> import numpy as np
        >>> import fastgrad as fg
        >>> report = fg.check_gradients(lambda x: np.sum(x**3), np.array([1.0, 2.0]), gradient=lambda x: 3 * x**2)
        >>> report.passed, report.verdict
        (True, 'ok')
        >>> fg.check_gradients(abs, 0.0, gradient=lambda x: 0.3).verdict
        'kink'
        >>> fg.check_gradients(np.sin, 1.0, gradient=lambda x: 1.001 * np.cos(x)).worst.parameter
        'x'

    Source: Nocedal & Wright, Numerical Optimization (2006), ch. 8.1; SciPy's scipy.differentiate; one-sided slopes at
    kinks: github.com/BVLC/caffe/issues/1334; measured noise: Moré & Wild, SIAM J. Sci. Comput. 33 (2011).
    """
    check_arguments(target, y, gradient, sample_weight, rtol, max_entries, directions, training)
    rng = np.random.default_rng(seed)
    if is_network(target):
        subject = from_network(target, x, y, sample_weight, rng, training)
    else:
        subject = from_function(target, x, own_gradient(target) if gradient is None else gradient, rng)
    if rtol is None:
        rtol = max(1e-6, 1e3 * subject.precision)
    stopped = unusable(subject, rtol)
    if stopped is not None:
        return stopped
    subject.surface.measure_noise()
    size = subject.given.size
    low = subject.precision > np.finfo(np.float64).eps
    rules = Rules(rtol, FLOOR * (10 if low else 1), 10.0, True)
    with ExitStack() as stack:
        tick = bar(progress, min(size, SAMPLE if size > max_entries else size), stack)
        if size <= max_entries:
            positions, findings = np.arange(size), None
        else:
            findings = check_lines(subject, rules, directions)
            positions = sample(subject, min(SAMPLE, max_entries))
            positions = np.union1d(positions, suspects(subject, rules, findings))
        slopes = check_entries(subject, positions, rules, tick)
    return conclude(subject, rules, positions, slopes, findings)


def check_arguments(
    target: Any, y: Any, gradient: Any, sample_weight: Any, rtol: float | None, max_entries: int, directions: int,
    training: bool,
) -> None:  # fmt: skip
    """Refuse what cannot be checked, before anything is computed."""
    if is_network(target):
        if y is None:
            raise TypeError("y: found None, expected targets: check_gradients(network, X, y)")
        if gradient is not None:
            raise TypeError("gradient: found a function beside a network, expected None: the network's own is checked")
    else:
        if not callable(target):
            raise TypeError(f"target: found {type(target).__name__}, expected a network or a function of one array")
        if gradient is not None and not callable(gradient):
            raise TypeError(f"gradient: found {type(gradient).__name__}, expected a function of x")
        if y is not None or sample_weight is not None:
            raise TypeError("y, sample_weight: found values beside a function, expected None: they belong to networks")
        if training:
            raise TypeError("training: found True beside a function, expected False: it belongs to networks")
    if rtol is not None and not 0 < rtol < 1:
        raise ValueError(f"rtol: found {rtol}, expected a number between 0 and 1")
    if max_entries < 1:
        raise ValueError(f"max_entries: found {max_entries}, expected at least 1")
    if directions < 1:
        raise ValueError(f"directions: found {directions}, expected at least 1")


def own_gradient(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The gradient that fg.grad makes of a function."""
    from fastgrad.differentiate.calling import Derivative
    from fastgrad.differentiate.recipes import RECIPES

    return Derivative(function, 0, RECIPES["grad"])


def bar(progress: bool | None, total: int, stack: ExitStack) -> Callable[[int], object]:
    """What to call with the number of entries that are done."""
    if not (sys.stderr.isatty() if progress is None else progress):
        return lambda done: None
    from tqdm import tqdm

    update: Callable[[int], object] = stack.enter_context(tqdm(total=total, unit="entries", leave=False)).update
    return update


def check_entries(subject: Subject, positions: Any, rules: Rules, tick: Callable[[int], object]) -> Slopes:
    """Judge single entries, each along its own axis."""
    surface, given = subject.surface, subject.given
    unit = surface.unit[positions]
    lines = [surface.entry(int(i)) for i in positions]
    return judge(surface, lines, given[positions] * unit, np.abs(given).max() * unit, rules, tick)


def judge_lines(subject: Subject, lines: list[Line], rules: Rules) -> Slopes:
    """Judge lines along which many entries change: their slopes are g . v, on the scale of the norm of g v."""
    parts = [subject.given[line.where] * line.move for line in lines]
    given = np.array([part.sum() for part in parts])
    scale = np.array([np.linalg.norm(part) for part in parts])
    gain = LINE_GAIN if subject.precision <= np.finfo(np.float64).eps else 1.0
    return judge(subject.surface, lines, given, scale, Rules(rules.rtol * gain, 1.0, 1.0, False))


def check_lines(subject: Subject, rules: Rules, directions: int) -> Findings:
    """Judge random directions in all parameters, and two in each parameter alone."""
    blocks: list[Block | None] = [None] * directions
    blocks += [block for block in subject.blocks for _ in range(2) if block.stop > block.start]
    slopes = judge_lines(subject, [random_line(subject, block) for block in blocks], rules)
    for at in np.flatnonzero(np.isin(slopes.verdict, BAD) & ~slopes.jump):
        again = judge_lines(subject, [random_line(subject, blocks[at]) for _ in range(CONFIRMING)], rules)
        slopes.jump[at] = not np.isin(again.verdict, BAD).any()
    return Findings(blocks, slopes)


def random_line(subject: Subject, block: Block | None) -> Line:
    """A random direction in one parameter, or in all."""
    return subject.surface.random(slice(block.start, block.stop) if block else slice(None))


def sample(subject: Subject, count: int) -> Any:
    """`count` positions: half the largest of each block, a quarter at random in each block, the others in all."""
    chosen = []
    for block in subject.blocks:
        order = block.start + np.argsort(-np.abs(subject.given[block.start : block.stop]), kind="stable")
        share = max(count // (4 * len(subject.blocks)), 1)
        chosen += [order[: 2 * share], subject.surface.rng.permutation(order[2 * share :])[:share]]
    picked = np.concatenate(chosen)[:count]
    rest = np.setdiff1d(np.arange(subject.given.size), picked)
    return np.concatenate([picked, subject.surface.rng.permutation(rest)[: count - len(picked)]])


def suspects(subject: Subject, rules: Rules, findings: Findings) -> Any:
    """Positions likely to be wrong, found inside the blocks whose random directions are."""
    wrong = [findings.blocks[i] for i in np.flatnonzero(np.isin(findings.slopes.verdict, BAD))]
    named = list(dict.fromkeys(block for block in wrong if block is not None))
    if not named and wrong:
        named = subject.blocks
    found = [narrow(subject, np.arange(block.start, block.stop), rules) for block in named]
    return np.concatenate(found) if found else np.zeros(0, np.intp)


def narrow(subject: Subject, positions: Any, rules: Rules) -> Any:
    """The likeliest wrong ones of `positions`: halve while a half's random directions are wrong, then look at each."""
    from scipy.optimize import approx_fprime

    surface = subject.surface
    while len(positions) > GROUP:
        halves = np.array_split(positions, 2)
        slopes = judge_lines(subject, [surface.random(half) for half in halves * 2], rules)
        worst = int(np.argmax(np.where(np.isin(slopes.verdict, BAD), slopes.error * slopes.scale, -1.0)))
        if slopes.verdict[worst] not in BAD:
            positions = positions[np.argsort(-np.abs(subject.given[positions]))[:GROUP]]
            break
        positions = halves[worst % 2]

    def shifted(step: Floats) -> float:
        return surface.at(Line(positions, step * surface.unit[positions]), 1.0)

    step = np.sqrt(max(surface.noise, np.finfo(np.float64).eps) / max(abs(surface.origin), 1e-290))
    with np.errstate(all="ignore"):
        rough = approx_fprime(np.zeros(len(positions)), shifted, float(np.clip(step, 1e-8, 1e-2)))
    missed = np.abs(rough - subject.given[positions] * surface.unit[positions])
    return positions[np.argsort(-np.nan_to_num(missed))[:32]]
