/* The pooling kernels' part of the contract of kernels.h. */
#ifndef FASTCONV_KERNELS_POOL_CONTRACT_H
#define FASTCONV_KERNELS_POOL_CONTRACT_H

#include <stddef.h>
#include <stdint.h>

/* Pooling along a row of pixels that hold their channels side by side:
 *   out[p][c] = reduction over s of in[offset[s] + p][c],   0 <= p < px, 0 <= c < channels.
 * The maximum takes the first of equal values and any NaN. taps (max only, may be NULL): the winning s as integers as wide
 * as the item, -1 where nothing exceeded -inf; `channels` a pixel, without gaps. divisor (average only): divides the sum.
 * Of windows in parts, all but the first are `started`: on top of what stands in the output, taps -1 where that stays; all but
 * the last are `unfinished`: sums are not divided.
 */
typedef struct {
    const void *input;
    ptrdiff_t px_stride;
    const ptrdiff_t *offset;
    int64_t steps, px, channels;
    void *output;
    ptrdiff_t out_px;
    void *taps;
    double divisor;
    int started, unfinished;
} fc_pool_row;

/* `count` positions along an axis, a dilation apart. */
typedef struct {
    int64_t first, count;
} fc_pool_taps;

/* The input rows that a row of outputs looks at: `lines` of each of `slices`, the first of them `first` bytes into the plane;
 * and the rows' share of an average's divisor. */
typedef struct {
    ptrdiff_t first;
    int64_t slices, lines;
    double divisor;
} fc_pool_reach;

/* Pooling of `rows` rows of outputs in one plane, vectors along the rows:
 *   out[r][i] = reduction over the lines of reach[r] and 0 <= k < kernel of line[i * stride - pad + k * dilation];
 * positions outside [0, width) are left out. Sums are divided by reach[r].divisor * col_divisor[i]. Columns are reduced
 * before rows, in the order of the lines: of equal values, that is of zeros of either sign, not always the first is returned.
 *
 * windows: NULL, or for each output of a row the positions it looks at instead, at most `kernel`, one apart; no pad then.
 * buffer: scratch of `together` times `pitch` items and two vectors; pitch: what a row, or the windows of whole vectors, span.
 * picks: with windows, scratch of FC_PICK_BYTES for each vector of outputs of a row, aligned to 64 bytes. picked: FC_NOT_PICKED, or
 * what the kernel wrote there when it had the same windows and picks before.
 * joined: windows end where the next begin, and rows do too, with one divisor: `together` rows are as good as one.
 * col_divisor: items of the data's type, one for each output of a row and a vector more; the first of them, if joined.
 * guarded: nothing is read beyond the ends of input rows; otherwise whole vectors are.
 * out_row: bytes; where that is `count` items, all rows but the last are written beyond their ends, before the next.
 * streamed: the input comes from memory, not from a cache. past_cache: as in fc_affine; whole vectors only.
 */
enum { FC_PICK_BYTES = 192 };
enum { FC_NOT_PICKED, FC_NO_PICKS, FC_PICKED };
typedef struct {
    const void *plane;
    const fc_pool_reach *reach;
    const fc_pool_taps *windows;
    ptrdiff_t slice_step, line_step, out_row;
    int64_t rows, width, kernel, stride, pad, dilation, count, pitch, together;
    void *buffer, *picks, *output;
    int64_t *picked;
    const void *col_divisor;
    int guarded, joined, streamed, past_cache;
} fc_pool_plane;

/* The same for small planes of `items` contiguous items, `plane` bytes apart: each.windows are listed, `each.dilation` apart,
 * and the outputs of a plane follow those of the one before. each.buffer: an aligned scratch of as many vectors as there are
 * items of a plane, of a row and of a plane's outputs, and two squares more. */
typedef struct {
    fc_pool_plane each;
    ptrdiff_t plane;
    int64_t planes, items;
} fc_pool_lanes;

/* One value a plane of `items` contiguous items, `plane` bytes apart: out[p] = reduction over the items, sums divided. streamed: the
 * planes stand side by side, and short ones are fetched ahead. */
typedef struct {
    const void *input;
    ptrdiff_t plane;
    int64_t planes, items;
    void *output;
    double divisor;
    int streamed;
} fc_pool_whole;

#endif
