/* The time that measurements are made with. */
#ifndef FASTCONV_OPS_CLOCK_H
#define FASTCONV_OPS_CLOCK_H

#include <time.h>

static inline double fc_seconds_now(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
