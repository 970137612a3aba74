"""Trainings that Ctrl-C ends on a chosen line, and what must not be lost by that."""

from __future__ import annotations

import sys

from oracle import bits, network

from fastgrad import loop


def told(history):
    return {k: v for k, v in history.items() if k != "seconds"}


def same(one, other):
    assert bits(one) == bits(other)
    assert told(one.history) == told(other.history)
    assert one._record.epochs_seen == other._record.epochs_seen


class LineTracer:
    """Raises KeyboardInterrupt on the n-th line that loop.py runs, as a signal's handler may."""

    def __init__(self, at):
        self.at, self.count = at, 0

    def __call__(self, frame, event, argument):
        if frame.f_code.co_filename != loop.__file__ or frame.f_code.co_name.startswith("_save"):
            return None
        if event == "line":
            self.count += 1
            if self.count == self.at:
                raise KeyboardInterrupt
        return self


def interrupted(data, path, fit, first, step):
    """The network after each of many fits, every one of them ended `step` lines later; until a fit comes to its own end."""
    at, before = first, sys.gettrace()
    while True:
        path.unlink(missing_ok=True)
        net = network()
        prepared = loop.prepare(
            net._record, *data, optimizer="adam", callbacks=(), sample_weight=None, threads=None, max_seconds=None,
            shuffle=True, metrics=(), checkpoint_path=path, resume=None, **{"schedule": None} | fit,
        )  # fmt: skip
        sys.settrace(LineTracer(at))
        try:
            loop.run(prepared, False)
        except KeyboardInterrupt:
            pass
        else:
            return
        finally:
            sys.settrace(before)
        yield net
        at += step
