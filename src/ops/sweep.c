/* Rows are cut into tiles of nearly equal width, so that no narrow one is left over; tiles of at most half the widest take
 * two rows at once:
 *
 *   width 56, tile 14:  |14|14|14|14|      width 30:  |10|10|10|      width 7:  two rows of 7
 *
 * Narrow tiles read the panel so often that it has to come from the nearest cache: there the sums are cut into pieces of
 * the panel, and the output holds them in between.
 */
#include "sweep.h"

static fc_tile_kernel *kernel_of(const fc_reduction *r, int rows, int64_t px, int blocks)
{
    return r->kernels->tile[r->walk][rows - 1][px - 1][blocks - 1];
}

typedef struct {
    const fc_reduction *reduction;
    const char *input;
    const fc_target *target;
    int blocks;
} fc_rectangle;

static void run_tile(const fc_rectangle *rect, fc_tile *tile, int64_t row, int64_t col, int height, int64_t px)
{
    const fc_target *target = rect->target;
    const ptrdiff_t at = row * target->row + col * target->px;
    tile->input = rect->input + row * tile->row_stride + col * tile->px_stride;
    tile->output = (char *)target->data + at;
    tile->residual = target->residual ? (const char *)target->residual + at : NULL;
    kernel_of(rect->reduction, height, px, rect->blocks)(tile);
}

/* Every tile of the rectangle, with the steps that `tile` has. */
static void run_tiles(const fc_rectangle *rect, fc_tile *tile, int64_t rows, int64_t cols)
{
    const int64_t widest = rect->reduction->kernels->tile_px, pieces = (cols + widest - 1) / widest;
    const int64_t narrow = cols / pieces, wider = cols % pieces; /* the first `wider` tiles are one pixel wider */
    const int can_pair = rect->reduction->walk <= FC_WALK_BLOCKED_2;
    for (int64_t row = 0; row < rows; row += 2) {
        const int height = row + 1 < rows ? 2 : 1;
        for (int64_t i = 0, col = 0; i < pieces; i++) {
            const int64_t px = narrow + (i < wider);
            if (height == 2 && can_pair && 2 * px <= widest) {
                run_tile(rect, tile, row, col, 2, px);
            } else {
                for (int h = 0; h < height; h++) run_tile(rect, tile, row + h, col, 1, px);
            }
            col += px;
        }
    }
}

/* How many steps of a panel to take at once. */
static int64_t piece_steps(const fc_reduction *r, int blocks)
{
    const int64_t step_bytes = r->depth * blocks * FC_BLOCK_BYTES, all = r->steps;
    if (!r->kernels->piece_bytes || all * step_bytes < 2 * r->kernels->piece_bytes) return all;
    const int64_t most = r->kernels->piece_bytes / step_bytes;
    return most < 1 ? 1 : most;
}

void fc_sweep(const fc_reduction *r, const void *input, const fc_panel *panel, const fc_target *target, int64_t rows,
              int64_t cols)
{
    const fc_rectangle rect = {r, input, target, panel->blocks};
    const int64_t at_once = piece_steps(r, panel->blocks);
    fc_tile tile = {
        .px_stride = r->px_stride, .row_stride = r->row_stride, .k_stride = r->k_stride,
        .depth = r->depth, .tail_depth = r->tail_depth, .filter = panel->filter, .offset = r->offset, .bias = panel->bias,
        .out_px = target->px, .out_row = target->row, .out_block = target->block,
        .activation = panel->activation,
    };
    for (int64_t first = 0;;) {
        const int64_t left = r->steps - first;
        tile.unfinished = left > at_once;
        tile.steps = tile.unfinished ? at_once : left;
        tile.tail_steps = tile.unfinished ? 0 : r->tail_steps;
        run_tiles(&rect, &tile, rows, cols);
        if (!tile.unfinished) return;
        first += at_once;
        tile.continued = 1;
        tile.offset += at_once;
        tile.filter = (const char *)tile.filter + at_once * r->depth * panel->blocks * FC_BLOCK_BYTES;
    }
}
