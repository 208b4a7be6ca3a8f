/* Softmax: exp(x - m) / s with the maximum m and s = sum of exp(x - m), and its logarithm, x - m - log(s).
 *
 * No exponent is above zero, so nothing overflows, and s is at least 1. What would be denormal is 0. What is not finite needs no
 * case of its own: inf - inf is NaN, and so then is s.
 *
 * log: x = 2^n (1 + f) with 1 + f from sqrt(1/2) to sqrt(2); log(1 + f) = 2 artanh(z) with z = f / (2 + f), the odd Taylor
 * polynomial up to a term below half an ulp.
 */
#ifndef FASTCONV_KERNELS_SOFTMAX_H
#define FASTCONV_KERNELS_SOFTMAX_H

#include "activation.h"

/* exp(x) for x <= 0, where it is a normal number, else 0. */
ALWAYS_INLINE vreal exponential_of(vreal x)
{
    const REAL lowest = REAL_IS_DOUBLE ? (REAL)-708.396 : (REAL)-87.3365;
    const reduced_exponent e = reduce_exponent(x);
    const vreal scale = power_of_two(e);
    return blend(greater(splat(lowest), x), splat(0), scale + scale * e.fraction);
}

/* log(x) for x from 1 on; NaN stays. */
ALWAYS_INLINE vreal logarithm(vreal x)
{
    enum { TERMS = REAL_BYTES == 8 ? 10 : 5 };
    const ireal one = (ireal)EXPONENT_BIAS << MANTISSA;
    /* What the bits of sqrt(1/2) are short of those of 1, less the last ones. */
    const ireal below = (ireal)(REAL_BYTES == 8 ? 0x95f6200000000 : 0x4afb0d);
    const REAL ln2_high = REAL_IS_DOUBLE ? (REAL)0x1.62e42fee00000p-1 : (REAL)0x1.62e400p-1;
    const REAL ln2_low = REAL_IS_DOUBLE ? (REAL)0x1.a39ef35793c76p-33 : (REAL)0x1.7f7d1cp-20;
    const vint n = ((vint)x - one + below) >> MANTISSA;
    const vreal f = (vreal)((vuint)x - ((vuint)n << MANTISSA)) - (REAL)1;
    const vreal z = quotient(f, f + (REAL)2), square = z * z, whole = __builtin_convertvector(n, vreal);
    vreal p = splat((REAL)(2.0 / (2 * TERMS - 1)));
    UNROLLED for (int k = TERMS - 2; k > 0; k--) p = p * square + (REAL)(2.0 / (2 * k + 1));
    /* 2 z = f - f z keeps the digits of f. */
    const vreal rest = f - (f * z - (p * square * z + whole * ln2_low));
    return blend(is_nan(x), x, whole * ln2_high + rest);
}

ALWAYS_INLINE REAL greatest_lane(vreal x)
{
    REAL lane[LANES];
    memcpy(lane, &x, sizeof x);
    UNROLLED for (int n = LANES / 2; n > 0; n /= 2)
        UNROLLED for (int l = 0; l < n; l++) lane[l] = lane[l + n] > lane[l] ? lane[l + n] : lane[l];
    return lane[0];
}

ALWAYS_INLINE REAL sum_of_all_lanes(vreal x)
{
    REAL lane[LANES];
    memcpy(lane, &x, sizeof x);
    UNROLLED for (int n = LANES / 2; n > 0; n /= 2)
        UNROLLED for (int l = 0; l < n; l++) lane[l] += lane[l + n];
    return lane[0];
}

/* Vectors of maxima side by side; items of rows whose logarithms are taken together, a vector of rows. */
enum { SOFTMAX_VECTORS = 4, SHORT_ROW = 512 };

/* NaN may be passed over: x - m is NaN again. */
ALWAYS_INLINE REAL greatest_of_row(const char *x, int64_t items)
{
    const vreal least = splat(-(REAL)__builtin_inf());
    if (items < LANES) return greatest_lane(blend(first_lanes((int)items), load_partial(x, (int)items), least));
    vreal m[SOFTMAX_VECTORS];
    UNROLLED for (int v = 0; v < SOFTMAX_VECTORS; v++) m[v] = least;
    const int64_t bytes = items * REAL_BYTES;
    int64_t at = 0;
    for (; at + SOFTMAX_VECTORS * VECTOR_BYTES <= bytes; at += SOFTMAX_VECTORS * VECTOR_BYTES) {
        fetch_near(x + at + FC_AHEAD_BYTES);
        UNROLLED for (int v = 0; v < SOFTMAX_VECTORS; v++) m[v] = at_least(load(x + at + v * VECTOR_BYTES), m[v]);
    }
    for (; at + VECTOR_BYTES <= bytes; at += VECTOR_BYTES) m[0] = at_least(load(x + at), m[0]);
    m[1] = at_least(load(x + bytes - VECTOR_BYTES), m[1]);
    return greatest_lane(at_least(at_least(m[0], m[1]), at_least(m[2], m[3])));
}

/* Exponentials of a row, which are stored where `buffer` is not NULL, as whole vectors, and their sum. */
ALWAYS_INLINE REAL exponentials_of_row(const char *x, int64_t items, REAL greatest, char *buffer)
{
    const vreal m = splat(greatest);
    const int64_t bytes = items * REAL_BYTES;
    vreal sum[2] = {{0}};
    int64_t at = 0;
    for (; at + 2 * VECTOR_BYTES <= bytes; at += 2 * VECTOR_BYTES)
        UNROLLED for (int v = 0; v < 2; v++) {
            const vreal e = exponential_of(load(x + at + v * VECTOR_BYTES) - m);
            if (buffer) store(buffer + at + v * VECTOR_BYTES, e);
            sum[v] += e;
        }
    for (; at < bytes; at += VECTOR_BYTES) {
        const int64_t left = (bytes - at) / REAL_BYTES;
        vreal e = exponential_of(load_up_to(x + at, left) - m);
        if (left < LANES) e = blend(first_lanes((int)left), e, splat(0));
        if (buffer) store(buffer + at, e);
        sum[0] += e;
    }
    return sum_of_all_lanes(sum[0] + sum[1]);
}

/* y = buffer * scale, or with `logarithm` x - m - scale. */
ALWAYS_INLINE void finish_softmax_row(const fc_softmax_piece *t, const char *x, char *y, REAL greatest, REAL scale)
{
    const vreal m = splat(greatest), s = splat(scale);
    const int past_cache = t->past_cache && (uintptr_t)y % VECTOR_BYTES == 0;
    for (int64_t at = 0, left = t->items; left > 0; at += VECTOR_BYTES, left -= LANES) {
        const vreal v = t->logarithm ? (load_up_to(x + at, left) - m) - s : load((const char *)t->buffer + at) * s;
        if (past_cache && left >= LANES) store_past_cache(y + at, v);
        else store_up_to(y + at, v, left);
    }
}

/* A copy of the piece, here and below: stores might change the caller's, as far as the compiler knows. */
static void softmax_rows(const fc_softmax_piece *given)
{
    const fc_softmax_piece t = *given;
    const char *x = t.x;
    char *y = t.y;
    const int64_t bytes = t.items * REAL_BYTES, at_once = t.logarithm && t.items <= SHORT_ROW ? LANES : 1;
    for (int64_t first = 0; first < t.rows; first += at_once) {
        const int64_t rows = t.rows - first < at_once ? t.rows - first : at_once;
        REAL greatest[LANES], scale[LANES] = {0};
        for (int64_t r = 0; r < rows; r++) {
            greatest[r] = greatest_of_row(x + r * bytes, t.items);
            scale[r] = exponentials_of_row(x + r * bytes, t.items, greatest[r], t.logarithm ? NULL : t.buffer);
        }
        if (t.logarithm) store(scale, logarithm(load(scale)));
        else scale[0] = 1 / scale[0];
        for (int64_t r = 0; r < rows; r++, x += bytes, y += bytes) finish_softmax_row(&t, x, y, greatest[r], scale[r]);
    }
}

/* Rows of the buffer: x or its exponentials, the maxima, and the sums or what they are turned into. One cache line more than
 * a power of two, so that they do not all lie in one set of the cache, as the rows of x often do. */
typedef struct {
    char *rows, *greatest, *sum;
    ptrdiff_t pitch;
} softmax_buffer;

ALWAYS_INLINE void greatest_of_columns(const fc_softmax_piece *t, const softmax_buffer *b)
{
    for (int64_t j = 0; j < t->items; j++) {
        const char *x = (const char *)t->x + j * t->stride;
        char *row = b->rows + j * b->pitch;
        for (int64_t at = 0, left = t->columns; left > 0; at += VECTOR_BYTES, left -= LANES) {
            const vreal v = load_up_to(x + at, left);
            store(row + at, v);
            store(b->greatest + at, j ? at_least(v, load(b->greatest + at)) : v);
        }
    }
}

ALWAYS_INLINE void exponentials_of_columns(const fc_softmax_piece *t, const softmax_buffer *b)
{
    for (int64_t j = 0; j < t->items; j++) {
        char *row = b->rows + j * b->pitch;
        for (int64_t at = 0, left = t->columns; left > 0; at += VECTOR_BYTES, left -= LANES) {
            const vreal e = exponential_of(load(row + at) - load(b->greatest + at));
            if (!t->logarithm) store(row + at, e);
            store(b->sum + at, j ? load(b->sum + at) + e : e);
        }
    }
    for (int64_t at = 0, left = t->columns; left > 0; at += VECTOR_BYTES, left -= LANES) {
        const vreal sum = load(b->sum + at);
        store(b->sum + at, t->logarithm ? logarithm(sum) : (REAL)1 / sum);
    }
}

static void softmax_columns(const fc_softmax_piece *given)
{
    const fc_softmax_piece t = *given;
    softmax_buffer b = {.rows = t.buffer};
    b.pitch = (t.columns * REAL_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES + BLOCK_BYTES;
    b.greatest = b.rows + t.items * b.pitch;
    b.sum = b.greatest + b.pitch;
    greatest_of_columns(&t, &b);
    exponentials_of_columns(&t, &b);
    for (int64_t j = 0; j < t.items; j++) {
        const char *row = b.rows + j * b.pitch;
        char *y = (char *)t.y + j * t.stride;
        for (int64_t at = 0, left = t.columns; left > 0; at += VECTOR_BYTES, left -= LANES) {
            const vreal v = load(row + at), s = load(b.sum + at);
            const vreal result = t.logarithm ? (v - load(b.greatest + at)) - s : v * s;
            if (t.past_cache) store_past_cache(y + at, result);
            else store_up_to(y + at, result, left);
        }
    }
}

#endif
