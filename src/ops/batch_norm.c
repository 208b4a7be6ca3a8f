/* Batch norm: the moments of each channel, and the affine map made from them.
 *
 * A map is walked as runs: whole planes where a channel's pixels follow each other (one set of parameters a run), pixels
 * where their channels do (a vector of parameters). Moments are summed over pieces of fixed size whose sums are added in
 * a fixed order, so their bits do not depend on the number of threads.
 *
 * To normalise a batch by its own statistics, a thread takes a slab: some channels of all samples, as many as its cache keeps
 * from finding their moments to normalising them, so that the map is read from memory once. Where channels are last, or one is
 * larger than that, it is read twice: first all moments are found, then all outputs.
 *
 * Planes that are no whole cache lines go past the caches through a stage of as many as are whole lines. Ioffe & Szegedy 2015.
 */
#include <math.h>
#include <string.h>

#include "norm.h"
#include "pool.h"
#include "store.h"
#include "../sizes.h"

enum { RUN_ITEMS = FC_PIECE_ITEMS, PARAMETERS_AT_ONCE = 256, LEASTS = 8 };

/* A slab fits the second-level cache or is one channel that fits what a thread has of the third. */
enum { SLAB_BYTES = 7 << 18, CHANNEL_BYTES = 4 << 20, SLABS_A_THREAD = 4, AHEAD_BYTES = 16 * 1024 };

/* A stage, and the output from which on it pays: it is written and read as well. */
enum { STAGE_BYTES = 16 * 1024, STAGED_BYTES = 32 << 20 };

/* The pixels of a sample as `rows` rows of `cols` pixels, each row evenly strided; pieces of `piece` pixels. */
typedef struct {
    const fc_map *map;
    const fc_kernels *kernels;
    fc_view input, output;
    int channel_runs; /* or planar ones */
    int64_t rows, cols, piece, pieces;
    int64_t together, groups; /* channels of a task, and such groups of channels; one group where pixels hold them all */
    int64_t slab, line;       /* channels of a slab; so many go together that begin with a cache line */
    fc_normalisation norm;
    double *center, *sums, *mean, *variance; /* where moments are found */
    fc_affine_vectors parameters;
    const fc_epilogue *epilogue;
    int past_cache;
    int64_t stage_channels; /* 0: there is no stage */
    size_t stage_bytes;
    char *stages;
} fc_norm_job;

/* Join the rows that follow each other in both arrays, and say how a run of pixels can be read. */
static void prepare_walk(fc_norm_job *job)
{
    const int64_t *size = job->map->size;
    const int64_t from = fc_max(fc_row_from(&job->input, size), fc_row_from(&job->output, size));
    job->cols = 1;
    for (int64_t axis = from; axis < FC_SPATIAL; axis++) job->cols *= size[axis];
    job->rows = size[0] * size[1] * size[2] / job->cols;
    job->channel_runs = fc_channels_last(&job->input, &job->output, job->map->channels, job->map->item_bytes);
    job->piece = fc_min(job->channel_runs ? RUN_ITEMS / job->map->channels + 1 : RUN_ITEMS, job->cols);
    job->pieces = (job->cols + job->piece - 1) / job->piece;
    job->together = job->map->channels;
    if (!job->channel_runs && job->together * job->piece > RUN_ITEMS / 2)
        job->together = job->piece < RUN_ITEMS / 2 ? RUN_ITEMS / 2 / job->piece : 1;
    job->groups = (job->map->channels + job->together - 1) / job->together;
}

/* One piece of one row of `channels` channels. */
typedef struct {
    int64_t sample, row, first, count, channel, channels;
} fc_norm_piece;

/* Pieces that a channel has in all samples, and one of them, of channels [channel, channel + channels). */
static int64_t all_pieces(const fc_norm_job *job) { return job->map->batch * job->rows * job->pieces; }

static fc_norm_piece piece_of(const fc_norm_job *job, int64_t index, int64_t channel, int64_t channels)
{
    const int64_t row = index / job->pieces, first = index % job->pieces * job->piece;
    return (fc_norm_piece){.sample = row / job->rows, .row = row % job->rows, .first = first,
                           .count = fc_min(job->cols - first, job->piece), .channel = channel, .channels = channels};
}

/* Tasks of a piece of a group of channels. */
static int64_t piece_tasks(const fc_norm_job *job) { return all_pieces(job) * job->groups; }

static fc_norm_piece piece_of_task(const fc_norm_job *job, int64_t task)
{
    const int64_t channel = task % job->groups * job->together;
    return piece_of(job, task / job->groups, channel, fc_min(job->map->channels - channel, job->together));
}

static ptrdiff_t piece_at(const fc_norm_job *job, const fc_view *view, const fc_norm_piece *p)
{
    const int64_t *size = job->map->size;
    const int64_t pixel = p->row * job->cols; /* rows start at a multiple of the joined axes */
    return p->sample * view->stride[0] + p->channel * view->stride[1] + pixel / size[2] / size[1] * view->stride[2]
         + pixel / size[2] % size[1] * view->stride[3] + p->first * view->stride[4];
}

/* Sums of moments stand as [sum, square][channel] of the map; none are there yet of channels [first, first + count). */
static void clear_moments(const fc_norm_job *job, double *sum, int64_t first, int64_t count)
{
    memset(sum + first, 0, (size_t)count * sizeof(double));
    memset(sum + job->map->channels + first, 0, (size_t)count * sizeof(double));
}

static void add_moments(const fc_norm_job *job, const fc_norm_piece *p, fc_ahead ahead, double *sum)
{
    fc_moments t = {.ahead = ahead, .x = (const char *)job->input.data + piece_at(job, &job->input, p), .count = p->count, .channels = p->channels,
                    .x_stride = job->input.stride[4], .center = job->center + p->channel, .sum = sum + p->channel,
                    .square = sum + job->map->channels + p->channel};
    if (job->channel_runs) {
        job->kernels->moments_channels(&t);
    } else {
        t.x_stride = job->input.stride[1];
        job->kernels->moments_planar(&t);
    }
}

static void fill_centers(const fc_norm_job *job, int64_t first, int64_t count)
{
    for (int64_t c = first; c < first + count; c++)
        job->center[c] = fc_center_at((const char *)job->input.data + c * job->input.stride[1], job->map->item_bytes);
}

/* Mean and variance of channels [first, first + count) from their sums. */
static void finish_moments(const fc_norm_job *job, const double *sum, int64_t first, int64_t count)
{
    const double items = (double)job->map->batch * (double)job->rows * (double)job->cols;
    for (int64_t c = first; c < first + count; c++) {
        const fc_moment_pair moments = fc_moments_about(job->center[c], sum[c], sum[job->map->channels + c], items);
        job->mean[c] = moments.mean;
        job->variance[c] = moments.variance;
    }
}

/* The parameters of channels [first, first + count), the usual ones without a branch a channel: in single precision, with means
 * and scales far from the largest that it can hold. */
static int set_usual(const fc_affine_vectors *v, const fc_normalisation *norm, int64_t first, int64_t count, const double *factor)
{
    if (v->item_bytes != 4 || !norm->weight || !norm->bias) return 0;
    const double *mean = norm->mean + first, *weight = norm->weight + first, *bias = norm->bias + first;
    float *restrict unit = (float *)v->first + first, *restrict center = (float *)(v->first + FC_CENTER * v->step) + first;
    float *restrict scale = (float *)(v->first + FC_SCALE * v->step) + first;
    float *restrict shift = (float *)(v->first + FC_SHIFT * v->step) + first;
    double means = 0, scales = 0; /* sums bound every one of them, and are NaN if one is */
    for (int64_t i = 0; i < count; i++) {
        means += fabs(mean[i]);
        scales += fabs(weight[i] * factor[i]);
    }
    if (!fc_differences_fit(means, 4) || !(scales <= FLT_MAX)) return 0;
    for (int64_t i = 0; i < count; i++) {
        const float rounded = (float)mean[i];
        const double product = weight[i] * factor[i];
        unit[i] = 1;
        center[i] = rounded;
        scale[i] = (float)product;
        shift[i] = (float)(bias[i] - (mean[i] - rounded) * product);
    }
    return 1;
}

/* The parameters of channels [first, last). */
static void prepare_parameters(const fc_norm_job *job, int64_t first, int64_t last)
{
    double factors[PARAMETERS_AT_ONCE];
    const fc_normalisation *norm = &job->norm;
    for (; first < last; first += PARAMETERS_AT_ONCE) {
        const int64_t count = fc_min(last - first, PARAMETERS_AT_ONCE);
        for (int64_t i = 0; i < count; i++) factors[i] = 1 / sqrt(norm->variance[first + i] + norm->eps);
        if (set_usual(&job->parameters, norm, first, count, factors)) continue;
        for (int64_t i = 0; i < count; i++) {
            const int64_t c = first + i;
            fc_set_affine(&job->parameters, c, norm->mean[c], factors[i], norm->weight ? norm->weight[c] : 1,
                          norm->bias ? norm->bias[c] : 0);
        }
    }
}

static void normalise(const fc_norm_job *job, const fc_norm_piece *p, fc_ahead ahead, int thread)
{
    const int item = job->map->item_bytes;
    const ptrdiff_t at = piece_at(job, &job->output, p), parameter = p->channel * item;
    fc_affine t = {
        .x = (const char *)job->input.data + piece_at(job, &job->input, p),
        .y = (char *)job->output.data + at,
        .residual = job->epilogue->residual ? (const char *)job->epilogue->residual + at : NULL,
        .parameters = job->parameters.first + parameter, .step = job->parameters.step,
        .count = p->count, .channels = p->channels,
        .x_stride = job->input.stride[4], .y_stride = job->output.stride[4], .residual_stride = job->output.stride[4],
        .activation = job->epilogue->activation, .past_cache = job->past_cache, .ahead = ahead,
    };
    if (job->channel_runs) {
        job->kernels->affine_channels(&t);
        return;
    }
    t.x_stride = job->input.stride[1];
    t.y_stride = t.residual_stride = job->output.stride[1];
    const int64_t at_once = job->stage_channels ? job->stage_channels : p->channels;
    char *stage = job->stages + thread * job->stage_bytes;
    for (int64_t done = 0; done < p->channels; done += at_once) {
        fc_affine part = t;
        part.channels = fc_min(p->channels - done, at_once);
        part.x = (const char *)t.x + done * t.x_stride;
        part.y = job->stage_channels ? stage : (char *)t.y + done * t.y_stride;
        part.residual = fc_offset(t.residual, done * t.residual_stride);
        part.parameters = (const char *)t.parameters + done * item;
        job->kernels->affine_planar(&part);
        if (job->stage_channels) fc_store_stage(job->kernels, stage, (char *)t.y + done * t.y_stride, part.channels * t.y_stride);
    }
}

static void moments_task(void *context, int64_t task, int thread)
{
    const fc_norm_job *job = context;
    const fc_norm_piece p = piece_of_task(job, task);
    double *sum = job->sums + task / job->groups * 2 * job->map->channels;
    (void)thread;
    clear_moments(job, sum, p.channel, p.channels);
    add_moments(job, &p, (fc_ahead){0}, sum);
}

static void affine_task(void *context, int64_t task, int thread)
{
    const fc_norm_job *job = context;
    const fc_norm_piece p = piece_of_task(job, task);
    normalise(job, &p, (fc_ahead){0}, thread);
}

/* Where a thread that reads planes of one piece goes on reading. */
static fc_ahead from_piece_to(const fc_norm_job *job, const fc_norm_piece *p, const fc_norm_piece *next)
{
    const ptrdiff_t bytes = (p->channels - 1) * job->input.stride[1] + p->count * job->map->item_bytes;
    const char *end = (const char *)job->input.data + piece_at(job, &job->input, p) + bytes;
    return (fc_ahead){fc_min(bytes, AHEAD_BYTES), (const char *)job->input.data + piece_at(job, &job->input, next) - end, end};
}

/* Normalised last piece first: what was read last is still nearest. */
static void slab_task(void *context, int64_t task, int thread)
{
    const fc_norm_job *job = context;
    const int64_t first = task * job->slab, count = fc_min(job->map->channels - first, job->slab), pieces = all_pieces(job);
    fill_centers(job, first, count);
    clear_moments(job, job->sums, first, count);
    fc_norm_piece p = piece_of(job, 0, first, count);
    for (int64_t i = 0; i < pieces; i++) {
        const fc_norm_piece next = i + 1 < pieces ? piece_of(job, i + 1, first, count) : piece_of(job, 0, first + count, count);
        add_moments(job, &p, from_piece_to(job, &p, &next), job->sums);
        p = next;
    }
    finish_moments(job, job->sums, first, count);
    prepare_parameters(job, first, first + count);
    p = piece_of(job, pieces - 1, first, count);
    for (int64_t i = pieces; i-- > 0;) {
        const fc_norm_piece next = piece_of(job, fc_max(i - 1, 0), first, count);
        normalise(job, &p, from_piece_to(job, &p, &next), thread);
        p = next;
    }
}

/* All moments, each piece's in sums of its own, then all outputs. */
static fc_status run_twice(const fc_norm_job *job, const fc_team *team)
{
    const int64_t channels = job->map->channels;
    fill_centers(job, 0, channels);
    const fc_status status = fc_parallel(team, piece_tasks(job), moments_task, (void *)job);
    if (status != FC_OK) return status;
    double *sum = job->sums;
    for (int64_t i = 1; i < all_pieces(job); i++)
        for (int64_t j = 0; j < 2 * channels; j++) sum[j] += sum[2 * i * channels + j];
    finish_moments(job, sum, 0, channels);
    prepare_parameters(job, 0, channels);
    return fc_parallel(team, piece_tasks(job), affine_task, (void *)job);
}

void fc_widen(int64_t count, const float *x, double *y)
{
    for (int64_t i = 0; i < count; i++) y[i] = x[i];
}

double fc_least(int64_t count, const double *x)
{
    double least[LEASTS]; /* of every so many-th number: each comparison waits for the one before it */
    for (int l = 0; l < LEASTS; l++) least[l] = INFINITY;
    int64_t i = 0;
    for (; i + LEASTS <= count; i += LEASTS)
        for (int l = 0; l < LEASTS; l++) least[l] = x[i + l] < least[l] ? x[i + l] : least[l];
    for (; i < count; i++) least[0] = x[i] < least[0] ? x[i] : least[0];
    for (int l = 1; l < LEASTS; l++) least[0] = least[l] < least[0] ? least[l] : least[0];
    return least[0];
}

void fc_update_average(int64_t count, int item_bytes, void *average, const double *x, double share, double factor)
{
    float *of_floats = average;
    double *of_doubles = average;
    const double kept = 1 - share;
    factor *= share;
    if (item_bytes == 4) for (int64_t i = 0; i < count; i++) of_floats[i] = (float)(kept * of_floats[i] + factor * x[i]);
    else for (int64_t i = 0; i < count; i++) of_doubles[i] = kept * of_doubles[i] + factor * x[i];
}

static fc_team team_for(const fc_map *map, const fc_run *run)
{
    fc_team team = run->team;
    const double items = (double)map->batch * (double)map->channels * (double)map->size[0] * (double)map->size[1]
                       * (double)map->size[2];
    if (items < FC_SERIAL_WORK / 4) team.threads = 1;
    return team;
}

/* How many channels a slab has; 0 where there are none. */
static int64_t slab_channels(const fc_norm_job *job, int threads)
{
    const int64_t channels = job->map->channels;
    const double bytes = (double)job->map->batch * (double)job->rows * (double)job->cols * job->map->item_bytes;
    if (job->channel_runs || bytes > CHANNEL_BYTES || (threads > 1 && channels < SLABS_A_THREAD * threads)) return 0;
    const int64_t slab = fc_min(fc_max(1, (int64_t)(SLAB_BYTES / bytes)), fc_ceil_div(channels, SLABS_A_THREAD * threads));
    return fc_ceil_div(slab, job->line) * job->line;
}

/* How outputs past the caches are stored; short or unaligned runs would share cache lines with stores through them. */
static void prepare_stores(fc_norm_job *job)
{
    const fc_map *map = job->map;
    const int64_t line = FC_ALIGNMENT / map->item_bytes, plane = job->cols * map->item_bytes;
    const double bytes = (double)map->batch * (double)map->channels * (double)job->rows * (double)plane;
    const int aligned = (uintptr_t)job->output.data % FC_ALIGNMENT == 0;
    const int whole_vectors = job->channel_runs && map->channels % job->kernels->lanes == 0 && aligned;
    job->past_cache = (whole_vectors || (!job->channel_runs && job->piece >= FC_LONG_RUN)) && bytes >= FC_PAST_CACHE_BYTES;
    if (job->past_cache || job->channel_runs || job->rows > 1 || map->channels % line || !aligned || bytes < STAGED_BYTES) return;
    job->line = line;
    job->together = fc_ceil_div(job->together, line) * line;
    job->groups = fc_ceil_div(map->channels, job->together);
    job->stage_channels = fc_max(STAGE_BYTES / (line * plane), 1) * line;
    job->stage_bytes = fc_apart((size_t)(job->stage_channels * plane));
}

/* Scratch of a job: parameters, `doubles` numbers, a stage a thread. */
static fc_block acquire_scratch(fc_norm_job *job, size_t doubles, int threads)
{
    const fc_map *map = job->map;
    const size_t parameter = fc_aligned((size_t)(map->channels * map->item_bytes)), before = FC_AFFINE_VECTORS * parameter;
    const size_t numbers = fc_aligned(doubles * sizeof(double));
    const fc_block block = fc_block_acquire(before + numbers + (size_t)threads * job->stage_bytes);
    job->parameters = (fc_affine_vectors){block.data, (ptrdiff_t)parameter, map->item_bytes};
    if (!block.data) return block;
    job->center = (double *)((char *)block.data + before);
    job->stages = (char *)job->center + numbers;
    return block;
}

static fc_norm_job job_of(const fc_map *map, const fc_view *input, const fc_view *output, const fc_epilogue *epilogue, int isa)
{
    fc_norm_job job = {.map = map, .kernels = fc_kernels_for(isa, map->item_bytes), .input = *input, .output = *output,
                       .epilogue = epilogue, .line = 1};
    prepare_walk(&job);
    prepare_stores(&job);
    return job;
}

fc_status fc_batch_norm(const fc_map *map, const fc_normalisation *norm, const fc_view *input, const fc_view *output,
                        const fc_epilogue *epilogue, const fc_run *run)
{
    fc_norm_job job = job_of(map, input, output, epilogue, run->isa);
    const fc_team team = team_for(map, run);
    const fc_block block = acquire_scratch(&job, 0, team.threads);
    if (!block.data) return FC_NO_MEMORY;
    job.norm = *norm;
    prepare_parameters(&job, 0, map->channels);
    const fc_status status = fc_parallel(&team, piece_tasks(&job), affine_task, &job);
    fc_block_release(block);
    return status;
}

fc_status fc_batch_norm_training(const fc_map *map, const fc_own_statistics *norm, const fc_view *input, const fc_view *output,
                                 const fc_epilogue *epilogue, const fc_run *run)
{
    fc_norm_job job = job_of(map, input, output, epilogue, run->isa);
    const fc_team team = team_for(map, run);
    job.slab = slab_channels(&job, team.threads);
    const size_t channels = (size_t)map->channels, sums = 2 * channels * (job.slab ? 1 : (size_t)all_pieces(&job));
    const fc_block block = acquire_scratch(&job, channels + sums, team.threads);
    if (!block.data) return FC_NO_MEMORY;
    job.norm = (fc_normalisation){norm->mean, norm->variance, norm->weight, norm->bias, norm->eps};
    job.mean = norm->mean;
    job.variance = norm->variance;
    job.sums = job.center + channels;
    const fc_status status = job.slab ? fc_parallel(&team, fc_ceil_div(map->channels, job.slab), slab_task, &job)
                                      : run_twice(&job, &team);
    fc_block_release(block);
    return status;
}
