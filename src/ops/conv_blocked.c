/* Direct convolution between maps that are already in channel blocks, with a filter that is already packed: what a layer
 * inside a network costs. Nothing is reordered; padding is the input's own halo. A first layer of few channels reads its
 * plain rows through planes in scratch.
 */
#include <string.h>

#include "conv.h"
#include "filter.h"
#include "../sizes.h"

enum { BAND_BYTES = 384 * 1024, TASKS_A_THREAD = 4 };

typedef struct {
    fc_conv_job base;
    fc_blocked in, out, residual;
    int64_t rows, row_pieces;   /* output rows of a task, and tasks a plane */
    int64_t tiles, tile_pieces; /* panels of a task, and tasks across the channels */
} fc_blocked_job;

/* Rows are shared out where a plane is large; panels where the filter is, so that each thread reads its own part only. */
static void split_work(fc_blocked_job *job)
{
    const fc_conv_plan *plan = job->base.plan;
    const fc_window *w = &job->base.conv->window;
    const int64_t row_bytes = plan->in_blocks * w->in[2] * w->stride[1] * FC_BLOCK_BYTES;
    const int64_t input_bytes = plan->in_blocks * w->in[1] * w->in[2] * FC_BLOCK_BYTES;
    const int64_t planes = job->base.conv->batch * w->out[0], wanted = fc_ceil_div(TASKS_A_THREAD * plan->threads, planes);
    job->rows = w->out[1];
    job->tiles = plan->tiles;
    if ((int64_t)plan->filter_bytes > input_bytes) {
        job->tiles = fc_even_piece(plan->tiles, fc_ceil_div(plan->tiles, wanted), planes, plan->threads);
    } else {
        job->rows = fc_ceil_div(w->out[1], wanted);
        while (job->rows > 2 && job->rows * row_bytes > BAND_BYTES) job->rows = fc_ceil_div(job->rows, 2);
        job->rows = fc_even_piece(w->out[1], job->rows, planes, plan->threads);
    }
    job->row_pieces = fc_ceil_div(w->out[1], job->rows);
    job->tile_pieces = fc_ceil_div(plan->tiles, job->tiles);
}

static void blocked_task(void *context, int64_t task, int thread)
{
    const fc_blocked_job *job = context;
    const fc_conv_job *base = &job->base;
    const fc_conv_plan *plan = base->plan;
    const fc_window *w = &base->conv->window;
    const int64_t tile_piece = task % job->tile_pieces, row_piece = task / job->tile_pieces % job->row_pieces;
    const int64_t plane = task / job->tile_pieces / job->row_pieces, n = plane / w->out[0], d = plane % w->out[0];
    const int64_t row = row_piece * job->rows, left = w->out[1] - row, rows = left < job->rows ? left : job->rows;
    const char *input;
    if (plan->form == FC_PLANES) {
        char *scratch = fc_thread_scratch(base, thread);
        const fc_piece piece = {n, 0, {{d, row, 0}, {1, rows, w->out[2]}}};
        fc_lay_out_piece(base, &piece, NULL, scratch);
        input = scratch;
    } else {
        input = (const char *)job->in.data + n * job->in.sample + d * w->stride[0] * job->in.slice
              + row * w->stride[1] * job->in.row;
    }
    const int64_t end = (tile_piece + 1) * job->tiles < plan->tiles ? (tile_piece + 1) * job->tiles : plan->tiles;
    for (int64_t tile = tile_piece * job->tiles; tile < end; tile++) {
        const ptrdiff_t at = n * job->out.sample + tile * plan->kernels->tile_blocks * job->out.block + d * job->out.slice
                           + row * job->out.row;
        const fc_panel panel = {.filter = base->shared + fc_panel_at(plan, 0, tile), .bias = fc_panel_bias(base, 0, tile),
                                .blocks = fc_panel_blocks(plan, tile), .activation = base->epilogue.activation};
        const fc_target target = {
            .data = (char *)job->out.data + at,
            .residual = job->residual.data ? (const char *)job->residual.data + at : NULL,
            .px = FC_BLOCK_BYTES, .row = job->out.row, .block = job->out.block,
        };
        fc_sweep(&base->reduction, input, &panel, &target, rows, w->out[2]);
    }
}

/* Steps of a blocked input start at the halo. */
static void prepare_blocked_reduction(fc_blocked_job *job)
{
    const fc_conv_plan *plan = job->base.plan;
    const fc_window *w = &job->base.conv->window;
    fc_reduction *r = &job->base.reduction;
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

fc_status fc_conv_run_blocked(const fc_blocked_conv *call, const fc_run *run)
{
    const fc_conv *conv = call->conv;
    const fc_conv_plan *plan = call->plan;
    fc_blocked_job job = {.base = {.conv = conv, .plan = plan, .epilogue = call->epilogue, .input = call->plain,
                                   .team = {plan->threads, run->team.interrupted}, .shared = (char *)call->packed},
                          .in = call->input, .out = call->output, .residual = call->residual};
    split_work(&job);
    /* Bands are this function's own, so their scratch is not the plan's. */
    job.base.scratch = fc_scratch_of(&conv->window, plan->form, conv->item_bytes, job.rows, conv->window.out[2]);
    if (plan->form == FC_PLANES) job.base.thread_bytes = fc_aligned((size_t)(plan->group_in * job.base.scratch.group_bytes));
    fc_block block = fc_block_acquire(fc_conv_fixed_bytes(conv, plan) + (size_t)plan->threads * job.base.thread_bytes);
    if (!block.data) return FC_NO_MEMORY;
    fc_conv_prepare(&job.base, block.data);
    if (plan->form == FC_BLOCKED) prepare_blocked_reduction(&job);
    const int64_t tasks = conv->batch * conv->window.out[0] * job.row_pieces * job.tile_pieces;
    const fc_status status = fc_parallel(&job.base.team, tasks, blocked_task, &job);
    fc_block_release(block);
    return status;
}

fc_status fc_conv_pack(const fc_conv *conv, const fc_conv_plan *plan, const void *weight, void *packed, const fc_run *run)
{
    fc_conv_job job = {.conv = conv, .plan = plan, .weight = weight, .team = {plan->threads, run->team.interrupted},
                       .shared = packed};
    return fc_pack_filter(&job);
}
