"""The demonstration: handwritten digits, learnt in a moment, with every figure explained and scikit-learn beside it.

Promises: real data (the 1797 digits that come with scikit-learn), a test set that training never sees and that no seed
changes, a gradient that is checked before it is used, the same network trained by scikit-learn with the same batch
size, epochs and optimizer, both on one thread, and a share of peak from a peak that is measured in the same minute.

Leaves out: ratios to be quoted.  Each training runs once here; `fastgrad bench` alternates and takes medians.
"""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bench import timing
from .bench.workloads import Case

SIZES, BATCH, TEST_ROWS = (64, 256, 128, 10), 32, 360
Say = Callable[[str], None]


def require() -> None:
    """Import what the demo needs besides fastgrad; otherwise an ImportError says what to install."""
    try:
        import plotext
        import sklearn  # noqa: F401
    except ImportError as error:
        hint = 'the demo reads scikit-learn\'s digits and draws with plotext: pip install "fastgrad[demo]"'
        raise ImportError(f"{error}. {hint}") from error
    if not hasattr(plotext, "clear_figure"):  # plotext 6 is another library under the same name
        found = getattr(plotext, "__version__", "another")
        raise ImportError(f'the demo draws with plotext 5, found {found}: pip install "fastgrad[demo]"')


def digits() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Training X (1437, 64) float32 in 0..1 and y, test X (360, 64) and y: always the same stratified split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=TEST_ROWS, stratify=y, random_state=0)
    return X_train, y_train, X_test, y_test


def train_here(data: tuple[NDArray[Any], ...], epochs: int, seed: int, say: Say) -> dict[str, Any]:
    """Check the gradient, train with fastgrad on one thread; gradient_passed, seconds, accuracy, losses."""
    import fastgrad as fg

    X, y, X_test, y_test = data
    net = fg.Network(list(SIZES), activation="relu", loss="cross_entropy", dtype="float32", seed=seed)
    report = fg.check_gradients(net, X[:8], y[:8])
    worst = f": at worst {report.worst.given:.7g} and {report.worst.numeric:.7g}" if report.worst else ""
    say(
        f"First, its gradient. Training turns {net.size:,} knobs; the gradient says which way each lowers the error.\n"
        f"Found a second way, by nudging {report.checked} of the knobs and looking, "
        f"it {'agrees' if report.passed else 'DISAGREES'}{worst}.\n"
    )
    start = time.perf_counter()
    history = net.fit(
        X, y, epochs=epochs, batch_size=BATCH, optimizer=fg.Adam(1e-3), threads=1, progress=False
    )  # fmt: skip
    seconds = time.perf_counter() - start
    accuracy = float(np.mean(net.predict(X_test).argmax(axis=1) == y_test))
    return {
        "gradient_passed": bool(report.passed), "seconds": seconds, "accuracy": accuracy, "loss": list(history["loss"])
    }  # fmt: skip


def train_there(data: tuple[NDArray[Any], ...], epochs: int, seed: int) -> dict[str, Any]:
    """The same network, batch size, epochs and optimizer in scikit-learn; seconds, accuracy, losses."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits  # scikit-learn depends on it

    X, y, X_test, y_test = data
    model = MLPClassifier(
        SIZES[1:-1], solver="adam", alpha=0.0, batch_size=BATCH, learning_rate_init=1e-3, max_iter=epochs,
        tol=0.0, n_iter_no_change=epochs + 1, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # all epochs are wanted: not having converged is no news
        start = time.perf_counter()
        model.fit(X, y)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "accuracy": float(model.score(X_test, y_test)), "loss": list(model.loss_curve_)}


def explain(here: dict[str, Any], there: dict[str, Any], rows: int, epochs: int, say: Say) -> None:
    """The figures in words."""
    samples = rows * epochs / here["seconds"]
    rate = Case(SIZES, BATCH).flops / BATCH * samples
    peak = max(timing.peak_flops("float32", 1) for _ in range(5))  # the machine may have other work at one moment
    here |= {"samples_per_second": samples, "share_of_peak": rate / peak}
    say(
        f"Learning {epochs} times through {rows} images took {here['seconds']:.3f} s, {samples:,.0f} images a second.\n"
        f"That is {rate / 1e9:.0f} billion additions and multiplications a second, {rate / peak:.0%} of the "
        f"{peak / 1e9:.0f} billion that one\ncore of this processor can do at the very most (measured just now).\n"
        f"Result: of {TEST_ROWS} digits that it has never seen, it reads {here['accuracy']:.1%} correctly.\n\n"
        f"The same training in scikit-learn's MLPClassifier: {there['seconds']:.2f} s, "
        f"{there['seconds'] / here['seconds']:.0f} times as long; {there['accuracy']:.1%} read correctly.\n"
        "(Both on one thread, a single run each: `fastgrad bench peers` compares with care.)\n"
    )


def draw(here: dict[str, Any], there: dict[str, Any]) -> str:
    """The two loss curves as text."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(min(88, shutil.get_terminal_size().columns), 16)
    for found, marker in ((there, "o"), (here, "*")):
        plotext.plot(range(1, len(found["loss"]) + 1), found["loss"], marker=marker)
    plotext.yscale("log")
    plotext.xticks(np.unique(np.linspace(1, len(here["loss"]), 5).round().astype(int)).tolist())
    plotext.title("error on the training images, logarithmic: * fastgrad, o scikit-learn")  # a legend would hide points
    plotext.xlabel("times through all images")
    text: str = plotext.uncolorize(plotext.build())
    return text


def save(here: dict[str, Any], there: dict[str, Any], path: Path) -> None:
    """The two loss curves as a picture, without a display."""
    from matplotlib.figure import Figure

    axes = (figure := Figure(figsize=(7, 4), layout="constrained")).subplots()
    for name, found in (("fastgrad", here), ("scikit-learn", there)):
        axes.semilogy(range(1, len(found["loss"]) + 1), found["loss"], label=f"{name}, {found['seconds']:.2g} s")
    axes.set(xlabel="epoch", ylabel="cross-entropy on the training images", title="learning handwritten digits")
    axes.legend()
    figure.savefig(path, dpi=150)


def run(epochs: int = 40, seed: int = 0, plot: Path | None = None, say: Say = print) -> dict[str, Any]:
    """The whole demonstration; returns its figures.

    `epochs`: passes over the training images; `seed`: of the first parameters and shuffles; `plot`: a picture file.

    Raises ImportError, with the command that mends it, where an optional library is missing.
    """
    require()
    data = digits()
    say(
        f"A network of {len(SIZES) - 1} layers ({'-'.join(map(str, SIZES))}) learns to read handwritten digits, "
        f"8 x 8 pixels each:\n{len(data[0])} to learn from, {TEST_ROWS} kept for the exam.\n"
    )
    here = train_here(data, epochs, seed, say)
    there = train_there(data, epochs, seed)
    explain(here, there, len(data[0]), epochs, say)
    say(draw(here, there))
    if plot is not None:
        save(here, there, plot)
        say(f"\nThe curve is in {plot}.")
    return {**here, "sklearn": there}
