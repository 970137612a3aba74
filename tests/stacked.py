"""The oracle for stacks of layers: batch norm, layer norm and residual blocks in float64 NumPy, chain rule term by term.

It knows nothing of panels, slices or the kernels' formulas.  Dropout is left out.
"""

from __future__ import annotations

import numpy as np
from oracle import row_losses

import fastgrad as fg
from fastgrad import catalog
from fastgrad.formulas import numpy_function


class Stacked:
    """A network's parameters and running statistics in float64: scores, gradient, and steps of plain descent."""

    def __init__(self, net):
        self.layers, self.blocks, self.loss = net._record.layers, net._record.blocks, net.loss_name
        pairs = zip(net.weights, net.biases, strict=True)
        self.pairs = {
            part.layer: [np.array(a, np.float64) for a in pair]
            for part, pair in zip(net._record.parts, pairs, strict=True)
        }
        self.running = {name: np.array(a, np.float64) for name, a in net.named_buffers()}

    def normalised(self, k, x, training):
        """xhat of norm k, and its statistics."""
        layer = self.layers[k]
        if isinstance(layer, fg.BatchNorm) and not training:
            mean, var = (self.running[f"layers.{k}.running_{name}"] for name in ("mean", "var"))
        else:
            axis = 0 if isinstance(layer, fg.BatchNorm) else 1
            mean, var = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
        return (x - mean) / np.sqrt(var + layer.eps), mean, var

    def forward(self, X, training):
        """The outputs of all layers, X first, and Z of each."""
        A, Z, own = [np.asarray(X, np.float64)], [], []
        for k, layer in enumerate(self.layers):
            W, b = self.pairs.get(k, (1.0, 0.0))
            if isinstance(layer, fg.Dense):
                Z.append(A[-1] @ W + b)
            else:
                Z.append(self.normalised(k, A[-1], training)[0] * W + b)
            own.append(numpy_function(catalog.ACTIVATIONS[layer.activation].formula)(z=Z[-1])["value"])
            A.append(own[-1] + sum(A[start] for start, end in self.blocks if end == k))
        return A, Z, own

    def scores(self, X, training=False):
        return self.forward(X, training)[0][-1]

    def back_through_norm(self, k, x, g, training):
        """dL/dx of norm k, where g is dL/dxhat."""
        layer = self.layers[k]
        _, mean, var = self.normalised(k, x, training)
        s = np.sqrt(var + layer.eps)
        if isinstance(layer, fg.BatchNorm) and not training:
            return g / s
        axis = 0 if isinstance(layer, fg.BatchNorm) else 1
        centred = x - mean
        dvar = (g * centred).sum(axis, keepdims=True) * -0.5 / s**3
        dcentred = g / s + dvar * 2 * centred / x.shape[axis]
        return dcentred - dcentred.mean(axis, keepdims=True)

    def gradient(self, X, t, weight=None, training=False):
        """The loss, [dW, db] of each layer that has them, and dL/dX."""
        A, Z, own = self.forward(X, training)
        w = np.ones(len(X)) if weight is None else weight
        losses, slope = row_losses(self.loss, {}, A[-1], t)
        dA = [np.zeros_like(a) for a in A]
        dA[-1] = slope * (w / w.sum())[:, None]
        grads = {}
        for k in range(len(self.layers) - 1, -1, -1):
            layer, x = self.layers[k], A[k]
            for start, end in self.blocks:
                if end == k:
                    dA[start] = dA[start] + dA[k + 1]
            derivative = numpy_function(catalog.ACTIVATIONS[layer.activation].derivative)
            d = dA[k + 1] * derivative(z=Z[k], a=own[k])["value"]
            W = self.pairs.get(k, (1.0,))[0]
            if isinstance(layer, fg.Dense):
                grads[k], dx = [x.T @ d, d.sum(0)], d @ W.T
            else:
                grads[k] = [(d * self.normalised(k, x, training)[0]).sum(0), d.sum(0)]
                dx = self.back_through_norm(k, x, d * W, training)
            dA[k] = dA[k] + dx
        return float((losses * w).sum() / w.sum()), [grads[k] for k in sorted(self.pairs)], dA[0]

    def step(self, X, t, lr):
        """A step of plain gradient descent; the running statistics move on."""
        A, _, _ = self.forward(X, True)
        _, grads, _ = self.gradient(X, t, training=True)
        for k, layer in enumerate(self.layers):
            if isinstance(layer, fg.BatchNorm):
                for name, now in (("mean", A[k].mean(0)), ("var", A[k].var(0, ddof=1))):
                    old = self.running[f"layers.{k}.running_{name}"]
                    self.running[f"layers.{k}.running_{name}"] = old + layer.momentum * (now - old)
        for k, pair in zip(sorted(self.pairs), grads, strict=True):
            self.pairs[k] = [p - lr * g for p, g in zip(self.pairs[k], pair, strict=True)]


def flat(pairs):
    """[(dW, db), ...] as one vector."""
    return np.concatenate([np.ravel(part) for pair in pairs for part in pair])


def distance(got, want):
    """|got - want| relative to |want|."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    return np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-300)


def stir(net, rng):
    """Other scales and shifts than the first ones, 1 and 0."""
    for place in range(len(net.weights)):
        if net.weights[place].ndim == 1:
            net.weights[place] = rng.uniform(0.5, 1.5, net.weights[place].shape)
        net.biases[place] = rng.normal(size=net.biases[place].shape)


def state(net):
    """Parameters and running statistics, to be compared bit for bit."""
    return net.parameters.tobytes(), *(array.tobytes() for _, array in net.named_buffers())
