/* Softmax of columns or rows too long for scratch. */
#ifndef FASTCONV_OPS_SOFTMAX_H
#define FASTCONV_OPS_SOFTMAX_H

#include "../fastconv.h"

/* fc_softmax_run with a scratch that is a small part of the array, whatever its shape. */
fc_status fc_softmax_tall(const fc_softmax *softmax, const void *x, void *y, const fc_run *run);

#endif
