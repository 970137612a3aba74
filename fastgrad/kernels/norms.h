/* Layer norm and batch norm: means and variances of rows or columns in panels, and what follows from them.

   Variances by the corrected two-pass formula: the second pass also sums the deviations, whose mean is the rounding of the
   first mean.  A constant row or column so gives xhat = 0 but for the square of the type's rounding.  Every sum has one fixed
   order; sums over rows run for RUNG rows in the type itself and then join a double.
   Sources: Ba, Kiros & Hinton, arXiv:1607.06450; Ioffe & Szegedy, arXiv:1502.03167; Chan, Golub & LeVeque, Algorithms for
   Computing the Sample Variance, The American Statistician 37 (1983). */
#pragma once
#include "simd.h"
#include "vmath.h"

#define RUNG 64

/* the vector at p + at; all lanes `otherwise` where p is NULL */
INLINE V v_load_or(const real *p, intp at, real otherwise) {
    if (p) return v_load(p + at);
    return (V){0} + otherwise;
}

/* OUT of m <= LANES rows of n values, in panels `gap` apart: xhat = (x - mean) rstd + shift */
APART void row_moments(const real *x, intp gap, intp n, intp m, real eps, real *mean, real *rstd, real *shift) {
    const intp whole = n / PANEL, rest = n % PANEL;
    const V count = (V){0} + (real)n;
    V v[LANES] = {{0}}, w[LANES] = {{0}};
    for (intp r = 0; r < m; r++) {
        const real *row = x + r * PANEL;
        V s0 = {0}, s1 = {0};
        for (intp p = 0; p < whole + (rest > 0); p++) {
            s0 += v_load(row + p * gap);
            s1 += v_load(row + p * gap + LANES);
        }
        v[r] = s0 + s1;
    }
    v_store(mean, v_sums(v) / count);
    for (intp r = 0; r < LANES; r++) v[r] = (V){0};
    for (intp r = 0; r < m; r++) {
        const real *row = x + r * PANEL;
        V s0 = {0}, s1 = {0}, q0 = {0}, q1 = {0};
        for (intp p = 0; p < whole; p++) {
            const V d0 = v_load(row + p * gap) - mean[r], d1 = v_load(row + p * gap + LANES) - mean[r];
            s0 += d0, s1 += d1;
            q0 += d0 * d0, q1 += d1 * d1;
        }
        if (rest) {
            const V d0 = v_first(v_load(row + whole * gap) - mean[r], rest);
            const V d1 = v_first(v_load(row + whole * gap + LANES) - mean[r], rest > LANES ? rest - LANES : 0);
            s0 += d0, s1 += d1;
            q0 += d0 * d0, q1 += d1 * d1;
        }
        v[r] = s0 + s1;
        w[r] = q0 + q1;
    }
    const V off = v_sums(v) / count, variance = v_sums(w) / count - off * off;
    v_store(shift, -off);
    v_store(rstd, variance);
    for (intp r = 0; r < LANES; r++) {
        rstd[r] = R(1) / vm_sqrt(vm_at_least(rstd[r], 0) + eps);
        shift[r] *= rstd[r];
    }
}
/* OUT z = gamma xhat + beta (both NULL: xhat), and xhat itself where it is not NULL: m rows of a panel of `live` columns */
APART void normalised_rows(const real *x, intp m, intp live, const real *mean, const real *rstd, const real *shift,
                           const real *gamma, const real *beta, real *xhat, real *z) {
    const V g0 = v_load_or(gamma, 0, 1), g1 = v_load_or(gamma, LANES, 1);
    const V b0 = v_load_or(beta, 0, 0), b1 = v_load_or(beta, LANES, 0);
    for (intp r = 0; r < m; r++) {
        V a0 = (v_load(x + r * PANEL) - mean[r]) * rstd[r] + shift[r];
        V a1 = (v_load(x + r * PANEL + LANES) - mean[r]) * rstd[r] + shift[r];
        if (live < PANEL) {
            a0 = v_first(a0, live);
            a1 = v_first(a1, live > LANES ? live - LANES : 0);
        }
        if (xhat) {
            v_store(xhat + r * PANEL, a0);
            v_store(xhat + r * PANEL + LANES, a1);
        }
        v_store(z + r * PANEL, a0 * g0 + b0);
        v_store(z + r * PANEL + LANES, a1 * g1 + b1);
    }
}
/* OUT of m <= LANES rows, with g = gamma dz: c = -rstd mean(g), d = -rstd mean(g xhat) */
APART void row_slope_means(const real *dz, const real *xhat, intp gap, intp n, intp m, const real *gamma, const real *rstd,
                           real *c, real *d) {
    const V count = (V){0} + (real)n;
    V v[LANES] = {{0}}, w[LANES] = {{0}};
    for (intp r = 0; r < m; r++) {
        V s0 = {0}, s1 = {0}, t0 = {0}, t1 = {0};
        for (intp p = 0; p * PANEL < n; p++) {
            const intp at = p * gap + r * PANEL;
            V g0 = v_load(dz + at), g1 = v_load(dz + at + LANES);
            if (gamma) {
                g0 *= v_load(gamma + p * PANEL);
                g1 *= v_load(gamma + p * PANEL + LANES);
            }
            s0 += g0, s1 += g1;
            t0 += g0 * v_load(xhat + at), t1 += g1 * v_load(xhat + at + LANES);
        }
        v[r] = s0 + s1;
        w[r] = t0 + t1;
    }
    v_store(c, -v_sums(v) / count);
    v_store(d, -v_sums(w) / count);
    for (intp r = 0; r < m; r++) {
        c[r] *= rstd[r];
        d[r] *= rstd[r];
    }
}
/* OUT dx = rstd gamma dz + c + d xhat: m rows of a panel of `live` columns */
APART void row_slopes(const real *dz, const real *xhat, intp m, intp live, const real *gamma, const real *rstd, const real *c,
                      const real *d, real *dx) {
    const V g0 = v_load_or(gamma, 0, 1), g1 = v_load_or(gamma, LANES, 1);
    for (intp r = 0; r < m; r++) {
        const intp at = r * PANEL;
        const V x0 = v_load(dz + at) * g0 * rstd[r] + (v_load(xhat + at) * d[r] + c[r]);
        const V x1 = v_load(dz + at + LANES) * g1 * rstd[r] + (v_load(xhat + at + LANES) * d[r] + c[r]);
        v_store(dx + at, live < PANEL ? v_first(x0, live) : x0);
        v_store(dx + at + LANES, live < PANEL ? v_first(x1, live > LANES ? live - LANES : 0) : x1);
    }
}

/* OUT total[0:PANEL] = the sums of a - from over n rows of a panel, total[PANEL:2 PANEL] = those of (a - from)(b - from) */
APART void column_totals(const real *a, const real *b, const real *from, intp n, double *total) {
    const V f0 = v_load(from), f1 = v_load(from + LANES);
    for (int i = 0; i < 2 * PANEL; i++) total[i] = 0;
    for (intp k = 0; k < n; k += RUNG) {
        const intp last = k + RUNG < n ? k + RUNG : n;
        V s[2][4] = {{{0}}};
        real part[2 * PANEL];
        for (intp r = k; r < last; r++) {
            V *t = s[r & 1];
            const V a0 = v_load(a + r * PANEL) - f0, a1 = v_load(a + r * PANEL + LANES) - f1;
            t[0] += a0, t[1] += a1;
            t[2] += a0 * (v_load(b + r * PANEL) - f0), t[3] += a1 * (v_load(b + r * PANEL + LANES) - f1);
        }
        UNROLL for (int i = 0; i < 4; i++) v_store(part + i * LANES, s[0][i] + s[1][i]);
        for (int i = 0; i < 2 * PANEL; i++) total[i] += part[i];
    }
}
/* OUT of a panel of n rows and `live` columns, as in row_moments; true: mean and unbiased variance of each column */
APART void column_moments(const real *x, intp n, intp live, double eps, real *mean, real *rstd, real *shift, double *true_) {
    double total[2 * PANEL];
    for (int i = 0; i < PANEL; i++) mean[i] = 0;
    column_totals(x, x, mean, n, total);
    for (int i = 0; i < PANEL; i++) mean[i] = (real)(total[i] / (double)n);
    column_totals(x, x, mean, n, total);
    for (int i = 0; i < PANEL; i++) {
        const double off = total[i] / (double)n, squares = total[PANEL + i] - off * total[i];
        const double sum = squares < 0 ? 0 : squares, inverse = 1 / sqrt(sum / (double)n + eps);
        rstd[i] = i < live ? (real)inverse : 0;
        shift[i] = i < live ? (real)(-off * inverse) : 0;
        true_[i] = mean[i] + off;
        true_[PANEL + i] = sum / (double)(n > 1 ? n - 1 : 1);
    }
}
/* as normalised_rows, by columns */
APART void normalised_columns(const real *x, intp m, const real *mean, const real *rstd, const real *shift, const real *gamma,
                              const real *beta, real *xhat, real *z) {
    const V m0 = v_load(mean), m1 = v_load(mean + LANES), r0 = v_load(rstd), r1 = v_load(rstd + LANES);
    const V s0 = v_load(shift), s1 = v_load(shift + LANES);
    const V g0 = v_load_or(gamma, 0, 1), g1 = v_load_or(gamma, LANES, 1);
    const V b0 = v_load_or(beta, 0, 0), b1 = v_load_or(beta, LANES, 0);
    for (intp r = 0; r < m; r++) {
        const V a0 = (v_load(x + r * PANEL) - m0) * r0 + s0, a1 = (v_load(x + r * PANEL + LANES) - m1) * r1 + s1;
        if (xhat) {
            v_store(xhat + r * PANEL, a0);
            v_store(xhat + r * PANEL + LANES, a1);
        }
        v_store(z + r * PANEL, a0 * g0 + b0);
        v_store(z + r * PANEL + LANES, a1 * g1 + b1);
    }
}
/* OUT dx = gamma rstd (dz - mean(dz) - xhat mean(dz xhat)), m rows of a panel; total: the sums of dz and dz xhat over all n
   rows, or NULL where mean and variance did not come from these rows: then dx = gamma rstd dz */
APART void column_slopes(const real *dz, const real *xhat, intp m, const real *gamma, const real *rstd, const double *total,
                         intp n, real *dx) {
    real k[PANEL], c[PANEL], d[PANEL];
    for (int i = 0; i < PANEL; i++) {
        k[i] = (gamma ? gamma[i] : 1) * rstd[i];
        c[i] = total ? (real)(-k[i] * (total[i] / (double)n)) : 0;
        d[i] = total ? (real)(-k[i] * (total[PANEL + i] / (double)n)) : 0;
    }
    const V k0 = v_load(k), k1 = v_load(k + LANES), c0 = v_load(c), c1 = v_load(c + LANES);
    const V d0 = v_load(d), d1 = v_load(d + LANES);
    for (intp r = 0; r < m; r++) {
        const intp at = r * PANEL;
        v_store(dx + at, v_load(dz + at) * k0 + (v_load(xhat + at) * d0 + c0));
        v_store(dx + at + LANES, v_load(dz + at + LANES) * k1 + (v_load(xhat + at + LANES) * d1 + c1));
    }
}
/* OUT out[PANEL] = from (or zero) + total; gives the sum of squares */
INLINE real narrowed_totals(const real *from, const double *total, real *out) {
    for (int i = 0; i < PANEL; i++) out[i] = (real)total[i] + (from ? from[i] : 0);
    const V a = v_load(out), b = v_load(out + LANES);
    return v_sum(a * a + b * b);
}
/* running = (1 - momentum) running + momentum now, over a panel */
APART void run_on(real *running, const double *now, double momentum) {
    for (int i = 0; i < PANEL; i++) running[i] = (real)((1 - momentum) * running[i] + momentum * now[i]);
}

/* ---- residual blocks ---- */
/* OUT out = a + b over n values, whole vectors of them; out may be either */
APART void sum_of(const real *a, const real *b, intp n, real *out) {
    for (intp i = 0; i < n; i += LANES) v_store(out + i, v_load(a + i) + v_load(b + i));
}
