#include "choose.h"

#include <math.h>

#include "winograd.h"
#include "../sizes.h"

/* Multiply-adds below which comparing plans takes longer than the best of them could save. */
static const double WORTH_COMPARING = 100e3;

/* Input channels below which the rounding of the transforms stands out: an error of more than 2.5 times that of direct. Direct sums
 * of a transposed convolution's phases are shorter, so more exact: phases of 2x2 neighbouring taps have up to 2.7 times their error
 * (3.1 after a ReLU), fewer taps, and those with a gap between them, more. */
enum { LEAST_CHANNELS = 16, LEAST_TRANSPOSED_PRODUCTS = 256 };

static int is_depthwise(const fc_conv *conv) { return conv->c_in == conv->groups && conv->groups > 1; }

int fc_able_algorithms(const fc_conv *conv, fc_algorithm able[FC_ALGORITHMS])
{
    int count = 0;
    able[count++] = FC_DIRECT;
    if (!conv->transposed) able[count++] = FC_IM2COL;
    if (conv->c_in == conv->groups) able[count++] = FC_DEPTHWISE;
    if (fc_fits_winograd(conv)) able[count++] = FC_WINOGRAD_2X2, able[count++] = FC_WINOGRAD_4X4;
    return count;
}

static int adds_enough(const fc_conv *conv)
{
    const int64_t channels = conv->c_in / conv->groups;
    if (!conv->transposed) return channels >= LEAST_CHANNELS;
    const int64_t *kernel = conv->spread.kernel, *stride = conv->spread.stride, *dilation = conv->spread.dilation;
    if (dilation[1] > 1 || dilation[2] > 1) return 0;
    const int64_t down = kernel[1] / stride[1], across = kernel[2] / stride[2];
    return fc_min(down, across) > 1 && channels * down * across >= LEAST_TRANSPOSED_PRODUCTS;
}

/* Of those the ones that were the fastest anywhere (bench/RESULTS.md). */
static int candidates_of(const fc_conv *conv, const fc_run *run, fc_algorithm candidate[FC_ALGORITHMS])
{
    const fc_window *w = &conv->window;
    const double products = (double)conv->batch * (double)w->out[0] * (double)w->out[1] * (double)w->out[2] * (double)conv->c_out
                          * (double)(conv->c_in / conv->groups) * 9;
    int count = 0;
    if (conv->algorithm == FC_AUTO) {
        candidate[count++] = is_depthwise(conv) && !conv->transposed ? FC_DEPTHWISE : FC_DIRECT;
        if (is_depthwise(conv) || !run->winograd || !fc_fits_winograd(conv)) return count;
        if (!adds_enough(conv) || products < WORTH_COMPARING) return count;
    }
    candidate[count++] = FC_WINOGRAD_4X4;
    candidate[count++] = FC_WINOGRAD_2X2;
    return count;
}

fc_algorithm fc_choose(const fc_conv *asked, const fc_run *run)
{
    fc_algorithm candidate[FC_ALGORITHMS], best;
    const int count = candidates_of(asked, run, candidate);
    fc_conv conv = *asked;
    fc_run alone = *run;
    double least = INFINITY;
    best = candidate[0];
    if (count == 1) return best;
    alone.team.threads = 1;
    if (asked->algorithm == FC_WINOGRAD) conv.batch = 1;
    for (int i = 0; i < count; i++) {
        fc_conv_plan plan;
        conv.algorithm = candidate[i];
        if (fc_plan_conv(&conv, &alone, &plan) != FC_OK) continue;
        const double seconds = fc_work_of(&conv, &plan).seconds;
        if (seconds < least) least = seconds, best = candidate[i];
    }
    return best;
}
