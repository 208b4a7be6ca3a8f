/* The machine's ceilings, measured with all threads at once, and how near the blocked convolution comes to them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../plan/conv.h"

enum { FMA_ROUNDS = 20000, COPY_BYTES = 64 << 20, COPY_PIECE = 1 << 20 };

typedef struct {
    const fc_kernels *kernels;
    char *from, *to;
} fc_peak_job;

static double seconds_now(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void fma_task(void *context, int64_t task, int thread)
{
    const fc_peak_job *job = context;
    (void)task;
    (void)thread;
    job->kernels->fma_peak(FMA_ROUNDS);
}

static void copy_task(void *context, int64_t task, int thread)
{
    const fc_peak_job *job = context;
    (void)thread;
    job->kernels->copy_past_cache(job->to + task * COPY_PIECE, job->from + task * COPY_PIECE, COPY_PIECE);
}

/* The best rate of `amount` a run within the time: interruptions only ever slow a run down. */
static fc_status best_rate(const fc_team *team, fc_task *task, int64_t tasks, fc_peak_job *job, double amount, double seconds,
                           double *rate)
{
    const double end = seconds_now() + seconds;
    *rate = 0;
    do {
        const double start = seconds_now();
        const fc_status status = fc_parallel(team, tasks, task, job);
        if (status != FC_OK) return status;
        const double now = amount / (seconds_now() - start);
        if (now > *rate) *rate = now;
    } while (seconds_now() < end);
    return FC_OK;
}

fc_status fc_measure_peak(const fc_run *run, double seconds, double *flops, double *bandwidth)
{
    fc_block block = fc_block_acquire(2 * (size_t)COPY_BYTES);
    if (!block.data) return FC_NO_MEMORY;
    memset(block.data, 0, 2 * (size_t)COPY_BYTES);
    fc_peak_job job = {fc_kernels_for(run->isa, 4), block.data, (char *)block.data + COPY_BYTES};
    const int64_t pieces = 8 * run->team.threads;
    fc_status status = best_rate(&run->team, fma_task, pieces, &job, (double)pieces * job.kernels->fma_peak(FMA_ROUNDS),
                                 seconds / 2, flops);
    if (status == FC_OK)
        status = best_rate(&run->team, copy_task, COPY_BYTES / COPY_PIECE, &job, 2.0 * COPY_BYTES, seconds / 2, bandwidth);
    fc_block_release(block);
    return status;
}

/* A blocked map of zeros with a halo as wide as the window's padding on every side (or none). */
static size_t lay_out_map(fc_blocked *map, char *memory, int64_t batch, int64_t blocks, const int64_t *size, const int64_t *halo)
{
    map->row = (ptrdiff_t)(size[2] + 2 * halo[2]) * FC_BLOCK_BYTES;
    map->slice = (ptrdiff_t)(size[1] + 2 * halo[1]) * map->row;
    map->block = (ptrdiff_t)(size[0] + 2 * halo[0]) * map->slice;
    map->sample = (ptrdiff_t)blocks * map->block;
    map->data = memory + halo[0] * map->slice + halo[1] * map->row + halo[2] * FC_BLOCK_BYTES;
    return (size_t)(batch * map->sample);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { MOST_CALLS = 1000 };

static fc_status median_time(const fc_blocked_conv *call, const fc_run *run, double seconds, double *median)
{
    double times[MOST_CALLS];
    int calls = 0;
    const double end = seconds_now() + seconds;
    do {
        const double start = seconds_now();
        const fc_status status = fc_conv_run_blocked(call, run);
        if (status != FC_OK) return status;
        times[calls++] = seconds_now() - start;
    } while (calls < MOST_CALLS && seconds_now() < end);
    qsort(times, (size_t)calls, sizeof times[0], ascending);
    *median = times[calls / 2];
    return FC_OK;
}

fc_status fc_measure_blocked(const fc_conv *asked, const fc_run *run, double seconds, double *median)
{
    static const int64_t no_halo[FC_SPATIAL] = {0};
    fc_conv conv = *asked;
    conv.algorithm = FC_DIRECT;
    const fc_window *w = &conv.window;
    fc_conv_plan plan;
    fc_status status = fc_plan_conv(&conv, run, &plan);
    if (status != FC_OK) return status;
    fc_blocked_conv call = {.conv = &conv, .plan = &plan, .epilogue = {.activation = {.kind = FC_RELU}}};
    const size_t filter = fc_aligned(plan.filter_bytes);
    const size_t in_bytes = lay_out_map(&call.input, NULL, conv.batch, plan.in_blocks, w->in, w->pad);
    const size_t bytes = filter + in_bytes + lay_out_map(&call.output, NULL, conv.batch, plan.out_blocks, w->out, no_halo);
    fc_block block = fc_block_acquire(bytes);
    if (!block.data) return FC_NO_MEMORY;
    char *memory = memset(block.data, 0, bytes);
    call.packed = memory;
    lay_out_map(&call.input, memory + filter, conv.batch, plan.in_blocks, w->in, w->pad);
    lay_out_map(&call.output, memory + filter + in_bytes, conv.batch, plan.out_blocks, w->out, no_halo);
    const int64_t row = w->in[2] * conv.item_bytes, plane = w->in[0] * w->in[1] * row;
    call.plain = (fc_view){memory + filter, {conv.c_in * plane, plane, w->in[1] * row, row, conv.item_bytes}};
    status = median_time(&call, run, seconds, median);
    fc_block_release(block);
    return status;
}
