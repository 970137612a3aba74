# The three products, each with what follows it while its tile is in the first cache: `forward` (bias, activation),
# `backward_input` (slope of the activation), `backward_weights` (the optimizer: a gradient is never stored).

cdef void apply_padded(Apply f, const real *z, real *a, intp n) noexcept nogil:
    """a = f(z) over n values side by side, always by whole vectors: a row's bits must not depend on how many it came with."""
    cdef real given[TILE + LANES]
    cdef real made[TILE]
    cdef intp k = 0, m
    while k < n:
        m = least(TILE, n - k)
        spread(z + k, m, given)
        f(given, made, ceil_div(m, LANES) * LANES)
        memcpy(a + k, made, m * sizeof(real))
        k += m

cdef inline real *place_of_z(const Layer *q, intp at, real *tile) noexcept nogil:
    """Where a tile of Z is written: in its own place, or where no other activation is to follow in that of f(Z)."""
    return q.F + at if q.apply == NULL else q.Z + at if q.needs_z else tile

cdef inline void output_tile(const Layer *q, const real *z, intp at, intp m, intp live) noexcept nogil:
    """A = f(z) of m rows of a panel of `live` columns, and what dropout and residual blocks make of it."""
    if q.apply != NULL:
        q.apply(z, q.F + at, m * PANEL)
        mask_rows(q.F + at, m, live)
    if q.M != NULL:
        times_mask(q.F + at, q.M + at, m * PANEL)
    if q.joins:
        join(q, at, m)

cdef void forward_narrow(const Layer *q, const real *X, intp H, intp r0, intp r1) noexcept nogil:
    cdef real *Z = q.Z if q.needs_z else q.A
    cdef intp r, n = panels(q.I)
    for r in range(r0, r1):
        Z[r] = dot_panels(X + r * PANEL, H * PANEL, q.W, n, q.b[0])
    if q.apply != NULL:
        apply_padded(q.apply, Z + r0, q.A + r0, r1 - r0)

cdef void forward(const Layer *q, const real *X, intp H, intp first, intp last, intp r0, intp r1,
                  intp user_stride) noexcept nogil:
    """A = f(X W + b): tiles first..last of rows r0..r1.  IN X, W, b; OUT A (and Z).

    X lies in panels, or (user_stride not 0) in the user's own rows, so many values apart; then as many rows behind these
    are asked for meanwhile, a few lines a tile: all at once they would hold up the loads.
    """
    cdef real tile[TILE]
    cdef intp mr = even(r1 - r0), n = ceil_div(r1 - r0, mr), t, p, r, m, at, j
    cdef intp ahead = 0
    if q.I <= user_stride <= 2 * q.I:       # rows side by side, or nearly; the stride of a single row may be anything
        ahead = (r1 - r0) * user_stride // (64 // <intp>sizeof(real) * (last - first)) + 1
    cdef real *z
    for t in range(first, last):
        p = t // n
        r = r0 + (t - p * n) * mr
        m = least(mr, r1 - r)
        at = (p * H + r) * PANEL
        z = place_of_z(q, at, tile)
        if user_stride:
            for j in range(ahead):
                prefetch_far(X + r1 * user_stride + (t * ahead + j) * (64 // <intp>sizeof(real)))
            user_rows_times_panel(<int>m, vectors(q.O, p), q.b + p * PANEL, X + r * user_stride, user_stride, q.I,
                                  q.W + p * q.I * PANEL, z)
        else:
            rows_times_panel(<int>m, vectors(q.O, p), q.b + p * PANEL, X + r * PANEL, H * PANEL, q.I,
                             q.W + p * q.I * PANEL, z)
        output_tile(q, z, at, m, q.O - p * PANEL)

cdef inline intp forward_tiles(const Layer *q, intp rows) noexcept nogil:
    return ceil_div(rows, even(rows)) * panels(q.O)

cdef void transpose_panel(const Layer *q, intp ip, real *T) noexcept nogil:
    """T[o][0:PANEL] = W[ip * PANEL + 0:PANEL][o]"""
    cdef intp i, j, o, I = q.I - ip * PANEL, ldo
    cdef int nvi = vectors(q.I, ip)
    for j in range(ceil_div(q.O, LANES)):       # a step that is only known to C would make this a Python loop
        o = j * LANES
        ldo = vectors(q.O, o // PANEL) * LANES
        for i in range(nvi):
            transpose(q.W + (o // PANEL) * q.I * PANEL + (ip * PANEL + i * LANES) * ldo + o % PANEL, ldo,
                      I - i * LANES, T + o * nvi * LANES + i * LANES, nvi * LANES)

cdef inline void times_slope(const Layer *q, intp at, real *g, intp m, intp live) noexcept nogil:
    """g *= what dropout and activation of layer q did to these m rows of a panel, of `live` columns."""
    cdef real undropped[TALL]
    cdef const real *A = q.F + at
    if q.hands or q.R != NULL:
        hand_on(q, at, g, m)
    if q.M != NULL:
        times_mask(g, q.M + at, m * PANEL)
        # the slope asks for the activation as it was; where it was dropped g is zero whatever the slope
        scaled(A, m * PANEL, <real>(1 - <double>q.below / DROP_STEPS), undropped)
        A = undropped
    if q.grad != NULL:
        q.grad(q.Z + at if q.needs_z else NULL, A, g, m * PANEL)
        mask_rows(g, m, live)

cdef void backward_input(const Layer *q, const Layer *below, real *dX, intp H, intp p0, intp p1, intp r0, intp r1,
                         real *T) noexcept nogil:
    """dX = (dZ W') f'(below): input panels p0..p1 of rows r0..r1.  IN dZ, W; OUT dX (the dZ of the layer below)"""
    cdef intp mr = even(r1 - r0), p, r, m, at
    cdef int nv
    for p in range(p0, p1):
        if not q.narrow:
            transpose_panel(q, p, T)
        nv = vectors(q.I, p)
        r = r0
        while r < r1:
            m = least(mr, r1 - r)
            at = (p * H + r) * PANEL
            if q.narrow:
                outer_rows(m, q.dZ + r, q.W + p * PANEL, dX + at)
            else:
                rows_times_panel(<int>m, nv, NULL, q.dZ + r * PANEL, H * PANEL, q.O, T, dX + at)
            if below != NULL:
                times_slope(below, at, dX + at, m, q.I - p * PANEL)
            r += m

cdef inline void tile_of(const Layer *q, intp t, intp *p, intp *i, intp *m) noexcept nogil:
    """Tile t of W: panel p of the outputs, m inputs from i on.  Tiles never straddle a panel of the inputs."""
    cdef intp per_panel = ceil_div(PANEL, ROWS), whole = q.I // PANEL, rest = q.I - whole * PANEL
    cdef intp n = whole * per_panel + ceil_div(rest, ROWS), j, ip, rows, mr
    p[0] = t // n
    j = t - p[0] * n
    ip = least(j // per_panel, whole)
    rows = least(PANEL, q.I - ip * PANEL)
    mr = even(rows)
    i[0] = ip * PANEL + (j - ip * per_panel) * mr
    m[0] = least(mr, ip * PANEL + rows - i[0])

cdef inline intp place_of_tile(const Layer *q, intp t, intp *p, intp *i, intp *m, intp *width) noexcept nogil:
    """Where tile t of W, of `m` rows of `width` values, lies among the parameters; see `tile_of`."""
    if q.narrow:
        p[0], i[0], m[0], width[0] = 0, t * PANEL, 1, PANEL
        return q.at_W + i[0]
    tile_of(q, t, p, i, m)
    width[0] = vectors(q.O, p[0]) * LANES
    return q.at_W + p[0] * q.I * PANEL + i[0] * width[0]

cdef inline intp next_tile(const Layer *q, intp at, intp *p, intp *i, intp *m, intp *width) noexcept nogil:
    """The tile behind one, as `place_of_tile` would tell, whose divisions take as long as a small tile's work."""
    cdef intp first, rows
    if q.narrow:
        i[0] += PANEL
        return at + PANEL
    at += m[0] * width[0]
    i[0] += m[0]
    if i[0] == q.I:
        i[0] = 0
        p[0] += 1
        width[0] = vectors(q.O, p[0]) * LANES
    first = i[0] // PANEL * PANEL
    rows = least(PANEL, q.I - first)
    m[0] = least(even(rows), first + rows - i[0])
    return at

cdef intp size_of_weights(const Layer *q) noexcept nogil:
    """Reals of W in a parameters buffer."""
    if q.kind == EMBEDDING:
        return q.reals
    if q.kind != DENSE:
        return panels(q.O) * PANEL if q.affine else 0
    return panels(q.I) * PANEL if q.narrow else q.I * ceil_div(q.O, LANES) * LANES

cdef intp count_tiles(const Layer *q) noexcept nogil:
    cdef intp whole = q.I // PANEL
    if q.kind == EMBEDDING:
        return q.tiles
    if q.narrow or q.kind != DENSE:
        return panels(q.I)
    return (whole * ceil_div(PANEL, ROWS) + ceil_div(q.I - whole * PANEL, ROWS)) * panels(q.O)

cdef inline void finish(Plan *s, const Layer *q, intp at, real *g, intp n) noexcept nogil:
    """The optimizer's turn on n parameters of layer q whose gradient is complete."""
    if s.clip_value != 0:
        held(g, n, s.clip_value, g)
    s.optimizer.step(s.params + at, g, s.slots + at, s.size, n, q.c)
    if s.follows:
        after_update(s, q, at, n)

cdef void backward_weights(Plan *s, intp l, intp N, intp H, bint begun, bint last, int thread, int threads) noexcept nogil:
    """W, b updated by dW = X' dZ, db = sum of dZ over N rows.  Where the batch has several slices the sums go through G:
    `begun` says it holds the earlier ones, `last` that this slice completes it.  An L2 term joins the complete gradient of
    a tile of W.  Where the gradient's norm is to be clipped all of it stays in G, and `update_weights` follows."""
    cdef Layer *q = s.layer + l
    cdef const real *X = s.layer[l - 1].A if l else s.X
    cdef real tile[TILE]
    cdef real *out = tile
    cdef const real *earlier = NULL
    cdef bint now = last and s.clip_norm == 0, sparse = l == 0 and s.nonzeros.on
    cdef bint may_rest = sparse and now and not begun and s.rests and not s.follows, rests = False
    cdef intp t, p, i, m, at, width, k = 0
    if q.kind == EMBEDDING:
        backward_tables(s, N, H, begun, last, thread, threads)
        return
    if q.kind != DENSE:
        backward_norm_weights(s, l, N, H, begun, last, thread, threads)
        return
    if l == 0 and s.lazy:
        backward_touched(s, N, now, thread, threads)
        return
    t = q.tiles * thread // threads
    at = place_of_tile(q, t, &p, &i, &m, &width)
    for t in range(t, q.tiles * (thread + 1) // threads):
        if begun:
            earlier = s.G + at
        if not now:
            out = s.G + at
        if sparse:
            k = nonzeros_before(s, k, i, N)
            rests = may_rest and not any_nonzero(s, k, i + (PANEL if q.narrow else m), N)
        if rests:
            s.squares[q.first_tile + t] = 0         # no gradient, and the optimizer would change nothing
        elif sparse:
            s.squares[q.first_tile + t] = sparse_tile(s, k, p, i, m, N, earlier, out)
        elif q.narrow:
            s.squares[q.first_tile + t] = weighted_rows(earlier, q.dZ, X + t * H * PANEL, N, out)
        else:
            s.squares[q.first_tile + t] = columns_times_panel(
                <int>m, vectors(q.O, p), earlier, X + (i // PANEL) * H * PANEL + i % PANEL, N, q.dZ + p * H * PANEL, out)
        if last:
            if s.l2 != 0:
                s.norms[q.first_tile + t] = pull(s.share, s.params + at, out, m * width, s.squares + q.first_tile + t)
        if now and not rests:
            finish(s, q, at, tile, m * width)
        if i == 0:
            backward_bias(s, q, p, N, H, begun, now, t)
        at = next_tile(q, at, &p, &i, &m, &width)

cdef void backward_bias(Plan *s, const Layer *q, intp p, intp N, intp H, bint begun, bint now, intp t) noexcept nogil:
    cdef real tile[TILE]
    cdef real sum
    cdef intp at = q.at_b + p * PANEL
    cdef real *out = tile
    cdef const real *earlier = NULL
    if begun:
        earlier = s.G + at
    if not now:
        out = s.G + at
    if q.narrow:
        sum = sum_values(q.dZ, N) + (earlier[0] if begun else 0)
        single(sum, out)
        s.squares[s.tiles + q.first_tile + t] = sum * sum
    else:
        s.squares[s.tiles + q.first_tile + t] = column_sums(earlier, q.dZ + p * H * PANEL, N, out)
    if now:
        finish(s, q, at, tile, LANES if q.narrow else vectors(q.O, p) * LANES)

cdef void update_weights(Plan *s, intp l, real by, int thread, int threads) noexcept nogil:
    """W, b updated by the gradient in G, times `by`.  IN G, whose tiles the same thread has written."""
    cdef Layer *q = s.layer + l
    cdef intp t, p, i, m, at, n, width
    if q.kind == EMBEDDING:
        update_tables(s, by, thread, threads)
        return
    if q.kind != DENSE:
        update_norm_weights(s, q, by, thread, threads)
        return
    if l == 0 and s.lazy:
        update_touched(s, by, thread, threads)
        return
    for t in range(q.tiles * thread // threads, q.tiles * (thread + 1) // threads):
        at = place_of_tile(q, t, &p, &i, &m, &width)
        scaled(s.G + at, m * width, by, s.G + at)
        finish(s, q, at, s.G + at, m * width)
        if i == 0:
            at, n = q.at_b + p * PANEL, LANES if q.narrow else vectors(q.O, p) * LANES
            scaled(s.G + at, n, by, s.G + at)
            finish(s, q, at, s.G + at, n)
