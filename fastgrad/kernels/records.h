/* The records that the generated tables are made of.  A user's own function would be another such record. */
#pragma once
#include "simd.h"
#include "vmath.h"

/* a = f(z); g *= f'(z, a); n values, contiguous */
typedef void (*Apply)(readonly_ z, only a, intp n);
typedef void (*Grad)(readonly_ z, readonly_ a, only g, intp n);
/* dp = dl/dp, l = loss, value by value; c: the loss's constants */
typedef void (*LossBlock)(readonly_ p, readonly_ t, only dp, only l, intp n, const real *c);
/* one row of n scores in panels `gap` apart: writes dp (times scale), gives the row's loss.  The target is a class
   (t NULL) or a row of weights t in panels */
typedef real (*LossRow)(const real *p, const real *t, intp label, intp gap, intp n, real *dp, real scale, real smooth);
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
    LossRow row;
    Apply link;
    Prepare prepare;
    int softmax, hypers, constants;
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
