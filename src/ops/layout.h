/* Laying out the input a task needs: channel blocks or planes, with the padding written as real values (the halo), so
 * that no kernel ever looks at an edge.
 */
#ifndef FASTCONV_OPS_LAYOUT_H
#define FASTCONV_OPS_LAYOUT_H

#include "../plan/conv.h"

/* The outputs [first, first + count) of each axis; the first axis is always one slice of outputs. */
typedef struct {
    int64_t first[FC_SPATIAL], count[FC_SPATIAL];
} fc_range;

/* Where things lie in the scratch of one range. Slices: one a kernel position along the first axis.
 *   BLOCKED  [block][slice][row][col][lane]
 *   PLANES   [channel][slice][row][col]
 *   PHASES   [channel][slice][row phase][col phase][row][col]
 */
typedef struct {
    const fc_window *window;
    fc_form form;
    int item_bytes;
    fc_axis axis[FC_SPATIAL];
    ptrdiff_t px_bytes, row_bytes, slice_bytes, group_bytes; /* group: a block, or a channel's planes */
} fc_scratch;

fc_scratch fc_scratch_of(const fc_window *window, fc_form form, int item_bytes, int64_t rows, int64_t cols);

/* The offset of kernel position (d, h, w) from the scratch position of the same output pixel. */
ptrdiff_t fc_tap_offset(const fc_scratch *scratch, const int64_t tap[FC_SPATIAL]);

/* Bytes between outputs that are neighbours along a row, and along a column. */
ptrdiff_t fc_px_step(const fc_scratch *scratch);
ptrdiff_t fc_row_step(const fc_scratch *scratch);

/* What fills scratch: `input` positioned at the sample and first channel. */
typedef struct {
    const fc_kernels *kernels;
    fc_view input;
    void *row; /* scratch for one gathered row of a block: block * (in[2] + block) items */
    ptrdiff_t ahead; /* of a channel block: how far behind it what is fetched meanwhile stands, as a rule the next one; 0: nothing */
} fc_source;

/* Fill one channel block (channels <= block; missing lanes are zero), or the planes of one channel. */
void fc_lay_out_block(const fc_scratch *scratch, const fc_source *source, const fc_range *range, int64_t channels,
                      void *block);
void fc_lay_out_planes(const fc_scratch *scratch, const fc_source *source, const fc_range *range, void *planes);

/* The first spatial axis from which on a map's pixels are one row, stride[4] bytes apart. The strides of axes of one item say
 * nothing and are not looked at. */
int fc_row_from(const fc_view *view, const int64_t size[FC_SPATIAL]);

#endif
