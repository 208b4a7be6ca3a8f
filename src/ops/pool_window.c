/* Where the windows of a pooling lie. With in = q * out + r, the adaptive window o of an axis is
 *
 *   [floor(o * in / out), ceil((o + 1) * in / out))  =  [o * q + floor(o * r / out), (o + 1) * q + ceil((o + 1) * r / out))
 *
 * For r = 0 and r = 1 those are evenly spaced windows of q + r positions, q apart, and are pooled as such.
 */
#include "pool_window.h"

#include "../sizes.h"

/* How many kernel positions reach `distance`; windows without dilation are so common that they are spared the division. */
static int64_t steps_to(int64_t distance, int64_t dilation) { return dilation == 1 ? distance : fc_ceil_div(distance, dilation); }

fc_clip fc_clip_window(const fc_window *w, int axis, int64_t o)
{
    const int64_t start = o * w->stride[axis] - w->pad[axis], step = w->dilation[axis];
    const int64_t from = start >= 0 ? 0 : steps_to(-start, step);
    int64_t to = start >= w->in[axis] ? 0 : steps_to(w->in[axis] - start, step);
    if (to > w->kernel[axis]) to = w->kernel[axis];
    return (fc_clip){from, to < from ? from : to};
}

fc_pool_windows fc_even_windows(const fc_window *window) { return (fc_pool_windows){*window, {0}}; }

fc_pool_windows fc_adaptive_windows(const fc_window *window)
{
    fc_pool_windows windows = {*window, {0}};
    fc_window *w = &windows.even;
    for (int i = 0; i < FC_SPATIAL; i++) {
        const int64_t quotient = w->in[i] / w->out[i], rest = w->in[i] % w->out[i];
        windows.varying[i] = quotient == 0 || rest > 1;
        w->kernel[i] = windows.varying[i] ? fc_min(w->in[i], quotient + 2) : quotient + rest;
        w->stride[i] = fc_max(1, quotient);
        w->dilation[i] = 1;
        w->pad[i] = 0;
    }
    return windows;
}

static int64_t varying_start(const fc_window *w, int axis, int64_t o)
{
    return o * (w->in[axis] / w->out[axis]) + o * (w->in[axis] % w->out[axis]) / w->out[axis];
}

static int64_t varying_end(const fc_window *w, int axis, int64_t o)
{
    const int64_t quotient = w->in[axis] / w->out[axis], rest = w->in[axis] % w->out[axis];
    return (o + 1) * quotient + fc_ceil_div((o + 1) * rest, w->out[axis]);
}

fc_pool_taps fc_taps_of(const fc_pool_windows *windows, int axis, int64_t o)
{
    const fc_window *w = &windows->even;
    if (windows->varying[axis]) {
        const int64_t first = varying_start(w, axis, o);
        return (fc_pool_taps){first, varying_end(w, axis, o) - first};
    }
    const fc_clip clip = fc_clip_window(w, axis, o);
    return (fc_pool_taps){o * w->stride[axis] - w->pad[axis] + clip.from * w->dilation[axis], clip.to - clip.from};
}

fc_clip fc_extent_of(const fc_pool_windows *windows, int axis, int64_t first, int64_t count)
{
    const fc_window *w = &windows->even;
    if (windows->varying[axis]) return (fc_clip){varying_start(w, axis, first), varying_end(w, axis, first + count - 1)};
    const int64_t reach = (w->kernel[axis] - 1) * w->dilation[axis], origin = first * w->stride[axis] - w->pad[axis];
    const int64_t from = fc_max(0, origin), to = fc_min(w->in[axis], origin + (count - 1) * w->stride[axis] + reach + 1);
    return (fc_clip){from, fc_max(from, to)};
}

int64_t fc_most_seen(const fc_pool_windows *windows, int axis, int64_t count)
{
    const fc_window *w = &windows->even;
    if (windows->varying[axis]) return fc_min(w->in[axis], varying_end(w, axis, count - 1) + 1);
    return fc_min(w->in[axis], (count - 1) * w->stride[axis] + (w->kernel[axis] - 1) * w->dilation[axis] + 1);
}

int64_t fc_run_length(const fc_pool_windows *windows, int64_t col)
{
    const fc_window *w = &windows->even;
    if (windows->varying[2]) return 1;
    const int64_t reach = (w->kernel[2] - 1) * w->dilation[2], stride = w->stride[2];
    const int64_t first = (w->pad[2] + stride - 1) / stride; /* the first window that starts inside */
    const int64_t last_start = w->in[2] - 1 - reach + w->pad[2];
    const int64_t end = last_start < 0 ? 0 : last_start / stride + 1; /* windows from here on reach past the end */
    return col < first || col >= end ? 1 : fc_min(end, w->out[2]) - col;
}

int fc_windows_tile(const fc_pool_windows *windows, int axis)
{
    const fc_window *w = &windows->even;
    return !windows->varying[axis] && w->pad[axis] == 0 && w->dilation[axis] == 1 && w->kernel[axis] <= w->stride[axis]
        && (w->out[axis] - 1) * w->stride[axis] + w->kernel[axis] <= w->in[axis];
}
