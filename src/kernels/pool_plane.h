/* Pooling along the rows of a plane, in two passes through a buffer in the nearest cache:
 *
 *   rows     a a a a a a a a a a
 *            b b b b b b b b b b     -> buffer  . m m m m m m m m m m .    down the columns, then
 *            c c c c c c c c c c        output    n   n   n   n   n        along the row, every second lane for stride 2
 *
 * The buffer has the neutral value where the window hangs over the edge. Several rows of outputs go through the first pass
 * before the second, whose unaligned loads would otherwise wait for stores that have not reached the cache.
 *
 * With the widest vectors, windows of 3x3 take one pass: columns stay in registers, of which neighbouring ones are put together.
 */
#ifndef FASTCONV_KERNELS_POOL_PLANE_H
#define FASTCONV_KERNELS_POOL_PLANE_H

#include "pool.h"
#include "pool_listed.h"

enum { LINES = 4, THREE = 3, SLIDES = VECTOR_BYTES == 64 };

ALWAYS_INLINE void fill_row(REAL *from, REAL *to, REAL value)
{
    while (from < to) *from++ = value;
}

/* One vector of `lines` of them into the buffer, or on top of what is there, in the order of the lines. What is far ahead is
 * fetched, as it lies in memory and not in turn from each line, which would leave the hardware prefetcher behind; as far as the
 * second level, for the first has too few places for lines that are on their way from memory. */
ALWAYS_INLINE void add_vectors(reduction_kind kind, const REAL *const line[LINES], int64_t i, int64_t left, int lines, int started,
                               REAL *columns)
{
    const vreal first = load_up_to(line[0] + i, left);
    vreal x = started ? reduce(kind, load(columns + i), first) : start(kind, first);
    UNROLLED for (int l = 1; l < lines; l++) x = reduce(kind, x, load_up_to(line[l] + i, left));
    const char *ahead = (const char *)(line[0] + i * lines) + FC_AHEAD_BYTES;
    UNROLLED for (int b = 0; b < lines * VECTOR_BYTES; b += BLOCK_BYTES) fetch(ahead + b);
    store(columns + i, x);
}

ALWAYS_INLINE void add_lines(reduction_kind kind, const fc_pool_plane *t, const REAL *const line[LINES], int lines, int started,
                             REAL *columns)
{
    const int64_t whole = t->guarded ? t->width - LANES + 1 : t->width;
    int64_t i = 0;
    for (; i < whole; i += LANES) add_vectors(kind, line, i, LANES, lines, started, columns);
    if (i < t->width) add_vectors(kind, line, i, t->width - i, lines, started, columns);
}

/* Of a window's lines, how many go together from line l on; of tall ones that come from memory one. */
ALWAYS_INLINE int64_t lines_at_once(const fc_pool_plane *t, int64_t lines, int64_t l)
{
    return t->streamed && lines > LINES ? 1 : lines - l < LINES ? lines - l : LINES;
}

/* The neutral value where windows hang over the ends of a row. */
ALWAYS_INLINE void fill_ends(reduction_kind kind, const fc_pool_plane *t, REAL *buffer)
{
    const int64_t used = t->windows ? t->width : (t->count - 1) * t->stride + (t->kernel - 1) * t->dilation + 1;
    fill_row(buffer, buffer + t->pad, neutral(kind));
    fill_row(buffer + t->pad + t->width, buffer + used, neutral(kind));
}

/* The first `lines` lines of the windows of some rows. */
ALWAYS_INLINE void start_columns(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t end, int lines, REAL *buffer)
{
    for (; r < end; r++, buffer += t->pitch) {
        const REAL *line[LINES];
        UNROLLED for (int l = 0; l < LINES; l++) line[l] = line_at(t, t->reach + r, 0, l < lines ? l : 0);
        add_lines(kind, t, line, lines, 0, buffer + t->pad);
        fill_ends(kind, t, buffer);
    }
}

/* All lines but the first `l` of the windows of a row, whose ends whole vectors overwrite. */
ALWAYS_INLINE void finish_columns(reduction_kind kind, const fc_pool_plane *t, const fc_pool_reach *reach, int64_t l, REAL *buffer)
{
    REAL *columns = buffer + t->pad;
    for (int64_t s = 0; s < reach->slices; s++, l = 0)
        for (int64_t at_once; l < reach->lines; l += at_once) {
            const REAL *line[LINES];
            at_once = lines_at_once(t, reach->lines, l);
            UNROLLED for (int i = 0; i < LINES; i++) line[i] = line_at(t, reach, s, i < at_once ? l + i : l);
            switch (at_once) {
            case 1: add_lines(kind, t, line, 1, 1, columns); break;
            case 2: add_lines(kind, t, line, 2, 1, columns); break;
            case 3: add_lines(kind, t, line, 3, 1, columns); break;
            default: add_lines(kind, t, line, 4, 1, columns);
            }
        }
    fill_ends(kind, t, buffer);
}

/* Columns of the rows [r, end): those of small windows alike together. */
ALWAYS_INLINE void first_pass(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t end, REAL *buffer)
{
    for (int64_t next; r < end; buffer += (next - r) * t->pitch, r = next) {
        const fc_pool_reach *reach = t->reach + r;
        const int64_t lines = reach->slices ? lines_at_once(t, reach->lines, 0) : 0;
        const int whole = lines && reach->slices == 1 && lines == reach->lines;
        for (next = r + 1; whole && next < end && t->reach[next].slices == 1 && t->reach[next].lines == lines;) next++;
        switch (lines) {
        case 0: fill_row(buffer, buffer + t->pad + t->width, neutral(kind)); fill_ends(kind, t, buffer); break;
        case 1: start_columns(kind, t, r, next, 1, buffer); break;
        case 2: start_columns(kind, t, r, next, 2, buffer); break;
        case 3: start_columns(kind, t, r, next, 3, buffer); break;
        default: start_columns(kind, t, r, next, 4, buffer);
        }
        if (!whole) finish_columns(kind, t, reach, lines, buffer);
    }
}

typedef struct {
    int64_t kernel, stride, dilation;
} row_window;

/* A vector of outputs whose first window starts at `from`. */
ALWAYS_INLINE vreal along_row(reduction_kind kind, const REAL *from, row_window w)
{
    vreal x = {0};
    if (w.stride == 2 && w.dilation == 1) {
        for (int64_t k = 0; k < w.kernel; k += 2) {
            const vreal low = load(from + k), high = load(from + k + LANES), even = even_lanes(low, high);
            x = k ? reduce(kind, x, even) : even;
            if (k + 1 < w.kernel) x = reduce(kind, x, odd_lanes(low, high));
        }
        return x;
    }
    for (int64_t k = 0; k < w.kernel; k++, from += w.dilation) {
        const vreal next = w.stride == 1 ? load(from) : even_lanes(load(from), load(from + LANES));
        x = k ? reduce(kind, x, next) : next;
    }
    return x;
}

/* Where a row of outputs goes; room: items that may be written. */
typedef struct {
    REAL *out;
    int64_t room;
    vreal divisor;
} row_end;

ALWAYS_INLINE row_end end_of_row(const fc_pool_plane *t, int64_t r)
{
    return (row_end){(REAL *)((char *)t->output + r * t->out_row),
                     t->out_row == t->count * REAL_BYTES ? (t->rows - r) * t->count : t->count, splat((REAL)t->reach[r].divisor)};
}

ALWAYS_INLINE void finish_vector(reduction_kind kind, const fc_pool_plane *t, const row_end *end, int64_t i, vreal x)
{
    if (kind == REDUCE_SUM) x /= end->divisor * load((const REAL *)t->col_divisor + (t->joined ? 0 : i));
    if (t->past_cache) store_past_cache(end->out + i, x);
    else store_up_to(end->out + i, x, end->room - i);
}

/* The second pass over `count` outputs from row r on. */
ALWAYS_INLINE void finish_row(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t count, const REAL *buffer,
                              row_window w)
{
    const row_end end = end_of_row(t, r);
    for (int64_t i = 0; i < count; i += LANES) finish_vector(kind, t, &end, i, along_row(kind, buffer + i * w.stride, w));
}

/* The rows [r, end), which are as good as one if they are joined. */
ALWAYS_INLINE void finish_plain_rows(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t end, const REAL *buffer,
                                     row_window w)
{
    if (t->joined) finish_row(kind, t, r, (end - r) * t->count, buffer, w);
    else for (; r < end; r++, buffer += t->pitch) finish_row(kind, t, r, t->count, buffer, w);
}

/* Windows too far apart for whole vectors. */
ALWAYS_INLINE void finish_sparse_row(reduction_kind kind, const fc_pool_plane *t, int64_t r, const REAL *buffer)
{
    REAL *out = (REAL *)((char *)t->output + r * t->out_row);
    for (int64_t i = 0; i < t->count; i++) {
        const REAL *from = buffer + i * t->stride;
        vreal x = splat(neutral(kind));
        for (int64_t k = 0; k < t->kernel; k++) x = reduce(kind, x, splat(from[k * t->dilation]));
        out[i] = kind == REDUCE_SUM ? x[0] / ((REAL)t->reach[r].divisor * ((const REAL *)t->col_divisor)[i]) : x[0];
    }
}

ALWAYS_INLINE void second_pass(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t end, const REAL *buffer)
{
    const row_window w = {t->kernel, t->stride, t->dilation};
    if (w.stride > 2) for (; r < end; r++, buffer += t->pitch) finish_sparse_row(kind, t, r, buffer);
    else if (w.kernel == 2 && w.stride == 2 && w.dilation == 1) finish_plain_rows(kind, t, r, end, buffer, (row_window){2, 2, 1});
    else if (!SLIDES && w.kernel == 3 && w.stride == 2 && w.dilation == 1)
        finish_plain_rows(kind, t, r, end, buffer, (row_window){3, 2, 1});
    else if (!SLIDES && w.kernel == 3 && w.stride == 1 && w.dilation == 1)
        finish_plain_rows(kind, t, r, end, buffer, (row_window){3, 1, 1});
    else finish_plain_rows(kind, t, r, end, buffer, w);
}

/* LANES columns from i on of three lines, the last `left` of a row and then the neutral value. */
ALWAYS_INLINE vreal three_lines_at_end(reduction_kind kind, const REAL *const line[THREE], int64_t i, int64_t left)
{
    if (left <= 0) return splat(neutral(kind));
    vreal x = start(kind, load_partial(line[0] + i, (int)left));
    UNROLLED for (int l = 1; l < THREE; l++) x = reduce(kind, x, load_partial(line[l] + i, (int)left));
    return blend(first_lanes((int)left), x, splat(neutral(kind)));
}

static ONE_COPY vreal max_at_end(const REAL *const line[THREE], int64_t i, int64_t left)
{
    return three_lines_at_end(REDUCE_MAX, line, i, left);
}

static ONE_COPY vreal sum_at_end(const REAL *const line[THREE], int64_t i, int64_t left)
{
    return three_lines_at_end(REDUCE_SUM, line, i, left);
}

ALWAYS_INLINE vreal three_lines(reduction_kind kind, const fc_pool_plane *t, const REAL *const line[THREE], int64_t i)
{
    const int64_t left = t->width - i;
    if (left < LANES) return kind == REDUCE_MAX ? max_at_end(line, i, left) : sum_at_end(line, i, left);
    return reduce(kind, reduce(kind, start(kind, load(line[0] + i)), load(line[1] + i)), load(line[2] + i));
}

/* What is new in a row lies `stride` lines behind the row before, and is fetched as it lies in memory. */
ALWAYS_INLINE void fetch_lines(const REAL *first, int64_t i, int stride)
{
    const char *ahead = (const char *)(first + i * stride * stride) + FC_AHEAD_BYTES;
    UNROLLED for (int b = 0; b < stride * stride * VECTOR_BYTES; b += BLOCK_BYTES) fetch(ahead + b);
}

/* LANES items of x and y from item `begin` of x on. */
#define FROM_ITEM(l, begin) ((l) + (begin))
#define ACROSS(x, y, begin) SHUFFLED(x, y, ALL_LANES(FROM_ITEM, begin))

/* A row of windows of three columns, one apart, in one pass: columns stay in registers. */
ALWAYS_INLINE void slide_by_one(reduction_kind kind, const fc_pool_plane *t, const REAL *const line[THREE], const row_end *end, int pad)
{
    vreal before = splat(neutral(kind)), x = three_lines(kind, t, line, 0);
    for (int64_t i = 0; i < t->count; i += LANES) {
        const vreal behind = three_lines(kind, t, line, i + LANES), next = ACROSS(x, behind, 1);
        fetch_lines(line[0], i, 1);
        const vreal first = pad ? ACROSS(before, x, LANES - 1) : x;
        const vreal y = pad ? reduce(kind, reduce(kind, first, x), next) : reduce(kind, reduce(kind, first, next), ACROSS(x, behind, 2));
        finish_vector(kind, t, end, i, y);
        before = x;
        x = behind;
    }
}

/* The same, two apart: of a window's columns one or two are even, from the padding on. */
ALWAYS_INLINE void slide_by_two(reduction_kind kind, const fc_pool_plane *t, const REAL *const line[THREE], const row_end *end, int pad)
{
    vreal before = splat(neutral(kind)), x = three_lines(kind, t, line, 0), y = three_lines(kind, t, line, LANES);
    for (int64_t i = 0; i < t->count; i += LANES) {
        const vreal even = even_lanes(x, y), odd = odd_lanes(x, y);
        fetch_lines(line[0], i, 2);
        x = three_lines(kind, t, line, 2 * (i + LANES));
        y = three_lines(kind, t, line, 2 * (i + LANES) + LANES);
        if (pad) {
            finish_vector(kind, t, end, i, reduce(kind, reduce(kind, ACROSS(before, odd, LANES - 1), even), odd));
            before = odd;
        } else {
            finish_vector(kind, t, end, i, reduce(kind, reduce(kind, even, odd), ACROSS(even, even_lanes(x, y), 1)));
        }
    }
}

/* Whether windows of three columns, one or two apart, slide in the rows that see three lines: where vectors are narrower than a line of
 * the cache, moving their items takes longer than the buffer does. */
ALWAYS_INLINE int slides(const fc_pool_plane *t)
{
    return SLIDES && t->kernel == THREE && t->dilation == 1 && t->stride <= 2 && t->pad <= 1 && !t->windows && !t->joined;
}

ALWAYS_INLINE int sees_three_lines(const fc_pool_reach *reach) { return reach->slices == 1 && reach->lines == THREE; }

ALWAYS_INLINE void slide_rows(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t last, int stride, int pad)
{
    for (; r < last; r++) {
        const REAL *line[THREE];
        UNROLLED for (int l = 0; l < THREE; l++) line[l] = line_at(t, t->reach + r, 0, l);
        const row_end end = end_of_row(t, r);
        if (stride == 1) slide_by_one(kind, t, line, &end, pad);
        else slide_by_two(kind, t, line, &end, pad);
    }
}

/* The rows from r on that see three lines; returns the first behind. */
ALWAYS_INLINE int64_t slide(reduction_kind kind, const fc_pool_plane *t, int64_t r)
{
    int64_t last = r;
    while (last < t->rows && sees_three_lines(t->reach + last)) last++;
    if (last == r) return r;
    if (t->stride == 1) {
        if (t->pad) slide_rows(kind, t, r, last, 1, 1);
        else slide_rows(kind, t, r, last, 1, 0);
    } else if (t->pad) {
        slide_rows(kind, t, r, last, 2, 1);
    } else {
        slide_rows(kind, t, r, last, 2, 0);
    }
    return last;
}

ALWAYS_INLINE void pool_plane(reduction_kind kind, const fc_pool_plane *given)
{
    const fc_pool_plane copy = *given, *t = &copy; /* in registers: for all the compiler knows, a store changes *given */
    const int dense = t->windows && pick_once(t), listed = t->windows && !dense, sliding = slides(t);
    const int64_t together = sliding ? 1 : t->together;
    for (int64_t first = 0, end; first < t->rows; first = end) {
        if (sliding && (end = slide(kind, t, first)) > first) continue;
        end = first + together < t->rows ? first + together : t->rows;
        REAL *buffer = t->buffer;
        for (int64_t r = first, next; r < end; r = next, buffer += t->pitch) {
            next = listed ? r + 1 : end;
            if (!listed || !is_line(t, r)) first_pass(kind, t, r, next, buffer);
        }
        buffer = t->buffer;
        if (dense)
            for (int64_t r = first; r < end; r++, buffer += t->pitch) finish_dense(kind, t, r, t->picks, buffer);
        else if (listed)
            for (int64_t r = first; r < end; r += LANES, buffer += LANES * t->pitch)
                finish_listed(kind, t, r, end - r < LANES ? end - r : LANES, buffer);
        else second_pass(kind, t, first, end, buffer);
    }
}

static void max_pool_plane(const fc_pool_plane *t) { pool_plane(REDUCE_MAX, t); }
static void avg_pool_plane(const fc_pool_plane *t) { pool_plane(REDUCE_SUM, t); }

#endif
