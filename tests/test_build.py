"""The build: a row added to the catalog is all that a new builtin takes, and what would harm the process is refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

QUARTIC = """Loss("quartic", "Quartic", "d = (p - t) * (p - t); k * d * d", "d = p - t; 4 * k * d * d * d", "p", "real",
         "x", "x", hyper={"k": 0.25}),
    """
SIGNED = """Optimizer("signed", "Signed", {"lr": 1e-2, "decay": 0.5}, "m = decay * m + g; w = w - rate * sign(m)",
              "x", "x", slots={"m": "0"}, per_step="rate = lr / sqrt(t)"),
    """
SQUARE_PLUS = """Activation("square_plus", "0.5 * (z + sqrt(z * z + 4))", "a / (2 * a - z)", "x", "x"),
    """
ROWS = {
    'Activation("identity"': SQUARE_PLUS,
    'Loss(\n        "mse"': QUARTIC,
    'Optimizer(\n        "sgd"': SIGNED,
}

TRAIN = """
import numpy as np, fastgrad as fg, fastgrad
assert "copied" in fastgrad.__file__, fastgrad.__file__
X = np.random.default_rng(0).normal(size=(400, 3)).astype("float32")
y = np.tanh(X[:, 0] + X[:, 1] * X[:, 2])
for dtype in ("float32", "float64"):
    net = fg.Network([3, 24, 1], activation="square_plus", loss=fg.Quartic(k=0.5), dtype=dtype)
    history = net.fit(X, y, epochs=60, batch_size=20, optimizer=fg.Signed(lr=0.02))
    assert history["loss"][-1] < 0.2 * history["loss"][0], history["loss"]
report = fg.check_gradients(net, X[:9], y[:9])
assert report.passed, str(report)
try:
    fg.Network([1, 1], activation="square_pluss")
except ValueError as error:
    assert "square_plus" in str(error)
print("trained")
"""


def generated() -> str:
    """The header of block functions, from the catalog as it is."""
    from fastgrad.kernels.generate import header

    return header()


def run(command, folder, **env):
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
def test_a_new_row_is_the_only_edit(tmp_path):
    pytest.importorskip("Cython", reason="the build needs Cython")
    home = tmp_path / "copied"
    home.mkdir()
    ignore = shutil.ignore_patterns("*.so", "*.c", "_f*.pyx", "blocks.h", "__pycache__", "*.pyd")
    shutil.copytree(ROOT / "fastgrad", home / "fastgrad", ignore=ignore)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, home)
    catalog = home / "fastgrad" / "catalog.py"
    text = catalog.read_text()
    for before, row in ROWS.items():
        assert text.count(before) == 1
        text = text.replace(before, row + before)
    catalog.write_text(text)
    built = run([sys.executable, "setup.py", "build_ext", "--inplace"], home, FASTGRAD_LEVELS="base")
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    trained = run([sys.executable, "-P", "-c", TRAIN], tmp_path, PYTHONPATH=str(home))
    assert trained.stdout.strip() == "trained", trained.stderr


@pytest.mark.parametrize("name", ["CFLAGS", "LDFLAGS"])
def test_fast_math_stops_the_build_with_a_reason(name):
    pytest.importorskip("Cython", reason="the build needs Cython")
    done = run([sys.executable, "setup.py", "--version"], ROOT, **{name: "-O2 -ffast-math"})
    assert done.returncode != 0
    assert "flush-to-zero for the whole process" in done.stderr


def test_fast_math_stops_the_compiler_too(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on PATH")
    source = tmp_path / "probe.c"
    source.write_text('#include "platform.h"\n')
    flags = ["-DREAL_BITS=32", "-I", str(ROOT / "fastgrad" / "kernels"), "-fsyntax-only", str(source)]
    assert run([compiler, *flags], tmp_path).returncode == 0
    done = run([compiler, "-ffast-math", *flags], tmp_path)
    assert done.returncode != 0
    assert "NaN checks vanish" in done.stderr


def test_a_compiler_without_vectors_gets_one_lane(tmp_path):
    """The fallback for other compilers compiles, in both types."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on PATH")
    (tmp_path / "blocks.h").write_text(generated())
    (tmp_path / "probe.c").write_text(
        '#define FASTGRAD_ONE_LANE\n#include "blocks.h"\n#include "gather.h"\n#include "random.h"\n'
    )
    for bits in (32, 64):
        flags = [f"-DREAL_BITS={bits}", "-I", str(tmp_path), "-I", str(ROOT / "fastgrad" / "kernels"), "-fsyntax-only"]
        done = run([compiler, *flags, str(tmp_path / "probe.c")], tmp_path)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("march", ["x86-64-v2", "x86-64-v3", "x86-64-v4"])
def test_every_block_function_is_vector_code(tmp_path, march):
    """A formula that GCC leaves scalar would be ten times slower and nobody would notice."""
    compiler = shutil.which("gcc")
    if compiler is None or run([compiler, f"-march={march}", "-fsyntax-only", "-xc", "/dev/null"], tmp_path).returncode:
        pytest.skip(f"no gcc that knows {march} on PATH")
    blocks = generated()
    (tmp_path / "blocks.h").write_text(blocks)
    uses = "void *keep[] = {(void *)ACTIVATIONS, (void *)LOSSES, (void *)OPTIMIZERS, (void *)ELEMENTARY};"
    (tmp_path / "probe.c").write_text(f'#include "blocks.h"\n{uses}\n')
    loops, name = {}, ""
    for number, line in enumerate(blocks.splitlines(), 1):
        name = line.split("(")[0].split()[-1] if line.startswith("static void") else name
        if "INDEPENDENT for" in line:
            loops[number] = name
    includes = ["-I", str(tmp_path), "-I", str(ROOT / "fastgrad" / "kernels")]
    for bits in (32, 64):
        # identical functions (sigmoid and its link) would be compiled once: -fno-ipa-icf keeps them apart
        done = run(
            [compiler, f"-march={march}", "-O3", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-fno-ipa-icf",
             "-mprefer-vector-width=512", f"-DREAL_BITS={bits}", *includes,
             "-fopt-info-vec", "-c", "probe.c", "-o", "probe.o"],
            tmp_path,
        )  # fmt: skip
        found = {int(n) for n in re.findall(r"blocks\.h:(\d+):\d+: optimized: loop vectorized", done.stderr)}
        # a copy becomes a call of memcpy, which is vector code too
        assert {loops[n] for n in set(loops) - found} <= {"store_0_step"}, (bits, done.stderr[-500:])
