/* Batch norm by slabs: some channels of all samples, from finding their moments to normalising them, while a thread's cache
 * keeps them.
 *
 * Where planes are short and samples many, a slab is a matrix of samples by columns, an item of a plane each, which have the
 * parameters of their channel; its moments are those of its columns, added up:
 *
 *   sample 0   c0 c0 c0 c0 | c1 c1 c1 c1 | ...        moments down the columns, then of c0, c1, ...
 *   sample 1   c0 c0 c0 c0 | c1 c1 c1 c1 | ...        outputs along the rows
 */
#include <string.h>

#include "batch_norm.h"
#include "../sizes.h"

/* A slab fits the second-level cache or is one channel that fits what a thread has of the third. */
enum { SLAB_BYTES = 7 << 18, CHANNEL_BYTES = 4 << 20, SLABS_A_THREAD = 4 };

/* Planes are columns if they have so few items and samples are so many: spreading parameters takes longer otherwise. Channels are
 * enough for some threads; how many threads there are may not matter, for columns are summed in another order than planes. */
enum { SHORT_PLANE = 64, LEAST_SAMPLES = 8, ITEMS_A_SAMPLE = 2, LEAST_CHANNELS = 16 };

/* What a thread has of the columns of a slab. */
typedef struct {
    double *center, *sum, *square;
    fc_affine_vectors parameters;
} columns_scratch;

static size_t column_bytes(const fc_norm_job *job, size_t item_bytes)
{
    return fc_aligned((size_t)(job->slab * job->cols) * item_bytes);
}

static size_t columns_scratch_bytes(const fc_norm_job *job)
{
    return fc_apart(3 * column_bytes(job, sizeof(double)) + FC_AFFINE_VECTORS * column_bytes(job, (size_t)job->map->item_bytes));
}

static columns_scratch columns_of(const fc_norm_job *job, int thread)
{
    char *own = job->threads + (size_t)thread * job->thread_bytes;
    const size_t doubles = column_bytes(job, sizeof(double)), items = column_bytes(job, (size_t)job->map->item_bytes);
    return (columns_scratch){(double *)own, (double *)(own + doubles), (double *)(own + 2 * doubles),
                             {own + 3 * doubles, (ptrdiff_t)items, job->map->item_bytes}};
}

static void spread_centers(const fc_norm_job *job, int64_t first, int64_t count, double *center)
{
    for (int64_t c = 0; c < count; c++)
        for (int64_t i = 0; i < job->cols; i++) center[c * job->cols + i] = job->center[first + c];
}

/* The sums of each channel from those of its columns. */
static void add_columns(const fc_norm_job *job, int64_t first, int64_t count, const columns_scratch *own)
{
    for (int64_t c = 0; c < count; c++) {
        double sum = 0, square = 0;
        for (int64_t i = c * job->cols; i < (c + 1) * job->cols; i++) sum += own->sum[i], square += own->square[i];
        job->sums[first + c] = sum;
        job->sums[job->map->channels + first + c] = square;
    }
}

static void spread_parameters(const fc_norm_job *job, int64_t first, int64_t count, const fc_affine_vectors *to)
{
    for (int kind = 0; kind < FC_AFFINE_VECTORS; kind++) {
        const char *from = job->parameters.first + kind * job->parameters.step;
        char *column = to->first + kind * to->step;
        for (int64_t c = first; c < first + count; c++)
            if (to->item_bytes == 4)
                for (int64_t i = 0; i < job->cols; i++, column += sizeof(float)) *(float *)column = ((const float *)from)[c];
            else
                for (int64_t i = 0; i < job->cols; i++, column += sizeof(double)) *(double *)column = ((const double *)from)[c];
    }
}

static void columns_task(void *context, int64_t task, int thread)
{
    const fc_norm_job *job = context;
    const int64_t first = task * job->slab, count = fc_min(job->map->channels - first, job->slab), columns = count * job->cols;
    const columns_scratch own = columns_of(job, thread);
    const ptrdiff_t *in = job->input.stride, *out = job->output.stride, at = first * out[1];
    fc_norm_fill_centers(job, first, count);
    spread_centers(job, first, count, own.center);
    memset(own.sum, 0, (size_t)columns * sizeof(double));
    memset(own.square, 0, (size_t)columns * sizeof(double));
    const char *x = (const char *)job->input.data + first * in[1];
    job->kernels->moments_channels(&(fc_moments){.x = x, .count = job->samples, .channels = columns, .x_stride = in[0],
                                                 .center = own.center, .sum = own.sum, .square = own.square});
    add_columns(job, first, count, &own);
    fc_norm_finish_moments(job, job->sums, first, count);
    fc_norm_prepare_parameters(job, first, first + count);
    spread_parameters(job, first, count, &own.parameters);
    job->kernels->affine_channels(&(fc_affine){
        .x = x, .y = (char *)job->output.data + at, .residual = fc_offset(job->epilogue->residual, at),
        .parameters = own.parameters.first, .step = own.parameters.step, .count = job->samples, .channels = columns,
        .x_stride = in[0], .y_stride = out[0], .residual_stride = out[0],
        .activation = job->epilogue->activation, .past_cache = job->past_cache,
    });
}

/* What a thread that reads the planes of a piece reads behind them; next: NULL where that is not known. Not the run after it. */
static fc_ahead from_piece_to(const fc_norm_job *job, const fc_norm_piece *p, const fc_norm_piece *next)
{
    if (!next || job->input.stride[1] < 0) return (fc_ahead){0};
    const char *x = job->input.data;
    const ptrdiff_t run = (p->channels - 1) * job->input.stride[1] + p->count * job->map->item_bytes;
    const ptrdiff_t end = fc_norm_piece_at(job, &job->input, p) + run;
    return (fc_ahead){fc_min(run, FC_AHEAD_BYTES), fc_norm_piece_at(job, &job->input, next) - end, x + end};
}

/* While a slab, which the caches hold, is normalised, the next one comes from memory. */
static fc_ahead from_slab_to_next(const fc_norm_job *job, int64_t first, int64_t count)
{
    if (!job->past_cache || first + count >= job->map->channels) return (fc_ahead){0};
    return (fc_ahead){.bytes = count * job->input.stride[1], .end = (const char *)UINTPTR_MAX};
}

/* Normalised last piece first: what was read last is still nearest. */
static void slab_task(void *context, int64_t task, int thread)
{
    const fc_norm_job *job = context;
    (void)thread;
    const int64_t first = task * job->slab, count = fc_min(job->map->channels - first, job->slab), last = fc_norm_pieces(job) - 1;
    fc_norm_fill_centers(job, first, count);
    fc_norm_clear_moments(job, job->sums, first, count);
    fc_norm_piece p = fc_norm_piece_of(job, 0, first, count);
    for (int64_t i = 0; i <= last; i++) {
        const fc_norm_piece next = fc_norm_piece_of(job, fc_min(i + 1, last), first, count);
        fc_norm_add_moments(job, &p, from_piece_to(job, &p, i < last ? &next : NULL), job->sums);
        p = next;
    }
    fc_norm_finish_moments(job, job->sums, first, count);
    fc_norm_prepare_parameters(job, first, first + count);
    const fc_ahead ahead = from_slab_to_next(job, first, count);
    for (int64_t i = last; i >= 0; i--) {
        p = fc_norm_piece_of(job, i, first, count);
        fc_norm_normalise(job, &p, ahead);
    }
}

static int has_columns(const fc_norm_job *job)
{
    const ptrdiff_t plane = job->cols * job->map->item_bytes;
    return job->map->channels >= LEAST_CHANNELS && job->rows == 1 && job->cols <= fc_min(SHORT_PLANE, ITEMS_A_SAMPLE * job->samples)
        && job->samples >= LEAST_SAMPLES && job->input.stride[1] == plane && job->output.stride[1] == plane;
}

/* A slab of whole cache lines, if it is not too large then, and slabs not too few. */
static int takes_whole_lines(fc_norm_job *job, double bytes, int64_t tasks)
{
    const int64_t line = FC_ALIGNMENT / job->map->item_bytes, lines = fc_ceil_div(job->slab, line) * line;
    if ((double)lines * bytes > CHANNEL_BYTES || fc_ceil_div(job->map->channels, lines) < tasks) return 0;
    job->slab = lines;
    return 1;
}

/* Of whole cache lines where outputs go past the caches, or into them if such slabs would be too large or too few. */
void fc_norm_choose_slab(fc_norm_job *job, int threads)
{
    const int64_t channels = job->map->channels, tasks = threads > 1 ? SLABS_A_THREAD * threads : 1;
    const double bytes = (double)job->samples * (double)job->rows * (double)job->cols * job->map->item_bytes;
    if (job->channel_runs || bytes > CHANNEL_BYTES) return;
    job->by_columns = has_columns(job);
    if (!job->by_columns && channels < tasks) return;
    job->slab = fc_min(fc_max(1, (int64_t)(SLAB_BYTES / bytes)), fc_ceil_div(channels, SLABS_A_THREAD * threads));
    if (job->short_planes) job->past_cache = takes_whole_lines(job, bytes, tasks);
    if (!job->by_columns) return;
    job->past_cache = job->past_cache && job->output.stride[0] % FC_ALIGNMENT == 0;
    job->thread_bytes = columns_scratch_bytes(job);
}

fc_status fc_norm_run_slabs(fc_norm_job *job, const fc_team *team)
{
    return fc_parallel(team, fc_ceil_div(job->map->channels, job->slab), job->by_columns ? columns_task : slab_task, job);
}
