/* Batch norm: y = act((x - center) * scale + shift + residual), and the moments it is made from.
 *
 * Subtracting the centre first keeps the digits that x * scale would lose when the mean is large against the deviation.
 * The moments are summed in double precision about a value of the channel itself, four accumulators deep to hide the
 * latency of the additions. Ioffe & Szegedy 2015.
 */
#ifndef FASTCONV_KERNELS_AFFINE_H
#define FASTCONV_KERNELS_AFFINE_H

#include "activation.h"

ALWAYS_INLINE void affine_store(char *at, vreal y, int64_t left, int past_cache)
{
    if (past_cache && left >= LANES) store_past_cache(at, y);
    else store_up_to(at, y, left);
}

/* Pixels [first, end) of a plane. */
ALWAYS_INLINE void affine_span(const fc_affine *t, int64_t first, int64_t end, int clips, int past_cache)
{
    const vreal center = splat(*(const REAL *)t->center), scale = splat(*(const REAL *)t->scale);
    const vreal shift = splat(*(const REAL *)t->shift);
    const vreal lower = splat(lower_bound(&t->activation)), upper = splat(upper_bound(&t->activation));
    for (int64_t i = first; i < end; i += LANES) {
        const int64_t left = end - i, at = i * REAL_BYTES;
        vreal v = (load_up_to((const char *)t->x + at, left) - center) * scale + shift;
        if (t->residual) v += load_up_to((const char *)t->residual + at, left);
        v = clips ? at_most(upper, at_least(lower, v)) : activate_out_of_line(v, &t->activation);
        affine_store((char *)t->y + at, v, left, past_cache);
    }
}

static void affine_planar(const fc_affine *t)
{
    if (!is_clip(&t->activation)) {
        affine_span(t, 0, t->count, 0, 0);
    } else if (!t->past_cache) {
        affine_span(t, 0, t->count, 1, 0);
    } else { /* stores past the cache are aligned: a head brings y to a vector's boundary */
        const int64_t head = (int64_t)((0 - (uintptr_t)t->y) % VECTOR_BYTES / REAL_BYTES);
        const int64_t first = head < t->count ? head : t->count;
        affine_span(t, 0, first, 1, 0);
        affine_span(t, first, t->count, 1, 1);
        fence_past_cache();
    }
}

static void affine_channels(const fc_affine *t)
{
    for (int64_t p = 0; p < t->count; p++) {
        const char *x = (const char *)t->x + p * t->x_stride;
        const char *residual = t->residual ? (const char *)t->residual + p * t->residual_stride : NULL;
        char *y = (char *)t->y + p * t->y_stride;
        const int past_cache = t->past_cache && (uintptr_t)y % VECTOR_BYTES == 0;
        for (int64_t c = 0; c < t->channels; c += LANES) {
            const int64_t left = t->channels - c, bytes = c * REAL_BYTES;
            vreal v = load_up_to(x + bytes, left) - load_up_to((const char *)t->center + bytes, left);
            v = v * load_up_to((const char *)t->scale + bytes, left) + load_up_to((const char *)t->shift + bytes, left);
            if (residual) v += load_up_to(residual + bytes, left);
            affine_store(y + bytes, finish(v, &t->activation), left, past_cache);
        }
    }
    if (t->past_cache) fence_past_cache();
}

/* DOUBLES items at p, widened to one full vector of doubles. */
enum { DOUBLES = VECTOR_BYTES / 8, MOMENT_VECTORS = 4 };
typedef double vdouble __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL vnarrow __attribute__((vector_size(DOUBLES * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));

ALWAYS_INLINE vdouble load_wide(const REAL *p) { return __builtin_convertvector(*(const vnarrow *)p, vdouble); }

static void moments_planar(const fc_moments *t)
{
    const REAL *x = t->x;
    const double center = *t->center;
    vdouble sum[MOMENT_VECTORS] = {{0}}, square[MOMENT_VECTORS] = {{0}};
    int64_t i = 0;
    for (; i + MOMENT_VECTORS * DOUBLES <= t->count; i += MOMENT_VECTORS * DOUBLES)
        UNROLLED for (int v = 0; v < MOMENT_VECTORS; v++) {
            vdouble d = load_wide(x + i + v * DOUBLES) - center;
            sum[v] += d;
            square[v] += d * d;
        }
    for (; i + DOUBLES <= t->count; i += DOUBLES) {
        vdouble d = load_wide(x + i) - center;
        sum[0] += d;
        square[0] += d * d;
    }
    UNROLLED for (int v = 1; v < MOMENT_VECTORS; v++) {
        sum[0] += sum[v];
        square[0] += square[v];
    }
    double total = 0, total_square = 0;
    UNROLLED for (int l = 0; l < DOUBLES; l++) {
        total += sum[0][l];
        total_square += square[0][l];
    }
    for (; i < t->count; i++) {
        double d = (double)x[i] - center;
        total += d;
        total_square += d * d;
    }
    *t->sum += total;
    *t->square += total_square;
}

/* MOMENT_VECTORS vectors of channels at a time through all pixels; single channels at the end. */
static void moments_channels(const fc_moments *t)
{
    int64_t c = 0;
    for (; c + MOMENT_VECTORS * DOUBLES <= t->channels; c += MOMENT_VECTORS * DOUBLES) {
        vdouble center[MOMENT_VECTORS], sum[MOMENT_VECTORS] = {{0}}, square[MOMENT_VECTORS] = {{0}};
        UNROLLED for (int v = 0; v < MOMENT_VECTORS; v++) memcpy(&center[v], t->center + c + v * DOUBLES, sizeof(vdouble));
        const char *x = (const char *)t->x + c * REAL_BYTES;
        for (int64_t p = 0; p < t->count; p++, x += t->x_stride)
            UNROLLED for (int v = 0; v < MOMENT_VECTORS; v++) {
                vdouble d = load_wide((const REAL *)x + v * DOUBLES) - center[v];
                sum[v] += d;
                square[v] += d * d;
            }
        UNROLLED for (int v = 0; v < MOMENT_VECTORS; v++)
            UNROLLED for (int l = 0; l < DOUBLES; l++) {
                t->sum[c + v * DOUBLES + l] += sum[v][l];
                t->square[c + v * DOUBLES + l] += square[v][l];
            }
    }
    for (; c < t->channels; c++) {
        const char *x = (const char *)t->x + c * REAL_BYTES;
        for (int64_t p = 0; p < t->count; p++, x += t->x_stride) {
            double d = (double)*(const REAL *)x - t->center[c];
            t->sum[c] += d;
            t->square[c] += d * d;
        }
    }
}

#endif
