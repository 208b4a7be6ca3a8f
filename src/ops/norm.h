/* What the normalisations share: from sums to moments, and from moments to the parameters of the affine kernels. */
#ifndef FASTCONV_OPS_NORM_H
#define FASTCONV_OPS_NORM_H

#include <float.h>
#include <math.h>

#include "../fastconv.h"

/* Items whose moments are summed at once; the sums of such pieces are added in their order. */
enum { FC_PIECE_ITEMS = 32 * 1024 };

/* Runs of so many items are stored past the caches even where they do not start at a vector. */
enum { FC_LONG_RUN = 512 };

typedef struct {
    double mean, variance; /* biased */
} fc_moment_pair;

/* From the sums of x - center and of its square over `count` items; a variance is NaN where the sum of squares overflows. */
static inline fc_moment_pair fc_moments_about(double center, double sum, double square, double count)
{
    const double offset = sum / count, spread = square / count - offset * offset;
    return (fc_moment_pair){center + offset, !isfinite(square) ? NAN : spread < 0 ? 0 : spread};
}

static inline double fc_item_at(const void *p, int item_bytes)
{
    return item_bytes == 4 ? (double)*(const float *)p : *(const double *)p;
}

/* What moments are taken about: the item if it is finite, since differences from infinity say nothing of the mean. */
static inline double fc_center_at(const void *item, int item_bytes)
{
    const double center = fc_item_at(item, item_bytes);
    return isfinite(center) ? center : 0;
}

/* `bytes` further, or still NULL. */
static inline const void *fc_offset(const void *data, ptrdiff_t bytes)
{
    return data ? (const char *)data + bytes : NULL;
}

/* Vectors of fc_affine, an entry a channel. */
typedef struct {
    void *center, *scale, *shift;
    int item_bytes;
} fc_affine_vectors;

/* Whether no difference of an item and the mean overflows. */
static inline int fc_is_near(double mean, int item_bytes)
{
    return fabs(mean) < (item_bytes == 4 ? FLT_MAX * (FLT_EPSILON / 4) : DBL_MAX * (DBL_EPSILON / 4));
}

/* What is subtracted from items: the mean as the item type holds it, or 0 where a difference may overflow and its multiple not. */
static inline double fc_center_of(double mean, double scale, int item_bytes)
{
    if (!fc_is_near(mean, item_bytes) && fabs(scale) < 1) return 0;
    const double center = item_bytes == 4 ? (double)(float)mean : mean;
    return isfinite(center) ? center : 0;
}

/* y = (x - mean) * factor * weight + bias, with what is not subtracted of the mean moved into the shift. A scale that overflows
 * because variance + eps is no normal number of the item type is the largest one, so that what equals the mean becomes the
 * bias. */
static inline void fc_set_affine(const fc_affine_vectors *v, int64_t c, double mean, double factor, double weight, double bias)
{
    double scale = weight * factor;
    const double near = fc_center_of(mean, scale, v->item_bytes);
    if (v->item_bytes == 4) {
        if (factor * factor * FLT_MIN > 1 && fabs(scale) > FLT_MAX) scale = copysign(FLT_MAX, scale);
        ((float *)v->center)[c] = (float)near;
        ((float *)v->scale)[c] = (float)scale;
        ((float *)v->shift)[c] = (float)(bias - (mean - near) * scale);
    } else {
        ((double *)v->center)[c] = near;
        ((double *)v->scale)[c] = scale;
        ((double *)v->shift)[c] = bias - (mean - near) * scale;
    }
}

/* The same for `count` channels of one mean; weight and bias may be NULL. The usual ones without a branch a channel. */
static inline void fc_set_affines(const fc_affine_vectors *v, int64_t count, double mean, double factor, const double *weight,
                                  const double *bias)
{
    if (v->item_bytes != 4 || !weight || !bias || !(factor * factor * FLT_MIN <= 1) || !fc_is_near(mean, 4)) {
        for (int64_t c = 0; c < count; c++) fc_set_affine(v, c, mean, factor, weight ? weight[c] : 1, bias ? bias[c] : 0);
        return;
    }
    float *restrict center = v->center, *restrict scale = v->scale, *restrict shift = v->shift;
    const float near = (float)mean;
    const double rest = mean - near;
    for (int64_t c = 0; c < count; c++) {
        const double product = weight[c] * factor;
        center[c] = near;
        scale[c] = (float)product;
        shift[c] = (float)(bias[c] - rest * product);
    }
}

/* The rows of `all`, shared by the threads of `team`. */
fc_status fc_normalise_rows(const fc_layer_rows *all, const fc_kernels *kernels, const fc_team *team);

/* Whether a map's groups are short rows, and fc_group_norm of such a map. */
int fc_group_rows_suit(const fc_grouped *map, const fc_group_scaling *norm);
fc_status fc_group_norm_rows(const fc_grouped *map, const fc_group_scaling *norm, const void *x, void *y,
                             const fc_epilogue *epilogue, const fc_run *run);

#endif
