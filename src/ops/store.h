/* From scratch to the caller's array: a panel's blocked output, or a stage whose lines go past the caches. */
#ifndef FASTCONV_OPS_STORE_H
#define FASTCONV_OPS_STORE_H

#include "../fastconv.h"

/* rows x cols pixels of one channel block, `px` and `row` bytes apart in scratch, to `output` positioned at the first
 * channel and pixel; residual: NULL, or the same position of an array with the strides of the output. */
typedef struct {
    const fc_kernels *kernels;
    const void *scratch;
    ptrdiff_t px, row;
    fc_view output;
    const void *residual;
    int64_t rows, cols, channels;
    fc_activation activation;
} fc_store;

void fc_store_block(const fc_store *store);

/* `bytes` of contiguous output; both stand equally far from a multiple of FC_ALIGNMENT. */
void fc_store_stage(const fc_kernels *kernels, const char *stage, char *output, int64_t bytes);

/* An output that is put together a few rows at a time, from which whole lines go past the caches; what is left of a line waits for
 * the rest of it. The buffer is aligned as lines are, begins with the line that the next byte of output is in, and has room for a line
 * more than is put. */
typedef struct {
    const fc_kernels *kernels;
    char *buffer, *output;
    int64_t first; /* where the output begins in that line */
} fc_line_stage;

static inline fc_line_stage fc_line_stage_at(const fc_kernels *kernels, char *buffer, char *output)
{
    return (fc_line_stage){kernels, buffer, output, (int64_t)((uintptr_t)output % FC_ALIGNMENT)};
}

/* Where what comes next is to be put; that so many bytes were; that they were the last. */
static inline char *fc_line_stage_end(const fc_line_stage *stage) { return stage->buffer + (uintptr_t)stage->output % FC_ALIGNMENT; }
void fc_line_stage_add(fc_line_stage *stage, int64_t bytes);
void fc_line_stage_finish(const fc_line_stage *stage);

#endif
