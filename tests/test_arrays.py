"""What users pass is taken as it is, or refused with argument, finding and expectation before anything is computed.
Left out: time, and the casts of the compiled gather, which reads what `as_matrix` hands on.
"""

from __future__ import annotations

import contextlib
import fractions
import re
from unittest import mock

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from strategies import NUMBERS, matrices

from fastgrad import arrays


@pytest.fixture(params=["pandas", "polars"])
def frames(request):
    return pytest.importorskip(request.param, reason=f"{request.param} is not installed")


def refused(error, text):
    return pytest.raises(error, match=re.escape(text))


FORMS = [np.asarray, np.ma.MaskedArray, list, np.ndarray.tolist, lambda X: X.astype("O"), lambda X: X.view(np.matrix)]


@given(matrices(), st.sampled_from(FORMS))
def test_every_element_keeps_its_place_and_value(X, form):
    found = arrays.as_matrix(form(X), columns=X.shape[1])
    assert type(found) is np.ndarray and found.shape == X.shape and (found is X) == (form is np.asarray)
    assert all(found[at] == X[at] for at in np.ndindex(*X.shape))


@given(matrices([name for name in NUMBERS if "f" in name]), st.data())
def test_planted_values_are_found_where_they_are(X, data):
    X = X.copy(order=data.draw(st.sampled_from("CFK")))
    places = st.tuples(st.integers(0, X.shape[0] - 1), st.integers(0, X.shape[1] - 1))
    planted = data.draw(st.lists(places, min_size=1, max_size=4, unique=True))
    for at in planted:
        X[at] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    row, column = min(planted)
    expected = f"X must be finite, found {float(X[row, column])} at row {row}, column {column}"
    expected += f", the first of {len(planted)}" if len(planted) > 1 else ""
    blocks = mock.patch.object(arrays, "BLOCK_BYTES", data.draw(st.sampled_from([1, 8, 24, 1 << 20])))
    with blocks, pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        arrays.as_matrix(X)
    assert arrays.as_matrix(X, check_finite=False) is X


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(300_001, 2), (2, 300_001), (700, 700)])
def test_planted_values_are_found_in_arrays_of_many_blocks(shape, order):
    for row, column in [(0, 0), (1, 1), (shape[0] - 1, shape[1] - 1)]:
        X = np.ones(shape, "f4", order=order)
        assert arrays.as_matrix(X) is X
        X[row, column] = np.inf
        with refused(ValueError, f"found inf at row {row}, column {column}"):
            arrays.as_matrix(X)


def test_unusual_sources_are_taken():
    large = np.full((100, 100), np.finfo("f4").max, "f4")
    assert arrays.as_matrix(large) is large  # though the sum of its values is infinite
    records = np.zeros(5, np.dtype([("label", "u1"), ("x", "f4", (3,))]))
    assert not records["x"].flags.aligned and np.shares_memory(arrays.as_matrix(records["x"]), records)
    assert arrays.as_matrix([[fractions.Fraction(1, 4), 2**80], [True, 3.5]]).tolist() == [[0.25, 2.0**80], [1, 3.5]]


@pytest.mark.parametrize(
    "X, error, text",
    [
        (np.zeros(784), ValueError, "X must be 2-D (N, I), got shape (784,); for a single row use X[None, :]"),
        (np.zeros((5, 28, 28)), ValueError, "X must be 2-D (N, I), got shape (5, 28, 28); use X.reshape(len(X), -1)"),
        (np.zeros((0, 4)), ValueError, "X has no rows, got shape (0, 4)"),
        (np.zeros((4, 0)), ValueError, "X has no columns, got shape (4, 0)"),
        ([[1, 2], [3]], ValueError, "X must be one array of numbers, got a list"),
        ([[10**400, 1]], ValueError, "X must hold numbers within the range of float64"),
        (np.zeros((2, 2), np.longdouble), TypeError, "64 bits, got dtype"),
        (np.zeros((2, 2), np.complex64), TypeError, "got dtype complex64; pass real and imaginary parts"),
        (np.array([["a", "b"]]), TypeError, "got dtype <U1; convert it to numbers first"),
        (np.zeros((2, 2), [("a", "f4")]), TypeError, "got dtype [('a', '<f4')]"),
        ([[1, None], [2, 3]], TypeError, "X must hold numbers, found None (NoneType) at [0, 1]"),
        (np.array([[1, "2"]], object), TypeError, "found '2' (str) at [0, 1]; convert it to numbers first"),
        (None, TypeError, "X must hold numbers, found None (NoneType)"),
        (np.ma.array([[1.0, 2.0]], mask=[[0, 1]]), ValueError, "X must have no masked values, found 1"),
        (scipy.sparse.csr_array(np.eye(3)), TypeError, "X is sparse (csr_array), expected an array; use .toarray()"),
    ],
)
def test_what_is_no_matrix_is_refused(X, error, text):
    with refused(error, text):
        arrays.as_matrix(X)


def test_frames_become_matrices_without_a_copy_where_possible(frames):
    base = np.asfortranarray(np.arange(6.0, dtype="f4").reshape(3, 2))
    X = arrays.as_matrix(frames.DataFrame(base, **({"copy": False} if frames.__name__ == "pandas" else {})))
    assert X.dtype == "f4" and np.shares_memory(X, base) and X.tolist() == base.tolist()
    mixed = frames.DataFrame({"a": [1, 2], "b": [True, False], "c": [0.5, 1.5]})
    X = arrays.as_matrix(mixed)
    assert X.dtype == "f8" and X.tolist() == [[1, 1, 0.5], [2, 0, 1.5]]
    assert arrays.feature_names(mixed) == ("a", "b", "c")
    without = [[[1, 2]], X, frames.DataFrame()]
    without += [frames.DataFrame({"a": [1], 2: [2]})] if frames.__name__ == "pandas" else []
    assert [arrays.feature_names(other) for other in without] == [None] * len(without)


@pytest.mark.parametrize(
    "columns, error, text",
    [
        ({}, ValueError, "X has no"),
        ({"a": np.zeros(0)}, ValueError, "X has no rows, got shape (0, 1)"),
        ({"a": [1.0, 2], "b": [1.0, np.inf]}, ValueError, "X must be finite, found inf at row 1, column 1 ('b')"),
        ({"a": [1.0, 2], "city": ["x", "y"]}, TypeError, "X column 'city' must hold real numbers of at"),
    ],
)
def test_frames_are_refused_by_column(frames, columns, error, text):
    with refused(error, text):
        arrays.as_matrix(frames.DataFrame(columns))


def test_columns_without_numbers_are_named_with_their_dtype(frames):
    dtypes = ["category", "datetime64[ns]", "datetime64[ns, UTC]", "complex128", "object", "string"]
    if frames.__name__ == "polars":
        dtypes = [frames.Categorical, frames.Date, frames.Int128, frames.Null, frames.String]
    for dtype in dtypes:
        column = frames.Series([None] if frames.__name__ == "polars" else [1], dtype=dtype)
        with pytest.raises(TypeError, match=rf"^X column 'b' .* got dtype {re.escape(str(dtype))}"):
            arrays.as_matrix(frames.DataFrame({"a": [1.0], "b": column}))


@pytest.mark.parametrize("dtype", ["Int64", "Int8", "UInt8", "Float32", "boolean", "Sparse[float64]"])
def test_pandas_extension_dtypes_become_those_of_numpy(dtype):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    assert arrays.as_weights(pandas.array([1, 0, 1], dtype=dtype), 3).tolist() == [1, 0, 1]
    X = arrays.as_matrix(pandas.DataFrame({"a": [1, 0, 1], "b": [0, 1, 1]}).astype(dtype))
    assert X.dtype.name == {"Sparse[float64]": "float64", "boolean": "bool"}.get(dtype, dtype.lower())
    assert X.tolist() == [[1, 0], [0, 1], [1, 1]]


def test_missing_values_are_found_where_they_are(frames):
    frame = frames.DataFrame({"a": [1, 2, 3, None], "b": [1, None, 3, 4], "c": [0.5] * 4})
    frame = frame.astype({"a": "Int64", "b": "Int64"}) if frames.__name__ == "pandas" else frame
    with refused(ValueError, "X must have no missing values, found one at row 1, column 1 ('b')"):
        arrays.as_matrix(frame, check_finite=False)
    with refused(ValueError, "y must have no missing values, found one at row 3;"):
        arrays.as_targets(frame["a"], 4, "class", 5, "cross_entropy")


def test_a_series_is_a_row_or_a_column_but_no_matrix(frames):
    column = frames.DataFrame({"a": [1.0, 2.0, 3.0]})["a"]
    with refused(ValueError, "X must be 2-D (N, I), got shape (3,)"):
        arrays.as_matrix(column)
    assert arrays.as_row_or_matrix(column, "X", 3)[0].tolist() == [[1, 2, 3]]
    assert arrays.as_targets(column, 3, "real", 1, "mse").tolist() == [[1], [2], [3]]
    assert arrays.as_weights(column, 3).tolist() == [1, 2, 3]
    for y in (frames.DataFrame({"a": ["cat", "dog"]})["a"], ["cat", "dog"], np.array(["cat", "dog"], object)):
        with refused(TypeError, "classes, y = np.unique(y, return_inverse=True)"):
            arrays.as_targets(y, 2, "class", 2, "cross_entropy")
    if frames.__name__ == "pandas":  # labels of a row must not be taken for attributes of a frame
        row = frames.DataFrame({"columns": [1.0], "b": [True], "iloc": [3]}).iloc[0]
        assert arrays.as_row_or_matrix(row, "X", 3)[0].tolist() == [[1, 1, 3]] and arrays.feature_names(row) is None


def test_memmaps_are_known_and_their_values_left_to_the_batches(tmp_path):
    mapped = np.memmap(tmp_path / "x.bin", dtype="f4", mode="w+", shape=(4, 3))
    mapped[2, 1] = np.nan
    for array in (mapped, mapped.T, mapped[2:], np.asarray(mapped)[1:, ::2], np.lib.stride_tricks.as_strided(mapped)):
        assert arrays.is_memmap(array) and arrays.as_matrix(array) is array
    for array in (mapped.copy(), mapped[[0, 1, 2]], mapped + 1, mapped.astype("f8"), np.array(mapped)):
        assert not arrays.is_memmap(array)
        with refused(ValueError, "X must be finite, found nan at row 2, column 1"):
            arrays.as_matrix(array)
    with refused(ValueError, "X must be finite, found nan at row 102, column 1 ('b')"):
        arrays.require_finite(mapped, "X", ["a", "b", "c"], first_row=100)
    assert np.shares_memory(arrays.as_targets(mapped, 4, "real", 3, "mse"), mapped)
    for kind in ("class", "count", "probability"):
        with refused(ValueError, "y must be finite, found nan at row 2, column 1"):
            arrays.as_targets(mapped, 4, kind, 3, "a loss")


@pytest.mark.parametrize("dtype", NUMBERS)
def test_rows_and_matrices_to_predict_are_not_copied(dtype):
    whole = np.ones((8, 6), dtype)
    for check in (False, True):
        for X in (whole, np.asfortranarray(whole), whole[::2, ::-1], whole[:1]):
            found, single = arrays.as_row_or_matrix(X, "X", 6, check_finite=check)
            assert found is X and single is False
        for x in (whole[0], whole[0, ::-1], np.repeat(whole[0], 2)[::2]):
            found, single = arrays.as_row_or_matrix(x, "X", 6, check_finite=check)
            assert found.shape == (1, 6) and np.shares_memory(found, x) and single is True


@pytest.mark.parametrize("dtype", ["f4", ">f4"])
def test_rows_to_predict_are_checked_for_all_but_nan(dtype):
    texts = {(5,): "must be one row (4,) or rows (N, 4), got", (3, 5): "must have 4 columns", (0, 4): "has no rows"}
    texts |= dict.fromkeys([(), (2, 3, 4)], "must be 2-D (N, I), got shape (")
    for shape, text in texts.items():
        with refused(ValueError, f"X {text}"):
            arrays.as_row_or_matrix(np.zeros(shape, dtype), "X", 4)
    for x in (np.array([1, np.nan], dtype), np.array([[1, np.nan]], dtype)):
        assert np.isnan(arrays.as_row_or_matrix(x, "X", 2)[0]).tolist() == [[False, True]]
        with refused(ValueError, "X must be finite, found nan at row 0, column 1"):
            arrays.as_row_or_matrix(x, "X", 2, check_finite=True)


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("kind", ["real", "count", "probability"])
def test_targets_of_regressions_are_not_copied(kind, dtype):
    for outputs, shape in [(1, (4,)), (1, (4, 1)), (3, (4, 3))]:
        y = np.repeat((np.arange(np.prod(shape)) % 2).astype(dtype).reshape(shape), 2, axis=0)[::-2]
        found = arrays.as_targets(y, 4, kind, outputs, "a loss")
        assert found.shape == (4, outputs) and found.dtype == y.dtype and np.shares_memory(found, y)
        assert found.tolist() == y.reshape(4, outputs).tolist()


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("soft", [False, True])
def test_classes_become_int32(dtype, soft):
    labels = [2, 0, 1, 2] if dtype != "?" else [True, False, False, True]
    one_hot = np.asfortranarray(np.eye(3, dtype=dtype)[np.array(labels, int)])
    outputs = 2 if dtype == "?" else 3
    for y in (np.array(labels, dtype), np.array([labels], dtype).T, one_hot[:, :outputs]):
        found = arrays.as_targets(y, 4, "class", outputs, "cross_entropy", soft=soft)
        assert found.tolist() == labels and found.dtype == np.dtype("=i4") and found.flags.c_contiguous
        assert np.shares_memory(arrays.as_targets(found, 4, "class", 3, "cross_entropy"), found)


@pytest.mark.parametrize("dtype, kept", [("f2", "f4"), ("f4", "f4"), (">f4", "f4"), ("f8", "f8"), (">f8", "f8")])
def test_soft_labels_stay_probabilities(dtype, kept):
    rows = np.array([[0, 1, 0], [0.25, 0.5, 0.25]], dtype)
    y = arrays.as_targets(rows, 2, "class", 3, "cross_entropy", soft=True)
    assert y.tolist() == rows.tolist() and y.dtype == kept and (y is rows) == (dtype == kept)
    for error, fits in ((0.5, True), (2, False)):
        rows[1, 0] = 0.25 + error * (1e-6 if kept == "f8" else 1e-3)
        with contextlib.nullcontext() if fits else refused(ValueError, "each row sum of y must be 1 (one-hot or prob"):
            arrays.as_targets(rows, 2, "class", 3, "cross_entropy", soft=True)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_signs_become_minus_and_plus_one(dtype):
    for low in [0] if "u" in dtype or "?" in dtype else [0, -1]:
        for labels in ([low, 1, low], [1, 1, 1], [low, low, low]):
            for y in (np.array(labels, dtype), np.array([labels], dtype).T):
                found = arrays.as_targets(y, 3, "sign", 1, "hinge")
                assert found.dtype == np.float32 and found.tolist() == [[1 if label == 1 else -1] for label in labels]


@pytest.mark.parametrize(
    "y, kind, outputs, text",
    [
        ([1, 2], "real", 1, "y must have a row for each row of X: X has 3, y has 2"),
        ([1, 2, 3], "real", 2, "y must be (3, 2) for a loss and outputs=2, got shape (3,)"),
        ([[1, 2, 3]], "count", 1, "y must be (3,) or (3, 1) for a loss and outputs=1, got shape (1, 3)"),
        ([[[1]]] * 3, "sign", 1, "got shape (3, 1, 1)"),
        (1.0, "real", 1, "got shape ()"),
        ([[1, 0]] * 3, "class", 3, "y must be class indices (3,) or one-hot (3, 3) for a loss and outputs=3, got"),
        ([1, np.nan, 2], "real", 1, "y must be finite, found nan at row 1"),
        ([0, 2, -3], "count", 1, "y must be >= 0 for a loss, found -3 at row 2"),
        ([[0, 1], [1, 1.5], [-1, 0]], "probability", 2, "within [0, 1] for a loss, found 1.5 at row 1, column 1"),
        ([0, 1, 2], "sign", 1, "y must be all 0/1 or all -1/+1 for a loss, found 2 at row 2"),
        ([1, -1, 0], "sign", 1, "y must be all 0/1 or all -1/+1 for a loss, found -1 at row 1"),
        ([1, 2, 3], "class", 3, "in [0, 3) (labels that start from 1: use y - 1), found 3 at row 2"),
        ([0, 3, 3], "class", 3, "return_inverse=True)), found 3 at row 1, the first of 2"),
        ([1, 2, 7], "class", 3, "in [0, 3) (encode other labels: "),
        ([0, 1, -1], "class", 2, "y must be class indices in [0, 2) (encode other labels: "),
        ([0, 0.5, 1], "class", 2, "found 0.5 at row 1"),
        ([True, False, True], "class", 3, "got dtype bool, which has two classes"),
        ([[1, 0], [1, 1], [0, 1]], "class", 2, "each row sum of y must be 1 (one-hot or probabilities; for several "),
        ([[1, 0], [0, 0], [0, 1]], "class", 2, "found 0.0 at row 1"),
        ([[1, 0], [2, -1], [0, 1]], "class", 2, "y must be one-hot or probabilities, found -1 at row 1, column 1"),
        ([[1, 0], [1, 1e-7], [0, 1]], "class", 2, "y must be class indices or one-hot for a loss, found soft labels"),
    ],
)
def test_targets_that_do_not_fit_are_refused(y, kind, outputs, text):
    with refused(ValueError, text):
        arrays.as_targets(y, 3, kind, outputs, "a loss")


def test_weights_are_float64():
    weights = np.array([0.5, 0, 2])
    assert arrays.as_weights(None, 3) is None and arrays.as_weights(weights, 3) is weights
    for other in (weights.astype(">f4"), weights.astype("f2"), weights.tolist(), np.repeat(weights, 2)[::2]):
        found = arrays.as_weights(other, 3)
        assert found.tolist() == weights.tolist() and found.dtype == "f8" and found.flags.c_contiguous


@given(matrices(), st.sampled_from(["f4", "f8"]))
def test_parameters_are_cast(X, dtype):
    found = arrays.as_parameter(X, X.shape, dtype, "W")
    assert found.dtype == dtype and found.flags.c_contiguous and np.array_equal(found, X)


def test_integers_and_numbers_are_taken():
    for value in (3, np.int8(3), np.uint64(3)):
        assert type(arrays.check_integer(value, "epochs", 3, 3)) is int
    for value in (3, np.uint64(3), np.float16(3), np.float64(3), fractions.Fraction(3)):
        assert type(arrays.check_number(value, "lr", 3, 3)) is float


@pytest.mark.parametrize(
    "check, given, error, text",
    [
        (arrays.as_row_or_matrix, (np.zeros(3), "Xv", 1), ValueError, "for rows of one value use Xv[:, None]"),
        (arrays.as_row_or_matrix, (np.zeros(3, complex), "X", 3), TypeError, "X must hold real numbers"),
        (arrays.as_weights, ([1, 2], 3), ValueError, "sample_weight must have shape (3,), one weight for each row"),
        (arrays.as_weights, ([[1], [2]], 2), ValueError, "got shape (2, 1)"),
        (arrays.as_weights, ([1, -2, -3], 3), ValueError, "sample_weight must be finite and >= 0, found -2 at row 1"),
        (arrays.as_weights, ([1, np.inf], 2), ValueError, "found inf at row 1"),
        (arrays.as_weights, ([0, 0], 2), ValueError, "sample_weight must not be zero everywhere"),
        (arrays.as_parameter, ([[1, 2]], (2, 1), "f4", "W"), ValueError, "W must have shape (2, 1), got (1, 2)"),
        (arrays.as_parameter, ([np.nan], (1,), "f8", "b"), ValueError, "b must be finite in float64, found nan"),
        (arrays.as_parameter, ([1e300], (1,), "f4", "b"), ValueError, "b must be finite in float32, found 1e+300"),
        (arrays.as_parameter, ([1j], (1,), "f4", "b"), TypeError, "b must hold real numbers of at most 64 bits"),
        (arrays.check_integer, (0, "epochs", 1), ValueError, "epochs must be an integer >= 1, got 0"),
        (arrays.check_integer, (5, "epochs", 1, 4), ValueError, "epochs must be an integer in [1, 4], got 5"),
        (arrays.check_integer, (True, "epochs", 1), TypeError, "epochs must be an integer >= 1, got True (bool)"),
        (arrays.check_integer, (1.0, "epochs", 1), TypeError, "got 1.0 (float)"),
        (arrays.check_integer, (np.array([1, 2]), "epochs", 1), TypeError, "(ndarray)"),
        (arrays.check_number, (0, "lr", 0, None, True), ValueError, "lr must be a finite number > 0, got 0"),
        (arrays.check_number, (1, "beta", 0, 1, False, True), ValueError, "a finite number >= 0 and < 1, got 1"),
        (arrays.check_number, (np.nan, "lr"), ValueError, "lr must be a finite number, got nan"),
        (arrays.check_number, (np.inf, "lr", 0), ValueError, "lr must be a finite number >= 0, got inf"),
        (arrays.check_number, ("1", "lr", 0), TypeError, "lr must be a number >= 0, got '1' (str)"),
        (arrays.check_number, (False, "lr", 0), TypeError, "got False (bool)"),
    ],
)
def test_weights_parameters_and_numbers_that_do_not_fit_are_refused(check, given, error, text):
    with refused(error, text):
        check(*given)
