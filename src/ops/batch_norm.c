/* Batch norm: the moments of each channel, and the affine map made from them.
 *
 * A map is walked as runs: whole planes where a channel's pixels follow each other (one set of parameters a run), pixels
 * where their channels do (a vector of parameters). Moments are summed over pieces of fixed size whose sums are added in
 * a fixed order, so their bits do not depend on the number of threads.
 *
 * To normalise a batch by its own statistics, a thread takes a slab (batch_norm_slabs.c): some channels of all samples, as many
 * as its cache keeps from finding their moments to normalising them, so that the map is read from memory once. Where channels are
 * last, or one is larger than that, or they are fewer than a few a thread and no columns, it is read twice: first all moments are
 * found, then all outputs.
 *
 * Ioffe & Szegedy 2015.
 */
#include <math.h>
#include <string.h>

#include "batch_norm.h"
#include "pool.h"
#include "../sizes.h"

enum { RUN_ITEMS = FC_PIECE_ITEMS, PARAMETERS_AT_ONCE = 256, SHORT_PLANES_BYTES = 16 << 20 };

/* Also of vectors, (N, C), whose samples are single pixels. */
static void join_samples(fc_norm_job *job)
{
    fc_view *view[] = {&job->input, &job->output};
    if (job->cols == 1) for (int i = 0; i < 2; i++) view[i]->stride[4] = view[i]->stride[0];
    for (int i = 0; i < 2; i++) if (view[i]->stride[0] != job->cols * view[i]->stride[4]) return;
    job->cols *= job->samples;
    job->samples = 1;
}

/* Join the rows that follow each other in both arrays, and say how a run of pixels can be read. */
static void prepare_walk(fc_norm_job *job)
{
    const int64_t *size = job->map->size;
    const int64_t from = fc_max(fc_row_from(&job->input, size), fc_row_from(&job->output, size));
    job->cols = 1;
    for (int64_t axis = from; axis < FC_SPATIAL; axis++) job->cols *= size[axis];
    job->rows = size[0] * size[1] * size[2] / job->cols;
    job->samples = job->map->batch;
    job->channel_runs = fc_channels_last(&job->input, &job->output, job->map->channels, job->map->item_bytes);
    if (job->channel_runs && job->rows == 1) join_samples(job);
    job->piece = fc_min(job->channel_runs ? RUN_ITEMS / job->map->channels + 1 : RUN_ITEMS, job->cols);
    job->pieces = (job->cols + job->piece - 1) / job->piece;
    job->together = job->map->channels;
    if (!job->channel_runs && job->together * job->piece > RUN_ITEMS / 2)
        job->together = job->piece < RUN_ITEMS / 2 ? RUN_ITEMS / 2 / job->piece : 1;
    job->groups = (job->map->channels + job->together - 1) / job->together;
}

int64_t fc_norm_pieces(const fc_norm_job *job) { return job->samples * job->rows * job->pieces; }

fc_norm_piece fc_norm_piece_of(const fc_norm_job *job, int64_t index, int64_t channel, int64_t channels)
{
    const int64_t row = index / job->pieces, first = index % job->pieces * job->piece;
    return (fc_norm_piece){.sample = row / job->rows, .row = row % job->rows, .first = first,
                           .count = fc_min(job->cols - first, job->piece), .channel = channel, .channels = channels};
}

/* Tasks of a piece of a group of channels. */
static int64_t piece_tasks(const fc_norm_job *job) { return fc_norm_pieces(job) * job->groups; }

static fc_norm_piece piece_of_task(const fc_norm_job *job, int64_t task)
{
    const int64_t channel = task % job->groups * job->together;
    return fc_norm_piece_of(job, task / job->groups, channel, fc_min(job->map->channels - channel, job->together));
}

ptrdiff_t fc_norm_piece_at(const fc_norm_job *job, const fc_view *view, const fc_norm_piece *p)
{
    const int64_t *size = job->map->size;
    const int64_t pixel = p->row * job->cols; /* rows start at a multiple of the joined axes */
    return p->sample * view->stride[0] + p->channel * view->stride[1] + pixel / size[2] / size[1] * view->stride[2]
         + pixel / size[2] % size[1] * view->stride[3] + p->first * view->stride[4];
}

void fc_norm_clear_moments(const fc_norm_job *job, double *sum, int64_t first, int64_t count)
{
    memset(sum + first, 0, (size_t)count * sizeof(double));
    memset(sum + job->map->channels + first, 0, (size_t)count * sizeof(double));
}

void fc_norm_add_moments(const fc_norm_job *job, const fc_norm_piece *p, fc_ahead ahead, double *sum)
{
    const fc_moments t = {.x = (const char *)job->input.data + fc_norm_piece_at(job, &job->input, p), .count = p->count,
                          .channels = p->channels, .x_stride = job->input.stride[job->channel_runs ? 4 : 1], .ahead = ahead,
                          .center = job->center + p->channel, .sum = sum + p->channel,
                          .square = sum + job->map->channels + p->channel};
    if (job->channel_runs) job->kernels->moments_channels(&t);
    else job->kernels->moments_planar(&t);
}

void fc_norm_fill_centers(const fc_norm_job *job, int64_t first, int64_t count)
{
    for (int64_t c = first; c < first + count; c++)
        job->center[c] = fc_center_at((const char *)job->input.data + c * job->input.stride[1], job->map->item_bytes);
}

void fc_norm_finish_moments(const fc_norm_job *job, const double *sum, int64_t first, int64_t count)
{
    const double items = (double)job->samples * (double)job->rows * (double)job->cols;
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

void fc_norm_prepare_parameters(const fc_norm_job *job, int64_t first, int64_t last)
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

void fc_norm_normalise(const fc_norm_job *job, const fc_norm_piece *p, fc_ahead ahead)
{
    const int axis = job->channel_runs ? 4 : 1;
    const ptrdiff_t at = fc_norm_piece_at(job, &job->output, p), parameter = p->channel * job->map->item_bytes;
    const fc_affine t = {
        .x = (const char *)job->input.data + fc_norm_piece_at(job, &job->input, p),
        .y = (char *)job->output.data + at,
        .residual = fc_offset(job->epilogue->residual, at),
        .parameters = job->parameters.first + parameter, .step = job->parameters.step,
        .count = p->count, .channels = p->channels,
        .x_stride = job->input.stride[axis], .y_stride = job->output.stride[axis], .residual_stride = job->output.stride[axis],
        .activation = job->epilogue->activation, .past_cache = job->past_cache, .ahead = ahead,
    };
    if (job->channel_runs) job->kernels->affine_channels(&t);
    else job->kernels->affine_planar(&t);
}

static void moments_task(void *context, int64_t task, int thread)
{
    const fc_norm_job *job = context;
    const fc_norm_piece p = piece_of_task(job, task);
    double *sum = job->sums + task / job->groups * 2 * job->map->channels;
    (void)thread;
    fc_norm_clear_moments(job, sum, p.channel, p.channels);
    fc_norm_add_moments(job, &p, (fc_ahead){0}, sum);
}

static void affine_task(void *context, int64_t task, int thread)
{
    const fc_norm_job *job = context;
    (void)thread;
    const fc_norm_piece p = piece_of_task(job, task);
    if (job->prepares) fc_norm_prepare_parameters(job, p.channel, p.channel + p.channels);
    fc_norm_normalise(job, &p, (fc_ahead){0});
}

/* All moments, each piece's in sums of its own, then all outputs. */
static fc_status run_twice(fc_norm_job *job, const fc_team *team)
{
    const int64_t channels = job->map->channels;
    fc_norm_fill_centers(job, 0, channels);
    const fc_status status = fc_parallel(team, piece_tasks(job), moments_task, job);
    if (status != FC_OK) return status;
    double *sum = job->sums;
    for (int64_t i = 1; i < fc_norm_pieces(job); i++)
        for (int64_t j = 0; j < 2 * channels; j++) sum[j] += sum[2 * i * channels + j];
    fc_norm_finish_moments(job, sum, 0, channels);
    fc_norm_prepare_parameters(job, 0, channels);
    return fc_parallel(team, piece_tasks(job), affine_task, job);
}

static fc_team team_for(const fc_map *map, const fc_run *run)
{
    fc_team team = run->team;
    const double items = (double)map->batch * (double)map->channels * (double)map->size[0] * (double)map->size[1]
                       * (double)map->size[2];
    if (items < FC_SERIAL_WORK / 4) team.threads = 1;
    return team;
}

/* Whether planes follow each other in both arrays, so that whole lines of several can be stored. */
static int planes_follow(const fc_norm_job *job)
{
    const ptrdiff_t plane = job->cols * job->map->item_bytes;
    return job->rows == 1 && job->input.stride[1] == plane && job->output.stride[1] == plane;
}

/* Which outputs go past the caches: large ones of whole vectors, of long planes, or, larger still, of short ones, of which tasks
 * then have whole lines. */
static void prepare_stores(fc_norm_job *job)
{
    const fc_map *map = job->map;
    const int64_t line = FC_ALIGNMENT / map->item_bytes;
    const double bytes = (double)job->samples * (double)map->channels * (double)job->rows * (double)job->cols * map->item_bytes;
    if (bytes < FC_PAST_CACHE_BYTES) return;
    if (job->channel_runs) {
        job->past_cache = map->channels % job->kernels->lanes == 0 && (uintptr_t)job->output.data % FC_ALIGNMENT == 0;
    } else if (job->piece >= FC_LONG_RUN) {
        job->past_cache = 1;
    } else if (planes_follow(job) && bytes >= SHORT_PLANES_BYTES) {
        job->past_cache = job->short_planes = 1;
        job->together = fc_ceil_div(job->together, line) * line;
        job->groups = fc_ceil_div(map->channels, job->together);
    }
}

/* Scratch of a job: parameters, `doubles` numbers, what each thread needs. */
static fc_block acquire_scratch(fc_norm_job *job, size_t doubles, int threads)
{
    const fc_map *map = job->map;
    const size_t parameter = fc_aligned((size_t)(map->channels * map->item_bytes)), before = FC_AFFINE_VECTORS * parameter;
    const size_t numbers = fc_aligned(doubles * sizeof(double));
    const fc_block block = fc_block_acquire(before + numbers + (size_t)threads * job->thread_bytes);
    job->parameters = (fc_affine_vectors){block.data, (ptrdiff_t)parameter, map->item_bytes};
    if (!block.data) return block;
    job->center = (double *)((char *)block.data + before);
    job->threads = (char *)job->center + numbers;
    return block;
}

static fc_norm_job job_of(const fc_map *map, const fc_view *input, const fc_view *output, const fc_epilogue *epilogue, int isa)
{
    fc_norm_job job = {.map = map, .kernels = fc_kernels_for(isa, map->item_bytes), .input = *input, .output = *output,
                       .epilogue = epilogue};
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
    job.prepares = fc_norm_pieces(&job) == 1;
    if (!job.prepares) fc_norm_prepare_parameters(&job, 0, map->channels);
    const fc_status status = fc_parallel(&team, piece_tasks(&job), affine_task, &job);
    fc_block_release(block);
    return status;
}

fc_status fc_batch_norm_training(const fc_map *map, const fc_own_statistics *norm, const fc_view *input, const fc_view *output,
                                 const fc_epilogue *epilogue, const fc_run *run)
{
    fc_norm_job job = job_of(map, input, output, epilogue, run->isa);
    const fc_team team = team_for(map, run);
    fc_norm_choose_slab(&job, team.threads);
    const size_t channels = (size_t)map->channels, sums = 2 * channels * (job.slab ? 1 : (size_t)fc_norm_pieces(&job));
    const fc_block block = acquire_scratch(&job, channels + sums, team.threads);
    if (!block.data) return FC_NO_MEMORY;
    job.norm = (fc_normalisation){norm->mean, norm->variance, norm->weight, norm->bias, norm->eps};
    job.mean = norm->mean;
    job.variance = norm->variance;
    job.sums = job.center + channels;
    const fc_status status = job.slab ? fc_norm_run_slabs(&job, &team) : run_twice(&job, &team);
    fc_block_release(block);
    return status;
}
