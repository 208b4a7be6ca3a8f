/* The vector type of one instruction set, and every intrinsic the library uses.
 *
 * A file under isa/ defines REAL (float or double) and VECTOR_BYTES (16, 32 or 64) before it includes this.
 * Arithmetic is written with the operators of GCC and Clang vector extensions; only what those cannot say
 * (partial loads and stores, stores past the cache) is an intrinsic.
 */
#ifndef FASTCONV_SIMD_H
#define FASTCONV_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 32")
/* SHUFFLED(x, y, numbers): those of the lanes of x, and of y behind them, by constant numbers. */
#if defined(__clang__)
#define ONE_COPY __attribute__((noinline))
#define SHUFFLED(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define ONE_COPY __attribute__((noinline, noclone))
#define LANES_OF(x) __typeof__(__builtin_choose_expr(sizeof((x)[0]) == 8, (vlong){0}, (vint){0}))
#define SHUFFLED(x, y, ...) __builtin_shuffle(x, y, (LANES_OF(x)){__VA_ARGS__})
#endif

typedef REAL vreal __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL vreal_unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

enum {
    REAL_BYTES = sizeof(REAL),
    LANES = VECTOR_BYTES / sizeof(REAL),
    BLOCK_BYTES = 64, /* a channel block is one cache line on every instruction set */
    BLOCK = BLOCK_BYTES / sizeof(REAL),
    BLOCK_VECTORS = BLOCK_BYTES / VECTOR_BYTES,
};

/* Integers as wide as REAL, in a vector of as many lanes; the type of a comparison. */
#define REAL_IS_DOUBLE (__builtin_types_compatible_p(REAL, double))
typedef __typeof__(__builtin_choose_expr(REAL_IS_DOUBLE, (int64_t)0, (int32_t)0)) ireal;
typedef ireal vint __attribute__((vector_size(VECTOR_BYTES)));
/* The same for arithmetic that may wrap, as on the bits of numbers out of range. */
typedef __typeof__(__builtin_choose_expr(REAL_IS_DOUBLE, (uint64_t)0, (uint32_t)0)) ureal;
typedef ureal vuint __attribute__((vector_size(VECTOR_BYTES)));
typedef ireal vint_unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(ireal)), may_alias));

ALWAYS_INLINE vreal load(const void *p) { return *(const vreal_unaligned *)p; }
ALWAYS_INLINE void store(void *p, vreal x) { *(vreal_unaligned *)p = x; }

/* Ask for a cache line: as far as the second level, where the first has no room for what is not used at once, or nearer. */
ALWAYS_INLINE void fetch(const void *p) { __builtin_prefetch(p, 0, 2); }
ALWAYS_INLINE void fetch_near(const void *p) { __builtin_prefetch(p, 0, 3); }

/* Subtracting zero keeps -0.0 for free; adding zero would cost an instruction for every broadcast. */
ALWAYS_INLINE vreal splat(REAL x) { return x - (vreal){0}; }

/* sum += x * y in the register of the sum. Left to itself the compiler picks forms of the instruction that overwrite a
 * factor, and where all registers are taken it then moves sums through the stack. */
#if VECTOR_BYTES >= 32
#define ACCUMULATE(sum, x, y)                                                                   \
    (REAL_IS_DOUBLE ? ({ __asm__("vfmadd231pd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y)); })     \
                    : ({ __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y)); }))
#else
#define ACCUMULATE(sum, x, y) ((sum) += (x) * (y))
#endif

/* sum += *x * y of an item in memory, in one instruction; where there is none, of a register that splat() filled. */
#if VECTOR_BYTES == 64
enum { MULTIPLIES_ITEMS = 1 };
#define ACCUMULATE_ITEM(sum, x, y)                                                                      \
    (REAL_IS_DOUBLE ? ({ __asm__("vfmadd231pd %1%{1to8%}, %2, %0" : "+v"(sum) : "m"(*(x)), "v"(y)); })  \
                    : ({ __asm__("vfmadd231ps %1%{1to16%}, %2, %0" : "+v"(sum) : "m"(*(x)), "v"(y)); }))
#else
enum { MULTIPLIES_ITEMS = 0 };
#define ACCUMULATE_ITEM(sum, x, y) ACCUMULATE(sum, splat(*(x)), y)
#endif

/* The same sum, where the compiler may take y from memory. */
ALWAYS_INLINE vreal multiply_add(vreal x, vreal y, vreal sum)
{
#if VECTOR_BYTES == 64
    if (REAL_IS_DOUBLE) return (vreal)_mm512_fmadd_pd((__m512d)x, (__m512d)y, (__m512d)sum);
    return (vreal)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)sum);
#elif VECTOR_BYTES == 32
    if (REAL_IS_DOUBLE) return (vreal)_mm256_fmadd_pd((__m256d)x, (__m256d)y, (__m256d)sum);
    return (vreal)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)sum);
#else
    return sum + x * y;
#endif
}

/* x + y, and on x86 of two NaNs x: written with an operator, the compiler may take either first, in one kernel so and in the next not. */
ALWAYS_INLINE vreal add_in_order(vreal x, vreal y)
{
#if VECTOR_BYTES >= 32
    if (REAL_IS_DOUBLE) __asm__("vaddpd %1, %0, %0" : "+v"(x) : "vm"(y));
    else __asm__("vaddps %1, %0, %0" : "+v"(x) : "vm"(y));
#elif defined(__x86_64__)
    if (REAL_IS_DOUBLE) __asm__("addpd %1, %0" : "+x"(x) : "x"(y));
    else __asm__("addps %1, %0" : "+x"(x) : "x"(y));
#else
    x += y;
#endif
    return x;
}

/* F(l, s) for every lane l, separated by commas: the constant mask of a shuffle. */
#define LANES_2(F, s) F(0, s), F(1, s)
#define LANES_4(F, s) LANES_2(F, s), F(2, s), F(3, s)
#define LANES_8(F, s) LANES_4(F, s), F(4, s), F(5, s), F(6, s), F(7, s)
#define LANES_16(F, s) LANES_8(F, s), F(8, s), F(9, s), F(10, s), F(11, s), F(12, s), F(13, s), F(14, s), F(15, s)
#if VECTOR_BYTES == 64 && defined(FASTCONV_FLOAT32)
#define ALL_LANES LANES_16
#elif VECTOR_BYTES == 64 || (VECTOR_BYTES == 32 && defined(FASTCONV_FLOAT32))
#define ALL_LANES LANES_8
#elif VECTOR_BYTES == 32 || defined(FASTCONV_FLOAT32)
#define ALL_LANES LANES_4
#else
#define ALL_LANES LANES_2
#endif

/* vmask: one bit or one full lane for each lane, whichever the instruction set blends by. */
#if VECTOR_BYTES == 64
typedef __typeof__(__builtin_choose_expr(REAL_IS_DOUBLE, (__mmask8)0, (__mmask16)0)) vmask;

ALWAYS_INLINE vreal load_partial(const void *p, int count)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1), p);
    return (vreal)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}

ALWAYS_INLINE void store_partial(void *p, vreal x, int count)
{
    if (REAL_IS_DOUBLE) _mm512_mask_storeu_pd(p, (__mmask8)((1u << count) - 1), (__m512d)x);
    else _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)x);
}

ALWAYS_INLINE vmask greater(vreal x, vreal y)
{
    if (REAL_IS_DOUBLE) return (vmask)_mm512_cmp_pd_mask((__m512d)x, (__m512d)y, _CMP_GT_OQ);
    return (vmask)_mm512_cmp_ps_mask((__m512)x, (__m512)y, _CMP_GT_OQ);
}

ALWAYS_INLINE vmask is_nan(vreal x)
{
    if (REAL_IS_DOUBLE) return (vmask)_mm512_cmp_pd_mask((__m512d)x, (__m512d)x, _CMP_UNORD_Q);
    return (vmask)_mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_UNORD_Q);
}

ALWAYS_INLINE vreal blend(vmask mask, vreal yes, vreal no)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm512_mask_mov_pd((__m512d)no, (__mmask8)mask, (__m512d)yes);
    return (vreal)_mm512_mask_mov_ps((__m512)no, (__mmask16)mask, (__m512)yes);
}

ALWAYS_INLINE vreal at_least(vreal lowest, vreal x)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm512_max_pd((__m512d)lowest, (__m512d)x);
    return (vreal)_mm512_max_ps((__m512)lowest, (__m512)x);
}

ALWAYS_INLINE vreal at_most(vreal highest, vreal x)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm512_min_pd((__m512d)highest, (__m512d)x);
    return (vreal)_mm512_min_ps((__m512)highest, (__m512)x);
}

ALWAYS_INLINE vmask first_lanes(int count) { return (vmask)((1u << count) - 1); }

/* p is aligned to the vector. */
ALWAYS_INLINE void store_past_cache(void *p, vreal x) { _mm512_stream_si512(p, (__m512i)x); }

#elif VECTOR_BYTES == 32
ALWAYS_INLINE __m256i leading_lanes(int count)
{
    if (REAL_IS_DOUBLE) return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

ALWAYS_INLINE vreal load_partial(const void *p, int count)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm256_maskload_pd(p, leading_lanes(count));
    return (vreal)_mm256_maskload_ps(p, leading_lanes(count));
}

ALWAYS_INLINE void store_partial(void *p, vreal x, int count)
{
    if (REAL_IS_DOUBLE) _mm256_maskstore_pd(p, leading_lanes(count), (__m256d)x);
    else _mm256_maskstore_ps(p, leading_lanes(count), (__m256)x);
}

ALWAYS_INLINE void store_past_cache(void *p, vreal x) { _mm256_stream_si256(p, (__m256i)x); }

#else
ALWAYS_INLINE vreal load_partial(const void *p, int count)
{
    vreal x = {0};
    memcpy(&x, p, (size_t)count * sizeof(REAL));
    return x;
}

ALWAYS_INLINE void store_partial(void *p, vreal x, int count) { memcpy(p, &x, (size_t)count * sizeof(REAL)); }

#if defined(__x86_64__)
ALWAYS_INLINE void store_past_cache(void *p, vreal x) { _mm_stream_si128(p, (__m128i)x); }
#else
ALWAYS_INLINE void store_past_cache(void *p, vreal x) { store(p, x); }
#endif
#endif

#if VECTOR_BYTES < 64
typedef vint vmask;
ALWAYS_INLINE vmask greater(vreal x, vreal y) { return (vmask)(x > y); }
ALWAYS_INLINE vmask is_nan(vreal x) { return (vmask)(x != x); }

#if VECTOR_BYTES == 32
ALWAYS_INLINE vreal blend(vmask mask, vreal yes, vreal no)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm256_blendv_pd((__m256d)no, (__m256d)yes, (__m256d)mask);
    return (vreal)_mm256_blendv_ps((__m256)no, (__m256)yes, (__m256)mask);
}
#else
ALWAYS_INLINE vreal blend(vmask mask, vreal yes, vreal no)
{
    return (vreal)((mask & (vint)yes) | (~mask & (vint)no));
}
#endif

/* The first `count` lanes. */
#define LANE_NUMBER(l, s) l
ALWAYS_INLINE vmask first_lanes(int count) { return (vmask)((vint){ALL_LANES(LANE_NUMBER, 0)} < (ireal)count); }

/* Return x where the operands are equal or either is NaN, as the wider instruction sets do: NaN and -0.0 of x survive. */
ALWAYS_INLINE vreal at_least(vreal lowest, vreal x) { return blend(greater(lowest, x), lowest, x); }
ALWAYS_INLINE vreal at_most(vreal highest, vreal x) { return blend(greater(x, highest), highest, x); }
#endif

/* Lane l of x is lane index[l] of it; index as lane_choice() makes it of numbers of lanes. */
#if VECTOR_BYTES == 64
ALWAYS_INLINE vint lane_choice(vint lane) { return lane; }
ALWAYS_INLINE vreal choose_lanes(vreal x, vint index)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm512_permutexvar_pd((__m512i)index, (__m512d)x);
    return (vreal)_mm512_permutexvar_ps((__m512i)index, (__m512)x);
}
#elif VECTOR_BYTES == 32
ALWAYS_INLINE vint lane_choice(vint lane) { return REAL_IS_DOUBLE ? 2 * lane + (((2 * lane) + 1) << (ireal)(4 * sizeof(REAL))) : lane; }
ALWAYS_INLINE vreal choose_lanes(vreal x, vint index) { return (vreal)_mm256_permutevar8x32_ps((__m256)x, (__m256i)index); }
#else
ALWAYS_INLINE vint lane_choice(vint lane) { return lane; }
ALWAYS_INLINE vreal choose_lanes(vreal x, vint index)
{
    vreal y;
    UNROLLED for (int l = 0; l < LANES; l++) y[l] = x[index[l]];
    return y;
}
#endif

/* DOUBLES items at p, widened to one full vector of doubles. Where registers are scarce, the compiler converts halves of such
 * a vector and moves one of them through the stack: hence the instruction. */
enum { DOUBLES = VECTOR_BYTES / 8 };
typedef double vdouble __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t vlong __attribute__((vector_size(VECTOR_BYTES)));
#if VECTOR_BYTES == 64
#define ALL_DOUBLES LANES_8
#elif VECTOR_BYTES == 32
#define ALL_DOUBLES LANES_4
#else
#define ALL_DOUBLES LANES_2
#endif
typedef REAL vnarrow __attribute__((vector_size(DOUBLES * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));

#if VECTOR_BYTES == 64 && defined(FASTCONV_FLOAT32)
ALWAYS_INLINE vdouble load_wide(const REAL *p) { return (vdouble)_mm512_cvtps_pd(_mm256_loadu_ps(p)); }
#elif VECTOR_BYTES == 32 && defined(FASTCONV_FLOAT32)
ALWAYS_INLINE vdouble load_wide(const REAL *p) { return (vdouble)_mm256_cvtps_pd(_mm_loadu_ps(p)); }
#else
ALWAYS_INLINE vdouble load_wide(const REAL *p) { return __builtin_convertvector(*(const vnarrow *)p, vdouble); }
#endif

/* LANES bytes at p as numbers. */
#if VECTOR_BYTES == 64
ALWAYS_INLINE vreal load_bytes(const void *p)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p)));
    return (vreal)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p)));
}
#elif VECTOR_BYTES == 32
ALWAYS_INLINE vreal load_bytes(const void *p)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_loadu_si32(p)));
    return (vreal)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p)));
}
#else
ALWAYS_INLINE vreal load_bytes(const void *p)
{
    vreal x;
    UNROLLED for (int l = 0; l < LANES; l++) x[l] = ((const uint8_t *)p)[l];
    return x;
}
#endif

/* x / y, y and its reciprocal normal numbers: a division, or, where that holds up all else, its reciprocal by Newton's method and
 * a quotient that its remainder corrects, for which one that is a whole number has no error. */
#if VECTOR_BYTES == 64
ALWAYS_INLINE vreal quotient(vreal x, vreal y)
{
    vreal r = REAL_IS_DOUBLE ? (vreal)_mm512_rcp14_pd((__m512d)y) : (vreal)_mm512_rcp14_ps((__m512)y);
    UNROLLED for (int i = 0; i < (REAL_IS_DOUBLE ? 2 : 1); i++) r = multiply_add(r, multiply_add(-r, y, splat(1)), r);
    const vreal q = x * r;
    return multiply_add(r, multiply_add(-q, y, x), q);
}
#else
ALWAYS_INLINE vreal quotient(vreal x, vreal y) { return x / y; }
#endif

/* Adding it rounds to a whole number, in which the bits of the sum then end. */
static const REAL magic = REAL_IS_DOUBLE ? (REAL)0x1.8p52 : (REAL)0x1.8p23;

enum { MANTISSA = REAL_BYTES == 8 ? 52 : 23, EXPONENT_BIAS = REAL_BYTES == 8 ? 1023 : 127 };

/* x 2^n, which may be denormal, for x about 1 and n given as n + magic. */
#if VECTOR_BYTES == 64
ALWAYS_INLINE vreal times_power_of_two(vreal x, vreal rounded)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm512_scalef_pd((__m512d)x, (__m512d)(rounded - magic));
    return (vreal)_mm512_scalef_ps((__m512)x, (__m512)(rounded - magic));
}
#else
ALWAYS_INLINE vreal times_power_of_two(vreal x, vreal rounded)
{
    const vint n = (vint)rounded - (vint)splat(magic), half = n >> 1;
    return x * (vreal)((half + EXPONENT_BIAS) << MANTISSA) * (vreal)((n - half + EXPONENT_BIAS) << MANTISSA);
}
#endif

/* The lanes of the mask, as first_lanes() makes them, the others zero and not read. */
#if VECTOR_BYTES == 64
ALWAYS_INLINE vreal load_lanes(const void *p, vmask lanes)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm512_maskz_loadu_pd((__mmask8)lanes, p);
    return (vreal)_mm512_maskz_loadu_ps((__mmask16)lanes, p);
}
#elif VECTOR_BYTES == 32
ALWAYS_INLINE vreal load_lanes(const void *p, vmask lanes)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm256_maskload_pd(p, (__m256i)lanes);
    return (vreal)_mm256_maskload_ps(p, (__m256i)lanes);
}
#else
ALWAYS_INLINE vreal load_lanes(const void *p, vmask lanes)
{
    vreal x = {0};
    UNROLLED for (int l = 0; l < LANES; l++) if (lanes[l]) x[l] = ((const REAL *)p)[l];
    return x;
}
#endif

/* Lanes 0, 2, 4 ..., or 1, 3, 5 ..., of two neighbouring vectors: in an order that unmixed() mends, which sums can leave to their
 * end, or in theirs. */
#if VECTOR_BYTES == 32
ALWAYS_INLINE vreal mixed_even_lanes(vreal low, vreal high)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm256_unpacklo_pd((__m256d)low, (__m256d)high);
    return (vreal)_mm256_shuffle_ps((__m256)low, (__m256)high, 0x88);
}

ALWAYS_INLINE vreal mixed_odd_lanes(vreal low, vreal high)
{
    if (REAL_IS_DOUBLE) return (vreal)_mm256_unpackhi_pd((__m256d)low, (__m256d)high);
    return (vreal)_mm256_shuffle_ps((__m256)low, (__m256)high, 0xdd);
}

ALWAYS_INLINE vreal unmixed(vreal x) { return (vreal)_mm256_permute4x64_pd((__m256d)x, 0xd8); }
#else
#define EVERY_SECOND(l, first) (2 * (l) + (first))
ALWAYS_INLINE vreal mixed_even_lanes(vreal low, vreal high) { return SHUFFLED(low, high, ALL_LANES(EVERY_SECOND, 0)); }
ALWAYS_INLINE vreal mixed_odd_lanes(vreal low, vreal high) { return SHUFFLED(low, high, ALL_LANES(EVERY_SECOND, 1)); }
ALWAYS_INLINE vreal unmixed(vreal x) { return x; }
#endif
ALWAYS_INLINE vreal even_lanes(vreal low, vreal high) { return unmixed(mixed_even_lanes(low, high)); }
ALWAYS_INLINE vreal odd_lanes(vreal low, vreal high) { return unmixed(mixed_odd_lanes(low, high)); }

/* The first `count` lanes, the others zero; a count of LANES or more is a full vector. */
ALWAYS_INLINE vreal load_up_to(const void *p, int64_t count)
{
    return count >= LANES ? load(p) : load_partial(p, (int)count);
}

ALWAYS_INLINE void store_up_to(void *p, vreal x, int64_t count)
{
    if (count >= LANES) store(p, x);
    else store_partial(p, x, (int)count);
}

#endif
