"""How many steps the kernels do before Python looks around, and on how many threads, where the caller leaves that open.

Bits do not depend on threads, so a run may change their number as it goes.  It tries all threads and one, goes on with what
was faster, and tries the other again now and then: on a busy machine, where threads wait for one another's processor, it
falls back to one thread instead of losing to it.
"""

from __future__ import annotations

CHUNK_SECONDS = 0.05  # between two looks at signals, deadline and progress
TRIAL_SECONDS = 0.004
RETRY_SECONDS = 1.0


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
        self._options = (most,) if fixed or most == 1 else (most, 1)
        self._per_step: dict[int, float] = {}
        self._spent = dict.fromkeys(self._options, 0.0)
        self._started: set[int] = set()
        self._steps = 1
        self._since_retry = 0.0

    def next(self) -> tuple[int, int]:
        """(threads, steps)."""
        for option in self._options:
            if self._spent[option] < TRIAL_SECONDS:
                known = self._per_step.get(option)
                return option, 1 if known is None else max(1, min(self._steps, int(TRIAL_SECONDS / known)))
        best = min(self._options, key=self._per_step.__getitem__)
        if self._since_retry > RETRY_SECONDS:
            self._since_retry = 0.0
            best = next((o for o in self._options if o != best), best)
            return best, max(1, int(TRIAL_SECONDS / self._per_step[best]))
        return best, max(1, min(self._steps, int(CHUNK_SECONDS / self._per_step[best])))

    def took(self, threads: int, steps: int, seconds: float) -> None:
        """Learn from a call.  The first one on so many threads is not counted: it woke them."""
        self._steps = 2 * steps if steps >= self._steps else self._steps
        if threads not in self._started:
            self._started.add(threads)
            self._spent[threads] += min(seconds, TRIAL_SECONDS / 2)
            return
        each = max(seconds / steps, 1e-9)
        self._per_step[threads] = (self._per_step.get(threads, each) + each) / 2
        self._spent[threads] += seconds
        self._since_retry += seconds if len(self._options) > 1 else 0.0
