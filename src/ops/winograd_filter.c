/* The taps of some output channels are brought into lanes, if they are not packed so, then each filter of nine taps is transformed; a
 * transposed convolution has one for each phase, with zeros where the phase has no tap.
 */
#include "winograd_filter.h"

#include <string.h>

#include "../plan/transposed.h"
#include "../plan/winograd.h"
#include "../sizes.h"

/* One block of output channels: the taps of a block of input channels are brought into lanes at a time. */
static void transform_ordinary(const fc_conv_job *job, const fc_filter_transform *to, int b, int blocks)
{
    const fc_conv_plan *plan = job->plan;
    const fc_kernels *k = plan->kernels;
    const int64_t depth = plan->group_in * FC_TAPS, item = job->conv->item_bytes, within = (to->tile * k->tile_blocks + b) * k->block;
    const char *rows = job->weight + (to->group * plan->group_out + within) * depth * item;
    fc_places places = job->phase->places;
    places.step = to->step;
    fc_transpose t = {.blocked = to->taps, .block_stride = FC_BLOCK_BYTES, .plane_stride = depth * item,
                      .channels = fc_min(k->block, plan->group_out - within)};
    for (int64_t in = to->first; in < to->end; in += k->block) {
        const int64_t count = fc_min(k->block, to->end - in);
        t.planar = (void *)(rows + in * FC_TAPS * item);
        t.pixels = count * FC_TAPS;
        t.ahead = in + 2 * k->block <= plan->group_in ? k->block * FC_TAPS * item : 0;
        k->to_blocked(&t);
        const fc_winograd_filter filter = {
            .taps = to->taps, .tap = FC_BLOCK_BYTES, .next_taps = FC_TAPS * FC_BLOCK_BYTES,
            .filter = to->filter + ((in - to->first) * blocks + b) * FC_BLOCK_BYTES, .next_filter = blocks * FC_BLOCK_BYTES,
            .count = count, .places = places,
        };
        plan->winograd->filter(&filter);
    }
}

const char *fc_packed_taps(const fc_conv_job *job, int64_t group, int64_t tile, int64_t channel)
{
    const ptrdiff_t line = fc_panel_blocks(job->plan, tile) * FC_BLOCK_BYTES;
    return job->weight + fc_panel_at(job->plan, group, tile) * FC_TAPS + channel * FC_TAPS * line;
}

/* The same where the taps are in lanes already: [in block][tap][lane in][lane of the panel]. */
static void transform_packed(const fc_conv_job *job, const fc_filter_transform *to, int blocks)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t block = plan->kernels->block;
    const ptrdiff_t line = blocks * FC_BLOCK_BYTES;
    fc_winograd_filter filter = {.next_taps = line, .next_filter = line, .places = job->phase->places};
    filter.places.step = to->step;
    for (int64_t in = to->first; in < to->end; in += block) {
        const char *taps = fc_packed_taps(job, to->group, to->tile, in);
        filter.count = fc_min(block, plan->group_in - in);
        filter.tap = filter.count * line;
        filter.ahead = in + block < to->end ? FC_TAPS * filter.tap : 0;
        for (int b = 0; b < blocks; b++) {
            filter.taps = taps + b * FC_BLOCK_BYTES;
            filter.filter = to->filter + (in - to->first) * line + b * FC_BLOCK_BYTES;
            plan->winograd->filter(&filter);
        }
    }
}

/* Where the taps of a transposed convolution stand, in lanes: in the window of 3x3 of their phase. */
static void place_taps(const fc_conv_job *job, ptrdiff_t *place)
{
    const fc_window *spread = &job->conv->spread;
    for (int64_t n = 0; n < job->phases; n++) {
        const fc_axis_phase down = fc_axis_phase_of(spread, 1, n / job->phases_a_row);
        const fc_axis_phase across = fc_axis_phase_of(spread, 2, n % job->phases_a_row);
        for (int64_t i = 0; i < down.taps; i++)
            for (int64_t j = 0; j < across.taps; j++) {
                const int64_t tap = (down.tap + i * down.tap_step) * spread->kernel[2] + across.tap + j * across.tap_step;
                const int64_t read = (down.read - i * down.read_step) * FC_TILE_TAPS + across.read - j * across.read_step;
                place[tap] = (n * FC_TAPS + read) * FC_BLOCK_BYTES;
            }
    }
}

/* The same, phase after phase; a line of the weight holds the taps of one input channel and one output channel. */
static void transform_phases(const fc_conv_job *job, const fc_filter_transform *to, int b, int blocks)
{
    const fc_conv_plan *plan = job->plan;
    const fc_kernels *k = plan->kernels;
    const fc_window *spread = &job->conv->spread;
    const int64_t taps = spread->kernel[1] * spread->kernel[2], within = (to->tile * k->tile_blocks + b) * k->block;
    const ptrdiff_t line = taps * job->conv->item_bytes;
    ptrdiff_t place[FC_TAPS * FC_MOST_TILE_PHASES];
    place_taps(job, place);
    memset(to->taps, 0, (size_t)(job->phases * FC_TAPS) * FC_BLOCK_BYTES);
    for (int64_t in = to->first; in < to->end; in++) {
        const ptrdiff_t at = (to->group * plan->group_in + in) * plan->group_out + within;
        const fc_transpose t = {.blocked = to->taps, .block_offset = place, .planar = (void *)(job->weight + at * line),
                                .plane_stride = line, .pixels = taps, .channels = fc_min(k->block, plan->group_out - within),
                                .ahead = fc_min(FC_LINES_AHEAD, plan->group_in - 1 - in) * plan->group_out * line};
        k->to_blocked(&t);
        for (int64_t n = 0; n < job->phases; n++) {
            fc_places places = job->phase[n].places;
            places.step = to->step;
            const fc_winograd_filter filter = {
                .taps = to->taps + n * FC_TAPS * FC_BLOCK_BYTES, .tap = FC_BLOCK_BYTES, .count = 1, .places = places,
                .filter = to->filter + job->phase[n].before * to->step + ((in - to->first) * blocks + b) * FC_BLOCK_BYTES,
            };
            plan->winograd->filter(&filter);
        }
    }
}

void fc_transform_filter(const fc_conv_job *job, const fc_filter_transform *to)
{
    const int blocks = fc_panel_blocks(job->plan, to->tile);
    if (job->conv->prepacked == FC_FILTER_TAPS) {
        transform_packed(job, to, blocks);
        return;
    }
    for (int b = 0; b < blocks; b++)
        if (job->conv->transposed) transform_phases(job, to, b, blocks);
        else transform_ordinary(job, to, b, blocks);
}

static void pack_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const int64_t group = task / plan->tiles, tile = task % plan->tiles;
    const fc_filter_transform to = {group, tile, 0, plan->group_in, fc_thread_scratch(job, thread),
                                    (char *)job->filter + fc_panel_at(plan, group, tile), fc_filter_step(plan)};
    fc_transform_filter(job, &to);
}

fc_status fc_pack_winograd(fc_conv_job *job, char *filter)
{
    if (!fc_transforms_filter(job->conv)) return FC_OK;
    job->filter = filter;
    return fc_parallel(&job->team, job->conv->groups * job->plan->tiles, pack_task, job);
}
