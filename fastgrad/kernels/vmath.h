/* The elementary functions of the catalog's vocabulary, one lane at a time and free of branches, so that a plain loop over
   them becomes vector code at any width (libm's are calls: 2 ns an element against about 0.15).

   Promise: relative error of a few units in the last place (float: about 1e-7, double: about 4e-16; tests/test_vmath.py
   measures it), NaN in gives NaN out, overflow gives inf, results below the normal range give 0.
   Polynomials: interpolation at Chebyshev nodes in 60 digits of the functions named beside them; argument reductions as in
   Muller, Elementary Functions, 3rd ed. (2016), ch. 11. */
#pragma once
#include "platform.h"

#if REAL_BITS == 64
typedef long long whole;
typedef unsigned long long unsigned_whole;
#define EXPONENT_SHIFT 52
#define EXPONENT_BIAS 1023
#define ROUNDER 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to an integer that stands in the low bits */
#define EXP_TOP 709.782712893384
#define EXP_BOTTOM (-707.0)
#else
typedef int whole;
typedef unsigned int unsigned_whole;
#define EXPONENT_SHIFT 23
#define EXPONENT_BIAS 127
#define ROUNDER 12582912.0f /* 1.5 * 2^23 */
#define EXP_TOP 88.72283f
#define EXP_BOTTOM (-86.6f)
#endif
#define R(x) ((real)(x))
#define VM_INF ((real)__builtin_inf())

INLINE whole vm_bits(real x) {
    whole i;
    memcpy(&i, &x, sizeof x);
    return i;
}
INLINE real vm_from_bits(whole i) {
    real x;
    memcpy(&x, &i, sizeof x);
    return x;
}
/* an integer moved to where the exponent stands */
INLINE whole vm_exponent(whole i) { return (whole)((unsigned_whole)i << EXPONENT_SHIFT); }
INLINE real vm_sqrt(real x) { return PICK(sqrtf(x), sqrt(x)); }
INLINE real vm_abs(real x) { return PICK(fabsf(x), fabs(x)); }
INLINE real vm_sign(real x) { return x > 0 ? R(1) : x < 0 ? R(-1) : x; }
/* a NaN on either side wins, as in NumPy */
INLINE real vm_maximum(real a, real b) { return a < b ? b : b != b ? b : a; }
INLINE real vm_minimum(real a, real b) { return a > b ? b : b != b ? b : a; }
/* the same where b is a number: one instruction */
INLINE real vm_at_least(real a, real b) { return a < b ? b : a; }
INLINE real vm_at_most(real a, real b) { return a > b ? b : a; }

/* x = n ln 2 + r, |r| <= ln 2 / 2; half the power of two (2^128 itself would not fit), and expm1(r) */
INLINE real vm_reduced(real x, real *half_power) {
    const real shifted = x * R(1.4426950408889634) + ROUNDER, n = shifted - ROUNDER;
    const real r = x - n * PICK(0.693359375f, 6.93147180369123816490e-01) - n * PICK(-2.12194440e-4f, 1.90821492927058770002e-10);
    /* (exp(r) - 1 - r) / r^2: error 7.6e-9 and 1.2e-17 of exp(r) */
#if REAL_BITS == 64
    real q = R(2.51003854955103191e-8);
    q = q * r + R(2.76200884454097482e-7);
    q = q * r + R(2.75572684599970648e-6);
    q = q * r + R(2.48015212959543751e-5);
    q = q * r + R(1.98412698630536169e-4);
    q = q * r + R(1.38888889172137169e-3);
    q = q * r + R(8.33333333333006183e-3);
    q = q * r + R(4.16666666666241279e-2);
    q = q * r + R(1.66666666666666675e-1);
    q = q * r + R(0.5);
#else
    real q = R(0.001392618359);
    q = q * r + R(0.008363179053);
    q = q * r + R(0.04166655462);
    q = q * r + R(0.1666657699);
    q = q * r + R(0.5);
#endif
    *half_power = vm_from_bits(vm_exponent(vm_bits(shifted) + (EXPONENT_BIAS - 1)));
    return r * r * q + r;
}
INLINE real vm_exp(real x) {
    real half;
    const real inside = vm_at_most(vm_at_least(x, EXP_BOTTOM), EXP_TOP), e = vm_reduced(inside, &half);
    const real y = (e * half + half) * R(2);
    return x > EXP_TOP ? VM_INF : x < EXP_BOTTOM ? R(0) : y;
}
/* the same where x <= 0 */
INLINE real vm_exp_down(real x) {
    real half;
    const real inside = vm_at_least(x, EXP_BOTTOM), e = vm_reduced(inside, &half);
    return x < EXP_BOTTOM ? R(0) : (e * half + half) * R(2);
}
/* exp(x) - 1 without cancellation near 0: 2^n expm1(r) + (2^n - 1) */
INLINE real vm_expm1(real x) {
    real half;
    const real inside = vm_at_most(vm_at_least(x, EXP_BOTTOM), EXP_TOP), e = vm_reduced(inside, &half);
    const real y = (e * half + (half - R(0.5))) * R(2);
    return x > EXP_TOP ? VM_INF : y;
}
/* x = 2^e m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m - 1) / (m + 1) */
INLINE real vm_log(real x) {
    const whole start = PICK(0x3f3504f3, 0x3fe6a09e667f3bcdLL); /* sqrt(1/2) */
    const whole one = (whole)EXPONENT_BIAS << EXPONENT_SHIFT, bits = vm_bits(x), up = bits - start + one;
    const whole e = (up >> EXPONENT_SHIFT) - EXPONENT_BIAS;
    const real m = vm_from_bits(bits - vm_exponent(e));
    /* the integer e as a real, by the rounder: a conversion instruction for 64-bit integers is missing before AVX-512 */
    const real n = vm_from_bits(vm_bits(ROUNDER) + e) - ROUNDER;
    const real f = m - R(1), s = f / (m + R(1)), u = s * s;
    /* (atanh(s) / s - 1) * 2 / s^2: error 2.8e-9 and 4.4e-18 of log m */
#if REAL_BITS == 64
    real q = R(0.14617807153417325);
    q = q * u + R(0.153316117220550079);
    q = q * u + R(0.181828924325368712);
    q = q * u + R(0.222222110893794962);
    q = q * u + R(0.285714286262538376);
    q = q * u + R(0.399999999998988905);
    q = q * u + R(0.666666666666666971);
#else
    real q = R(0.2958098593);
    q = q * u + R(0.3998875772);
    q = q * u + R(0.666666851);
#endif
    /* 2 s = f - s f: the larger term is exact */
    const real tail = s * (u * q - f) + n * PICK(-2.12194440e-4f, 1.90821492927058770002e-10);
    const real y = tail + f + n * PICK(0.693359375f, 6.93147180369123816490e-01);
    return x > 0 ? (x < VM_INF ? y : x) : x < 0 ? x - x + (VM_INF - VM_INF) : x != x ? x : -VM_INF;
}
/* log(1 + x), with the rounding of 1 + x made good */
INLINE real vm_log1p(real x) {
    const real u = x + R(1), l = vm_log(u), y = l + (x - (u - R(1))) / u;
    return vm_abs(l) < VM_INF ? y : l; /* inf, -inf and NaN are final */
}
INLINE real vm_tanh(real x) {
    const real a = vm_abs(x), e = vm_expm1(R(-2) * a), y = -e / (e + R(2));
    return x < 0 ? -y : y;
}
/* |x| < 1: x P(x^2); beyond: 1 - exp(-x^2) Q(1 / (x + 2)), until it is 1.  Errors 1.3e-9 | 2.4e-9 and 7e-18 | 8e-18 */
INLINE real vm_erf(real x) {
    const real a = vm_at_most(vm_abs(x), PICK(4.0f, 6.0)), u = a * a, t = R(1) / (a + R(2));
#if REAL_BITS == 64
    real p = R(-7.79589882700214224e-10), q = R(1051.47759935451243);
    p = p * u + R(1.37200645467776856e-8);
    p = p * u + R(-1.62084838018717059e-7);
    p = p * u + R(1.64474247033173624e-6);
    p = p * u + R(-1.49247369074196603e-5);
    p = p * u + R(1.20552949048397079e-4);
    p = p * u + R(-8.54832597538969208e-4);
    p = p * u + R(5.22397760711642273e-3);
    p = p * u + R(-2.68661706432377704e-2);
    p = p * u + R(1.12837916709450063e-1);
    p = p * u + R(-3.76126389031835404e-1);
    p = p * u + R(1.12837916709551257);
    q = q * t + R(-3802.31933994000574);
    q = q * t + R(6141.24497387216399);
    q = q * t + R(-5751.74578192639801);
    q = q * t + R(3393.71928976118965);
    q = q * t + R(-1304.87271176333936);
    q = q * t + R(356.025434810281283);
    q = q * t + R(-86.0235241240356991);
    q = q * t + R(12.4692696956959696);
    q = q * t + R(1.11292725402788601);
    q = q * t + R(2.96506260761379159);
    q = q * t + R(1.96503806533135245);
    q = q * t + R(1.1288205669506492);
    q = q * t + R(0.564177145864045804);
    q = q * t + R(1.62422847400775906e-7);
#else
    real p = R(7.875875063e-5), q = R(-3.432347397);
    p = p * u + R(-8.016864287e-4);
    p = p * u + R(5.189087423e-3);
    p = p * u + R(-2.685421201e-2);
    p = p * u + R(0.1128359472);
    p = p * u + R(-0.3761262667);
    p = p * u + R(1.128379166);
    q = q * t + R(-1.826086399);
    q = q * t + R(6.455920853);
    q = q * t + R(0.8119632995);
    q = q * t + R(1.323028535);
    q = q * t + R(0.5472686802);
    q = q * t + R(0.000605118391);
#endif
    const real far = R(1) - vm_exp(-u) * q, y = a < R(1) ? a * p : far;
    return x != x ? x : x < 0 ? -y : y;
}
