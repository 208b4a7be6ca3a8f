/* Running tasks on several threads: the only door to OpenMP. */
#ifndef FASTCONV_PARALLEL_H
#define FASTCONV_PARALLEL_H

#include <stdint.h>

#include "status.h"

/* threads: the most to use. interrupted: NULL, or asked by the calling thread a few times a second; non-zero stops.
 * crew: NULL, or what fc_together set. */
typedef struct {
    int threads;
    int (*interrupted)(void);
    struct fc_crew *crew;
} fc_team;

typedef void fc_task(void *context, int64_t task, int thread);

/* Call run(context, task, thread) once for each 0 <= task < tasks, 0 <= thread < team->threads, in any order.
 * Tasks write to disjoint memory, so the order never shows. Return FC_OK or FC_INTERRUPTED (tasks are then missing). */
fc_status fc_parallel(const fc_team *team, int64_t tasks, fc_task *run, void *context);

/* Call work(context, together) with the team's threads waiting beside it: fc_parallel with `together`, or a copy of it that has fewer
 * threads, hands them its tasks at once, and does not wait for one that the system has not let begin. */
typedef void fc_work_together(void *context, const fc_team *together);
void fc_together(const fc_team *team, fc_work_together *work, void *context);

/* Items times operations below which waking a second thread costs more than it saves. */
static const double FC_SERIAL_WORK = 200e3;

/* The least of OpenMP's maximum, the CPU affinity and the cgroup's quota. */
int fc_default_threads(void);

#endif
