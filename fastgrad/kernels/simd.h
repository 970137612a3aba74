/* Vectors of the compiler's own kind, as wide as the instruction set has them, and what is done with them outside the tiles of
   the products (microkernel.h).  Loops over registers are unrolled by pragma, tails are whole vectors that are masked. */
#pragma once
#include "platform.h"

#if defined(FASTGRAD_ONE_LANE)
#define VECTOR_BYTES ((int)sizeof(real))
#define LANES 1
#define ROWS 4
#elif defined(__AVX512F__)
#define VECTOR_BYTES 64
#define ROWS 14 /* 28 accumulators, 2 vectors of B, 1 broadcast: 31 of 32 registers */
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define ROWS 6 /* 12 + 2 + 1 of 16 */
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define ROWS 12 /* 24 + 2 + 1 of 32 */
#else
#define VECTOR_BYTES 16
#define ROWS 6
#endif

#ifndef FASTGRAD_ONE_LANE
#if VECTOR_BYTES * 8 / REAL_BITS == 16
#define LANES 16
#define EACH(f, s) f(s, 0), f(s, 1), f(s, 2), f(s, 3), f(s, 4), f(s, 5), f(s, 6), f(s, 7), f(s, 8), f(s, 9), f(s, 10), \
    f(s, 11), f(s, 12), f(s, 13), f(s, 14), f(s, 15)
#elif VECTOR_BYTES * 8 / REAL_BITS == 8
#define LANES 8
#define EACH(f, s) f(s, 0), f(s, 1), f(s, 2), f(s, 3), f(s, 4), f(s, 5), f(s, 6), f(s, 7)
#elif VECTOR_BYTES * 8 / REAL_BITS == 4
#define LANES 4
#define EACH(f, s) f(s, 0), f(s, 1), f(s, 2), f(s, 3)
#else
#define LANES 2
#define EACH(f, s) f(s, 0), f(s, 1)
#endif
#endif
#define PANEL (2 * LANES)
#define TILE (ROWS * PANEL)
#define TALL ((ROWS > LANES ? ROWS : LANES) * PANEL) /* most values that are worked on at a time */

/* ---- vectors: loads need no alignment beyond the element's ---- */
#ifdef FASTGRAD_ONE_LANE
typedef real V;
#define LANE(v, i) (v)
INLINE V v_first(V v, intp n) { return n > 0 ? v : (V)0; }
INLINE V v_first_or(V v, intp n, V fill) { return n > 0 ? v : fill; }
INLINE V v_larger(V a, V b) { return a > b ? a : b; }
INLINE real v_sum(V v) { return v; }
INLINE real v_top(V v) { return v; }
#else
#if REAL_BITS == 64
typedef long long lane_bits;
#else
typedef int lane_bits;
#endif
typedef real V __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
typedef lane_bits M __attribute__((vector_size(VECTOR_BYTES), may_alias));
#define LANE_NUMBER(s, l) (l)
#define SWAPPED(s, l) ((l) ^ (s))
/* the first n lanes of v; zero, or those of `fill`, in the others */
INLINE M m_first(intp n) {
    const M number = {EACH(LANE_NUMBER, 0)};
    return number < (lane_bits)(n < LANES ? n : LANES);
}
INLINE V v_first(V v, intp n) { return (V)((M)v & m_first(n)); }
INLINE V v_first_or(V v, intp n, V fill) { return (V)(((M)v & m_first(n)) | ((M)fill & ~m_first(n))); }
/* a > b ? a : b, which C has no vector form of: by bits it would take five instructions for one */
#if defined(__x86_64__) && VECTOR_BYTES == 64
INLINE V v_larger(V a, V b) { return PICK((V)_mm512_max_ps((__m512)a, (__m512)b), (V)_mm512_max_pd((__m512d)a, (__m512d)b)); }
#elif defined(__x86_64__) && VECTOR_BYTES == 32
INLINE V v_larger(V a, V b) { return PICK((V)_mm256_max_ps((__m256)a, (__m256)b), (V)_mm256_max_pd((__m256d)a, (__m256d)b)); }
#elif defined(__x86_64__)
INLINE V v_larger(V a, V b) { return PICK((V)_mm_max_ps((__m128)a, (__m128)b), (V)_mm_max_pd((__m128d)a, (__m128d)b)); }
#else
INLINE V v_larger(V a, V b) {
    const M k = a > b;
    return (V)(((M)a & k) | ((M)b & ~k));
}
#endif
/* sum and maximum over the lanes, halves folded onto each other: the order is fixed */
#define FOLD(op) \
    if (LANES > 8) v = op(v, __builtin_shufflevector(v, v, EACH(SWAPPED, (8 % LANES)))); \
    if (LANES > 4) v = op(v, __builtin_shufflevector(v, v, EACH(SWAPPED, (4 % LANES)))); \
    if (LANES > 2) v = op(v, __builtin_shufflevector(v, v, EACH(SWAPPED, (2 % LANES)))); \
    v = op(v, __builtin_shufflevector(v, v, EACH(SWAPPED, 1)));
INLINE V v_plus(V a, V b) { return a + b; }
INLINE real v_sum(V v) {
    FOLD(v_plus)
    return v[0];
}
INLINE real v_top(V v) {
    FOLD(v_larger)
    return v[0];
}
#endif
/* lane r = the sum (maximum) of the lanes of v[r]: LANES vectors are folded together, one shuffle a fold in place of one a
   vector and fold.  The sums are those of v_sum, bit for bit */
#ifdef FASTGRAD_ONE_LANE
INLINE V v_sums(V *v) { return v[0]; }
INLINE V v_tops(V *v) { return v[0]; }
#else
#define WITHOUT(s, l) (((l) & (s)) ? LANES + (l) - (s) : (l))
#define WITH(s, l) (((l) & (s)) ? LANES + (l) : (l) + (s))
#define MERGE(op, s) \
    if (s < LANES) UNROLL for (int i = 0; i < s; i++) \
        v[i] = op(__builtin_shufflevector(v[i], v[(i + s) % LANES], EACH(WITHOUT, (s % LANES))), \
                  __builtin_shufflevector(v[i], v[(i + s) % LANES], EACH(WITH, (s % LANES))));
INLINE V v_sums(V *v) {
    MERGE(v_plus, 8) MERGE(v_plus, 4) MERGE(v_plus, 2) MERGE(v_plus, 1)
    return v[0];
}
INLINE V v_tops(V *v) {
    MERGE(v_larger, 8) MERGE(v_larger, 4) MERGE(v_larger, 2) MERGE(v_larger, 1)
    return v[0];
}
#endif
INLINE V v_load(const real *p) { return *(const V *)p; }
INLINE void v_store(real *p, V v) { *(V *)p = v; }

/* ---- square roots of doubles by Goldschmidt's iteration, where there is an estimate to begin with: the divider, which takes
   eight roots in 5 ns, is busy enough with quotients.  Off by a unit in the last place at most; zeros, subnormals, infinities
   and what is no number go the usual way ---- */
#if defined(__AVX512F__) && REAL_BITS == 64 && !defined(FASTGRAD_ONE_LANE)
#define FAST_ROOT
INLINE V v_sqrt(V v) {
    const __m512i lowest = _mm512_set1_epi64(0x0400000000000000), span = _mm512_set1_epi64(0x7800000000000000 - 0x0400000000000000);
    if (_mm512_cmpgt_epu64_mask(_mm512_sub_epi64((__m512i)v, lowest), span)) return (V)_mm512_sqrt_pd((__m512d)v);
    const V y = (V)_mm512_rsqrt14_pd((__m512d)v), s = v * y, half = y * (real)0.5, e = (real)0.5 - s * half;
    const V root = s + s * e, slope = half + half * e;
    return root + (v - root * root) * slope;
}
#endif

/* ---- transpose of LANES x LANES in registers: dst[c][r] = src[r][c]; source rows from `rows` on count as zero ---- */
#ifdef FASTGRAD_ONE_LANE
INLINE void transpose(const real *src, intp lds, intp rows, real *dst, intp ldd) {
    (void)lds;
    (void)ldd;
    dst[0] = rows > 0 ? src[0] : 0;
}
#else
/* stage s exchanges the s-bit of row and lane: rows i and i + s give the lanes without and with that bit */
#define STAGE(s) \
    if (s < LANES) UNROLL for (int i = 0; i < LANES; i++) if (!(i & s)) { \
        const V x = v[i], y = v[i | s]; \
        v[i] = __builtin_shufflevector(x, y, EACH(WITHOUT, (s % LANES))); \
        v[i | s] = __builtin_shufflevector(x, y, EACH(WITH, (s % LANES))); \
    }
APART void transpose(const real *src, intp lds, intp rows, real *dst, intp ldd) {
    V v[LANES];
    if (rows >= LANES) UNROLL for (int r = 0; r < LANES; r++) v[r] = v_load(src + r * lds);
    else for (int r = 0; r < LANES; r++) v[r] = r < rows ? v_load(src + r * lds) : (V){0};
    STAGE(1) STAGE(2) STAGE(4) STAGE(8)
    UNROLL for (int r = 0; r < LANES; r++) v_store(dst + r * ldd, v[r]);
}
#endif

/* ---- one output column (regression, yes/no): w lies as one row in panels, so a product is a dot product ----
   OUT z = bias + sum over the panels of X[p][row] * w[p]; two sums a panel, folded at the end */
INLINE real dot_panels(const real *x, intp gap, const real *w, intp panels_, real bias) {
    V s0 = {0}, s1 = {0};
    for (intp p = 0; p < panels_; p++) {
        s0 += v_load(x + p * gap) * v_load(w + p * PANEL);
        s1 += v_load(x + p * gap + LANES) * v_load(w + p * PANEL + LANES);
    }
    return bias + v_sum(s0 + s1);
}
/* OUT out[PANEL] = from (or zero) + sum over rows k of dz[k] * x[k][0:PANEL]; four chains, folded in order */
APART real weighted_rows(const real *from, const real *dz, const real *x, intp K, real *out) {
    V s[4][2] = {{{0}}};
    intp k = 0;
    for (; k + 4 <= K; k += 4) UNROLL for (int j = 0; j < 4; j++) {
        s[j][0] += dz[k + j] * v_load(x + (k + j) * PANEL);
        s[j][1] += dz[k + j] * v_load(x + (k + j) * PANEL + LANES);
    }
    for (; k < K; k++) {
        s[0][0] += dz[k] * v_load(x + k * PANEL);
        s[0][1] += dz[k] * v_load(x + k * PANEL + LANES);
    }
    V t0 = (s[0][0] + s[1][0]) + (s[2][0] + s[3][0]), t1 = (s[0][1] + s[1][1]) + (s[2][1] + s[3][1]);
    if (from) {
        t0 += v_load(from);
        t1 += v_load(from + LANES);
    }
    v_store(out, t0);
    v_store(out + LANES, t1);
    return v_sum(t0 * t0 + t1 * t1);
}

/* g += share * w over n values, whole vectors of them: the gradient of an L2 term.  Gives the sum of w^2; OUT squares: that
   of the new g.  Four chains each: with one, every sum would wait for the one before */
APART real pull(real share, const real *w, real *g, intp n, real *squares) {
    V norm[4] = {{0}}, total[4] = {{0}};
    intp i = 0;
#define PULL(j) \
    { \
        const V v = v_load(w + i + (j) * LANES), sum = v_load(g + i + (j) * LANES) + v * share; \
        v_store(g + i + (j) * LANES, sum); \
        norm[j] += v * v; \
        total[j] += sum * sum; \
    }
    for (; i + 4 * LANES <= n; i += 4 * LANES) UNROLL for (int j = 0; j < 4; j++) PULL(j)
    for (; i < n; i += LANES) PULL(0)
#undef PULL
    *squares = v_sum((total[0] + total[1]) + (total[2] + total[3]));
    return v_sum((norm[0] + norm[1]) + (norm[2] + norm[3]));
}

/* OUT out = g * by over n values, or g held within most of zero (NaN stays) */
APART void scaled(const real *g, intp n, real by, real *out) {
    INDEPENDENT for (intp i = 0; i < n; i++) out[i] = g[i] * by;
}
APART void held(const real *g, intp n, real most, real *out) {
    INDEPENDENT for (intp i = 0; i < n; i++) out[i] = g[i] > most ? most : g[i] < -most ? -most : g[i];
}

/* ---- the machine's own measure: fused multiply-adds on registers only; gives how many flops were done ---- */
APART double fma_loop(intp rounds, real *sink) {
    V acc[ROWS][2], b0 = (V){0} + (real)0.999, b1 = (V){0} + (real)1.001;
    UNROLL for (int r = 0; r < ROWS; r++) acc[r][0] = acc[r][1] = (V){0} + (real)(r + 1);
    for (intp k = 0; k < rounds; k++) UNROLL for (int r = 0; r < ROWS; r++) {
        acc[r][0] = acc[r][0] * b0 + b1;
        acc[r][1] = acc[r][1] * b1 - b0;
    }
    UNROLL for (int r = 0; r < ROWS; r++) *sink += v_sum(acc[r][0] + acc[r][1]);
    return (double)rounds * ROWS * 2 * LANES * 2;
}

/* OUT out[m][PANEL] = dz[r] * w[0:PANEL]: how one output column hands its error down */
APART void outer_rows(intp m, const real *dz, const real *w, real *out) {
    const V w0 = v_load(w), w1 = v_load(w + LANES);
    for (intp r = 0; r < m; r++) {
        v_store(out + r * PANEL, dz[r] * w0);
        v_store(out + r * PANEL + LANES, dz[r] * w1);
    }
}
/* zero the columns of a panel from `live` on, in m rows */
APART void mask_rows(real *a, intp m, intp live) {
    if (live >= PANEL) return;
    for (intp r = 0; r < m; r++) {
        v_store(a + r * PANEL, v_first(v_load(a + r * PANEL), live));
        v_store(a + r * PANEL + LANES, v_first(v_load(a + r * PANEL + LANES), live > LANES ? live - LANES : 0));
    }
}
/* sum of n values: by lanes, then the rest one by one */
INLINE real sum_values(const real *a, intp n) {
    V lanes = {0};
    intp k = 0;
    for (; k + LANES <= n; k += LANES) lanes += v_load(a + k);
    real sum = v_sum(lanes);
    for (; k < n; k++) sum += a[k];
    return sum;
}
/* the same in double, in eight chains: in one, each addition would wait for the one before */
INLINE double sum_in_double(const real *a, intp n) {
    double chain[8] = {0};
    intp k = 0;
    for (; k + 8 <= n; k += 8) UNROLL for (int j = 0; j < 8; j++) chain[j] += (double)a[k + j];
    for (int j = 0; k < n; k++, j++) chain[j] += (double)a[k];
    return ((chain[0] + chain[1]) + (chain[2] + chain[3])) + ((chain[4] + chain[5]) + (chain[6] + chain[7]));
}
/* OUT out: n values, at least one, and copies of something harmless up to a whole vector.  A single one is spread by one
   vector store, which the next vector load can take over; several small stores it would have to wait for */
INLINE void spread(const real *a, intp n, real *out) {
    if (n == 1) {
        v_store(out, (V){0} + a[0]);
        return;
    }
    for (intp k = n / LANES * LANES; k < n / LANES * LANES + LANES; k++) out[k] = 0;
    memcpy(out, a, (size_t)n * sizeof(real));
}
/* OUT out[LANES] = a, 0, 0, ... */
INLINE void single(real a, real *out) { v_store(out, v_first((V){0} + a, 1)); }
/* dz *= scale over a row of one panel, pads zeroed; gives the sum of the row's losses l */
INLINE real finish_row(real *dz, const real *l, intp live, real scale) {
    const intp second = live > LANES ? live - LANES : 0;
    const V s0 = v_first(v_load(l), live), s1 = v_first(v_load(l + LANES), second);
    v_store(dz, v_first(v_load(dz) * scale, live));
    v_store(dz + LANES, v_first(v_load(dz + LANES) * scale, second));
    return v_sum(s0 + s1);
}
