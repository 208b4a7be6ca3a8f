/* Maximum unpooling: zeros, and the values of one plane after the other at their places in it, in the order of the input.
 *
 * The order makes the last of equal places win whatever the number of threads is. Every index is compared once more when it is
 * used: another thread of the caller's may have changed it since the check.
 */
#include <string.h>

#include "pool.h"
#include "../sizes.h"

enum { PAST_CACHE_BYTES = 4 << 20, STAGE_BYTES = 64 * 1024, MOST_STAGE_BYTES = 256 * 1024, PIECE_ITEMS = 32 * 1024 };

typedef struct {
    int64_t count;
    const int64_t *indices;
    uint64_t *worst; /* one a piece */
} fc_index_job;

static void worst_task(void *context, int64_t task, int thread)
{
    const fc_index_job *job = context;
    const int64_t end = fc_min((task + 1) * PIECE_ITEMS, job->count);
    uint64_t worst = 0;
    (void)thread;
    for (int64_t i = task * PIECE_ITEMS; i < end; i++) {
        const uint64_t index = (uint64_t)job->indices[i];
        worst = index > worst ? index : worst;
    }
    job->worst[task] = worst;
}

fc_status fc_worst_index(int64_t count, const int64_t *indices, const fc_run *run, int64_t *worst)
{
    fc_team team = run->team;
    if ((double)count < FC_SERIAL_WORK / 4) team.threads = 1;
    const int64_t pieces = fc_ceil_div(count, PIECE_ITEMS);
    fc_block block = fc_block_acquire((size_t)pieces * sizeof(uint64_t));
    if (!block.data) return FC_NO_MEMORY;
    fc_index_job job = {count, indices, block.data};
    const fc_status status = fc_parallel(&team, pieces, worst_task, &job);
    uint64_t most = 0;
    if (status == FC_OK)
        for (int64_t i = 0; i < pieces; i++) most = job.worst[i] > most ? job.worst[i] : most;
    *worst = (int64_t)most;
    fc_block_release(block);
    return status;
}

typedef struct {
    const fc_map *map;
    const fc_kernels *kernels;
    fc_view input, indices, output;
    int64_t planes, places, plane_bytes; /* of the output */
    int64_t cols;                        /* pixels of a joined row of input and indices */
    int64_t together;                    /* planes, or channels of a sample, of a task */
    size_t stage_bytes;                  /* 0: there is no stage */
    char *stages;
} fc_unpool_job;

/* `count` items to out + i * out_step + place * out_px. */
typedef struct {
    const char *in, *index;
    ptrdiff_t in_step, index_step;
    char *out;
    ptrdiff_t out_step, out_px;
    int64_t count, places;
} fc_scatter;

static inline void scatter_items(const fc_scatter *s, size_t item)
{
    for (int64_t i = 0; i < s->count; i++) {
        int64_t place;
        memcpy(&place, s->index + i * s->index_step, sizeof place);
        if ((uint64_t)place >= (uint64_t)s->places) continue;
        memcpy(s->out + i * s->out_step + place * s->out_px, s->in + i * s->in_step, item);
    }
}

/* A literal size makes every copy one load and one store. */
static void scatter(const fc_scatter *s, int item_bytes)
{
    if (item_bytes == 4) scatter_items(s, 4);
    else scatter_items(s, 8);
}

static ptrdiff_t pixel_at(const fc_unpool_job *job, const fc_view *view, int64_t pixel)
{
    const int64_t *size = job->map->size;
    return pixel / size[2] / size[1] * view->stride[2] + pixel / size[2] % size[1] * view->stride[3]
         + pixel % size[2] * view->stride[4];
}

static ptrdiff_t plane_at(const fc_view *view, int64_t sample, int64_t channel)
{
    return sample * view->stride[0] + channel * view->stride[1];
}

/* Rows of pixels of one plane. */
static void unpool_plane(const fc_unpool_job *job, int64_t plane, char *out)
{
    const int64_t sample = plane / job->map->channels, channel = plane % job->map->channels, *size = job->map->size;
    const char *in = (const char *)job->input.data + plane_at(&job->input, sample, channel);
    const char *index = (const char *)job->indices.data + plane_at(&job->indices, sample, channel);
    fc_scatter s = {.in_step = job->input.stride[4], .index_step = job->indices.stride[4], .out = out,
                    .out_px = job->map->item_bytes, .count = job->cols, .places = job->places};
    for (int64_t pixel = 0; pixel < size[0] * size[1] * size[2]; pixel += job->cols) {
        s.in = in + pixel_at(job, &job->input, pixel);
        s.index = index + pixel_at(job, &job->indices, pixel);
        scatter(&s, job->map->item_bytes);
    }
}

static void planes_task(void *context, int64_t task, int thread)
{
    const fc_unpool_job *job = context;
    const int64_t first = task * job->together, count = fc_min(job->together, job->planes - first);
    char *target = (char *)job->output.data + first * job->plane_bytes;
    char *out = job->stage_bytes ? job->stages + thread * job->stage_bytes : target;
    const size_t bytes = (size_t)(count * job->plane_bytes), lines = bytes / FC_ALIGNMENT * FC_ALIGNMENT;
    memset(out, 0, bytes);
    for (int64_t i = 0; i < count; i++) unpool_plane(job, first + i, out + i * job->plane_bytes);
    if (!job->stage_bytes) return;
    job->kernels->copy_past_cache(target, out, lines);
    memcpy(target + lines, out + lines, bytes - lines);
}

/* Channels last: rows of channels, pixel after pixel, of some channels of a sample. */
static void channels_task(void *context, int64_t task, int thread)
{
    const fc_unpool_job *job = context;
    const int64_t groups = fc_ceil_div(job->map->channels, job->together), sample = task / groups, *size = job->map->size;
    const int64_t channel = task % groups * job->together;
    const ptrdiff_t item = job->map->item_bytes, *in = job->input.stride, *index = job->indices.stride;
    fc_scatter s = {.in_step = in[1], .index_step = index[1],
                    .out = (char *)job->output.data + plane_at(&job->output, sample, channel),
                    .out_step = item, .out_px = job->map->channels * item,
                    .count = fc_min(job->together, job->map->channels - channel), .places = job->places};
    (void)thread;
    for (int64_t row = 0; row < size[0] * size[1]; row++) {
        const int64_t d = row / size[1], h = row % size[1];
        s.in = (const char *)job->input.data + plane_at(&job->input, sample, channel) + d * in[2] + h * in[3];
        s.index = (const char *)job->indices.data + plane_at(&job->indices, sample, channel) + d * index[2] + h * index[3];
        for (int64_t w = 0; w < size[2]; w++, s.in += in[4], s.index += index[4]) scatter(&s, (int)item);
    }
}

static void zero_task(void *context, int64_t task, int thread)
{
    const fc_unpool_job *job = context;
    const int64_t bytes = job->planes * job->plane_bytes, first = task * STAGE_BYTES;
    (void)thread;
    memset((char *)job->output.data + first, 0, (size_t)fc_min(STAGE_BYTES, bytes - first));
}

/* As many planes as are whole lines, for a stage that stays in the second-level cache; one where there is none. */
static void plan_stage(fc_unpool_job *job)
{
    int64_t unit = 1;
    while (unit * job->plane_bytes % FC_ALIGNMENT) unit *= 2;
    const int64_t together = fc_ceil_div(fc_max(STAGE_BYTES / job->plane_bytes, 1), unit) * unit;
    job->together = fc_max(STAGE_BYTES / 4 / job->plane_bytes, 1);
    if (job->planes * job->plane_bytes < PAST_CACHE_BYTES || together * job->plane_bytes > MOST_STAGE_BYTES
        || (uintptr_t)job->output.data % FC_ALIGNMENT)
        return;
    job->together = together;
    job->stage_bytes = (size_t)(together * job->plane_bytes);
}

fc_status fc_max_unpool(const fc_map *map, const fc_view *input, const fc_view *indices, const fc_map *plane,
                        const fc_view *output, const fc_run *run)
{
    fc_unpool_job job = {.map = map, .kernels = fc_kernels_for(run->isa, map->item_bytes), .input = *input,
                         .indices = *indices, .output = *output, .planes = map->batch * map->channels, .cols = 1};
    job.places = plane->size[0] * plane->size[1] * plane->size[2];
    job.plane_bytes = job.places * map->item_bytes;
    const int64_t from = fc_max(fc_row_from(input, map->size), fc_row_from(indices, map->size));
    for (int64_t axis = from; axis < FC_SPATIAL; axis++) job.cols *= map->size[axis];
    fc_team team = run->team;
    if ((double)job.planes * (double)job.places < FC_SERIAL_WORK / 4) team.threads = 1;
    if (map->channels > 1 && output->stride[1] == map->item_bytes && job.places > 1) {
        /* Whole cache lines of channels, in no more parts of a sample than keep the threads busy. */
        const int64_t line = FC_BLOCK_BYTES / map->item_bytes, parts = fc_ceil_div(2 * team.threads, map->batch);
        job.together = fc_ceil_div(fc_ceil_div(map->channels, parts), line) * line;
        const fc_status status = fc_parallel(&team, fc_ceil_div(job.planes * job.plane_bytes, STAGE_BYTES), zero_task, &job);
        if (status != FC_OK) return status;
        return fc_parallel(&team, map->batch * fc_ceil_div(map->channels, job.together), channels_task, &job);
    }
    plan_stage(&job);
    fc_block block = {0};
    if (job.stage_bytes) {
        block = fc_block_acquire((size_t)team.threads * job.stage_bytes);
        if (!block.data) return FC_NO_MEMORY;
        job.stages = block.data;
    }
    const fc_status status = fc_parallel(&team, fc_ceil_div(job.planes, job.together), planes_task, &job);
    fc_block_release(block);
    return status;
}
