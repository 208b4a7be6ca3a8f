/* How long a planned convolution will take: amounts of work, each times what one of it costs.
 *
 * The costs are measured on one thread (bench/calibrate.py fits them, but those of fetched filters, which bench/RESULTS.md
 * derives, and of sliding windows, a round figure that nothing is chosen by) and recorded in cost.c. They order algorithms;
 * other machines are faster or slower at everything in nearly the same proportion.
 */
#ifndef FASTCONV_PLAN_COST_H
#define FASTCONV_PLAN_COST_H

#include "conv.h"

typedef enum {
    FC_PRODUCTS_OF_TILES, /* multiply-adds, those of missing pixels and lanes included */
    FC_PRODUCTS_OF_ROWS,  /* the same of vectors along rows, */
    FC_PRODUCTS_OF_WINDOWS, /* of sliding windows, */
    FC_PRODUCTS_OF_LANES, /* and along one channel block */
    FC_SWEEPS,            /* of a panel over some pixels */
    FC_LAID_OUT,          /* bytes of input brought into blocks or planes, */
    FC_GATHERED,          /* and into columns */
    FC_STORED,            /* bytes of output brought from blocks to the array */
    FC_PACKED,            /* bytes of filter, */
    FC_PACKED_WINOGRAD,   /* and of transformed filter, which a call with a packed filter has not */
    FC_TRANSFORMED_IN,    /* bytes of transformed input */
    FC_TRANSFORMED_OUT,   /* bytes of sums that are transformed back */
    FC_STREAMED,          /* bytes that come from beyond the second-level cache, once for every time they come */
    FC_FETCHED,           /* bytes of packed filter that come from memory */
    FC_AMOUNTS,
} fc_amount;

typedef struct {
    double amount[FC_AMOUNTS]; /* of all threads together */
    double tasks;              /* that threads take */
    double share;              /* the part of the work that the busiest thread does */
    double seconds;            /* predicted */
} fc_work;

const char *fc_amount_name(fc_amount amount);

fc_work fc_work_of(const fc_conv *conv, const fc_conv_plan *plan);

#endif
