/* Winograd's minimal filtering, one channel block at a time: of a 3x3 window
 *
 *   F(4x4, 3x3)   16 outputs of a tile from 36 products instead of 144
 *   F(2x2, 3x3)    4 outputs of a tile from 16 products instead of  36
 *
 *   output = A' [ (G filter G') * (B' input B) ] A      * element by element, summed over the input channels in between
 *
 * Polynomials through the points 0, +-a, +-b and infinity, or 0, +-1 and infinity. B' maps the inputs to their values there, G
 * the 3 taps, A' the products back to outputs; points of one size share their even and odd parts. With a = 5/8 and b = 3/2
 * every constant of B and A is exact, and magnitudes grow at most 63 times before they cancel, with the usual 1 and 2 it is 256
 * times.
 *
 * Lavin & Gray 2016 (the algorithm); Barabasz et al. 2018 (points and error).
 */
#ifndef FASTCONV_KERNELS_WINOGRAD_H
#define FASTCONV_KERNELS_WINOGRAD_H

#include "activation.h"

#define POINT_A (5.0 / 8)
#define POINT_B (3.0 / 2)
#define SQUARE_A (POINT_A * POINT_A)
#define SQUARE_B (POINT_B * POINT_B)

enum { TILES_AHEAD = 2, TILE_TAPS = 3, MOST_OUT = 4, MOST_POINTS = MOST_OUT + TILE_TAPS - 1 };

/* v = B' d. */
ALWAYS_INLINE void input_at_points(int out, const vreal *d, vreal *v)
{
    if (out == 2) {
        v[0] = d[2] - d[0];
        v[1] = d[2] + d[1];
        v[2] = d[2] - d[1];
        v[3] = d[3] - d[1];
        return;
    }
    const REAL product = (REAL)(SQUARE_A * SQUARE_B), sum = (REAL)(SQUARE_A + SQUARE_B);
    const vreal even_a = d[4] - (REAL)SQUARE_B * d[2], odd_a = d[3] - (REAL)SQUARE_B * d[1];
    const vreal even_b = d[4] - (REAL)SQUARE_A * d[2], odd_b = d[3] - (REAL)SQUARE_A * d[1];
    v[0] = d[4] - sum * d[2] + product * d[0];
    v[1] = even_a + (REAL)POINT_A * odd_a;
    v[2] = even_a - (REAL)POINT_A * odd_a;
    v[3] = even_b + (REAL)POINT_B * odd_b;
    v[4] = even_b - (REAL)POINT_B * odd_b;
    v[5] = d[5] - sum * d[3] + product * d[1];
}

/* y = A' m. */
ALWAYS_INLINE void outputs_of_points(int out, const vreal *m, vreal *y)
{
    if (out == 2) {
        y[0] = m[0] + (m[1] + m[2]);
        y[1] = (m[1] - m[2]) + m[3];
        return;
    }
    const vreal even_a = m[1] + m[2], odd_a = (REAL)POINT_A * (m[1] - m[2]);
    const vreal even_b = m[3] + m[4], odd_b = (REAL)POINT_B * (m[3] - m[4]);
    y[0] = m[0] + even_a + even_b;
    y[1] = odd_a + odd_b;
    y[2] = (REAL)SQUARE_A * even_a + (REAL)SQUARE_B * even_b;
    y[3] = m[5] + (REAL)SQUARE_A * odd_a + (REAL)SQUARE_B * odd_b;
}

/* The places [first, end) of an axis. */
typedef struct {
    int first, end;
} axis_places;

/* a g[0] + b g[2], of which the tap that leaves out its place is zero. */
ALWAYS_INLINE vdouble outer_taps(int points, axis_places axis, const vdouble g[TILE_TAPS], double a, double b)
{
    return axis.first > 0 ? b * g[2] : axis.end < points ? a * g[0] : a * g[0] + b * g[2];
}

/* u = G g, in double whatever the type. */
ALWAYS_INLINE void taps_at_points(int out, axis_places axis, const vdouble g[TILE_TAPS], vdouble *u)
{
    const int points = out + TILE_TAPS - 1;
    if (out == 2) {
        const vdouble even = outer_taps(points, axis, g, 0.5, 0.5), odd = 0.5 * g[1];
        u[0] = -g[0];
        u[1] = even + odd;
        u[2] = even - odd;
        u[3] = g[2];
        return;
    }
    const double a = 1 / (2 * SQUARE_A * (SQUARE_A - SQUARE_B)), b = 1 / (2 * SQUARE_B * (SQUARE_B - SQUARE_A));
    const vdouble even_a = outer_taps(points, axis, g, a, a * SQUARE_A), odd_a = a * POINT_A * g[1];
    const vdouble even_b = outer_taps(points, axis, g, b, b * SQUARE_B), odd_b = b * POINT_B * g[1];
    u[0] = g[0] * (1 / (SQUARE_A * SQUARE_B));
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = g[2];
}

/* The columns that a tile further on adds to those from `first` on: the hardware loses a stream at the end of a page, and rows of a
 * map are hardly longer. */
ALWAYS_INLINE void fetch_tile(const char *first, ptrdiff_t row, ptrdiff_t px, int rows, int cols)
{
    first += TILES_AHEAD * cols * px;
    for (int i = 0; i < rows; i++)
        UNROLLED for (int col = 0; col < cols; col++) fetch_near(first + i * row + col * px);
}

/* A tile is transformed down its columns first and then along its rows. The 32 registers of AVX-512 hold two rows in between; elsewhere
 * all of them go through memory, by a pointer, for the compiler would move parts of an array into registers and out again. */
#if VECTOR_BYTES == 64
enum { ROWS_HELD = 2 };
#define PASS UNROLLED
#define HOLD_ROWS(rows) vreal rows[ROWS_HELD][MOST_POINTS]
#else
enum { ROWS_HELD = MOST_POINTS };
#define PASS
#define HOLD_ROWS(rows)                                            \
    vreal rows##_in_memory[ROWS_HELD][MOST_POINTS];                \
    vreal(*rows)[MOST_POINTS] = rows##_in_memory;                  \
    __asm__ volatile("" : "+r"(rows) : : "memory")
#endif

/* The rows [first, end) of places. */
ALWAYS_INLINE void transform_rows(const fc_winograd *t, int out, const char *in, char *to, int first, int end)
{
    const int points = out + TILE_TAPS - 1;
    vreal d[MOST_POINTS], v[MOST_POINTS];
    HOLD_ROWS(rows);
    PASS for (int col = 0; col < points; col++) {
        UNROLLED for (int i = 0; i < points; i++) d[i] = load(in + i * t->row + col * BLOCK_BYTES);
        input_at_points(out, d, v);
        UNROLLED for (int row = first; row < end; row++) rows[row - first][col] = v[row];
    }
    PASS for (int row = first; row < end; row++) {
        input_at_points(out, rows[row - first], v);
        UNROLLED for (int i = 0; i < points; i++) store(to + (row * points + i) * t->places.step, v[i]);
    }
}

ALWAYS_INLINE void transform_input(const fc_winograd *t, int out)
{
    const int points = out + TILE_TAPS - 1;
    const char *in = t->input;
    char *to = t->output;
    for (int64_t tile = 0; tile < t->tiles; tile++, in += out * BLOCK_BYTES, to += BLOCK_BYTES) {
        if (t->streamed) fetch_tile(in + (TILE_TAPS - 1) * BLOCK_BYTES, t->row, BLOCK_BYTES, points, out);
        for (int vector = 0; vector < BLOCK_BYTES; vector += VECTOR_BYTES) {
            if (ROWS_HELD >= points) {
                transform_rows(t, out, in + vector, to + vector, 0, points);
                continue;
            }
            transform_rows(t, out, in + vector, to + vector, 0, 1);
            transform_rows(t, out, in + vector, to + vector, 1, 3); /* a point and its negative: they share their parts */
            if (out > 2) transform_rows(t, out, in + vector, to + vector, 3, 5);
            transform_rows(t, out, in + vector, to + vector, points - 1, points);
        }
    }
}

/* Residual and activation of all tiles, still in near caches; a clip alone is in their stores. */
static void finish_tiles(const fc_winograd *t)
{
    const int64_t together = t->px == BLOCK_BYTES ? t->cols : 1;
    for (int64_t row = 0; row < t->rows; row++)
        for (int64_t col = 0; col < t->cols; col += together) {
            const ptrdiff_t at = row * t->row + col * t->px;
            char *y = (char *)t->output + at;
            activate_row(y, y, t->residual ? (const char *)t->residual + at : NULL, together * BLOCK, &t->activation, 0);
        }
}

/* Only the first place of an axis and the last one can be. */
ALWAYS_INLINE int is_left_out(const fc_places *places, int axis, int place, int points)
{
    return (place == 0 && places->first[axis] > 0) || (place == points - 1 && places->end[axis] < points);
}

/* The sums of a column; `in` is where its first place stands or would. row: bytes between them. */
ALWAYS_INLINE void load_column(const fc_places *places, const char *in, ptrdiff_t row, int points, vreal *m)
{
    UNROLLED for (int i = 0; i < points; i++) m[i] = is_left_out(places, 0, i, points) ? (vreal){0} : load(in + i * row);
}

/* What is done to the outputs of a tile as they are stored, and how many columns are. */
typedef struct {
    vreal bias, lower, upper;
    int64_t cols;
} tile_finish;

/* The rows first, first + each ... of outputs. */
ALWAYS_INLINE void transform_rows_back(const fc_winograd *t, int out, const char *in, char *to, int first, int each, const tile_finish *end)
{
    const int points = out + TILE_TAPS - 1;
    const fc_places *places = &t->places;
    const ptrdiff_t step = places->step, row_step = (places->end[1] - places->first[1]) * step;
    vreal m[MOST_POINTS], y[MOST_OUT];
    HOLD_ROWS(rows);
    if (first >= t->rows) return;
    PASS for (int col = 0; col < points; col++) {
        if (!is_left_out(places, 1, col, points)) load_column(places, in + col * step, row_step, points, m);
        else UNROLLED for (int i = 0; i < points; i++) m[i] = (vreal){0};
        outputs_of_points(out, m, y);
        UNROLLED for (int row = first; row < out; row += each) rows[(row - first) / each][col] = y[row];
    }
    PASS for (int row = first; row < out; row += each) {
        if (row >= t->rows) return;
        outputs_of_points(out, rows[(row - first) / each], y);
        UNROLLED for (int i = 0; i < out; i++)
            if (i < end->cols) store(to + row * t->row + i * t->px, at_most(end->upper, at_least(end->lower, y[i] + end->bias)));
    }
}

ALWAYS_INLINE void transform_output(const fc_winograd *t, int out)
{
    const int unfinished = t->residual || !fc_is_clip(&t->activation);
    const fc_activation clip = unfinished ? (fc_activation){.kind = FC_IDENTITY} : t->activation;
    tile_finish end = {.lower = splat(lower_bound(&clip)), .upper = splat(upper_bound(&clip))};
    const fc_places *places = &t->places;
    const ptrdiff_t row_step = (places->end[1] - places->first[1]) * places->step;
    const char *in = (const char *)t->input - places->first[0] * row_step - places->first[1] * places->step;
    for (int64_t tile = 0; tile < t->tiles; tile++, in += BLOCK_BYTES) {
        const ptrdiff_t at = tile * out * t->px;
        const int64_t left = t->cols - tile * out;
        end.cols = left < out ? left : out;
        if (t->streamed) fetch_tile((const char *)t->output + at, t->row, t->px, out, out);
        for (int vector = 0; vector < BLOCK_BYTES; vector += VECTOR_BYTES) {
            char *to = (char *)t->output + at + vector;
            end.bias = load((const char *)t->bias + vector);
            if (ROWS_HELD >= out) {
                transform_rows_back(t, out, in + vector, to, 0, 1, &end);
                continue;
            }
            transform_rows_back(t, out, in + vector, to, 0, 2, &end); /* of even powers, and of odd ones: they share their parts */
            transform_rows_back(t, out, in + vector, to, 1, 2, &end);
        }
    }
    if (unfinished) finish_tiles(t);
}

/* One filter of each output channel of a block. */
ALWAYS_INLINE void transform_filter(const fc_winograd_filter *t, const char *taps, char *filter, int out, axis_places down,
                                    axis_places across)
{
    const int points = out + TILE_TAPS - 1;
    for (int lane = 0; lane < BLOCK; lane += DOUBLES) {
        vdouble columns[MOST_POINTS][TILE_TAPS], u[MOST_POINTS];
        for (int col = 0; col < TILE_TAPS; col++) {
            vdouble g[TILE_TAPS];
            for (int i = 0; i < TILE_TAPS; i++) {
                const char *tap = taps + (i * TILE_TAPS + col) * t->tap;
                if (lane == 0) fetch_near(tap + t->ahead);
                g[i] = load_wide((const REAL *)tap + lane);
            }
            taps_at_points(out, down, g, u);
            for (int i = 0; i < points; i++) columns[i][col] = u[i];
        }
        char *to = filter + lane * REAL_BYTES;
        for (int row = down.first; row < down.end; row++) {
            taps_at_points(out, across, columns[row], u);
            for (int i = across.first; i < across.end; i++, to += t->places.step) *(vnarrow *)to = __builtin_convertvector(u[i], vnarrow);
        }
    }
}

ALWAYS_INLINE void transform_filters(const fc_winograd_filter *t, int out, axis_places down, axis_places across)
{
    const char *taps = t->taps;
    char *filter = t->filter;
    for (int64_t i = 0; i < t->count; i++, taps += t->next_taps, filter += t->next_filter)
        transform_filter(t, taps, filter, out, down, across);
}

/* Of three taps, of the first or last two of both axes, and of others. */
ALWAYS_INLINE void transform_filters_of(const fc_winograd_filter *t, int out)
{
    const int points = out + TILE_TAPS - 1;
    const axis_places all = {0, points}, before = {0, points - 1}, behind = {1, points};
    const axis_places down = {t->places.first[0], t->places.end[0]}, across = {t->places.first[1], t->places.end[1]};
#define IS(axis, same) (axis.first == same.first && axis.end == same.end)
#define TRY(rows, cols)                         \
    if (IS(down, rows) && IS(across, cols)) {   \
        transform_filters(t, out, rows, cols);  \
        return;                                 \
    }
    TRY(all, all)
    TRY(before, before)
    TRY(before, behind)
    TRY(behind, before)
    TRY(behind, behind)
#undef TRY
#undef IS
    transform_filters(t, out, down, across);
}

/* The three transforms of one tile size, and their entry in the table. */
#define WINOGRAD_FUNCTIONS(out)                                                             \
    static void winograd_input_##out(const fc_winograd *t) { transform_input(t, out); }     \
    static void winograd_output_##out(const fc_winograd *t) { transform_output(t, out); }   \
    static void winograd_filter_##out(const fc_winograd_filter *t) { transform_filters_of(t, out); }
#define WINOGRAD_ENTRY(out) \
    {out, (out + TILE_TAPS - 1) * (out + TILE_TAPS - 1), winograd_input_##out, winograd_output_##out, winograd_filter_##out}

WINOGRAD_FUNCTIONS(2)
WINOGRAD_FUNCTIONS(4)
#define WINOGRAD_TABLE {[FC_F2X2] = WINOGRAD_ENTRY(2), [FC_F4X4] = WINOGRAD_ENTRY(4)}

#endif
