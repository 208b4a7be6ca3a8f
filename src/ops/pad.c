/* Padding: every axis maps a coordinate of the output to one of the input or to the value, in at most three even stretches.
 *
 *   constant   . . a b c d .         replicate   a a a b c d d        stretches of the last axis make a row;
 *   reflect    c b a b c d c         circular    c d a b c d a        those of the axis before it, a table of rows
 */
#include "rows.h"
#include "../sizes.h"

typedef struct {
    int64_t in, out, before;
    ptrdiff_t stride;
    fc_stretch stretch[FC_STRETCHES];
} fc_padded_axis;

/* The axes that are left when all that need not be told apart are joined; the last one makes rows, the table is for the last
 * but one. */
typedef struct {
    int axes;
    fc_padded_axis axis[FC_AXES + 2];
    const char *input;
    ptrdiff_t *table;
    const fc_kernels *kernels;
    double value;
} fc_pad_job;

const char *fc_pad_mode_name(fc_pad_mode mode)
{
    static const char *const names[FC_PAD_MODES] = {"constant", "reflect", "replicate", "circular"};
    return names[mode];
}

static int is_whole(const fc_padded_axis *a) { return a->before == 0 && a->in == a->out; }

/* Whether the axis behind it can be taken as a part of this one. */
static int joins(const fc_padded_axis *a, const fc_padded_axis *behind, fc_pad_mode mode)
{
    return is_whole(behind) && (is_whole(a) || mode == FC_PAD_CONSTANT)
        && (a->in <= 1 || a->stride == behind->in * behind->stride);
}

/* From the last axis to the first, without those of one item that stays one. */
static void join_axes(fc_pad_job *job, const fc_padding *p)
{
    fc_padded_axis joined[FC_AXES];
    int count = 0;
    for (int i = p->axes - 1; i >= 0; i--) {
        const fc_padded_axis a = {.in = p->in[i], .out = p->out[i], .before = p->before[i], .stride = p->stride[i]};
        if (is_whole(&a) && a.in == 1) continue;
        fc_padded_axis *last = count ? &joined[count - 1] : NULL;
        if (last && joins(&a, last, p->mode))
            *last = (fc_padded_axis){.in = a.in * last->in, .out = a.out * last->out, .before = a.before * last->in,
                                     .stride = last->stride};
        else joined[count++] = a;
    }
    job->axes = 0;
    while (job->axes + count < 2) job->axis[job->axes++] = (fc_padded_axis){.in = 1, .out = 1};
    while (count) job->axis[job->axes++] = joined[--count];
}

/* What lies before (`tail` 0) or behind the input's own items: `count` items of the output from `at` on. */
static fc_stretch beyond(const fc_padded_axis *a, fc_pad_mode mode, int tail, int64_t at, int64_t count)
{
    const int64_t from = at - a->before; /* of the input's first item */
    int64_t index = 0, step = 0;
    if (mode == FC_PAD_REFLECT) {
        index = tail ? 2 * (a->in - 1) - from : -from;
        step = -1;
    } else if (mode == FC_PAD_REPLICATE) {
        index = tail ? a->in - 1 : 0;
    } else if (mode == FC_PAD_CIRCULAR) {
        const int64_t cropped = fc_max(-a->before, 0), left = fc_min(a->in, a->out - a->before) - cropped;
        index = tail ? from - left : from + left;
        step = 1;
    }
    return (fc_stretch){count, count ? index * a->stride : 0, step * a->stride, mode == FC_PAD_CONSTANT};
}

static void stretch_axis(fc_padded_axis *a, fc_pad_mode mode)
{
    const int64_t first = fc_min(fc_max(a->before, 0), a->out), end = fc_max(fc_min(a->before + a->in, a->out), first);
    a->stretch[0] = beyond(a, mode, 0, 0, first);
    a->stretch[1] = (fc_stretch){end - first, end > first ? (first - a->before) * a->stride : 0, a->stride, 0};
    a->stretch[2] = beyond(a, mode, 1, end, a->out - end);
}

/* Bytes from the start of the axis to what coordinate `i` shows. */
static ptrdiff_t source_of(const fc_padded_axis *a, int64_t i)
{
    const fc_stretch *s = a->stretch;
    while (i >= s->count) i -= s++->count;
    return s->filled ? FC_NO_ROW : s->offset + i * s->step;
}

/* Bytes to a plane of the last two axes; FC_NO_ROW where it is all padding. */
static ptrdiff_t plane_of(const fc_pad_job *job, int64_t plane)
{
    ptrdiff_t offset = 0;
    for (int i = job->axes - 3; i >= 0; i--) {
        const fc_padded_axis *a = &job->axis[i];
        const ptrdiff_t at = source_of(a, plane % a->out);
        if (at == FC_NO_ROW) return FC_NO_ROW;
        offset += at;
        plane /= a->out;
    }
    return offset;
}

static void write_patch(const void *context, const fc_patch *patch)
{
    const fc_pad_job *job = context;
    const fc_padded_axis *planes = job->axes == 3 && is_whole(&job->axis[0]) ? &job->axis[0] : NULL;
    const int64_t height = job->axis[job->axes - 2].out;
    int64_t plane = patch->first_row / height, row = patch->first_row % height;
    fc_rows t = {.cols = patch->cols, .fill = job->value, .output = patch->out, .out_row = patch->out_row,
                 .height = height, .plane = planes ? planes->stride : 0,
                 .end = patch->end, .streamed = patch->streamed, .past_cache = patch->past_cache};
    fc_cut_stretches(job->axis[job->axes - 1].stretch, patch->first_col, patch->cols, t.stretch);
    for (int64_t left = patch->rows; left > 0; left -= t.rows, plane += fc_ceil_div(t.rows, height), row = 0) {
        const ptrdiff_t offset = plane_of(job, plane);
        t.rows = planes && row == 0 && left > height ? left / height * height : fc_min(height - row, left);
        t.row = offset == FC_NO_ROW ? NULL : job->table + row;
        t.source = offset == FC_NO_ROW ? job->input : job->input + offset;
        job->kernels->copy_rows(&t);
        t.output = (char *)t.output + t.rows * patch->out_row;
    }
}

fc_status fc_pad(const fc_padding *padding, const void *input, void *output, const fc_run *run)
{
    fc_pad_job job = {.input = input, .kernels = fc_kernels_for(run->isa, padding->item_bytes), .value = padding->value};
    join_axes(&job, padding);
    fc_row_writer writer = {.rows = 1, .cols = job.axis[job.axes - 1].out, .output = output, .kernels = job.kernels,
                            .write = write_patch, .context = &job};
    for (int i = 0; i < job.axes; i++) stretch_axis(&job.axis[i], padding->mode);
    for (int i = 0; i < job.axes - 1; i++) writer.rows *= job.axis[i].out;
    const fc_padded_axis *last_but_one = &job.axis[job.axes - 2];
    fc_block block = fc_block_acquire((size_t)last_but_one->out * sizeof(ptrdiff_t));
    if (!block.data) return FC_NO_MEMORY;
    job.table = block.data;
    for (int64_t i = 0; i < last_but_one->out; i++) job.table[i] = source_of(last_but_one, i);
    const fc_status status = fc_write_rows(&writer, run);
    fc_block_release(block);
    return status;
}
