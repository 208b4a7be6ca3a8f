/* The contract between the algorithms (ops/) and the register kernels (kernels/, compiled once for each isa/ file).
 *
 * A kernel runs on one thread, allocates nothing, checks nothing and cannot fail. Data is `void *` so that one table type
 * serves float32 and float64; every stride and offset is in bytes. A *block* is 64 bytes of channels (16 float32 or
 * 8 float64) on every instruction set, so layouts do not depend on it; tile sizes do, and stand in the table.
 */
#ifndef FASTCONV_KERNELS_H
#define FASTCONV_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels_activation.h"
#include "kernels_moving.h"
#include "kernels_pool.h"
#include "kernels_rows.h"

enum { FC_BLOCK_BYTES = 64, FC_MAX_TILE_PX = 14, FC_MAX_TILE_BLOCKS = 2, FC_MAX_TILE_ROWS = 2 };

/* How a tile walks over its input: the distance between the pixels of a tile, and between the steps of k.
 *   BLOCKED_1, BLOCKED_2   channels in blocks; pixels one or two blocks apart; k walks through the block
 *   PLANAR_1, PLANAR_2     pixels one or two items apart; k walks by `k_stride`
 *   STRIDED                pixels `px_stride` apart; k walks through contiguous channels
 *   SCATTERED              pixels anywhere, where `pixel` and `out_pixel` say; k walks through contiguous channels
 */
typedef enum {
    FC_WALK_BLOCKED_1, FC_WALK_BLOCKED_2, FC_WALK_PLANAR_1, FC_WALK_PLANAR_2, FC_WALK_STRIDED, FC_WALK_SCATTERED, FC_WALKS
} fc_walk;

/* A run of `tiles` register tiles side by side; of scattered ones a single tile. Each tile:
 *
 *   out[row][px][oc] = act(bias[oc] + residual[row][px][oc]
 *                          + sum over steps s, 0 <= k < depth(s) of in[row][px + offset[s]][k] * filter[s][k][oc])
 *
 * with the whole sum in registers, in this order, so that its bits depend neither on the tile nor on the thread.
 * The first `steps` steps have `depth` products, the `tail_steps` after them `tail_depth`. A sum may be cut: `continued`
 * starts from what stands in the output, `unfinished` stores the bare sum there; the bits are those of one piece.
 * Every whole four products of a step through blocks fetch `ahead_lines` cache lines, from `ahead` on to `ahead_end`, wanted soon.
 * filter: packed [step][k][oc of the tile], 64-byte aligned. bias: padded to the tile, aligned. residual: NULL or laid
 * out as the output, which it may not overlap. Nothing is read but those operands, nothing written but the run.
 */
typedef struct {
    const void *input;
    ptrdiff_t px_stride, row_stride, k_stride;
    const ptrdiff_t *offset;
    int64_t steps, depth, tail_steps, tail_depth;
    const void *filter;
    const void *bias;
    const void *residual;
    void *output;
    ptrdiff_t out_px, out_row, out_block;
    const ptrdiff_t *pixel, *out_pixel; /* scattered only: bytes from input, and from output and residual */
    int64_t tiles;
    int continued, unfinished;
    fc_activation activation;
    const void *ahead, *ahead_end;
    int ahead_lines;
} fc_tile;

typedef void fc_tile_kernel(const fc_tile *run);

/* The same sums, with the same bits, of one output pixel and `panels` panels of `blocks` channel blocks, `panel_bytes` apart, of an
 * input in blocks. bias, output and residual go on from block to block. Up to a few KB behind the panels are fetched.
 */
typedef struct {
    const void *input;
    const ptrdiff_t *offset;
    int64_t steps, depth, tail_steps, tail_depth;
    const void *filter, *bias, *residual;
    void *output;
    int64_t panels;
    int blocks;
    ptrdiff_t panel_bytes, out_block;
    fc_activation activation;
} fc_pixel;

/* The sums of fc_tile, with the same bits, of a few neighbouring pixels of an input in blocks by `channels` rows of a filter that
 * is not packed, each of `depth` contiguous items; and the bias, padded to the vector. Outputs in blocks, side by
 * side; lanes beyond `channels` hold the bias. */
enum { FC_FEW_PIXELS = 8 }; /* for which that is worth it */
typedef struct {
    const void *input, *weight, *bias;
    ptrdiff_t px_stride, block_stride, row_stride;
    int64_t pixels, depth, channels;
    void *output;
    ptrdiff_t out_block;
} fc_unpacked;

/* out[n][o] = act(bias[o] + sum over k of input[n][k] * filter[o][k]),  0 <= n < rows, 0 <= o < outputs, 0 <= k < depth: items of a
 * row contiguous, rows so many bytes apart; bias: NULL or contiguous. The order of a sum is that of the lanes, whatever row it is in. Of many rows
 * as many bytes are looked at together as follow. */
enum { FC_LINEAR_PART = 2048 };
typedef struct {
    const void *input;
    ptrdiff_t in_row;
    const void *filter;
    ptrdiff_t filter_row;
    const void *bias;
    int64_t rows, outputs, depth;
    void *output;
    ptrdiff_t out_row;
    fc_activation activation;
} fc_linear_rows;

/* Channels-first rows to and from blocks: src row c (0 <= c < channels <= BLOCK), pixel p  <->  block p, lane c.
 *
 * blocked: `block_stride` bytes between the blocks of neighbouring pixels, or, when `block_offset` is not NULL, pixel p at
 * block_offset[p]. planar: `plane_stride` bytes between channels, pixels side by side.
 * Into blocks, lanes beyond `channels` are zeroed, and what stands `ahead` bytes behind the rows is fetched. Out of blocks,
 * `residual` (NULL or laid out as planar) is added and the activation applied.
 */
typedef struct {
    void *blocked;
    ptrdiff_t block_stride;
    const ptrdiff_t *block_offset;
    void *planar;
    ptrdiff_t plane_stride;
    int64_t pixels, channels;
    ptrdiff_t ahead; /* 0: nothing */
    const void *residual;
    fc_activation activation;
} fc_transpose;

/* Rows of pixels in planes (no channel blocks), vectorised along the pixels:
 *
 *   out[oc][r][i] = act(bias[oc] + residual[oc][r][i] + sum over s of filter[oc][s] * in[r][offset[s] + i]),  0 <= i < count
 *
 * for each of `channels` output channels oc and `rows` rows r; act is a clip. filter: `filter_stride` bytes between output channels,
 * steps contiguous. Reads of a row of `in` stay below offset[s] + count rounded up to the vector.
 */
typedef struct {
    const void *input;
    const ptrdiff_t *offset;
    int64_t steps, count, channels, rows;
    ptrdiff_t in_row, out_row; /* bytes between rows; out_row of residual too */
    const void *filter;
    ptrdiff_t filter_stride;
    const void *bias; /* NULL or one scalar an output channel */
    const void *residual;
    void *output;
    ptrdiff_t out_stride; /* bytes between output channels, of residual too */
    fc_activation activation;
} fc_planar;

/* 1x1 convolution of planes where they stand, with the bits of fc_tile:
 *
 *   out[oc][p] = act(bias[oc] + residual[oc][p] + sum over k of filter[oc][k] * in[k][p]),  0 <= k < depth, 0 <= p < pixels
 *
 * for each of `channels` output channels; act is a clip. Pixels of a plane are contiguous and at least a vector; filter: rows
 * `filter_row` bytes apart, contiguous; bias: NULL or an item a channel; residual: NULL or laid out as the output.
 */
typedef struct {
    const void *input;
    ptrdiff_t in_plane;
    const void *filter;
    ptrdiff_t filter_row;
    int64_t depth, channels, pixels;
    const void *bias, *residual;
    void *output;
    ptrdiff_t out_plane;
    fc_activation activation;
} fc_pointwise;

/* 3x3 windows, `stride` (1 or 2) apart both ways, over one plane whose rows are `in_row` bytes apart:
 *
 *   out[r][c] = act(bias + residual[r][c] + sum over i, j of filter[3 i + j] * in[stride * r + i - top][stride * c + j - left])
 *
 * for first <= r < end and 0 <= c < cols, with zeros outside the plane: any rows, and at most two columns at either side. filter:
 * nine numbers; bias: NULL or one. zeros: as many of them as a row has items. output, residual (or NULL): the plane's, rows `out_row` bytes apart.
 */
typedef struct {
    const void *input, *zeros;
    int64_t in_rows, in_cols;
    ptrdiff_t in_row;
    int64_t stride, top, left;
    const void *filter, *bias;
    const void *residual;
    void *output;
    int64_t first, end, cols;
    ptrdiff_t out_row;
    fc_activation activation;
} fc_sliding;

/* The same of a map whose pixels hold their channels side by side, each channel by itself; pixels are `in_px` and `out_px` bytes
 * apart. filter: a row of the channels for each of the nine taps, `filter_row` bytes apart; bias: NULL or one for each channel.
 * zeros: a pixel of them. */
typedef struct {
    const void *input, *zeros;
    int64_t in_rows, in_cols;
    ptrdiff_t in_row, in_px;
    int64_t stride, top, left;
    const void *filter;
    ptrdiff_t filter_row;
    const void *bias, *residual;
    void *output;
    int64_t first, end, cols, channels;
    ptrdiff_t out_row, out_px;
    fc_activation activation;
} fc_sliding_pixels;

/* Depthwise convolution of one channel block along `rows` rows of `px` pixels, `px_stride` apart:
 *   out[row][p] = act(bias + residual[row][p] + sum over s of in[row][offset[s] + p] * filter[s]), each a whole block.
 * filter: [step][BLOCK], aligned; bias: one block. `channels` lanes are stored, as many residual lanes read. residual: NULL, or
 * pixels `out_px` apart as well. in_row, out_row, residual_row: bytes between rows.
 */
typedef struct {
    const void *input;
    ptrdiff_t px_stride, in_row;
    const ptrdiff_t *offset;
    int64_t steps, px, rows, channels;
    const void *filter;
    const void *bias;
    const void *residual;
    void *output;
    ptrdiff_t out_px, out_row, residual_row;
    fc_activation activation;
} fc_depthwise;

/* The places [first, end) of the rows and of the columns of a transformed tile, row after row, `step` bytes apart: all of them,
 * or those at which a filter without taps in its first or last rows or columns is not zero. */
typedef struct {
    int first[2], end[2];
    ptrdiff_t step;
} fc_places;

/* Winograd F(m x m, 3x3), m = tile_out, of one channel block and `tiles` neighbouring tiles of a row:
 *
 *   input transform    (m + 2)^2 pixels from input on, a block apart, rows `row` bytes, to all places from output on; the next
 *                      tile m pixels on in the input, a block on in the output
 *   output transform   sums at the places, from input on, to act(m x m pixels + bias + residual), `px` bytes apart, rows `row`
 *                      bytes; the next tile a block on in the input, m pixels on in output and residual. Of the pixels of all
 *                      tiles together the first `rows` <= m rows of `cols` pixels are written
 *
 * streamed: the pixels are those of a whole map, beyond the nearest caches.
 */
typedef struct {
    const void *input;
    ptrdiff_t row, px;
    fc_places places;
    void *output;
    int64_t tiles, rows, cols;
    int streamed;
    const void *bias, *residual; /* of the output transform: one block; NULL or like the output */
    fc_activation activation;
} fc_winograd;

/* The filters of `count` input channels and one block of output channels: of each nine taps, a block each, `tap` bytes apart, to values
 * at the places, computed in double. ahead: bytes from some taps to those that will be transformed soon, or 0. */
typedef struct {
    const void *taps;
    ptrdiff_t tap, next_taps, ahead;
    void *filter;
    ptrdiff_t next_filter;
    int64_t count;
    fc_places places;
} fc_winograd_filter;

typedef struct {
    int tile_out, products;
    void (*input)(const fc_winograd *);
    void (*output)(const fc_winograd *);
    void (*filter)(const fc_winograd_filter *);
} fc_winograd_kernels;

/* As fc_depthwise, where every group of the block has `inputs` channels in, from lane `first` of the input's block on, and
 * `outputs` out, of which the block has a part if they are more than its lanes:
 *   out[p][l] = act(bias + residual[p] + sum over s, 0 <= k < inputs of in[offset[s] + p][first + l / outputs * inputs + k]
 *                                                                       * filter[s][k][l])
 * Powers of two, all but outputs beyond the block; inputs <= outputs below a block. */
typedef struct {
    fc_depthwise row;
    int inputs, outputs, first;
} fc_few_lanes;

enum { FC_F2X2, FC_F4X4, FC_WINOGRADS };

/* One output by itself: out = act(bias + residual + sum over s of input[in[s]] * weight[at[s]]), offsets in bytes. */
typedef struct {
    const void *input, *weight, *bias, *residual; /* the last two may be NULL */
    const ptrdiff_t *in, *at;
    int64_t count;
    void *output;
    fc_activation activation;
} fc_plain_sum;

/* How far ahead of a stream to fetch, as measured (bench/RESULTS.md). */
enum { FC_AHEAD_BYTES = 16 * 1024 };

/* What is fetched meanwhile: what lies `bytes` ahead of what is read, and from `end` on another `jump` bytes further. bytes 0: of
 * one long stream. */
typedef struct {
    ptrdiff_t bytes, jump;
    const char *end;
} fc_ahead;

/* y = act((x * unit - center) * scale + shift + residual). parameters: vectors of an entry a channel, `step` bytes apart, in the
 * order below; unit is 1, or 1/2 where the difference might overflow otherwise.
 * planar: `channels` planes of `count` contiguous items, the strides between planes; channels last: `count` pixels of
 * `channels` contiguous items, the strides between pixels. Strides are in bytes; y overlaps neither x nor residual.
 * past_cache: y is large and will not be read again soon, so whole lines of it go around the caches; not planes shorter than a line.
 */
enum { FC_UNIT, FC_CENTER, FC_SCALE, FC_SHIFT, FC_AFFINE_VECTORS };
typedef struct {
    const void *x;
    void *y;
    const void *residual, *parameters;
    ptrdiff_t step;
    int64_t count, channels;
    ptrdiff_t x_stride, y_stride, residual_stride;
    fc_activation activation;
    int past_cache;
    fc_ahead ahead; /* planar */
} fc_affine;

/* Add to sum[] and square[] the first two moments of x - center, one entry a channel; x and ahead as in fc_affine. */
typedef struct {
    const void *x;
    int64_t count, channels;
    ptrdiff_t x_stride;
    fc_ahead ahead; /* planar */
    const double *center;
    double *sum, *square;
} fc_moments;

typedef struct {
    const char *isa;
    int item_bytes, lanes, block;
    int tile_px;     /* pixels of the widest tile */
    int tile_blocks; /* channel blocks of the widest tile */

    /* tile[walk][rows - 1][px of a row - 1][blocks - 1], rows * px <= tile_px. Tiles across the ends of rows: of two rows for
     * blocked walks, or scattered ones, whichever the instruction set has registers for; NULL elsewhere. */
    fc_tile_kernel *tile[FC_WALKS][FC_MAX_TILE_ROWS][FC_MAX_TILE_PX][FC_MAX_TILE_BLOCKS];

    void (*pixel)(const fc_pixel *);
    void (*unpacked)(const fc_unpacked *);
    void (*linear_rows)(const fc_linear_rows *);
    void (*to_blocked)(const fc_transpose *);
    void (*from_blocked)(const fc_transpose *);
    /* As to_blocked, from pixels `px_stride` bytes apart that hold their channels side by side. */
    void (*copy_blocks)(const fc_transpose *, ptrdiff_t px_stride);
    void (*load_planes)(const fc_load *);
    void (*load_pixels)(const fc_load *);
    void (*load_blocks)(const fc_load *);
    void (*move_lanes)(const fc_lanes *);
    void (*planar)(const fc_planar *);
    void (*pointwise)(const fc_pointwise *);
    void (*sliding)(const fc_sliding *);
    void (*sliding_pixels)(const fc_sliding_pixels *);
    void (*depthwise)(const fc_depthwise *);
    void (*grouped)(const fc_few_lanes *);
    fc_winograd_kernels winograd[FC_WINOGRADS];
    void (*plain_sum)(const fc_plain_sum *);
    int (*holds_nan)(const void *item);
    void (*max_pool)(const fc_pool_row *);
    void (*avg_pool)(const fc_pool_row *);
    void (*max_pool_plane)(const fc_pool_plane *);
    void (*avg_pool_plane)(const fc_pool_plane *);
    void (*max_pool_lanes)(const fc_pool_lanes *);
    void (*avg_pool_lanes)(const fc_pool_lanes *);
    void (*max_pool_whole)(const fc_pool_whole *);
    void (*avg_pool_whole)(const fc_pool_whole *);
    void (*affine_planar)(const fc_affine *);
    void (*affine_channels)(const fc_affine *);
    void (*moments_planar)(const fc_moments *);
    void (*moments_channels)(const fc_moments *);
    void (*layer_norm)(const fc_layer_rows *);
    void (*softmax_rows)(const fc_softmax_piece *);
    void (*softmax_columns)(const fc_softmax_piece *);
    void (*softmax_part)(const fc_softmax_part *);
    void (*softmax_join)(const fc_softmax_part *);
    void (*softmax_rescale)(const fc_softmax_part *);
    void (*activate)(void *y, const void *x, const void *residual, int64_t count, const fc_activation *, int past_cache);

    /* dst[i] = src[first + i * step], 0 <= i < count; src_stride in bytes. */
    void (*gather)(void *dst, const void *src, ptrdiff_t src_stride, int64_t count);
    /* dst[i * step] = src[i], 0 <= i < count; dst_stride in bytes. */
    void (*scatter)(void *dst, ptrdiff_t dst_stride, const void *src, int64_t count);

    /* rows[r][p] = pixels[p][r], 0 <= r < count, 0 <= p < px; `row_bytes` between rows, `px_bytes` between pixels.
     * Between pixels less than a page apart anything may be read. */
    void (*turn)(void *rows, ptrdiff_t row_bytes, const void *pixels, ptrdiff_t px_bytes, int64_t count, int64_t px);
    void (*copy_rows)(const fc_rows *);
    void (*add_rows)(const fc_row_sum *);
    /* out[i] = phases[i % step][i / step], 0 <= i < count; `phase_bytes` between phases. */
    void (*interleave)(void *out, const void *phases, ptrdiff_t phase_bytes, int64_t step, int64_t count);

    double (*fma_peak)(int64_t rounds);                                /* FLOP done; reads the tile's own instruction mix */
    void (*copy_past_cache)(void *dst, const void *src, size_t bytes); /* both 64-byte aligned, bytes a multiple of 64 */
    double (*stream)(const fc_stream *);
} fc_kernels;

/* The kernels of instruction set `isa` (an index into fc_isa_name) for items of 4 or 8 bytes; NULL where not compiled in. */
enum { FC_ISA_GENERIC, FC_ISA_AVX2, FC_ISA_AVX512, FC_ISAS };
const char *fc_isa_name(int isa);
int fc_isa_supported(int isa);
const fc_kernels *fc_kernels_for(int isa, int item_bytes);

#endif
