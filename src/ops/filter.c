/* A panel is the weight matrix [c_out][c_in * taps] transposed a block of channels at a time. A row of the matrix runs
 * over the taps first, a blocked panel over the lanes first, so every transposed line goes to a place of its own.
 */
#include "filter.h"
#include "../sizes.h"

int fc_panel_blocks(const fc_conv_plan *plan, int64_t tile)
{
    const int64_t left = plan->out_blocks - tile * plan->kernels->tile_blocks;
    return (int)(left < plan->kernels->tile_blocks ? left : plan->kernels->tile_blocks);
}

size_t fc_panel_at(const fc_conv_plan *plan, int64_t group, int64_t tile)
{
    const int64_t blocks = group * plan->out_blocks + tile * plan->kernels->tile_blocks;
    return (size_t)(blocks * plan->depth) * FC_BLOCK_BYTES;
}

enum { PIECE = 128 };     /* columns of the weight matrix transposed at once: their offsets stay on the stack */

void fc_pack_panel(const fc_conv_plan *plan, int item_bytes, const void *weight, int64_t group, int64_t tile, void *panel)
{
    const fc_kernels *k = plan->kernels;
    const int blocks = fc_panel_blocks(plan, tile);
    const ptrdiff_t line = (ptrdiff_t)blocks * FC_BLOCK_BYTES;
    const int lanes_first = plan->form == FC_BLOCKED && plan->method == FC_TILES;
    const int64_t taps = plan->taps, block_columns = lanes_first ? k->block * taps : plan->depth;
    for (int b = 0; b < blocks; b++) {
        const int64_t channel = (tile * k->tile_blocks + b) * k->block, left = plan->group_out - channel;
        const char *rows = (const char *)weight + (group * plan->group_out + channel) * plan->depth * item_bytes;
        fc_transpose t = {.plane_stride = plan->depth * item_bytes, .channels = left < k->block ? left : k->block};
        for (int64_t first = 0; first < plan->depth; first += block_columns) {
            const int64_t columns = plan->depth - first < block_columns ? plan->depth - first : block_columns;
            const int64_t lanes = columns / taps;
            char *out = (char *)panel + first * line + (ptrdiff_t)b * FC_BLOCK_BYTES;
            for (int64_t piece = 0; piece < columns; piece += PIECE) {
                ptrdiff_t place[PIECE];
                t.planar = (void *)(rows + (first + piece) * item_bytes);
                t.pixels = columns - piece < PIECE ? columns - piece : PIECE;
                /* A block's rows are more streams than the hardware fetches ahead by itself. */
                t.ahead = first + piece + t.pixels + PIECE <= plan->depth ? PIECE * item_bytes : 0;
                t.blocked = out;
                t.block_offset = place;
                for (int64_t i = 0, lane = piece / taps, tap = piece % taps; i < t.pixels; i++) {
                    place[i] = (lanes_first ? tap * lanes + lane : piece + i) * line;
                    if (++tap == taps) tap = 0, lane++;
                }
                k->to_blocked(&t);
            }
        }
    }
}

/* One line of the weight holds the taps of one input and one output channel; lines of neighbouring output channels are
 * transposed together. */
void fc_pack_transposed_panel(const fc_conv_plan *plan, int item_bytes, const void *weight, const fc_tap_place *place,
                              int64_t group, int64_t tile, void *panel)
{
    const int blocks = fc_panel_blocks(plan, tile), block = plan->kernels->block;
    const ptrdiff_t line = (ptrdiff_t)blocks * FC_BLOCK_BYTES, tap_bytes = plan->taps * item_bytes;
    for (int64_t in = 0; in < plan->group_in; in += block)
        for (int64_t first = 0; first < plan->taps; first += PIECE) {
            const int64_t lanes = fc_min(block, plan->group_in - in), pixels = fc_min(PIECE, plan->taps - first);
            ptrdiff_t at[PIECE];
            for (int64_t i = 0; i < pixels; i++) {
                const fc_tap_place *p = &place[first + i];
                at[i] = (p->before * plan->group_in + in * p->taps + p->index * lanes) * line;
            }
            for (int b = 0; b < blocks; b++) {
                const int64_t channel = (tile * plan->kernels->tile_blocks + b) * block;
                const char *rows = (const char *)weight + ((group * plan->group_in + in) * plan->group_out + channel) * tap_bytes;
                fc_transpose t = {.plane_stride = tap_bytes, .block_offset = at, .pixels = pixels,
                                  .channels = fc_min(block, plan->group_out - channel)};
                for (int64_t lane = 0; lane < lanes; lane++) {
                    t.planar = (void *)(rows + lane * plan->group_out * tap_bytes + first * item_bytes);
                    t.blocked = (char *)panel + b * FC_BLOCK_BYTES + lane * line;
                    /* Lines of neighbouring input channels lie on different pages: no hardware fetches them ahead. */
                    t.ahead = fc_min(FC_LINES_AHEAD, plan->group_in - 1 - in - lane) * plan->group_out * tap_bytes;
                    plan->kernels->to_blocked(&t);
                }
            }
        }
}
