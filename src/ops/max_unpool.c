/* Maximum unpooling: zeros, and the values of one plane after the other at their places in it, in the order of the input.
 *
 * The order makes the last of equal places win whatever the number of threads is. Every index is compared once more when it is
 * used: another thread of the caller's may have changed it since the check.
 */
#include "layout.h"
#include "max_unpool.h"
#include "store.h"
#include "../sizes.h"

enum { STAGE_BYTES = 64 * 1024, PIECE_ITEMS = 32 * 1024 };

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
    const fc_unpooling *unpooling;
    int64_t planes, plane_bytes; /* of the output */
    int64_t cols;                /* pixels of a joined row of input and indices */
    int64_t together;            /* planes of a task */
    size_t stage_bytes;          /* 0: there is no stage */
    char *stages;
} fc_unpool_job;

static ptrdiff_t pixel_at(const int64_t size[FC_SPATIAL], const fc_view *view, int64_t pixel)
{
    return pixel / size[2] / size[1] * view->stride[2] + pixel / size[2] % size[1] * view->stride[3]
         + pixel % size[2] * view->stride[4];
}

static const char *plane_of(const fc_view *view, int64_t sample, int64_t channel)
{
    return (const char *)view->data + sample * view->stride[0] + channel * view->stride[1];
}

/* Rows of pixels of one plane. */
static void unpool_plane(const fc_unpool_job *job, int64_t plane, char *out)
{
    const fc_unpooling *u = job->unpooling;
    const int64_t sample = plane / u->map->channels, channel = plane % u->map->channels, *size = u->map->size;
    const char *in = plane_of(&u->input, sample, channel), *index = plane_of(&u->indices, sample, channel);
    fc_scatter s = {.in_step = u->input.stride[4], .index_step = u->indices.stride[4], .out = out,
                    .out_px = u->map->item_bytes, .count = job->cols, .places = (uint64_t)u->places};
    for (int64_t pixel = 0; pixel < size[0] * size[1] * size[2]; pixel += job->cols) {
        s.in = in + pixel_at(size, &u->input, pixel);
        s.index = index + pixel_at(size, &u->indices, pixel);
        fc_scatter_to_places(&s, u->map->item_bytes);
    }
}

static void planes_task(void *context, int64_t task, int thread)
{
    const fc_unpool_job *job = context;
    const int64_t first = task * job->together, count = fc_min(job->together, job->planes - first);
    char *target = (char *)job->unpooling->output.data + first * job->plane_bytes;
    char *out = job->stage_bytes ? job->stages + thread * job->stage_bytes : target;
    const size_t bytes = (size_t)(count * job->plane_bytes);
    memset(out, 0, bytes);
    for (int64_t i = 0; i < count; i++) unpool_plane(job, first + i, out + i * job->plane_bytes);
    if (!job->stage_bytes) return;
    fc_store_stage(job->unpooling->kernels, out, target, (int64_t)bytes);
}

/* As many planes as are whole lines, for a stage that stays in the second-level cache; one where there is none. */
static void plan_stage(fc_unpool_job *job)
{
    int64_t unit = 1;
    while (unit * job->plane_bytes % FC_ALIGNMENT) unit *= 2;
    const int64_t together = fc_ceil_div(fc_max(STAGE_BYTES / job->plane_bytes, 1), unit) * unit;
    job->together = fc_max(STAGE_BYTES / 4 / job->plane_bytes, 1);
    if (job->planes * job->plane_bytes < FC_PAST_CACHE_BYTES || together * job->plane_bytes > MOST_STAGE_BYTES
        || (uintptr_t)job->unpooling->output.data % FC_ALIGNMENT)
        return;
    job->together = together;
    job->stage_bytes = (size_t)(together * job->plane_bytes);
}

fc_status fc_max_unpool(const fc_map *map, const fc_view *input, const fc_view *indices, const fc_map *plane,
                        const fc_view *output, const fc_run *run)
{
    const fc_unpooling u = {.map = map, .size = plane->size, .kernels = fc_kernels_for(run->isa, map->item_bytes),
                            .input = *input, .indices = *indices, .output = *output,
                            .places = plane->size[0] * plane->size[1] * plane->size[2]};
    if (map->channels > 1 && output->stride[1] == map->item_bytes && u.places > 1) return fc_unpool_bands(&u, run);
    fc_unpool_job job = {.unpooling = &u, .planes = map->batch * map->channels, .plane_bytes = u.places * map->item_bytes,
                         .cols = 1};
    const int64_t from = fc_max(fc_row_from(input, map->size), fc_row_from(indices, map->size));
    for (int64_t axis = from; axis < FC_SPATIAL; axis++) job.cols *= map->size[axis];
    fc_team team = run->team;
    if ((double)job.planes * (double)u.places < FC_SERIAL_WORK / 4) team.threads = 1;
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
