/* The machine's ceilings, measured with all threads at once. */
#include <string.h>

#include "clock.h"
#include "../fastconv.h"

enum { FMA_ROUNDS = 20000, BYTES = 128 << 20, PIECE = 1 << 20 };

typedef struct {
    const fc_kernels *kernels;
    char *memory;
} fc_peak_job;

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
    job->kernels->copy_past_cache(job->memory + BYTES / 2 + task * PIECE, job->memory + task * PIECE, PIECE);
}

static void read_task(void *context, int64_t task, int thread)
{
    const fc_peak_job *job = context;
    (void)thread;
    job->kernels->sum_of_memory(job->memory + task * PIECE, PIECE);
}

/* The best rate of `amount` a run within the time: interruptions only ever slow a run down. */
static fc_status best_rate(const fc_team *team, fc_task *task, int64_t tasks, fc_peak_job *job, double amount, double seconds,
                           double *rate)
{
    const double end = fc_seconds_now() + seconds;
    *rate = 0;
    do {
        const double start = fc_seconds_now();
        const fc_status status = fc_parallel(team, tasks, task, job);
        if (status != FC_OK) return status;
        const double now = amount / (fc_seconds_now() - start);
        if (now > *rate) *rate = now;
    } while (fc_seconds_now() < end);
    return FC_OK;
}

fc_status fc_measure_peak(const fc_run *run, double seconds, fc_peak *peak)
{
    fc_block block = fc_block_acquire(BYTES);
    if (!block.data) return FC_NO_MEMORY;
    memset(block.data, 0, BYTES);
    fc_peak_job job = {fc_kernels_for(run->isa, 4), block.data};
    const fc_team *team = &run->team;
    const int64_t pieces = 8 * team->threads;
    const double flops = (double)pieces * job.kernels->fma_peak(FMA_ROUNDS);
    fc_status status = best_rate(team, fma_task, pieces, &job, flops, seconds / 2, &peak->flops);
    if (status == FC_OK) status = best_rate(team, copy_task, BYTES / 2 / PIECE, &job, BYTES, seconds / 4, &peak->copying);
    if (status == FC_OK) status = best_rate(team, read_task, BYTES / PIECE, &job, BYTES, seconds / 4, &peak->reading);
    fc_block_release(block);
    return status;
}
