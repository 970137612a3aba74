# A plan: the buffers of one call, cut from one arena, and the arrays that it is pointed at.

cdef intp tidy(intp reals) noexcept:
    """A stretch of the arena, rounded up to a cache line, with room behind it for a vector that overshoots."""
    return ceil_div(reals + LANES, 16) * 16

cdef real *cut(real *base, intp *at, intp reals) noexcept:
    """The next stretch of the arena; while it is only measured there is no base, and nothing to point at."""
    cdef intp here = at[0]
    at[0] += tidy(reals) + FENCE
    if base == NULL or reals == 0:
        return NULL
    fence(base + here + reals + LANES, (tidy(reals) + FENCE - reals - LANES) * sizeof(real))
    return base + here

cdef int start_plan(Plan *s, Program p, intp H, int threads, bint training, bint sums, bint targets, bint dx,
                    bint drops=False, bint sparse=False) except -1:
    """Buffers for H rows, cut from one zeroed arena.  Walked twice: to measure, then to hand out."""
    cdef real *base = NULL
    cdef intp l, n = 0, walk, at
    cdef Layer *q
    memset(s, 0, sizeof(Plan))
    s.layer = <Layer *>calloc(p.L, sizeof(Layer))
    if s.layer == NULL:
        raise MemoryError
    memcpy(s.layer, p.layer, p.L * sizeof(Layer))
    s.lazy = p.lazy and training
    s.L, s.H, s.size, s.tiles, s.loss, s.smooth, s.most = p.L, H, p.size, p.tiles, p.loss, p.smooth, p.most
    memcpy(s.loss_c, p.loss_c, sizeof(s.loss_c))
    s.stretch = tidy((p.widest + 1) * PANEL * PANEL)
    s.reads_user = p.layer.kind == DENSE and not p.layer.narrow
    for l in range(p.blocks):
        if p.block[l].start == 0:       # what joins the block's output lies in panels
            s.reads_user = False
    for walk in range(2):
        at = 0
        s.gate = <Gate *>cut(base, &at, 64)
        s.X = cut(base, &at, 0 if sparse else panels(p.layer.I) * H * PANEL)
        for l in range(p.L):
            q = s.layer + l
            n = (1 if q.narrow else panels(q.O) * PANEL) * H
            q.A = cut(base, &at, n)
            q.Z = cut(base, &at, n if q.needs_z else 0)
            q.dZ = cut(base, &at, n if training or l == p.L - 1 else 0)
            q.M = cut(base, &at, n if drops and q.below else 0)
            cut_norm(q, base, &at, H, training, drops)
            q.F = q.A
        s.T = cut(base, &at, n if targets else 0)
        s.scale = cut(base, &at, H)
        s.row_loss = cut(base, &at, H)
        s.squares = cut(base, &at, 2 * p.tiles if training else 0)
        s.norms = cut(base, &at, p.tiles if training else 0)
        s.scratch = cut(base, &at, s.stretch * threads if training else 0)
        s.G = cut(base, &at, p.size if sums else 0)
        s.dX = cut(base, &at, panels(p.layer.I) * H * PANEL if dx else 0)
        join_blocks(s, p, base, &at, training)
        cut_codes(s, base, &at, training)
        if walk == 0:
            s.arena = grab(at * sizeof(real))
            if s.arena == NULL:
                free(s.layer)
                s.layer = NULL
                raise MemoryError(f"no memory for the buffers of {H} rows")
            base = <real *>s.arena
    return 0

cdef void cut_norm(Layer *q, real *base, intp *at, intp H, bint training, bint by_batch) noexcept:
    """What a norm has besides the buffers of every layer."""
    cdef intp width = panels(q.O) * PANEL, doubles = 2 * width * sizeof(double) // sizeof(real)
    if q.kind != LAYER_NORM and q.kind != BATCH_NORM:
        return
    q.by_batch = by_batch and q.kind == BATCH_NORM
    q.xhat = cut(base, at, width * H if training else 0)
    q.totals = <double *>cut(base, at, doubles if training else 0)
    if q.kind == LAYER_NORM:
        q.rstd = cut(base, at, H if training else 0)
        return
    q.mean, q.rstd, q.shift = cut(base, at, width), cut(base, at, width), cut(base, at, width)
    q.moments = <double *>cut(base, at, doubles if q.by_batch else 0)

cdef void join_blocks(Plan *s, Program p, real *base, intp *at, bint training) noexcept:
    """Residual blocks: the places that their ends read and write."""
    cdef intp k, n
    cdef Layer *q
    cdef Layer *source
    s.input.A, s.input.F, s.input.hands = s.X, s.X, 0
    for k in range(s.L):
        s.layer[k].joins, s.layer[k].hands = 0, 0
    for k in range(p.blocks):
        q = s.layer + p.block[k].end
        source = s.layer + p.block[k].start - 1 if p.block[k].start else &s.input
        n = panels(q.O) * PANEL * s.H
        if q.joins == 0:
            q.F = cut(base, at, n)
            q.R = cut(base, at, n if training else 0)
        q.join[q.joins] = source.A
        q.joins += 1
        if training:
            source.hand[source.hands] = q.R
            source.hands += 1

cdef void end_plan(Plan *s) noexcept:
    release(s.arena)
    release(s.nonzeros.memory)
    free(s.layer)
    s.arena, s.layer = NULL, NULL

cdef bint labels(Program p, Buffer t) noexcept:
    """Targets of a row loss may be one class a row."""
    return p.loss.rows != NULL and t.view.ndim == 1

cdef int bind(Plan *s, Program p, Buffer P, Rows x, Buffer t, Buffer w, bint check) except -1:
    """Point the plan at this call's arrays.  Targets: int32 labels (contiguous vector), or anything else as numbers."""
    cdef intp l, bytes_
    s.params = <real *>P.view.buf
    for l in range(s.L):
        s.layer[l].W = s.params + s.layer[l].at_W
        s.layer[l].b = s.params + s.layer[l].at_b
        if s.layer[l].kind == BATCH_NORM and not s.layer[l].by_batch:
            settle(s.layer + l, s.params)
    s.x = x.x
    if s.x.columns != s.layer.I:
        raise ValueError(f"{s.x.columns} columns where {s.layer.I} are needed")
    if x.nonzeros.on == (s.X != NULL):
        raise TypeError("the buffers were made for sparse rows, or these are; they do not fit each other")
    if x.nonzeros.on:
        make_room(s, x)
    s.rows, s.check_x, s.label = s.x.rows, check, NULL
    bytes_ = panels(s.x.columns) * PANEL * sizeof(real)
    s.x.lines, s.ahead = least(8, 1 + bytes_ // 64), least(16, 2 + 4096 // bytes_)
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
