/* What differs between compilers and processors, and nothing else: the type, restrict, OpenMP, flush-to-zero, memory.
   GCC and Clang give vectors; any other compiler gets vectors of one lane, slower but with the same results. */
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __FAST_MATH__
#error "-ffast-math makes NaN checks vanish and sets flush-to-zero for the whole process: remove it from CFLAGS"
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

typedef ptrdiff_t intp;
#if REAL_BITS == 64
typedef double real;
#define PICK(single, twice) twice
#else
typedef float real;
#define PICK(single, twice) single
#endif

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline, unused))
#define APART static __attribute__((noinline, unused))
#define RESTRICT __restrict__
#define UNROLL _Pragma("GCC unroll 16")
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif
#define PREFETCH(p) __builtin_prefetch(p)
#define PREFETCH_FAR(p) __builtin_prefetch(p, 0, 2) /* as far as the second cache */
#else
#define INLINE static __inline
#define APART static
#define RESTRICT __restrict
#define UNROLL
#define INDEPENDENT
#define PREFETCH(p)
#define PREFETCH_FAR(p)
#define __builtin_inf() HUGE_VAL
#define FASTGRAD_ONE_LANE
#endif
typedef real *RESTRICT only; /* Cython has no word for restrict */
typedef const real *RESTRICT readonly_;

/* ---- threads: a region, its barrier ---- */
typedef void (*Work)(void *context, int thread, int threads);
#if defined(__linux__) && defined(__GNUC__) && defined(_OPENMP)
#include <sys/syscall.h>
#include <unistd.h>
#define WORD_BITS ((int)(8 * sizeof(unsigned long)))
/* The cores that the threads of a region run on, as bits.  Threads that sleep at barriers look to Linux as if one core were
   enough for two of them: after a while of another process's work they have shared one for seconds beside an idle one
   (measured: 650 us a step for 190).  So a thread that finds its core taken asks for one that is not, and then for all again */
typedef struct {
    unsigned long taken[1024 / WORD_BITS];
} Cores;
INLINE int take_core(Cores *c) {
    unsigned core = 0;
    if (syscall(SYS_getcpu, &core, NULL, NULL) || core >= 8 * sizeof c->taken) return 1;
    const unsigned long bit = 1ul << core % WORD_BITS;
    return !(__atomic_fetch_or(&c->taken[core / WORD_BITS], bit, __ATOMIC_ACQ_REL) & bit);
}
APART void find_core(Cores *c) {
    Cores all, rest;
    unsigned long any = 0;
    if (take_core(c)) return;
    const long bytes = syscall(SYS_sched_getaffinity, 0, sizeof all, &all);
    if (bytes <= 0) return;
    for (int k = 0; k < bytes / (int)sizeof any; k++) {
        rest.taken[k] = all.taken[k] & ~__atomic_load_n(&c->taken[k], __ATOMIC_ACQUIRE);
        any |= rest.taken[k];
    }
    if (any && !syscall(SYS_sched_setaffinity, 0, bytes, &rest)) {
        syscall(SYS_sched_setaffinity, 0, bytes, &all);
        take_core(c);
    }
}
#else
typedef int Cores;
INLINE int take_core(Cores *c) { return c != NULL; }
INLINE void find_core(Cores *c) { (void)c; }
#endif
static void parallel_run(Work work, void *context, int threads) {
#ifdef _OPENMP
    if (threads > 1) {
        Cores cores = {0};
        take_core(&cores);
#pragma omp parallel num_threads(threads)
        {
            if (omp_get_thread_num()) find_core(&cores);
            work(context, omp_get_thread_num(), omp_get_num_threads());
        }
        return;
    }
#endif
    work(context, 0, 1);
}
/* A barrier that spins for some microseconds and then sleeps.  Steps are short, so sleeping at once would cost more than the
   step; but where another process holds a core, spinning on would keep the late thread from running: OpenMP's own barrier
   then costs milliseconds (measured: 8 ms a step for 0.3 ms of work).  Without futexes it is OpenMP's. */
typedef struct {
    int arrived, generation, sleepers, unused[13]; /* a cache line of its own */
} Gate;
#if defined(__linux__) && defined(__GNUC__) && defined(_OPENMP)
#include <limits.h>
#include <linux/futex.h>
#define SPINS 2000
#if defined(__x86_64__)
#define PAUSE __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE __asm__ volatile("yield")
#else
#define PAUSE
#endif
APART void gate_sleep(Gate *g, int generation) {
    __atomic_add_fetch(&g->sleepers, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&g->generation, __ATOMIC_SEQ_CST) == generation)
        syscall(SYS_futex, &g->generation, FUTEX_WAIT_PRIVATE, generation, NULL, NULL, 0);
    __atomic_sub_fetch(&g->sleepers, 1, __ATOMIC_SEQ_CST);
}
INLINE void barrier(Gate *g, int threads) {
    if (threads == 1) return;
    const int generation = __atomic_load_n(&g->generation, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&g->arrived, 1, __ATOMIC_ACQ_REL) == threads) {
        __atomic_store_n(&g->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&g->generation, generation + 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&g->sleepers, __ATOMIC_SEQ_CST))
            syscall(SYS_futex, &g->generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
        return;
    }
    for (int k = 0; k < SPINS; k++) {
        if (__atomic_load_n(&g->generation, __ATOMIC_ACQUIRE) != generation) return;
        PAUSE;
    }
    gate_sleep(g, generation);
}
#else
INLINE void barrier(Gate *g, int threads) {
    (void)g;
#ifdef _OPENMP
    if (threads > 1) {
#pragma omp barrier
    }
#endif
}
#endif
static int most_threads(void) {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}
#ifdef _OPENMP
#define OPENMP_VERSION _OPENMP
#else
#define OPENMP_VERSION 0
#endif

/* ---- subnormals: flushed inside our own threads' work only ---- */
#if defined(__SSE2__) || defined(_M_X64)
#include <immintrin.h>
typedef unsigned int float_mode;
INLINE float_mode flush_subnormals(void) {
    const float_mode before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* FTZ and DAZ */
    return before;
}
/* the flags raised meanwhile are dropped too: a user's np.errstate must not see ours */
INLINE void restore_subnormals(float_mode before) { _mm_setcsr(before); }
#elif defined(__aarch64__) && defined(__GNUC__)
typedef uint64_t float_mode;
INLINE float_mode flush_subnormals(void) {
    float_mode before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (1u << 24)));
    return before;
}
INLINE void restore_subnormals(float_mode before) { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#else
typedef int float_mode;
INLINE float_mode flush_subnormals(void) { return 0; }
INLINE void restore_subnormals(float_mode before) { (void)before; }
#endif

/* ---- zeroed memory on a cache line's edge; NULL where there is none ---- */
static void *grab(intp bytes) {
    char *raw = (char *)calloc((size_t)bytes + 64 + sizeof(void *), 1), *at;
    if (!raw) return NULL;
    at = (char *)(((uintptr_t)raw + sizeof(void *) + 63) & ~(uintptr_t)63);
    ((void **)at)[-1] = raw;
    return at;
}
static void release(void *p) {
    if (p) free(((void **)p)[-1]);
}

/* ---- fences: stretches between buffers that nobody may touch, known to AddressSanitizer; none in a usual build ---- */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
enum { FENCE = 16 };
static void fence(void *p, intp bytes) { ASAN_POISON_MEMORY_REGION(p, (size_t)bytes); }
#else
enum { FENCE = 0 };
static void fence(void *p, intp bytes) { (void)p, (void)bytes; }
#endif

/* ---- a clock in seconds ---- */
#if defined(_WIN32)
#include <windows.h>
static double seconds_now(void) {
    LARGE_INTEGER f, t;
    QueryPerformanceFrequency(&f);
    QueryPerformanceCounter(&t);
    return (double)t.QuadPart / (double)f.QuadPart;
}
#else
#include <time.h>
static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
#endif

/* ---- what the processor can do, feature by feature (the levels' own names need GCC 12) ---- */
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
static int processor_level(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt") || !__builtin_cpu_supports("ssse3")) return 1;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi") ||
        !__builtin_cpu_supports("bmi2"))
        return 2;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512cd") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return 3;
    return 4;
}
#else
static int processor_level(void) { return 1; }
#endif
