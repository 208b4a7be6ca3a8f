/* One panel of output channels over a rectangle of pixels, cut into register tiles. */
#ifndef FASTCONV_OPS_SWEEP_H
#define FASTCONV_OPS_SWEEP_H

#include "../fastconv.h"

/* Of a panel, what a sweep uses at once: it stays in the nearest cache. */
enum { FC_PIECE_BYTES = 16 * 1024 };

/* How each output pixel's sum walks through the input scratch; the same for every pixel of a call. */
typedef struct {
    const fc_kernels *kernels;
    fc_walk walk;
    const ptrdiff_t *offset; /* one a step, from a pixel */
    int64_t steps, depth, tail_steps, tail_depth;
    ptrdiff_t px_stride, row_stride, k_stride; /* bytes between neighbouring outputs' pixels and rows, and between k */
} fc_reduction;

/* A rectangle of outputs in blocks. residual: NULL or laid out alike. */
typedef struct {
    void *data;
    const void *residual;
    ptrdiff_t px, row, block;
} fc_target;

/* The filter of `blocks` channel blocks, at most tile_blocks. next: NULL or the panel that will be swept after this one.
 * The reduction may be a part of a longer one: then the target holds the sum before it (continued) or after it (unfinished). */
typedef struct {
    const void *filter, *bias, *next;
    int blocks, continued, unfinished;
    fc_activation activation;
} fc_panel;

void fc_sweep(const fc_reduction *reduction, const void *input, const fc_panel *panel, const fc_target *target,
              int64_t rows, int64_t cols);

#endif
