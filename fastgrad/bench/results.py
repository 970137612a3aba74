"""Result files, read: the JSON of `fastgrad bench ... --json FILE`, which `suites.document` makes.

Promises: whatever is wrong with a file is said before anything is made of it, with the file's name.  Leaves out: what is made
of it (compare.py, report.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What every record has.  A contender that was skipped has a reason, any other has times.
TEXTS = ("suite", "kind", "dtype", "contender")
COUNTS = ("batch", "threads")
TIMES = ("seconds", "ratio", "ratio_min", "ratio_max")


@dataclass(frozen=True)
class Results:
    """One file: `machine`, everything but the records; `records`, as `runs.records` made them."""

    path: Path
    machine: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]

    @property
    def versions(self) -> Mapping[str, Any]:
        """What `dispatch.info()` said: version, instruction set, threads, NumPy."""
        found: Mapping[str, Any] = self.machine["fastgrad"]
        return found

    def own(self) -> dict[str, Mapping[str, Any]]:
        """fastgrad's records that have a share of peak, by their `name`.

        Raises ValueError, naming the file, where two have the same name.
        """
        found: dict[str, Mapping[str, Any]] = {}
        for record in self.records:
            if record["contender"] == "fastgrad" and "share" in record:
                if name(record) in found:
                    raise ValueError(f"{self.path}: expected each case once, found {name(record)!r} twice")
                found[name(record)] = record
        return found


def case(record: Mapping[str, Any]) -> str:
    """What was measured, without the suite.

    >>> case({"kind": "product", "piece": "forward", "sizes": [784, 256], "batch": 128})
    'product forward 784-256 b128'
    """
    kind = "" if record["kind"] == "train" else f"{record['kind']} "
    piece = f"{record['piece']} " if record.get("piece") else ""
    rows = "" if piece and record["batch"] == 1 else f" b{record['batch']}"  # a block of values has no rows
    return f"{kind}{piece}{'-'.join(map(str, record['sizes']))}{rows}"


def name(record: Mapping[str, Any]) -> str:
    """Suite, case, threads and float type: what must agree where two records are compared."""
    return f"{record['suite']} {case(record)}, threads: {record['threads']}, {record['dtype']}"


def read(path: str | Path) -> Results:
    """The results in a JSON file.

    Raises OSError where it cannot be read, ValueError, naming the file, where it is not what `suites.document` makes.
    """
    path = Path(path)

    def wrong(expected: str, found: object) -> ValueError:
        return ValueError(f"{path}: expected {expected}, found {shown(found)}")

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # bytes that are no text, or text that is no JSON
        raise ValueError(f"{path}: expected JSON as of fastgrad bench --json, found something else: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("fastgrad"), dict):
        raise wrong("an object with an object 'fastgrad'", found)
    records = found.pop("records", None)
    if not isinstance(records, list) or not records:
        raise wrong("a list 'records' that is not empty", records)
    for number, record in enumerate(records):
        problem = flaw(record)
        if problem:
            raise ValueError(f"{path}: records[{number}]: expected {problem}, found {shown(record)}")
    return Results(path, found, records)


def shown(found: object) -> str:
    """The beginning of a value, for an error."""
    text = repr(found)
    return text if len(text) < 200 else text[:200] + " ..."


def positive(value: object) -> bool:
    """Is it a finite number above 0?"""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def flaw(record: object) -> str:
    """What a record should have and has not; empty where it is sound."""
    if not isinstance(record, dict):
        return "an object"
    for key in TEXTS:
        if not isinstance(record.get(key), str):
            return f"a text {key!r}"
    for key in COUNTS:
        if not isinstance(record.get(key), int):
            return f"a whole number {key!r}"
    sizes = record.get("sizes")
    if not isinstance(sizes, list) or not all(isinstance(n, int) for n in sizes):
        return "a list of whole numbers 'sizes'"
    if "skipped" in record:
        return ""
    for key in TIMES:
        if not positive(record.get(key)):
            return f"a number {key!r} above 0"
    if "share" in record:
        shares = record.get("shares")
        if not positive(record["share"]) or not isinstance(shares, list) or not all(map(positive, shares)):
            return "a number 'share' and a list 'shares' with one for each round, all above 0"
        if not shares:
            return "a list 'shares' that is not empty"
    return ""
