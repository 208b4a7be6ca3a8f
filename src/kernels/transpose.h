/* Planar rows of channels to and from channel blocks, LANES x LANES items at a time in registers.
 *
 *   planar   c0: p0 p1 p2 ...          blocked   p0: c0 c1 c2 ...
 *            c1: p0 p1 p2 ...    <->             p1: c0 c1 c2 ...
 *
 * A square is transposed in log2(LANES) rounds; round s swaps the off-diagonal quarters of every 2s x 2s square.
 */
#ifndef FASTCONV_KERNELS_TRANSPOSE_H
#define FASTCONV_KERNELS_TRANSPOSE_H

#include "activation.h"

enum { PAGE_BYTES = 4096 }; /* the smallest there are */

/* Lane l of the upper and of the lower result of round s, counted over the 2 * LANES lanes of both operands, beyond which no
 * compiler may be led, not even in rounds that short vectors skip. */
#define UPPER(l, s) (((l) & (s)) ? LANES + (l) - (s) : (l))
#define LOWER(l, s) ((((l) & (s)) ? LANES + (l) : (l) + (s)) % (2 * LANES))
#define TURNED(l, n) (((l) ^ (n)) % (2 * LANES)) /* lane l of one vector, n lanes turned */
#define TRANSPOSE_ROUND(s)                                                     \
    UNROLLED for (int i = 0; i < LANES; i++) if (!(i & (s))) {                 \
        vreal upper = x[i], lower = x[i + (s)];                                \
        x[i] = SHUFFLED(upper, lower, ALL_LANES(UPPER, s));                    \
        x[i + (s)] = SHUFFLED(upper, lower, ALL_LANES(LOWER, s));                \
    }

ALWAYS_INLINE void transpose_square(vreal x[LANES])
{
    if (LANES > 8) TRANSPOSE_ROUND(8)
    if (LANES > 4) TRANSPOSE_ROUND(4)
    if (LANES > 2) TRANSPOSE_ROUND(2)
    TRANSPOSE_ROUND(1)
}

#define EVEN(l, s) (2 * (l))
#define ODD(l, s) (2 * (l) + 1)
#define DEAL(lanes, a, b) SHUFFLED(a, b, ALL_LANES(lanes, 0))

/* Lines of DEALT items that follow each other, as many as lanes, dealt out like cards: the i-th of each line to vector i. */
enum { DEALT = 4 };
ALWAYS_INLINE void deal(vreal x[DEALT])
{
    const vreal even[] = {DEAL(EVEN, x[0], x[1]), DEAL(EVEN, x[2], x[3])}, odd[] = {DEAL(ODD, x[0], x[1]), DEAL(ODD, x[2], x[3])};
    x[0] = DEAL(EVEN, even[0], even[1]);
    x[1] = DEAL(EVEN, odd[0], odd[1]);
    x[2] = DEAL(ODD, even[0], even[1]);
    x[3] = DEAL(ODD, odd[0], odd[1]);
}

/* The 2x2 taps of neighbouring channels. */
static void deal_lines(const fc_transpose *t, const char *rows, char *out)
{
    vreal x[DEALT];
    if (t->ahead)
        for (int line = 0; line < DEALT * VECTOR_BYTES; line += BLOCK_BYTES) fetch_near(rows + line + t->ahead);
    UNROLLED for (int i = 0; i < DEALT; i++) x[i] = load(rows + i * VECTOR_BYTES);
    deal(x);
    UNROLLED for (int i = 0; i < DEALT; i++) store(out + (t->block_offset ? t->block_offset[i] : i * t->block_stride), x[i]);
}

static void to_blocked(const fc_transpose *t)
{
    const int dealt = t->pixels == DEALT && t->plane_stride == DEALT * REAL_BYTES;
    for (int first = 0; first < BLOCK; first += LANES) {
        const char *rows = (const char *)t->planar + first * t->plane_stride;
        const int64_t present = t->channels - first;
        if (dealt && present >= LANES) {
            deal_lines(t, rows, (char *)t->blocked + first * REAL_BYTES);
            continue;
        }
        for (int64_t p = 0; p < t->pixels; p += LANES) {
            const int64_t left = t->pixels - p;
            vreal x[LANES];
            if (t->ahead && p * REAL_BYTES % BLOCK_BYTES == 0) /* once a line */
                for (int i = 0; i < LANES && i < present; i++) fetch_near(rows + i * t->plane_stride + p * REAL_BYTES + t->ahead);
            if (left >= LANES && present >= LANES) {
                UNROLLED for (int i = 0; i < LANES; i++) x[i] = load(rows + i * t->plane_stride + p * REAL_BYTES);
            } else {
                UNROLLED for (int i = 0; i < LANES; i++)
                    x[i] = i < present ? load_up_to(rows + i * t->plane_stride + p * REAL_BYTES, left) : (vreal){0};
            }
            transpose_square(x);
            char *out = (char *)t->blocked + first * REAL_BYTES;
            if (t->block_offset) {
                UNROLLED for (int i = 0; i < LANES; i++) if (i < left) store(out + t->block_offset[p + i], x[i]);
            } else {
                UNROLLED for (int i = 0; i < LANES; i++) if (i < left) store(out + (p + i) * t->block_stride, x[i]);
            }
        }
    }
}

static void from_blocked(const fc_transpose *t)
{
    for (int first = 0; first < BLOCK && first < t->channels; first += LANES) {
        const int64_t present = t->channels - first;
        for (int64_t p = 0; p < t->pixels; p += LANES) {
            const int64_t left = t->pixels - p;
            const char *in = (const char *)t->blocked + p * t->block_stride + first * REAL_BYTES;
            vreal x[LANES];
            UNROLLED for (int i = 0; i < LANES; i++) x[i] = i < left ? load(in + i * t->block_stride) : (vreal){0};
            transpose_square(x);
            UNROLLED for (int i = 0; i < LANES; i++) if (i < present) {
                const ptrdiff_t at = (first + i) * t->plane_stride + p * REAL_BYTES;
                if (t->residual) x[i] += load_up_to((const char *)t->residual + at, left);
                store_up_to((char *)t->planar + at, finish(x[i], &t->activation), left);
            }
        }
    }
}

/* Pixels that hold their channels side by side need no transposition. */
static void copy_blocks(const fc_transpose *t, ptrdiff_t px_stride)
{
    const char *in = t->planar;
    char *out = t->blocked;
    for (int64_t p = 0; p < t->pixels; p++, in += px_stride, out += t->block_stride)
        UNROLLED for (int v = 0; v < BLOCK_VECTORS; v++) {
            const int64_t left = t->channels - v * LANES;
            store(out + v * VECTOR_BYTES, left > 0 ? load_up_to(in + v * VECTOR_BYTES, left) : (vreal){0});
        }
}

/* Whole vectors reach behind a pixel's items: not beyond the last one, and not into a gap that holds a page of its own. */
static void turn(void *rows, ptrdiff_t row_bytes, const void *pixels, ptrdiff_t px_bytes, int64_t count, int64_t px)
{
    const ptrdiff_t end = px_bytes > 0 && px_bytes <= PAGE_BYTES ? (px - 1) * px_bytes + count * REAL_BYTES : PTRDIFF_MIN;
    for (int64_t p = 0; p < px; p += LANES)
        for (int64_t first = 0; first < count; first += LANES) {
            const ptrdiff_t at = p * px_bytes + first * REAL_BYTES;
            const char *in = (const char *)pixels + at;
            char *out = (char *)rows + first * row_bytes + p * REAL_BYTES;
            const int64_t present = count - first, left = px - p;
            vreal x[LANES];
            if (first * REAL_BYTES % BLOCK_BYTES == 0)
                UNROLLED for (int i = 0; i < LANES; i++) fetch_near(in + (i + 2 * LANES) * px_bytes);
            if ((present >= LANES && left >= LANES) || at + (LANES - 1) * px_bytes + VECTOR_BYTES <= end) {
                UNROLLED for (int i = 0; i < LANES; i++) x[i] = load(in + i * px_bytes);
            } else {
                UNROLLED for (int i = 0; i < LANES; i++) x[i] = i < left ? load_up_to(in + i * px_bytes, present) : (vreal){0};
            }
            transpose_square(x);
            UNROLLED for (int i = 0; i < LANES; i++) if (i < present) store_up_to(out + i * row_bytes, x[i], left);
        }
}

static void gather(void *dst, const void *src, ptrdiff_t src_stride, int64_t count)
{
    REAL *out = dst;
    const char *in = src;
    if (src_stride == 2 * REAL_BYTES) { /* a literal stride lets the compiler vectorise the common case */
        const REAL *even = src;
        for (int64_t i = 0; i < count; i++) out[i] = even[2 * i];
    } else {
        for (int64_t i = 0; i < count; i++) out[i] = *(const REAL *)(in + i * src_stride);
    }
}

static void scatter(void *dst, ptrdiff_t dst_stride, const void *src, int64_t count)
{
    const REAL *in = src;
    char *out = dst;
    for (int64_t i = 0; i < count; i++) *(REAL *)(out + i * dst_stride) = in[i];
}

#endif
