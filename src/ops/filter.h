/* Packing filters into panels for the register tile. */
#ifndef FASTCONV_OPS_FILTER_H
#define FASTCONV_OPS_FILTER_H

#include "../plan/conv.h"

/* Pack the filter of output channels tile * tile_blocks * block ... of one group:
 *
 *   weight [c_out][c_in][taps]  ->  panel [in block][tap][lane in][lane out of the tile]   BLOCKED: steps of a block
 *                                   panel [c_in][tap][lane out of the tile]                PLANES and im2col
 *
 * Missing output channels are zero.
 */
void fc_pack_panel(const fc_conv_plan *plan, int item_bytes, const void *weight, int64_t group, int64_t tile, void *panel);

/* Where panel (group, tile) stands in the packed filter, and how many channel blocks it has. */
size_t fc_panel_at(const fc_conv_plan *plan, int64_t group, int64_t tile);
int fc_panel_blocks(const fc_conv_plan *plan, int64_t tile);

#endif
