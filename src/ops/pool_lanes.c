/* Pooling of small planes, a vector of them at a time. */
#include "pool.h"

#include "../sizes.h"

enum { SCRATCH_BYTES = 64 * 1024 }; /* of the items and outputs of a vector of planes */

int fc_pool_takes_small_planes(const fc_pool_job *job)
{
    const fc_window *w = &job->windows.even;
    const int64_t items = w->in[0] * w->in[1] * w->in[2], outputs = w->out[0] * w->out[1] * w->out[2];
    const int64_t lanes = job->kernels->lanes, most = SCRATCH_BYTES / (lanes * job->pool.item_bytes);
    if (job->indices.data || items > most || outputs > most - items) return 0;
    if (job->pool.batch * job->pool.channels < lanes) return 0;
    if (fc_pool_lists_windows(job) && w->kernel[2] > lanes) return 0; /* whose sums have another order */
    return fc_pool_packed_from(job, &job->input, w->in) <= 2 && fc_pool_packed_from(job, &job->output, w->out) == 0;
}

/* Scratch of a thread: whether it is prepared, the reach of each row, the list of windows, the kernel's buffer. Returns the bytes of the divisors. */
size_t fc_pool_plan_lanes(fc_pool_job *job, int threads)
{
    const fc_window *w = &job->windows.even;
    const int64_t lanes = job->kernels->lanes, rows = w->out[0] * w->out[1], item = job->pool.item_bytes;
    fc_pool_plan_whole(job, threads);
    job->reach_bytes = FC_ALIGNMENT + fc_aligned((size_t)rows * sizeof(fc_pool_reach));
    job->head_bytes = job->reach_bytes + fc_aligned((size_t)w->out[2] * sizeof(fc_pool_taps));
    job->thread_bytes = job->head_bytes
                      + fc_aligned((size_t)((w->in[0] * w->in[1] * w->in[2] + w->in[2] + rows * w->out[2] + 2 * lanes) * lanes * item));
    return job->average ? fc_aligned((size_t)(w->out[2] * item)) + FC_BLOCK_BYTES : 0;
}

void fc_pool_lanes_task(void *context, int64_t task, int thread)
{
    const fc_pool_job *job = context;
    const fc_window *w = &job->windows.even;
    const ptrdiff_t item = job->pool.item_bytes, in_row = w->in[2] * item;
    const int64_t sample = task / job->bands, first = task % job->bands * job->planes;
    const int64_t rows = w->out[0] * w->out[1], outputs = rows * w->out[2];
    char *own = job->threads + (size_t)thread * job->thread_bytes;
    int64_t *prepared = (int64_t *)own;
    fc_pool_reach *reach = (fc_pool_reach *)(own + FC_ALIGNMENT);
    fc_pool_taps *windows = (fc_pool_taps *)(own + job->reach_bytes);
    if (!*prepared) {
        *prepared = 1;
        for (int64_t r = 0; r < rows; r++) reach[r] = fc_pool_reach_of(job, r / w->out[1], r % w->out[1]);
        for (int64_t i = 0; i < w->out[2]; i++) windows[i] = fc_taps_of(&job->windows, 2, i);
    }
    const fc_pool_lanes t = {
        .each = {.plane = (const char *)job->input.data + sample * job->input.stride[0] + first * job->input.stride[1],
                 .reach = reach, .windows = windows, .slice_step = w->dilation[0] * w->in[1] * in_row,
                 .line_step = w->dilation[1] * in_row, .rows = rows, .width = w->in[2], .dilation = w->dilation[2],
                 .count = w->out[2], .buffer = own + job->head_bytes, .col_divisor = job->col_divisor,
                 .output = (char *)job->output.data + (sample * job->pool.channels + first) * outputs * item},
        .plane = job->input.stride[1], .planes = fc_min(job->planes, job->pool.channels - first),
        .items = w->in[0] * w->in[1] * w->in[2],
    };
    job->lanes(&t);
}
