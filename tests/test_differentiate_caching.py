"""The folder of compiled derivatives: whose it is, what is believed of what lies there, and where nothing can be kept.

Left out: speed; folders of other users, where the tests do not run as root (only root can give a folder away).
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from numba import float64

import fastgrad
from fastgrad.differentiate import caching, compiling

TEXT = 'def double(x):\n    """Twice."""\n    return 2.0 * x\n'
posix = pytest.mark.skipif(os.name != "posix", reason="modes and owners of files are POSIX's")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder for this test alone; warnings are given anew."""
    monkeypatch.setenv("FASTGRAD_CACHE_DIR", str(tmp_path / "cache"))
    caching.warn.cache_clear()
    yield tmp_path / "cache" / caching.PLACE
    caching.warn.cache_clear()


def compile_double():
    """As a process does that has not compiled it yet."""
    compiling.KNOWN.clear()
    double = compiling.compiled(TEXT, "double", [float64])
    return double, next(iter(compiling.KNOWN))


def test_texts_come_back_whole_or_not_at_all(place):
    assert caching.load("a") is None
    path = caching.store("a", TEXT)
    assert path == place / "a.py" and caching.load("a") == TEXT
    path.write_text(path.read_text()[:-5])
    assert caching.load("a") is None, "torn"
    path.write_bytes(b"\xff\xfe")
    assert caching.load("a") is None, "no text"
    caching.store("a", TEXT)
    path.write_text(path.read_text().replace("2.0", "3.0"))
    assert caching.load("a") is None, "edited"


def test_a_text_has_the_same_time_of_writing_whoever_writes_it(place):
    first = caching.store("a", TEXT).stat().st_mtime_ns
    caching.forget("a")
    assert caching.load("a") is None
    assert caching.store("a", TEXT).stat().st_mtime_ns == first


def test_keys_differ_by_every_part(monkeypatch):
    keys = {caching.key(*parts) for parts in [("a",), ("b",), ("a", "b"), ("ab",), ()]}
    assert len(keys) == 5
    before = caching.key("a")
    monkeypatch.setattr(caching, "versions", lambda: "another version")
    assert caching.key("a") != before


@posix
def test_the_folder_is_the_users_alone(place):
    caching.store("a", TEXT)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    place.chmod(0o755)
    assert caching.load("a") == TEXT
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


@posix
def test_a_link_in_place_of_the_folder_is_refused(place, tmp_path):
    place.parent.mkdir()
    (tmp_path / "elsewhere").mkdir()
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.warns(RuntimeWarning, match="not a folder of this user's own"):
        assert caching.store("a", TEXT) is None
    assert list((tmp_path / "elsewhere").iterdir()) == []


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(place):
    place.mkdir(parents=True)
    (place / "a.py").write_text("")
    os.chown(place, 12345, 12345)
    with pytest.warns(RuntimeWarning, match="not a folder of this user's own"):
        assert caching.load("a") is None


def test_where_nothing_can_be_written_one_warning_and_memory(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASTGRAD_CACHE_DIR", str(tmp_path / "file"))
    with pytest.warns(RuntimeWarning, match="compiled derivatives are not kept on disk") as told:
        doubles = [compile_double()[0] for _ in range(2)]
    assert [double(4.0) for double in doubles] == [8.0] * 2 and len(told) == 1


def test_a_full_disk_is_survived(place, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        double, _ = compile_double()
    assert double(4.0) == 8.0


def test_a_second_compilation_reads_the_first(place):
    first, name = compile_double()
    again, _ = compile_double()
    assert sum(first.stats.cache_misses.values()) == 1 and sum(again.stats.cache_hits.values()) == 1
    assert caching.load(name) == TEXT and again(4.0) == 8.0


@pytest.mark.parametrize("ending", ["*.nbi", "*.nbc", "*.py"])
@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"\x80rubbish" + b])
def test_damaged_files_are_compiled_anew(place, ending, damage):
    compile_double()
    found = list(place.rglob(ending))
    assert found
    for path in found:
        path.write_bytes(damage(path.read_bytes()))
    double, name = compile_double()
    assert double(4.0) == 8.0 and caching.load(name) == TEXT
    again, _ = compile_double()
    assert sum(again.stats.cache_hits.values()) == 1, "mended"


def test_tracebacks_quote_the_text(place):
    module = compiling.module_of("broken", "def broken(x):\n    return 1 / x\n", None)
    with pytest.raises(ZeroDivisionError) as caught:
        module.broken(0)
    assert str(caught.traceback[-1].statement).strip() == "return 1 / x"


def beside():
    """The environment of another process that finds this very package."""
    path = os.pathsep.join(filter(None, [str(Path(fastgrad.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def test_many_processes_at_once(place):
    code = (
        "import sys; from numba import float64; from fastgrad.differentiate import compiling\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        f"print(compiling.compiled({TEXT!r}, 'double', (float64,))(4.0))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    workers = [subprocess.Popen([sys.executable, "-P", "-c", code], env=beside(), text=True, **pipes) for _ in range(3)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:  # all have imported what they need, and begin together
        worker.stdin.write("\n")
        worker.stdin.flush()
    assert [float(worker.communicate(timeout=120)[0]) for worker in workers] == [8.0] * 3
    assert [worker.returncode for worker in workers] == [0] * 3
    assert len(list(place.glob("*.py"))) == 1 and not list(place.glob(".*"))


def test_a_new_process_compiles_nothing(place):
    compile_double()
    code = (
        "from numba import float64; from fastgrad.differentiate import compiling\n"
        f"text = {TEXT!r}\n"
        "double = compiling.compiled(text, 'double', [float64])\n"
        "print(double(4.0), sum(double.stats.cache_hits.values()))"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, env=beside(), capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["8.0", "1"], done.stderr
