/* Steps that are computed together, a band of rows after the other, so that what is between them never leaves the second-level
 * cache. Each thread has the rows that the next link reads in scratch, in channel blocks with their halo:
 *
 *            expand 1x1         depthwise 3x3        project 1x1
 *   map  ->  | 6 | 7 | 8 |  ->  | 7 |            ->  row 7 of the map
 *            | 7 | 8 | 9 |      | 8 |                row 8
 *
 * Rows that the next band reads again are moved to the front; where a thread's share of the map begins they are computed by two
 * threads. Alwani et al. 2016 (fused-layer CNN accelerators).
 */
#include <string.h>

#include "conv_blocked.h"
#include "program.h"
#include "../sizes.h"

enum { PIECES_A_THREAD = 2, LEAST_ROWS = 14 };

typedef struct {
    const fc_step *step;
    const fc_value *value; /* its output */
    fc_blocked in, out;    /* maps, or the strides of the scratch in front of and behind the link */
    int64_t rows;          /* outputs at once */
    size_t at;             /* of the outputs in a thread's scratch; not of the last link */
    fc_conv conv;
    fc_conv_plan plan;
    fc_blocked_conv call;
    fc_blocked_job job; /* CONV */
    ptrdiff_t *offset;  /* DEPTHWISE */
    size_t bytes;       /* of memory for it, */
    size_t from;        /* which starts there */
} fc_link;

typedef struct {
    const fc_walker *walker;
    fc_link link[FC_MOST_LINKS];
    int links, threads;
    int64_t piece_rows, pieces; /* rows of a task, tasks a sample */
    size_t thread_bytes, fixed_bytes;
    char *memory, *scratch;
} fc_chain;

static const fc_window *window_of(const fc_link *link) { return &link->step->conv.window; }

/* Rows of input that `rows` rows of output read. */
static int64_t rows_read(const fc_window *w, int64_t rows)
{
    return (rows - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
}

static ptrdiff_t row_bytes(const fc_value *v) { return (ptrdiff_t)(v->before[2] + v->size[2] + v->after[2]) * FC_BLOCK_BYTES; }

/* Set how many rows each link computes at once, and return the scratch that takes. */
static size_t plan_rows(fc_chain *chain, int64_t band)
{
    size_t bytes = 0;
    for (int l = chain->links - 1; l >= 0; l--) {
        fc_link *link = &chain->link[l];
        link->rows = l == chain->links - 1 ? band : rows_read(window_of(link + 1), link[1].rows);
        link->at = bytes;
        if (l < chain->links - 1)
            bytes += (size_t)(fc_blocks_of(chain->walker, link->value) * link->rows) * (size_t)row_bytes(link->value);
    }
    return bytes;
}

/* Bands as high as the scratch allows. */
static void split_rows(fc_chain *chain)
{
    const int64_t rows = window_of(&chain->link[chain->links - 1])->out[1];
    const int64_t wanted = fc_ceil_div(PIECES_A_THREAD * chain->threads, chain->walker->batch);
    chain->pieces = fc_max(fc_min(wanted, rows / LEAST_ROWS), fc_min(fc_ceil_div(chain->threads, chain->walker->batch), rows));
    chain->piece_rows = fc_ceil_div(rows, chain->pieces);
    chain->pieces = fc_ceil_div(rows, chain->piece_rows);
    int64_t bands = 1;
    while (bands < chain->piece_rows && plan_rows(chain, fc_ceil_div(chain->piece_rows, bands)) > FC_CHAIN_BYTES) bands++;
    chain->thread_bytes = fc_apart(plan_rows(chain, fc_ceil_div(chain->piece_rows, bands)));
}

static fc_blocked strides_of_scratch(const fc_link *link)
{
    const ptrdiff_t row = row_bytes(link->value);
    return (fc_blocked){.row = row, .slice = link->rows * row, .block = link->rows * row};
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
        } else {
            link->bytes = fc_aligned((size_t)(window->kernel[1] * window->kernel[2]) * sizeof(ptrdiff_t));
        }
        chain->fixed_bytes += link->bytes;
    }
    return FC_OK;
}

/* The rows of each link that a thread has: `held` from `first` on, those beyond the map's ends included. */
typedef struct {
    const fc_chain *chain;
    int64_t sample, first[FC_MOST_LINKS], held[FC_MOST_LINKS];
    int thread;
} fc_front;

/* A row behind a link, at the left halo of the first block. */
static char *row_at(const fc_front *f, int l, int64_t row)
{
    const fc_link *link = &f->chain->link[l];
    return f->chain->scratch + (size_t)f->thread * f->chain->thread_bytes + link->at + (row - f->first[l]) * link->out.row;
}

static void want_rows(fc_front *f, int l, int64_t from, int64_t to);

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
        fc_depthwise_rows(w, link->step, b, &rows);
    }
}

static void clear_rows(const fc_front *f, int l, int64_t from, int64_t to)
{
    const fc_link *link = &f->chain->link[l];
    for (int64_t b = 0; from < to && b < fc_blocks_of(f->chain->walker, link->value); b++)
        memset(row_at(f, l, from) + b * link->out.block, 0, (size_t)((to - from) * link->out.row));
}

/* Have the rows [from, to) behind a link, those beyond its ends as zeros. */
static void want_rows(fc_front *f, int l, int64_t from, int64_t to)
{
    const fc_link *link = &f->chain->link[l];
    const int64_t old = f->first[l], end = old + f->held[l], height = window_of(link)->out[1];
    const int64_t kept = from >= old && end > from ? end - from : 0;
    if (kept && from > old)
        for (int64_t b = 0; b < fc_blocks_of(f->chain->walker, link->value); b++) {
            char *block = row_at(f, l, old) + b * link->out.block;
            memmove(block, block + (from - old) * link->out.row, (size_t)(kept * link->out.row));
        }
    f->first[l] = from;
    f->held[l] = to - from;
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
    for (int64_t r = 0; r < fc_blocks_of(f->chain->walker, link->value) * link->rows; r++, row += link->out.row) {
        memset(row, 0, before);
        memset(row + link->out.row - after, 0, after);
    }
}

static void chain_task(void *context, int64_t task, int thread)
{
    const fc_chain *chain = context;
    const int last = chain->links - 1;
    const int64_t start = task % chain->pieces * chain->piece_rows, height = window_of(&chain->link[last])->out[1];
    fc_front front = {.chain = chain, .sample = task / chain->pieces, .thread = thread};
    for (int l = 0; l < last; l++) clear_columns(&front, l);
    const int64_t end = fc_min(height, start + chain->piece_rows), band = chain->link[last].rows;
    for (int64_t row = start; row < end; row += band) compute(&front, last, row, fc_min(end, row + band));
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
    chain.scratch = (char *)block.data + chain.fixed_bytes;
    for (int l = 0; l < chain.links; l++) {
        fc_link *link = &chain.link[l];
        char *memory = (char *)block.data + link->from;
        if (link->step->kind == FC_STEP_CONV) {
            fc_blocked_prepare(&link->job, memory);
        } else {
            link->offset = (ptrdiff_t *)memory;
            fc_depthwise_offsets(window_of(link), &link->in, link->offset);
        }
    }
    status = fc_parallel(&w->run->team, w->batch * chain.pieces, chain_task, &chain);
    fc_block_release(block);
    return status;
}
