/* Rows of the user's array, whatever its type, strides and byte order, into panels of reals: the cast happens here, batch by
   batch, so X is never copied whole.  The array's own type with columns side by side is a plain copy; the common types have
   a loop each; swapped bytes and half floats are read value by value. */
#pragma once
#include "simd.h"

enum { F2, F4, F8, I1, U1, I2, U2, I4, U4, I8, U8 };

typedef struct {
    const char *data, *end; /* end: behind the last value that may be read; data itself where rows run backwards */
    intp rows, columns, row_stride, column_stride; /* strides in bytes, of any sign */
    int type, swapped;
    intp lines; /* cache lines of a row that are worth asking for: it is read by whole vectors */
} Source;

/* IEEE half to single by bits: portable, and rare enough to be slow */
static float half_value(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 1023u;
    const float tiny = (float)fraction * 5.9604644775390625e-8f; /* 2^-24 */
    uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
    float value;
    memcpy(&value, &bits, 4);
    return exponent ? value : sign ? -tiny : tiny;
}

#define READ(T) \
    { \
        T value; \
        memcpy(&value, from, sizeof value); \
        return (real)value; \
    }
static real read_value(const char *p, int type, int swapped) {
    static const int bytes[] = {2, 4, 8, 1, 1, 2, 2, 4, 4, 8, 8};
    char turned[8];
    const char *from = p;
    if (swapped) {
        for (int i = 0; i < bytes[type]; i++) turned[i] = p[bytes[type] - 1 - i];
        from = turned;
    }
    switch (type) {
    case F4: READ(float)
    case F8: READ(double)
    case I1: READ(int8_t)
    case U1: READ(uint8_t)
    case I2: READ(int16_t)
    case U2: READ(uint16_t)
    case I4: READ(int32_t)
    case U4: READ(uint32_t)
    case I8: READ(int64_t)
    case U8: READ(uint64_t)
    }
    uint16_t half;
    memcpy(&half, from, 2);
    return half_value(half);
}
#undef READ

#define LOOP(code, T) \
    case code: \
        INDEPENDENT for (intp i = 0; i < n; i++) { \
            T value; \
            memcpy(&value, p + i * (intp)sizeof(T), sizeof value); \
            out[i] = (real)value; \
        } \
        return;
static void read_run(const char *p, const Source *s, int packed, real *RESTRICT out, intp n) {
    if (packed) switch (s->type) {
        LOOP(F4, float) LOOP(F8, double) LOOP(U1, uint8_t) LOOP(I4, int32_t) LOOP(I8, int64_t)
    }
    for (intp i = 0; i < n; i++) out[i] = read_value(p + i * s->column_stride, s->type, s->swapped);
}
#undef LOOP

/* n < PANEL values and zeros behind them.  Within the array whole vectors are read and masked: what is stored by whole
   vectors is also loaded so, and a load that spans several smaller stores would wait for them.  At the array's end, where
   that would reach too far, by copies of constant size (a call of memcpy would cost more than the copy) */
INLINE void copy_rest(real *RESTRICT out, const char *from, intp n, const char *end) {
    if (from + PANEL * sizeof(real) <= end) {
        v_store(out, v_first(v_load((const real *)from), n));
        v_store(out + LANES, v_first(v_load((const real *)from + LANES), n > LANES ? n - LANES : 0));
        return;
    }
#define SOME(k) \
    if (n & (k)) { \
        memcpy(out, from, (k) * sizeof(real)); \
        out += (k); \
        from += (k) * sizeof(real); \
    }
    SOME(16) SOME(8) SOME(4) SOME(2) SOME(1)
#undef SOME
}

/* OUT out: row `row` of s at out + p * gap; pad columns stay zero.  `finite` asks for a check: gives 0 where a value
   is NaN or infinite */
INLINE int gather_row(const Source *s, intp row, real *out, intp gap, int finite) {
    static const int bytes[] = {2, 4, 8, 1, 1, 2, 2, 4, 4, 8, 8};
    const char *from = s->data + row * s->row_stride;
    const int packed = !s->swapped && s->column_stride == bytes[s->type];
    const intp whole_panels = s->columns / PANEL, rest = s->columns % PANEL;
    const intp step = s->column_stride * PANEL;
    if (packed && s->type == (REAL_BITS == 64 ? F8 : F4)) {
        for (intp p = 0; p < whole_panels; p++) memcpy(out + p * gap, from + p * step, PANEL * sizeof(real));
        if (rest) copy_rest(out + whole_panels * gap, from + whole_panels * step, rest, s->end);
    } else {
        for (intp p = 0; p < whole_panels; p++) read_run(from + p * step, s, packed, out + p * gap, PANEL);
        if (rest) read_run(from + whole_panels * step, s, packed, out + whole_panels * gap, rest);
    }
    if (!finite) return 1;
    V sum = {0}; /* x * 0 is NaN where x is not finite; pad columns are zero */
    for (intp p = 0; p < whole_panels + (rest > 0); p++)
        sum += v_load(out + p * gap) * (real)0 + v_load(out + p * gap + LANES) * (real)0;
    return v_sum(sum) == 0;
}
/* one number: the target of a network with one output */
INLINE real gather_value(const Source *s, intp row) {
    const char *from = s->data + row * s->row_stride;
    if (s->type != (REAL_BITS == 64 ? F8 : F4) || s->swapped) return read_value(from, s->type, s->swapped);
    real value;
    memcpy(&value, from, sizeof value);
    return value;
}
/* A shuffled row comes from far: have the first lines of the k-th row of the order fetched (the processor fetches the rest of
   a long row by itself), and its target with them.  Always inlined: a function that only fetches ahead has no effect that
   the compiler knows of, and a call of it would be dropped */
INLINE void ask_for_row(const Source *x, const Source *t, const int32_t *label, const int32_t *index, intp rows, intp k) {
    if (k >= rows) return;
    const intp at = index ? index[k] : k;
    const char *row = x->data + at * x->row_stride;
    PREFETCH(row), PREFETCH(row + 64), PREFETCH(row + 128);
    for (intp j = 3; j < x->lines; j++) PREFETCH(row + j * 64);
    if (label) PREFETCH(label + at);
    else PREFETCH(t->data + at * t->row_stride);
}
/* distance of the rows in values where they can be read as they are; 0 where they must be gathered first */
INLINE intp direct_stride(const Source *s) {
    const intp size = (intp)sizeof(real);
    const int plain = s->type == (REAL_BITS == 64 ? F8 : F4) && !s->swapped && s->column_stride == size;
    return plain && s->row_stride % size == 0 && (uintptr_t)s->data % sizeof(real) == 0 ? s->row_stride / size : 0;
}
/* are n values side by side all finite?  x * 0 is NaN where x is not */
INLINE int finite_run(const real *a, intp n) {
    V sum = {0};
    intp k = 0;
    for (; k + LANES <= n; k += LANES) sum += v_load(a + k) * (real)0;
    real rest = v_sum(sum);
    for (; k < n; k++) rest += a[k] * 0;
    return rest == 0;
}
/* the other way: n <= PANEL values to the user's row.  `room` says that a whole panel may be written, since the next rows
   are still to come */
INLINE void put_row(real *RESTRICT out, const real *RESTRICT from, intp n, int room) {
    if (room || n == PANEL) {
        v_store(out, v_load(from));
        if (n > LANES) v_store(out + LANES, v_load(from + LANES));
    } else {
        memcpy(out, from, (size_t)n * sizeof(real));
    }
}
