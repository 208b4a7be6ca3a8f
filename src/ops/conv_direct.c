/* Direct convolution: input laid out with its halo, sums kept in registers, no im2col matrix.
 *
 *   by bands:     pack the filter;        then each task: lay out a band of rows, sweep every panel over it, store
 *   by channels:  lay the input out;      then each task: pack one panel, sweep it over all samples, store;
 *                 or multiply it, as it is, by a few pixels
 *
 * Georganas et al. 2018; Zhang, Franchetti & Low 2018.
 */
#include "conv.h"

#include "../sizes.h"

/* Whether the tiles of a panel can write the caller's array themselves: channels last, and no half-empty block. */
static int stores_in_place(const fc_conv_job *job, int64_t tile)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t channels = plan->kernels->block * fc_panel_blocks(plan, tile);
    return job->output.stride[1] == job->conv->item_bytes && job->conv->c_out > 1
        && tile * plan->kernels->tile_blocks * plan->kernels->block + channels <= plan->group_out;
}

/* The phases of one slice of outputs, into `target`, which stands at the first of them. */
static void sweep_phases(const fc_conv_job *job, const fc_panel *panel, const fc_target *target, const fc_range *outputs,
                         const void *input)
{
    const fc_conv_plan *plan = job->plan;
    const fc_phase *phase = fc_phases_of_slice(job, outputs->first[0] % plan->step[0]);
    if (job->gaps) {
        fc_reduction nothing = job->phase->reduction;
        nothing.steps = nothing.tail_steps = 0;
        fc_sweep(&nothing, input, panel, target, outputs->count[1], outputs->count[2]);
    }
    for (int64_t left = phase ? job->phases_a_slice : 0; left > 0; left--, phase++) {
        const int64_t rows = fc_phase_count(job, phase, outputs, 1), cols = fc_phase_count(job, phase, outputs, 2);
        if (!rows || !cols) continue;
        const ptrdiff_t at = phase->first[1] * target->row + phase->first[2] * target->px;
        fc_panel own = *panel;
        fc_target every = *target;
        own.filter = (const char *)panel->filter + phase->before * plan->group_in * panel->blocks * FC_BLOCK_BYTES;
        every.data = (char *)target->data + at;
        if (target->residual) every.residual = (const char *)target->residual + at;
        every.row *= plan->step[1];
        every.px *= plan->step[2];
        fc_sweep(&phase->reduction, input, &own, &every, rows, cols);
    }
}

/* The rows of a slice that one row of phases makes, by themselves; those that no tap reaches are all alike. */
static void sweep_rows(const fc_conv_job *job, const fc_panel *panel, const fc_piece *outputs, int64_t tile, const void *input,
                       void *scratch)
{
    const fc_conv_plan *plan = job->plan;
    const fc_range *range = &outputs->range;
    const fc_phase *slice = fc_phases_of_slice(job, range->first[0] % plan->step[0]);
    const ptrdiff_t row = range->count[2] * FC_BLOCK_BYTES;
    fc_reduction nothing = job->phase->reduction;
    nothing.steps = nothing.tail_steps = 0;
    for (int64_t first = 0; first < plan->step[1] && first < range->count[1]; first++) {
        const fc_phase *phase = fc_phases_of_rows(job, slice, first);
        const int64_t rows = phase ? fc_phase_count(job, phase, range, 1) : 1;
        const fc_target target = {.data = scratch, .px = FC_BLOCK_BYTES, .row = row, .block = rows * row};
        fc_sweep(&nothing, input, panel, &target, rows, range->count[2]);
        for (int64_t left = phase ? job->phases_a_row : 0; left > 0; left--, phase++) {
            const int64_t cols = fc_phase_count(job, phase, range, 2);
            fc_panel own = *panel;
            fc_target every = target;
            if (!cols) continue;
            own.filter = (const char *)panel->filter + phase->before * plan->group_in * panel->blocks * FC_BLOCK_BYTES;
            every.data = (char *)scratch + phase->first[2] * FC_BLOCK_BYTES;
            every.px *= plan->step[2];
            fc_sweep(&phase->reduction, input, &own, &every, rows, cols);
        }
        fc_store_panel_rows(job, outputs, tile, &(fc_panel_rows){scratch, target.block, rows > 1 ? row : 0, first, plan->step[1]});
    }
}

static void sweep_slice(const fc_conv_job *job, const fc_piece *outputs, int64_t tile, const void *input, const void *filter,
                        void *scratch)
{
    const fc_conv_plan *plan = job->plan;
    const fc_range *range = &outputs->range;
    fc_panel panel = {.filter = filter, .bias = fc_panel_bias(job, outputs->group, tile), .blocks = fc_panel_blocks(plan, tile)};
    fc_target target;
    if (stores_in_place(job, tile)) {
        const ptrdiff_t *stride = job->output.stride;
        const int64_t channel = outputs->group * plan->group_out + tile * plan->kernels->tile_blocks * plan->kernels->block;
        const ptrdiff_t at = outputs->sample * stride[0] + channel * stride[1] + range->first[0] * stride[2]
                           + range->first[1] * stride[3] + range->first[2] * stride[4];
        panel.activation = job->epilogue.activation;
        target = (fc_target){.data = (char *)job->output.data + at, .px = stride[4], .row = stride[3], .block = FC_BLOCK_BYTES,
                             .residual = job->epilogue.residual ? (const char *)job->epilogue.residual + at : NULL};
        sweep_phases(job, &panel, &target, range, input);
        return;
    }
    if (4 * job->phases_a_slice <= plan->step[1] * job->phases_a_row) { /* most rows have no taps */
        sweep_rows(job, &panel, outputs, tile, input, scratch);
        return;
    }
    const ptrdiff_t row = range->count[2] * FC_BLOCK_BYTES;
    target = (fc_target){.data = scratch, .px = FC_BLOCK_BYTES, .row = row, .block = range->count[1] * row};
    sweep_phases(job, &panel, &target, range, input);
    fc_store_panel(job, outputs, tile, scratch, target.block);
}

static void sweep_panel(const fc_conv_job *job, const fc_piece *piece, int64_t tile, const void *input, const void *filter,
                        void *scratch)
{
    for (int64_t slice = 0; slice < job->plan->step[0]; slice++) {
        fc_piece outputs = *piece;
        outputs.range = fc_outputs_of(job, &piece->range, slice);
        if (!outputs.range.count[0]) return;
        sweep_slice(job, &outputs, tile, input, filter, scratch);
    }
}

static void band_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_piece piece = fc_piece_of(job, task);
    char *input = fc_thread_scratch(job, thread), *output = input + job->plan->input_bytes;
    char *row = output + job->plan->output_bytes;
    fc_lay_out_piece(job, &piece, row, input);
    for (int64_t tile = 0; tile < job->plan->tiles; tile++)
        sweep_panel(job, &piece, tile, input, job->filter + fc_panel_at(job->plan, piece.group, tile), output);
}

/* One block (or plane) of one piece of the input. */
static void layout_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const int64_t units = fc_layout_units(job->plan), unit = task % units;
    const fc_piece piece = fc_piece_of(job, task / units);
    const int64_t step = plan->form == FC_BLOCKED ? plan->kernels->block : 1, first = unit * step;
    char *row = fc_thread_scratch(job, thread) + plan->panel_bytes + plan->output_bytes;
    char *dst = job->shared + (size_t)(task / units) * plan->input_bytes + unit * job->scratch.group_bytes;
    const fc_source source = fc_source_of(job, piece.sample, piece.group * plan->group_in + first, row);
    const int64_t left = plan->group_in - first;
    if (plan->form != FC_BLOCKED) fc_lay_out_planes(&job->scratch, &source, &piece.range, dst);
    else fc_lay_out_block(&job->scratch, &source, &piece.range, left < step ? left : step, dst);
}

/* A panel of the filter as it is by all pixels of a plane. */
static void multiply_unpacked(const fc_conv_job *job, const fc_piece *plane, int64_t tile, const char *input, char *scratch)
{
    const fc_conv_plan *plan = job->plan;
    const fc_reduction *r = &job->phase->reduction;
    const int64_t *out = plane->range.count, within = tile * plan->kernels->tile_blocks * plan->kernels->block;
    const ptrdiff_t row = plan->depth * job->conv->item_bytes;
    fc_unpacked t = {
        .weight = (const char *)job->weight + (plane->group * plan->group_out + within) * row, .row_stride = row,
        .px_stride = r->px_stride, .block_stride = job->scratch.group_bytes, .bias = fc_panel_bias(job, plane->group, tile),
        .pixels = out[2], .depth = plan->depth, .out_block = out[1] * out[2] * FC_BLOCK_BYTES,
        .channels = fc_min(fc_panel_blocks(plan, tile) * plan->kernels->block, plan->group_out - within),
    };
    for (int64_t i = 0; i < out[1]; i++) {
        t.input = input + i * r->row_stride;
        t.output = scratch + i * out[2] * FC_BLOCK_BYTES;
        plan->kernels->unpacked(&t);
    }
    fc_store_panel(job, plane, tile, scratch, t.out_block);
}

static void channel_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const int64_t group = task / plan->tiles, tile = task % plan->tiles, planes = job->conv->window.out[0];
    char *scratch = fc_thread_scratch(job, thread), *output = scratch + plan->panel_bytes;
    const char *panel = job->conv->prepacked ? job->filter + fc_panel_at(plan, group, tile) : scratch;
    if (!job->conv->prepacked && !plan->unpacked) fc_pack_one_panel(job, group, tile, scratch);
    for (int64_t sample = 0; sample < job->conv->batch; sample++)
        for (int64_t d = 0; d < planes; d++) {
            const int64_t at = (sample * job->conv->groups + group) * planes + d;
            const fc_piece piece = fc_piece_of(job, at);
            const char *input = job->shared + (size_t)at * plan->input_bytes;
            if (plan->unpacked) multiply_unpacked(job, &piece, tile, input, output);
            else sweep_panel(job, &piece, tile, input, panel, output);
        }
}

fc_status fc_conv_direct(fc_conv_job *job)
{
    fc_status status;
    if (job->plan->split == FC_BY_CHANNELS) {
        status = fc_parallel(&job->team, fc_pieces(job) * fc_layout_units(job->plan), layout_task, job);
        if (status != FC_OK) return status;
        return fc_parallel(&job->team, job->conv->groups * job->plan->tiles, channel_task, job);
    }
    status = fc_pack_filter(job, job->shared);
    return status == FC_OK ? fc_parallel(&job->team, fc_pieces(job), band_task, job) : status;
}
