/* Pooling of small planes, a plane a lane: rows of a few outputs would leave most of a vector empty.
 *
 *   plane 0 | a b c d ...   transposed   a a' a'' a'''   down the columns, along the row    transposed   plane 0 | x y z ...
 *   plane 1 | a' b' c' ...  ->           b b' b'' b'''   -> x x' x'' x'''                   ->           plane 1 | x' y' z'..
 *
 * Sums are those of pool_plane.h, in the same order.
 */
#ifndef FASTCONV_KERNELS_POOL_LANES_H
#define FASTCONV_KERNELS_POOL_LANES_H

#include "pool.h"
#include "transpose.h"

/* The last of the squares that cover `count` items overlaps the one before it. */
ALWAYS_INLINE int64_t square_at(int64_t c, int64_t count) { return c + LANES > count && count > LANES ? count - LANES : c; }

ALWAYS_INLINE void into_lanes(const char *input, ptrdiff_t plane, int64_t planes, int64_t count, vreal *item)
{
    const REAL *first[LANES];
    UNROLLED for (int j = 0; j < LANES; j++) first[j] = (const REAL *)(input + (j < planes ? j : 0) * plane);
    for (int64_t next = 0; next < count; next += LANES) {
        const int64_t c = square_at(next, count);
        vreal x[LANES];
        if (count >= LANES) UNROLLED for (int j = 0; j < LANES; j++) x[j] = load(first[j] + c);
        else UNROLLED for (int j = 0; j < LANES; j++) x[j] = load_partial(first[j], (int)count);
        transpose_square(x);
        UNROLLED for (int i = 0; i < LANES; i++) store(item + c + i, x[i]);
    }
}

ALWAYS_INLINE void out_of_lanes(const vreal *item, int64_t planes, int64_t count, REAL *output)
{
    for (int64_t next = 0; next < count; next += LANES) {
        const int64_t c = square_at(next, count);
        vreal x[LANES];
        UNROLLED for (int i = 0; i < LANES; i++) x[i] = load(item + c + i);
        transpose_square(x);
        UNROLLED for (int j = 0; j < LANES; j++)
            if (j < planes) store_up_to(output + j * count + c, x[j], count);
    }
}

/* `lines` lines of the items from `at` on into the columns, or on top of what is there. */
ALWAYS_INLINE void add_columns(reduction_kind kind, const fc_pool_plane *t, const char *at, int lines, int started, vreal *column)
{
    const ptrdiff_t step = t->line_step * LANES;
    for (int64_t i = 0; i < t->width; i++, at += VECTOR_BYTES) {
        vreal x = started ? reduce(kind, column[i], load(at)) : start(kind, load(at));
        UNROLLED for (int l = 1; l < lines; l++) x = reduce(kind, x, load(at + l * step));
        column[i] = x;
    }
}

/* The columns of one row of windows. */
ALWAYS_INLINE void reduce_columns(reduction_kind kind, const fc_pool_plane *t, const fc_pool_reach *reach, vreal *column)
{
    const char *slice = (const char *)t->buffer + reach->first * LANES;
    int started = 0;
    for (int64_t s = 0; s < reach->slices; s++, slice += t->slice_step * LANES) {
        const char *at = slice;
        for (int64_t left = reach->lines; left > 0; left -= 4, at += 4 * t->line_step * LANES, started = 1) {
            if (started) {
                if (left == 1) add_columns(kind, t, at, 1, 1, column);
                else if (left == 2) add_columns(kind, t, at, 2, 1, column);
                else if (left == 3) add_columns(kind, t, at, 3, 1, column);
                else add_columns(kind, t, at, 4, 1, column);
            } else if (left == 1) add_columns(kind, t, at, 1, 0, column);
            else if (left == 2) add_columns(kind, t, at, 2, 0, column);
            else if (left == 3) add_columns(kind, t, at, 3, 0, column);
            else add_columns(kind, t, at, 4, 0, column);
        }
    }
    if (!started) for (int64_t i = 0; i < t->width; i++) column[i] = splat(neutral(kind));
}

ALWAYS_INLINE void reduce_row(reduction_kind kind, const fc_pool_plane *t, double row_divisor, const vreal *column, vreal *out)
{
    for (int64_t i = 0; i < t->count; i++) {
        const fc_pool_taps w = t->windows[i];
        const vreal *from = column + w.first;
        vreal x = w.count ? from[0] : splat(neutral(kind));
        for (int64_t k = 1; k < w.count; k++) x = reduce(kind, x, from[k * t->dilation]);
        if (kind == REDUCE_SUM) x /= splat((REAL)row_divisor * ((const REAL *)t->col_divisor)[i]);
        out[i] = x;
    }
}

ALWAYS_INLINE void pool_lanes(reduction_kind kind, const fc_pool_lanes *given)
{
    const fc_pool_plane copy = given->each, *t = &copy;
    const int64_t items = given->items, outputs = t->rows * t->count;
    vreal *item = t->buffer, *column = item + items + LANES, *out = column + t->width;
    for (int64_t p = 0; p < given->planes; p += LANES) {
        const int64_t planes = given->planes - p;
        into_lanes((const char *)t->plane + p * given->plane, given->plane, planes, items, item);
        for (int64_t r = 0; r < t->rows; r++) {
            reduce_columns(kind, t, t->reach + r, column);
            reduce_row(kind, t, t->reach[r].divisor, column, out + r * t->count);
        }
        out_of_lanes(out, planes, outputs, (REAL *)t->output + p * outputs);
    }
}

static void max_pool_lanes(const fc_pool_lanes *t) { pool_lanes(REDUCE_MAX, t); }
static void avg_pool_lanes(const fc_pool_lanes *t) { pool_lanes(REDUCE_SUM, t); }

#endif
