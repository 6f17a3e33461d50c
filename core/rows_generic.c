/* The row kernels for the class "generic". */
#define ROWS_TABLE rows_generic
#include "core/rows_body.h"
