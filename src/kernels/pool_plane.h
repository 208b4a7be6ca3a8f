/* Pooling along the rows of a plane, in two passes through a buffer in the nearest cache:
 *
 *   rows     a a a a a a a a a a
 *            b b b b b b b b b b     -> buffer  . m m m m m m m m m m .    down the columns, then
 *            c c c c c c c c c c        output    n   n   n   n   n        along the row, every second lane for stride 2
 *
 * The buffer has the neutral value where the window hangs over the edge. Several rows of outputs go through the first pass
 * before the second, whose unaligned loads would otherwise wait for stores that have not reached the cache.
 */
#ifndef FASTCONV_KERNELS_POOL_PLANE_H
#define FASTCONV_KERNELS_POOL_PLANE_H

#include "pool.h"
#include "pool_listed.h"

enum { LINES = 4 };

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

ALWAYS_INLINE void add_up_to_lines(reduction_kind kind, const fc_pool_plane *t, const REAL *const line[LINES], int64_t lines,
                                   int started, REAL *columns)
{
    switch (lines) {
    case 1: add_lines(kind, t, line, 1, started, columns); break;
    case 2: add_lines(kind, t, line, 2, started, columns); break;
    case 3: add_lines(kind, t, line, 3, started, columns); break;
    default: add_lines(kind, t, line, 4, started, columns);
    }
}

/* The neutral value where windows hang over the ends of a row. */
ALWAYS_INLINE void fill_ends(reduction_kind kind, const fc_pool_plane *t, REAL *buffer)
{
    const int64_t used = t->windows ? t->width : (t->count - 1) * t->stride + (t->kernel - 1) * t->dilation + 1;
    fill_row(buffer, buffer + t->pad, neutral(kind));
    fill_row(buffer + t->pad + t->width, buffer + used, neutral(kind));
}

/* Rows whose windows have `lines` lines of one slice. */
ALWAYS_INLINE void down_short_columns(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t end, int lines, REAL *buffer)
{
    for (; r < end; r++, buffer += t->pitch) {
        const REAL *line[LINES];
        UNROLLED for (int l = 0; l < LINES; l++) line[l] = line_at(t, t->reach + r, 0, l < lines ? l : 0);
        add_lines(kind, t, line, lines, 0, buffer + t->pad);
        fill_ends(kind, t, buffer);
    }
}

/* A row of any windows. Tall ones that come from memory are read a line at a time. */
ALWAYS_INLINE void down_columns(reduction_kind kind, const fc_pool_plane *t, const fc_pool_reach *reach, REAL *buffer)
{
    REAL *columns = buffer + t->pad;
    int started = 0;
    for (int64_t s = 0; s < reach->slices; s++)
        for (int64_t l = 0, at_once = 1; l < reach->lines; l += at_once, started = 1) {
            const REAL *line[LINES];
            at_once = t->streamed && reach->lines > LINES ? 1 : reach->lines - l < LINES ? reach->lines - l : LINES;
            UNROLLED for (int i = 0; i < LINES; i++) line[i] = line_at(t, reach, s, i < at_once ? l + i : l);
            if (started) add_up_to_lines(kind, t, line, at_once, 1, columns);
            else add_up_to_lines(kind, t, line, at_once, 0, columns);
        }
    if (!started) fill_row(columns, columns + t->width, neutral(kind));
    fill_ends(kind, t, buffer);
}

/* The first pass over the rows [r, end), all with windows alike at once. */
ALWAYS_INLINE void first_pass(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t end, REAL *buffer)
{
    for (int64_t next; r < end; buffer += (next - r) * t->pitch, r = next) {
        const int64_t lines = t->reach[r].slices == 1 ? t->reach[r].lines : 0;
        next = r + 1;
        if (lines < 1 || lines > LINES) {
            down_columns(kind, t, t->reach + r, buffer);
            continue;
        }
        while (next < end && t->reach[next].slices == 1 && t->reach[next].lines == lines) next++;
        switch (lines) {
        case 1: down_short_columns(kind, t, r, next, 1, buffer); break;
        case 2: down_short_columns(kind, t, r, next, 2, buffer); break;
        case 3: down_short_columns(kind, t, r, next, 3, buffer); break;
        default: down_short_columns(kind, t, r, next, 4, buffer);
        }
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

/* The second pass over `count` outputs from row r on. */
ALWAYS_INLINE void finish_row(reduction_kind kind, const fc_pool_plane *t, int64_t r, int64_t count, const REAL *buffer,
                              row_window w)
{
    REAL *out = (REAL *)((char *)t->output + r * t->out_row);
    const int64_t room = t->out_row == t->count * REAL_BYTES ? (t->rows - r) * t->count : t->count;
    const vreal divisor = splat((REAL)t->reach[r].divisor);
    for (int64_t i = 0; i < count; i += LANES) {
        vreal x = along_row(kind, buffer + i * w.stride, w);
        if (kind == REDUCE_SUM) x /= divisor * load((const REAL *)t->col_divisor + (t->joined ? 0 : i));
        if (t->past_cache) store_past_cache(out + i, x);
        else store_up_to(out + i, x, room - i);
    }
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
    else if (w.kernel == 3 && w.stride == 2 && w.dilation == 1) finish_plain_rows(kind, t, r, end, buffer, (row_window){3, 2, 1});
    else if (w.kernel == 3 && w.stride == 1 && w.dilation == 1) finish_plain_rows(kind, t, r, end, buffer, (row_window){3, 1, 1});
    else finish_plain_rows(kind, t, r, end, buffer, w);
}

ALWAYS_INLINE void pool_plane(reduction_kind kind, const fc_pool_plane *given)
{
    const fc_pool_plane copy = *given, *t = &copy; /* in registers: for all the compiler knows, a store changes *given */
    const int dense = t->windows && pick_once(t);
    for (int64_t first = 0; first < t->rows; first += t->together) {
        const int64_t end = first + t->together < t->rows ? first + t->together : t->rows;
        REAL *buffer = t->buffer;
        if (!t->windows || dense) first_pass(kind, t, first, end, buffer);
        else for (int64_t r = first; r < end; r++, buffer += t->pitch)
            if (!is_line(t, r)) down_columns(kind, t, t->reach + r, buffer);
        buffer = t->buffer;
        if (dense)
            for (int64_t r = first; r < end; r++, buffer += t->pitch) finish_dense(kind, t, r, t->picks, buffer);
        else if (t->windows)
            for (int64_t r = first; r < end; r += LANES, buffer += LANES * t->pitch)
                finish_listed(kind, t, r, end - r < LANES ? end - r : LANES, buffer);
        else second_pass(kind, t, first, end, buffer);
    }
}

static void max_pool_plane(const fc_pool_plane *t) { pool_plane(REDUCE_MAX, t); }
static void avg_pool_plane(const fc_pool_plane *t) { pool_plane(REDUCE_SUM, t); }

#endif
