# The forward pass alone: predictions, and the loss of data that is not trained on.  Each thread takes its own blocks of rows
# with its own buffers, and nobody waits.

cdef struct Job:
    Plan *plan              # one per thread
    intp rows, per          # all rows; rows of a block
    real *out               # (rows, O), or NULL where the loss is wanted
    bint link               # scores through the loss's link
    double *loss            # one per block

cdef void emit(Plan *s, real *out, intp m, bint link) noexcept nogil:
    """The last layer's A, through the link, as rows of the user's array.  dZ serves as scratch."""
    cdef Layer *q = s.layer + (s.L - 1)
    cdef real *from_ = q.A
    cdef intp p, r, gap = s.H * PANEL
    if link and s.loss.softmax:
        softmax_rows(q.A, gap, q.O, m, q.dZ)
        from_ = q.dZ
    elif link and s.loss.link != NULL:
        if q.narrow:
            apply_padded(s.loss.link, q.A, q.dZ, m)
        else:
            for p in range(panels(q.O)):
                s.loss.link(q.A + p * gap, q.dZ + p * gap, m * PANEL)
        from_ = q.dZ
    if q.narrow:
        memcpy(out, from_, m * sizeof(real))
        return
    for p in range(panels(q.O)):
        for r in range(m):
            put_row(out + r * q.O + p * PANEL, from_ + p * gap + r * PANEL, least(PANEL, q.O - p * PANEL),
                    q.O < PANEL and (m - r) * q.O >= PANEL)

cdef void block_of_rows(Plan *s, intp start, intp m) noexcept nogil:
    """Forward pass of m rows.  Where nothing but scores is wanted and X can be read as it lies, it is not gathered."""
    cdef Layer *q = s.layer
    cdef bint direct = s.T == NULL and s.label == NULL and s.reads_user and not s.nonzeros.on
    cdef intp l, r, stride = direct_stride(&s.x) if direct else 0
    cdef const real *X = s.X
    if stride:
        X = <const real *>s.x.data + start * stride
        for r in range(m if s.check_x else 0):
            if not finite_run(X + r * stride, q.I):
                s.status = BAD_ROW
    else:
        gather(s, start, 0, m, 1)
    for l in range(s.L):
        q = s.layer + l
        if q.kind != DENSE:
            forward_other(q, below(s, l), s.H, 0, panels(q.O), 0, m)
        elif l == 0 and s.nonzeros.on:
            forward_first(s, 0, m)
        elif q.narrow:
            forward_narrow(q, below(s, l), s.H, 0, m)
        else:
            forward(q, X if l == 0 else s.layer[l - 1].A, s.H, 0, forward_tiles(q, m), 0, m, stride if l == 0 else 0)

cdef void score_rows(void *context, int thread, int threads) noexcept nogil:
    cdef Job *job = <Job *>context
    cdef Plan *s = job.plan + thread
    cdef intp blocks = ceil_div(job.rows, job.per), j, m
    cdef float_mode before = flush_subnormals()
    for j in range(blocks * thread // threads, blocks * (thread + 1) // threads):
        m = least(job.per, job.rows - j * job.per)
        block_of_rows(s, j * job.per, m)
        if job.out != NULL:
            emit(s, job.out + j * job.per * s.layer[s.L - 1].O, m, job.link)
        else:
            loss_rows(s, j * job.per, 0, m, 1)
            job.loss[j] = sum_values(s.row_loss, m)
        if thread == 0 and threads == 1 and s.status == FINE and job.rows > 65536:
            look_around(s)
        if s.status != FINE:
            break
    restore_subnormals(before)
