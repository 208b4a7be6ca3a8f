/* Depthwise 3x3 convolution, and others of one channel a group: windows slide over the map where it stands, so that nothing is
 * laid out. A task is some rows of one plane of outputs, or of all channels where pixels hold them side by side. Shared by all: the
 * zeros around the map, then the filter where it is turned.
 */
#include <string.h>

#include "conv.h"
#include "../sizes.h"

static void rows_task(void *context, int64_t task, int thread)
{
    (void)thread;
    const fc_conv_job *job = context;
    const fc_window *w = &job->conv->window;
    const fc_piece piece = fc_piece_of(job, task);
    const int item = job->conv->item_bytes;
    const ptrdiff_t *in = job->input.stride, *out = job->output.stride;
    const int64_t first = piece.range.first[1], slice = piece.range.first[0];
    fc_sliding t = {
        .input = (const char *)job->input.data + piece.sample * in[0] + piece.group * in[1] + slice * w->stride[0] * in[2],
        .in_rows = w->in[1], .in_cols = w->in[2], .in_row = in[3], .zeros = job->shared,
        .stride = w->stride[2], .top = w->pad[1], .left = w->pad[2], .first = first, .end = first + piece.range.count[1],
        .cols = w->out[2], .out_row = out[3], .activation = job->epilogue.activation,
    };
    for (int64_t channel = 0; channel < job->plan->group_out; channel++) {
        const int64_t c = piece.group * job->plan->group_out + channel;
        const ptrdiff_t at = piece.sample * out[0] + c * out[1] + slice * out[2];
        t.filter = job->weight + c * job->plan->taps * item;
        t.bias = job->epilogue.bias ? (const char *)job->epilogue.bias + c * item : NULL;
        t.output = (char *)job->output.data + at;
        t.residual = job->epilogue.residual ? (const char *)job->epilogue.residual + at : NULL;
        job->plan->kernels->sliding(&t);
    }
}

static void pixels_task(void *context, int64_t task, int thread)
{
    (void)thread;
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const fc_window *w = &job->conv->window;
    const ptrdiff_t *in = job->input.stride, *out = job->output.stride;
    const int64_t plane = task / plan->bands, sample = plane / w->out[0], slice = plane % w->out[0];
    const int64_t first = task % plan->bands * plan->band_rows;
    const ptrdiff_t at = sample * out[0] + slice * out[2], pixel_bytes = job->conv->c_in * job->conv->item_bytes;
    const char *zeros = job->shared;
    const fc_sliding_pixels t = {
        .input = (const char *)job->input.data + sample * in[0] + slice * w->stride[0] * in[2],
        .in_rows = w->in[1], .in_cols = w->in[2], .in_row = in[3], .in_px = in[4], .zeros = zeros,
        .stride = w->stride[2], .top = w->pad[1], .left = w->pad[2],
        .filter = zeros + pixel_bytes, .filter_row = pixel_bytes, .bias = job->epilogue.bias,
        .output = (char *)job->output.data + at, .out_row = out[3], .out_px = out[4], .activation = job->epilogue.activation,
        .residual = job->epilogue.residual ? (const char *)job->epilogue.residual + at : NULL, .first = first,
        .end = fc_min(first + plan->band_rows, w->out[1]), .cols = w->out[2], .channels = job->conv->c_in,
    };
    plan->kernels->sliding_pixels(&t);
}

fc_status fc_conv_sliding(fc_conv_job *job)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t channels = job->conv->c_in, item = job->conv->item_bytes;
    if (!job->conv->channels_last) {
        memset(job->shared, 0, (size_t)(job->conv->window.in[2] * item));
        return fc_parallel(&job->team, fc_pieces(job), rows_task, job);
    }
    memset(job->shared, 0, (size_t)(channels * item));
    plan->kernels->turn(job->shared + channels * item, channels * item, job->weight, plan->taps * item, plan->taps, channels);
    return fc_parallel(&job->team, job->conv->batch * job->conv->window.out[0] * plan->bands, pixels_task, job);
}
