/* Where the registers hold wide tiles, rows are cut into tiles of nearly equal width, so that no narrow one is left over;
 * tiles of at most half the widest take two rows at once:
 *
 *   width 56, tile 14:  |14|14|14|14|      width 30:  |10|10|10|      width 7:  two rows of 7
 *
 * Where they do not, tiles go through the rectangle as if it were one row, and those across the end of a row are scattered:
 *
 *   width 7, tile 6:    |1 1 1 1 1 1 2|     49 pixels are 4 tiles of 6 and 5 of 5
 *                       |2 2 2 2 2 3 3|
 *                       |3 3 3 3 4 4 4| ...
 *
 * Tiles read the panel so often that it has to come from the nearest cache: the sums are cut into pieces of the panel, and
 * the output holds them in between.
 */
#include "sweep.h"
#include "../sizes.h"

typedef struct {
    const fc_reduction *reduction;
    const char *input;
    const fc_target *target;
    int64_t rows, cols;
    int blocks;
} fc_rectangle;

/* How often a tile of steps through blocks fetches. */
static int64_t fours(const fc_tile *tile) { return tile->steps * (tile->depth / 4) + tile->tail_steps * (tile->tail_depth / 4); }

static void run_kernel(const fc_rectangle *rect, fc_tile *tile, int64_t row, int64_t col, fc_tile_kernel *kernel)
{
    const fc_target *target = rect->target;
    const ptrdiff_t at = row * target->row + col * target->px;
    tile->input = rect->input + row * tile->row_stride + col * tile->px_stride;
    tile->output = (char *)target->data + at;
    tile->residual = target->residual ? (const char *)target->residual + at : NULL;
    kernel(tile);
    tile->ahead = (const char *)tile->ahead + tile->tiles * fours(tile) * tile->ahead_lines * FC_BLOCK_BYTES;
    if (tile->ahead >= tile->ahead_end) tile->ahead_lines = 0;
}

/* `tiles` tiles of `height` rows of px pixels. */
static void run_tiles_of_row(const fc_rectangle *rect, fc_tile *tile, int64_t row, int64_t col, int height, int64_t px, int64_t tiles)
{
    const fc_reduction *r = rect->reduction;
    tile->tiles = tiles;
    run_kernel(rect, tile, row, col, r->kernels->tile[r->walk][height - 1][px - 1][rect->blocks - 1]);
}

/* A tile of px pixels across the ends of rows. */
static void run_scattered(const fc_rectangle *rect, fc_tile *tile, int64_t row, int64_t col, int64_t px)
{
    ptrdiff_t pixel[FC_MAX_TILE_PX], out_pixel[FC_MAX_TILE_PX];
    for (int64_t p = 0, down = 0, across = col; p < px; p++, across++) {
        if (across == rect->cols) across = 0, down++;
        pixel[p] = down * tile->row_stride + (across - col) * tile->px_stride;
        out_pixel[p] = down * rect->target->row + (across - col) * rect->target->px;
    }
    tile->pixel = pixel;
    tile->out_pixel = out_pixel;
    tile->tiles = 1;
    run_kernel(rect, tile, row, col, rect->reduction->kernels->tile[FC_WALK_SCATTERED][0][px - 1][rect->blocks - 1]);
}

/* How pixels are cut: the first `wider` of `pieces` tiles have a pixel more than the others. */
typedef struct {
    int64_t pieces, narrow, wider;
} fc_cut;

static fc_cut cut_of(const fc_kernels *kernels, int64_t pixels)
{
    const int64_t pieces = fc_ceil_div(pixels, kernels->tile_px);
    return (fc_cut){pieces, pixels / pieces, pixels % pieces};
}

/* The bytes from tile->ahead on are wanted next: `tiles` tiles fetch some lines at a time until there are none left. */
static void start_fetching(fc_tile *tile, int64_t bytes, int64_t tiles)
{
    const int64_t times = tiles * fours(tile);
    tile->ahead_lines = bytes && times ? (int)fc_ceil_div(bytes, times * FC_BLOCK_BYTES) : 0;
    tile->ahead_end = (const char *)tile->ahead + bytes;
}

static void run_rows(const fc_rectangle *rect, fc_tile *tile, int64_t next_bytes)
{
    const fc_kernels *kernels = rect->reduction->kernels;
    const fc_cut cut = cut_of(kernels, rect->cols);
    const int can_pair = rect->reduction->walk <= FC_WALK_BLOCKED_2 && kernels->tile[FC_WALK_BLOCKED_1][1][0][0];
    const int64_t tiles[2] = {cut.wider, cut.pieces - cut.wider};
    start_fetching(tile, next_bytes, rect->rows * cut.pieces);
    for (int64_t row = 0; row < rect->rows; row += 2) {
        const int height = row + 1 < rect->rows ? 2 : 1;
        int64_t col = 0;
        for (int i = 0; i < 2; i++) {
            const int64_t px = cut.narrow + !i;
            const int paired = height == 2 && can_pair && 2 * px <= kernels->tile_px;
            for (int h = 0; h < height && tiles[i]; h += paired ? 2 : 1)
                run_tiles_of_row(rect, tile, row + h, col, paired ? 2 : 1, px, tiles[i]);
            col += px * tiles[i];
        }
    }
}

static void run_pixels(const fc_rectangle *rect, fc_tile *tile, int64_t next_bytes)
{
    const fc_cut cut = cut_of(rect->reduction->kernels, rect->rows * rect->cols);
    start_fetching(tile, next_bytes, cut.pieces);
    for (int64_t i = 0, row = 0, col = 0, tiles; i < cut.pieces; i += tiles) {
        const int64_t px = cut.narrow + (i < cut.wider), alike = (i < cut.wider ? cut.wider : cut.pieces) - i;
        tiles = fc_min((rect->cols - col) / px, alike);
        if (tiles) {
            run_tiles_of_row(rect, tile, row, col, 1, px, tiles);
        } else {
            tiles = 1;
            run_scattered(rect, tile, row, col, px);
        }
        for (col += px * tiles; col >= rect->cols; col -= rect->cols) row++;
    }
}

/* Every tile of the rectangle, with the steps that `tile` has; they fetch the `next_bytes` from tile->ahead on. */
static void run_tiles(const fc_rectangle *rect, fc_tile *tile, int64_t next_bytes)
{
    const fc_reduction *r = rect->reduction;
    const int planar = r->walk == FC_WALK_PLANAR_1 || r->walk == FC_WALK_PLANAR_2;
    if (planar || !r->kernels->tile[FC_WALK_SCATTERED][0][1][rect->blocks - 1]) run_rows(rect, tile, next_bytes);
    else run_pixels(rect, tile, next_bytes);
}

/* How many steps of a panel to take at once: pieces of nearly equal length. */
static int64_t piece_steps(const fc_reduction *r, int blocks)
{
    const int64_t step_bytes = r->depth * blocks * FC_BLOCK_BYTES, all = r->steps;
    if (all * step_bytes < 2 * FC_PIECE_BYTES) return all;
    return fc_ceil_div(all, fc_ceil_div(all, fc_max(1, FC_PIECE_BYTES / step_bytes)));
}

void fc_sweep(const fc_reduction *r, const void *input, const fc_panel *panel, const fc_target *target, int64_t rows,
              int64_t cols)
{
    const int contiguous = r->row_stride == cols * r->px_stride && target->row == cols * target->px; /* as if it were one row */
    const fc_rectangle rect = {r, input, target, contiguous ? 1 : rows, contiguous ? rows * cols : cols, panel->blocks};
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
        run_tiles(&rect, &tile, next ? fc_min(piece, FC_PIECE_BYTES) : 0);
        if (last) return;
        tile.continued = 1;
        tile.offset += at_once;
        tile.filter = next;
    }
}
