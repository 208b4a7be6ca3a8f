/* Depthwise convolution of one channel block: a vector of channels times a vector of filter taps, no broadcast at all.
 *
 * Each filter vector is loaded once for the pixels of a tile; each product reads its input vector from the cache.
 */
#ifndef FASTCONV_KERNELS_DEPTHWISE_H
#define FASTCONV_KERNELS_DEPTHWISE_H

#include "activation.h"

enum { DEPTHWISE_PX = VECTOR_BYTES == 64 ? 14 : 7 };

/* px_stride is a constant for the strides that matter: every input vector is then an operand with a displacement. */
ALWAYS_INLINE void depthwise_tile(const fc_depthwise *t, int64_t at, int px, int vector, ptrdiff_t px_stride)
{
    const int64_t channels = t->channels - vector * LANES;
    vreal acc[DEPTHWISE_PX];
    UNROLLED for (int p = 0; p < px; p++) acc[p] = (vreal){0};
    const char *in = (const char *)t->input + at * px_stride + vector * VECTOR_BYTES;
    const char *filter = (const char *)t->filter + vector * VECTOR_BYTES;
    for (int64_t s = 0; s < t->steps; s++, filter += BLOCK_BYTES) {
        vreal w = load(filter);
        const char *a = in + t->offset[s];
        UNROLLED for (int p = 0; p < px; p++) acc[p] += load(a + p * px_stride) * w;
    }
    const vreal bias = load((const char *)t->bias + vector * VECTOR_BYTES);
    UNROLLED for (int p = 0; p < px; p++) {
        const ptrdiff_t here = (at + p) * t->out_px + vector * VECTOR_BYTES;
        vreal y = acc[p] + bias;
        if (t->residual) y += load_up_to((const char *)t->residual + here, channels);
        store_up_to((char *)t->output + here, finish(y, &t->activation), channels);
    }
}

ALWAYS_INLINE void depthwise_row(const fc_depthwise *t, ptrdiff_t px_stride)
{
    for (int vector = 0; vector < BLOCK_VECTORS && vector * LANES < t->channels; vector++) {
        int64_t p = 0;
        for (; p + DEPTHWISE_PX <= t->px; p += DEPTHWISE_PX) depthwise_tile(t, p, DEPTHWISE_PX, vector, px_stride);
        for (; p + 7 <= t->px; p += 7) depthwise_tile(t, p, 7, vector, px_stride);
        for (; p + 2 <= t->px; p += 2) depthwise_tile(t, p, 2, vector, px_stride);
        for (; p < t->px; p++) depthwise_tile(t, p, 1, vector, px_stride);
    }
}

static void depthwise(const fc_depthwise *t)
{
    if (t->px_stride == BLOCK_BYTES) depthwise_row(t, BLOCK_BYTES);
    else if (t->px_stride == 2 * BLOCK_BYTES) depthwise_row(t, 2 * BLOCK_BYTES);
    else depthwise_row(t, t->px_stride);
}

#endif
