/* The register tile: a block of rows x px pixels and `blocks` channel blocks, the whole reduction in registers.
 *
 *            oc 0..15    oc 16..31            each step of k, 14 x 2 vectors on AVX-512:
 *   px 0   [ acc 0 0 ]  [ acc 0 1 ]             2 loads of the filter, shared by all pixels
 *   px 1   [ acc 1 0 ]  [ acc 1 1 ]            28 fused multiply-adds, for each pixel of an input scalar that is
 *    ...                                       broadcast before, or by the multiply-adds themselves
 *   px 13  [ acc 13 0]  [ acc 13 1]
 *
 * Every distance that stands in an address is a compile-time constant for the common walks, so that a broadcast is one
 * load with a displacement. Goto & van de Geijn 2008 (the register block); Georganas et al. 2018 (direct convolution).
 */
#ifndef FASTCONV_KERNELS_TILE_H
#define FASTCONV_KERNELS_TILE_H

#include "activation.h"

/* The compiler would load operands of later steps early, and spill accumulators to make room. */
#define KEEP_ORDER() __asm__ volatile("" : : : "memory")

#define KEEP_IN_MEMORY(array) __asm__ volatile("" : : "r"(array) : "memory")

enum { ANYWHERE = 1 }; /* the px_stride of scattered tiles, which no item has */

/* A multiply-add that reads the item itself spares the broadcast: fewer instructions, of which a core that runs two threads
 * begins half as many. More than two loads in the time of two multiply-adds would be waited for, so not all of a wide tile. */
enum { ITEMS_A_BROADCAST = 4 };
ALWAYS_INLINE int stays_in_memory(int px, int vectors) { return MULTIPLIES_ITEMS && (vectors == 1 || px % ITEMS_A_BROADCAST); }

/* One k of every pixel of the tile. px_stride and k_stride fold into displacements where they are constants. */
#define TILE_STEP(a, k)                                                                                  \
    do {                                                                                                 \
        KEEP_ORDER();                                                                                    \
        vreal w[FC_MAX_TILE_BLOCKS * BLOCK_VECTORS];                                                     \
        UNROLLED for (int v = 0; v < vectors; v++) w[v] = load(b + ((k) * vectors + v) * VECTOR_BYTES);  \
        UNROLLED for (int r = 0; r < rows; r++)                                                          \
            UNROLLED for (int p = 0; p < px; p++) {                                                      \
                const REAL *at = (const REAL *)((a) + (k) * k_stride                                     \
                               + (scattered ? pixel[p] : r * t->row_stride + p * px_stride));            \
                if (stays_in_memory(r * px + p, vectors)) {                                              \
                    UNROLLED for (int v = 0; v < vectors; v++) ACCUMULATE_ITEM(acc[r * px + p][v], at, w[v]); \
                } else {                                                                                 \
                    const vreal x = splat(*at);                                                          \
                    UNROLLED for (int v = 0; v < vectors; v++) ACCUMULATE(acc[r * px + p][v], x, w[v]);  \
                }                                                                                        \
            }                                                                                            \
    } while (0)

/* What is constant in each function of the table. */
typedef struct {
    int scattered, rows, px, vectors;
} tile_shape;

/* Where vector v of a pixel stands in the output. */
ALWAYS_INLINE ptrdiff_t tile_at(const fc_tile *t, tile_shape is, int row, int px, int v)
{
    const ptrdiff_t pixel = is.scattered ? t->out_pixel[px] : row * t->out_row + px * t->out_px;
    return pixel + v / BLOCK_VECTORS * t->out_block + v % BLOCK_VECTORS * VECTOR_BYTES;
}

typedef vreal tile_sums[FC_MAX_TILE_PX][FC_MAX_TILE_BLOCKS * BLOCK_VECTORS];

/* Where one tile of the run is stored, and the bounds of its clip. */
typedef struct {
    char *output;
    const char *residual;
    const REAL *bounds;
} tile_end;

ALWAYS_INLINE void tile_store(const fc_tile *run, tile_shape is, tile_sums acc, tile_end end)
{
    KEEP_ORDER();
    const fc_tile copy = *run, *t = &copy; /* in registers: for all the compiler knows, a store changes *run */
    if (t->unfinished) {
        UNROLLED for (int v = 0; v < is.vectors; v++)
            UNROLLED for (int r = 0; r < is.rows; r++)
                UNROLLED for (int p = 0; p < is.px; p++) store(end.output + tile_at(t, is, r, p, v), acc[r * is.px + p][v]);
        return;
    }
    const vreal lower = splat(end.bounds[0]), upper = splat(end.bounds[1]);
    UNROLLED for (int v = 0; v < is.vectors; v++) {
        const vreal bias = load((const char *)t->bias + v * VECTOR_BYTES);
        UNROLLED for (int i = 0; i < is.rows * is.px; i++) acc[i][v] += bias;
        if (end.residual)
            UNROLLED for (int r = 0; r < is.rows; r++)
                UNROLLED for (int p = 0; p < is.px; p++) acc[r * is.px + p][v] += load(end.residual + tile_at(t, is, r, p, v));
        UNROLLED for (int r = 0; r < is.rows; r++)
            UNROLLED for (int p = 0; p < is.px; p++)
                store(end.output + tile_at(t, is, r, p, v), at_most(upper, at_least(lower, acc[r * is.px + p][v])));
    }
}

/* The activations that are no clip go over the stored run, still in the nearest cache. */
static __attribute__((noinline)) void tile_activate(const fc_tile *t, int scattered, int rows, int px, int blocks)
{
    const int joined = !scattered && t->out_px == BLOCK_BYTES;
    const int64_t all = t->tiles * px, together = joined ? all : 1;
    for (int b = 0; b < blocks; b++)
        for (int r = 0; r < rows; r++)
            for (int64_t p = 0; p < all; p += together) {
                char *at = (char *)t->output + (scattered ? t->out_pixel[p] : r * t->out_row + p * t->out_px) + b * t->out_block;
                activate_row(at, at, NULL, together * BLOCK, &t->activation, 0);
            }
}

/* The tiles of a run, each `px` pixels on. */
ALWAYS_INLINE void tile(const fc_tile *t, int rows, int px, int blocks, ptrdiff_t px_stride, ptrdiff_t k_stride)
{
    const int vectors = blocks * BLOCK_VECTORS, scattered = px_stride == ANYWHERE;
    const tile_shape is = {scattered, rows, px, vectors};
    const char *input = t->input, *residual = t->residual, *ahead = t->ahead;
    char *output = t->output;
    /* In memory: registers that hold them all the while would be missed by the sums. */
    const REAL bounds[2] = {lower_bound(&t->activation), upper_bound(&t->activation)};
    KEEP_IN_MEMORY(bounds);
    ptrdiff_t pixel[FC_MAX_TILE_PX];
    UNROLLED for (int p = 0; p < px; p++) pixel[p] = scattered ? t->pixel[p] : 0;
    for (int64_t left = t->tiles; left > 0; left--) {
        tile_sums acc;
        if (t->continued) {
            UNROLLED for (int i = 0; i < rows * px; i++)
                UNROLLED for (int v = 0; v < vectors; v++) acc[i][v] = load(output + tile_at(t, is, i / px, i % px, v));
        } else {
            UNROLLED for (int i = 0; i < rows * px; i++)
                UNROLLED for (int v = 0; v < vectors; v++) acc[i][v] = (vreal){0};
        }
        const char *b = t->filter;
        const ptrdiff_t *offset = t->offset;
        for (int part = 0; part < 2; part++) {
            const int64_t steps = part ? t->tail_steps : t->steps, depth = part ? t->tail_depth : t->depth;
            for (int64_t s = 0; s < steps; s++) {
                const char *a = input + *offset++;
                int64_t k = depth;
                if (__builtin_constant_p(px_stride) && __builtin_constant_p(k_stride) && !scattered && s + 1 < steps) {
                    /* The pixels of the next step, which may be where another core left them. */
                    const char *soon = input + *offset;
                    UNROLLED for (int r = 0; r < rows; r++)
                        UNROLLED for (int p = 0; p < px; p++) fetch_near(soon + r * t->row_stride + p * px_stride);
                }
                for (; k >= 4; k -= 4) {
                    /* Steps through planes, whose k_stride is not a constant, are too short to carry this, their panels too small. */
                    if (__builtin_constant_p(k_stride))
                        for (int i = 0; i < t->ahead_lines && ahead < (const char *)t->ahead_end; i++, ahead += BLOCK_BYTES) fetch(ahead);
                    UNROLLED for (int i = 0; i < 4; i++) TILE_STEP(a, i);
                    a += 4 * k_stride;
                    b += 4 * vectors * VECTOR_BYTES;
                }
                for (; k > 0; k--) {
                    TILE_STEP(a, 0);
                    a += k_stride;
                    b += vectors * VECTOR_BYTES;
                }
            }
        }
        tile_store(t, is, acc, (tile_end){output, residual, bounds});
        input += px * px_stride;
        output += px * t->out_px;
        if (residual) residual += px * t->out_px;
    }
    if (!fc_is_clip(&t->activation) && !t->unfinished) tile_activate(t, scattered, rows, px, blocks);
}

/* A function for each (walk, rows, px, blocks) of the table. */
#define TILE_FUNCTION(walk, rows, px, blocks, px_stride, k_stride)                         \
    static void tile_##walk##_##rows##_##px##_##blocks(const fc_tile *t)                   \
    {                                                                                      \
        tile(t, rows, px, blocks, px_stride, k_stride);                                    \
    }

#define FOR_WALKS(F, rows, px, blocks)                                        \
    F(blocked_1, rows, px, blocks, BLOCK_BYTES, REAL_BYTES)                   \
    F(blocked_2, rows, px, blocks, 2 * BLOCK_BYTES, REAL_BYTES)

#define FOR_ALL_WALKS(F, px, blocks)                          \
    FOR_WALKS(F, 1, px, blocks)                               \
    F(planar_1, 1, px, blocks, REAL_BYTES, t->k_stride)       \
    F(planar_2, 1, px, blocks, 2 * REAL_BYTES, t->k_stride)   \
    F(strided, 1, px, blocks, t->px_stride, REAL_BYTES)

#define FOR_PX_1_TO_3(F, blocks) F(1, blocks) F(2, blocks) F(3, blocks)
#define FOR_PX_4_TO_6(F, blocks) F(4, blocks) F(5, blocks) F(6, blocks)
#define FOR_PX_7_TO_14(F, blocks) \
    F(7, blocks) F(8, blocks) F(9, blocks) F(10, blocks) F(11, blocks) F(12, blocks) F(13, blocks) F(14, blocks)

#define ONE_ROW(px, blocks) FOR_ALL_WALKS(TILE_FUNCTION, px, blocks)
#define SCATTERED(px, blocks) TILE_FUNCTION(scattered, 1, px, blocks, ANYWHERE, REAL_BYTES)
#define TWO_ROWS(px, blocks) FOR_WALKS(TILE_FUNCTION, 2, px, blocks)
#define ENTRY_ONE_ROW(px, blocks)                                                          \
    [FC_WALK_BLOCKED_1][0][px - 1][blocks - 1] = tile_blocked_1_1_##px##_##blocks,         \
    [FC_WALK_BLOCKED_2][0][px - 1][blocks - 1] = tile_blocked_2_1_##px##_##blocks,         \
    [FC_WALK_PLANAR_1][0][px - 1][blocks - 1] = tile_planar_1_1_##px##_##blocks,           \
    [FC_WALK_PLANAR_2][0][px - 1][blocks - 1] = tile_planar_2_1_##px##_##blocks,           \
    [FC_WALK_STRIDED][0][px - 1][blocks - 1] = tile_strided_1_##px##_##blocks,
#define ENTRY_SCATTERED(px, blocks) [FC_WALK_SCATTERED][0][px - 1][blocks - 1] = tile_scattered_1_##px##_##blocks,
#define ENTRY_TWO_ROWS(px, blocks)                                                         \
    [FC_WALK_BLOCKED_1][1][px - 1][blocks - 1] = tile_blocked_1_2_##px##_##blocks,         \
    [FC_WALK_BLOCKED_2][1][px - 1][blocks - 1] = tile_blocked_2_2_##px##_##blocks,

/* The tiles whose accumulators, filter vectors and broadcast fit the register file. */
#if VECTOR_BYTES == 64 /* 32 registers: 14 x 2 + 2 + 1 */
enum { TILE_PX = 14, TILE_BLOCKS = 2 };
#define TILES(ROW1, ROW2, blocks) \
    FOR_PX_1_TO_3(ROW1, blocks) FOR_PX_4_TO_6(ROW1, blocks) FOR_PX_7_TO_14(ROW1, blocks) \
    FOR_PX_1_TO_3(ROW2, blocks) FOR_PX_4_TO_6(ROW2, blocks) ROW2(7, blocks)
TILES(ONE_ROW, TWO_ROWS, 1)
TILES(ONE_ROW, TWO_ROWS, 2)
#define TILE_TABLE {TILES(ENTRY_ONE_ROW, ENTRY_TWO_ROWS, 1) TILES(ENTRY_ONE_ROW, ENTRY_TWO_ROWS, 2)}
#elif VECTOR_BYTES == 32 /* 16 registers: 6 x 2 + 2 + 1 */
enum { TILE_PX = 6, TILE_BLOCKS = 1 };
#define TILES(ROW, WRAPPED, blocks) \
    FOR_PX_1_TO_3(ROW, blocks) FOR_PX_4_TO_6(ROW, blocks) WRAPPED(2, blocks) WRAPPED(3, blocks) FOR_PX_4_TO_6(WRAPPED, blocks)
TILES(ONE_ROW, SCATTERED, 1)
#define TILE_TABLE {TILES(ENTRY_ONE_ROW, ENTRY_SCATTERED, 1)}
#else /* 16 registers: 2 x 4 + 4 + 1 and the products */
enum { TILE_PX = 2, TILE_BLOCKS = 1 };
#define TILES(ROW, WRAPPED, blocks) ROW(1, blocks) ROW(2, blocks) WRAPPED(2, blocks)
TILES(ONE_ROW, SCATTERED, 1)
#define TILE_TABLE {TILES(ENTRY_ONE_ROW, ENTRY_SCATTERED, 1)}
#endif

#endif
