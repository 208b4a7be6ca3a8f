/* Writing a contiguous output row by row, on several threads, past the caches where it is large. */
#ifndef FASTCONV_OPS_ROWS_H
#define FASTCONV_OPS_ROWS_H

#include "../fastconv.h"

/* Rows [first_row, first_row + rows) and columns [first_col, first_col + cols) of the output, at `out`; `out_row` bytes between
 * rows. end, streamed and past_cache: as in fc_rows. */
typedef struct {
    int64_t first_row, rows, first_col, cols;
    char *out;
    ptrdiff_t out_row;
    const void *end;
    int streamed, past_cache;
} fc_patch;

typedef void fc_write_patch(const void *context, const fc_patch *patch);

typedef struct {
    int64_t rows, cols;
    char *output;
    const fc_kernels *kernels;
    fc_write_patch *write;
    const void *context;
} fc_row_writer;

/* Call write for patches that cover the output. */
fc_status fc_write_rows(const fc_row_writer *writer, const fc_run *run);

/* The items [first, first + count) of a row's stretches. */
void fc_cut_stretches(const fc_stretch from[FC_STRETCHES], int64_t first, int64_t count, fc_stretch cut[FC_STRETCHES]);

#endif
