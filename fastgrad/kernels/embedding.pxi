# An embedding, the first layer of a network with columns of codes: A = the numeric columns of X, and behind them each code's
# row of its table.  Its parameters are the tables, each the rows side by side; threads share spans of them.
#
# A slice's codes lie in `Plan.nonzeros`: a row is taken as a sparse one with a one for each table, whose column is the code
# behind the rows of the tables before.  Sorted as those are, they give each table's gradient in the order of the rows.

cdef int read_tables(Program p, Layer *q, tuple tables) except -1:
    """(column of X, rows, values of a row) of each table, in the order of the columns."""
    cdef intp c, k, at = 0
    cdef Table *e
    q.kind, q.tables = EMBEDDING, len(tables)
    q.numbers = q.I - q.tables
    p.table = q.table = <Table *>calloc(q.tables, sizeof(Table))
    p.number = q.number = <intp *>calloc(q.numbers + 1, sizeof(intp))
    if q.table == NULL or q.number == NULL:
        raise MemoryError
    at = q.numbers
    for k in range(q.tables):
        e = q.table + k
        e.column, e.rows, e.dim = tables[k]
        e.first, e.to, e.at, e.first_span = q.codes, at, q.reals, q.tiles
        at += e.dim
        q.codes += e.rows
        q.reals += panels(e.rows * e.dim) * PANEL
        q.tiles += ceil_div(e.rows * e.dim, SPAN)
    k = 0
    for c in range(q.I):
        if k < q.tables and q.table[k].column == c:
            k += 1
        else:
            q.number[c - k] = c
    if at != q.O or k != q.tables:
        raise ValueError(f"tables {tables} make no {q.O} columns of {q.I}")
    return 0

cdef void cut_codes(Plan *s, real *base, intp *at, bint training) noexcept:
    """Room for the codes of a slice and, where there is a gradient, to sort them."""
    cdef Nonzeros *x = &s.nonzeros
    cdef intp r, T = s.layer.tables, n = s.H * T + 1, more = n if training else 0
    if s.layer.kind != EMBEDDING:
        return
    x.stop = <intp *>cut(base, at, in_reals(s.H * sizeof(intp)))
    x.column = <int32 *>cut(base, at, in_reals(n * sizeof(int32)))
    x.row = <int32 *>cut(base, at, in_reals(n * sizeof(int32)))
    x.value, x.value_by = cut(base, at, more), cut(base, at, more)
    x.key = <uint64 *>cut(base, at, in_reals(more * sizeof(uint64)))
    x.spare = <uint64 *>cut(base, at, in_reals(more * sizeof(uint64)))
    for r in range(s.H if base != NULL else 0):
        x.stop[r] = (r + 1) * T
    s.layer.code = x.column

cdef void gather_codes(Plan *s, intp start, intp r0, intp r1) noexcept nogil:
    """The codes of rows start + r0 .. start + r1 of the epoch's order.  One that is none stops the training; until then it
    counts as the table's first."""
    cdef const Layer *q = s.layer
    cdef const Table *e
    cdef intp r, k, at
    cdef int32 code
    for r in range(r0, r1):
        at = s.index[start + r] if s.index != NULL else start + r
        for k in range(q.tables):
            e = q.table + k
            code = read_code(&s.x, at, e.column, e.rows)
            if code < 0:
                s.bad, s.status, code = at, BAD_ROW, 0
            s.nonzeros.column[r * q.tables + k] = <int32>(e.first + code)
            s.nonzeros.row[r * q.tables + k] = <int32>r

cdef inline intp place_in_panels(intp c, intp r, intp H) noexcept nogil:
    return ((c // PANEL) * H + r) * PANEL + c % PANEL

cdef void forward_embedding(const Layer *q, const real *X, intp H, intp r0, intp r1) noexcept nogil:
    """A = numbers and rows of the tables, rows r0..r1.  IN X, code; OUT A."""
    cdef const Table *e
    cdef intp r, k, p, m
    for r in range(r0, r1):
        for k in range(q.numbers):
            q.F[place_in_panels(k, r, H)] = X[place_in_panels(q.number[k], r, H)]
        for k in range(q.tables):
            e = q.table + k
            lay_row(q.W + e.at + (q.code[r * q.tables + k] - e.first) * e.dim, e.dim, q.F + r * PANEL, H * PANEL, e.to)
    if q.M == NULL:
        return
    for p in range(panels(q.O)):
        r = r0
        while r < r1:
            m = least(ROWS, r1 - r)
            output_tile(q, NULL, (p * H + r) * PANEL, m, q.O - p * PANEL)
            r += m

cdef void forward_other(const Layer *q, const real *X, intp H, intp p0, intp p1, intp r0, intp r1) noexcept nogil:
    """Any layer but a dense one; see `forward_norm`.  An embedding takes all panels."""
    if q.kind == EMBEDDING:
        forward_embedding(q, X, H, r0, r1)
    else:
        forward_norm(q, X, H, p0, p1, r0, r1)

cdef void backward_embedding(const Layer *q, real *dX, intp H, intp r0, intp r1) noexcept nogil:
    """dX of the numeric columns, rows r0..r1; that of the codes stays zero.  IN dZ; OUT dX."""
    cdef intp r, k
    for r in range(r0, r1):
        for k in range(q.numbers):
            dX[place_in_panels(q.number[k], r, H)] = q.dZ[place_in_panels(k, r, H)]

cdef inline const Table *table_of(const Layer *q, intp t, intp *first, intp *n) noexcept nogil:
    """The table that tile t belongs to, and which of its parameters: n from `first` on."""
    cdef const Table *e = q.table + q.tables - 1
    while e.first_span > t:
        e -= 1
    first[0] = (t - e.first_span) * SPAN
    n[0] = least(SPAN, e.rows * e.dim - first[0])
    return e

cdef inline intp whole_vectors(intp n) noexcept nogil:
    return ceil_div(n, LANES) * LANES

cdef void backward_tables(Plan *s, intp N, intp H, bint begun, bint last, int thread, int threads) noexcept nogil:
    """The tables updated, or their gradient summed up in G, as `backward_weights` does."""
    cdef const Layer *q = s.layer
    cdef const Table *e
    cdef const uint64 *by = s.nonzeros.by
    cdef real tile[SPAN]
    cdef real *out = tile
    cdef const real *earlier = NULL
    cdef bint now = last and s.clip_norm == 0
    cdef bint may_rest = now and not begun and s.rests and not s.follows
    cdef intp t, k, at, first, n, count = s.nonzeros.stop[N - 1]
    for t in range(q.tiles * thread // threads, q.tiles * (thread + 1) // threads):
        e = table_of(q, t, &first, &n)
        at = q.at_W + e.at + first
        k = find_column(by, count, e.first + first // e.dim)
        if may_rest and (k == count or (<intp>(by[k] >> 32) - e.first) * e.dim >= first + n):
            s.squares[q.first_tile + t] = 0         # no gradient, and the optimizer would change nothing
            continue
        if begun:
            earlier = s.G + at
        if not now:
            out = s.G + at
        s.squares[q.first_tile + t] = table_span(earlier, by, k, count, e.first, e.dim, q.dZ, H * PANEL, e.to, first, n, out)
        n = whole_vectors(n)
        if last and s.l2 != 0:
            s.norms[q.first_tile + t] = pull(s.share, s.params + at, out, n, s.squares + q.first_tile + t)
        if now:
            finish(s, q, at, tile, n)

cdef void update_tables(Plan *s, real by, int thread, int threads) noexcept nogil:
    """The tables updated by the gradient in G, times `by`; see `update_weights`."""
    cdef const Layer *q = s.layer
    cdef const Table *e
    cdef intp t, at, first, n
    for t in range(q.tiles * thread // threads, q.tiles * (thread + 1) // threads):
        e = table_of(q, t, &first, &n)
        at = q.at_W + e.at + first
        scaled(s.G + at, whole_vectors(n), by, s.G + at)
        finish(s, q, at, s.G + at, whole_vectors(n))
