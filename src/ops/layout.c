/* Filling scratch row by row: padding, then the part of the row that exists, then padding.
 *
 *   o o o o o o      o padding (a whole row of it above and below)
 *   o x x x x o      x input, reordered on the way
 *   o o o o o o
 */
#include "layout.h"
#include "../sizes.h"

#include <string.h>

fc_scratch fc_scratch_of(const fc_window *window, fc_form form, int item_bytes, int64_t rows, int64_t cols)
{
    fc_scratch s = {.window = window, .form = form, .item_bytes = item_bytes};
    s.axis[0] = (fc_axis){1, 1, window->kernel[0]};
    s.axis[1] = fc_axis_of(window, 1, rows, form);
    s.axis[2] = fc_axis_of(window, 2, cols, form);
    s.px_bytes = form == FC_BLOCKED ? FC_BLOCK_BYTES : item_bytes;
    s.row_bytes = s.axis[2].length * s.px_bytes;
    s.slice_bytes = s.row_bytes * s.axis[1].length * s.axis[1].phases * s.axis[2].phases;
    s.group_bytes = s.slice_bytes * window->kernel[0];
    return s;
}

static ptrdiff_t phase_bytes(const fc_scratch *s, int64_t row_phase, int64_t col_phase)
{
    return (row_phase * s->axis[2].phases + col_phase) * s->axis[1].length * s->row_bytes;
}

ptrdiff_t fc_tap_offset(const fc_scratch *s, const int64_t tap[FC_SPATIAL])
{
    const fc_window *w = s->window;
    const int64_t h = tap[1] * w->dilation[1], v = tap[2] * w->dilation[2];
    const int64_t row_phases = s->axis[1].phases, col_phases = s->axis[2].phases;
    const ptrdiff_t slice = tap[0] * s->slice_bytes;
    /* Without divisions, which would be much of what planning a small layer takes. */
    if (row_phases == 1 && col_phases == 1) return slice + h * s->row_bytes + v * s->px_bytes;
    return slice + phase_bytes(s, h % row_phases, v % col_phases) + h / row_phases * s->row_bytes + v / col_phases * s->px_bytes;
}

/* Scratch keeps every source position only where nothing was left out or sorted into phases. */
static int64_t steps_between(const fc_scratch *s, int axis)
{
    return s->axis[axis].step == 1 && s->axis[axis].phases == 1 ? s->window->stride[axis] : 1;
}

ptrdiff_t fc_px_step(const fc_scratch *s) { return steps_between(s, 2) * s->px_bytes; }
ptrdiff_t fc_row_step(const fc_scratch *s) { return steps_between(s, 1) * s->row_bytes; }

/* The scratch positions [from, to) whose source coordinate origin + position * step lies inside [0, size). */
typedef struct {
    int64_t from, to;
} span;

static span inside(int64_t origin, int64_t step, int64_t size, int64_t length)
{
    int64_t from = origin >= 0 ? 0 : fc_min(length, (-origin + step - 1) / step);
    int64_t to = origin >= size ? from : fc_min(length, (size - origin + step - 1) / step);
    return (span){from, to < from ? from : to};
}

static int64_t origin_of(const fc_window *w, int axis, int64_t output) { return output * w->stride[axis] - w->pad[axis]; }

static const char *source_at(const fc_view *v, int64_t d, int64_t h, int64_t col)
{
    return (const char *)v->data + d * v->stride[2] + h * v->stride[3] + col * v->stride[4];
}

/* pixels of one row into blocks; src points at channel 0 of the first pixel, its pixels `src_px` bytes apart. */
static void block_row(const fc_source *source, int item_bytes, const char *src, ptrdiff_t src_px, int64_t pixels,
                      int64_t channels, char *dst)
{
    const ptrdiff_t src_channel = source->input.stride[1];
    fc_transpose t = {.blocked = dst, .block_stride = FC_BLOCK_BYTES, .planar = (void *)src, .plane_stride = src_channel,
                      .pixels = pixels, .channels = channels};
    if (src_channel == item_bytes && channels > 1) {
        source->kernels->copy_blocks(&t, src_px);
        return;
    }
    if (src_px != item_bytes) {
        for (int64_t c = 0; c < channels; c++)
            source->kernels->gather((char *)source->row + c * pixels * item_bytes, src + c * src_channel, src_px, pixels);
        t.planar = source->row;
        t.plane_stride = pixels * item_bytes;
    } else {
        t.ahead = source->ahead;
    }
    source->kernels->to_blocked(&t);
}

void fc_lay_out_block(const fc_scratch *s, const fc_source *source, const fc_range *range, int64_t channels, void *block)
{
    const fc_window *w = s->window;
    const int64_t row_origin = origin_of(w, 1, range->first[1]), col_origin = origin_of(w, 2, range->first[2]);
    const span rows = inside(row_origin, s->axis[1].step, w->in[1], s->axis[1].length);
    const span cols = inside(col_origin, s->axis[2].step, w->in[2], s->axis[2].length);
    const size_t before = (size_t)(cols.from * FC_BLOCK_BYTES), after = (size_t)((s->axis[2].length - cols.to) * FC_BLOCK_BYTES);
    for (int64_t k = 0; k < w->kernel[0]; k++) {
        const int64_t d = origin_of(w, 0, range->first[0]) + k * w->dilation[0];
        char *dst = (char *)block + k * s->slice_bytes;
        for (int64_t r = 0; r < s->axis[1].length; r++, dst += s->row_bytes) {
            if (d < 0 || d >= w->in[0] || r < rows.from || r >= rows.to || cols.from == cols.to) {
                memset(dst, 0, (size_t)s->row_bytes);
                continue;
            }
            const int64_t first_col = col_origin + cols.from * s->axis[2].step;
            const char *src = source_at(&source->input, d, row_origin + r * s->axis[1].step, first_col);
            memset(dst, 0, before);
            block_row(source, s->item_bytes, src, source->input.stride[4] * s->axis[2].step, cols.to - cols.from, channels,
                      dst + before);
            memset(dst + s->row_bytes - after, 0, after);
        }
    }
}

/* One row of one column phase. */
static void plane_row(const fc_scratch *s, const fc_source *source, int64_t d, int64_t row, int64_t col_origin, char *dst)
{
    const fc_window *w = s->window;
    const int64_t step = s->axis[2].phases * s->axis[2].step, length = s->axis[2].length;
    span cols = inside(col_origin, step, w->in[2], length);
    if (d < 0 || d >= w->in[0] || row < 0 || row >= w->in[1]) cols = (span){length, length};
    memset(dst, 0, (size_t)(cols.from * s->item_bytes));
    if (cols.to > cols.from) {
        const char *src = source_at(&source->input, d, row, col_origin + cols.from * step);
        char *at = dst + cols.from * s->item_bytes;
        const ptrdiff_t src_px = source->input.stride[4] * step;
        if (src_px == s->item_bytes) memcpy(at, src, (size_t)((cols.to - cols.from) * s->item_bytes));
        else source->kernels->gather(at, src, src_px, cols.to - cols.from);
    }
    memset(dst + cols.to * s->item_bytes, 0, (size_t)((length - cols.to) * s->item_bytes));
}

/* Whether any kernel position along the axis reads this phase. */
static int phase_is_read(const fc_window *w, int axis, int64_t phases, int64_t phase)
{
    for (int64_t k = 0; k < w->kernel[axis]; k++)
        if (k * w->dilation[axis] % phases == phase) return 1;
    return 0;
}

void fc_lay_out_planes(const fc_scratch *s, const fc_source *source, const fc_range *range, void *planes)
{
    const fc_window *w = s->window;
    const int64_t row_origin = origin_of(w, 1, range->first[1]), col_origin = origin_of(w, 2, range->first[2]);
    const int64_t row_step = s->axis[1].phases * s->axis[1].step;
    for (int64_t k = 0; k < w->kernel[0]; k++) {
        const int64_t d = origin_of(w, 0, range->first[0]) + k * w->dilation[0];
        for (int64_t rp = 0; rp < s->axis[1].phases; rp++) {
            if (!phase_is_read(w, 1, s->axis[1].phases, rp)) continue;
            for (int64_t cp = 0; cp < s->axis[2].phases; cp++) {
                if (!phase_is_read(w, 2, s->axis[2].phases, cp)) continue;
                char *dst = (char *)planes + k * s->slice_bytes + phase_bytes(s, rp, cp);
                for (int64_t r = 0; r < s->axis[1].length; r++, dst += s->row_bytes)
                    plane_row(s, source, d, row_origin + rp + r * row_step, col_origin + cp, dst);
            }
        }
    }
}

int fc_row_from(const fc_view *view, const int64_t size[FC_SPATIAL])
{
    int axis = FC_SPATIAL - 1;
    for (int64_t run = size[axis]; axis > 0; run *= size[--axis])
        if (size[axis - 1] > 1 && view->stride[1 + axis] != run * view->stride[4]) break;
    return axis;
}
