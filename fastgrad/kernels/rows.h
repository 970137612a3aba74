/* Losses that need whole rows of scores: softmax cross-entropy and the multi-class margin.  A row is n values in panels `gap`
   apart; it is worked on where it lies (through a copy, store forwarding fails and a step takes a tenth longer).  Several
   rows are taken phase by phase: one row's maximum, exponential, sum and quotient wait for each other, those of many do not. */
#pragma once

#define CHUNK 64 /* rows at a time: a multiple of LANES */
#define PLACE(j) (((j) >> 1) * gap + ((j) & 1) * LANES)

/* p = exp(z - top), pad lanes zero; top = max z, total = sum p; m <= CHUNK rows, PANEL apart, of vectors_ vectors each */
INLINE void exponentials(const real *z, intp gap, intp n, intp m, real *p, real *top, real *total, const intp vectors_) {
    const V lowest = (V){0} - VM_INF;
    V v[LANES];
    for (intp r = 0; r < m; r += LANES) {
        UNROLL for (int i = 0; i < LANES; i++) {
            const real *row = z + (r + i < m ? r + i : m - 1) * PANEL;
            v[i] = lowest;
            for (intp j = 0; j < vectors_; j++)
                v[i] = v_larger(v_first_or(v_load(row + PLACE(j)), n - j * LANES, lowest), v[i]);
        }
        v_store(top + r, v_tops(v));
    }
    for (intp r = 0; r < m; r++) for (intp j = 0; j < vectors_; j++) {
        const real *from = z + r * PANEL + PLACE(j), shift = top[r];
        real *to = p + r * PANEL + PLACE(j);
        const whole live = (whole)(n - j * LANES); /* as wide as a real: else GCC takes half vectors of doubles */
        INDEPENDENT for (whole l = 0; l < LANES; l++) to[l] = l < live ? vm_exp_down(from[l] - shift) : 0;
    }
    for (intp r = 0; r < m; r += LANES) {
        UNROLL for (int i = 0; i < LANES; i++) {
            const real *row = p + (r + i < m ? r + i : m - 1) * PANEL;
            v[i] = v_load(row);
            for (intp j = 1; j < vectors_; j++) v[i] += v_load(row + PLACE(j));
        }
        v_store(total + r, v_sums(v));
    }
}
INLINE void times(real *p, intp gap, intp m, const real *by, const intp vectors_) {
    for (intp r = 0; r < m; r++) for (intp j = 0; j < vectors_; j++)
        v_store(p + r * PANEL + PLACE(j), v_load(p + r * PANEL + PLACE(j)) * by[r]);
}
/* p = softmax(z) * scale (1 where NULL): the loops over one vector a row, the usual case, vanish at compile time */
INLINE void softmax_scaled(const real *z, intp gap, intp n, intp m, real *p, const real *scale, real *top, real *total,
                           const intp vectors_) {
    real by[CHUNK];
    exponentials(z, gap, n, m, p, top, total, vectors_);
    for (intp r = 0; r < m; r++) by[r] = (scale ? scale[r] : R(1)) / total[r];
    times(p, gap, m, by, vectors_);
}
APART void softmax_chunk(const real *z, intp gap, intp n, intp m, real *p, const real *scale, real *top, real *total) {
    if (n <= LANES) softmax_scaled(z, gap, n, m, p, scale, top, total, 1);
    else softmax_scaled(z, gap, n, m, p, scale, top, total, (n + LANES - 1) / LANES);
}

/* p = softmax(z) of m rows */
APART void softmax_rows(const real *z, intp gap, intp n, intp m, real *p) {
    real top[CHUNK], total[CHUNK];
    for (intp r = 0; r < m; r += CHUNK)
        softmax_chunk(z + r * PANEL, gap, n, m - r < CHUNK ? m - r : CHUNK, p + r * PANEL, NULL, top, total);
}

INLINE intp place_of(intp label, intp gap) { return (label / PANEL) * gap + label % PANEL; }

/* s = (1 - smooth) target + smooth / n for rows of weights t; for classes only the even part */
INLINE V target_part(const real *t, real even, real kept, intp live) {
    V s = (V){0} + even;
    if (t) s += v_load(t) * kept;
    return v_first(s, live);
}

/* l = log sum exp(z) - sum s z,  dz = (softmax(z) - s) * scale; m <= CHUNK rows */
APART void softmax_loss(const real *z, const real *t, const int32_t *label, intp gap, intp n, intp m, real *dz,
                        const real *scale, real *l, real smooth) {
    real top[CHUNK], total[CHUNK];
    const real even = smooth / (real)n, kept = 1 - smooth;
    softmax_chunk(z, gap, n, m, dz, scale, top, total);
    INDEPENDENT for (intp r = 0; r < m; r++) l[r] = vm_log(total[r]);
    if (t || smooth != 0) for (intp r = 0; r < m; r++) {
        V sum = {0};
        for (intp j = 0; j * LANES < n; j++) {
            const intp at = r * PANEL + PLACE(j);
            const V s = target_part(t ? t + at : NULL, even, kept, n - j * LANES);
            sum += v_first((v_load(z + at) - top[r]) * s, n - j * LANES);
            v_store(dz + at, v_load(dz + at) - s * scale[r]);
        }
        l[r] -= v_sum(sum);
    }
    if (!t) for (intp r = 0; r < m; r++) {
        const intp k = r * PANEL + place_of(label[r], gap);
        l[r] -= (z[k] - top[r]) * kept;
        dz[k] -= scale[r] * kept;
    }
}

/* l = 1/n sum over j != label of max(0, 1 - z[label] + z[j]) */
APART void margin_loss(const real *z, const real *t, const int32_t *label, intp gap, intp n, intp m, real *dz,
                       const real *scale, real *l, real smooth) {
    (void)t;
    (void)smooth;
    for (intp r = 0; r < m; r++, z += PANEL, dz += PANEL) {
        const intp k = place_of(label[r], gap);
        const real target = z[k], one = scale[r] / (real)n;
        real loss = 0;
        intp hits = 0;
        for (intp j = 0; j < n; j++) {
            const intp at = place_of(j, gap);
            const real margin = 1 - target + z[at];
            const int hit = j != label[r] && !(margin <= 0);
            dz[at] = hit ? one : 0;
            loss += hit ? margin : 0;
            hits += hit;
        }
        dz[k] = -one * (real)hits;
        l[r] = loss / (real)n;
    }
}
