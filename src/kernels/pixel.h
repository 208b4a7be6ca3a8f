/* A single output pixel: several panels of the filter at once, each read once from wherever it is.
 *
 *   panel 0   oc 0..15    [ acc 0 0 ] [ acc 0 1 ]       each k: a broadcast of the input,
 *   panel 1   oc 16..31   [ acc 1 0 ] [ acc 1 1 ]               a multiply-add with each vector of each panel
 *    ...
 *
 * A tile of one pixel would wait for its few sums, and hold one stream from memory open where the hardware can follow several.
 */
#ifndef FASTCONV_KERNELS_PIXEL_H
#define FASTCONV_KERNELS_PIXEL_H

#include "activation.h"
#include "tile.h"

enum { PIXEL_PANELS = VECTOR_BYTES == 16 ? 2 : 4, PIXEL_AHEAD_BYTES = 4096 };

ALWAYS_INLINE void pixel_panels(const fc_pixel *t, int64_t first, int panels, int vectors)
{
    const char *filter[PIXEL_PANELS];
    vreal acc[PIXEL_PANELS][FC_MAX_TILE_BLOCKS * BLOCK_VECTORS];
    UNROLLED for (int p = 0; p < panels; p++) {
        filter[p] = (const char *)t->filter + (first + p) * t->panel_bytes;
        UNROLLED for (int v = 0; v < vectors; v++) acc[p][v] = (vreal){0};
    }
    for (int64_t s = 0; s < t->steps + t->tail_steps; s++) {
        const REAL *a = (const REAL *)((const char *)t->input + t->offset[s]);
        const int64_t depth = s < t->steps ? t->depth : t->tail_depth;
        for (int64_t k = 0; k < depth; k++) {
            const vreal x = splat(a[k]);
            UNROLLED for (int p = 0; p < panels; p++) {
                UNROLLED for (int v = 0; v < vectors; v += BLOCK_VECTORS)
                    fetch_near(filter[p] + v * VECTOR_BYTES + PIXEL_AHEAD_BYTES);
                UNROLLED for (int v = 0; v < vectors; v++) /* not left to the compiler: the bits are the tile's */
                    acc[p][v] = multiply_add(x, load(filter[p] + v * VECTOR_BYTES), acc[p][v]);
                filter[p] += vectors * VECTOR_BYTES;
            }
        }
    }
    for (int p = 0; p < panels; p++)
        for (int v = 0; v < vectors; v++) {
            const int64_t block = (first + p) * (vectors / BLOCK_VECTORS) + v / BLOCK_VECTORS;
            const ptrdiff_t lane = v % BLOCK_VECTORS * VECTOR_BYTES, at = block * t->out_block + lane;
            vreal y = acc[p][v] + load((const char *)t->bias + block * BLOCK_BYTES + lane);
            if (t->residual) y += load((const char *)t->residual + at);
            store((char *)t->output + at, finish(y, &t->activation));
        }
}

ALWAYS_INLINE void pixel_blocks(const fc_pixel *t, int vectors)
{
    int64_t p = 0;
    for (; p + PIXEL_PANELS <= t->panels; p += PIXEL_PANELS) pixel_panels(t, p, PIXEL_PANELS, vectors);
    for (; p + 2 <= t->panels; p += 2) pixel_panels(t, p, 2, vectors);
    for (; p < t->panels; p++) pixel_panels(t, p, 1, vectors);
}

static void pixel(const fc_pixel *t)
{
    if (t->blocks == 1) pixel_blocks(t, BLOCK_VECTORS);
    else pixel_blocks(t, TILE_BLOCKS * BLOCK_VECTORS);
}

#endif
