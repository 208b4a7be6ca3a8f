/* Pooling of whole planes: a vector of partial results for each of LANES planes, then one transposition for all of them.
 *
 *   plane 0  | a a a a | a a a a | a . . .      ->  x[0]  a a a a        ->  one vector: plane 0, plane 1, plane 2, plane 3
 *   plane 1  | b b b b | b b b b | b . . .          x[1]  b b b b            (transposed, then reduced)
 */
#ifndef FASTCONV_KERNELS_POOL_WHOLE_H
#define FASTCONV_KERNELS_POOL_WHOLE_H

#include "pool.h"
#include "transpose.h"

enum {
    CHAINS = 4,
    AHEAD = 2, /* vectors of planes */
    LONG_PLANE = 2 * CHAINS * LANES,
    TOGETHER = LANES < 4 ? LANES : 4,
    STREAM_CHAINS = 2,
    STREAM_PLANE = 8192 / REAL_BYTES, /* two pages */
};

/* 0, 1, 2 ... */
#define LANE(l, unused) (l)
ALWAYS_INLINE vreal lane_numbers(void) { return (vreal){ALL_LANES(LANE, )}; }

/* The items from i on. */
ALWAYS_INLINE vreal add_rest(reduction_kind kind, vreal so_far, const REAL *plane, int64_t i, int64_t items)
{
    for (; i + LANES <= items; i += LANES) so_far = reduce(kind, so_far, load(plane + i));
    if (i == items) return so_far;
    const vmask present = greater(splat((REAL)(items - i)), lane_numbers());
    return reduce(kind, so_far, blend(present, load_partial(plane + i, (int)(items - i)), splat(neutral(kind))));
}

/* Long planes in CHAINS sums, for each addition waits for the one before it. */
ALWAYS_INLINE vreal plane_vector(reduction_kind kind, const REAL *plane, int64_t items, int is_long)
{
    vreal so_far = splat(neutral(kind));
    int64_t i = 0;
    if (is_long) {
        vreal x[CHAINS];
        UNROLLED for (int c = 0; c < CHAINS; c++) x[c] = so_far;
        for (; i + CHAINS * LANES <= items; i += CHAINS * LANES)
            UNROLLED for (int c = 0; c < CHAINS; c++) x[c] = reduce(kind, x[c], load(plane + i + c * LANES));
        so_far = reduce(kind, reduce(kind, x[0], x[1]), reduce(kind, x[2], x[3]));
    }
    return add_rest(kind, so_far, plane, i, items);
}

/* Planes of several pages in turn: the hardware fetches ahead to the end of a page, and until it follows the next one the
 * others go on. */
ALWAYS_INLINE void plane_streams(reduction_kind kind, const REAL *const plane[TOGETHER], int64_t items, vreal x[TOGETHER])
{
    vreal so_far[TOGETHER][STREAM_CHAINS];
    int64_t i = 0;
    UNROLLED for (int p = 0; p < TOGETHER; p++)
        UNROLLED for (int c = 0; c < STREAM_CHAINS; c++) so_far[p][c] = splat(neutral(kind));
    for (; i + STREAM_CHAINS * LANES <= items; i += STREAM_CHAINS * LANES)
        UNROLLED for (int p = 0; p < TOGETHER; p++)
            UNROLLED for (int c = 0; c < STREAM_CHAINS; c++)
                so_far[p][c] = reduce(kind, so_far[p][c], load(plane[p] + i + c * LANES));
    UNROLLED for (int p = 0; p < TOGETHER; p++)
        x[p] = add_rest(kind, reduce(kind, so_far[p][0], so_far[p][1]), plane[p], i, items);
}

/* Lane l of the result reduces x[l]. */
ALWAYS_INLINE vreal reduce_lanes(reduction_kind kind, vreal x[LANES])
{
    transpose_square(x);
    UNROLLED for (int i = 1; i < LANES; i++) x[0] = reduce(kind, x[0], x[i]);
    return x[0];
}

typedef enum { SHORT, LONG, STREAMS } plane_kind;

ALWAYS_INLINE void fetch_planes(const char *first, ptrdiff_t bytes)
{
    for (ptrdiff_t at = 0; at < bytes; at += BLOCK_BYTES) fetch(first + at);
}

ALWAYS_INLINE void pool_planes(reduction_kind kind, const fc_pool_whole *t, plane_kind planes)
{
    for (int64_t p = 0; p < t->planes; p += LANES) {
        const int64_t left = t->planes - p;
        const REAL *plane[LANES];
        vreal x[LANES];
        UNROLLED for (int i = 0; i < LANES; i++) plane[i] = (const REAL *)((const char *)t->input + (p + (i < left ? i : 0)) * t->plane);
        if (planes == SHORT && t->streamed) fetch_planes((const char *)plane[0] + AHEAD * LANES * t->plane, LANES * t->plane);
        if (planes == STREAMS) for (int i = 0; i < LANES; i += TOGETHER) plane_streams(kind, plane + i, t->items, x + i);
        else UNROLLED for (int i = 0; i < LANES; i++) x[i] = plane_vector(kind, plane[i], t->items, planes == LONG);
        vreal y = reduce_lanes(kind, x);
        if (kind == REDUCE_SUM) y /= (REAL)t->divisor;
        store_up_to((REAL *)t->output + p, y, left);
    }
}

ALWAYS_INLINE void pool_whole(reduction_kind kind, const fc_pool_whole *t)
{
    if (t->items >= STREAM_PLANE) pool_planes(kind, t, STREAMS);
    else if (t->items >= LONG_PLANE) pool_planes(kind, t, LONG);
    else pool_planes(kind, t, SHORT);
}

static void max_pool_whole(const fc_pool_whole *t) { pool_whole(REDUCE_MAX, t); }
static void avg_pool_whole(const fc_pool_whole *t) { pool_whole(REDUCE_SUM, t); }

#endif
