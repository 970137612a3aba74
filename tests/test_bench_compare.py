"""Comparing two result files: a real slowdown is found, chance is not, and what cannot be compared is refused.

The statistics are tested on generated rounds from seeded generators; the one test that measures looks at no speed.
"""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from fastgrad.bench import compare as module
from fastgrad.bench import results, runs, suites
from fastgrad.bench.compare import compare
from fastgrad.bench.workloads import Case, Task

ROUNDS = 7
SIGMA, RARE = 0.03, 0.05  # noise of a round; how often a neighbour takes a fifth to a third on top


def record(shares, number=0, /, **other):
    share = float(np.median(shares))
    times = {"seconds": 1e-5 / share, "ratio": 1.0, "ratio_min": 1.0, "ratio_max": 1.0}
    return {
        "suite": "train", "kind": "train", "piece": "", "sizes": [16 + number, 8, 2], "batch": 32, "dtype": "float32",
        "threads": 1, "quick": False, "contender": "fastgrad", "share": share, "shares": [float(s) for s in shares],
    } | times | other  # fmt: skip


def write(path, records, machine=None, versions=None):
    info = {"version": "0.1.0", "isa": "v4", "vector_bytes": 64, "numpy": "2.0.0"} | (versions or {})
    found = {"fastgrad": info, "python": "3.12.1", "machine": "x86_64", "cpu": "EPYC", "processors": 2} | (
        machine or {}
    )
    path.write_text(json.dumps(found | {"records": records}))
    return path


def rounds(rng, base, count=ROUNDS, rare=RARE):
    """Shares (records, rounds): base times noise, and now and then a round in which somebody else had the processor."""
    noise = np.exp(SIGMA * rng.normal(size=(len(base), count)))
    slow = 1 + (rng.random(noise.shape) < rare) * rng.uniform(0.2, 0.3, noise.shape)
    return base[:, None] * noise / slow


@pytest.fixture
def pair(tmp_path):
    """pair(old, new) -> the comparison of two arrays of shares (records, rounds)."""

    def compared(old, new, **options):
        files = [
            write(tmp_path / name, [record(row, k) for k, row in enumerate(shares)])
            for name, shares in (("old.json", old), ("new.json", new))
        ]
        return compare(*files, **options)

    return compared


# ---- the statistics


@pytest.mark.parametrize(
    ("count", "repetitions", "number", "rare"),
    [(1, 1000, ROUNDS, RARE), (5, 1000, ROUNDS, RARE), (60, 300, ROUNDS, RARE), (14, 400, 11, 2 * RARE)],
)
def test_a_fifth_more_time_is_caught_and_the_same_code_passes(pair, count, repetitions, number, rare):
    rng = np.random.default_rng(count)
    caught = passed = 0
    for _ in range(repetitions):
        base = rng.uniform(0.02, 0.9, count)
        old, new, slowed = (rounds(rng, base, number, rare) for _ in range(3))
        slowed[0] /= 1.2
        passed += pair(old, new).passed
        caught += pair(old, slowed).rows[0].verdict == "slower"
    assert passed >= 0.99 * repetitions
    assert caught >= 0.99 * repetitions


def test_a_machine_that_is_slower_as_a_whole_has_no_slower_code(tmp_path):
    def measured(name, slowness):
        series = runs.Series(
            "fastgrad",
            answers=[{"seconds": 1e-6 * s} for s in slowness],
            limits=[{"flops": 1e11 / s} for s in slowness],
        )
        return write(tmp_path / name, runs.records("train", Task("train", (12, 9, 3), 8), [series], 5e4))

    found = compare(measured("a.json", [1.0, 1.02, 0.99]), measured("b.json", [1.6, 2.5, 1.9]))
    assert found.rows[0].old == found.rows[0].new == pytest.approx(0.5)
    assert found.passed


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_fewer_than_half_of_the_rounds_decide_nothing(pair, bad):
    steady = np.full((1, ROUNDS), 0.6) * [1.0, 1.01, 0.99, 1.005, 0.995, 1.01, 0.99]
    disturbed = steady.copy()
    disturbed[0, :bad] /= 5
    assert pair(steady, disturbed).passed
    assert not pair(steady, steady / 1.2).passed
    assert pair(steady / 1.2, steady).rows[0].verdict == "faster"


def test_a_median_that_fell_while_the_better_rounds_did_not_is_no_failure(pair):
    old, new = np.full((1, ROUNDS), 0.6), np.array([[0.6, 0.61, 0.6, 0.45, 0.45, 0.44, 0.46]])
    found = pair(old, new)
    assert [row.verdict for row in found.rows] == ["disturbed"]
    assert found.passed
    assert not pair(old, new, threshold=0.1).passed  # a threshold looks at the median alone
    assert not pair(old, np.minimum(new, 0.5)).passed


def test_noisier_rounds_and_more_records_allow_more(pair):
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(40, ROUNDS))

    def allowed(scale, count):
        shares = 0.5 * np.exp(scale * noise[:count])
        return np.mean([row.allowed for row in pair(shares, shares).rows])

    assert allowed(0.0, 1) == pytest.approx(-math.expm1(-module.RUN_TO_RUN))
    assert allowed(0.0, 1) < allowed(0.02, 40) < allowed(0.05, 40)
    assert allowed(0.02, 3) < allowed(0.02, 40)


def test_the_spread_is_that_of_a_normal_distribution_without_its_outliers():
    values = np.random.default_rng(6).normal(size=(4000, ROUNDS))
    assert np.mean([module.spread(row) ** 2 for row in values]) == pytest.approx(1, rel=0.3)
    values[:, 0] = 1e6
    assert np.median([module.spread(row) for row in values]) < 2


def test_a_threshold_replaces_what_the_rounds_say(pair):
    old, new = np.full((1, ROUNDS), 0.60), np.full((1, ROUNDS), 0.57)
    assert pair(old, new, threshold=0.051).passed
    assert not pair(old, new, threshold=0.049).passed
    assert not pair(old, new, threshold=0).passed
    assert pair(old, old, threshold=0).passed


@pytest.mark.parametrize("threshold", [-0.1, 1, 5.0, math.nan, math.inf])
def test_a_threshold_that_makes_no_sense_is_refused(pair, threshold):
    with pytest.raises(ValueError, match="threshold: expected a number from 0"):
        pair(np.full((1, 3), 0.5), np.full((1, 3), 0.5), threshold=threshold)


# ---- what comes out


def test_the_table_names_cases_shares_and_verdicts(tmp_path):
    steady = np.full(ROUNDS, 0.60)
    old = write(tmp_path / "old.json", [record(steady, 0), record(steady, 1), record(steady, 2)])
    new = write(
        tmp_path / "new.json", [record(steady / 1.2, 0), record(steady, 1), record(steady, 3)], {"python": "3.13.0"}
    )
    found = compare(old, new)
    assert [row.verdict for row in found.rows] == ["slower", "same", "only in old", "only in new"]
    assert found.rows[0].change == pytest.approx(1 / 1.2 - 1)
    assert [row.name for row in found.slower] == ["train 16-8-2 b32, threads: 1, float32"]
    assert not found.passed
    lines = str(found).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[2:7]] == ["60.0%", "50.0%", "-16.7%", "-4.9%", "slower"]
    assert "- python: 3.12.1 in the old file, 3.13.0 in the new" in lines
    assert lines[-1] == "1 of 2 slower than chance explains"


def test_threads_dtype_suite_and_piece_tell_records_apart(tmp_path):
    steady = np.full(ROUNDS, 0.5)
    changes = [{}, {"threads": 2}, {"dtype": "float64"}, {"suite": "kernels"}, {"piece": "forward", "kind": "product"}]
    records = [record(steady, **change) for change in changes]
    path = write(tmp_path / "a.json", records)
    assert len(compare(path, path).rows) == len(changes)


def test_others_and_records_without_a_share_are_left_out(tmp_path):
    other = record([1.0] * ROUNDS, contender="torch") | {"ratio": 3.0}
    plain = {k: v for k, v in record([1.0] * ROUNDS, 1).items() if k not in ("share", "shares")}
    skipped = {k: v for k, v in plain.items() if k not in results.TIMES} | {"contender": "jax", "skipped": "not there"}
    path = write(tmp_path / "a.json", [record([0.5] * ROUNDS), other, plain, skipped])
    assert [row.name for row in compare(path, path).rows] == ["train 16-8-2 b32, threads: 1, float32"]


def test_what_a_suite_measured_can_be_compared(tmp_path):
    # tiny, but three real rounds; `quick` keeps it short and is then taken out, as a file of a quick run is refused
    options = suites.Options(cases=(Case((12, 9, 3), 8),), threads=(1,), peers=(), quick=True, rounds=3, log=str)
    path = tmp_path / "measured.json"
    document = suites.document([suites.run("train", options)])
    path.write_text(json.dumps(document, default=str))
    with pytest.raises(ValueError, match=r"measured\.json: train 12-9-3 b8.*--quick"):
        compare(path, path)
    for entry in document["records"]:
        entry["quick"] = False
    path.write_text(json.dumps(document, default=str))
    (row,) = compare(path, path).rows
    assert (row.change, row.verdict) == (0, "same")
    assert row.old == pytest.approx(document["records"][0]["share"])


# ---- what is refused


@pytest.mark.parametrize(
    ("machine", "versions", "named"),
    [({"cpu": "Xeon"}, {}, "cpu"), ({"machine": "arm64"}, {}, "machine"), ({}, {"isa": "v3"}, "isa"),
     ({}, {"vector_bytes": 32}, "vector_bytes")],
)  # fmt: skip
def test_another_machine_or_instruction_set_is_refused(tmp_path, machine, versions, named):
    steady = [record([0.5] * ROUNDS)]
    old, new = write(tmp_path / "a.json", steady), write(tmp_path / "b.json", steady, machine, versions)
    with pytest.raises(ValueError, match=f"{named}: expected the same, found"):
        compare(old, new)


def test_an_older_file_that_does_not_name_its_processor_is_taken(tmp_path):
    steady = [record([0.5] * ROUNDS)]
    old = write(tmp_path / "a.json", steady, {"cpu": None})
    assert compare(old, write(tmp_path / "b.json", steady)).passed


def test_files_with_nothing_in_common_are_refused(tmp_path):
    old = write(tmp_path / "a.json", [record([0.5] * ROUNDS)])
    new = write(tmp_path / "b.json", [record([0.5] * ROUNDS, dtype="float64")])
    with pytest.raises(ValueError, match=r"no case in common: .*float32 and .*float64"):
        compare(old, new)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([record([0.5, 0.5])], "at least 3 rounds, found 2"),
        ([record([0.5] * 7, quick=True)], "found one with --quick"),
        ([record([0.5] * 7), record([0.5] * 7)], "each case once"),
        ([record([0.5] * 7, contender="torch")], "records of fastgrad with a share of peak, found none"),
        ([], "a list 'records' that is not empty"),
        ({}, "a list 'records'"),
        (["text"], r"records\[0\]: expected an object"),
        ([record([0.5] * 7, shares=[])], "a list 'shares' that is not empty"),
        ([record([0.5] * 7, shares=None)], "a list 'shares' with one for each round"),
        ([record([0.5] * 7, shares=[0.5, "0.5", 0.5])], "all above 0"),
        ([record([0.5] * 7, share=0)], "all above 0"),
        ([record([0.5] * 7, share=math.nan)], "all above 0"),
        ([record([0.5] * 7, seconds=-1.0)], "a number 'seconds' above 0"),
        ([record([0.5] * 7, suite=None)], "a text 'suite'"),
        ([record([0.5] * 7, threads="1")], "a whole number 'threads'"),
        ([record([0.5] * 7, sizes="12")], "a list of whole numbers 'sizes'"),
    ],
)
@pytest.mark.parametrize("damaged", ["old", "new"])
def test_a_file_that_shows_nothing_is_named(tmp_path, records, reason, damaged):
    good = write(tmp_path / "good.json", [record([0.5] * ROUNDS)])
    bad = write(tmp_path / "bad.json", records)
    with pytest.raises(ValueError, match=rf"bad\.json.*{reason}"):
        compare(*((bad, good) if damaged == "old" else (good, bad)))


@pytest.mark.parametrize("text", [b"", b"not json", b"[1, 2", b"\xff\xfe\x00", b"[]", b"3", b'{"records": []}'])
def test_a_file_that_is_no_result_is_named(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"bad\.json: expected"):
        results.read(path)


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        compare(tmp_path / "nowhere.json", tmp_path / "nowhere.json")
