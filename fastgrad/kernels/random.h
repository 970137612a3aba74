/* Philox4x32-10: random numbers by counter, so that number k of a stream is the same whoever asks for it, on any thread.
   Source: Salmon, Moraes, Dror & Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011). */
#pragma once
#include "platform.h"

#define BLOCK 64 /* counters made at a time: the rounds run as vectors over them */

/* OUT out[4 * BLOCK]: words of counters `first` .. `first` + BLOCK - 1; word j of counter k at out[4 k + j].
   Counter: (k, stream); key: seed */
static void philox_block(uint64_t seed, uint64_t stream, uint64_t first, uint32_t *RESTRICT out) {
    uint32_t a[BLOCK], b[BLOCK], c[BLOCK], d[BLOCK], k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int i = 0; i < BLOCK; i++) {
        a[i] = (uint32_t)(first + (uint64_t)i);
        b[i] = (uint32_t)((first + (uint64_t)i) >> 32);
        c[i] = (uint32_t)stream;
        d[i] = (uint32_t)(stream >> 32);
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < BLOCK; i++) {
            const uint64_t p = (uint64_t)a[i] * 0xD2511F53u, q = (uint64_t)c[i] * 0xCD9E8D57u;
            a[i] = (uint32_t)(q >> 32) ^ b[i] ^ k0;
            b[i] = (uint32_t)q;
            c[i] = (uint32_t)(p >> 32) ^ d[i] ^ k1;
            d[i] = (uint32_t)p;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < BLOCK; i++) {
        out[4 * i] = a[i];
        out[4 * i + 1] = b[i];
        out[4 * i + 2] = c[i];
        out[4 * i + 3] = d[i];
    }
}

/* OUT order: 0 .. n - 1 shuffled (Fisher-Yates, Durstenfeld 1964).  Places by multiply-shift (Lemire 2019) without
   rejection: a place's probability is off by less than n / 2^32 of itself */
static void shuffled(uint64_t seed, uint64_t stream, intp n, int32_t *order) {
    uint32_t words[4 * BLOCK];
    for (intp i = 0; i < n; i++) order[i] = (int32_t)i;
    for (intp i = n - 1, used = 0; i > 0; i--, used++) {
        if (used % (4 * BLOCK) == 0) philox_block(seed, stream, (uint64_t)(used / 4), words);
        const intp j = (intp)(((uint64_t)words[used % (4 * BLOCK)] * (uint64_t)(i + 1)) >> 32);
        const int32_t held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}

/* OUT out: n numbers of a stream, from number `first` on, uniform in [-bound, bound), 53 bits each */
static void uniform_from(uint64_t seed, uint64_t stream, uint64_t first, intp n, double bound, double *out) {
    uint32_t words[4 * BLOCK];
    const intp skip = (intp)(first % 2); /* a counter makes two */
    for (intp i = 0; i < n; i++) {
        const intp k = (i + skip) % (2 * BLOCK);
        if (i == 0 || k == 0) philox_block(seed, stream, (first + (uint64_t)i) / 2, words);
        const uint32_t *w = words + 2 * k;
        const uint64_t bits = ((uint64_t)w[0] << 32 | w[1]) >> 11;
        out[i] = ((double)bits * (1.0 / 9007199254740992.0) * 2 - 1) * bound;
    }
}
static void uniform(uint64_t seed, uint64_t stream, intp n, double bound, double *out) {
    uniform_from(seed, stream, 0, n, bound, out);
}
