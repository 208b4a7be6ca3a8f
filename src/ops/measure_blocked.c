/* What a layer inside a network costs: arrays go to blocked maps and back outside the measured time.
 *
 *   block:  | packed filter | input, a halo round every plane | output | residual |
 */
#include <math.h>
#include <string.h>

#include "../plan/conv.h"
#include "clock.h"
#include "../sizes.h"

/* Place a map at `memory` (NULL only asks) and return the bytes it takes. halo: on both sides of each axis. */
static size_t place_map(fc_blocked *map, char *memory, int64_t batch, int64_t blocks, const int64_t *size, const int64_t *halo)
{
    map->row = (ptrdiff_t)(size[2] + 2 * halo[2]) * FC_BLOCK_BYTES;
    map->slice = (ptrdiff_t)(size[1] + 2 * halo[1]) * map->row;
    map->block = (ptrdiff_t)(size[0] + 2 * halo[0]) * map->slice;
    map->sample = (ptrdiff_t)blocks * map->block;
    if (memory) map->data = memory + halo[0] * map->slice + halo[1] * map->row + halo[2] * FC_BLOCK_BYTES;
    return (size_t)(batch * map->sample);
}

/* Copy every row of an array into the map (to_blocked), or back (from_blocked). Its pixels are one item apart. */
static void copy_rows(const fc_kernels *k, void (*copy)(const fc_transpose *), const fc_map *size, const fc_view *array,
                      const fc_blocked *map)
{
    const int64_t blocks = fc_ceil_div(size->channels, k->block), rows = size->size[0] * size->size[1];
    for (int64_t i = 0; i < size->batch * blocks * rows; i++) {
        const int64_t n = i / rows / blocks, b = i / rows % blocks, d = i % rows / size->size[1], h = i % size->size[1];
        const fc_transpose t = {
            .blocked = (char *)map->data + n * map->sample + b * map->block + d * map->slice + h * map->row,
            .block_stride = FC_BLOCK_BYTES,
            .planar = (char *)array->data + n * array->stride[0] + b * k->block * array->stride[1] + d * array->stride[2]
                    + h * array->stride[3],
            .plane_stride = array->stride[1], .pixels = size->size[2],
            .channels = fc_min(k->block, size->channels - b * k->block),
        };
        copy(&t);
    }
}

/* Interruptions only ever slow a call down. */
static fc_status least_time(const fc_blocked_conv *call, const fc_run *run, double seconds, double *least)
{
    const double end = fc_seconds_now() + seconds;
    *least = INFINITY;
    for (double start = fc_seconds_now(), now = 0; now < end; start = now) {
        const fc_status status = fc_conv_run_blocked(call, run);
        if (status != FC_OK) return status;
        now = fc_seconds_now();
        if (now - start < *least) *least = now - start;
    }
    return FC_OK;
}

/* As wide as the padding on either side, under whole Winograd tiles. */
static void find_halo(const fc_window *w, const fc_conv_plan *plan, int64_t halo[FC_SPATIAL])
{
    for (int i = 0; i < FC_SPATIAL; i++) {
        const int64_t tile = plan->method == FC_TRANSFORMED && i ? plan->winograd->tile_out : 1;
        const int64_t outputs = fc_ceil_div(w->out[i], tile) * tile;
        const int64_t padded = (outputs - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i] + 1;
        halo[i] = fc_max(w->pad[i], padded - w->in[i] - w->pad[i]);
    }
}

static fc_map map_of(int64_t batch, int64_t channels, const int64_t *size)
{
    return (fc_map){.batch = batch, .channels = channels, .size = {size[0], size[1], size[2]}};
}

/* Place filter, input, output and residual at `memory` (NULL only asks) and return the bytes they take. */
static size_t place_operands(fc_blocked_conv *call, const fc_epilogue *epilogue, char *memory)
{
    static const int64_t no_halo[FC_SPATIAL] = {0};
    const fc_conv *conv = call->conv;
    const fc_conv_plan *plan = call->plan;
    const fc_window *w = &conv->window;
    int64_t halo[FC_SPATIAL];
    find_halo(w, plan, halo);
    size_t bytes = fc_aligned(plan->filter_bytes);
    call->packed = memory;
    const size_t input = place_map(&call->input, memory ? memory + bytes : NULL, conv->batch, plan->in_blocks, w->in, halo);
    if (memory) memset(memory + bytes, 0, input);
    bytes += input;
    bytes += place_map(&call->output, memory ? memory + bytes : NULL, conv->batch, plan->out_blocks, w->out, no_halo);
    if (!epilogue->residual) return bytes;
    return bytes + place_map(&call->residual, memory ? memory + bytes : NULL, conv->batch, plan->out_blocks, w->out, no_halo);
}

fc_status fc_measure_blocked(const fc_plain_conv *plain, const fc_run *run, double seconds, double *least)
{
    fc_conv packed = *plain->conv;
    const fc_conv *conv = &packed;
    packed.prepacked = 1;
    fc_conv_plan plan;
    fc_status status = fc_plan_conv(conv, run, &plan);
    if (status != FC_OK) return status;
    if ((plan.method != FC_TILES && plan.method != FC_TRANSFORMED) || conv->groups != 1) return FC_UNSUPPORTED;

    fc_blocked_conv call = {.conv = conv, .plan = &plan, .plain = *plain->input, .epilogue = *plain->epilogue};
    fc_block block = fc_block_acquire(place_operands(&call, plain->epilogue, NULL));
    if (!block.data) return FC_NO_MEMORY;
    place_operands(&call, plain->epilogue, block.data);
    const fc_kernels *k = plan.kernels;
    const fc_map in = map_of(conv->batch, conv->c_in, conv->window.in), out = map_of(conv->batch, conv->c_out, conv->window.out);
    copy_rows(k, k->to_blocked, &in, plain->input, &call.input);
    if (call.residual.data) {
        fc_view residual = *plain->output;
        residual.data = (void *)plain->epilogue->residual;
        copy_rows(k, k->to_blocked, &out, &residual, &call.residual);
    }
    status = fc_conv_pack(conv, plain->weight, block.data, run);
    if (status == FC_OK) status = least_time(&call, run, seconds, least);
    if (status == FC_OK) copy_rows(k, k->from_blocked, &out, plain->output, &call.output);
    fc_block_release(block);
    return status;
}
