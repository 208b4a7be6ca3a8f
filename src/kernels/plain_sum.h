/* One output of a convolution without vectors, for the few that have to be computed by themselves. */
#ifndef FASTCONV_KERNELS_PLAIN_SUM_H
#define FASTCONV_KERNELS_PLAIN_SUM_H

#include "activation.h"

static int holds_nan(const void *item)
{
    const REAL x = *(const REAL *)item;
    return x != x;
}

static void plain_sum(const fc_plain_sum *t)
{
    REAL sum = 0;
    for (int64_t s = 0; s < t->count; s++)
        sum += *(const REAL *)((const char *)t->input + t->in[s]) * *(const REAL *)((const char *)t->weight + t->at[s]);
    if (t->bias) sum += *(const REAL *)t->bias;
    if (t->residual) sum += *(const REAL *)t->residual;
    store_partial(t->output, activate(splat(sum), &t->activation), 1);
}

#endif
