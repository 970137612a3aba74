# What Python sees of the kernels: `Program`, the fixed part of a network; `Trainer`, the buffers of a training run; and a few
# functions.  Arrays come in by the buffer protocol.  Nothing here is global: any number of threads may call at once.
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_STRIDED_RO, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer)
from cpython.exc cimport PyErr_Occurred
from libc.stdlib cimport calloc, free

cdef class Buffer:
    """A borrowed array: its memory stays put while this object lives."""
    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, array, int flags):
        PyObject_GetBuffer(array, &self.view, flags)
        self.held = True

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)

cdef Buffer flat(array, intp itemsize, intp least_count, bint writable=False):
    """Contiguous memory of at least so many items; None gives no buffer."""
    cdef Buffer b = Buffer(array, PyBUF_C_CONTIGUOUS | (PyBUF_WRITABLE if writable else 0))
    if b.view.itemsize != itemsize or b.view.len < itemsize * least_count:
        raise ValueError(f"a buffer of {b.view.len} bytes, items of {b.view.itemsize}, where {least_count} items of {itemsize} are needed")
    return b

cdef dict TYPES = {"e": F2, "f": F4, "d": F8, "?": U1, "b": I1, "B": U1}

cdef int source(Buffer b, Source *s) except -1:
    """How to read a matrix (or a vector, as one column) of any numeric type, stride and byte order."""
    cdef str form = (<bytes>b.view.format).decode() if b.view.format != NULL else "B"
    cdef str kind = form[len(form) - 1]
    s.data = <const char *>b.view.buf
    s.rows = b.view.shape[0]
    s.columns = b.view.shape[1] if b.view.ndim > 1 else 1
    s.row_stride = b.view.strides[0]
    s.column_stride = b.view.strides[1] if b.view.ndim > 1 else b.view.itemsize
    s.end = s.data
    if s.row_stride > 0 and s.column_stride == b.view.itemsize:
        s.end = s.data + (s.rows - 1) * s.row_stride + s.columns * s.column_stride
    s.swapped = b.view.itemsize > 1 and form[0] in ">!"
    if kind in TYPES:
        s.type = TYPES[kind]
    elif kind in "hilqHILQ":
        s.type = {1: I1, 2: I2, 4: I4, 8: I8}[b.view.itemsize] + (1 if kind.isupper() else 0)
    else:
        raise TypeError(f"no way to read items of format {form!r}")
    return 0

cdef int pending() except -1:
    """Raise what PyErr_CheckSignals left behind."""
    return -1 if PyErr_Occurred() != NULL else 0

cdef const Activation *find_activation(bytes name):
    cdef const Activation *row = ACTIVATIONS
    while row.name != NULL and (<bytes>row.name) != name:
        row += 1
    if row.name == NULL:
        raise KeyError(name)
    return row

cdef const Loss *find_loss(bytes name):
    cdef const Loss *row = LOSSES
    while row.name != NULL and (<bytes>row.name) != name:
        row += 1
    if row.name == NULL:
        raise KeyError(name)
    return row

cdef const Optimizer *find_optimizer(bytes name, int variant):
    cdef const Optimizer *row = OPTIMIZERS
    while row.name != NULL and not ((<bytes>row.name) == name and row.variant == variant):
        row += 1
    if row.name == NULL:
        raise KeyError(name)
    return row

cdef class Program:
    """Sizes, activations and loss of a network, with the places of its parameters in a buffer of `size` reals."""
    cdef Layer *layer
    cdef readonly intp L, size, widest, tiles
    cdef const Loss *loss
    cdef double loss_hyper[MOST]
    cdef real loss_c[MOST]
    cdef real smooth

    def __cinit__(self, tuple sizes, tuple activations, str loss, tuple hyper):
        cdef intp l, at = 0
        cdef Layer *q
        cdef const Activation *row
        cdef double exact[MOST]
        self.L = len(sizes) - 1
        self.layer = <Layer *>calloc(self.L, sizeof(Layer))
        if self.layer == NULL:
            raise MemoryError
        for l in range(self.L):
            q = self.layer + l
            q.I, q.O = sizes[l], sizes[l + 1]
            q.narrow = l == self.L - 1 and q.O == 1
            row = find_activation(activations[l].encode())
            q.apply, q.grad, q.needs_z = row.apply, row.grad, row.needs_z
            q.at_W = at
            at += panels(q.I) * PANEL if q.narrow else q.I * ((q.O - 1) // LANES + 1) * LANES
            q.at_b = at
            at += panels(q.O) * PANEL
            q.tiles, q.first_tile = count_tiles(q), self.tiles
            self.tiles += q.tiles
            self.widest = max(self.widest, panels(q.O))
        self.size = at
        self.loss = find_loss(loss.encode())
        for l, value in enumerate(hyper):
            self.loss_hyper[l] = value
        # of the row losses only the softmax has a parameter, its smoothing
        self.smooth = <real>self.loss_hyper[0] if self.loss.softmax and hyper else 0
        if self.loss.prepare != NULL:
            self.loss.prepare(self.loss_hyper, exact)
            for l in range(self.loss.constants):
                self.loss_c[l] = <real>exact[l]

    def __dealloc__(self):
        free(self.layer)

    cdef intp place(self, intp l, intp i, intp o) noexcept nogil:
        cdef Layer *q = self.layer + l
        if q.narrow:
            return q.at_W + i
        return q.at_W + (o // PANEL) * q.I * PANEL + i * vectors(q.O, o // PANEL) * LANES + o % PANEL

    def pack(self, params, intp l, W, b):
        """Rows W (I, O) and b (O,), C-contiguous reals, into their places."""
        self.move(params, l, W, b, True)

    def unpack(self, params, intp l, W, b):
        """The other way."""
        self.move(params, l, W, b, False)

    cdef move(self, params, intp l, W, b, bint inward):
        cdef Layer *q = self.layer + l
        cdef Buffer P = flat(params, sizeof(real), self.size, inward)
        cdef Buffer w = flat(W, sizeof(real), q.I * q.O, not inward), c = flat(b, sizeof(real), q.O, not inward)
        cdef real *p = <real *>P.view.buf
        cdef real *rows = <real *>w.view.buf
        cdef real *bias = <real *>c.view.buf
        cdef intp i, o, at
        with nogil:
            for i in range(q.I):
                for o in range(q.O):
                    at = self.place(l, i, o)
                    if inward:
                        p[at] = rows[i * q.O + o]
                    else:
                        rows[i * q.O + o] = p[at]
            for o in range(q.O):
                if inward:
                    p[q.at_b + o] = bias[o]
                else:
                    bias[o] = p[q.at_b + o]

    def scores(self, params, X, out, bint link, int threads, bint check):
        """out (N, O) = the scores of X (N, I), through the loss's link where asked for."""
        cdef Buffer P = flat(params, sizeof(real), self.size), x = Buffer(X, PyBUF_STRIDED_RO | PyBUF_FORMAT)
        cdef Buffer o = flat(out, sizeof(real), x.view.shape[0] * self.layer[self.L - 1].O, True)
        return self.run(P, x, None, None, <real *>o.view.buf, link, threads, check)

    def losses(self, params, X, y, weight, int threads, bint check):
        """Sum of the rows' losses, each times its weight."""
        cdef Buffer P = flat(params, sizeof(real), self.size), x = Buffer(X, PyBUF_STRIDED_RO | PyBUF_FORMAT)
        cdef Buffer w = None if weight is None else flat(weight, sizeof(double), x.view.shape[0])
        return self.run(P, x, Buffer(y, PyBUF_STRIDED_RO | PyBUF_FORMAT), w, NULL, False, threads, check)

    cdef run(self, Buffer P, Buffer x, Buffer t, Buffer w, real *out, bint link, int threads, bint check):
        cdef Job job
        cdef intp blocks, k
        cdef double total = 0
        cdef int status = FINE
        job.rows, job.out, job.link, job.loss = x.view.shape[0], out, link, NULL
        job.per = least(job.rows, 9 * ROWS)         # activations of this many rows fit the second cache
        blocks = ceil_div(job.rows, job.per)
        threads = <int>max(1, min(threads, blocks))
        job.plan = <Plan *>calloc(threads, sizeof(Plan))
        job.loss = <double *>calloc(blocks, sizeof(double))
        try:
            if job.plan == NULL or job.loss == NULL:
                raise MemoryError
            for k in range(threads):
                start_plan(job.plan + k, self, job.per, 1, False, False, t is not None and not labels(self, t), False)
                bind(job.plan + k, self, P, x, t, w, check)
            with nogil:
                parallel_run(score_rows, &job, threads)
            for k in range(threads):
                status = max(status, job.plan[k].status)
            for k in range(blocks):
                total += job.loss[k]
        finally:
            for k in range(threads if job.plan != NULL else 0):
                end_plan(job.plan + k)
            free(job.plan)
            free(job.loss)
        pending()
        return total if status == FINE else None

cdef intp tidy(intp reals) noexcept:
    """A stretch of the arena, rounded up to a cache line, with room behind it for a vector that overshoots."""
    return ceil_div(reals + LANES, 16) * 16

cdef real *cut(real *base, intp *at, intp reals) noexcept:
    """The next stretch of the arena; while it is only measured there is no base, and nothing to point at."""
    cdef intp here = at[0]
    at[0] += tidy(reals)
    return base + here if base != NULL and reals else NULL

cdef int start_plan(Plan *s, Program p, intp H, int threads, bint training, bint sums, bint targets, bint dx) except -1:
    """Buffers for H rows, cut from one zeroed arena.  Walked twice: to measure, then to hand out."""
    cdef real *base = NULL
    cdef intp l, n, walk, at
    cdef Layer *q
    memset(s, 0, sizeof(Plan))
    s.layer = <Layer *>calloc(p.L, sizeof(Layer))
    if s.layer == NULL:
        raise MemoryError
    memcpy(s.layer, p.layer, p.L * sizeof(Layer))
    s.L, s.H, s.size, s.tiles, s.loss, s.smooth = p.L, H, p.size, p.tiles, p.loss, p.smooth
    memcpy(s.loss_c, p.loss_c, sizeof(s.loss_c))
    s.stretch = tidy((p.widest + 1) * PANEL * PANEL)
    for walk in range(2):
        at = 0
        s.X = cut(base, &at, panels(p.layer.I) * H * PANEL)
        for l in range(p.L):
            q = s.layer + l
            n = (1 if q.narrow else panels(q.O) * PANEL) * H
            q.A = cut(base, &at, n)
            q.Z = cut(base, &at, n if q.needs_z else 0)
            q.dZ = cut(base, &at, n if training or l == p.L - 1 else 0)
        s.T = cut(base, &at, n if targets else 0)
        s.scale = cut(base, &at, H)
        s.row_loss = cut(base, &at, H)
        s.squares = cut(base, &at, 2 * p.tiles if training else 0)
        s.scratch = cut(base, &at, s.stretch * threads if training else 0)
        s.G = cut(base, &at, p.size if sums else 0)
        s.dX = cut(base, &at, panels(p.layer.I) * H * PANEL if dx else 0)
        if walk == 0:
            s.arena = grab(at * sizeof(real))
            if s.arena == NULL:
                free(s.layer)
                s.layer = NULL
                raise MemoryError(f"no memory for the buffers of {H} rows")
            base = <real *>s.arena
    return 0

cdef void end_plan(Plan *s) noexcept:
    release(s.arena)
    free(s.layer)
    s.arena, s.layer = NULL, NULL

cdef bint labels(Program p, Buffer t) noexcept:
    """Targets of a row loss may be one class a row."""
    return p.loss.row != NULL and t.view.ndim == 1

cdef int bind(Plan *s, Program p, Buffer P, Buffer x, Buffer t, Buffer w, bint check) except -1:
    """Point the plan at this call's arrays.  Targets: int32 labels (contiguous vector), or anything else as numbers."""
    cdef intp l
    s.params = <real *>P.view.buf
    for l in range(s.L):
        s.layer[l].W = s.params + s.layer[l].at_W
        s.layer[l].b = s.params + s.layer[l].at_b
    source(x, &s.x)
    if s.x.columns != s.layer.I:
        raise ValueError(f"{s.x.columns} columns where {s.layer.I} are needed")
    s.rows, s.check_x, s.label = s.x.rows, check, NULL
    if t is not None:
        source(t, &s.t)
        if s.t.rows != s.x.rows:
            raise ValueError(f"{s.t.rows} targets for {s.x.rows} rows")
        if s.loss != NULL and labels(p, t):
            if s.t.type != I4 or s.t.row_stride != 4:
                raise TypeError("labels must be contiguous int32")
            s.label = <const int32 *>s.t.data
        elif s.t.columns != s.layer[s.L - 1].O:
            raise ValueError(f"{s.t.columns} target columns where {s.layer[s.L - 1].O} are needed")
    s.weight = <const double *>w.view.buf if w is not None else NULL
    return 0

cdef class Trainer:
    """Buffers and optimizer scalars of a training run; `run` does many steps in one call without the GIL.

    `source` is what the targets are: "labels", "values", or "slopes" (dL/dscores given by the caller, no loss).
    """
    cdef Program program
    cdef Plan s
    cdef readonly int threads
    cdef readonly intp batch
    cdef str targets
    cdef bint ready

    def __cinit__(self, Program program, intp batch, str optimizer, int variant, tuple hyper, str targets, int threads,
                  bint dx=False):
        cdef intp k
        self.program, self.batch, self.threads, self.targets = program, batch, threads, targets
        cdef const Optimizer *row = find_optimizer(optimizer.encode(), variant)
        if len(hyper) != row.hypers:
            raise ValueError(f"{optimizer} has {row.hypers} hyperparameters, got {len(hyper)}")
        start_plan(&self.s, program, least(batch, SLICE), threads, True, batch > SLICE, targets != "labels", dx)
        self.ready = True
        self.s.optimizer, self.s.batch = row, batch
        for k, value in enumerate(hyper):
            self.s.hyper[k] = value
        if targets == "slopes":
            self.s.loss = NULL
        # a thread with too few rows for a tile would leave registers empty
        self.s.by_tile = threads > 1 and least(batch, SLICE) // threads < ROWS

    def __dealloc__(self):
        if self.ready:
            end_plan(&self.s)

    @property
    def progress(self):
        """(t, carry): steps done, and the optimizer's scalars that live on."""
        return self.s.taken, tuple(self.s.carry[k] for k in range(self.s.optimizer.carries))

    @progress.setter
    def progress(self, value):
        self.s.taken = value[0]
        for k, scalar in enumerate(value[1]):
            self.s.carry[k] = scalar

    def run(self, params, slots, X, y, weight, order, intp first, intp last, lr, bint check=False, dx=None):
        """Steps first..last of an epoch over X (N, I) in `order` (int32 row numbers, or None).

        Gives (steps done, status, bad row, sum of losses, sum of weights, sum of gradient norms, last batch's loss).
        """
        cdef Plan *s = &self.s
        cdef Buffer P = flat(params, sizeof(real), s.size, True), x = Buffer(X, PyBUF_STRIDED_RO | PyBUF_FORMAT)
        cdef Buffer S = None if s.optimizer.slots == 0 else flat(slots, sizeof(real), s.size * s.optimizer.slots, True)
        cdef Buffer w = None if weight is None else flat(weight, sizeof(double), x.view.shape[0])
        cdef Buffer o = None if order is None else flat(order, 4, 0)
        cdef Buffer r = flat(lr, sizeof(double), last - first)
        cdef Buffer d = None if dx is None else flat(dx, sizeof(double), x.view.shape[0] * x.view.shape[1], True)
        bind(s, self.program, P, x, Buffer(y, PyBUF_STRIDED_RO | PyBUF_FORMAT), w, check)
        s.slots = <real *>S.view.buf if S is not None else s.params
        s.index = <const int32 *>o.view.buf if o is not None else NULL
        if o is not None:
            s.rows = o.view.len // 4
        s.lr = <const double *>r.view.buf
        s.dx_out = <double *>d.view.buf if d is not None else NULL
        s.first, s.last = first, last
        s.done, s.status, s.bad, s.next_look = 0, FINE, -1, 0
        s.loss_sum, s.weight_sum, s.norm_sum, s.batch_loss = 0, 0, 0, 0
        with nogil:
            parallel_run(train_steps, s, self.threads)
        pending()
        return s.done, s.status, s.bad, s.loss_sum, s.weight_sum, s.norm_sum, s.batch_loss

    def gradient(self, slots, intp l, W, b):
        """dW (I, O) and db (O,) of layer l out of a `store` slot."""
        self.program.move(slots, l, W, b, False)

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
    cdef intp lines = ceil_div(s.n, 64), a = lines * thread // threads * 64, b = least(lines * (thread + 1) // threads * 64, s.n)
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

    def begin(self, double lr, double t):
        """Scalars of step t (1, 2, ...)."""
        cdef double exact[MOST]
        self.row.prepare(self.hyper, lr, t, self.carry, exact)
        for k in range(self.row.constants):
            self.c[k] = <real>exact[k]

    def step(self, w, g, slots, int threads):
        """w and its slots (slots, n) updated by g in one pass over memory."""
        cdef Sweep job
        cdef Buffer W = flat(w, sizeof(real), 0, True)
        cdef intp n = W.view.len // sizeof(real)
        cdef Buffer G = flat(g, sizeof(real), n)
        cdef Buffer S = None if self.row.slots == 0 else flat(slots, sizeof(real), n * self.row.slots, True)
        job.w, job.g, job.n, job.stride = <real *>W.view.buf, <const real *>G.view.buf, n, n
        job.slots = <real *>S.view.buf if S is not None else job.w
        job.c, job.step = self.c, self.row.step
        with nogil:
            parallel_run(sweep, &job, threads)

# ---- functions -----------------------------------------------------------------------------------------------------
def permutation(uint64 seed, uint64 stream, order):
    """order (int32) = 0 .. n - 1, shuffled: the same for the same (seed, stream)."""
    cdef Buffer o = flat(order, 4, 0, True)
    with nogil:
        shuffled(seed, stream, o.view.len // 4, <int32 *>o.view.buf)

def fill_uniform(uint64 seed, uint64 stream, double bound, out):
    """out (float64): uniform in [-bound, bound)."""
    cdef Buffer o = flat(out, 8, 0, True)
    with nogil:
        uniform(seed, stream, o.view.len // 8, bound, <double *>o.view.buf)

def random_words(uint64 seed, uint64 stream, uint64 first, out):
    """out (uint32): the raw words of counters from `first` on."""
    cdef unsigned int words[4 * BLOCK]
    cdef Buffer o = flat(out, 4, 0, True)
    cdef intp k
    for k in range(o.view.len // 4):
        if k % (4 * BLOCK) == 0:
            philox_block(seed, stream, first + k // 4, words)
        (<unsigned int *>o.view.buf)[k] = words[k % (4 * BLOCK)]

def activation(str name, z, a, g):
    """a = f(z); g *= f'(z): one builtin over contiguous reals."""
    cdef const Activation *row = find_activation(name.encode())
    cdef Buffer Z = flat(z, sizeof(real), 0), A = flat(a, sizeof(real), 0, True), G = flat(g, sizeof(real), 0, True)
    cdef intp n = Z.view.len // sizeof(real)
    if row.apply == NULL:
        memcpy(A.view.buf, Z.view.buf, Z.view.len)
    else:
        row.apply(<real *>Z.view.buf, <real *>A.view.buf, n)
        row.grad(<real *>Z.view.buf, <real *>A.view.buf, <real *>G.view.buf, n)

def elementary(str name, x, out):
    """One function of the formulas' vocabulary over contiguous reals."""
    cdef const Elementary *row = ELEMENTARY
    cdef Buffer X = flat(x, sizeof(real), 0), Y = flat(out, sizeof(real), 0, True)
    while row.name != NULL and (<bytes>row.name) != name.encode():
        row += 1
    if row.name == NULL:
        raise KeyError(name)
    row.apply(<real *>X.view.buf, <real *>Y.view.buf, X.view.len // sizeof(real))

cdef struct Race:
    double seconds
    double flops[1024]
    double took[1024]

cdef void race(void *context, int thread, int threads) noexcept nogil:
    cdef Race *s = <Race *>context
    cdef real sink = 0
    cdef double start = seconds_now(), now = start, flops = 0
    while now - start < s.seconds:
        flops += fma_loop(20000, &sink)
        now = seconds_now()
    s.took[thread % 1024] = now - start + (0 if sink != 1 else 1e-30)
    s.flops[thread % 1024] = flops

def peak_flops(int threads=1, double seconds=0.05):
    """Flop/s of fused multiply-adds that touch registers only, all threads together: the machine's own yardstick."""
    cdef Race s
    cdef int k
    s.seconds = seconds
    with nogil:
        parallel_run(race, &s, threads)
    return sum([s.flops[k] / s.took[k] for k in range(threads)])

def max_threads():
    """What OpenMP would use now (OMP_NUM_THREADS, omp_set_num_threads as threadpoolctl sets it)."""
    return most_threads()

def processor_levels():
    """x86-64 levels above the first that this processor has."""
    return tuple(f"v{k}" for k in range(2, processor_level() + 1))

def constants():
    """Numbers of this build."""
    return {"lanes": <int>LANES, "panel": <int>PANEL, "rows": <int>ROWS, "bits": <int>REAL_BITS, "vector_bytes": <int>VECTOR_BYTES,
            "openmp": <int>OPENMP_VERSION, "slice": <int>SLICE}
