/* Softmax along a long axis: parts of it by themselves, joined by the few numbers that each leaves, and rescaled in the output.
 *
 *   items x inner, few columns: one behind the other        many columns: bands of them
 *     +---------------------------+                           +------+------+--
 *     | row 0 | row 1 | ... row k |  columns                  |      |      |    rows
 *     | row k + 1 | ...           |                           +------+------+--
 *
 * Parts depend on the shape alone, and are joined in their order.
 */
#include "softmax.h"

#include "../sizes.h"

/* Items of a part, which a cache holds; columns of one where they are few and many. */
enum { PART_ITEMS = 32 * 1024, JOINED_COLUMNS = 256, BAND_COLUMNS = 1024 };

typedef struct {
    const fc_softmax *softmax;
    const fc_kernels *kernels;
    const char *x;
    char *y, *scratch;
    int64_t columns, rows, parts, bands; /* of a part, and parts of a band */
    ptrdiff_t stride;
    size_t row_bytes; /* of scratch: greatest and sum of a part are two such rows */
} fc_tall_job;

/* `line`: the outer index and the band. */
static char *scratch_of(const fc_tall_job *job, int64_t line, int64_t part)
{
    return job->scratch + (size_t)(line * (job->parts + 1) + part) * 2 * job->row_bytes;
}

static fc_softmax_part part_of(const fc_tall_job *job, int64_t task)
{
    const fc_softmax *s = job->softmax;
    const int64_t part = task % job->parts, line = task / job->parts, outer = line / job->bands, band = line % job->bands;
    const int64_t width = job->bands > 1 ? s->inner : job->columns, height = s->items * s->inner / width;
    const int64_t first = part * job->rows, columns = fc_min(job->columns, width - band * job->columns);
    const ptrdiff_t at = (outer * s->items * s->inner + first * width + band * job->columns) * s->item_bytes;
    char *scratch = scratch_of(job, line, part);
    return (fc_softmax_part){
        .x = job->x + at, .y = job->y + at, .rows = fc_min(job->rows, height - first),
        .columns = columns, .parts = job->parts, .period = fc_min(s->inner, columns), .pitch = 2 * (ptrdiff_t)job->row_bytes,
        .rest = part == job->parts - 1 ? s->items * s->inner - height * width : 0, .stride = width * s->item_bytes,
        .greatest = scratch, .sum = scratch + job->row_bytes, .logarithm = s->logarithm};
}

static void part_task(void *context, int64_t task, int thread)
{
    const fc_tall_job *job = context;
    const fc_softmax_part part = part_of(job, task);
    (void)thread;
    job->kernels->softmax_part(&part);
}

static void join_task(void *context, int64_t line, int thread)
{
    const fc_tall_job *job = context;
    const fc_softmax_part first = part_of(job, line * job->parts);
    (void)thread;
    job->kernels->softmax_join(&first);
}

static void rescale_task(void *context, int64_t task, int thread)
{
    const fc_tall_job *job = context;
    const fc_softmax_part part = part_of(job, task);
    (void)thread;
    job->kernels->softmax_rescale(&part);
}

fc_status fc_softmax_tall(const fc_softmax *s, const void *x, void *y, const fc_run *run)
{
    const int few = s->inner <= JOINED_COLUMNS;
    fc_tall_job job = {.softmax = s, .kernels = fc_kernels_for(run->isa, s->item_bytes), .x = x, .y = y};
    job.columns = few ? JOINED_COLUMNS / s->inner * s->inner : fc_min(s->inner, BAND_COLUMNS);
    job.bands = few ? 1 : fc_ceil_div(s->inner, job.columns);
    job.rows = PART_ITEMS / job.columns;
    /* A last row that is not whole belongs to the part before it. */
    const int64_t height = job.bands > 1 ? s->items : s->items * s->inner / job.columns;
    job.parts = fc_ceil_div(height, job.rows);
    job.row_bytes = fc_aligned((size_t)(job.columns * s->item_bytes));
    const int64_t lines = s->outer * job.bands;
    const fc_block block = fc_block_acquire((size_t)(lines * (job.parts + 1)) * 2 * job.row_bytes);
    if (!block.data) return FC_NO_MEMORY;
    job.scratch = block.data;
    fc_status status = fc_parallel(&run->team, lines * job.parts, part_task, &job);
    if (status == FC_OK) status = fc_parallel(&run->team, lines, join_task, &job);
    if (status == FC_OK) status = fc_parallel(&run->team, lines * job.parts, rescale_task, &job);
    fc_block_release(block);
    return status;
}
