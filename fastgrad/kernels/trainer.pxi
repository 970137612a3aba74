# `Trainer`: the buffers and optimizer scalars of a training run.  `Stepper`: an optimizer on its own.

cdef class Trainer:
    """Buffers and optimizer scalars of a training run; `run` does many steps in one call without the GIL.

    `targets`: "labels", "values", or "slopes" (dL/dscores given by the caller, no loss).  `l2`: the loss of a batch has the
    term l2 / 2 * sum of W^2 / the batch's weight.  `by_rows`: a batch counts by its rows in the sums, not by its weight.
    `clip_norm`, `clip_value`: the longest gradient and the largest entry that the optimizer sees; 0: any.  `drops`: whether
    it is training that goes on, with dropout and the batch's own statistics, or evaluation.  `options`: what layers ask for
    themselves, see options.pxi.  `room`: rows that the buffers hold, of a batch that goes through them in slices; 0: as many
    as a slice may have.  `sparse`: whether X is a CSR matrix.
    """
    cdef Program program
    cdef Plan s
    cdef readonly int threads
    cdef readonly intp batch, room
    cdef str targets
    cdef bint ready

    def __cinit__(self, Program program, intp batch, str optimizer, int variant, tuple hyper, str targets, int threads,
                  bint dx=False, double l2=0, bint by_rows=False, double clip_norm=0, double clip_value=0,
                  bint drops=True, tuple options=(), intp room=0, bint sparse=False):
        cdef intp k, H = least(least(batch, SLICE), room if room > 0 else SLICE)
        cdef bint whole = drops and program.batch_norms
        cdef const Layer *q
        if whole:       # a batch norm takes its batch whole, with a row that would have been left over
            H = batch + 1
        elif program.lazy:      # the optimizer's turn comes with the gradient, which must be complete
            H = batch
        self.program, self.batch, self.room, self.threads, self.targets = program, batch, H, threads, targets
        cdef const Optimizer *row = find_optimizer(optimizer.encode(), variant)
        if len(hyper) != row.hypers:
            raise ValueError(f"{optimizer} has {row.hypers} hyperparameters, got {len(hyper)}")
        if program.lazy and (not sparse or batch > MOST_ROWS or row.slots > MOST_SLOTS):
            raise ValueError(f"a lazy update takes sparse batches of at most {MOST_ROWS} rows, here are {batch}")
        start_plan(&self.s, program, H, threads, True, batch > H or clip_norm != 0, targets != "labels", dx, drops, sparse)
        self.ready = True
        self.s.whole, self.s.tracks = whole, whole and optimizer != "store"
        self.s.optimizer, self.s.batch, self.s.l2, self.s.by_rows = row, batch, l2, by_rows
        self.s.clip_norm, self.s.clip_value = clip_norm, <real>clip_value
        for k, value in enumerate(hyper):
            self.s.hyper[k] = value
        if targets == "slopes":
            self.s.loss = NULL
        read_options(&self.s, options)
        q = self.s.layer
        if (sparse or q.kind == EMBEDDING) and l2 == 0:
            self.s.rests = rests_on_zero(row, q.hyper) if q.c == q.own else rests_on_zero(row, self.s.hyper)
        self.s.lengthy = 6.0 * H * program.size > 2e9         # flops: tens of milliseconds

    def __dealloc__(self):
        if self.ready:
            end_plan(&self.s)

    @property
    def reached(self):
        """(t, carry, at, sums): steps done and the optimizer's scalars that live on; the next step of the epoch, and the
        epoch's sums of losses, weights and gradient norms.  True also where `run` raised."""
        carry = tuple(self.s.carry[k] for k in range(self.s.optimizer.carries))
        return self.s.taken, carry, self.s.at, (self.s.loss_sum, self.s.weight_sum, self.s.norm_sum)

    @reached.setter
    def reached(self, value):
        self.s.taken, carry, self.s.at, (self.s.loss_sum, self.s.weight_sum, self.s.norm_sum) = value
        for k, scalar in enumerate(carry):
            self.s.carry[k] = scalar

    def run(self, params, slots, X, y, weight, order, intp first, intp last, lr, bint check=False, dx=None,
            int threads=0, uint64 seed=0, uint64 stream=0, mean=None, double decay=0, double since=0):
        """Steps first..last of an epoch over X (N, I), dense or a CSR matrix (see `Rows`), in `order` (int32 row numbers, or
        None), on as many threads as the trainer has room for, or fewer.  The sums of the epoch's steps before are added to
        one by one (see `reached`), so
        that the result does not depend on how an epoch was cut into calls.  `seed`, `stream`: of this pass's dropout.
        `mean`: a buffer that follows the parameters, mean = decay mean + (1 - decay) params, from step `since` on.

        Gives (steps done, status, bad row, last batch's loss).
        """
        cdef Plan *s = &self.s
        cdef Buffer P = flat(params, sizeof(real), s.size, True)
        cdef Rows x = Rows(X)
        cdef Buffer S = None if s.optimizer.slots == 0 else flat(slots, sizeof(real), s.size * s.optimizer.slots, True)
        cdef Buffer w = None if weight is None else flat(weight, sizeof(double), x.count)
        cdef Buffer o = None if order is None else flat(order, 4, 0)
        cdef Buffer r = flat(lr, sizeof(double), last - first)
        cdef Buffer d = None if dx is None else flat(dx, sizeof(double), x.count * x.x.columns, True)
        cdef Buffer m = None if mean is None else flat(mean, sizeof(real), s.size, True)
        bind(s, self.program, P, x, Buffer(y, PyBUF_STRIDED_RO | PyBUF_FORMAT), w, check)
        s.slots = <real *>S.view.buf if S is not None else s.params
        s.index = <const int32 *>o.view.buf if o is not None else NULL
        if o is not None:
            s.rows = o.view.len // 4
        s.lr = <const double *>r.view.buf
        s.dx_out = <double *>d.view.buf if d is not None else NULL
        s.mean, s.decay, s.since = <real *>m.view.buf if m is not None else NULL, decay, since
        s.follows = s.mean != NULL or s.shrinks
        if not 0 < threads < self.threads:
            threads = self.threads
        # a thread with too few rows for a tile would leave registers empty
        s.by_tile = threads > 1 and (s.whole or s.H // threads < ROWS)
        s.first, s.last, s.at = first, last, first
        s.seed, s.stream = seed, stream
        s.done, s.status, s.bad, s.next_look = 0, FINE, -1, seconds_now() + 0.06
        s.batch_loss = 0
        with nogil:
            parallel_run(train_steps, s, threads)
        pending()
        return s.done, s.status, s.bad, s.batch_loss

    def gradient(self, slots, intp l, W, b):
        """dW (I, O) and db (O,) of layer l out of a `store` slot."""
        self.program.move(slots, l, W, b, 0, False)

# ---- an optimizer on its own ---------------------------------------------------------------------------------------
cdef struct Sweep:
    real *w
    const real *g
    real *slots
    intp stride, n
    const real *c
    Step step

cdef void sweep(void *context, int thread, int threads) noexcept nogil:
    cdef Sweep *s = <Sweep *>context
    cdef intp lines = ceil_div(s.n, 64), a = lines * thread // threads * 64
    cdef intp b = least(lines * (thread + 1) // threads * 64, s.n)
    cdef float_mode before = flush_subnormals()
    if b > a:
        s.step(s.w + a, s.g + a, s.slots + a, s.stride, b - a, s.c)
    restore_subnormals(before)

cdef class Stepper:
    """An optimizer row with its hyperparameters, applied to any contiguous arrays of reals."""
    cdef const Optimizer *row
    cdef double hyper[MOST]
    cdef double carry[MOST]
    cdef real c[MOST]

    def __cinit__(self, str optimizer, int variant, tuple hyper, tuple carry):
        self.row = find_optimizer(optimizer.encode(), variant)
        for k, value in enumerate(hyper):
            self.hyper[k] = value
        for k, value in enumerate(carry):
            self.carry[k] = value

    @property
    def carried(self):
        return tuple(self.carry[k] for k in range(self.row.carries))

    def advance(self, double lr, double t, list ws, list gs, list slots, int threads):
        """Step t (1, 2, ...): every w, and its slots (slots, n), updated by its g in one pass over memory.

        All arrays are looked at before the first is changed: BufferError or ValueError where one is not contiguous, of
        another type or length, or read-only.
        """
        cdef Sweep job
        cdef Buffer w
        cdef double exact[MOST]
        cdef list held = []
        cdef intp n
        for k in range(len(ws)):
            w = flat(ws[k], sizeof(real), 0, True)
            n = w.view.len // sizeof(real)
            held.append((w, flat(gs[k], sizeof(real), n), flat(slots[k], sizeof(real), n * self.row.slots, True)))
        self.row.prepare(self.hyper, lr, t, self.carry, exact)
        for k in range(self.row.constants):
            self.c[k] = <real>exact[k]
        job.c, job.step = self.c, self.row.step
        for item in held:
            w = <Buffer>item[0]
            job.n = job.stride = w.view.len // sizeof(real)
            job.w, job.g = <real *>w.view.buf, <real *>(<Buffer>item[1]).view.buf
            job.slots = <real *>(<Buffer>item[2]).view.buf
            with nogil:
                parallel_run(sweep, &job, threads if job.n >= 65536 else 1)
