/* Codes of an embedding: read out of the user's array, their rows laid into panels, the gradient of a table summed up.

   A row of X is taken as a sparse row of ones, one for each table, whose columns are the tables' rows one table behind the
   other: so sparse.h sorts a slice's codes. */
#pragma once
#include "sparse.h"

#define SPAN 512 /* parameters of a table that are worked on at a time: a multiple of LANES */

/* a number of any type as a double: of what float32 would round, only integers beyond 2^53 are rounded here */
static double read_exact(const char *p, int type, int swapped) {
    if (type != F8 && type != I4 && type != U4 && type != I8 && type != U8) return read_value(p, type, swapped);
    const int bytes = type == I4 || type == U4 ? 4 : 8;
    char turned[8];
    for (int i = 0; i < bytes; i++) turned[i] = p[swapped ? bytes - 1 - i : i];
#define READ(code, T) \
    if (type == (code)) { \
        T value; \
        memcpy(&value, turned, sizeof value); \
        return (double)value; \
    }
    READ(I4, int32_t) READ(U4, uint32_t) READ(I8, int64_t) READ(U8, uint64_t)
#undef READ
    double value;
    memcpy(&value, turned, sizeof value);
    return value;
}
/* the code at a row and column of s: a whole number of 0 .. n - 1, or -1 for anything else, NaN included */
static int32_t read_code(const Source *s, intp row, intp column, intp n) {
    const double value = read_exact(s->data + row * s->row_stride + column * s->column_stride, s->type, s->swapped);
    if (!(value >= 0 && value < (double)n)) return -1;
    const int32_t code = (int32_t)value;
    return (double)code == value ? code : -1;
}

/* OUT columns to .. to + n of a row of panels `gap` apart = n values side by side */
INLINE void lay_row(const real *from, intp n, real *row, intp gap, intp to) {
    while (n > 0) {
        const intp room = PANEL - to % PANEL, m = n < room ? n : room;
        memcpy(row + to / PANEL * gap + to % PANEL, from, (size_t)m * sizeof(real));
        from += m, to += m, n -= m;
    }
}
/* out[n] += columns to .. to + n of a row of panels */
INLINE void add_row(const real *row, intp gap, intp to, intp n, real *RESTRICT out) {
    while (n > 0) {
        const intp room = PANEL - to % PANEL, m = n < room ? n : room;
        const real *from = row + to / PANEL * gap + to % PANEL;
        for (intp i = 0; i < m; i++) out[i] += from[i];
        out += m, to += m, n -= m;
    }
}
/* OUT out = start (or zero where NULL) + parameters first .. first + n of the gradient of a table of rows of `dim`, n <= SPAN,
   written by whole vectors.  It is the sum of columns to .. to + dim of dz over the rows that have the code, in their order.
   `by`: the sorted codes, whose first that belongs here is `at`; `base`: the table's first.  Gives the sum of squares */
APART real table_span(const real *start, const uint64_t *by, intp at, intp count, intp base, intp dim, const real *dz,
                     intp gap, intp to, intp first, intp n, real *out) {
    real sum[SPAN] = {0};
    V squares = {0};
    for (; at < count; at++) {
        const intp begin = ((intp)(by[at] >> 32) - base) * dim - first; /* of the code's row within these parameters */
        if (begin >= n) break;
        const intp low = begin < 0 ? -begin : 0, high = n - begin < dim ? n - begin : dim;
        add_row(dz + (intp)(uint32_t)by[at] * PANEL, gap, to + low, high - low, sum + begin + low);
    }
    for (intp k = 0; k < n; k += LANES) {
        V g = v_load(sum + k);
        if (start) g += v_load(start + k);
        v_store(out + k, g);
        squares += g * g;
    }
    return v_sum(squares);
}
