"""Pictures of histories and gradient checks, drawn with matplotlib.

Promised: axes of the caller's are drawn on and nothing else is; what is drawn is what the history or report holds.
Left out: saving and showing, which matplotlib does; what a history or report is (history.py, checking/reports.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

DECADES = 2.0  # values that span more than this are drawn on a logarithmic axis
FEW = 30  # up to so many epochs are marked one by one
LABELS = {"loss": "loss", "lr": "learning rate", "grad_norm": "norm of the gradient", "seconds": "seconds per epoch"}
# verdict -> colour (Okabe & Ito's, told apart by the colour-blind), marker, size; in the order in which they are drawn
VERDICTS = {
    "ok": ("#0072B2", "o", 14),
    "kink": ("#E69F00", "^", 34),
    "noise": ("#767676", "s", 26),
    "open": ("#CC79A7", "D", 26),
    "wrong": ("#D55E00", "X", 48),
}
MEANS = {"open": "not looked into"}
LABELLED = 16  # parameters whose names fit below the axis


def panels(count: int, axes: Any) -> list[Any]:
    """The caller's axes, `count` of them, or new ones above one another; ImportError without matplotlib."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f'{error}. Plots are drawn with matplotlib: pip install "fastgrad[plot]"') from error
    if axes is None:
        size = (7.0, 1.4 + 2.6 * count)
        axes = plt.subplots(count, sharex=True, squeeze=False, figsize=size, layout="constrained")[1]
    given = list(np.atleast_1d(np.asarray(axes, object)).flat)
    if len(given) != count:
        raise ValueError(f"axes: found {len(given)}, expected {count}, one for each kind of column")
    return given


def plot_history(history: Any, names: str | Sequence[str] | None, axes: Any) -> Any:
    """Columns over the epochs, each kind on a panel of its own with its twin of the validation set; gives the axes."""
    if names is None:
        names = [name for name in ("loss", "val_loss") if name in history or name == "loss"]
    names = [names] if isinstance(names, str) else list(names)
    columns = {name: history[name] if history.epochs else [] for name in names}
    if not names:
        raise ValueError("names: found none, expected the name of a column, or several")
    kinds = list(dict.fromkeys(name.removeprefix("val_") for name in names))
    drawn = panels(len(kinds), axes)
    for kind, panel in zip(kinds, drawn, strict=True):
        own = {name: column for name, column in columns.items() if name.removeprefix("val_") == kind}
        draw_columns(panel, kind, own)
    drawn[-1].set_xlabel("epoch")
    return drawn[0] if len(drawn) == 1 else np.array(drawn, object)


def draw_columns(axes: Any, kind: str, columns: dict[str, list[float]]) -> None:
    """One panel: a line for each column, the lowest validation loss marked."""
    from matplotlib.ticker import MaxNLocator

    for name, column in columns.items():
        epochs = np.arange(1, len(column) + 1)
        [line] = axes.plot(epochs, column, marker="o" if len(column) <= FEW else None, markersize=4, label=name)
        if name == "val_loss" and len(column) > 1:
            best = int(np.argmin(column))
            label = f"lowest: {column[best]:.4g}, epoch {best + 1}"
            axes.plot(best + 1, column[best], "*", markersize=12, color=line.get_color(), label=label)
    values = np.array([value for column in columns.values() for value in column])
    if len(values) and (values > 0).all() and np.log10(values.max() / values.min()) > DECADES:
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_ylabel(LABELS.get(kind, kind))
    axes.grid(alpha=0.3)
    if not len(values):
        axes.set(xticks=[], yticks=[])
        write(axes, "no epoch yet")
    elif len(columns) > 1:
        axes.legend()


def write(axes: Any, text: str) -> None:
    """Words where there is nothing to draw."""
    axes.text(0.5, 0.5, text, ha="center", va="center", wrap=True, transform=axes.transAxes)


def plot_report(report: Any, axes: Any) -> Any:
    """How far each entry is from its measured slope, parameter by parameter, and the tolerance; gives the axes."""
    [axes] = panels(1, axes)
    title = f"gradient check: {report.verdict} ({report.checked} of {report.size} entries)"
    worst = report.worst if report.worst is not None and report.worst.error > 0 else None
    if worst is not None:
        title += f"\nworst: {worst.place}, given {worst.given:.6g}, measured {worst.numeric:.6g}"
    axes.set_title(title, pad=26, fontsize="medium")
    known = {id(entry) for entry, _ in report.entries}
    judged = [*report.entries, *((entry, "wrong") for entry in report.wrong if id(entry) not in known)]
    if not judged:
        axes.set_axis_off()
        write(axes, "\n".join(["no entry was compared", *report.notes]))
        return axes
    places = positions([entry.parameter for entry, _ in judged], [row[0] for row in report.rows], axes)
    heights, floor = differences(report, [entry for entry, _ in judged])
    for verdict, (colour, marker, size) in VERDICTS.items():
        chosen = np.array([found == verdict for _, found in judged])
        if chosen.any():
            label = f"{MEANS.get(verdict, verdict)} ({np.count_nonzero(chosen)})"
            axes.scatter(places[chosen], heights[chosen], s=size, c=colour, marker=marker, label=label, linewidths=0)
    axes.axhline(report.rtol, color="black", linestyle="--", linewidth=1, label=f"tolerance {report.rtol:.1g}")
    axes.set(yscale="log", ylabel="relative difference, given to measured")
    axes.set_ylim(floor / 3, 10 * max(report.rtol, heights.max()))
    if (heights == floor).any():  # a logarithmic axis has no 0: its place is a decade below the rest
        ticks = [tick for tick in axes.get_yticks() if 3 * floor < tick < axes.get_ylim()[1]]
        axes.set_yticks([floor, *ticks], ["0", *(f"$10^{{{round(np.log10(tick))}}}$" for tick in ticks)])
    axes.minorticks_off()
    for at in (k for k, (entry, _) in enumerate(judged) if entry is worst):
        ring = {"markerfacecolor": "none", "markeredgecolor": "black", "markersize": 13, "linestyle": "none"}
        axes.plot(places[at], heights[at], "o", label="worst", **ring)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=6, frameon=False, fontsize="small")
    return axes


def differences(report: Any, entries: list[Any]) -> tuple[Any, float]:
    """|given - measured| of each entry, relative as the check judges it, and what stands for 0 on the axis."""
    given, numeric = (np.array([getattr(entry, name) for entry in entries]) for name in ("given", "numeric"))
    largest = np.maximum(np.abs(given), np.abs(numeric))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.abs(given - numeric) / (largest + report.floor * np.abs(given).max())
    found = np.nan_to_num(found, nan=0.0 if np.isfinite(numeric).all() else 1.0, posinf=1.0)
    floor = 10.0 ** np.floor(np.log10(min([report.rtol, *found[found > 0]])) - 1)
    return np.maximum(found, floor), float(floor)


def positions(parameters: list[str], known: list[str], axes: Any) -> Any:
    """Where each entry stands: a band of width 1 for each parameter, its entries spread evenly over it."""
    found = np.array(parameters)
    bands = [name for name in dict.fromkeys([*known, *parameters]) if name in set(parameters)]
    places = np.empty(len(found))
    for k, name in enumerate(bands):
        own = np.flatnonzero(found == name)
        places[own] = k + (np.arange(len(own)) + 0.5) / len(own)
        if k:
            axes.axvline(k, color="0.8", linewidth=0.8)
    axes.set_xlim(0, len(bands))
    turned = {"rotation": 40, "ha": "right", "rotation_mode": "anchor", "fontsize": "small"} if len(bands) > 4 else {}
    step = -(-len(bands) // LABELLED)
    axes.set_xticks(np.arange(0, len(bands), step) + 0.5, bands[::step], **turned)
    axes.tick_params(axis="x", length=0)
    return places
