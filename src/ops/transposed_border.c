/* Outputs of a transposed convolution near the border, where the weight is not finite.
 *
 * The tiles read zeros where an input is missing, and zero times an infinite weight is NaN; but a missing input has no product at
 * all. A weight like that shows in any output where its tap finds no input, so one of them is looked at for each tap and channel;
 * only if it is NaN are the border's outputs computed again, from the products that exist.
 */
#include "conv.h"

#include "../sizes.h"

/* The inputs of one output along one axis: taps tap + i * tap_step that read input - i * input_step, for 0 <= i < taps. */
typedef struct {
    int64_t tap, taps, tap_step, input, input_step;
} fc_axis_taps;

static int64_t phase_of(const fc_window *spread, int axis, int64_t place)
{
    const int64_t rest = place % spread->stride[axis];
    return rest < 0 ? rest + spread->stride[axis] : rest;
}

/* An output that tap k of an axis belongs to: one for which it finds no input, else any; -1 if there is none. */
static int64_t output_of(const fc_window *spread, int axis, int64_t k, int *missing)
{
    const int64_t stride = spread->stride[axis], place = k * spread->dilation[axis] - spread->pad[axis];
    const int64_t first = phase_of(spread, axis, place), out = spread->out[axis];
    if (first >= out) return -1;
    const int64_t last = first + (out - 1 - first) / stride * stride;
    *missing = 1;
    if (first < place) return first;
    if ((last - place) / stride >= spread->in[axis]) return last;
    *missing = 0;
    return first;
}

typedef struct {
    const fc_conv_job *job;
    ptrdiff_t *in, *at; /* for each thread, group_in * taps of both */
    int any;
} fc_border;

static void *item_at(const fc_conv_job *job, int64_t sample, int64_t channel, const int64_t o[FC_SPATIAL])
{
    const ptrdiff_t *stride = job->output.stride;
    return (char *)job->output.data + sample * stride[0] + channel * stride[1] + o[0] * stride[2] + o[1] * stride[3]
         + o[2] * stride[4];
}

/* Look at the first sample of one channel. */
static void look_task(void *context, int64_t task, int thread)
{
    fc_border *border = context;
    const fc_conv_job *job = border->job;
    const fc_window *spread = &job->conv->spread;
    int64_t k[FC_SPATIAL], o[FC_SPATIAL];
    int missing[FC_SPATIAL];
    (void)thread;
    for (k[0] = 0; k[0] < spread->kernel[0]; k[0]++) {
        if ((o[0] = output_of(spread, 0, k[0], &missing[0])) < 0) continue;
        for (k[1] = 0; k[1] < spread->kernel[1]; k[1]++) {
            if ((o[1] = output_of(spread, 1, k[1], &missing[1])) < 0) continue;
            for (k[2] = 0; k[2] < spread->kernel[2]; k[2]++) {
                if ((o[2] = output_of(spread, 2, k[2], &missing[2])) < 0) continue;
                if (!missing[0] && !missing[1] && !missing[2]) continue;
                if (job->plan->kernels->holds_nan(item_at(job, 0, task, o))) __atomic_store_n(&border->any, 1, __ATOMIC_RELAXED);
            }
        }
    }
}

/* The taps of output o that find an input, and whether others do not. */
static fc_axis_taps existing(const fc_window *spread, int axis, int64_t o, int *missing)
{
    const int64_t stride = spread->stride[axis], place = o + spread->pad[axis], kernel = spread->kernel[axis];
    fc_axis_taps t = {.tap = -1};
    for (int64_t k = 0; k < kernel; k++) {
        const int64_t left = place - k * spread->dilation[axis];
        if (left % stride) continue;
        if (left < 0 || left / stride >= spread->in[axis]) {
            *missing = 1;
            continue;
        }
        if (t.tap < 0) t = (fc_axis_taps){.tap = k, .input = left / stride};
        else if (t.taps == 1) t.tap_step = k - t.tap, t.input_step = t.input - left / stride;
        t.taps++;
    }
    return t;
}

/* Compute the outputs of one channel at o again where they are NaN, in every sample. */
static void mend_output(const fc_conv_job *job, const fc_axis_taps axis[FC_SPATIAL], int64_t channel, const int64_t o[FC_SPATIAL],
                        ptrdiff_t *in, ptrdiff_t *at)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t *kernel = job->conv->spread.kernel, group = channel / plan->group_out, within = channel % plan->group_out;
    const ptrdiff_t *stride = job->input.stride, item = job->conv->item_bytes;
    int64_t count = 0, i[FC_SPATIAL];
    for (int64_t c = group * plan->group_in; c < (group + 1) * plan->group_in; c++)
        for (i[0] = 0; i[0] < axis[0].taps; i[0]++)
            for (i[1] = 0; i[1] < axis[1].taps; i[1]++)
                for (i[2] = 0; i[2] < axis[2].taps; i[2]++, count++) {
                    int64_t tap = 0;
                    in[count] = c * stride[1];
                    for (int a = 0; a < FC_SPATIAL; a++) {
                        tap = tap * kernel[a] + axis[a].tap + i[a] * axis[a].tap_step;
                        in[count] += (axis[a].input - i[a] * axis[a].input_step) * stride[2 + a];
                    }
                    at[count] = ((c * plan->group_out + within) * plan->taps + tap) * item;
                }
    fc_plain_sum sum = {.weight = job->weight, .in = in, .at = at, .count = count, .activation = job->epilogue.activation,
                        .bias = job->epilogue.bias ? (const char *)job->epilogue.bias + channel * item : NULL};
    for (int64_t n = 0; n < job->conv->batch; n++) {
        sum.input = (const char *)job->input.data + n * stride[0];
        sum.output = item_at(job, n, channel, o);
        const ptrdiff_t from_start = (char *)sum.output - (char *)job->output.data;
        sum.residual = job->epilogue.residual ? (const char *)job->epilogue.residual + from_start : NULL;
        if (plan->kernels->holds_nan(sum.output)) plan->kernels->plain_sum(&sum);
    }
}

static void mend_task(void *context, int64_t task, int thread)
{
    const fc_border *border = context;
    const fc_conv_job *job = border->job;
    const fc_window *spread = &job->conv->spread;
    const int64_t products = job->plan->depth;
    int64_t o[FC_SPATIAL];
    int missing[FC_SPATIAL];
    fc_axis_taps axis[FC_SPATIAL];
    for (o[0] = 0; o[0] < spread->out[0]; o[0]++) {
        missing[0] = 0;
        axis[0] = existing(spread, 0, o[0], &missing[0]);
        for (o[1] = 0; o[1] < spread->out[1]; o[1]++) {
            missing[1] = missing[0];
            axis[1] = existing(spread, 1, o[1], &missing[1]);
            for (o[2] = 0; o[2] < spread->out[2]; o[2]++) {
                missing[2] = missing[1];
                axis[2] = existing(spread, 2, o[2], &missing[2]);
                if (missing[2]) mend_output(job, axis, task, o, border->in + thread * products, border->at + thread * products);
            }
        }
    }
}

fc_status fc_mend_border(const fc_conv_job *job)
{
    fc_border border = {.job = job};
    fc_status status = fc_parallel(&job->team, job->conv->c_out, look_task, &border);
    if (status != FC_OK || !border.any) return status;
    const size_t offsets = (size_t)(job->team.threads * job->plan->depth);
    fc_block block = fc_block_acquire(2 * offsets * sizeof(ptrdiff_t));
    if (!block.data) return FC_NO_MEMORY;
    border.in = block.data;
    border.at = border.in + offsets;
    status = fc_parallel(&job->team, job->conv->c_out, mend_task, &border);
    fc_block_release(block);
    return status;
}
