/* The machine's ceilings, measured with all threads at once. */
#include <string.h>

#include "clock.h"
#include "../fastconv.h"

enum { FMA_ROUNDS = 20000, BYTES = 128 << 20, STREAM_TASKS = 128 };

typedef struct {
    const fc_kernels *kernels;
    fc_stream stream; /* of all tasks */
} fc_peak_job;

static void fma_task(void *context, int64_t task, int thread)
{
    const fc_peak_job *job = context;
    (void)task;
    (void)thread;
    job->kernels->fma_peak(FMA_ROUNDS);
}

static void stream_task(void *context, int64_t task, int thread)
{
    const fc_peak_job *job = context;
    fc_stream stream = job->stream;
    (void)thread;
    stream.steps /= STREAM_TASKS;
    stream.src = (const char *)stream.src + task * stream.steps * stream.reads * FC_BLOCK_BYTES;
    stream.dst = (char *)stream.dst + task * stream.steps * stream.writes * FC_BLOCK_BYTES;
    job->kernels->stream(&stream);
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

fc_status fc_measure_peak(const fc_run *run, int64_t reads, int64_t writes, double seconds, fc_peak *peak)
{
    fc_block block = fc_block_acquire(BYTES);
    if (!block.data) return FC_NO_MEMORY;
    memset(block.data, 0, BYTES);
    const int64_t step = (reads + writes) * FC_BLOCK_BYTES, at_once = 4 * STREAM_TASKS, steps = BYTES / step / at_once * at_once;
    fc_peak_job job = {
        .kernels = fc_kernels_for(run->isa, 4),
        .stream = {block.data, (char *)block.data + steps * reads * FC_BLOCK_BYTES, steps, reads, writes},
    };
    const fc_team *team = &run->team;
    const int64_t pieces = 8 * team->threads;
    const double flops = (double)pieces * job.kernels->fma_peak(FMA_ROUNDS);
    fc_status status = best_rate(team, fma_task, pieces, &job, flops, seconds / 2, &peak->flops);
    if (status == FC_OK) status = best_rate(team, stream_task, STREAM_TASKS, &job, (double)(steps * step), seconds / 2, &peak->moved);
    fc_block_release(block);
    return status;
}
