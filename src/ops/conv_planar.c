/* Convolution with few channels a group, depthwise above all: vectors along the rows of plain planes.
 *
 * A plane is laid out with its halo and split into stride phases, so that output i of a row reads in[offset + i] whatever
 * the stride. Maps narrower than two vectors are computed as one long row over all their padded rows and the valid part is
 * copied out:
 *
 *   7 wide, pitch 9:   v v v v v v v . . v v v v v v v . . v v v ...     . computed and dropped
 */
#include <string.h>

#include "conv.h"

/* The planar kernel on `count` pixels of the first `channels` output channels from `channel` on. */
static fc_planar planar_of(const fc_conv_job *job, const fc_piece *piece, const char *input, int64_t channel)
{
    const fc_conv_plan *plan = job->plan;
    const int item = job->conv->item_bytes;
    const int64_t first = piece->group * plan->group_out + channel;
    return (fc_planar){
        .input = input, .offset = job->offset, .steps = plan->depth,
        .filter = job->weight + first * plan->depth * item, .filter_stride = plan->depth * item,
        .bias = job->epilogue.bias ? (const char *)job->epilogue.bias + first * item : NULL,
    };
}

static ptrdiff_t output_at(const fc_conv_job *job, const fc_piece *piece, int64_t channel, int64_t row)
{
    const fc_range *range = &piece->range;
    const ptrdiff_t *stride = job->output.stride;
    return piece->sample * stride[0] + (piece->group * job->plan->group_out + channel) * stride[1]
         + range->first[0] * stride[2] + (range->first[1] + row) * stride[3] + range->first[2] * stride[4];
}

/* Rows go straight into a channels-first output. */
static void rows_in_place(const fc_conv_job *job, const fc_piece *piece, const char *input)
{
    const fc_range *range = &piece->range;
    fc_planar t = planar_of(job, piece, input, 0);
    t.channels = job->plan->group_out;
    t.count = range->count[2];
    t.out_stride = job->output.stride[1];
    t.activation = job->epilogue.activation;
    for (int64_t r = 0; r < range->count[1]; r++) {
        const ptrdiff_t at = output_at(job, piece, 0, r);
        t.input = input + r * fc_row_step(&job->scratch);
        t.output = (char *)job->output.data + at;
        t.residual = job->epilogue.residual ? (const char *)job->epilogue.residual + at : NULL;
        job->plan->kernels->planar(&t);
    }
}

/* One row of one channel from scratch to the output: contiguous, or item by item into channels last. */
static void store_row(const fc_conv_job *job, const char *scratch, ptrdiff_t at, int64_t count)
{
    const fc_kernels *k = job->plan->kernels;
    const int item = job->conv->item_bytes;
    const ptrdiff_t px = job->output.stride[4];
    char *out = (char *)job->output.data + at;
    const char *residual = job->epilogue.residual ? (const char *)job->epilogue.residual + at : NULL;
    if (px == item) {
        k->activate(out, scratch, residual, count, &job->epilogue.activation, 0);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        k->activate(out + i * px, scratch + i * item, residual ? residual + i * px : NULL, 1, &job->epilogue.activation, 0);
}

static void rows_joined(const fc_conv_job *job, const fc_piece *piece, const char *input, char *scratch)
{
    const fc_range *range = &piece->range;
    const ptrdiff_t pitch = fc_row_step(&job->scratch);
    for (int64_t channel = 0; channel < job->plan->group_out; channel++) {
        fc_planar t = planar_of(job, piece, input, channel);
        t.channels = 1;
        t.count = (range->count[1] - 1) * pitch / job->conv->item_bytes + range->count[2];
        t.output = scratch;
        job->plan->kernels->planar(&t);
        for (int64_t r = 0; r < range->count[1]; r++)
            store_row(job, scratch + r * pitch, output_at(job, piece, channel, r), range->count[2]);
    }
}

static void planes_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_piece piece = fc_piece_of(job, task);
    char *input = fc_thread_scratch(job, thread), *output = input + job->plan->input_bytes;
    fc_lay_out_piece(job, &piece, output + job->plan->output_bytes, input);
    const int wide = piece.range.count[2] >= 2 * job->plan->kernels->lanes || piece.range.count[1] == 1;
    if (wide && job->output.stride[4] == job->conv->item_bytes) rows_in_place(job, &piece, input);
    else rows_joined(job, &piece, input, output);
}

fc_status fc_conv_planar(fc_conv_job *job) { return fc_parallel(&job->team, fc_pieces(job), planes_task, job); }
