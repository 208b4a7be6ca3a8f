/* The second pass of pool_plane.h over windows that are given as a list, in one of three ways:
 *
 *   dense    sums of as many columns as all windows have, from every column on; of these, those where windows begin
 *            columns  a b c d e f g h  ->  sums of two  ab bc cd de ef fg gh  ->  ab cd de fg  ->  + the last columns of some
 *   narrow   a vector of rows transposed, windows reduced one after the other
 *   wide     each window of a vector of rows folded into a vector, these transposed and reduced
 */
#ifndef FASTCONV_KERNELS_POOL_LISTED_H
#define FASTCONV_KERNELS_POOL_LISTED_H

#include "pool.h"
#include "pool_whole.h"

enum {
    TRANSPOSED = LANES * (LANES + 2),
    DENSE_PARTS = LANES == 16 ? 4 : 2, /* of a vector of outputs, each from a vector of sums */
    PART_LANES = LANES / DENSE_PARTS,
    MOST_DENSE = 3,
};

/* A vector of outputs: lane l is lane lane[l] of the sums from `from` of its part on; `also` where there is one more column. */
typedef struct {
    vint lane, also;
    int64_t first, from[DENSE_PARTS];
} dense_pick;

/* Lane l of the second from the lane on where a part begins, of the first before it. */
#define FROM_PART(l, begin) ((l) < (begin) ? (l) : LANES + (l))
#define JOINED(p) if (DENSE_PARTS > p) y = __builtin_shuffle(y, part[p], (vint){ALL_LANES(FROM_PART, p * PART_LANES)});
ALWAYS_INLINE vreal join_parts(const vreal part[DENSE_PARTS])
{
    vreal y = part[0];
    JOINED(1)
    JOINED(2)
    JOINED(3)
    return y;
}

/* Whether windows are so close and so small that the dense way is the best; then pick[] says where each is. */
ALWAYS_INLINE int pick_windows(const fc_pool_plane *t, dense_pick *pick)
{
    const int64_t common = t->kernel - 1;
    if (common < 1 || common > MOST_DENSE || t->count < LANES) return 0;
    for (int64_t at = 0; at < t->count; at += LANES, pick++) {
        pick->first = at + LANES > t->count ? t->count - LANES : at; /* the last overlaps */
        vint lane, also;
        for (int l = 0; l < LANES; l++) {
            const fc_pool_taps w = t->windows[pick->first + l];
            int64_t *from = pick->from + l / PART_LANES;
            if (l % PART_LANES == 0) *from = w.first;
            if (w.count < common || w.first - *from >= LANES) return 0;
            lane[l] = (ireal)(w.first - *from);
            also[l] = w.count > common ? -1 : 0;
        }
        pick->lane = lane_choice(lane);
        pick->also = also;
    }
    return 1;
}

ALWAYS_INLINE vreal dense_sums(reduction_kind kind, const dense_pick *pick, const REAL *column, int common)
{
    vreal part[DENSE_PARTS], last[DENSE_PARTS];
    UNROLLED for (int p = 0; p < DENSE_PARTS; p++) {
        const REAL *from = column + pick->from[p];
        vreal x = load(from);
        UNROLLED for (int k = 1; k < common; k++) x = reduce(kind, x, load(from + k));
        part[p] = choose_lanes(x, pick->lane);
        last[p] = choose_lanes(load(from + common), pick->lane);
    }
    const vreal also = (vreal)(((vint)join_parts(last) & pick->also) | ((vint)splat(neutral(kind)) & ~pick->also));
    return reduce(kind, join_parts(part), also);
}

ALWAYS_INLINE void finish_dense_row(reduction_kind kind, const fc_pool_plane *t, int64_t r, const dense_pick *pick,
                                    const REAL *column, int common)
{
    REAL *out = (REAL *)((char *)t->output + r * t->out_row);
    for (int64_t at = 0; at < t->count; at += LANES, pick++) {
        vreal x = dense_sums(kind, pick, column, common);
        if (kind == REDUCE_SUM) x /= (REAL)t->reach[r].divisor * load((const REAL *)t->col_divisor + pick->first);
        store(out + pick->first, x);
    }
}

ALWAYS_INLINE void finish_dense(reduction_kind kind, const fc_pool_plane *t, int64_t r, const dense_pick *pick, const REAL *column)
{
    switch (t->kernel - 1) {
    case 1: finish_dense_row(kind, t, r, pick, column, 1); break;
    case 2: finish_dense_row(kind, t, r, pick, column, 2); break;
    default: finish_dense_row(kind, t, r, pick, column, 3);
    }
}

/* Narrow windows of LANES rows: their columns transposed once, x[i] reduces the columns of window i. */
ALWAYS_INLINE void reduce_narrow(reduction_kind kind, const REAL *const row[LANES], const fc_pool_taps *windows, int64_t count,
                                 vreal x[LANES])
{
    vreal column[TRANSPOSED];
    const int64_t origin = windows[0].first, span = windows[count - 1].first + windows[count - 1].count - origin;
    for (int64_t c = 0; c < span; c += LANES) {
        UNROLLED for (int j = 0; j < LANES; j++) column[c + j] = load(row[j] + origin + c);
        transpose_square(column + c);
    }
    for (int64_t i = 0; i < count; i++) {
        const vreal *from = column + (windows[i].first - origin);
        vreal y = from[0];
        for (int64_t k = 1; k < windows[i].count; k++) y = reduce(kind, y, from[k]);
        x[i] = y;
    }
}

/* Any windows of LANES rows: each folded into a vector, these transposed and reduced. */
ALWAYS_INLINE void reduce_wide(reduction_kind kind, const REAL *const row[LANES], const fc_pool_taps *windows, int64_t count,
                               vreal x[LANES])
{
    for (int64_t i = 0; i < count; i++) {
        const fc_pool_taps w = windows[i];
        vreal y[LANES];
        if (w.count >= LONG_PLANE)
            for (int j = 0; j < LANES; j++) y[j] = plane_vector(kind, row[j] + w.first, w.count, 1);
        else UNROLLED for (int j = 0; j < LANES; j++) y[j] = plane_vector(kind, row[j] + w.first, w.count, 0);
        x[i] = reduce_lanes(kind, y);
    }
}

/* The second pass over listed windows, `rows` rows from r on: one vector holds an output of all rows, and LANES of such
 * vectors are transposed back. */
ALWAYS_INLINE void finish_listed(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t rows, const REAL *buffer)
{
    const REAL *row[LANES];
    UNROLLED for (int j = 0; j < LANES; j++) row[j] = buffer + (j < rows ? j : 0) * t->pitch;
    for (int64_t at = 0; at < t->count; at += LANES) {
        const int64_t first = at + LANES > t->count && t->count > LANES ? t->count - LANES : at; /* the last overlaps */
        const int64_t count = t->count - first < LANES ? t->count - first : LANES;
        const fc_pool_taps *windows = t->windows + first, *last = windows + count - 1;
        const int narrow = t->kernel <= LANES && last->first + last->count - windows->first <= TRANSPOSED - LANES;
        vreal x[LANES];
        if (narrow) reduce_narrow(kind, row, windows, count, x);
        else reduce_wide(kind, row, windows, count, x);
        for (int64_t i = count; i < LANES; i++) x[i] = (vreal){0};
        transpose_square(x);
        const vreal divisor = kind == REDUCE_SUM ? load((const REAL *)t->col_divisor + first) : (vreal){0};
        for (int j = 0; j < rows; j++) {
            REAL *out = (REAL *)((char *)t->output + (r + j) * t->out_row) + first;
            if (kind == REDUCE_SUM) x[j] /= (REAL)t->reach[r + j].divisor * divisor;
            if (t->past_cache) store_past_cache(out, x[j]);
            else store_up_to(out, x[j], t->out_row == t->count * REAL_BYTES ? (t->rows - r - j) * t->count - first : count);
        }
    }
}

#endif
