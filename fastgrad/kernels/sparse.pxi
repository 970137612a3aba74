# X as a CSR matrix: its nonzeros are gathered, and the first layer's two products take them alone (see sparse.h).

cdef class Rows:
    """X of a call, borrowed while this object lives: an array (N, I), or an object with `indptr`, `indices`, `data`, `shape`.

    The caller has made sure of a CSR matrix that every index lies within its columns and every row within its nonzeros.
    """
    cdef intp count
    cdef Source x
    cdef Nonzeros nonzeros
    cdef object matrix, held

    def __cinit__(self, X):
        cdef Buffer values, indptr, indices
        memset(&self.nonzeros, 0, sizeof(Nonzeros))
        self.matrix = X
        if not hasattr(X, "indptr"):
            values = Buffer(X, PyBUF_STRIDED_RO | PyBUF_FORMAT)
            source(values, &self.x)
            self.held, self.count = values, self.x.rows
            return
        values = Buffer(X.data, PyBUF_STRIDED_RO | PyBUF_FORMAT)
        indptr, indices = Buffer(X.indptr, PyBUF_C_CONTIGUOUS), Buffer(X.indices, PyBUF_C_CONTIGUOUS)
        self.held = values, indptr, indices
        memset(&self.x, 0, sizeof(Source))
        self.x.rows, self.x.columns = X.shape
        self.count = self.x.rows
        source(values, &self.nonzeros.values)
        self.nonzeros.on = 1
        self.nonzeros.indptr, self.nonzeros.indices = <const char *>indptr.view.buf, <const char *>indices.view.buf
        self.nonzeros.wide_indptr, self.nonzeros.wide_indices = indptr.view.itemsize == 8, indices.view.itemsize == 8

cdef int make_room(Plan *s, Rows x) except -1:
    """Point the plan at the nonzeros of a matrix, with buffers for any H of its rows."""
    cdef Nonzeros *z = &s.nonzeros
    cdef Nonzeros before = s.nonzeros
    cdef intp room = x.matrix.most(s.H), at = 0, walk
    cdef real *base = NULL
    s.nonzeros = x.nonzeros
    if before.memory != NULL and before.room >= room:
        z.memory, z.room, z.start, z.stop = before.memory, before.room, before.start, before.stop
        z.column, z.row, z.value, z.value_by = before.column, before.row, before.value, before.value_by
        z.key, z.spare = before.key, before.spare
        return 0
    release(before.memory)
    for walk in range(2):
        at = 0
        z.start = <intp *>cut(base, &at, in_reals((s.H + 1) * sizeof(intp)))
        z.stop = <intp *>cut(base, &at, in_reals(s.H * sizeof(intp)))
        z.column = <int32 *>cut(base, &at, in_reals((room + 1) * sizeof(int32)))
        z.row = <int32 *>cut(base, &at, in_reals((room + 1) * sizeof(int32)))
        z.value = cut(base, &at, room + 1)
        z.value_by = cut(base, &at, room + 1)
        z.key = <uint64 *>cut(base, &at, in_reals((room + 1) * sizeof(uint64)))
        z.spare = <uint64 *>cut(base, &at, in_reals((room + 1) * sizeof(uint64)))
        if walk == 0:
            z.memory = grab(at * sizeof(real))
            if z.memory == NULL:
                raise MemoryError(f"no memory for {room} nonzeros, as many as {s.H} rows may have")
            base = <real *>z.memory
    z.room = room
    return 0

cdef inline intp in_reals(intp bytes_) noexcept:
    return ceil_div(bytes_, sizeof(real))

cdef void begin_rows(Plan *s, intp start, intp r0) noexcept nogil:
    """The place of the slice's row r0 among its nonzeros: behind those of the rows before it."""
    cdef intp r, sum = 0
    for r in range(start, start + r0):
        sum += row_length(&s.nonzeros, s.index[r] if s.index != NULL else r)
    s.nonzeros.start[r0] = sum

cdef inline int gather_sparse(Plan *s, intp at, intp start, intp r, intp r1) noexcept nogil:
    """Row `at` of X as row r of the slice, whose rows before have been gathered."""
    cdef int finite
    ask_for_nonzeros(&s.nonzeros, s.index, s.rows, start + r + 4)
    finite = gather_nonzeros(&s.nonzeros, at, r, s.check_x)
    if r + 1 < r1:
        s.nonzeros.start[r + 1] = s.nonzeros.stop[r]
    return finite

cdef void forward_sparse(Plan *s, intp r0, intp r1) noexcept nogil:
    """A = f(X W + b) of the first layer, rows r0..r1, four panels at a time."""
    cdef const Layer *q = s.layer
    cdef const Nonzeros *x = &s.nonzeros
    cdef real tile[4 * TILE]
    cdef intp p = 0, r, k, m, j, at, gap = s.H * PANEL, out_gap
    cdef int np, nv
    cdef real *z
    while p < panels(q.O):
        nv = vectors(q.O, p)
        np = 1
        if nv == 2:
            j = least(panels(q.O) - (vectors(q.O, panels(q.O) - 1) == 1), p + 4) - p
            np = 4 if j == 4 else 2 if j >= 2 else 1
        r = r0
        while r < r1:
            m = least(ROWS, r1 - r)
            at = p * gap + r * PANEL
            z = place_of_z(q, at, tile)
            out_gap = TILE if z == tile else gap
            for k in range(m):
                nonzeros_times_panels(np, nv, q.b + p * PANEL, x.column + x.start[r + k], x.value + x.start[r + k],
                                      x.stop[r + k] - x.start[r + k], q.W + p * q.I * PANEL, q.I * PANEL,
                                      z + k * PANEL, out_gap)
            for j in range(np):
                output_tile(q, z + j * out_gap, at + j * gap, m, q.O - (p + j) * PANEL)
            r += m
        p += np

cdef void forward_sparse_narrow(Plan *s, intp r0, intp r1) noexcept nogil:
    """The same for a network of one output and one layer."""
    cdef const Layer *q = s.layer
    cdef const Nonzeros *x = &s.nonzeros
    cdef real *Z = q.Z if q.needs_z else q.A
    cdef intp r
    for r in range(r0, r1):
        Z[r] = dot_nonzeros(x.column + x.start[r], x.value + x.start[r], x.stop[r] - x.start[r], q.W, q.b[0])
    if q.apply != NULL:
        apply_padded(q.apply, Z + r0, q.A + r0, r1 - r0)

cdef void forward_first(Plan *s, intp r0, intp r1) noexcept nogil:
    if s.layer.narrow:
        forward_sparse_narrow(s, r0, r1)
    else:
        forward_sparse(s, r0, r1)

cdef void sort_slice(Plan *s, intp m, int thread, int threads) noexcept nogil:
    """A thread's share of sorting the m rows' nonzeros, or codes, by column; a barrier follows."""
    cdef intp I = s.layer.codes if s.layer.kind == EMBEDDING else s.layer.I
    if thread == 0:
        s.nonzeros.rows = m
    sort_nonzeros(&s.nonzeros, s.nonzeros.stop[m - 1], I, I * thread // threads, I * (thread + 1) // threads)

cdef inline intp nonzeros_before(const Plan *s, intp at, intp i, intp N) noexcept nogil:
    """The first nonzero, by column, that is not left of column i.  `at`: an earlier answer, most often a near one."""
    cdef intp count = s.nonzeros.stop[N - 1]
    if at > 0 and <intp>(s.nonzeros.by[at - 1] >> 32) >= i:
        return find_column(s.nonzeros.by, count, i)         # another panel of W begins
    while at < count and <intp>(s.nonzeros.by[at] >> 32) < i:
        at += 1
    return at

cdef inline bint any_nonzero(const Plan *s, intp at, intp end, intp N) noexcept nogil:
    return at < s.nonzeros.stop[N - 1] and <intp>(s.nonzeros.by[at] >> 32) < end

cdef inline real sparse_tile(Plan *s, intp at, intp p, intp i, intp m, intp N, const real *earlier, real *out) noexcept nogil:
    """A tile of dW = X' dZ of the first layer, and the sum of its squares."""
    cdef const Layer *q = s.layer
    cdef const Nonzeros *x = &s.nonzeros
    if earlier == NULL and not any_nonzero(s, at, i + (PANEL if q.narrow else m), N):
        memset(out, 0, m * (PANEL if q.narrow else vectors(q.O, p) * LANES) * sizeof(real))
        return 0
    if q.narrow:
        return weighted_nonzeros(earlier, q.dZ, x.by, x.value_by, at, x.stop[N - 1], i, N, out)
    return nonzeros_tile(vectors(q.O, p), earlier, x.by, x.value_by, at, x.stop[N - 1], i, m,
                         q.dZ + p * s.H * PANEL, out)

cdef bint rests_on_zero(const Optimizer *row, const double *hyper) noexcept:
    """Does the optimizer leave a parameter and its slots alone where the gradient is zero?  Found by trying: plain gradient
    descent does, Adagrad does, whatever decays does not."""
    cdef real w[LANES]
    cdef real g[LANES]
    cdef real slots[MOST * LANES]
    cdef real was[(MOST + 1) * LANES]
    cdef real c[MOST]
    cdef double exact[MOST]
    cdef double carry[MOST]
    cdef int k
    for k in range(MOST):
        carry[k] = 1
    for k in range(LANES):
        w[k], g[k] = <real>0.3 + <real>0.7 * k, 0
    for k in range(MOST * LANES):
        slots[k] = <real>0.2 + <real>0.1 * k
    memcpy(was, w, sizeof(w))
    memcpy(was + LANES, slots, sizeof(slots))
    row.prepare(hyper, 0.5, 3, carry, exact)
    for k in range(row.constants):
        c[k] = <real>exact[k]
    row.step(w, g, slots, LANES, LANES, c)
    return memcmp(was, w, sizeof(w)) == 0 and memcmp(was + LANES, slots, sizeof(slots)) == 0
