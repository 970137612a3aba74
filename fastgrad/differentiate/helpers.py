"""What generated gradients call and neither NumPy nor Numba has. Plain Python that Numba compiles.

They are ordinary functions: generated source imports them, and runs with them with or without Numba.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def grow(tape: Any, needed: int) -> Any:
    """The tape if it holds `needed` numbers; otherwise a copy of at least twice the size."""
    if needed <= tape.size:
        return tape
    larger = np.empty(max(2 * tape.size, needed), tape.dtype)
    for k in range(tape.size):  # a loop compiles in a tenth of the time that Numba spends on a slice assignment
        larger[k] = tape[k]
    return larger


def checked(index: int, size: int) -> int:
    """The index; IndexError where an array of `size` elements has no such element."""
    if index < -size or index >= size:
        raise IndexError("an index is outside of the array")
    return index


def unbroadcast(d: Any, like: Any) -> Any:
    """The adjoint d of a broadcast array, summed to the shape of what was broadcast (and repeated where it is shorter)."""
    # Two conditions: Numba leaves out a branch on ndim, and cannot compare shapes of different lengths.
    if d.ndim == like.ndim:  # noqa: SIM102
        if d.shape == like.shape:
            return d
    out = np.zeros(like.shape, d.dtype)
    whole = d + np.zeros_like(like)
    flat, source = out.reshape(-1), np.ascontiguousarray(whole).reshape(-1)
    offset = whole.ndim - like.ndim
    for k in range(source.size):
        rest, place, stride = k, 0, 1
        for axis in range(whole.ndim - 1, -1, -1):
            at = rest % whole.shape[axis]
            rest //= whole.shape[axis]
            if axis >= offset:
                n = like.shape[axis - offset]
                if n > 1:
                    place += at * stride
                stride *= n
        flat[place] += source[k]
    return out


def unbroadcast_to(d: Any, shape: Any) -> Any:
    """The same where the shape alone is known, of as many dimensions as d."""
    return d if d.shape == shape else unbroadcast(d, np.empty(shape, d.dtype))


def spread(d: Any, like: Any, axis: int) -> Any:
    """The adjoint d of a sum over one axis, given to every element of `like`."""
    return np.expand_dims(d, axis) + np.zeros_like(like)


def scatter_add(out: Any, index: Any, value: Any) -> Any:
    """out[index] += value, with every repeated index counted; out itself is returned."""
    for k in range(index.size):
        out[index[k]] += value[k]
    return out


def scatter_add_to_columns(out: Any, index: Any, value: Any) -> Any:
    """out[:, index] += value, with every repeated index counted; out itself is returned."""
    for k in range(index.size):
        out[:, index[k]] += value[:, k]
    return out


def scatter_add_where(out: Any, mask: Any, value: Any) -> Any:
    """out[mask] += value; out itself is returned."""
    out[mask] = out[mask] + value
    return out


def take_back(d: Any, index: Any) -> Any:
    """The adjoint of the right side of out[index] = values: d[index], but 0 for all but the last of equal places."""
    out = np.zeros(index.shape + d.shape[1:], d.dtype)
    for k in range(index.size - 1, -1, -1):
        out[k] = d[index[k]]
        d[index[k]] = 0.0
    for k in range(index.size):
        d[index[k]] += out[k]  # as it was
    return out


def diagonal_back(d: Any, like: Any) -> Any:
    """Zeros in the shape of a matrix, with these numbers on its diagonal."""
    out = np.zeros(like.shape, d.dtype)
    for k in range(d.size):
        out[k, k] = d[k]
    return out


def ravel_shares(a: Any) -> bool:
    """Is a.ravel() a view of a, that is: is a one block of memory in row order?"""
    step = a.itemsize
    for k in range(a.ndim - 1, -1, -1):
        if a.shape[k] != 1 and a.strides[k] != step:
            return bool(a.size == 0)
        step *= a.shape[k]
    return True


def reshape_shares(a: Any, *shape: int) -> bool:
    """Is a.reshape(shape) a view of a? Where each new axis, or run of axes, covers old ones that follow each other evenly."""
    known = 1
    for n in shape:
        if n >= 0:
            known *= n
    if a.size == 0:
        return False
    i, j = 0, 0
    while i < a.ndim and j < len(shape):
        old, last = a.shape[i], i
        new = shape[j] if shape[j] >= 0 else a.size // known
        i, j = i + 1, j + 1
        while old != new:
            if new < old:
                new *= shape[j] if shape[j] >= 0 else a.size // known
                j += 1
            else:
                if a.shape[i] != 1:
                    if old != 1 and a.strides[last] != a.shape[i] * a.strides[i]:
                        return False
                    last = i
                old *= a.shape[i]
                i += 1
    return True


def full_like(like: Any, value: Any) -> Any:
    """An array of the shape of `like`, filled with a number."""
    out = np.empty_like(like)
    out[...] = value
    return out


def power_slope(a: Any, b: Any) -> Any:
    """d/da a**b = b a**(b - 1), which is 0 where b is 0 (also at a = 0)."""
    return np.where(b == 0, 0.0, b * a ** np.where(b == 0, 1.0, b - 1.0))


def power_slope_scalar(a: float, b: float) -> float:
    """power_slope for numbers."""
    return 0.0 if b == 0 else b * a ** (b - 1)


def half(a: Any, b: Any) -> Any:
    """1/2 where a equals b (a tie, whose slope is shared), 1 elsewhere."""
    return np.where(a == b, 0.5, 1.0)


def half_scalar(a: float, b: float) -> float:
    """half for numbers."""
    return 0.5 if a == b else 1.0


def log_of_base(a: Any) -> Any:
    """log a for the slope of a**b in b: 0 at a = 0, where that slope is 0; NaN for a < 0, where there is none."""
    return np.log(np.where(a == 0, 1.0, a))


def log_of_base_scalar(a: float) -> float:
    """log_of_base for numbers."""
    return 0.0 if a == 0 else math.log(a) if a > 0 else math.nan


def fmod_quotient(a: float, b: float) -> float:
    """The whole number of times that b goes into a, rounded towards zero."""
    return float(math.trunc(a / b))


def prod_others(a: Any) -> Any:
    """For each element the product of all others: right where elements are zero, too."""
    return prod_others_axis(np.ascontiguousarray(a).reshape(-1), 0).reshape(a.shape)


def prod_others_along(a: Any, da: Any) -> Any:
    """The derivative of prod_others along da."""
    flat, along = np.ascontiguousarray(a).reshape(-1), np.ascontiguousarray(da).reshape(-1)
    return prod_others_axis_along(flat, along, 0).reshape(a.shape)


def sum_axis(a: Any, axis: int) -> Any:
    """np.sum(a, axis=axis), which takes Numba longer to compile."""
    return np.sum(a, axis=axis)


def prod_axis(a: Any, axis: int) -> Any:
    """The products along an axis."""
    out = np.ascontiguousarray(sum_axis(a, axis))  # for its shape
    flat, given, inner = out.reshape(-1), np.ascontiguousarray(a).reshape(-1), after(a, axis)
    for place in range(flat.size):
        start = place // inner * a.shape[axis] * inner + place % inner
        flat[place] = 1
        for k in range(a.shape[axis]):
            flat[place] *= given[start + k * inner]
    return out


def prod_others_axis(a: Any, axis: int) -> Any:
    """For each element the product of all others along an axis: right where elements are zero, too."""
    out = np.ones(a.shape, a.dtype)
    flat, given, inner, n = out.reshape(-1), np.ascontiguousarray(a).reshape(-1), after(a, axis), a.shape[axis]
    for place in range(flat.size // n if n else 0):
        start = place // inner * n * inner + place % inner
        product = 1.0
        for k in range(n):
            flat[start + k * inner] = product
            product = product * given[start + k * inner]
        product = 1.0
        for k in range(n - 1, -1, -1):
            flat[start + k * inner] *= product
            product = product * given[start + k * inner]
    return out


def prod_others_axis_along(a: Any, da: Any, axis: int) -> Any:
    """The derivative of prod_others_axis along da: products of values and their tangents, from both ends."""
    out = np.zeros(a.shape, a.dtype)
    flat, inner, n = out.reshape(-1), after(a, axis), a.shape[axis]
    given, along = np.ascontiguousarray(a).reshape(-1), np.ascontiguousarray(da).reshape(-1)
    before, slopes = np.empty(n, a.dtype), np.empty(n, a.dtype)
    for place in range(flat.size // n if n else 0):
        start = place // inner * n * inner + place % inner
        product, slope = 1.0, 0.0
        for k in range(n):
            before[k], slopes[k] = product, slope
            slope = slope * given[start + k * inner] + product * along[start + k * inner]
            product = product * given[start + k * inner]
        product, slope = 1.0, 0.0
        for k in range(n - 1, -1, -1):
            flat[start + k * inner] = slopes[k] * product + before[k] * slope
            slope = slope * given[start + k * inner] + product * along[start + k * inner]
            product = product * given[start + k * inner]
    return out


def amax_axis(a: Any, axis: int) -> Any:
    """The largest elements along an axis."""
    return extreme_axis(a, axis, 1.0)


def amin_axis(a: Any, axis: int) -> Any:
    """The smallest elements along an axis."""
    return extreme_axis(a, axis, -1.0)


def extreme_axis(a: Any, axis: int, sign: float) -> Any:
    """The elements along an axis that are largest once multiplied by `sign`; NaN where there is one."""
    out = np.ascontiguousarray(sum_axis(a, axis))  # for its shape
    flat, given = out.reshape(-1), np.ascontiguousarray(a).reshape(-1)
    inner = after(a, axis)
    if a.shape[axis] == 0 and flat.size > 0:
        raise ValueError("zero-size array to a reduction, which has no identity")
    for place in range(flat.size):
        start = place // inner * a.shape[axis] * inner + place % inner
        best = given[start]
        for k in range(1, a.shape[axis]):
            value = given[start + k * inner]
            if sign * value > sign * best or value != value:
                best = value
        flat[place] = best
    return out


def after(a: Any, axis: int) -> int:
    """The number of elements behind one step along an axis."""
    inner = 1
    for k in range(axis + 1, a.ndim):
        inner *= a.shape[k]
    return inner


def share(a: Any, extreme: Any, axis: int) -> Any:
    """Along an axis the share of each element in the extreme: 1 / (number of equal ones) where it is attained, else 0."""
    out = np.empty(a.shape, a.dtype)
    flat, given = out.reshape(-1), np.ascontiguousarray(a).reshape(-1)
    inner, n, best = after(a, axis), a.shape[axis], np.ascontiguousarray(extreme).reshape(-1)
    for place in range(best.size):
        start, hits = place // inner * n * inner + place % inner, 0
        for k in range(n):
            if given[start + k * inner] == best[place]:
                hits += 1
        each = 1.0 / hits if hits else math.nan
        for k in range(n):
            flat[start + k * inner] = each if given[start + k * inner] == best[place] else 0.0 * each
    return out


def cumsum_axis(a: Any, axis: int) -> Any:
    """Running sums along an axis."""
    out = np.ascontiguousarray(a).copy()
    flat, inner, n = out.reshape(-1), after(a, axis), a.shape[axis]
    for place in range(flat.size):
        if place // inner % n:
            flat[place] += flat[place - inner]
    return out


def cumsum_back_axis(a: Any, axis: int) -> Any:
    """Running sums along an axis from its end."""
    out = np.ascontiguousarray(a).copy()
    flat, inner, n = out.reshape(-1), after(a, axis), a.shape[axis]
    for place in range(flat.size - 1, -1, -1):
        if place // inner % n < n - 1:
            flat[place] += flat[place + inner]
    return out


def half_lower(a: Any) -> Any:
    """The lower triangle of a matrix, half of its diagonal."""
    out = np.tril(a)
    for k in range(a.shape[0]):
        out[k, k] *= 0.5
    return out


def cholesky_back(l: Any, d: Any) -> Any:
    """The adjoint of the lower triangle of A = L L^T, from L and the adjoint of L (Murray 2016, eq. 10)."""
    inverse = np.linalg.inv(l)
    s = inverse.T @ half_lower(l.T @ np.tril(d)) @ inverse
    return half_lower(s + s.T)  # NumPy reads the lower triangle alone


def cholesky_back_along(l: Any, d: Any, dl: Any) -> Any:
    """The derivative of cholesky_back(l, d) along a change of l."""
    inverse = np.linalg.inv(l)
    change = -inverse @ dl @ inverse
    p = half_lower(l.T @ np.tril(d))
    part = change.T @ p @ inverse
    s = part + inverse.T @ half_lower(dl.T @ np.tril(d)) @ inverse + inverse.T @ p @ change
    return half_lower(s + s.T)


def cholesky_forward(l: Any, da: Any) -> Any:
    """The derivative of L along dA, for A = L L^T (Murray 2016, eq. 8)."""
    inverse = np.linalg.inv(l)
    return l @ half_lower(inverse @ (np.tril(da) + np.tril(da, -1).T) @ inverse.T)


def digamma(x: float) -> float:
    """The slope of lgamma: recurrence up to x >= 10, then the asymptotic series (Abramowitz & Stegun 6.3.18)."""
    if x <= 0.0 and x == math.floor(x):
        return math.nan
    if x < 0.0:
        return digamma_positive(1.0 - x) - math.pi / math.tan(math.pi * x)
    return digamma_positive(x)


def digamma_positive(x: float) -> float:
    """digamma for x > 0."""
    total = 0.0
    while x < 10.0:
        total -= 1.0 / x
        x += 1.0
    u = 1.0 / (x * x)
    series = u * (1 / 12 - u * (1 / 120 - u * (1 / 252 - u * (1 / 240 - u * (1 / 132 - u * (691 / 32760 - u / 12))))))
    return total + math.log(x) - 0.5 / x - series


def trigamma(x: float) -> float:
    """The slope of digamma (Abramowitz & Stegun 6.4.12)."""
    if x <= 0.0 and x == math.floor(x):
        return math.nan
    if x < 0.0:
        s = math.sin(math.pi * x)
        return math.pi * math.pi / (s * s) - trigamma_positive(1.0 - x)
    return trigamma_positive(x)


def trigamma_positive(x: float) -> float:
    """trigamma for x > 0."""
    total = 0.0
    while x < 10.0:
        total += 1.0 / (x * x)
        x += 1.0
    u = 1.0 / (x * x)
    series = u * (1 / 6 - u * (1 / 30 - u * (1 / 42 - u * (1 / 30 - u * (5 / 66 - u * (691 / 2730 - u * 7 / 6))))))
    return total + 1.0 / x + 0.5 * u + series / x


NAMES = sorted(
    name
    for name in globals()
    if name.islower() and not name.startswith("_") and name not in ("math", "np", "annotations")
)
