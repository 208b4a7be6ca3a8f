/* Grouped convolution where groups share a channel block: as depthwise, but each output meets all inputs of its group.
 *
 *   groups of 2, of a vector x:   x0 x1 x2 x3 ...   ->   k = 0:  x0 x0 x2 x2 ...     k = 1:  x1 x1 x3 x3 ...
 *
 * Where a vector of outputs belongs to one group, that is a broadcast.
 */
#ifndef FASTCONV_KERNELS_GROUPED_H
#define FASTCONV_KERNELS_GROUPED_H

#include "depthwise.h"

/* Every lane's value of input k of its group, of groups of 2 or 4 in and out: lanes of one quarter of a line, which is cheaper. */
#define OF_PAIR(l, k) ((l) / 2 * 2 + (k)) % LANES
#define OF_FOUR(l, k) ((l) / 4 * 4 + (k)) % LANES

#define CHOSEN(F, k) SHUFFLED(x, x, ALL_LANES(F, k))

ALWAYS_INLINE vreal of_group(vreal x, int size, int k)
{
    if (size == 2) return k ? CHOSEN(OF_PAIR, 1) : CHOSEN(OF_PAIR, 0);
    if (k < 2) return k ? CHOSEN(OF_FOUR, 1) : CHOSEN(OF_FOUR, 0);
    return k > 2 ? CHOSEN(OF_FOUR, 3) : CHOSEN(OF_FOUR, 2);
}

enum { GROUPED_PX = VECTOR_BYTES == 64 ? 14 : 7 };

/* How an output lane finds an input of its group: in any lane, in that of all lanes alike, or as of_group() does. */
enum { ANY_LANE, ALL_ALIKE, IN_PAIRS, IN_FOURS = 4 };

typedef struct {
    vreal acc[GROUPED_PX];
    vint first; /* the lane of input 0 of every lane's group */
    ptrdiff_t px_stride;
} grouped_sums;

/* Add the products of input k of the groups. */
ALWAYS_INLINE void add_input(grouped_sums *sums, const char *a, vreal w, int k, int px, int kind)
{
    const vint index = lane_choice(sums->first + k);
    UNROLLED for (int p = 0; p < px; p++, a += sums->px_stride) {
        const vreal x = kind == ALL_ALIKE ? splat(((const REAL *)a)[k]) : load(a);
        sums->acc[p] += (kind == ALL_ALIKE ? x : kind == ANY_LANE ? choose_lanes(x, index) : of_group(x, kind, k)) * w;
    }
}

/* spread: l / outputs * inputs of every lane l. px and kind are constants. */
ALWAYS_INLINE void grouped_tile(const fc_few_lanes *g, vint spread, int64_t at, int px, int vector, int kind)
{
    const fc_depthwise *t = &g->row;
    const int lane = g->first + vector * LANES / g->outputs * g->inputs;
    const ptrdiff_t start = kind == ALL_ALIKE ? lane * REAL_BYTES : lane / LANES * VECTOR_BYTES;
    const char *in = (const char *)t->input + at * t->px_stride + start, *filter = (const char *)t->filter + vector * VECTOR_BYTES;
    grouped_sums sums = {.first = spread + lane % LANES, .px_stride = t->px_stride};
    UNROLLED for (int p = 0; p < px; p++) sums.acc[p] = (vreal){0};
    for (int64_t s = 0; s < t->steps; s++) {
        const char *a = in + t->offset[s];
        if (kind >= IN_PAIRS)
            UNROLLED for (int k = 0; k < kind; k++, filter += BLOCK_BYTES) add_input(&sums, a, load(filter), k, px, kind);
        else
            for (int k = 0; k < g->inputs; k++, filter += BLOCK_BYTES) add_input(&sums, a, load(filter), k, px, kind);
    }
    const vreal bias = load((const char *)t->bias + vector * VECTOR_BYTES);
    UNROLLED for (int p = 0; p < px; p++) {
        const ptrdiff_t here = (at + p) * t->out_px + vector * VECTOR_BYTES;
        vreal y = sums.acc[p] + bias;
        if (t->residual) y += load((const char *)t->residual + here);
        store((char *)t->output + here, finish(y, &t->activation));
    }
}

ALWAYS_INLINE void grouped_rows(const fc_few_lanes *given, vint spread, int kind)
{
    fc_few_lanes g = *given;
    fc_depthwise *t = &g.row;
    for (int64_t left = t->rows; left > 0; left--) {
        for (int vector = 0; vector < BLOCK_VECTORS; vector++) {
            int64_t p = 0;
            for (; p + GROUPED_PX <= t->px; p += GROUPED_PX) grouped_tile(&g, spread, p, GROUPED_PX, vector, kind);
            for (; p + 7 <= t->px; p += 7) grouped_tile(&g, spread, p, 7, vector, kind);
            for (; p + 2 <= t->px; p += 2) grouped_tile(&g, spread, p, 2, vector, kind);
            for (; p < t->px; p++) grouped_tile(&g, spread, p, 1, vector, kind);
        }
        t->input = (const char *)t->input + t->in_row;
        t->output = (char *)t->output + t->out_row;
        if (t->residual) t->residual = (const char *)t->residual + t->residual_row;
    }
}

static void grouped(const fc_few_lanes *g)
{
    vint spread;
    UNROLLED for (int l = 0; l < LANES; l++) spread[l] = l / g->outputs * g->inputs;
    if (g->outputs >= LANES) grouped_rows(g, spread, ALL_ALIKE);
    else if (g->inputs == g->outputs && g->inputs == 4) grouped_rows(g, spread, IN_FOURS);
    else if (g->inputs == g->outputs && g->inputs == 2) grouped_rows(g, spread, IN_PAIRS);
    else grouped_rows(g, spread, ANY_LANE);
}

#endif
