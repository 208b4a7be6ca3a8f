/* Group norm of groups that are short rows: layer norm, with the weight and the bias of each channel as often as it has pixels.
 * Walked channel by channel, runs would not fill a vector, and each would want parameters of its own.
 */
#include "norm.h"
#include "../sizes.h"

/* Pixels up to which spreading weight and bias pays, and items of a row up to which it is as good as planes without them. */
enum { FEW_PIXELS = 32, FEW_ITEMS = 4096 };

int fc_group_rows_suit(const fc_grouped *map, const fc_own_statistics *norm)
{
    const int64_t items = map->channels / map->groups * map->pixels;
    if (map->channels_last && map->pixels > 1) return 0; /* of one pixel both layouts are the same */
    if (!norm->weight && !norm->bias) return items <= FEW_ITEMS;
    return map->pixels <= FEW_PIXELS && items <= FC_PIECE_ITEMS;
}

/* An entry a pixel from an entry a channel. */
static void spread_over_pixels(const fc_grouped *map, const double *from, void *to)
{
    for (int64_t c = 0, i = 0; c < map->channels; c++)
        for (int64_t p = 0; p < map->pixels; p++, i++) {
            if (map->item_bytes == 4) ((float *)to)[i] = (float)from[c];
            else ((double *)to)[i] = from[c];
        }
}

fc_status fc_group_norm_rows(const fc_grouped *map, const fc_own_statistics *norm, const void *x, void *y,
                             const fc_epilogue *epilogue, const fc_run *run)
{
    const int64_t sample = map->channels * map->pixels, items = sample / map->groups;
    const size_t vector = fc_aligned((size_t)sample * (size_t)map->item_bytes);
    const double bytes = (double)map->batch * (double)sample * map->item_bytes;
    fc_team team = run->team;
    if ((double)map->batch * (double)sample < FC_SERIAL_WORK / 4) team.threads = 1;
    const fc_block block = fc_block_acquire((norm->weight != NULL) * vector + (norm->bias != NULL) * vector);
    if (!block.data) return FC_NO_MEMORY;
    char *weight = block.data, *bias = norm->weight ? weight + vector : weight;
    if (norm->weight) spread_over_pixels(map, norm->weight, weight);
    if (norm->bias) spread_over_pixels(map, norm->bias, bias);
    /* As in layer norm. */
    const int whole_lines = (uintptr_t)y % FC_ALIGNMENT == 0 && items * map->item_bytes % FC_ALIGNMENT == 0;
    const fc_layer_rows rows = {
        .x = x, .y = y, .residual = epilogue->residual, .weight = norm->weight ? weight : NULL,
        .bias = norm->bias ? bias : NULL, .rows = map->batch * map->groups, .items = items, .cycle = map->groups,
        .mean = norm->mean, .variance = norm->variance, .eps = norm->eps, .activation = epilogue->activation,
        .past_cache = (whole_lines || items >= FC_LONG_RUN) && bytes >= FC_PAST_CACHE_BYTES};
    const fc_status status = fc_normalise_rows(&rows, fc_kernels_for(run->isa, map->item_bytes), &team);
    fc_block_release(block);
    return status;
}
