/* Elementwise activations of contiguous arrays. */
#include "../fastconv.h"
#include "../sizes.h"

enum { PIECE_ITEMS = 16 * 1024 };

typedef struct {
    int64_t count;
    const char *x;
    char *y;
    const fc_epilogue *epilogue;
    const fc_kernels *kernels;
} fc_activate_job;

static void piece_task(void *context, int64_t task, int thread)
{
    const fc_activate_job *job = context;
    const int item = job->kernels->item_bytes;
    const int64_t first = task * PIECE_ITEMS, left = job->count - first;
    const char *residual = job->epilogue->residual;
    (void)thread;
    job->kernels->activate(job->y + first * item, job->x + first * item, residual ? residual + first * item : NULL,
                           left < PIECE_ITEMS ? left : PIECE_ITEMS, &job->epilogue->activation,
                           job->count * item >= FC_PAST_CACHE_BYTES);
}

fc_status fc_activate(int64_t count, int item_bytes, const void *x, void *y, const fc_epilogue *epilogue,
                      const fc_run *run)
{
    fc_activate_job job = {count, x, y, epilogue, fc_kernels_for(run->isa, item_bytes)};
    fc_team team = run->team;
    if ((double)count < FC_SERIAL_WORK / 4) team.threads = 1;
    return fc_parallel(&team, (count + PIECE_ITEMS - 1) / PIECE_ITEMS, piece_task, &job);
}
