/* 1x1 convolution of planes where they stand, by the filter as it is: nothing is laid out, packed or turned. A task is some output
 * channels at a band of pixels, which stays in the second-level cache from one row of the filter to the next.
 */
#include "conv.h"

#include "norm.h"
#include "../sizes.h"

/* Activations other than clips take a second pass over the output in the nearest caches. */
static void activate_band(const fc_conv_job *job, const fc_pointwise *t)
{
    for (int64_t channel = 0; channel < t->channels; channel++) {
        char *out = (char *)t->output + channel * t->out_plane;
        job->plan->kernels->activate(out, out, NULL, t->pixels, &job->epilogue.activation, 0);
    }
}

/* The pixel where a band begins: bands are whole tiles, but for the rest of the last one. */
static int64_t first_of_band(const fc_conv_job *job, int64_t band)
{
    const int64_t pixels = job->conv->window.out[2], bands = job->plan->bands;
    return band == bands ? pixels : pixels / FC_POINTWISE_PX * band / bands * FC_POINTWISE_PX;
}

static void pointwise_task(void *context, int64_t task, int thread)
{
    (void)thread;
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const fc_epilogue *e = &job->epilogue;
    const int64_t item = job->conv->item_bytes, bands = plan->bands, pieces = plan->panel_tasks;
    const int64_t plane = task / (bands * pieces), within = task % (bands * pieces);
    const int64_t band = plan->split == FC_BY_CHANNELS ? within % bands : within / pieces;
    const int64_t first = (plan->split == FC_BY_CHANNELS ? within / bands : within % pieces) * plan->piece_channels;
    const int64_t sample = plane / job->conv->groups, group = plane % job->conv->groups;
    const int64_t channel = group * plan->group_out + first, pixel = first_of_band(job, band);
    const ptrdiff_t *in = job->input.stride, *out = job->output.stride;
    const ptrdiff_t at = sample * out[0] + channel * out[1] + pixel * item;
    fc_pointwise t = {
        .input = (const char *)job->input.data + sample * in[0] + group * plan->group_in * in[1] + pixel * item,
        .in_plane = in[1], .filter = job->weight + channel * plan->depth * item, .filter_row = plan->depth * item,
        .depth = plan->depth, .channels = fc_min(plan->piece_channels, plan->group_out - first), .pixels = first_of_band(job, band + 1) - pixel,
        .bias = fc_offset(e->bias, channel * item), .residual = fc_offset(e->residual, at),
        .output = (char *)job->output.data + at, .out_plane = out[1],
    };
    if (fc_is_clip(&e->activation)) t.activation = e->activation;
    plan->kernels->pointwise(&t);
    if (!fc_is_clip(&e->activation)) activate_band(job, &t);
}

fc_status fc_conv_pointwise(fc_conv_job *job)
{
    return fc_parallel(&job->team, job->conv->batch * job->conv->groups * job->plan->bands * job->plan->panel_tasks, pointwise_task, job);
}
