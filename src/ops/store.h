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

#endif
