"""The page about result files: whole, self-contained, escaped, and written all at once or not at all."""

from __future__ import annotations

import base64
import html.parser
import json
import re
import sys
from xml.etree import ElementTree

import pytest

from fastgrad.bench import charts, report, results

pytest.importorskip("matplotlib")


def record(contender="fastgrad", **other):
    found = {
        "suite": "peers", "kind": "train", "piece": "", "sizes": [64, 128, 10], "batch": 32, "dtype": "float32",
        "threads": 1, "quick": False, "contender": contender, "seconds": 8e-6, "ratio": 1.0, "ratio_min": 1.0,
        "ratio_max": 1.0, "runs": [{"seconds": 8e-6}] * 3,
    } | ({"share": 0.6, "shares": [0.58, 0.6, 0.61]} if contender == "fastgrad" else {})  # fmt: skip
    if "skipped" in other:
        found = {key: value for key, value in found.items() if key not in (*results.TIMES, "runs")}
    return found | other


PEERS = [
    record(), record("jax", ratio=3.8, ratio_min=3.5, ratio_max=4.1), record("torch", ratio=19.0, ratio_min=18, ratio_max=21),
    record(threads=2), record("jax", threads=2, ratio=0.9, ratio_min=0.8, ratio_max=1.1),
    record("torch.compile", skipped="RuntimeError: no compiler"),
]  # fmt: skip
PIECE = record(suite="kernels", kind="activation", piece="gelu", sizes=[2048], batch=1)


def write(path, records, **machine):
    found = {"fastgrad": {"version": "0.1.0", "isa": "v4"}, "cpu": "AMD EPYC", "python": "3.12.1"} | machine
    path.write_text(json.dumps(found | {"records": records}))
    return path


class Page(html.parser.HTMLParser):
    """Tags in order, text, attributes; every tag that is opened must be closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words, self.attributes = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def pictures(self):
        """The SVG of every image, parsed; alone data URIs are allowed."""
        sources = [value for name, value in self.attributes if name == "src"]
        codes = [source.removeprefix("data:image/svg+xml;base64,") for source in sources]
        return [ElementTree.fromstring(base64.b64decode(code, validate=True)) for code in codes]


@pytest.fixture
def shown(tmp_path):
    """shown(file, ...) -> the parsed page about the files."""

    def made(*files):
        report.write(files, tmp_path / "page.html")
        return Page((tmp_path / "page.html").read_text(encoding="utf-8"))

    return made


def test_the_page_holds_machine_shares_ratios_and_reasons(tmp_path, shown):
    page = shown(write(tmp_path / "a.json", [*PEERS, PIECE]))
    for text in ("AMD EPYC", "0.1.0", "v4", "64-128-10 b32", "60.0% (58.0%-61.0%)", "3.80x (3.50-4.10)", "8.00 us",
                 "torch.compile skipped: RuntimeError: no compiler", "peers", "kernels", "activation gelu 2048"):  # fmt: skip
        assert text in page.words, text
    assert len(page.pictures) == 3  # shares and ratios of one suite, shares of the other
    assert page.words.count("-") == 3  # torch.compile twice, torch with two threads


def test_nothing_is_fetched_and_nothing_runs(tmp_path, shown):
    page = shown(write(tmp_path / "a.json", PEERS), write(tmp_path / "b.json", PEERS))
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert {name for name, _ in page.attributes} <= {"lang", "charset", "name", "content", "class", "alt", "src"}
    text = (tmp_path / "page.html").read_text()
    assert re.findall(r"https?:|url\(|@import", re.sub(r'src="data:[^"]*"', "", text)) == []


def test_text_from_the_files_stays_text(tmp_path, shown):
    evil = "<script>alert('1')</script> & \"$x^2$\""
    records = [record(), record(evil, ratio=2.0, ratio_min=1.9, ratio_max=2.1), record("jax", skipped=evil)]
    records += [record(suite=evil)]
    page = shown(write(tmp_path / "a.json", records, cpu=evil, python=evil))
    assert "script" not in page.tags
    assert page.words.count(evil) == 4  # processor, Python, a contender, a suite
    assert f"jax skipped: {evil}" in page.words
    assert f"Shares of peak, suite {evil}" in [value for name, value in page.attributes if name == "alt"]


def test_several_files_give_a_history_and_the_last_gives_the_table(tmp_path, shown):
    files = [
        write(tmp_path / f"run{k}.json", [record(share=0.5 + k / 100, shares=[0.5 + k / 100] * 3)]) for k in range(6)
    ]
    page = shown(*files)
    assert "peers: shares of peak over 6 files" in page.words
    assert "Table and bars: run5.json." in page.words
    assert "55.0% (55.0%-55.0%)" in page.words
    assert "50.0% (50.0%-50.0%)" not in page.words
    assert len(page.pictures) == 2
    assert {"run0.json", "run5.json"} <= set(page.words)


def test_a_suite_that_only_an_older_file_has_is_shown_too(tmp_path, shown):
    page = shown(write(tmp_path / "a.json", [PIECE]), write(tmp_path / "b.json", PEERS))
    assert "activation gelu 2048" in page.words
    assert not any("over" in word and "files" in word for word in page.words)


def test_accuracy_is_shown_where_it_was_measured(tmp_path, shown):
    runs = [{"seconds": 1.4, "accuracy": a} for a in (0.983, 0.985, 0.986)]
    whole = {k: v for k, v in record(suite="mnist", kind="mnist", runs=runs).items() if k not in ("share", "shares")}
    other = whole | {"contender": "torch", "ratio": 2.8, "ratio_min": 2.5, "ratio_max": 3.0}
    page = shown(write(tmp_path / "a.json", [whole, other]))
    assert "98.50%" in page.words
    assert "2.80x (2.50-3.00), 98.50%" in page.words


def test_a_quick_run_is_called_one(tmp_path, shown):
    page = shown(write(tmp_path / "a.json", [record(quick=True)]))
    assert any("no figure here shows a speed" in word for word in page.words)


def test_the_same_files_give_the_same_page(tmp_path):
    files = [write(tmp_path / f"{k}.json", PEERS) for k in range(2)]
    for name in ("one.html", "two.html"):
        report.write(files, tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


# ---- pictures


def overlaps(texts):
    """Pairs of texts that lie on one another, once drawn."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    return [(a, b) for k, (a, first) in enumerate(boxes) for b, second in boxes[k + 1 :] if first.overlaps(second)]


def drawn(figure):
    """The figure with a canvas, laid out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    return figure


@pytest.mark.parametrize("count", [1, 3, 60])
def test_no_label_lies_on_another_or_outside(tmp_path, count):
    def numbered(**other):
        return [record(sizes=[784, 256 + k, 10], batch=1000 + k, **other) for k in range(count)]

    own = numbered()
    others = [
        r for name in ("jax", "jax-npshuffle", "torch") for r in numbered(contender=name, ratio=3.0, ratio_max=40.0)
    ]
    files = [results.read(write(tmp_path / f"a-rather-long-name-of-a-file-{k}.json", own)) for k in range(8)]
    for figure in (charts.shares(own), charts.ratios(others), charts.history(files, "peers")):
        for axes in drawn(figure).axes:
            legend = axes.get_legend()
            names = axes.get_yticklabels() + (legend.get_texts() if legend else [])
            assert overlaps(names) == []
            assert all(text.get_window_extent().x0 >= -1 for text in names)
            assert all(text.get_window_extent().x1 <= figure.bbox.x1 + 1 for text in names)
        below = figure.axes[-1].get_xticklabels()
        assert all(text.get_window_extent().y0 >= -1 for text in below)


def test_ratios_lie_on_a_logarithmic_axis_with_every_contender():
    figure = charts.ratios([r for r in PEERS if r["contender"] != "fastgrad" and "ratio" in r and "skipped" not in r])
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    low, high = axes.get_xlim()
    assert low < 0.8 < 21 < high
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["jax", "torch"]
    assert sorted(x for line in axes.lines for x in line.get_xdata() if line.get_marker() == "o") == [0.9, 3.8, 19.0]


def test_bars_are_the_shares():
    figure = charts.shares([record(), record(share=1.5, shares=[1.4, 1.5, 1.7], sizes=[3, 2])])
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [0.6, 1.5]
    assert axes.get_xlim()[1] > 1.7


# ---- what is refused


def test_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="results: expected at least one file, found none"):
        report.write([], tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("records", [[], [record(), "text"], [record(share=-1)], [record(), record()]])
def test_a_file_that_is_not_sound_leaves_the_older_page(tmp_path, records):
    good, bad = write(tmp_path / "good.json", PEERS), write(tmp_path / "bad.json", records)
    page = tmp_path / "page.html"
    page.write_text("older")
    with pytest.raises(ValueError, match=r"bad\.json"):
        report.write([good, bad], page)
    assert page.read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_page_that_cannot_be_written_leaves_no_draft(tmp_path, monkeypatch):
    good = write(tmp_path / "good.json", PEERS)
    for output in (tmp_path, tmp_path / "nowhere" / "page.html"):
        with pytest.raises(OSError, match=r"^output: "):
            report.write([good], output)
    page = tmp_path / "page.html"
    page.write_text("older")

    def full(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="no space left"):
        report.write([good], page)
    assert page.read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.json", "page.html"]


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "fastgrad\[plot\]"'):
        report.write([write(tmp_path / "a.json", PEERS)], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
