"""JAX: a whole epoch under one jit: permutation, a scan over the steps, gather, optax's Adam; buffers donated.

jax.random.permutation sorts, which costs more than the training itself on small networks: `train_numpy_shuffle` is the
same program with NumPy's permutation handed in, so that nobody takes the one cost for the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import timing, workloads
from ..timing import Prepared
from ..workloads import Task


def import_jax(task: Task) -> tuple[Any, Any, Any, str]:
    """jax, jax.numpy, optax and what to call them; float64 switched on where the task wants it."""
    import jax
    import jax.numpy as jnp
    import optax

    jax.config.update("jax_enable_x64", task.dtype == "float64")
    return jax, jnp, optax, f"jax {jax.__version__}, optax {optax.__version__}"


def forward_pass(jax: Any) -> Callable[[Any, Any], Any]:
    """The forward pass: params [(W, b), ...], rows -> raw scores."""

    def scores(params: Any, x: Any) -> Any:
        for W, b in params[:-1]:
            x = jax.nn.relu(x @ W + b)
        W, b = params[-1]
        return x @ W + b

    return scores


def make_epoch(jax: Any, jnp: Any, optax: Any, task: Task) -> tuple[Any, Callable[..., Any]]:
    """The optimizer, and epoch(params, state, order, X, y) -> params, state, mean loss: a scan over `order`."""
    scores, optimizer, mse = forward_pass(jax), optax.adam(workloads.LR), task.case.loss == "mse"

    def loss(params: Any, x: Any, target: Any) -> Any:
        z = scores(params, x)
        if mse:
            return jnp.mean((z[:, 0] - target) ** 2)
        return optax.softmax_cross_entropy_with_integer_labels(z, target).mean()

    def epoch(params: Any, state: Any, order: Any, X: Any, y: Any) -> Any:
        def step(carry: Any, index: Any) -> Any:
            params, state = carry
            value, grads = jax.value_and_grad(loss)(params, X[index], y[index])
            updates, state = optimizer.update(grads, state)
            return (optax.apply_updates(params, updates), state), value

        (params, state), losses = jax.lax.scan(step, (params, state), order.reshape(-1, task.batch))
        return params, state, losses.mean()

    return optimizer, epoch


def train(task: Task, shuffle_in_numpy: bool = False) -> Prepared:
    """Whole epochs under one jit, the permutation inside it unless `shuffle_in_numpy`; seconds per step."""
    jax, jnp, optax, about = import_jax(task)
    numpy_X, numpy_y = workloads.training_data(task)
    X, y = jnp.asarray(numpy_X), jnp.asarray(numpy_y.astype(np.int32) if numpy_y.dtype.kind == "i" else numpy_y)
    optimizer, epoch = make_epoch(jax, jnp, optax, task)
    carry: list[Any] = []

    def shuffled(params: Any, state: Any, key: Any, X: Any, y: Any) -> Any:
        key, now = jax.random.split(key)
        params, state, loss = epoch(params, state, jax.random.permutation(now, len(X)), X, y)
        return params, state, key, loss

    given = jax.jit(epoch, donate_argnums=(0, 1))
    drawn = jax.jit(shuffled, donate_argnums=(0, 1, 2))
    rng = np.random.default_rng(task.seed)

    def reset() -> None:
        params = [(jnp.asarray(W), jnp.asarray(b)) for W, b in workloads.first_parameters(task)]
        carry[:] = [params, optimizer.init(params), jax.random.key(task.seed)]
        jax.block_until_ready(carry)

    def work(epochs: int) -> None:
        for _ in range(epochs):
            if shuffle_in_numpy:
                carry[0], carry[1], _ = given(*carry[:2], rng.permutation(len(X)).astype(np.int32), X, y)
            else:
                carry[:] = drawn(*carry, X, y)[:3]
        jax.block_until_ready(carry)

    reset()
    loss = float(given(*carry[:2], jnp.arange(task.check_rows), X, y)[2])
    run = timing.timed(work, task.case.steps(task.dtype, task.quick), quick=task.quick, reset=reset)
    return Prepared(run, about, {"loss": loss})


def train_numpy_shuffle(task: Task) -> Prepared:
    """As `train`, with NumPy's permutation."""
    return train(task, shuffle_in_numpy=True)


def predict_rows(task: Task) -> Prepared:
    """Forward pass and link under one jit, NumPy array in and out; seconds per call."""
    jax, jnp, _, about = import_jax(task)
    scores, mse = forward_pass(jax), task.case.loss == "mse"
    params = [(jnp.asarray(W), jnp.asarray(b)) for W, b in workloads.first_parameters(task)]
    X = workloads.rows_to_predict(task)
    predict = jax.jit(lambda params, x: scores(params, x) if mse else jax.nn.softmax(scores(params, x)))

    def work(n: int) -> None:
        for _ in range(n):
            np.asarray(predict(params, X))

    facts = {"mean": float(np.mean(np.asarray(predict(params, X)) ** 2))}
    return Prepared(timing.timed(work, 1, quick=task.quick), about, facts)
