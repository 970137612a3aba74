# Matrix factorisation: alternating least squares for ratings, Bayesian personalised ranking for what users chose.
#
# The bits do not depend on the number of threads.  A row of least squares is computed whole by one thread.  Ranking goes
# through blocks of users and blocks of items, drawn anew in each pass: cells that share neither run side by side, how many
# blocks there are is the caller's word, and a negative is drawn by the place of its positive in the pass.

cdef extern from "factors.h" nogil:
    ctypedef long long int64 "int64_t"
    void gather_factors(const real *row, intp vectors, real by, real *out, intp gap)
    void add_tile(const real *tile, intp m, intp vectors, real *a, intp width)
    real solve_row(real *A, intp width, intp D, const real *ridge, real *x)
    double rank_step(real *p, real *q, real *o, const real *decay, intp vectors, intp k, real rate, real w)

cdef struct Room:           # of one thread
    real *F                 # panels of (SLICE, D): factors of the columns, 1, target
    real *A                 # (D, width): F'F
    real *x                 # (width,)

cdef struct Half:           # one side of a round: all rows, the other side held fixed
    intp rows, k, D, width, stride, nv
    const int64 *indptr
    const int32 *indices
    const real *values
    const real *weights     # NULL: all 1
    const real *other       # (columns, stride)
    const real *ridge       # (k + 1,)
    real *out               # (rows, stride)
    double *loss            # (rows,)
    Room *room
    double next_look
    int status

cdef void gather_ratings(const Half *s, const Room *room, intp first, intp n) noexcept nogil:
    """OUT room.F: entries first .. first + n as rows [factors, 1, target less the column's bias], times sqrt(weight)."""
    cdef intp gap = SLICE * PANEL, one = (s.k // PANEL) * gap + s.k % PANEL
    cdef intp target = ((s.k + 1) // PANEL) * gap + (s.k + 1) % PANEL, r
    cdef const real *row
    cdef real *to
    cdef real by = 1
    for r in range(n):
        row = s.other + s.indices[first + r] * s.stride
        to = room.F + r * PANEL
        if s.weights != NULL:
            by = <real>sqrt(s.weights[first + r])
        gather_factors(row, s.nv, by, to, gap)
        to[one] = by
        to[target] = (s.values[first + r] - row[s.k]) * by

cdef void add_products(const Half *s, const Room *room, intp n) noexcept nogil:
    """room.A += F'F, the tiles that reach the upper half."""
    cdef real tile[TILE]
    cdef intp gap = SLICE * PANEL, a, b, c, m, v
    for a in range(panels(s.D)):
        c = 0
        while c < least(PANEL, s.D - a * PANEL):
            m = least(ROWS, least(PANEL, s.D - a * PANEL) - c)
            for b in range(a, panels(s.D)):
                v = vectors(s.D, b)
                columns_times_panel(<int>m, <int>v, NULL, room.F + a * gap + c, n, room.F + b * gap, tile)
                add_tile(tile, m, v, room.A + (a * PANEL + c) * s.width + b * PANEL, s.width)
            c += m

cdef intp share_of(const Half *s, intp part, intp parts) noexcept nogil:
    """The first row of a thread's share.  A row costs its entries and the solution, D / 3 of them."""
    cdef double whole = s.indptr[s.rows] + s.rows * (s.D / 3.0 + 1)
    cdef intp low = 0, high = s.rows, middle
    while low < high:
        middle = (low + high) // 2
        if s.indptr[middle] + middle * (s.D / 3.0 + 1) < whole * part / parts:
            low = middle + 1
        else:
            high = middle
    return low

cdef void solve_rows(void *context, int thread, int threads) noexcept nogil:
    cdef Half *s = <Half *>context
    cdef Room *room = s.room + thread
    cdef intp r, at, n
    cdef float_mode before = flush_subnormals()
    for r in range(share_of(s, thread, threads), share_of(s, thread + 1, threads)):
        at = s.indptr[r]
        if at == s.indptr[r + 1]:       # row numbers are often names, with wide gaps
            memset(s.out + r * s.stride, 0, (s.k + 1) * sizeof(real))
            s.loss[r] = 0
            continue
        memset(room.A, 0, s.D * s.width * sizeof(real))
        while at < s.indptr[r + 1] and s.status == FINE:
            n = least(SLICE, s.indptr[r + 1] - at)
            gather_ratings(s, room, at, n)
            add_products(s, room, n)
            at += n
            if thread == 0:
                s.status = INTERRUPTED if asked_to_stop(&s.next_look) else FINE
        if s.status != FINE:
            break
        s.loss[r] = solve_row(room.A, s.width, s.D, s.ridge, room.x)
        memcpy(s.out + r * s.stride, room.x, (s.k + 1) * sizeof(real))
    restore_subnormals(before)

def solve_factors(indptr, indices, values, weights, other, ridge, out, loss, int threads):
    """out (rows, stride) = the ridge regressions of each row's values on the factors of its columns.

    indptr (int64), indices (int32), values, weights (reals or None): of a CSR matrix.  other (columns, stride): k factors,
    bias, zeros.  ridge (k + 1,).  Minimised is the sum of w (value - bias of the column - x [factors, 1])^2 + sum of
    ridge x^2; x goes to the first k + 1 of out, the minimum to loss (float64).  Source: Koren, Bell & Volinsky, Matrix
    factorization techniques for recommender systems, IEEE Computer 42 (2009).
    """
    cdef Half s
    cdef int t
    cdef Buffer start = flat(indptr, 8, 1), column = flat(indices, 4, 0), value, w, o, r, x, l
    # what the arrays name is the caller's to have checked: columns within other, indptr ascending
    cdef intp count = (<const int64 *>start.view.buf)[start.view.len // 8 - 1]
    s.rows = start.view.len // 8 - 1
    value = flat(values, sizeof(real), count)
    w = None if weights is None else flat(weights, sizeof(real), count)
    o, r = Buffer(other, PyBUF_C_CONTIGUOUS), flat(ridge, sizeof(real), 1)
    s.stride = o.view.shape[1]
    s.k = r.view.len // sizeof(real) - 1
    x, l = flat(out, sizeof(real), s.rows * s.stride, True), flat(loss, 8, s.rows, True)
    s.D = s.k + 2
    s.width, s.nv = ceil_div(s.D, LANES) * LANES, ceil_div(s.D, LANES)
    if s.stride < s.width or o.view.itemsize != sizeof(real) or column.view.len < 4 * count:
        raise ValueError(f"{s.k} factors, {count} entries: other {o.view.shape[1]} wide, {column.view.len // 4} indices")
    s.indptr, s.indices, s.values = <int64 *>start.view.buf, <int32 *>column.view.buf, <real *>value.view.buf
    s.weights = <real *>w.view.buf if w is not None else NULL
    s.other, s.ridge, s.out, s.loss = <real *>o.view.buf, <real *>r.view.buf, <real *>x.view.buf, <double *>l.view.buf
    s.status, s.next_look = FINE, seconds_now() + 0.06
    s.room = <Room *>calloc(threads, sizeof(Room))
    try:
        if s.room == NULL:
            raise MemoryError
        for t in range(threads):
            s.room[t].F = <real *>grab(panels(s.D) * SLICE * PANEL * sizeof(real))
            s.room[t].A = <real *>grab(s.D * s.width * sizeof(real))
            s.room[t].x = <real *>grab(s.width * sizeof(real))
            if s.room[t].F == NULL or s.room[t].A == NULL or s.room[t].x == NULL:
                raise MemoryError
        with nogil:
            parallel_run(solve_rows, &s, threads)
    finally:
        for t in range(threads if s.room != NULL else 0):
            release(s.room[t].F)
            release(s.room[t].A)
            release(s.room[t].x)
        free(s.room)
    pending()

# ---- ranking -------------------------------------------------------------------------------------------------------
cdef enum: TRIES = 4        # draws of a negative; where the user knows them all, the positive is passed over

cdef struct Pass:           # one pass over all positives
    intp users, items, k, stride, blocks, count
    const int64 *indptr     # of the users; columns ascending
    const int32 *indices
    const int32 *owner      # (count,) the user of each entry
    const real *weights     # (count,) or NULL
    const real *decay       # (stride,)
    real *P                 # (users, stride)
    real *Q                 # (items, stride)
    real rate
    uint64 seed, stream
    int32 *order            # (count,) entries, cell by cell
    int32 *catalogue        # (items,) items, block by block
    intp *cell              # (blocks^2 + 1,) where a cell begins in order
    double *loss            # (blocks^2,), and the weights behind
    Gate *gate
    double next_look
    int status

cdef inline bint knows(const Pass *s, intp user, int32 item) noexcept nogil:
    cdef intp low = s.indptr[user], high = s.indptr[user + 1], end = high, middle
    while low < high:
        middle = (low + high) // 2
        if s.indices[middle] < item:
            low = middle + 1
        else:
            high = middle
    return low < end and s.indices[low] == item

cdef void rank_cell(Pass *s, intp cell, intp block, bint look) noexcept nogil:
    """The positives of a cell in their order, each against an item of the same block."""
    cdef unsigned int words[4 * BLOCK]
    cdef intp first = s.items * block // s.blocks, among = s.items * (block + 1) // s.blocks - first, at, t, entry
    cdef int tries
    cdef int32 other
    cdef real w = 1
    cdef double loss = 0, weight = 0
    at = s.cell[cell]
    while at < s.cell[cell + 1]:
        if look and asked_to_stop(&s.next_look):
            s.status = INTERRUPTED
        if s.status != FINE:
            return
        philox_block(s.seed, s.stream, at, words)
        for t in range(least(BLOCK, s.cell[cell + 1] - at)):
            entry = s.order[at + t]
            for tries in range(TRIES):
                other = s.catalogue[first + <intp>(<uint64>words[4 * t + tries] * <uint64>among >> 32)]
                if not knows(s, s.owner[entry], other):
                    if s.weights != NULL:
                        w = s.weights[entry]
                    loss += rank_step(s.P + s.owner[entry] * s.stride, s.Q + s.indices[entry] * s.stride,
                                      s.Q + other * s.stride, s.decay, s.stride // LANES, s.k, s.rate, w)
                    weight += w
                    break
        at += BLOCK
    s.loss[cell], s.loss[s.blocks * s.blocks + cell] = loss, weight

cdef void rank_cells(void *context, int thread, int threads) noexcept nogil:
    """Round by round: the block of users b meets the block of items b + round."""
    cdef Pass *s = <Pass *>context
    cdef intp round_, b
    cdef float_mode before = flush_subnormals()
    for round_ in range(s.blocks):
        b = thread
        while b < s.blocks:
            rank_cell(s, round_ * s.blocks + b, (b + round_) % s.blocks, thread == 0)
            b += threads
        barrier(s.gate, threads)
    restore_subnormals(before)

cdef void sort_cells(Pass *s, int32 *drawn, int32 *block) noexcept nogil:
    """OUT order, cell, catalogue: a shuffle of the positives, sorted by cells whose users and items are drawn.
    drawn (max(count, users),), block (users + items,): scratch."""
    cdef intp e, n, at
    cdef intp *start = s.cell
    shuffled(s.seed, s.stream + 1, s.users, drawn)
    for e in range(s.users):        # place e lies in block (places of block b: from users * b // blocks on)
        block[drawn[e]] = <int32>(((e + 1) * s.blocks - 1) // s.users)
    shuffled(s.seed, s.stream + 2, s.items, s.catalogue)
    for e in range(s.items):
        block[s.users + s.catalogue[e]] = <int32>(((e + 1) * s.blocks - 1) // s.items)
    shuffled(s.seed, s.stream + 3, s.count, drawn)
    memset(start, 0, (s.blocks * s.blocks + 1) * sizeof(intp))
    for e in range(s.count):
        start[cell_of(s, block, e) + 1] += 1
    for n in range(s.blocks * s.blocks):
        start[n + 1] += start[n]
    for e in range(s.count):
        at = cell_of(s, block, drawn[e])
        s.order[start[at]] = drawn[e]
        start[at] += 1
    for n in range(s.blocks * s.blocks, 0, -1):     # each start has moved to the next one's
        start[n] = start[n - 1]
    start[0] = 0

cdef inline intp cell_of(const Pass *s, const int32 *block, intp entry) noexcept nogil:
    cdef intp user = block[s.owner[entry]], item = block[s.users + s.indices[entry]]
    return (item - user + s.blocks) % s.blocks * s.blocks + user

def rank_factors(indptr, indices, owner, weights, P, Q, decay, double rate, intp k, intp blocks, uint64 seed, uint64 number,
                 int threads):
    """One pass of BPR, number 0, 1, ... of its seed, over the entries of a CSR matrix with ascending columns.

    indptr (int64), indices, owner (int32: an entry's column and row), weights (reals or None).  P (users, stride), Q (items,
    stride): k factors, then 1 in P and the bias in Q, then zeros; decay (stride,).  Gives (sum of w l, sum of w) over the
    positives that found a negative.  Where it raises KeyboardInterrupt, P and Q are somewhere within the pass.
    """
    cdef Pass s
    cdef Gate gate
    cdef Buffer start = flat(indptr, 8, 1), column = flat(indices, 4, 0), row, w, p, q, d
    cdef int32 *drawn = NULL
    cdef int32 *block = NULL
    cdef intp cells = blocks * blocks, n
    cdef double loss = 0, weight = 0
    memset(&s, 0, sizeof(Pass))
    memset(&gate, 0, sizeof(Gate))
    s.users, s.k, s.blocks, s.gate = start.view.len // 8 - 1, k, blocks, &gate
    s.count = (<const int64 *>start.view.buf)[s.users]
    row = flat(owner, 4, s.count)
    w = None if weights is None else flat(weights, sizeof(real), s.count)
    d = flat(decay, sizeof(real), k + 1)
    s.stride = d.view.len // sizeof(real)
    p, q = flat(P, sizeof(real), s.users * s.stride, True), flat(Q, sizeof(real), s.stride, True)
    s.items = q.view.len // (s.stride * sizeof(real))
    if s.stride % LANES or not 0 < blocks <= min(s.users, s.items) or column.view.len < 4 * s.count:
        raise ValueError(f"{s.stride} values a row, {blocks} blocks of {s.users} users and {s.items} items")
    s.indptr, s.indices, s.owner = <int64 *>start.view.buf, <int32 *>column.view.buf, <int32 *>row.view.buf
    s.weights = <real *>w.view.buf if w is not None else NULL
    s.decay, s.P, s.Q, s.rate = <real *>d.view.buf, <real *>p.view.buf, <real *>q.view.buf, <real>rate
    s.seed, s.stream, s.next_look = seed, 4 * number, seconds_now() + 0.06
    try:
        s.order, s.catalogue = <int32 *>grab(4 * s.count), <int32 *>grab(4 * s.items)
        s.cell, s.loss = <intp *>grab((cells + 1) * sizeof(intp)), <double *>grab(2 * cells * sizeof(double))
        drawn, block = <int32 *>grab(4 * max(s.count, s.users)), <int32 *>grab(4 * (s.users + s.items))
        if s.order == NULL or s.catalogue == NULL or s.cell == NULL or s.loss == NULL or drawn == NULL or block == NULL:
            raise MemoryError
        with nogil:
            sort_cells(&s, drawn, block)
            parallel_run(rank_cells, &s, threads)
        for n in range(cells):
            loss += s.loss[n]
            weight += s.loss[cells + n]
    finally:
        release(s.order)
        release(s.catalogue)
        release(s.cell)
        release(s.loss)
        release(drawn)
        release(block)
    pending()
    return loss, weight
