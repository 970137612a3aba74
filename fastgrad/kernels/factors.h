/* Matrix factorisation, row by row: the normal equations of one row solved where they lie, and one step of BPR.

   A row of factors is `stride` values: the factors, then the bias, then zeros; the stride is a multiple of every vector. */
#pragma once
#include "records.h"

/* OUT out: row r of panels `gap` apart = the row's vectors times `by`; the caller fills in what is no factor */
INLINE void gather_factors(const real *row, intp vectors_, real by, real *out, intp gap) {
    for (intp v = 0; v < vectors_; v++) v_store(out + (v >> 1) * gap + (v & 1) * LANES, v_load(row + v * LANES) * by);
}
/* a += tile, m rows of `vectors_` vectors each; rows of a are `width` apart */
INLINE void add_tile(const real *tile, intp m, intp vectors_, real *a, intp width) {
    for (intp r = 0; r < m; r++) for (intp v = 0; v < vectors_; v++) {
        real *to = a + r * width + v * LANES;
        v_store(to, v_load(to) + v_load(tile + (r * vectors_ + v) * LANES));
    }
}

/* IN/OUT A (D, D), rows `width` apart, of which the upper half counts: F'F and, as its last column, F't and t't.
   OUT x[width]: what minimises |t - F x|^2 + sum of ridge x^2, zeros behind it.  Gives that minimum.
   Cholesky by rows, A = U'U, and the last column is solved on the way; U takes A's place.  A column that depends on those
   before it (no ridge, fewer ratings than factors) gets x = 0: which columns those are is a matter of rounding, so it is
   judged against what the diagonal was.  Source: Golub & Van Loan, Matrix Computations, 4.2. */
APART real solve_row(real *A, intp width, intp D, const real *ridge, real *x) {
    const intp K = D - 1;
    const real small = PICK(1.1920929e-7f, 2.220446049250313e-16) * (real)D;
    for (intp j = 0; j < K; j++) {
        real *row = A + j * width;
        x[j] = row[j] * small; /* x is free until the end */
        row[j] += ridge[j];
    }
    for (intp j = 0; j < K; j++) {
        real *row = A + j * width;
        const real pivot = row[j], by = pivot > x[j] ? 1 / PICK(sqrtf(pivot), sqrt(pivot)) : 0;
        for (intp c = j / LANES * LANES; c < width; c += LANES) v_store(row + c, v_load(row + c) * by);
        if (by == 0) row[j] = 1; /* the rest of the row is zero, and so will x be */
        else for (intp i = j + 1; i < D; i++) {
            real *under = A + i * width;
            const real share = row[i];
            for (intp c = i / LANES * LANES; c < width; c += LANES)
                v_store(under + c, v_load(under + c) - share * v_load(row + c));
        }
    }
    memset(x, 0, (size_t)width * sizeof(real));
    x[K] = -1; /* U x = last column, as one product */
    for (intp j = K - 1; j >= 0; j--) {
        const real *row = A + j * width;
        V sum = {0};
        for (intp c = j / LANES * LANES; c < width; c += LANES) sum += v_load(row + c) * v_load(x + c);
        x[j] = -v_sum(sum) / row[j];
    }
    x[K] = 0;
    return A[K * width + K];
}

/* One step on l = w log(1 + exp(-z)), z = p (q - o): a user p, an item q that he likes, one that he does not know, o.
   p += rate (w g (q - o) - decay p), q += rate (w g p - decay q), o += rate (-w g p - decay o), g = 1 / (1 + exp z), all
   from the values before the step.  Slot k holds an item's bias and a user's 1, which stays.  Gives l.
   Source: Rendle, Freudenthaler, Gantner & Schmidt-Thieme, BPR, UAI 2009, figure 4. */
INLINE double rank_step(real *p, real *q, real *o, const real *decay, intp vectors_, intp k, real rate, real w) {
    V sum = {0};
    for (intp c = 0; c < vectors_ * LANES; c += LANES) sum += v_load(p + c) * (v_load(q + c) - v_load(o + c));
    const real z = v_sum(sum), e = vm_exp(-vm_abs(z)), g = (z > 0 ? e : R(1)) / (1 + e) * w;
    for (intp c = 0; c < vectors_ * LANES; c += LANES) {
        const V user = v_load(p + c), liked = v_load(q + c), other = v_load(o + c), shrink = v_load(decay + c);
        v_store(p + c, user + (g * (liked - other) - shrink * user) * rate);
        v_store(q + c, liked + (g * user - shrink * liked) * rate);
        v_store(o + c, other - (g * user + shrink * other) * rate);
    }
    p[k] = 1;
    return (double)w * ((double)(z < 0 ? -z : 0) + (double)vm_log1p(e));
}
