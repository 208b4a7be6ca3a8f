/* Images as numbers, y = (x - mean) / std by channel, on their way to where the first layer of a network reads them.
 *
 *   side by side   r g b  r g b  r g b ...        planes   r r r ...      blocks   r g b 0 ... 0
 *                  pixel  pixel  pixel                     g g g ...               r g b 0 ... 0
 *                                                          b b b ...
 *
 * Channels that stand side by side are turned into planes in registers, LANES pixels x LANES channels at a time. Subtraction and
 * division are rounded one by one, so that the bits are those of the formula in NumPy.
 */
#ifndef FASTCONV_KERNELS_LOAD_H
#define FASTCONV_KERNELS_LOAD_H

#include "../kernels.h"
#include "../simd.h"
#include "transpose.h"

/* The first `count` lanes of what stands at x, the others zero. */
ALWAYS_INLINE vreal numbers_at(const char *x, int64_t count, int bytes)
{
    if (!bytes) return load_up_to(x, count);
    if (count >= LANES) return load_bytes(x);
    uint8_t some[LANES] = {0};
    for (int64_t i = 0; i < count; i++) some[i] = (uint8_t)x[i];
    return load_bytes(some);
}

ALWAYS_INLINE void load_one_plane(const fc_load *t, int64_t channel, int bytes)
{
    const char *x = (const char *)t->x + channel * t->x_plane;
    char *y = (char *)t->y + channel * t->y_plane;
    const vreal mean = splat(((const REAL *)t->mean)[channel]), std = splat(((const REAL *)t->std)[channel]);
    const int item = bytes ? 1 : REAL_BYTES;
    int64_t p = 0;
    for (; p + LANES <= t->count; p += LANES) store(y + p * REAL_BYTES, (numbers_at(x + p * item, LANES, bytes) - mean) / std);
    if (p < t->count)
        store_partial(y + p * REAL_BYTES, (numbers_at(x + p * item, t->count - p, bytes) - mean) / std, (int)(t->count - p));
}

static void load_planes(const fc_load *given)
{
    const fc_load t = *given;
    for (int64_t c = 0; c < t.channels; c++) {
        if (t.bytes) load_one_plane(&t, c, 1);
        else load_one_plane(&t, c, 0);
    }
}

/* LANES pixels, of which there are `left`, of up to LANES channels from `first` on. */
ALWAYS_INLINE void load_square(const fc_load *t, int64_t p, int64_t first, int bytes)
{
    const int item = bytes ? 1 : REAL_BYTES;
    const int64_t left = t->count - p, present = t->channels - first;
    const char *x = (const char *)t->x + (p * t->channels + first) * item;
    vreal square[LANES];
    /* Whole vectors reach into the pixels behind, and must not reach beyond the last one. */
    if ((p + LANES - 1) * t->channels + first + LANES <= t->count * t->channels) {
        UNROLLED for (int i = 0; i < LANES; i++) square[i] = numbers_at(x + i * t->channels * item, LANES, bytes);
    } else {
        UNROLLED for (int i = 0; i < LANES; i++)
            square[i] = i < left ? numbers_at(x + i * t->channels * item, present, bytes) : (vreal){0};
    }
    transpose_square(square);
    const REAL *mean = (const REAL *)t->mean + first, *std = (const REAL *)t->std + first;
    UNROLLED for (int i = 0; i < LANES; i++) if (i < present)
        store_up_to((char *)t->y + (first + i) * t->y_plane + p * REAL_BYTES, (square[i] - splat(mean[i])) / splat(std[i]), left);
}

static void load_pixels(const fc_load *given)
{
    const fc_load t = *given;
    for (int64_t first = 0; first < t.channels; first += LANES)
        for (int64_t p = 0; p < t.count; p += LANES) {
            if (t.bytes) load_square(&t, p, first, 1);
            else load_square(&t, p, first, 0);
        }
}

ALWAYS_INLINE void load_one_block(const fc_load *t, int64_t first, int bytes)
{
    const int item = bytes ? 1 : REAL_BYTES;
    const int64_t present = t->channels - first;
    const char *x = (const char *)t->x + first * item;
    char *y = (char *)t->y + first / BLOCK * t->y_plane;
    const REAL *mean = (const REAL *)t->mean + first, *std = (const REAL *)t->std + first;
    for (int64_t p = 0; p < t->count; p++, x += t->channels * item, y += BLOCK_BYTES)
        UNROLLED for (int v = 0; v < BLOCK; v += LANES) {
            const vreal some = present > v ? numbers_at(x + v * item, present - v, bytes) : (vreal){0};
            store(y + v * REAL_BYTES, (some - load(mean + v)) / load(std + v));
        }
}

static void load_blocks(const fc_load *given)
{
    const fc_load t = *given;
    for (int64_t first = 0; first < t.channels; first += BLOCK) {
        if (t.bytes) load_one_block(&t, first, 1);
        else load_one_block(&t, first, 0);
    }
}

#endif
