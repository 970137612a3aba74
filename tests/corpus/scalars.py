"""Arithmetic, powers, comparisons and `math` on numbers."""

import math

import numpy as np


def polynomial(x):
    return 3.0 * x**3 - 2.0 * x**2 + x - 5.0


def horner(x, y):
    return ((y * x - 1.0) * x + 2.0) * x - y


def rational(x, y):
    return (x - y) / (x * y + 1.0) - 1.0 / (2.0 + x)


def signs(x, y):
    return -x + +y - -(x * y)


def powers_of_all_kinds(x, y):
    return x**2 + x**-1 + x**0.5 + x**y + 2.0**x + x**0 + y**1


def negative_base(z):
    return z**3 + z**-2 + (2.0 * z) ** 4


def power_with_an_integer_argument(x, n):
    return x**n + (x - 1.0) ** n


def power_by_name(x, y):
    return pow(x, y) + math.pow(y, x) + pow(x, 3)


def remainder(x, y):
    return (5.0 * x) % y + 7.3 // x * x + math.fmod(7.0 * x, y)


def whole_numbers_beside_floats(x, n):
    return n * x + x / n + n // 2 * x + n % 2 - (n - 1) ** 2 * x


def number_of_a_truth(x, y):
    return (x < y) * x * 3.0 + (x > y) * y + float(x != y) * x * y


def chained_comparison(x, y):
    inside = 0.0 < x < y < 2.0
    return x * y if inside else x - y


def trigonometry(x):
    return math.sin(x) * math.cos(2.0 * x) + math.tan(x / 2.0)


def inverse_trigonometry(x, z):
    return math.asin(z) + math.acos(x) * math.atan(x * z)


def hyperbolic(x, z):
    return math.sinh(x) - math.cosh(z) * math.tanh(x * z)


def inverse_hyperbolic(x, y):
    return math.asinh(x) + math.acosh(1.0 + y) * math.atanh(x / 2.0)


def exponentials(x, z):
    return math.exp(x * z) + math.expm1(z) - 2.0 * math.exp(-(x**2))


def logarithms(x, y):
    return math.log(x) + math.log1p(y) * math.log2(x) - math.log10(x * y)


def roots_and_lengths(x, y):
    return math.sqrt(x * y) + math.hypot(x, y) / math.sqrt(1.0 + x**2)


def angle(x, y, z):
    return math.atan2(y, x) + math.atan2(z, y) * x + math.atan2(x, z)


def error_functions(x, z):
    return math.erf(x) * math.erfc(z) + math.erf(x * z)


def gamma_functions(x, y):
    return math.lgamma(x) + math.gamma(y) * math.lgamma(x + y)


def absolute_values(x, z):
    return abs(z) * x + math.fabs(x - 2.0) + math.copysign(x, z)


def steps_have_slope_zero(x, y):
    return math.floor(3.0 * x) * y + math.ceil(y) * x + round(x) * y + int(4.0 * y) * x


def degrees_and_radians(x, y):
    return math.degrees(x) * math.radians(y)


def constants(x):
    return math.pi * x**2 + math.e * x + np.pi / x


def smallest_and_largest(x, y, z):
    return min(x, y) * max(y, z) + max(x, y, z) - min(x, z, 0.3)


def conversions(x, n):
    return float(x) * float(n) + float(n) / (1.0 + x)


def numpy_on_numbers(x, y):
    return np.sin(x) + np.exp(-y) * np.sqrt(x) + np.maximum(x, y) - np.abs(x - y)


def reuse_of_a_name(x):
    x = x * x
    x = x + 1.0
    x = math.sqrt(x)
    return x * x * x


def augmented(x, y):
    s = x
    s += y
    s *= x
    s -= y / x
    s /= 1.0 + x
    s **= 2
    return s


def constant_result(x):
    return 3.0 + 0.0 * x


def unused_argument(x, y):
    return x * x


def softplus_that_never_overflows(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def normal_density(x, y, s):
    return math.exp(-0.5 * ((x - y) / s) ** 2) / (s * math.sqrt(2.0 * math.pi))


def log_gamma_density(x, y, s):
    return y * math.log(s) - math.lgamma(y) + (y - 1.0) * math.log(x) - s * x


def arrays_of_no_dimensions(x, y, u):
    a = np.where(x > 0.1, x, y)
    a += 1.0
    b = np.array(y)
    b *= a
    total = np.zeros(())
    for e in u:
        total += e * b
    c = np.copy(x)
    c -= total
    d = np.zeros_like(x) + np.full((), y) + u[1:2].reshape(()) * u[..., 0]
    return a * total + c * c + d + np.ravel(x)[0] + np.reshape(x, (1, 1))[0, 0] + np.where(x > 0, x, y).copy()


def wide_expression(x, y, z):
    return (x * y + y * z + z * x) * (x + y + z) / (x**2 + y**2 + z**2) - (x * y * z) * (x - y) * (y - z) * (z - x)


def integer_powers(x, n):
    return x * 2**n + x * 2**-2 + x * pow(3, n)
