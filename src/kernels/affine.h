/* Batch norm: y = act((x * unit - center) * scale + shift + residual), and the moments it is made from.
 *
 * Subtracting the centre first keeps the digits that x * scale would lose when the mean is large against the deviation.
 * The moments are summed in double precision about a value of the channel itself, four accumulators deep to hide the
 * latency of the additions. Ioffe & Szegedy 2015.
 */
#ifndef FASTCONV_KERNELS_AFFINE_H
#define FASTCONV_KERNELS_AFFINE_H

#include "activation.h"
#include "past_cache.h"
#include "transpose.h"

typedef struct {
    vreal center, scale, shift, lower, upper;
} affine_parameters;

/* What is a constant where this is inlined. halves: of some channels the unit is 1/2. */
typedef struct {
    int clips, past_cache, halves;
} affine_form;

static const fc_ahead STREAM = {.bytes = FC_AHEAD_BYTES, .end = (const char *)UINTPTR_MAX};

ALWAYS_INLINE fc_ahead ahead_of(const fc_ahead *given) { return given->bytes ? *given : STREAM; }

ALWAYS_INLINE void fetch_ahead(const fc_ahead *ahead, const char *at)
{
    at += ahead->bytes;
    fetch_near(at + (at < ahead->end ? 0 : ahead->jump));
}

/* The parameters of one kind from byte `at` on, `left` channels. */
ALWAYS_INLINE vreal affine_parameter(const fc_affine *t, int kind, ptrdiff_t at, int64_t left)
{
    return load_up_to((const char *)t->parameters + kind * t->step + at, left);
}

ALWAYS_INLINE affine_parameters affine_bounds(const fc_affine *t)
{
    return (affine_parameters){.lower = splat(lower_bound(&t->activation)), .upper = splat(upper_bound(&t->activation))};
}

ALWAYS_INLINE REAL affine_entry(const fc_affine *t, int kind, int64_t channel)
{
    return ((const REAL *)((const char *)t->parameters + kind * t->step))[channel];
}

ALWAYS_INLINE void set_affine_parameters(const fc_affine *t, int64_t channel, affine_parameters *p)
{
    p->center = splat(affine_entry(t, FC_CENTER, channel));
    p->scale = splat(affine_entry(t, FC_SCALE, channel));
    p->shift = splat(affine_entry(t, FC_SHIFT, channel));
}

ALWAYS_INLINE int has_halves(const fc_affine *t)
{
    int halves = 0;
    for (int64_t c = 0; c < t->channels; c++) halves |= affine_entry(t, FC_UNIT, c) != 1;
    return halves;
}

/* The vector at byte `at` of a plane, its first `left` lanes. */
ALWAYS_INLINE vreal affine_vector(const fc_affine *t, const affine_parameters *p, ptrdiff_t at, int64_t left, affine_form is)
{
    const vreal x = load_up_to((const char *)t->x + at, left);
    vreal y = multiply_add((is.halves ? x * (REAL)0.5 : x) - p->center, p->scale, p->shift);
    if (t->residual) y += load_up_to((const char *)t->residual + at, left);
    return is.clips ? at_most(p->upper, at_least(p->lower, y)) : activate_out_of_line(y, &t->activation);
}

/* Bytes [at, end) of a plane, and no others. */
ALWAYS_INLINE void affine_part(const fc_affine *t, const affine_parameters *p, ptrdiff_t at, ptrdiff_t end, affine_form is)
{
    for (; at + VECTOR_BYTES <= end; at += VECTOR_BYTES) store((char *)t->y + at, affine_vector(t, p, at, LANES, is));
    const int64_t left = (end - at) / REAL_BYTES;
    if (left) store_partial((char *)t->y + at, affine_vector(t, p, at, left, is), (int)left);
}

/* Whole vectors of a plane from byte `at` to `end`, past the caches; where that leaves off. */
ALWAYS_INLINE ptrdiff_t affine_lines(const fc_affine *t, const fc_ahead *ahead, const affine_parameters *p, ptrdiff_t at,
                                     ptrdiff_t end, affine_form is)
{
    for (; at + VECTOR_BYTES <= end; at += VECTOR_BYTES) {
        fetch_ahead(ahead, (const char *)t->x + at);
        store_past_cache((char *)t->y + at, affine_vector(t, p, at, LANES, is));
    }
    return at;
}

/* One plane, through the caches. The last vector overlaps the one before it: a partial store costs more than computing some lanes twice. */
ALWAYS_INLINE void affine_plane(const fc_affine *t, const fc_ahead *ahead, const affine_parameters *p, affine_form is)
{
    const ptrdiff_t bytes = t->count * REAL_BYTES;
    if (t->count < LANES) {
        store_partial(t->y, affine_vector(t, p, 0, t->count, is), (int)t->count);
        return;
    }
    ptrdiff_t at = 0;
    for (; at + VECTOR_BYTES <= bytes; at += VECTOR_BYTES) {
        fetch_ahead(ahead, (const char *)t->x + at);
        store((char *)t->y + at, affine_vector(t, p, at, LANES, is));
    }
    if (at < bytes) store((char *)t->y + bytes - VECTOR_BYTES, affine_vector(t, p, bytes - VECTOR_BYTES, LANES, is));
}

/* Of copies: what a function that is not inlined may have the address of is read again after every store. */
static __attribute__((noinline)) void affine_plane_in_halves(fc_affine t, fc_ahead ahead, affine_parameters p)
{
    affine_plane(&t, &ahead, &p, (affine_form){.halves = 1});
}

static void affine_planes(const fc_affine *given)
{
    fc_affine t = *given;
    const char *x = t.x, *residual = t.residual;
    char *y = t.y;
    const fc_ahead ahead = ahead_of(&t.ahead);
    const int clips = fc_is_clip(&t.activation);
    affine_parameters p = affine_bounds(&t);
    for (int64_t c = 0; c < t.channels; c++, x += t.x_stride, y += t.y_stride) {
        t.x = x;
        t.y = y;
        t.residual = residual;
        set_affine_parameters(&t, c, &p);
        if (affine_entry(&t, FC_UNIT, c) != 1) affine_plane_in_halves(t, ahead, p);
        else if (clips) affine_plane(&t, &ahead, &p, (affine_form){.clips = 1});
        else affine_plane(&t, &ahead, &p, (affine_form){0});
        if (residual) residual += t.residual_stride;
    }
}

/* Planes of a line or more that follow each other: one run, in which a vector that a plane ends in has the parameters of the next
 * one too. As no plane is shorter than a line, all but the last end before the last whole line does, no vector holds the ends of
 * two, and what stands before the first whole line and behind the last belongs to the first plane and to the last. */
ALWAYS_INLINE void affine_run_past_cache(const fc_affine *t)
{
    const affine_form is = {.clips = 1};
    const fc_ahead ahead = ahead_of(&t->ahead);
    const ptrdiff_t plane = t->count * REAL_BYTES, bytes = t->channels * plane;
    const whole_lines lines = lines_within(t->y, bytes);
    affine_parameters p = affine_bounds(t);
    set_affine_parameters(t, 0, &p);
    affine_part(t, &p, 0, lines.first, is);
    ptrdiff_t at = lines.first, end = plane;
    for (int64_t c = 1; c < t->channels; c++, end += plane) {
        at = affine_lines(t, &ahead, &p, at, end, is);
        affine_parameters next = p;
        set_affine_parameters(t, c, &next);
        if (at < end) {
            const vreal y = affine_vector(t, &p, at, LANES, is), y_next = affine_vector(t, &next, at, LANES, is);
            store_past_cache((char *)t->y + at, blend(first_lanes((int)((end - at) / REAL_BYTES)), y, y_next));
            at += VECTOR_BYTES;
        }
        p = next;
    }
    affine_lines(t, &ahead, &p, at, lines.last, is);
    affine_part(t, &p, lines.last, bytes, is);
}

static void affine_planes_past_cache(const fc_affine *given)
{
    const fc_affine all = *given;
    const ptrdiff_t plane = all.count * REAL_BYTES;
    const int follow = all.x_stride == plane && all.y_stride == plane && (!all.residual || all.residual_stride == plane);
    const int64_t together = follow ? all.channels : 1;
    for (int64_t c = 0; c < all.channels; c += together) {
        fc_affine t = all;
        t.channels = together;
        t.x = (const char *)all.x + c * all.x_stride;
        t.y = (char *)all.y + c * all.y_stride;
        if (all.residual) t.residual = (const char *)all.residual + c * all.residual_stride;
        t.parameters = (const char *)all.parameters + c * REAL_BYTES;
        affine_run_past_cache(&t);
    }
}

static void affine_planar(const fc_affine *t)
{
    if (t->past_cache && t->count >= BLOCK && fc_is_clip(&t->activation) && !has_halves(t)) affine_planes_past_cache(t);
    else affine_planes(t);
}

/* Pixels whose channels are taken together, so that parameters and sums are read once for all of them. */
enum { AFFINE_PIXELS = 4, MOMENT_PIXELS = 8 };

/* What is wanted next of pixels with a gap between them is not what lies behind their channels. */
ALWAYS_INLINE ptrdiff_t pixels_ahead(ptrdiff_t stride, int64_t channels, int pixels)
{
    return stride > channels * REAL_BYTES ? pixels * stride : FC_AHEAD_BYTES;
}

typedef struct {
    const char *x, *residual;
    char *y;
    vreal lower, upper;
} affine_run;

/* The vector at byte `at` of each of `pixels` neighbours, its first `left` lanes. */
ALWAYS_INLINE void affine_column(const fc_affine *t, const affine_run *run, affine_form is, int pixels, ptrdiff_t at, int64_t left)
{
    const vreal unit = affine_parameter(t, FC_UNIT, at, left), center = affine_parameter(t, FC_CENTER, at, left);
    const vreal scale = affine_parameter(t, FC_SCALE, at, left), shift = affine_parameter(t, FC_SHIFT, at, left);
    UNROLLED for (int i = 0; i < pixels; i++) {
        char *y = run->y + i * t->y_stride + at;
        const vreal x = load_up_to(run->x + i * t->x_stride + at, left);
        vreal v = multiply_add((is.halves ? x * unit : x) - center, scale, shift);
        if (run->residual) v += load_up_to(run->residual + i * t->residual_stride + at, left);
        v = is.clips ? at_most(run->upper, at_least(run->lower, v)) : activate_out_of_line(v, &t->activation);
        if (is.past_cache) fetch_near(run->x + i * t->x_stride + at + pixels_ahead(t->x_stride, t->channels, pixels));
        if (is.past_cache && left >= LANES) store_past_cache(y, v);
        else store_up_to(y, v, left);
    }
}

ALWAYS_INLINE void affine_pixels(const fc_affine *t, affine_run run, affine_form is, int pixels)
{
    int64_t c = 0;
    for (; c + LANES <= t->channels; c += LANES) affine_column(t, &run, is, pixels, c * REAL_BYTES, LANES);
    if (c < t->channels) affine_column(t, &run, is, pixels, c * REAL_BYTES, t->channels - c);
}

ALWAYS_INLINE void affine_every_pixel(const fc_affine *t, affine_form is)
{
    affine_run run = {t->x, t->residual, t->y, splat(lower_bound(&t->activation)), splat(upper_bound(&t->activation))};
    for (int64_t left = t->count; left > 0;) {
        /* Stores past the cache want one row after the other. */
        const int64_t pixels = is.past_cache || left < AFFINE_PIXELS ? 1 : AFFINE_PIXELS;
        if (pixels == AFFINE_PIXELS) affine_pixels(t, run, is, AFFINE_PIXELS);
        else affine_pixels(t, run, is, 1);
        run.x += pixels * t->x_stride;
        run.y += pixels * t->y_stride;
        if (run.residual) run.residual += pixels * t->residual_stride;
        left -= pixels;
    }
}

static __attribute__((noinline)) void affine_channels_in_halves(fc_affine t) { affine_every_pixel(&t, (affine_form){.halves = 1}); }

static void affine_channels(const fc_affine *given)
{
    const fc_affine t = *given; /* which no store can change, as it might the caller's */
    const int clips = fc_is_clip(&t.activation);
    const int past_cache = t.past_cache && clips && ((uintptr_t)t.y | (uintptr_t)t.y_stride) % VECTOR_BYTES == 0;
    if (has_halves(&t)) affine_channels_in_halves(t);
    else if (past_cache) affine_every_pixel(&t, (affine_form){.clips = 1, .past_cache = 1});
    else if (clips) affine_every_pixel(&t, (affine_form){.clips = 1});
    else affine_every_pixel(&t, (affine_form){0});
}

enum { MOMENT_VECTORS = 4 };

/* Lanes of two vectors, the second behind the first: a half of each. */
#define OF_BOTH(l, half) ((half) + (l) % (DOUBLES / 2) + (l) / (DOUBLES / 2) * DOUBLES)

/* sum += the lanes of x, square += those of y: halves on halves, so that the order does not depend on what follows. */
ALWAYS_INLINE void add_lanes(vdouble x, vdouble y, double *sum, double *square)
{
    vdouble both = SHUFFLED(x, y, ALL_DOUBLES(OF_BOTH, 0))
                 + SHUFFLED(x, y, ALL_DOUBLES(OF_BOTH, DOUBLES / 2));
    if (DOUBLES > 4) both += SHUFFLED(both, both, ALL_DOUBLES(TURNED, 2));
    if (DOUBLES > 2) both += SHUFFLED(both, both, ALL_DOUBLES(TURNED, 1));
    *sum += both[0];
    *square += both[DOUBLES / 2];
}

ALWAYS_INLINE void moments_plane(const REAL *x, int64_t count, fc_ahead ahead, double center, double *sum, double *square)
{
    vdouble sums[MOMENT_VECTORS] = {{0}}, squares[MOMENT_VECTORS] = {{0}};
    int64_t i = 0;
    for (; i + MOMENT_VECTORS * DOUBLES <= count; i += MOMENT_VECTORS * DOUBLES) {
        UNROLLED for (int item = 0; item < MOMENT_VECTORS * DOUBLES; item += BLOCK) fetch_ahead(&ahead, (const char *)(x + i + item));
        UNROLLED for (int v = 0; v < MOMENT_VECTORS; v++) {
            vdouble d = load_wide(x + i + v * DOUBLES) - center;
            sums[v] += d;
            squares[v] += d * d;
        }
    }
    for (; i + DOUBLES <= count; i += DOUBLES) {
        fetch_ahead(&ahead, (const char *)(x + i));
        vdouble d = load_wide(x + i) - center;
        sums[0] += d;
        squares[0] += d * d;
    }
    UNROLLED for (int v = 1; v < MOMENT_VECTORS; v++) {
        sums[0] += sums[v];
        squares[0] += squares[v];
    }
    double total = 0, total_square = 0;
    for (; i < count; i++) {
        const double d = (double)x[i] - center;
        total += d;
        total_square += d * d;
    }
    add_lanes(sums[0], squares[0], &total, &total_square);
    *sum += total;
    *square += total_square;
}

static void moments_planar(const fc_moments *t)
{
    const char *x = t->x;
    const fc_ahead ahead = ahead_of(&t->ahead);
    for (int64_t c = 0; c < t->channels; c++, x += t->x_stride)
        moments_plane((const REAL *)x, t->count, ahead, t->center[c], t->sum + c, t->square + c);
}

/* A vector of channels from channel c on, of `pixels` neighbours. */
ALWAYS_INLINE void moments_column(const fc_moments *t, const char *x, int pixels, int64_t c)
{
    vdouble center, sum, square;
    memcpy(&center, t->center + c, sizeof center);
    memcpy(&sum, t->sum + c, sizeof sum);
    memcpy(&square, t->square + c, sizeof square);
    UNROLLED for (int i = 0; i < pixels; i++) {
        const vdouble d = load_wide((const REAL *)(x + i * t->x_stride) + c) - center;
        sum += d;
        square += d * d;
    }
    memcpy(t->sum + c, &sum, sizeof sum);
    memcpy(t->square + c, &square, sizeof square);
}

/* Lines of channels, vectors, and then single ones. */
ALWAYS_INLINE void moments_pixels(const fc_moments *t, const char *x, int pixels)
{
    const ptrdiff_t ahead = pixels_ahead(t->x_stride, t->channels, pixels);
    int64_t c = 0;
    for (; c + BLOCK <= t->channels; c += BLOCK) {
        UNROLLED for (int i = 0; i < pixels; i++) fetch_near(x + i * t->x_stride + c * REAL_BYTES + ahead);
        UNROLLED for (int v = 0; v < BLOCK / DOUBLES; v++) moments_column(t, x, pixels, c + v * DOUBLES);
    }
    for (; c + DOUBLES <= t->channels; c += DOUBLES) moments_column(t, x, pixels, c);
    for (; c < t->channels; c++) {
        double sum = t->sum[c], square = t->square[c];
        for (int i = 0; i < pixels; i++) {
            const double d = (double)((const REAL *)(x + i * t->x_stride))[c] - t->center[c];
            sum += d;
            square += d * d;
        }
        t->sum[c] = sum;
        t->square[c] = square;
    }
}

static void moments_channels(const fc_moments *given)
{
    const fc_moments t = *given; /* which no store can change */
    const char *x = t.x;
    int64_t p = 0;
    for (; p + MOMENT_PIXELS <= t.count; p += MOMENT_PIXELS, x += MOMENT_PIXELS * t.x_stride)
        moments_pixels(&t, x, MOMENT_PIXELS);
    for (; p < t.count; p++, x += t.x_stride) moments_pixels(&t, x, 1);
}

#endif
