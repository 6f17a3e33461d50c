/* The row kernels for the class "avx512". */
#define ROWS_TABLE rows_avx512
#include "core/rows_body.h"
