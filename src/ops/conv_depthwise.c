/* Depthwise convolution, one channel block at a time, vectors along the channels.
 *
 * A band of one block is laid out in scratch with its halo, so that every window lies inside, then reduced, all rows of a phase at once:
 * into a channels-last output in place, else into scratch and through the transposition.
 */
#include <string.h>

#include "conv.h"
#include "../sizes.h"

enum { PIECE = 128 }; /* taps packed at once: their places stay on the stack */

/* Filter taps, phase after phase, and bias of one block as vectors of channels. */
static void pack_block(const fc_conv_job *job, int64_t first, int64_t channels, char *filter, char *bias)
{
    const int item = job->conv->item_bytes;
    const int64_t taps = job->plan->taps;
    for (int64_t tap = 0; tap < taps; tap += PIECE) {
        ptrdiff_t place[PIECE];
        const fc_transpose t = {.blocked = filter, .block_offset = place, .pixels = fc_min(PIECE, taps - tap),
                                .planar = (void *)(job->weight + (first * taps + tap) * item), .plane_stride = taps * item,
                                .channels = channels};
        for (int64_t i = 0; i < t.pixels; i++) {
            const fc_tap_place *p = job->place + tap + i;
            place[i] = (job->conv->transposed ? p->before + p->index : tap + i) * FC_BLOCK_BYTES;
        }
        job->plan->kernels->to_blocked(&t);
    }
    memset(bias, 0, FC_BLOCK_BYTES);
    if (job->epilogue.bias) memcpy(bias, (const char *)job->epilogue.bias + first * item, (size_t)(channels * item));
}

/* The piece and the first channel of a task: blocks innermost, so that neighbouring tasks share cache lines. */
static fc_piece task_piece(const fc_conv_job *job, int64_t task, int64_t *first)
{
    const fc_conv_plan *plan = job->plan;
    const fc_window *w = &job->conv->window;
    const int block = plan->kernels->block;
    const int64_t blocks = (job->conv->c_in + block - 1) / block, bands = task / blocks, plane = bands / plan->bands;
    const int64_t row = bands % plan->bands * plan->band_rows;
    *first = task % blocks * block;
    return (fc_piece){plane / w->out[0], 0,
                      {{plane % w->out[0], row, 0}, {1, fc_min(plan->band_rows, w->out[1] - row), w->out[2]}}};
}

/* The rows of one phase: `t` stands at the first output of all phases, whose rows are `row` bytes long. */
static void reduce_phase(const fc_conv_job *job, const fc_phase *phase, const fc_range *outputs, fc_depthwise t, ptrdiff_t row)
{
    const int64_t *step = job->plan->step;
    const ptrdiff_t at = phase->first[1] * row + phase->first[2] * t.out_px;
    t.px = fc_phase_count(job, phase, outputs, 2);
    t.offset = phase->reduction.offset;
    t.steps = phase->taps;
    t.filter = (const char *)t.filter + phase->before * FC_BLOCK_BYTES;
    t.output = (char *)t.output + at;
    if (t.residual) t.residual = (const char *)t.residual + at;
    t.out_px *= step[2];
    t.rows = fc_phase_count(job, phase, outputs, 1);
    t.in_row = fc_row_step(&job->scratch);
    t.out_row = t.residual_row = step[1] * row;
    job->plan->kernels->depthwise(&t);
}

static void reduce_slice(const fc_conv_job *job, const fc_range *outputs, const fc_depthwise *t, ptrdiff_t row)
{
    const fc_phase *phase = fc_phases_of_slice(job, outputs->first[0] % job->plan->step[0]);
    if (job->gaps) {
        fc_depthwise nothing = *t;
        nothing.px = outputs->count[2];
        nothing.rows = outputs->count[1];
        nothing.out_row = nothing.residual_row = row;
        job->plan->kernels->depthwise(&nothing);
    }
    for (int64_t left = phase ? job->phases_a_slice : 0; left > 0; left--, phase++) reduce_phase(job, phase, outputs, *t, row);
}

/* One slice of outputs of the channel block from `first` on; t: what all its slices share. */
static void block_slice(const fc_conv_job *job, const fc_piece *outputs, int64_t first, fc_depthwise t, char *scratch)
{
    const fc_range *range = &outputs->range;
    const ptrdiff_t *stride = job->output.stride, row = range->count[2] * FC_BLOCK_BYTES;
    const ptrdiff_t at = outputs->sample * stride[0] + first * stride[1] + range->first[0] * stride[2]
                       + range->first[1] * stride[3] + range->first[2] * stride[4];
    const char *residual = job->epilogue.residual ? (const char *)job->epilogue.residual + at : NULL;
    char *output = (char *)job->output.data + at;
    if (job->conv->channels_last) {
        t.output = output;
        t.residual = residual;
        t.out_px = stride[4];
        t.activation = job->epilogue.activation;
        reduce_slice(job, range, &t, stride[3]);
        return;
    }
    fc_store store = {.kernels = job->plan->kernels, .scratch = scratch, .px = FC_BLOCK_BYTES, .row = row, .output = job->output,
                      .residual = residual, .rows = range->count[1], .cols = range->count[2], .channels = t.channels,
                      .activation = job->epilogue.activation};
    store.output.data = output;
    t.output = scratch;
    t.out_px = FC_BLOCK_BYTES;
    t.channels = job->plan->kernels->block;
    reduce_slice(job, range, &t, row);
    fc_store_block(&store);
}

static void block_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    int64_t first;
    const fc_piece piece = task_piece(job, task, &first);
    const int64_t channels = fc_min(job->conv->c_in - first, plan->kernels->block);
    char *input = fc_thread_scratch(job, thread), *filter = input + plan->input_bytes;
    char *bias = filter + plan->panel_bytes, *output = bias + FC_BLOCK_BYTES, *gathered = output + plan->output_bytes;
    const fc_source source = fc_source_of(job, piece.sample, first, gathered);
    pack_block(job, first, channels, filter, bias);
    fc_lay_out_block(&job->scratch, &source, &piece.range, channels, input);
    const fc_depthwise t = {.input = input, .px_stride = fc_px_step(&job->scratch), .filter = filter, .bias = bias,
                            .channels = channels};
    for (int64_t slice = 0; slice < plan->step[0]; slice++) {
        fc_piece outputs = piece;
        outputs.range = fc_outputs_of(job, &piece.range, slice);
        if (!outputs.range.count[0]) return;
        block_slice(job, &outputs, first, t, output);
    }
}

fc_status fc_conv_depthwise(fc_conv_job *job)
{
    const int block = job->plan->kernels->block;
    const int64_t blocks = (job->conv->c_in + block - 1) / block;
    return fc_parallel(&job->team, job->conv->batch * job->conv->window.out[0] * job->plan->bands * blocks, block_task, job);
}
