/* With g the greatest common divisor of stride and dilation, taps stride / g apart belong to one phase. */
#include "transposed.h"
#include "../sizes.h"

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* How many inputs before output `-pad` tap k reaches, rounded down. */
static int64_t back(const fc_window *spread, int axis, int64_t k)
{
    const int64_t place = k * spread->dilation[axis] - spread->pad[axis], stride = spread->stride[axis];
    return place >= 0 ? place / stride : -fc_ceil_div(-place, stride);
}

fc_window fc_gathered(const fc_window *spread)
{
    fc_window w = *spread;
    for (int i = 0; i < FC_SPATIAL; i++) {
        const int64_t furthest = back(spread, i, spread->kernel[i] - 1);
        w.out[i] = fc_ceil_div(spread->out[i], spread->stride[i]);
        w.kernel[i] = furthest - back(spread, i, 0) + 1;
        w.pad[i] = furthest;
        w.stride[i] = w.dilation[i] = 1;
    }
    return w;
}

fc_window fc_simplified_spread(const fc_window *spread)
{
    fc_window w = *spread;
    for (int i = 0; i < FC_SPATIAL; i++) {
        if (w.kernel[i] == 1) w.dilation[i] = 1;
        if (w.in[i] == 1) w.stride[i] = w.out[i] + w.pad[i];
    }
    return w;
}

void fc_gather(fc_conv *conv)
{
    /* Winograd tiles are asked for by what the window is, not by what a small input leaves of it. */
    conv->spread = conv->algorithm >= FC_WINOGRAD ? conv->window : fc_simplified_spread(&conv->window);
    conv->window = fc_gathered(&conv->spread);
}

int64_t fc_axis_phases(const fc_window *spread, int axis)
{
    const int64_t stride = spread->stride[axis];
    return fc_min(spread->kernel[axis], stride / gcd(stride, spread->dilation[axis]));
}

fc_axis_phase fc_axis_phase_of(const fc_window *spread, int axis, int64_t phase)
{
    const int64_t stride = spread->stride[axis], dilation = spread->dilation[axis], kernel = spread->kernel[axis];
    const int64_t divisor = gcd(stride, dilation), inputs = back(spread, axis, phase);
    return (fc_axis_phase){
        .first = phase * dilation - spread->pad[axis] - inputs * stride,
        .taps = fc_ceil_div(kernel - phase, stride / divisor),
        .tap = phase,
        .tap_step = stride / divisor,
        .read = back(spread, axis, kernel - 1) - inputs,
        .read_step = dilation / divisor,
    };
}
