/* The first step: from the caller's image, in runs of pixels that stay in the nearest cache, to the map that is read. */
#include "program.h"
#include "../sizes.h"

enum { RUN_PIXELS = 2048 };

typedef struct {
    const fc_walker *walker;
    int64_t pixels, run, runs; /* of a sample, of a task; tasks a sample */
} fc_load_job;

static void load_task(void *context, int64_t task, int thread)
{
    const fc_load_job *job = context;
    const fc_walker *w = job->walker;
    const fc_loading *loading = &w->step->loading;
    const fc_value *to = fc_value_of(w, w->step->output);
    const int64_t n = task / job->runs, first = task % job->runs * job->run, channels = to->channels;
    const int item = loading->bytes ? 1 : w->program->item_bytes;
    const int64_t before = n * channels * job->pixels + first * (loading->channels_last ? channels : 1);
    fc_load t = {.x = w->input + before * item, .bytes = loading->bytes, .count = fc_min(job->run, job->pixels - first),
                 .channels = channels, .x_plane = job->pixels * item, .mean = loading->mean, .std = loading->std};
    (void)thread;
    if (to->blocked) {
        const fc_blocked map = fc_blocked_of(w, w->step->output);
        const int64_t row = first / job->run;
        t.y = (char *)map.data + n * map.sample + row / to->size[1] * map.slice + row % to->size[1] * map.row;
        t.y_plane = map.block;
        w->kernels->load_blocks(&t);
        return;
    }
    const fc_view view = fc_plain_of(w, w->step->output);
    t.y = (char *)view.data + n * view.stride[0] + first * view.stride[4];
    t.y_plane = view.stride[1];
    if (loading->channels_last && channels > 1) w->kernels->load_pixels(&t);
    else w->kernels->load_planes(&t);
}

fc_status fc_step_load(const fc_walker *w)
{
    const fc_value *to = fc_value_of(w, w->step->output);
    fc_load_job job = {.walker = w, .pixels = to->size[0] * to->size[1] * to->size[2]};
    /* Rows of a blocked map have a halo between them. */
    job.run = to->blocked ? to->size[2] : fc_min(RUN_PIXELS, job.pixels);
    job.runs = fc_ceil_div(job.pixels, job.run);
    fc_team team = w->run->team;
    if ((double)(w->batch * job.pixels * to->channels) < FC_SERIAL_WORK) team.threads = 1;
    return fc_parallel(&team, w->batch * job.runs, load_task, &job);
}
