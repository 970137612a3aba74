# Lazy updates: the optimizer's turn on the rows of the first W that the batch has nonzeros for, and on no others.  What a step
# costs depends on the batch, not on the rows of W.  A thread takes whole panels; within one the rows stand in the order of
# their columns: so the bits do not depend on the number of threads.  What the layer may ask for itself is its own constants of
# the optimizer; zeros, limited columns and a mean of the parameters would concern every row (fastgrad/lazy.py refuses them).

cdef void backward_touched(Plan *s, intp N, bint now, int thread, int threads) noexcept nogil:
    """The first layer's part of `backward_weights`; where the norm is to be clipped (not `now`) only the sums of squares."""
    cdef Layer *q = s.layer
    cdef intp p
    for p in range(q.tiles * thread // threads, q.tiles * (thread + 1) // threads):
        s.squares[q.first_tile + p] = <real>touched_panel(s, p, N, now, 1, &s.norms[q.first_tile + p])
        backward_bias(s, q, p, N, s.H, False, now, p)

cdef void update_touched(Plan *s, real by, int thread, int threads) noexcept nogil:
    """The first layer's part of `update_weights`: its gradient is made once more rather than kept."""
    cdef const Layer *q = s.layer
    cdef intp p, at, n
    cdef real norm
    for p in range(q.tiles * thread // threads, q.tiles * (thread + 1) // threads):
        touched_panel(s, p, s.nonzeros.rows, True, by, &norm)
        at, n = q.at_b + p * PANEL, LANES if q.narrow else vectors(q.O, p) * LANES
        scaled(s.G + at, n, by, s.G + at)
        finish(s, q, at, s.G + at, n)

cdef double touched_panel(Plan *s, intp p, intp N, bint now, real by, real *norm) noexcept nogil:
    """Panel p of dW, some rows at a time, times `by`; the optimizer's turn on them where `now`.  Gives the sum of squares."""
    cdef const Layer *q = s.layer
    cdef const Nonzeros *x = &s.nonzeros
    cdef intp column[ROWS + LANES]          # the larger of the two would do
    cdef real g[TILE]
    cdef real w[TILE]
    cdef intp at = 0, end, count = x.stop[N - 1], m = 0, k
    cdef intp width = 1 if q.narrow else vectors(q.O, p) * LANES, start = q.at_W + p * q.I * PANEL, most = ROWS
    cdef double total = 0, norms = 0
    cdef real squares
    if q.narrow:
        most = LANES
    while at < count:
        end = next_columns(x.by, at, count, most, column, &m)
        if q.narrow:
            memset(g, 0, LANES * sizeof(real))
            memset(w, 0, LANES * sizeof(real))
            squares = touched_values(x.by, x.value_by, at, end, q.dZ, N, g)
        else:
            squares = touched_rows(vectors(q.O, p), x.by, x.value_by, at, end, q.dZ + p * s.H * PANEL, g)
        for k in range(m):
            memcpy(w + k * width, s.params + start + column[k] * width, width * sizeof(real))
        if s.l2 != 0:
            norms += pull(s.share, w, g, ceil_div(m * width, LANES) * LANES, &squares)
        total += squares
        if now:
            update_rows(s, start, column, m, width, by, g, w)
        at = end
    norm[0] = <real>norms
    return total

cdef void update_rows(Plan *s, intp start, const intp *column, intp m, intp width, real by, real *g, real *w) noexcept nogil:
    """The optimizer's turn on m rows of W, gathered into a tile and put back.  IN/OUT w: their values."""
    cdef real slots[MOST_SLOTS * TILE]
    cdef intp n = ceil_div(m * width, LANES) * LANES, j, k
    if n > m * width:
        memset(slots, 0, sizeof(slots))
    for j in range(s.optimizer.slots):
        for k in range(m):
            memcpy(slots + j * TILE + k * width, s.slots + j * s.size + start + column[k] * width, width * sizeof(real))
    if by != 1:
        scaled(g, n, by, g)
    if s.clip_value != 0:
        held(g, n, s.clip_value, g)
    s.optimizer.step(w, g, slots, TILE, n, s.layer.c)
    for k in range(m):
        memcpy(s.params + start + column[k] * width, w + k * width, width * sizeof(real))
        for j in range(s.optimizer.slots):
            memcpy(s.slots + j * s.size + start + column[k] * width, slots + j * TILE + k * width, width * sizeof(real))
