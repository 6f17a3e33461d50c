/* The row kernels for the class "avx2". */
#define ROWS_TABLE rows_avx2
#include "core/rows_body.h"
