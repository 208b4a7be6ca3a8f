/* Layer norm: y = (x - mean) / sqrt(variance + eps) * weight + bias along a row, weight and bias an entry an item.
 *
 * The moments of a row are found and used while it is in the nearest cache. As in batch norm they are summed in double
 * precision about the row's first item, and what the item type cannot hold of the mean goes into a shift. Ba, Kiros & Hinton
 * 2016.
 */
#ifndef FASTCONV_KERNELS_LAYER_NORM_H
#define FASTCONV_KERNELS_LAYER_NORM_H

#include "affine.h"

typedef struct {
    vreal center, scale, shift;
} row_parameters;

ALWAYS_INLINE row_parameters parameters_of_row(const fc_layer_rows *t, const REAL *x)
{
    double mean, variance;
    if (t->moments) {
        mean = t->moments[0];
        variance = t->moments[1];
    } else {
        double sum = 0, square = 0;
        const double center = (double)x[0], count = (double)t->items;
        moments_plane(x, t->items, center, &sum, &square);
        const double offset = sum / count, spread = square / count - offset * offset;
        mean = center + offset;
        variance = spread < 0 ? 0 : spread; /* NaN stays */
    }
    const double factor = 1 / __builtin_sqrt(variance + t->eps);
    const REAL near = __builtin_isfinite((REAL)mean) ? (REAL)mean : 0;
    return (row_parameters){splat(near), splat((REAL)factor), splat((REAL)((near - mean) * factor))};
}

/* The vector at byte `at`, its first `left` lanes; `both`: there is a weight and a bias. */
ALWAYS_INLINE vreal layer_vector(const fc_layer_rows *t, const row_parameters *p, const char *x, ptrdiff_t at, int64_t left,
                                 int both)
{
    const char *weight = t->weight, *bias = t->bias;
    vreal y = (load_up_to(x + at, left) - p->center) * p->scale + p->shift;
    if (both || weight) y *= load_up_to(weight + at, left);
    if (both || bias) y += load_up_to(bias + at, left);
    return y;
}

/* The last vector overlaps the one before it, as in affine_plane. */
ALWAYS_INLINE void layer_row(const fc_layer_rows *t, const row_parameters *p, const char *x, char *y, int both, int past_cache)
{
    const int64_t bytes = t->items * REAL_BYTES;
    if (t->items < LANES) {
        store_partial(y, layer_vector(t, p, x, 0, t->items, both), (int)t->items);
        return;
    }
    ptrdiff_t at = 0;
    if (past_cache && (uintptr_t)y % VECTOR_BYTES) { /* those stores are aligned */
        store(y, layer_vector(t, p, x, 0, LANES, both));
        at = (ptrdiff_t)((0 - (uintptr_t)y) % VECTOR_BYTES);
    }
    for (; at + VECTOR_BYTES <= bytes; at += VECTOR_BYTES) {
        const vreal v = layer_vector(t, p, x, at, LANES, both);
        if (past_cache) store_past_cache(y + at, v);
        else store(y + at, v);
    }
    if (at < bytes) store(y + bytes - VECTOR_BYTES, layer_vector(t, p, x, bytes - VECTOR_BYTES, LANES, both));
}

static void layer_norm(const fc_layer_rows *given)
{
    const fc_layer_rows t = *given; /* which no store can change */
    const char *x = t.x;
    char *y = t.y;
    const int64_t bytes = t.items * REAL_BYTES;
    const int both = t.weight && t.bias;
    for (int64_t r = 0; r < t.rows; r++, x += bytes, y += bytes) {
        const row_parameters p = parameters_of_row(&t, (const REAL *)x);
        if (both && t.past_cache) layer_row(&t, &p, x, y, 1, 1);
        else if (both) layer_row(&t, &p, x, y, 1, 0);
        else layer_row(&t, &p, x, y, 0, t.past_cache);
    }
    if (t.past_cache) fence_past_cache();
}

#endif
