/* Direct and Winograd convolution between maps that are already in channel blocks, with a filter that is already packed: what a
 * layer inside a network costs. Nothing is reordered; padding is the input's own halo. A first layer of few channels reads its
 * plain rows through planes in scratch.
 */
#include <string.h>

#include "conv.h"
#include "filter.h"
#include "../sizes.h"

enum { BAND_BYTES = 256 * 1024, BAND_PIXELS = 96, TASKS_A_THREAD = 4 };

typedef struct {
    fc_conv_job base;
    fc_blocked in, out, residual;
    int64_t rows, row_pieces;   /* output rows of a task, and tasks a plane */
    int64_t slab;               /* input blocks that are summed before the next panel's turn */
    int64_t tiles, tile_pieces; /* panels of a task, and tasks across the channels; those of the same panels follow each other */
} fc_blocked_job;

/* What a band of `rows` output rows brings into the cache: whole lines of input pixels, also of those that a stride skips,
 * or the output of one panel where that is more. */
static int64_t band_bytes(const fc_conv *conv, const fc_conv_plan *plan, int64_t rows)
{
    const fc_window *w = &conv->window;
    const int64_t in_rows = w->kernel[1] == 1 ? rows : (rows - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    const int64_t input = plan->in_blocks * in_rows * w->in[2], output = plan->kernels->tile_blocks * rows * w->out[2];
    return fc_max(input, output) * FC_BLOCK_BYTES;
}

/* A slab of a band stays in the second-level cache while every panel of its task goes over it; narrower bands would read
 * the filter too often. Where the filter is larger than the map, panels are shared out, so that each thread reads its own
 * part only. */
static void split_work(fc_blocked_job *job)
{
    const fc_conv *conv = job->base.conv;
    const fc_conv_plan *plan = job->base.plan;
    const fc_window *w = &conv->window;
    const int64_t planes = conv->batch * w->out[0], wanted = fc_ceil_div(TASKS_A_THREAD * plan->threads, planes);
    job->rows = w->out[1];
    job->tiles = plan->tiles;
    if ((int64_t)plan->filter_bytes > band_bytes(conv, plan, w->out[1]))
        job->tiles = fc_even_piece(plan->tiles, fc_ceil_div(plan->tiles, wanted), planes, plan->threads);
    else job->rows = fc_ceil_div(w->out[1], wanted);
    job->tile_pieces = fc_ceil_div(plan->tiles, job->tiles);
    while (job->rows > 1 && job->rows * w->out[2] >= 2 * BAND_PIXELS && band_bytes(conv, plan, job->rows) > BAND_BYTES)
        job->rows = fc_ceil_div(job->rows, 2);
    job->rows = fc_even_piece(w->out[1], job->rows, planes * job->tile_pieces, plan->threads);
    const int64_t slabs = fc_ceil_div(band_bytes(conv, plan, job->rows), BAND_BYTES);
    job->slab = plan->form == FC_BLOCKED ? fc_ceil_div(plan->in_blocks, fc_min(slabs, plan->in_blocks)) : plan->in_blocks;
    job->row_pieces = fc_ceil_div(w->out[1], job->rows);
}

/* The part of the sum over the input blocks [first, first + slab). */
static fc_reduction slab_of(const fc_blocked_job *job, int64_t first)
{
    const int64_t taps = job->base.plan->taps, blocks = job->base.plan->in_blocks, end = first + job->slab;
    fc_reduction r = job->base.phase[0].reduction;
    if (job->slab >= blocks) return r;
    r.offset += first * taps;
    r.steps = fc_min(r.steps, end * taps) - first * taps;
    if (end < blocks) r.tail_steps = 0;
    return r;
}

/* Where the part of a panel starts that belongs to the input blocks from `first` on. */
static const char *filter_at(const fc_blocked_job *job, int64_t tile, int64_t first)
{
    const fc_conv_plan *plan = job->base.plan;
    const int64_t columns = first * plan->kernels->block * plan->taps * fc_panel_blocks(plan, tile);
    return job->base.filter + fc_panel_at(plan, 0, tile) + columns * FC_BLOCK_BYTES;
}

/* The panels [first, end) over one band, a slab of the input after the other; the output holds the sums in between. */
static void sweep_band(const fc_blocked_job *job, const void *input, const fc_target *band, int64_t rows, int64_t first,
                       int64_t end)
{
    const fc_conv_job *base = &job->base;
    const fc_conv_plan *plan = base->plan;
    const fc_window *w = &base->conv->window;
    for (int64_t slab = 0; slab < plan->in_blocks; slab += job->slab) {
        const fc_reduction part = slab_of(job, slab);
        for (int64_t tile = first; tile < end; tile++) {
            const fc_panel panel = {
                .filter = filter_at(job, tile, slab), .next = tile + 1 < end ? filter_at(job, tile + 1, slab) : NULL,
                .bias = fc_panel_bias(base, 0, tile), .blocks = fc_panel_blocks(plan, tile),
                .continued = slab > 0, .unfinished = slab + job->slab < plan->in_blocks,
                .activation = base->epilogue.activation,
            };
            fc_target target = *band;
            const ptrdiff_t at = tile * plan->kernels->tile_blocks * band->block;
            target.data = (char *)band->data + at;
            if (band->residual) target.residual = (const char *)band->residual + at;
            fc_sweep(&part, input, &panel, &target, rows, w->out[2]);
        }
    }
}

static void blocked_task(void *context, int64_t task, int thread)
{
    const fc_blocked_job *job = context;
    const fc_conv_job *base = &job->base;
    const fc_window *w = &base->conv->window;
    const int64_t row = task % job->row_pieces * job->rows, planes = base->conv->batch * w->out[0];
    const int64_t plane = task / job->row_pieces % planes, n = plane / w->out[0], d = plane % w->out[0];
    const int64_t first = task / job->row_pieces / planes * job->tiles, end = fc_min(first + job->tiles, base->plan->tiles);
    const int64_t rows = fc_min(job->rows, w->out[1] - row);
    const char *input;
    if (base->plan->form == FC_PLANES) {
        char *scratch = fc_thread_scratch(base, thread);
        const fc_piece piece = {n, 0, {{d, row, 0}, {1, rows, w->out[2]}}};
        fc_lay_out_piece(base, &piece, NULL, scratch);
        input = scratch;
    } else {
        input = (const char *)job->in.data + n * job->in.sample + d * w->stride[0] * job->in.slice
              + row * w->stride[1] * job->in.row;
    }
    const ptrdiff_t at = d * job->out.slice + row * job->out.row;
    const fc_target band = {.data = (char *)job->out.data + n * job->out.sample + at, .px = FC_BLOCK_BYTES,
                            .row = job->out.row, .block = job->out.block,
                            .residual = job->residual.data ? (const char *)job->residual.data + n * job->residual.sample + at : NULL};
    sweep_band(job, input, &band, rows, first, end);
}

/* Steps of a blocked input start at the halo. */
static void prepare_blocked_reduction(fc_blocked_job *job)
{
    const fc_conv_plan *plan = job->base.plan;
    const fc_window *w = &job->base.conv->window;
    fc_reduction *r = &job->base.phase[0].reduction;
    ptrdiff_t *offset = job->base.offset;
    for (int64_t b = 0; b < plan->in_blocks; b++)
        for (int64_t d = 0; d < w->kernel[0]; d++)
            for (int64_t h = 0; h < w->kernel[1]; h++)
                for (int64_t v = 0; v < w->kernel[2]; v++)
                    *offset++ = b * job->in.block + (d * w->dilation[0] - w->pad[0]) * job->in.slice
                              + (h * w->dilation[1] - w->pad[1]) * job->in.row
                              + (v * w->dilation[2] - w->pad[2]) * FC_BLOCK_BYTES;
    r->walk = w->stride[2] == 1 ? FC_WALK_BLOCKED_1 : w->stride[2] == 2 ? FC_WALK_BLOCKED_2 : FC_WALK_STRIDED;
    r->px_stride = w->stride[2] * FC_BLOCK_BYTES;
    r->row_stride = w->stride[1] * job->in.row;
}

static fc_status run_direct(fc_blocked_job *job)
{
    const fc_conv *conv = job->base.conv;
    const fc_conv_plan *plan = job->base.plan;
    split_work(job);
    /* Bands are this function's own, so their scratch is not the plan's. */
    job->base.scratch = fc_scratch_of(&conv->window, plan->form, conv->item_bytes, job->rows, conv->window.out[2]);
    if (plan->form == FC_PLANES) job->base.thread_bytes = fc_aligned((size_t)(plan->group_in * job->base.scratch.group_bytes));
    fc_block block = fc_block_acquire(fc_conv_fixed_bytes(conv, plan) + (size_t)plan->threads * job->base.thread_bytes);
    if (!block.data) return FC_NO_MEMORY;
    fc_conv_prepare(&job->base, block.data);
    if (plan->form == FC_BLOCKED) prepare_blocked_reduction(job);
    const int64_t tasks = conv->batch * conv->window.out[0] * job->row_pieces * job->tile_pieces;
    const fc_status status = fc_parallel(&job->base.team, tasks, blocked_task, job);
    fc_block_release(block);
    return status;
}

static fc_status run_winograd(fc_conv_job *job)
{
    const fc_conv_plan *plan = job->plan;
    const size_t shared = fc_aligned(plan->shared_bytes);
    job->thread_bytes = plan->thread_bytes;
    fc_block block = fc_block_acquire(shared + fc_conv_fixed_bytes(job->conv, plan) + (size_t)plan->threads * job->thread_bytes);
    if (!block.data) return FC_NO_MEMORY;
    job->shared = block.data;
    fc_conv_prepare(job, job->shared + shared);
    const fc_status status = fc_conv_winograd(job);
    fc_block_release(block);
    return status;
}

fc_status fc_conv_run_blocked(const fc_blocked_conv *call, const fc_run *run)
{
    fc_blocked_job job = {.base = {.conv = call->conv, .plan = call->plan, .epilogue = call->epilogue, .input = call->plain,
                                   .maps = call, .team = fc_team_of(run, call->plan->threads), .filter = call->packed},
                          .in = call->input, .out = call->output, .residual = call->residual};
    return call->plan->method == FC_TRANSFORMED ? run_winograd(&job.base) : run_direct(&job);
}
