/* Rows by a filter as it is, its items side by side: vectors along both, so that neither is turned.
 *
 *   input    n0: k k k k ...       sum (n, o) in a register: lane l adds the products of every k that is l modulo the lanes
 *            n1: k k k k ...       at the end the lanes of LINEAR_OUTPUTS sums are added together, as a transposition that adds
 *   filter   o0: k k k k ...       instead of moving:   a a a a   b b b b   ->   a+a a+a b+b b+b   ->   ...
 *            o1: k k k k ...
 */
#ifndef FASTCONV_KERNELS_LINEAR_H
#define FASTCONV_KERNELS_LINEAR_H

#include "activation.h"
#include "transpose.h"

enum {
    LINEAR_OUTPUTS = VECTOR_BYTES == 64 ? 8 : 4,
    LINEAR_ROWS = VECTOR_BYTES == 16 ? 2 : 3,
    LINEAR_COPIED = 8 * LINEAR_ROWS, /* rows for which a part of the filter is copied: aligned, not all in few sets of the nearest cache */
    LINEAR_GROUP = LINEAR_OUTPUTS < LANES ? LINEAR_OUTPUTS : LANES, /* of outputs that fit into a vector */
};

#define ADDING_ROUND(s)                                                                 \
    UNROLLED for (int i = 0; i < (s); i++)                                              \
        x[i] = add_in_order(SHUFFLED(x[i], x[i + (s)], ALL_LANES(UPPER, s)),            \
                            SHUFFLED(x[i], x[i + (s)], ALL_LANES(LOWER, s)));
#define FOLD(s) x[0] = add_in_order(x[0], SHUFFLED(x[0], x[0], ALL_LANES(TURNED, s)));

/* Lane i < LINEAR_GROUP of the result is the sum of the lanes of x[i]. */
ALWAYS_INLINE vreal sums_of_lanes(vreal x[LINEAR_GROUP])
{
    if (LINEAR_GROUP > 4) ADDING_ROUND(4)
    if (LINEAR_GROUP > 2) ADDING_ROUND(2)
    ADDING_ROUND(1)
    if (LANES > 2 && LINEAR_GROUP == 2) FOLD(2)
    if (LANES > 4 && LINEAR_GROUP <= 4) FOLD(4)
    if (LANES > 8) FOLD(8)
    return x[0];
}
#undef ADDING_ROUND
#undef FOLD

/* Items [first, first + bytes) of every row and of the filter's rows, the latter where they stand or in a copy; whether sums stand in
 * the output before, and wait there after. */
typedef struct {
    const char *filter[LINEAR_OUTPUTS];
    ptrdiff_t first, bytes;
    int continued, unfinished;
} linear_part;

ALWAYS_INLINE void linear_finish(const fc_linear_rows *t, const linear_part *p, int64_t row, int64_t output, vreal y)
{
    const int64_t left = t->outputs - output;
    char *out = (char *)t->output + row * t->out_row + output * REAL_BYTES;
    const int count = left < LINEAR_GROUP ? (int)left : LINEAR_GROUP;
    if (p->continued) y = add_in_order(load_up_to(out, count), y);
    if (!p->unfinished && t->bias) y = add_in_order(y, load_up_to((const REAL *)t->bias + output, count));
    store_up_to(out, p->unfinished ? y : finish(y, &t->activation), count);
}

/* `rows` x LINEAR_OUTPUTS outputs; of those beyond the last there are sums, but no stores. */
ALWAYS_INLINE void linear_tile(const fc_linear_rows *t, const linear_part *p, int64_t row, int64_t output, int rows)
{
    const char *in[LINEAR_ROWS];
    vreal acc[LINEAR_ROWS][LINEAR_OUTPUTS], x[LINEAR_ROWS];
    UNROLLED for (int r = 0; r < rows; r++) {
        in[r] = (const char *)t->input + (row + r) * t->in_row + p->first;
        UNROLLED for (int o = 0; o < LINEAR_OUTPUTS; o++) acc[r][o] = (vreal){0};
    }
    ptrdiff_t at = 0;
    for (; at + VECTOR_BYTES <= p->bytes; at += VECTOR_BYTES) {
        UNROLLED for (int r = 0; r < rows; r++) x[r] = load(in[r] + at);
        UNROLLED for (int o = 0; o < LINEAR_OUTPUTS; o++) {
            const vreal w = load(p->filter[o] + at);
            UNROLLED for (int r = 0; r < rows; r++) ACCUMULATE(acc[r][o], x[r], w);
        }
    }
    if (at < p->bytes) {
        const int tail = (int)((p->bytes - at) / REAL_BYTES);
        UNROLLED for (int r = 0; r < rows; r++) x[r] = load_partial(in[r] + at, tail);
        UNROLLED for (int o = 0; o < LINEAR_OUTPUTS; o++) {
            const vreal w = load_partial(p->filter[o] + at, tail);
            UNROLLED for (int r = 0; r < rows; r++) ACCUMULATE(acc[r][o], x[r], w);
        }
    }
    UNROLLED for (int r = 0; r < rows; r++)
        UNROLLED for (int g = 0; g < LINEAR_OUTPUTS; g += LINEAR_GROUP)
            if (output + g < t->outputs) linear_finish(t, p, row + r, output + g, sums_of_lanes(acc[r] + g));
}

/* LINEAR_OUTPUTS outputs of all rows, so far as the items from byte `first` on, at most FC_LINEAR_PART bytes, take them. */
static void linear_outputs(const fc_linear_rows *t, int64_t output, ptrdiff_t first)
{
    const ptrdiff_t left = t->depth * REAL_BYTES - first;
    linear_part p = {.first = first, .bytes = left < FC_LINEAR_PART ? left : FC_LINEAR_PART, .continued = first > 0,
                     .unfinished = left > FC_LINEAR_PART};
    char copy[LINEAR_OUTPUTS][FC_LINEAR_PART] __attribute__((aligned(BLOCK_BYTES)));
    for (int o = 0; o < LINEAR_OUTPUTS; o++) {
        const int64_t present = output + o < t->outputs ? output + o : t->outputs - 1;
        p.filter[o] = (const char *)t->filter + present * t->filter_row + first;
        if (t->rows >= LINEAR_COPIED) p.filter[o] = memcpy(copy[o], p.filter[o], (size_t)p.bytes);
    }
    int64_t row = 0;
    for (; row + LINEAR_ROWS <= t->rows; row += LINEAR_ROWS) linear_tile(t, &p, row, output, LINEAR_ROWS);
    if (LINEAR_ROWS > 2 && row + 2 <= t->rows) {
        linear_tile(t, &p, row, output, 2);
        row += 2;
    }
    if (row < t->rows) linear_tile(t, &p, row, output, 1);
}

/* A part of many rows stays in the second-level cache for all outputs; few rows leave the filter in the order of memory. */
static void linear_rows(const fc_linear_rows *given)
{
    const fc_linear_rows t = *given; /* in registers: for all the compiler knows, a store changes *given */
    const ptrdiff_t depth = t.depth * REAL_BYTES;
    if (t.rows >= LINEAR_COPIED) {
        for (ptrdiff_t first = 0; first < depth; first += FC_LINEAR_PART)
            for (int64_t output = 0; output < t.outputs; output += LINEAR_OUTPUTS) linear_outputs(&t, output, first);
    } else {
        for (int64_t output = 0; output < t.outputs; output += LINEAR_OUTPUTS)
            for (ptrdiff_t first = 0; first < depth; first += FC_LINEAR_PART) linear_outputs(&t, output, first);
    }
}

#endif
