/* Convolution with few channels a group, depthwise above all: vectors along the rows of plain planes.
 *
 * A plane is laid out with its halo and split into stride phases, so that output i of a row reads in[offset + i] whatever
 * the stride. Maps that leave many lanes empty are computed as one long row over all their padded rows and the valid part is
 * copied out:
 *
 *   7 wide, pitch 9:   v v v v v v v . . v v v v v v v . . v v v ...     . computed and dropped
 *
 * The phases of a transposed convolution are computed in the same way and meet in rows of scratch.
 */
#include <string.h>

#include "conv.h"
#include "norm.h"
#include "../sizes.h"

/* What a call of the planar kernel takes for the output channels from `channel` on, whose number, pixels and output are still to be
 * set. */
static fc_planar planar_of(const fc_conv_job *job, const fc_piece *piece, const char *input, int64_t channel)
{
    const fc_conv_plan *plan = job->plan;
    const int item = job->conv->item_bytes;
    const int64_t first = piece->group * plan->group_out + channel;
    return (fc_planar){
        .input = input, .offset = job->offset, .steps = plan->depth, .rows = 1,
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

/* Activations other than clips of rows that stand in the output and its near cache: all of a channel at once if they follow each
 * other, since a row is short. */
static void activate_rows(const fc_conv_job *job, const fc_piece *piece)
{
    const fc_range *range = &piece->range;
    const int joined = job->output.stride[3] == range->count[2] * job->conv->item_bytes;
    const int64_t rows = joined ? 1 : range->count[1], count = joined ? range->count[1] * range->count[2] : range->count[2];
    for (int64_t channel = 0; channel < job->plan->group_out; channel++)
        for (int64_t r = 0; r < rows; r++) {
            char *out = (char *)job->output.data + output_at(job, piece, channel, r);
            job->plan->kernels->activate(out, out, NULL, count, &job->epilogue.activation, 0);
        }
}

/* Rows go straight into a channels-first output. */
static void rows_in_place(const fc_conv_job *job, const fc_piece *piece, const char *input)
{
    const fc_range *range = &piece->range;
    const int clips = fc_is_clip(&job->epilogue.activation);
    fc_planar t = planar_of(job, piece, input, 0);
    t.channels = job->plan->group_out;
    t.count = range->count[2];
    t.out_stride = job->output.stride[1];
    if (clips) t.activation = job->epilogue.activation;
    t.rows = range->count[1];
    t.in_row = fc_row_step(&job->scratch);
    t.out_row = job->output.stride[3];
    const ptrdiff_t at = output_at(job, piece, 0, 0);
    t.output = (char *)job->output.data + at;
    t.residual = job->epilogue.residual ? (const char *)job->epilogue.residual + at : NULL;
    job->plan->kernels->planar(&t);
    if (!clips) activate_rows(job, piece);
}

/* One row of one channel from scratch to the output: contiguous, or item by item into channels last. */
static void store_row(const fc_conv_job *job, char *scratch, ptrdiff_t at, int64_t count)
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
    if (!residual) {
        k->activate(scratch, scratch, NULL, count, &job->epilogue.activation, 0);
        k->scatter(out, px, scratch, count);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        k->activate(out + i * px, scratch + i * item, residual + i * px, 1, &job->epilogue.activation, 0);
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
    const int wide = fc_fills_vectors(job->plan->kernels, piece.range.count[2]) || piece.range.count[1] == 1;
    if (wide && job->output.stride[4] == job->conv->item_bytes) rows_in_place(job, &piece, input);
    else rows_joined(job, &piece, input, output);
}

/* The filter of a transposed convolution, [c_out][phase][c_in / groups][tap of the phase]. */
static void pack_channel(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const int item = job->conv->item_bytes;
    const int64_t group = task / plan->group_out, channel = task % plan->group_out;
    char *filter = job->shared + task * plan->depth * item;
    (void)thread;
    for (int64_t in = 0; in < plan->group_in; in++) {
        const int64_t line = ((group * plan->group_in + in) * plan->group_out + channel) * plan->taps;
        for (int64_t tap = 0; tap < plan->taps; tap++) {
            const fc_tap_place *p = &job->place[tap];
            memcpy(filter + (p->before * plan->group_in + in * p->taps + p->index) * item, job->weight + (line + tap) * item,
                   (size_t)item);
        }
    }
}

/* The outputs of one channel in every step[1]-th row into `rows`, from those of each phase, which `t` writes to scratch. */
static void join_phases(const fc_conv_job *job, const fc_phase *phase, const fc_range *outputs, fc_planar t, char *rows)
{
    const fc_conv_plan *plan = job->plan;
    const int item = job->conv->item_bytes;
    const ptrdiff_t pitch = fc_row_step(&job->scratch), row_bytes = outputs->count[2] * item;
    const char *filter = t.filter;
    for (int64_t left = job->phases_a_row; left > 0; left--, phase++) {
        const int64_t height = fc_phase_count(job, phase, outputs, 1), width = fc_phase_count(job, phase, outputs, 2);
        if (!height || !width) continue;
        t.offset = phase->reduction.offset;
        t.steps = phase->taps * plan->group_in;
        t.filter = filter + phase->before * plan->group_in * item;
        t.count = (height - 1) * pitch / item + width;
        plan->kernels->planar(&t);
        for (int64_t r = 0; r < height; r++)
            plan->kernels->scatter(rows + r * row_bytes + phase->first[2] * item, plan->step[2] * item, (char *)t.output + r * pitch,
                                   width);
    }
}

static int is_past_cache(const fc_conv_job *job)
{
    const int64_t *out = job->conv->spread.out;
    const double items = (double)job->conv->batch * (double)job->conv->c_out * (double)out[0] * (double)out[1] * (double)out[2];
    return items * job->conv->item_bytes >= FC_PAST_CACHE_BYTES;
}

/* Rows that no tap reaches, [first, end) of every step[1], are all alike: act(bias) in each item. */
static void fill_rows(const fc_conv_job *job, const fc_piece *outputs, int64_t channel, int64_t first, int64_t end,
                      const fc_planar *nothing)
{
    const fc_kernels *k = job->plan->kernels;
    const fc_range *range = &outputs->range;
    const int item = job->conv->item_bytes;
    const ptrdiff_t px = job->output.stride[4], row = job->output.stride[3];
    const int joined = row == nothing->count * item;
    k->planar(nothing);
    k->activate(nothing->output, nothing->output, NULL, nothing->count, &job->epilogue.activation, 0);
    fc_rows t = {.fill = fc_item_at(nothing->output, item), .out_row = row, .past_cache = is_past_cache(job)};
    for (int64_t at = first; at < range->count[1]; at += job->plan->step[1]) {
        const int64_t rows = fc_min(end - first, range->count[1] - at);
        t.output = (char *)job->output.data + output_at(job, outputs, channel, at);
        t.rows = t.height = joined ? 1 : rows;
        t.cols = joined ? rows * nothing->count : nothing->count;
        if (px == item) k->copy_rows(&t);
        else for (int64_t r = 0; r < rows; r++) k->scatter((char *)t.output + r * row, px, nothing->output, nothing->count);
    }
}

/* One slice of outputs of one channel. */
static void transposed_slice(const fc_conv_job *job, const fc_piece *outputs, int64_t channel, const char *input, char *scratch)
{
    const fc_conv_plan *plan = job->plan;
    const fc_range *range = &outputs->range;
    const fc_phase *slice = fc_phases_of_slice(job, range->first[0] % plan->step[0]);
    const int item = job->conv->item_bytes;
    const int64_t all = outputs->group * plan->group_out + channel, width = range->count[2];
    const int64_t height = fc_min(plan->step[1], range->count[1]);
    char *rows = scratch + fc_aligned((size_t)(fc_ceil_div(range->count[1], plan->step[1]) * fc_row_step(&job->scratch)))
               + 3 * FC_BLOCK_BYTES;
    fc_planar t = {.input = input, .channels = 1, .rows = 1, .output = scratch, .filter = job->shared + all * plan->depth * item,
                   .bias = job->epilogue.bias ? (const char *)job->epilogue.bias + all * item : NULL};
    for (int64_t first = 0; first < height; first++) {
        const int64_t count = fc_ceil_div(range->count[1] - first, plan->step[1]);
        const fc_phase *phase = fc_phases_of_rows(job, slice, first);
        fc_planar nothing = t;
        nothing.output = rows;
        nothing.count = phase || job->epilogue.residual ? count * width : width;
        if (!phase && !job->epilogue.residual) {
            const int64_t from = first;
            while (first + 1 < height && !fc_phases_of_rows(job, slice, first + 1)) first++;
            fill_rows(job, outputs, channel, from, first + 1, &nothing);
            continue;
        }
        if (job->gaps) plan->kernels->planar(&nothing);
        if (phase) join_phases(job, phase, range, t, rows);
        for (int64_t r = 0; r < count; r++)
            store_row(job, rows + r * width * item, output_at(job, outputs, channel, first + r * plan->step[1]), width);
    }
}

static void transposed_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_piece piece = fc_piece_of(job, task);
    char *input = fc_thread_scratch(job, thread), *output = input + job->plan->input_bytes;
    fc_lay_out_piece(job, &piece, output + job->plan->output_bytes, input);
    for (int64_t slice = 0; slice < job->plan->step[0]; slice++) {
        fc_piece outputs = piece;
        outputs.range = fc_outputs_of(job, &piece.range, slice);
        if (!outputs.range.count[0]) return;
        for (int64_t channel = 0; channel < job->plan->group_out; channel++)
            transposed_slice(job, &outputs, channel, input, output);
    }
}

fc_status fc_conv_planar(fc_conv_job *job)
{
    if (!job->conv->transposed) return fc_parallel(&job->team, fc_pieces(job), planes_task, job);
    const fc_status status = fc_parallel(&job->team, job->conv->c_out, pack_channel, job);
    return status == FC_OK ? fc_parallel(&job->team, fc_pieces(job), transposed_task, job) : status;
}
