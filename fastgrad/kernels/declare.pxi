# What the C headers offer, the records of one call, and shapes.
from libc.string cimport memcmp, memcpy, memset
from libc.math cimport INFINITY, sqrt

cdef extern from "blocks.h" nogil:
    ctypedef double real                       # float or double: REAL_BITS decides, Cython need not know
    ctypedef Py_ssize_t intp
    ctypedef real *only                        # real *restrict
    ctypedef const real *readonly "readonly_"
    ctypedef int int32 "int32_t"
    ctypedef unsigned long long uint64 "uint64_t"
    ctypedef unsigned int float_mode
    enum: LANES, PANEL, ROWS, TILE, TALL, CHUNK, REAL_BITS, VECTOR_BYTES, OPENMP_VERSION
    ctypedef void (*Apply)(readonly z, only a, intp n) noexcept nogil
    ctypedef void (*Grad)(readonly z, readonly a, only g, intp n) noexcept nogil
    ctypedef void (*LossBlock)(readonly p, readonly t, only dp, only l, intp n, const real *c) noexcept nogil
    ctypedef void (*LossRows)(const real *p, const real *t, const int32 *label, intp gap, intp n, intp m, real *dp,
                              const real *scale, real *l, real smooth) noexcept nogil
    ctypedef void (*Step)(only w, readonly g, only slots, intp stride, intp n, const real *c) noexcept nogil
    ctypedef void (*Prepare)(const double *hyper, double *constants) noexcept nogil
    ctypedef void (*StepPrepare)(const double *hyper, double lr, double t, double *carry, double *constants) noexcept nogil
    ctypedef struct Activation:
        const char *name
        Apply apply
        Grad grad
        int needs_z
    ctypedef struct Loss:
        const char *name
        LossBlock block
        LossRows rows
        Apply link
        Prepare prepare
        int softmax, hypers, constants, sums_values, sums_slopes
    ctypedef struct Optimizer:
        const char *name
        int variant, slots, hypers, carries, constants
        StepPrepare prepare
        Step step
    ctypedef struct Elementary:
        const char *name
        Apply apply
    const Elementary *ELEMENTARY
    const Activation *ACTIVATIONS
    const Loss *LOSSES
    const Optimizer *OPTIMIZERS
    ctypedef void (*Work)(void *context, int thread, int threads) noexcept nogil

cdef extern from "gather.h" nogil:
    enum: F2, F4, F8, I1, U1, I2, U2, I4, U4, I8, U8
    ctypedef struct Source:
        const char *data
        const char *end
        intp rows, columns, row_stride, column_stride, lines
        int type, swapped
    void ask_for_row(const Source *x, const Source *t, const int32 *label, const int32 *index, intp rows, intp k)
    int gather_row(const Source *s, intp row, real *out, intp gap, int finite)
    intp direct_stride(const Source *s)
    int finite_run(const real *a, intp n)
    void put_row(real *out, const real *start, intp n, int room)
    real gather_value(const Source *s, intp row)

cdef extern from "sparse.h" nogil:
    ctypedef struct Nonzeros:
        int on, wide_indptr, wide_indices
        const char *indptr
        const char *indices
        Source values
        void *memory
        intp room, rows
        intp *start
        intp *stop
        int32 *column
        int32 *row
        real *value
        real *value_by
        uint64 *key
        uint64 *spare
        const uint64 *by
    intp row_length(const Nonzeros *x, intp row)
    int gather_nonzeros(Nonzeros *x, intp from_, intp r, int finite)
    void ask_for_nonzeros(const Nonzeros *x, const int32 *index, intp rows, intp k)
    void sort_nonzeros(Nonzeros *x, intp count, intp I, intp c0, intp c1)
    intp find_column(const uint64 *by, intp count, intp column)
    void nonzeros_times_panels(int np, int nv, const real *bias, const int32 *column, const real *value, intp n,
                               const real *w, intp w_gap, real *out, intp out_gap)
    real dot_nonzeros(const int32 *column, const real *value, intp n, const real *w, real bias)
    real nonzeros_tile(int nv, const real *start, const uint64 *by, const real *value, intp at, intp count, intp first,
                       intp m, const real *b, real *out)
    real touched_rows(int nv, const uint64 *by, const real *value, intp start, intp end, const real *b, real *out)
    real touched_values(const uint64 *by, const real *value, intp start, intp end, const real *dz, intp K, real *out)
    intp next_columns(const uint64 *by, intp at, intp count, intp most, intp *column, intp *found)
    real weighted_nonzeros(const real *start, const real *dz, const uint64 *by, const real *value, intp at, intp count,
                           intp first, intp K, real *out)

cdef extern from "embedding.h" nogil:
    enum: SPAN
    int32 read_code(const Source *s, intp row, intp column, intp n)
    void lay_row(const real *from_, intp n, real *row, intp gap, intp to)
    real table_span(const real *start, const uint64 *by, intp at, intp count, intp base, intp dim, const real *dz, intp gap,
                    intp to, intp first, intp n, real *out)

cdef extern from "random.h" nogil:
    void shuffled(uint64 seed, uint64 stream, intp n, int32 *order)
    void uniform(uint64 seed, uint64 stream, intp n, double bound, double *out)
    void uniform_from(uint64 seed, uint64 stream, uint64 first, intp n, double bound, double *out)
    void philox_block(uint64 seed, uint64 stream, uint64 first, unsigned int *out)
    enum: BLOCK

cdef extern from "drop.h" nogil:
    void draw_mask(uint64 seed, uint64 stream, uint64 first, intp m, intp columns, int below, real keep, intp gap, real *out)
    void times_mask(real *a, const real *by, intp n)

cdef extern from "layer_options.h" nogil:
    void shrink(real *w, intp n, real by)
    void hold_columns(real *w, intp K, intp width, real most)
    void hold_run(real *w, intp n, real most)
    void follow(real *mean, const real *w, intp n, real mix)

cdef extern from * nogil:
    void rows_times_panel(int mr, int nv, const real *start, const real *a, intp gap, intp K, const real *b, real *out)
    void user_rows_times_panel(int mr, int nv, const real *start, const real *a, intp stride, intp K, const real *b, real *out)
    real columns_times_panel(int mr, int nv, const real *start, const real *a, intp K, const real *b, real *out)
    real column_sums(const real *start, const real *b, intp K, real *out)
    void transpose(const real *src, intp lds, intp rows, real *dst, intp ldd)
    real dot_panels(const real *x, intp gap, const real *w, intp panels, real bias)
    real weighted_rows(const real *start, const real *dz, const real *x, intp K, real *out)
    void scaled(const real *g, intp n, real by, real *out)
    void held(const real *g, intp n, real most, real *out)
    real pull(real share, const real *w, real *g, intp n, real *squares)
    void spread(const real *a, intp n, real *out)
    void single(real a, real *out)
    void outer_rows(intp m, const real *dz, const real *w, real *out)
    void mask_rows(real *a, intp m, intp live)
    real sum_values(const real *a, intp n)
    double sum_in_double(const real *a, intp n)
    real finish_row(real *dz, const real *l, intp live, real scale)
    void softmax_rows(const real *z, intp gap, intp n, intp m, real *p)
    double fma_loop(intp rounds, real *sink)
    void parallel_run(Work work, void *context, int threads)
    ctypedef struct Gate:
        int arrived
    void barrier(Gate *gate, int threads)
    int most_threads()
    float_mode flush_subnormals()
    void restore_subnormals(float_mode before)
    void *grab(intp count)
    void release(void *p)
    enum: FENCE
    void fence(void *p, intp count)
    double seconds_now()
    int processor_level()
    void prefetch_far "PREFETCH_FAR" (const void *p)

cdef extern from "norms.h" nogil:
    void row_moments(const real *x, intp gap, intp n, intp m, real eps, real *mean, real *rstd, real *shift)
    void normalised_rows(const real *x, intp m, intp live, const real *mean, const real *rstd, const real *shift,
                         const real *gamma, const real *beta, real *xhat, real *z)
    void row_slope_means(const real *dz, const real *xhat, intp gap, intp n, intp m, const real *gamma, const real *rstd,
                         real *c, real *d)
    void row_slopes(const real *dz, const real *xhat, intp m, intp live, const real *gamma, const real *rstd, const real *c,
                    const real *d, real *dx)
    void column_totals(const real *a, const real *b, const real *start, intp n, double *total)
    void column_moments(const real *x, intp n, intp live, double eps, real *mean, real *rstd, real *shift, double *true_)
    void normalised_columns(const real *x, intp m, const real *mean, const real *rstd, const real *shift, const real *gamma,
                            const real *beta, real *xhat, real *z)
    void column_slopes(const real *dz, const real *xhat, intp m, const real *gamma, const real *rstd, const double *total,
                       intp n, real *dx)
    real narrowed_totals(const real *start, const double *total, real *out)
    void run_on(real *running, const double *now, double momentum)
    void sum_of(const real *a, const real *b, intp n, real *out)

cdef extern from "Python.h":
    int PyErr_CheckSignals()

# Most constants that an optimizer or a loss may have, and rows that are worked on at a time: more rows than SLICE are taken
# slice by slice with partial sums in slice order, so memory is bounded and float32 sums stay short.
cdef enum:
    MOST = 24
    SLICE = 512
    MOST_BLOCKS = 4         # residual blocks that begin, or end, at one layer
    LAYER_STREAMS = 32      # a layer's masks are 2^32 streams behind the layer before
    MOST_ROWS = 8192        # of a batch whose update is lazy: it is one slice
    MOST_SLOTS = 6          # of an optimizer, in a lazy update
    DROP_STEPS = 65536      # a rate of dropout is known to one part in so many

cdef enum: DENSE, LAYER_NORM, BATCH_NORM, EMBEDDING

cdef struct Table:          # of an embedding
    intp column             # of X, that holds its codes
    intp rows, dim
    intp first              # its first row, counted through all tables
    intp to                 # its first column of the output
    intp at                 # its place among the embedding's parameters
    intp first_span         # of SPAN parameters, the tiles of an embedding

cdef struct Layer:
    int kind
    intp I, O
    bint narrow             # one output column: W is one row in panels, Z and A are plain vectors over the rows
    Apply apply             # NULL: identity
    Grad grad
    bint needs_z
    intp at_W, at_b         # places in a parameters buffer
    intp tiles              # tiles of W, the unit that threads share
    intp first_tile         # number of the first among all layers' tiles
    real *W
    real *b
    real *Z                 # panels of (N, O), only if needs_z
    real *A                 # panels of (N, O): f(Z)
    real *dZ
    int below               # dropout: of 65536; 0: none
    real *M                 # panels of (N, O): what A was multiplied by in this step; NULL: nothing is dropped
    bint frozen             # what the layer asks for itself in training, see options.pxi
    double factor, l1
    real most               # length of W's columns; 0: any
    real shrink             # l1's part of this step
    const real *c           # the optimizer's constants of this step: the plan's, or `own`
    real own[MOST]
    double hyper[MOST]
    # a norm (norms.pxi): W is gamma, b is beta
    bint affine             # it has gamma and beta
    bint by_batch           # a batch norm that takes the statistics of the batch, not the running ones
    double eps, momentum
    intp at_mean, at_var    # the running statistics: places in a parameters buffer, though no optimizer sees them
    real *xhat              # panels of (N, O); only for gradients
    real *rstd              # 1 / sqrt(variance + eps) of each row, in a batch norm of each column in panels
    real *mean              # batch norm: xhat = (x - mean) rstd + shift
    real *shift
    double *moments         # the batch's means and unbiased variances, PANEL and PANEL in turn
    double *totals          # the sums of dZ and of dZ xhat, likewise
    # an embedding (embedding.pxi), only as the first layer
    Table *table
    intp *number            # the columns of X that hold no codes
    intp tables, numbers
    intp codes, reals       # rows of all tables; reals of them in a parameters buffer
    const int32 *code       # (N, tables): the tables' rows, counted through all tables
    # residual blocks
    real *F                 # f(Z), which is A unless a block ends here
    intp joins, hands
    const real *join[MOST_BLOCKS]       # what is added to F: the inputs of the blocks that end here
    const real *hand[MOST_BLOCKS]       # R of the ends of the blocks that begin behind this layer
    real *R                 # panels of (N, O): dL/dA, kept for the inputs of the blocks that end here

cdef struct Block:          # a residual block: layers start..end
    intp start, end

cdef struct Plan:           # everything that one call needs; the threads share it
    intp L, H, size, tiles  # layers; rows that fit the buffers; reals of a parameters buffer; tiles of all layers
    Layer *layer
    Layer input             # X as the output of a layer, where dL/dX is asked for
    bint whole              # a batch is never cut into slices, nor has it one row: a batch norm takes its statistics
    bint tracks             # ... and moves the running ones
    bint reads_user         # predictions may take X as it lies
    real *params
    real *slots             # slot k of a parameter lies k * size behind its place
    real *G                 # sums of the gradient over slices; NULL where a batch is one slice
    real *X                 # panels of (N, I): the gathered batch; NULL where it is sparse
    Nonzeros nonzeros       # the gathered batch where X is sparse, or its codes
    bint rests              # the optimizer leaves alone what has no gradient
    bint lazy               # only rows of the first W that the batch has touched get the optimizer's turn
    real *T                 # the gathered targets: like the last layer's A; NULL for labels
    real *dX                # panels of (N, I): dL/dX of the batch, where asked for
    real *scale             # (N,) weight of a row, divided by the batch's
    real *row_loss          # (N,)
    real *scratch           # one stretch of transposed weights per thread
    intp stretch
    real *squares           # (2 * tiles,) sums of squares of gradient tiles, bias tiles behind
    real *norms             # (tiles,) sums of squares of W's tiles; only with an L2 term
    double l2               # the loss has the term l2 / 2 * sum of W^2 / the batch's weight; 0: none
    real share              # l2 / this batch's weight
    double clip_norm        # a longer gradient is shortened to it; 0: none
    real clip_value         # entries of the gradient are held within it; 0: none
    bint by_rows            # in the epoch's mean a batch counts by its rows, not by its weight
    void *arena
    Source x, t
    intp ahead              # rows that lie between the one that is gathered and the one that is asked for
    const int32 *label
    const double *weight    # (rows,) sample weights; NULL: all 1
    uint64 seed, stream     # of this pass's dropout masks, at layer 0
    const int32 *index      # order of the rows; NULL: as they lie
    bint check_x            # look for NaN in each batch (data on disk)
    const Loss *loss        # NULL: the targets are dL/dscores itself
    real loss_c[MOST]
    real smooth             # of the softmax: label smoothing, ...
    real most               # ... and the value at which a row's loss is cut off
    intp rows, batch, first, last       # rows of an epoch; steps first..last of it
    const Optimizer *optimizer
    double hyper[MOST]
    double carry[MOST]
    double taken            # steps done so far
    const double *lr        # (last - first,)
    real c[MOST]            # the optimizer's constants of this step
    bint asked, holds, shrinks      # some layer asks for something; for columns of limited length; for zeros
    bint follows            # something comes behind the optimizer's turn while a tile is in the first cache
    intp lowest             # the first layer that is trained: nothing asks for a gradient below it
    real *mean              # the running mean of the parameters; NULL: none
    double decay, since     # its share of the past; the steps that had been done when it began
    real mix                # the present parameters' share in this step
    double *dx_out          # (rows, I) where dX is asked for
    bint by_tile
    Gate *gate              # where the threads wait for each other
    bint lengthy               # a slice takes so long that signals are looked at between its layers
    double next_look
    # results
    intp at                 # the next step of the epoch
    intp done               # steps done in this call: a batch of weight 0 makes none
    int status
    intp bad                # row of X that is not finite
    double loss_sum, weight_sum, norm_sum, batch_loss

cdef enum: FINE, BAD_LOSS, BAD_ROW, BAD_GRADIENT, INTERRUPTED

# ---- shapes --------------------------------------------------------------------------------------------------------
cdef inline intp least(intp a, intp b) noexcept nogil:
    return a if a < b else b

cdef inline intp ceil_div(intp a, intp b) noexcept nogil:
    return (a + b - 1) // b

cdef inline intp panels(intp columns) noexcept nogil:
    return ceil_div(columns, PANEL)

cdef inline int vectors(intp columns, intp p) noexcept nogil:      # vectors that panel p fills
    return 1 + (columns - p * PANEL > LANES)

cdef inline intp even(intp rows) noexcept nogil:                   # rows of a tile: 32 rows are 11 + 11 + 10, not 14 + 14 + 4
    return ceil_div(rows, ceil_div(rows, ROWS)) if rows > 0 else 1

cdef inline intp stride_of(const Layer *q) noexcept nogil:         # distance of a column's panels per row of Z, A, dZ
    return 1 if q.narrow else PANEL
