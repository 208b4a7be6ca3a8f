/* Channels-last arrays are pooled in place, vectors along the channels; planes too, vectors along the rows (pool_planes.c) or
 * across planes (pool_lanes.c). Those whose winners are wanted, or whose pixels are not side by side, go through scratch a
 * channel block at a time:
 *
 *   16 planes, rows of a band  ->  transposed: pixels of 16 channels  ->  pooled  ->  transposed back into the output
 *
 * Of large windows a part at a time is listed; of those larger than WINDOW_BYTES in scratch, a part at a time is transposed too.
 * Where windows lie is asked of pool_window.c, clipped at the edges, so there is no padding to write.
 */
#include "pool.h"

#include "store.h"
#include "../sizes.h"

enum {
    BAND_BYTES = 96 * 1024,
    WINDOW_BYTES = 1 << 20,
    MOST_TAPS = 4096,
    LONG_ROW = 2048,
    TASKS_A_THREAD = 4,
    LEAST_PART_BYTES = 512,
};

int fc_channels_last(const fc_view *input, const fc_view *output, int64_t channels, int item_bytes)
{
    return channels > 1 && input->stride[1] == item_bytes && output->stride[1] == item_bytes;
}

/* List the kernel positions of a part of the windows. */
static void list_part(const fc_pool_job *job, const fc_pool_line *line, const fc_pool_taps part[FC_SPATIAL], fc_pool_span *run)
{
    const fc_window *w = &job->windows.even;
    ptrdiff_t *offset = (ptrdiff_t *)line->scratch;
    int64_t *index = (int64_t *)(line->scratch + job->taps_bytes);
    run->count = 0;
    for (int64_t i = 0; i < part[0].count; i++)
        for (int64_t j = 0; j < part[1].count; j++)
            for (int64_t k = 0; k < part[2].count; k++) {
                const int64_t d = part[0].first + i * w->dilation[0], h = part[1].first + j * w->dilation[1];
                const int64_t v = part[2].first + k * w->dilation[2], at = run->count++;
                offset[at] = (d - line->d_first) * line->slice + (h - line->h_first) * line->row + (v - line->v_first) * line->px;
                index[at] = (d * w->in[1] + h) * w->in[2] + v;
            }
    run->offset = offset;
    run->index = index;
    run->winners = line->scratch + 2 * job->taps_bytes;
}

/* Transpose a box of one channel block into scratch: [slice][row][col][lane]. */
static void lay_out(const fc_pool_job *job, fc_pool_line *line, fc_clip slices, fc_clip rows, fc_clip cols)
{
    const fc_window *w = &job->windows.even;
    const int item = job->pool.item_bytes;
    const ptrdiff_t *in = job->input.stride;
    const char *block = (const char *)job->input.data + line->sample * in[0] + line->channel * in[1];
    const int64_t width = cols.to - cols.from;
    line->row = width * FC_BLOCK_BYTES;
    line->slice = (rows.to - rows.from) * line->row;
    line->d_first = slices.from;
    line->h_first = rows.from;
    line->v_first = cols.from;
    const int joined = width == w->in[2] && in[3] == width * item && in[4] == item;
    const int64_t step = joined ? fc_max(1, rows.to - rows.from) : 1;
    for (int64_t d = slices.from; d < slices.to; d++)
        for (int64_t h = rows.from; h < rows.to; h += step) {
            const char *row = block + d * in[2] + h * in[3] + cols.from * in[4];
            fc_transpose t = {
                .blocked = (char *)line->input + (d - slices.from) * line->slice + (h - rows.from) * line->row,
                .block_stride = FC_BLOCK_BYTES, .planar = (void *)row, .plane_stride = in[1],
                .pixels = step * width, .channels = line->channels,
            };
            job->kernels->to_blocked(&t);
        }
}

/* What positions span. */
static fc_clip span_of(const fc_pool_job *job, int axis, fc_pool_taps taps)
{
    return (fc_clip){taps.first, taps.first + (taps.count - 1) * job->windows.even.dilation[axis] + 1};
}

/* Part i of a window along an axis. */
static fc_pool_taps part_of(const fc_pool_job *job, int axis, fc_pool_taps window, int64_t i)
{
    const int64_t skipped = i * job->part_taps[axis];
    return (fc_pool_taps){window.first + skipped * job->windows.even.dilation[axis],
                          fc_min(job->part_taps[axis], window.count - skipped)};
}

static void reduce_part(const fc_pool_job *job, fc_pool_line *line, const fc_pool_taps part[FC_SPATIAL], fc_pool_span *run)
{
    if (job->by_parts && part[0].count && part[1].count && part[2].count)
        lay_out(job, line, span_of(job, 0, part[0]), span_of(job, 1, part[1]), span_of(job, 2, part[2]));
    list_part(job, line, part, run);
    job->reduce(job, line, run);
}

/* A run of pixels, their windows whole or part by part, in the order of the positions. */
static void reduce_run(const fc_pool_job *job, fc_pool_line *line, int64_t col, int64_t px)
{
    const fc_pool_taps window[FC_SPATIAL] = {line->slices, line->rows, fc_taps_of(&job->windows, 2, col)};
    const int64_t *most = job->part_taps;
    fc_pool_span run = {.col = col, .px = px};
    if (window[0].count <= most[0] && window[1].count <= most[1] && window[2].count <= most[2]) {
        reduce_part(job, line, window, &run);
        return;
    }
    int64_t parts[FC_SPATIAL];
    for (int i = 0; i < FC_SPATIAL; i++) parts[i] = fc_max(1, fc_ceil_div(window[i].count, most[i]));
    const int64_t count = parts[0] * parts[1] * parts[2];
    for (int64_t i = 0; i < count; i++) {
        const fc_pool_taps part[FC_SPATIAL] = {part_of(job, 0, window[0], i / parts[2] / parts[1]),
                                               part_of(job, 1, window[1], i / parts[2] % parts[1]),
                                               part_of(job, 2, window[2], i % parts[2])};
        run.unfinished = i + 1 < count;
        reduce_part(job, line, part, &run);
        run.started = 1;
    }
}

/* One of the pieces that the row is cut into. */
static void reduce_line(const fc_pool_job *job, fc_pool_line *line, int64_t piece)
{
    const int64_t end = fc_min((piece + 1) * job->piece_cols, job->windows.even.out[2]);
    line->slices = fc_taps_of(&job->windows, 0, line->d);
    line->rows = fc_taps_of(&job->windows, 1, line->h);
    for (int64_t col = piece * job->piece_cols; col < end;) {
        const int64_t px = fc_min(fc_run_length(&job->windows, col), end - col);
        reduce_run(job, line, col, px);
        col += px;
    }
}

void fc_pool_one_line(const fc_pool_job *job, fc_pool_line *line) { reduce_line(job, line, 0); }

static void channels_last_task(void *context, int64_t task, int thread)
{
    const fc_pool_job *job = context;
    const fc_window *w = &job->windows.even;
    const ptrdiff_t *in = job->input.stride, *out = job->output.stride;
    const int64_t part = task % job->parts, piece = task / job->parts % job->pieces;
    const int64_t row = task / job->parts / job->pieces, plane = row / w->out[1];
    fc_pool_line line = {.sample = plane / w->out[0], .channel = part * job->part_channels, .d = plane % w->out[0],
                         .h = row % w->out[1], .px = in[4], .row = in[3], .slice = in[2], .out_px = out[4],
                         .scratch = job->threads + (size_t)thread * job->thread_bytes};
    line.channels = fc_min(job->part_channels, job->pool.channels - line.channel);
    const int64_t run = line.sample / job->pool.run, within = line.sample % job->pool.run;
    line.input = (const char *)job->input.data + run * job->pool.input_run + within * in[0] + line.channel * in[1];
    line.output = (char *)job->output.data + run * job->pool.output_run + within * out[0] + line.channel * out[1] + line.d * out[2]
                + line.h * out[3];
    reduce_line(job, &line, piece);
}

/* A band of output rows of one channel block. */
static void block_task(void *context, int64_t task, int thread)
{
    const fc_pool_job *job = context;
    const fc_window *w = &job->windows.even;
    const int block = job->kernels->block;
    const int64_t blocks = (job->pool.channels + block - 1) / block, piece = task % job->pieces;
    const int64_t first = task / job->pieces % job->bands * job->band_rows, plane = task / job->pieces / job->bands;
    const int64_t volume = plane / w->out[0];
    const int64_t rows = fc_min(job->band_rows, w->out[1] - first);
    char *own = job->threads + (size_t)thread * job->thread_bytes, *input = own + job->head_bytes;
    char *output = input + job->input_bytes;

    fc_pool_line line = {.sample = volume / blocks, .channel = volume % blocks * block, .d = plane % w->out[0],
                         .input = input, .px = FC_BLOCK_BYTES, .out_px = FC_BLOCK_BYTES, .scratch = own};
    line.channels = fc_min(block, job->pool.channels - line.channel);
    const int64_t col = piece * job->piece_cols, cols = fc_min(job->piece_cols, w->out[2] - col);
    if (!job->by_parts)
        lay_out(job, &line, fc_extent_of(&job->windows, 0, line.d, 1), fc_extent_of(&job->windows, 1, first, rows),
                fc_extent_of(&job->windows, 2, col, cols));
    const ptrdiff_t out_row = job->piece_cols * FC_BLOCK_BYTES;
    for (int64_t r = 0; r < rows; r++) {
        line.h = first + r;
        line.output = output + r * out_row - col * FC_BLOCK_BYTES; /* reduce() adds the column */
        reduce_line(job, &line, piece);
    }
    fc_store store = {.kernels = job->kernels, .scratch = output, .px = FC_BLOCK_BYTES, .row = out_row,
                      .output = job->output, .rows = rows, .cols = cols, .channels = line.channels};
    store.output.data = (char *)job->output.data + line.sample * job->output.stride[0]
                      + line.channel * job->output.stride[1] + line.d * job->output.stride[2]
                      + first * job->output.stride[3] + col * job->output.stride[4];
    fc_store_block(&store);
}

/* Whether 64 bits hold the bytes of a plane's channel block; in doubles, which do not wrap. */
static int sizes_fit(const fc_window *w)
{
    const double pixels = (double)w->in[0] * (double)w->in[1] * (double)w->in[2];
    const double taps = (double)w->kernel[0] * (double)w->kernel[1] * (double)w->kernel[2];
    const double outputs = (double)w->out[0] * (double)w->out[1] * (double)w->out[2];
    return FC_BLOCK_BYTES * (pixels + taps + outputs) < 0x1p60;
}

static size_t band_bytes(const fc_pool_windows *w, int64_t rows, int64_t cols)
{
    return (size_t)(fc_most_seen(w, 0, 1) * fc_most_seen(w, 1, rows) * fc_most_seen(w, 2, cols)) * FC_BLOCK_BYTES;
}

int64_t fc_pool_band_rows(const fc_window *w, int64_t planes, int threads)
{
    const int64_t most = FC_POOL_TASK_WORK / (w->kernel[0] * w->kernel[1] * w->kernel[2]) / w->out[2];
    return fc_max(1, fc_min(most, planes >= 4 * threads ? w->out[1] : w->out[1] * planes / (4 * threads)));
}

/* Where there are few rows of outputs, their channels are shared out: a part is whole blocks, and not too short a run. */
static void plan_parts(fc_pool_job *job, int threads)
{
    const int64_t *out = job->windows.even.out, channels = job->pool.channels, block = job->kernels->block;
    const int64_t rows = job->pool.batch * out[0] * out[1] * job->pieces;
    const int64_t most = fc_max(1, channels * job->pool.item_bytes / LEAST_PART_BYTES);
    const int64_t parts = threads == 1 ? 1 : fc_min(most, fc_ceil_div(TASKS_A_THREAD * threads, rows));
    job->part_channels = fc_ceil_div(fc_ceil_div(channels, parts), block) * block;
    job->parts = fc_ceil_div(channels, job->part_channels);
}

/* Pixels that a part of a window spans in scratch. */
static int64_t part_span(const fc_pool_job *job, int axis)
{
    return (job->part_taps[axis] - 1) * (job->by_parts ? job->windows.even.dilation[axis] : 1) + 1;
}

/* Parts of at most MOST_TAPS positions; if they are laid out by themselves, of so many pixels with what lies between them. */
static void plan_window_parts(fc_pool_job *job)
{
    int64_t room = MOST_TAPS;
    for (int i = FC_SPATIAL - 1; i >= 0; i--) {
        const int64_t step = job->by_parts ? job->windows.even.dilation[i] : 1;
        job->part_taps[i] = fc_min(job->windows.even.kernel[i], (room - 1) / step + 1);
        room = fc_max(1, room / part_span(job, i));
    }
}

/* Sizes of a thread's scratch: | offsets | indices | winners || band or part in | band out |. */
static void plan_scratch(fc_pool_job *job, int last, int threads)
{
    const fc_window *w = &job->windows.even;
    const int64_t taps = w->kernel[0] * w->kernel[1] * w->kernel[2];
    const int64_t channels = last ? job->pool.channels : job->kernels->block;
    job->by_parts = !last && band_bytes(&job->windows, 1, 1) > WINDOW_BYTES;
    plan_window_parts(job);
    job->taps_bytes = fc_aligned((size_t)(job->part_taps[0] * job->part_taps[1] * job->part_taps[2]) * sizeof(int64_t));
    job->piece_cols = fc_max(1, fc_min(w->out[2], FC_POOL_TASK_WORK / taps / channels));
    if (!last) job->piece_cols = fc_min(job->piece_cols, fc_max(LONG_ROW, 4 * (w->kernel[2] - 1) * w->dilation[2]));
    if (job->by_parts) job->piece_cols = 1;
    else while (!last && job->piece_cols > 1 && band_bytes(&job->windows, 1, job->piece_cols) > 2 * WINDOW_BYTES)
        job->piece_cols = (job->piece_cols + 1) / 2;
    job->pieces = fc_ceil_div(w->out[2], job->piece_cols);
    job->thread_bytes = job->head_bytes = 2 * job->taps_bytes + fc_aligned((size_t)(channels * job->pool.item_bytes));
    if (last) {
        plan_parts(job, threads);
        return;
    }
    const int64_t planes = job->pool.batch * w->out[0] * ((job->pool.channels + channels - 1) / channels);
    job->band_rows = job->by_parts ? 1 : fc_pool_band_rows(w, planes, threads);
    while (job->band_rows > 1 && band_bytes(&job->windows, job->band_rows, job->piece_cols) > BAND_BYTES)
        job->band_rows = (job->band_rows + 1) / 2;
    job->bands = fc_ceil_div(w->out[1], job->band_rows);
    const int64_t row = job->by_parts ? part_span(job, 2) : fc_most_seen(&job->windows, 2, job->piece_cols);
    job->input_bytes = job->by_parts ? (size_t)(part_span(job, 0) * part_span(job, 1) * row) * FC_BLOCK_BYTES
                                     : band_bytes(&job->windows, job->band_rows, job->piece_cols);
    job->output_bytes = (size_t)(job->band_rows * job->piece_cols) * FC_BLOCK_BYTES;
    job->thread_bytes += job->input_bytes + job->output_bytes;
}

/* The ways to walk: how many tasks, and what one is. */
static fc_status run_tasks(fc_pool_job *job, const fc_team *team)
{
    const fc_pool *pool = &job->pool;
    const int64_t *out = job->windows.even.out, slices = pool->batch * out[0], planes = pool->batch * pool->channels;
    const int64_t blocks = fc_ceil_div(pool->channels, job->kernels->block);
    switch (job->walk) {
    case FC_POOL_PIXELS: return fc_parallel(team, slices * out[1] * job->pieces * job->parts, channels_last_task, job);
    case FC_POOL_LANES: return fc_parallel(team, pool->batch * job->bands, fc_pool_lanes_task, job);
    case FC_POOL_WHOLE: return fc_parallel(team, pool->batch * job->bands, fc_pool_whole_task, job);
    case FC_POOL_ROWS:
        return fc_parallel(team, fc_ceil_div(planes, job->planes) * out[0] * job->bands * job->pieces, fc_pool_plane_task, job);
    default: return fc_parallel(team, slices * blocks * job->bands * job->pieces, block_task, job);
    }
}

fc_status fc_pool_call(fc_pool_job *job, const fc_run *run)
{
    fc_pool *pool = &job->pool;
    const fc_window *w = &job->windows.even;
    if (!sizes_fit(w)) return FC_NO_MEMORY;
    job->windows.even = fc_simplified(w);
    const double work = (double)pool->batch * (double)pool->channels * (double)w->out[0] * (double)w->out[1]
                      * (double)w->out[2] * (double)w->kernel[0] * (double)w->kernel[1] * (double)w->kernel[2];
    fc_team team = run->team;
    if (work < FC_SERIAL_WORK / 4) team.threads = 1;
    job->walk = fc_channels_last(&job->input, &job->output, pool->channels, pool->item_bytes) ? FC_POOL_PIXELS
              : fc_pool_takes_whole_planes(job)                                              ? FC_POOL_WHOLE
              : fc_pool_takes_small_planes(job)                                              ? FC_POOL_LANES
              : fc_pool_reads_planes(job)                                                    ? FC_POOL_ROWS
                                                                                             : FC_POOL_BLOCKS;
    size_t divisors = 0;
    if (job->walk == FC_POOL_WHOLE) fc_pool_plan_whole(job, team.threads);
    else if (job->walk == FC_POOL_LANES) divisors = fc_pool_plan_lanes(job, team.threads);
    else if (job->walk == FC_POOL_ROWS) divisors = fc_pool_plan_planes(job, team.threads);
    else plan_scratch(job, job->walk == FC_POOL_PIXELS, team.threads);
    fc_block block = {NULL, 0};
    if (job->thread_bytes) {
        job->thread_bytes = fc_apart(job->thread_bytes);
        block = fc_block_acquire(divisors + (size_t)team.threads * job->thread_bytes);
        if (!block.data) return FC_NO_MEMORY;
    }
    if (divisors) fc_pool_fill_divisors(job, block.data);
    job->col_divisor = block.data;
    job->threads = (char *)block.data + divisors;
    for (int i = 0; job->thread_bytes && i < team.threads; i++) *(int64_t *)(job->threads + (size_t)i * job->thread_bytes) = 0;
    const fc_status status = run_tasks(job, &team);
    fc_block_release(block);
    return status;
}
