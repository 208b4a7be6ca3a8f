/* The machine's ceilings, measured with all threads at once. */
#include <string.h>

#include "clock.h"
#include "../fastconv.h"

enum { FMA_ROUNDS = 20000, COPY_BYTES = 64 << 20, COPY_PIECE = 1 << 20 };

typedef struct {
    const fc_kernels *kernels;
    char *from, *to;
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
    job->kernels->copy_past_cache(job->to + task * COPY_PIECE, job->from + task * COPY_PIECE, COPY_PIECE);
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
