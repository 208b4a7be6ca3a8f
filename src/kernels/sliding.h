/* 3x3 windows that slide over a plane where it stands, padding and all: vectors of neighbouring outputs, some rows at once.
 *
 *   input rows   -1 . . . . .      Each row is loaded once for the (up to three) rows of outputs whose windows it is in; all
 *                 0 x x x x x      nine taps stay in registers. Lanes left and right of the plane are masked, rows above and
 *                 1 x x x x x      below it are a row of zeros.
 *
 * A sum takes its taps in their order, whatever rows are computed together.
 */
#ifndef FASTCONV_KERNELS_SLIDING_H
#define FASTCONV_KERNELS_SLIDING_H

#include "activation.h"

enum { SLIDING_ROWS = 4, WINDOW = 3, WINDOW_TAPS = WINDOW * WINDOW, MOST_SLIDING_INPUTS = 2 * SLIDING_ROWS + 1, MOST_EDGES = 4 };

/* Of LANES items from `col` on, those inside a row of `cols`. */
ALWAYS_INLINE vmask lanes_inside(int64_t col, int64_t cols)
{
    const int64_t before = -col, inside = cols - col;
    const vmask outside = first_lanes(before < 0 ? 0 : before < LANES ? (int)before : LANES);
    return first_lanes(inside < 0 ? 0 : inside < LANES ? (int)inside : LANES) & ~outside;
}

/* What a vector of outputs reads of each row: a vector a tap, or both halves of those whose every second lane it takes. */
enum { MOST_READ = 4 };
ALWAYS_INLINE int vectors_read(int stride) { return stride == 1 ? WINDOW : 4; }
ALWAYS_INLINE int column_read(int vector, int stride) { return stride == 1 ? vector : vector / 2 * 2 + vector % 2 * LANES; }

ALWAYS_INLINE vreal read_vector(const char *p, int vector, int stride, const vmask *inside)
{
    const char *at = p + column_read(vector, stride) * REAL_BYTES;
    return inside ? load_lanes(at, inside[vector]) : load(at);
}

/* The items at p under tap j of a row of the windows; of every second window, mixed. */
ALWAYS_INLINE vreal load_tap(const char *p, int j, int stride, const vmask *inside)
{
    if (stride == 1) return read_vector(p, j, 1, inside);
    const vreal low = read_vector(p, j / 2 * 2, 2, inside), high = read_vector(p, j / 2 * 2 + 1, 2, inside);
    return j == 1 ? mixed_odd_lanes(low, high) : mixed_even_lanes(low, high);
}

/* What is a constant for the maps that matter. plain: whole vectors, clipped at most, nothing added. */
typedef struct {
    int rows, stride, plain;
} sliding_shape;

ALWAYS_INLINE int rows_read(sliding_shape is) { return (is.rows - 1) * is.stride + WINDOW; }

/* Rows of inputs, and the first of the rows of outputs, where windows of output 0 start. */
typedef struct {
    const char *input[MOST_SLIDING_INPUTS];
    char *output;
} sliding_lines;

/* A vector of outputs in each row of the tile, from `col` on. inside: NULL, or masks of what is read. */
ALWAYS_INLINE void sliding_tile(const fc_sliding *t, sliding_shape is, const vreal w[WINDOW_TAPS], const sliding_lines *lines,
                                int64_t col, const vmask *inside)
{
    const ptrdiff_t at = col * is.stride * REAL_BYTES;
    const int64_t left = t->cols - col;
    char *out = lines->output + col * REAL_BYTES;
    vreal acc[SLIDING_ROWS];
    UNROLLED for (int r = 0; r < is.rows; r++) acc[r] = (vreal){0};
    UNROLLED for (int k = 0; k < rows_read(is); k++)
        UNROLLED for (int j = 0; j < WINDOW; j++) {
            const vreal x = load_tap(lines->input[k] + at, j, is.stride, inside);
            UNROLLED for (int r = 0; r < is.rows; r++) {
                const int i = k - r * is.stride;
                if (i >= 0 && i < WINDOW) ACCUMULATE(acc[r], x, w[i * WINDOW + j]);
            }
        }
    /* What tiles further down read: of the highest kind of tile the next but one. */
    const ptrdiff_t ahead = at + 2 * SLIDING_ROWS * is.stride * t->in_row;
    UNROLLED for (int k = WINDOW - is.stride; k < rows_read(is); k++) fetch_near(lines->input[k] + ahead);
    const vreal bias = splat(t->bias ? *(const REAL *)t->bias : 0);
    const vreal lower = splat(lower_bound(&t->activation)), upper = splat(upper_bound(&t->activation));
    UNROLLED for (int r = 0; r < is.rows; r++, out += t->out_row) {
        acc[r] = (is.stride == 1 ? acc[r] : unmixed(acc[r])) + bias;
        if (is.plain) {
            store(out, at_most(upper, at_least(lower, acc[r])));
            continue;
        }
        if (t->residual) acc[r] += load_up_to((const char *)t->residual + (out - (char *)t->output), left);
        store_up_to(out, finish(acc[r], &t->activation), left);
    }
}

/* Vectors of outputs whose windows reach beyond the rows: where each starts, and what of the vectors it reads lies inside. */
typedef struct {
    int64_t col;
    vmask inside[MOST_READ];
} sliding_edge;

typedef struct {
    int64_t first, end; /* vectors of outputs whose windows lie inside start from the one to the other */
    int edges;
    sliding_edge edge[MOST_EDGES];
} sliding_columns;

/* Padding is narrower than a window, so that edges are few. The last vector is moved to the left to be a whole one, where there are
 * as many outputs. */
ALWAYS_INLINE void find_columns(const fc_sliding *t, int stride, sliding_columns *c)
{
    const int64_t width = column_read(vectors_read(stride) - 1, stride) + LANES;
    c->edges = 0;
    c->first = t->left > 0 ? LANES : 0;
    for (c->end = c->first; c->end + LANES <= t->cols && c->end * stride - t->left + width <= t->in_cols;) c->end += LANES;
    for (int64_t at = c->first ? 0 : c->end; at < t->cols && c->edges < MOST_EDGES; at = at < c->end ? c->end : at + LANES) {
        sliding_edge *e = &c->edge[c->edges++];
        e->col = at + LANES <= t->cols || t->cols < LANES ? at : t->cols - LANES;
        for (int v = 0; v < vectors_read(stride); v++)
            e->inside[v] = lanes_inside(e->col * stride - t->left + column_read(v, stride), t->in_cols);
    }
}

/* Rows of outputs from `row` on. */
ALWAYS_INLINE void sliding_rows(const fc_sliding *t, sliding_shape is, const vreal w[WINDOW_TAPS], const sliding_columns *columns,
                                int64_t row)
{
    sliding_lines lines = {.output = (char *)t->output + row * t->out_row};
    UNROLLED for (int k = 0; k < rows_read(is); k++) {
        const int64_t at = row * is.stride + k - t->top;
        const char *line = at < 0 || at >= t->in_rows ? (const char *)t->zeros : (const char *)t->input + at * t->in_row;
        lines.input[k] = line - t->left * REAL_BYTES;
    }
    for (const sliding_edge *e = columns->edge; e < columns->edge + columns->edges; e++)
        sliding_tile(t, is, w, &lines, e->col, e->inside);
    for (int64_t col = columns->first; col < columns->end; col += LANES) sliding_tile(t, is, w, &lines, col, NULL);
}

ALWAYS_INLINE void sliding_plane(const fc_sliding *given, sliding_shape is)
{
    const fc_sliding t = *given; /* in registers: for all the compiler knows, a store changes *given */
    const sliding_shape two = {2, is.stride, is.plain}, one = {1, is.stride, is.plain};
    sliding_columns columns;
    find_columns(&t, is.stride, &columns);
    vreal w[WINDOW_TAPS];
    UNROLLED for (int i = 0; i < WINDOW_TAPS; i++) w[i] = splat(((const REAL *)t.filter)[i]);
    int64_t row = t.first;
    for (; row + is.rows <= t.end; row += is.rows) sliding_rows(&t, is, w, &columns, row);
    for (; row + 2 <= t.end; row += 2) sliding_rows(&t, two, w, &columns, row);
    if (row < t.end) sliding_rows(&t, one, w, &columns, row);
}

static void sliding(const fc_sliding *t)
{
    const int plain = !t->residual && fc_is_clip(&t->activation) && t->cols >= LANES;
    if (t->stride == 1 && plain) sliding_plane(t, (sliding_shape){SLIDING_ROWS, 1, 1});
    else if (t->stride == 1) sliding_plane(t, (sliding_shape){SLIDING_ROWS, 1, 0});
    else if (plain) sliding_plane(t, (sliding_shape){SLIDING_ROWS, 2, 1});
    else sliding_plane(t, (sliding_shape){SLIDING_ROWS, 2, 0});
}

#endif
