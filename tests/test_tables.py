"""Tables: files as they come, columns as numbers, training that folds its standardisation, predictions by name."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from fastgrad.tables import learning, reading
from fastgrad.tables.encoding import Encoding
from fastgrad.tables.table import Table

PEOPLE = """name, age, job, pay
Ann, 30, cook, 2.5
Bob, 40, clerk, 3.5
Cem, 50, cook, 4.0
"""


def written(folder: Path, text: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(text: str, folder: Path, **how: object) -> Table:
    return reading.read(written(folder, text), **how)  # type: ignore[arg-type]


def idx(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


# ---- reading text


@pytest.mark.parametrize("between", [",", ";", "\t", "|"])
def test_delimiters_are_found_out(between, tmp_path):
    found = table(PEOPLE.replace(", ", between), tmp_path)
    assert found.header
    assert found.names == ("name", "age", "job", "pay")
    assert found.columns[2] == ("cook", "clerk", "cook")
    assert found.lines is not None
    assert found.lines.tolist() == [2, 3, 4]


def test_a_delimiter_that_is_given_holds(tmp_path):
    found = table("a,1:b\nc,2:d\n", tmp_path, delimiter=":")
    assert found.columns == (("a,1", "c,2"), ("b", "d"))


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a,b\n1,x\n", True),
        ("1,x\n2,y\n", False),
        ("a,b\nx,y\n", False),  # nothing but text: nothing tells
        ("a,a\n1,2\n", False),  # names differ
        (",b\n0,1\n", True),  # an index without a name
        (",b\n0,x\n", False),  # an empty cell over numbers is no name
        ("?,b\n1,2\n", False),
        ("2019,a\n1,2\n", False),
    ],
)
def test_headers_are_told_from_rows(text, header, tmp_path):
    assert table(text, tmp_path).header == header
    assert table(text.replace("a,a", "a,c"), tmp_path, header=not header).header != header


def test_a_name_that_is_wanted_makes_a_header(tmp_path):
    assert table("2019,label\n1,x\n", tmp_path, names=["label"]).header
    assert not table("2019,label\n1,x\n", tmp_path, names=["2019"]).header


def test_blank_lines_byte_order_marks_quotes_and_comment_marks_are_understood(tmp_path):
    found = table('\ufeff# "a", "b"\r\n\r\n1, "x, y"\r\n  \r\n2,z\r\n\r\n', tmp_path)
    assert found.names == ("a", "b")
    assert found.columns == (("1", "2"), ("x, y", "z"))


def test_gzipped_text_is_unpacked(tmp_path):
    path = written(tmp_path, gzip.compress(PEOPLE.encode()), "people.csv.gz")
    assert reading.read(path).rows == 3


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "an empty file"), ("\n \n", "an empty file"), ("a,b\n1,2\n3\n", "line 3 has 1 fields, expected 2 as in line 1"),
        ("\na,b\n1,2,3\n", "line 3 has 3 fields, expected 2 as in line 2"), ('a,b\n1,"2\n3,4\n', "line 3: unexpected end"),
        ("a,a\n1,2\n", "'a' more than once"), ("a,b\n", "below the header"), (b"\xff\xfe\x00", "UTF-8"),
    ],
)  # fmt: skip
def test_text_that_is_no_table_is_refused(text, match, tmp_path):
    with pytest.raises(ValueError, match=match) as error:
        reading.read(written(tmp_path, text), header=True if "a,a" in str(text) or text == "a,b\n" else None)
    assert "data.csv" in str(error.value)


@pytest.mark.parametrize(("column", "place"), [("age", 1), ("0", 0), ("-1", 3), ("3", 3)])
def test_columns_are_found_by_name_and_number(column, place, tmp_path):
    assert table(PEOPLE, tmp_path).find(column) == place


@pytest.mark.parametrize("column", ["ages", "4", "-5", "1.0", ""])
def test_an_unknown_column_lists_the_columns(column, tmp_path):
    with pytest.raises(ValueError, match=r"'name', 'age', 'job', 'pay'"):
        table(PEOPLE, tmp_path).find(column)


# ---- reading arrays


def test_arrays_and_their_labels(tmp_path):
    X, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 1])
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "both.npz", X=X, y=y)
    apart = reading.read(tmp_path / "X.npy", labels=tmp_path / "y.npy")
    both = reading.read(tmp_path / "both.npz")
    for found in (apart, both):
        np.testing.assert_array_equal(np.stack(found.columns, axis=1), X)
        np.testing.assert_array_equal(found.labels[0], y)
        assert not found.header
        assert not found.classes
    assert reading.read(tmp_path / "X.npy").labels == ()
    with pytest.raises(ValueError, match=r"labels: .* its own"):
        reading.read(tmp_path / "both.npz", labels=tmp_path / "y.npy")
    np.save(tmp_path / "y.npy", y[:2])
    with pytest.raises(ValueError, match="3 rows, expected as many labels, found 2"):
        reading.read(tmp_path / "X.npy", labels=tmp_path / "y.npy")


def test_images_and_their_labels_gzipped_or_not(tmp_path, rng):
    images, labels = rng.integers(0, 256, (5, 4, 3)).astype(np.uint8), np.arange(5, dtype=np.uint8)
    written(tmp_path, idx(images), "images")
    written(tmp_path, gzip.compress(idx(labels)), "labels.gz")
    found = reading.read(tmp_path / "images", labels=tmp_path / "labels.gz")
    np.testing.assert_array_equal(np.stack(found.columns, axis=1), images.reshape(5, 12))
    assert found.alike
    assert found.classes


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (idx(np.zeros((3, 4), np.uint8))[:-1], "expected 24 bytes"), (b"\0\0\x08\x03\0", "header of 16"),
        (gzip.compress(idx(np.zeros((3, 4), np.uint8)))[:-9], "end-of-stream"), (b"\0\0\x08\x02" + b"\0" * 8, "one row"),
        (b"\x93NUMPY", "data.csv"), (b"PK\x03\x04", "data.csv"),
    ],
)  # fmt: skip
def test_damaged_files_are_named(content, match, tmp_path):
    with pytest.raises(ValueError, match=match) as error:
        reading.read(written(tmp_path, content))
    assert "data.csv" in str(error.value)


def test_idx_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="another header"):
        reading.read_idx(written(tmp_path, gzip.compress(b"\x89PNG")))


def test_arrays_that_hold_no_table_are_refused(tmp_path):
    for content in (np.array([[{}]], dtype=object), np.zeros((0, 2)), np.zeros((2, 2), complex), np.float64(1)):
        np.save(tmp_path / "X.npy", content, allow_pickle=True)
        with pytest.raises(ValueError, match=r"X\.npy"):
            reading.read(tmp_path / "X.npy")
    np.savez(tmp_path / "x.npz", data=np.zeros(3))
    with pytest.raises(ValueError, match=r"expected an array X .* found data"):
        reading.read(tmp_path / "x.npz")


# ---- encoding


def test_columns_become_numbers_and_categories(tmp_path):
    people = table(PEOPLE, tmp_path)
    encoding = learning.learn(people, [people.find("pay")])
    assert [feature.categories for feature in encoding.features] == [("Ann", "Bob", "Cem"), None, ("clerk", "cook")]
    expected = [[1, 0, 0, 30, 0, 1], [0, 1, 0, 40, 1, 0], [0, 0, 1, 50, 0, 1]]
    np.testing.assert_array_equal(encoding.encode(people), expected)
    np.testing.assert_array_equal(encoding.encode_targets(people, [3]), [[2.5], [3.5], [4.0]])
    assert encoding.classes is None


def test_an_encoding_travels_as_json(tmp_path):
    people = table(PEOPLE.replace("40", "?"), tmp_path)
    encoding = learning.learn(people, [2], missing="mean", na=("?",))
    encoding = learning.measure(encoding, people, np.arange(3))
    back = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    assert back == encoding
    assert encoding.to_dict()["task"] == "classification"
    for wrong in ({}, [], None, {**encoding.to_dict(), "features": [{}]}, {**encoding.to_dict(), "more": 1}):
        with pytest.raises(ValueError, match="metadata"):
            Encoding.from_dict(wrong)


GAPS = "a,b,y\n1,x,1\n?,y,2\n6,,3\n2,x,4\n"


def test_an_empty_cell_is_an_error_that_says_where(tmp_path):
    with_gaps = table(GAPS, tmp_path)
    encoding = learning.learn(with_gaps, [2])
    with pytest.raises(ValueError, match=r"data.csv, row 2 \(line 3\), column 'a': found '\?' .* --missing mean"):
        encoding.encode(with_gaps)


def test_missing_mean_fills_numbers_but_not_texts(tmp_path):
    with_gaps = table(GAPS, tmp_path)
    encoding = learning.measure(learning.learn(with_gaps, [2], missing="mean", ignore=[1]), with_gaps, np.arange(4))
    np.testing.assert_array_equal(encoding.encode(with_gaps), [[1], [3], [6], [2]])
    encoding = learning.learn(with_gaps, [2], missing="mean")
    with pytest.raises(ValueError, match=r"row 3 \(line 4\), column 'b': found ''"):
        encoding.encode(with_gaps)


def test_missing_category_makes_one_where_cells_are_empty(tmp_path):
    with_gaps = table(GAPS, tmp_path)
    encoding = learning.measure(learning.learn(with_gaps, [2], missing="category"), with_gaps, np.arange(3))
    assert encoding.features[1].categories == ("x", "y", None)
    expected = [[1, 1, 0, 0], [3.5, 0, 1, 0], [6, 0, 0, 1], [2, 1, 0, 0]]  # 3.5: the mean of the first three rows
    np.testing.assert_array_equal(encoding.encode(with_gaps), expected)


def test_missing_drop_leaves_rows_out(tmp_path):
    with_gaps = table(GAPS, tmp_path)
    kept = learning.complete(with_gaps, [0, 1, 2])
    assert kept.columns[2] == ("1", "4")
    assert kept.lines is not None
    assert kept.lines.tolist() == [2, 5]
    assert "row 4 (line 5), column 'a': found '2'" in kept.at(1, 0)
    encoding = learning.learn(kept, [2], missing="drop")
    with pytest.raises(ValueError, match=r"row 2 \(line 3\), column 'a': found '\?'"):
        encoding.encode(with_gaps)
    with pytest.raises(ValueError, match="leaves none"):
        learning.complete(table("a,b\n1,\n,2\n", tmp_path, header=True), [0, 1])


def test_nan_of_an_array_is_an_empty_cell():
    found = reading.of_array(np.array([[1.0, 2.0], [np.nan, 3.0]]), "X", y=np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="row 2, column 'column 0': found nan"):
        learning.learn(found, [-1]).encode(found)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("b,a\nx,1\ny,oops\n", r"row 2 \(line 3\), column 'a': found 'oops' where a number was expected"),
        ("b,a\nx,1\nz,2\n", r"row 2 \(line 3\), column 'b': found 'z', which was not there .* 'x', 'y'"),
        ("b,c\nx,1\n", "no column 'a'; its columns: 'b', 'c'"),
        ("b,a\nx,inf\n", r"row 1 \(line 2\), column 'a': found 'inf', expected a finite number"),
        ("b,a\nx,1e39\n", r"found '1e39', expected a finite number within float32"),
        ("1,x,2,3\n", "expected 3 columns or, without the target, 2, as in training, found 4"),
    ],
)
def test_a_cell_that_cannot_be_encoded_is_named(text, match, tmp_path):
    encoding = learning.learn(table("a,b,y\n1,x,5\n2,y,6\n", tmp_path), [2])
    with pytest.raises(ValueError, match=match):
        encoding.encode(table(text, tmp_path, names=["a"]), "float32")


def test_an_unknown_category_can_be_none(tmp_path):
    encoding = learning.learn(table("a,b,y\n1,x,5\n2,y,6\n", tmp_path), [2])
    np.testing.assert_array_equal(encoding.encode(table("a,b\n7,z\n", tmp_path), unknown="zero"), [[7, 0, 0]])


def test_columns_are_found_by_position_where_there_is_no_header(tmp_path):
    encoding = learning.learn(table("5,1,x\n6,2,y\n", tmp_path), [0])
    np.testing.assert_array_equal(encoding.encode(table("9,3,y\n", tmp_path)), [[3, 0, 1]])
    np.testing.assert_array_equal(encoding.encode(table("3,y\n", tmp_path)), [[3, 0, 1]])


def test_statistics_are_those_of_the_rows_asked_for():
    X = np.array([[1.0, 5.0, 0.1], [3.0, 5.0, 0.1], [100.0, 6.0, 0.1]])
    found = reading.of_array(X, "X", y=np.arange(3.0))
    encoding = learning.measure(learning.learn(found, [-1]), found, np.array([0, 1]))
    mean, deviation = encoding.moments()
    np.testing.assert_array_equal(mean, [2.0, 5.0, 0.1])
    np.testing.assert_array_equal(deviation, [1.0, 1.0, 1.0])  # columns that never change are divided by 1
    np.testing.assert_array_equal(encoding.encode(found, standard=True)[:, 2], 0)


def test_pixels_share_mean_and_deviation(rng):
    images = rng.integers(0, 256, (20, 2, 2)).astype(np.uint8)
    found = reading.of_array(images, "images", y=np.arange(20.0))
    mean, deviation = learning.measure(learning.learn(found, [-1]), found, np.arange(20)).moments()
    np.testing.assert_allclose(mean, images.mean(), rtol=1e-12)
    np.testing.assert_allclose(deviation, images.std(), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "target", "task", "match"),
    [
        ("a,y\n1,2\n2,2\n", [1], "auto", "target 'y' is 2 in every row"),
        ("a,y\n1,x\n2,x\n", [1], "auto", "at least two classes in 'y', found"),
        ("a,y\n1,x\n2,z\n", [1], "regression", "row 1 .* found 'x' where regression expects a number"),
        ("a,y,z\n1,x,1\n2,z,2\n", [1, 2], "auto", "one target for classification"),
        ("a,y\n1,2\n2,3\n", [0, 1], "auto", "a column to learn from"),
        ("a,y\n1,2\n2,\n3,4\n", [1], "auto", "row 2 .* where a target was expected"),
        ("a,y\n1,2\n2,inf\n", [1], "auto", "row 2 .* expected a finite number"),
        ("a,y\n1,2\n2,inf\n", [1], "classification", "row 2 .* expected a finite number"),
    ],
)
def test_targets_that_cannot_be_learnt_are_refused(text, target, task, match, tmp_path):
    found = table(text, tmp_path)
    with pytest.raises(ValueError, match=match):
        learning.learn(found, target, task=task).encode_targets(found, target)


def test_classes_may_be_numbers_and_texts(tmp_path):
    found = table("a,y\n1,10\n2,9\n3,9.0\n4,0.5\n", tmp_path)
    encoding = learning.learn(found, [1], task="classification")
    assert encoding.classes == ("0.5", "9", "10")
    assert encoding.encode_targets(found, [1]).tolist() == [2, 1, 1, 0]
    with pytest.raises(ValueError, match=r"found '8' where a class was expected: '0\.5'"):
        encoding.encode_targets(table("a,y\n1,8\n", tmp_path), [1])


@pytest.mark.parametrize("text", ["a;y\n1,5;1\n2,5;2\n", 'a,y\n"1,234.5",1\n7,2\n', "y;a\n1;1.234,5\n2;3\n"])
def test_numbers_in_another_notation_are_no_categories(text, tmp_path):
    found = table(text, tmp_path, header=True)
    with pytest.raises(ValueError, match=r"column 'a': found '1.*,.*5?', expected numbers in the notation 1234\.5"):
        learning.learn(found, [found.find("y")])
    with pytest.raises(ValueError, match="expected numbers in the notation"):
        learning.learn(found, [found.find("a")])


def test_identifiers_are_no_categories(tmp_path):
    rows = "".join(f"{k},id{k}\n" for k in range(learning.MAX_CATEGORIES + 1))
    with pytest.raises(ValueError, match=r"1001 different values; .* --ignore"):
        learning.learn(table(rows, tmp_path), [0])


def test_numbers_too_large_to_be_squared_are_refused():
    found = reading.of_array(np.array([[1e200], [2e200]]), "X", y=np.arange(2.0))
    with pytest.raises(ValueError, match="column 'column 0': expected numbers that can be squared"):
        learning.measure(learning.learn(found, [-1]), found, np.arange(2))
