"""The pace of a run: what is faster is found, kept, and given up when it changes; calls stay short."""

from __future__ import annotations

import pytest

from fastgrad.pace import CHUNK_SECONDS, Pace


def drive(pace, cost, seconds):
    """Run until so much time has passed; gives the seconds spent per number of threads, and the longest call."""
    spent, longest, now = {}, 0.0, 0.0
    while now < seconds:
        threads, steps = pace.next()
        took = steps * cost(threads, now)
        pace.took(threads, steps, took)
        spent[threads] = spent.get(threads, 0.0) + took
        now, longest = now + took, max(longest, took)
    return spent, longest


@pytest.mark.parametrize(("one", "most", "better"), [(1e-3, 6e-4, 2), (1e-6, 2e-6, 1), (1e-5, 5e-3, 1)])
def test_the_faster_is_kept(one, most, better):
    spent, longest = drive(Pace(2, fixed=False), lambda threads, now: one if threads == 1 else most, 3.0)
    assert spent[better] > 0.85 * sum(spent.values())
    assert longest < 2 * CHUNK_SECONDS


def test_a_busy_machine_is_noticed_and_forgotten():
    def cost(threads, now):
        return 1e-4 if threads == 1 else 6e-4 if 1.0 < now < 4.0 else 6e-5

    pace = Pace(2, fixed=False)
    drive(pace, cost, 1.0)
    during, _ = drive(pace, lambda threads, now: cost(threads, 2.0), 3.0)
    assert during[1] > during.get(2, 0.0)
    after, _ = drive(pace, lambda threads, now: cost(threads, 5.0), 12.0)
    assert after[2] > after.get(1, 0.0)


def test_a_single_stall_changes_nothing():
    pace = Pace(2, fixed=False)
    drive(pace, lambda threads, now: 1e-4 if threads == 1 else 6e-5, 1.0)
    stalls = iter([0.008])
    after, _ = drive(pace, lambda threads, now: 1e-4 if threads == 1 else 6e-5 + next(stalls, 0.0), 0.3)
    assert after[2] > 0.8 * sum(after.values())


def test_a_short_training_loses_little_to_threads_that_do_not_help():
    for seconds, share in ((0.03, 0.3), (0.3, 0.15), (3.0, 0.15)):
        spent, _ = drive(Pace(2, fixed=False), lambda threads, now: 7e-5 if threads == 1 else 1.1e-3, seconds)
        assert spent[2] < share * sum(spent.values())


def test_a_cold_start_does_not_decide():
    """The first calls of both are slow; the better one is chosen all the same."""
    calls = []

    def cost(threads, now):
        calls.append(threads)
        cold = 20 if calls.count(threads) < 4 else 1
        return cold * (1e-4 if threads == 1 else 6e-5)

    spent, _ = drive(Pace(2, fixed=False), cost, 1.0)
    assert spent[2] > 0.8 * sum(spent.values())


def test_a_fixed_number_is_kept():
    spent, longest = drive(Pace(3, fixed=True), lambda threads, now: 1e-5, 1.0)
    assert set(spent) == {3}
    assert longest <= CHUNK_SECONDS
