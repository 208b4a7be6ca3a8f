/* What of a run goes past the caches: its whole cache lines, and nothing else of them, since a line that is stored both ways costs
 * more than either.
 *
 *   lines   |........|........|........|........|
 *   run           aaaabbbbbbbbbbbbbbbbccc               a, c: into the caches      b: [first, last), past them
 */
#ifndef FASTCONV_KERNELS_PAST_CACHE_H
#define FASTCONV_KERNELS_PAST_CACHE_H

#include "../simd.h"

typedef struct {
    ptrdiff_t first, last;
} whole_lines;

/* Of the `bytes` at `out`. */
ALWAYS_INLINE whole_lines lines_within(const char *out, ptrdiff_t bytes)
{
    const ptrdiff_t first = (ptrdiff_t)((0 - (uintptr_t)out) % BLOCK_BYTES);
    return first < bytes ? (whole_lines){first, first + (bytes - first) / BLOCK_BYTES * BLOCK_BYTES} : (whole_lines){bytes, bytes};
}

static void copy_past_cache(void *dst, const void *src, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += VECTOR_BYTES)
        store_past_cache((char *)dst + i, load((const char *)src + i));
}

#endif
