/* Winograd convolution: the input of some tiles is transformed, one matrix product for each of the 36 places of a transformed
 * tile sums over the channels, and the sums are transformed back.
 *
 *   input   ->  transformed [36][in block][tile][lane]  * filter [36][panel][in][lane]  ->  sums [36][out block][tile][lane]
 *
 * A sum runs over the channels in their order, whichever way the work is cut (plan/winograd.h).
 */
#include "conv.h"

#include "../plan/winograd.h"
#include "../sizes.h"

enum { TAPS = 9 };

/* The tiles [first, end) of a band that is `across` tiles wide, row after row. */
typedef struct {
    int64_t first, end, across;
} fc_tiles;

/* A run of neighbouring tiles of one row of a band. */
typedef struct {
    int64_t row, col, count;
} fc_tile_run;

static fc_tile_run run_at(const fc_tiles *tiles, int64_t tile)
{
    const int64_t row = tile / tiles->across, col = tile % tiles->across;
    return (fc_tile_run){row, col, fc_min(tiles->across - col, tiles->end - tile)};
}

static fc_tiles tiles_of(const fc_piece *piece)
{
    const int64_t across = fc_ceil_div(piece->range.count[2], FC_TILE_OUT);
    return (fc_tiles){0, across * fc_ceil_div(piece->range.count[1], FC_TILE_OUT), across};
}

/* Transformed input, and sums of some output channels, of the tiles that are multiplied together. */
typedef struct {
    char *transformed, *sums, *output, *registers, *taps, *row;
    int64_t tiles;               /* for which there is room */
    ptrdiff_t in_step, out_step; /* between the places of a tile */
} fc_stage;

/* `memory`: where the scratch of plan_bands or plan_channels begins, behind everything else. */
static fc_stage stage_of(const fc_conv_job *job, char *transformed, char *sums, int64_t out_blocks, char *memory)
{
    const fc_conv_plan *plan = job->plan;
    fc_stage s = {.transformed = transformed, .sums = sums, .tiles = plan->together, .registers = memory};
    s.in_step = (ptrdiff_t)fc_place_bytes(plan->in_blocks, s.tiles);
    s.out_step = (ptrdiff_t)fc_place_bytes(out_blocks, s.tiles);
    s.taps = s.registers + FC_PRODUCTS * FC_BLOCK_BYTES;
    s.row = s.taps + TAPS * plan->kernels->block * FC_BLOCK_BYTES;
    s.output = s.row + fc_gathered_row_bytes(job->conv, plan->kernels);
    return s;
}

/* Some tiles of a band of one channel block, laid out at `input`, to place `at` of the transformed ones. */
static void transform_input(const fc_conv_job *job, const fc_stage *s, const char *input, const fc_tiles *tiles, char *at)
{
    fc_winograd t = {.row = job->scratch.row_bytes, .step = s->in_step, .scratch = s->registers};
    for (int64_t tile = tiles->first; tile < tiles->end; tile += t.tiles) {
        const fc_tile_run run = run_at(tiles, tile);
        t.tiles = run.count;
        t.input = input + run.row * FC_TILE_OUT * t.row + run.col * FC_TILE_OUT * FC_BLOCK_BYTES;
        t.output = at + (tile - tiles->first) * FC_BLOCK_BYTES;
        job->plan->kernels->winograd_input(&t);
    }
}

/* One panel of output channels: its transformed filter of the input blocks [first, end), and where its sums stand. */
typedef struct {
    const char *filter;
    ptrdiff_t filter_step;
    char *sums;
    int blocks;
    int64_t first, end;
} fc_factor;

static void multiply(const fc_conv_job *job, const fc_stage *s, const fc_factor *factor, int product, int64_t tiles)
{
    const fc_conv_plan *plan = job->plan;
    const int block = plan->kernels->block;
    const int64_t full = fc_min(factor->end, plan->group_in / block) - factor->first;
    const fc_reduction reduction = {
        .kernels = plan->kernels, .walk = FC_WALK_BLOCKED_1, .offset = job->offset + factor->first, .px_stride = FC_BLOCK_BYTES,
        .row_stride = s->tiles * FC_BLOCK_BYTES, .steps = full, .depth = block,
        .tail_steps = factor->end - factor->first - full, .tail_depth = plan->group_in % block,
    };
    const char *filter = factor->filter + product * factor->filter_step;
    const fc_panel panel = {.filter = filter, .blocks = factor->blocks, .unfinished = 1, .continued = factor->first > 0};
    const fc_target target = {.data = factor->sums + product * s->out_step, .px = FC_BLOCK_BYTES,
                              .row = s->tiles * FC_BLOCK_BYTES, .block = s->tiles * FC_BLOCK_BYTES};
    fc_sweep(&reduction, s->transformed + product * s->in_step, &panel, &target, 1, tiles);
}

/* Where a run of tiles of one channel block goes in the output. */
static void store_run(const fc_conv_job *job, const fc_piece *piece, const fc_stage *s, const fc_tile_run *run, int64_t block)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t row = piece->range.first[1] + run->row * FC_TILE_OUT, col = piece->range.first[2] + run->col * FC_TILE_OUT;
    const int64_t within = block * plan->kernels->block, channel = piece->group * plan->group_out + within;
    const ptrdiff_t *stride = job->output.stride;
    const ptrdiff_t at = piece->sample * stride[0] + channel * stride[1] + piece->range.first[0] * stride[2] + row * stride[3]
                       + col * stride[4];
    fc_store store = {.kernels = plan->kernels, .scratch = s->output, .px = FC_BLOCK_BYTES,
                      .row = run->count * FC_TILE_OUT * FC_BLOCK_BYTES, .output = job->output,
                      .residual = job->epilogue.residual ? (const char *)job->epilogue.residual + at : NULL,
                      .rows = fc_min(FC_TILE_OUT, job->conv->window.out[1] - row),
                      .cols = fc_min(run->count * FC_TILE_OUT, job->conv->window.out[2] - col),
                      .channels = fc_min(plan->kernels->block, plan->group_out - within),
                      .activation = job->epilogue.activation};
    store.output.data = (char *)job->output.data + at;
    fc_store_block(&store);
}

/* Some tiles of a piece in one output block; `sums` stands at the first of them. */
static void transform_output(const fc_conv_job *job, const fc_piece *piece, const fc_stage *s, int64_t block, const char *sums,
                             const fc_tiles *tiles)
{
    const fc_conv_plan *plan = job->plan;
    fc_winograd t = {.step = s->out_step, .output = s->output, .scratch = s->registers,
                     .bias = (const char *)fc_panel_bias(job, piece->group, 0) + block * FC_BLOCK_BYTES};
    for (int64_t tile = tiles->first; tile < tiles->end; tile += t.tiles) {
        const fc_tile_run run = run_at(tiles, tile);
        t.tiles = run.count;
        t.row = run.count * FC_TILE_OUT * FC_BLOCK_BYTES;
        t.input = sums + (tile - tiles->first) * FC_BLOCK_BYTES;
        plan->kernels->winograd_output(&t);
        store_run(job, piece, s, &run, block);
    }
}

/* The transformed filter of input channels [first, end) of one panel: [36][in][lane of the panel], `step` bytes apart. */
static void transform_filter(const fc_conv_job *job, const int64_t panel[2], int64_t first, int64_t end, char *taps, char *filter,
                             ptrdiff_t step)
{
    const fc_conv_plan *plan = job->plan;
    const fc_kernels *k = plan->kernels;
    const int64_t depth = plan->group_in * TAPS, item = job->conv->item_bytes, group = panel[0], tile = panel[1];
    const int blocks = fc_panel_blocks(plan, tile);
    for (int b = 0; b < blocks; b++) {
        const int64_t within = (tile * k->tile_blocks + b) * k->block;
        const char *rows = job->weight + (group * plan->group_out + within) * depth * item;
        fc_transpose t = {.blocked = taps, .block_stride = FC_BLOCK_BYTES, .plane_stride = depth * item,
                          .channels = fc_min(k->block, plan->group_out - within)};
        for (int64_t in = first; in < end; in += k->block) {
            const int64_t count = fc_min(k->block, end - in);
            t.planar = (void *)(rows + in * TAPS * item);
            t.pixels = count * TAPS;
            t.ahead = in + 2 * k->block <= plan->group_in ? k->block * TAPS * item : 0;
            k->to_blocked(&t);
            for (int64_t i = 0; i < count; i++)
                k->winograd_filter(taps + i * TAPS * FC_BLOCK_BYTES,
                                   filter + ((in - first + i) * blocks + b) * FC_BLOCK_BYTES, step);
        }
    }
}

static void pack_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const int64_t panel[2] = {task / plan->tiles, task % plan->tiles};
    transform_filter(job, panel, 0, plan->group_in, fc_thread_scratch(job, thread),
                     job->shared + fc_panel_at(plan, panel[0], panel[1]), (ptrdiff_t)(plan->filter_bytes / FC_PRODUCTS));
}

static void band_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const fc_piece piece = fc_piece_of(job, task);
    char *input = fc_thread_scratch(job, thread), *transformed = input + plan->input_bytes;
    char *sums = transformed + FC_PRODUCTS * fc_place_bytes(plan->in_blocks, plan->together);
    const fc_stage s = stage_of(job, transformed, sums, plan->out_blocks, input + plan->input_bytes + plan->output_bytes);
    const fc_tiles all = tiles_of(&piece);
    fc_lay_out_piece(job, &piece, s.row, input);
    for (fc_tiles some = all; some.first < all.end; some.first = some.end) {
        some.end = fc_min(some.first + s.tiles, all.end);
        for (int64_t b = 0; b < plan->in_blocks; b++)
            transform_input(job, &s, input + b * job->scratch.group_bytes, &some, s.transformed + b * s.tiles * FC_BLOCK_BYTES);
        for (int product = 0; product < FC_PRODUCTS; product++)
            for (int64_t tile = 0; tile < plan->tiles; tile++) {
                const fc_factor factor = {
                    .filter = job->shared + fc_panel_at(plan, piece.group, tile), .end = plan->in_blocks,
                    .filter_step = (ptrdiff_t)(plan->filter_bytes / FC_PRODUCTS), .blocks = fc_panel_blocks(plan, tile),
                    .sums = s.sums + tile * plan->kernels->tile_blocks * s.tiles * FC_BLOCK_BYTES,
                };
                multiply(job, &s, &factor, product, some.end - some.first);
            }
        for (int64_t block = 0; block < plan->out_blocks; block++)
            transform_output(job, &piece, &s, block, s.sums + block * s.tiles * FC_BLOCK_BYTES, &some);
    }
}

/* By channels: the stage of a thread, its transformed input shared by all and as large as all tiles. */
static fc_stage shared_stage(const fc_conv_job *job, int64_t group, int thread)
{
    const fc_conv_plan *plan = job->plan;
    char *memory = fc_thread_scratch(job, thread), *sums = memory + plan->panel_bytes + plan->input_bytes;
    char *transformed = job->shared + group * FC_PRODUCTS * (ptrdiff_t)fc_place_bytes(plan->in_blocks, plan->together);
    return stage_of(job, transformed, sums, plan->kernels->tile_blocks, sums + plan->output_bytes);
}

/* The number of the first tile of a plane among all of its group. */
static int64_t first_tile(const fc_conv_job *job, const fc_piece *piece)
{
    return (piece->sample * job->conv->window.out[0] + piece->range.first[0]) * tiles_of(piece).end;
}

/* One channel block of one plane of the input. */
static void input_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const int block = plan->kernels->block;
    const int64_t b = task % plan->in_blocks;
    const fc_piece piece = fc_piece_of(job, task / plan->in_blocks);
    const fc_stage s = shared_stage(job, piece.group, thread);
    char *input = fc_thread_scratch(job, thread) + plan->panel_bytes;
    const fc_source source = fc_source_of(job, piece.sample, piece.group * plan->group_in + b * block, s.row);
    fc_lay_out_block(&job->scratch, &source, &piece.range, fc_min(block, plan->group_in - b * block), input);
    const fc_tiles all = tiles_of(&piece);
    transform_input(job, &s, input, &all, s.transformed + (b * s.tiles + first_tile(job, &piece)) * FC_BLOCK_BYTES);
}

static void channel_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const int64_t panel[2] = {task / plan->tiles, task % plan->tiles}, planes = job->conv->batch * job->conv->window.out[0];
    const fc_stage s = shared_stage(job, panel[0], thread);
    char *filter = fc_thread_scratch(job, thread);
    fc_factor factor = {.filter = filter, .sums = s.sums, .blocks = fc_panel_blocks(plan, panel[1]),
                        .filter_step = (ptrdiff_t)(plan->panel_bytes / FC_PRODUCTS)};
    for (; factor.first < plan->in_blocks; factor.first = factor.end) {
        const int block = plan->kernels->block;
        factor.end = fc_min(factor.first + FC_SLAB_BLOCKS, plan->in_blocks);
        transform_filter(job, panel, factor.first * block, fc_min(factor.end * block, plan->group_in), s.taps, filter,
                         factor.filter_step);
        for (int product = 0; product < FC_PRODUCTS; product++) multiply(job, &s, &factor, product, s.tiles);
    }
    for (int64_t plane = 0; plane < planes; plane++) {
        const int64_t slice = plane % job->conv->window.out[0];
        const fc_piece piece = {plane / job->conv->window.out[0], panel[0],
                                {{slice, 0, 0}, {1, job->conv->window.out[1], job->conv->window.out[2]}}};
        const fc_tiles all = tiles_of(&piece);
        for (int b = 0; b < factor.blocks; b++)
            transform_output(job, &piece, &s, panel[1] * plan->kernels->tile_blocks + b,
                             s.sums + (b * s.tiles + first_tile(job, &piece)) * FC_BLOCK_BYTES, &all);
    }
}

fc_status fc_conv_winograd(fc_conv_job *job)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t panels = job->conv->groups * plan->tiles;
    fc_status status;
    for (int64_t b = 0; b < plan->in_blocks; b++) job->offset[b] = b * plan->together * FC_BLOCK_BYTES;
    if (plan->split == FC_BY_CHANNELS) {
        status = fc_parallel(&job->team, fc_pieces(job) * plan->in_blocks, input_task, job);
        return status == FC_OK ? fc_parallel(&job->team, panels, channel_task, job) : status;
    }
    status = fc_parallel(&job->team, panels, pack_task, job);
    return status == FC_OK ? fc_parallel(&job->team, fc_pieces(job), band_task, job) : status;
}
