/* The part of the contract of kernels.h of kernels that move data. */
#ifndef FASTCONV_KERNELS_MOVING_CONTRACT_H
#define FASTCONV_KERNELS_MOVING_CONTRACT_H

#include <stddef.h>
#include <stdint.h>

/* Lanes [to, to + count) of `pixels` neighbouring blocks of y become lanes [from, from + count) of those of x; the others of y
 * keep their bits. */
typedef struct {
    const void *x;
    void *y;
    int from, to, count;
    int64_t pixels;
} fc_lanes;

/* `count` pixels of an image as numbers, y = (x - mean) / std by channel:
 *   load_planes   from planes to planes, x_plane and y_plane bytes apart
 *   load_pixels   from pixels that hold their channels side by side, to planes
 *   load_blocks   the same to channel blocks, y_plane bytes apart; lanes beyond the channels are zeroed
 * x: items of y's type, or uint8 where `bytes`. mean, std: an entry a channel, in whole blocks filled up with 0 and 1.
 */
typedef struct {
    const void *x;
    void *y;
    int bytes;
    int64_t count, channels;
    ptrdiff_t x_plane, y_plane;
    const void *mean, *std;
} fc_load;

/* `count` items of an output row: item i is at `offset` + i * `step` bytes of the source row, or it is the fill. */
typedef struct {
    int64_t count;
    ptrdiff_t offset, step;
    int filled;
} fc_stretch;

/* Rows of `cols` items, `out_row` bytes apart, each put together of the same stretches of its source row:
 *   row r is at `source` + row[r], or all fill where row[r] is FC_NO_ROW or `row` is NULL.
 * height: after so many rows row[] starts again, `plane` bytes further in the source.
 * end: NULL, or where rows follow each other and are written in their order, the first byte that must be left alone: a row
 * that ends a vector or more before it may be written beyond its end. Nothing but the stretches is read.
 * streamed: as in fc_pool_plane. past_cache: as in fc_affine, for long rows.
 */
enum { FC_STRETCHES = 3 };
#define FC_NO_ROW PTRDIFF_MIN
typedef struct {
    const void *source;
    const ptrdiff_t *row;
    int64_t rows, cols, height;
    ptrdiff_t plane;
    fc_stretch stretch[FC_STRETCHES];
    double fill;
    void *output;
    ptrdiff_t out_row;
    const void *end;
    int streamed, past_cache;
} fc_rows;

/* sum[r][i] += in[r][i], 0 <= r < rows, 0 <= i < count; strides in bytes. The items of a vector from the last one of a row of
 * sums on are read and written too, unchanged if they are not -0.0. */
typedef struct {
    void *sum;
    const void *input;
    ptrdiff_t sum_row, in_row, in_px;
    int64_t rows, count;
} fc_row_sum;

/* `steps` times, a multiple of four: `reads` lines are read, and `writes` lines written past the caches. 64-byte aligned. */
typedef struct {
    const void *src;
    void *dst;
    int64_t steps, reads, writes;
} fc_stream;

#endif
