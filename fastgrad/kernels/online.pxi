# A row a step through one dot product: online regression.  What the general step says once for all its rows would cost more
# here than the row itself.

cdef inline bint row_by_row(const Plan *s, int threads) noexcept nogil:
    cdef const Layer *q = s.layer
    return (s.batch == 1 and s.L == 1 and threads == 1 and q.narrow and q.apply == NULL and q.grad == NULL and s.l2 == 0
            and s.clip_norm == 0 and s.clip_value == 0 and q.l1 == 0 and q.most == 0 and not q.frozen
            and s.loss != NULL and s.loss.block != NULL and s.dX == NULL and (panels(q.I) + 1) * PANEL <= s.stretch)

cdef bint one_row_step(Plan *s, intp k) noexcept nogil:
    """`one_step` of such a network: the same values from the same functions, without the turns that other shapes need."""
    cdef Layer *q = s.layer
    cdef real p[LANES]
    cdef real t[LANES]
    cdef real dz[LANES]
    cdef real loss[LANES]
    cdef real *g = s.scratch
    cdef intp j, n = panels(q.I), at = s.index[k] if s.index != NULL else k
    cdef double total = s.weight[at] if s.weight != NULL else 1
    if total == 0:
        return True
    ask_for_row(&s.x, &s.t, s.label, s.index, s.rows, k + s.ahead)
    if not gather_row(&s.x, at, s.X, s.H * PANEL, s.check_x):
        s.bad, s.status = at, BAD_ROW
    p[0], t[0] = dot_panels(s.X, s.H * PANEL, q.W, n, q.b[0]), gather_value(&s.t, at)
    spread(p, 1, p)
    spread(t, 1, t)
    s.loss.block(p, t, dz, loss, LANES, s.loss_c)
    if s.status != FINE or not (loss[0] - loss[0] == 0):
        stopped(s, loss[0])
        return False
    prepare_step(s, s.lr[k - s.first])
    for j in range(n):
        s.squares[q.first_tile + j] = weighted_rows(NULL, dz, s.X + j * s.H * PANEL, 1, g + j * PANEL)
    single(dz[0], g + n * PANEL)            # the bias lies behind the weights: one turn of the optimizer for both
    s.squares[s.tiles + q.first_tile] = dz[0] * dz[0]
    finish(s, q, q.at_W, g, n * PANEL + LANES)
    close_step(s, loss[0], total, 1)
    return True
