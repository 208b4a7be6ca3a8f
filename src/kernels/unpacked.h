/* A few pixels by a filter that is not packed, for it is used once: squares of it are transposed in registers.
 *
 *   oc 0   k0 k1 k2 ...            k0: oc0 oc1 oc2 ...      each k: a multiply-add for each pixel
 *   oc 1   k0 k1 k2 ...     ->     k1: oc0 oc1 oc2 ...
 */
#ifndef FASTCONV_KERNELS_UNPACKED_H
#define FASTCONV_KERNELS_UNPACKED_H

#include "activation.h"
#include "transpose.h"

enum { ROW_AHEAD_BYTES = 512, PIXELS_AT_ONCE = 4 };

/* LANES columns of the rows from `row` on, or `columns` of `rows` of them. */
ALWAYS_INLINE void load_filter_square(const char *row, ptrdiff_t stride, int64_t rows, int64_t columns, int whole, vreal x[LANES])
{
    UNROLLED for (int i = 0; i < LANES; i++) {
        if (whole) fetch_near(row + i * stride + ROW_AHEAD_BYTES);
        x[i] = whole ? load(row + i * stride) : i < rows ? load_up_to(row + i * stride, columns) : (vreal){0};
    }
    transpose_square(x);
}

/* `columns` products of each pixel. */
ALWAYS_INLINE void add_products(const fc_unpacked *t, const char *input, const vreal x[LANES], int64_t columns, int pixels,
                               vreal acc[PIXELS_AT_ONCE])
{
    UNROLLED for (int k = 0; k < LANES; k++)
        if (k < columns)
            UNROLLED for (int p = 0; p < pixels; p++)
                ACCUMULATE_ITEM(acc[p], (const REAL *)(input + p * t->px_stride + k * REAL_BYTES), x[k]);
}

/* The output channels [first, first + LANES). */
ALWAYS_INLINE void unpacked_lanes(const fc_unpacked *t, int64_t first, int pixels)
{
    const char *row = (const char *)t->weight + first * t->row_stride;
    const int64_t rows = t->channels - first;
    vreal acc[PIXELS_AT_ONCE], x[LANES];
    UNROLLED for (int p = 0; p < pixels; p++) acc[p] = (vreal){0};
    for (int64_t at = 0; at < t->depth; at += LANES, row += VECTOR_BYTES) {
        const char *input = (const char *)t->input + at / BLOCK * t->block_stride + at % BLOCK * REAL_BYTES;
        const int64_t columns = t->depth - at;
        if (rows >= LANES && columns >= LANES) {
            load_filter_square(row, t->row_stride, LANES, LANES, 1, x);
            add_products(t, input, x, LANES, pixels, acc);
        } else {
            load_filter_square(row, t->row_stride, rows, columns, 0, x);
            add_products(t, input, x, columns, pixels, acc);
        }
    }
    const vreal bias = load((const REAL *)t->bias + first);
    char *out = (char *)t->output + first / BLOCK * t->out_block + first % BLOCK * REAL_BYTES;
    UNROLLED for (int p = 0; p < pixels; p++) store(out + p * BLOCK_BYTES, add_in_order(acc[p], bias));
}

/* The pixels from `first` on, and their number. */
ALWAYS_INLINE int unpacked_pixels(const fc_unpacked *given, int64_t first, int pixels)
{
    fc_unpacked t = *given;
    t.input = (const char *)given->input + first * given->px_stride;
    t.output = (char *)given->output + first * BLOCK_BYTES;
    for (int64_t c = 0; c < t.channels; c += LANES) unpacked_lanes(&t, c, pixels);
    return pixels;
}

static void unpacked(const fc_unpacked *t)
{
    for (int64_t p = 0, left; (left = t->pixels - p) > 0;) {
        if (left >= PIXELS_AT_ONCE) p += unpacked_pixels(t, p, PIXELS_AT_ONCE);
        else if (left == 3) p += unpacked_pixels(t, p, 3);
        else if (left == 2) p += unpacked_pixels(t, p, 2);
        else p += unpacked_pixels(t, p, 1);
    }
}

#endif
