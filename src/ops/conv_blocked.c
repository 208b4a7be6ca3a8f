/* Direct and Winograd convolution between maps that are already in channel blocks, with a filter that is already packed: what a
 * layer inside a network costs. Nothing is reordered; padding is the input's own halo. A first layer of few channels reads its
 * plain rows through planes in scratch.
 */
#include <string.h>

#include "conv_blocked.h"
#include "filter.h"
#include "../plan/share.h"
#include "../sizes.h"

enum { BAND_BYTES = 256 * 1024, BAND_PIXELS = 96, TASKS_A_THREAD = 4 };

/* What a band of `rows` output rows brings into the cache: whole lines of input pixels, also of those that a stride skips,
 * or the output of one panel where that is more. */
static int64_t band_bytes(const fc_conv *conv, const fc_conv_plan *plan, int64_t rows)
{
    const fc_window *w = &conv->window;
    const int64_t in_rows = w->kernel[1] == 1 ? rows : (rows - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    const int64_t input = plan->in_blocks * in_rows * w->in[2];
    const int64_t output = plan->kernels->tile_blocks * rows * plan->step[1] * w->out[2] * plan->step[2];
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
    const int64_t planes = conv->batch * conv->groups * w->out[0];
    const int64_t wanted = plan->threads > 1 ? fc_ceil_div(TASKS_A_THREAD * plan->threads, planes) : 1;
    job->rows = w->out[1];
    job->tiles = plan->tiles;
    if ((int64_t)plan->filter_bytes / conv->groups > band_bytes(conv, plan, w->out[1]))
        job->tiles = fc_even_piece(plan->tiles, fc_ceil_div(plan->tiles, wanted), planes, plan->threads);
    else job->rows = fc_ceil_div(w->out[1], wanted);
    job->tile_pieces = fc_ceil_div(plan->tiles, job->tiles);
    while (job->rows > 1 && job->rows * w->out[2] >= 2 * BAND_PIXELS && band_bytes(conv, plan, job->rows) > BAND_BYTES)
        job->rows = fc_ceil_div(job->rows, 2);
    job->rows = fc_even_piece(w->out[1], job->rows, planes * job->tile_pieces, plan->threads);
    job->row_pieces = fc_ceil_div(w->out[1], job->rows);
}

/* The part of a phase's sum over the input blocks [first, first + slab). */
static fc_reduction slab_of(const fc_blocked_job *job, const fc_phase *phase, int64_t first)
{
    const int64_t taps = phase->taps, blocks = job->base.plan->in_blocks, end = first + job->slab;
    fc_reduction r = phase->reduction;
    if (job->slab >= blocks) return r;
    r.offset += first * taps;
    r.steps = fc_min(r.steps, end * taps) - first * taps;
    if (end < blocks) r.tail_steps = 0;
    return r;
}

/* One slice of a band of a group: its outputs and phases, its input, and where the first output stands in the group's first
 * block. */
typedef struct {
    int64_t group;
    fc_range outputs;
    const fc_phase *phase; /* NULL: no tap reaches the slice */
    const void *input;
    fc_target target;
    int64_t first, end; /* panels */
} fc_band;

/* Where the part of a panel starts that belongs to a phase and the input blocks from `slab` on. */
static const char *filter_at(const fc_blocked_job *job, const fc_band *band, const fc_phase *phase, int64_t tile, int64_t slab)
{
    const fc_conv_plan *plan = job->base.plan;
    const int64_t products = phase->before * plan->group_in + slab * plan->kernels->block * phase->taps;
    return job->base.filter + fc_panel_at(plan, band->group, tile) + products * fc_panel_blocks(plan, tile) * FC_BLOCK_BYTES;
}

/* The outputs of one panel from `row` and `col` on. */
static fc_target target_of(const fc_blocked_job *job, const fc_band *band, int64_t tile, int64_t row, int64_t col)
{
    fc_target target = band->target;
    const ptrdiff_t at = tile * job->base.plan->kernels->tile_blocks * target.block + row * target.row + col * target.px;
    target.data = (char *)target.data + at;
    if (target.residual) target.residual = (const char *)target.residual + at;
    return target;
}

static fc_panel panel_of(const fc_blocked_job *job, const fc_band *band, int64_t tile)
{
    return (fc_panel){.bias = fc_panel_bias(&job->base, band->group, tile), .blocks = fc_panel_blocks(job->base.plan, tile),
                      .activation = job->base.epilogue.activation};
}

/* Outputs that no tap reaches, and all others, which are written again. */
static void fill_gaps(const fc_blocked_job *job, const fc_band *band)
{
    fc_reduction nothing = job->base.phase->reduction;
    nothing.steps = nothing.tail_steps = 0;
    for (int64_t tile = band->first; tile < band->end; tile++) {
        const fc_panel panel = panel_of(job, band, tile);
        const fc_target target = target_of(job, band, tile, 0, 0);
        fc_sweep(&nothing, band->input, &panel, &target, band->outputs.count[1], band->outputs.count[2]);
    }
}

/* One panel over one slab of the input, phase after phase; then it is the turn of `next`, another panel or NULL. */
static void sweep_slab(const fc_blocked_job *job, const fc_band *band, int64_t tile, int64_t slab, const char *next)
{
    const fc_conv_job *base = &job->base;
    const int64_t *step = base->plan->step;
    fc_panel panel = panel_of(job, band, tile);
    panel.continued = slab > 0;
    panel.unfinished = slab + job->slab < base->plan->in_blocks;
    const fc_phase *end = band->phase + base->phases_a_slice;
    for (const fc_phase *phase = band->phase; phase < end; phase++) {
        const int64_t rows = fc_phase_count(base, phase, &band->outputs, 1), cols = fc_phase_count(base, phase, &band->outputs, 2);
        if (!rows || !cols) continue;
        const fc_reduction part = slab_of(job, phase, slab);
        fc_target target = target_of(job, band, tile, phase->first[1], phase->first[2]);
        target.row *= step[1];
        target.px *= step[2];
        panel.filter = filter_at(job, band, phase, tile, slab);
        panel.next = phase + 1 < end ? filter_at(job, band, phase + 1, tile, slab) : next;
        fc_sweep(&part, band->input, &panel, &target, rows, cols);
    }
}

/* Of transposed convolutions the only output may belong to no phase. */
static int is_one_pixel(const fc_blocked_job *job, const fc_band *band)
{
    return band->outputs.count[1] == 1 && band->outputs.count[2] == 1 && !job->base.conv->transposed
        && job->base.plan->form == FC_BLOCKED;
}

/* All panels over a single pixel, as many at once as have the same width. */
static void sweep_pixel(const fc_blocked_job *job, const fc_band *band)
{
    const fc_conv_plan *plan = job->base.plan;
    const fc_reduction *r = &band->phase->reduction;
    fc_pixel t = {.input = band->input, .offset = r->offset, .steps = r->steps, .depth = r->depth, .tail_steps = r->tail_steps,
                  .tail_depth = r->tail_depth, .out_block = band->target.block, .activation = job->base.epilogue.activation};
    for (int64_t tile = band->first; tile < band->end; tile += t.panels) {
        const fc_target target = target_of(job, band, tile, 0, 0);
        t.blocks = fc_panel_blocks(plan, tile);
        t.panels = fc_min(fc_max(plan->out_blocks / plan->kernels->tile_blocks - tile, 1), band->end - tile);
        t.panel_bytes = plan->depth * t.blocks * FC_BLOCK_BYTES;
        t.filter = filter_at(job, band, band->phase, tile, 0);
        t.bias = fc_panel_bias(&job->base, band->group, tile);
        t.output = target.data;
        t.residual = target.residual;
        plan->kernels->pixel(&t);
    }
}

/* All panels of a band, a slab of the input after the other; the output holds the sums in between. */
static void sweep_band(const fc_blocked_job *job, const fc_band *band)
{
    if (job->base.gaps) fill_gaps(job, band);
    if (!band->phase) return;
    if (is_one_pixel(job, band)) {
        sweep_pixel(job, band);
        return;
    }
    for (int64_t slab = 0; slab < job->base.plan->in_blocks; slab += job->slab)
        for (int64_t tile = band->first; tile < band->end; tile++)
            sweep_slab(job, band, tile, slab, tile + 1 < band->end ? filter_at(job, band, band->phase, tile + 1, slab) : NULL);
}

/* Where the windows of a row of outputs start in the input: at its halo, or laid out in scratch. */
static const void *input_of(const fc_blocked_job *job, const fc_piece *piece, int thread)
{
    const fc_window *w = &job->base.conv->window;
    const fc_blocked *in = &job->in;
    const int64_t *first = piece->range.first;
    if (job->base.plan->form == FC_PLANES) {
        char *scratch = fc_thread_scratch(&job->base, thread);
        fc_lay_out_piece(&job->base, piece, NULL, scratch);
        return scratch;
    }
    return (const char *)in->data + piece->sample * in->sample + piece->group * job->base.plan->in_blocks * in->block
         + (first[0] * w->stride[0] - w->pad[0]) * in->slice + (first[1] * w->stride[1] - w->pad[1]) * in->row
         - w->pad[2] * FC_BLOCK_BYTES;
}

static void blocked_task(void *context, int64_t task, int thread)
{
    const fc_blocked_job *job = context;
    const fc_conv_job *base = &job->base;
    const fc_window *w = &base->conv->window;
    const fc_blocked *out = &job->out, *residual = &job->residual;
    const int64_t row = task % job->row_pieces * job->rows, groups = base->conv->groups, volumes = base->conv->batch * groups;
    const int64_t plane = task / job->row_pieces % (volumes * w->out[0]), volume = plane / w->out[0];
    const int64_t first = task / job->row_pieces / (volumes * w->out[0]) * job->tiles;
    const fc_piece piece = {.sample = volume / groups, .group = volume % groups,
                            .range = {{plane % w->out[0], row, 0}, {1, fc_min(job->rows, w->out[1] - row), w->out[2]}}};
    const void *input = input_of(job, &piece, thread);
    for (int64_t slice = 0; slice < base->plan->step[0]; slice++) {
        const fc_range outputs = fc_outputs_of(base, &piece.range, slice);
        if (!outputs.count[0]) return;
        const ptrdiff_t at = piece.group * base->plan->out_blocks * out->block + outputs.first[0] * out->slice
                           + outputs.first[1] * out->row;
        const fc_band band = {
            .group = piece.group, .outputs = outputs, .phase = fc_phases_of_slice(base, slice), .input = input, .first = first,
            .end = fc_min(first + job->tiles, base->plan->tiles),
            .target = {.data = (char *)out->data + piece.sample * out->sample + at, .px = job->out_px, .row = out->row,
                       .block = out->block,
                       .residual = residual->data ? (const char *)residual->data + piece.sample * residual->sample + at : NULL},
        };
        sweep_band(job, &band);
    }
}

/* A map as if it had been laid out for all of its outputs. */
static fc_scratch scratch_of_map(const fc_conv *conv, const fc_blocked *map)
{
    return (fc_scratch){.window = &conv->window, .form = FC_BLOCKED, .item_bytes = conv->item_bytes,
                        .axis = {{1, 1, 0}, {1, 1, 0}, {1, 1, 0}}, .px_bytes = FC_BLOCK_BYTES, .row_bytes = map->row,
                        .slice_bytes = conv->window.dilation[0] * map->slice, .group_bytes = map->block};
}

/* Bands are this file's own, so their scratch is not the plan's. */
static size_t plan_scratch(fc_blocked_job *job)
{
    const fc_conv *conv = job->base.conv;
    const fc_conv_plan *plan = job->base.plan;
    const int planes = plan->form == FC_PLANES;
    const int64_t slabs = fc_ceil_div(band_bytes(conv, plan, job->rows), BAND_BYTES);
    job->slab = planes ? plan->in_blocks : fc_ceil_div(plan->in_blocks, fc_min(slabs, plan->in_blocks));
    job->base.scratch = planes ? fc_scratch_of(&conv->window, plan->form, conv->item_bytes, job->rows, conv->window.out[2])
                               : scratch_of_map(conv, &job->in);
    if (planes) job->base.thread_bytes = fc_apart((size_t)(plan->group_in * job->base.scratch.group_bytes));
    return fc_conv_fixed_bytes(conv, plan) + (size_t)job->base.team.threads * job->base.thread_bytes;
}

size_t fc_blocked_bytes(fc_blocked_job *job, int64_t rows)
{
    job->rows = rows;
    job->tiles = job->base.plan->tiles;
    return plan_scratch(job);
}

void fc_blocked_prepare(fc_blocked_job *job, char *memory) { fc_conv_prepare(&job->base, memory); }

void fc_blocked_rows(const fc_blocked_job *job, const fc_piece *rows, const void *input, const fc_target *target, int thread)
{
    const int planes = job->base.plan->form == FC_PLANES;
    const fc_band band = {.outputs = rows->range, .phase = fc_phases_of_slice(&job->base, 0), .target = *target,
                          .input = planes ? input_of(job, rows, thread) : input, .end = job->tiles};
    sweep_band(job, &band);
}

/* Samples of one output pixel each can be the pixels of one sample: then each panel is read once for all of them. */
static int can_join_samples(const fc_blocked_job *job)
{
    const fc_conv *conv = job->base.conv;
    const int64_t *out = conv->window.out;
    return conv->batch > 1 && conv->groups == 1 && !conv->transposed && out[0] * out[1] * out[2] == 1
        && job->base.plan->form == FC_BLOCKED && (!job->residual.data || job->residual.sample == job->out.sample);
}

/* What is cut into tasks and slabs is as large as all samples; the walk from one to the next is set when the steps are. */
static void join_samples(fc_blocked_job *job, fc_conv *joined)
{
    *joined = *job->base.conv;
    joined->window.out[2] = joined->batch;
    joined->window.in[2] *= joined->batch;
    joined->batch = 1;
    job->base.conv = joined;
    job->out_px = job->out.sample;
}

static fc_status run_direct(fc_blocked_job *job)
{
    fc_conv joined;
    const int joins = can_join_samples(job);
    if (joins) join_samples(job, &joined);
    const fc_conv *conv = job->base.conv;
    split_work(job);
    fc_block block = fc_block_acquire(plan_scratch(job));
    if (!block.data) return FC_NO_MEMORY;
    fc_conv_prepare(&job->base, block.data);
    if (joins) {
        job->base.phase->reduction.walk = FC_WALK_STRIDED;
        job->base.phase->reduction.px_stride = job->in.sample;
    }
    const int64_t tasks = conv->batch * conv->groups * conv->window.out[0] * job->row_pieces * job->tile_pieces;
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

fc_blocked_job fc_blocked_job_of(const fc_blocked_conv *call, const fc_run *run)
{
    return (fc_blocked_job){.base = {.conv = call->conv, .plan = call->plan, .epilogue = call->epilogue, .input = call->plain,
                                     .maps = call, .team = fc_team_of(run, call->plan->threads),
                                     .weight = call->packed, .filter = call->packed},
                            .in = call->input, .out = call->output, .residual = call->residual, .out_px = FC_BLOCK_BYTES};
}

fc_status fc_conv_run_blocked(const fc_blocked_conv *call, const fc_run *run)
{
    fc_blocked_job job = fc_blocked_job_of(call, run);
    return call->plan->method == FC_TRANSFORMED ? run_winograd(&job.base) : run_direct(&job);
}
