/* Batch norm: the moments of each channel, and the affine map made from them.
 *
 * A map is walked as runs: whole planes where a channel's pixels follow each other (one set of parameters a run), pixels
 * where their channels do (a vector of parameters). Moments are summed over pieces of fixed size whose sums are added in
 * a fixed order, so their bits do not depend on the number of threads. Ioffe & Szegedy 2015.
 */
#include <math.h>
#include <string.h>

#include "norm.h"
#include "pool.h"
#include "../sizes.h"

enum { RUN_ITEMS = FC_PIECE_ITEMS, PARAMETERS_AT_ONCE = 256 };

/* The pixels of a sample as `rows` rows of `cols` pixels, each row evenly strided; pieces of `piece` pixels. */
typedef struct {
    const fc_map *map;
    const fc_kernels *kernels;
    fc_view input, output;
    int channel_runs; /* or planar ones */
    int64_t rows, cols, piece, pieces;
    int64_t together, groups; /* channels of a task, and such groups of channels; one group where pixels hold them all */
    double *center, *sums;
    fc_affine_vectors parameters;
    const fc_epilogue *epilogue;
    int past_cache;
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

static int64_t norm_tasks(const fc_norm_job *job) { return job->map->batch * job->rows * job->pieces * job->groups; }

static fc_norm_piece piece_of(const fc_norm_job *job, int64_t task)
{
    fc_norm_piece p = {.channel = task % job->groups * job->together};
    task /= job->groups;
    p.first = task % job->pieces * job->piece;
    task /= job->pieces;
    p.row = task % job->rows;
    p.sample = task / job->rows;
    p.count = job->cols - p.first < job->piece ? job->cols - p.first : job->piece;
    p.channels = job->map->channels - p.channel < job->together ? job->map->channels - p.channel : job->together;
    return p;
}

static ptrdiff_t piece_at(const fc_norm_job *job, const fc_view *view, const fc_norm_piece *p)
{
    const int64_t *size = job->map->size;
    const int64_t pixel = p->row * job->cols; /* rows start at a multiple of the joined axes */
    return p->sample * view->stride[0] + p->channel * view->stride[1] + pixel / size[2] / size[1] * view->stride[2]
         + pixel / size[2] % size[1] * view->stride[3] + p->first * view->stride[4];
}

/* Where the sums of a task's channels stand: [sample, row, piece][sum, square][channel]. */
static double *sums_of(const fc_norm_job *job, int64_t task, int64_t channel)
{
    return job->sums + task / job->groups * 2 * job->map->channels + channel;
}

static void moments_task(void *context, int64_t task, int thread)
{
    const fc_norm_job *job = context;
    const fc_norm_piece p = piece_of(job, task);
    double *sum = sums_of(job, task, p.channel), *square = sum + job->map->channels;
    fc_moments t = {.x = (const char *)job->input.data + piece_at(job, &job->input, &p), .count = p.count, .channels = p.channels,
                    .x_stride = job->input.stride[4], .center = job->center + p.channel, .sum = sum, .square = square};
    (void)thread;
    memset(sum, 0, (size_t)p.channels * sizeof(double));
    memset(square, 0, (size_t)p.channels * sizeof(double));
    if (job->channel_runs) {
        job->kernels->moments_channels(&t);
    } else {
        t.x_stride = job->input.stride[1];
        job->kernels->moments_planar(&t);
    }
}

/* Add the pieces' sums in their order. */
static void combine(const fc_norm_job *job, double *mean, double *variance)
{
    const int64_t channels = job->map->channels, pieces = norm_tasks(job) / job->groups;
    const double count = (double)job->map->batch * (double)job->rows * (double)job->cols;
    memset(mean, 0, (size_t)channels * sizeof(double));
    memset(variance, 0, (size_t)channels * sizeof(double));
    for (int64_t i = 0; i < pieces; i++) {
        const double *sum = job->sums + 2 * i * channels;
        for (int64_t c = 0; c < channels; c++) {
            mean[c] += sum[c];
            variance[c] += sum[channels + c];
        }
    }
    for (int64_t c = 0; c < channels; c++) {
        const fc_moment_pair moments = fc_moments_about(job->center[c], mean[c], variance[c], count);
        mean[c] = moments.mean;
        variance[c] = moments.variance;
    }
}

static fc_team team_for(const fc_map *map, const fc_run *run)
{
    fc_team team = run->team;
    const double items = (double)map->batch * (double)map->channels * (double)map->size[0] * (double)map->size[1]
                       * (double)map->size[2];
    if (items < FC_SERIAL_WORK / 4) team.threads = 1;
    return team;
}

void fc_widen(int64_t count, const float *x, double *y)
{
    for (int64_t i = 0; i < count; i++) y[i] = x[i];
}

double fc_least(int64_t count, const double *x)
{
    double least = INFINITY;
    for (int64_t i = 0; i < count; i++) least = x[i] < least ? x[i] : least;
    return least;
}

fc_status fc_moments_of(const fc_map *map, const fc_view *input, double *mean, double *variance, const fc_run *run)
{
    fc_norm_job job = {.map = map, .kernels = fc_kernels_for(run->isa, map->item_bytes), .input = *input, .output = *input};
    prepare_walk(&job);
    const fc_team team = team_for(map, run);
    const size_t channels = (size_t)map->channels;
    const size_t sums = 2 * (size_t)(norm_tasks(&job) / job.groups) * channels;
    fc_block block = fc_block_acquire((channels + sums) * sizeof(double));
    if (!block.data) return FC_NO_MEMORY;
    job.center = block.data;
    job.sums = job.center + channels;
    for (int64_t c = 0; c < map->channels; c++)
        job.center[c] = fc_center_at((const char *)input->data + c * input->stride[1], map->item_bytes);
    const fc_status status = fc_parallel(&team, norm_tasks(&job), moments_task, &job);
    if (status == FC_OK) combine(&job, mean, variance);
    fc_block_release(block);
    return status;
}

static void affine_task(void *context, int64_t task, int thread)
{
    const fc_norm_job *job = context;
    const fc_norm_piece p = piece_of(job, task);
    const int item = job->map->item_bytes;
    const ptrdiff_t at = piece_at(job, &job->output, &p), parameter = p.channel * item;
    fc_affine t = {
        .x = (const char *)job->input.data + piece_at(job, &job->input, &p),
        .y = (char *)job->output.data + at,
        .residual = job->epilogue->residual ? (const char *)job->epilogue->residual + at : NULL,
        .parameters = job->parameters.first + parameter, .step = job->parameters.step,
        .count = p.count, .channels = p.channels,
        .x_stride = job->input.stride[4], .y_stride = job->output.stride[4], .residual_stride = job->output.stride[4],
        .activation = job->epilogue->activation, .past_cache = job->past_cache,
    };
    (void)thread;
    if (job->channel_runs) {
        job->kernels->affine_channels(&t);
    } else {
        t.x_stride = job->input.stride[1];
        t.y_stride = t.residual_stride = job->output.stride[1];
        job->kernels->affine_planar(&t);
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

static void prepare_parameters(const fc_norm_job *job, const fc_normalisation *norm)
{
    double factors[PARAMETERS_AT_ONCE];
    const int64_t channels = job->map->channels;
    for (int64_t first = 0; first < channels; first += PARAMETERS_AT_ONCE) {
        const int64_t count = fc_min(channels - first, PARAMETERS_AT_ONCE);
        for (int64_t i = 0; i < count; i++) factors[i] = 1 / sqrt(norm->variance[first + i] + norm->eps);
        if (set_usual(&job->parameters, norm, first, count, factors)) continue;
        for (int64_t i = 0; i < count; i++) {
            const int64_t c = first + i;
            fc_set_affine(&job->parameters, c, norm->mean[c], factors[i], norm->weight ? norm->weight[c] : 1,
                          norm->bias ? norm->bias[c] : 0);
        }
    }
}

fc_status fc_batch_norm(const fc_map *map, const fc_normalisation *norm, const fc_view *input, const fc_view *output,
                        const fc_epilogue *epilogue, const fc_run *run)
{
    fc_norm_job job = {.map = map, .kernels = fc_kernels_for(run->isa, map->item_bytes), .input = *input, .output = *output,
                       .epilogue = epilogue};
    prepare_walk(&job);
    const fc_team team = team_for(map, run);
    const size_t parameter = fc_aligned((size_t)(map->channels * map->item_bytes));
    fc_block block = fc_block_acquire(FC_AFFINE_VECTORS * parameter);
    if (!block.data) return FC_NO_MEMORY;
    job.parameters = (fc_affine_vectors){block.data, (ptrdiff_t)parameter, map->item_bytes};
    prepare_parameters(&job, norm);
    /* Short or unaligned runs would share cache lines between stores past the cache and stores through it. */
    const int whole_vectors = job.channel_runs && map->channels % job.kernels->lanes == 0
                           && (uintptr_t)output->data % FC_ALIGNMENT == 0;
    job.past_cache = (whole_vectors || (!job.channel_runs && job.piece >= FC_LONG_RUN))
                  && (double)map->batch * (double)map->channels * (double)job.rows * (double)job.cols * map->item_bytes
                         >= FC_PAST_CACHE_BYTES;
    const fc_status status = fc_parallel(&team, norm_tasks(&job), affine_task, &job);
    fc_block_release(block);
    return status;
}
