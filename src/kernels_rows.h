/* The part of the contract of kernels.h of kernels that normalise rows: layer norm, softmax. */
#ifndef FASTCONV_KERNELS_ROWS_CONTRACT_H
#define FASTCONV_KERNELS_ROWS_CONTRACT_H

#include <stddef.h>
#include <stdint.h>

#include "kernels_activation.h"

/* Rows of `items` contiguous items, one behind the other, each normalised by itself:
 *   y = act((x - mean) / sqrt(variance + eps) * weight + bias + residual).
 * weight, bias: NULL, or such rows too, `cycle` of them, which are taken in turn from row `turn` on. moments: NULL, or mean and
 * biased variance of the one row instead of its own. mean, variance: NULL, or to be filled with those of each row.
 * residual: NULL or laid out as x. y overlaps nothing. past_cache: as in fc_affine.
 */
typedef struct {
    const void *x;
    void *y;
    const void *residual, *weight, *bias;
    int64_t rows, items, cycle, turn;
    const double *moments;
    double *mean, *variance;
    double eps;
    fc_activation activation;
    int past_cache;
} fc_layer_rows;

/* y = exp(x - m) / s, or with `logarithm` x - m - log(s), where m is the maximum and s = sum of exp(x - m)
 *   softmax_rows     along each of `rows` rows of `items` contiguous items, one behind the other
 *   softmax_columns  down each of `columns` contiguous columns of `items` items, `stride` bytes apart in x and y alike
 * A maximum that is infinite, and NaN, make all of y NaN.
 * buffer: scratch, aligned; of a row and a vector, or of items + 2 rows of columns each rounded up to whole cache lines and
 * one more. past_cache: as in fc_affine, `stride` then whole cache lines.
 */
typedef struct {
    const void *x;
    void *y;
    void *buffer;
    int64_t rows, columns, items;
    ptrdiff_t stride;
    int logarithm, past_cache;
} fc_softmax_piece;

/* A part of columns too tall for scratch, `rows` rows of `columns` contiguous items, `stride` bytes apart in x and y, and `rest`
 * items of one row more, and what it leaves in vectors of an entry a column:
 *   softmax_part      greatest = the maximum of each column, sum = the sum of exp(x - greatest); y = exp(x - greatest)
 *   softmax_join      turns these of `parts` parts, `pitch` bytes apart, into what is next; those of one part more are scratch
 *   softmax_rescale   y = y * sum, or with `logarithm`, where y was left alone, x - greatest - sum
 * Columns `period` apart belong together. greatest, sum: of whole vectors.
 */
typedef struct {
    const void *x;
    void *y, *greatest, *sum;
    int64_t rows, columns, rest, parts, period;
    ptrdiff_t stride, pitch;
    int logarithm;
} fc_softmax_part;

#endif
