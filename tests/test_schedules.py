"""Every schedule against its closed formula, and against the values that PyTorch's scheduler of that name gives.

PyTorch counts steps, a schedule here takes epochs as real numbers: where one of PyTorch's is stepped once an epoch,
both must agree at whole epochs.  PyTorch's values stand here as numbers: it is no dependency of the tests.  Left out:
that `fit` asks for the right times (test_fit.py).
"""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import fastgrad as fg
from fastgrad import schedules

TIMES = np.linspace(0, 12, 97)
LR, TOTAL = 0.1, 10.0


def cosine(place, end=0.0, lr=LR):
    return end + (lr - end) * (1 + math.cos(math.pi * place)) / 2


def one_cycle(t, top=LR, pct=0.3, div=25.0, final=1e4):
    place, low = min(t / TOTAL, 1), top / div
    if place < pct:
        return low + (top - low) * (1 - math.cos(math.pi * place / pct)) / 2
    return cosine((place - pct) / (1 - pct), low / final, top)


def restarts(t, period, multiply, end=0.0):
    while t >= period - 1e-9:
        t, period = t - period, period * multiply
    return cosine(t / period, end)


@pytest.mark.parametrize(
    "schedule, formula",
    [
        (fg.Constant(), lambda t: LR),
        (fg.StepDecay(), lambda t: LR * 0.1 ** (t // 10)),
        (fg.StepDecay(step_size=2.5, gamma=0.5), lambda t: LR * 0.5 ** (t // 2.5)),
        (fg.ExponentialDecay(), lambda t: LR * 0.95**t),
        (fg.ExponentialDecay(gamma=1.1), lambda t: LR * 1.1**t),
        (fg.Polynomial(), lambda t: LR * max(1 - t / TOTAL, 0)),
        (fg.Polynomial(power=3, end_lr=0.02), lambda t: 0.02 + 0.08 * max(1 - t / TOTAL, 0) ** 3),
        (fg.InverseScaling(), lambda t: LR / math.sqrt(1 + t)),
        (fg.InverseScaling(power=1), lambda t: LR / (1 + t)),
        (fg.Cosine(), lambda t: cosine(min(t / TOTAL, 1))),
        (fg.Cosine(end_lr=0.03), lambda t: cosine(min(t / TOTAL, 1), 0.03)),
        (fg.WarmRestarts(period=3), lambda t: restarts(t, 3, 1)),
        (fg.WarmRestarts(period=1.5, multiply=2, end_lr=0.01), lambda t: restarts(t, 1.5, 2, 0.01)),
        (fg.WarmRestarts(period=1, multiply=1.5), lambda t: restarts(t, 1, 1.5)),
        (fg.OneCycle(), one_cycle),
        (
            fg.OneCycle(max_lr=3, pct_start=0.45, div_factor=5, final_div_factor=7),
            lambda t: one_cycle(t, 3, 0.45, 5, 7),
        ),
    ],
    ids=repr,
)
def test_every_schedule_is_its_formula(schedule, formula):
    rates = schedule(LR, TIMES, TOTAL)
    assert rates.dtype == np.float64 and rates.shape == TIMES.shape and rates.flags.writeable
    np.testing.assert_allclose(rates, [formula(t) for t in TIMES], rtol=1e-9, atol=1e-15)
    assert float(schedule(LR, 4.0, TOTAL)) == rates[32] and schedule(LR, [[4.0]], TOTAL).shape == (1, 1)


@pytest.mark.parametrize(
    "schedule, values",
    [  # of torch.optim.lr_scheduler at epochs 0 to 6 with lr 0.1
        (fg.StepDecay(2, 0.5), [0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125]),
        (fg.ExponentialDecay(0.5), [0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125, 0.0015625]),
        (fg.Polynomial(2.0), [0.1, 0.06944444444, 0.04444444444, 0.025, 0.01111111111, 0.002777777778, 0.0]),
        (fg.Cosine(0.02), [0.1, 0.0946410162, 0.08, 0.06, 0.04, 0.0253589838, 0.02]),
        (fg.WarmRestarts(2, 1), [0.1, 0.05, 0.1, 0.05, 0.1, 0.05, 0.1]),
        (fg.WarmRestarts(2, 2), [0.1, 0.05, 0.1, 0.0853553391, 0.05, 0.0146446609, 0.1]),
    ],
    ids=repr,
)
def test_whole_epochs_agree_with_pytorch(schedule, values):
    np.testing.assert_allclose(schedule(0.1, np.arange(7.0), 6), values, rtol=0, atol=1e-10)


def test_one_cycle_starts_peaks_and_ends_where_pytorchs_does():
    found = fg.OneCycle(max_lr=0.5)(0.1, [0.0, 3.0, 10.0, 11.0], 10)
    np.testing.assert_allclose(found, [0.02, 0.5, 2e-6, 2e-6], rtol=1e-12)
    assert fg.OneCycle()(0.1, 3.0, 10) == 0.1


@pytest.mark.parametrize("schedule", [fg.StepDecay(0.1, 0.5), fg.WarmRestarts(0.1), fg.WarmRestarts(0.1, 2)])
def test_periods_begin_where_they_begin_whatever_the_rounding(schedule):
    """0.3 / 0.1 is less than 3 in binary."""
    starts = 0.1 * (2.0 ** np.arange(8) - 1) if getattr(schedule, "multiply", 1) == 2 else np.arange(30) / 10
    want = 0.1 * 0.5 ** np.arange(30) if isinstance(schedule, fg.StepDecay) else 0.1
    np.testing.assert_allclose(schedule(0.1, starts, 3), want, rtol=1e-9)
    if isinstance(schedule, fg.WarmRestarts):
        assert (schedule(0.1, starts[1:] - 1e-5, 3) < 1e-6).all()


@pytest.mark.parametrize("warmup, step", [(2.0, 0.25), (0.5, 0.25), (3, 1.0)])
def test_warmup_rises_linearly_to_the_schedule(warmup, step):
    times = np.arange(0, 10, step)
    plain, warm = fg.Cosine()(LR, times, TOTAL, step), fg.Cosine(warmup=warmup)(LR, times, TOTAL, step)
    np.testing.assert_allclose(warm, plain * np.minimum(1, (times + step) / warmup), rtol=1e-15)
    assert (
        warm[0] == pytest.approx(LR * min(1, step / warmup)) and (warm[times >= warmup] == plain[times >= warmup]).all()
    )
    np.testing.assert_array_equal(fg.Constant(warmup=4)(1.0, [0.0, 1, 2, 3, 4], 5, 1.0), [0.25, 0.5, 0.75, 1, 1])


# ---- ReduceOnPlateau ------------------------------------------------------------------------------------------------


def sequence(schedule, losses, lr=1.0):
    rates = []
    for loss in losses:
        schedule.observe(loss)
        rates.append(float(schedule(lr, 0.0, 10)))
    return rates


@pytest.mark.parametrize(
    "schedule, losses, rates",
    [  # what torch.optim.lr_scheduler.ReduceLROnPlateau gives after step(loss)
        (fg.ReduceOnPlateau(factor=0.5, patience=1), [3, 2, 2, 2, 1, 1, 1, 1], [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]),
        (fg.ReduceOnPlateau(factor=0.5, patience=0), [3, 3, 2, 2, 2], [1, 0.5, 0.5, 0.25, 0.125]),
        (fg.ReduceOnPlateau(factor=0.5, patience=0, cooldown=2), [1] * 7, [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]),
        (fg.ReduceOnPlateau(factor=0.1, patience=0, min_lr=0.05), [1] * 4, [1, 0.1, 0.05, 0.05]),
        (
            fg.ReduceOnPlateau(factor=0.5, patience=0, threshold=0.1),
            [1, 0.95, 0.89, 0.81, 0.8],
            [1, 0.5, 0.5, 0.25, 0.25],
        ),
        (fg.ReduceOnPlateau(factor=0.5, patience=1), [2, math.nan, math.nan, 1], [1, 1, 0.5, 0.5]),
    ],
)
def test_a_plateau_lowers_the_rate_as_pytorch_does(schedule, losses, rates):
    np.testing.assert_allclose(sequence(schedule, losses), rates, rtol=1e-12)


def test_a_plateau_never_raises_the_rate():
    assert sequence(fg.ReduceOnPlateau(patience=0, min_lr=5.0), [1, 1, 1], lr=1.0) == [1, 1, 1]
    assert repr(fg.ReduceOnPlateau(patience=3)).startswith("ReduceOnPlateau(")


# ---- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: fg.Cosine(end_lr=-1), "Cosine: end_lr must be a number >= 0, got -1"),
        (lambda: fg.Cosine(warmup=-0.5), "Cosine: warmup must be a number >= 0, got -0.5"),
        (lambda: fg.Constant(warmup="1"), "Constant: warmup must be a number >= 0, got '1'"),
        (lambda: fg.StepDecay(0), "StepDecay: step_size must be above 0"),
        (lambda: fg.StepDecay(gamma=math.nan), "StepDecay: gamma must be a number >= 0, got nan"),
        (lambda: fg.StepDecay(gamma=True), "StepDecay: gamma must be a number >= 0, got True"),
        (lambda: fg.WarmRestarts(0), "WarmRestarts: period must be above 0"),
        (lambda: fg.WarmRestarts(multiply=0.5), "multiply at least 1"),
        (lambda: fg.OneCycle(pct_start=0), "OneCycle: pct_start must be between 0 and 1"),
        (lambda: fg.OneCycle(pct_start=1), "OneCycle: pct_start must be between 0 and 1"),
        (lambda: fg.OneCycle(div_factor=0.5), "both div factors at least 1"),
        (lambda: fg.OneCycle(max_lr=math.inf), "OneCycle: max_lr must be a number >= 0, got inf"),
        (lambda: fg.ReduceOnPlateau(factor=1), "ReduceOnPlateau: factor must be between 0 and 1"),
        (lambda: fg.ReduceOnPlateau(patience=-1), "ReduceOnPlateau: patience must be a number >= 0, got -1"),
    ],
)
def test_bad_arguments_are_refused_by_name(make, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


def test_numpys_numbers_are_numbers():
    assert fg.StepDecay(np.float32(2), np.float64(0.5)) == fg.StepDecay(2, 0.5)
    assert fg.Cosine(warmup=np.int64(1)) == fg.Cosine(warmup=1)


# ---- the rates of steps ---------------------------------------------------------------------------------------------


def test_the_rates_of_some_steps_of_an_epoch():
    found = schedules.rates(fg.Polynomial(), 1.0, 2, 3, 7, 10, 4)
    np.testing.assert_allclose(found, 1 - (2 + np.arange(3, 7) / 10) / 4, rtol=1e-15)
    whole = [schedules.rates(fg.OneCycle(warmup=0.5), 0.1, 1, a, b, 9, 3) for a, b in ((0, 4), (4, 5), (5, 9))]
    np.testing.assert_array_equal(np.concatenate(whole), schedules.rates(fg.OneCycle(warmup=0.5), 0.1, 1, 0, 9, 9, 3))
    asked = []
    found = schedules.rates(lambda t: asked.append(t) or t * 2, 0.1, 3, 0, 2, 4, 9)
    assert found.tolist() == [6.0, 6.5] and asked == [3.0, 3.25] and type(asked[0]) is float


@pytest.mark.parametrize("bad", [-1e-9, math.nan, math.inf])
def test_rates_that_are_none_are_refused(bad):
    for schedule in (
        lambda t: bad if t > 5.5 else 0.1,
        type("Mine", (fg.Constant,), {"shape": lambda s, lr, t, n: np.full(t.shape, bad)})(),
    ):
        with pytest.raises(ValueError, match="the schedule gave an lr that is negative or not finite in epoch 5"):
            schedules.rates(schedule, 0.1, 5, 0, 4, 4, 9)


def test_what_is_a_schedule():
    assert schedules.as_schedule(None) == fg.Constant() and schedules.as_schedule(fg.Cosine) == fg.Cosine()
    given = fg.Cosine(0.1)
    assert schedules.as_schedule(given) is given and schedules.as_schedule(math.sqrt) is math.sqrt
    for bad in ("cosine", 0.1, [0.1]):
        with pytest.raises(TypeError, match="schedule must be a Schedule such as"):
            schedules.as_schedule(bad)
