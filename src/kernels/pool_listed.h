/* The second pass of pool_plane.h over windows that are given as a list, in one of three ways:
 *
 *   dense    sums of as many columns as all windows have, from every column on; of these, those where windows begin
 *            columns  a b c d e f g h  ->  sums of two  ab bc cd de ef fg gh  ->  ab cd de fg  ->  + the last columns of some
 *   narrow   at most LANES columns from left to right: a vector of rows, or of windows of one row, transposed and reduced
 *   wide     each window folded into a vector, a vector of these reduced: of a row's windows, or one of each of many rows
 *
 * Which of these is taken depends on how many rows there are, the order of a window's sum on the window alone.
 */
#ifndef FASTCONV_KERNELS_POOL_LISTED_H
#define FASTCONV_KERNELS_POOL_LISTED_H

#include "pool.h"
#include "pool_whole.h"

enum {
    ROW_WORK = 16, /* columns of LANES rows that cost as much to transpose as the windows of one row */
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
#define JOINED(p) if (DENSE_PARTS > p) y = SHUFFLED(y, part[p], ALL_LANES(FROM_PART, p * PART_LANES));
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

ALWAYS_INLINE int pick_once(const fc_pool_plane *t)
{
    if (*t->picked == FC_NOT_PICKED) *t->picked = pick_windows(t, t->picks) ? FC_PICKED : FC_NO_PICKS;
    return *t->picked == FC_PICKED;
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

ALWAYS_INLINE vreal fold_window(reduction_kind kind, const REAL *row, fc_pool_taps w)
{
    return w.count >= LONG_PLANE ? plane_vector(kind, row + w.first, w.count, 1) : plane_vector(kind, row + w.first, w.count, 0);
}

/* Any windows of `rows` rows. */
ALWAYS_INLINE void reduce_wide(reduction_kind kind, const REAL *const row[LANES], int64_t rows, const fc_pool_taps *windows,
                               int64_t count, vreal x[LANES])
{
    for (int64_t i = 0; i < count; i++) {
        vreal y[LANES];
        for (int j = 0; j < LANES; j++) y[j] = j < rows ? fold_window(kind, row[j], windows[i]) : splat(neutral(kind));
        x[i] = reduce_lanes(kind, y);
    }
}

/* LANES windows of one row, of which `count` are there. */
ALWAYS_INLINE vreal narrow_windows(reduction_kind kind, const REAL *row, const fc_pool_taps *windows, int64_t count, int64_t kernel)
{
    vreal x[LANES];
    UNROLLED for (int i = 0; i < LANES; i++) {
        const fc_pool_taps w = windows[i < count ? i : 0];
        x[i] = blend(first_lanes((int)w.count), load(row + w.first), splat(neutral(kind)));
    }
    transpose_square(x);
    vreal y = x[0];
    for (int64_t k = 1; k < kernel; k++) y = reduce(kind, y, x[k]);
    return y;
}

ALWAYS_INLINE vreal wide_windows(reduction_kind kind, const REAL *row, const fc_pool_taps *windows, int64_t count)
{
    vreal x[LANES];
    for (int i = 0; i < LANES; i++) x[i] = i < count ? fold_window(kind, row, windows[i]) : splat(neutral(kind));
    return reduce_lanes(kind, x);
}

ALWAYS_INLINE void store_listed(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t first, int64_t count, vreal x)
{
    REAL *out = (REAL *)((char *)t->output + r * t->out_row) + first;
    if (kind == REDUCE_SUM) x /= (REAL)t->reach[r].divisor * load((const REAL *)t->col_divisor + first);
    if (t->past_cache) store_past_cache(out, x);
    else store_up_to(out, x, t->out_row == t->count * REAL_BYTES ? (t->rows - r) * t->count - first : count);
}

ALWAYS_INLINE const REAL *line_at(const fc_pool_plane *t, const fc_pool_reach *reach, int64_t slice, int64_t line)
{
    return (const REAL *)((const char *)t->plane + reach->first + slice * t->slice_step + line * t->line_step);
}

/* Row r in the buffer; where wide windows look at a single line of the plane, the line itself, which was not copied. What comes from
 * memory is copied as it lies there, and fetched ahead, unless windows are so wide that each is a stream of its own. */
ALWAYS_INLINE int is_line(const fc_pool_plane *t, int64_t r)
{
    const int64_t least = t->streamed ? STREAM_PLANE : LANES + 1;
    return t->kernel >= least && t->reach[r].slices == 1 && t->reach[r].lines == 1;
}

ALWAYS_INLINE const REAL *row_at(const fc_pool_plane *t, int64_t r, const REAL *buffer)
{
    return is_line(t, r) ? line_at(t, t->reach + r, 0, 0) : buffer;
}

/* `count` windows from the first on, of `rows` rows from r on: one vector holds an output of all rows, and LANES of such vectors
 * are transposed back. */
ALWAYS_INLINE void finish_rows(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t rows, const REAL *buffer,
                               int64_t first, int64_t count)
{
    const REAL *row[LANES];
    UNROLLED for (int j = 0; j < LANES; j++) row[j] = j < rows ? row_at(t, r + j, buffer + j * t->pitch) : row[0];
    vreal x[LANES];
    if (t->kernel <= LANES) reduce_narrow(kind, row, t->windows + first, count, x);
    else reduce_wide(kind, row, rows, t->windows + first, count, x);
    for (int64_t i = count; i < LANES; i++) x[i] = (vreal){0};
    transpose_square(x);
    for (int j = 0; j < rows; j++) store_listed(kind, t, r + j, first, count, x[j]);
}

/* The second pass over listed windows. */
ALWAYS_INLINE void finish_listed(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t rows, const REAL *buffer)
{
    for (int64_t at = 0; at < t->count; at += LANES) {
        const int64_t first = at + LANES > t->count && t->count > LANES ? t->count - LANES : at; /* the last overlaps */
        const int64_t count = t->count - first < LANES ? t->count - first : LANES;
        const fc_pool_taps *windows = t->windows + first, *last = windows + count - 1;
        const int64_t span = last->first + last->count - windows->first;
        const int by_rows = t->kernel > LANES ? rows > count : span <= TRANSPOSED - LANES && span < rows * ROW_WORK;
        if (by_rows) finish_rows(kind, t, r, rows, buffer, first, count);
        else for (int64_t j = 0; j < rows; j++) {
            const REAL *row = row_at(t, r + j, buffer + j * t->pitch);
            store_listed(kind, t, r + j, first, count, t->kernel > LANES ? wide_windows(kind, row, windows, count)
                                                                         : narrow_windows(kind, row, windows, count, t->kernel));
        }
    }
}

#endif
