"""How many steps the kernels do before Python looks around, and on how many threads, where the caller leaves that open.

Bits do not depend on threads, so a run may change their number as it goes.  It begins on one, tries all, goes on with what
was faster, and tries the other again now and then: on a busy machine, where threads wait for one another's processor, it
falls back to one thread instead of losing to it.
"""

from __future__ import annotations

CHUNK_SECONDS = 0.05  # between two looks at signals, deadline and progress
CALL_SECONDS = 0.004  # of a call in a trial
TRIAL_SECONDS = 0.004  # of one thread
# Threads that have slept may share a core until the system moves one, which takes it some milliseconds (seen: 5 ms a step
# for the first few steps, 0.3 ms afterwards).  A trial of threads ends with the first call that beats one thread.  Where
# none does the next trial is longer: a short training loses little, a long one finds out.
LEAST_TRIAL_SECONDS, MOST_TRIAL_SECONDS = 0.006, 0.03
MEMORY_SECONDS = 0.03  # a call that took as long counts half: one stall of some milliseconds is no reason to change
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.06, 5.0  # the time between retries doubles as long as they change nothing


class Pace:
    """Steps and threads of the next call; `took` tells it how long they were.

    >>> pace = Pace(4, fixed=False)
    >>> for _ in range(40):
    ...     threads, steps = pace.next()
    ...     pace.took(threads, steps, steps * (0.001 if threads == 1 else 0.003))
    >>> pace.next()[0]
    1
    """

    def __init__(self, most: int, fixed: bool) -> None:
        self._options = (most,) if fixed or most == 1 else (1, most)
        self._per_step: dict[int, float] = {}
        self._retry, self._since_retry = FIRST_RETRY_SECONDS, 0.0
        self._left = {option: self._trial(option) for option in self._options}
        self._steps = 1
        self._chosen = self._options[0]

    def next(self) -> tuple[int, int]:
        """(threads, steps)."""
        for option in self._options:
            if self._left[option] > 0:
                seconds = CHUNK_SECONDS if len(self._options) == 1 else CALL_SECONDS
                return option, self._steps_for(option, seconds)
        return self._chosen, self._steps_for(self._chosen, CHUNK_SECONDS)

    def _trial(self, option: int) -> float:
        """Seconds that may go into trying so many threads."""
        if option == 1:
            return TRIAL_SECONDS
        return min(max(LEAST_TRIAL_SECONDS, self._retry / 10), MOST_TRIAL_SECONDS)

    def _steps_for(self, option: int, seconds: float) -> int:
        known = self._per_step.get(option)
        return 1 if known is None else max(1, min(self._steps, int(seconds / known)))

    def took(self, threads: int, steps: int, seconds: float) -> None:
        """Learn from a call.  A trial counts by its fastest call."""
        self._steps = max(self._steps, 2 * steps)
        each = max(seconds / steps, 1e-9)
        old = self._per_step.get(threads, each)
        on_trial = self._left[threads] > 0
        mean = (MEMORY_SECONDS + seconds) / (MEMORY_SECONDS / old + steps)
        self._per_step[threads] = min(old, each) if on_trial else mean
        self._left[threads] -= seconds
        if len(self._options) == 1:
            return
        if on_trial and threads > 1 and each < self._per_step[1]:
            self._left[threads] = 0.0
        if max(self._left.values()) <= 0:
            self._choose(on_trial, seconds)

    def _choose(self, trial_over: bool, seconds: float) -> None:
        best = min(self._options, key=self._per_step.__getitem__)
        if trial_over:
            self._retry = min(2 * self._retry, LAST_RETRY_SECONDS) if best == self._chosen else FIRST_RETRY_SECONDS
            self._since_retry = 0.0
        self._chosen = best
        self._since_retry += seconds
        if self._since_retry > self._retry:
            other = next(option for option in self._options if option != best)
            self._left[other] = self._trial(other)
            del self._per_step[other]
