#include "cost.h"

#include "winograd.h"
#include "../sizes.h"

enum {
    KEPT_BYTES = 256 * 1024, /* what stays in the second-level cache from one use to the next */
    CHAINS = 8,              /* sums that a register tile needs to hide the latency of multiply-adds */
};

const char *fc_amount_name(fc_amount amount)
{
    static const char *const names[FC_AMOUNTS] = {
        "products of tiles", "products of rows", "products of windows", "products of lanes", "sweeps", "laid out", "gathered",
        "stored", "packed", "packed for Winograd", "transformed in", "transformed out", "streamed", "fetched",
    };
    return names[amount];
}

/* Nanoseconds of one of each on one thread, float32 for the products; and of every call. */
static const double COST[FC_AMOUNTS] = {
    [FC_PRODUCTS_OF_TILES] = 0.0230,
    [FC_PRODUCTS_OF_ROWS] = 0.0169,
    [FC_PRODUCTS_OF_WINDOWS] = 0.03,
    [FC_PRODUCTS_OF_LANES] = 0.0563,
    [FC_SWEEPS] = 44.8,
    [FC_LAID_OUT] = 0.0978,
    [FC_GATHERED] = 1.290,
    [FC_STORED] = 0.1049,
    [FC_PACKED] = 0.0798,
    [FC_PACKED_WINOGRAD] = 0.0780,
    [FC_TRANSFORMED_IN] = 0.0255,
    [FC_TRANSFORMED_OUT] = 0.0456,
    [FC_STREAMED] = 0.0234,
    [FC_FETCHED] = 0.05,
};
static const double COST_OF_CALL = 16e3;

/* The pixels that register tiles across `pixels`, which follow each other, take the time of. */
static double slots_of(const fc_kernels *k, int64_t pixels)
{
    const int64_t tiles = fc_ceil_div(pixels, k->tile_px), a_pixel = k->tile_blocks * (k->block / k->lanes);
    return (double)fc_max(pixels, fc_min(k->tile_px, CHAINS / a_pixel) * tiles);
}

/* Add `count` times the sweeps of all panels over so many pixels. */
static void add_sweeps(fc_work *work, const fc_conv_plan *plan, int64_t pixels, double depth, double count)
{
    const double lanes = (double)(plan->out_blocks * plan->kernels->block);
    work->amount[FC_PRODUCTS_OF_TILES] += slots_of(plan->kernels, pixels) * lanes * depth * count;
    work->amount[FC_SWEEPS] += (double)plan->tiles * count;
}

/* What passes the second-level cache `times` times. */
static void add_stream(fc_work *work, double bytes, double times)
{
    if (bytes > KEPT_BYTES) work->amount[FC_STREAMED] += bytes * times;
}

static void add_direct(fc_work *work, const fc_conv *conv, const fc_conv_plan *plan)
{
    const int64_t *out = conv->window.out;
    const double planes = (double)(conv->batch * conv->groups * out[0]), bands = planes * (double)plan->bands;
    const double whole = planes * (double)(out[1] * out[2]) / (bands * (double)(plan->band_rows * plan->band_cols));
    /* Rows of a band follow each other unless only paired rows can be tiled across their ends. */
    const int wrapped = plan->kernels->tile[FC_WALK_SCATTERED][0][1][0] != NULL && plan->form == FC_BLOCKED;
    const double sweeps = bands * whole * (wrapped ? 1 : (double)plan->band_rows);
    add_sweeps(work, plan, wrapped ? plan->band_rows * plan->band_cols : plan->band_cols, (double)plan->depth, sweeps);
    work->amount[FC_LAID_OUT] = bands * (double)plan->input_bytes;
    work->amount[FC_PACKED] = plan->unpacked ? 0 : (double)plan->filter_bytes;
    if (plan->split == FC_BY_CHANNELS) add_stream(work, (double)plan->input_bytes * bands / (double)conv->groups, (double)(plan->tiles * conv->groups));
    else add_stream(work, (double)plan->filter_bytes / (double)conv->groups, bands);
}

static void add_winograd(fc_work *work, const fc_conv *conv, const fc_conv_plan *plan)
{
    const double planes = (double)(conv->batch * conv->groups * conv->window.out[0]);
    const double input = (double)(plan->winograd->products * plan->in_blocks * plan->together) * FC_BLOCK_BYTES;
    const double sums = (double)(plan->places * plan->out_blocks * plan->together) * FC_BLOCK_BYTES;
    const double times = plan->split == FC_BY_CHANNELS ? (double)conv->groups : planes * (double)plan->bands;
    add_sweeps(work, plan, plan->together, (double)plan->depth, (double)plan->places * times);
    /* All tiles of a plane, by rectangles of which `input_bytes` are the largest. */
    const double tile = (double)(plan->winograd->tile_out * plan->winograd->tile_out);
    const double tiles = (double)(fc_tiles_along(conv, plan, 1) * fc_tiles_along(conv, plan, 2));
    const double rectangles = tiles * tile / ((double)plan->band_rows * (double)plan->band_cols);
    work->amount[FC_LAID_OUT] = planes * rectangles * (double)plan->in_blocks * (double)plan->input_bytes;
    work->amount[FC_TRANSFORMED_IN] = times * input;
    work->amount[FC_TRANSFORMED_OUT] = times * sums;
    work->amount[FC_PACKED_WINOGRAD] = (double)plan->filter_bytes;
    if (plan->split == FC_BY_CHANNELS) add_stream(work, input, times * (double)plan->panel_tasks);
    else add_stream(work, (double)plan->filter_bytes / (double)conv->groups, times);
}

static double tasks_of(const fc_conv *conv, const fc_conv_plan *plan)
{
    if (plan->method == FC_POINTWISE) return (double)(conv->batch * conv->groups * plan->bands * plan->panel_tasks);
    if (plan->split == FC_BY_CHANNELS) return (double)(conv->groups * plan->panel_tasks);
    return (double)(conv->batch * conv->groups * conv->window.out[0]) * (double)plan->bands;
}

fc_work fc_work_of(const fc_conv *conv, const fc_conv_plan *plan)
{
    fc_work work = {0};
    const fc_window *w = &conv->window;
    const double pixels = (double)(conv->batch * w->out[0] * w->out[1] * w->out[2]);
    const double bands = pixels / (double)(w->out[1] * w->out[2]) * (double)(conv->groups * plan->bands);
    const int64_t *out = conv->transposed ? conv->spread.out : w->out;
    work.amount[FC_STORED] = (double)(conv->batch * out[0] * out[1] * out[2] * conv->groups * plan->out_blocks) * FC_BLOCK_BYTES;
    switch (plan->method) {
    case FC_TILES: add_direct(&work, conv, plan); break;
    case FC_TRANSFORMED: add_winograd(&work, conv, plan); break;
    case FC_COLUMNS:
        add_sweeps(&work, plan, plan->band_cols, (double)plan->depth, bands);
        work.amount[FC_GATHERED] = bands * (double)plan->input_bytes;
        work.amount[FC_PACKED] = (double)plan->filter_bytes;
        break;
    case FC_ROWS:
        work.amount[FC_PRODUCTS_OF_ROWS] = pixels * (double)conv->c_out * (double)plan->depth;
        work.amount[FC_LAID_OUT] = bands * (double)plan->input_bytes;
        work.amount[FC_STORED] = pixels * (double)conv->c_out * conv->item_bytes;
        break;
    case FC_POINTWISE:
        work.amount[FC_PRODUCTS_OF_ROWS] = pixels * (double)conv->c_out * (double)plan->depth;
        work.amount[FC_LAID_OUT] = plan->gathers ? pixels * (double)(conv->c_in * conv->item_bytes) : 0;
        work.amount[FC_STORED] = 0;
        break;
    case FC_WINDOWS:
        work.amount[FC_PRODUCTS_OF_WINDOWS] = pixels * (double)conv->c_out * (double)plan->depth;
        work.amount[FC_STORED] = 0;
        break;
    case FC_CHANNELS: {
        const double lanes = (double)(fc_ceil_div(conv->c_in, plan->kernels->block) * plan->kernels->block);
        work.amount[FC_PRODUCTS_OF_LANES] = pixels * lanes * (double)plan->taps;
        work.amount[FC_LAID_OUT] = bands / (double)(conv->groups * plan->kernels->block) * lanes * (double)plan->input_bytes;
        work.amount[FC_STORED] = pixels * lanes * conv->item_bytes;
        break;
    }
    }
    if (conv->prepacked) work.amount[FC_PACKED] = 0;
    if (!fc_transforms_filter(conv)) work.amount[FC_PACKED_WINOGRAD] = 0;
    if (conv->prepacked == FC_FILTER_FETCHED) work.amount[FC_FETCHED] = (double)plan->filter_bytes;
    work.tasks = tasks_of(conv, plan);
    const double threads = work.tasks < plan->threads ? work.tasks : plan->threads;
    work.share = (double)fc_ceil_div((int64_t)work.tasks, (int64_t)threads) / work.tasks;
    work.seconds = COST_OF_CALL * 1e-9;
    for (int i = 0; i < FC_AMOUNTS; i++) {
        const double width = i <= FC_PRODUCTS_OF_LANES ? conv->item_bytes / 4.0 : 1;
        work.seconds += work.amount[i] * width * COST[i] * work.share * 1e-9;
    }
    return work;
}
