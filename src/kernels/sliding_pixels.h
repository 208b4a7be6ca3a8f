/* 3x3 windows that slide over pixels which hold their channels side by side, each channel by itself: vectors of channels, some
 * neighbouring outputs at once.
 *
 * Of windows that lie inside, each input is loaded once for the (up to three) outputs whose windows it is in. Others are computed
 * one by one: what lies outside is a pixel of zeros. A sum takes its taps in their order either way.
 */
#ifndef FASTCONV_KERNELS_SLIDING_PIXELS_H
#define FASTCONV_KERNELS_SLIDING_PIXELS_H

#include "sliding.h"

enum { SLIDING_PX = 4 };

/* What is a constant for the maps that matter. px: of a tile; whole: vectors are; plain: clipped at most, nothing added. */
typedef struct {
    int px, stride, whole, plain;
} pixels_shape;

ALWAYS_INLINE vreal load_channels(const void *p, pixels_shape is, int64_t channels)
{
    return is.whole ? load(p) : load_up_to(p, channels);
}

/* The outputs from `at` bytes of a pixel on, of which `left` channels are left. */
ALWAYS_INLINE void store_pixels(const fc_sliding_pixels *t, pixels_shape is, vreal acc[SLIDING_PX], ptrdiff_t at, int64_t left,
                                char *out)
{
    const vreal bias = t->bias ? load_channels((const char *)t->bias + at, is, left) : (vreal){0};
    const vreal lower = splat(lower_bound(&t->activation)), upper = splat(upper_bound(&t->activation));
    UNROLLED for (int p = 0; p < is.px; p++, out += t->out_px) {
        acc[p] += bias;
        if (is.plain) {
            store(out + at, at_most(upper, at_least(lower, acc[p])));
            continue;
        }
        if (t->residual) acc[p] += load_up_to((const char *)t->residual + (out + at - (char *)t->output), left);
        store_up_to(out + at, finish(acc[p], &t->activation), left);
    }
}

/* All channels of the outputs at `out`, whose windows lie inside and start at `input`. */
ALWAYS_INLINE void inner_pixels(const fc_sliding_pixels *t, pixels_shape is, const char *input, char *out)
{
    for (int64_t channel = 0; channel < t->channels; channel += LANES) {
        /* The last vector is moved to the left to be a whole one, where there are as many channels. */
        const int64_t first = is.whole && channel + LANES > t->channels ? t->channels - LANES : channel;
        const ptrdiff_t at = first * REAL_BYTES;
        vreal acc[SLIDING_PX];
        UNROLLED for (int p = 0; p < is.px; p++) acc[p] = (vreal){0};
        UNROLLED for (int i = 0; i < WINDOW; i++) {
            const char *pixel = input + i * t->in_row + at, *filter = (const char *)t->filter + i * WINDOW * t->filter_row + at;
            vreal w[WINDOW];
            UNROLLED for (int j = 0; j < WINDOW; j++) w[j] = load_channels(filter + j * t->filter_row, is, t->channels - first);
            UNROLLED for (int q = 0; q < (is.px - 1) * is.stride + WINDOW; q++, pixel += t->in_px) {
                const vreal x = load_channels(pixel, is, t->channels - first);
                UNROLLED for (int p = 0; p < is.px; p++) {
                    const int j = q - p * is.stride;
                    if (j >= 0 && j < WINDOW) ACCUMULATE(acc[p], x, w[j]);
                }
            }
        }
        store_pixels(t, is, acc, at, t->channels - first, out);
    }
}

/* All channels of one output whose window may reach beyond the map. */
ALWAYS_INLINE void edge_pixel(const fc_sliding_pixels *t, pixels_shape is, int64_t row, int64_t col, char *out)
{
    const char *tap[WINDOW_TAPS];
    for (int s = 0; s < WINDOW_TAPS; s++) {
        const int64_t y = row * is.stride - t->top + s / WINDOW, x = col * is.stride - t->left + s % WINDOW;
        const int inside = y >= 0 && y < t->in_rows && x >= 0 && x < t->in_cols;
        tap[s] = inside ? (const char *)t->input + y * t->in_row + x * t->in_px : t->zeros;
    }
    for (int64_t channel = 0; channel < t->channels; channel += LANES) {
        const int64_t first = is.whole && channel + LANES > t->channels ? t->channels - LANES : channel;
        const ptrdiff_t at = first * REAL_BYTES;
        vreal acc[SLIDING_PX] = {(vreal){0}};
        UNROLLED for (int s = 0; s < WINDOW_TAPS; s++)
            ACCUMULATE(acc[0], load_channels(tap[s] + at, is, t->channels - first),
                       load_channels((const char *)t->filter + s * t->filter_row + at, is, t->channels - first));
        store_pixels(t, is, acc, at, t->channels - first, out);
    }
}

ALWAYS_INLINE void sliding_pixel_rows(const fc_sliding_pixels *given, pixels_shape is)
{
    const fc_sliding_pixels t = *given; /* in registers: for all the compiler knows, a store changes *given */
    const pixels_shape one = {1, is.stride, is.whole, is.plain};
    for (int64_t row = t.first; row < t.end; row++) {
        char *out = (char *)t.output + row * t.out_row;
        const int64_t y = row * is.stride - t.top;
        const int inner_row = y >= 0 && y + WINDOW <= t.in_rows;
        const int64_t from = inner_row ? (t.left + is.stride - 1) / is.stride : t.cols;
        int64_t col = 0;
        for (; col < from && col < t.cols; col++) edge_pixel(&t, one, row, col, out + col * t.out_px);
        const char *input = (const char *)t.input + y * t.in_row - t.left * t.in_px;
        const ptrdiff_t step = is.stride * t.in_px;
        for (; (col + is.px - 1) * is.stride - t.left + WINDOW <= t.in_cols && col + is.px <= t.cols; col += is.px)
            inner_pixels(&t, is, input + col * step, out + col * t.out_px);
        for (; col * is.stride - t.left + WINDOW <= t.in_cols && col < t.cols; col++)
            inner_pixels(&t, one, input + col * step, out + col * t.out_px);
        for (; col < t.cols; col++) edge_pixel(&t, one, row, col, out + col * t.out_px);
    }
}

static void sliding_pixels(const fc_sliding_pixels *t)
{
    const int whole = t->channels >= LANES, plain = whole && !t->residual && fc_is_clip(&t->activation);
    if (t->stride == 1 && plain) sliding_pixel_rows(t, (pixels_shape){SLIDING_PX, 1, 1, 1});
    else if (t->stride == 1 && whole) sliding_pixel_rows(t, (pixels_shape){SLIDING_PX, 1, 1, 0});
    else if (t->stride == 1) sliding_pixel_rows(t, (pixels_shape){SLIDING_PX, 1, 0, 0});
    else if (plain) sliding_pixel_rows(t, (pixels_shape){SLIDING_PX, 2, 1, 1});
    else if (whole) sliding_pixel_rows(t, (pixels_shape){SLIDING_PX, 2, 1, 0});
    else sliding_pixel_rows(t, (pixels_shape){SLIDING_PX, 2, 0, 0});
}

#endif
