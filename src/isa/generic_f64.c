#define FASTCONV_ISA_NAME "generic"
#define FASTCONV_TABLE fc_kernels_generic_f64
#define VECTOR_BYTES 16
#define REAL double
#include "../kernels/table.h"
