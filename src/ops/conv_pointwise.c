/* 1x1 convolution of planes where they stand, by the filter as it is. Pixels with gaps between them, as of a stride or of a crop, are
 * laid out first. A task is some output channels at a band of pixels, which stays in the second-level cache from one row of the filter
 * to the next.
 *
 *   a plane of 49 pixels   |- vector -|- vector -|- vector -|.     the rest of one is laid out in channel blocks, for a kernel of
 *                                                                  few pixels that takes the filter as it is, too
 */
#include <string.h>

#include "conv.h"
#include "norm.h"
#include "../sizes.h"

/* Some output channels of a group, from `channel` of all on. */
typedef struct {
    int64_t sample, group, channel, channels;
} fc_channel_piece;

/* Activations other than clips take a second pass over the output in the nearest caches. */
static void activate_band(const fc_conv_job *job, const fc_pointwise *t)
{
    for (int64_t channel = 0; channel < t->channels; channel++) {
        char *out = (char *)t->output + channel * t->out_plane;
        job->plan->kernels->activate(out, out, NULL, t->pixels, &job->epilogue.activation, 0);
    }
}

/* The pixel where a band begins: bands are whole tiles, but for the last one. */
static int64_t first_of_band(const fc_conv_job *job, int64_t band)
{
    const int64_t pixels = job->conv->window.out[2], bands = job->plan->bands;
    return band == bands ? pixels - job->plan->rest : pixels / FC_POINTWISE_PX * band / bands * FC_POINTWISE_PX;
}

static ptrdiff_t output_at(const fc_conv_job *job, const fc_channel_piece *c, int64_t pixel)
{
    return c->sample * job->output.stride[0] + c->channel * job->output.stride[1] + pixel * job->conv->item_bytes;
}

static void multiply_band(const fc_conv_job *job, const fc_channel_piece *c, int64_t band)
{
    const fc_conv_plan *plan = job->plan;
    const fc_epilogue *e = &job->epilogue;
    const int64_t item = job->conv->item_bytes, pixel = first_of_band(job, band);
    const ptrdiff_t *in = job->input.stride, at = output_at(job, c, pixel);
    fc_pointwise t = {
        .input = (const char *)job->input.data + c->sample * in[0] + c->group * plan->group_in * in[1] + pixel * item,
        .in_plane = in[1], .filter = job->weight + c->channel * plan->depth * item, .filter_row = plan->depth * item,
        .depth = plan->depth, .channels = c->channels, .pixels = first_of_band(job, band + 1) - pixel,
        .bias = fc_offset(e->bias, c->channel * item), .residual = fc_offset(e->residual, at),
        .output = (char *)job->output.data + at, .out_plane = job->output.stride[1],
    };
    if (fc_is_clip(&e->activation)) t.activation = e->activation;
    plan->kernels->pointwise(&t);
    if (!fc_is_clip(&e->activation)) activate_band(job, &t);
}

static void multiply_rest(const fc_conv_job *job, const fc_channel_piece *c, char *scratch)
{
    const fc_conv_plan *plan = job->plan;
    const fc_epilogue *e = &job->epilogue;
    const int64_t item = job->conv->item_bytes, block = plan->kernels->block, plane = c->sample * job->conv->groups + c->group;
    const ptrdiff_t at = output_at(job, c, job->conv->window.out[2] - plan->rest), row = plan->depth * item;
    char *bias = scratch + plan->output_bytes;
    memset(bias, 0, (size_t)(plan->piece_channels * item));
    if (e->bias) memcpy(bias, (const char *)e->bias + c->channel * item, (size_t)(c->channels * item));
    const fc_unpacked t = {
        .input = job->shared + (size_t)plane * plan->input_bytes, .weight = job->weight + c->channel * row, .bias = bias,
        .px_stride = FC_BLOCK_BYTES, .block_stride = job->scratch.group_bytes, .row_stride = row,
        .pixels = plan->rest, .depth = plan->depth, .channels = c->channels,
        .output = scratch, .out_block = plan->rest * FC_BLOCK_BYTES,
    };
    plan->kernels->unpacked(&t);
    fc_store store = {.kernels = plan->kernels, .px = FC_BLOCK_BYTES, .row = t.out_block, .output = job->output, .rows = 1,
                      .cols = plan->rest, .activation = e->activation};
    for (int64_t within = 0; within < c->channels; within += block) {
        const ptrdiff_t here = at + within * job->output.stride[1];
        store.scratch = scratch + within / block * t.out_block;
        store.output.data = (char *)job->output.data + here;
        store.residual = fc_offset(e->residual, here);
        store.channels = fc_min(block, c->channels - within);
        fc_store_block(&store);
    }
}

static void channels_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const int64_t bands = plan->bands, pieces = plan->panel_tasks, plane = task / (bands * pieces), within = task % (bands * pieces);
    const int64_t band = plan->split == FC_BY_CHANNELS ? within % bands : within / pieces;
    const int64_t first = (plan->split == FC_BY_CHANNELS ? within / bands : within % pieces) * plan->piece_channels;
    const int64_t sample = plane / job->conv->groups, group = plane % job->conv->groups;
    const fc_channel_piece c = {sample, group, group * plan->group_out + first,
                                fc_min(plan->piece_channels, plan->group_out - first)};
    multiply_band(job, &c, band);
    if (plan->rest && band + 1 == bands) multiply_rest(job, &c, fc_thread_scratch(job, thread));
}

static void rest_task(void *context, int64_t plane, int thread)
{
    (void)thread;
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const int64_t first = job->conv->window.out[2] - plan->rest;
    const fc_piece rest = {plane / job->conv->groups, plane % job->conv->groups, {{0, 0, first}, {1, 1, plan->rest}}};
    char *to = job->shared + (size_t)plane * plan->input_bytes;
    for (int64_t b = 0; b < plan->in_blocks; b++) {
        const int64_t within = b * plan->kernels->block, left = plan->group_in - within;
        const fc_source source = fc_source_of(job, rest.sample, rest.group * plan->group_in + within, NULL);
        fc_lay_out_block(&job->scratch, &source, &rest.range, fc_min(left, plan->kernels->block), to + b * job->scratch.group_bytes);
    }
}

/* Where the planes of pixels that are not neighbours are laid out, behind the rest of all planes: as they are in an array. */
static fc_view gathered(const fc_conv_job *job)
{
    const fc_conv *conv = job->conv;
    const int64_t *out = conv->window.out;
    const ptrdiff_t item = conv->item_bytes, plane = out[0] * out[1] * out[2] * item;
    return (fc_view){job->shared + (size_t)(conv->batch * conv->groups) * job->plan->input_bytes,
                     {conv->c_in * plane, plane, out[1] * out[2] * item, out[2] * item, item}};
}

/* One channel of a sample. */
static void gather_task(void *context, int64_t task, int thread)
{
    (void)thread;
    const fc_conv_job *job = context;
    const int64_t *out = job->conv->window.out, sample = task / job->conv->c_in, channel = task % job->conv->c_in;
    const fc_view to = gathered(job);
    const fc_source source = fc_source_of(job, sample, channel, NULL);
    char *plane = (char *)to.data + sample * to.stride[0] + channel * to.stride[1];
    for (int64_t slice = 0; slice < out[0]; slice++) {
        const fc_range range = {{slice, 0, 0}, {1, out[1], out[2]}};
        fc_lay_out_planes(&job->scratch, &source, &range, plane + slice * to.stride[2]);
    }
}

/* Whatever they were, pixels are a row of neighbours then. */
fc_status fc_conv_pointwise(fc_conv_job *job)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t *out = job->conv->window.out, pixels = out[0] * out[1] * out[2], planes = job->conv->batch * job->conv->groups;
    fc_conv one_row = *job->conv;
    fc_conv_job own = *job, gathering = *job;
    for (int i = 0; i < FC_SPATIAL; i++) {
        one_row.window.in[i] = one_row.window.out[i] = i == FC_SPATIAL - 1 ? pixels : 1;
        one_row.window.stride[i] = 1;
        one_row.window.pad[i] = 0;
    }
    own.conv = &one_row;
    own.scratch = fc_scratch_of(&one_row.window, FC_BLOCKED, one_row.item_bytes, 1, plan->rest);
    fc_status status = FC_OK;
    if (plan->gathers) {
        own.input = gathered(job);
        gathering.scratch = fc_scratch_of(&job->conv->window, FC_PLANES, one_row.item_bytes, out[1], out[2]);
        status = fc_parallel(&job->team, job->conv->batch * job->conv->c_in, gather_task, &gathering);
    }
    if (status == FC_OK && plan->rest) status = fc_parallel(&job->team, planes, rest_task, &own);
    return status == FC_OK ? fc_parallel(&job->team, planes * plan->bands * plan->panel_tasks, channels_task, &own) : status;
}
