/* Winograd's minimal filtering F(4x4, 3x3): 16 outputs of a tile from 36 products instead of 144, one channel block at a time.
 *
 *   output = A' [ (G filter G') * (B' input B) ] A      * element by element, summed over the input channels in between
 *
 * Polynomials through the points 0, +-a, +-b and infinity. B' maps 6 inputs to their values there, G the 3 taps, A' the products
 * back to 4 outputs; points of one size share their even and odd parts. With a = 5/8 and b = 3/2 every constant of B and A is
 * exact, and magnitudes grow at most 63 times before they cancel, with the usual 1 and 2 it is 256 times.
 *
 * Lavin & Gray 2016 (the algorithm); Barabasz et al. 2018 (points and error).
 */
#ifndef FASTCONV_KERNELS_WINOGRAD_H
#define FASTCONV_KERNELS_WINOGRAD_H

#include "../kernels.h"
#include "../simd.h"

#define POINT_A (5.0 / 8)
#define POINT_B (3.0 / 2)
#define SQUARE_A (POINT_A * POINT_A)
#define SQUARE_B (POINT_B * POINT_B)

/* v = B' d. */
ALWAYS_INLINE void input_at_points(const vreal d[FC_POINTS], vreal v[FC_POINTS])
{
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
ALWAYS_INLINE void outputs_of_points(const vreal m[FC_POINTS], vreal y[FC_TILE_OUT])
{
    const vreal even_a = m[1] + m[2], odd_a = (REAL)POINT_A * (m[1] - m[2]);
    const vreal even_b = m[3] + m[4], odd_b = (REAL)POINT_B * (m[3] - m[4]);
    y[0] = m[0] + even_a + even_b;
    y[1] = odd_a + odd_b;
    y[2] = (REAL)SQUARE_A * even_a + (REAL)SQUARE_B * even_b;
    y[3] = m[5] + (REAL)SQUARE_A * odd_a + (REAL)SQUARE_B * odd_b;
}

/* u = G g, in double whatever the type. */
ALWAYS_INLINE void taps_at_points(const vdouble g[3], vdouble u[FC_POINTS])
{
    const double a = 1 / (2 * SQUARE_A * (SQUARE_A - SQUARE_B)), b = 1 / (2 * SQUARE_B * (SQUARE_B - SQUARE_A));
    const vdouble even_a = a * g[0] + a * SQUARE_A * g[2], odd_a = a * POINT_A * g[1];
    const vdouble even_b = b * g[0] + b * SQUARE_B * g[2], odd_b = b * POINT_B * g[1];
    u[0] = g[0] * (1 / (SQUARE_A * SQUARE_B));
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = g[2];
}

/* Columns first, into scratch, then rows: six vectors at a time stay in registers. */
static void winograd_input(const fc_winograd *t)
{
    const char *in = t->input;
    char *scratch = t->scratch, *out = t->output;
    for (int64_t tile = 0; tile < t->tiles; tile++, in += FC_TILE_OUT * BLOCK_BYTES, out += BLOCK_BYTES)
        for (int vector = 0; vector < BLOCK_BYTES; vector += VECTOR_BYTES) {
            vreal d[FC_POINTS], v[FC_POINTS];
            for (int col = 0; col < FC_POINTS; col++) {
                UNROLLED for (int i = 0; i < FC_POINTS; i++) d[i] = load(in + i * t->row + col * BLOCK_BYTES + vector);
                input_at_points(d, v);
                UNROLLED for (int i = 0; i < FC_POINTS; i++) store(scratch + (i * FC_POINTS + col) * VECTOR_BYTES, v[i]);
            }
            for (int row = 0; row < FC_POINTS; row++) {
                UNROLLED for (int i = 0; i < FC_POINTS; i++) d[i] = load(scratch + (row * FC_POINTS + i) * VECTOR_BYTES);
                input_at_points(d, v);
                UNROLLED for (int i = 0; i < FC_POINTS; i++) store(out + (row * FC_POINTS + i) * t->step + vector, v[i]);
            }
        }
}

static void winograd_output(const fc_winograd *t)
{
    const char *in = t->input;
    char *scratch = t->scratch, *out = t->output;
    for (int64_t tile = 0; tile < t->tiles; tile++, in += BLOCK_BYTES, out += FC_TILE_OUT * BLOCK_BYTES)
        for (int vector = 0; vector < BLOCK_BYTES; vector += VECTOR_BYTES) {
            const vreal bias = load((const char *)t->bias + vector);
            vreal m[FC_POINTS], y[FC_TILE_OUT];
            for (int col = 0; col < FC_POINTS; col++) {
                UNROLLED for (int i = 0; i < FC_POINTS; i++) m[i] = load(in + (i * FC_POINTS + col) * t->step + vector);
                outputs_of_points(m, y);
                UNROLLED for (int i = 0; i < FC_TILE_OUT; i++) store(scratch + (i * FC_POINTS + col) * VECTOR_BYTES, y[i]);
            }
            for (int row = 0; row < FC_TILE_OUT; row++) {
                UNROLLED for (int i = 0; i < FC_POINTS; i++) m[i] = load(scratch + (row * FC_POINTS + i) * VECTOR_BYTES);
                outputs_of_points(m, y);
                UNROLLED for (int i = 0; i < FC_TILE_OUT; i++)
                    store(out + row * t->row + i * BLOCK_BYTES + vector, y[i] + bias);
            }
        }
}

/* One filter of each output channel of a block: nine taps, a block each. */
static void winograd_filter(const void *taps, void *filter, ptrdiff_t step)
{
    for (int lane = 0; lane < BLOCK; lane += DOUBLES) {
        vdouble columns[FC_POINTS][3], u[FC_POINTS];
        for (int col = 0; col < 3; col++) {
            vdouble g[3];
            for (int i = 0; i < 3; i++) g[i] = load_wide((const REAL *)taps + (i * 3 + col) * BLOCK + lane);
            taps_at_points(g, u);
            for (int i = 0; i < FC_POINTS; i++) columns[i][col] = u[i];
        }
        for (int row = 0; row < FC_POINTS; row++) {
            taps_at_points(columns[row], u);
            for (int i = 0; i < FC_POINTS; i++)
                *(vnarrow *)((char *)filter + (row * FC_POINTS + i) * step + lane * REAL_BYTES) =
                    __builtin_convertvector(u[i], vnarrow);
        }
    }
}

#endif
