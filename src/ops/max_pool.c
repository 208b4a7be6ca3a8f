/* Max pooling: padding never wins; the first of equal values does, and any NaN. A window wholly in the padding, or between
 * the positions of a dilated one, gives -inf and index 0.
 */
#include "pool.h"

static int64_t winner(const char *winners, int64_t channel, int item_bytes)
{
    return item_bytes == 4 ? ((const int32_t *)winners)[channel] : ((const int64_t *)winners)[channel];
}

static void reduce(const fc_pool_job *job, const fc_pool_line *line, const fc_pool_span *run)
{
    const ptrdiff_t step = job->windows.even.stride[2] * line->px;
    fc_pool_row t = {.input = line->input, .px_stride = step, .offset = run->offset, .steps = run->count, .px = run->px,
                     .channels = line->channels, .output = line->output + run->col * line->out_px, .out_px = line->out_px,
                     .started = run->started};
    if (!job->indices.data) {
        job->kernels->max_pool(&t);
        return;
    }
    const ptrdiff_t *stride = job->indices.stride;
    char *indices = (char *)job->indices.data + line->sample * stride[0] + line->channel * stride[1] + line->d * stride[2]
                  + line->h * stride[3] + run->col * stride[4];
    t.taps = run->winners;
    t.px = 1;
    for (int64_t p = 0; p < run->px; p++) {
        job->kernels->max_pool(&t);
        for (int64_t c = 0; c < line->channels; c++) {
            const int64_t won = winner(run->winners, c, job->pool.item_bytes);
            if (won < 0 && run->started) continue;
            *(int64_t *)(indices + c * stride[1]) =
                run->count ? run->index[won < 0 ? 0 : won] + p * job->windows.even.stride[2] : 0;
        }
        t.input = (const char *)t.input + step;
        t.output = (char *)t.output + line->out_px;
        indices += stride[4];
    }
}

static fc_status pool_windows(const fc_pool *pool, const fc_pool_windows *windows, const fc_view *maps[3], const fc_run *run)
{
    fc_pool_job job = {.pool = *pool, .windows = *windows, .kernels = fc_kernels_for(run->isa, pool->item_bytes),
                       .input = *maps[0], .output = *maps[1], .reduce = reduce};
    job.plane = job.kernels->max_pool_plane;
    job.lanes = job.kernels->max_pool_lanes;
    job.whole = job.kernels->max_pool_whole;
    if (maps[2]) job.indices = *maps[2];
    return fc_pool_call(&job, run);
}

fc_pool_job fc_max_pool_of_rows(const fc_pool *pool, const fc_kernels *kernels)
{
    const int64_t *kernel = pool->window.kernel;
    return (fc_pool_job){.pool = *pool, .windows = fc_even_windows(&pool->window), .kernels = kernels, .reduce = reduce,
                         .part_taps = {kernel[0], kernel[1], kernel[2]}, .piece_cols = pool->window.out[2],
                         .taps_bytes = (size_t)(kernel[0] * kernel[1] * kernel[2]) * sizeof(int64_t)};
}

fc_status fc_max_pool(const fc_pool *pool, const fc_view *input, const fc_view *output, const fc_view *indices,
                      const fc_run *run)
{
    const fc_pool_windows windows = fc_even_windows(&pool->window);
    return pool_windows(pool, &windows, (const fc_view *[]){input, output, indices}, run);
}

fc_status fc_adaptive_max_pool(const fc_pool *pool, const fc_view *input, const fc_view *output, const fc_view *indices,
                               const fc_run *run)
{
    const fc_pool_windows windows = fc_adaptive_windows(&pool->window);
    return pool_windows(pool, &windows, (const fc_view *[]){input, output, indices}, run);
}
