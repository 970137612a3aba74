# Pieces of a training step, over and over on one thread, for `fastgrad bench kernels`.  Called one by one from Python a short
# piece would be measured together with its call.

cdef enum: GATHER, FORWARD, LOSS, BACKWARD_INPUT, BACKWARD_WEIGHTS
cdef tuple PHASES = ("gather", "forward", "loss", "backward_input", "backward_weights")

def repeat_activation(str name, z, a, g, intp times):
    """a = f(z), `times` over; where g is given g *= f'(z) instead, out of z and a."""
    cdef const Activation *row = find_activation(name.encode())
    cdef Buffer Z = flat(z, sizeof(real), 0), A = flat(a, sizeof(real), 0, True)
    cdef intp n = Z.view.len // sizeof(real), k
    cdef Buffer G = None if g is None else flat(g, sizeof(real), n, True)
    cdef real *slope = NULL if G is None else <real *>G.view.buf
    cdef real *value = <real *>A.view.buf
    cdef float_mode before
    if row.apply == NULL or A.view.len != Z.view.len:
        raise ValueError(f"{name}: nothing to compute, or z and a of different lengths")
    with nogil:
        before = flush_subnormals()     # as in training: g shrinks to nothing here
        for k in range(times):
            if slope == NULL:
                row.apply(<real *>Z.view.buf, value, n)
            else:
                row.grad(<real *>Z.view.buf, value, slope, n)
        restore_subnormals(before)

def repeat_phase(str phase, Trainer trainer, params, slots, X, y, order, intp l, intp times):
    """One phase of a training step, `times` over; at layer l where it is a product, which reaches forward to bias and
    activation, backward to the slope of the layer below or to the optimizer's turn.

    A batch is the trainer's and fits a slice; `gather` takes one after the other, everything else stays with the first.
    """
    cdef Plan *s = &trainer.s
    cdef int what = PHASES.index(phase)
    cdef intp m = trainer.batch, batches, k
    cdef Buffer P = flat(params, sizeof(real), s.size, True)
    cdef Rows x = Rows(X)
    cdef Buffer S = flat(slots, sizeof(real), s.size * s.optimizer.slots, True), o = flat(order, 4, x.count)
    cdef Layer *q
    cdef float_mode before
    bind(s, trainer.program, P, x, Buffer(y, PyBUF_STRIDED_RO | PyBUF_FORMAT), None, False)
    s.slots, s.index, s.dx_out = <real *>S.view.buf, <const int32 *>o.view.buf, NULL
    batches = s.rows // m
    if m > s.H or batches == 0 or not (what == BACKWARD_INPUT) <= l < s.L:
        raise ValueError(f"{phase}: {s.rows} rows in batches of {m}, of at most {s.H}, layer {l} of {s.L}")
    q = s.layer + l
    with nogil:
        before = flush_subnormals()
        prepare_step(s, 0)
        there_and_back(s, 0, 0, m, m, s.scratch, False)       # what any phase reads is there now
        for k in range(times):
            if what == GATHER:
                gather(s, k % batches * m, 0, m, m)
            elif what == LOSS:
                loss_rows(s, 0, 0, m, m)
            elif what == BACKWARD_INPUT:
                backward_input(q, q - 1, s.layer[l - 1].dZ, s.H, 0, panels(q.I), 0, m, s.scratch)
            elif what == BACKWARD_WEIGHTS:
                backward_weights(s, l, m, s.H, False, True, 0, 1)
            elif q.narrow:
                forward_narrow(q, below(s, l), s.H, 0, m)
            else:
                forward(q, below(s, l), s.H, 0, forward_tiles(q, m), 0, m, 0)
        restore_subnormals(before)
