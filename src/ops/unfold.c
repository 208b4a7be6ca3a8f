/* im2col: a row of the output is a row of the input, shifted by the tap of the kernel that it shows, zero outside.
 *
 *   columns[n][(c, i, j)][(y, x)] = input[n][c][y*stride - pad + i*dilation][x*stride - pad + j*dilation]
 *
 * col2im adds the rows back, tap by tap, to bands of sums that stay in the nearest cache. With a stride the pixels of a row of
 * sums are sorted by their phase, so that what is added to them is always side by side:
 *
 *   sums, stride 3    | 0 3 6 9 | 1 4 7 | 2 5 8 |      a tap meets one phase
 *   output            | 0 1 2 3 4 5 6 7 8 9 |
 *
 * Phases that no tap meets have no sums; their pixels are zero.
 */
#include <string.h>

#include "rows.h"
#include "../plan/transposed.h"
#include "../sizes.h"

enum { SUM_BYTES = 24 * 1024 };

typedef struct {
    const fc_unfolding *unfolding;
    const fc_kernels *kernels;
    fc_view input;
    ptrdiff_t *table;      /* [kernel row][output row] */
    fc_stretch *stretches; /* [kernel column][FC_STRETCHES] */
} fc_unfold_job;

/* The windows [from, to) whose tap lies at one of the places [low, high). */
typedef struct {
    int64_t from, to;
} fc_span;

static fc_span within(const fc_window *w, int axis, int64_t tap, int64_t low, int64_t high)
{
    const int64_t origin = tap * w->dilation[axis] - w->pad[axis], step = w->stride[axis];
    const int64_t from = origin >= low ? 0 : fc_min(fc_ceil_div(low - origin, step), w->out[axis]);
    const int64_t to = origin >= high ? 0 : fc_min(fc_ceil_div(high - origin, step), w->out[axis]);
    return (fc_span){from, fc_max(from, to)};
}

static int64_t first_place(const fc_window *w, int axis, int64_t tap, int64_t window)
{
    return window * w->stride[axis] - w->pad[axis] + tap * w->dilation[axis];
}

static int has_one_window(const fc_unfolding *u) { return u->window.out[1] == 1 && u->window.out[2] == 1; }

/* The same with the taps of one window as the windows of one tap, whose rows are longer. */
static fc_unfolding turned(const fc_unfolding *unfolding)
{
    fc_unfolding u = *unfolding;
    for (int axis = 1; axis < FC_SPATIAL; axis++) {
        u.window.out[axis] = u.window.kernel[axis];
        u.window.stride[axis] = u.window.dilation[axis];
        u.window.kernel[axis] = u.window.dilation[axis] = 1;
    }
    return u;
}

static void write_patch(const void *context, const fc_patch *patch)
{
    const fc_unfold_job *job = context;
    const fc_window *w = &job->unfolding->window;
    const int64_t height = w->out[1], taps = w->kernel[1] * w->kernel[2];
    int64_t plane = patch->first_row / height, row = patch->first_row % height;
    fc_rows t = {.cols = patch->cols, .height = patch->rows, .output = patch->out, .out_row = patch->out_row, .end = patch->end,
                 .past_cache = patch->past_cache};
    for (int64_t left = patch->rows; left > 0; left -= t.rows, plane++, row = 0) {
        const int64_t tap = plane % taps, channel = plane / taps % job->unfolding->channels;
        const int64_t sample = plane / taps / job->unfolding->channels;
        t.source = (const char *)job->input.data + sample * job->input.stride[0] + channel * job->input.stride[1];
        t.row = job->table + tap / w->kernel[2] * height + row;
        t.rows = fc_min(height - row, left);
        fc_cut_stretches(job->stretches + tap % w->kernel[2] * FC_STRETCHES, patch->first_col, patch->cols, t.stretch);
        job->kernels->copy_rows(&t);
        t.output = (char *)t.output + t.rows * patch->out_row;
    }
}

static void prepare_tables(const fc_unfold_job *job)
{
    const fc_window *w = &job->unfolding->window;
    for (int64_t i = 0; i < w->kernel[1]; i++) {
        const fc_span rows = within(w, 1, i, 0, w->in[1]);
        for (int64_t y = 0; y < w->out[1]; y++)
            job->table[i * w->out[1] + y] =
                y >= rows.from && y < rows.to ? first_place(w, 1, i, y) * job->input.stride[3] : FC_NO_ROW;
    }
    for (int64_t j = 0; j < w->kernel[2]; j++) {
        const fc_span cols = within(w, 2, j, 0, w->in[2]);
        const int64_t count = cols.to - cols.from;
        fc_stretch *s = job->stretches + j * FC_STRETCHES;
        s[0] = (fc_stretch){.count = count ? cols.from : w->out[2], .filled = 1};
        s[1] = (fc_stretch){.count = count, .step = w->stride[2] * job->input.stride[4]};
        if (count) s[1].offset = first_place(w, 2, j, cols.from) * job->input.stride[4];
        s[2] = (fc_stretch){.count = count ? w->out[2] - cols.to : 0, .filled = 1};
    }
}

fc_status fc_unfold(const fc_unfolding *given, const fc_view *input, void *output, const fc_run *run)
{
    const fc_unfolding unfolding = has_one_window(given) ? turned(given) : *given;
    const fc_window *w = &unfolding.window;
    fc_unfold_job job = {.unfolding = &unfolding, .kernels = fc_kernels_for(run->isa, unfolding.item_bytes), .input = *input};
    const fc_row_writer writer = {.rows = unfolding.batch * unfolding.channels * w->kernel[1] * w->kernel[2] * w->out[1],
                                  .cols = w->out[2], .output = output, .kernels = job.kernels, .write = write_patch,
                                  .context = &job};
    const size_t table_bytes = fc_aligned((size_t)(w->kernel[1] * w->out[1]) * sizeof(ptrdiff_t));
    fc_block block = fc_block_acquire(table_bytes + (size_t)w->kernel[2] * FC_STRETCHES * sizeof(fc_stretch));
    if (!block.data) return FC_NO_MEMORY;
    job.table = block.data;
    job.stretches = (fc_stretch *)((char *)block.data + table_bytes);
    prepare_tables(&job);
    const fc_status status = fc_write_rows(&writer, run);
    fc_block_release(block);
    return status;
}

/* Which columns of windows a column of the kernel adds to a row of sums, and how far into it. */
typedef struct {
    int64_t from, count;
    ptrdiff_t sum;
} fc_fold_cols;

typedef struct {
    const fc_unfolding *unfolding;
    const fc_kernels *kernels;
    fc_view input;
    char *output, *sums;
    fc_fold_cols *cols; /* [kernel column] */
    int64_t phases, band_rows, bands;
    int sparse; /* only the phases that taps meet have sums, in the order of the taps */
    ptrdiff_t phase_bytes, row_bytes; /* of sums */
    size_t band_bytes;
} fc_fold_job;

static void prepare_cols(const fc_fold_job *job)
{
    const fc_window *w = &job->unfolding->window;
    for (int64_t j = 0; j < w->kernel[2]; j++) {
        const fc_span x = within(w, 2, j, 0, w->in[2]);
        fc_fold_cols *cols = &job->cols[j];
        *cols = (fc_fold_cols){.from = x.from, .count = x.to - x.from};
        if (cols->count == 0) continue;
        const int64_t col = first_place(w, 2, j, x.from);
        const int64_t phase = job->sparse ? j % job->phases : col % w->stride[2];
        cols->sum = phase * job->phase_bytes + col / w->stride[2] * job->kernels->item_bytes;
    }
}

/* Add what row `i` of the kernel shows, its taps in turn, to the sums of a band of rows. */
static void add_kernel_row(const fc_fold_job *job, const char *source, int64_t i, const fc_span *band, char *sums)
{
    const fc_window *w = &job->unfolding->window;
    const fc_span y = within(w, 1, i, band->from, band->to);
    if (y.from == y.to) return;
    const ptrdiff_t px = job->input.stride[4], in_row = w->out[2] * px;
    fc_row_sum t = {.sum_row = w->stride[1] * job->row_bytes, .in_row = in_row, .in_px = px, .rows = y.to - y.from};
    sums += (first_place(w, 1, i, y.from) - band->from) * job->row_bytes;
    source += i * w->kernel[2] * job->input.stride[1] + y.from * in_row;
    for (int64_t j = 0; j < w->kernel[2]; j++, source += job->input.stride[1]) {
        const fc_fold_cols *cols = &job->cols[j];
        t.sum = sums + cols->sum;
        t.input = source + cols->from * px;
        t.count = cols->count;
        if (t.count) job->kernels->add_rows(&t);
    }
}

/* Whether any window shows row y. */
static int is_shown(const fc_window *w, int64_t y)
{
    for (int64_t i = 0; i < w->kernel[1]; i++) {
        const int64_t place = y + w->pad[1] - i * w->dilation[1];
        if (place >= 0 && place % w->stride[1] == 0 && place / w->stride[1] < w->out[1]) return 1;
    }
    return 0;
}

/* A row of the output from its sums. */
static void store_row(const fc_fold_job *job, int64_t y, const char *sums, char *out)
{
    const fc_window *w = &job->unfolding->window;
    const ptrdiff_t item = job->kernels->item_bytes;
    if (!job->sparse) {
        job->kernels->interleave(out, sums, job->phase_bytes, job->phases, w->in[2]);
        return;
    }
    memset(out, 0, (size_t)(w->in[2] * item));
    if (!is_shown(w, y)) return;
    for (int64_t p = 0; p < job->phases; p++) {
        const int64_t first = fc_axis_phase_of(w, 2, p).first;
        if (first < w->in[2])
            job->kernels->scatter(out + first * item, w->stride[2] * item, sums + p * job->phase_bytes,
                                  fc_ceil_div(w->in[2] - first, w->stride[2]));
    }
}

static void fold_task(void *context, int64_t task, int thread)
{
    const fc_fold_job *job = context;
    const fc_window *w = &job->unfolding->window;
    const int64_t plane = task / job->bands, channels = job->unfolding->channels;
    const int64_t first = task % job->bands * job->band_rows;
    const fc_span band = {first, fc_min(first + job->band_rows, w->in[1])};
    const char *source = (const char *)job->input.data + plane / channels * job->input.stride[0]
                       + plane % channels * w->kernel[1] * w->kernel[2] * job->input.stride[1];
    char *sums = job->sums + thread * job->band_bytes;
    memset(sums, 0, job->band_bytes);
    for (int64_t i = 0; i < w->kernel[1]; i++) add_kernel_row(job, source, i, &band, sums);
    const ptrdiff_t out_row = w->in[2] * job->kernels->item_bytes;
    char *out = job->output + (plane * w->in[1] + first) * out_row;
    for (int64_t y = band.from; y < band.to; y++, out += out_row, sums += job->row_bytes)
        store_row(job, y, sums, out);
}

fc_status fc_fold(const fc_unfolding *given, const fc_view *input, void *output, const fc_run *run)
{
    const fc_unfolding own = has_one_window(given) ? turned(given) : *given, *unfolding = &own;
    const fc_window *w = &own.window;
    const fc_kernels *kernels = fc_kernels_for(run->isa, own.item_bytes);
    fc_fold_job job = {.unfolding = unfolding, .kernels = kernels, .input = *input, .output = output};
    if (has_one_window(given)) {
        job.input.stride[4] = input->stride[1];
        job.input.stride[1] *= w->out[1] * w->out[2];
    }
    /* Rows of sums end with a vector that add_rows may touch. */
    const int64_t in_phase = fc_ceil_div(w->in[2], w->stride[2]);
    /* Where most phases have taps, the pixels of all of them are interleaved. */
    job.phases = fc_min(w->stride[2], w->in[2]);
    job.sparse = 2 * fc_axis_phases(w, 2) <= job.phases;
    if (job.sparse) job.phases = fc_axis_phases(w, 2);
    job.phase_bytes = (in_phase / kernels->lanes + 2) * kernels->lanes * unfolding->item_bytes;
    job.row_bytes = job.phases * job.phase_bytes;
    job.band_rows = fc_min(fc_max(SUM_BYTES / fc_max(job.row_bytes, w->in[2] * unfolding->item_bytes), 1), w->in[1]);
    job.bands = fc_ceil_div(w->in[1], job.band_rows);
    job.band_bytes = fc_aligned((size_t)(job.band_rows * job.row_bytes));
    const int64_t planes = unfolding->batch * unfolding->channels;
    fc_team team = run->team;
    if ((double)planes * (double)(w->kernel[1] * w->kernel[2] * w->out[1] * w->out[2]) < FC_SERIAL_WORK / 4) team.threads = 1;
    const size_t cols_bytes = fc_aligned((size_t)w->kernel[2] * sizeof(fc_fold_cols));
    fc_block block = fc_block_acquire(cols_bytes + (size_t)team.threads * job.band_bytes);
    if (!block.data) return FC_NO_MEMORY;
    job.cols = block.data;
    job.sums = (char *)block.data + cols_bytes;
    prepare_cols(&job);
    const fc_status status = fc_parallel(&team, planes * job.bands, fold_task, &job);
    fc_block_release(block);
    return status;
}
