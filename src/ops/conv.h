/* What the convolution algorithms share: one call's operands, plan and workspace. */
#ifndef FASTCONV_OPS_CONV_H
#define FASTCONV_OPS_CONV_H

#include "../plan/conv.h"
#include "filter.h"
#include "layout.h"
#include "store.h"
#include "sweep.h"

/* The outputs first + plan->step * t, which all take the same steps; `before` products of other phases stand before theirs in
 * a panel. Of Winograd tiles, `before` places of other phases before those of theirs. */
typedef struct {
    int64_t first[FC_SPATIAL], taps, before;
    fc_reduction reduction;
    fc_places places;
} fc_phase;

typedef struct {
    const fc_conv *conv;
    const fc_conv_plan *plan;
    fc_view input, output;
    const fc_blocked_conv *maps; /* NULL, or between which maps instead */
    const char *weight, *filter; /* as the caller gave it, and in panels */
    fc_epilogue epilogue;
    fc_team team;
    fc_scratch scratch;
    fc_phase *phase; /* an ordinary convolution has one */
    int64_t phases;
    int64_t phases_a_slice, phases_a_row; /* that share first[0], and first[1] too: they follow each other */
    int gaps;            /* some outputs belong to no phase: no tap reaches them */
    ptrdiff_t *offset;   /* the reductions', phase after phase */
    fc_tap_place *place; /* transposed: of every tap of the weight */
    char *bias;          /* padded to whole blocks, group after group */
    char *shared, *threads;
    size_t thread_bytes; /* of scratch, for each thread */
} fc_conv_job;

fc_status fc_conv_direct(fc_conv_job *job);
fc_status fc_conv_im2col(fc_conv_job *job);
fc_status fc_conv_planar(fc_conv_job *job);
fc_status fc_conv_pointwise(fc_conv_job *job);
fc_status fc_conv_sliding(fc_conv_job *job);
fc_status fc_conv_depthwise(fc_conv_job *job);
fc_status fc_conv_winograd(fc_conv_job *job);

/* Take back what weights that are not finite did to outputs of a transposed convolution where an input is missing. */
fc_status fc_mend_border(const fc_conv_job *job);

/* Step offsets and padded bias: the bytes they take, and filling them into `memory`, with the threads' scratch behind. */
size_t fc_conv_fixed_bytes(const fc_conv *conv, const fc_conv_plan *plan);
void fc_conv_prepare(fc_conv_job *job, char *memory);

/* Fill phase, offset and place, whose memory is there. */
void fc_conv_prepare_phases(fc_conv_job *job);

/* The phases_a_slice phases of a slice (below plan->step[0]), or NULL where no tap reaches it. */
const fc_phase *fc_phases_of_slice(const fc_conv_job *job, int64_t slice);

/* What the input of a group is laid out in: channel blocks, or planes of a channel. */
static inline int64_t fc_layout_units(const fc_conv_plan *plan)
{
    return plan->form == FC_BLOCKED ? plan->in_blocks : plan->group_in;
}

/* The threads of a run, or fewer. */
static inline fc_team fc_team_of(const fc_run *run, int threads)
{
    fc_team team = run->team;
    team.threads = threads;
    return team;
}

/* The part of the workspace that belongs to one thread. */
static inline char *fc_thread_scratch(const fc_conv_job *job, int thread)
{
    return job->threads + (size_t)thread * job->thread_bytes;
}

/* The outputs of one task: sample, group, and for each phase a range of its outputs. Tasks count through n, g, d, band. */
typedef struct {
    int64_t sample, group;
    fc_range range;
} fc_piece;
fc_piece fc_piece_of(const fc_conv_job *job, int64_t task);
fc_piece fc_plane_of(const fc_conv_job *job, int64_t plane); /* a whole one */
int64_t fc_pieces(const fc_conv_job *job);

/* The range of outputs of all phases of the slice `slice` (below plan->step[0]) of a piece; its count[0] is 0 where there is none. */
fc_range fc_outputs_of(const fc_conv_job *job, const fc_range *piece, int64_t slice);

/* The phases_a_row phases of the rows first + step[1] * t of a slice, or NULL where no tap reaches them. */
const fc_phase *fc_phases_of_rows(const fc_conv_job *job, const fc_phase *slice, int64_t first);

/* How many rows and columns of them belong to a phase. */
int64_t fc_phase_count(const fc_conv_job *job, const fc_phase *phase, const fc_range *outputs, int axis);

/* The input positioned at a sample and a channel. */
fc_source fc_source_of(const fc_conv_job *job, int64_t sample, int64_t channel, void *row);

/* Lay out the whole input of a piece's group. row: scratch for a gathered row. */
void fc_lay_out_piece(const fc_conv_job *job, const fc_piece *piece, void *row, void *input);

/* Store the channel blocks of a panel from scratch: the pixels of piece->range, here of outputs, one block apart, `block_bytes`
 * between blocks. */
void fc_store_panel(const fc_conv_job *job, const fc_piece *piece, int64_t tile, const void *scratch,
                    ptrdiff_t block_bytes);

/* The same of the rows first + step * t alone; in scratch they are `row` bytes apart, 0 where they are all alike. */
typedef struct {
    const void *scratch;
    ptrdiff_t block, row;
    int64_t first, step;
} fc_panel_rows;
void fc_store_panel_rows(const fc_conv_job *job, const fc_piece *piece, int64_t tile, const fc_panel_rows *rows);

/* Where the padded bias of a panel starts. */
const void *fc_panel_bias(const fc_conv_job *job, int64_t group, int64_t tile);

/* Pack one panel, or every panel to `filter`; the latter does nothing where that was done before. */
void fc_pack_one_panel(const fc_conv_job *job, int64_t group, int64_t tile, void *panel);
fc_status fc_pack_filter(fc_conv_job *job, char *filter);

/* The same of a Winograd convolution, whose filters are transformed in the threads' scratch. */
fc_status fc_pack_winograd(fc_conv_job *job, char *filter);

#endif
