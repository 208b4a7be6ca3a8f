/* One step of a program at work. */
#ifndef FASTCONV_OPS_PROGRAM_H
#define FASTCONV_OPS_PROGRAM_H

#include "../program.h"

typedef struct {
    const fc_program *program;
    const fc_step *step;
    int64_t batch;
    char *arena, *input, *output;
    const fc_run *run;
    const fc_kernels *kernels;
} fc_walker;

const fc_value *fc_value_of(const fc_walker *walker, int number);

/* A blocked value, at pixel (0, 0, 0) of its first block. */
fc_blocked fc_blocked_of(const fc_walker *walker, int number);

/* A plain one. */
fc_view fc_plain_of(const fc_walker *walker, int number);

int64_t fc_blocks_of(const fc_walker *walker, const fc_value *value);

/* Offsets of a depthwise step's taps from where a window starts, in a map with the strides of `in`. */
void fc_depthwise_offsets(const fc_window *window, const fc_blocked *in, ptrdiff_t *offset);

/* `count` rows of one channel block: where the windows of the first start, and the first output. Batch norm, whose windows are the
 * items, takes neither offsets nor a residual. */
typedef struct {
    const void *input, *residual;
    void *output;
    ptrdiff_t in_row, out_row, residual_row;
    int64_t count;
    const ptrdiff_t *offset;
} fc_block_rows;
void fc_depthwise_rows(const fc_walker *walker, const fc_step *step, int64_t block, const fc_block_rows *rows);
void fc_norm_rows(const fc_walker *walker, const fc_step *step, int64_t block, const fc_block_rows *rows);

/* This and the step->links - 1 steps behind it. */
fc_status fc_step_chain(const fc_walker *walker);

fc_status fc_step_load(const fc_walker *walker);
fc_status fc_step_depthwise(const fc_walker *walker);
fc_status fc_step_reorder(const fc_walker *walker);
fc_status fc_step_group_norm(const fc_walker *walker);
fc_status fc_step_layer_norm(const fc_walker *walker);
fc_status fc_step_add(const fc_walker *walker);
fc_status fc_step_batch_norm(const fc_walker *walker);

#endif
