/* Choosing an algorithm, a layout, a split and the size of a band.
 *
 * The limits below are measured (bench/RESULTS.md) and say how much of the second-level cache a band may take. None of
 * them, nor the number of threads or samples, changes the order of a sum.
 */
#include "conv.h"
#include "choose.h"
#include "in_place.h"
#include "share.h"
#include "transposed.h"
#include "winograd.h"
#include "../sizes.h"

enum {
    FILLING_ROW = 28,             /* outputs that leave few lanes of the widest vectors empty */
    WIDE_ROW = 96,                /* from here on depthwise rows stay rows */
    BAND_BYTES = 256 * 1024,      /* input of a band: stays in the second-level cache beside a filter panel */
    BLOCK_BAND_BYTES = 64 * 1024, /* the same for one channel block of a depthwise convolution */
    OUTPUT_BYTES = 128 * 1024,    /* output of a band for one tile of channels */
    RESIDENT_BYTES = 1536 * 1024, /* input laid out whole, for the split by channels */
    MOST_REPEATED = 3, /* times that bands may lay out the input altogether, where that takes a share of the products' time: */
    LAYOUT_FLOPS = 32, /* flops that take four times as long as laying out a byte */
};

const char *fc_algorithm_name(fc_algorithm algorithm)
{
    static const char *const names[FC_ALGORITHMS] = {"auto", "direct", "im2col", "depthwise",
                                                      "winograd", "winograd_2x2", "winograd_4x4"};
    return names[algorithm];
}

int fc_fills_vectors(const fc_kernels *kernels, int64_t outputs) { return outputs >= fc_min(2 * kernels->lanes, FILLING_ROW); }

fc_window fc_simplified(const fc_window *window)
{
    fc_window w = *window;
    for (int i = 0; i < FC_SPATIAL; i++) {
        if (w.out[i] == 1) w.stride[i] = 1;
        if (w.kernel[i] == 1) w.dilation[i] = 1;
    }
    return w;
}

fc_axis fc_axis_of(const fc_window *window, int axis, int64_t outputs, fc_form form)
{
    const int64_t stride = window->stride[axis], reach = (window->kernel[axis] - 1) * window->dilation[axis];
    if (window->kernel[axis] == 1) return (fc_axis){stride, 1, outputs};
    if (form == FC_PHASES) return (fc_axis){1, stride, outputs + reach / stride};
    return (fc_axis){1, 1, (outputs - 1) * stride + reach + 1};
}

/* Each phase of a transposed convolution has as many outputs as the gathered window, and all of them together every tap. */
static double flops_of(const fc_conv *conv, const fc_conv_plan *plan)
{
    const fc_window *w = &conv->window;
    double pixels = (double)conv->batch * (double)w->out[0] * (double)w->out[1] * (double)w->out[2];
    return 2 * pixels * (double)conv->c_out * (double)plan->depth;
}

/* Whether 64 bits hold every size that follows from a plane with its padding; in doubles, which do not wrap. */
static int sizes_fit(const fc_conv *conv)
{
    const fc_window *w = &conv->window;
    double bytes = FC_BLOCK_BYTES * ((double)conv->c_in + FC_BLOCK_BYTES) * (double)w->kernel[0];
    for (int i = 1; i < FC_SPATIAL; i++)
        bytes *= (double)w->out[i] * (double)w->stride[i] + (double)w->kernel[i] * (double)w->dilation[i];
    const double filter = FC_BLOCK_BYTES * ((double)conv->c_out + (double)conv->groups * FC_BLOCK_BYTES) * (double)conv->c_in
                        * (double)w->kernel[0] * (double)w->kernel[1] * (double)w->kernel[2];
    return bytes * (double)conv->batch * (double)w->out[0] < 0x1p62 && filter < 0x1p62;
}

/* Where outputs stand, and how many products each has. */
static void set_taps(const fc_conv *conv, fc_conv_plan *plan)
{
    const fc_window *w = conv->transposed ? &conv->spread : &conv->window;
    plan->phases = plan->taps = 1;
    for (int i = 0; i < FC_SPATIAL; i++) {
        plan->taps *= w->kernel[i];
        plan->step[i] = conv->transposed ? w->stride[i] : 1;
        if (conv->transposed) plan->phases *= fc_axis_phases(w, i);
    }
    plan->depth = plan->taps * plan->group_in;
}

/* Rows so wide that vectors along them, whose last is partial, beat the two transpositions that channel blocks need. */
static int has_wide_rows(const fc_conv *conv)
{
    return !conv->strided_rows && conv->window.stride[2] == 1 && conv->window.out[2] >= WIDE_ROW;
}

/* Up to how many output channels of few input channels rows are faster than tiles: not many where rows are narrow or their pixels
 * not side by side, so that they are computed channel by channel, or where tiles need not be turned into planes afterwards. */
static int64_t most_of_rows(const fc_conv *conv, const fc_conv_plan *plan)
{
    if (conv->channels_last || conv->strided_rows || !fc_fills_vectors(plan->kernels, conv->window.out[2])) return FC_FEW_CHANNELS;
    return conv->prepacked ? fc_max(FC_FEW_CHANNELS, plan->kernels->block / 2) : INT64_MAX;
}

static fc_status set_winograd(const fc_conv *conv, const fc_run *run, fc_conv_plan *plan)
{
    if (!fc_fits_winograd(conv)) return FC_UNSUPPORTED;
    if (plan->algorithm == FC_WINOGRAD) plan->algorithm = fc_choose(conv, run);
    plan->method = FC_TRANSFORMED;
    plan->reason = conv->transposed ? "phases of the stride with at most 3x3 taps: products of tiles transformed once for all"
                 : plan->algorithm == FC_WINOGRAD_2X2 ? "3x3 windows one apart: 16 products of transformed tiles for 4 outputs"
                                                      : "3x3 windows one apart: 36 products of transformed tiles for 16 outputs";
    return FC_OK;
}

static fc_status set_transposed_method(const fc_conv *conv, const fc_run *run, fc_conv_plan *plan)
{
    const int depthwise = plan->group_in == 1 && plan->group_out == 1 && conv->groups > 1;
    plan->algorithm = conv->algorithm;
    if (plan->algorithm == FC_AUTO) plan->algorithm = depthwise ? FC_DEPTHWISE : fc_choose(conv, run);
    if (plan->algorithm >= FC_WINOGRAD) return set_winograd(conv, run, plan);
    if (plan->algorithm == FC_IM2COL || (plan->algorithm == FC_DEPTHWISE && (plan->group_in != 1 || plan->group_out != 1)))
        return FC_UNSUPPORTED;
    plan->method = plan->algorithm == FC_DEPTHWISE ? FC_CHANNELS : plan->group_out <= FC_FEW_CHANNELS ? FC_ROWS : FC_TILES;
    plan->reason = plan->method == FC_CHANNELS ? "one channel a group: vectors along the channels, phase after phase of the stride"
                 : plan->method == FC_ROWS     ? "few output channels: vectors along the rows, phase after phase of the stride"
                                               : "tiles read channel blocks with a halo, phase after phase of the stride";
    return FC_OK;
}

/* Set algorithm, method and the reason for it. */
static fc_status set_method(const fc_conv *conv, const fc_run *run, fc_conv_plan *plan)
{
    if (conv->transposed) return set_transposed_method(conv, run, plan);
    const int few = plan->group_in <= FC_FEW_CHANNELS && plan->group_out <= most_of_rows(conv, plan);
    plan->algorithm = conv->algorithm;
    if (plan->algorithm == FC_AUTO) plan->algorithm = fc_choose(conv, run);
    switch (plan->algorithm) {
    case FC_IM2COL:
        plan->method = FC_COLUMNS;
        plan->reason = "columns of a few tiles at a time";
        return FC_OK;
    case FC_WINOGRAD:
    case FC_WINOGRAD_2X2:
    case FC_WINOGRAD_4X4: return set_winograd(conv, run, plan);
    case FC_DEPTHWISE:
        if (plan->group_in != 1) return FC_UNSUPPORTED;
        if (fc_slides(conv, plan)) {
            plan->method = FC_WINDOWS;
            plan->reason = FC_SLIDING_REASON;
            return FC_OK;
        }
        plan->method = plan->group_out > 1 || conv->groups <= FC_FEW_CHANNELS || has_wide_rows(conv) ? FC_ROWS : FC_CHANNELS;
        plan->reason = plan->method == FC_CHANNELS ? "one channel a group: vectors along the channels"
                                                   : "one channel a group, with a multiplier, in few groups or in wide rows: "
                                                     "vectors along the rows";
        return FC_OK;
    default:
        plan->method = fc_is_pointwise(conv, plan) ? FC_POINTWISE : fc_slides(conv, plan) ? FC_WINDOWS : few ? FC_ROWS : FC_TILES;
        plan->reason = plan->method == FC_WINDOWS       ? FC_SLIDING_REASON
                     : plan->method == FC_POINTWISE     ? "1x1: vectors of pixels, of the map where it stands if they are neighbours, by the filter as it is"
                     : few                               ? "few channels a group: vectors along the rows"
                     : plan->group_in <= FC_FEW_CHANNELS ? "few input channels: tiles read plain rows"
                                                      : "tiles read channel blocks with a halo";
        return FC_OK;
    }
}

/* Bytes of scratch for the input of rows x cols outputs, all slices and channels of one group. */
static size_t input_bytes_of(const fc_conv *conv, const fc_conv_plan *plan, int64_t rows, int64_t cols)
{
    const fc_axis h = fc_axis_of(&conv->window, 1, rows, plan->form), w = fc_axis_of(&conv->window, 2, cols, plan->form);
    const int64_t pixels = conv->window.kernel[0] * h.phases * h.length * w.phases * w.length;
    /* Vectors along a plane's last row run past its end by less than two of the widest. */
    if (plan->form != FC_BLOCKED) return fc_aligned((size_t)(plan->group_in * pixels * conv->item_bytes)) + 3 * FC_BLOCK_BYTES;
    return (size_t)(plan->in_blocks * pixels) * FC_BLOCK_BYTES;
}

/* How many outputs of all phases `count` outputs of each are. */
static int64_t outputs_of(const fc_conv *conv, const fc_conv_plan *plan, int axis, int64_t count)
{
    return conv->transposed ? fc_min(count * plan->step[axis], conv->spread.out[axis]) : count;
}

static size_t output_bytes_of(const fc_conv *conv, const fc_conv_plan *plan, int64_t rows, int64_t cols)
{
    if (plan->method == FC_ROWS) {
        const fc_axis w = fc_axis_of(&conv->window, 2, cols, FC_PHASES);
        const size_t row = fc_aligned((size_t)(rows * w.length * conv->item_bytes)) + 3 * FC_BLOCK_BYTES;
        if (!conv->transposed) return row;
        /* Where the phases along the rows meet. */
        return row + fc_aligned((size_t)(rows * outputs_of(conv, plan, 2, cols) * conv->item_bytes));
    }
    return (size_t)(outputs_of(conv, plan, 1, rows) * outputs_of(conv, plan, 2, cols) * plan->kernels->tile_blocks) * FC_BLOCK_BYTES;
}

/* Whether bands of rows x cols outputs would lay out much more than the map is, and take long for it beside the products: where
 * a dilated kernel reaches far, every band has nearly all of the map in its halo. */
static int repeats_input(const fc_conv *conv, const fc_conv_plan *plan, int64_t rows, int64_t cols)
{
    const fc_window *w = &conv->window;
    const double bands = (double)fc_ceil_div(w->out[1], rows) * (double)fc_ceil_div(w->out[2], cols);
    const double bytes = bands * (double)input_bytes_of(conv, plan, rows, cols);
    const double planes = (double)(conv->batch * conv->groups * w->out[0]);
    return bytes > MOST_REPEATED * (double)input_bytes_of(conv, plan, w->out[1], w->out[2])
        && bytes * planes * LAYOUT_FLOPS > flops_of(conv, plan);
}

static int exceeds_cache(const fc_conv *conv, const fc_conv_plan *plan, int64_t rows, int64_t cols)
{
    return input_bytes_of(conv, plan, rows, cols) > BAND_BYTES || output_bytes_of(conv, plan, rows, cols) > OUTPUT_BYTES;
}

/* The largest band that fits the cache and still leaves every thread several. */
static void choose_band(const fc_conv *conv, fc_conv_plan *plan)
{
    const fc_window *w = &conv->window;
    const int64_t planes = conv->batch * conv->groups * w->out[0];
    const int64_t wanted = fc_bands_wanted(planes, plan->threads);
    int64_t rows = fc_ceil_div(w->out[1], wanted), cols = w->out[2];
    while (rows < w->out[1] && repeats_input(conv, plan, rows, cols)) rows = fc_min(2 * rows, w->out[1]);
    while (rows > 1 && exceeds_cache(conv, plan, rows, cols) && !repeats_input(conv, plan, fc_ceil_div(rows, 2), cols))
        rows = fc_ceil_div(rows, 2);
    /* One row of a long signal or of very many channels is cut as well. */
    const int64_t tile = plan->method == FC_ROWS ? 512 : 4 * plan->kernels->tile_px;
    if (rows == 1 && w->out[1] == 1 && wanted > 1) cols = fc_min(cols, fc_max(tile, fc_ceil_div(cols, wanted)));
    while (cols < w->out[2] && repeats_input(conv, plan, rows, cols)) cols = fc_min(2 * cols, w->out[2]);
    while (cols > tile && exceeds_cache(conv, plan, rows, cols)
           && !repeats_input(conv, plan, rows, fc_max(tile, fc_ceil_div(cols, 2))))
        cols = fc_max(tile, fc_ceil_div(cols, 2));
    rows = fc_even_piece(w->out[1], rows, planes, plan->threads);
    if (cols < w->out[2]) cols = fc_ceil_div(cols, plan->kernels->tile_px) * plan->kernels->tile_px;
    plan->band_rows = rows;
    plan->band_cols = fc_min(cols, w->out[2]);
}

/* Packing a filter of single taps takes longer than its products with a few pixels. */
static int takes_filter_as_it_is(const fc_conv *conv, const fc_conv_plan *plan)
{
    const int64_t *out = conv->window.out;
    return !conv->prepacked && !conv->transposed && plan->taps == 1 && plan->form == FC_BLOCKED
        && conv->batch * out[0] * out[1] * out[2] <= FC_FEW_PIXELS;
}

/* Weights dominate: laying the input out once costs less than packing the whole filter before the first product. Panels are shared
 * out evenly, or are many, or are not packed, which by bands they would be. */
static int by_channels(const fc_conv *conv, const fc_conv_plan *plan, size_t whole_input)
{
    const int64_t tasks = conv->groups * plan->tiles;
    return whole_input <= (size_t)RESIDENT_BYTES && plan->filter_bytes > 2 * whole_input && tasks >= plan->threads
        && (tasks % plan->threads == 0 || tasks >= 4 * plan->threads || takes_filter_as_it_is(conv, plan));
}

static fc_walk walk_of(const fc_conv *conv, const fc_conv_plan *plan)
{
    if (plan->method == FC_COLUMNS) return FC_WALK_PLANAR_1;
    const int64_t step = conv->window.kernel[2] == 1 ? 1 : conv->window.stride[2];
    const int planes = plan->form == FC_PLANES;
    if (step == 1) return planes ? FC_WALK_PLANAR_1 : FC_WALK_BLOCKED_1;
    if (step == 2) return planes ? FC_WALK_PLANAR_2 : FC_WALK_BLOCKED_2;
    return FC_WALK_STRIDED;
}

static void plan_im2col(const fc_conv *conv, fc_conv_plan *plan)
{
    const int64_t pixels = conv->window.out[0] * conv->window.out[1] * conv->window.out[2], tile = plan->kernels->tile_px;
    const size_t tile_bytes = (size_t)(plan->depth * tile * conv->item_bytes);
    const int64_t wanted = FC_TASKS_A_THREAD * plan->threads;
    int64_t cols = fc_max(1, BAND_BYTES / (int64_t)tile_bytes) * tile;
    cols = fc_min(cols, fc_max(1, OUTPUT_BYTES / (tile * plan->kernels->tile_blocks * FC_BLOCK_BYTES)) * tile);
    cols = fc_min(cols, fc_ceil_div(fc_ceil_div(pixels, fc_ceil_div(wanted, conv->batch * conv->groups)), tile) * tile);
    plan->band_rows = 1;
    plan->band_cols = fc_min(cols, pixels);
    plan->bands = fc_ceil_div(pixels, plan->band_cols);
    plan->input_bytes = fc_aligned((size_t)fc_ceil_div(plan->band_cols, tile) * tile_bytes);
    plan->output_bytes = (size_t)(plan->band_cols * plan->kernels->tile_blocks) * FC_BLOCK_BYTES;
}

/* Depthwise: bands of one channel block. */
static void plan_channel_blocks(const fc_conv *conv, fc_conv_plan *plan)
{
    const fc_window *w = &conv->window;
    const int64_t blocks = fc_ceil_div(conv->c_in, plan->kernels->block) * conv->batch * w->out[0];
    plan->band_rows = fc_ceil_div(w->out[1], fc_ceil_div(FC_TASKS_A_THREAD * plan->threads, blocks));
    plan->band_cols = w->out[2];
    while (plan->band_rows < w->out[1] && repeats_input(conv, plan, plan->band_rows, plan->band_cols))
        plan->band_rows = fc_min(2 * plan->band_rows, w->out[1]);
    while (plan->band_rows > 1 && input_bytes_of(conv, plan, plan->band_rows, plan->band_cols) > BLOCK_BAND_BYTES
           && !repeats_input(conv, plan, fc_ceil_div(plan->band_rows, 2), plan->band_cols))
        plan->band_rows = fc_ceil_div(plan->band_rows, 2);
    plan->bands = fc_ceil_div(w->out[1], plan->band_rows);
    plan->input_bytes = input_bytes_of(conv, plan, plan->band_rows, plan->band_cols);
    plan->panel_bytes = (size_t)plan->taps * FC_BLOCK_BYTES;
    plan->output_bytes = (size_t)(outputs_of(conv, plan, 1, plan->band_rows) * outputs_of(conv, plan, 2, plan->band_cols))
                       * FC_BLOCK_BYTES;
}

static void plan_bands(const fc_conv *conv, fc_conv_plan *plan)
{
    const fc_window *w = &conv->window;
    const size_t whole = (size_t)(conv->batch * conv->groups * w->out[0]) * input_bytes_of(conv, plan, w->out[1], w->out[2]);
    choose_band(conv, plan);
    plan->split = plan->method == FC_TILES && by_channels(conv, plan, whole) ? FC_BY_CHANNELS : FC_BY_BANDS;
    if (plan->split == FC_BY_CHANNELS) {
        plan->band_rows = w->out[1];
        plan->band_cols = w->out[2];
        plan->unpacked = takes_filter_as_it_is(conv, plan);
        if (plan->unpacked) plan->panel_bytes = 0;
    }
    plan->bands = fc_ceil_div(w->out[1], plan->band_rows) * fc_ceil_div(w->out[2], plan->band_cols);
    plan->input_bytes = fc_aligned(input_bytes_of(conv, plan, plan->band_rows, plan->band_cols));
    plan->output_bytes = output_bytes_of(conv, plan, plan->band_rows, plan->band_cols);
}

size_t fc_gathered_row_bytes(const fc_conv *conv, const fc_kernels *kernels)
{
    return fc_aligned((size_t)(kernels->block * (conv->window.in[2] + kernels->block) * conv->item_bytes));
}

fc_status fc_plan_conv(const fc_conv *conv, const fc_run *run, fc_conv_plan *plan)
{
    const fc_window *w = &conv->window;
    const fc_kernels *k = fc_kernels_for(run->isa, conv->item_bytes);
    if (!sizes_fit(conv)) return FC_NO_MEMORY;
    *plan = (fc_conv_plan){.kernels = k, .group_in = conv->c_in / conv->groups, .group_out = conv->c_out / conv->groups};
    set_taps(conv, plan);
    plan->threads = flops_of(conv, plan) < 2 * FC_SERIAL_WORK ? 1 : run->team.threads;
    const fc_status status = set_method(conv, run, plan);
    if (status != FC_OK) return status;
    plan->form = plan->method == FC_ROWS ? FC_PHASES
               : plan->method == FC_WINDOWS && !conv->channels_last                              ? FC_PLANES
               : plan->method == FC_TILES && plan->group_in <= FC_FEW_CHANNELS && !conv->transposed ? FC_PLANES : FC_BLOCKED;
    plan->in_blocks = fc_ceil_div(plan->group_in, k->block);
    plan->out_blocks = fc_ceil_div(plan->group_out, k->block);
    plan->tiles = plan->panel_tasks = fc_ceil_div(plan->out_blocks, k->tile_blocks);
    plan->panel_bytes = (size_t)(plan->depth * k->tile_blocks) * FC_BLOCK_BYTES;
    plan->filter_bytes = (size_t)(conv->groups * plan->depth * plan->out_blocks) * FC_BLOCK_BYTES;
    const int reads_filter = plan->method == FC_ROWS || plan->method == FC_CHANNELS || fc_is_in_place(plan);
    if (reads_filter) plan->filter_bytes = 0; /* as it is */
    if (plan->method == FC_ROWS && conv->transposed) plan->filter_bytes = (size_t)(conv->c_out * plan->depth * conv->item_bytes);
    plan->walk = walk_of(conv, plan);
    if (plan->method == FC_TRANSFORMED) {
        fc_plan_winograd(conv, plan);
        return FC_OK;
    }
    if (fc_is_in_place(plan)) {
        fc_plan_in_place(conv, plan);
        return FC_OK;
    }
    if (plan->method == FC_COLUMNS) plan_im2col(conv, plan);
    else if (plan->method == FC_CHANNELS) plan_channel_blocks(conv, plan);
    else plan_bands(conv, plan);
    plan->thread_bytes = plan->output_bytes + fc_gathered_row_bytes(conv, k);
    plan->thread_bytes += plan->split == FC_BY_CHANNELS ? plan->panel_bytes : plan->input_bytes;
    if (plan->method == FC_CHANNELS) plan->thread_bytes += plan->panel_bytes + FC_BLOCK_BYTES;
    plan->thread_bytes = fc_apart(plan->thread_bytes);
    plan->shared_bytes = plan->split == FC_BY_CHANNELS
                           ? (size_t)(conv->batch * conv->groups * w->out[0]) * plan->input_bytes
                       : conv->prepacked ? 0 : plan->filter_bytes;
    return FC_OK;
}
