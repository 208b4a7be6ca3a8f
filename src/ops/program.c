/* Walking a program: each step is a call of the algorithm that the plain functions use, between maps of the arena. */
#include "program.h"

#include <math.h>
#include <string.h>

#include "../plan/conv.h"
#include "../plan/transposed.h"
#include "../sizes.h"
#include "clock.h"

/* Products from which on the threads of a team are gathered for all steps; fewer take one thread less time than waking others
 * (measured). A step without products counts its items, which come from caches and go there, as so many (not measured), or those
 * that its windows look at. An activation that is no clip counts as so many more, about what a hyperbolic tangent takes. */
static const double LARGE_WORK = 4e6, PRODUCTS_OF_ITEM = 16, PRODUCTS_OF_ACTIVATION = 24;

static const double POLL_SECONDS = 0.05;

const char *fc_step_name(fc_step_kind kind)
{
    static const char *const name[FC_STEPS] = {
        "load", "conv", "depthwise", "plain_conv", "max_pool", "avg_pool", "adaptive_avg_pool",
        "reorder", "add", "batch_norm", "group_norm", "layer_norm", "softmax",
    };
    return name[kind];
}

static int64_t padded_pixels(const fc_value *v)
{
    int64_t pixels = 1;
    for (int i = 0; i < FC_SPATIAL; i++) pixels *= v->before[i] + v->size[i] + v->after[i];
    return pixels;
}

size_t fc_value_bytes(const fc_value *v, int64_t batch, int item_bytes)
{
    const int64_t pixels = batch * padded_pixels(v);
    return fc_aligned((size_t)(v->map_blocks * pixels * (v->blocked ? FC_BLOCK_BYTES : item_bytes)));
}

const fc_value *fc_value_of(const fc_walker *w, int number) { return &w->program->value[number]; }

static char *start_of(const fc_walker *w, const fc_value *v)
{
    return v->place == FC_IN_INPUT ? w->input : v->place == FC_IN_OUTPUT ? w->output : w->arena + v->at;
}

int64_t fc_blocks_of(const fc_walker *w, const fc_value *v) { return fc_ceil_div(v->first_lane + v->channels, w->kernels->block); }

fc_blocked fc_blocked_of(const fc_walker *w, int number)
{
    const fc_value *v = fc_value_of(w, number);
    fc_blocked map;
    map.row = (ptrdiff_t)(v->before[2] + v->size[2] + v->after[2]) * FC_BLOCK_BYTES;
    map.slice = (ptrdiff_t)(v->before[1] + v->size[1] + v->after[1]) * map.row;
    map.block = (ptrdiff_t)(v->before[0] + v->size[0] + v->after[0]) * map.slice;
    map.sample = (ptrdiff_t)v->map_blocks * map.block;
    map.data = start_of(w, v) + v->first_block * map.block + v->before[0] * map.slice + v->before[1] * map.row
             + v->before[2] * FC_BLOCK_BYTES;
    return map;
}

fc_view fc_plain_of(const fc_walker *w, int number)
{
    const fc_value *v = fc_value_of(w, number);
    fc_view view = {.data = start_of(w, v)};
    view.stride[4] = w->program->item_bytes;
    view.stride[3] = v->size[2] * view.stride[4];
    view.stride[2] = v->size[1] * view.stride[3];
    view.stride[1] = v->size[0] * view.stride[2];
    view.stride[0] = v->map_blocks * view.stride[1];
    view.data = (char *)view.data + v->first_block * view.stride[1];
    return view;
}

/* A value as a view whose samples are the blocks, or as it is. */
static fc_view pixels_of(const fc_walker *w, int number)
{
    if (!fc_value_of(w, number)->blocked) return fc_plain_of(w, number);
    const fc_blocked map = fc_blocked_of(w, number);
    return (fc_view){map.data, {map.block, w->program->item_bytes, map.slice, map.row, FC_BLOCK_BYTES}};
}

/* The zeros round one channel block of one sample. */
static void halo_task(void *context, int64_t task, int thread)
{
    const fc_walker *w = context;
    const fc_value *v = fc_value_of(w, w->step->output);
    const fc_blocked map = fc_blocked_of(w, w->step->output);
    const int64_t blocks = fc_blocks_of(w, v), rows = v->before[1] + v->size[1] + v->after[1];
    const int64_t slices = v->before[0] + v->size[0] + v->after[0], inner = v->size[2] * FC_BLOCK_BYTES;
    char *row = (char *)map.data + task / blocks * map.sample + task % blocks * map.block - v->before[0] * map.slice
              - v->before[1] * map.row - v->before[2] * FC_BLOCK_BYTES;
    (void)thread;
    for (int64_t s = -v->before[0]; s < slices - v->before[0]; s++)
        for (int64_t r = -v->before[1]; r < rows - v->before[1]; r++, row += map.row) {
            if (s < 0 || s >= v->size[0] || r < 0 || r >= v->size[1]) {
                memset(row, 0, (size_t)map.row);
                continue;
            }
            memset(row, 0, (size_t)(v->before[2] * FC_BLOCK_BYTES));
            memset(row + v->before[2] * FC_BLOCK_BYTES + inner, 0, (size_t)(v->after[2] * FC_BLOCK_BYTES));
        }
}

/* The arena's memory had other uses before. */
static fc_status clear_halo(const fc_walker *w)
{
    const fc_value *v = fc_value_of(w, w->step->output);
    int64_t halo = 0;
    for (int i = 0; i < FC_SPATIAL; i++) halo += v->before[i] + v->after[i];
    if (!v->blocked || !halo) return FC_OK;
    fc_team team = w->run->team;
    const int64_t tasks = w->batch * fc_blocks_of(w, v);
    if ((double)tasks * (double)padded_pixels(v) < FC_SERIAL_WORK) team.threads = 1;
    return fc_parallel(&team, tasks, halo_task, (void *)w);
}

static fc_status run_conv(const fc_walker *w)
{
    const fc_step *step = w->step;
    fc_conv conv = step->conv;
    fc_conv_plan plan;
    conv.batch = w->batch;
    if (conv.transposed) fc_gather(&conv);
    const fc_status status = fc_plan_conv(&conv, w->run, &plan);
    if (status != FC_OK) return status;
    fc_blocked_conv call = {.conv = &conv, .plan = &plan, .packed = step->weight, .output = fc_blocked_of(w, step->output),
                            .epilogue = {step->bias, NULL, step->activation}};
    if (plan.form == FC_PLANES) call.plain = fc_plain_of(w, step->input);
    else call.input = fc_blocked_of(w, step->input);
    if (step->residual != FC_NO_VALUE) call.residual = fc_blocked_of(w, step->residual);
    return fc_conv_run_blocked(&call, w->run);
}

static fc_status run_plain_conv(const fc_walker *w)
{
    const fc_step *step = w->step;
    fc_conv conv = step->conv;
    conv.batch = w->batch;
    const fc_view input = fc_plain_of(w, step->input), output = fc_plain_of(w, step->output);
    fc_epilogue epilogue = {step->bias, NULL, step->activation};
    if (step->residual != FC_NO_VALUE) epilogue.residual = fc_plain_of(w, step->residual).data;
    return fc_conv_run(&conv, &input, step->weight, &output, &epilogue, w->run);
}

static fc_status pool_views(const fc_walker *w, const fc_pool *pool, const fc_view *input, const fc_view *output)
{
    switch (w->step->kind) {
    case FC_STEP_MAX_POOL: return fc_max_pool(pool, input, output, NULL, w->run);
    case FC_STEP_AVG_POOL: return fc_avg_pool(pool, &w->step->average, input, output, w->run);
    default: return fc_adaptive_avg_pool(pool, input, output, w->run);
    }
}

/* Between blocked maps the blocks are as good as samples. */
static fc_status run_pool(const fc_walker *w)
{
    const fc_value *from = fc_value_of(w, w->step->input);
    const fc_view input = pixels_of(w, w->step->input), output = pixels_of(w, w->step->output);
    fc_pool pool = w->step->pool;
    pool.batch = pool.run = w->batch;
    pool.channels = from->channels;
    if (from->blocked) {
        pool.run = fc_blocks_of(w, from);
        pool.batch *= pool.run;
        pool.channels = w->kernels->block;
        pool.input_run = fc_blocked_of(w, w->step->input).sample;
        pool.output_run = fc_blocked_of(w, w->step->output).sample;
    }
    return pool_views(w, &pool, &input, &output);
}

static fc_status run_softmax(const fc_walker *w)
{
    const fc_value *v = fc_value_of(w, w->step->input);
    const fc_softmax softmax = {w->batch, v->channels, v->size[0] * v->size[1] * v->size[2], w->program->item_bytes,
                                w->step->logarithm};
    return fc_softmax_run(&softmax, fc_plain_of(w, w->step->input).data, fc_plain_of(w, w->step->output).data, w->run);
}

static fc_status run_step(const fc_walker *w)
{
    fc_walker end = *w;
    end.step += w->step->links - 1;
    const fc_status status = clear_halo(&end);
    if (status != FC_OK) return status;
    if (w->step->links > 1) return fc_step_chain(w);
    switch (w->step->kind) {
    case FC_STEP_LOAD: return fc_step_load(w);
    case FC_STEP_CONV: return run_conv(w);
    case FC_STEP_DEPTHWISE: return fc_step_depthwise(w);
    case FC_STEP_PLAIN_CONV: return run_plain_conv(w);
    case FC_STEP_REORDER: return fc_step_reorder(w);
    case FC_STEP_ADD: return fc_step_add(w);
    case FC_STEP_BATCH_NORM: return fc_step_batch_norm(w);
    case FC_STEP_GROUP_NORM: return fc_step_group_norm(w);
    case FC_STEP_LAYER_NORM: return fc_step_layer_norm(w);
    case FC_STEP_SOFTMAX: return run_softmax(w);
    default: return run_pool(w);
    }
}

typedef struct {
    fc_walker walker;
    double *seconds;
    fc_status status;
} fc_walk_of_program;

static void walk(void *context, const fc_team *together)
{
    fc_walk_of_program *all = context;
    fc_walker w = all->walker;
    fc_run run = *w.run;
    run.team = *together;
    w.run = &run;
    const int clocked = all->seconds || run.team.interrupted;
    double start = clocked ? fc_seconds_now() : 0, asked = start;
    for (int64_t s = 0; s < w.program->steps && all->status == FC_OK; s += w.step->links) {
        w.step = &w.program->step[s];
        all->status = run_step(&w);
        if (!clocked) continue;
        const double end = fc_seconds_now();
        if (all->seconds) all->seconds[s] = end - start;
        start = end;
        if (!run.team.interrupted || end - asked < POLL_SECONDS) continue;
        asked = end; /* steps may be too short to ask themselves */
        if (run.team.interrupted()) all->status = FC_INTERRUPTED;
    }
}

static double pixels(const int64_t *size) { return (double)size[0] * (double)size[1] * (double)size[2]; }

/* Products of an item of the output, or of a transposed convolution's input, or what else takes as long. */
static double work_of_item(const fc_step *step)
{
    const fc_window *window = &step->pool.window;
    switch (step->kind) {
    case FC_STEP_CONV:
    case FC_STEP_DEPTHWISE:
    case FC_STEP_PLAIN_CONV:
        return pixels(step->conv.window.kernel) * (double)(step->conv.transposed ? step->conv.c_out : step->conv.c_in)
             / (double)step->conv.groups;
    case FC_STEP_MAX_POOL:
    case FC_STEP_AVG_POOL: return fmax(PRODUCTS_OF_ITEM, pixels(window->kernel));
    case FC_STEP_ADAPTIVE_AVG_POOL: return fmax(PRODUCTS_OF_ITEM, pixels(window->in) / pixels(window->out));
    default: return PRODUCTS_OF_ITEM;
    }
}

/* Whether it is worth while to wake other threads. */
static int is_large(const fc_program *program, int64_t batch)
{
    double work = 0;
    for (int64_t s = 0; s < program->steps; s++) {
        const fc_step *step = &program->step[s];
        const fc_value *output = &program->value[step->output];
        const fc_value *counted = step->conv.transposed ? &program->value[step->input] : output;
        work += work_of_item(step) * (double)counted->channels * pixels(counted->size);
        if (!fc_is_clip(&step->activation)) work += PRODUCTS_OF_ACTIVATION * (double)output->channels * pixels(output->size);
    }
    return work * (double)batch >= LARGE_WORK;
}

fc_status fc_program_run(fc_program *program, int64_t batch, const void *input, void *output, const fc_run *run,
                         double *seconds)
{
    fc_block arena = fc_kept_acquire(&program->arena, program->arena_bytes);
    if (!arena.data) return FC_NO_MEMORY;
    fc_walk_of_program all = {{.program = program, .batch = batch, .arena = arena.data, .input = (char *)input, .output = output,
                               .run = run, .kernels = fc_kernels_for(run->isa, program->item_bytes)},
                              seconds, FC_OK};
    fc_team team = run->team;
    if (!is_large(program, batch)) {
        team.threads = 1;
        team.interrupted = NULL; /* asking about signals, and when to, would take longer than a signal has to wait */
    }
    fc_together(&team, walk, &all);
    fc_kept_release(&program->arena, arena);
    return all.status;
}

void fc_program_free(fc_program *program) { fc_kept_free(&program->arena, program->arena_bytes); }
