#define FASTCONV_ISA_NAME "avx2"
#define FASTCONV_TABLE fc_kernels_avx2_f64
#define VECTOR_BYTES 32
#define REAL double
#include "../kernels/table.h"
