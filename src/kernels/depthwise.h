/* Depthwise convolution of one channel block: a vector of channels times a vector of filter taps, no broadcast at all.
 *
 * Each filter vector is loaded once for the pixels of a tile; each product reads its input vector from the cache.
 */
#ifndef FASTCONV_KERNELS_DEPTHWISE_H
#define FASTCONV_KERNELS_DEPTHWISE_H

#include "activation.h"

enum { DEPTHWISE_PX = VECTOR_BYTES == 16 ? 7 : 14 };

/* What is a constant for the maps that matter: operands are then addresses with a displacement, and nothing is stored in part.
 * pair: how many vectors of channels a narrow tile takes, so that its sums do not wait for each other. */
typedef struct {
    ptrdiff_t px_stride, out_px;
    int64_t channels;
    int pair;
} depthwise_shape;

ALWAYS_INLINE void depthwise_tile(const fc_depthwise *t, depthwise_shape is, int64_t at, int px, int vector, int vectors)
{
    const int64_t channels = is.channels - vector * LANES;
    const ptrdiff_t lane = vector * VECTOR_BYTES, start = at * is.out_px + lane;
    vreal acc[2][DEPTHWISE_PX];
    UNROLLED for (int v = 0; v < vectors; v++)
        UNROLLED for (int p = 0; p < px; p++) acc[v][p] = (vreal){0};
    const char *in = (const char *)t->input + at * is.px_stride + lane, *filter = (const char *)t->filter + lane;
    for (int64_t s = 0; s < t->steps; s++, filter += BLOCK_BYTES) {
        const char *a = in + t->offset[s];
        UNROLLED for (int v = 0; v < vectors; v++) {
            const vreal w = load(filter + v * VECTOR_BYTES);
            UNROLLED for (int p = 0; p < px; p++) acc[v][p] += load(a + p * is.px_stride + v * VECTOR_BYTES) * w;
        }
    }
    const vreal lower = splat(lower_bound(&t->activation)), upper = splat(upper_bound(&t->activation));
    UNROLLED for (int v = 0; v < vectors; v++) {
        const vreal bias = load((const char *)t->bias + lane + v * VECTOR_BYTES);
        const ptrdiff_t here = start + v * VECTOR_BYTES;
        UNROLLED for (int p = 0; p < px; p++) acc[v][p] += bias;
        if (t->residual)
            UNROLLED for (int p = 0; p < px; p++)
                acc[v][p] += load_up_to((const char *)t->residual + here + p * is.out_px, channels);
        if (fc_is_clip(&t->activation)) {
            UNROLLED for (int p = 0; p < px; p++) acc[v][p] = at_most(upper, at_least(lower, acc[v][p]));
        } else {
            UNROLLED for (int p = 0; p < px; p++) acc[v][p] = activate_out_of_line(acc[v][p], &t->activation);
        }
        UNROLLED for (int p = 0; p < px; p++) store_up_to((char *)t->output + here + p * is.out_px, acc[v][p], channels);
    }
}

/* Tiles of px pixels from `at` on while there are as many; returns where the rest starts. */
ALWAYS_INLINE int64_t depthwise_tiles(const fc_depthwise *t, depthwise_shape is, int64_t at, int px, int vectors)
{
    for (; at + px <= t->px; at += px)
        for (int vector = 0; vector < BLOCK_VECTORS && vector * LANES < is.channels; vector += vectors)
            depthwise_tile(t, is, at, px, vector, vectors);
    return at;
}

ALWAYS_INLINE void depthwise_rows(const fc_depthwise *given, depthwise_shape is)
{
    fc_depthwise t = *given; /* in registers: for all the compiler knows, a store changes *given */
    for (int64_t left = t.rows; left > 0; left--) {
        int64_t at = depthwise_tiles(&t, is, 0, DEPTHWISE_PX, 1);
        at = depthwise_tiles(&t, is, at, 7, is.pair);
        at = depthwise_tiles(&t, is, at, 2, is.pair);
        depthwise_tiles(&t, is, at, 1, is.pair);
        t.input = (const char *)t.input + t.in_row;
        t.output = (char *)t.output + t.out_row;
        if (t.residual) t.residual = (const char *)t.residual + t.residual_row;
    }
}

static void depthwise(const fc_depthwise *t)
{
    enum { PAIR = BLOCK_VECTORS % 2 ? 1 : 2 };
    const int whole = t->out_px == BLOCK_BYTES && t->channels == BLOCK;
    if (whole && t->px_stride == BLOCK_BYTES) depthwise_rows(t, (depthwise_shape){BLOCK_BYTES, BLOCK_BYTES, BLOCK, PAIR});
    else if (whole && t->px_stride == 2 * BLOCK_BYTES) depthwise_rows(t, (depthwise_shape){2 * BLOCK_BYTES, BLOCK_BYTES, BLOCK, PAIR});
    else depthwise_rows(t, (depthwise_shape){t->px_stride, t->out_px, t->channels, 1});
}

#endif
