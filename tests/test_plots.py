"""Pictures hold what the history or the report holds: the drawn data are looked at, not pixels."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from oracle import network

import fastgrad as fg
from fastgrad.checking.reports import Entry

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture(autouse=True)
def no_display():
    """Figures without a window, all closed at the end."""
    from matplotlib import pyplot

    before = matplotlib.get_backend()
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")
    pyplot.switch_backend(before)


@pytest.fixture
def data(rng):
    return rng.normal(size=(37, 4)), rng.integers(0, 3, 37)


def drawn(axes):
    """Label -> (x, y) of the lines of some axes."""
    return {line.get_label(): tuple(np.array(values).tolist() for values in line.get_data()) for line in axes.lines}


def history_of(**columns):
    history = fg.History()
    for values in zip(*columns.values(), strict=True):
        history.add(**dict(zip(columns, values, strict=True)))
    return history


# ---- histories ------------------------------------------------------------------------------------------------------


def test_a_history_draws_its_losses_and_marks_the_lowest(data):
    history = network().fit(*data, epochs=3, validation=0.2)
    axes = history.plot()
    lines = drawn(axes)
    for name in ("loss", "val_loss"):
        assert lines[name] == ([1, 2, 3], history[name])
    [star] = [label for label in lines if label.startswith("lowest: ")]
    at = int(np.argmin(history["val_loss"]))
    assert lines[star] == ([at + 1], [history["val_loss"][at]]) and star.endswith(f"epoch {at + 1}")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["loss", "val_loss", star]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("epoch", "loss", "linear")
    assert len(axes.figure.axes) == 1


def test_columns_on_request_have_a_panel_for_each_kind(data):
    history = network().fit(*data, epochs=40, validation=0.2, metrics="accuracy", schedule=fg.Cosine())
    one = history.plot("lr")
    assert drawn(one) == {"lr": (list(range(1, 41)), history["lr"])} and one.get_ylabel() == "learning rate"
    assert one.get_legend() is None and one.lines[0].get_marker() == "None"
    several = history.plot(["val_accuracy", "loss", "accuracy"])
    assert [list(drawn(axes)) for axes in several] == [["val_accuracy", "accuracy"], ["loss"]]
    assert [axes.get_ylabel() for axes in several] == ["accuracy", "loss"]
    assert [axes.get_xlabel() for axes in several] == ["", "epoch"]


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1.0, 0.5, 0.02], "linear"), ([1.0, 0.1, 0.009], "log"), ([1.0, 0.0], "linear"), ([5.0, -0.001], "linear")],
)
def test_two_decades_of_positive_values_make_a_logarithmic_axis(values, scale):
    assert history_of(loss=values).plot().get_yscale() == scale


def test_short_histories_can_be_seen(data):
    one = history_of(loss=[0.5]).plot()
    assert drawn(one)["loss"] == ([1], [0.5]) and one.lines[0].get_marker() == "o"
    empty = network().fit(*data, epochs=0).plot()
    assert [text.get_text() for text in empty.texts] == ["no epoch yet"]


def test_the_callers_axes_are_drawn_on(data):
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    history = network().fit(*data, epochs=2)
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert history.plot(axes=left) is left and not right.lines
    assert list(history.plot(("loss", "lr"), axes=(left, right))) == [left, right] and list(drawn(right)) == ["lr"]
    with pytest.raises(ValueError, match="axes: found 1, expected 2"):
        history.plot(("loss", "lr"), axes=left)
    report = fg.check_gradients(np.sin, 1.0, gradient=np.cos)
    assert report.plot(right) is right
    with pytest.raises(ValueError, match="axes: found 2, expected 1"):
        report.plot((left, right))
    assert pyplot.get_fignums() == []


def test_unknown_columns_are_refused(data):
    history = network().fit(*data, epochs=2)
    with pytest.raises(KeyError, match="'val_loss' is not in this history; it has loss, "):
        history.plot(["loss", "val_loss"])
    with pytest.raises(ValueError, match="names: found none"):
        history.plot([])


def test_without_matplotlib_the_command_that_mends_it_is_named(monkeypatch):
    report = fg.check_gradients(np.sin, 1.0, gradient=np.cos)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for plot in (history_of(loss=[1.0]).plot, report.plot):
        with pytest.raises(ImportError, match=r'pip install "fastgrad\[plot\]"'):
            plot()


# ---- gradient checks ------------------------------------------------------------------------------------------------


class Planted(fg.Network):
    """One entry of the gradient is 1.5 times what it should be."""

    def gradient(self, X, y, sample_weight=None, **more):
        loss, grads = super().gradient(X, y, sample_weight, **more)
        grads[1][0][2, 1] *= 1.5
        return loss, grads


def marks(axes):
    """Verdict -> places of the entries drawn for it."""
    return {mark.get_label().split(" (")[0]: mark.get_offsets().data for mark in axes.collections}


def test_a_wrong_entry_stands_out_of_its_report(dtype, data):
    net = Planted([4, 6, 3], activation="tanh", loss="cross_entropy", dtype=dtype, seed=1)
    report = fg.check_gradients(net, *data)
    axes = report.plot()
    assert len(report.entries) == net.size and report.worst.place == "layers.1.weight[2, 1]"
    found = marks(axes)
    assert len(found["ok"]) == net.size - 1 and (found["ok"][:, 1] < report.rtol).all()
    [(x, y)] = found["wrong"]
    assert 2 < x < 3 and y == pytest.approx(1 / 3, rel=1e-2)  # the third parameter; 0.5 w of 1.5 w
    lines = drawn(axes)
    assert lines["tolerance 1e-06"][1] == [report.rtol] * 2 and lines["worst"] == ([x], [y])
    assert "wrong" in axes.get_title() and f"worst: {report.worst.place}, given" in axes.get_title()
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {
        f"ok ({net.size - 1})", "wrong (1)", "tolerance 1e-06", "worst",
    }  # fmt: skip


def test_kinks_and_exact_entries_are_drawn():
    report = fg.check_gradients(lambda x: np.abs(x).sum(), np.array([0.0, 1.0, 2.0]), gradient=np.sign)
    axes = report.plot()
    found = marks(axes)
    assert report.verdict == "kink" and len(found["kink"]) == 1 and len(found["ok"]) == 2
    assert "worst" not in drawn(axes) and axes.get_yscale() == "log"
    exact = Entry("x", (), 2.0, 2.0, 0.0)
    axes = fg.GradientReport("ok", 0.0, exact, 1e-6, 1, 1, entries=[(exact, "ok")]).plot()
    assert axes.get_yticklabels()[0].get_text() == "0"
    assert marks(axes)["ok"][0, 1] == axes.get_yticks()[0]


def test_what_was_compared_in_another_way_is_drawn_as_well(data):
    """A gradient wrong in float32 alone, and a report on a gradient that could not be compared."""

    class Rough(fg.Network):
        def gradient(self, X, y, sample_weight=None, **more):
            loss, grads = super().gradient(X, y, sample_weight, **more)
            if self.dtype == np.float32:
                grads[0][0][1, 1] *= 1.5
            return loss, grads

    report = fg.check_gradients(Rough([4, 6, 3], activation="tanh", loss="cross_entropy", seed=1), *data)
    found = marks(report.plot())
    assert report.verdict == "wrong" and len(found["wrong"]) == 1 and len(found["ok"]) == report.size
    far = fg.check_gradients(lambda x: 0.0 if x == 1 else np.nan, 1.0, gradient=lambda x: 0.0)
    assert far.verdict == "noise" and marks(far.plot())["noise"][0, 1] == 1.0  # nothing was measured
    nothing = fg.check_gradients(np.sin, 1.0, gradient=lambda x: np.nan * x).plot()
    assert "no entry was compared" in nothing.texts[0].get_text() and not nothing.collections


def test_networks_with_many_parameters_keep_their_labels_apart(rng):
    net = fg.Network([3, *[2] * 12, 1], activation="tanh", dtype="float64")
    axes = fg.check_gradients(net, rng.normal(size=(5, 3)), rng.normal(size=5)).plot()
    assert len(axes.get_xticks()) == 13 and axes.get_xlim() == (0, 26)
