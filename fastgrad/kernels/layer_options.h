/* What layers may ask for behind the optimizer's turn: weights that become zero, columns of limited length, and a running mean
   of the parameters.  NaN stays NaN, and a length that overflows becomes NaN, so that the next loss tells of it. */
#pragma once
#include "simd.h"
#include "vmath.h"

/* w = sign(w) max(|w| - by, 0) over n values: the proximal step of by |w|.
   Source: Daubechies, Defrise & De Mol, Comm. Pure Appl. Math. 57 (2004) */
APART void shrink(real *RESTRICT w, intp n, real by) {
    INDEPENDENT for (intp i = 0; i < n; i++) w[i] = w[i] > by ? w[i] - by : w[i] < -by ? w[i] + by : w[i] - w[i];
}

/* what a column whose squares sum to `square` is multiplied by, so that it is no longer than `most` */
INLINE real shortening(real square, real most) {
    const real norm = vm_sqrt(square);
    if (!(norm > most)) return 1;
    return norm - norm == 0 ? most / norm : norm - norm;
}
/* w[K][width]: each of the LANES columns from w on is scaled back to `most` where it is longer.  Squares are summed in four
   chains over the rows, folded in order.  Source: Srivastava et al., Dropout, JMLR 15 (2014), section 5.1 */
APART void hold_columns(real *w, intp K, intp width, real most) {
    V s[4] = {{0}};
    real by[LANES];
    int longer = 0;
    intp k = 0;
    for (; k + 4 <= K; k += 4) UNROLL for (int j = 0; j < 4; j++) {
        const V v = v_load(w + (k + j) * width);
        s[j] += v * v;
    }
    for (; k < K; k++) s[0] += v_load(w + k * width) * v_load(w + k * width);
    v_store(by, (s[0] + s[1]) + (s[2] + s[3]));
    for (int l = 0; l < LANES; l++) {
        by[l] = shortening(by[l], most);
        longer |= by[l] != 1;
    }
    if (longer) for (k = 0; k < K; k++) v_store(w + k * width, v_load(w + k * width) * v_load(by));
}
/* the same for a single column, whose n values lie side by side */
APART void hold_run(real *w, intp n, real most) {
    V square = {0};
    for (intp k = 0; k < n; k += LANES) square += v_load(w + k) * v_load(w + k);
    const real by = shortening(v_sum(square), most);
    if (by != 1) for (intp k = 0; k < n; k += LANES) v_store(w + k, v_load(w + k) * by);
}

/* mean += mix (w - mean) over n values; mix 1 starts it */
APART void follow(real *RESTRICT mean, const real *RESTRICT w, intp n, real mix) {
    if (mix == 1) memcpy(mean, w, (size_t)n * sizeof(real));
    else INDEPENDENT for (intp i = 0; i < n; i++) mean[i] += mix * (w[i] - mean[i]);
}
