/* What the two walks of maximum unpooling share: the maps, and items on their way to their places. */
#ifndef FASTCONV_OPS_MAX_UNPOOL_H
#define FASTCONV_OPS_MAX_UNPOOL_H

#include <string.h>

#include "../fastconv.h"

/* What is written on a stage first, to be moved past the caches from there, leaves room for the rest in the second-level cache. */
enum { MOST_STAGE_BYTES = 256 * 1024 };

typedef struct {
    const fc_map *map;
    const int64_t *size; /* of an output plane */
    const fc_kernels *kernels;
    fc_view input, indices, output;
    int64_t places; /* of an output plane */
} fc_unpooling;

/* `count` items to out + i * out_step + (place - first) * out_px, those with first <= place < first + places. */
typedef struct {
    const char *in, *index;
    ptrdiff_t in_step, index_step;
    char *out;
    ptrdiff_t out_step, out_px;
    int64_t count;
    uint64_t first, places;
} fc_scatter;

static inline void fc_scatter_items(const fc_scatter *given, size_t item)
{
    const fc_scatter s = *given; /* which no store can change */
    for (int64_t i = 0; i < s.count; i++) {
        uint64_t place;
        memcpy(&place, s.index + i * s.index_step, sizeof place);
        place -= s.first;
        if (place >= s.places) continue;
        memcpy(s.out + i * s.out_step + (ptrdiff_t)place * s.out_px, s.in + i * s.in_step, item);
    }
}

/* A literal size makes every copy one load and one store. */
static inline void fc_scatter_to_places(const fc_scatter *s, int item_bytes)
{
    if (item_bytes == 4) fc_scatter_items(s, 4);
    else fc_scatter_items(s, 8);
}

/* Channels last, a band of places at a time. */
fc_status fc_unpool_bands(const fc_unpooling *unpooling, const fc_run *run);

#endif
