#define FASTCONV_ISA_NAME "generic"
#define FASTCONV_TABLE fc_kernels_generic_f32
#define VECTOR_BYTES 16
#define REAL float
#define FASTCONV_FLOAT32
#include "../kernels/table.h"
