/* A convolution call: plan it, take the workspace, hand it to its algorithm.
 *
 *   workspace:  | shared: packed filter, laid-out input, zeros | phases | step offsets | padded bias | thread 0 | thread 1 | ...
 */
#include "conv.h"

#include <string.h>

#include "../plan/choose.h"
#include "../plan/transposed.h"
#include "pool.h"
#include "../sizes.h"

/* A pointwise convolution does not care where rows end: longer rows fill the tiles better. */
static void join_rows(fc_conv *conv, const fc_view *input, const fc_view *output)
{
    fc_window *w = &conv->window;
    int64_t pixels = 1;
    for (int i = 0; i < FC_SPATIAL; i++) {
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad[i] || w->in[i] != w->out[i]) return;
        pixels *= w->in[i];
    }
    if (input && (fc_row_from(input, w->in) || fc_row_from(output, w->out))) return;
    for (int i = 0; i < FC_SPATIAL; i++) w->in[i] = w->out[i] = i == FC_SPATIAL - 1 ? pixels : 1;
}

static fc_conv normalised(const fc_conv *conv, const fc_view *input, const fc_view *output)
{
    fc_conv same = *conv;
    if (conv->transposed) fc_gather(&same);
    else same.window = fc_simplified(&conv->window);
    if (!conv->transposed) join_rows(&same, input, output);
    if (input) {
        const fc_window *w = conv->transposed ? &conv->window : &same.window;
        same.channels_last = fc_channels_last(input, output, conv->c_in, conv->item_bytes);
        same.strided_rows = (w->in[2] > 1 && input->stride[4] != conv->item_bytes)
                         || (w->out[0] * w->out[1] * w->out[2] > 1 && output->stride[4] != conv->item_bytes);
    }
    return same;
}

fc_status fc_conv_explain(const fc_conv *conv, const fc_run *run, fc_conv_report *report)
{
    const fc_conv same = normalised(conv, NULL, NULL);
    const fc_status status = fc_plan_conv(&same, run, &report->plan);
    if (status != FC_OK) return status;
    report->work = fc_work_of(&same, &report->plan);
    report->able_count = fc_able_algorithms(&same, report->able);
    report->plan.shared_bytes += fc_conv_fixed_bytes(&same, &report->plan);
    return FC_OK;
}

static size_t offset_bytes(const fc_conv_plan *plan)
{
    return fc_aligned((size_t)(fc_layout_units(plan) * plan->taps) * sizeof(ptrdiff_t));
}

static size_t phase_bytes(const fc_conv_plan *plan) { return fc_aligned((size_t)plan->phases * sizeof(fc_phase)); }

static size_t place_bytes(const fc_conv *conv, const fc_conv_plan *plan)
{
    return conv->transposed ? fc_aligned((size_t)plan->taps * sizeof(fc_tap_place)) : 0;
}

/* Bias in whole blocks. */
static size_t bias_bytes(const fc_conv *conv, const fc_conv_plan *plan)
{
    if (fc_is_in_place(plan)) return 0;
    return (size_t)(conv->groups * plan->out_blocks) * FC_BLOCK_BYTES;
}

size_t fc_conv_fixed_bytes(const fc_conv *conv, const fc_conv_plan *plan)
{
    return phase_bytes(plan) + offset_bytes(plan) + place_bytes(conv, plan) + bias_bytes(conv, plan);
}

void fc_conv_prepare(fc_conv_job *job, char *memory)
{
    const fc_conv *conv = job->conv;
    const fc_conv_plan *plan = job->plan;
    job->phase = (fc_phase *)memory;
    job->offset = (ptrdiff_t *)(memory + phase_bytes(plan));
    job->place = (fc_tap_place *)((char *)job->offset + offset_bytes(plan));
    job->bias = (char *)job->place + place_bytes(conv, plan);
    job->threads = job->bias + bias_bytes(conv, plan);
    if (plan->method != FC_COLUMNS && !fc_is_in_place(plan)) fc_conv_prepare_phases(job);
    memset(job->bias, 0, bias_bytes(conv, plan));
    if (!job->epilogue.bias || fc_is_in_place(plan)) return;
    const size_t a_group = (size_t)(plan->group_out * conv->item_bytes);
    for (int64_t g = 0; g < conv->groups; g++)
        memcpy(job->bias + g * plan->out_blocks * FC_BLOCK_BYTES, (const char *)job->epilogue.bias + (size_t)g * a_group,
               a_group);
}

fc_status fc_conv_run(const fc_conv *asked, const fc_view *input, const void *weight, const fc_view *output,
                      const fc_epilogue *epilogue, const fc_run *run)
{
    const fc_conv conv = normalised(asked, input, output);
    fc_conv_plan plan;
    fc_status status = fc_plan_conv(&conv, run, &plan);
    if (status != FC_OK) return status;

    const size_t shared = fc_aligned(plan.shared_bytes);
    fc_block block = fc_block_acquire(shared + fc_conv_fixed_bytes(&conv, &plan) + (size_t)plan.threads * plan.thread_bytes);
    if (!block.data) return FC_NO_MEMORY;
    fc_conv_job job = {.conv = &conv, .plan = &plan, .input = *input, .output = *output, .weight = weight,
                       .filter = weight, .epilogue = *epilogue, .team = fc_team_of(run, plan.threads), .shared = block.data,
                       .thread_bytes = plan.thread_bytes};
    job.scratch = fc_scratch_of(&conv.window, plan.form, conv.item_bytes, plan.band_rows, plan.band_cols);
    fc_conv_prepare(&job, job.shared + shared);
    switch (plan.method) {
    case FC_TILES: status = fc_conv_direct(&job); break;
    case FC_COLUMNS: status = fc_conv_im2col(&job); break;
    case FC_ROWS: status = fc_conv_planar(&job); break;
    case FC_POINTWISE: status = fc_conv_pointwise(&job); break;
    case FC_WINDOWS: status = fc_conv_sliding(&job); break;
    case FC_CHANNELS: status = fc_conv_depthwise(&job); break;
    case FC_TRANSFORMED: status = fc_conv_winograd(&job); break;
    }
    /* Winograd spreads what is not finite within its tiles anyway. */
    if (status == FC_OK && conv.transposed && plan.method != FC_TRANSFORMED) status = fc_mend_border(&job);
    fc_block_release(block);
    return status;
}

int64_t fc_pieces(const fc_conv_job *job)
{
    return job->conv->batch * job->conv->groups * job->conv->window.out[0] * job->plan->bands;
}

fc_piece fc_plane_of(const fc_conv_job *job, int64_t plane)
{
    const int64_t *out = job->conv->window.out, volume = plane / out[0];
    return (fc_piece){
        .sample = volume / job->conv->groups,
        .group = volume % job->conv->groups,
        .range = {.first = {plane % out[0], 0, 0}, .count = {1, out[1], out[2]}},
    };
}

fc_piece fc_piece_of(const fc_conv_job *job, int64_t task)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t *out = job->conv->window.out, across = fc_ceil_div(out[2], plan->band_cols), band = task % plan->bands;
    fc_piece piece = fc_plane_of(job, task / plan->bands);
    fc_range *range = &piece.range;
    range->first[1] = band / across * plan->band_rows;
    range->first[2] = band % across * plan->band_cols;
    range->count[1] = fc_min(plan->band_rows, out[1] - range->first[1]);
    range->count[2] = fc_min(plan->band_cols, out[2] - range->first[2]);
    return piece;
}

fc_range fc_outputs_of(const fc_conv_job *job, const fc_range *piece, int64_t slice)
{
    if (!job->conv->transposed) return *piece;
    const int64_t *step = job->plan->step, *out = job->conv->spread.out;
    fc_range outputs = {.first = {piece->first[0] * step[0] + slice}, .count = {1}};
    if (outputs.first[0] >= out[0]) outputs.count[0] = 0;
    for (int i = 1; i < FC_SPATIAL; i++) {
        outputs.first[i] = piece->first[i] * step[i];
        outputs.count[i] = fc_min(piece->count[i] * step[i], out[i] - outputs.first[i]);
    }
    return outputs;
}

int64_t fc_phase_count(const fc_conv_job *job, const fc_phase *phase, const fc_range *outputs, int axis)
{
    const int64_t left = outputs->count[axis] - phase->first[axis];
    return left > 0 ? fc_ceil_div(left, job->plan->step[axis]) : 0;
}

fc_source fc_source_of(const fc_conv_job *job, int64_t sample, int64_t channel, void *row)
{
    const int64_t block = job->plan->kernels->block;
    fc_source source = {.kernels = job->plan->kernels, .input = job->input, .row = row};
    if (channel + 2 * block <= job->conv->c_in) source.ahead = block * job->input.stride[1];
    source.input.data = (char *)job->input.data + sample * job->input.stride[0] + channel * job->input.stride[1];
    return source;
}

void fc_lay_out_piece(const fc_conv_job *job, const fc_piece *piece, void *row, void *input)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t first = piece->group * plan->group_in, step = plan->form == FC_BLOCKED ? plan->kernels->block : 1;
    char *dst = input;
    for (int64_t c = 0; c < plan->group_in; c += step, dst += job->scratch.group_bytes) {
        const fc_source source = fc_source_of(job, piece->sample, first + c, row);
        if (plan->form != FC_BLOCKED) fc_lay_out_planes(&job->scratch, &source, &piece->range, dst);
        else fc_lay_out_block(&job->scratch, &source, &piece->range, fc_min(step, plan->group_in - c), dst);
    }
}

void fc_store_panel_rows(const fc_conv_job *job, const fc_piece *piece, int64_t tile, const fc_panel_rows *rows)
{
    const fc_conv_plan *plan = job->plan;
    const fc_range *range = &piece->range;
    const int block = plan->kernels->block;
    fc_store store = {.kernels = plan->kernels, .px = FC_BLOCK_BYTES, .row = rows->row, .output = job->output,
                      .rows = fc_ceil_div(range->count[1] - rows->first, rows->step), .cols = range->count[2],
                      .activation = job->epilogue.activation};
    store.output.stride[3] *= rows->step;
    for (int b = 0; b < fc_panel_blocks(plan, tile); b++) {
        const int64_t within = (tile * plan->kernels->tile_blocks + b) * block;
        const ptrdiff_t at = piece->sample * job->output.stride[0]
                           + (piece->group * plan->group_out + within) * job->output.stride[1]
                           + range->first[0] * job->output.stride[2] + (range->first[1] + rows->first) * job->output.stride[3]
                           + range->first[2] * job->output.stride[4];
        store.channels = fc_min(block, plan->group_out - within);
        store.scratch = (const char *)rows->scratch + b * rows->block;
        store.output.data = (char *)job->output.data + at;
        store.residual = job->epilogue.residual ? (const char *)job->epilogue.residual + at : NULL;
        fc_store_block(&store);
    }
}

void fc_store_panel(const fc_conv_job *job, const fc_piece *piece, int64_t tile, const void *scratch, ptrdiff_t block_bytes)
{
    const fc_panel_rows rows = {scratch, block_bytes, piece->range.count[2] * FC_BLOCK_BYTES, 0, 1};
    fc_store_panel_rows(job, piece, tile, &rows);
}

const void *fc_panel_bias(const fc_conv_job *job, int64_t group, int64_t tile)
{
    return job->bias + (group * job->plan->out_blocks + tile * job->plan->kernels->tile_blocks) * FC_BLOCK_BYTES;
}

void fc_pack_one_panel(const fc_conv_job *job, int64_t group, int64_t tile, void *panel)
{
    const int item_bytes = job->conv->item_bytes;
    if (job->conv->transposed)
        fc_pack_transposed_panel(job->plan, item_bytes, job->weight, job->place, group, tile, panel);
    else fc_pack_panel(job->plan, item_bytes, job->weight, group, tile, panel);
}

static void pack_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const int64_t group = task / job->plan->tiles, tile = task % job->plan->tiles;
    (void)thread;
    fc_pack_one_panel(job, group, tile, (char *)job->filter + fc_panel_at(job->plan, group, tile));
}

fc_status fc_pack_filter(fc_conv_job *job, char *filter)
{
    if (job->conv->prepacked) return FC_OK;
    job->filter = filter;
    return fc_parallel(&job->team, job->conv->groups * job->plan->tiles, pack_task, job);
}

/* Bytes of a packed filter from which on threads share the work: what one packs within some milliseconds is not worth waiting for
 * another that the system runs late. */
static const size_t SHARED_PACKING = 8 << 20;

fc_status fc_conv_pack(const fc_conv *asked, const void *weight, void *packed, const fc_run *run)
{
    fc_conv conv = normalised(asked, NULL, NULL);
    fc_conv_plan plan;
    fc_status status = fc_plan_conv(&conv, run, &plan);
    if (status != FC_OK) return status;
    if (!plan.filter_bytes || plan.method == FC_ROWS) return FC_UNSUPPORTED;
    fc_block block = fc_block_acquire(fc_conv_fixed_bytes(&conv, &plan) + (size_t)plan.threads * plan.thread_bytes);
    if (!block.data) return FC_NO_MEMORY;
    fc_conv_job job = {.conv = &conv, .plan = &plan, .weight = weight, .team = fc_team_of(run, plan.threads),
                       .thread_bytes = plan.thread_bytes};
    job.scratch = fc_scratch_of(&conv.window, plan.form, conv.item_bytes, plan.band_rows, plan.band_cols);
    fc_conv_prepare(&job, block.data);
    conv.prepacked = 0;
    if (plan.filter_bytes < SHARED_PACKING) job.team.threads = 1;
    status = plan.method == FC_TRANSFORMED ? fc_pack_winograd(&job, packed) : fc_pack_filter(&job, packed);
    fc_block_release(block);
    return status;
}
