/* Which tables were compiled in, and which of them this machine can run. */
#include "../kernels.h"

#define DECLARE(isa) extern const fc_kernels fc_kernels_##isa##_f32, fc_kernels_##isa##_f64;
DECLARE(generic)
#if defined(__x86_64__) || defined(_M_X64)
DECLARE(avx2)
DECLARE(avx512)
#endif

static const char *const names[FC_ISAS] = {"generic", "avx2", "avx512"};

const char *fc_isa_name(int isa) { return isa >= 0 && isa < FC_ISAS ? names[isa] : NULL; }

int fc_isa_supported(int isa)
{
    switch (isa) {
    case FC_ISA_GENERIC: return 1;
#if defined(__x86_64__) || defined(_M_X64)
    /* The builtin also asks the operating system whether it saves the wide registers. */
    case FC_ISA_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case FC_ISA_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
#endif
    default: return 0;
    }
}

const fc_kernels *fc_kernels_for(int isa, int item_bytes)
{
    const int single = item_bytes == 4;
    switch (isa) {
    case FC_ISA_GENERIC: return single ? &fc_kernels_generic_f32 : &fc_kernels_generic_f64;
#if defined(__x86_64__) || defined(_M_X64)
    case FC_ISA_AVX2: return single ? &fc_kernels_avx2_f32 : &fc_kernels_avx2_f64;
    case FC_ISA_AVX512: return single ? &fc_kernels_avx512_f32 : &fc_kernels_avx512_f64;
#endif
    default: return NULL;
    }
}
