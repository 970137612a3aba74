/* The records that the generated tables are made of.  A user's own function would be another such record. */
#pragma once
#include "microkernel.h"
#include "vmath.h"

/* a = f(z); g *= f'(z, a); n values, contiguous */
typedef void (*Apply)(readonly_ z, only a, intp n);
typedef void (*Grad)(readonly_ z, readonly_ a, only g, intp n);
/* dp = dl/dp, l = loss, value by value; c: the loss's constants */
typedef void (*LossBlock)(readonly_ p, readonly_ t, only dp, only l, intp n, const real *c);
/* m rows of n scores (m <= CHUNK) in panels `gap` apart: writes dp (times the row's scale) and each row's loss.  Targets are
   classes, or (label unused) rows of weights t in panels */
typedef void (*LossRows)(const real *p, const real *t, const int32_t *label, intp gap, intp n, intp m, real *dp,
                         const real *scale, real *l, real smooth);
typedef void (*Prepare)(const double *hyper, double *constants);
/* w, slots updated by g; slot k of w[i] is slots[k * stride + i] */
typedef void (*Step)(only w, readonly_ g, only slots, intp stride, intp n, const real *c);
typedef void (*StepPrepare)(const double *hyper, double lr, double t, double *carry, double *constants);

typedef struct {
    const char *name;
    Apply apply;
    Grad grad;
    int needs_z;
} Activation;

typedef struct {
    const char *name;
    LossBlock block;
    LossRows rows;
    Apply link;
    Prepare prepare;
    int softmax, hypers, constants;
    int sums_values, sums_slopes; /* over a row's outputs; otherwise their mean */
} Loss;

typedef struct {
    const char *name;
    int variant, slots, hypers, carries, constants;
    StepPrepare prepare;
    Step step;
} Optimizer;

typedef struct {
    const char *name;
    Apply apply;
} Elementary;

#include "rows.h"
