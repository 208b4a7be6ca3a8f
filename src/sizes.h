/* Arithmetic of sizes: signed 64 bits, positive divisors. */
#ifndef FASTCONV_SIZES_H
#define FASTCONV_SIZES_H

#include <stdint.h>

/* Outputs of so many bytes are stored past the caches, which they would only empty. */
enum { FC_PAST_CACHE_BYTES = 4 << 20 };

static inline int64_t fc_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t fc_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t fc_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

#endif
