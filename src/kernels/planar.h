/* Convolution along rows of planes: vectors of neighbouring pixels, one filter scalar at a time.
 *
 * For few channels a group (depthwise above all), where channel blocks would be mostly empty. Each loaded input vector
 * serves `oc` output channels, each broadcast filter scalar `vectors` input vectors.
 */
#ifndef FASTCONV_KERNELS_PLANAR_H
#define FASTCONV_KERNELS_PLANAR_H

#include "activation.h"

/* The most channels and vectors of a tile, and the vectors of one of a single channel, within 32 or 16 registers. */
enum {
    PLANAR_OC = VECTOR_BYTES == 64 ? 12 : VECTOR_BYTES == 32 ? 6 : 4,
    PLANAR_WIDE = VECTOR_BYTES == 64 ? 5 : 2,
    PLANAR_LONG = VECTOR_BYTES == 64 ? 8 : 6,
};

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
            UNROLLED for (int v = 0; v < vectors; v++) ACCUMULATE(acc[o][v], x[v], w);
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

ALWAYS_INLINE void planar_channel(const fc_planar *t, int64_t channel)
{
    int64_t i = 0;
    for (; i + (PLANAR_LONG - 1) * LANES < t->count; i += PLANAR_LONG * LANES) planar_tile(t, channel, i, 1, PLANAR_LONG);
    for (; i + LANES < t->count; i += 2 * LANES) planar_tile(t, channel, i, 1, 2);
    for (; i < t->count; i += LANES) planar_tile(t, channel, i, 1, 1);
}

/* How rows are cut: the tiles have `wide` or one vector fewer; those that have begin before `narrower`. */
typedef struct {
    int64_t wide, narrower;
} planar_cut;

ALWAYS_INLINE planar_cut cut_rows(int64_t count)
{
    const int64_t vectors = (count + LANES - 1) / LANES, tiles = (vectors + PLANAR_WIDE - 1) / PLANAR_WIDE;
    const int64_t wide = vectors > 1 ? (vectors + tiles - 1) / tiles : 2;
    return (planar_cut){wide, (vectors - tiles * (wide - 1)) * wide * LANES};
}

ALWAYS_INLINE void planar_channels(const fc_planar *t, int64_t channel, int oc, int wide, int64_t narrower)
{
    int64_t i = 0;
    for (; i < narrower; i += wide * LANES) planar_tile(t, channel, i, oc, wide);
    for (; i < t->count; i += (wide - 1) * LANES) planar_tile(t, channel, i, oc, wide - 1);
}

/* All channels of a row, `most` at once. */
ALWAYS_INLINE void planar_row(const fc_planar *t, int most, int wide, int64_t narrower)
{
    int64_t channel = 0;
    for (; channel + most <= t->channels; channel += most) planar_channels(t, channel, most, wide, narrower);
    if (most > 6)
        for (; channel + 6 <= t->channels; channel += 6) planar_channels(t, channel, 6, wide, narrower);
    for (; channel + 4 <= t->channels; channel += 4) planar_channels(t, channel, 4, wide, narrower);
    for (; channel + 2 <= t->channels; channel += 2) planar_channels(t, channel, 2, wide, narrower);
    for (; channel < t->channels; channel++) planar_channel(t, channel);
}

/* All rows; `t` stands at one after the other. */
ALWAYS_INLINE void planar_rows(fc_planar *t, int most, int wide, int64_t narrower)
{
    for (int64_t r = 0; r < t->rows; r++) {
        planar_row(t, most, wide, narrower);
        t->input = (const char *)t->input + t->in_row;
        t->output = (char *)t->output + t->out_row;
        if (t->residual) t->residual = (const char *)t->residual + t->out_row;
    }
}

/* Rows are cut into tiles of nearly equal width; the fewer vectors, the more channels. */
static void planar(const fc_planar *given)
{
    fc_planar row = *given; /* a copy that no store can change, so that it stays in registers */
    const planar_cut cut = cut_rows(row.count);
#if VECTOR_BYTES == 64
    switch (cut.wide) {
    case 5: planar_rows(&row, 4, 5, cut.narrower); break;
    case 4: planar_rows(&row, 6, 4, cut.narrower); break;
    case 3: planar_rows(&row, 8, 3, cut.narrower); break;
    default: planar_rows(&row, PLANAR_OC, 2, cut.narrower);
    }
#else
    planar_rows(&row, PLANAR_OC, PLANAR_WIDE, cut.narrower);
#endif
}

#endif
