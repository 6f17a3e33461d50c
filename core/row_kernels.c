#include "core/row_kernels.h"

#include "core/cpu.h"

const struct row_kernels *row_kernels(void)
{
    switch (cpu_class()) {
    case CPU_AMX:
    case CPU_AVX512BF16:
    case CPU_AVX512: return &rows_avx512;
    case CPU_AVX2: return &rows_avx2;
    case CPU_GENERIC: break;
    }
    return &rows_generic;
}
