/* The library as a caller sees it: problems in, results out, a status back. No Python, no policy, no globals but the
 * block cache.
 *
 * Data are float32 or float64, one type a call (`item_bytes`). Feature maps are views (N, C, D, H, W) with strides in
 * bytes; one and two spatial axes leave the front ones at size 1. Sizes are trusted: the caller has validated them.
 */
#ifndef FASTCONV_H
#define FASTCONV_H

#include "kernels.h"
#include "parallel.h"
#include "status.h"
#include "workspace.h"

enum { FC_SPATIAL = 3, FC_RANK = 5 };

typedef struct {
    void *data;
    ptrdiff_t stride[FC_RANK]; /* bytes: n, c, d, h, w */
} fc_view;

/* Sizes of a sliding window, for convolution and pooling alike. pad: before each axis (what comes after follows). */
typedef struct {
    int64_t in[FC_SPATIAL], kernel[FC_SPATIAL], stride[FC_SPATIAL], pad[FC_SPATIAL], dilation[FC_SPATIAL],
        out[FC_SPATIAL];
} fc_window;

/* Where and how to compute. winograd: whether FC_AUTO may choose it. */
typedef struct {
    int isa, winograd;
    fc_team team;
} fc_run;

/* Added to and applied on every output before it is stored. bias: c_out items or NULL. residual: NULL, or a view with the
 * strides of the output. */
typedef struct {
    const void *bias, *residual;
    fc_activation activation;
} fc_epilogue;

typedef enum { FC_AUTO, FC_DIRECT, FC_IM2COL, FC_DEPTHWISE, FC_WINOGRAD, FC_WINOGRAD_2X2, FC_WINOGRAD_4X4, FC_ALGORITHMS } fc_algorithm;
const char *fc_algorithm_name(fc_algorithm algorithm);

enum { FC_MOST_TILE_PHASES = 16 }; /* of the stride of a transposed convolution by Winograd */

/* How the filter comes: as the caller has it; packed before, in caches from call to call; packed before and fetched from memory in
 * every call, since the network has more filters than caches hold; packed before for the direct algorithm, so that Winograd's, of an
 * ordinary convolution, transforms it in every call. What is not packed in the call is not counted in choosing. */
typedef enum { FC_FILTER_GIVEN, FC_FILTER_PACKED, FC_FILTER_FETCHED, FC_FILTER_TAPS } fc_filter_state;

typedef struct {
    int64_t batch, groups, c_in, c_out; /* channels of all groups together */
    fc_window window;
    int item_bytes;
    int transposed;    /* in and out change places in the window's formula, as they do in the order of the weight */
    fc_window spread;  /* for the library: the window of a transposed convolution, whose own then says which inputs are read */
    int channels_last; /* both maps hold a pixel's channels side by side */
    int strided_rows;  /* the input's or the output's pixels are not side by side */
    fc_filter_state prepacked;
    fc_algorithm algorithm;
} fc_conv;

/* Pack the weight of a convolution for calls with `prepacked` (a transposed one: for those between blocked maps): as many bytes
 * as its plan has filter_bytes. FC_UNSUPPORTED where the weight is read as it is. */
fc_status fc_conv_pack(const fc_conv *conv, const void *weight, void *packed, const fc_run *run);

/* out = act(bias + residual + input * weight); weight is C-contiguous (c_out, c_in / groups, kernel...), of a transposed
 * convolution (c_in, c_out / groups, kernel...), or packed for the same shape, algorithm and instruction set; out contiguous
 * channels-first or channels-last. FC_UNSUPPORTED if the algorithm cannot do the shape. */
fc_status fc_conv_run(const fc_conv *conv, const fc_view *input, const void *weight, const fc_view *output,
                      const fc_epilogue *epilogue, const fc_run *run);

/* output[n][o] = act(bias[o] + sum over i of input[n][i] * weight[o][i]): rows of contiguous features, of the input in_row bytes apart,
 * of weight and output side by side. Its bits do not depend on what other rows there are. No residual. */
typedef struct {
    int64_t rows, features, outputs;
    int item_bytes;
    const void *input, *weight;
    ptrdiff_t in_row;
    void *output;
} fc_linear;
fc_status fc_linear_run(const fc_linear *linear, const fc_epilogue *epilogue, const fc_run *run);

/* What fc_conv_run would do: see plan/conv.h and plan/choose.h. */
typedef struct fc_conv_plan fc_conv_plan;
typedef struct fc_conv_report fc_conv_report;
fc_status fc_conv_explain(const fc_conv *conv, const fc_run *run, fc_conv_report *report);

/* A map in channel blocks, [sample][block][slice][row][pixel][lane], strides in bytes, `data` at pixel (0, 0, 0) of
 * block 0. Around each plane lies a halo of zeros as wide as the padding of what reads it. */
typedef struct {
    void *data;
    ptrdiff_t sample, block, slice, row;
} fc_blocked;

/* The same convolution (direct or Winograd, groups of whole blocks) between blocked maps, its filter packed once before; `conv`
 * of a transposed one is gathered (plan/transposed.h), and its filter is finite: what it does to missing inputs is not taken back.
 * `plain` is read where the plan's form is FC_PLANES, else `input`, whose halo under Winograd tiles that go beyond the output
 * is as wide as they are. residual: NULL data, or like the output but for the distance of samples. */
typedef struct {
    const fc_conv *conv;
    const fc_conv_plan *plan;
    const void *packed;
    fc_view plain;
    fc_blocked input, output, residual;
    fc_epilogue epilogue;
} fc_blocked_conv;
fc_status fc_conv_run_blocked(const fc_blocked_conv *call, const fc_run *run);

/* Compute `output` by the above, from arrays whose pixels are one item apart, and say how long a call takes: the least of as
 * many as fit into `seconds`, packing and reordering left out. FC_UNSUPPORTED if there are no tiles for it. */
typedef struct {
    const fc_conv *conv;
    const fc_view *input, *output;
    const void *weight;
    const fc_epilogue *epilogue;
} fc_plain_conv;
fc_status fc_measure_blocked(const fc_plain_conv *call, const fc_run *run, double seconds, double *least);

/* input: pixels of a row one item apart, or channels, as in the output. Samples come in runs of `run` that are stride[0] apart;
 * runs start input_run and output_run bytes apart, which only matters where there are several: of pixels that hold their channels
 * side by side, without indices. */
typedef struct {
    int64_t batch, channels, run;
    ptrdiff_t input_run, output_run;
    fc_window window;
    int item_bytes;
} fc_pool;

/* indices: NULL, or a view of int64 like the output: the flat position of the maximum in its input plane. */
fc_status fc_max_pool(const fc_pool *pool, const fc_view *input, const fc_view *output, const fc_view *indices,
                      const fc_run *run);

/* pad_after clips the windows that count_include_pad counts; divisor_override 0 means none. */
typedef struct {
    int64_t pad_after[FC_SPATIAL];
    int count_include_pad;
    int64_t divisor_override;
} fc_average;
fc_status fc_avg_pool(const fc_pool *pool, const fc_average *average, const fc_view *input, const fc_view *output,
                      const fc_run *run);

/* The same with window o of an axis over [floor(o * in / out), ceil((o + 1) * in / out)): of the window only in and out are
 * looked at, and (in % out) * out fits 64 bits. An average is over all of a window. */
fc_status fc_adaptive_max_pool(const fc_pool *pool, const fc_view *input, const fc_view *output, const fc_view *indices,
                               const fc_run *run);
fc_status fc_adaptive_avg_pool(const fc_pool *pool, const fc_view *input, const fc_view *output, const fc_run *run);

typedef struct {
    int64_t batch, channels, size[FC_SPATIAL];
    int item_bytes;
} fc_map;

/* `count` numbers of 4 or 8 bytes, in double precision. */
void fc_widen(int64_t count, int item_bytes, const void *x, double *y);

/* The least of `count` numbers, NaN left out; infinity for none. */
double fc_least(int64_t count, const double *x);

/* average = (1 - share) * average + share * factor * x, `count` items of 4 or 8 bytes. */
void fc_update_average(int64_t count, int item_bytes, void *average, const double *x, double share, double factor);

/* y = act((x - mean) / sqrt(variance + eps) * weight + bias + residual); weight and bias may be NULL. input: pixels of a row one
 * item apart, or channels, in the order of the output. */
typedef struct {
    const double *mean, *variance, *weight, *bias;
    double eps;
} fc_normalisation;
fc_status fc_batch_norm(const fc_map *map, const fc_normalisation *norm, const fc_view *input, const fc_view *output,
                        const fc_epilogue *epilogue, const fc_run *run);

/* Normalisation by statistics of what is normalised. weight and bias: an entry a channel, or NULL. mean, variance: where those
 * are put. */
typedef struct {
    const double *weight, *bias;
    double eps;
    double *mean, *variance;
} fc_own_statistics;

/* The same with mean and biased variance of each channel over everything else. Channels are finished in any order. */
fc_status fc_batch_norm_training(const fc_map *map, const fc_own_statistics *norm, const fc_view *input, const fc_view *output,
                                 const fc_epilogue *epilogue, const fc_run *run);

/* An array of any number of axes (none included), strides in bytes, and a contiguous copy of it. */
enum { FC_AXES = 64 };
typedef struct {
    int axes, item_bytes;
    int64_t size[FC_AXES];
    ptrdiff_t stride[FC_AXES];
} fc_strided;
fc_status fc_copy(const fc_strided *from, const void *input, void *output, const fc_run *run);

/* Where an axis takes what lies beyond its input from: a value, or the input mirrored about its ends (which are not repeated),
 * its end, or the part of it that is not cropped, from the other end on. */
typedef enum { FC_PAD_CONSTANT, FC_PAD_REFLECT, FC_PAD_REPLICATE, FC_PAD_CIRCULAR, FC_PAD_MODES } fc_pad_mode;
const char *fc_pad_mode_name(fc_pad_mode mode);

/* An array of any number of axes (none included). before: what stands in front of the input on each axis, negative where the
 * axis is cropped, from -in to out (FC_PAD_REFLECT: above -2 * in and below in); the rest of `out` stands behind it. Strides in
 * bytes, of the input; the output is contiguous. */
typedef struct {
    int axes, item_bytes;
    int64_t in[FC_AXES], out[FC_AXES], before[FC_AXES];
    ptrdiff_t stride[FC_AXES];
    fc_pad_mode mode;
    double value;
} fc_padding;
fc_status fc_pad(const fc_padding *padding, const void *input, void *output, const fc_run *run);

/* Windows of images as columns: (N, C, H, W) <-> (N, C * K_h * K_w, H_out * W_out), axes 1 and 2 of the window. */
typedef struct {
    int64_t batch, channels;
    fc_window window;
    int item_bytes;
} fc_unfolding;

/* im2col: the output is contiguous. */
fc_status fc_unfold(const fc_unfolding *unfolding, const fc_view *input, void *output, const fc_run *run);

/* col2im: every pixel is the sum of its places in the columns, in their order. input: strides of n, c and, the last one, of the
 * window's place. The output is contiguous. */
fc_status fc_fold(const fc_unfolding *unfolding, const fc_view *input, void *output, const fc_run *run);

/* The index that is furthest from being one: the largest of all taken as unsigned, so a negative one if there is any. */
fc_status fc_worst_index(int64_t count, const int64_t *indices, const fc_run *run, int64_t *worst);

/* A zero map of `plane` sizes with input[i] at the flat place indices[i] of each plane; of equal places the last one counts.
 * Indices out of range are left out. The output is contiguous, channels first or last. */
fc_status fc_max_unpool(const fc_map *map, const fc_view *input, const fc_view *indices, const fc_map *plane,
                        const fc_view *output, const fc_run *run);

/* A contiguous map, its channels first or last, in `groups` of neighbouring channels. */
typedef struct {
    int64_t batch, channels, groups, pixels;
    int item_bytes, channels_last;
} fc_grouped;

/* y = act((x - mean) / sqrt(variance + eps) * weight + bias + residual) with mean and biased variance of each sample and
 * group. mean, variance: batch * groups, or NULL. */
fc_status fc_group_norm(const fc_grouped *map, const fc_own_statistics *norm, const void *x, void *y,
                        const fc_epilogue *epilogue, const fc_run *run);

/* y = (x - mean) / sqrt(variance + eps) * weight + bias along each of `rows` contiguous rows of `items`; weight and bias: an
 * entry an item, of the data's type, or NULL. */
typedef struct {
    int64_t rows, items;
    int item_bytes;
    const void *weight, *bias;
    double eps;
} fc_layer;
fc_status fc_layer_norm(const fc_layer *layer, const void *x, void *y, const fc_run *run);

/* y = exp(x) / sum of exp(x), or its logarithm, along the middle axis of a contiguous (outer, items, inner). */
typedef struct {
    int64_t outer, items, inner;
    int item_bytes, logarithm;
} fc_softmax;
fc_status fc_softmax_run(const fc_softmax *softmax, const void *x, void *y, const fc_run *run);

/* y = act(x + residual) over `count` contiguous items. */
fc_status fc_activate(int64_t count, int item_bytes, const void *x, void *y, const fc_epilogue *epilogue,
                      const fc_run *run);

/* The ceilings, a second: fused multiply-adds (as FLOP), and bytes read plus bytes written past the caches, `reads` to `writes`,
 * together 1 to 1,000. */
typedef struct {
    double flops, moved;
} fc_peak;
fc_status fc_measure_peak(const fc_run *run, int64_t reads, int64_t writes, double seconds, fc_peak *peak);

#endif
