/* Each thread has a share of neighbouring tasks, the same in every call of the same size, so that what it wrote last time is
 * still in its own cache. Who is done takes the second half of what another one has left: a thread that the system delays does
 * not delay the call, and both go on through neighbouring tasks.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "parallel.h"
#include "workspace.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#if !defined(_WIN32)
#include <pthread.h>
#include <sched.h>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif

enum { POLL_NANOSECONDS = 50 * 1000 * 1000, DRAWS_A_SHARE = 32, MAX_SHARES = 64, SPINS = 1 << 12 };

static int64_t nanoseconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Draws [next, end) of one thread are still to be made: next below, end above, so that both change at once. Lines of its own:
 * nobody else writes to them but a thief. */
typedef struct {
    _Alignas(FC_LINE_PAIR) atomic_uint_fast64_t left;
} fc_share;

static uint64_t draws(uint64_t next, uint64_t end) { return end << 32 | next; }

typedef struct {
    const fc_team *team;
    fc_task *run;
    void *context;
    int64_t tasks, draw; /* a draw is so many tasks */
    int threads, shares;
    fc_share share[MAX_SHARES];
    atomic_int stopped;
    int64_t asked; /* when the caller last asked about signals; 0 where nobody asks */
} fc_queue;

static void ask(fc_queue *queue)
{
    const int64_t now = nanoseconds();
    if (now - queue->asked < POLL_NANOSECONDS && now >= queue->asked) return;
    queue->asked = now;
    if (queue->team->interrupted()) atomic_store_explicit(&queue->stopped, 1, memory_order_relaxed);
}

/* Take the next draw of one's own share; 0 where there is none. */
static int take(fc_share *share, uint64_t *draw)
{
    uint64_t left = atomic_load_explicit(&share->left, memory_order_relaxed);
    do {
        *draw = (uint32_t)left;
        if (*draw >= left >> 32) return 0;
    } while (!atomic_compare_exchange_weak_explicit(&share->left, &left, left + 1, memory_order_relaxed, memory_order_relaxed));
    return 1;
}

/* Have the second half of what another one has left, at least one draw, as the own share. */
static int steal(fc_share *own, fc_share *other)
{
    uint64_t left = atomic_load_explicit(&other->left, memory_order_relaxed), next, end, middle;
    do {
        next = (uint32_t)left, end = left >> 32;
        if (next >= end) return 0;
        middle = next + (end - next) / 2;
    } while (!atomic_compare_exchange_weak_explicit(&other->left, &left, draws(next, middle), memory_order_relaxed, memory_order_relaxed));
    atomic_store_explicit(&own->left, draws(middle, end), memory_order_relaxed);
    return 1;
}

/* Take a draw, of one's own or another's share. What another thread is just taking over it misses: that one makes these draws. */
static int find(fc_queue *queue, int thread, fc_share *own, uint64_t *draw)
{
    if (take(own, draw)) return 1;
    for (int i = 0; i < queue->shares; i++)
        if (steal(own, &queue->share[(thread + 1 + i) % queue->shares]) && take(own, draw)) return 1;
    return 0;
}

/* Order stores past the caches, which nothing else orders, before whatever another thread is told afterwards. */
static void finish_stores(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_sfence();
#endif
}

/* Thread 0 is the caller's own, the one that may ask about signals. */
static void drain(fc_queue *queue, int thread)
{
    fc_share unseen = {0}; /* of a thread beyond those that begin with a share: nobody takes over what it has taken */
    fc_share *own = thread < queue->shares ? &queue->share[thread] : &unseen;
    uint64_t draw;
    while (!atomic_load_explicit(&queue->stopped, memory_order_relaxed) && find(queue, thread, own, &draw)) {
        int64_t task = (int64_t)draw * queue->draw;
        const int64_t end = task + queue->draw < queue->tasks ? task + queue->draw : queue->tasks;
        for (; task < end; task++) queue->run(queue->context, task, thread);
        if (thread == 0 && queue->asked) ask(queue);
    }
    finish_stores();
}

/* Threads that stay for several queues. generation: odd while a queue is open. Whoever wants to draw from it counts himself inside
 * first and then looks whether it is still the same; whoever closes it then waits until nobody is inside. */
struct fc_crew {
    _Alignas(FC_LINE_PAIR) atomic_uint_fast64_t generation;
    fc_queue *queue;
    atomic_int over;
    _Alignas(FC_LINE_PAIR) atomic_int inside;
};

/* Nothing to do for a moment, or for longer: then others may have the processor. */
static void wait_a_little(int *spins)
{
    if (++*spins < SPINS) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
        return;
    }
#if !defined(_WIN32)
    sched_yield();
#endif
}

#if defined(_OPENMP)
static void serve(struct fc_crew *crew, int thread)
{
    uint_fast64_t seen = 0;
    for (int spins = 0; !atomic_load(&crew->over); wait_a_little(&spins)) {
        const uint_fast64_t generation = atomic_load(&crew->generation);
        if (generation % 2 == 0 || generation == seen) continue;
        atomic_fetch_add(&crew->inside, 1);
        if (atomic_load(&crew->generation) == generation && thread < crew->queue->threads) drain(crew->queue, thread);
        atomic_fetch_sub(&crew->inside, 1);
        seen = generation;
        spins = 0;
    }
}
#endif

static void drain_together(struct fc_crew *crew, fc_queue *queue)
{
    int spins = 0;
    crew->queue = queue;
    atomic_fetch_add(&crew->generation, 1);
    drain(queue, 0);
    atomic_fetch_add(&crew->generation, 1);
    while (atomic_load(&crew->inside)) wait_a_little(&spins);
}

void fc_together(const fc_team *team, fc_work_together *work, void *context)
{
    fc_team together = *team;
#if defined(_OPENMP)
    if (team->threads > 1) {
        struct fc_crew crew;
        atomic_init(&crew.generation, 0);
        atomic_init(&crew.over, 0);
        atomic_init(&crew.inside, 0);
        together.crew = &crew;
#pragma omp parallel num_threads(team->threads)
        if (omp_get_thread_num()) {
            serve(&crew, omp_get_thread_num());
        } else {
            work(context, &together);
            atomic_store(&crew.over, 1);
        }
        return;
    }
#endif
    work(context, &together);
}

fc_status fc_parallel(const fc_team *team, int64_t tasks, fc_task *run, void *context)
{
    const int threads = tasks < team->threads ? (int)tasks : team->threads;
    fc_queue queue;
    queue.team = team;
    queue.run = run;
    queue.context = context;
    queue.threads = threads;
    queue.shares = threads < MAX_SHARES ? (threads ? threads : 1) : MAX_SHARES;
    queue.tasks = tasks;
    queue.draw = tasks / ((int64_t)queue.shares * DRAWS_A_SHARE) + 1;
    queue.asked = team->interrupted && tasks > 1 ? nanoseconds() : 0;
    atomic_init(&queue.stopped, 0);
    const uint64_t all = (uint64_t)(tasks / queue.draw + (tasks % queue.draw > 0)), shares = (uint64_t)queue.shares;
    for (uint64_t i = 0; i < shares; i++) atomic_init(&queue.share[i].left, draws(all * i / shares, all * (i + 1) / shares));
#if defined(_OPENMP)
    if (threads > 1 && team->crew) {
        drain_together(team->crew, &queue);
    } else if (threads > 1) {
#pragma omp parallel num_threads(threads)
        drain(&queue, omp_get_thread_num());
    } else
#endif
        drain(&queue, 0);
    return atomic_load(&queue.stopped) ? FC_INTERRUPTED : FC_OK;
}

#if defined(_OPENMP) && defined(__GNUC__) && !defined(_WIN32)
/* libgomp's threads do not survive a fork, yet the child would wait for them in its next region: end them before. The
 * symbol is weak because it is younger than some OpenMP libraries. */
extern int omp_pause_resource_all(omp_pause_resource_t) __attribute__((weak));

static void end_threads(void)
{
    if (omp_pause_resource_all) omp_pause_resource_all(omp_pause_soft);
}

__attribute__((constructor)) static void survive_fork(void) { pthread_atfork(end_threads, NULL, NULL); }
#endif

/* Whole CPUs of a cgroup's quota, at least 1; 0 where there is no quota. */
static int cgroup_quota(void)
{
    double quota = 0, period = 0;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (file) {
        if (fscanf(file, "%lf %lf", &quota, &period) != 2) quota = 0;
        fclose(file);
    } else if ((file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r"))) {
        if (fscanf(file, "%lf", &quota) != 1) quota = 0;
        fclose(file);
        if ((file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r"))) {
            if (fscanf(file, "%lf", &period) != 1) period = 0;
            fclose(file);
        }
    }
    if (quota <= 0 || period <= 0) return 0;
    return quota < period ? 1 : (int)(quota / period);
}

int fc_default_threads(void)
{
    int threads = 1;
#if defined(_OPENMP)
    threads = omp_get_max_threads();
    if (omp_get_num_procs() < threads) threads = omp_get_num_procs(); /* the affinity mask */
#endif
    int quota = cgroup_quota();
    return quota && quota < threads ? quota : threads;
}
