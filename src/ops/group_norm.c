/* Group norm, and with a channel a group instance norm: the moments of each (sample, group), and the affine map made from them.
 *
 * A map is walked as units whose items follow each other: a group of a sample where the pixels of a channel do, a whole sample
 * with all its groups where channels do.
 *
 *   channels first   | group 0: c0 ..pixels.. c1 ..pixels.. | group 1: ...        a unit a group
 *   channels last    | pixel 0: c0 c1 | c2 c3 | pixel 1: c0 c1 | c2 c3 | ...      a unit a sample
 *
 * A thread takes a unit, finds its moments and normalises it while it is in the cache. Where units are large or few, all
 * threads share one, piece by piece: first the moments of some units, then the affine map of those. Either way the moments
 * are sums of the same pieces in the same order. Groups that are short rows are left to group_rows.c. Wu & He 2018.
 */
#include <string.h>

#include "norm.h"
#include "../sizes.h"

/* What a thread's own cache holds of a unit; what all threads take before they read it again; a task of small units. */
enum { UNIT_BYTES = 1 << 20, ROUND_BYTES = 4 << 20, TASK_ITEMS = 16 * 1024, SUMS = 4 };

typedef struct {
    const fc_grouped *map;
    const fc_own_statistics *norm;
    const fc_epilogue *epilogue;
    const fc_kernels *kernels;
    const char *x;
    char *y;
    int channels_last, past_cache;
    int64_t units, unit_items, channels, groups; /* channels and groups of a unit */
    int64_t piece, pieces;                       /* items, or pixels where channels are last */
    int64_t width;                               /* sums of a piece: one, or one a channel */
    int64_t first, together;                     /* of the round; units of a task */
    size_t sums_bytes, vector_bytes, unit_bytes; /* of scratch */
    char *scratch;
} fc_group_job;

/* Scratch of one unit: the sums of its pieces, their centers, and the parameters of its channels. */
typedef struct {
    double *sums, *centers;
    fc_affine_vectors vectors;
} fc_unit_scratch;

static fc_unit_scratch scratch_of(const fc_group_job *job, int64_t slot)
{
    char *at = job->scratch + slot * job->unit_bytes, *vectors = at + job->sums_bytes;
    return (fc_unit_scratch){
        (double *)at, (double *)at + 2 * job->width * job->pieces,
        {vectors, (ptrdiff_t)job->vector_bytes, job->map->item_bytes},
    };
}

static const char *unit_at(const fc_group_job *job, int64_t unit)
{
    return job->x + unit * job->unit_items * job->map->item_bytes;
}

/* One center a group: its first item. */
static void fill_centers(const fc_group_job *job, int64_t unit, double *centers)
{
    const int64_t each = job->width / job->groups;
    const char *first = unit_at(job, unit);
    for (int64_t g = 0; g < job->groups; g++, centers += each, first += each * job->map->item_bytes) {
        const double center = fc_center_at(first, job->map->item_bytes);
        for (int64_t c = 0; c < each; c++) centers[c] = center;
    }
}

/* Sums of a piece stand as [sum, square][width]. */
static void moments_of_piece(const fc_group_job *job, int64_t unit, int64_t piece, const fc_unit_scratch *scratch)
{
    const int item = job->map->item_bytes;
    const int64_t first = piece * job->piece, all = job->channels_last ? job->map->pixels : job->unit_items;
    double *sum = scratch->sums + 2 * job->width * piece;
    const ptrdiff_t step = job->channels_last ? job->channels * item : item;
    const fc_moments t = {.x = unit_at(job, unit) + first * step, .count = fc_min(all - first, job->piece),
                          .channels = job->width, .x_stride = step, .center = scratch->centers, .sum = sum,
                          .square = sum + job->width};
    memset(sum, 0, 2 * (size_t)job->width * sizeof(double));
    if (job->channels_last) job->kernels->moments_channels(&t);
    else job->kernels->moments_planar(&t);
}

/* In as many sums at once, for each addition waits for the one before it. */
static double sum_of(const double *x, int64_t count)
{
    double sum[SUMS] = {0};
    int64_t i = 0;
    for (; i + SUMS <= count; i += SUMS)
        for (int s = 0; s < SUMS; s++) sum[s] += x[i + s];
    for (int s = 0; i < count; i++, s++) sum[s] += x[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Add the pieces of a group in their order, and turn its moments into parameters. */
static void finish_group(const fc_group_job *job, int64_t unit, int64_t group, const fc_unit_scratch *scratch)
{
    const fc_own_statistics *norm = job->norm;
    const int64_t each = job->width / job->groups, channels = job->channels / job->groups;
    double sum = 0, square = 0;
    for (int64_t p = 0; p < job->pieces; p++) {
        const double *of_piece = scratch->sums + 2 * job->width * p + group * each;
        sum += sum_of(of_piece, each);
        square += sum_of(of_piece + job->width, each);
    }
    const double count = (double)job->unit_items / (double)job->groups;
    const fc_moment_pair moments = fc_moments_about(scratch->centers[group * each], sum, square, count);
    const int64_t of_all = unit * job->groups + group;
    if (norm->mean) norm->mean[of_all] = moments.mean;
    if (norm->variance) norm->variance[of_all] = moments.variance;
    const double factor = 1 / sqrt(moments.variance + norm->eps);
    const int64_t of_map = of_all % job->map->groups * channels;
    fc_affine_vectors vectors = scratch->vectors;
    vectors.first += group * channels * vectors.item_bytes;
    fc_set_affines(&vectors, channels, moments.mean, factor, norm->weight ? norm->weight + of_map : NULL,
                   norm->bias ? norm->bias + of_map : NULL);
}

/* Items or pixels [first, first + count) of a unit; channels first, whole channels at once where there are any. */
static void affine_of_range(const fc_group_job *job, int64_t unit, int64_t first, int64_t count, const fc_unit_scratch *scratch)
{
    const int item = job->map->item_bytes;
    const int64_t pixels = job->map->pixels;
    const ptrdiff_t start = unit * job->unit_items * item, line = (job->channels_last ? job->channels : pixels) * item;
    fc_affine t = {.activation = job->epilogue->activation, .past_cache = job->past_cache,
                   .x_stride = line, .y_stride = line, .residual_stride = line, .step = scratch->vectors.step};
    for (int64_t left = count; left > 0;) {
        const int64_t channel = job->channels_last ? 0 : first / pixels, pixel = job->channels_last ? 0 : first % pixels;
        const int64_t whole = pixel == 0 ? left / pixels : 0;
        t.channels = job->channels_last ? job->channels : fc_max(whole, 1);
        t.count = job->channels_last ? left : whole ? pixels : fc_min(pixels - pixel, left);
        const ptrdiff_t at = start + first * (job->channels_last ? line : item);
        t.x = job->x + at;
        t.y = job->y + at;
        t.residual = fc_offset(job->epilogue->residual, at);
        t.parameters = scratch->vectors.first + channel * item;
        if (job->channels_last) {
            job->kernels->affine_channels(&t);
            return;
        }
        job->kernels->affine_planar(&t);
        first += t.channels * t.count;
        left -= t.channels * t.count;
    }
}

static void unit_task(void *context, int64_t task, int thread)
{
    const fc_group_job *job = context;
    const fc_unit_scratch scratch = scratch_of(job, thread);
    const int64_t all = job->channels_last ? job->map->pixels : job->unit_items;
    for (int64_t unit = task * job->together; unit < fc_min((task + 1) * job->together, job->units); unit++) {
        fill_centers(job, unit, scratch.centers);
        for (int64_t p = 0; p < job->pieces; p++) moments_of_piece(job, unit, p, &scratch);
        for (int64_t g = 0; g < job->groups; g++) finish_group(job, unit, g, &scratch);
        affine_of_range(job, unit, 0, all, &scratch);
    }
}

static void moments_task(void *context, int64_t task, int thread)
{
    const fc_group_job *job = context;
    const int64_t slot = task / job->pieces;
    const fc_unit_scratch scratch = scratch_of(job, slot);
    (void)thread;
    moments_of_piece(job, job->first + slot, task % job->pieces, &scratch);
}

static void affine_task(void *context, int64_t task, int thread)
{
    const fc_group_job *job = context;
    const int64_t slot = task / job->pieces, first = task % job->pieces * job->piece;
    const int64_t all = job->channels_last ? job->map->pixels : job->unit_items;
    const fc_unit_scratch scratch = scratch_of(job, slot);
    (void)thread;
    affine_of_range(job, job->first + slot, first, fc_min(all - first, job->piece), &scratch);
}

/* All threads on each of `at_once` units at a time. */
static fc_status run_rounds(fc_group_job *job, int64_t at_once, const fc_team *team)
{
    for (job->first = 0; job->first < job->units; job->first += at_once) {
        const int64_t units = fc_min(at_once, job->units - job->first);
        for (int64_t u = 0; u < units; u++) fill_centers(job, job->first + u, scratch_of(job, u).centers);
        fc_status status = fc_parallel(team, units * job->pieces, moments_task, job);
        if (status != FC_OK) return status;
        for (int64_t u = 0; u < units; u++) {
            const fc_unit_scratch scratch = scratch_of(job, u);
            for (int64_t g = 0; g < job->groups; g++) finish_group(job, job->first + u, g, &scratch);
        }
        status = fc_parallel(team, units * job->pieces, affine_task, job);
        if (status != FC_OK) return status;
    }
    return FC_OK;
}

static void prepare(fc_group_job *job)
{
    const fc_grouped *map = job->map;
    const int item = map->item_bytes;
    job->channels_last = map->channels_last || map->pixels == 1; /* of one pixel both layouts are the same */
    job->groups = job->channels_last ? map->groups : 1;
    job->units = job->channels_last ? map->batch : map->batch * map->groups;
    job->channels = job->channels_last ? map->channels : map->channels / map->groups;
    job->unit_items = job->channels * map->pixels;
    job->width = job->channels_last ? map->channels : 1;
    job->piece = job->channels_last ? fc_min(FC_PIECE_ITEMS / map->channels + 1, map->pixels)
                                    : fc_min(FC_PIECE_ITEMS, job->unit_items);
    job->pieces = fc_ceil_div(job->channels_last ? map->pixels : job->unit_items, job->piece);
    job->together = fc_max(1, TASK_ITEMS / job->unit_items);
    job->sums_bytes = fc_aligned((size_t)job->width * (2 * (size_t)job->pieces + 1) * sizeof(double));
    job->vector_bytes = fc_aligned((size_t)job->channels * (size_t)item);
    job->unit_bytes = job->sums_bytes + FC_AFFINE_VECTORS * job->vector_bytes;
    /* Channels last every pixel is a run, which has to be whole lines; other runs have to be so long that their ends do not count. */
    const int whole_lines = (uintptr_t)job->y % FC_ALIGNMENT == 0 && map->channels * item % FC_ALIGNMENT == 0;
    job->past_cache = (job->channels_last ? whole_lines : job->unit_items >= FC_LONG_RUN)
                   && (double)job->units * (double)job->unit_items * item >= FC_PAST_CACHE_BYTES;
}

fc_status fc_group_norm(const fc_grouped *map, const fc_own_statistics *norm, const void *x, void *y,
                        const fc_epilogue *epilogue, const fc_run *run)
{
    if (fc_group_rows_suit(map, norm)) return fc_group_norm_rows(map, norm, x, y, epilogue, run);
    fc_group_job job = {.map = map, .norm = norm, .epilogue = epilogue, .x = x, .y = y,
                        .kernels = fc_kernels_for(run->isa, map->item_bytes)};
    fc_team team = run->team;
    prepare(&job);
    const double bytes = (double)job.unit_items * map->item_bytes;
    if ((double)job.units * (double)job.unit_items < FC_SERIAL_WORK / 4) team.threads = 1;
    const int by_unit = team.threads == 1 ? bytes <= ROUND_BYTES : bytes <= UNIT_BYTES && job.units >= 2 * team.threads;
    const int64_t at_once = fc_max(1, fc_min(job.units, (int64_t)(ROUND_BYTES / bytes)));
    const fc_block block = fc_block_acquire((size_t)(by_unit ? team.threads : at_once) * job.unit_bytes);
    if (!block.data) return FC_NO_MEMORY;
    job.scratch = block.data;
    const fc_status status = by_unit ? fc_parallel(&team, fc_ceil_div(job.units, job.together), unit_task, &job)
                                     : run_rounds(&job, at_once, &team);
    fc_block_release(block);
    return status;
}
