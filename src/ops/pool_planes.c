/* Pooling of planes whose rows are long enough for vectors along them, or whose window is the whole plane. */
#include "pool.h"

/* One output a row, and its window is the row. */
static int takes_whole_rows(const fc_window *w)
{
    return w->out[2] == 1 && w->kernel[2] == w->in[2] && w->pad[2] == 0 && w->dilation[2] == 1;
}

int fc_pool_reads_planes(const fc_pool_job *job)
{
    const fc_window *w = &job->pool.window;
    const int item = job->pool.item_bytes;
    return !job->indices.data && (job->input.stride[4] == item || w->in[2] == 1)
        && (job->output.stride[4] == item || w->out[2] == 1)
        && (takes_whole_rows(w) || w->out[2] >= job->kernels->lanes);
}

/* Scratch: pointers to the rows of a window, then the buffer of the kernel. */
static size_t pointer_bytes(const fc_window *w) { return fc_aligned((size_t)(w->kernel[0] * w->kernel[1]) * sizeof(void *)); }

size_t fc_pool_plane_bytes(const fc_pool_job *job)
{
    const fc_window *w = &job->pool.window;
    const int64_t used = (w->out[2] - 1) * w->stride[2] + (w->kernel[2] - 1) * w->dilation[2] + 1;
    return pointer_bytes(w) + fc_aligned((size_t)((used + w->pad[2] + w->in[2]) * job->pool.item_bytes)) + 4 * FC_BLOCK_BYTES;
}

/* The columns' share of the average's divisor; returns the bytes it takes (NULL only asks). */
size_t fc_pool_fill_divisors(const fc_pool_job *job, void *divisors)
{
    const int64_t cols = job->pool.window.out[2];
    if (!job->average) return 0;
    const int64_t override = job->average->divisor_override;
    for (int64_t i = 0; divisors && i < cols; i++) {
        const double size = override ? 1 : (double)job->counted(job, 2, i);
        if (job->pool.item_bytes == 4) ((float *)divisors)[i] = (float)size;
        else ((double *)divisors)[i] = size;
    }
    return fc_aligned((size_t)(cols * job->pool.item_bytes));
}

/* The rows of the window at output (d, h) that exist; joined to one where they follow each other and are read whole. */
static void find_rows(const fc_pool_job *job, const char *plane, int64_t d, int64_t h, fc_pool_plane_row *t, const void **rows)
{
    const fc_window *w = &job->pool.window;
    const ptrdiff_t *stride = job->input.stride;
    const fc_clip slices = fc_clip_window(w, 0, d), lines = fc_clip_window(w, 1, h);
    const int64_t first_d = d * w->stride[0] - w->pad[0], first_h = h * w->stride[1] - w->pad[1];
    const int joined = takes_whole_rows(w) && w->dilation[1] == 1 && stride[3] == w->in[2] * job->pool.item_bytes;
    for (int64_t i = slices.from; i < slices.to; i++)
        for (int64_t j = lines.from; j < lines.to; j += joined ? lines.to - lines.from : 1)
            rows[t->rows++] = plane + (first_d + i * w->dilation[0]) * stride[2] + (first_h + j * w->dilation[1]) * stride[3];
    if (joined) t->width = t->kernel = (lines.to - lines.from) * w->in[2];
}

void fc_pool_plane_task(void *context, int64_t task, int thread)
{
    const fc_pool_job *job = context;
    const fc_window *w = &job->pool.window;
    const int64_t band = task % job->bands, slice = task / job->bands, d = slice % w->out[0];
    const int64_t channel = slice / w->out[0] % job->pool.channels, sample = slice / w->out[0] / job->pool.channels;
    const int64_t end = (band + 1) * job->band_rows < w->out[1] ? (band + 1) * job->band_rows : w->out[1];
    const ptrdiff_t *in = job->input.stride, *out = job->output.stride;
    const char *plane = (const char *)job->input.data + sample * in[0] + channel * in[1];
    char *own = job->threads + (size_t)thread * job->thread_bytes;
    for (int64_t h = band * job->band_rows; h < end; h++) {
        fc_pool_plane_row t = {
            .row = (const void *const *)own, .width = w->in[2], .kernel = w->kernel[2], .stride = w->stride[2],
            .pad = w->pad[2], .dilation = w->dilation[2], .count = w->out[2], .buffer = own + pointer_bytes(w),
            .output = (char *)job->output.data + sample * out[0] + channel * out[1] + d * out[2] + h * out[3],
            .col_divisor = job->col_divisor,
        };
        find_rows(job, plane, d, h, &t, (const void **)own);
        if (job->average)
            t.row_divisor = job->average->divisor_override
                              ? (double)job->average->divisor_override
                              : (double)job->counted(job, 0, d) * (double)job->counted(job, 1, h);
        job->plane_row(&t);
    }
}
