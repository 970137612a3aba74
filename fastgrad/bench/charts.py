"""Pictures of results: shares of peak, ratios to other libraries, and shares over several files.

Promises: `shares`, `ratios`, `history` each draw a matplotlib figure that grows with what it shows, so that no label lies on
another; `picture` turns one into the text of an <img>, self-contained.  Matplotlib (the extra `plot`) is imported by
what draws.  Leaves out: the page around them (report.py).
"""

from __future__ import annotations

import base64
import html
import io
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import results
from .results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

WIDTH, ROW = 9.0, 0.24  # inches: of a picture; of a line in it
COLOURS = 20  # of "tab20", in an order in which neighbours differ
SETTINGS = {
    "svg.fonttype": "path", "svg.hashsalt": "fastgrad", "text.parse_math": False, "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "axes.titlelocation": "left",
}  # fmt: skip


def new_figure(height: float, parts: Sequence[float] = (1.0,)) -> tuple[Figure, Sequence[Axes]]:
    """A figure of a height in inches, with axes one below the other whose heights go as `parts`.

    Raises ImportError, saying what to install, where matplotlib is not.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f'the report draws with matplotlib: pip install "fastgrad[plot]" ({error})') from error
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, [row[0] for row in figure.subplots(len(parts), squeeze=False, height_ratios=parts)]


def colour(number: int) -> tuple[float, ...]:
    """The colour of the `number`-th series: first the strong ones of "tab20", then the pale ones."""
    from matplotlib import colormaps

    k = number % COLOURS
    found: tuple[float, ...] = colormaps["tab20"]((2 * k) % COLOURS + (2 * k) // COLOURS)
    return found


def labels(records: Sequence[Record]) -> list[str]:
    """What tells the records apart: the case, and threads and float type where not all have the same.

    >>> one = {"kind": "train", "sizes": [3, 2], "batch": 8, "threads": 1, "dtype": "float32"}
    >>> labels([one, one | {"threads": 2}])
    ['3-2 b8, threads: 1', '3-2 b8, threads: 2']
    """
    found = [results.case(record) for record in records]
    for key, words in (("threads", "threads: {}"), ("dtype", "{}")):
        if len({record[key] for record in records}) > 1:
            found = [f"{text}, {words.format(r[key])}" for text, r in zip(found, records, strict=True)]
    return found


def shares(records: Sequence[Record]) -> Figure:
    """Shares of peak as bars, with lowest and highest round; records of one suite, a colour for each kind."""
    names, kinds = labels(records), list(dict.fromkeys(record["kind"] for record in records))
    figure, (axes,) = new_figure(1.0 + ROW * len(records))
    places = range(len(records))
    middle = [record["share"] for record in records]
    low = [max(0.0, record["share"] - min(record["shares"])) for record in records]
    high = [max(0.0, max(record["shares"]) - record["share"]) for record in records]
    paint = [colour(kinds.index(record["kind"])) for record in records]
    axes.barh(places, middle, 0.7, color=paint, xerr=(low, high), ecolor="0.3", error_kw={"elinewidth": 0.8})
    for place, share, above in zip(places, middle, high, strict=True):
        axes.annotate(f"{share:.0%}" if share >= 0.1 else f"{share:.1%}", (share + above, place), (4, 0),
                      textcoords="offset points", va="center", fontsize=8)  # fmt: skip
    axes.set_yticks(places, names)
    axes.set_ylim(len(records) - 0.4, -0.6)
    axes.axvline(1, color="0.5", linewidth=0.8, linestyle=":")
    axes.set_xlim(0, 1.12 * max(1.0, *(record["share"] + above for record, above in zip(records, high, strict=True))))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("share of the machine's peak; thin line: lowest to highest round")
    return figure


def ratios(records: Sequence[Record]) -> Figure:
    """How many times as long other contenders take, on a logarithmic axis, with lowest and highest round."""
    names = labels(records)
    rows, others = list(dict.fromkeys(names)), list(dict.fromkeys(record["contender"] for record in records))
    step = 0.8 / len(others)
    figure, (axes,) = new_figure(1.4 + len(rows) * max(ROW, 0.14 * len(others)))
    for number, other in enumerate(others):
        mine = [(rows.index(n), r) for n, r in zip(names, records, strict=True) if r["contender"] == other]
        places = [row + (number + 0.5) * step - 0.4 for row, _ in mine]
        axes.hlines(places, [r["ratio_min"] for _, r in mine], [r["ratio_max"] for _, r in mine], colour(number))
        axes.plot([r["ratio"] for _, r in mine], places, "o", color=colour(number), markersize=4, label=other)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.hlines(
        [row + 0.5 for row in range(len(rows) - 1)], 0, 1, "0.9", linewidth=0.6, transform=axes.get_yaxis_transform()
    )
    axes.axvline(1, color="0.5", linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    top, bottom = max(1.0, *(r["ratio_max"] for r in records)), min(1.0, *(r["ratio_min"] for r in records))
    axes.set_xlim(bottom / 1.15, top * 1.15)
    ticks = [value * 10.0**power for power in range(-6, 7) for value in (1, 2, 5)]
    axes.set_xticks([tick for tick in ticks if bottom / 1.15 <= tick <= top * 1.15])
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.set_xlabel("of fastgrad's time (above 1x: slower than fastgrad); line: lowest to highest round")
    figure.legend(loc="outside upper right", ncols=min(6, len(others)), frameon=False, fontsize=8)
    return figure


def history(files: Sequence[Results], suite: str) -> Figure:
    """fastgrad's shares of peak over several files, in their order: axes for each kind, a line for each case."""
    own = [{k: r for k, r in file.own().items() if r["suite"] == suite} for file in files]
    found = list({name: record for file in own for name, record in file.items()}.items())
    shown = dict(zip((name for name, _ in found), labels([record for _, record in found]), strict=True))
    kinds = list(dict.fromkeys(record["kind"] for _, record in found))
    lines = {kind: [name for name, record in found if record["kind"] == kind] for kind in kinds}
    tops = {kind: max(r["share"] for file in own for r in file.values() if r["kind"] == kind) for kind in kinds}
    heights = [max(1.6, 0.6 + 0.19 * len(names)) for names in lines.values()]
    ticks = [short(file.path.stem) for file in files]
    figure, grid = new_figure(0.5 + sum(heights), heights)
    for axes, (kind, names) in zip(grid, lines.items(), strict=True):
        for number, name in enumerate(names):
            have = [(place, file[name]["share"]) for place, file in enumerate(own) if name in file]
            axes.plot(*zip(*have, strict=True), "o-", color=colour(number), markersize=3, linewidth=1,
                      label=shown[name].removeprefix(f"{kind} "))  # fmt: skip
        axes.set_title(kind)
        axes.set_xlim(-0.3, len(files) - 0.7)
        axes.set_ylim(0, 1.1 * tops[kind])
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
        axes.set_xticks(range(len(files)), ticks if axes is grid[-1] else [])
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    if sum(map(len, ticks)) > 50:  # side by side they would meet
        grid[-1].tick_params(axis="x", rotation=30)
        for tick in grid[-1].get_xticklabels():
            tick.set_horizontalalignment("right")
    return figure


def short(text: str, most: int = 24) -> str:
    """A name that fits under an axis: its end, where files of a series differ."""
    return text if len(text) <= most else "..." + text[-(most - 3) :]


def picture(figure: Figure, words: str) -> str:
    """The figure as an <img> that needs no other file; `words` for who cannot see it."""
    text = io.BytesIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    code = base64.b64encode(text.getvalue()).decode()
    return f'<img alt="{html.escape(words)}" src="data:image/svg+xml;base64,{code}">'


def middle_of(record: Record, key: str) -> float | None:
    """The median of an entry over the rounds; None where they do not have it."""
    found = [run[key] for run in record.get("runs", []) if key in run]
    return statistics.median(found) if found else None
