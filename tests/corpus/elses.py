"""Loops with an `else` that jumps: its jumps are those of the block around the loop."""


def continues_the_outer_loop(u):
    s = 0.0
    for i in range(5):
        for j in range(5):
            if i * j > 4:
                break
            if j == 2:
                continue
            s += u[i] * u[j]
        else:
            s += 1.0
            continue
        if s > 1.5:
            break
    return s * i * j


def returns_when_nothing_was_found(u, x):
    for i in range(5):
        if u[i] > 5:
            break
    else:
        return x * u[0]
    return x


def returns_from_an_inner_loop(u, x):
    s = 0.0
    for k in range(3):
        for i in range(5):
            if u[i] * x > 0.3 + k:
                break
        else:
            return s + x * u[0]
        s += u[i] * x
    return s


def breaks_a_loop_with_its_own_else(u, x):
    s = 0.0
    for k in range(4):
        i = 0
        while i < 4:
            if u[i] > 0.2 * k:
                break
            i += 1
        else:
            if k > 2:
                break
            s += 7.0 * x
            continue
        s += u[i] * x
    else:
        s = s * 2.0
    return s * k


def without_a_break(u, x):
    if x > 0:
        for i in range(3):
            for j in range(3):
                x += u[j] * x * (i + 1)
            else:
                break
        else:
            return 3.0 * x
        x = x * 5.0
    return x + i


def in_a_nested_function(u, x):
    def first_above(a):
        for e in u:
            if e * a > 0.2:
                break
        else:
            return a * 3.0
        return a * e

    return first_above(x) + first_above(0.0 * x + 0.01) + first_above(x * 2)
