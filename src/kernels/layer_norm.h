/* Layer norm: y = act((x - mean) / sqrt(variance + eps) * weight + bias + residual) along a row, weight and bias an entry an item.
 *
 * The moments of a row are found and used while it is in the nearest cache. As in batch norm they are summed in double
 * precision about the row's first item, and what the item type cannot hold of the mean goes into a shift. Ba, Kiros & Hinton
 * 2016.
 */
#ifndef FASTCONV_KERNELS_LAYER_NORM_H
#define FASTCONV_KERNELS_LAYER_NORM_H

#include "affine.h"

/* One row: where it is, and its parameters. */
typedef struct {
    const char *x, *residual, *weight, *bias;
    char *y;
    vreal center, scale, shift, lower, upper;
} layer_row;

/* What is known of all rows where this is inlined. plain: a weight and a bias, neither residual nor activation; clips: at most a clip.
 * Or of one row: halves, as in fc_affine. */
typedef struct {
    int plain, clips, past_cache, halves;
} layer_form;

/* A vector of rows at once where they are short, for the latency of quotients and roots is longer than a row. */
enum { ROWS_AT_ONCE = DOUBLES, ROWS_BYTES = 8 * 1024 };

typedef int64_t vlong __attribute__((vector_size(VECTOR_BYTES)));
typedef __typeof__((vnarrow){0} == (vnarrow){0}) narrow_mask;

typedef struct {
    vdouble mean, variance;
    REAL unit[ROWS_AT_ONCE], center[ROWS_AT_ONCE], scale[ROWS_AT_ONCE], shift[ROWS_AT_ONCE];
} layer_parameters;

/* As fc_moments_about; of one row in every lane. */
ALWAYS_INLINE void find_moments_of_rows(const REAL *x, int64_t items, int rows, layer_parameters *p)
{
    double sums[ROWS_AT_ONCE] = {0}, squares[ROWS_AT_ONCE] = {0}, centers[ROWS_AT_ONCE];
    for (int r = 0; r < rows; r++, x += items) {
        centers[r] = __builtin_isfinite(x[0]) ? (double)x[0] : 0; /* differences from infinity say nothing of the mean */
        moments_plane(x, items, STREAM, centers[r], sums + r, squares + r);
    }
    vdouble sum, square, center;
    UNROLLED for (int r = 0; r < ROWS_AT_ONCE; r++) {
        sum[r] = sums[r % rows];
        square[r] = squares[r % rows];
        center[r] = centers[r % rows];
    }
    const vdouble offset = sum / (double)items, spread = square / (double)items - offset * offset;
    p->mean = center + offset;
    p->variance = (vdouble)((vlong)spread & ~(spread < 0)) + (square - square); /* 0, or NaN where it overflowed */
}

/* As fc_affine_entry_of, but for weight and bias, which come later. */
ALWAYS_INLINE void set_parameters_of_rows(double eps, layer_parameters *p)
{
    const vdouble largest = (REAL_IS_DOUBLE ? __DBL_MAX__ : __FLT_MAX__) - (vdouble){0}; /* 0 times it is 0 */
    const vdouble limit = largest * (REAL_IS_DOUBLE ? __DBL_EPSILON__ : __FLT_EPSILON__) / 4;
    const vlong overflows = ~((p->mean < limit) & (p->mean > -limit));
    const vdouble unit = 1 + (vdouble)(overflows & (vlong)(-0.5 - (vdouble){0}));
    vdouble factor = p->variance + eps;
    UNROLLED for (int r = 0; r < ROWS_AT_ONCE; r++) factor[r] = __builtin_sqrt(factor[r]);
    factor = 1 / factor / unit;
    const vlong beyond = factor > largest;
    const vdouble scale = (vdouble)((beyond & (vlong)largest) | (~beyond & (vlong)factor));
    const vnarrow mean = __builtin_convertvector(p->mean * unit, vnarrow);
    const vnarrow center = (vnarrow)((narrow_mask)mean & (mean - mean == 0)); /* 0 where it is not finite */
    const vdouble rest = p->mean * unit - __builtin_convertvector(center, vdouble);
    const vnarrow narrow[] = {__builtin_convertvector(unit, vnarrow), __builtin_convertvector(scale, vnarrow),
                              __builtin_convertvector(-rest * factor, vnarrow)};
    memcpy(p->unit, &narrow[0], sizeof center);
    memcpy(p->center, &center, sizeof center);
    memcpy(p->scale, &narrow[1], sizeof center);
    memcpy(p->shift, &narrow[2], sizeof center);
}

/* The vector at byte `at`, its first `left` lanes. */
ALWAYS_INLINE vreal layer_vector(const fc_layer_rows *t, const layer_row *row, ptrdiff_t at, int64_t left, layer_form form)
{
    const vreal x = load_up_to(row->x + at, left);
    vreal y = multiply_add((form.halves ? x * (REAL)0.5 : x) - row->center, row->scale, row->shift);
    /* The product is always fused with the bias, and never with the residual: left to the compiler, bits would depend on the form. */
    if (form.plain || (row->weight && row->bias))
        y = multiply_add(y, load_up_to(row->weight + at, left), load_up_to(row->bias + at, left));
    else if (row->weight) y *= load_up_to(row->weight + at, left);
    else if (row->bias) y += load_up_to(row->bias + at, left);
    if (form.plain) return y;
    if (row->residual) y = add_in_order(y, load_up_to(row->residual + at, left));
    return form.clips ? at_most(row->upper, at_least(row->lower, y)) : activate_out_of_line(y, &t->activation);
}

/* Bytes [at, end) of a row, and no others, of whatever form. Of copies, as affine_plane_in_halves. */
static __attribute__((noinline)) void normalise_part(fc_layer_rows t, layer_row row, ptrdiff_t at, ptrdiff_t end)
{
    const layer_form any = {0};
    for (; at + VECTOR_BYTES <= end; at += VECTOR_BYTES) store(row.y + at, layer_vector(&t, &row, at, LANES, any));
    const int64_t left = (end - at) / REAL_BYTES;
    if (left) store_partial(row.y + at, layer_vector(&t, &row, at, left, any), (int)left);
}

/* As in affine_plane the last vector overlaps the one before it, where both go through the caches. */
ALWAYS_INLINE void normalise_row(const fc_layer_rows *t, const layer_row *row, layer_form form)
{
    const ptrdiff_t bytes = t->items * REAL_BYTES;
    char *y = row->y;
    ptrdiff_t at = 0;
    if (form.past_cache) {
        const whole_lines lines = lines_within(y, bytes);
        if (lines.first) normalise_part(*t, *row, 0, lines.first);
        for (at = lines.first; at < lines.last; at += VECTOR_BYTES) store_past_cache(y + at, layer_vector(t, row, at, LANES, form));
        if (lines.last < bytes) normalise_part(*t, *row, lines.last, bytes);
    } else if (t->items < LANES) {
        store_partial(y, layer_vector(t, row, 0, t->items, form), (int)t->items);
    } else {
        for (; at + VECTOR_BYTES <= bytes; at += VECTOR_BYTES) store(y + at, layer_vector(t, row, at, LANES, form));
        if (at < bytes) store(y + bytes - VECTOR_BYTES, layer_vector(t, row, bytes - VECTOR_BYTES, LANES, form));
    }
}

/* Of copies, as affine_plane_in_halves. */
static __attribute__((noinline)) void normalise_row_in_halves(fc_layer_rows t, layer_row row)
{
    normalise_row(&t, &row, (layer_form){.halves = 1});
}

/* Rows with less than both vectors, or with a residual or an activation: out of line, once for all numbers of rows. */
static __attribute__((noinline)) void normalise_clipped_row(fc_layer_rows t, layer_row row)
{
    normalise_row(&t, &row, (layer_form){.clips = 1, .past_cache = t.past_cache});
}

static __attribute__((noinline)) void normalise_activated_row(fc_layer_rows t, layer_row row)
{
    normalise_row(&t, &row, (layer_form){.past_cache = t.past_cache});
}

/* `rows`, a constant, from `first` on; `row` and `turn` move on. */
ALWAYS_INLINE void normalise_some(const fc_layer_rows *t, int64_t first, int rows, layer_row *row, int64_t *turn, layer_form form)
{
    const int64_t bytes = t->items * REAL_BYTES;
    layer_parameters p;
    if (t->moments) {
        p.mean = t->moments[0] - (vdouble){0};
        p.variance = t->moments[1] - (vdouble){0};
    } else find_moments_of_rows((const REAL *)row->x, t->items, rows, &p);
    if (t->mean) memcpy(t->mean + first, &p.mean, (size_t)rows * sizeof(double));
    if (t->variance) memcpy(t->variance + first, &p.variance, (size_t)rows * sizeof(double));
    set_parameters_of_rows(t->eps, &p);
    for (int r = 0; r < rows; r++) {
        row->weight = form.plain || t->weight ? (const char *)t->weight + *turn * bytes : NULL;
        row->bias = form.plain || t->bias ? (const char *)t->bias + *turn * bytes : NULL;
        row->center = splat(p.center[r]);
        row->scale = splat(p.scale[r]);
        row->shift = splat(p.shift[r]);
        if (p.unit[r] != 1) normalise_row_in_halves(*t, *row);
        else if (form.plain) normalise_row(t, row, form);
        else if (form.clips) normalise_clipped_row(*t, *row);
        else normalise_activated_row(*t, *row);
        row->x += bytes;
        row->y += bytes;
        if (row->residual) row->residual += bytes;
        if (++*turn == t->cycle) *turn = 0;
    }
}

ALWAYS_INLINE void normalise_rows(const fc_layer_rows *t, layer_form form)
{
    layer_row row = {.x = t->x, .y = t->y, .residual = t->residual, .lower = splat(lower_bound(&t->activation)),
                     .upper = splat(upper_bound(&t->activation))};
    int64_t first = 0, turn = t->turn;
    if (t->items * REAL_BYTES * ROWS_AT_ONCE <= ROWS_BYTES)
        for (; first + ROWS_AT_ONCE <= t->rows; first += ROWS_AT_ONCE)
            normalise_some(t, first, ROWS_AT_ONCE, &row, &turn, form);
    for (; first < t->rows; first++) normalise_some(t, first, 1, &row, &turn, form);
}

static void layer_norm(const fc_layer_rows *given)
{
    const fc_layer_rows t = *given; /* which no store can change */
    const int plain = t.weight && t.bias && !t.residual && t.activation.kind == FC_IDENTITY;
    if (plain) normalise_rows(&t, (layer_form){.plain = 1, .past_cache = t.past_cache});
    else normalise_rows(&t, (layer_form){.clips = fc_is_clip(&t.activation)});
}

#endif
