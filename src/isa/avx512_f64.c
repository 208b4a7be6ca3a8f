#define FASTCONV_ISA_NAME "avx512"
#define FASTCONV_TABLE fc_kernels_avx512_f64
#define VECTOR_BYTES 64
#define REAL double
#include "../kernels/table.h"
