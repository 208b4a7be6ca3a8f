/* Packing filters into panels for the register tile. */
#ifndef FASTCONV_OPS_FILTER_H
#define FASTCONV_OPS_FILTER_H

#include "../plan/conv.h"

enum { FC_LINES_AHEAD = 8 }; /* input channels of a transposed filter, fetched before their turn */

/* Pack the filter of output channels tile * tile_blocks * block ... of one group:
 *
 *   weight [c_out][c_in][taps]  ->  panel [in block][tap][lane in][lane out of the tile]   BLOCKED: steps of a block
 *                                   panel [c_in][tap][lane out of the tile]                PLANES and im2col
 *
 * Missing output channels are zero.
 */
void fc_pack_panel(const fc_conv_plan *plan, int item_bytes, const void *weight, int64_t group, int64_t tile, void *panel);

/* Where a tap of a transposed convolution stands in a panel: behind the products of `before` taps of other phases, in channel
 * blocks of `taps` taps, as number `index` of them. */
typedef struct {
    int64_t before, taps, index;
} fc_tap_place;

/* The same from the weight [c_in][c_out / groups][taps] of a transposed convolution, phase after phase. */
void fc_pack_transposed_panel(const fc_conv_plan *plan, int item_bytes, const void *weight, const fc_tap_place *place,
                              int64_t group, int64_t tile, void *panel);

/* Where panel (group, tile) stands in the packed filter, and how many channel blocks it has. */
size_t fc_panel_at(const fc_conv_plan *plan, int64_t group, int64_t tile);
int fc_panel_blocks(const fc_conv_plan *plan, int64_t tile);

#endif
