/* Losses that need a whole row of scores: softmax cross-entropy and the multi-class margin.  A row is n values in panels
   `gap` apart; it is worked on where it lies (through a copy, store forwarding fails and a step takes a tenth longer). */
#pragma once

#define PLACE(j) (((j) >> 1) * gap + ((j) & 1) * LANES)

/* p = exp(z - max z) * scale / sum, pad lanes zero; gives max z, and log of the sum in *log_sum */
INLINE real softmax_row(const real *z, intp gap, intp n, real *p, real scale, real *log_sum) {
    const intp vectors_ = (n + LANES - 1) / LANES;
    const V first = (V){0} + z[0];
    V top = first, sum = {0};
    for (intp j = 0; j < vectors_; j++) top = v_larger(top, v_first_or(v_load(z + PLACE(j)), n - j * LANES, first));
    const real highest = v_top(top);
    for (intp j = 0; j < vectors_; j++) {
        const real *from = z + PLACE(j);
        real *to = p + PLACE(j);
        INDEPENDENT for (int l = 0; l < LANES; l++) to[l] = vm_exp(from[l] - highest);
        const V e = v_first(v_load(to), n - j * LANES);
        v_store(to, e);
        sum += e;
    }
    const real total = v_sum(sum), by = scale / total;
    for (intp j = 0; j < vectors_; j++) v_store(p + PLACE(j), v_load(p + PLACE(j)) * by);
    *log_sum = (real)PICK(logf(total), log(total));
    return highest;
}

INLINE intp place_of(intp label, intp gap) { return (label / PANEL) * gap + label % PANEL; }

/* l = log sum exp(z) - sum s z,  dz = (softmax(z) - s) * scale,  s = (1 - smooth) target + smooth / n */
APART real softmax_loss(const real *z, const real *t, intp label, intp gap, intp n, real *dz, real scale, real smooth) {
    real log_sum, picked;
    const real highest = softmax_row(z, gap, n, dz, scale, &log_sum), even = smooth / (real)n, kept = 1 - smooth;
    if (!t && smooth == 0) {
        const intp k = place_of(label, gap);
        dz[k] -= scale;
        return log_sum - (z[k] - highest);
    }
    V sum = {0};
    for (intp j = 0; j * LANES < n; j++) {
        V s = (V){0} + even;
        if (t) s += v_load(t + PLACE(j)) * kept;
        s = v_first(s, n - j * LANES);
        sum += v_first((v_load(z + PLACE(j)) - highest) * s, n - j * LANES);
        v_store(dz + PLACE(j), v_load(dz + PLACE(j)) - s * scale);
    }
    picked = v_sum(sum);
    if (!t) {
        const intp k = place_of(label, gap);
        picked += (z[k] - highest) * kept;
        dz[k] -= scale * kept;
    }
    return log_sum - picked;
}

/* l = 1/n sum over j != label of max(0, 1 - z[label] + z[j]) */
APART real margin_loss(const real *z, const real *t, intp label, intp gap, intp n, real *dz, real scale, real smooth) {
    const intp k = place_of(label, gap);
    const real target = z[k], one = scale / (real)n;
    real loss = 0;
    intp hits = 0;
    (void)t;
    (void)smooth;
    for (intp j = 0; j < n; j++) {
        const intp at = place_of(j, gap);
        const real margin = 1 - target + z[at];
        const int hit = j != label && !(margin <= 0);
        dz[at] = hit ? one : 0;
        loss += hit ? margin : 0;
        hits += hit;
    }
    dz[k] = -one * (real)hits;
    return loss / (real)n;
}
