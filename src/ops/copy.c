/* A contiguous copy of a strided array. Where an axis other than the last has its items side by side, as the channels of an
 * image have that is seen channels first, both axes are turned in registers, a piece at a time, on a stage in the nearest cache:
 *
 *   input   p0: c0 c1 c2 ...        stage   c0: p0 p1 p2 ...        output   c0: ... p0 p1 p2 ...     long rows, whose
 *           p1: c0 c1 c2 ...   ->           c1: p0 p1 p2 ...   ->            c1: ... p0 p1 p2 ...     distance does not matter
 */
#include <string.h>

#include "../fastconv.h"
#include "../sizes.h"

/* Of a piece: lines of the input's rows, at the most; lines of the output's, at the most; bytes. */
enum { LINES_DOWN = 4, LINES_ACROSS = 16, PIECE_BYTES = 16 * 1024 };

/* The axes that are left when those that follow each other are joined, and where each lies in the output. */
typedef struct {
    int axes, rows, cols; /* rows: the axis whose items are side by side; cols: the last one */
    int64_t size[FC_AXES];
    ptrdiff_t in[FC_AXES], out[FC_AXES];
    const char *input;
    char *output;
    const fc_kernels *kernels;
    int64_t stage_rows, stage_cols, row_parts, col_parts;
    ptrdiff_t pitch; /* between rows of a stage */
    char *stages;
} fc_copy_job;

static void join_axes(fc_copy_job *job, const fc_strided *a)
{
    int count = 0;
    for (int i = 0; i < a->axes; i++) {
        if (a->size[i] == 1) continue;
        if (count && job->in[count - 1] == a->size[i] * a->stride[i]) {
            job->size[count - 1] *= a->size[i];
            job->in[count - 1] = a->stride[i];
        } else {
            job->size[count] = a->size[i];
            job->in[count++] = a->stride[i];
        }
    }
    job->axes = count;
    ptrdiff_t step = a->item_bytes;
    for (int i = count - 1; i >= 0; i--) {
        job->out[i] = step;
        step *= job->size[i];
    }
}

/* Whether the last axis can be turned with another one, which fills more than half of a vector; shorter ones are gathered. */
static int find_rows(fc_copy_job *job)
{
    const int item = job->kernels->item_bytes;
    job->cols = job->axes - 1;
    job->rows = -1;
    if (job->axes < 2 || job->in[job->cols] == item) return 0;
    for (int i = 0; i < job->cols; i++)
        if (job->in[i] == item && 2 * job->size[i] > job->kernels->lanes) job->rows = i;
    return job->rows >= 0;
}

static void turn_task(void *context, int64_t task, int thread)
{
    const fc_copy_job *job = context;
    const int item = job->kernels->item_bytes;
    const int64_t row = task % job->row_parts * job->stage_rows, col = task / job->row_parts % job->col_parts * job->stage_cols;
    const char *in = job->input + row * item + col * job->in[job->cols];
    char *out = job->output + row * job->out[job->rows] + col * item, *stage = job->stages + thread * job->stage_rows * job->pitch;
    int64_t outer = task / job->row_parts / job->col_parts;
    for (int i = job->cols - 1; i >= 0; i--) {
        if (i == job->rows) continue;
        in += outer % job->size[i] * job->in[i];
        out += outer % job->size[i] * job->out[i];
        outer /= job->size[i];
    }
    const int64_t rows = fc_min(job->stage_rows, job->size[job->rows] - row);
    const int64_t cols = fc_min(job->stage_cols, job->size[job->cols] - col);
    const size_t bytes = (size_t)(cols * item);
    job->kernels->turn(stage, job->pitch, in, job->in[job->cols], rows, cols);
    for (int64_t r = 0; r < rows; r++, out += job->out[job->rows], stage += job->pitch) memcpy(out, stage, bytes);
}

static fc_status turn(fc_copy_job *job, const fc_run *run)
{
    fc_team team = run->team;
    const int64_t item = job->kernels->item_bytes;
    int64_t items = 1;
    for (int i = 0; i < job->axes; i++) items *= job->size[i];
    if ((double)items < FC_SERIAL_WORK / 4) team.threads = 1;
    /* A line more apart, the rows of a stage do not meet in the same sets of the cache. */
    job->stage_rows = fc_min(LINES_DOWN * FC_BLOCK_BYTES / item, job->size[job->rows]);
    job->stage_cols = fc_min(PIECE_BYTES / FC_BLOCK_BYTES / job->stage_rows, LINES_ACROSS) * (FC_BLOCK_BYTES / item);
    job->pitch = job->stage_cols * item + FC_BLOCK_BYTES;
    job->row_parts = fc_ceil_div(job->size[job->rows], job->stage_rows);
    job->col_parts = fc_ceil_div(job->size[job->cols], job->stage_cols);
    const int64_t outer = items / job->size[job->rows] / job->size[job->cols];
    fc_block block = fc_block_acquire((size_t)(team.threads * job->stage_rows * job->pitch));
    if (!block.data) return FC_NO_MEMORY;
    job->stages = block.data;
    const fc_status status = fc_parallel(&team, outer * job->row_parts * job->col_parts, turn_task, job);
    fc_block_release(block);
    return status;
}

fc_status fc_copy(const fc_strided *from, const void *input, void *output, const fc_run *run)
{
    fc_copy_job job = {.input = input, .output = output, .kernels = fc_kernels_for(run->isa, from->item_bytes)};
    join_axes(&job, from);
    if (find_rows(&job)) return turn(&job, run);
    fc_padding none = {.axes = job.axes, .item_bytes = from->item_bytes, .mode = FC_PAD_CONSTANT};
    for (int i = 0; i < job.axes; i++) {
        none.in[i] = none.out[i] = job.size[i];
        none.stride[i] = job.in[i];
    }
    return fc_pad(&none, input, output, run);
}
