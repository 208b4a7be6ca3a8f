/* How a Winograd convolution is cut.
 *
 *   BY_BANDS      many tiles, or few by a small filter that is packed already: the filter is transformed whole; each task takes a
 *                 band, tiles of a plane one after the other whatever row they are in, so that all tasks have the same number of
 *                 them but for one, multiplies them by some panels of the filter and transforms their sums back before the next
 *   BY_CHANNELS   few tiles: the input is transformed whole; each task takes a panel of output channels, transforms some input
 *                 channels of its filter and multiplies them at once by all tiles, so the filter, four times as large as it was,
 *                 never leaves the second-level cache; or some panels whose filter is packed already
 *
 * Several panels go through the tiles together, place by place: what all places of an input take comes from further away than
 * what one does.
 */
#ifndef FASTCONV_PLAN_WINOGRAD_H
#define FASTCONV_PLAN_WINOGRAD_H

#include "conv.h"

enum { FC_TILE_TAPS = 3, FC_TAPS = FC_TILE_TAPS * FC_TILE_TAPS };

/* Channel blocks of a filter that are transformed and multiplied at a time: as many places as eight of an ordinary one have, whose rows
 * are read in longer runs, or as four where they are packed. */
static inline int64_t fc_slab_blocks(const fc_conv *conv, const fc_conv_plan *plan)
{
    const int64_t blocks = (conv->prepacked == FC_FILTER_TAPS ? 4 : 8) * plan->winograd->products / plan->places;
    return blocks > 1 ? blocks : 1;
}

/* Whether the filter is transformed in the call. */
static inline int fc_transforms_filter(const fc_conv *conv)
{
    return conv->prepacked == FC_FILTER_GIVEN || conv->prepacked == FC_FILTER_TAPS;
}

/* The places at which the filter of phase n of a row or a column (of its taps in the window of 3) is not zero. */
void fc_places_of_phase(const fc_conv *conv, const fc_conv_plan *plan, int axis, int64_t n, int *first, int *end);

/* Whether the windows are 3x3 and one apart, or those of a transposed convolution's phases have at most as many taps. */
int fc_fits_winograd(const fc_conv *conv);

/* Set the tile by plan->algorithm, the split and every size; needs kernels, channels, blocks and threads. */
void fc_plan_winograd(const fc_conv *conv, fc_conv_plan *plan);

/* Tiles along an axis of a plane. */
int64_t fc_tiles_along(const fc_conv *conv, const fc_conv_plan *plan, int axis);

/* Bytes between the places of `blocks` channel blocks of `tiles` tiles: a line more than they are, lest all places of a tile
 * fall into one set of the nearest cache. */
static inline size_t fc_place_bytes(int64_t blocks, int64_t tiles) { return (size_t)(blocks * tiles + 1) * FC_BLOCK_BYTES; }

/* The same for all places of a transformed input, */
static inline size_t fc_transformed_bytes(const fc_conv_plan *plan, int64_t blocks, int64_t tiles)
{
    return (size_t)plan->winograd->products * fc_place_bytes(blocks, tiles);
}

/* and for those of the filters, or the sums, of all phases. */
static inline size_t fc_places_bytes(const fc_conv_plan *plan, int64_t blocks, int64_t tiles)
{
    return (size_t)plan->places * fc_place_bytes(blocks, tiles);
}

static inline int64_t fc_places_count(const fc_places *places)
{
    return (int64_t)(places->end[0] - places->first[0]) * (places->end[1] - places->first[1]);
}

#endif
