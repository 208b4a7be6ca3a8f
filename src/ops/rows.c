/* A large output of short rows is put together on a stage that stays in the nearest cache, and goes past the caches from
 * there in whole lines, because a line that is stored half past a cache and half through it is slow. So few at a time that reading
 * one stage and storing the one before overlap.
 *
 *   stage    | row 0 | row 1 | row 2 |             wherever rows end
 *            |   line   |   line   | .             what is left waits for the next rows
 */
#include "rows.h"
#include "store.h"
#include "../sizes.h"

/* Staged are outputs of twice FC_PAST_CACHE_BYTES: the stage is written and read as well. */
enum {
    STAGED_BYTES = 8 << 20, LONG_ROW = 512, PIECE_ITEMS = 32 * 1024, LEAST_PIECE_ITEMS = 2 * 1024, PIECES_A_THREAD = 8,
    STAGE_BYTES = 4 * 1024
};

typedef struct {
    const fc_row_writer *writer;
    int64_t band_rows, band_cols, bands, pieces; /* of rows, and of columns where rows are long */
    int64_t stage_rows;                          /* 0: there is no stage */
    size_t stage_bytes;
    char *stages;
    int past_cache;
} fc_row_job;

static ptrdiff_t bytes_of_row(const fc_row_writer *w) { return w->cols * w->kernels->item_bytes; }

static void write_staged(const fc_row_job *job, int64_t first, int64_t rows, char *buffer)
{
    const fc_row_writer *w = job->writer;
    const ptrdiff_t row_bytes = bytes_of_row(w);
    fc_line_stage stage = fc_line_stage_at(w->kernels, buffer, w->output + first * row_bytes);
    for (int64_t done = 0; done < rows; done += job->stage_rows) {
        const int64_t now = fc_min(job->stage_rows, rows - done);
        const fc_patch patch = {first + done, now, 0, w->cols, fc_line_stage_end(&stage), row_bytes, buffer + job->stage_bytes, 1, 0};
        w->write(w->context, &patch);
        fc_line_stage_add(&stage, now * row_bytes);
    }
    fc_line_stage_finish(&stage);
}

static void band_task(void *context, int64_t task, int thread)
{
    const fc_row_job *job = context;
    const fc_row_writer *w = job->writer;
    const int64_t first_row = task / job->pieces * job->band_rows, first_col = task % job->pieces * job->band_cols;
    const int64_t rows = fc_min(job->band_rows, w->rows - first_row), cols = fc_min(job->band_cols, w->cols - first_col);
    if (job->stage_rows) {
        write_staged(job, first_row, rows, job->stages + thread * job->stage_bytes);
        return;
    }
    const ptrdiff_t row_bytes = bytes_of_row(w);
    char *out = w->output + first_row * row_bytes;
    const fc_patch patch = {first_row, rows, first_col, cols, out + first_col * w->kernels->item_bytes, row_bytes,
                            job->pieces == 1 ? out + rows * row_bytes : NULL, 0, job->past_cache};
    w->write(w->context, &patch);
}

/* Cut the output into tasks, and choose how it is stored. */
static void prepare(fc_row_job *job, int threads)
{
    const fc_row_writer *w = job->writer;
    const int64_t items = w->rows * w->cols, item = w->kernels->item_bytes;
    const int64_t piece = fc_max(fc_min(items / (threads * PIECES_A_THREAD), PIECE_ITEMS), LEAST_PIECE_ITEMS);
    const int is_long = w->cols >= LONG_ROW;
    job->past_cache = is_long && items * item >= FC_PAST_CACHE_BYTES;
    job->band_cols = is_long ? fc_min(w->cols, fc_max(piece, LONG_ROW)) : w->cols;
    job->band_rows = fc_max(piece / job->band_cols, 1);
    if (!is_long && items * item >= STAGED_BYTES) {
        job->stage_rows = fc_max(STAGE_BYTES / (w->cols * item), 1);
        job->stage_bytes = fc_apart((size_t)(job->stage_rows * w->cols * item) + 2 * FC_ALIGNMENT);
        job->band_rows = fc_ceil_div(job->band_rows, job->stage_rows) * job->stage_rows;
    }
    job->bands = fc_ceil_div(w->rows, job->band_rows);
    job->pieces = fc_ceil_div(w->cols, job->band_cols);
}

fc_status fc_write_rows(const fc_row_writer *writer, const fc_run *run)
{
    fc_row_job job = {.writer = writer};
    fc_team team = run->team;
    fc_block block = {0};
    if ((double)writer->rows * (double)writer->cols < FC_SERIAL_WORK / 4) team.threads = 1;
    prepare(&job, team.threads);
    if (job.stage_rows) {
        block = fc_block_acquire((size_t)team.threads * job.stage_bytes);
        if (!block.data) return FC_NO_MEMORY;
        job.stages = block.data;
    }
    const fc_status status = fc_parallel(&team, job.bands * job.pieces, band_task, &job);
    fc_block_release(block);
    return status;
}

void fc_cut_stretches(const fc_stretch from[FC_STRETCHES], int64_t first, int64_t count, fc_stretch cut[FC_STRETCHES])
{
    int64_t at = 0;
    for (int i = 0; i < FC_STRETCHES; i++) {
        const int64_t start = fc_max(first, at), end = fc_min(first + count, at + from[i].count);
        cut[i] = from[i];
        cut[i].count = fc_max(end - start, 0);
        cut[i].offset += (start - at) * from[i].step;
        at += from[i].count;
    }
}
