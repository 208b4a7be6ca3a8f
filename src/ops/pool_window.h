/* Where the windows of a pooling lie along each axis, evenly spaced or not: every walk over outputs asks here. */
#ifndef FASTCONV_OPS_POOL_WINDOW_H
#define FASTCONV_OPS_POOL_WINDOW_H

#include "../fastconv.h"

/* Along a `varying` axis sizes and distances of windows differ by one: there `kernel` is the most that one may have, `stride`
 * the least distance, or 1. Along the others windows are as `even` says. */
typedef struct {
    fc_window even;
    int varying[FC_SPATIAL];
} fc_pool_windows;

fc_pool_windows fc_even_windows(const fc_window *window);

/* Of `window` only in and out are looked at. (in % out) * out must fit 64 bits. */
fc_pool_windows fc_adaptive_windows(const fc_window *window);

/* The input positions of window o: none outside the input. */
fc_pool_taps fc_taps_of(const fc_pool_windows *windows, int axis, int64_t o);

/* A range [from, to). */
typedef struct {
    int64_t from, to;
} fc_clip;

/* The kernel positions inside the input, of an evenly spaced window. */
fc_clip fc_clip_window(const fc_window *window, int axis, int64_t o);

/* The input positions that the windows [first, first + count) span, and the most that so many windows span anywhere. */
fc_clip fc_extent_of(const fc_pool_windows *windows, int axis, int64_t first, int64_t count);
int64_t fc_most_seen(const fc_pool_windows *windows, int axis, int64_t count);

/* How many outputs of a row, from `col` on, have the same kernel positions inside: 1 at the borders, the rest in between. */
int64_t fc_run_length(const fc_pool_windows *windows, int64_t col);

/* Whether windows along the axis are all full, and neither overlap nor skip anything that the next begins with. */
int fc_windows_tile(const fc_pool_windows *windows, int axis);

#endif
