/* Pooling of planes in place: vectors along their rows, or, where the window is the plane, a vector of planes. */
#include "pool.h"
#include "store.h"
#include "../sizes.h"

enum {
    TASK_ITEMS = 16 * 1024,
    BUFFER_ITEMS = 2048,
    LONG_ROW = 16 * 1024,
    LISTED_ITEMS = 8 * 1024, /* of as many rows of listed windows as are reduced together */
    STREAMED_BYTES = 16 << 20,
    FETCHED_BYTES = 64 << 20, /* from here on planes side by side are fetched ahead; where they are cached that takes longer */
    STAGE_BYTES = 8 * 1024, MOST_STAGE_BYTES = 16 * 1024,
};

int fc_pool_packed_from(const fc_pool_job *job, const fc_view *view, const int64_t *plane)
{
    const int64_t size[FC_RANK] = {job->pool.batch, job->pool.channels, plane[0], plane[1], plane[2]};
    ptrdiff_t expected = job->pool.item_bytes;
    int axis = FC_RANK;
    for (; axis > 0 && (size[axis - 1] == 1 || view->stride[axis - 1] == expected); axis--) expected *= size[axis - 1];
    return axis;
}

int fc_pool_takes_whole_planes(const fc_pool_job *job)
{
    const fc_window *w = &job->windows.even;
    for (int i = 0; i < FC_SPATIAL; i++)
        if (w->out[i] != 1 || w->kernel[i] != w->in[i] || w->pad[i] || (w->dilation[i] != 1 && w->in[i] > 1)) return 0;
    return !job->indices.data && fc_pool_packed_from(job, &job->input, w->in) <= 2 && fc_pool_packed_from(job, &job->output, w->out) == 0;
}

int fc_pool_reads_planes(const fc_pool_job *job)
{
    const fc_window *w = &job->windows.even;
    const int item = job->pool.item_bytes;
    return !job->indices.data && (job->input.stride[4] == item || w->in[2] == 1)
        && (job->output.stride[4] == item || w->out[2] == 1);
}

static double row_divisor(const fc_pool_job *job, int64_t d, int64_t h)
{
    if (job->average->divisor_override) return (double)job->average->divisor_override;
    return (double)job->counted(job, 0, d) * (double)job->counted(job, 1, h);
}

static double col_divisor(const fc_pool_job *job, int64_t col)
{
    return job->average->divisor_override ? 1 : (double)job->counted(job, 2, col);
}

/* How many planes a task takes, so that there are several tasks for each thread, none of them tiny. */
static int64_t planes_together(int64_t planes, int64_t items, int threads)
{
    return fc_max(1, fc_min(TASK_ITEMS / items, planes / (4 * threads)));
}

/* Whether the kernel gets a list of the windows along a row; windows without gaps, closer than three, are vectors of outputs. */
int fc_pool_lists_windows(const fc_pool_job *job)
{
    const fc_window *w = &job->windows.even;
    return w->dilation[2] == 1 && (job->windows.varying[2] || w->stride[2] > 2 || (w->out[2] == 1 && w->kernel[2] > job->kernels->lanes));
}

/* Output columns of a task: long rows are cut, though not so short that windows of neighbours read most of it twice. */
static int64_t piece_cols_of(const fc_pool_job *job)
{
    const fc_window *w = &job->windows.even;
    const int64_t taps = w->kernel[0] * w->kernel[1] * w->kernel[2], reach = (w->kernel[2] - 1) * w->dilation[2];
    const int64_t listed = LISTED_ITEMS / fc_min(w->out[1], job->kernels->lanes);
    const int64_t wanted = fc_max(fc_pool_lists_windows(job) ? listed : LONG_ROW, 4 * reach) / w->stride[2] + 1;
    return fc_min(w->out[2], fc_max(1, fc_min(wanted, FC_POOL_TASK_WORK / taps)));
}

/* Items that the windows of a piece span, those of its last vector included, and two vectors more: the rows' own ends. */
static int64_t pitch_of(const fc_pool_job *job, int64_t cols)
{
    const fc_window *w = &job->windows.even;
    const int lanes = job->kernels->lanes;
    if (fc_pool_lists_windows(job)) return fc_most_seen(&job->windows, 2, cols) + 2 * lanes;
    const int64_t windows = w->stride[2] <= 2 ? fc_ceil_div(cols, lanes) * lanes : cols;
    return (windows - 1) * w->stride[2] + (w->kernel[2] - 1) * w->dilation[2] + 1 + 2 * lanes;
}

/* Rows whose windows end where the next row's begin are one long row. */
static int rows_join(const fc_pool_job *job)
{
    const fc_window *w = &job->windows.even;
    return !fc_pool_lists_windows(job) && fc_windows_tile(&job->windows, 1) && fc_windows_tile(&job->windows, 2) && w->stride[2] <= 2
        && w->in[2] == w->out[2] * w->stride[2] && piece_cols_of(job) == w->out[2]
        && job->output.stride[3] == w->out[2] * job->pool.item_bytes;
}

/* Whether the rows of neighbouring planes follow each other in the output like those of one plane. */
static int planes_merge(const fc_pool_job *job)
{
    const fc_window *w = &job->windows.even;
    return w->out[0] == 1 && job->bands == 1 && job->pieces == 1 && fc_pool_packed_from(job, &job->output, w->out) == 0;
}

/* Rows that go through the buffer together; those of listed windows a whole number of vectors, but for the longest. What comes from
 * memory and goes there does so in small portions, if the second pass reads aligned vectors: others wait for what was stored last. */
static int64_t rows_together(const fc_pool_job *job, int64_t rows)
{
    if (job->streamed && job->joined) return 1;
    const int64_t fit = fc_max(1, BUFFER_ITEMS / job->pitch), lanes = job->kernels->lanes;
    const int vectors = fc_pool_lists_windows(job) && lanes * job->pitch <= 2 * LISTED_ITEMS;
    return fc_min(rows, vectors ? fc_max(1, fit / lanes) * lanes : fit);
}

/* How a large output goes past the cache: by itself, if its rows are aligned vectors, or else from a stage. */
static void plan_stores(fc_pool_job *job)
{
    const fc_window *w = &job->windows.even;
    const int64_t row_bytes = w->out[2] * job->pool.item_bytes;
    const int past = job->pieces == 1 && fc_pool_packed_from(job, &job->output, w->out) == 0
                  && job->pool.batch * job->pool.channels * w->out[0] * w->out[1] * row_bytes >= FC_PAST_CACHE_BYTES;
    job->past_cache = past && w->out[2] % job->kernels->lanes == 0 && (uintptr_t)job->output.data % FC_ALIGNMENT == 0;
    const int64_t together = job->rows_together, staged = fc_max(STAGE_BYTES / row_bytes / together, 1) * together;
    job->stage_rows = past && !job->past_cache && staged * row_bytes <= MOST_STAGE_BYTES ? staged : 0;
    job->stage_bytes = job->stage_rows ? (size_t)(job->stage_rows * row_bytes) + 2 * FC_ALIGNMENT : 0;
}

/* Scratch of a thread: the task it was prepared for, the reach of each row, the list of windows, the kernel's picks, the stage,
 * the kernel's buffer. Returns the bytes of the divisors. */
size_t fc_pool_plan_planes(fc_pool_job *job, int threads)
{
    const fc_window *w = &job->windows.even;
    const int lanes = job->kernels->lanes, item = job->pool.item_bytes;
    const int64_t planes = job->pool.batch * job->pool.channels;
    job->band_rows = fc_pool_band_rows(w, planes * w->out[0], threads);
    job->bands = fc_ceil_div(w->out[1], job->band_rows);
    job->planes = planes_together(planes, w->in[0] * w->in[1] * w->in[2], threads);
    job->joined = rows_join(job);
    job->piece_cols = piece_cols_of(job);
    job->pieces = fc_ceil_div(w->out[2], job->piece_cols);
    job->pitch = job->joined ? w->in[2] : pitch_of(job, job->piece_cols);
    job->merged = planes_merge(job);
    const int64_t rows = job->band_rows * (job->merged ? job->planes : 1);
    job->streamed = planes * w->in[0] * w->in[1] * w->in[2] * item >= STREAMED_BYTES;
    job->rows_together = rows_together(job, rows);
    plan_stores(job);
    job->reach_bytes = FC_ALIGNMENT + fc_aligned((size_t)rows * sizeof(fc_pool_reach));
    job->head_bytes = job->reach_bytes;
    if (fc_pool_lists_windows(job))
        job->head_bytes += fc_aligned((size_t)job->piece_cols * sizeof(fc_pool_taps))
                         + (size_t)fc_ceil_div(job->piece_cols, lanes) * FC_PICK_BYTES;
    job->thread_bytes = job->head_bytes + fc_aligned(job->stage_bytes)
                      + fc_aligned((size_t)(job->rows_together * job->pitch * item)) + 4 * FC_BLOCK_BYTES;
    job->packed = fc_pool_packed_from(job, &job->input, w->in) == 0;
    return job->average ? fc_aligned((size_t)(w->out[2] * item)) + FC_BLOCK_BYTES : 0;
}

/* The columns' share of the average's divisor, and a vector more for lanes nobody looks at. Windows of [whole, end) are all like
 * the first of them. */
void fc_pool_fill_divisors(const fc_pool_job *job, void *divisors)
{
    const fc_window *w = &job->windows.even;
    const int64_t count = w->out[2], whole = fc_ceil_div(w->pad[2], w->stride[2]);
    const int64_t end = job->windows.varying[2] ? 0 : fc_min(count, (w->in[2] + w->pad[2] - w->kernel[2]) / w->stride[2] + 1);
    double size = 0;
    for (int64_t i = 0; i < count + FC_BLOCK_BYTES / job->pool.item_bytes; i++) {
        if (i <= whole || i >= end) size = col_divisor(job, fc_min(i, count - 1));
        if (job->pool.item_bytes == 4) ((float *)divisors)[i] = (float)size;
        else ((double *)divisors)[i] = size;
    }
}

fc_pool_reach fc_pool_reach_of(const fc_pool_job *job, int64_t d, int64_t h)
{
    const fc_pool_taps slices = fc_taps_of(&job->windows, 0, d), lines = fc_taps_of(&job->windows, 1, h);
    return (fc_pool_reach){.first = slices.first * job->input.stride[2] + lines.first * job->input.stride[3],
                           .slices = slices.count, .lines = lines.count,
                           .divisor = job->average ? row_divisor(job, d, h) : 1};
}

/* The output columns [first, first + count) and the input they look at: where it starts in a row, and what comes before. */
static int64_t cut_row(const fc_pool_job *job, int64_t first, int64_t count, fc_pool_plane *t)
{
    const fc_window *w = &job->windows.even;
    const fc_clip inside = fc_extent_of(&job->windows, 2, first, count);
    t->width = inside.to - inside.from;
    t->count = count;
    t->pad = fc_pool_lists_windows(job) ? 0 : inside.from - (first * w->stride[2] - w->pad[2]);
    return inside.from;
}

/* What all tasks on the same rows and columns of other planes share; a thread that has just had one of them keeps it. */
static void list_windows(const fc_pool_job *job, int64_t task, int64_t first_col, int64_t start, fc_pool_plane *t, char *own)
{
    const fc_window *w = &job->windows.even;
    const int64_t place = task % (w->out[0] * job->bands * job->pieces), band = place / job->pieces;
    const int64_t d = band / job->bands, first_row = band % job->bands * job->band_rows;
    int64_t *prepared = (int64_t *)own, *picked = prepared + 1;
    fc_pool_reach *reach = (fc_pool_reach *)(own + FC_ALIGNMENT);
    fc_pool_taps *listed = (fc_pool_taps *)(own + job->reach_bytes);
    t->reach = reach;
    if (fc_pool_lists_windows(job)) {
        t->windows = listed;
        t->picks = (char *)listed + fc_aligned((size_t)job->piece_cols * sizeof(fc_pool_taps));
        t->picked = picked;
    }
    if (*prepared == place + 1) return;
    *prepared = place + 1;
    *picked = FC_NOT_PICKED;
    for (int64_t r = 0; r < t->rows; r++) reach[r] = fc_pool_reach_of(job, d, first_row + r);
    for (int64_t i = 0; t->windows && i < t->count; i++) {
        listed[i] = fc_taps_of(&job->windows, 2, first_col + i);
        listed[i].first -= start;
    }
}

static ptrdiff_t plane_at(const fc_pool_job *job, const fc_view *view, int64_t plane)
{
    return plane / job->pool.channels * view->stride[0] + plane % job->pool.channels * view->stride[1];
}

/* Whether whole vectors at the end of the plane's rows would leave the array. */
static int is_guarded(const fc_pool_job *job, int64_t plane)
{
    const int64_t *in = job->windows.even.in, after = job->pool.batch * job->pool.channels - 1 - plane;
    return !job->packed || after * in[0] * in[1] * in[2] < job->kernels->lanes;
}

/* How many planes from `plane` on are as good as one that is so many times as high, the first of which has `rows` rows. */
static int64_t merge_planes(const fc_pool_job *job, int64_t plane, int64_t end, int64_t rows, fc_pool_reach *reach)
{
    int64_t merged = 1;
    for (; job->merged && plane + merged < end && is_guarded(job, plane + merged) == is_guarded(job, plane); merged++)
        for (int64_t r = 0; r < rows; r++) {
            reach[merged * rows + r] = reach[r];
            reach[merged * rows + r].first += plane_at(job, &job->input, plane + merged) - plane_at(job, &job->input, plane);
        }
    return merged;
}

/* Planes that follow each other in the output go on in the line that the one before ended in. */
static void pool_staged(const fc_pool_job *job, const fc_pool_plane *all, fc_line_stage *stage)
{
    if (stage->output != all->output) {
        fc_line_stage_finish(stage);
        *stage = fc_line_stage_at(job->kernels, stage->buffer, all->output);
    }
    for (int64_t first = 0; first < all->rows; first += job->stage_rows) {
        fc_pool_plane t = *all;
        t.reach += first;
        t.rows = fc_min(job->stage_rows, all->rows - first);
        t.output = fc_line_stage_end(stage);
        job->plane(&t);
        fc_line_stage_add(stage, t.rows * t.out_row);
    }
}

/* A band of output rows, or a piece of one, of some neighbouring planes. */
void fc_pool_plane_task(void *context, int64_t task, int thread)
{
    const fc_pool_job *job = context;
    const fc_window *w = &job->windows.even;
    const int item = job->pool.item_bytes;
    const int64_t first_col = task % job->pieces * job->piece_cols, band = task / job->pieces;
    const int64_t first_row = band % job->bands * job->band_rows, d = band / job->bands % w->out[0];
    const int64_t plane = band / job->bands / w->out[0] * job->planes;
    const int64_t end = fc_min(plane + job->planes, job->pool.batch * job->pool.channels);
    const int64_t rows = fc_min(job->band_rows, w->out[1] - first_row);
    const ptrdiff_t *in = job->input.stride, *out = job->output.stride;
    char *own = job->threads + (size_t)thread * job->thread_bytes, *lines = own + job->head_bytes;
    fc_pool_plane t = {
        .slice_step = w->dilation[0] * in[2], .line_step = w->dilation[1] * in[3],
        .out_row = job->merged ? w->out[2] * item : out[3], .rows = rows,
        .kernel = w->kernel[2], .stride = w->stride[2], .dilation = w->dilation[2], .pitch = job->pitch,
        .together = job->rows_together, .buffer = lines + fc_aligned(job->stage_bytes),
        .col_divisor = job->average ? job->col_divisor + first_col * item : NULL,
        .joined = job->joined, .streamed = job->streamed, .past_cache = job->past_cache,
    };
    const int64_t start = cut_row(job, first_col, fc_min(job->piece_cols, w->out[2] - first_col), &t);
    list_windows(job, task, first_col, start, &t, own);
    fc_line_stage stage = fc_line_stage_at(job->kernels, lines, lines); /* of no output yet */
    for (int64_t p = plane, merged; p < end; p += merged) {
        merged = merge_planes(job, p, end, rows, (fc_pool_reach *)t.reach);
        t.rows = merged * rows;
        t.plane = (const char *)job->input.data + plane_at(job, &job->input, p) + start * item;
        t.output = (char *)job->output.data + plane_at(job, &job->output, p) + d * out[2] + first_row * out[3] + first_col * item;
        t.guarded = is_guarded(job, p);
        if (job->stage_rows) pool_staged(job, &t, &stage);
        else job->plane(&t);
    }
    if (job->stage_rows) fc_line_stage_finish(&stage);
}

/* Planes that are evenly spaced through all samples are those of one sample; a task takes some of a sample. */
void fc_pool_plan_whole(fc_pool_job *job, int threads)
{
    fc_pool *pool = &job->pool;
    const int64_t lanes = job->kernels->lanes, *in = job->windows.even.in;
    if (pool->batch == 1 || job->input.stride[0] == pool->channels * job->input.stride[1]) {
        pool->channels *= pool->batch;
        pool->batch = 1;
    }
    const int64_t plane = in[0] * in[1] * in[2] * pool->item_bytes;
    /* The hardware does not keep up with the widest vectors; with half of them (Zen 3) fetching made it slower. */
    const int widest = lanes * pool->item_bytes == FC_BLOCK_BYTES;
    job->streamed = widest && job->input.stride[1] == plane && pool->batch * pool->channels * plane >= FETCHED_BYTES;
    job->planes = fc_ceil_div(planes_together(pool->batch * pool->channels, in[0] * in[1] * in[2], threads), lanes) * lanes;
    job->bands = fc_ceil_div(pool->channels, job->planes);
}

void fc_pool_whole_task(void *context, int64_t task, int thread)
{
    const fc_pool_job *job = context;
    const fc_window *w = &job->windows.even;
    const int64_t sample = task / job->bands, first = task % job->bands * job->planes;
    const fc_pool_whole t = {
        .input = (const char *)job->input.data + sample * job->input.stride[0] + first * job->input.stride[1],
        .plane = job->input.stride[1], .items = w->in[0] * w->in[1] * w->in[2],
        .planes = fc_min(job->planes, job->pool.channels - first),
        .output = (char *)job->output.data + (sample * job->pool.channels + first) * job->pool.item_bytes,
        .divisor = job->average ? row_divisor(job, 0, 0) * col_divisor(job, 0) : 1, .streamed = job->streamed,
    };
    (void)thread;
    job->whole(&t);
}
