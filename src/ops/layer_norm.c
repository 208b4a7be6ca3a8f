/* Layer norm along contiguous rows: tasks of some rows each, or where a row is long, tasks of pieces of one row, first their
 * moments, then the row. The moments of a long row are sums of pieces of fixed size, added in their order.
 */
#include "norm.h"
#include "../sizes.h"

enum { TASK_ITEMS = 16 * 1024 };

typedef struct {
    const fc_layer_rows *all;
    const fc_kernels *kernels;
    int64_t together; /* rows of a task */
} fc_rows_job;

static void rows_task(void *context, int64_t task, int thread)
{
    const fc_rows_job *job = context;
    const int64_t first = task * job->together;
    const ptrdiff_t at = first * job->all->items * job->kernels->item_bytes;
    fc_layer_rows rows = *job->all;
    (void)thread;
    rows.x = fc_offset(rows.x, at);
    rows.y = (char *)rows.y + at;
    rows.residual = fc_offset(rows.residual, at);
    rows.turn = first % rows.cycle;
    rows.rows = fc_min(job->together, rows.rows - first);
    if (rows.mean) rows.mean += first;
    if (rows.variance) rows.variance += first;
    job->kernels->layer_norm(&rows);
}

fc_status fc_normalise_rows(const fc_layer_rows *all, const fc_kernels *kernels, const fc_team *team)
{
    fc_rows_job job = {all, kernels, fc_max(1, TASK_ITEMS / all->items)};
    return fc_parallel(team, fc_ceil_div(all->rows, job.together), rows_task, &job);
}

typedef struct {
    const fc_layer *layer;
    const fc_kernels *kernels;
    const char *x;
    char *y;
    double center, *sums, moments[2];
    int past_cache;
} fc_layer_job;

static void moments_task(void *context, int64_t task, int thread)
{
    const fc_layer_job *job = context;
    const int64_t first = task * FC_PIECE_ITEMS;
    double *sum = job->sums + 2 * task;
    (void)thread;
    sum[0] = sum[1] = 0;
    job->kernels->moments_planar(&(fc_moments){
        .x = job->x + first * job->layer->item_bytes, .count = fc_min(FC_PIECE_ITEMS, job->layer->items - first),
        .channels = 1, .center = &job->center, .sum = sum, .square = sum + 1});
}

static void piece_task(void *context, int64_t task, int thread)
{
    const fc_layer_job *job = context;
    const fc_layer *layer = job->layer;
    const int64_t first = task * FC_PIECE_ITEMS;
    const ptrdiff_t at = first * layer->item_bytes;
    (void)thread;
    job->kernels->layer_norm(&(fc_layer_rows){
        .x = job->x + at, .y = job->y + at, .weight = fc_offset(layer->weight, at), .bias = fc_offset(layer->bias, at),
        .moments = job->moments, .rows = 1, .items = fc_min(FC_PIECE_ITEMS, layer->items - first), .cycle = 1,
        .eps = layer->eps, .past_cache = job->past_cache});
}

/* The rows of which each is cut into pieces. */
static fc_status run_long_rows(fc_layer_job *job, const fc_team *team)
{
    const fc_layer *layer = job->layer;
    const int64_t pieces = fc_ceil_div(layer->items, FC_PIECE_ITEMS);
    const fc_block block = fc_block_acquire(2 * (size_t)pieces * sizeof(double));
    if (!block.data) return FC_NO_MEMORY;
    job->sums = block.data;
    fc_status status = FC_OK;
    for (int64_t row = 0; row < layer->rows && status == FC_OK; row++) {
        job->center = fc_center_at(job->x, layer->item_bytes);
        status = fc_parallel(team, pieces, moments_task, job);
        if (status != FC_OK) break;
        double sum = 0, square = 0;
        for (int64_t p = 0; p < pieces; p++) {
            sum += job->sums[2 * p];
            square += job->sums[2 * p + 1];
        }
        const fc_moment_pair moments = fc_moments_about(job->center, sum, square, (double)layer->items);
        job->moments[0] = moments.mean;
        job->moments[1] = moments.variance;
        status = fc_parallel(team, pieces, piece_task, job);
        job->x += layer->items * layer->item_bytes;
        job->y += layer->items * layer->item_bytes;
    }
    fc_block_release(block);
    return status;
}

fc_status fc_layer_norm(const fc_layer *layer, const void *x, void *y, const fc_run *run)
{
    fc_layer_job job = {.layer = layer, .kernels = fc_kernels_for(run->isa, layer->item_bytes), .x = x, .y = y};
    fc_team team = run->team;
    const double items = (double)layer->rows * (double)layer->items;
    if (items < FC_SERIAL_WORK / 4) team.threads = 1;
    /* Rows of whole lines, or so long that what they share with their neighbours does not count. */
    const int whole_lines = (uintptr_t)y % FC_ALIGNMENT == 0 && layer->items * layer->item_bytes % FC_ALIGNMENT == 0;
    job.past_cache = (whole_lines || layer->items >= FC_LONG_RUN) && items * layer->item_bytes >= FC_PAST_CACHE_BYTES;
    if (layer->items > FC_PIECE_ITEMS) return run_long_rows(&job, &team);
    const fc_layer_rows rows = {.x = x, .y = y, .weight = layer->weight, .bias = layer->bias, .rows = layer->rows,
                                .items = layer->items, .cycle = 1, .eps = layer->eps, .past_cache = job.past_cache};
    return fc_normalise_rows(&rows, job.kernels, &team);
}
