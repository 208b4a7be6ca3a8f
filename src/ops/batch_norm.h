/* What the two ways of normalising a batch share: how a map is walked, in which numbers its moments stand, and one piece of it. */
#ifndef FASTCONV_OPS_BATCH_NORM_H
#define FASTCONV_OPS_BATCH_NORM_H

#include "norm.h"

/* Samples as `rows` rows of `cols` pixels, each row evenly strided; pieces of `piece` pixels. Pixels with all their channels that
 * follow each other from sample to sample are one sample. */
typedef struct {
    const fc_map *map;
    const fc_kernels *kernels;
    fc_view input, output;
    int channel_runs; /* or planar ones */
    int64_t samples, rows, cols, piece, pieces;
    int64_t together, groups; /* channels of a task, and such groups of channels; one group where pixels hold them all */
    int64_t slab;             /* its channels, or 0 */
    int by_columns;           /* a slab's items of a sample are taken for so many channels of one pixel */
    fc_normalisation norm;
    double *center, *sums, *mean, *variance; /* where moments are found */
    fc_affine_vectors parameters;
    int prepares; /* a task its channels' parameters itself, which no other one needs */
    const fc_epilogue *epilogue;
    int past_cache, short_planes; /* the latter go past the caches as runs of several */
    size_t thread_bytes;          /* what a thread has of columns */
    char *threads;
} fc_norm_job;

/* One piece of one row of `channels` channels. */
typedef struct {
    int64_t sample, row, first, count, channel, channels;
} fc_norm_piece;

/* Pieces that a channel has in all samples, one of them, of channels [channel, channel + channels), and where it stands. */
int64_t fc_norm_pieces(const fc_norm_job *job);
fc_norm_piece fc_norm_piece_of(const fc_norm_job *job, int64_t index, int64_t channel, int64_t channels);
ptrdiff_t fc_norm_piece_at(const fc_norm_job *job, const fc_view *view, const fc_norm_piece *p);

/* Sums of moments stand as [sum, square][channel] of the map. Of channels [first, first + count): what they are taken about,
 * no sums yet, the moments of a piece added, their mean and variance. */
void fc_norm_fill_centers(const fc_norm_job *job, int64_t first, int64_t count);
void fc_norm_clear_moments(const fc_norm_job *job, double *sum, int64_t first, int64_t count);
void fc_norm_add_moments(const fc_norm_job *job, const fc_norm_piece *p, fc_ahead ahead, double *sum);
void fc_norm_finish_moments(const fc_norm_job *job, const double *sum, int64_t first, int64_t count);

/* The parameters of channels [first, last), and the outputs of a piece. */
void fc_norm_prepare_parameters(const fc_norm_job *job, int64_t first, int64_t last);
void fc_norm_normalise(const fc_norm_job *job, const fc_norm_piece *p, fc_ahead ahead);

/* Set job->slab to how many channels a slab has, or 0 where the map is read twice, and what a thread needs; run all slabs. */
void fc_norm_choose_slab(fc_norm_job *job, int threads);
fc_status fc_norm_run_slabs(fc_norm_job *job, const fc_team *team);

#endif
