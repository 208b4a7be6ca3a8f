/* Aligned memory for outputs and scratch, kept for the next call: the only allocation in the library.
 *
 * A fresh large block costs a page fault for every page at first touch, milliseconds for a feature map. Released blocks
 * therefore stay in a cache, bounded in bytes, shared by all threads and safe to use after a fork.
 */
#ifndef FASTCONV_WORKSPACE_H
#define FASTCONV_WORKSPACE_H

#include <stdatomic.h>
#include <stddef.h>

/* Scratch starts with a cache line; processors fetch lines in pairs. */
enum { FC_ALIGNMENT = 64, FC_LINE_PAIR = 2 * FC_ALIGNMENT };

typedef struct {
    void *data;      /* aligned to FC_ALIGNMENT; uninitialised */
    size_t capacity; /* at least the bytes asked for */
} fc_block;

/* Return a block of at least `bytes`; its data is NULL when there is no memory. */
fc_block fc_block_acquire(size_t bytes);

/* Give a block back; one with NULL data is ignored. */
void fc_block_release(fc_block block);

/* A block that its owner keeps from call to call, however little the cache may hold. All of an owner are of one size; it keeps the
 * first that is released, and calls at the same time take others. Zeros have none. */
typedef struct {
    _Atomic(void *) data;
} fc_kept_block;

fc_block fc_kept_acquire(fc_kept_block *kept, size_t bytes);
void fc_kept_release(fc_kept_block *kept, fc_block block);
void fc_kept_free(fc_kept_block *kept, size_t bytes);

/* Bound the bytes that idle blocks may hold, and free what is above; 0 switches the cache off. */
void fc_cache_set_limit(size_t bytes);
void fc_cache_info(size_t *limit, size_t *idle);

/* `bytes` rounded up to whole cache lines: how scratch is laid out inside a block. */
static inline size_t fc_aligned(size_t bytes) { return (bytes + FC_ALIGNMENT - 1) & ~(size_t)(FC_ALIGNMENT - 1); }

/* From the scratch of one thread to that of the next: so far that no line of the one is fetched in a pair with a line of the other,
 * which would travel between their caches whenever either writes. */
static inline size_t fc_apart(size_t bytes) { return fc_aligned(bytes) + FC_LINE_PAIR; }

#endif
