/* Vectors of parameters and statistics, an entry a channel, in double precision. */
#include <math.h>
#include <string.h>

#include "../fastconv.h"

enum { AT_ONCE = 8 };

void fc_widen(int64_t count, int item_bytes, const void *x, double *y)
{
    const float *of_floats = x;
    if (item_bytes == 8) memcpy(y, x, (size_t)count * sizeof(double));
    else for (int64_t i = 0; i < count; i++) y[i] = of_floats[i];
}

/* Of every eighth number first, for each comparison waits for the one before it. */
double fc_least(int64_t count, const double *x)
{
    double least[AT_ONCE];
    for (int l = 0; l < AT_ONCE; l++) least[l] = INFINITY;
    int64_t i = 0;
    for (; i + AT_ONCE <= count; i += AT_ONCE)
        for (int l = 0; l < AT_ONCE; l++) least[l] = x[i + l] < least[l] ? x[i + l] : least[l];
    for (; i < count; i++) least[0] = x[i] < least[0] ? x[i] : least[0];
    for (int l = 1; l < AT_ONCE; l++) least[0] = least[l] < least[0] ? least[l] : least[0];
    return least[0];
}

void fc_update_average(int64_t count, int item_bytes, void *average, const double *x, double share, double factor)
{
    const double kept = 1 - share, added = share * factor;
    if (item_bytes == 4) {
        float *of_floats = average;
        for (int64_t i = 0; i < count; i++) of_floats[i] = (float)(kept * of_floats[i] + added * x[i]);
    } else {
        double *of_doubles = average;
        for (int64_t i = 0; i < count; i++) of_doubles[i] = kept * of_doubles[i] + added * x[i];
    }
}
