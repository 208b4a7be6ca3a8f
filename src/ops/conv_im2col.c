/* im2col-GEMM in tiles: the columns of a few pixel tiles at a time, never the whole matrix.
 *
 *   panel of columns [k = channel, tap][pixel of the tile]  x  panel of the filter [k][output channel]
 *
 * The product is the register tile with one step of depth K. Goto & van de Geijn 2008; Chellapilla et al. 2006.
 */
#include <string.h>

#include "conv.h"
#include "filter.h"

typedef struct {
    const fc_conv_job *job;
    const char *input; /* sample and first channel of the group */
    int64_t first, count; /* output pixels */
    int item;
} fc_columns;

/* One element of every column of a tile: where the kernel position falls into the input, else zero. */
static void gather_k(const fc_columns *c, int64_t channel, const int64_t tap[FC_SPATIAL], char *dst)
{
    const fc_window *w = &c->job->conv->window;
    const ptrdiff_t *stride = c->job->input.stride;
    int64_t at[FC_SPATIAL];
    at[2] = c->first % w->out[2];
    at[1] = c->first / w->out[2] % w->out[1];
    at[0] = c->first / w->out[2] / w->out[1];
    for (int64_t p = 0; p < c->count; p++, dst += c->item) {
        const char *src = c->input + channel * stride[1];
        int outside = 0;
        for (int i = 0; i < FC_SPATIAL; i++) {
            const int64_t s = at[i] * w->stride[i] - w->pad[i] + tap[i] * w->dilation[i];
            outside |= s < 0 || s >= w->in[i];
            src += s * stride[2 + i];
        }
        if (outside) memset(dst, 0, (size_t)c->item);
        else if (c->item == 4) *(float *)dst = *(const float *)src;
        else *(double *)dst = *(const double *)src;
        for (int i = FC_SPATIAL - 1; i >= 0 && ++at[i] == w->out[i]; i--) at[i] = 0;
    }
}

static void gather_tile(const fc_columns *c, int tile_px, char *dst)
{
    const fc_window *w = &c->job->conv->window;
    int64_t tap[FC_SPATIAL];
    for (int64_t channel = 0; channel < c->job->plan->group_in; channel++)
        for (tap[0] = 0; tap[0] < w->kernel[0]; tap[0]++)
            for (tap[1] = 0; tap[1] < w->kernel[1]; tap[1]++)
                for (tap[2] = 0; tap[2] < w->kernel[2]; tap[2]++, dst += tile_px * c->item) gather_k(c, channel, tap, dst);
}

/* The output array as one row of all its pixels, so that a piece may run over the ends of rows. */
static void store_pixels(const fc_conv_job *job, const fc_piece *piece, int64_t tile, const char *scratch)
{
    const ptrdiff_t block = piece->range.count[2] * FC_BLOCK_BYTES;
    const int64_t width = job->conv->window.out[2], height = job->conv->window.out[1];
    fc_piece part = *piece;
    for (int64_t done = 0; done < piece->range.count[2]; done += part.range.count[2]) {
        const int64_t pixel = piece->range.first[2] + done, left = piece->range.count[2] - done;
        const int64_t col = pixel % width;
        part.range = (fc_range){{pixel / width / height, pixel / width % height, col}, {1, 1, width - col}};
        if (left < part.range.count[2]) part.range.count[2] = left;
        fc_store_panel(job, &part, tile, scratch + done * FC_BLOCK_BYTES, block);
    }
}

static void columns_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const fc_kernels *k = plan->kernels;
    const fc_window *w = &job->conv->window;
    const int64_t volume = task / plan->bands, pixels = w->out[0] * w->out[1] * w->out[2];
    const int64_t first = task % plan->bands * plan->band_cols, left = pixels - first;
    const int64_t count = left < plan->band_cols ? left : plan->band_cols;
    const fc_piece piece = {volume / job->conv->groups, volume % job->conv->groups, {{0, 0, first}, {1, 1, count}}};
    const fc_source source = fc_source_of(job, piece.sample, piece.group * plan->group_in, NULL);
    const ptrdiff_t tile_bytes = plan->depth * k->tile_px * job->conv->item_bytes;
    char *input = fc_thread_scratch(job, thread), *output = input + plan->input_bytes;

    for (int64_t p = 0; p < count; p += k->tile_px) {
        const int64_t px = count - p < k->tile_px ? count - p : k->tile_px;
        const fc_columns columns = {job, source.input.data, first + p, px, job->conv->item_bytes};
        gather_tile(&columns, k->tile_px, input + p / k->tile_px * tile_bytes);
    }
    const ptrdiff_t start = 0;
    const fc_reduction reduction = {.kernels = k, .walk = FC_WALK_PLANAR_1, .offset = &start, .steps = 1,
                                    .depth = plan->depth, .k_stride = k->tile_px * job->conv->item_bytes};
    for (int64_t tile = 0; tile < plan->tiles; tile++) {
        const fc_panel panel = {.filter = job->filter + fc_panel_at(plan, piece.group, tile),
                                .bias = fc_panel_bias(job, piece.group, tile), .blocks = fc_panel_blocks(plan, tile)};
        for (int64_t p = 0; p < count; p += k->tile_px) {
            const fc_target target = {.data = output + p * FC_BLOCK_BYTES, .px = FC_BLOCK_BYTES,
                                      .block = count * FC_BLOCK_BYTES};
            fc_sweep(&reduction, input + p / k->tile_px * tile_bytes, &panel, &target, 1,
                     count - p < k->tile_px ? count - p : k->tile_px);
        }
        store_pixels(job, &piece, tile, output);
    }
}

fc_status fc_conv_im2col(fc_conv_job *job)
{
    const fc_status status = fc_pack_filter(job, job->shared);
    if (status != FC_OK) return status;
    return fc_parallel(&job->team, job->conv->batch * job->conv->groups * job->plan->bands, columns_task, job);
}
