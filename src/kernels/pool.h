/* Pooling: vectors of channels, a few at a time, through all positions of a window.
 *
 * A maximum takes the first of equal values and any NaN: best = (x > best or x is NaN) ? x : best. The hardware maximum
 * would lose a NaN that met a number later.
 */
#ifndef FASTCONV_KERNELS_POOL_H
#define FASTCONV_KERNELS_POOL_H

#include "../kernels.h"
#include "../simd.h"

enum { POOL_VECTORS = 4, POOL_STREAMS = 4, STREAM_STEPS = 32, POOL_PX = 8 / BLOCK_VECTORS };

typedef enum { REDUCE_MAX, REDUCE_SUM } reduction_kind;

ALWAYS_INLINE REAL neutral(reduction_kind kind) { return kind == REDUCE_MAX ? -(REAL)__builtin_inf() : 0; }

ALWAYS_INLINE vreal reduce(reduction_kind kind, vreal so_far, vreal x)
{
    return kind == REDUCE_MAX ? blend(is_nan(x), x, at_least(x, so_far)) : add_in_order(so_far, x);
}

/* The reduction of one value: a sum of -0.0 alone is 0.0. */
ALWAYS_INLINE vreal start(reduction_kind kind, vreal x) { return kind == REDUCE_MAX ? x : x + (vreal){0}; }

ALWAYS_INLINE vmask exceeds(vreal x, vreal best) { return (vmask)(greater(x, best) | is_nan(x)); }

/* `vectors` vectors of one pixel's channels; `left` channels from `in` on, so that the last vector may be partial. */
ALWAYS_INLINE void max_tile(const fc_pool_row *t, const char *in, int64_t left, int vectors, int partial, char *out, char *taps)
{
    vreal best[POOL_VECTORS];
    vint tap[POOL_VECTORS];
    UNROLLED for (int v = 0; v < vectors; v++) {
        best[v] = t->started ? load_up_to(out + v * VECTOR_BYTES, partial ? left : LANES) : splat(-(REAL)__builtin_inf());
        tap[v] = (vint){0} - 1;
    }
    for (int64_t s = 0; s < t->steps; s++)
        UNROLLED for (int v = 0; v < vectors; v++) {
            const char *at = in + t->offset[s] + v * VECTOR_BYTES;
            vreal x = partial ? load_up_to(at, left) : load(at);
            if (taps) tap[v] = (vint)blend(exceeds(x, best[v]), (vreal)((vint){0} + (ireal)s), (vreal)tap[v]);
            best[v] = reduce(REDUCE_MAX, best[v], x);
        }
    UNROLLED for (int v = 0; v < vectors; v++) {
        store_up_to(out + v * VECTOR_BYTES, best[v], partial ? left : LANES);
        if (taps) store_up_to(taps + v * VECTOR_BYTES, (vreal)tap[v], partial ? left : LANES);
    }
}

ALWAYS_INLINE void avg_tile(const fc_pool_row *t, const char *in, int64_t left, int vectors, int partial, char *out)
{
    vreal sum[POOL_VECTORS];
    UNROLLED for (int v = 0; v < vectors; v++)
        sum[v] = t->started ? load_up_to(out + v * VECTOR_BYTES, partial ? left : LANES) : (vreal){0};
    for (int64_t s = 0; s < t->steps; s++)
        UNROLLED for (int v = 0; v < vectors; v++) {
            const char *at = in + t->offset[s] + v * VECTOR_BYTES;
            sum[v] = add_in_order(sum[v], partial ? load_up_to(at, left) : load(at));
        }
    UNROLLED for (int v = 0; v < vectors; v++)
        store_up_to(out + v * VECTOR_BYTES, t->unfinished ? sum[v] : sum[v] / (REAL)t->divisor, partial ? left : LANES);
}

/* Neighbouring pixels of one channel block, as networks have it between their steps. */
ALWAYS_INLINE void block_tile(reduction_kind kind, const fc_pool_row *t, int64_t p, int px)
{
    const char *in = (const char *)t->input + p * t->px_stride;
    char *out = (char *)t->output + p * t->out_px;
    vreal so_far[POOL_PX][BLOCK_VECTORS];
    UNROLLED for (int i = 0; i < px; i++)
        UNROLLED for (int v = 0; v < BLOCK_VECTORS; v++)
            so_far[i][v] = t->started ? load(out + i * t->out_px + v * VECTOR_BYTES) : splat(neutral(kind));
    for (int64_t s = 0; s < t->steps; s++) {
        const char *at = in + t->offset[s];
        UNROLLED for (int i = 0; i < px; i++)
            UNROLLED for (int v = 0; v < BLOCK_VECTORS; v++)
                so_far[i][v] = reduce(kind, so_far[i][v], load(at + i * t->px_stride + v * VECTOR_BYTES));
    }
    const int mean = kind == REDUCE_SUM && !t->unfinished;
    UNROLLED for (int i = 0; i < px; i++)
        UNROLLED for (int v = 0; v < BLOCK_VECTORS; v++)
            store(out + i * t->out_px + v * VECTOR_BYTES, mean ? so_far[i][v] / (REAL)t->divisor : so_far[i][v]);
}

ALWAYS_INLINE void pool_block(reduction_kind kind, const fc_pool_row *t)
{
    int64_t p = 0;
    for (; p + POOL_PX <= t->px; p += POOL_PX) block_tile(kind, t, p, POOL_PX);
    for (; p < t->px; p++) block_tile(kind, t, p, 1);
}

/* Every channel of every pixel: wide tiles, then single vectors, then the partial one. TILE(vectors, partial) */
#define POOL_ROW(TILE)                                                                   \
    for (int64_t p = 0; p < t->px; p++) {                                                \
        const char *in = (const char *)t->input + p * t->px_stride;                      \
        char *out = (char *)t->output + p * t->out_px;                                   \
        int64_t c = 0;                                                                   \
        for (; c + POOL_VECTORS * LANES <= t->channels; c += POOL_VECTORS * LANES) {     \
            TILE(POOL_VECTORS, 0);                                                       \
        }                                                                                \
        for (; c + LANES <= t->channels; c += LANES) {                                   \
            TILE(1, 0);                                                                  \
        }                                                                                \
        if (c < t->channels) {                                                           \
            TILE(1, 1);                                                                  \
        }                                                                                \
    }

#define MAX_TILE(vectors, partial) \
    max_tile(t, in + c * REAL_BYTES, t->channels - c, vectors, partial, out + c * REAL_BYTES, NULL)
#define MAX_TAPS_TILE(vectors, partial)                                                                       \
    max_tile(t, in + c * REAL_BYTES, t->channels - c, vectors, partial, out + c * REAL_BYTES,                 \
             (char *)t->taps + (p * t->channels + c) * REAL_BYTES)
#define AVG_TILE(vectors, partial) \
    avg_tile(t, in + c * REAL_BYTES, t->channels - c, vectors, partial, out + c * REAL_BYTES)

/* The positions s to s + steps of one window in all its channels, on top of what stands in the output. */
ALWAYS_INLINE void add_positions(reduction_kind kind, const fc_pool_row *t, const char *input, int64_t s, int steps, char *output)
{
    const int started = s || t->started, last = s + steps == t->steps && !t->unfinished;
    const char *in[POOL_STREAMS];
    UNROLLED for (int i = 0; i < POOL_STREAMS; i++) in[i] = input + t->offset[i < steps ? s + i : s];
    for (int64_t c = 0; c < t->channels; c += LANES) {
        const int64_t at = c * REAL_BYTES, left = t->channels - c;
        vreal x = started ? load_up_to(output + at, left) : splat(neutral(kind));
        UNROLLED for (int i = 0; i < steps; i++) {
            x = reduce(kind, x, load_up_to(in[i] + at, left));
            fetch_near(in[i] + at + FC_AHEAD_BYTES);
        }
        if (kind == REDUCE_SUM && last) x /= (REAL)t->divisor;
        store_up_to(output + at, x, left);
    }
}

/* Large windows of many channels: pixel after pixel, as they lie in memory, and the sums wait in the output. */
ALWAYS_INLINE void pool_stream(reduction_kind kind, const fc_pool_row *t)
{
    for (int64_t p = 0; p < t->px; p++) {
        const char *in = (const char *)t->input + p * t->px_stride;
        char *out = (char *)t->output + p * t->out_px;
        int64_t s = 0;
        for (; s + POOL_STREAMS <= t->steps; s += POOL_STREAMS) add_positions(kind, t, in, s, POOL_STREAMS, out);
        for (; s < t->steps; s++) add_positions(kind, t, in, s, 1, out);
    }
}

ALWAYS_INLINE int is_block(const fc_pool_row *t) { return t->channels == BLOCK_VECTORS * LANES; }

ALWAYS_INLINE int is_stream(const fc_pool_row *t) { return t->steps >= STREAM_STEPS && t->channels > POOL_VECTORS * LANES; }

static void max_pool(const fc_pool_row *t)
{
    if (t->taps) POOL_ROW(MAX_TAPS_TILE)
    else if (is_block(t)) pool_block(REDUCE_MAX, t);
    else if (is_stream(t)) pool_stream(REDUCE_MAX, t);
    else POOL_ROW(MAX_TILE)
}

static void avg_pool(const fc_pool_row *t)
{
    if (is_block(t)) pool_block(REDUCE_SUM, t);
    else if (is_stream(t)) pool_stream(REDUCE_SUM, t);
    else POOL_ROW(AVG_TILE)
}

#endif
