/* The cache of aligned blocks: a short list, newest first, under one lock. */
#include "workspace.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(_WIN32)
#include <malloc.h>
#else
#include <pthread.h>
#include <sys/mman.h>
#endif

enum { MAX_IDLE = 64, HUGE_PAGE = 2 << 20 };

static fc_block idle[MAX_IDLE];
static int idle_count;
static size_t idle_bytes;
static size_t idle_limit = (size_t)256 << 20;
static atomic_flag lock = ATOMIC_FLAG_INIT;

static void acquire_lock(void)
{
    while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire)) {
    }
}

static void release_lock(void) { atomic_flag_clear_explicit(&lock, memory_order_release); }

#if !defined(_WIN32)
/* A child must not inherit a lock that a thread it does not have was holding. */
__attribute__((constructor)) static void survive_fork(void)
{
    pthread_atfork(acquire_lock, release_lock, release_lock);
}
#endif

static void *allocate(size_t capacity)
{
#if defined(_WIN32)
    return _aligned_malloc(capacity, FC_ALIGNMENT);
#else
    void *data = NULL;
    if (posix_memalign(&data, capacity >= HUGE_PAGE ? HUGE_PAGE : FC_ALIGNMENT, capacity)) return NULL;
#if defined(MADV_HUGEPAGE)
    if (capacity >= HUGE_PAGE) madvise(data, capacity, MADV_HUGEPAGE);
#endif
    return data;
#endif
}

static void deallocate(void *data)
{
#if defined(_WIN32)
    _aligned_free(data);
#else
    free(data);
#endif
}

/* Sizes in steps of an eighth of their power of two, so that a block serves neighbouring sizes, at least one; 0 on overflow. */
static size_t rounded_capacity(size_t bytes)
{
    size_t step = FC_ALIGNMENT;
    if (!bytes) return step;
    while (step <= bytes / 16) step *= 2;
    return bytes > SIZE_MAX - step ? 0 : (bytes + step - 1) / step * step;
}

static void remove_idle(int i)
{
    idle_bytes -= idle[i].capacity;
    memmove(idle + i, idle + i + 1, (size_t)(--idle_count - i) * sizeof idle[0]);
}

/* What is to be freed: not under the lock, which other threads spin on, as the system may take long. */
typedef struct {
    void *data[MAX_IDLE];
    int count;
} evicted;

/* Take out the oldest blocks until `room` more bytes fit. Called with the lock held. */
static void evict(size_t room, evicted *blocks)
{
    blocks->count = 0;
    while (idle_count && (idle_count == MAX_IDLE || idle_bytes + room > idle_limit)) {
        blocks->data[blocks->count++] = idle[idle_count - 1].data;
        remove_idle(idle_count - 1);
    }
}

static void deallocate_all(const evicted *blocks)
{
    for (int i = 0; i < blocks->count; i++) deallocate(blocks->data[i]);
}

fc_block fc_block_acquire(size_t bytes)
{
    const size_t capacity = rounded_capacity(bytes);
    if (!capacity) return (fc_block){NULL, 0};
    acquire_lock();
    for (int i = 0; i < idle_count; i++)
        if (idle[i].capacity == capacity) {
            fc_block found = idle[i];
            remove_idle(i);
            release_lock();
            return found;
        }
    release_lock();
    void *data = allocate(capacity);
    if (!data) { /* idle blocks may be what fills the memory */
        evicted blocks;
        acquire_lock();
        const size_t limit = idle_limit;
        idle_limit = 0;
        evict(0, &blocks);
        idle_limit = limit;
        release_lock();
        deallocate_all(&blocks);
        data = allocate(capacity);
    }
    return (fc_block){data, data ? capacity : 0};
}

void fc_block_release(fc_block block)
{
    if (!block.data) return;
    acquire_lock();
    if (block.capacity > idle_limit) {
        release_lock();
        deallocate(block.data);
        return;
    }
    evicted blocks;
    evict(block.capacity, &blocks);
    memmove(idle + 1, idle, (size_t)idle_count++ * sizeof idle[0]);
    idle[0] = block;
    idle_bytes += block.capacity;
    release_lock();
    deallocate_all(&blocks);
}

fc_block fc_kept_acquire(fc_kept_block *kept, size_t bytes)
{
    void *data = atomic_exchange(&kept->data, NULL);
    return data ? (fc_block){data, rounded_capacity(bytes)} : fc_block_acquire(bytes);
}

void fc_kept_release(fc_kept_block *kept, fc_block block)
{
    void *none = NULL;
    if (!atomic_compare_exchange_strong(&kept->data, &none, block.data)) fc_block_release(block);
}

void fc_kept_free(fc_kept_block *kept, size_t bytes)
{
    fc_block_release((fc_block){atomic_exchange(&kept->data, NULL), rounded_capacity(bytes)});
}

void fc_cache_set_limit(size_t bytes)
{
    evicted blocks;
    acquire_lock();
    idle_limit = bytes;
    evict(0, &blocks);
    release_lock();
    deallocate_all(&blocks);
}

void fc_cache_info(size_t *limit, size_t *idle_now)
{
    acquire_lock();
    *limit = idle_limit;
    *idle_now = idle_bytes;
    release_lock();
}
