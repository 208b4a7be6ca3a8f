/* Rows are cut into tiles of nearly equal width, so that no narrow one is left over; maps of half a tile's width take two
 * rows at once:
 *
 *   width 56, tile 14:  |14|14|14|14|      width 30:  |10|10|10|      width 7:  two rows of 7
 */
#include "sweep.h"

static fc_tile_kernel *kernel_of(const fc_reduction *r, int rows, int64_t px, int blocks)
{
    return r->kernels->tile[r->walk][rows - 1][px - 1][blocks - 1];
}

void fc_sweep(const fc_reduction *r, const void *input, const fc_panel *panel, const fc_target *target, int64_t rows,
              int64_t cols)
{
    const int64_t widest = r->kernels->tile_px, pieces = (cols + widest - 1) / widest;
    const int64_t narrow = cols / pieces, wider = cols % pieces; /* the first `wider` tiles are one pixel wider */
    const int pairs = 2 * cols <= widest && r->walk <= FC_WALK_BLOCKED_2;
    fc_tile tile = {
        .px_stride = r->px_stride, .row_stride = r->row_stride, .k_stride = r->k_stride,
        .offset = r->offset,
        .steps = r->steps, .depth = r->depth, .tail_steps = r->tail_steps, .tail_depth = r->tail_depth,
        .filter = panel->filter, .bias = panel->bias,
        .out_px = target->px, .out_row = target->row, .out_block = target->block,
        .activation = panel->activation,
    };
    for (int64_t row = 0; row < rows;) {
        const int height = pairs && row + 1 < rows ? 2 : 1;
        int64_t col = 0;
        for (int64_t i = 0; i < pieces; i++) {
            const int64_t px = narrow + (i < wider);
            const ptrdiff_t at = row * target->row + col * target->px;
            tile.input = (const char *)input + row * r->row_stride + col * r->px_stride;
            tile.output = (char *)target->data + at;
            tile.residual = target->residual ? (const char *)target->residual + at : NULL;
            kernel_of(r, height, px, panel->blocks)(&tile);
            col += px;
        }
        row += height;
    }
}
