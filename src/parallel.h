/* Running tasks on several threads: the only door to OpenMP. */
#ifndef FASTCONV_PARALLEL_H
#define FASTCONV_PARALLEL_H

#include <stdint.h>

#include "status.h"

/* threads: the most to use. interrupted: NULL, or asked by the calling thread a few times a second; non-zero stops. */
typedef struct {
    int threads;
    int (*interrupted)(void);
} fc_team;

typedef void fc_task(void *context, int64_t task, int thread);

/* Call run(context, task, thread) once for each 0 <= task < tasks, 0 <= thread < team->threads, in any order.
 * Tasks write to disjoint memory, so the order never shows. Return FC_OK or FC_INTERRUPTED (tasks are then missing). */
fc_status fc_parallel(const fc_team *team, int64_t tasks, fc_task *run, void *context);

/* Items times operations below which waking a second thread costs more than it saves. */
static const double FC_SERIAL_WORK = 200e3;

/* The least of OpenMP's maximum, the CPU affinity and the cgroup's quota. */
int fc_default_threads(void);

#endif
