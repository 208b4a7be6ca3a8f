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

/* Parameters of fc_affine. */
typedef struct {
    char *first;
    ptrdiff_t step;
    int item_bytes;
} fc_affine_vectors;

/* Whether no difference of an item and the mean overflows. */
static inline int fc_differences_fit(double mean, int item_bytes)
{
    return fabs(mean) < (item_bytes == 4 ? FLT_MAX * (FLT_EPSILON / 4) : DBL_MAX * (DBL_EPSILON / 4));
}

typedef struct {
    double unit, center, scale, shift;
} fc_affine_entry;

/* y = (x - mean) * factor * weight + bias, in halves if need be, with the digits of the mean that the item type cannot hold moved
 * into the shift. A finite scale that the item type cannot hold is the largest one, so that what equals the mean becomes the
 * bias. */
static inline fc_affine_entry fc_affine_entry_of(double mean, double factor, double weight, double bias, int item_bytes)
{
    const int is_float = item_bytes == 4, whole = fc_differences_fit(mean, item_bytes);
    const double unit = whole ? 1 : 0.5, largest = is_float ? FLT_MAX : DBL_MAX;
    const double rounded = is_float ? (double)(float)(mean * unit) : mean * unit, center = isfinite(rounded) ? rounded : 0;
    double scale = weight * factor * (whole ? 1 : 2);
    if (fabs(scale) > largest && isfinite(weight * factor)) scale = copysign(largest, scale);
    return (fc_affine_entry){unit, center, scale, bias - (mean * unit - center) * scale};
}

static inline void fc_set_affine(const fc_affine_vectors *v, int64_t c, double mean, double factor, double weight, double bias)
{
    if (v->item_bytes == 4) {
        const fc_affine_entry e = fc_affine_entry_of(mean, factor, weight, bias, 4);
        float *at = (float *)v->first + c;
        const ptrdiff_t step = v->step / (ptrdiff_t)sizeof *at;
        at[FC_UNIT * step] = (float)e.unit;
        at[FC_CENTER * step] = (float)e.center;
        at[FC_SCALE * step] = (float)e.scale;
        at[FC_SHIFT * step] = (float)e.shift;
    } else {
        const fc_affine_entry e = fc_affine_entry_of(mean, factor, weight, bias, 8);
        double *at = (double *)v->first + c;
        const ptrdiff_t step = v->step / (ptrdiff_t)sizeof *at;
        at[FC_UNIT * step] = e.unit;
        at[FC_CENTER * step] = e.center;
        at[FC_SCALE * step] = e.scale;
        at[FC_SHIFT * step] = e.shift;
    }
}

/* The same for `count` channels of one mean; weight and bias may be NULL. The usual ones without a branch a channel. */
static inline void fc_set_affines(const fc_affine_vectors *v, int64_t count, double mean, double factor, const double *weight,
                                  const double *bias)
{
    if (v->item_bytes != 4 || !weight || !bias || !fc_differences_fit(mean, 4)) {
        for (int64_t c = 0; c < count; c++) fc_set_affine(v, c, mean, factor, weight ? weight[c] : 1, bias ? bias[c] : 0);
        return;
    }
    float *restrict unit = (float *)v->first, *restrict center = (float *)(v->first + FC_CENTER * v->step);
    float *restrict scale = (float *)(v->first + FC_SCALE * v->step), *restrict shift = (float *)(v->first + FC_SHIFT * v->step);
    const float rounded = (float)mean;
    const double rest = mean - rounded;
    for (int64_t c = 0; c < count; c++) {
        double product = weight[c] * factor;
        if (fabs(product) > FLT_MAX && fabs(product) <= DBL_MAX) product = copysign(FLT_MAX, product);
        unit[c] = 1;
        center[c] = rounded;
        scale[c] = (float)product;
        shift[c] = (float)(bias[c] - rest * product);
    }
}

/* The rows of `all`, shared by the threads of `team`. */
fc_status fc_normalise_rows(const fc_layer_rows *all, const fc_kernels *kernels, const fc_team *team);

/* Whether a map's groups are short rows, and fc_group_norm of such a map. */
int fc_group_rows_suit(const fc_grouped *map, const fc_own_statistics *norm);
fc_status fc_group_norm_rows(const fc_grouped *map, const fc_own_statistics *norm, const void *x, void *y,
                             const fc_epilogue *epilogue, const fc_run *run);

#endif
