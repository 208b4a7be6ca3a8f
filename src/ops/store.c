/* Channels-last outputs take whole runs of channels; channels-first ones go through the transposition. */
#include "store.h"

#include <string.h>

#include "../sizes.h"

static void store_channels_last(const fc_store *s)
{
    for (int64_t r = 0; r < s->rows; r++)
        for (int64_t p = 0; p < s->cols; p++) {
            const ptrdiff_t at = r * s->output.stride[3] + p * s->output.stride[4];
            s->kernels->activate((char *)s->output.data + at, (const char *)s->scratch + r * s->row + p * s->px,
                                 s->residual ? (const char *)s->residual + at : NULL, s->channels, &s->activation, 0);
        }
}

void fc_store_block(const fc_store *s)
{
    const int item_bytes = s->kernels->item_bytes;
    const int rows_contiguous = s->cols > 1 && s->output.stride[4] == item_bytes;
    if (s->output.stride[1] == item_bytes && !rows_contiguous) {
        store_channels_last(s);
        return;
    }
    /* Rows that follow each other on both sides are one long row. */
    const int joined = s->row == s->cols * s->px && s->output.stride[3] == s->cols * item_bytes;
    fc_transpose t = {.block_stride = s->px, .plane_stride = s->output.stride[1], .channels = s->channels,
                      .pixels = joined ? s->rows * s->cols : s->cols, .activation = s->activation};
    for (int64_t r = 0; r < (joined ? 1 : s->rows); r++) {
        t.blocked = (char *)s->scratch + r * s->row;
        t.planar = (char *)s->output.data + r * s->output.stride[3];
        t.residual = s->residual ? (const char *)s->residual + r * s->output.stride[3] : NULL;
        s->kernels->from_blocked(&t);
    }
}

void fc_line_stage_add(fc_line_stage *s, int64_t bytes)
{
    const int64_t before = (int64_t)((uintptr_t)s->output % FC_ALIGNMENT), whole = (before + bytes) / FC_ALIGNMENT * FC_ALIGNMENT;
    if (whole) {
        fc_store_stage(s->kernels, s->buffer + s->first, s->output - before + s->first, whole - s->first);
        memcpy(s->buffer, s->buffer + whole, FC_ALIGNMENT);
        s->first = 0;
    }
    s->output += bytes;
}

void fc_line_stage_finish(const fc_line_stage *s)
{
    const int64_t before = (int64_t)((uintptr_t)s->output % FC_ALIGNMENT);
    memcpy(s->output - before + s->first, s->buffer + s->first, (size_t)(before - s->first));
}

/* Whole lines past the caches. */
void fc_store_stage(const fc_kernels *kernels, const char *stage, char *output, int64_t bytes)
{
    const int64_t head = fc_min(bytes, -(intptr_t)output & (FC_ALIGNMENT - 1)), lines = (bytes - head) / FC_ALIGNMENT * FC_ALIGNMENT;
    memcpy(output, stage, (size_t)head);
    kernels->copy_past_cache(output + head, stage + head, (size_t)lines);
    memcpy(output + head + lines, stage + head + lines, (size_t)(bytes - head - lines));
}
