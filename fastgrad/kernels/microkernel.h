/* The microkernel: a tile of mr rows by nv vectors held in registers, acc[r][j] += a(r, k) * B[k][j] for k = 0..K-1.

   A matrix (R, C) lies in panels of PANEL = 2 * LANES columns: element (r, c) is [c / PANEL][r][c % PANEL].  All numbers of
   registers are compile-time constants (mr and nv through one switch) and every loop over them is unrolled by pragma:
   otherwise GCC 12 moves the accumulators through the stack and a third of the speed is lost.
   Every product sums over k in order, one fused multiply-add a term, no scalar tails: how the work was cut into tiles does
   not show in the bits. */
#pragma once
#include "simd.h"

/* IN a: (row r, term k) at a[r * ra + k * ca]; b: row k of a panel at b[k * ldb]; IN/OUT acc */
INLINE void accumulate(const int mr, const int nv, V acc[ROWS][2], const real *a, const intp ra, const intp ca, intp K,
                       const real *b, const intp ldb) {
    for (intp k = 0; k < K; k++) {
        const V b0 = v_load(b + k * ldb), b1 = nv > 1 ? v_load(b + k * ldb + LANES) : b0;
        UNROLL for (int r = 0; r < mr; r++) {
            const real x = a[r * ra + k * ca];
            acc[r][0] += x * b0;
            if (nv > 1) acc[r][1] += x * b1;
        }
    }
}
INLINE void begin(const int mr, const int nv, V acc[ROWS][2], const real *from) {
    UNROLL for (int r = 0; r < mr; r++) {
        acc[r][0] = from ? v_load(from) : (V){0};
        if (nv > 1) acc[r][1] = from ? v_load(from + LANES) : (V){0};
    }
}
/* the switch from numbers to constants: F(mr, nv) */
#define CASE(F, m, v) case m: F(m, v); break;
#define CASES4(F, v) CASE(F, 4, v) CASE(F, 3, v) CASE(F, 2, v) CASE(F, 1, v)
#define CASES6(F, v) CASE(F, 6, v) CASE(F, 5, v) CASES4(F, v)
#define CASES12(F, v) CASE(F, 12, v) CASE(F, 11, v) CASE(F, 10, v) CASE(F, 9, v) CASE(F, 8, v) CASE(F, 7, v) CASES6(F, v)
#if ROWS == 14
#define CASES(F, v) CASE(F, 14, v) CASE(F, 13, v) CASES12(F, v)
#elif ROWS == 12
#define CASES(F, v) CASES12(F, v)
#elif ROWS == 6
#define CASES(F, v) CASES6(F, v)
#else
#define CASES(F, v) CASES4(F, v)
#endif
#define AS_CONSTANTS(F) \
    if (nv == 2) switch (mr) { CASES(F, 2) } \
    else switch (mr) { CASES(F, 1) }

/* OUT out[mr][PANEL] = from (a row, or zero where NULL) + mr rows of a panelled matrix times the panel b[K][nv * LANES].
   a: the first row's place in panel 0; panels lie `gap` apart.  A second vector that is not there is written as zero. */
INLINE void rows_tile(const int mr, const int nv, const real *from, const real *a, intp gap, intp K, const real *b, real *out) {
    V acc[ROWS][2];
    intp k = 0;
    begin(mr, nv, acc, from);
    for (; k + PANEL <= K; k += PANEL, a += gap) accumulate(mr, nv, acc, a, PANEL, 1, PANEL, b + k * nv * LANES, nv * LANES);
    if (k < K) accumulate(mr, nv, acc, a, PANEL, 1, K - k, b + k * nv * LANES, nv * LANES);
    UNROLL for (int r = 0; r < mr; r++) {
        v_store(out + r * PANEL, acc[r][0]);
        v_store(out + r * PANEL + LANES, nv > 1 ? acc[r][1] : (V){0});
    }
}
APART void rows_times_panel(int mr, int nv, const real *from, const real *a, intp gap, intp K, const real *b, real *out) {
#define F(m, v) rows_tile(m, v, from, a, gap, K, b, out)
    AS_CONSTANTS(F)
#undef F
}
/* the same for rows that lie as the user's array has them, `stride` values apart: predictions read X where it is */
INLINE void user_rows_tile(const int mr, const int nv, const real *from, const real *a, intp stride, intp K, const real *b, real *out) {
    V acc[ROWS][2];
    begin(mr, nv, acc, from);
    const real *base[(ROWS + 2) / 3];
    UNROLL for (int r = 0; r < (mr + 2) / 3; r++) base[r] = a + 3 * r * stride;
    for (intp k = 0; k < K; k++) {
        const V b0 = v_load(b + k * nv * LANES), b1 = nv > 1 ? v_load(b + k * nv * LANES + LANES) : b0;
        UNROLL for (int r = 0; r < mr; r++) {
            const real x = base[r / 3][r % 3 * stride];
            acc[r][0] += x * b0;
            if (nv > 1) acc[r][1] += x * b1;
        }
        UNROLL for (int r = 0; r < (mr + 2) / 3; r++) base[r]++;
    }
    UNROLL for (int r = 0; r < mr; r++) {
        v_store(out + r * PANEL, acc[r][0]);
        v_store(out + r * PANEL + LANES, nv > 1 ? acc[r][1] : (V){0});
    }
}
APART void user_rows_times_panel(int mr, int nv, const real *from, const real *a, intp stride, intp K, const real *b, real *out) {
#define F(m, v) user_rows_tile(m, v, from, a, stride, K, b, out)
    AS_CONSTANTS(F)
#undef F
}
/* OUT out[mr][nv * LANES] = from (a tile, or zero where NULL) + mr columns of one panel a[K] times the panel b[K].
   Gives the sum of squares of what it wrote, taken while it is in registers. */
INLINE real columns_tile(const int mr, const int nv, const real *from, const real *a, intp K, const real *b, real *out) {
    V acc[ROWS][2], s0 = {0}, s1 = {0};
    begin(mr, nv, acc, NULL);
    accumulate(mr, nv, acc, a, 1, PANEL, K, b, PANEL);
    if (from) UNROLL for (int r = 0; r < mr; r++) {
        acc[r][0] += v_load(from + r * nv * LANES);
        if (nv > 1) acc[r][1] += v_load(from + r * nv * LANES + LANES);
    }
    UNROLL for (int r = 0; r < mr; r++) {
        v_store(out + r * nv * LANES, acc[r][0]);
        if (nv > 1) v_store(out + r * nv * LANES + LANES, acc[r][1]);
        s0 += acc[r][0] * acc[r][0];
        if (nv > 1) s1 += acc[r][1] * acc[r][1];
    }
    return v_sum(s0 + s1);
}
APART real columns_times_panel(int mr, int nv, const real *from, const real *a, intp K, const real *b, real *out) {
#define F(m, v) return columns_tile(m, v, from, a, K, b, out)
    AS_CONSTANTS(F)
#undef F
    return 0;
}
/* OUT out[PANEL] = from (or zero) + the sums of the columns of a panel b[K]; gives their sum of squares */
APART real column_sums(const real *from, const real *b, intp K, real *out) {
    V s0 = {0}, s1 = {0}, t0 = {0}, t1 = {0};
    intp k = 0;
    for (; k + 2 <= K; k += 2) {
        s0 += v_load(b + k * PANEL);
        s1 += v_load(b + k * PANEL + LANES);
        t0 += v_load(b + k * PANEL + PANEL);
        t1 += v_load(b + k * PANEL + PANEL + LANES);
    }
    if (k < K) {
        s0 += v_load(b + k * PANEL);
        s1 += v_load(b + k * PANEL + LANES);
    }
    s0 += t0;
    s1 += t1;
    if (from) {
        s0 += v_load(from);
        s1 += v_load(from + LANES);
    }
    v_store(out, s0);
    v_store(out + LANES, s1);
    return v_sum(s0 * s0 + s1 * s1);
}
