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

static void copy_past_cache(void *dst, const void *src, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += VECTOR_BYTES)
        store_past_cache((char *)dst + i, load((const char *)src + i));
    fence_past_cache();
}

#endif
