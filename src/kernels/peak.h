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

/* In four places at once: the hardware follows each to the end of its page, and while it finds one again the others go on. */
static double stream(const fc_stream *t)
{
    enum { PLACES = 4 };
    const int64_t part = t->steps / PLACES;
    vreal sum[PLACES];
    UNROLLED for (int p = 0; p < PLACES; p++) sum[p] = (vreal){0};
    for (int64_t i = 0; i < part; i++)
        UNROLLED for (int p = 0; p < PLACES; p++) {
            const char *from = (const char *)t->src + (p * part + i) * t->reads * BLOCK_BYTES;
            char *to = (char *)t->dst + (p * part + i) * t->writes * BLOCK_BYTES;
            for (const char *end = from + t->reads * BLOCK_BYTES; from < end; from += VECTOR_BYTES) sum[p] += load(from);
            for (char *end = to + t->writes * BLOCK_BYTES; to < end; to += VECTOR_BYTES) store_past_cache(to, sum[p]);
        }
    return (double)((sum[0] + sum[1]) + (sum[2] + sum[3]))[0];
}

#endif
