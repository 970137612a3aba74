/* Dropout: what each value of a layer is multiplied by in a step of training, 0 or 1 / (1 - rate).  Drawn by counter from
   16 bits a value, so that the same row of the same pass over the data gets the same mask on any thread, in any slice and for
   any instruction set.  Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, JMLR 15 (2014). */
#pragma once
#include "random.h"
#include "simd.h"

#define GROUP 8 /* values of a row that one counter serves */
#define RUN (PANEL < GROUP ? PANEL : GROUP)

/* OUT out: the multipliers of rows `first` .. `first` + m - 1 of the pass, in panels `gap` apart.  A value is dropped where its
   16 bits are below `below` */
APART void draw_mask(uint64_t seed, uint64_t stream, uint64_t first, intp m, intp columns, int below, real keep, intp gap,
                     real *out) {
    const intp groups = (columns + GROUP - 1) / GROUP;
    uint64_t counter = first * (uint64_t)groups, base = counter - BLOCK;
    real drawn[GROUP * BLOCK]; /* compared as vectors, and then taken apart by groups */
    for (intp r = 0; r < m; r++) for (intp o = 0; o < columns; o += GROUP, counter++) {
        if (counter - base >= BLOCK) {
            uint32_t words[4 * BLOCK];
            uint16_t bits[GROUP * BLOCK];
            philox_block(seed, stream, base = counter, words);
            memcpy(bits, words, sizeof bits);
            INDEPENDENT for (int i = 0; i < GROUP * BLOCK; i++) drawn[i] = bits[i] < below ? 0 : keep;
        }
        for (intp j = 0; j < GROUP && o + j < columns; j += RUN)
            memcpy(out + (o + j) / PANEL * gap + r * PANEL + (o + j) % PANEL, drawn + GROUP * (counter - base) + j,
                   RUN * sizeof(real));
    }
}
/* OUT a *= by, over n values */
APART void times_mask(real *RESTRICT a, const real *RESTRICT by, intp n) {
    INDEPENDENT for (intp i = 0; i < n; i++) a[i] *= by[i];
}
