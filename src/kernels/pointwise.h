/* 1x1 convolution of planes where they stand: vectors of neighbouring pixels by filter scalars, neither of them packed.
 *
 *   plane k    x x x|x x x|x x x|x .     Each row of the filter is read in its order, POINTWISE_OC of them side by side; a plane of
 *              -tile-                     the map gives POINTWISE_VECTORS vectors to all of these.
 *
 * The last tile of a band is moved to the left to be of whole vectors. The channels of a tile are few enough for the ways of
 * the nearest cache, which rows a power of two apart would otherwise push out of it one after the other.
 */
#ifndef FASTCONV_KERNELS_POINTWISE_H
#define FASTCONV_KERNELS_POINTWISE_H

#include "activation.h"

enum {
    POINTWISE_OC = VECTOR_BYTES == 64 ? 8 : VECTOR_BYTES == 32 ? 6 : 4,
    POINTWISE_VECTORS = VECTOR_BYTES == 64 ? 3 : 2,
};

/* oc x vectors outputs from channel `channel` and pixel `at` on; the first ones fetch what the next tile reads. */
ALWAYS_INLINE void pointwise_tile(const fc_pointwise *t, int64_t channel, int64_t at, int oc, int vectors, int first)
{
    vreal acc[POINTWISE_OC][POINTWISE_VECTORS];
    UNROLLED for (int o = 0; o < oc; o++)
        UNROLLED for (int v = 0; v < vectors; v++) acc[o][v] = (vreal){0};
    const char *in = (const char *)t->input + at * REAL_BYTES;
    const char *filter = (const char *)t->filter + channel * t->filter_row;
    for (int64_t k = 0; k < t->depth; k++, in += t->in_plane, filter += REAL_BYTES) {
        vreal x[POINTWISE_VECTORS];
        UNROLLED for (int v = 0; v < vectors; v++) x[v] = load(in + v * VECTOR_BYTES);
        if (first) UNROLLED for (int b = 0; b < vectors * VECTOR_BYTES; b += BLOCK_BYTES) fetch(in + vectors * VECTOR_BYTES + b);
        UNROLLED for (int o = 0; o < oc; o++) {
            const vreal w = splat(*(const REAL *)(filter + o * t->filter_row));
            UNROLLED for (int v = 0; v < vectors; v++) ACCUMULATE(acc[o][v], x[v], w);
        }
    }
    const vreal lower = splat(lower_bound(&t->activation)), upper = splat(upper_bound(&t->activation));
    UNROLLED for (int o = 0; o < oc; o++) {
        const ptrdiff_t base = (channel + o) * t->out_plane + at * REAL_BYTES;
        const REAL bias = t->bias ? ((const REAL *)t->bias)[channel + o] : 0;
        UNROLLED for (int v = 0; v < vectors; v++) {
            vreal y = add_in_order(acc[o][v], splat(bias));
            if (t->residual) y = add_in_order(y, load((const char *)t->residual + base + v * VECTOR_BYTES));
            store((char *)t->output + base + v * VECTOR_BYTES, at_most(upper, at_least(lower, y)));
        }
    }
}

ALWAYS_INLINE void pointwise_channels(const fc_pointwise *t, int64_t channel, int oc, int first)
{
    int64_t at = 0;
    for (; at + POINTWISE_VECTORS * LANES <= t->pixels; at += POINTWISE_VECTORS * LANES)
        pointwise_tile(t, channel, at, oc, POINTWISE_VECTORS, first);
    for (int64_t vectors; at < t->pixels; at += vectors * LANES) {
        vectors = (t->pixels - at + LANES - 1) / LANES;
        if (vectors * LANES > t->pixels) vectors--;
        if (at + vectors * LANES > t->pixels) at = t->pixels - vectors * LANES;
        if (POINTWISE_VECTORS > 2 && vectors == 3) pointwise_tile(t, channel, at, oc, POINTWISE_VECTORS, first);
        else if (vectors == 2) pointwise_tile(t, channel, at, oc, 2, first);
        else pointwise_tile(t, channel, at, oc, 1, first);
    }
}

static void pointwise(const fc_pointwise *given)
{
    const fc_pointwise t = *given; /* in registers: for all the compiler knows, a store changes *given */
    int64_t channel = 0;
    if (t.channels >= POINTWISE_OC) {
        pointwise_channels(&t, 0, POINTWISE_OC, 1);
        channel = POINTWISE_OC;
    }
    for (; channel + POINTWISE_OC <= t.channels; channel += POINTWISE_OC) pointwise_channels(&t, channel, POINTWISE_OC, 0);
    for (; channel + 4 <= t.channels; channel += 4) pointwise_channels(&t, channel, 4, 0);
    for (; channel + 2 <= t.channels; channel += 2) pointwise_channels(&t, channel, 2, 0);
    if (channel < t.channels) pointwise_channels(&t, channel, 1, 0);
}

#endif
