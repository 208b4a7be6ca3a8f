/* Softmax of columns that no scratch holds, part by part: exp(x - m) = exp(x - g) exp(g - m) with the greatest item g of a part.
 *
 *   part      g and the sum of exp(x - g) of each column; y = exp(x - g)
 *   join      m and s of all parts; each part's factor exp(g - m) / s
 *   rescale   y = y * factor
 *
 * For the logarithm y = x - m - log(s) is found in the last step, from x. Columns a period apart may be parts of one, so that
 * few columns fill whole vectors, row after row. A part that is all -inf has the lowest finite number for its greatest, and none
 * of the sum. Milakov & Gimelshein 2018.
 */
#ifndef FASTCONV_KERNELS_SOFTMAX_PART_H
#define FASTCONV_KERNELS_SOFTMAX_PART_H

#include "softmax.h"

#define LOWEST_NUMBER ((REAL)(REAL_IS_DOUBLE ? -__DBL_MAX__ : -__FLT_MAX__))

/* Items of row j. */
ALWAYS_INLINE int64_t items_of_row(const fc_softmax_part *t, int64_t j) { return j < t->rows ? t->columns : t->rest; }

static void softmax_part(const fc_softmax_part *given)
{
    const fc_softmax_part t = *given;
    char *greatest = t.greatest, *sum = t.sum;
    for (int64_t at = 0; at < t.columns * REAL_BYTES; at += VECTOR_BYTES) {
        store(greatest + at, splat(LOWEST_NUMBER));
        store(sum + at, splat(0));
    }
    for (int64_t j = 0; j <= t.rows; j++) {
        const char *x = (const char *)t.x + j * t.stride;
        for (int64_t at = 0, left = items_of_row(&t, j); left > 0; at += VECTOR_BYTES, left -= LANES) {
            fetch_near(x + at + FC_AHEAD_BYTES);
            store_up_to(greatest + at, at_least(load_up_to(x + at, left), load(greatest + at)), left);
        }
    }
    for (int64_t j = 0; j <= t.rows; j++) {
        const char *x = (const char *)t.x + j * t.stride;
        char *y = (char *)t.y + j * t.stride;
        for (int64_t at = 0, left = items_of_row(&t, j); left > 0; at += VECTOR_BYTES, left -= LANES) {
            const vreal e = exponential_of(load_up_to(x + at, left) - load(greatest + at));
            if (!t.logarithm) store_up_to(y + at, e, left);
            store_up_to(sum + at, load(sum + at) + e, left);
        }
    }
}

static void softmax_rescale(const fc_softmax_part *given)
{
    const fc_softmax_part t = *given;
    const char *greatest = t.greatest, *sum = t.sum;
    for (int64_t j = 0; j <= t.rows; j++) {
        const char *x = (const char *)t.x + j * t.stride;
        char *y = (char *)t.y + j * t.stride;
        for (int64_t at = 0, left = items_of_row(&t, j); left > 0; at += VECTOR_BYTES, left -= LANES) {
            const char *from = t.logarithm ? x + at : y + at;
            const vreal v = load_up_to(from, left), s = load(sum + at);
            fetch_near(from + FC_AHEAD_BYTES);
            store_up_to(y + at, t.logarithm ? (v - load(greatest + at)) - s : v * s, left);
        }
    }
}

/* What columns a period apart come to together, in each of them. */
ALWAYS_INLINE void reduce_periods(const fc_softmax_part *t, REAL *row, int adds)
{
    for (int64_t c = 0; c < t->period; c++) {
        REAL all = row[c];
        for (int64_t i = c + t->period; i < t->columns; i += t->period) all = adds ? all + row[i] : row[i] > all ? row[i] : all;
        for (int64_t i = c; i < t->columns; i += t->period) row[i] = all;
    }
}

static void softmax_join(const fc_softmax_part *given)
{
    const fc_softmax_part t = *given;
    const int64_t bytes = t.columns * REAL_BYTES;
    char *greatest = t.greatest, *sum = t.sum, *all = greatest + t.parts * t.pitch, *total = sum + t.parts * t.pitch;
    for (int64_t at = 0; at < bytes; at += VECTOR_BYTES) {
        vreal m = load(greatest + at);
        for (int64_t p = 1; p < t.parts; p++) m = at_least(load(greatest + p * t.pitch + at), m);
        store(all + at, m);
    }
    reduce_periods(&t, (REAL *)all, 0);
    for (int64_t at = 0; at < bytes; at += VECTOR_BYTES) {
        const vreal m = load(all + at);
        vreal s = splat(0);
        for (int64_t p = 0; p < t.parts; p++)
            s += load(sum + p * t.pitch + at) * exponential_of(load(greatest + p * t.pitch + at) - m);
        store(total + at, s);
    }
    reduce_periods(&t, (REAL *)total, 1);
    for (int64_t at = 0; at < bytes; at += VECTOR_BYTES) {
        const vreal m = load(all + at), s = load(total + at);
        /* The greatest item adds 1, unless all of them are -inf. */
        const vreal l = blend(greater(splat(1), s), splat((REAL)__builtin_nan("")), t.logarithm ? logarithm(s) : s);
        for (int64_t p = 0; p < t.parts; p++) {
            char *g = greatest + p * t.pitch + at;
            store(sum + p * t.pitch + at, t.logarithm ? l : exponential_of(load(g) - m) / l);
            store(g, m);
        }
    }
}

#endif
