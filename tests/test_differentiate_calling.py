"""What fg.grad and its relatives take and return: positions, names, number types, captured values, errors, Numba, pickles.

Left out: that the derivatives are right (test_differentiate_forward.py, _reverse.py, _corpus.py).
"""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
from numba import njit

import fastgrad as fg
from fastgrad.differentiate import compiling

SCALE = 2.0
TABLE = np.array([1.0, 2.0, 3.0])


def f(x, y):
    return x**2 + 3 * x * y + y**2


def total(x):
    return np.sum(x**2)


def scaled(x):
    return SCALE * x**2


def tabled(x):
    return np.sum(TABLE * x)


def helper(x):
    return x**2


def helped(x):
    return helper(x)


def powers(x, n=3):
    value = 1.0
    for _ in range(n):
        value = value * x
    return value


def layer(parameters, x):
    w, b = parameters
    return np.sum(w * x) + b


def overwrites(x):
    x[0] = x[1] * x[2]
    return np.sum(x**2)


@pytest.fixture(autouse=True, scope="module")
def place(tmp_path_factory):
    """One folder for what this file compiles, away from the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTGRAD_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


# ---- positions and names ---------------------------------------------------------------------------------------------


def test_argnums_are_those_of_jax():
    assert fg.grad(f)(1.0, 2.0) == 8.0
    assert fg.grad(f, 1)(1.0, 2.0) == fg.grad(f, -1)(1.0, 2.0) == 7.0
    assert fg.grad(f, (0, 1))(1.0, 2.0) == fg.grad(f, [0, -1])(1.0, 2.0) == (8.0, 7.0)
    assert fg.grad(f, (1, 0))(1.0, 2.0) == (7.0, 8.0) and fg.grad(f, (1,))(1.0, 2.0) == (7.0,)
    assert fg.value_and_grad(f, 1)(1.0, 2.0) == (11.0, 7.0)


def test_partial_takes_a_name_or_a_position():
    assert fg.partial(f, "x")(1.0, 2.0) == fg.partial(f, 0)(1.0, 2.0) == 8.0
    assert fg.partial(f, "y")(y=2.0, x=1.0) == 7.0


@pytest.mark.parametrize(
    ("argnums", "error", "message"),
    [
        (2, ValueError, "takes 2 arguments: x, y"),
        (-3, ValueError, "argnums=-3"),
        (1.0, TypeError, "must be an integer or a tuple of integers, got 1.0"),
        ((0, 0), ValueError, "different arguments"),
        ((), ValueError, "at least one"),
        ("z", ValueError, "no argument 'z', expected one of x, y"),
    ],
)
def test_wrong_argnums_are_refused_at_once(argnums, error, message):
    with pytest.raises(error, match=message):
        fg.grad(f, argnums)


def test_what_is_no_function_is_refused_at_once():
    with pytest.raises(TypeError, match="fun must be a function, got float"):
        fg.grad(1.0)
    with pytest.raises(fg.DifferentiationError, match="any number of arguments"):
        fg.grad(lambda *x: x[0])
    with pytest.raises(TypeError, match="one name or position"):
        fg.partial(f, ("x", "y"))


def test_defaults_and_keywords():
    assert fg.grad(powers)(2.0) == 12.0
    assert fg.grad(powers)(2.0, 2) == fg.grad(powers)(2.0, n=2) == fg.grad(powers)(n=2, x=2.0) == 4.0
    with pytest.raises(TypeError, match="misses x, expected x, n"):
        fg.grad(powers)()


# ---- number types ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "kind"),
    [(3.0, float), (3, float), (np.float64(3), np.float64), (np.float32(3), np.float32), (np.array(3.0), np.float64)],
)
def test_numbers(x, kind):
    value, gradient = fg.value_and_grad(helper)(x)
    assert gradient == 6.0 and type(gradient) is kind
    assert value == 9.0 and np.asarray(value).dtype == np.asarray(gradient).dtype


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "view",
    [lambda x: x, lambda x: np.repeat(x, 2)[::2], lambda x: x[::-1], lambda x: x.astype(x.dtype.newbyteorder())],
)
def test_arrays_keep_their_dtype_however_they_lie_in_memory(dtype, view):
    x = view(np.arange(4.0).astype(dtype))
    gradient = fg.grad(total)(x)
    assert gradient.dtype == np.dtype(dtype) and gradient.tolist() == (2 * x).tolist()


def test_read_only_arrays_and_memory_maps(tmp_path):
    x = np.arange(3.0)
    x.flags.writeable = False
    assert fg.grad(total)(x).tolist() == [0.0, 2.0, 4.0]
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=3)
    mapped[:] = x
    assert fg.grad(total)(mapped).tolist() == [0.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.arange(3), "x is ndarray of int64, expected floating-point numbers"),
        (np.int64(3), "x is .* of type int64, expected a float"),
        (True, "x is True of type bool, expected a float"),
        (np.ones(3, np.complex128), "complex128"),
        (np.ones(3, np.float16), "float16"),
        (np.array(["a"]), "x is ndarray of <U1"),
        ("a", "x is str, expected a float or a NumPy array"),
        (None, "x is NoneType"),
        (np.ma.masked_array([1.0]), "x is MaskedArray"),
    ],
)
def test_what_cannot_be_differentiated_is_a_type_error(x, message):
    with pytest.raises(TypeError, match=message):
        fg.grad(total)(x)


def test_tuples_and_lists_come_back_as_they_went_in():
    w, x = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    tuples = fg.grad(layer)((w, 1.0), x)
    lists = fg.grad(layer)([w, np.float32(1.0)], x)
    assert type(tuples) is tuple and tuples[0].tolist() == [3.0, 4.0] and tuples[1] == 1.0
    assert type(lists) is list and lists[0].tolist() == [3.0, 4.0] and type(lists[1]) is np.float32
    with pytest.raises(TypeError, match=r"parameters\[1\] is"):
        fg.grad(layer)((w, "b"), x)


def test_functions_work_on_a_copy_of_what_they_write_into():
    x = np.array([1.0, 2.0, 3.0])
    assert fg.grad(overwrites)(x).tolist() == [0.0, 2 * 6 * 3 + 4, 2 * 6 * 2 + 6]
    assert x.tolist() == [1.0, 2.0, 3.0]


# ---- what is captured ------------------------------------------------------------------------------------------------


def test_captured_values_are_read_at_every_call(monkeypatch):
    derivative = fg.grad(scaled)
    assert derivative(3.0) == 12.0
    monkeypatch.setitem(globals(), "SCALE", 5.0)
    assert derivative(3.0) == 30.0
    monkeypatch.setitem(globals(), "SCALE", np.float32(1.0))
    assert derivative(3.0) == 6.0, "of another type as well"
    table = fg.grad(tabled)
    assert table(np.ones(3)).tolist() == [1.0, 2.0, 3.0]
    TABLE[0] = 7.0
    assert table(np.ones(3)).tolist() == [7.0, 2.0, 3.0]
    TABLE[0] = 1.0


def test_closures_are_read_at_every_call():
    slope = 2.0

    def line(x):
        return slope * x

    derivative = fg.grad(line)
    assert derivative(1.0) == 2.0
    slope = 3.0
    assert derivative(1.0) == 3.0


def test_a_helper_that_is_replaced_is_seen(monkeypatch):
    derivative = fg.grad(helped)
    assert derivative(3.0) == 6.0
    monkeypatch.setitem(globals(), "helper", powers)
    assert derivative(3.0) == 27.0
    monkeypatch.undo()
    assert derivative(3.0) == 6.0


# ---- the object ------------------------------------------------------------------------------------------------------


def test_source_and_description():
    derivative = fg.grad(f, (0, 1))
    assert "def grad_f(x, y):" in derivative.source and "# line" in derivative.source
    assert repr(derivative) == "fastgrad.grad(f, argnums=(0, 1))"
    space = {}
    exec(derivative.source, space)
    assert space["grad_f"](1.0, 2.0) == (8.0, 7.0)
    assert "np.sum" not in derivative.source and "def grad_total(x):" in fg.grad(total).source


def test_pickles_by_the_functions_name():
    derivative = pickle.loads(pickle.dumps(fg.grad(f, (0, 1))))
    assert derivative(1.0, 2.0) == (8.0, 7.0)


def test_jitted_is_called_in_the_users_own_compiled_code():
    slope, slopes, sloped = fg.grad(f).jitted, fg.grad(total).jitted, fg.grad(scaled).jitted

    @njit
    def descend(x, steps):
        for _ in range(steps):
            x = x - 0.1 * slopes(x)
        return x, slope(x[0], 2), sloped(1.0)

    x, first, second = descend(np.ones(3), 2)
    np.testing.assert_allclose(x, np.full(3, 0.64))
    assert first == pytest.approx(2 * 0.64 + 6) and second == 4.0
    assert fg.grad(f).jitted(1.0, 2.0) == 8.0


def test_scipy_takes_it():
    from scipy.optimize import minimize, rosen

    def valley(x):
        value = 0.0
        for i in range(len(x) - 1):
            value += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
        return value

    found = minimize(rosen, np.zeros(4), jac=fg.grad(valley), hess=fg.hessian(valley), method="Newton-CG")
    np.testing.assert_allclose(found.x, np.ones(4), atol=1e-3)
    both = minimize(fg.value_and_grad(valley), np.zeros(4), jac=True, method="L-BFGS-B")
    np.testing.assert_allclose(both.x, np.ones(4), atol=1e-3)


def test_threads_compile_once(monkeypatch):
    compiled = []
    real = compiling.compiled
    monkeypatch.setattr(compiling, "compiled", lambda *args: compiled.append(args) or real(*args))
    derivative, answers = fg.grad(lambda x: x**4), []
    threads = [threading.Thread(target=lambda: answers.append(derivative(2.0))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [32.0] * 8 and len(compiled) == 1


def test_many_kinds_of_arguments_are_all_remembered(monkeypatch):
    derivative = fg.grad(layer)
    calls = [((np.ones(n), 1.0), np.ones(n)) for n in (1, 2)]
    calls += [((np.ones(2, a), b(1.0)), np.ones(2, c)) for a in "fd" for b in (float, np.float32) for c in "fd"]
    first = [derivative(*call) for call in calls]
    monkeypatch.setattr(compiling, "compiled", None)
    again = [derivative(*call) for call in calls]
    assert [(w.tolist(), b) for w, b in first] == [(w.tolist(), b) for w, b in again]


# ---- checks ----------------------------------------------------------------------------------------------------------


def test_check_gradients_checks_our_own_by_default():
    assert fg.check_gradients(total, np.ones(3)).passed
    assert fg.check_gradients(lambda x: x**3, 2.0).passed


def test_debug_checks_the_first_gradient():
    @fg.custom_gradient
    def planted(x):
        return x**2, lambda d: 2.01 * x * d

    assert fg.grad(lambda x: planted(x))(3.0) == pytest.approx(6.03)
    with pytest.raises(fg.GradientCheckError):
        fg.grad(lambda x: planted(x), debug=True)(3.0)
    assert fg.grad(layer, (0, 1), debug=True)((np.ones(2), 1.0), np.ones(2))[0][1] == 1.0
    assert fg.value_and_grad(f, debug=True)(1.0, 2.0) == (11.0, 8.0)


def element(x, i):
    return np.sum(x[i] ** 2)


def written(x, i):
    x[i] = 2.0 * x[0]
    return np.sum(x * x)


@pytest.mark.parametrize("f", [element, written])
@pytest.mark.parametrize("index", [3, -4, np.array([0, 3])])
def test_an_index_outside_of_its_array_is_an_error(f, index):
    with pytest.raises(IndexError):
        fg.grad(f)(np.ones(3), index)
    assert fg.grad(f)(np.ones(3), np.array([0, 2]) if np.ndim(index) else -1).shape == (3,)


def test_memory_that_is_written_into_belongs_to_one_argument():
    def f(a, b):
        a[0] = b[1] * 3.0
        return np.sum(a * b)

    x, slope = np.arange(1.0, 4.0), fg.grad(f, (0, 1))
    assert [g.tolist() for g in slope(x, x.copy())] == [[0, 2, 3], [6, 5, 3]]
    for _ in range(2):  # also where it is compiled
        with pytest.raises(ValueError, match="a and b share memory"):
            slope(x, x[::-1])
    with pytest.raises(ValueError, match="share memory"):
        fg.grad(lambda a, pair: f(a, pair[0]))(x, (x, 1.0))
    assert fg.grad(lambda a, b: np.sum(a * b))(x, x).tolist() == x.tolist()


def test_an_array_is_unpacked_whole():
    def f(x):
        a, b = x
        return a * b

    assert fg.grad(f)(np.array([2.0, 3.0])).tolist() == [3, 2]
    with pytest.raises(ValueError, match="expected 2 values"):
        fg.grad(f)(np.ones(3))
