/* The limits are measured, like those of plan/conv.c. */
#include "winograd.h"
#include "../sizes.h"

enum {
    TRANSFORMED_BYTES = 384 * 1024, /* transformed input and sums that stay in the second-level cache */
    LEAST_TOGETHER = 48,            /* tiles for which the filter, which comes from further away, is worth its way */
    FEW_TILES = 128,                /* up to here the filter is transformed a panel at a time */
    BAND_BYTES = 256 * 1024,
    TASKS_A_THREAD = 3,
};

int fc_fits_winograd(const fc_window *window)
{
    if (window->kernel[0] != 1) return 0;
    for (int i = 1; i < FC_SPATIAL; i++)
        if (window->kernel[i] != 3 || window->stride[i] != 1 || window->dilation[i] != 1) return 0;
    return 1;
}

int fc_gains_by_winograd(const fc_conv *conv)
{
    const fc_window *w = &conv->window;
    if (!fc_fits_winograd(w)) return 0;
    const int64_t channels = fc_min(conv->c_in, conv->c_out) / conv->groups;
    const double pixels = (double)w->out[1] * (double)w->out[2];
    const double tiles = (double)fc_ceil_div(w->out[1], FC_TILE_OUT) * (double)fc_ceil_div(w->out[2], FC_TILE_OUT);
    if (tiles * FC_TILE_OUT * FC_TILE_OUT > 1.5 * pixels) return 0;
    return (channels >= 32 && pixels >= 400) || (channels >= 128 && pixels >= 196);
}

static int64_t tiles_along(const fc_conv *conv, int axis) { return fc_ceil_div(conv->window.out[axis], FC_TILE_OUT); }

/* Bytes of `blocks` channel blocks under rows x cols tiles, with the halo. */
static size_t input_bytes_of(int64_t blocks, int64_t rows, int64_t cols)
{
    return (size_t)(blocks * (rows * FC_TILE_OUT + 2) * (cols * FC_TILE_OUT + 2)) * FC_BLOCK_BYTES;
}

/* Registers' worth of scratch, the tiles' outputs of one channel block, a gathered row, the taps of a block of channels. */
static size_t scratch_bytes(const fc_conv *conv, const fc_conv_plan *plan, int64_t tiles)
{
    const int block = plan->kernels->block;
    return (size_t)(FC_PRODUCTS + FC_TILE_OUT * FC_TILE_OUT * tiles + 9 * block) * FC_BLOCK_BYTES
         + fc_gathered_row_bytes(conv, plan->kernels);
}

static void plan_channels(const fc_conv *conv, fc_conv_plan *plan)
{
    const int64_t plane = tiles_along(conv, 1) * tiles_along(conv, 2);
    plan->split = FC_BY_CHANNELS;
    plan->together = plane * conv->batch * conv->window.out[0];
    plan->band_rows = tiles_along(conv, 1) * FC_TILE_OUT;
    plan->band_cols = tiles_along(conv, 2) * FC_TILE_OUT;
    plan->bands = 1;
    plan->panel_bytes = FC_PRODUCTS * fc_place_bytes(FC_SLAB_BLOCKS * plan->kernels->block, plan->kernels->tile_blocks);
    plan->input_bytes = input_bytes_of(1, tiles_along(conv, 1), tiles_along(conv, 2));
    plan->output_bytes = FC_PRODUCTS * fc_place_bytes(plan->kernels->tile_blocks, plan->together);
    plan->shared_bytes = (size_t)conv->groups * FC_PRODUCTS * fc_place_bytes(plan->in_blocks, plan->together);
    plan->thread_bytes = fc_aligned(plan->panel_bytes + plan->input_bytes + plan->output_bytes + scratch_bytes(conv, plan, plane));
}

static void plan_bands(const fc_conv *conv, fc_conv_plan *plan)
{
    const int64_t across = tiles_along(conv, 2), down = tiles_along(conv, 1), planes = conv->batch * conv->groups * conv->window.out[0];
    const int64_t tile_bytes = FC_PRODUCTS * (plan->in_blocks + plan->out_blocks) * FC_BLOCK_BYTES;
    plan->split = FC_BY_BANDS;
    plan->together = fc_max(TRANSFORMED_BYTES / tile_bytes, LEAST_TOGETHER);
    const int64_t least = fc_ceil_div(plan->threads, planes), most = fc_ceil_div(TASKS_A_THREAD * plan->threads, planes);
    int64_t rows = fc_ceil_div(down, fc_max(least, fc_min(most, across * down / plan->together))), cols = across;
    while (rows > 1 && rows / 2 * cols >= plan->together && input_bytes_of(plan->in_blocks, rows, cols) > BAND_BYTES)
        rows = fc_ceil_div(rows, 2);
    while (rows == 1 && cols / 2 >= plan->together && input_bytes_of(plan->in_blocks, rows, cols) > BAND_BYTES)
        cols = fc_ceil_div(cols, 2);
    plan->together = fc_ceil_div(rows * cols, fc_ceil_div(rows * cols, plan->together));
    plan->band_rows = rows * FC_TILE_OUT;
    plan->band_cols = cols * FC_TILE_OUT;
    plan->bands = fc_ceil_div(down, rows) * fc_ceil_div(across, cols);
    plan->input_bytes = input_bytes_of(plan->in_blocks, rows, cols);
    plan->output_bytes = FC_PRODUCTS * (fc_place_bytes(plan->in_blocks, plan->together) + fc_place_bytes(plan->out_blocks, plan->together));
    plan->shared_bytes = FC_PRODUCTS * fc_place_bytes(conv->groups * plan->group_in, plan->out_blocks);
    plan->thread_bytes = fc_aligned(plan->input_bytes + plan->output_bytes + scratch_bytes(conv, plan, plan->together));
}

void fc_plan_winograd(const fc_conv *conv, fc_conv_plan *plan)
{
    const int64_t tiles = conv->batch * conv->window.out[0] * tiles_along(conv, 1) * tiles_along(conv, 2);
    plan->taps = 1; /* the panels of one product */
    plan->depth = plan->group_in;
    plan->filter_bytes = FC_PRODUCTS * fc_place_bytes(conv->groups * plan->depth, plan->out_blocks);
    if (tiles <= FEW_TILES && conv->groups * plan->tiles >= plan->threads) plan_channels(conv, plan);
    else plan_bands(conv, plan);
}
