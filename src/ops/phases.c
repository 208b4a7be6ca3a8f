/* The steps of a convolution's sums: which scratch positions a product list walks through, phase by phase. */
#include "conv.h"

#include "../plan/transposed.h"
#include "../plan/winograd.h"
#include "../sizes.h"

/* Steps of channel blocks go through the lanes. */
static fc_reduction blocked_reduction(const fc_conv_job *job, int64_t taps, const ptrdiff_t *offset)
{
    const fc_conv_plan *plan = job->plan;
    const int block = plan->kernels->block;
    const int64_t full = plan->group_in / block, tail = plan->group_in % block;
    const ptrdiff_t px = fc_px_step(&job->scratch);
    const fc_walk walk = px == FC_BLOCK_BYTES ? FC_WALK_BLOCKED_1 : px == 2 * FC_BLOCK_BYTES ? FC_WALK_BLOCKED_2 : FC_WALK_STRIDED;
    return (fc_reduction){.kernels = plan->kernels, .walk = walk, .offset = offset, .px_stride = px, .row_stride = fc_row_step(&job->scratch),
                          .steps = full * taps, .depth = block, .tail_steps = tail ? taps : 0, .tail_depth = tail};
}

/* Steps of planes go through one row of the kernel where the walk can. */
static void prepare_ordinary(fc_conv_job *job)
{
    const fc_conv_plan *plan = job->plan;
    const fc_window *w = &job->conv->window;
    const int blocked = plan->form == FC_BLOCKED;
    const int64_t row = plan->form == FC_PLANES && plan->walk != FC_WALK_STRIDED ? w->kernel[2] : 1;
    fc_reduction r = blocked_reduction(job, plan->taps, job->offset);
    if (!blocked) {
        r.steps = plan->group_in * plan->taps / row;
        r.depth = row;
        r.tail_steps = 0;
        r.walk = plan->walk;
        r.k_stride = w->dilation[2] * job->conv->item_bytes;
    }
    job->phases = job->phases_a_slice = job->phases_a_row = 1;
    job->phase[0] = (fc_phase){.taps = plan->taps, .reduction = r};
    ptrdiff_t *offset = job->offset;
    for (int64_t g = 0; g < fc_layout_units(plan); g++)
        for (int64_t d = 0; d < w->kernel[0]; d++)
            for (int64_t h = 0; h < w->kernel[1]; h++)
                for (int64_t v = 0; v < w->kernel[2]; v += row)
                    *offset++ = g * job->scratch.group_bytes + fc_tap_offset(&job->scratch, (const int64_t[]){d, h, v});
}

/* The taps of one phase: where they read, block after block or channel after channel, and where the weight's stand in a panel. */
static void prepare_phase(const fc_conv_job *job, const fc_axis_phase axis[FC_SPATIAL], const fc_phase *phase, ptrdiff_t *offset)
{
    const int64_t *kernel = job->conv->spread.kernel;
    int64_t i[FC_SPATIAL], index = 0;
    for (i[0] = 0; i[0] < axis[0].taps; i[0]++)
        for (i[1] = 0; i[1] < axis[1].taps; i[1]++)
            for (i[2] = 0; i[2] < axis[2].taps; i[2]++, index++) {
                int64_t tap = 0, read[FC_SPATIAL];
                for (int a = 0; a < FC_SPATIAL; a++) {
                    tap = tap * kernel[a] + axis[a].tap + i[a] * axis[a].tap_step;
                    read[a] = axis[a].read - i[a] * axis[a].read_step;
                }
                const ptrdiff_t at = fc_tap_offset(&job->scratch, read);
                for (int64_t g = 0; g < fc_layout_units(job->plan); g++)
                    offset[g * phase->taps + index] = g * job->scratch.group_bytes + at;
                job->place[tap] = (fc_tap_place){phase->before, phase->taps, index};
            }
}

/* Whether some outputs of an axis belong to no phase that has taps. */
static int has_gaps(const fc_window *spread, int axis)
{
    const int64_t phases = fc_axis_phases(spread, axis), outputs = fc_min(spread->stride[axis], spread->out[axis]);
    int64_t covered = 0;
    for (int64_t n = 0; n < phases; n++) covered += fc_axis_phase_of(spread, axis, n).first < outputs;
    return covered < outputs;
}

static void prepare_transposed(fc_conv_job *job)
{
    const fc_window *spread = &job->conv->spread;
    int64_t n[FC_SPATIAL], before = 0;
    ptrdiff_t *offset = job->offset;
    job->phases = 0;
    job->phases_a_row = fc_axis_phases(spread, 2);
    job->phases_a_slice = fc_axis_phases(spread, 1) * job->phases_a_row;
    job->gaps = has_gaps(spread, 0) || has_gaps(spread, 1) || has_gaps(spread, 2);
    for (n[0] = 0; n[0] < fc_axis_phases(spread, 0); n[0]++)
        for (n[1] = 0; n[1] < fc_axis_phases(spread, 1); n[1]++)
            for (n[2] = 0; n[2] < fc_axis_phases(spread, 2); n[2]++) {
                fc_axis_phase axis[FC_SPATIAL];
                fc_phase *phase = &job->phase[job->phases++];
                *phase = (fc_phase){.taps = 1, .before = before};
                for (int a = 0; a < FC_SPATIAL; a++) {
                    axis[a] = fc_axis_phase_of(spread, a, n[a]);
                    phase->first[a] = axis[a].first;
                    phase->taps *= axis[a].taps;
                }
                phase->reduction = blocked_reduction(job, phase->taps, offset);
                prepare_phase(job, axis, phase, offset);
                offset += fc_layout_units(job->plan) * phase->taps;
                before += phase->taps;
            }
}

/* Phases of Winograd tiles: where their outputs stand, and at which places their filters are not zero. */
static void prepare_transformed(fc_conv_job *job)
{
    const fc_conv *conv = job->conv;
    int64_t n[FC_SPATIAL], before = 0;
    job->phases = 0;
    job->phases_a_row = conv->transposed ? fc_axis_phases(&conv->spread, 2) : 1;
    job->phases_a_slice = job->plan->phases;
    for (n[1] = 0; n[1] < job->phases_a_slice / job->phases_a_row; n[1]++)
        for (n[2] = 0; n[2] < job->phases_a_row; n[2]++) {
            fc_phase *phase = &job->phase[job->phases++];
            *phase = (fc_phase){.taps = 1, .before = before};
            for (int a = 1; a < FC_SPATIAL; a++) {
                fc_places_of_phase(conv, job->plan, a, n[a], &phase->places.first[a - 1], &phase->places.end[a - 1]);
                if (conv->transposed) phase->first[a] = fc_axis_phase_of(&conv->spread, a, n[a]).first;
            }
            before += fc_places_count(&phase->places);
        }
    for (int64_t b = 0; b < job->plan->in_blocks; b++) job->offset[b] = b * job->plan->together * FC_BLOCK_BYTES;
}

void fc_conv_prepare_phases(fc_conv_job *job)
{
    if (job->plan->method == FC_TRANSFORMED) prepare_transformed(job);
    else if (job->conv->transposed) prepare_transposed(job);
    else prepare_ordinary(job);
}

const fc_phase *fc_phases_of_slice(const fc_conv_job *job, int64_t slice)
{
    const fc_phase *end = job->phase + job->phases;
    for (const fc_phase *phase = job->phase; phase < end; phase += job->phases_a_slice)
        if (phase->first[0] == slice) return phase;
    return NULL;
}

const fc_phase *fc_phases_of_rows(const fc_conv_job *job, const fc_phase *slice, int64_t first)
{
    if (!slice) return NULL;
    for (const fc_phase *phase = slice; phase < slice + job->phases_a_slice; phase += job->phases_a_row)
        if (phase->first[1] == first) return phase;
    return NULL;
}
