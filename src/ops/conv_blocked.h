/* A direct convolution between blocked maps at work: prepared once, then any rows by any thread. */
#ifndef FASTCONV_OPS_CONV_BLOCKED_H
#define FASTCONV_OPS_CONV_BLOCKED_H

#include "conv.h"

typedef struct {
    fc_conv_job base;
    fc_blocked in, out, residual;
    ptrdiff_t out_px;           /* between neighbouring outputs */
    int64_t rows, row_pieces;   /* output rows of a task, and tasks a plane */
    int64_t slab;               /* input blocks that are summed before the next panel's turn */
    int64_t tiles, tile_pieces; /* panels of a task, and tasks across the channels; those of the same panels follow each other */
} fc_blocked_job;

fc_blocked_job fc_blocked_job_of(const fc_blocked_conv *call, const fc_run *run);

/* For calls of at most `rows` rows and all panels: the bytes of memory that the job needs, then filling it in. */
size_t fc_blocked_bytes(fc_blocked_job *job, int64_t rows);
void fc_blocked_prepare(fc_blocked_job *job, char *memory);

/* Rows of one sample and slice. input: where the windows of the first row start, in a map with the strides of job->in; not looked
 * at where the plan reads planes. target: the first output. */
void fc_blocked_rows(const fc_blocked_job *job, const fc_piece *rows, const void *input, const fc_target *target, int thread);

#endif
