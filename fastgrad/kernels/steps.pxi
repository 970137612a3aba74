# A training step, and many of them.
#
# A thread takes its rows of the batch through gather, forward, loss and backward_input without waiting for the others; then
# all threads share the tiles of W.  Where a thread would get too few rows for a tile, every phase shares its tiles instead.
# Each value is computed whole by one thread, in an order that does not depend on their number: so the bits do not either.

cdef inline const real *below(const Plan *s, intp l) noexcept nogil:
    return s.layer[l - 1].A if l else s.X

# ---- batch ---------------------------------------------------------------------------------------------------------
cdef void gather(Plan *s, intp start, intp r0, intp r1, double total) noexcept nogil:
    """Rows start + r0 .. start + r1 of the epoch's order into X, T and, with sample weights, each row's share of the batch's
    weight into `scale` (divided in double: a weight may be small beside what float32 can hold)."""
    cdef const Layer *top = s.layer + (s.L - 1)
    cdef intp r, at
    cdef int finite
    if s.nonzeros.on:
        begin_rows(s, start, r0)
    for r in range(r0, r1):
        at = s.index[start + r] if s.index != NULL else start + r
        if s.nonzeros.on:
            finite = gather_sparse(s, at, start, r, r1)
        else:
            ask_for_row(&s.x, &s.t, s.label, s.index, s.rows, start + r + s.ahead)
            finite = gather_row(&s.x, at, s.X + r * PANEL, s.H * PANEL, s.check_x)
        if not finite:
            s.bad = at              # any of them serves: the caller looks for the first itself
            s.status = BAD_ROW
        if s.T != NULL:
            if top.narrow:
                s.T[r] = gather_value(&s.t, at)
            else:
                gather_row(&s.t, at, s.T + r * PANEL, s.H * PANEL, 0)
        if s.weight != NULL:
            s.scale[r] = <real>(s.weight[at] / total)
    if s.layer.kind == EMBEDDING:
        gather_codes(s, start, r0, r1)

cdef void draw_masks(Plan *s, intp start, intp r0, intp r1) noexcept nogil:
    """Dropout's masks for rows start + r0 .. start + r1 of this pass over the data."""
    cdef intp l
    cdef Layer *q
    for l in range(s.L):
        q = s.layer + l
        if q.M != NULL:
            draw_mask(s.seed, s.stream + (<uint64>l << LAYER_STREAMS), start + r0, r1 - r0, q.O, q.below,
                      <real>(DROP_STEPS / <double>(DROP_STEPS - q.below)), s.H * PANEL, q.M + r0 * PANEL)

cdef double batch_weight(const Plan *s, intp start, intp rows) noexcept nogil:
    cdef double total = 0
    cdef intp r
    if s.weight == NULL:
        return rows
    for r in range(start, start + rows):
        total += s.weight[s.index[r] if s.index != NULL else r]
    return total

# ---- loss ----------------------------------------------------------------------------------------------------------
cdef void loss_narrow(Plan *s, Layer *q, intp r0, intp r1, real one) noexcept nogil:
    """One output: the rows lie side by side, and are taken by whole vectors (see apply_padded)."""
    cdef real p[TILE + LANES]
    cdef real t[TILE + LANES]
    cdef real d[TILE]
    cdef real v[TILE]
    cdef intp k = r0, m, r
    while k < r1:
        m = least(TILE, r1 - k)
        spread(q.A + k, m, p)
        spread(s.T + k, m, t)
        s.loss.block(p, t, d, v, ceil_div(m, LANES) * LANES, s.loss_c)
        if s.weight == NULL:
            for r in range(m):
                s.row_loss[k + r] = v[r]
                q.dZ[k + r] = d[r] * one
        else:
            for r in range(m):
                s.row_loss[k + r] = v[r] * s.scale[k + r]
                q.dZ[k + r] = d[r] * (s.scale[k + r] * one)
        k += m

cdef void loss_blocks(Plan *s, Layer *q, intp r0, intp r1, real one) noexcept nogil:
    """Elementwise losses of several outputs, tile by tile."""
    cdef real v[TILE]
    cdef intp k = r0, m, p, r, at, count = 1 if s.loss.sums_values else q.O
    cdef real by
    while k < r1:
        m = least(ROWS, r1 - k)
        memset(s.row_loss + k, 0, m * sizeof(real))
        for p in range(panels(q.O)):
            at = (p * s.H + k) * PANEL
            s.loss.block(q.A + at, s.T + at, q.dZ + at, v, m * PANEL, s.loss_c)
            for r in range(m):
                by = one if s.weight == NULL else s.scale[k + r] * one
                s.row_loss[k + r] += finish_row(q.dZ + at + r * PANEL, v + r * PANEL, q.O - p * PANEL, by)
        for r in range(m):
            s.row_loss[k + r] *= (<real>1 if s.weight == NULL else s.scale[k + r]) / count
        k += m

cdef void loss_whole_rows(Plan *s, Layer *q, intp start, intp r0, intp r1, real one) noexcept nogil:
    """Losses that need a row's scores together, some rows at a time."""
    cdef int32 label[CHUNK]
    cdef real scale[CHUNK]
    cdef intp k = r0, m, r
    while k < r1:
        m = least(CHUNK, r1 - k)
        for r in range(m):
            scale[r] = one if s.weight == NULL else s.scale[k + r] * one
            if s.label != NULL:
                label[r] = s.label[s.index[start + k + r] if s.index != NULL else start + k + r]
        s.loss.rows(q.A + k * PANEL, s.T + k * PANEL if s.T != NULL else NULL, label, s.H * PANEL, q.O, m,
                    q.dZ + k * PANEL, scale, s.row_loss + k, s.smooth)
        if s.most < INFINITY:
            for r in range(m):
                if s.row_loss[k + r] > s.most:
                    s.row_loss[k + r] = s.most
        if s.weight != NULL:
            for r in range(m):
                s.row_loss[k + r] *= s.scale[k + r]
        k += m

cdef void loss_rows(Plan *s, intp start, intp r0, intp r1, double total) noexcept nogil:
    """row_loss and dZ of the last layer, rows r0..r1; `total` is the batch's weight.  With sample weights a row's loss is
    already its share of the batch's mean; without, `mean_loss` divides."""
    cdef Layer *q = s.layer + (s.L - 1)
    cdef intp p, gap = s.H * PANEL
    cdef double one = 1 / total if s.weight == NULL else 1
    if s.loss == NULL:          # the targets are dL/dscores
        for p in range(panels(q.O)):
            memcpy(q.dZ + p * gap + r0 * stride_of(q), s.T + p * gap + r0 * stride_of(q),
                   (r1 - r0) * stride_of(q) * sizeof(real))
        memset(s.row_loss + r0, 0, (r1 - r0) * sizeof(real))
    elif s.loss.rows != NULL and not q.narrow:
        loss_whole_rows(s, q, start, r0, r1, <real>one)
    elif q.narrow:
        loss_narrow(s, q, r0, r1, <real>one)
    else:
        loss_blocks(s, q, r0, r1, <real>(one if s.loss.sums_slopes else one / q.O))

cdef void output_slope(Plan *s, intp r0, intp r1) noexcept nogil:
    """An activation on the last layer: dZ times its slope."""
    cdef Layer *q = s.layer + (s.L - 1)
    cdef intp p, at
    if q.R != NULL:
        for p in range(panels(q.O)):
            hand_on(q, (p * s.H + r0) * PANEL, q.dZ + (p * s.H + r0) * PANEL, r1 - r0)
    if q.grad == NULL or r0 == r1:
        return
    if q.narrow:
        grad_padded(q, r0, r1)
        return
    for p in range(panels(q.O)):
        at = (p * s.H + r0) * PANEL
        q.grad(q.Z + at if q.needs_z else NULL, q.F + at, q.dZ + at, (r1 - r0) * PANEL)
        mask_rows(q.dZ + at, r1 - r0, q.O - p * PANEL)

cdef void grad_padded(const Layer *q, intp r0, intp r1) noexcept nogil:
    cdef real z[TILE + LANES]
    cdef real a[TILE + LANES]
    cdef real g[TILE + LANES]
    cdef intp k = r0, m
    while k < r1:
        m = least(TILE, r1 - k)
        if q.needs_z:
            spread(q.Z + k, m, z)
        spread(q.A + k, m, a)
        spread(q.dZ + k, m, g)
        q.grad(z, a, g, ceil_div(m, LANES) * LANES)
        memcpy(q.dZ + k, g, m * sizeof(real))
        k += m

# ---- a slice of a batch --------------------------------------------------------------------------------------------
cdef void there_and_back(Plan *s, intp start, intp r0, intp r1, double total, real *T, bint look) noexcept nogil:
    """By rows: everything up to the gradients, for rows r0..r1 of the slice, without waiting for anyone."""
    cdef Layer *q
    cdef intp l
    gather(s, start, r0, r1, total)
    draw_masks(s, start, r0, r1)
    if r0 == r1:
        return
    for l in range(s.L):
        q = s.layer + l
        if q.kind != DENSE:
            forward_other(q, below(s, l), s.H, 0, panels(q.O), r0, r1)
        elif l == 0 and s.nonzeros.on:
            forward_first(s, r0, r1)
        elif q.narrow:
            forward_narrow(q, below(s, l), s.H, r0, r1)
        else:
            forward(q, below(s, l), s.H, 0, forward_tiles(q, r1 - r0), r0, r1, 0)
        if look:
            look_around(s)
    loss_rows(s, start, r0, r1, total)
    output_slope(s, r0, r1)
    for l in range(s.L - 1, s.lowest, -1):
        q = s.layer + l
        backward_layer(q, q - 1, s.layer[l - 1].dZ, s.H, 0, panels(q.I), r0, r1, T)
        if look:
            look_around(s)
    if s.dX != NULL:
        backward_layer(s.layer, &s.input, s.dX, s.H, 0, panels(s.layer.I), r0, r1, T)

cdef void there_and_back_by_tile(Plan *s, intp start, intp m, double total, real *T, int thread, int threads) noexcept nogil:
    """By tiles: every phase is shared out, and ends in a barrier."""
    cdef intp r0 = m * thread // threads, r1 = m * (thread + 1) // threads, l, n, p0, p1, q0, q1
    cdef Layer *q
    gather(s, start, r0, r1, total)
    draw_masks(s, start, r0, r1)
    barrier(s.gate, threads)
    for l in range(s.L):
        q = s.layer + l
        if q.kind != DENSE:
            part_of(q, m, thread, threads, &p0, &p1, &q0, &q1)
            forward_other(q, below(s, l), s.H, p0, p1, q0, q1)
        elif l == 0 and s.nonzeros.on:
            forward_first(s, r0, r1)
        elif q.narrow:
            forward_narrow(q, below(s, l), s.H, r0, r1)
        else:
            n = forward_tiles(q, m)
            forward(q, below(s, l), s.H, n * thread // threads, n * (thread + 1) // threads, 0, m, 0)
        barrier(s.gate, threads)
    loss_rows(s, start, r0, r1, total)
    output_slope(s, r0, r1)
    for l in range(s.L - 1, s.lowest, -1):
        barrier(s.gate, threads)
        q = s.layer + l
        part_of(q, m, thread, threads, &p0, &p1, &q0, &q1)
        backward_layer(q, q - 1, s.layer[l - 1].dZ, s.H, p0, p1, q0, q1, T)
    if s.dX != NULL:
        barrier(s.gate, threads)
        part_of(s.layer, m, thread, threads, &p0, &p1, &q0, &q1)
        backward_layer(s.layer, &s.input, s.dX, s.H, p0, p1, q0, q1, T)

cdef bint asked_to_stop(double *next_look) noexcept nogil:
    """Has the user asked to stop?  Python is asked at times, and the caller raises its error (see `pending`)."""
    cdef double now = seconds_now()
    cdef int stop = 0
    if now >= next_look[0]:
        next_look[0] = now + 0.02
        with gil:
            stop = PyErr_CheckSignals()
    return stop != 0

cdef void look_around(Plan *s) noexcept nogil:
    """Between the slices, or layers, of a long step, and between steps where a call lasts longer than it was meant to.  The
    other threads see the status behind the next barrier."""
    if asked_to_stop(&s.next_look):
        s.status = INTERRUPTED

cdef void put_dx(Plan *s, intp start, intp r0, intp r1) noexcept nogil:
    cdef intp I = s.layer.I, r, c
    for r in range(r0, r1):
        for c in range(I):
            s.dx_out[(start + r) * I + c] = s.dX[((c // PANEL) * s.H + r) * PANEL + c % PANEL]

cdef inline intp rows_of_batch(const Plan *s, intp begin) noexcept nogil:
    """Of a batch that begins at row `begin` of the epoch; a single row that is left over joins a whole one."""
    cdef intp left = s.rows - begin
    return left if s.whole and left == s.batch + 1 else least(s.batch, left)

cdef bint one_step(Plan *s, intp k, int thread, int threads) noexcept nogil:
    """Step k of the epoch.  Gives 0 where training must stop; then no parameter has changed in this step."""
    cdef intp begin = k * s.batch, rows = rows_of_batch(s, begin), slices = ceil_div(rows, s.H)
    cdef intp per_slice = ceil_div(rows, slices), j, m, l, start
    cdef double total = batch_weight(s, begin, rows), loss = 0, factor
    cdef real *T = s.scratch + thread * s.stretch
    if total == 0:                  # nothing counts: no step
        return True
    for j in range(slices):
        start = begin + j * per_slice
        m = least(per_slice, begin + rows - start)
        if s.by_tile:
            there_and_back_by_tile(s, start, m, total, T, thread, threads)
        else:
            there_and_back(s, start, m * thread // threads, m * (thread + 1) // threads, total, T, s.lengthy and thread == 0)
        if s.dX != NULL:
            barrier(s.gate, threads)
            put_dx(s, start, m * thread // threads, m * (thread + 1) // threads)
        if thread == 0:
            if slices > 1 or s.lengthy:
                look_around(s)
            if j == slices - 1:
                prepare_step(s, s.lr[k - s.first])
                s.share = <real>(s.l2 / total)
        barrier(s.gate, threads)
        loss += sum_values(s.row_loss, m)       # every thread sums it: cheaper than a barrier, and all decide alike
        if s.status != FINE or not (loss - loss == 0):
            if thread == 0:
                stopped(s, mean_loss(s, loss, total))
            return False
        if s.lowest == 0 and (s.nonzeros.on or s.layer.kind == EMBEDDING):
            sort_slice(s, m, thread, threads)
            barrier(s.gate, threads)
        for l in range(s.lowest, s.L):
            if not s.layer[l].frozen:
                backward_weights(s, l, m, s.H, j > 0, j == slices - 1, thread, threads)
        barrier(s.gate, threads)
    if s.clip_norm != 0:
        factor = s.clip_norm / (norm_of_gradient(s) + 1e-6)     # as PyTorch's clip_grad_norm_
        for l in range(s.lowest, s.L):
            if not s.layer[l].frozen:
                update_weights(s, l, <real>(1 if factor > 1 else factor), thread, threads)
        barrier(s.gate, threads)
    if s.holds:
        hold_norms(s, thread, threads)
        barrier(s.gate, threads)
    if thread == 0:
        close_step(s, loss, total, rows)
    return True

cdef void prepare_step(Plan *s, double lr) noexcept nogil:
    """The optimizer's scalars of this step, in double, then as the kernel's reals."""
    cdef double exact[MOST]
    cdef int i
    if s.asked:
        prepare_layers(s, lr)
    s.mix = <real>(1 if s.taken == s.since else 1 - s.decay)
    s.optimizer.prepare(s.hyper, lr, s.taken + 1, s.carry, exact)
    for i in range(s.optimizer.constants):
        s.c[i] = <real>exact[i]

cdef inline double mean_loss(const Plan *s, double loss, double total) noexcept nogil:
    return loss / total if s.weight == NULL else loss

cdef void stopped(Plan *s, double loss) noexcept nogil:
    s.batch_loss = loss
    if s.status == FINE:
        s.status = BAD_LOSS

cdef double norm_of_gradient(const Plan *s) noexcept nogil:
    """Of W and b, before any clipping."""
    return sqrt(sum_in_double(s.squares, 2 * s.tiles))

cdef void close_step(Plan *s, double loss, double total, intp rows) noexcept nogil:
    """Thread 0, while the others are at the next step's rows."""
    cdef double norm = norm_of_gradient(s), counted = rows if s.by_rows else total
    s.taken += 1
    s.done += 1
    s.batch_loss = mean_loss(s, loss, total)
    if s.l2 != 0:
        s.batch_loss += 0.5 * s.l2 / total * sum_in_double(s.norms, s.tiles)
    s.loss_sum += s.batch_loss * counted
    s.weight_sum += counted
    s.norm_sum += norm
    if not (norm - norm == 0):
        s.status = BAD_GRADIENT     # the others see it at the next step's check

cdef void train_steps(void *context, int thread, int threads) noexcept nogil:
    cdef Plan *s = <Plan *>context
    cdef float_mode before = flush_subnormals()
    cdef intp k
    cdef bint single_rows = row_by_row(s, threads)
    for k in range(s.first, s.last):
        if not (one_row_step(s, k) if single_rows else one_step(s, k, thread, threads)):
            break
        if thread == 0:
            s.at = k + 1
            if k % 64 == 63:
                look_around(s)
    restore_subnormals(before)
