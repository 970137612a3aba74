"""What is removed from the folder of compiled derivatives, and what is left.

Left out: that access times are kept: os.utime sets them on every file system that Python knows.
"""

from __future__ import annotations

import json
import os
import time

import pytest

from fastgrad import cli
from fastgrad.differentiate import caching, pruning

HOUR, DAY = 3600.0, pruning.DAY
TEXT = "def double(x):\n    return 2.0 * x\n"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder for this test alone, which nobody has looked through yet."""
    monkeypatch.setenv("FASTGRAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(pruning, "TURN", pruning.Turn())
    return tmp_path / "cache" / caching.PLACE


def keep(place, name, ago, size=1000):
    """A function that was last used so many seconds ago, of about `size` bytes in three files."""
    (place / "__pycache__").mkdir(parents=True, exist_ok=True)
    files = [place / f"{name}.py", *(place / "__pycache__" / f"{name}.{name}-3.{end}" for end in ("nbi", "1.nbc"))]
    for path in files:
        path.write_bytes(b"#" * (size // 3))
        os.utime(path, (time.time() - ago, 1e9))
    return files


def names(place):
    return sorted(path.stem for path in place.glob("*.py"))


def test_the_least_recently_used_goes_first(place):
    for name, ago in [("b", 3 * DAY), ("a", 9 * DAY), ("c", HOUR)]:
        keep(place, name, ago)
    assert pruning.prune(place, size=2500) == 1 and names(place) == ["b", "c"]
    assert pruning.prune(place, size=1500) == 1 and names(place) == ["c"]
    assert pruning.prune(place, size=1500) == 0
    assert all(path.name.startswith("c.") for path in place.rglob("*.nb?")), "machine code goes with its source"


def test_what_was_not_used_for_long_goes_though_there_is_room(place):
    keep(place, "old", 2 * pruning.AGE)
    keep(place, "new", DAY)
    orphan = place / "__pycache__" / "gone.gone-3.1.nbc"
    orphan.write_bytes(b"#")
    os.utime(orphan, (1e9, 1e9))
    assert pruning.prune(place) == 2 and names(place) == ["new"] and not orphan.exists()


def test_reading_is_use_and_leaves_the_time_of_writing(place):
    path = caching.store("a", TEXT)
    written = path.stat().st_mtime_ns
    os.utime(path, ns=(0, written))
    assert caching.load("a") == TEXT
    assert abs(path.stat().st_atime - time.time()) < HOUR and path.stat().st_mtime_ns == written
    assert pruning.contents(place)["a"].used == path.stat().st_atime


def test_storing_looks_once_a_day_or_after_many(place, monkeypatch):
    looks = []
    monkeypatch.setattr(pruning, "prune", looks.append)
    monkeypatch.setattr(pruning, "STORES", 5)
    for k in range(4):
        caching.store(f"a{k}", TEXT)
    assert looks == [place], "the first of the day"
    os.utime(place / pruning.MARK, (1e9, 1e9))
    caching.store("b", TEXT)
    assert len(looks) == 2, "the next day"
    for k in range(5):
        caching.store(f"c{k}", TEXT)
    assert len(looks) == 3, "after many"


def test_what_was_just_stored_stays(place):
    for k in range(3):
        keep(place, f"old{k}", 2 * pruning.AGE)
    caching.store("a", TEXT)
    assert names(place) == ["a"] and caching.load("a") == TEXT


def test_what_was_pruned_by_others_is_compiled_anew(place, monkeypatch):
    from numba import float64

    from fastgrad.differentiate import compiling

    monkeypatch.setattr(compiling, "KNOWN", {})
    kept = compiling.kept

    def pruned_meanwhile(name, text):
        path = kept(name, text)
        if path.exists() and not gone:
            gone.append(pruning.prune(place, size=0))
        return path

    gone = []
    monkeypatch.setattr(compiling, "kept", pruned_meanwhile)
    assert compiling.compiled(TEXT, "double", [float64])(4.0) == 8.0 and gone == [1]
    assert names(place), "and kept"


def test_info_tells_and_clears(place, capsys):
    assert cli.main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cache"] == {"folder": str(place), "functions": 0, "bytes": 0}
    assert not place.exists(), "a look makes nothing"
    sizes = [path.stat().st_size for name in "ab" for path in keep(place, name, HOUR)]
    assert cli.main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cache"] == {"folder": str(place), "functions": 2, "bytes": sum(sizes)}
    assert cli.main(["info"]) == 0 and str(place) in capsys.readouterr().out.replace("\n", "")
    assert cli.main(["info", "--clear-cache"]) == 0 and not names(place) and not list(place.rglob("*.nb?"))
