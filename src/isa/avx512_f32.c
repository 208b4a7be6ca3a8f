#define FASTCONV_ISA_NAME "avx512"
#define FASTCONV_TABLE fc_kernels_avx512_f32
#define VECTOR_BYTES 64
#define REAL float
#define FASTCONV_FLOAT32
#include "../kernels/table.h"
