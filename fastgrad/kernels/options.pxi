# What layers ask for themselves in training (fastgrad/options.py says it to the user), and the running mean of the parameters.
# A layer that asks for nothing shares the optimizer's constants; `Plan.follows` is the one question that it costs.

cdef int read_options(Plan *s, tuple options) except -1:
    """One (frozen, factor of lr, l1, max_norm, the optimizer's hyperparameters or None) a layer; () where none asks for
    anything."""
    cdef intp l, k
    cdef Layer *q
    for l in range(s.L):
        s.layer[l].c = s.c
    for l, (frozen, factor, l1, most, hyper) in enumerate(options):
        q = s.layer + l
        q.frozen, q.factor, q.l1, q.most = frozen, factor, l1, <real>most
        s.asked = True
        s.holds |= q.most != 0 and not q.frozen
        s.shrinks |= q.l1 != 0
        if hyper is not None:
            q.c = q.own
            for k in range(s.optimizer.hypers):
                q.hyper[k] = hyper[k]
    while s.lowest < s.L and s.layer[s.lowest].frozen:
        s.lowest += 1
    return 0

cdef void prepare_layers(Plan *s, double lr) noexcept nogil:
    """The constants of layers that have their own.  The scalars that live on are copied: they advance once a step, with the
    optimizer's own, and depend on nothing that a layer may ask for."""
    cdef double carry[MOST]
    cdef double exact[MOST]
    cdef Layer *q
    cdef intp l
    cdef int i
    for l in range(s.L):
        q = s.layer + l
        q.shrink = <real>(lr * q.factor * q.l1)
        if q.c == q.own:
            memcpy(carry, s.carry, sizeof(carry))
            s.optimizer.prepare(q.hyper, lr * q.factor, s.taken + 1, carry, exact)
            for i in range(s.optimizer.constants):
                q.own[i] = <real>exact[i]

cdef void after_update(Plan *s, const Layer *q, intp at, intp n) noexcept nogil:
    """What follows the optimizer's turn on n parameters, of W or of b (which lies behind W)."""
    if q.shrink != 0 and at < q.at_b:
        shrink(s.params + at, n, q.shrink)
    if s.mean != NULL and q.most == 0:
        follow(s.mean + at, s.params + at, n, s.mix)

cdef void hold_norms(Plan *s, int thread, int threads) noexcept nogil:
    """Columns of W that are longer than their layer allows; then the mean, which has waited for that.  Threads share panels."""
    cdef Layer *q
    cdef intp l, p, n, at, width, i
    for l in range(s.L):
        q = s.layer + l
        if q.most == 0 or q.frozen:
            continue
        n = panels(q.O)
        for p in range(n * thread // threads, n * (thread + 1) // threads):
            if q.narrow:
                width, i, at = PANEL, panels(q.I), q.at_W
                hold_run(s.params + at, i * width, q.most)
            else:
                width, i, at = vectors(q.O, p) * LANES, q.I, q.at_W + p * q.I * PANEL
                hold_columns(s.params + at, i, width, q.most)
                if width > LANES:
                    hold_columns(s.params + at + LANES, i, width, q.most)
            if s.mean != NULL:
                follow(s.mean + at, s.params + at, i * width, s.mix)
                follow(s.mean + q.at_b + p * PANEL, s.params + q.at_b + p * PANEL, PANEL, s.mix)
