# `Program`: the fixed part of a network, with the places of its parameters; scores and losses of many rows.
# Nothing in these classes is global: any number of threads may call at once.

cdef inline void carry_over(real *inside, real *outside, intp n, bint inward) noexcept nogil:
    if inward:
        memcpy(inside, outside, n * sizeof(real))
    else:
        memcpy(outside, inside, n * sizeof(real))

cdef class Program:
    """Sizes, activations and loss of a network, with the places of its parameters in a buffer of `size` reals.

    `lazy`: training gives the optimizer's turn to those rows of the first W alone that a batch has nonzeros for.  `behind`:
    where the first W ends; what lies there does not depend on how many rows it has.
    """
    cdef Layer *layer
    cdef Block *block
    cdef Table *table
    cdef intp *number
    cdef readonly intp L, size, widest, tiles, blocks, batch_norms, inputs, behind
    cdef readonly bint lazy
    cdef const Loss *loss
    cdef double loss_hyper[MOST]
    cdef real loss_c[MOST]
    cdef real smooth, most

    def __cinit__(self, tuple sizes, tuple activations, str loss, tuple hyper, tuple drops=(), tuple norms=(),
                  tuple blocks=(), tuple tables=(), bint lazy=False):
        cdef intp l, at = 0
        cdef Layer *q
        cdef const Activation *row
        cdef double exact[MOST]
        self.L, self.blocks, self.lazy = len(sizes) - 1, len(blocks), lazy
        self.layer = <Layer *>calloc(self.L, sizeof(Layer))
        self.block = <Block *>calloc(self.blocks + 1, sizeof(Block))
        if self.layer == NULL or self.block == NULL:
            raise MemoryError
        for l, pair in enumerate(blocks):
            self.block[l].start, self.block[l].end = pair
        for l in range(self.L):
            q = self.layer + l
            q.I, q.O = sizes[l], sizes[l + 1]
            if l < len(norms) and norms[l] is not None:
                q.kind = LAYER_NORM if norms[l][0] == "layer" else BATCH_NORM
                _, q.eps, q.momentum, q.affine = norms[l]
                self.batch_norms += q.kind == BATCH_NORM
            if l == 0 and tables:
                read_tables(self, q, tables)
            q.narrow = l == self.L - 1 and q.O == 1 and q.kind == DENSE
            row = find_activation(activations[l].encode())
            q.apply, q.grad, q.needs_z = row.apply, row.grad, row.needs_z
            q.below = round(drops[l] * DROP_STEPS) if l < len(drops) else 0
            q.at_W = at
            at += size_of_weights(q)
            q.at_b = at
            at += panels(q.O) * PANEL if q.affine or q.kind == DENSE else 0
            q.at_mean, q.at_var = at, at + panels(q.O) * PANEL
            at += 2 * panels(q.O) * PANEL if q.kind == BATCH_NORM else 0
            q.tiles, q.first_tile = panels(q.O) if lazy and l == 0 else count_tiles(q), self.tiles
            self.tiles += q.tiles
            self.widest = max(self.widest, panels(q.O))
        self.size, self.inputs, self.behind = at, self.layer.I, self.layer.at_b
        self.loss = find_loss(loss.encode())
        for l, value in enumerate(hyper):
            self.loss_hyper[l] = value
        # of the row losses only the softmax has parameters: its smoothing, and the value at which it is cut off
        self.smooth = <real>self.loss_hyper[0] if self.loss.softmax and hyper else 0
        self.most = <real>(self.loss_hyper[1] if self.loss.softmax and len(hyper) > 1 else INFINITY)
        if self.loss.prepare != NULL:
            self.loss.prepare(self.loss_hyper, exact)
            for l in range(self.loss.constants):
                self.loss_c[l] = <real>exact[l]

    def __dealloc__(self):
        free(self.layer)
        free(self.block)
        free(self.table)
        free(self.number)

    def pack(self, params, intp l, W, b, intp table=0):
        """Rows W (I, O) and b (O,), C-contiguous reals, into their places; of a norm gamma and beta (O,); of an embedding a
        table, W (rows, dim), and an empty b."""
        self.move(params, l, W, b, table, True)

    def unpack(self, params, intp l, W, b, intp table=0):
        """The other way."""
        self.move(params, l, W, b, table, False)

    def put_rows(self, params, intp first, W):
        """Rows W (n, O), C-contiguous reals, into those of the first layer from `first` on."""
        cdef Layer *q = self.layer
        cdef Buffer P = flat(params, sizeof(real), self.size, True), w = flat(W, sizeof(real), 0)
        cdef intp n = w.view.len // (sizeof(real) * q.O), i, k, width
        cdef real *p = <real *>P.view.buf + q.at_W
        cdef const real *rows = <const real *>w.view.buf
        if first < 0 or first + n > q.I:
            raise ValueError(f"rows {first} to {first + n} where there are {q.I}")
        with nogil:
            if q.narrow:
                memcpy(p + first, rows, n * sizeof(real))
            for k in range(0 if q.narrow else panels(q.O)):
                width = vectors(q.O, k) * LANES
                for i in range(n):
                    memcpy(p + k * q.I * PANEL + (first + i) * width, rows + i * q.O + k * PANEL,
                           least(PANEL, q.O - k * PANEL) * sizeof(real))

    cdef move(self, params, intp l, W, b, intp table, bint inward):
        cdef Layer *q = self.layer + l
        cdef Buffer P = flat(params, sizeof(real), self.size, inward)
        cdef intp count = q.I * q.O if q.kind == DENSE else q.O, biases = q.O, at = q.at_W
        cdef intp i, k, n, width
        if q.kind == EMBEDDING:
            count, biases, at = q.table[table].rows * q.table[table].dim, 0, at + q.table[table].at
        cdef Buffer w = flat(W, sizeof(real), count, not inward), c = flat(b, sizeof(real), biases, not inward)
        cdef real *p = <real *>P.view.buf
        cdef real *rows = <real *>w.view.buf
        cdef real *bias = <real *>c.view.buf
        with nogil:
            if q.narrow or q.kind != DENSE:
                carry_over(p + at, rows, count, inward)
            else:
                for k in range(panels(q.O)):
                    n, width = least(PANEL, q.O - k * PANEL), vectors(q.O, k) * LANES
                    for i in range(q.I):
                        carry_over(p + q.at_W + k * q.I * PANEL + i * width, rows + i * q.O + k * PANEL, n, inward)
            carry_over(p + q.at_b, bias, biases, inward)

    def running(self, params, intp l, mean, var, bint inward):
        """Running mean and variance (O,) of a batch norm, C-contiguous reals, into their places or out of them."""
        cdef Layer *q = self.layer + l
        cdef Buffer P = flat(params, sizeof(real), self.size, inward)
        cdef Buffer m = flat(mean, sizeof(real), q.O, not inward), v = flat(var, sizeof(real), q.O, not inward)
        carry_over(<real *>P.view.buf + q.at_mean, <real *>m.view.buf, q.O, inward)
        carry_over(<real *>P.view.buf + q.at_var, <real *>v.view.buf, q.O, inward)

    def scores(self, params, X, out, bint link, int threads, bint check):
        """out (N, O) = the scores of X (N, I), through the loss's link where asked for."""
        cdef Buffer P = flat(params, sizeof(real), self.size)
        cdef Rows x = Rows(X)
        cdef Buffer o = flat(out, sizeof(real), x.count * self.layer[self.L - 1].O, True)
        return self.run(P, x, None, None, <real *>o.view.buf, link, threads, check)

    def losses(self, params, X, y, weight, int threads, bint check):
        """Sum of the rows' losses, each times its weight."""
        cdef Buffer P = flat(params, sizeof(real), self.size)
        cdef Rows x = Rows(X)
        cdef Buffer w = None if weight is None else flat(weight, sizeof(double), x.count)
        return self.run(P, x, Buffer(y, PyBUF_STRIDED_RO | PyBUF_FORMAT), w, NULL, False, threads, check)

    cdef run(self, Buffer P, Rows x, Buffer t, Buffer w, real *out, bint link, int threads, bint check):
        cdef Job job
        cdef intp blocks, k
        cdef double total = 0
        cdef int status = FINE
        job.rows, job.out, job.link, job.loss = x.count, out, link, NULL
        job.per = least(job.rows, 9 * ROWS)         # activations of this many rows fit the second cache
        blocks = ceil_div(job.rows, job.per)
        threads = <int>max(1, min(threads, blocks))
        job.plan = <Plan *>calloc(threads, sizeof(Plan))
        job.loss = <double *>calloc(blocks, sizeof(double))
        try:
            if job.plan == NULL or job.loss == NULL:
                raise MemoryError
            for k in range(threads):
                start_plan(job.plan + k, self, job.per, 1, False, False, t is not None and not labels(self, t), False,
                           False, x.nonzeros.on)
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
