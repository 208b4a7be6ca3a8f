/* Steps that are computed together, a band of rows after the other, so that what is between them never leaves the second-level
 * cache: direct and depthwise convolutions, maxima, batch norm. Each thread has the rows that the next link reads in scratch, in
 * channel blocks with their halo:
 *
 *            expand 1x1         depthwise 3x3        project 1x1
 *   map  ->  | 6 | 7 | 8 |  ->  | 7 |            ->  row 7 of the map
 *            | 7 | 8 | 9 |      | 8 |                row 8
 *
 * A thread keeps them from one task to the next: new rows come behind those that the next band reads again, until there is no
 * more room and these are moved to the front. Only where shares meet, and where a thread takes over some of another one's, rows
 * are computed by two.
 * Alwani et al. 2016 (fused-layer CNN accelerators).
 */
#include <string.h>

#include "conv_blocked.h"
#include "pool.h"
#include "program.h"
#include "../plan/share.h"
#include "../sizes.h"

/* Of a thread's scratch: bands are cut to so many bytes where vectors have 64, with which second-level caches of a megabyte and
 * more came, and to half of them elsewhere; a band of one row may need more. Fewer are enough where no rows between the links are
 * wanted by two bands, so that low ones compute nothing twice and move nothing. */
enum { BANDS_A_THREAD = 2, WIDE_VECTOR = 64, CHAIN_BYTES = 512 * 1024, DISJOINT_BYTES = 128 * 1024 };

typedef struct {
    const fc_step *step;
    const fc_value *value; /* its output */
    fc_blocked in, out;    /* maps, or the strides of the scratch in front of and behind the link */
    int64_t rows, room;    /* outputs at once, and those that there is room for in scratch */
    size_t at;             /* of the outputs in a thread's scratch; not of the last link */
    fc_conv conv;
    fc_conv_plan plan;
    fc_blocked_conv call;
    fc_blocked_job job; /* CONV */
    ptrdiff_t *offset;  /* DEPTHWISE */
    fc_pool_job pool;   /* MAX_POOL */
    size_t bytes;       /* of memory for it, */
    size_t from;        /* which starts there */
} fc_link;

typedef struct {
    const fc_walker *walker;
    fc_link link[FC_MOST_LINKS];
    int links, threads;
    int64_t bands; /* of a sample, each a task */
    size_t thread_bytes, fixed_bytes;
    char *scratch;
} fc_chain;

static const fc_window *window_of(const fc_link *link)
{
    return link->step->kind == FC_STEP_MAX_POOL ? &link->step->pool.window : &link->step->conv.window;
}

/* Rows of input that `rows` rows of output read. */
static int64_t rows_read(const fc_window *w, int64_t rows)
{
    return (rows - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
}

static ptrdiff_t row_bytes(const fc_value *v) { return (ptrdiff_t)(v->before[2] + v->size[2] + v->after[2]) * FC_BLOCK_BYTES; }

/* What a thread has of the map behind each link: of one sample, `held` rows from `first` on, those beyond the map's ends included. */
typedef struct {
    const fc_chain *chain;
    int64_t sample, first[FC_MOST_LINKS], held[FC_MOST_LINKS];
    int thread;
} fc_front;

enum { NO_SAMPLE = -1 };

/* Set how many rows each link computes at once, and for how many there is room if rows that are read again stay where they are
 * for `later` bands; return the scratch that takes. */
static size_t plan_rows(fc_chain *chain, int64_t band, int64_t later)
{
    const int last = chain->links - 1;
    size_t bytes = fc_aligned(sizeof(fc_front));
    int64_t rows = band, new_rows = band;
    for (int l = last; l >= 0; l--) {
        fc_link *link = &chain->link[l];
        if (l < last) {
            rows = rows_read(window_of(link + 1), rows);
            new_rows *= window_of(link + 1)->stride[1];
        }
        link->rows = rows;
        link->room = rows > new_rows ? rows + later * new_rows : rows;
        link->at = bytes;
        if (l < last) bytes += (size_t)(fc_blocks_of(chain->walker, link->value) * link->room) * (size_t)row_bytes(link->value);
    }
    return bytes;
}

/* Whether two bands want some of the same rows between the links. */
static int bands_overlap(const fc_chain *chain)
{
    for (int l = 1; l < chain->links; l++) {
        const fc_window *window = window_of(&chain->link[l]);
        if (rows_read(window, 1) > window->stride[1]) return 1;
    }
    return 0;
}

static size_t bytes_for(const fc_walker *w, size_t bytes)
{
    return w->kernels->lanes * w->program->item_bytes < WIDE_VECTOR ? bytes / 2 : bytes;
}

static void split_rows(fc_chain *chain)
{
    const int64_t rows = window_of(&chain->link[chain->links - 1])->out[1], batch = chain->walker->batch;
    const size_t room = bytes_for(chain->walker, CHAIN_BYTES);
    const size_t band_bytes = bands_overlap(chain) ? room : bytes_for(chain->walker, DISJOINT_BYTES);
    int64_t band = fc_min(rows, fc_ceil_div(rows * batch, BANDS_A_THREAD * chain->threads)), later = 0;
    while (band > 1 && plan_rows(chain, band, 0) > band_bytes) band--;
    chain->bands = fc_even_bands(rows, fc_ceil_div(rows, band), batch, chain->threads);
    band = fc_ceil_div(rows, chain->bands);
    while (later < chain->bands && plan_rows(chain, band, later + 1) <= room) later++;
    const size_t needed = plan_rows(chain, band, later);
    /* The same for every chain that fits, whose scratch is then the same memory: still in the caches. */
    chain->thread_bytes = fc_apart(needed > room ? needed : room);
}

static fc_blocked strides_of_scratch(const fc_link *link)
{
    const ptrdiff_t row = row_bytes(link->value);
    return (fc_blocked){.row = row, .slice = link->room * row, .block = link->room * row};
}

static fc_status plan_conv(const fc_walker *w, fc_link *link, int threads)
{
    link->conv = link->step->conv;
    link->conv.batch = w->batch;
    const fc_status status = fc_plan_conv(&link->conv, w->run, &link->plan);
    if (status != FC_OK) return status;
    link->plan.threads = threads;
    link->call = (fc_blocked_conv){.conv = &link->conv, .plan = &link->plan, .packed = link->step->weight, .input = link->in,
                                   .epilogue = {link->step->bias, NULL, link->step->activation}};
    if (link->plan.form == FC_PLANES) link->call.plain = fc_plain_of(w, link->step->input);
    link->job = fc_blocked_job_of(&link->call, w->run);
    link->bytes = fc_aligned(fc_blocked_bytes(&link->job, link->rows));
    return FC_OK;
}

static fc_status plan_links(fc_chain *chain)
{
    const fc_walker *w = chain->walker;
    for (int l = 0; l < chain->links; l++) {
        fc_link *link = &chain->link[l];
        const fc_window *window = window_of(link);
        if (l) link->in = strides_of_scratch(link - 1);
        else if (fc_value_of(w, link->step->input)->blocked) link->in = fc_blocked_of(w, link->step->input);
        link->out = l < chain->links - 1 ? strides_of_scratch(link) : fc_blocked_of(w, link->step->output);
        link->from = chain->fixed_bytes;
        if (link->step->kind == FC_STEP_CONV) {
            const fc_status status = plan_conv(w, link, chain->threads);
            if (status != FC_OK) return status;
        } else if (link->step->kind == FC_STEP_MAX_POOL) {
            link->pool = fc_max_pool_of_rows(&link->step->pool, w->kernels);
        } else if (link->step->kind == FC_STEP_DEPTHWISE) {
            link->bytes = fc_aligned((size_t)(window->kernel[1] * window->kernel[2]) * sizeof(ptrdiff_t));
        }
        chain->fixed_bytes += link->bytes;
    }
    return FC_OK;
}

static char *scratch_of(const fc_chain *chain, int thread) { return chain->scratch + (size_t)thread * chain->thread_bytes; }

/* A row behind a link, at the left halo of the first block. */
static char *row_at(const fc_front *f, int l, int64_t row)
{
    const fc_link *link = &f->chain->link[l];
    return scratch_of(f->chain, f->thread) + link->at + (row - f->first[l]) * link->out.row;
}

static void want_rows(fc_front *f, int l, int64_t from, int64_t to);

/* Maxima of rows; windows are clipped at the ends of the map, whatever stands beyond them. */
static void pool_rows(const fc_front *f, int l, int64_t from, int64_t to, const fc_target *target)
{
    const fc_link *link = &f->chain->link[l];
    const fc_walker *w = f->chain->walker;
    const fc_window *window = window_of(link);
    const int64_t first = fc_max(0, from * window->stride[1] - window->pad[1]);
    const char *input = l ? row_at(f, l - 1, first) + fc_value_of(w, link->step->input)->before[2] * FC_BLOCK_BYTES
                          : (const char *)link->in.data + f->sample * link->in.sample + first * link->in.row;
    int64_t taps[FC_LISTS_OF_TAPS * FC_MOST_TAPS];
    for (int64_t b = 0; b < fc_blocks_of(w, link->value); b++) {
        fc_pool_line line = {.channels = w->kernels->block, .h_first = first, .input = input + b * link->in.block,
                             .px = FC_BLOCK_BYTES, .row = link->in.row, .output = (char *)target->data + b * target->block,
                             .out_px = FC_BLOCK_BYTES, .scratch = (char *)taps};
        for (line.h = from; line.h < to; line.h++, line.output += target->row) fc_pool_one_line(&link->pool, &line);
    }
}

/* Rows of a link's outputs that are in the map. */
static void compute(fc_front *f, int l, int64_t from, int64_t to)
{
    const fc_chain *chain = f->chain;
    const fc_link *link = &chain->link[l];
    const fc_walker *w = chain->walker;
    const fc_window *window = window_of(link);
    const fc_value *given = fc_value_of(w, link->step->input);
    const int64_t top = from * window->stride[1] - window->pad[1];
    if (l) want_rows(f, l - 1, top, top + rows_read(window, to - from));
    const char *input = NULL; /* of planes, which lay themselves out */
    if (l) input = row_at(f, l - 1, top) + (given->before[2] - window->pad[2]) * FC_BLOCK_BYTES;
    else if (given->blocked)
        input = (const char *)link->in.data + f->sample * link->in.sample + top * link->in.row - window->pad[2] * FC_BLOCK_BYTES;
    fc_target target = {.px = FC_BLOCK_BYTES, .row = link->out.row, .block = link->out.block};
    ptrdiff_t residual_row = 0;
    if (l < chain->links - 1) target.data = row_at(f, l, from) + link->value->before[2] * FC_BLOCK_BYTES;
    else target.data = (char *)link->out.data + f->sample * link->out.sample + from * link->out.row;
    if (link->step->kind == FC_STEP_MAX_POOL) {
        pool_rows(f, l, from, to, &target);
        return;
    }
    if (link->step->residual != FC_NO_VALUE) {
        const fc_blocked map = fc_blocked_of(w, link->step->residual);
        target.residual = (const char *)map.data + f->sample * map.sample + from * map.row;
        residual_row = map.row;
    }
    if (link->step->kind == FC_STEP_CONV) {
        const fc_piece piece = {f->sample, 0, {{0, from, 0}, {1, to - from, window->out[2]}}};
        fc_blocked_rows(&link->job, &piece, input, &target, f->thread);
        return;
    }
    for (int64_t b = 0; b < fc_blocks_of(w, link->value); b++) {
        const ptrdiff_t at = b * link->out.block;
        const fc_block_rows rows = {.input = input + b * link->in.block, .in_row = link->in.row, .offset = link->offset,
                                    .output = (char *)target.data + at, .out_row = link->out.row, .count = to - from,
                                    .residual = target.residual ? (const char *)target.residual + at : NULL,
                                    .residual_row = residual_row};
        if (link->step->kind == FC_STEP_BATCH_NORM) fc_norm_rows(w, link->step, b, &rows);
        else fc_depthwise_rows(w, link->step, b, &rows);
    }
}

static void clear_rows(const fc_front *f, int l, int64_t from, int64_t to)
{
    const fc_link *link = &f->chain->link[l];
    for (int64_t b = 0; from < to && b < fc_blocks_of(f->chain->walker, link->value); b++)
        memset(row_at(f, l, from) + b * link->out.block, 0, (size_t)((to - from) * link->out.row));
}

/* Let the scratch begin with row `from`, `rows` of which are there already. */
static void begin_at(fc_front *f, int l, int64_t from, int64_t rows)
{
    const fc_link *link = &f->chain->link[l];
    const int64_t blocks = fc_blocks_of(f->chain->walker, link->value), skipped = from - f->first[l];
    for (int64_t b = 0; rows && skipped && b < blocks; b++) {
        char *block = row_at(f, l, f->first[l]) + b * link->out.block;
        memmove(block, block + skipped * link->out.row, (size_t)(rows * link->out.row));
    }
    f->first[l] = from;
}

/* Have the rows [from, to) behind a link, those beyond its ends as zeros. */
static void want_rows(fc_front *f, int l, int64_t from, int64_t to)
{
    const fc_link *link = &f->chain->link[l];
    const int64_t end = f->first[l] + f->held[l], height = window_of(link)->out[1];
    const int64_t kept = from >= f->first[l] && end > from ? end - from : 0;
    if (!kept || to - f->first[l] > link->room) begin_at(f, l, from, kept);
    f->held[l] = to - f->first[l];
    const int64_t start = from + kept, first = fc_max(start, 0), last = fc_min(to, height);
    clear_rows(f, l, start, fc_min(to, 0));
    if (first < last) compute(f, l, first, last);
    clear_rows(f, l, fc_max(start, height), to);
}

/* What is left and right of the rows, which nobody writes. */
static void clear_columns(const fc_front *f, int l)
{
    const fc_link *link = &f->chain->link[l];
    const size_t before = (size_t)link->value->before[2] * FC_BLOCK_BYTES, after = (size_t)link->value->after[2] * FC_BLOCK_BYTES;
    char *row = row_at(f, l, f->first[l]);
    for (int64_t r = 0; r < fc_blocks_of(f->chain->walker, link->value) * link->room; r++, row += link->out.row) {
        memset(row, 0, before);
        memset(row + link->out.row - after, 0, after);
    }
}

static void chain_task(void *context, int64_t task, int thread)
{
    const fc_chain *chain = context;
    const int last = chain->links - 1;
    const int64_t sample = task / chain->bands, band = task % chain->bands, rows = window_of(&chain->link[last])->out[1];
    fc_front *front = (fc_front *)scratch_of(chain, thread);
    if (front->sample != sample) {
        const int begins = front->sample == NO_SAMPLE;
        *front = (fc_front){.chain = chain, .sample = sample, .thread = thread};
        for (int l = 0; l < last && begins; l++) clear_columns(front, l);
    }
    compute(front, last, band * rows / chain->bands, (band + 1) * rows / chain->bands);
}

fc_status fc_step_chain(const fc_walker *w)
{
    fc_chain chain = {.walker = w, .links = w->step->links, .threads = w->run->team.threads};
    if (chain.links > FC_MOST_LINKS) return FC_UNSUPPORTED;
    for (int l = 0; l < chain.links; l++) {
        chain.link[l].step = w->step + l;
        chain.link[l].value = fc_value_of(w, w->step[l].output);
    }
    split_rows(&chain);
    fc_status status = plan_links(&chain);
    if (status != FC_OK) return status;
    fc_block block = fc_block_acquire(chain.fixed_bytes + (size_t)chain.threads * chain.thread_bytes);
    if (!block.data) return FC_NO_MEMORY;
    chain.scratch = block.data;
    for (int t = 0; t < chain.threads; t++) ((fc_front *)scratch_of(&chain, t))->sample = NO_SAMPLE;
    for (int l = 0; l < chain.links; l++) {
        fc_link *link = &chain.link[l];
        char *memory = scratch_of(&chain, chain.threads) + link->from;
        if (link->step->kind == FC_STEP_CONV) {
            fc_blocked_prepare(&link->job, memory);
        } else if (link->step->kind == FC_STEP_DEPTHWISE) {
            link->offset = (ptrdiff_t *)memory;
            fc_depthwise_offsets(window_of(link), &link->in, link->offset);
        }
    }
    status = fc_parallel(&w->run->team, w->batch * chain.bands, chain_task, &chain);
    fc_block_release(block);
    return status;
}
