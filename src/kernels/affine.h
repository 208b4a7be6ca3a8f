/* Batch norm: y = act((x - center) * scale + shift + residual), and the moments it is made from.
 *
 * Subtracting the centre first keeps the digits that x * scale would lose when the mean is large against the deviation.
 * The moments are summed in double precision about a value of the channel itself, four accumulators deep to hide the
 * latency of the additions. Ioffe & Szegedy 2015.
 */
#ifndef FASTCONV_KERNELS_AFFINE_H
#define FASTCONV_KERNELS_AFFINE_H

#include "activation.h"

typedef struct {
    vreal center, scale, shift, lower, upper;
} affine_parameters;

/* The vector at byte `at` of a plane, its first `left` lanes. */
ALWAYS_INLINE vreal affine_vector(const fc_affine *t, const affine_parameters *p, ptrdiff_t at, int64_t left, int clips)
{
    vreal y = (load_up_to((const char *)t->x + at, left) - p->center) * p->scale + p->shift;
    if (t->residual) y += load_up_to((const char *)t->residual + at, left);
    return clips ? at_most(p->upper, at_least(p->lower, y)) : activate_out_of_line(y, &t->activation);
}

/* One plane. The last vector overlaps the one before it: a partial store costs more than computing some lanes twice. */
ALWAYS_INLINE void affine_plane(const fc_affine *t, const affine_parameters *p, int clips, int past_cache)
{
    const int64_t bytes = t->count * REAL_BYTES;
    if (t->count < LANES) {
        store_partial(t->y, affine_vector(t, p, 0, t->count, clips), (int)t->count);
        return;
    }
    ptrdiff_t at = 0;
    if (past_cache) { /* those stores are aligned */
        store(t->y, affine_vector(t, p, 0, LANES, clips));
        at = (ptrdiff_t)((0 - (uintptr_t)t->y) % VECTOR_BYTES);
    }
    for (; at + VECTOR_BYTES <= bytes; at += VECTOR_BYTES) {
        const vreal y = affine_vector(t, p, at, LANES, clips);
        fetch_near((const char *)t->x + at + AHEAD_BYTES);
        if (past_cache) store_past_cache((char *)t->y + at, y);
        else store((char *)t->y + at, y);
    }
    if (at < bytes) store((char *)t->y + bytes - VECTOR_BYTES, affine_vector(t, p, bytes - VECTOR_BYTES, LANES, clips));
}

static void affine_planar(const fc_affine *given)
{
    fc_affine t = *given;
    const REAL *center = t.center, *scale = t.scale, *shift = t.shift;
    const int clips = is_clip(&t.activation), past_cache = t.past_cache && clips;
    affine_parameters p = {.lower = splat(lower_bound(&t.activation)), .upper = splat(upper_bound(&t.activation))};
    for (int64_t c = 0; c < t.channels; c++) {
        p.center = splat(center[c]);
        p.scale = splat(scale[c]);
        p.shift = splat(shift[c]);
        if (past_cache) affine_plane(&t, &p, 1, 1);
        else if (clips) affine_plane(&t, &p, 1, 0);
        else affine_plane(&t, &p, 0, 0);
        t.x = (const char *)t.x + t.x_stride;
        t.y = (char *)t.y + t.y_stride;
        if (t.residual) t.residual = (const char *)t.residual + t.residual_stride;
    }
    if (past_cache) fence_past_cache();
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
            const vreal result = finish(v, &t->activation);
            if (t->past_cache) fetch_near(x + bytes + AHEAD_BYTES);
            if (past_cache && left >= LANES) store_past_cache(y + bytes, result);
            else store_up_to(y + bytes, result, left);
        }
    }
    if (t->past_cache) fence_past_cache();
}

/* DOUBLES items at p, widened to one full vector of doubles. */
enum { DOUBLES = VECTOR_BYTES / 8, MOMENT_VECTORS = 4 };
typedef double vdouble __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL vnarrow __attribute__((vector_size(DOUBLES * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));

ALWAYS_INLINE vdouble load_wide(const REAL *p) { return __builtin_convertvector(*(const vnarrow *)p, vdouble); }

/* Halves on halves, so that the order does not depend on what follows. */
ALWAYS_INLINE double sum_of_lanes(vdouble x)
{
    double half[DOUBLES];
    memcpy(half, &x, sizeof x);
    UNROLLED for (int n = DOUBLES / 2; n > 0; n /= 2)
        UNROLLED for (int l = 0; l < n; l++) half[l] += half[l + n];
    return half[0];
}

ALWAYS_INLINE void moments_plane(const REAL *x, int64_t count, double center, double *sum, double *square)
{
    vdouble sums[MOMENT_VECTORS] = {{0}}, squares[MOMENT_VECTORS] = {{0}};
    int64_t i = 0;
    for (; i + MOMENT_VECTORS * DOUBLES <= count; i += MOMENT_VECTORS * DOUBLES) {
        fetch_near((const char *)(x + i) + AHEAD_BYTES);
        UNROLLED for (int v = 0; v < MOMENT_VECTORS; v++) {
            vdouble d = load_wide(x + i + v * DOUBLES) - center;
            sums[v] += d;
            squares[v] += d * d;
        }
    }
    for (; i + DOUBLES <= count; i += DOUBLES) {
        vdouble d = load_wide(x + i) - center;
        sums[0] += d;
        squares[0] += d * d;
    }
    UNROLLED for (int v = 1; v < MOMENT_VECTORS; v++) {
        sums[0] += sums[v];
        squares[0] += squares[v];
    }
    double total = sum_of_lanes(sums[0]), total_square = sum_of_lanes(squares[0]);
    for (; i < count; i++) {
        double d = (double)x[i] - center;
        total += d;
        total_square += d * d;
    }
    *sum += total;
    *square += total_square;
}

static void moments_planar(const fc_moments *t)
{
    const char *x = t->x;
    for (int64_t c = 0; c < t->channels; c++, x += t->x_stride)
        moments_plane((const REAL *)x, t->count, t->center[c], t->sum + c, t->square + c);
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
