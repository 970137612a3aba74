"""Steps by hand in float64 NumPy, layer by layer, through the catalog's formulas: what layers ask for themselves included."""

from __future__ import annotations

import numpy as np

from fastgrad.formulas import expand_hyper, numpy_function


class Stepper:
    """Steps by hand: the parameters of `oracle`, moved by `optimizer` as `layers` ask for it."""

    def __init__(self, layers, optimizer, oracle, clip_norm=np.inf, clip_value=np.inf):
        self.layers, self.optimizer, self.oracle = layers, optimizer, oracle
        self.clip_norm, self.clip_value = clip_norm, clip_value
        row = self.row = optimizer.row
        self.hyper = dict(zip(expand_hyper(row), optimizer.numbers, strict=True))
        flags = {flag: bool(self.hyper[flag]) for flag in row.flags}
        self.update = numpy_function(row.update, flags)
        self.per_step = numpy_function(row.per_step) if row.per_step else lambda **names: names
        self.params = list(zip(oracle.W, oracle.b, strict=True))
        first = {s: self.hyper.get(start, 0.0) for s, start in row.slots.items()}
        self.slots = [[{s: np.full_like(p, v) for s, v in first.items()} for p in pair] for pair in self.params]
        self.carry, self.taken = dict(row.carry), 0
        self.norms = []

    def step(self, X, y, weight=None, lr=None):
        lr = self.optimizer.lr if lr is None else lr
        grads = self.oracle.gradient(X, y, weight)[1]
        trained = [k for k, layer in enumerate(self.layers) if not layer.frozen]
        self.norms.append(np.sqrt(sum((g**2).sum() for k in trained for g in grads[k])))
        shorter = min(1.0, self.clip_norm / (self.norms[-1] + 1e-6))
        after = self.carry
        for k in trained:
            layer, hyper = self.layers[k], dict(self.hyper)
            if layer.weight_decay is not None:
                hyper["weight_decay"] = layer.weight_decay
            rate = lr * layer.lr_factor
            scalars = self.per_step(**{**hyper, "lr": rate, "t": self.taken + 1.0, **self.carry})
            after = {name: scalars[name] for name in self.carry}
            for p, g, slots in zip(self.params[k], grads[k], self.slots[k], strict=True):
                g = np.clip(g * shorter, -self.clip_value, self.clip_value)
                space = self.update(**{n: v for n, v in scalars.items() if n != "value"}, w=p, g=g, **slots)
                p[...] = space["w"]
                for name in slots:
                    slots[name][...] = space[name]
            W = self.params[k][0]
            W[...] = np.sign(W) * np.maximum(np.abs(W) - rate * layer.l1, 0)
            if layer.max_norm is not None:
                norms = np.linalg.norm(W, axis=0)
                W *= np.where(norms > layer.max_norm, layer.max_norm / np.maximum(norms, 1e-300), 1)
        self.carry = after
        self.taken += 1
