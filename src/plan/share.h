/* How work is cut so that threads are done at the same time. */
#ifndef FASTCONV_PLAN_SHARE_H
#define FASTCONV_PLAN_SHARE_H

#include <stdint.h>

enum { FC_TASKS_A_THREAD = 3 }; /* enough to even out a noisy machine */

/* Into how many bands each of `planes` planes should be cut at least, for as many tasks; 1 for one thread. */
int64_t fc_bands_wanted(int64_t planes, int threads);

/* How many of `total` rows (or panels) a task should take, at most `most`, so that `planes` times as many pieces keep the
 * threads busy to the end: of the sizes with the shortest longest thread, the largest. */
int64_t fc_even_piece(int64_t total, int64_t most, int64_t planes, int threads);

/* Into how many bands [i * total / bands, (i + 1) * total / bands) rows (or tiles) are cut, of each of `planes` planes: of the numbers
 * from `least` to twice that the first with the shortest longest thread, or `least` where bands are many, for then threads help
 * each other, and what all bands read should not come oftener than it must. */
int64_t fc_even_bands(int64_t total, int64_t least, int64_t planes, int threads);

#endif
