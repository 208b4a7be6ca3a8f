/* Rows that are put together of stretches of other rows, and rows that are added up.
 *
 *   source      a b c d e
 *   row     . . a b c d e d c        fill, a copy, a reversal: three stretches with steps of none, 1 and -1 items
 *
 * Items are moved as integers, so that no bit of a NaN changes. Where the row is followed by one that is written later, short
 * stretches are stored as whole vectors: a partial store costs more than all the rest of a short row.
 */
#ifndef FASTCONV_KERNELS_ROWS_H
#define FASTCONV_KERNELS_ROWS_H

#include "../kernels.h"
#include "../simd.h"
#include "past_cache.h"

ALWAYS_INLINE ireal bits_of(const void *item)
{
    ireal bits;
    memcpy(&bits, item, sizeof bits);
    return bits;
}

/* Store the first `count` < LANES lanes, and the others too where that does no harm. */
ALWAYS_INLINE void store_start(char *out, vreal x, int64_t count, int beyond)
{
    if (beyond) store(out, x);
    else store_partial(out, x, (int)count);
}

/* Bytes [at, end) of a stretch, and no others. */
ALWAYS_INLINE void copy_part(char *out, const char *in, ptrdiff_t at, ptrdiff_t end)
{
    for (; at < end; at += VECTOR_BYTES) {
        const int64_t left = (end - at) / REAL_BYTES;
        store_up_to(out + at, load_up_to(in + at, left), left);
    }
}

ALWAYS_INLINE void fill_part(char *out, vreal x, ptrdiff_t at, ptrdiff_t end)
{
    for (; at < end; at += VECTOR_BYTES) store_up_to(out + at, x, (end - at) / REAL_BYTES);
}

/* Past the caches: long ones, so that a call does not count. */
static __attribute__((noinline)) void copy_long_stretch(char *out, const char *in, ptrdiff_t bytes)
{
    const whole_lines lines = lines_within(out, bytes);
    copy_part(out, in, 0, lines.first);
    for (ptrdiff_t at = lines.first; at < lines.last; at += VECTOR_BYTES) {
        fetch_near(in + at + FC_AHEAD_BYTES);
        store_past_cache(out + at, load(in + at));
    }
    copy_part(out, in, lines.last, bytes);
}

static __attribute__((noinline)) void fill_long_stretch(char *out, vreal x, ptrdiff_t bytes)
{
    const whole_lines lines = lines_within(out, bytes);
    fill_part(out, x, 0, lines.first);
    for (ptrdiff_t at = lines.first; at < lines.last; at += VECTOR_BYTES) store_past_cache(out + at, x);
    fill_part(out, x, lines.last, bytes);
}

ALWAYS_INLINE void copy_stretch(char *out, const char *in, int64_t count, int beyond, int past_cache)
{
    const ptrdiff_t bytes = count * REAL_BYTES;
    if (past_cache) {
        copy_long_stretch(out, in, bytes);
    } else if (count < LANES) {
        store_start(out, load_partial(in, (int)count), count, beyond);
    } else {
        ptrdiff_t at = 0;
        for (; at + VECTOR_BYTES <= bytes; at += VECTOR_BYTES) store(out + at, load(in + at));
        if (at < bytes) store(out + bytes - VECTOR_BYTES, load(in + bytes - VECTOR_BYTES));
    }
}

ALWAYS_INLINE void fill_stretch(char *out, ireal item, int64_t count, int beyond, int past_cache)
{
    const vreal x = (vreal)((vint){0} + item);
    const ptrdiff_t bytes = count * REAL_BYTES;
    if (past_cache) {
        fill_long_stretch(out, x, bytes);
    } else if (count < LANES) {
        store_start(out, x, count, beyond);
    } else {
        ptrdiff_t at = 0;
        for (; at + VECTOR_BYTES <= bytes; at += VECTOR_BYTES) store(out + at, x);
        if (at < bytes) store(out + bytes - VECTOR_BYTES, x);
    }
}

/* A few items one by one; literal steps let the compiler vectorise the others where it can. */
ALWAYS_INLINE void gather_stretch(char *out, const char *in, ptrdiff_t step, int64_t count)
{
    ireal *item = (ireal *)out;
    const ireal *from = (const ireal *)in;
    if (count < LANES) {
        do {
            *item++ = bits_of(in);
            in += step;
        } while (--count);
    } else if (step == -(ptrdiff_t)REAL_BYTES) {
        for (int64_t i = 0; i < count; i++) item[i] = from[-i];
    } else if (step == 2 * REAL_BYTES) {
        for (int64_t i = 0; i < count; i++) item[i] = from[2 * i];
    } else {
        for (int64_t i = 0; i < count; i++) item[i] = bits_of(in + i * step);
    }
}

/* A row of fill, items side by side, and fill again, neither fill as long as a vector: whole vectors, each over what the one
 * before it left too far. */
ALWAYS_INLINE void put_padded(char *out, const char *in, vreal fill, int64_t head, int64_t count)
{
    const int64_t bytes = count * REAL_BYTES;
    store(out, fill);
    out += head * REAL_BYTES;
    if (count < LANES) store(out, load_partial(in, (int)count));
    else {
        for (int64_t at = 0; at + VECTOR_BYTES <= bytes; at += VECTOR_BYTES) store(out + at, load(in + at));
        store(out + bytes - VECTOR_BYTES, load(in + bytes - VECTOR_BYTES));
    }
    store(out + bytes, fill);
}

ALWAYS_INLINE int is_padded(const fc_stretch *s)
{
    return s[0].filled && s[0].count < LANES && !s[1].filled && s[1].step == REAL_BYTES && s[1].count > 0 && s[2].filled
        && s[2].count < LANES;
}

/* What is asked of every row again stays in registers only in a copy that no store can change. */
ALWAYS_INLINE void put_rows(const fc_rows *given, int past_cache)
{
    const fc_rows t = *given;
    const REAL value = (REAL)t.fill;
    const ireal fill = bits_of(&value);
    const char *last_beyond = t.end ? (const char *)t.end - t.cols * REAL_BYTES - VECTOR_BYTES : NULL;
    const int padded = !past_cache && is_padded(t.stretch);
    const char *plane = t.source;
    char *row = t.output;
    for (int64_t r = 0, h = 0; r < t.rows; r++, h++, row += t.out_row) {
        const int beyond = row <= last_beyond;
        if (h == t.height) {
            h = 0;
            plane += t.plane;
        }
        if (!t.row || t.row[h] == FC_NO_ROW) {
            fill_stretch(row, fill, t.cols, beyond, past_cache);
            continue;
        }
        const char *source = plane + t.row[h];
        char *out = row;
        if (t.streamed)
            for (int64_t at = 0; at < t.cols * REAL_BYTES; at += BLOCK_BYTES) fetch_near(source + at + FC_AHEAD_BYTES);
        if (padded && beyond) {
            put_padded(out, source + t.stretch[1].offset, (vreal)((vint){0} + fill), t.stretch[0].count, t.stretch[1].count);
            continue;
        }
        UNROLLED for (int i = 0; i < FC_STRETCHES; i++) {
            const fc_stretch s = t.stretch[i];
            if (s.count == 0) continue;
            const char *in = source + s.offset;
            if (s.filled) fill_stretch(out, fill, s.count, beyond, past_cache);
            else if (s.step == REAL_BYTES) copy_stretch(out, in, s.count, beyond, past_cache);
            else if (s.step == 0) fill_stretch(out, bits_of(in), s.count, beyond, past_cache);
            else gather_stretch(out, in, s.step, s.count);
            out += s.count * REAL_BYTES;
        }
    }
}

static void copy_rows(const fc_rows *t)
{
    if (t->past_cache) put_rows(t, 1);
    else put_rows(t, 0);
}

static void add_rows(const fc_row_sum *t)
{
    char *sum = t->sum;
    const char *in = t->input;
    for (int64_t r = 0; r < t->rows; r++, sum += t->sum_row, in += t->in_row) {
        int64_t i = 0;
        if (t->in_px == REAL_BYTES) {
            for (; i + LANES <= t->count; i += LANES)
                store(sum + i * REAL_BYTES, load(sum + i * REAL_BYTES) + load(in + i * REAL_BYTES));
            if (i < t->count)
                store(sum + i * REAL_BYTES, load(sum + i * REAL_BYTES) + load_partial(in + i * REAL_BYTES, (int)(t->count - i)));
        } else {
            for (; i < t->count; i++) ((REAL *)sum)[i] += *(const REAL *)(in + i * t->in_px);
        }
    }
}

static void interleave(void *out, const void *phases, ptrdiff_t phase_bytes, int64_t step, int64_t count)
{
    REAL *item = out;
    if (step == 1) {
        copy_stretch(out, phases, count, 0, 0);
        return;
    }
    if (step == 2) { /* literal, as above */
        const REAL *even = phases, *odd = (const REAL *)((const char *)phases + phase_bytes);
        for (int64_t i = 0; i < count / 2; i++) {
            item[2 * i] = even[i];
            item[2 * i + 1] = odd[i];
        }
        if (count % 2) item[count - 1] = even[count / 2];
        return;
    }
    for (int64_t p = 0; p < step; p++) {
        const REAL *phase = (const REAL *)((const char *)phases + p * phase_bytes);
        for (int64_t i = p; i < count; i += step) item[i] = *phase++;
    }
}

#endif
