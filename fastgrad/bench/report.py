"""Result files as one HTML page: machine and versions, a table and pictures for each suite, the history over files.

Promises: the page needs no network, no scripts and no other file; all text from the files is escaped; nothing is written
unless all files are sound and all pictures drawn, and then at once.  Leaves out: pictures (charts.py), verdicts (compare.py).
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import replacing, writable
from . import charts
from .results import Results, read
from .results import case as case_of
from .results import name as name_of
from .runs import duration

Record = Mapping[str, Any]

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #ddd }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: 0.2rem 0.7rem; border-bottom: 1px solid #eee; white-space: nowrap }
th { border-bottom: 1px solid #999; vertical-align: bottom } th:first-child, td:first-child { text-align: left }
td small { color: #666 } img { max-width: 100%; height: auto; display: block; margin: 1rem 0 } .note { color: #555 }
"""
FACTS = ("cpu", "system", "processors", "python")
VERSIONS = ("version", "isa", "threads", "numpy", "openmp")


def write(results: Sequence[str | Path], output: str | Path) -> None:
    """Write one page about one or more files of `fastgrad bench ... --json FILE`, in the order given, to `output`.

    Where several files hold a suite, its table shows the last; its history shows them all.

    Raises ValueError where no file is given or one is not sound, OSError where one cannot be read or the page not written,
    ImportError where matplotlib (the extra `plot`) is missing; an older page at `output` is untouched then.
    """
    if not results:
        raise ValueError("results: expected at least one file, found none")
    writable(output, "output")
    text = page([read(path) for path in results])
    with replacing(output, "output") as new:
        new.write_text(text, encoding="utf-8")


def page(files: Sequence[Results]) -> str:
    """The whole page."""
    charts.new_figure(1.0)  # without matplotlib nothing is begun
    from matplotlib import rc_context

    suites = list(dict.fromkeys(record["suite"] for file in files for record in file.records))
    with rc_context(charts.SETTINGS):
        sections = [section(files, suite) for suite in suites]
    title = "fastgrad benchmarks"
    return "\n".join([
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>',
        f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>',
        "<p>A share is the part of what the machine can do at most (multiply-adds in registers, or bytes of a large copy), "
        "measured in the same rounds. A ratio says how many times as long another library takes. Medians over the rounds, "
        "lowest to highest in brackets.</p>",
        machines(files), *sections, "</body>\n</html>\n",
    ])  # fmt: skip


def machines(files: Sequence[Results]) -> str:
    """Where and with what each file was measured."""
    rows = [
        [
            file.path.name,
            *(file.machine.get(key, "") for key in FACTS),
            *(file.versions.get(key, "") for key in VERSIONS),
        ]
        for file in files
    ]
    head = [
        "file",
        "processor",
        "system",
        "processors",
        "Python",
        "fastgrad",
        "instruction set",
        "threads",
        "NumPy",
        "OpenMP",
    ]
    columns = [[name, *values] for name, *values in zip(head, *rows, strict=True)]
    # a column a file would be too wide for many, a row too wide for one
    return "<h2>Machine and versions</h2>\n" + (table(head, rows) if len(files) > 4 else table(columns[0], columns[1:]))


def section(files: Sequence[Results], suite: str) -> str:
    """Table and pictures of one suite."""
    having = [file for file in files if any(record["suite"] == suite for record in file.records)]
    last = having[-1]
    records = [record for record in last.records if record["suite"] == suite]
    parts = [f"<h2>{escape(suite)}</h2>"]
    if any(record.get("quick") for record in records):
        parts.append('<p class="note">Made with --quick: to see that it runs; no figure here shows a speed.</p>')
    if len(having) > 1:
        parts.append(f'<p class="note">Table and bars: {escape(last.path.name)}.</p>')
    parts.append(suite_table(records))
    parts += [f'<p class="note">{escape(text)}</p>' for text in skipped(records)]
    own = [record for record in records if record["contender"] == "fastgrad" and "share" in record]
    if own:
        parts.append(charts.picture(charts.shares(own), f"Shares of peak, suite {suite}"))
    others = [record for record in records if record["contender"] != "fastgrad" and "ratio" in record]
    if others:
        parts.append(charts.picture(charts.ratios(others), f"Ratios to other libraries, suite {suite}"))
    measured = [file for file in having if any(r["suite"] == suite for r in file.own().values())]
    if len(measured) > 1:
        parts.append(f"<h3>{escape(suite)}: shares of peak over {len(measured)} files</h3>")
        parts.append(charts.picture(charts.history(measured, suite), f"Shares of peak over files, suite {suite}"))
    return "\n".join(parts)


def suite_table(records: Sequence[Record]) -> str:
    """A row for each case: fastgrad's time and share, then the other contenders' ratios."""
    others = list(dict.fromkeys(record["contender"] for record in records if record["contender"] != "fastgrad"))
    found = {(name_of(record), record["contender"]): record for record in records}
    cases = {name_of(record): record for record in records}
    accurate = any(charts.middle_of(record, "accuracy") is not None for record in records)
    head = ["case", "threads", "type", "fastgrad", "of peak", *(["accuracy"] if accurate else []), *others]
    rows = []
    for name, any_one in cases.items():
        own = found.get((name, "fastgrad"), {})
        row = [case_of(any_one), any_one["threads"], any_one["dtype"]]
        row += [duration(own["seconds"]) if "seconds" in own else "", share_of(own)]
        row += [accuracy_of(own)] if accurate else []
        rows.append([*row, *(ratio_of(found.get((name, other), {}), accurate) for other in others)])
    return table(head, rows)


def share_of(record: Record) -> str:
    """A share with lowest and highest round."""
    if "share" not in record:
        return ""
    low, high = min(record["shares"]), max(record["shares"])
    return f"{record['share']:.1%} ({low:.1%}-{high:.1%})"


def accuracy_of(record: Record) -> str:
    """The median accuracy, where there is one."""
    found = charts.middle_of(record, "accuracy")
    return "" if found is None else f"{found:.2%}"


def ratio_of(record: Record, accurate: bool) -> str:
    """A peer's ratio with lowest and highest round, and its accuracy where that was measured."""
    if "ratio" not in record:
        return "-"
    reached = f", {accuracy_of(record)}" if accurate else ""
    return f"{record['ratio']:.2f}x ({record['ratio_min']:.2f}-{record['ratio_max']:.2f}){reached}"


def skipped(records: Iterable[Record]) -> list[str]:
    """Who did not take part, and why, once each."""
    return list(dict.fromkeys(f"{r['contender']} skipped: {r['skipped']}" for r in records if "skipped" in r))


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table of escaped cells.

    >>> table(["a"], [["<b>"]])
    '<div class="wide"><table>\\n<tr><th>a</th></tr>\\n<tr><td>&lt;b&gt;</td></tr>\\n</table></div>'
    """
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return '<div class="wide"><table>\n' + "\n".join(lines) + "\n</table></div>"


def escape(value: object) -> str:
    """Text that HTML takes for text."""
    return html.escape(str(value))
