/* What the convolution algorithms share: one call's operands, plan and workspace. */
#ifndef FASTCONV_OPS_CONV_H
#define FASTCONV_OPS_CONV_H

#include "../plan/conv.h"
#include "layout.h"
#include "store.h"
#include "sweep.h"

typedef struct {
    const fc_conv *conv;
    const fc_conv_plan *plan;
    fc_view input, output;
    const char *weight;
    fc_epilogue epilogue;
    fc_team team;
    fc_scratch scratch;
    fc_reduction reduction;
    ptrdiff_t *offset; /* the reduction's */
    char *bias;        /* padded to whole blocks, group after group */
    char *shared, *threads;
    size_t thread_bytes; /* of scratch, for each thread */
} fc_conv_job;

fc_status fc_conv_direct(fc_conv_job *job);
fc_status fc_conv_im2col(fc_conv_job *job);
fc_status fc_conv_planar(fc_conv_job *job);
fc_status fc_conv_depthwise(fc_conv_job *job);

/* Step offsets and padded bias: the bytes they take, and filling them into `memory`, with the threads' scratch behind. */
size_t fc_conv_fixed_bytes(const fc_conv *conv, const fc_conv_plan *plan);
void fc_conv_prepare(fc_conv_job *job, char *memory);

/* The part of the workspace that belongs to one thread. */
static inline char *fc_thread_scratch(const fc_conv_job *job, int thread)
{
    return job->threads + (size_t)thread * job->thread_bytes;
}

/* The outputs of one task: sample, group, and a range of the output plane. Tasks count through n, g, d, band. */
typedef struct {
    int64_t sample, group;
    fc_range range;
} fc_piece;
fc_piece fc_piece_of(const fc_conv_job *job, int64_t task);
int64_t fc_pieces(const fc_conv_job *job);

/* The input positioned at a sample and a channel. */
fc_source fc_source_of(const fc_conv_job *job, int64_t sample, int64_t channel, void *row);

/* Lay out the whole input of a piece's group. row: scratch for a gathered row. */
void fc_lay_out_piece(const fc_conv_job *job, const fc_piece *piece, void *row, void *input);

/* Store the channel blocks of a panel from scratch: the piece's pixels one block apart, `block_bytes` between blocks. */
void fc_store_panel(const fc_conv_job *job, const fc_piece *piece, int64_t tile, const void *scratch,
                    ptrdiff_t block_bytes);

/* Where the padded bias of a panel starts. */
const void *fc_panel_bias(const fc_conv_job *job, int64_t group, int64_t tile);

/* Pack every panel of the filter into the shared workspace. */
fc_status fc_pack_filter(fc_conv_job *job);

#endif
