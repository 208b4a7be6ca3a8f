/* Pooling along the rows of a plane, in two passes through a buffer in the nearest cache:
 *
 *   rows     a a a a a a a a a a
 *            b b b b b b b b b b     -> buffer  . m m m m m m m m m m .    down the columns, then
 *            c c c c c c c c c c        output    n   n   n   n   n        along the row, every second lane for stride 2
 *
 * The buffer has the neutral value where the window hangs over the edge.
 */
#ifndef FASTCONV_KERNELS_POOL_PLANE_H
#define FASTCONV_KERNELS_POOL_PLANE_H

#include "pool.h"

typedef enum { REDUCE_MAX, REDUCE_SUM } reduction_kind;

ALWAYS_INLINE REAL neutral(reduction_kind kind) { return kind == REDUCE_MAX ? -(REAL)__builtin_inf() : 0; }

ALWAYS_INLINE vreal reduce(reduction_kind kind, vreal so_far, vreal x)
{
    return kind == REDUCE_MAX ? blend(exceeds(x, so_far), x, so_far) : so_far + x;
}

ALWAYS_INLINE REAL reduce_one(reduction_kind kind, REAL so_far, REAL x)
{
    if (kind == REDUCE_SUM) return so_far + x;
    return x > so_far || x != x ? x : so_far;
}

/* Lanes 0, 2, 4 ... of two neighbouring vectors. */
#define EVEN(l, unused) (2 * (l))
ALWAYS_INLINE vreal even_lanes(vreal low, vreal high)
{
    return __builtin_shuffle(low, high, (vint){ALL_LANES(EVEN, )});
}

/* Add or compare the lanes, halves first. */
#define SWAPPED(l, s) ((l) ^ (s))
#define FOLD(s) x = reduce(kind, x, __builtin_shuffle(x, (vint){ALL_LANES(SWAPPED, s)}))
ALWAYS_INLINE REAL across_lanes(reduction_kind kind, vreal x)
{
    if (LANES > 8) FOLD(8);
    if (LANES > 4) FOLD(4);
    if (LANES > 2) FOLD(2);
    FOLD(1);
    return x[0];
}

/* One output: every vector of every row, then the lanes. */
ALWAYS_INLINE REAL whole_window(reduction_kind kind, const fc_pool_plane_row *t)
{
    vreal best = splat(neutral(kind));
    REAL result = neutral(kind);
    for (int64_t r = 0; r < t->rows; r++) {
        const REAL *row = t->row[r];
        int64_t i = 0;
        for (; i + LANES <= t->width; i += LANES) best = reduce(kind, best, load(row + i));
        for (; i < t->width; i++) result = reduce_one(kind, result, row[i]);
    }
    return reduce_one(kind, across_lanes(kind, best), result);
}

ALWAYS_INLINE vreal along_row(reduction_kind kind, const fc_pool_plane_row *t, const REAL *from)
{
    vreal x = splat(neutral(kind));
    for (int64_t k = 0; k < t->kernel; k++, from += t->dilation)
        x = reduce(kind, x, t->stride == 1 ? load(from) : even_lanes(load(from), load(from + LANES)));
    return x;
}

ALWAYS_INLINE REAL along_row_once(reduction_kind kind, const fc_pool_plane_row *t, const REAL *from)
{
    REAL x = neutral(kind);
    for (int64_t k = 0; k < t->kernel; k++) x = reduce_one(kind, x, from[k * t->dilation]);
    return x;
}

ALWAYS_INLINE void fill_row(REAL *from, REAL *to, REAL value)
{
    while (from < to) *from++ = value;
}

/* One row after the other: rows read in turn, a vector of each, would leave the hardware prefetcher behind. */
ALWAYS_INLINE void down_columns(reduction_kind kind, const fc_pool_plane_row *t, REAL *columns)
{
    for (int64_t r = 0; r < t->rows; r++) {
        const REAL *row = t->row[r];
        for (int64_t i = 0; i < t->width; i += LANES) {
            const vreal so_far = r ? load(columns + i) : splat(neutral(kind));
            store(columns + i, reduce(kind, so_far, load_up_to(row + i, t->width - i)));
        }
    }
    if (!t->rows) fill_row(columns, columns + t->width, neutral(kind));
}

ALWAYS_INLINE void pool_plane(reduction_kind kind, const fc_pool_plane_row *t)
{
    REAL *buffer = t->buffer, *out = t->output;
    const REAL *divisor = t->col_divisor;
    if (t->count == 1 && t->kernel == t->width && t->pad == 0 && t->dilation == 1 && t->rows) {
        const REAL x = whole_window(kind, t);
        *out = kind == REDUCE_SUM ? x / ((REAL)t->row_divisor * divisor[0]) : x;
        return;
    }
    const int64_t used = (t->count - 1) * t->stride + (t->kernel - 1) * t->dilation + 1;
    fill_row(buffer, buffer + t->pad, neutral(kind));
    down_columns(kind, t, buffer + t->pad);
    fill_row(buffer + t->pad + t->width, buffer + used, neutral(kind));
    if (t->stride > 2) {
        for (int64_t i = 0; i < t->count; i++) {
            const REAL x = along_row_once(kind, t, buffer + i * t->stride);
            out[i] = kind == REDUCE_SUM ? x / ((REAL)t->row_divisor * divisor[i]) : x;
        }
        return;
    }
    for (int64_t i = 0; i < t->count; i += LANES) {
        const int64_t left = t->count - i;
        vreal x = along_row(kind, t, buffer + i * t->stride);
        if (kind == REDUCE_SUM) x /= (REAL)t->row_divisor * load_up_to(divisor + i, left);
        store_up_to(out + i, x, left);
    }
}

static void max_pool_plane(const fc_pool_plane_row *t) { pool_plane(REDUCE_MAX, t); }
static void avg_pool_plane(const fc_pool_plane_row *t) { pool_plane(REDUCE_SUM, t); }

#endif
