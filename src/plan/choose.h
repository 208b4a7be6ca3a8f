/* Which algorithm `auto` takes: of those that could be the fastest, the one of the least predicted time. */
#ifndef FASTCONV_PLAN_CHOOSE_H
#define FASTCONV_PLAN_CHOOSE_H

#include "cost.h"

/* A plan, what it costs, and the algorithms that can do the same, the general ones first. */
struct fc_conv_report {
    fc_conv_plan plan;
    fc_work work;
    fc_algorithm able[FC_ALGORITHMS];
    int able_count;
};
int fc_able_algorithms(const fc_conv *conv, fc_algorithm able[FC_ALGORITHMS]);

/* What FC_AUTO or FC_WINOGRAD stands for. It does not depend on the threads, that of FC_WINOGRAD neither on the batch: what is
 * named has the same bits however it is run. */
fc_algorithm fc_choose(const fc_conv *conv, const fc_run *run);

#endif
