# Random numbers, single functions for tests and diagnosis, and the machine's own measure.

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

def fill_uniform_rows(uint64 seed, uint64 stream, double bound, rows, intp columns, out):
    """out (n, columns), float64: those rows (int64 numbers) of what `fill_uniform` would make of a whole matrix."""
    cdef Buffer r = flat(rows, 8, 0)
    cdef intp n = r.view.len // 8, i
    cdef Buffer o = flat(out, 8, n * columns, True)
    with nogil:
        for i in range(n):
            uniform_from(seed, stream, (<const uint64 *>r.view.buf)[i] * <uint64>columns, columns, bound,
                         <double *>o.view.buf + i * columns)

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
    cdef Buffer Z = flat(z, sizeof(real), 0)
    cdef Buffer A = flat(a, sizeof(real), 0, True), G = flat(g, sizeof(real), 0, True)
    cdef intp n = Z.view.len // sizeof(real)
    if row.apply == NULL:
        memcpy(A.view.buf, Z.view.buf, Z.view.len)
    else:
        row.apply(<real *>Z.view.buf, <real *>A.view.buf, n)
        row.grad(<real *>Z.view.buf, <real *>A.view.buf, <real *>G.view.buf, n)

def elementary(str name, x, out, intp times=1):
    """One function of the formulas' vocabulary over contiguous reals; `times` over, to be timed without the call."""
    cdef intp k
    cdef const Elementary *row = ELEMENTARY
    cdef Buffer X = flat(x, sizeof(real), 0), Y = flat(out, sizeof(real), 0, True)
    while row.name != NULL and (<bytes>row.name) != name.encode():
        row += 1
    if row.name == NULL:
        raise KeyError(name)
    for k in range(times):
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
    return {"lanes": <int>LANES, "panel": <int>PANEL, "rows": <int>ROWS, "bits": <int>REAL_BITS,
            "vector_bytes": <int>VECTOR_BYTES, "openmp": <int>OPENMP_VERSION, "slice": <int>SLICE}
