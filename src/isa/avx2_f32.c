#define FASTCONV_ISA_NAME "avx2"
#define FASTCONV_TABLE fc_kernels_avx2_f32
#define VECTOR_BYTES 32
#define REAL float
#define FASTCONV_FLOAT32
#include "../kernels/table.h"
