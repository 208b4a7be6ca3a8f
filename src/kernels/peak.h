/* What the hardware can do at the most, measured with the tile's own instructions: the ceiling the benchmarks quote. */
#ifndef FASTCONV_KERNELS_PEAK_H
#define FASTCONV_KERNELS_PEAK_H

#include "../kernels.h"
#include "../simd.h"

enum { PEAK_CHAINS = VECTOR_BYTES == 64 ? 24 : 12 };

static double fma_peak(int64_t rounds)
{
    vreal acc[PEAK_CHAINS], factor = splat((REAL)0.999), term = splat((REAL)0.001);
    UNROLLED for (int i = 0; i < PEAK_CHAINS; i++) acc[i] = splat((REAL)i);
    for (int64_t r = 0; r < rounds; r++) {
        __asm__ volatile("" : "+x"(factor)); /* a new factor every round: the loop cannot be folded */
        UNROLLED for (int i = 0; i < PEAK_CHAINS; i++) acc[i] = acc[i] * factor + term;
    }
    UNROLLED for (int i = 0; i < PEAK_CHAINS; i++) __asm__ volatile("" : : "x"(acc[i]));
    return 2.0 * LANES * PEAK_CHAINS * (double)rounds;
}

/* Four streams at once: the hardware follows each to the end of its page, and while it finds one again the others go on. */
static double sum_of_memory(const void *src, size_t bytes)
{
    enum { STREAMS = 4 };
    const size_t part = bytes / STREAMS;
    vreal sum[STREAMS];
    UNROLLED for (int s = 0; s < STREAMS; s++) sum[s] = (vreal){0};
    for (size_t i = 0; i < part; i += BLOCK_BYTES)
        UNROLLED for (int s = 0; s < STREAMS; s++)
            UNROLLED for (int v = 0; v < BLOCK_VECTORS; v++)
                sum[s] += load((const char *)src + s * part + i + v * VECTOR_BYTES);
    return (double)((sum[0] + sum[1]) + (sum[2] + sum[3]))[0];
}

#endif
