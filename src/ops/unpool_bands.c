/* Maximum unpooling with channels last, in bands of places of all channels that stay in the second-level cache:
 *
 *   indices   | unit 0 | unit 1 | unit 2 |        a unit is a run of pixels; its reach: the least and the greatest place
 *                  \      /  \      /
 *   output    |   band 0   |   band 1   |         a band takes from the units whose reach meets it, in their order
 *
 * Pooling leaves indices that rise from row to row, so that hardly a unit meets two bands. Where they do not, bands grow until
 * units do not meet more than two each, or until there are as few bands as threads.
 */
#include "max_unpool.h"
#include "store.h"
#include "../sizes.h"

enum { UNIT_ITEMS = 4096, BAND_BYTES = 128 * 1024 };

typedef struct {
    uint64_t least, greatest;
} fc_reach;

/* The units of a sample that meet a band. */
typedef struct {
    int64_t first, end;
} fc_unit_span;

typedef struct {
    const fc_unpooling *unpooling;
    int64_t unit_px, row_units, units; /* pixels of a unit, units of a row and of a sample */
    int64_t band, bands;               /* places of a band; bands of a sample */
    ptrdiff_t place_bytes;
    fc_reach *reach;      /* [sample][unit] */
    fc_unit_span *spans;  /* [sample][band] */
    size_t stage_bytes;   /* 0: there is no stage */
    char *stages;
} fc_band_job;

/* Pixels of a row, at `first` and one behind the other. */
typedef struct {
    int64_t d, h, first, count;
} fc_unit;

static fc_unit unit_at(const fc_band_job *job, int64_t unit)
{
    const int64_t *size = job->unpooling->map->size, row = unit / job->row_units, first = unit % job->row_units * job->unit_px;
    return (fc_unit){row / size[1], row % size[1], first, fc_min(job->unit_px, size[2] - first)};
}

static const char *address(const fc_view *view, int64_t sample, const fc_unit *u)
{
    const ptrdiff_t *stride = view->stride;
    return (const char *)view->data + sample * stride[0] + u->d * stride[2] + u->h * stride[3] + u->first * stride[4];
}

static void reach_task(void *context, int64_t task, int thread)
{
    const fc_band_job *job = context;
    const fc_unit unit = unit_at(job, task % job->units);
    const fc_view *indices = &job->unpooling->indices;
    const char *pixel = address(indices, task / job->units, &unit);
    fc_reach reach = {UINT64_MAX, 0};
    (void)thread;
    for (int64_t p = 0; p < unit.count; p++, pixel += indices->stride[4])
        for (int64_t c = 0; c < job->unpooling->map->channels; c++) {
            uint64_t place;
            memcpy(&place, pixel + c * indices->stride[1], sizeof place);
            reach.least = place < reach.least ? place : reach.least;
            reach.greatest = place > reach.greatest ? place : reach.greatest;
        }
    /* An index that changed since it was checked may be anything. */
    reach.greatest = reach.greatest < (uint64_t)job->unpooling->places ? reach.greatest : (uint64_t)job->unpooling->places - 1;
    job->reach[task] = reach;
}

/* How many bands the units of all samples meet together. */
static int64_t meetings(const fc_band_job *job)
{
    int64_t count = 0;
    for (int64_t i = 0; i < job->unpooling->map->batch * job->units; i++)
        if (job->reach[i].least <= job->reach[i].greatest)
            count += (int64_t)(job->reach[i].greatest / (uint64_t)job->band - job->reach[i].least / (uint64_t)job->band) + 1;
    return count;
}

static void plan_bands(fc_band_job *job, int threads)
{
    const int64_t *in = job->unpooling->map->size, *out = job->unpooling->size, batch = job->unpooling->map->batch;
    /* Whole rows of output, of as many rows of input as there are for them. */
    const int64_t rows = fc_ceil_div(out[1], in[1]) * out[2];
    job->band = rows * job->place_bytes > MOST_STAGE_BYTES ? out[2] : fc_max(BAND_BYTES / (rows * job->place_bytes), 1) * rows;
    if (in[1] == 1 && out[1] == 1) job->band = fc_max(BAND_BYTES / job->place_bytes, 1);
    const int64_t most = fc_ceil_div(job->unpooling->places, fc_ceil_div(threads, batch));
    while (job->band < most && meetings(job) > 2 * batch * job->units) job->band *= 2;
    job->band = fc_min(job->band, most);
    job->bands = fc_ceil_div(job->unpooling->places, job->band);
}

static void find_spans(const fc_band_job *job)
{
    for (int64_t n = 0; n < job->unpooling->map->batch; n++) {
        fc_unit_span *spans = job->spans + n * job->bands;
        const fc_reach *reach = job->reach + n * job->units;
        for (int64_t b = 0; b < job->bands; b++) spans[b] = (fc_unit_span){job->units, 0};
        for (int64_t u = 0; u < job->units; u++) {
            if (reach[u].least > reach[u].greatest) continue;
            const int64_t last = (int64_t)reach[u].greatest / job->band;
            for (int64_t b = (int64_t)reach[u].least / job->band; b <= last; b++)
                spans[b] = (fc_unit_span){fc_min(spans[b].first, u), u + 1};
        }
    }
}

static void band_task(void *context, int64_t task, int thread)
{
    const fc_band_job *job = context;
    const fc_unpooling *u = job->unpooling;
    const int64_t sample = task / job->bands, first = task % job->bands * job->band, item = u->map->item_bytes;
    const int64_t places = fc_min(job->band, u->places - first);
    char *target = (char *)u->output.data + sample * u->output.stride[0] + first * job->place_bytes;
    char *out = job->stage_bytes ? job->stages + thread * job->stage_bytes : target;
    const size_t bytes = (size_t)(places * job->place_bytes);
    fc_scatter s = {.in_step = u->input.stride[1], .index_step = u->indices.stride[1], .out = out, .out_step = item,
                    .out_px = job->place_bytes, .count = u->map->channels, .first = (uint64_t)first, .places = (uint64_t)places};
    memset(out, 0, bytes);
    for (int64_t i = job->spans[task].first; i < job->spans[task].end; i++) {
        const fc_reach *reach = &job->reach[sample * job->units + i];
        if (reach->greatest < s.first || reach->least >= s.first + s.places) continue;
        const fc_unit unit = unit_at(job, i);
        s.in = address(&u->input, sample, &unit);
        s.index = address(&u->indices, sample, &unit);
        for (int64_t p = 0; p < unit.count; p++, s.in += u->input.stride[4], s.index += u->indices.stride[4])
            fc_scatter_to_places(&s, (int)item);
    }
    if (!job->stage_bytes) return;
    fc_store_stage(u->kernels, out, target, (int64_t)bytes);
}

/* A stage for bands that end with whole lines, of a large output. */
static void plan_stage(fc_band_job *job)
{
    const fc_unpooling *u = job->unpooling;
    const int64_t band_bytes = job->band * job->place_bytes, sample_bytes = u->places * job->place_bytes;
    if (u->map->batch * sample_bytes < FC_PAST_CACHE_BYTES || band_bytes > MOST_STAGE_BYTES || band_bytes % FC_ALIGNMENT
        || sample_bytes % FC_ALIGNMENT || (uintptr_t)u->output.data % FC_ALIGNMENT)
        return;
    job->stage_bytes = (size_t)band_bytes;
}

fc_status fc_unpool_bands(const fc_unpooling *unpooling, const fc_run *run)
{
    const fc_map *map = unpooling->map;
    fc_band_job job = {.unpooling = unpooling, .place_bytes = map->channels * map->item_bytes};
    fc_team team = run->team;
    if ((double)map->batch * (double)map->channels * (double)unpooling->places < FC_SERIAL_WORK / 4) team.threads = 1;
    job.unit_px = fc_min(fc_max(UNIT_ITEMS / map->channels, 1), map->size[2]);
    job.row_units = fc_ceil_div(map->size[2], job.unit_px);
    job.units = map->size[0] * map->size[1] * job.row_units;
    fc_block table = fc_block_acquire((size_t)(map->batch * job.units) * sizeof(fc_reach));
    if (!table.data) return FC_NO_MEMORY;
    job.reach = table.data;
    fc_status status = fc_parallel(&team, map->batch * job.units, reach_task, &job);
    if (status == FC_OK) {
        plan_bands(&job, team.threads);
        plan_stage(&job);
        const size_t spans = fc_aligned((size_t)(map->batch * job.bands) * sizeof(fc_unit_span));
        fc_block block = fc_block_acquire(spans + (size_t)team.threads * job.stage_bytes);
        status = block.data ? FC_OK : FC_NO_MEMORY;
        if (block.data) {
            job.spans = block.data;
            job.stages = (char *)block.data + spans;
            find_spans(&job);
            status = fc_parallel(&team, map->batch * job.bands, band_task, &job);
        }
        fc_block_release(block);
    }
    fc_block_release(table);
    return status;
}
