/* The filter of a Winograd convolution: transformed whole before, or some input channels of a panel at a time. */
#ifndef FASTCONV_OPS_WINOGRAD_FILTER_H
#define FASTCONV_OPS_WINOGRAD_FILTER_H

#include "conv.h"

/* Where a panel's transformed filter of the input channels [first, end) goes: [place][in][lane of the panel]. */
typedef struct {
    int64_t group, tile, first, end;
    char *taps, *filter;
    ptrdiff_t step;
} fc_filter_transform;
void fc_transform_filter(const fc_conv_job *job, const fc_filter_transform *to);

/* Where the taps of a panel that the direct algorithm's packing put into lanes stand, from input channel `channel` on, the first of a
 * block. */
const char *fc_packed_taps(const fc_conv_job *job, int64_t group, int64_t tile, int64_t channel);

/* Bytes between the places of a whole packed filter. */
static inline ptrdiff_t fc_filter_step(const fc_conv_plan *plan) { return (ptrdiff_t)plan->filter_bytes / plan->places; }

#endif
