/* Depthwise convolution, one channel block at a time, vectors along the channels.
 *
 * A band of one block is laid out in scratch with its halo, so that every window lies inside, then reduced row by row:
 * into a channels-last output in place, else into scratch and through the transposition.
 */
#include <string.h>

#include "conv.h"

/* Filter taps and bias of one block as vectors of channels. */
static void pack_block(const fc_conv_job *job, int64_t first, int64_t channels, char *filter, char *bias)
{
    const int item = job->conv->item_bytes;
    const fc_transpose t = {.blocked = filter, .block_stride = FC_BLOCK_BYTES, .pixels = job->plan->taps,
                            .planar = (void *)(job->weight + first * job->plan->taps * item),
                            .plane_stride = job->plan->taps * item, .channels = channels};
    job->plan->kernels->to_blocked(&t);
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
    const int64_t row = bands % plan->bands * plan->band_rows, left = w->out[1] - row;
    *first = task % blocks * block;
    return (fc_piece){plane / w->out[0], 0,
                      {{plane % w->out[0], row, 0}, {1, left < plan->band_rows ? left : plan->band_rows, w->out[2]}}};
}

static void block_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    int64_t first;
    const fc_piece piece = task_piece(job, task, &first);
    const fc_range *range = &piece.range;
    const int64_t left = job->conv->c_in - first, channels = left < plan->kernels->block ? left : plan->kernels->block;
    char *input = fc_thread_scratch(job, thread), *filter = input + plan->input_bytes;
    char *bias = filter + plan->panel_bytes, *output = bias + FC_BLOCK_BYTES, *gathered = output + plan->output_bytes;
    const fc_source source = fc_source_of(job, piece.sample, first, gathered);
    pack_block(job, first, channels, filter, bias);
    fc_lay_out_block(&job->scratch, &source, range, channels, input);

    const ptrdiff_t *stride = job->output.stride;
    const ptrdiff_t at = piece.sample * stride[0] + first * stride[1] + range->first[0] * stride[2]
                       + range->first[1] * stride[3] + range->first[2] * stride[4];
    const char *residual = job->epilogue.residual ? (const char *)job->epilogue.residual + at : NULL;
    const ptrdiff_t scratch_row = range->count[2] * FC_BLOCK_BYTES;
    const int in_place = job->conv->channels_last;
    fc_depthwise t = {.px_stride = fc_px_step(&job->scratch), .offset = job->offset, .steps = plan->taps,
                      .px = range->count[2], .filter = filter, .bias = bias,
                      .channels = in_place ? channels : plan->kernels->block, .out_px = in_place ? stride[4] : FC_BLOCK_BYTES};
    if (in_place) t.activation = job->epilogue.activation;
    for (int64_t r = 0; r < range->count[1]; r++) {
        t.input = input + r * fc_row_step(&job->scratch);
        t.output = in_place ? (char *)job->output.data + at + r * stride[3] : output + r * scratch_row;
        t.residual = in_place && residual ? residual + r * stride[3] : NULL;
        plan->kernels->depthwise(&t);
    }
    if (in_place) return;
    fc_store store = {.kernels = plan->kernels, .scratch = output, .px = FC_BLOCK_BYTES, .row = scratch_row,
                      .output = job->output, .residual = residual, .rows = range->count[1], .cols = range->count[2],
                      .channels = channels, .activation = job->epilogue.activation};
    store.output.data = (char *)job->output.data + at;
    fc_store_block(&store);
}

fc_status fc_conv_depthwise(fc_conv_job *job)
{
    const int block = job->plan->kernels->block;
    const int64_t blocks = (job->conv->c_in + block - 1) / block;
    return fc_parallel(&job->team, job->conv->batch * job->conv->window.out[0] * job->plan->bands * blocks, block_task, job);
}
