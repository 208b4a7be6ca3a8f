/* Winograd convolution: the input of some tiles is transformed, one matrix product for each place of a transformed tile sums
 * over the channels, and the sums are transformed back.
 *
 *   input   ->  transformed [place][in block][tile][lane]  * filter [place][panel][in][lane]  ->  sums [place][out block][tile][lane]
 *
 * A transposed convolution has a filter, with its own places, for each phase of its stride: all multiply the same transformed
 * input. Where a phase has no tap at one end of the window of three, the filter's value at one place is zero, and neither it nor
 * its product is made:
 *
 *   stride 2, kernel 4, pad 1:   r = 0:  in[t - 1] w[3] + in[t] w[1] + in[t + 1] 0   no place for infinity
 *                                r = 1:  in[t - 1] 0    + in[t] w[2] + in[t + 1] w[0]   none for 0
 *
 * A sum runs over the channels in their order, whichever way the work is cut (plan/winograd.h).
 */
#include "conv.h"

#include "winograd_filter.h"
#include "../plan/winograd.h"
#include "../sizes.h"

/* rows x cols tiles of one plane, and the number of the first one among those that are multiplied together. */
typedef struct {
    fc_piece piece;
    int64_t rows, cols, first;
} fc_tiles;

/* Those from row `row` and column `col` on. */
static fc_tiles tiles_at(const fc_conv_job *job, const fc_piece *plane, int64_t row, int64_t col, int64_t rows, int64_t cols)
{
    const int64_t out = job->plan->winograd->tile_out, *size = job->conv->window.out;
    fc_tiles tiles = {*plane, rows, cols, 0};
    tiles.piece.range = (fc_range){
        .first = {plane->range.first[0], row * out, col * out},
        .count = {1, fc_min(rows * out, size[1] - row * out), fc_min(cols * out, size[2] - col * out)},
    };
    return tiles;
}

/* The tiles of a band: what it has of its first row, whole rows, what it has of its last. */
enum { MOST_PARTS = 3 };
typedef struct {
    fc_tiles part[MOST_PARTS];
    int parts;
    int64_t tiles;
} fc_band;

static fc_band band_of(const fc_conv_job *job, int64_t task)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t across = fc_tiles_along(job->conv, plan, 2), tiles = fc_tiles_along(job->conv, plan, 1) * across;
    const int64_t number = task % plan->bands, begin = number * tiles / plan->bands, end = (number + 1) * tiles / plan->bands;
    const fc_piece plane = fc_plane_of(job, task / plan->bands);
    fc_band band = {.tiles = end - begin};
    for (int64_t at = begin, count; at < end; at += count) {
        const int64_t col = at % across, rows = col ? 1 : fc_max(1, (end - at) / across);
        fc_tiles part = tiles_at(job, &plane, at / across, col, rows, fc_min(across - col, end - at));
        part.first = at - begin;
        count = part.rows * part.cols;
        band.part[band.parts++] = part;
    }
    return band;
}

/* What a thread works in: transformed input, the sums of some panels, and scratch. */
typedef struct {
    char *transformed, *sums, *input, *taps, *row, *output;
    ptrdiff_t in_step, out_step; /* between the places of a tile */
    ptrdiff_t block;             /* between blocks of transformed input, and of sums */
} fc_stage;

/* scratch: of one thread, behind transformed input and sums. */
static fc_stage stage_of(const fc_conv_job *job, char *transformed, char *sums, char *scratch)
{
    const fc_conv_plan *plan = job->plan;
    fc_stage s = {.transformed = transformed, .sums = sums, .input = scratch, .block = plan->together * FC_BLOCK_BYTES};
    s.in_step = (ptrdiff_t)fc_place_bytes(plan->in_blocks, plan->together);
    s.out_step = (ptrdiff_t)fc_place_bytes(plan->panels * plan->kernels->tile_blocks, plan->together);
    s.taps = s.input + plan->input_bytes;
    s.row = s.taps + FC_TAPS * fc_max(plan->kernels->block, plan->phases) * FC_BLOCK_BYTES;
    s.output = s.row + fc_gathered_row_bytes(job->conv, plan->kernels);
    return s;
}

static ptrdiff_t position_in(const fc_blocked *map, const fc_piece *piece, int64_t block)
{
    const int64_t *first = piece->range.first;
    return piece->sample * map->sample + block * map->block + first[0] * map->slice + first[1] * map->row + first[2] * FC_BLOCK_BYTES;
}

/* The pixels of one channel block under some tiles, halo included, in the map or laid out. row: bytes between its rows. */
static const char *block_input(const fc_conv_job *job, const fc_stage *s, const fc_piece *piece, int64_t block, ptrdiff_t *row)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t *pad = job->conv->window.pad, first = block * plan->kernels->block;
    if (job->maps) {
        const fc_blocked *map = &job->maps->input;
        *row = map->row;
        return (const char *)map->data + position_in(map, piece, piece->group * plan->in_blocks + block) - pad[1] * map->row - pad[2] * FC_BLOCK_BYTES
             - pad[0] * map->slice;
    }
    const fc_source source = fc_source_of(job, piece->sample, piece->group * plan->group_in + first, s->row);
    fc_lay_out_block(&job->scratch, &source, &piece->range, fc_min(plan->kernels->block, plan->group_in - first), s->input);
    *row = job->scratch.row_bytes;
    return s->input;
}

static void transform_input(const fc_conv_job *job, const fc_stage *s, const fc_tiles *tiles, int64_t block)
{
    const fc_winograd_kernels *k = job->plan->winograd;
    fc_winograd t = {.places.step = s->in_step, .tiles = tiles->cols, .streamed = job->maps != NULL};
    const char *input = block_input(job, s, &tiles->piece, block, &t.row);
    for (int64_t row = 0; row < tiles->rows; row++) {
        t.input = input + row * k->tile_out * t.row;
        t.output = s->transformed + block * s->block + (tiles->first + row * tiles->cols) * FC_BLOCK_BYTES;
        k->input(&t);
    }
}

/* One panel of output channels: its transformed filter of the input blocks [first, end), at the first place, and its sums.
 * next: NULL, or what is multiplied after this. */
typedef struct {
    const char *filter, *next;
    ptrdiff_t filter_step;
    char *sums;
    int blocks;
    int64_t first, end;
} fc_factor;

/* The place of a transformed input that place number `place` of all phases belongs to. */
static int64_t input_place(const fc_conv_job *job, int64_t place)
{
    const fc_phase *phase = job->phase + job->phases - 1;
    while (phase->before > place) phase--;
    const fc_places *p = &phase->places;
    const int64_t within = place - phase->before, cols = p->end[1] - p->first[1], points = job->plan->winograd->tile_out + FC_TILE_TAPS - 1;
    return (p->first[0] + within / cols) * points + p->first[1] + within % cols;
}

static void multiply(const fc_conv_job *job, const fc_stage *s, const fc_factor *factor, int64_t place, int64_t tiles)
{
    const fc_conv_plan *plan = job->plan;
    const int block = plan->kernels->block;
    const int64_t full = fc_min(factor->end, plan->group_in / block) - factor->first;
    const fc_reduction reduction = {
        .kernels = plan->kernels, .walk = FC_WALK_BLOCKED_1, .offset = job->offset + factor->first, .px_stride = FC_BLOCK_BYTES,
        .row_stride = s->block, .steps = full, .depth = block,
        .tail_steps = factor->end - factor->first - full, .tail_depth = plan->group_in % block,
    };
    const char *filter = factor->filter + place * factor->filter_step;
    const fc_panel panel = {.filter = filter, .next = factor->next, .blocks = factor->blocks, .unfinished = 1,
                            .continued = factor->first > 0};
    const fc_target target = {.data = factor->sums + place * s->out_step, .px = FC_BLOCK_BYTES, .row = s->block, .block = s->block};
    fc_sweep(&reduction, s->transformed + input_place(job, place) * s->in_step, &panel, &target, 1, tiles);
}

/* The outputs of a row of tiles, from scratch to the array. */
static void store_outputs(const fc_conv_job *job, const fc_stage *s, const fc_piece *outputs, int64_t block)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t within = block * plan->kernels->block, *first = outputs->range.first, *count = outputs->range.count;
    const ptrdiff_t *stride = job->output.stride;
    const ptrdiff_t at = outputs->sample * stride[0] + (outputs->group * plan->group_out + within) * stride[1]
                       + first[0] * stride[2] + first[1] * stride[3] + first[2] * stride[4];
    fc_store store = {.kernels = plan->kernels, .scratch = s->output, .px = FC_BLOCK_BYTES, .row = count[2] * FC_BLOCK_BYTES,
                      .output = job->output, .rows = count[1], .cols = count[2],
                      .residual = job->epilogue.residual ? (const char *)job->epilogue.residual + at : NULL,
                      .channels = fc_min(plan->kernels->block, plan->group_out - within), .activation = job->epilogue.activation};
    store.output.data = (char *)job->output.data + at;
    fc_store_block(&store);
}

/* Where the outputs of a row of tiles, of all phases, go: into the map, finished, or into scratch. */
static void set_output(const fc_conv_job *job, const fc_stage *s, const fc_piece *outputs, int64_t block, fc_winograd *t)
{
    if (!job->maps) {
        t->output = s->output;
        t->row = outputs->range.count[2] * FC_BLOCK_BYTES;
        return;
    }
    block += outputs->group * job->plan->out_blocks;
    t->output = (char *)job->maps->output.data + position_in(&job->maps->output, outputs, block);
    t->row = job->maps->output.row;
    t->activation = job->epilogue.activation;
    const fc_blocked *residual = &job->maps->residual;
    t->residual = residual->data ? (const char *)residual->data + position_in(residual, outputs, block) : NULL;
}

/* Those of one phase. all: the row of tiles, its sums at the first place of all. */
static void transform_phase(const fc_conv_job *job, const fc_winograd *all, const fc_phase *phase, const fc_range *outputs)
{
    const fc_winograd_kernels *k = job->plan->winograd;
    const int64_t *step = job->plan->step;
    const ptrdiff_t at = phase->first[1] * all->row + phase->first[2] * FC_BLOCK_BYTES;
    fc_winograd t = *all;
    t.rows = fc_phase_count(job, phase, outputs, 1);
    t.cols = fc_phase_count(job, phase, outputs, 2);
    if (!t.rows || !t.cols) return;
    t.places = phase->places;
    t.places.step = all->places.step;
    t.input = (const char *)all->input + phase->before * all->places.step;
    t.output = (char *)all->output + at;
    if (all->residual) t.residual = (const char *)all->residual + at;
    t.row = all->row * step[1];
    t.px = FC_BLOCK_BYTES * step[2];
    k->output(&t);
}

/* One output block of some tiles; `sums` stands at the first of all tiles that were multiplied together. */
static void transform_output(const fc_conv_job *job, const fc_stage *s, const fc_tiles *tiles, int64_t block, const char *sums)
{
    const int out = job->plan->winograd->tile_out;
    fc_winograd t = {.places.step = s->out_step, .tiles = tiles->cols, .streamed = job->maps != NULL,
                     .bias = (const char *)fc_panel_bias(job, tiles->piece.group, 0) + block * FC_BLOCK_BYTES};
    for (int64_t row = 0; row < tiles->rows; row++) {
        fc_range range = tiles->piece.range;
        range.first[1] += row * out;
        range.count[1] = fc_min(out, range.count[1] - row * out);
        const fc_piece outputs = {tiles->piece.sample, tiles->piece.group, fc_outputs_of(job, &range, 0)};
        t.input = sums + (tiles->first + row * tiles->cols) * FC_BLOCK_BYTES;
        set_output(job, s, &outputs, block, &t);
        for (const fc_phase *phase = job->phase; phase < job->phase + job->phases; phase++)
            transform_phase(job, &t, phase, &outputs.range);
        if (!job->maps) store_outputs(job, s, &outputs, block);
    }
}

/* Where the filter of a panel stands at a place; NULL behind the last place. */
static const char *filter_at(const fc_conv_job *job, int64_t group, int64_t tile, int64_t place)
{
    const fc_conv_plan *plan = job->plan;
    if (place == plan->places) return NULL;
    return job->filter + fc_panel_at(plan, group, tile) + place * fc_filter_step(plan);
}

/* What the next band reads of the map, on its way to the second level while this one is multiplied: in all products together. The next
 * one may be another thread's, if this is the last of a share; where threads have one each, it is. */
typedef struct {
    fc_band band;
    int64_t products, done;
} fc_next_band;

/* Of the lines of all parts, block by block and row by row, those that belong to one product. */
static void fetch_share(const fc_conv_job *job, const fc_stage *s, fc_next_band *next)
{
    const int64_t out = job->plan->winograd->tile_out, halo = FC_TILE_TAPS - 1, product = next->done++;
    for (int i = 0; i < next->band.parts; i++) {
        const fc_tiles *part = &next->band.part[i];
        const int64_t rows = part->rows * out + halo, cols = part->cols * out + halo, lines = job->plan->in_blocks * rows * cols;
        const int64_t end = (product + 1) * lines / next->products;
        for (int64_t at = product * lines / next->products, count; at < end; at += count) {
            const int64_t row = at / cols, col = at % cols;
            ptrdiff_t row_bytes;
            const char *line = block_input(job, s, &part->piece, row / rows, &row_bytes) + row % rows * row_bytes + col * FC_BLOCK_BYTES;
            count = fc_min(end - at, cols - col);
            for (int64_t n = 0; n < count; n++) __builtin_prefetch(line + n * FC_BLOCK_BYTES, 0, 2);
        }
    }
}

/* The panels [first, end) by `tiles` tiles, place by place. */
static void multiply_panels(const fc_conv_job *job, const fc_stage *s, int64_t group, int64_t first, int64_t end, int64_t tiles,
                            fc_next_band *next)
{
    const fc_conv_plan *plan = job->plan;
    const ptrdiff_t sums_bytes = plan->kernels->tile_blocks * s->block;
    for (int64_t place = 0; place < plan->places; place++)
        for (int64_t tile = first; tile < end; tile++) {
            const fc_factor factor = {
                .filter = filter_at(job, group, tile, 0), .filter_step = fc_filter_step(plan),
                .next = tile + 1 < end ? filter_at(job, group, tile + 1, place) : filter_at(job, group, first, place + 1),
                .sums = s->sums + (tile - first) * sums_bytes, .blocks = fc_panel_blocks(plan, tile), .end = plan->in_blocks,
            };
            if (next) fetch_share(job, s, next);
            multiply(job, s, &factor, place, tiles);
        }
}

/* Of all tiles of a band or a plane, the outputs of the panels [first, end). */
static void transform_panels(const fc_conv_job *job, const fc_stage *s, const fc_tiles *tiles, int64_t first, int64_t end)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t block = first * plan->kernels->tile_blocks, blocks = fc_min(end * plan->kernels->tile_blocks, plan->out_blocks) - block;
    for (int64_t b = 0; b < blocks; b++) transform_output(job, s, tiles, block + b, s->sums + b * s->block);
}

static void band_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const fc_band band = band_of(job, task);
    char *transformed = fc_thread_scratch(job, thread), *sums = transformed + fc_transformed_bytes(plan, plan->in_blocks, plan->together);
    const fc_stage s = stage_of(job, transformed, sums, transformed + plan->output_bytes);
    for (int64_t b = 0; b < plan->in_blocks; b++)
        for (int i = 0; i < band.parts; i++) transform_input(job, &s, &band.part[i], b);
    fc_next_band next = {.products = plan->places * plan->tiles};
    if (job->maps && fc_pieces(job) > job->team.threads && task + 1 < fc_pieces(job)) next.band = band_of(job, task + 1);
    for (int64_t tile = 0; tile < plan->tiles; tile += plan->panels) {
        const int64_t end = fc_min(tile + plan->panels, plan->tiles);
        multiply_panels(job, &s, band.part[0].piece.group, tile, end, band.tiles, &next);
        for (int i = 0; i < band.parts; i++) transform_panels(job, &s, &band.part[i], tile, end);
    }
}

/* By channels: transformed input is shared, a panel's filter, if it is transformed here, stands before the sums. */
static fc_stage shared_stage(const fc_conv_job *job, int64_t group, int thread)
{
    const fc_conv_plan *plan = job->plan;
    char *sums = fc_thread_scratch(job, thread) + plan->panel_bytes;
    char *transformed = job->shared + group * (ptrdiff_t)fc_transformed_bytes(plan, plan->in_blocks, plan->together);
    return stage_of(job, transformed, sums, sums + plan->output_bytes);
}

/* All tiles of a plane, with their number among those of all planes. */
static fc_tiles tiles_of_plane(const fc_conv_job *job, const fc_piece *plane)
{
    const int64_t down = fc_tiles_along(job->conv, job->plan, 1), across = fc_tiles_along(job->conv, job->plan, 2);
    fc_tiles tiles = tiles_at(job, plane, 0, 0, down, across);
    tiles.first = (plane->sample * job->conv->window.out[0] + plane->range.first[0]) * down * across;
    return tiles;
}

/* One channel block of one plane of the input. */
static void input_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_piece plane = fc_plane_of(job, task / job->plan->in_blocks);
    const fc_stage s = shared_stage(job, plane.group, thread);
    const fc_tiles tiles = tiles_of_plane(job, &plane);
    transform_input(job, &s, &tiles, task % job->plan->in_blocks);
}

/* A place's share of the packed taps of the slab behind `factor`, on their way to the second level. */
static void fetch_taps(const fc_conv_job *job, int64_t group, int64_t panel, const fc_factor *factor, int64_t place)
{
    const fc_conv_plan *plan = job->plan;
    const int64_t block = plan->kernels->block, first = factor->end * block;
    const int64_t channels = fc_min(plan->group_in, first + fc_slab_blocks(job->conv, plan) * block) - first;
    const int64_t lines = channels * FC_TAPS * factor->blocks, end = (place + 1) * lines / plan->places;
    const char *taps = fc_packed_taps(job, group, panel, first);
    for (int64_t i = place * lines / plan->places; i < end; i++) __builtin_prefetch(taps + i * FC_BLOCK_BYTES, 0, 2);
}

/* A panel by all tiles, slab by slab of its filter, which is transformed here. */
static void multiply_slabs(const fc_conv_job *job, const fc_stage *s, int64_t group, int64_t panel, char *filter)
{
    const fc_conv_plan *plan = job->plan;
    const int block = plan->kernels->block;
    fc_factor factor = {.filter = filter, .filter_step = (ptrdiff_t)plan->panel_bytes / plan->places, .sums = s->sums,
                        .blocks = fc_panel_blocks(plan, panel)};
    for (; factor.first < plan->in_blocks; factor.first = factor.end) {
        factor.end = fc_min(factor.first + fc_slab_blocks(job->conv, plan), plan->in_blocks);
        const fc_filter_transform to = {group, panel, factor.first * block, fc_min(factor.end * block, plan->group_in),
                                        s->taps, filter, factor.filter_step};
        fc_transform_filter(job, &to);
        for (int64_t place = 0; place < plan->places; place++) {
            if (job->conv->prepacked == FC_FILTER_TAPS && factor.end < plan->in_blocks) fetch_taps(job, group, panel, &factor, place);
            multiply(job, s, &factor, place, plan->together);
        }
    }
}

static void channel_task(void *context, int64_t task, int thread)
{
    const fc_conv_job *job = context;
    const fc_conv_plan *plan = job->plan;
    const int64_t tasks = plan->panel_tasks, group = task / tasks, within = task % tasks, *out = job->conv->window.out;
    const int64_t first = within * plan->tiles / tasks, end = (within + 1) * plan->tiles / tasks;
    const fc_stage s = shared_stage(job, group, thread);
    if (fc_transforms_filter(job->conv)) multiply_slabs(job, &s, group, first, fc_thread_scratch(job, thread));
    else multiply_panels(job, &s, group, first, end, plan->together, NULL);
    for (int64_t plane = 0; plane < job->conv->batch * out[0]; plane++) {
        const fc_piece piece = {plane / out[0], group, {{plane % out[0], 0, 0}, {1, out[1], out[2]}}};
        const fc_tiles tiles = tiles_of_plane(job, &piece);
        transform_panels(job, &s, &tiles, first, end);
    }
}

fc_status fc_conv_winograd(fc_conv_job *job)
{
    const fc_conv_plan *plan = job->plan;
    fc_status status;
    if (plan->split == FC_BY_CHANNELS) {
        status = fc_parallel(&job->team, fc_pieces(job) * plan->in_blocks, input_task, job);
        return status == FC_OK ? fc_parallel(&job->team, job->conv->groups * plan->panel_tasks, channel_task, job) : status;
    }
    status = fc_pack_winograd(job, job->shared);
    return status == FC_OK ? fc_parallel(&job->team, fc_pieces(job), band_task, job) : status;
}
