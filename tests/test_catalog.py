"""The catalog's rows are right (derivatives against finite differences) and the language of formulas refuses the rest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracle import targets_for

import fastgrad as fg
from fastgrad import catalog, formulas


@pytest.mark.parametrize("name", catalog.ACTIVATIONS)
def test_derivatives_of_activations(name):
    row = catalog.ACTIVATIONS[name]
    z = np.linspace(-6, 6, 241) + 0.0123
    z = z[np.all([np.abs(z - kink) > 1e-3 for kink in row.kinks] or [np.ones(len(z), bool)], axis=0)]
    f, h = formulas.numpy_function(row.formula), 1e-5
    numeric = (f(z=z + h)["value"] - f(z=z - h)["value"]) / (2 * h)
    slope = formulas.numpy_function(row.derivative)(z=z, a=f(z=z)["value"])["value"]
    np.testing.assert_allclose(np.broadcast_to(slope, z.shape), numeric, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", catalog.ACTIVATIONS)
def test_kinks_are_where_the_slope_jumps(name):
    row = catalog.ACTIVATIONS[name]
    f, h = formulas.numpy_function(row.formula), 1e-7
    for z in (-3.0, -1.0, 0.0, 1.0, 3.0):
        left = (f(z=z)["value"] - f(z=z - h)["value"]) / h
        right = (f(z=z + h)["value"] - f(z=z)["value"]) / h
        assert (abs(left - right) > 1e-3) == (z in row.kinks), z


@pytest.mark.parametrize("name", [n for n, row in catalog.LOSSES.items() if n != "cross_entropy"])
def test_derivatives_of_losses(name, rng):
    row = catalog.LOSSES[name]
    t = targets_for(name, 300, 1, rng)
    p = rng.normal(size=(300, 1))
    names = {**row.hyper, "t": t}
    value = formulas.numpy_function(row.value)
    h = 1e-6
    numeric = (value(p=p + h, **names)["value"] - value(p=p - h, **names)["value"]) / (2 * h)
    slope = formulas.numpy_function(row.derivative)(p=p, **names)["value"]
    np.testing.assert_allclose(slope, numeric, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    "text",
    ["a and b", "x if y else z", "1 < x < 2", "x < 1", "where(x, 1, 2)", "x.y", "x[0]", "foo(x)", "lambda: x", "'x'",
     "not x", "x % 2", "import os", "x += 1", "__import__('os')"],
)  # fmt: skip
def test_the_language_refuses_what_it_does_not_hold(text):
    with pytest.raises(SyntaxError, match="not in the language"):
        formulas.parse(text)


def test_scalars_leave_the_loop_in_double():
    block = formulas.Block(frozenset({"beta"}), {"g": "v_g"})
    value = formulas.parse("(1 - beta) * g").value
    assert value is not None
    assert block.emit(value) == "(c0 * v_g)"
    assert block.constants == ["(1.0 - s_beta)"]


def test_literals_take_the_kernels_type():
    value = formulas.parse("0.5 * z + 2").value
    assert value is not None
    assert formulas.Block(frozenset(), {"z": "v_z"}).emit(value) == "((R(0.5) * v_z) + R(2))"


def test_powers_do_not_stand_in_blocks():
    value = formulas.parse("z ** 2").value
    assert value is not None
    with pytest.raises(SyntaxError):
        formulas.Block(frozenset(), {}).emit(value)


def test_variants_are_those_that_differ():
    assert len(formulas.variants(catalog.OPTIMIZERS["sgd"])) == 3  # nesterov without momentum is plain
    assert len(formulas.variants(catalog.OPTIMIZERS["rmsprop"])) == 4
    assert fg.SGD(0.1).slots == []
    assert fg.SGD(0.1, momentum=0.9, nesterov=True).slots == ["m"]
    assert fg.RMSprop(centered=True, momentum=0.5).slots == ["v", "c", "m"]
    assert fg.Adam(amsgrad=True).slots == ["m", "v", "x"]


def test_unknown_names_list_what_there_is():
    with pytest.raises(ValueError, match=r"unknown activation 'rleu' \(did you mean 'relu'\?\); known: identity, relu"):
        catalog.lookup(catalog.ACTIVATIONS, "rleu", "activation")
    with pytest.raises(ValueError, match="unknown optimizer 7; known"):
        catalog.lookup(catalog.OPTIMIZERS, 7, "optimizer")


@pytest.mark.parametrize("table", [catalog.ACTIVATIONS, catalog.LOSSES, catalog.OPTIMIZERS])
def test_rows_are_whole(table):
    for name, row in table.items():
        assert re.fullmatch(r"[a-z_]+", name)
        assert row.about
        assert row.source
        if hasattr(row, "public"):
            assert hasattr(fg, row.public)
            assert row.source in getattr(fg, row.public).__doc__


def test_the_readme_holds_the_catalogs_tables():
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, str(root / "tools" / "readme.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
