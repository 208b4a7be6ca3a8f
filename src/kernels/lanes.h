/* Lanes of channel blocks moved to other lanes: how maps are joined whose channels are not whole blocks.
 *
 *   x   | a b c d e f g h |          lanes 0-2 to 5-7        y   | . . . . . a b c |      .  kept
 *
 * Vector v of y takes its lanes from two neighbouring vectors of x, both turned by the same number of lanes.
 */
#ifndef FASTCONV_KERNELS_LANES_H
#define FASTCONV_KERNELS_LANES_H

#include "activation.h"

#define OWN_LANE(l, s) l

ALWAYS_INLINE int within(int number, int least, int most) { return number < least ? least : number > most ? most : number; }

static void move_lanes(const fc_lanes *t)
{
    for (int v = 0; v < BLOCK_VECTORS; v++) {
        const int to = within(t->to - v * LANES, 0, LANES), end = within(t->to + t->count - v * LANES, 0, LANES);
        if (end <= to) continue;
        const int lane = t->from - t->to + v * LANES + BLOCK, turn = lane % LANES, vector = lane / LANES - BLOCK_VECTORS;
        const vint index = lane_choice(((vint){ALL_LANES(OWN_LANE, 0)} + turn) & (LANES - 1));
        const vmask lower = first_lanes(LANES - turn), kept = first_lanes(to), written = first_lanes(end);
        /* A vector beyond the block gives no lane that counts. */
        const char *x = (const char *)t->x + within(vector, 0, BLOCK_VECTORS - 1) * VECTOR_BYTES;
        const char *next = (const char *)t->x + within(vector + 1, 0, BLOCK_VECTORS - 1) * VECTOR_BYTES;
        char *y = (char *)t->y + v * VECTOR_BYTES;
        for (int64_t p = 0; p < t->pixels; p++, x += BLOCK_BYTES, next += BLOCK_BYTES, y += BLOCK_BYTES) {
            const vreal old = load(y), new = blend(lower, choose_lanes(load(x), index), choose_lanes(load(next), index));
            store(y, blend(kept, old, blend(written, new, old)));
        }
    }
}

#endif
