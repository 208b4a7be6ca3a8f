/* Convolution along rows of planes: vectors of neighbouring pixels, one filter scalar at a time.
 *
 * For few channels a group (depthwise above all), where channel blocks would be mostly empty. Each loaded input vector
 * serves `oc` output channels, each broadcast filter scalar `vectors` input vectors.
 */
#ifndef FASTCONV_KERNELS_PLANAR_H
#define FASTCONV_KERNELS_PLANAR_H

#include "activation.h"

/* The widest tile and its vectors along the row, within 32 or 16 registers; the vectors of a single channel. */
enum { PLANAR_OC = VECTOR_BYTES == 32 ? 6 : 4, PLANAR_WIDE = VECTOR_BYTES == 64 ? 5 : 2, PLANAR_LONG = VECTOR_BYTES == 64 ? 8 : 6 };

/* Write oc x vectors outputs from pixel `at` on; the last vector may be partial. */
ALWAYS_INLINE void planar_tile(const fc_planar *t, int64_t channel, int64_t at, int oc, int vectors)
{
    vreal acc[PLANAR_OC][PLANAR_LONG];
    UNROLLED for (int o = 0; o < oc; o++)
        UNROLLED for (int v = 0; v < vectors; v++) acc[o][v] = (vreal){0};
    const char *in = (const char *)t->input + at * REAL_BYTES;
    const char *filter = (const char *)t->filter + channel * t->filter_stride;
    for (int64_t s = 0; s < t->steps; s++) {
        vreal x[PLANAR_LONG];
        const char *row = in + t->offset[s];
        UNROLLED for (int v = 0; v < vectors; v++) x[v] = load(row + v * VECTOR_BYTES);
        UNROLLED for (int o = 0; o < oc; o++) {
            vreal w = splat(*(const REAL *)(filter + o * t->filter_stride + s * REAL_BYTES));
            UNROLLED for (int v = 0; v < vectors; v++) acc[o][v] += x[v] * w;
        }
    }
    const vreal lower = splat(lower_bound(&t->activation)), upper = splat(upper_bound(&t->activation));
    UNROLLED for (int o = 0; o < oc; o++) {
        const ptrdiff_t base = (channel + o) * t->out_stride + at * REAL_BYTES;
        const REAL bias = t->bias ? ((const REAL *)t->bias)[channel + o] : 0;
        UNROLLED for (int v = 0; v < vectors; v++) {
            const int64_t left = t->count - at - v * LANES;
            const ptrdiff_t here = base + v * VECTOR_BYTES;
            vreal y = acc[o][v] + bias;
            if (t->residual) y += load_up_to((const char *)t->residual + here, left);
            store_up_to((char *)t->output + here, at_most(upper, at_least(lower, y)), left);
        }
    }
}

ALWAYS_INLINE void planar_channels(const fc_planar *t, int64_t channel, int oc, int vectors)
{
    int64_t i = 0;
    for (; i + (vectors - 1) * LANES < t->count; i += vectors * LANES) planar_tile(t, channel, i, oc, vectors);
    for (; i + LANES < t->count; i += 2 * LANES) planar_tile(t, channel, i, oc, 2);
    for (; i < t->count; i += LANES) planar_tile(t, channel, i, oc, 1);
}

static void planar(const fc_planar *t)
{
    int64_t channel = 0;
    for (; channel + PLANAR_OC <= t->channels; channel += PLANAR_OC)
        planar_channels(t, channel, PLANAR_OC, PLANAR_WIDE);
    for (; channel + 4 <= t->channels; channel += 4) planar_channels(t, channel, 4, PLANAR_WIDE);
    for (; channel + 2 <= t->channels; channel += 2) planar_channels(t, channel, 2, PLANAR_WIDE);
    for (; channel < t->channels; channel++) planar_channels(t, channel, 1, PLANAR_LONG);
}

#endif
