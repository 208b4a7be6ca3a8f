/* How a Winograd convolution is cut.
 *
 *   BY_BANDS      many tiles, or few by a small filter that is packed already: the filter is transformed whole; each task takes a
 *                 rectangle of tiles, multiplies them by some panels of it and transforms their sums back before the next
 *   BY_CHANNELS   few tiles: the input is transformed whole; each task takes a panel of output channels, transforms some input
 *                 channels of its filter and multiplies them at once by all tiles, so the filter, four times as large as it was,
 *                 never leaves the second-level cache
 */
#ifndef FASTCONV_PLAN_WINOGRAD_H
#define FASTCONV_PLAN_WINOGRAD_H

#include "conv.h"

enum { FC_SLAB_BLOCKS = 8 }; /* channel blocks of a filter that are transformed and multiplied at a time */

int fc_fits_winograd(const fc_window *window);

/* Set the tile by plan->algorithm, the split and every size; needs kernels, channels, blocks and threads. */
void fc_plan_winograd(const fc_conv *conv, fc_conv_plan *plan);

/* Bytes between the places of `blocks` channel blocks of `tiles` tiles: a line more than they are, lest all places of a tile
 * fall into one set of the nearest cache. */
static inline size_t fc_place_bytes(int64_t blocks, int64_t tiles) { return (size_t)(blocks * tiles + 1) * FC_BLOCK_BYTES; }

/* The same for all places. */
static inline size_t fc_places_bytes(const fc_conv_plan *plan, int64_t blocks, int64_t tiles)
{
    return (size_t)plan->winograd->products * fc_place_bytes(blocks, tiles);
}

#endif
