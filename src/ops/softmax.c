/* Softmax along an axis of a contiguous array: rows where the axis is the last, else bands of columns of the array behind the
 * axis. A task's rows or band lie in the scratch of its thread between the passes over them, small enough to stay in its cache.
 *
 *   outer x items x inner          a band, `columns` wide
 *     +----+----+----+--                +----+
 *     |    |####|    |                  |####|  items rows, inner items apart in the array,
 *     |    |####|    |  items           |####|  side by side in scratch
 *     +----+----+----+--                +----+
 *
 * Where no band of whole cache lines is that small, the output itself holds what is between the passes (softmax_tall.c).
 */
#include "softmax.h"

#include "norm.h"
#include "../sizes.h"

/* Bytes of a band in scratch, items of a task of rows, exponentials below which a second thread does not pay, and items of a row
 * that a cache of one thread holds. */
enum { BAND_BYTES = 128 * 1024, TASK_ITEMS = 16 * 1024, SERIAL_ITEMS = 8 * 1024, LONG_ROW = 256 * 1024 };

typedef struct {
    const fc_softmax *softmax;
    const fc_kernels *kernels;
    const char *x;
    char *y, *scratch;
    size_t thread_bytes;
    int64_t together, columns, bands; /* rows of a task; columns of a band; bands of an outer index */
    int past_cache;
} fc_softmax_job;

static void rows_task(void *context, int64_t task, int thread)
{
    const fc_softmax_job *job = context;
    const fc_softmax *s = job->softmax;
    const int64_t first = task * job->together;
    const ptrdiff_t at = first * s->items * s->item_bytes;
    job->kernels->softmax_rows(&(fc_softmax_piece){
        .x = job->x + at, .y = job->y + at, .buffer = job->scratch + thread * job->thread_bytes,
        .rows = fc_min(job->together, s->outer - first), .items = s->items, .logarithm = s->logarithm,
        .past_cache = job->past_cache});
}

static void band_task(void *context, int64_t task, int thread)
{
    const fc_softmax_job *job = context;
    const fc_softmax *s = job->softmax;
    const int64_t outer = task / job->bands, first = task % job->bands * job->columns;
    const ptrdiff_t at = (outer * s->items * s->inner + first) * s->item_bytes;
    job->kernels->softmax_columns(&(fc_softmax_piece){
        .x = job->x + at, .y = job->y + at, .buffer = job->scratch + thread * job->thread_bytes,
        .columns = fc_min(job->columns, s->inner - first), .items = s->items, .stride = s->inner * s->item_bytes,
        .logarithm = s->logarithm, .past_cache = job->past_cache});
}

static fc_status run_job(fc_softmax_job *job, const fc_team *team, int64_t tasks, fc_task *task)
{
    const fc_block block = fc_block_acquire((size_t)team->threads * job->thread_bytes);
    if (!block.data) return FC_NO_MEMORY;
    job->scratch = block.data;
    const fc_status status = fc_parallel(team, tasks, task, job);
    fc_block_release(block);
    return status;
}

fc_status fc_softmax_run(const fc_softmax *s, const void *x, void *y, const fc_run *run)
{
    fc_softmax_job job = {.softmax = s, .kernels = fc_kernels_for(run->isa, s->item_bytes), .x = x, .y = y};
    fc_team team = run->team;
    const int line = FC_ALIGNMENT / s->item_bytes;
    const double items = (double)s->outer * (double)s->items * (double)s->inner;
    if (items < SERIAL_ITEMS) team.threads = 1;
    if (s->items > (s->inner == 1 ? LONG_ROW : BAND_BYTES / FC_ALIGNMENT)) return fc_softmax_tall(s, x, y, run);
    /* Stores past the cache are aligned; part of a line would be stored through it. */
    const int whole_lines = (uintptr_t)y % FC_ALIGNMENT == 0 && (s->inner == 1 ? s->items : s->inner) % line == 0;
    job.past_cache = whole_lines && items * s->item_bytes >= FC_PAST_CACHE_BYTES;
    if (s->inner == 1) {
        job.together = fc_max(1, TASK_ITEMS / s->items);
        job.thread_bytes = fc_apart((size_t)(s->items + line) * (size_t)s->item_bytes);
        return run_job(&job, &team, fc_ceil_div(s->outer, job.together), rows_task);
    }
    const int64_t fitting = BAND_BYTES / (s->items * FC_ALIGNMENT);
    job.columns = fc_min(fitting * line, s->inner);
    job.bands = fc_ceil_div(s->inner, job.columns);
    job.thread_bytes = fc_apart((fc_aligned((size_t)(job.columns * s->item_bytes)) + FC_ALIGNMENT) * ((size_t)s->items + 2));
    return run_job(&job, &team, s->outer * job.bands, band_task);
}
