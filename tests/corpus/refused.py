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


def name_of_one_of_two_iterations(u, n):
    a = u.copy()
    best = a
    for i in range(n):  # refused: another name
        a = a * 1.5
        a[i] = 2.0 * u[i]
        if a[0] > 0.1:
            best = a
    best[0] = a[1]
    return np.sum(a * best)


def slice_of_the_last_iteration(A, n):
    B = A.copy()
    r = B[0]
    for i in range(1, n):  # refused: another name
        r[0] += B[i, 0] * r[1]
        r = B[i]
    return np.sum(B * B)


def recursion_without_an_end(x):  # refused: without calling itself
    return x * recursion_without_an_end(x - 0.1)


def recursion_of_another_rank(u, n):
    if n == 0:  # refused: on one way
        return u
    return np.sum(recursion_of_another_rank(u, n - 1))


def diagonal_of_an_array_that_is_written(M):
    a = M.copy()
    d = np.diag(a)  # refused: looks into
    a[0, 0] = 2.0 * a[1, 1]
    return np.sum(d * d)


def recursion_that_returns_its_argument(u, n):
    def same(a, k):
        return a if k == 0 else same(a * 1.0 if k > 5 else a, k - 1)

    b = u.copy()
    c = same(b, n)  # refused: view
    c[0] = b[1] * b[2]
    return np.sum(b * b)


def recursion_given_an_array_twice(u, n):
    def mix(a, b, k):
        a[k] = b[k + 1] * a[k]
        if k > 0:
            mix(a, b, k - 1)

    c = u.copy()
    mix(c, c, n)  # refused: two names
    return np.sum(c * c)


def mask_of_a_matrix(A, x):
    B = A.copy()
    B[B > 0.1] = x  # refused: mask
    return np.sum(B)


def list_with_two_names(x, y):
    a = [x, y]
    b = a
    a[0] = y * y  # refused: another name
    return b[0] * x


def list_that_a_function_changes(x, y):
    def triple(values):
        values[0] = 3.0 * values[0]  # refused: another name

    a = [x, y]
    triple(a)
    return a[0] * a[1]


def list_inside_of_a_list(x, y):
    a = [[x, y], [y, x]]
    row = a[0]
    row[0] = 5.0 * x  # refused: another name
    return a[0][0] * a[1][0]


def list_with_two_names_grows(x, y):
    a = [x]
    b = a
    b.append(y)  # refused: another name
    return sum(a)


def tuple_is_changed(x, y):
    t = (x, y)
    t[0] = y  # refused: tuple
    return t[0]


def element_is_deleted(x, y):
    a = [x, y]
    del a[0]  # refused: delete
    return a[0]


def deleted_name(x):
    y = x * 2
    del y
    return y  # noqa: F821  # refused: may not have a value


def array_of_no_dimensions_with_two_names(x, y):
    a = np.where(x > 0.1, x, y)
    b = a
    a += 1.0  # refused: no dimensions
    return a * b


def array_of_no_dimensions_in_a_loop(x, y, n):
    a = np.array(x)
    s = y
    for _ in range(n):
        b = a
        a += s  # refused: no dimensions
        s = s + b
    return s


def array_of_no_dimensions_in_a_function(x, y):
    def double(c):
        c *= 2.0  # refused: no dimensions
        return c

    a = np.full((), x)
    return double(a) * a * y


def part_of_no_dimensions_is_changed(u):
    a = u.copy()
    b = a[2, ...]
    b += 1.0  # refused: no dimensions
    return np.sum(a * a)


def part_of_no_dimensions_of_an_array_that_is_written(u):
    a = u.copy()
    b = a[2, ...]  # refused: looks into
    a[2] = 3.0 * a[1]
    return b * a[0]


def integers_become_floats_in_place(x):
    a = np.arange(1, 4)
    a /= 2  # refused: in place
    return np.sum(a * x)


def broadcast_array_that_is_written(u, x):
    a = u * 1.0
    b = np.broadcast_to(a, (5,))  # refused: looks into
    a[1] = x
    return np.sum(b * u)


def masks_are_added(u, v):
    return np.sum((u > 0) + (v > 0)) * u[0]  # refused: truths


def bits_of_floats(u, v):
    return np.sum(u & v)  # refused: bits


def one_way_a_number_one_way_an_array(u, x):
    a = u if x > 0 else x  # refused: `u if x > 0 else x` gives float64 array of 1 dimensions on one way, float64
    return np.sum(a)


def one_way_a_number_one_way_a_tuple(u, x):
    a = x if x > 0 else (u, x)  # refused: `x if x > 0 else (u, x)` gives different things on the two ways
    return np.sum(a)


def weights_in_the_place_of_a_keyword(A, w):
    return np.sum(np.average(A, 0, w))  # refused: more arguments


def a_number_type_in_the_place_of_a_keyword(A):
    return np.sum(np.sum(A, 0, np.float32))  # refused: more arguments


def dimensions_kept_or_not(A, flag):
    return np.sum(np.max(A, axis=0, keepdims=flag))  # refused: known


def an_axis_twice(T):
    return np.sum(np.max(T, axis=(0, 0)))  # refused: twice


def flattened_by_columns(A):
    return A.flatten("F")[1]  # refused: more arguments


def an_item_of_many(u):
    return u.item(2)  # refused: more arguments


def converted_in_place(u):
    a = u.astype(float, copy=False)  # refused: copy
    a[0] = 2.0
    return np.sum(a * u)


def filled_with_an_array(u):
    return np.sum(np.full_like(u, u * u))  # refused: array


def points_between_arrays(u, v):
    return np.sum(np.linspace(u, v, 3))  # refused: arrays


def taken_by_truths(u):
    return np.sum(np.take(u, u > 0))  # refused: integer


def triangle_of_a_vector(u):
    return np.sum(np.triu(u))  # refused: matrix


def shape_in_an_array(u, idx):
    return np.sum(np.zeros(idx) + u[0])  # refused: integers


def power_of_three(x, n):
    return x * pow(n, 4, 5)  # refused: more arguments


def rounded_reciprocals(x, n):
    return x * np.reciprocal(n)  # refused: integers


def columns_of_numbers(x, y):
    return np.sum(np.vstack((x, y)))  # refused: dimensions


def an_axis_that_is_not_there(u):
    return np.sum(np.expand_dims(u, 5))  # refused: axis 5


def mathematics_of_an_array(u):
    return np.sum(math.exp(u))  # refused: no arrays


def rows_compared(A):
    return max(A)  # refused: rows


def an_array_as_an_integer(u):
    return u[0] * int(u)  # refused: integer of an array


def truths_added_by_name(u, v):
    return np.sum(np.add(u > 0, v > 0)) * u[0]  # refused: truths


def numbers_that_wrap_around(u):
    return np.sum((u * 300.0).astype(np.int8) * u)  # refused: number type
