"""What is refused: one construct a function, in the line that ends with `# refused:` and a word of the message.

Some depend on types or values and are refused at the first call, the others when the function is given.
"""

import math

import numpy as np

_COUNTER = 0


def exception_handler(x):
    try:  # refused: try
        return math.sqrt(x)
    except ValueError:
        return 0.0


def with_block(x):
    with np.errstate(all="ignore"):  # refused: with
        return x * x


def generator(x):  # refused: generator
    y = x * x
    yield y


def generator_from(x):  # refused: generator
    yield from (x, x)


async def coroutine(x):  # refused: coroutine
    return x * x


def global_statement(x):
    global _COUNTER  # refused: global
    _COUNTER = 1
    return x * x


def nonlocal_statement(x):
    y = x

    def inner(a):
        nonlocal y  # refused: nonlocal
        y = a
        return a

    return inner(x) + y


def dictionary(x):
    d = {"a": x}  # refused: dict
    return d["a"]


def dictionary_comprehension(u):
    d = {i: u[i] for i in range(3)}  # refused: dict
    return d[0]


def set_of_numbers(x):
    s = {x, 2.0}  # refused: set
    return len(s) * x


def class_inside(x):
    class Point:  # refused: class
        value = 3.0

    return x * Point.value


def attribute_is_set(u):
    u.shape = (5, 1)  # refused: attribute
    return u.sum()


def text_is_built(x):
    name = f"{x}"  # refused: string
    return x * len(name)


def any_number_of_arguments(x, *rest):  # refused: *rest
    return x * len(rest)


def any_keywords(x, **rest):  # refused: **rest
    return x * len(rest)


def complex_number(x):
    z = x + 2j  # refused: complex
    return abs(z)


def match_statement(x, n):
    match n:  # refused: match
        case 3:
            return x * x
    return x


def unknown_function_of_numpy(A):
    return np.sum(np.linalg.svd(A)[1])  # refused: svd


def unknown_function_of_math(x):
    return math.nextafter(x, 2.0) * x  # refused: nextafter


def unknown_method(u):
    return u.byteswap().sum()  # refused: byteswap


def random_numbers(x):
    return x * np.random.random()  # refused: random


def opened_file(x):
    open("nowhere")  # refused: open
    return x


def name_that_is_not_there(x):
    return x * nowhere  # noqa: F821  # refused: nowhere


def float_as_an_index(u, x):
    return u[x]  # refused: index


def text_of_an_argument(x, mode):
    return x * mode  # refused: mode


def rank_changes(x, u, n):
    y = x
    if n > 2:  # refused: 'y'
        y = u
    return np.sum(y)


def lambda_that_is_returned(x):  # refused: function
    return lambda a: a * x


def nothing_is_returned(x):  # refused: None
    x * x


def starred_target(u):
    first, *rest = u  # refused: *
    return first * len(rest)


def one_of_two_arrays(u, v, flag):
    a = u.copy()
    b = v.copy()
    c = a if flag else b  # refused: another name
    c[0] = a[1] * b[1]
    return np.sum(a * a) + np.sum(b * b * b)


def one_of_two_arrays_by_value(u, v, x):
    a = u.copy()
    b = v.copy()
    if x > 5.0:  # refused: another name
        c = a
    else:
        c = b
    c *= x
    return np.sum(a * b)


def reshape_that_has_to_copy(A):
    B = A.copy()
    flat = B.T.reshape(12)  # refused: copy
    flat[1] = flat[0] * flat[2]
    return np.sum(B * B) + np.sum(flat**2)


def ravel_that_has_to_copy(A):
    B = A.copy()
    flat = B[:, ::2].ravel()  # refused: copy
    flat[1] *= B[0, 0]
    B[0, 2] *= 3.0
    return np.sum(B * B) + np.sum(flat**2)


def recursion_of_unknown_depth(x, n):
    if n <= 0:
        return 1.0
    return x * recursion_of_unknown_depth(x - 0.1, n - 1)  # refused: nests


def recursion_of_an_inner_function(x, n):
    def even(a, k):
        if k == 0:
            return a
        return even(math.sin(a) * a, k - 1) + 0.5 * a  # refused: recursion

    return even(x, n)


def diagonal_of_an_array_that_is_written(M):
    a = M.copy()
    d = np.diag(a)  # refused: matrix
    a[0, 0] = 2.0 * a[1, 1]
    return np.sum(d * d)


def part_of_one_of_two_arrays(u, v, x):
    a = u.copy()
    b = v.copy()
    c = a[1:4] if x > 5.0 else b[:3]  # refused: another name
    b[1] = x * b[0]
    return np.sum(c * c) + np.sum(a * b)


def row_in_the_place_of_a_matrix(T, C, flag):
    if not flag:
        A = C
    else:
        A = T[0]  # refused: another name
    A[0] = A[1] * A[2]
    return np.sum(T * T) + np.sum(A)


def mask_of_a_matrix(A, x):
    B = A.copy()
    B[B > 0.1] = x  # refused: mask
    return np.sum(B)
