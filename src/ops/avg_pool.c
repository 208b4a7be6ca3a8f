/* Average pooling: the sum over the window divided by what the caller counts as its size. */
#include "pool.h"

/* How much of the window at output o counts along one axis: inside the input, or inside the padded input. */
static int64_t counted(const fc_pool_job *job, int axis, int64_t o)
{
    const fc_window *w = &job->windows.even;
    if (!job->average->count_include_pad) return fc_taps_of(&job->windows, axis, o).count;
    const int64_t start = o * w->stride[axis] - w->pad[axis], padded = w->in[axis] + job->average->pad_after[axis];
    int64_t end = start + w->kernel[axis];
    if (end > padded) end = padded;
    return end - start;
}

static void reduce(const fc_pool_job *job, const fc_pool_line *line, const fc_pool_span *run)
{
    const double size = (double)counted(job, 0, line->d) * (double)counted(job, 1, line->h) * (double)counted(job, 2, run->col);
    const fc_pool_row t = {
        .input = line->input, .px_stride = job->windows.even.stride[2] * line->px, .offset = run->offset,
        .steps = run->count, .px = run->px, .channels = line->channels,
        .output = line->output + run->col * line->out_px, .out_px = line->out_px,
        .divisor = job->average->divisor_override ? (double)job->average->divisor_override : size,
        .started = run->started, .unfinished = run->unfinished,
    };
    job->kernels->avg_pool(&t);
}

static fc_status pool_windows(const fc_pool *pool, const fc_average *average, const fc_pool_windows *windows,
                              const fc_view *input, const fc_view *output, const fc_run *run)
{
    fc_pool_job job = {.pool = *pool, .windows = *windows, .kernels = fc_kernels_for(run->isa, pool->item_bytes),
                       .input = *input, .output = *output, .average = average, .reduce = reduce, .counted = counted};
    job.plane = job.kernels->avg_pool_plane;
    job.lanes = job.kernels->avg_pool_lanes;
    job.whole = job.kernels->avg_pool_whole;
    return fc_pool_call(&job, run);
}

fc_status fc_avg_pool(const fc_pool *pool, const fc_average *average, const fc_view *input, const fc_view *output,
                      const fc_run *run)
{
    const fc_pool_windows windows = fc_even_windows(&pool->window);
    return pool_windows(pool, average, &windows, input, output, run);
}

fc_status fc_adaptive_avg_pool(const fc_pool *pool, const fc_view *input, const fc_view *output, const fc_run *run)
{
    const fc_pool_windows windows = fc_adaptive_windows(&pool->window);
    const fc_average average = {{0}, 0, 0};
    return pool_windows(pool, &average, &windows, input, output, run);
}
