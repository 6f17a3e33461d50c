/* What the processor can do, decided once. The results, of f32 and of bfloat16, are the same bits on all classes; speed
 * differs. */
#ifndef PG_CORE_CPU_H
#define PG_CORE_CPU_H

#include "core/status.h"

enum cpu_class {
    CPU_GENERIC,    /* no vector FMA: fmaf() of the C library; correct and slow */
    CPU_AVX2,       /* AVX2 + FMA */
    CPU_AVX512,     /* AVX-512 F, BW, DQ, VL */
    CPU_AVX512BF16, /* ... and its bfloat16 products; f32 as avx512 */
    CPU_AMX         /* ... and tiles with bfloat16 products; f32 as avx512 */
};

/* The class in use: the best the machine has, or what was asked for. */
enum cpu_class cpu_class(void);
const char *cpu_class_name(enum cpu_class);
status cpu_force(enum cpu_class); /* ST_UNSUPPORTED when the machine lacks it */
/* What the environment variable PEFTGRID_CPU (generic|avx2|avx512|avx512bf16|amx) asks for, if it is set; called by
 * cli_main(). */
status cpu_from_environment(void);
int cpu_has(enum cpu_class);
const char *cpu_model(void); /* "AMD EPYC ...", from the processor itself */

/* Flush-to-zero and denormals-are-zero for the calling thread; called by main and by every worker thread, so that
 * denormal handling is one policy everywhere. */
void cpu_denormals_off(void);

#endif
