#include "in_place.h"

#include "share.h"
#include "../sizes.h"

/* Measured, as in conv.c. */
enum {
    NARROW_ROW = 14,              /* fewer outputs leave too many lanes empty where windows slide along rows */
    ROWS_TOGETHER = 4,            /* outputs of so many rows share what windows load */
    MOST_DEPTH_BYTES = 16 * 1024, /* of a pixel, for 1x1 by vectors that are whole cache lines, and by narrower ones, */
    MOST_NARROW_BYTES = 768,      /* of which a line that comes from the second-level cache feeds fewer products */
    EMPTY_LANES = 5,              /* up to one in so many of a plane's vectors */
    POINTWISE_BYTES = 256 * 1024, /* input of a band: stays in the second-level cache */
    POINTWISE_CHANNELS = 48,      /* of a task at most: whole tiles of any instruction set */
    LEAST_FOR_PLANES = 192,       /* output channels of a group, for which pixels with gaps are worth laying out in planes, */
    MOST_PLANES = 4096 * 1024,    /* bytes, which all threads then read */
    MOST_REST = 4,                /* pixels behind whole vectors for which their own kernel is faster than one vector more */
};

int fc_slides(const fc_conv *conv, const fc_conv_plan *plan)
{
    const fc_window *w = &conv->window;
    if (plan->group_in != 1 || w->kernel[0] != 1 || w->kernel[1] != 3 || w->kernel[2] != 3) return 0;
    if (w->dilation[1] != 1 || w->dilation[2] != 1 || w->stride[1] != w->stride[2] || w->stride[2] > 2) return 0;
    /* Slices of padding do not exist, and columns of it must be fewer than a window has. */
    if (w->pad[0] || (w->out[0] - 1) * w->stride[0] >= w->in[0]) return 0;
    if (w->pad[2] > 2 || (w->out[2] - 1) * w->stride[2] + 3 - w->pad[2] - w->in[2] > 2) return 0;
    if (conv->channels_last) return plan->group_out == 1;
    if (conv->strided_rows || w->out[1] == 1 || w->out[2] < NARROW_ROW) return 0;
    /* Several filters of one plane load it once by rows, which narrow vectors do not make up for. */
    return plan->group_out == 1 || (plan->group_out <= FC_FEW_CHANNELS && plan->kernels->lanes * conv->item_bytes >= 32);
}

static int has_whole_lines(const fc_conv_plan *plan) { return plan->kernels->lanes == plan->kernels->block; }

static int64_t pixels_of(const fc_window *w) { return w->out[0] * w->out[1] * w->out[2]; }

/* The last pixels of a plane that are too few for a vector of their own. */
static int64_t rest_of(const fc_conv *conv, const fc_conv_plan *plan)
{
    const int64_t pixels = pixels_of(&conv->window), lanes = plan->kernels->lanes;
    return has_whole_lines(plan) && pixels > lanes && pixels % lanes <= MOST_REST ? pixels % lanes : 0;
}

/* Whether all pixels of a plane follow each other where they stand. */
static int is_one_row(const fc_window *w)
{
    return w->out[0] == 1 && w->out[1] == 1 && w->in[2] == w->out[2] && w->stride[2] == 1 && !w->pad[0] && !w->pad[1] && !w->pad[2];
}

/* Of all planes laid out. */
static int64_t planes_bytes(const fc_conv *conv) { return conv->batch * conv->c_in * pixels_of(&conv->window) * conv->item_bytes; }

int fc_is_pointwise(const fc_conv *conv, const fc_conv_plan *plan)
{
    const fc_window *w = &conv->window;
    const int64_t pixels = pixels_of(w) - rest_of(conv, plan), lanes = plan->kernels->lanes;
    const int64_t most = has_whole_lines(plan) ? MOST_DEPTH_BYTES : MOST_NARROW_BYTES;
    if (conv->prepacked || conv->channels_last || conv->strided_rows || plan->depth * conv->item_bytes > most) return 0;
    if (plan->taps != 1 || (!is_one_row(w) && (plan->group_out < LEAST_FOR_PLANES || planes_bytes(conv) > MOST_PLANES))) return 0;
    return pixels >= lanes && EMPTY_LANES * (fc_ceil_div(pixels, lanes) * lanes - pixels) <= pixels;
}

/* A few planes are cut into rows, by whole tiles of rows. All threads read the same row (or pixel) of zeros. */
static void plan_windows(const fc_conv *conv, fc_conv_plan *plan)
{
    const fc_window *w = &conv->window;
    const int64_t planes = conv->batch * (conv->channels_last ? 1 : conv->groups) * w->out[0];
    const int64_t wanted = fc_bands_wanted(planes, plan->threads);
    const int64_t together = conv->channels_last ? 1 : ROWS_TOGETHER;
    plan->band_rows = fc_ceil_div(fc_ceil_div(w->out[1], wanted), together) * together;
    plan->band_cols = w->out[2];
    plan->bands = fc_ceil_div(w->out[1], plan->band_rows);
    plan->shared_bytes = (size_t)((conv->channels_last ? (plan->taps + 1) * conv->c_in : w->in[2]) * conv->item_bytes);
}

/* Pointwise: bands of pixels that stay in the second-level cache while all rows of the filter pass by. */
static void plan_pointwise(const fc_conv *conv, fc_conv_plan *plan)
{
    const int64_t pixels = pixels_of(&conv->window), planes = conv->batch * conv->groups;
    const int64_t channels = has_whole_lines(plan) ? plan->kernels->block : POINTWISE_CHANNELS / 2;
    const int64_t units = fc_max(1, pixels / FC_POINTWISE_PX);
    const int64_t most = fc_max(1, POINTWISE_BYTES / (plan->depth * conv->item_bytes * FC_POINTWISE_PX));
    const int64_t wanted = fc_bands_wanted(planes, plan->threads);
    plan->split = plan->group_out > pixels ? FC_BY_CHANNELS : FC_BY_BANDS;
    plan->bands = fc_min(units, fc_max(fc_ceil_div(units, most), fc_ceil_div(wanted, fc_ceil_div(plan->group_out, channels))));
    plan->piece_channels = channels * fc_even_piece(fc_ceil_div(plan->group_out, channels), POINTWISE_CHANNELS / channels,
                                                    planes * plan->bands, plan->threads);
    plan->panel_tasks = fc_ceil_div(plan->group_out, plan->piece_channels);
    plan->rest = rest_of(conv, plan);
    plan->gathers = !is_one_row(&conv->window);
    plan->form = FC_PLANES;
    plan->band_rows = 1;
    plan->band_cols = fc_min(fc_ceil_div(units, plan->bands) * FC_POINTWISE_PX, pixels);
    plan->input_bytes = (size_t)(plan->in_blocks * plan->rest) * FC_BLOCK_BYTES;
    plan->output_bytes = (size_t)(plan->piece_channels / plan->kernels->block * plan->rest) * FC_BLOCK_BYTES;
    plan->shared_bytes = (size_t)planes * plan->input_bytes;
    if (plan->gathers) plan->shared_bytes += (size_t)planes_bytes(conv);
    if (!plan->rest) return;
    plan->thread_bytes = fc_apart(plan->output_bytes + (size_t)(plan->piece_channels * conv->item_bytes)); /* and their bias */
}

void fc_plan_in_place(const fc_conv *conv, fc_conv_plan *plan)
{
    if (plan->method == FC_WINDOWS) plan_windows(conv, plan);
    else plan_pointwise(conv, plan);
}
