/* Transposed convolution as an ordinary one for each phase of its stride: every output gathers, nothing is scattered and no
 * zeros are inserted.
 *
 *   out[stride t + r] = sum over the taps k with k dilation = r + pad (mod stride)
 *                       of in[t + (r + pad - k dilation) / stride] weight[k]
 *
 *   stride 2, kernel 4, pad 1:   r = 0:  in[t] w[1] + in[t - 1] w[3]      r = 1:  in[t + 1] w[0] + in[t] w[2]
 */
#ifndef FASTCONV_PLAN_TRANSPOSED_H
#define FASTCONV_PLAN_TRANSPOSED_H

#include "../fastconv.h"

/* The window of the inputs that any phase reads, from the same t of each: `spread` is the window of the transposed convolution,
 * in whose formula input and output change places. */
fc_window fc_gathered(const fc_window *spread);

/* `spread` without what has no effect: no stride lies between the taps of a single input. */
fc_window fc_simplified_spread(const fc_window *spread);

/* Put both into a transposed convolution as a caller describes it. */
void fc_gather(fc_conv *conv);

/* One phase of an axis: the outputs first + stride * t. Its `taps` kernel positions are tap + i * tap_step, and read position
 * read - i * read_step of the gathered window. */
typedef struct {
    int64_t first, taps, tap, tap_step, read, read_step;
} fc_axis_phase;

/* How many phases have taps, and each of them; one whose `first` lies behind the output is not needed. */
int64_t fc_axis_phases(const fc_window *spread, int axis);
fc_axis_phase fc_axis_phase_of(const fc_window *spread, int axis, int64_t phase);

#endif
