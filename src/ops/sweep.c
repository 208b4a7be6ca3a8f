/* Rows are cut into tiles of nearly equal width, so that no narrow one is left over; tiles of at most half the widest take
 * two rows at once:
 *
 *   width 56, tile 14:  |14|14|14|14|      width 30:  |10|10|10|      width 7:  two rows of 7
 *
 * Narrow tiles read the panel so often that it has to come from the nearest cache: there the sums are cut into pieces of
 * the panel, and the output holds them in between.
 */
#include "sweep.h"
#include "../sizes.h"

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

/* How a row is cut: the first `wider` of `pieces` tiles have a pixel more than the others. */
typedef struct {
    int64_t pieces, narrow, wider;
} fc_cut;

static fc_cut cut_of(const fc_kernels *kernels, int64_t cols)
{
    const int64_t pieces = fc_ceil_div(cols, kernels->tile_px);
    return (fc_cut){pieces, cols / pieces, cols % pieces};
}

/* Every tile of the rectangle, with the steps that `tile` has. */
static void run_tiles(const fc_rectangle *rect, fc_tile *tile, int64_t rows, int64_t cols, int64_t next_bytes)
{
    const fc_kernels *kernels = rect->reduction->kernels;
    const fc_cut cut = cut_of(kernels, cols);
    const int can_pair = rect->reduction->walk <= FC_WALK_BLOCKED_2;
    const int64_t a_line = fc_max(1, tile->steps * rows * cut.pieces) * FC_BLOCK_BYTES; /* fetched, with one line a step */
    tile->ahead_lines = (int)fc_ceil_div(next_bytes, a_line);
    const int64_t fetched = tile->steps * tile->ahead_lines * FC_BLOCK_BYTES;
    for (int64_t row = 0; row < rows; row += 2) {
        const int height = row + 1 < rows ? 2 : 1;
        for (int64_t i = 0, col = 0; i < cut.pieces; i++) {
            const int64_t px = cut.narrow + (i < cut.wider);
            const int paired = height == 2 && can_pair && 2 * px <= kernels->tile_px;
            for (int h = 0; h < height; h += paired ? 2 : 1) {
                run_tile(rect, tile, row + h, col, paired ? 2 : 1, px);
                tile->ahead = (const char *)tile->ahead + fetched;
                if ((next_bytes -= fetched) <= 0) tile->ahead_lines = 0;
            }
            col += px;
        }
    }
}

/* How many steps of a panel to take at once: pieces of nearly equal length. */
static int64_t piece_steps(const fc_reduction *r, int blocks)
{
    const int64_t step_bytes = r->depth * blocks * FC_BLOCK_BYTES, all = r->steps;
    if (!r->kernels->piece_bytes || all * step_bytes < 2 * r->kernels->piece_bytes) return all;
    return fc_ceil_div(all, fc_ceil_div(all, fc_max(1, r->kernels->piece_bytes / step_bytes)));
}

void fc_sweep(const fc_reduction *r, const void *input, const fc_panel *panel, const fc_target *target, int64_t rows,
              int64_t cols)
{
    const fc_rectangle rect = {r, input, target, panel->blocks};
    const int64_t at_once = piece_steps(r, panel->blocks), piece = at_once * r->depth * panel->blocks * FC_BLOCK_BYTES;
    fc_tile tile = {
        .px_stride = r->px_stride, .row_stride = r->row_stride, .k_stride = r->k_stride,
        .depth = r->depth, .tail_depth = r->tail_depth, .filter = panel->filter, .offset = r->offset, .bias = panel->bias,
        .out_px = target->px, .out_row = target->row, .out_block = target->block,
        .activation = panel->activation, .continued = panel->continued,
    };
    for (int64_t left = r->steps;; left -= at_once) {
        const int last = left <= at_once;
        const char *next = last ? panel->next : (const char *)tile.filter + piece;
        tile.unfinished = !last || panel->unfinished;
        tile.steps = last ? left : at_once;
        tile.tail_steps = last ? r->tail_steps : 0;
        tile.ahead = next;
        run_tiles(&rect, &tile, rows, cols, next && r->kernels->piece_bytes ? fc_min(piece, r->kernels->piece_bytes) : 0);
        if (last) return;
        tile.continued = 1;
        tile.offset += at_once;
        tile.filter = next;
    }
}
