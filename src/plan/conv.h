/* How a convolution will be computed: a pure function of shape, instruction set, threads and wish. Touches no data. */
#ifndef FASTCONV_PLAN_CONV_H
#define FASTCONV_PLAN_CONV_H

#include "../fastconv.h"

/* How a task's piece of the input lies in scratch memory.
 *   BLOCKED   channel blocks                                         (many channels)
 *   PLANES    one plane a channel                                    (few channels, tiles)
 *   PHASES    the same, split into the phases of the stride, so that a strided window reads neighbours  (vectors of rows)
 */
typedef enum { FC_BLOCKED, FC_PLANES, FC_PHASES } fc_form;

/* The inner loop.
 *   TILES     register tiles over scratch in either form
 *   COLUMNS   register tiles over im2col columns
 *   ROWS      vectors along the rows of planes, for a few channels in and out
 *   POINTWISE vectors of pixels of planes, as a rule where they stand, by the filter as it is, for 1x1
 *   WINDOWS   3x3 windows over the map where it stands, for one channel a group
 *   CHANNELS  vectors along one channel block, for depthwise convolution
 *   TRANSFORMED  register tiles over Winograd's transformed input, one product after the other
 */
typedef enum { FC_TILES, FC_COLUMNS, FC_ROWS, FC_POINTWISE, FC_WINDOWS, FC_CHANNELS, FC_TRANSFORMED } fc_method;

/* What is cut along which axis.
 *   BY_BANDS      the filter is packed whole; each task lays out a band of input rows and computes all its channels
 *   BY_CHANNELS   the input is laid out whole; each task packs a panel of the filter and computes all its pixels
 * Pointwise, both are cut, and neighbouring tasks have the same band, or the same channels.
 */
typedef enum { FC_BY_BANDS, FC_BY_CHANNELS } fc_split;

/* Pointwise: whole tiles of pixels, for vectors of any width; the last band of a plane has those that are left too, but for `rest`. */
enum { FC_POINTWISE_PX = 48 };

struct fc_conv_plan {
    fc_algorithm algorithm;
    const char *reason;
    const fc_kernels *kernels;
    int threads;
    fc_method method;
    fc_form form;
    fc_split split;
    fc_walk walk;

    int64_t step[FC_SPATIAL];      /* between the outputs of one phase, of which an ordinary convolution has one */
    int64_t phases;                /* at most; see plan/transposed.h */
    int64_t group_in, group_out;   /* channels of one group */
    int64_t taps, depth;           /* kernel positions; products a sum: taps * group_in */
    int64_t in_blocks, out_blocks; /* channel blocks of one group */
    int64_t tiles, panel_tasks;    /* register tiles across the output channels of one group, and tasks, by channels */
    int gathers;                   /* pointwise: pixels with gaps between them are laid out in planes first; */
    int64_t piece_channels, rest;  /* the output channels of a task, and a plane's last pixels, by few pixels' kernel */
    int64_t band_rows, band_cols;  /* output pixels of a band */
    int64_t bands;                 /* bands of one output plane */
    int unpacked;                  /* by channels: the few pixels there are take the filter as it is */
    const fc_winograd_kernels *winograd; /* transformed: the tile, */
    int64_t places;                      /* products a tile: those of all phases, */
    int64_t together, panels;            /* how many tiles are multiplied together, by how many panels at most at a time */
    /* Scratch: one panel (none where a call has it packed or takes it unpacked), all panels, a band in, a band out (or the sums that are out at once). */
    size_t panel_bytes, filter_bytes, input_bytes, output_bytes;
    size_t thread_bytes, shared_bytes;
};

enum { FC_FEW_CHANNELS = 4 }; /* up to here a channel block would be mostly empty */

/* Whether the kernel takes the map, the filter and the bias as the caller has them: plan/in_place.h. */
static inline int fc_is_in_place(const fc_conv_plan *plan) { return plan->method == FC_WINDOWS || plan->method == FC_POINTWISE; }

/* The same window without what has no effect, however large: the stride of one output, the dilation of one position. */
fc_window fc_simplified(const fc_window *window);

/* Whether vectors along rows of so many outputs leave few lanes empty. */
int fc_fills_vectors(const fc_kernels *kernels, int64_t outputs);

/* Scratch for one gathered row of a channel block. */
size_t fc_gathered_row_bytes(const fc_conv *conv, const fc_kernels *kernels);

/* conv: simplified, and where it is transposed, gathered. */
fc_status fc_plan_conv(const fc_conv *conv, const fc_run *run, fc_conv_plan *plan);

/* Positions of one axis of a window in scratch: a source coordinate s = origin + step * i for a one-wide kernel (nothing
 * between the strides is stored), else every s; `phases` interleaved sequences of `length` each. */
typedef struct {
    int64_t step, phases, length;
} fc_axis;
fc_axis fc_axis_of(const fc_window *window, int axis, int64_t outputs, fc_form form);

#endif
