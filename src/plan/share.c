#include "share.h"

#include "../sizes.h"

enum { MANY_TASKS_A_THREAD = 16 }; /* of which one more or less matters little */

int64_t fc_bands_wanted(int64_t planes, int threads) { return threads > 1 ? fc_ceil_div(FC_TASKS_A_THREAD * threads, planes) : 1; }

int64_t fc_even_piece(int64_t total, int64_t most, int64_t planes, int threads)
{
    int64_t best = most, shortest = INT64_MAX;
    for (int64_t size = most; size > 0 && size > most / 4; size--) {
        const int64_t longest = fc_ceil_div(planes * fc_ceil_div(total, size), threads) * size;
        if (longest < shortest) shortest = longest, best = size;
    }
    return best;
}

int64_t fc_even_bands(int64_t total, int64_t least, int64_t planes, int threads)
{
    if (planes * least >= MANY_TASKS_A_THREAD * threads) return least;
    int64_t best = least, shortest = INT64_MAX;
    for (int64_t bands = least; bands <= fc_min(2 * least, total); bands++) {
        const int64_t tasks = planes * bands;
        const int64_t longest = tasks % threads ? fc_ceil_div(tasks, threads) * fc_ceil_div(total, bands)
                                                : fc_ceil_div(planes * total, threads);
        if (longest < shortest) shortest = longest, best = bands;
    }
    return best;
}
