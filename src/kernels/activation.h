/* Activations on one vector, and along a contiguous row.
 *
 * exp: x = n ln 2 + r with |r| <= ln(2)/2; exp(x) = 2^n + 2^n (exp(r) - 1), the bracket a Taylor polynomial whose first
 * dropped term is below half an ulp. Clip, ReLU and leaky ReLU are exact; NaN passes through all of them.
 */
#ifndef FASTCONV_KERNELS_ACTIVATION_H
#define FASTCONV_KERNELS_ACTIVATION_H

#include "../kernels.h"
#include "../simd.h"
#include "past_cache.h"

/* exp(x) = 2^n (1 + fraction), `rounded` the whole number n and `magic`. */
typedef struct {
    vreal rounded, fraction;
} reduced_exponent;

ALWAYS_INLINE reduced_exponent reduce_exponent(vreal x)
{
    const REAL log2e = (REAL)1.4426950408889634074;
    const REAL ln2_high = REAL_IS_DOUBLE ? (REAL)0x1.62e42fee00000p-1 : (REAL)0x1.62e400p-1;
    const REAL ln2_low = REAL_IS_DOUBLE ? (REAL)0x1.a39ef35793c76p-33 : (REAL)0x1.7f7d1cp-20;
    /* 1/k!; only as many as the type needs. */
    static const double inverse_factorial[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                                               1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                                               1.0 / 120,        1.0 / 24,        1.0 / 6,        0.5};
    vreal rounded = x * log2e + magic;
    vreal whole = rounded - magic;
    vreal r = x - whole * ln2_high;
    r = r - whole * ln2_low;
    vreal p = splat((REAL)inverse_factorial[REAL_IS_DOUBLE ? 0 : 6]);
    UNROLLED for (int i = REAL_IS_DOUBLE ? 1 : 7; i < 12; i++) p = p * r + (REAL)inverse_factorial[i];
    return (reduced_exponent){rounded, p * r * r + r};
}

/* 2^n, where that is a normal number: the shift leaves nothing of the magic number but n. */
ALWAYS_INLINE vreal power_of_two(reduced_exponent e)
{
    return (vreal)(((vuint)e.rounded << MANTISSA) + ((ureal)EXPONENT_BIAS << MANTISSA));
}

/* exp(x) for x <= 0, denormal ones as well. */
ALWAYS_INLINE vreal small_exponential(vreal x)
{
    const REAL lowest = REAL_IS_DOUBLE ? (REAL)-746 : (REAL)-104;
    const reduced_exponent e = reduce_exponent(at_least(splat(lowest), x));
    return times_power_of_two(e.fraction + (REAL)1, e.rounded);
}

ALWAYS_INLINE vreal magnitude(vreal x)
{
    const ireal sign = (ireal)((uint64_t)1 << (sizeof(REAL) * 8 - 1));
    return (vreal)((vint)x & ~sign);
}

ALWAYS_INLINE vreal with_sign_of(vreal x, vreal sign_source)
{
    const ireal sign = (ireal)((uint64_t)1 << (sizeof(REAL) * 8 - 1));
    return (vreal)((vint)x | ((vint)sign_source & sign));
}

/* exp(-|x|) never overflows, and keeps the small side to full relative accuracy. */
ALWAYS_INLINE vreal sigmoid(vreal x)
{
    const vreal tail = small_exponential(-magnitude(x));
    return quotient(blend(greater(splat(0), x), tail, splat(1)), (REAL)1 + tail);
}

/* x sigmoid(x); NaN at -inf, as in PyTorch. */
ALWAYS_INLINE vreal silu(vreal x) { return x * sigmoid(x); }

/* tanh |x| = |m| / (2 + m) with m = exp(-2|x|) - 1, free of cancellation near zero; it is 1 long before the lowest exponent. */
ALWAYS_INLINE vreal hyperbolic_tangent(vreal x)
{
    const REAL lowest = -40;
    const reduced_exponent e = reduce_exponent(at_least(splat(lowest), (REAL)-2 * magnitude(x)));
    const vreal scale = power_of_two(e), m = scale * e.fraction + (scale - (REAL)1);
    return with_sign_of(magnitude(quotient(m, (REAL)2 + m)), x);
}

ALWAYS_INLINE vreal hardswish(vreal x)
{
    return x * quotient(at_most(splat(6), at_least(splat(0), x + (REAL)3)), splat(6));
}

ALWAYS_INLINE vreal activate(vreal x, const fc_activation *activation)
{
    vreal alpha = splat((REAL)activation->alpha), beta = splat((REAL)activation->beta);
    switch (activation->kind) {
    case FC_RELU: return at_least(splat(0), x);
    case FC_CLIP: return at_most(beta, at_least(alpha, x));
    case FC_LEAKY_RELU: return blend(greater(x, splat(0)), x, x * alpha); /* 0 times the slope has its sign */
    case FC_SILU: return silu(x);
    case FC_HARDSWISH: return hardswish(x);
    case FC_SIGMOID: return sigmoid(x);
    case FC_TANH: return hyperbolic_tangent(x);
    default: return x;
    }
}

/* The bounds of a clip; infinite ones where there is none, which changes no value. */
ALWAYS_INLINE REAL lower_bound(const fc_activation *activation)
{
    if (activation->kind == FC_RELU) return 0;
    return activation->kind == FC_CLIP ? (REAL)activation->alpha : -(REAL)__builtin_inf();
}

ALWAYS_INLINE REAL upper_bound(const fc_activation *activation)
{
    return activation->kind == FC_CLIP ? (REAL)activation->beta : (REAL)__builtin_inf();
}

/* The activation of a kernel's store: clips inline, the long ones once in the object instead of once a store. */
static __attribute__((noinline)) vreal activate_out_of_line(vreal x, const fc_activation *activation)
{
    return activate(x, activation);
}

ALWAYS_INLINE vreal finish(vreal x, const fc_activation *activation)
{
    if (!fc_is_clip(activation)) return activate_out_of_line(x, activation);
    return at_most(splat(upper_bound(activation)), at_least(splat(lower_bound(activation)), x));
}

/* The vector at byte `at`, its first `left` lanes. */
ALWAYS_INLINE vreal activated(const char *in, const char *add, ptrdiff_t at, int64_t left, const fc_activation *activation)
{
    vreal x = load_up_to(in + at, left);
    if (add) x += load_up_to(add + at, left);
    return activate(x, activation);
}

/* The loop of one kind of activation, a constant, so that what it needs stays in registers. */
ALWAYS_INLINE void activate_items(char *out, const char *in, const char *add, int64_t count, fc_activation activation, int past_cache)
{
    const ptrdiff_t bytes = count * REAL_BYTES;
    const whole_lines whole = past_cache ? lines_within(out, bytes) : (whole_lines){0, bytes / VECTOR_BYTES * VECTOR_BYTES};
    for (ptrdiff_t at = whole.first; at < whole.last; at += VECTOR_BYTES) {
        const vreal y = activated(in, add, at, LANES, &activation);
        if (past_cache) store_past_cache(out + at, y);
        else store(out + at, y);
    }
    /* In a loop, so that the compiler has one copy of what may be long. */
    const ptrdiff_t from[] = {0, whole.last}, to[] = {whole.first, bytes};
    for (int end = 0; end < 2; end++)
        for (ptrdiff_t at = from[end]; at < to[end]; at += VECTOR_BYTES) {
            const int64_t left = (to[end] - at) / REAL_BYTES;
            store_up_to(out + at, activated(in, add, at, left, &activation), left);
        }
}

/* Once in the object: without the attributes there would be copies for every caller that passes constants. */
static ONE_COPY void activate_row(void *y, const void *x, const void *residual, int64_t count, const fc_activation *activation,
                                  int past_cache)
{
#define OF_KIND(kind) \
    case kind: activate_items(y, x, residual, count, (fc_activation){kind, activation->alpha, activation->beta}, past_cache); break
    switch (activation->kind) {
        OF_KIND(FC_RELU);
        OF_KIND(FC_CLIP);
        OF_KIND(FC_LEAKY_RELU);
        OF_KIND(FC_SILU);
        OF_KIND(FC_HARDSWISH);
        OF_KIND(FC_SIGMOID);
        OF_KIND(FC_TANH);
    default: activate_items(y, x, residual, count, (fc_activation){0}, past_cache);
    }
#undef OF_KIND
}

#endif
