/* The first layer where X is sparse: products with a slice's nonzeros alone, in the order of the products with its zeros.

   A zero changes no sum, so CSR and its dense twin give the same bits.  The nonzeros of a slice are gathered row by row for
   `forward`, and sorted by column for `backward_weights`: both walk W and dZ, which lie in panels as everywhere. */
#pragma once
#include "gather.h"

typedef struct {
    int on;                            /* is X sparse? */
    const char *indptr, *indices;      /* the user's arrays, of int32 or int64 */
    int wide_indptr, wide_indices;     /* 1: int64 */
    Source values;                     /* any numeric type: it is cast as it is gathered */
    void *memory;                      /* what follows, for `room` nonzeros */
    intp room, rows;
    intp *start, *stop;                /* row r of the slice has the nonzeros start[r] .. stop[r] */
    int32_t *column, *row;
    real *value, *value_by;            /* row by row, and in the order of `by` */
    uint64_t *key, *spare;             /* room to sort */
    const uint64_t *by;                /* sorted: column << 32 | row of the slice */
} Nonzeros;

INLINE intp read_index(const char *p, int wide, intp k) {
    if (!wide) {
        int32_t index;
        memcpy(&index, p + 4 * k, 4);
        return index;
    }
    int64_t index;
    memcpy(&index, p + 8 * k, 8);
    return (intp)index;
}
INLINE intp row_length(const Nonzeros *x, intp row) {
    return read_index(x->indptr, x->wide_indptr, row + 1) - read_index(x->indptr, x->wide_indptr, row);
}
/* Row `from` of the matrix as row r of the slice, whose place `start[r]` is known.  `finite` asks for a check: gives 0 where a
   value is NaN or infinite */
APART int gather_nonzeros(Nonzeros *x, intp from, intp r, int finite) {
    const intp first = read_index(x->indptr, x->wide_indptr, from), n = row_length(x, from), at = x->start[r];
    const Source *s = &x->values;
    read_run(s->data + first * s->column_stride, s, !s->swapped, x->value + at, n);
    if (x->wide_indices) for (intp k = 0; k < n; k++) x->column[at + k] = (int32_t)read_index(x->indices, 1, first + k);
    else if (n) memcpy(x->column + at, x->indices + 4 * first, (size_t)n * 4);
    for (intp k = 0; k < n; k++) x->row[at + k] = (int32_t)r;
    x->stop[r] = at + n;
    return !finite || finite_run(x->value + at, n);
}
/* have the beginning of a row fetched that will be gathered soon */
INLINE void ask_for_nonzeros(const Nonzeros *x, const int32_t *index, intp rows, intp k) {
    if (k >= rows) return;
    const intp first = read_index(x->indptr, x->wide_indptr, index ? index[k] : k);
    const char *indices = x->indices + first * (x->wide_indices ? 8 : 4);
    const char *values = x->values.data + first * x->values.column_stride;
    PREFETCH(indices), PREFETCH(indices + 64), PREFETCH(values), PREFETCH(values + 64);
}

#define MOST_DIGIT 11 /* bits of a column that one pass of the sort may look at */
/* IN/OUT a: n keys, sorted by the column in their upper half, equal ones in their order; spare: as much room.  Gives where the
   sorted keys are.  The same number of passes for all keys below `columns` << 32, each over as few bits as that number needs */
INLINE uint64_t *sort_keys(uint64_t *a, uint64_t *spare, intp n, intp columns) {
    intp place[1 << MOST_DIGIT];
    int bits = 1;
    while ((columns - 1) >> bits) bits++;
    const int passes = (bits + MOST_DIGIT - 1) / MOST_DIGIT, digit = (bits + passes - 1) / passes;
    const intp ways = (intp)1 << digit;
    for (int shift = 32; shift < 32 + passes * digit; shift += digit) {
        memset(place, 0, (size_t)ways * sizeof *place);
        for (intp k = 0; k < n; k++) place[(a[k] >> shift) & (uint64_t)(ways - 1)]++;
        for (intp d = 0, sum = 0; d < ways; d++) {
            const intp count = place[d];
            place[d] = sum;
            sum += count;
        }
        for (intp k = 0; k < n; k++) spare[place[(a[k] >> shift) & (uint64_t)(ways - 1)]++] = a[k];
        uint64_t *swap = a;
        a = spare;
        spare = swap;
    }
    return a;
}
#define FEW 48 /* nonzeros that are sorted sooner without the passes */
INLINE uint64_t *insert_keys(uint64_t *a, intp n) {
    for (intp k = 1; k < n; k++) {
        const uint64_t key = a[k];
        intp j = k;
        for (; j > 0 && a[j - 1] > key; j--) a[j] = a[j - 1];
        a[j] = key;
    }
    return a;
}
/* The slice's nonzeros in columns c0 .. c1 of I, sorted by column, to their place among all.  IN column, row, value of `count`
   nonzeros; OUT by, value_by.  Each thread takes columns of its own; what comes out does not depend on how they were shared */
APART void sort_nonzeros(Nonzeros *x, intp count, intp I, intp c0, intp c1) {
    intp before = 0, n = 0;
    for (intp k = 0; k < count; k++) before += x->column[k] < c0;
    uint64_t *key = x->key + before;
    real *value = x->value_by + before;
    for (intp k = 0; k < count; k++) if (x->column[k] >= c0 && x->column[k] < c1)
        key[n++] = (uint64_t)x->column[k] << 32 | (uint64_t)k;
    uint64_t *sorted = count > FEW ? sort_keys(key, x->spare + before, n, I) : insert_keys(key, n);
    for (intp k = 0; k < n; k++) {
        const uint32_t from = (uint32_t)sorted[k];
        value[k] = x->value[from];
        sorted[k] = (sorted[k] >> 32 << 32) | (uint64_t)x->row[from];
    }
    if (c0 == 0) x->by = sorted; /* the others' lie behind: all have taken the same number of passes */
}
/* the first nonzero in a column not below `column` */
INLINE intp find_column(const uint64_t *by, intp count, intp column) {
    intp low = 0, high = count;
    while (low < high) {
        const intp middle = low + (high - low) / 2;
        if ((intp)(by[middle] >> 32) < column) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* OUT np panels of a row, out_gap apart: bias + sum of the n nonzeros' rows of W, whose panels are w_gap apart */
INLINE void nonzeros_panels(const int np, const int nv, const real *bias, const int32_t *column, const real *value, intp n,
                            const real *w, intp w_gap, real *out, intp out_gap) {
    V acc[4][2];
    UNROLL for (int j = 0; j < np; j++) {
        acc[j][0] = v_load(bias + j * PANEL);
        acc[j][1] = nv > 1 ? v_load(bias + j * PANEL + LANES) : (V){0};
    }
    for (intp k = 0; k < n; k++) {
        const real x = value[k], *row = w + column[k] * (intp)(nv * LANES);
        UNROLL for (int j = 0; j < np; j++) {
            acc[j][0] += x * v_load(row + j * w_gap);
            if (nv > 1) acc[j][1] += x * v_load(row + j * w_gap + LANES);
        }
    }
    UNROLL for (int j = 0; j < np; j++) {
        v_store(out + j * out_gap, acc[j][0]);
        v_store(out + j * out_gap + LANES, acc[j][1]);
    }
}
APART void nonzeros_times_panels(int np, int nv, const real *bias, const int32_t *column, const real *value, intp n,
                                 const real *w, intp w_gap, real *out, intp out_gap) {
    if (nv == 1) nonzeros_panels(1, 1, bias, column, value, n, w, w_gap, out, out_gap);
    else if (np == 4) nonzeros_panels(4, 2, bias, column, value, n, w, w_gap, out, out_gap);
    else if (np == 2) nonzeros_panels(2, 2, bias, column, value, n, w, w_gap, out, out_gap);
    else nonzeros_panels(1, 2, bias, column, value, n, w, w_gap, out, out_gap);
}
/* OUT z = bias + the nonzeros' dot product with one row w in panels: by lanes, as `dot_panels` */
INLINE real dot_nonzeros(const int32_t *column, const real *value, intp n, const real *w, real bias) {
    real sums[PANEL] = {0};
    for (intp k = 0; k < n; k++) sums[column[k] % PANEL] += value[k] * w[column[k]];
    return bias + v_sum(v_load(sums) + v_load(sums + LANES));
}

/* OUT out[m][nv * LANES] = from (a tile, or zero where NULL) + rows first .. first + m of X' dZ; b: a panel of dZ.  `at`: the
   first of the `count` nonzeros that belongs to them.  Gives the sum of squares of what it wrote */
INLINE real nonzero_rows(const int nv, const real *from, const uint64_t *by, const real *value, intp at, intp count,
                         intp first, intp m, const real *b, real *out) {
    V s0 = {0}, s1 = {0};
    for (intp r = 0; r < m; r++) {
        V a0 = {0}, a1 = {0};
        for (; at < count && (intp)(by[at] >> 32) == first + r; at++) {
            const real x = value[at], *row = b + (intp)(uint32_t)by[at] * PANEL;
            a0 += x * v_load(row);
            if (nv > 1) a1 += x * v_load(row + LANES);
        }
        if (from) {
            a0 += v_load(from + r * nv * LANES);
            if (nv > 1) a1 += v_load(from + r * nv * LANES + LANES);
        }
        v_store(out + r * nv * LANES, a0);
        s0 += a0 * a0;
        if (nv > 1) {
            v_store(out + r * nv * LANES + LANES, a1);
            s1 += a1 * a1;
        }
    }
    return v_sum(s0 + s1);
}
APART real nonzeros_tile(int nv, const real *from, const uint64_t *by, const real *value, intp at, intp count, intp first,
                         intp m, const real *b, real *out) {
    if (nv == 1) return nonzero_rows(1, from, by, value, at, count, first, m, b, out);
    return nonzero_rows(2, from, by, value, at, count, first, m, b, out);
}
/* OUT out[PANEL] = from (or zero) + columns first .. first + PANEL of the nonzeros times dz, of K rows: in the four chains of
   `weighted_rows`.  Gives the sum of squares */
APART real weighted_nonzeros(const real *from, const real *dz, const uint64_t *by, const real *value, intp at, intp count,
                             intp first, intp K, real *out) {
    real s[4][PANEL] = {{0}};
    for (; at < count && (intp)(by[at] >> 32) < first + PANEL; at++) {
        const intp row = (intp)(uint32_t)by[at];
        s[row < K / 4 * 4 ? row % 4 : 0][(intp)(by[at] >> 32) - first] += dz[row] * value[at];
    }
    V t[2];
    UNROLL for (int j = 0; j < 2; j++) {
        t[j] = (v_load(s[0] + j * LANES) + v_load(s[1] + j * LANES)) + (v_load(s[2] + j * LANES) + v_load(s[3] + j * LANES));
        if (from) t[j] += v_load(from + j * LANES);
        v_store(out + j * LANES, t[j]);
    }
    return v_sum(t[0] * t[0] + t[1] * t[1]);
}

/* ---- lazy updates: only the columns that the slice has nonzeros in ---- */
/* OUT column: up to `most` columns from nonzero `at` on, `found` of them.  Gives the first nonzero behind these */
INLINE intp next_columns(const uint64_t *by, intp at, intp count, intp most, intp *column, intp *found) {
    intp n = 0;
    for (; at < count; at++) {
        const intp c = (intp)(by[at] >> 32);
        if (n > 0 && c == column[n - 1]) continue;
        if (n == most) break;
        column[n++] = c;
    }
    *found = n;
    return at;
}
/* OUT out[][nv * LANES]: for each column of the nonzeros from..end a row of X' dZ; b: a panel of dZ.  Gives the sum of squares */
INLINE real touched(const int nv, const uint64_t *by, const real *value, intp from, intp end, const real *b, real *out) {
    V sum = {0};
    for (intp r = 0; from < end; r++) {
        const uint64_t column = by[from] >> 32;
        V a0 = {0}, a1 = {0};
        for (; from < end && by[from] >> 32 == column; from++) {
            const real x = value[from], *row = b + (intp)(uint32_t)by[from] * PANEL;
            a0 += x * v_load(row);
            if (nv > 1) a1 += x * v_load(row + LANES);
        }
        v_store(out + r * nv * LANES, a0);
        if (nv > 1) v_store(out + r * nv * LANES + LANES, a1);
        sum += a0 * a0 + a1 * a1;
    }
    return v_sum(sum);
}
APART real touched_rows(int nv, const uint64_t *by, const real *value, intp from, intp end, const real *b, real *out) {
    if (nv == 1) return touched(1, by, value, from, end, b, out);
    return touched(2, by, value, from, end, b, out);
}
/* the same for one output: a number for each column, of K rows in the chains of `weighted_rows` */
INLINE real touched_values(const uint64_t *by, const real *value, intp from, intp end, const real *dz, intp K, real *out) {
    real squares = 0;
    for (intp r = 0; from < end; r++) {
        const uint64_t column = by[from] >> 32;
        real s[4] = {0};
        for (; from < end && by[from] >> 32 == column; from++) {
            const intp row = (intp)(uint32_t)by[from];
            s[row < K / 4 * 4 ? row % 4 : 0] += dz[row] * value[from];
        }
        out[r] = (s[0] + s[1]) + (s[2] + s[3]);
        squares += out[r] * out[r];
    }
    return squares;
}
