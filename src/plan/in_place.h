/* Convolutions by the filter as it is, of the map where it stands.
 *
 *   WINDOWS     3x3 windows slide over planes, or over pixels that hold their channels side by side; tasks are bands of rows
 *   POINTWISE   1x1; tasks are some output channels at a band of pixels. What is laid out are the few pixels of a plane behind its
 *               last whole vector, and all of them where there are gaps between them, as of a stride
 */
#ifndef FASTCONV_PLAN_IN_PLACE_H
#define FASTCONV_PLAN_IN_PLACE_H

#include "conv.h"

static const char *const FC_SLIDING_REASON = "one channel a group, 3x3: windows slide over the map where it stands";

/* Whether 3x3 windows slide over the map in place: they can, and of vectors along the rows of planes not too many lanes are empty. */
int fc_slides(const fc_conv *conv, const fc_conv_plan *plan);

/* Whether a convolution is 1x1 and from planes to planes, once for this filter, and neither has the last vector of a plane many
 * empty lanes nor is a tile too deep for the caches; gaps between pixels are worth it for many output channels of a small map. */
int fc_is_pointwise(const fc_conv *conv, const fc_conv_plan *plan);

/* Set form, bands, pieces and split of such a method; needs kernels, channels and threads. */
void fc_plan_in_place(const fc_conv *conv, fc_conv_plan *plan);

#endif
