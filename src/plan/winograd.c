/* The limits are measured, like those of plan/conv.c. */
#include "winograd.h"
#include "share.h"
#include "transposed.h"
#include "../sizes.h"

enum {
    TRANSFORMED_BYTES = 384 * 1024, /* transformed input and sums that stay in the second-level cache */
    LEAST_TOGETHER = 48,            /* tiles for which the filter is worth its way, which comes from further away, */
    LEAST_NEAR = 28,                /* and for which it is where the same cache keeps it, too: */
    NEAR_FILTER_BYTES = 640 * 1024,
    THREAD_BYTES = 2048 * 1024,     /* all that a thread works in */
    MOST_BYTES = 1792 * 1024,       /* of it, transformed input and sums */
    FEW_TILES = 128,                /* up to here panels may be shared out */
    LEAST_PANELS = 2,               /* that go through a band together: it has no more tiles than leave memory for their sums */
    MOST_PANELS = 4,                /* of a task, where packed panels are shared out */
    READ_WHOLE = 3, /* times as large as what all threads would share may a packed filter be that each thread reads whole */
};

/* Every output belongs to a phase, whose taps are among two or three neighbours. */
static int phases_fit(const fc_conv *conv, int axis)
{
    const int64_t *kernel = conv->window.kernel, phases = fc_axis_phases(&conv->spread, axis);
    if (phases != conv->spread.stride[axis]) return 0;
    return axis == 0 ? phases == 1 && kernel[0] == 1 : kernel[axis] > 1 && kernel[axis] <= FC_TILE_TAPS;
}

int fc_fits_winograd(const fc_conv *conv)
{
    const fc_window *w = &conv->window;
    if (conv->transposed) {
        for (int i = 0; i < FC_SPATIAL; i++)
            if (!phases_fit(conv, i)) return 0;
        return fc_axis_phases(&conv->spread, 1) * fc_axis_phases(&conv->spread, 2) <= FC_MOST_TILE_PHASES;
    }
    if (w->kernel[0] != 1) return 0;
    for (int i = 1; i < FC_SPATIAL; i++)
        if (w->kernel[i] != FC_TILE_TAPS || w->stride[i] != 1 || w->dilation[i] != 1) return 0;
    return 1;
}

void fc_places_of_phase(const fc_conv *conv, const fc_conv_plan *plan, int axis, int64_t n, int *first, int *end)
{
    *first = 0;
    *end = plan->winograd->tile_out + FC_TILE_TAPS - 1;
    if (!conv->transposed) return;
    const fc_axis_phase phase = fc_axis_phase_of(&conv->spread, axis, n);
    *first = phase.read - (phase.taps - 1) * phase.read_step > 0;
    *end -= phase.read < FC_TILE_TAPS - 1;
}

/* All phases have a row of places, and of columns, of their own. */
static int64_t places_of(const fc_conv *conv, const fc_conv_plan *plan)
{
    int64_t places = 1;
    for (int axis = 1; axis < FC_SPATIAL; axis++) {
        int64_t sum = 0;
        for (int64_t n = 0; n < (conv->transposed ? fc_axis_phases(&conv->spread, axis) : 1); n++) {
            int first, end;
            fc_places_of_phase(conv, plan, axis, n, &first, &end);
            sum += end - first;
        }
        places *= sum;
    }
    return places;
}

int64_t fc_tiles_along(const fc_conv *conv, const fc_conv_plan *plan, int axis)
{
    return fc_ceil_div(conv->window.out[axis], plan->winograd->tile_out);
}

/* One channel block under rows x cols tiles, with the halo. */
static size_t block_bytes(const fc_conv_plan *plan, int64_t rows, int64_t cols)
{
    const int64_t out = plan->winograd->tile_out;
    return (size_t)((rows * out + 2) * (cols * out + 2)) * FC_BLOCK_BYTES;
}

/* Beside what is transformed: a channel block of the input; the taps of a block of channels, a gathered row, the outputs of a row
 * of tiles. */
static size_t scratch_bytes(const fc_conv *conv, const fc_conv_plan *plan, int64_t cols)
{
    const int64_t out = plan->winograd->tile_out, outputs = out * plan->step[1] * out * plan->step[2] * cols;
    const int64_t taps = FC_TAPS * fc_max(plan->kernels->block, plan->phases);
    return plan->input_bytes + (size_t)(outputs + taps) * FC_BLOCK_BYTES
         + fc_gathered_row_bytes(conv, plan->kernels);
}

/* What is laid out at once: rows x cols tiles. */
static void set_rectangle(fc_conv_plan *plan, int64_t rows, int64_t cols)
{
    plan->band_rows = rows * plan->winograd->tile_out;
    plan->band_cols = cols * plan->winograd->tile_out;
    plan->input_bytes = block_bytes(plan, rows, cols);
}

static int64_t all_tiles(const fc_conv *conv, const fc_conv_plan *plan)
{
    return conv->batch * conv->window.out[0] * fc_tiles_along(conv, plan, 1) * fc_tiles_along(conv, plan, 2);
}

static int is_few(const fc_conv *conv, const fc_conv_plan *plan) { return all_tiles(conv, plan) <= FEW_TILES; }

/* What a thread holds of a filter that it transforms, and of the sums of a panel, when panels are shared out. */
static size_t channels_panel_bytes(const fc_conv *conv, const fc_conv_plan *plan)
{
    if (!fc_transforms_filter(conv)) return 0;
    return fc_places_bytes(plan, fc_slab_blocks(conv, plan) * plan->kernels->block, plan->kernels->tile_blocks);
}

static size_t channels_sums_bytes(const fc_conv_plan *plan, int64_t tiles)
{
    return fc_places_bytes(plan, plan->kernels->tile_blocks, tiles);
}

/* As few tasks as have no more panels than may go together, and give every thread as many: nearly the same number of panels. */
static int64_t tasks_of_panels(const fc_conv *conv, const fc_conv_plan *plan, int64_t most)
{
    for (int64_t tasks = fc_ceil_div(plan->tiles, most); tasks < plan->tiles; tasks++)
        if (conv->groups * tasks % plan->threads == 0) return tasks;
    return plan->tiles;
}

static void plan_channels(const fc_conv *conv, fc_conv_plan *plan)
{
    const int64_t down = fc_tiles_along(conv, plan, 1), across = fc_tiles_along(conv, plan, 2);
    plan->split = FC_BY_CHANNELS;
    set_rectangle(plan, down, across);
    plan->bands = 1;
    plan->together = all_tiles(conv, plan);
    const size_t sums = channels_sums_bytes(plan, plan->together), scratch = scratch_bytes(conv, plan, across);
    const int64_t room = fc_min(MOST_BYTES, THREAD_BYTES - (int64_t)fc_apart(scratch));
    if (!fc_transforms_filter(conv))
        plan->panel_tasks = tasks_of_panels(conv, plan, fc_max(1, fc_min(MOST_PANELS, room / (int64_t)sums)));
    plan->panels = fc_ceil_div(plan->tiles, plan->panel_tasks);
    plan->panel_bytes = channels_panel_bytes(conv, plan);
    plan->output_bytes = (size_t)plan->panels * sums;
    plan->shared_bytes = (size_t)conv->groups * fc_transformed_bytes(plan, plan->in_blocks, plan->together);
    plan->thread_bytes = fc_apart(plan->panel_bytes + plan->output_bytes + scratch);
}

/* The outputs of `tiles` tiles of a row, of all phases but one, which fits beside MOST_BYTES. */
static int64_t more_outputs(const fc_conv_plan *plan, int64_t tiles)
{
    const int64_t out = plan->winograd->tile_out;
    return (plan->phases - 1) * out * out * tiles * FC_BLOCK_BYTES;
}

/* As many tiles as the second-level cache keeps, or as are worth the filter's way, and the memory that a thread may have. */
static int64_t tiles_together(const fc_conv_plan *plan)
{
    const int64_t input = plan->winograd->products * plan->in_blocks * FC_BLOCK_BYTES, a_block = plan->places * FC_BLOCK_BYTES;
    const int64_t kept = TRANSFORMED_BYTES / (input + a_block * plan->out_blocks);
    const int64_t panels = fc_min(LEAST_PANELS, plan->tiles), sums = a_block * plan->kernels->tile_blocks * panels;
    const int64_t lines = (plan->winograd->products + plan->places * panels) * FC_BLOCK_BYTES; /* see fc_place_bytes */
    const int64_t most = (MOST_BYTES - lines) / (input + sums + more_outputs(plan, 1));
    return fc_max(1, fc_min(fc_max(kept, plan->filter_bytes > NEAR_FILTER_BYTES ? LEAST_TOGETHER : LEAST_NEAR), most));
}

static void plan_bands(const fc_conv *conv, fc_conv_plan *plan)
{
    const int64_t across = fc_tiles_along(conv, plan, 2), down = fc_tiles_along(conv, plan, 1), tiles = down * across;
    const int64_t planes = conv->batch * conv->groups * conv->window.out[0];
    const int64_t tasks = (is_few(conv, plan) ? 1 : FC_TASKS_A_THREAD) * plan->threads;
    const int64_t least = fc_max(fc_ceil_div(tiles, tiles_together(plan)), fc_min(tiles, fc_ceil_div(tasks, planes)));
    plan->split = FC_BY_BANDS;
    plan->bands = fc_even_bands(tiles, least, planes, plan->threads);
    plan->together = fc_ceil_div(tiles, plan->bands);
    const int64_t cols = fc_min(plan->together, across);
    set_rectangle(plan, fc_max(1, plan->together / across), cols);
    const int64_t input = (int64_t)fc_transformed_bytes(plan, plan->in_blocks, plan->together);
    const int64_t sums = (int64_t)fc_places_bytes(plan, plan->kernels->tile_blocks, plan->together);
    plan->panels = fc_max(1, fc_min((MOST_BYTES - input - more_outputs(plan, cols)) / sums, plan->tiles));
    plan->output_bytes = (size_t)(input + plan->panels * sums);
    plan->shared_bytes = fc_transforms_filter(conv) ? plan->filter_bytes : 0;
    plan->thread_bytes = fc_apart(plan->output_bytes + scratch_bytes(conv, plan, cols));
}

/* Panels are shared out where transforming the filter, or reading it, is most of the work. All threads read the input then that
 * each transformed a part of: out of other cores' caches, which takes longer than a small filter's way. */
static int by_channels(const fc_conv *conv, const fc_conv_plan *plan)
{
    const int64_t all = all_tiles(conv, plan);
    const int idle = conv->groups * plan->tiles < plan->threads; /* threads, but a filter kept as taps is not transformed whole */
    if (!is_few(conv, plan) || (idle && conv->prepacked != FC_FILTER_TAPS)) return 0;
    const size_t shared = (size_t)conv->groups * fc_transformed_bytes(plan, plan->in_blocks, all);
    const size_t a_thread = channels_panel_bytes(conv, plan) + channels_sums_bytes(plan, all);
    if (shared + a_thread * (size_t)plan->threads > plan->filter_bytes + (size_t)plan->threads * MOST_BYTES) return 0;
    return fc_transforms_filter(conv) || plan->filter_bytes > READ_WHOLE * shared;
}

void fc_plan_winograd(const fc_conv *conv, fc_conv_plan *plan)
{
    plan->winograd = &plan->kernels->winograd[plan->algorithm == FC_WINOGRAD_2X2 ? FC_F2X2 : FC_F4X4];
    plan->taps = 1; /* the panels of one product */
    plan->places = places_of(conv, plan);
    plan->depth = plan->group_in;
    plan->filter_bytes = fc_places_bytes(plan, conv->groups * plan->depth, plan->out_blocks);
    if (by_channels(conv, plan)) plan_channels(conv, plan);
    else plan_bands(conv, plan);
}
