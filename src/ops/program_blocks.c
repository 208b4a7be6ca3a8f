/* Steps that go over channel blocks one by one: reordering, addition, batch norm, depthwise and narrow grouped convolution. */
#include <string.h>

#include "norm.h"
#include "program.h"
#include "../sizes.h"

/* A team for `tasks` tasks of so many operations each. */
static fc_team team_for(const fc_walker *w, int64_t tasks, double work)
{
    fc_team team = w->run->team;
    if ((double)tasks * work < FC_SERIAL_WORK) team.threads = 1;
    return team;
}

static double pixels_of(const fc_value *v) { return (double)(v->size[0] * v->size[1] * v->size[2]); }

/* Where channel block `block` of sample n starts. */
static char *block_at(const fc_blocked *map, int64_t n, int64_t block)
{
    return (char *)map->data + n * map->sample + block * map->block;
}

static void copy_block(const fc_walker *w, int64_t n, int64_t b)
{
    const fc_value *from = fc_value_of(w, w->step->input), *to = fc_value_of(w, w->step->output);
    const int block = w->kernels->block, item = w->program->item_bytes;
    const fc_value *plain = from->blocked ? to : from;
    const fc_blocked map = fc_blocked_of(w, from->blocked ? w->step->input : w->step->output);
    const fc_view view = fc_plain_of(w, from->blocked ? w->step->output : w->step->input);
    for (int64_t d = 0; d < plain->size[0]; d++)
        for (int64_t h = 0; h < plain->size[1]; h++) {
            const fc_transpose t = {
                .blocked = block_at(&map, n, b) + d * map.slice + h * map.row, .block_stride = FC_BLOCK_BYTES,
                .planar = (char *)view.data + n * view.stride[0] + b * block * view.stride[1] + d * view.stride[2] + h * view.stride[3],
                .plane_stride = view.stride[1], .pixels = plain->size[2], .channels = fc_min(block, plain->channels - b * block),
            };
            if (plain->size[0] * plain->size[1] * plain->size[2] == 1) {
                if (from->blocked) memcpy(t.planar, t.blocked, (size_t)(t.channels * item));
                else {
                    memset(t.blocked, 0, FC_BLOCK_BYTES);
                    memcpy(t.blocked, t.planar, (size_t)(t.channels * item));
                }
            } else if (from->blocked) w->kernels->from_blocked(&t);
            else w->kernels->to_blocked(&t);
        }
}

/* Block b of a part that starts within a block: its lanes come from two blocks, the others belong to other parts. */
static void move_block(const fc_walker *w, int64_t n, int64_t b)
{
    const fc_value *from = fc_value_of(w, w->step->input);
    const fc_blocked in = fc_blocked_of(w, w->step->input), out = fc_blocked_of(w, w->step->output);
    const int block = w->kernels->block, first = fc_value_of(w, w->step->output)->first_lane;
    fc_lanes lanes[2] = {{.from = block - first, .to = 0, .count = (int)fc_min(first, from->channels - b * block + first)},
                         {.from = 0, .to = first, .count = (int)fc_min(block - first, from->channels - b * block)}};
    for (int64_t i = b ? 0 : 1; i < 2; i++)
        for (int64_t d = 0; d < from->size[0] && lanes[i].count > 0; d++)
            for (int64_t h = 0; h < from->size[1]; h++) {
                lanes[i].x = block_at(&in, n, b - 1 + i) + d * in.slice + h * in.row;
                lanes[i].y = block_at(&out, n, b) + d * out.slice + h * out.row;
                lanes[i].pixels = from->size[2];
                w->kernels->move_lanes(&lanes[i]);
            }
}

static void reorder_task(void *context, int64_t task, int thread)
{
    const fc_walker *w = context;
    const fc_value *from = fc_value_of(w, w->step->input), *to = fc_value_of(w, w->step->output);
    const int64_t blocks = fc_blocks_of(w, to->blocked ? to : from), n = task / blocks, b = task % blocks;
    (void)thread;
    if (!from->blocked || !to->blocked || to->first_lane) {
        if (to->first_lane) move_block(w, n, b);
        else copy_block(w, n, b);
        return;
    }
    const fc_blocked in = fc_blocked_of(w, w->step->input), out = fc_blocked_of(w, w->step->output);
    for (int64_t d = 0; d < from->size[0]; d++)
        for (int64_t h = 0; h < from->size[1]; h++)
            memcpy(block_at(&out, n, b) + d * out.slice + h * out.row, block_at(&in, n, b) + d * in.slice + h * in.row,
                   (size_t)(from->size[2] * FC_BLOCK_BYTES));
}

fc_status fc_step_reorder(const fc_walker *w)
{
    const fc_value *v = fc_value_of(w, w->step->input), *to = fc_value_of(w, w->step->output);
    if (!v->blocked && !to->blocked) {
        const fc_view in = fc_plain_of(w, w->step->input), out = fc_plain_of(w, w->step->output);
        for (int64_t n = 0; n < w->batch; n++)
            memcpy((char *)out.data + n * out.stride[0], (const char *)in.data + n * in.stride[0], (size_t)(v->channels * in.stride[1]));
        return FC_OK;
    }
    const int64_t tasks = w->batch * fc_blocks_of(w, to->blocked ? to : v);
    const fc_team team = team_for(w, tasks, pixels_of(v) * w->kernels->block);
    return fc_parallel(&team, tasks, reorder_task, (void *)w);
}

static void add_task(void *context, int64_t task, int thread)
{
    const fc_walker *w = context;
    const fc_value *v = fc_value_of(w, w->step->input);
    const int64_t blocks = fc_blocks_of(w, v), n = task / blocks, b = task % blocks;
    const fc_blocked x = fc_blocked_of(w, w->step->input), y = fc_blocked_of(w, w->step->output);
    const int added = w->step->residual != FC_NO_VALUE;
    const fc_blocked r = added ? fc_blocked_of(w, w->step->residual) : x;
    (void)thread;
    for (int64_t d = 0; d < v->size[0]; d++)
        for (int64_t h = 0; h < v->size[1]; h++)
            w->kernels->activate(block_at(&y, n, b) + d * y.slice + h * y.row, block_at(&x, n, b) + d * x.slice + h * x.row,
                                 added ? block_at(&r, n, b) + d * r.slice + h * r.row : NULL, v->size[2] * w->kernels->block,
                                 &w->step->activation, 0);
}

fc_status fc_step_add(const fc_walker *w)
{
    const fc_value *v = fc_value_of(w, w->step->input);
    if (!v->blocked) {
        fc_epilogue epilogue = {NULL, NULL, w->step->activation};
        if (w->step->residual != FC_NO_VALUE) epilogue.residual = fc_plain_of(w, w->step->residual).data;
        const int64_t count = w->batch * v->channels * v->size[0] * v->size[1] * v->size[2];
        return fc_activate(count, w->program->item_bytes, fc_plain_of(w, w->step->input).data,
                           fc_plain_of(w, w->step->output).data, &epilogue, w->run);
    }
    const int64_t tasks = w->batch * fc_blocks_of(w, v);
    const fc_team team = team_for(w, tasks, pixels_of(v) * w->kernels->block);
    return fc_parallel(&team, tasks, add_task, (void *)w);
}

enum { ROW_TASKS = 4, OPERATIONS_OF_NORM = 4 };

/* Tasks on some rows of one channel block. */
typedef struct {
    const fc_walker *walker;
    int64_t rows, pieces; /* of a task; tasks a plane */
} fc_rows_job;

static fc_rows_job split_rows(const fc_walker *w, int64_t planes, int64_t rows)
{
    const int64_t together = fc_ceil_div(rows, fc_ceil_div(ROW_TASKS * w->run->team.threads, planes));
    return (fc_rows_job){w, together, fc_ceil_div(rows, together)};
}

void fc_pack_affine(const fc_normalisation *norm, int64_t channels, int item_bytes, void *packed)
{
    const int64_t block = FC_BLOCK_BYTES / item_bytes;
    char *at = packed;
    for (int64_t first = 0; first < channels; first += block, at += FC_AFFINE_VECTORS * FC_BLOCK_BYTES) {
        const fc_affine_vectors vectors = {at, FC_BLOCK_BYTES, item_bytes};
        for (int64_t c = first; c < first + block; c++)
            if (c < channels)
                fc_set_affine(&vectors, c - first, norm->mean[c], 1 / sqrt(norm->variance[c] + norm->eps),
                              norm->weight ? norm->weight[c] : 1, norm->bias ? norm->bias[c] : 0);
            else fc_set_affine(&vectors, c - first, 0, 0, 0, 0);
    }
}

void fc_norm_rows(const fc_walker *w, const fc_step *step, int64_t block, const fc_block_rows *rows)
{
    const int64_t width = fc_value_of(w, step->output)->size[2];
    fc_affine t = {.x = rows->input, .y = rows->output, .step = FC_BLOCK_BYTES, .count = width, .channels = w->kernels->block,
                   .parameters = (const char *)step->weight + block * FC_AFFINE_VECTORS * FC_BLOCK_BYTES,
                   .x_stride = FC_BLOCK_BYTES, .y_stride = FC_BLOCK_BYTES, .activation = step->activation};
    /* Rows without gaps are one. */
    const int joined = rows->in_row == width * FC_BLOCK_BYTES && rows->out_row == rows->in_row;
    if (joined) t.count *= rows->count;
    for (int64_t r = 0; r < (joined ? 1 : rows->count); r++) {
        w->kernels->affine_channels(&t);
        t.x = (const char *)t.x + rows->in_row;
        t.y = (char *)t.y + rows->out_row;
    }
}

static void norm_task(void *context, int64_t task, int thread)
{
    const fc_rows_job *job = context;
    const fc_walker *w = job->walker;
    const fc_value *v = fc_value_of(w, w->step->input);
    const int64_t plane = task / job->pieces, d = plane % v->size[0], blocks = fc_blocks_of(w, v), first = task % job->pieces * job->rows;
    const int64_t n = plane / v->size[0] / blocks, b = plane / v->size[0] % blocks;
    const fc_blocked x = fc_blocked_of(w, w->step->input), y = fc_blocked_of(w, w->step->output);
    const fc_block_rows rows = {.input = block_at(&x, n, b) + d * x.slice + first * x.row, .in_row = x.row,
                                .output = block_at(&y, n, b) + d * y.slice + first * y.row, .out_row = y.row,
                                .count = fc_min(job->rows, v->size[1] - first)};
    (void)thread;
    fc_norm_rows(w, w->step, b, &rows);
}

fc_status fc_step_batch_norm(const fc_walker *w)
{
    const fc_value *v = fc_value_of(w, w->step->input);
    if (!v->blocked) {
        const fc_map map = {w->batch, v->channels, {v->size[0], v->size[1], v->size[2]}, w->program->item_bytes};
        const fc_view input = fc_plain_of(w, w->step->input), output = fc_plain_of(w, w->step->output);
        const fc_epilogue epilogue = {NULL, NULL, w->step->activation};
        return fc_batch_norm(&map, &w->step->norm, &input, &output, &epilogue, w->run);
    }
    const int64_t planes = w->batch * fc_blocks_of(w, v) * v->size[0];
    fc_rows_job job = split_rows(w, planes, v->size[1]);
    const fc_team team = team_for(w, planes * job.pieces, (double)(OPERATIONS_OF_NORM * job.rows * v->size[2] * w->kernels->block));
    return fc_parallel(&team, planes * job.pieces, norm_task, &job);
}

static int64_t taps_of(const fc_conv *conv) { return conv->window.kernel[0] * conv->window.kernel[1] * conv->window.kernel[2]; }

static int block_of(const fc_conv *conv) { return FC_BLOCK_BYTES / conv->item_bytes; }

size_t fc_depthwise_bytes(const fc_conv *conv)
{
    return (size_t)(fc_ceil_div(conv->c_out, block_of(conv)) * taps_of(conv) * (conv->c_in / conv->groups)) * FC_BLOCK_BYTES;
}

void fc_pack_depthwise(const fc_conv *conv, const void *weight, void *packed)
{
    const int64_t taps = taps_of(conv), item = conv->item_bytes, block = block_of(conv), inputs = conv->c_in / conv->groups;
    memset(packed, 0, fc_depthwise_bytes(conv));
    for (int64_t c = 0; c < conv->c_out; c++)
        for (int64_t k = 0; k < inputs; k++)
            for (int64_t tap = 0; tap < taps; tap++)
                memcpy((char *)packed + ((c / block * taps + tap) * inputs + k) * FC_BLOCK_BYTES + c % block * item,
                       (const char *)weight + ((c * inputs + k) * taps + tap) * item, (size_t)item);
}

void fc_depthwise_offsets(const fc_window *window, const fc_blocked *in, ptrdiff_t *offset)
{
    for (int64_t d = 0; d < window->kernel[0]; d++)
        for (int64_t h = 0; h < window->kernel[1]; h++)
            for (int64_t v = 0; v < window->kernel[2]; v++)
                *offset++ = d * window->dilation[0] * in->slice + h * window->dilation[1] * in->row
                          + v * window->dilation[2] * FC_BLOCK_BYTES;
}

/* Of the inputs that a block of outputs reads. */
static int64_t first_input(const fc_walker *w, const fc_step *step, int64_t block)
{
    const int64_t outputs = step->conv.c_out / step->conv.groups;
    return block * w->kernels->block / outputs * (step->conv.c_in / step->conv.groups);
}

void fc_depthwise_rows(const fc_walker *w, const fc_step *step, int64_t block, const fc_block_rows *rows)
{
    const fc_window *window = &step->conv.window;
    const int64_t taps = taps_of(&step->conv), inputs = step->conv.c_in / step->conv.groups, outputs = step->conv.c_out / step->conv.groups;
    const fc_depthwise t = {
        .input = rows->input, .px_stride = window->stride[2] * FC_BLOCK_BYTES, .in_row = window->stride[1] * rows->in_row,
        .offset = rows->offset, .steps = taps, .px = window->out[2], .rows = rows->count, .channels = w->kernels->block,
        .filter = (const char *)step->weight + block * taps * inputs * FC_BLOCK_BYTES,
        .bias = (const char *)step->bias + block * FC_BLOCK_BYTES, .residual = rows->residual, .output = rows->output,
        .out_px = FC_BLOCK_BYTES, .out_row = rows->out_row, .residual_row = rows->residual_row, .activation = step->activation,
    };
    if (outputs == 1) w->kernels->depthwise(&t);
    else w->kernels->grouped(&(fc_few_lanes){t, (int)inputs, (int)outputs, (int)(first_input(w, step, block) % w->kernels->block)});
}

typedef struct {
    fc_rows_job split;
    ptrdiff_t offset[FC_MOST_TAPS];
} fc_depthwise_job;

static void depthwise_task(void *context, int64_t task, int thread)
{
    const fc_depthwise_job *job = context;
    const fc_walker *w = job->split.walker;
    const fc_step *step = w->step;
    const fc_window *window = &step->conv.window;
    const int64_t block = w->kernels->block, blocks = fc_ceil_div(step->conv.c_out, block);
    const int64_t plane = task / job->split.pieces, row = task % job->split.pieces * job->split.rows;
    const int64_t d = plane % window->out[0], b = plane / window->out[0] % blocks, n = plane / window->out[0] / blocks;
    const fc_blocked in = fc_blocked_of(w, step->input), out = fc_blocked_of(w, step->output);
    fc_block_rows rows = {
        .input = block_at(&in, n, first_input(w, step, b) / block) + (d * window->stride[0] - window->pad[0]) * in.slice
               + (row * window->stride[1] - window->pad[1]) * in.row - window->pad[2] * FC_BLOCK_BYTES,
        .output = block_at(&out, n, b) + d * out.slice + row * out.row, .in_row = in.row, .out_row = out.row,
        .count = fc_min(job->split.rows, window->out[1] - row), .offset = job->offset,
    };
    (void)thread;
    if (step->residual != FC_NO_VALUE) {
        const fc_blocked r = fc_blocked_of(w, step->residual);
        rows.residual = block_at(&r, n, b) + d * r.slice + row * r.row;
        rows.residual_row = r.row;
    }
    fc_depthwise_rows(w, step, b, &rows);
}

fc_status fc_step_depthwise(const fc_walker *w)
{
    const fc_window *window = &w->step->conv.window;
    const fc_blocked in = fc_blocked_of(w, w->step->input);
    if (taps_of(&w->step->conv) > FC_MOST_TAPS) return FC_UNSUPPORTED;
    const int64_t planes = w->batch * fc_ceil_div(w->step->conv.c_out, w->kernels->block) * window->out[0];
    fc_depthwise_job job = {.split = split_rows(w, planes, window->out[1])};
    fc_depthwise_offsets(window, &in, job.offset);
    const int64_t products = taps_of(&w->step->conv) * (w->step->conv.c_in / w->step->conv.groups);
    const fc_team team = team_for(w, planes * window->out[1], (double)(window->out[2] * w->kernels->block * products));
    return fc_parallel(&team, planes * job.split.pieces, depthwise_task, &job);
}
