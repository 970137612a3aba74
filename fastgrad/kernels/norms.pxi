# Layer norm and batch norm, passes of their own over panels: xhat = (x - mean) / sqrt(variance + eps), z = gamma xhat + beta,
# A = f(z).  gamma and beta lie in the places of W and b, each one row in panels; a tile is one panel of both.  Residual
# blocks: what joins the output of their last layer, and what their gradient hands on.
#
# A layer norm takes whole rows, so threads may share rows; its rows go through the first cache LANES at a time.  A batch norm
# in training takes whole columns, so its batch is never cut into slices and threads share panels; in evaluation it is an
# affine map of each column by the running statistics.

# ---- residual blocks -----------------------------------------------------------------------------------------------
cdef inline void join(const Layer *q, intp at, intp m) noexcept nogil:
    """A = F + what was the input of each residual block that ends here, m rows of a panel."""
    cdef intp k
    for k in range(q.joins):
        sum_of(q.F + at if k == 0 else q.A + at, q.join[k] + at, m * PANEL, q.A + at)

cdef inline void hand_on(const Layer *q, intp at, real *g, intp m) noexcept nogil:
    """g = dL/dA of m rows of a panel, completed by the blocks that begin behind this layer, kept for those that end here."""
    cdef intp k
    for k in range(q.hands):
        sum_of(g, q.hand[k] + at, m * PANEL, g)
    if q.R != NULL:
        memcpy(q.R + at, g, m * PANEL * sizeof(real))

# ---- forward -------------------------------------------------------------------------------------------------------
cdef inline const real *gamma_of(const Layer *q, intp p) noexcept nogil:
    return q.W + p * PANEL if q.affine else NULL

cdef inline const real *beta_of(const Layer *q, intp p) noexcept nogil:
    return q.b + p * PANEL if q.affine else NULL

cdef void forward_layer_norm(const Layer *q, const real *X, intp H, intp r0, intp r1) noexcept nogil:
    cdef real tile[LANES * PANEL]
    cdef real mean[LANES]
    cdef real rstd[LANES]
    cdef real shift[LANES]
    cdef real *z
    cdef intp r = r0, m, p, at
    while r < r1:
        m = least(LANES, r1 - r)
        row_moments(X + r * PANEL, H * PANEL, q.O, m, <real>q.eps, mean, rstd, shift)
        if q.rstd != NULL:
            memcpy(q.rstd + r, rstd, m * sizeof(real))
        for p in range(panels(q.O)):
            at = (p * H + r) * PANEL
            z = place_of_z(q, at, tile)
            normalised_rows(X + at, m, q.O - p * PANEL, mean, rstd, shift, gamma_of(q, p), beta_of(q, p),
                            q.xhat + at if q.xhat != NULL else NULL, z)
            output_tile(q, z, at, m, q.O - p * PANEL)
        r += m

cdef void forward_batch_norm(const Layer *q, const real *X, intp H, intp p0, intp p1, intp r0, intp r1) noexcept nogil:
    cdef real tile[TILE]
    cdef real *z
    cdef intp r, m, p, at
    for p in range(p0, p1):
        if q.by_batch:
            column_moments(X + (p * H + r0) * PANEL, r1 - r0, q.O - p * PANEL, q.eps, q.mean + p * PANEL,
                           q.rstd + p * PANEL, q.shift + p * PANEL, q.moments + 2 * p * PANEL)
        r = r0
        while r < r1:
            m = least(ROWS, r1 - r)
            at = (p * H + r) * PANEL
            z = place_of_z(q, at, tile)
            normalised_columns(X + at, m, q.mean + p * PANEL, q.rstd + p * PANEL, q.shift + p * PANEL, gamma_of(q, p),
                               beta_of(q, p), q.xhat + at if q.xhat != NULL else NULL, z)
            output_tile(q, z, at, m, q.O - p * PANEL)
            r += m

cdef void forward_norm(const Layer *q, const real *X, intp H, intp p0, intp p1, intp r0, intp r1) noexcept nogil:
    """A = f(gamma xhat + beta): rows r0..r1, of a batch norm panels p0..p1.  IN X; OUT A (and Z, xhat, the statistics)."""
    if q.kind == LAYER_NORM:
        forward_layer_norm(q, X, H, r0, r1)
    else:
        forward_batch_norm(q, X, H, p0, p1, r0, r1)

cdef inline void part_of(const Layer *q, intp m, int thread, int threads, intp *p0, intp *p1, intp *r0,
                         intp *r1) noexcept nogil:
    """By tiles: a thread's panels of all m rows, of a layer norm or an embedding its rows of all panels."""
    p0[0], p1[0], r0[0], r1[0] = 0, panels(q.I), 0, m
    if q.kind == LAYER_NORM or q.kind == EMBEDDING:
        r0[0], r1[0] = m * thread // threads, m * (thread + 1) // threads
    else:
        p0[0], p1[0] = p1[0] * thread // threads, p1[0] * (thread + 1) // threads

cdef void settle(Layer *q, const real *params) noexcept nogil:
    """The statistics of a batch norm in evaluation, out of the running ones."""
    cdef intp i
    for i in range(q.O):
        q.mean[i], q.shift[i] = params[q.at_mean + i], 0
        q.rstd[i] = <real>(1 / sqrt(<double>params[q.at_var + i] + q.eps))

# ---- backward ------------------------------------------------------------------------------------------------------
cdef void backward_norm(const Layer *q, const Layer *below, real *dX, intp H, intp p0, intp p1, intp r0,
                        intp r1) noexcept nogil:
    """dX of a norm, times f'(below): rows r0..r1, of a batch norm panels p0..p1.  IN dZ, xhat; OUT dX."""
    cdef real c[LANES]
    cdef real d[LANES]
    cdef const double *totals = NULL
    cdef intp r, m, p, at
    if q.kind == LAYER_NORM:
        r = r0
        while r < r1:
            m = least(LANES, r1 - r)
            row_slope_means(q.dZ + r * PANEL, q.xhat + r * PANEL, H * PANEL, q.O, m, gamma_of(q, 0), q.rstd + r, c, d)
            for p in range(panels(q.O)):
                at = (p * H + r) * PANEL
                row_slopes(q.dZ + at, q.xhat + at, m, q.O - p * PANEL, gamma_of(q, p), q.rstd + r, c, d, dX + at)
                times_slope(below, at, dX + at, m, q.O - p * PANEL)
            r += m
        return
    for p in range(p0, p1):
        if q.by_batch:
            totals = q.totals + 2 * p * PANEL
            sum_slopes(q, p, r1 - r0, H)
        r = r0
        while r < r1:
            m = least(ROWS, r1 - r)
            at = (p * H + r) * PANEL
            column_slopes(q.dZ + at, q.xhat + at, m, gamma_of(q, p), q.rstd + p * PANEL, totals, r1 - r0, dX + at)
            times_slope(below, at, dX + at, m, q.O - p * PANEL)
            r += m

cdef inline void backward_layer(const Layer *q, const Layer *below, real *dX, intp H, intp p0, intp p1, intp r0, intp r1,
                                real *T) noexcept nogil:
    """dX of any layer, times f'(below); see `backward_input` and `backward_norm`."""
    if q.kind == EMBEDDING:
        backward_embedding(q, dX, H, r0, r1)
    elif q.kind != DENSE:
        backward_norm(q, below, dX, H, p0, p1, r0, r1)
    else:
        backward_input(q, below, dX, H, p0, p1, r0, r1, T)

cdef inline void sum_slopes(const Layer *q, intp p, intp N, intp H) noexcept nogil:
    """Panel p of a norm: the sums over N rows of dZ (those of beta's gradient) and of dZ xhat (gamma's)."""
    cdef real nothing[PANEL]
    memset(nothing, 0, sizeof(nothing))
    column_totals(q.dZ + p * H * PANEL, q.xhat + p * H * PANEL, nothing, N, q.totals + 2 * p * PANEL)

cdef void backward_norm_weights(Plan *s, intp l, intp N, intp H, bint begun, bint last, int thread,
                                int threads) noexcept nogil:
    """gamma, beta updated, or summed up in G, as `backward_weights` does; no L2 term counts them.  The running statistics of
    a batch norm move on: here the step is sure to be applied."""
    cdef Layer *q = s.layer + l
    cdef real tile[PANEL]
    cdef real *out
    cdef const double *totals
    cdef bint now = last and s.clip_norm == 0
    cdef intp p, k, at
    for p in range(q.tiles * thread // threads, q.tiles * (thread + 1) // threads):
        if s.tracks and q.by_batch:
            run_on(s.params + q.at_mean + p * PANEL, q.moments + 2 * p * PANEL, q.momentum)
            run_on(s.params + q.at_var + p * PANEL, q.moments + 2 * p * PANEL + PANEL, q.momentum)
            if s.mean != NULL:
                follow(s.mean + q.at_mean + p * PANEL, s.params + q.at_mean + p * PANEL, PANEL, s.mix)
                follow(s.mean + q.at_var + p * PANEL, s.params + q.at_var + p * PANEL, PANEL, s.mix)
        if not q.affine:
            continue
        if not q.by_batch or (l == s.lowest and s.dX == NULL):      # otherwise backward_norm has summed them
            sum_slopes(q, p, N, H)
        for k in range(2):
            totals = q.totals + 2 * p * PANEL + (0 if k else PANEL)
            at = (q.at_b if k else q.at_W) + p * PANEL
            out = s.G + at
            if now:
                out = tile
            s.squares[k * s.tiles + q.first_tile + p] = narrowed_totals(s.G + at if begun else NULL, totals, out)
            if now:
                finish(s, q, at, tile, PANEL)

cdef void update_norm_weights(Plan *s, const Layer *q, real by, int thread, int threads) noexcept nogil:
    """gamma, beta updated by the gradient in G, times `by`; see `update_weights`."""
    cdef intp p, k, at
    for p in range(q.tiles * thread // threads, q.tiles * (thread + 1) // threads if q.affine else 0):
        for k in range(2):
            at = (q.at_b if k else q.at_W) + p * PANEL
            scaled(s.G + at, PANEL, by, s.G + at)
            finish(s, q, at, s.G + at, PANEL)
