/* Processor class, name and denormal policy. The class is decided once, from CPUID or the environment, and only
 * chooses between kernels that give the same bits. */
#include "core/cpu.h"

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const class_name[] = {"generic", "avx2", "avx512", "avx512bf16", "amx"};

const char *cpu_class_name(enum cpu_class c)
{
    return class_name[c];
}

/* The products in bfloat16 of a processor that has AVX-512; with tiles also the system's leave to use their registers,
 * which a process must ask for (Linux; children inherit it). */
static int has_bf16(int tiles, unsigned xcr0)
{
    enum { ASK_FOR_STATE = 0x1023, TILE_DATA = 18 };
    const unsigned vector_bf16 = 1u << 5, tile_bf16 = 1u << 22, tile = 1u << 24, tile_state = 3u << 17;
    unsigned a7, a71, b, c, d7, d71;
    if (!__get_cpuid_count(7, 1, &a71, &b, &c, &d71) || !__get_cpuid_count(7, 0, &a7, &b, &c, &d7)) return 0;
    if (!(a71 & vector_bf16)) return 0;
    if (!tiles) return 1;
    if (!(d7 & tile_bf16) || !(d7 & tile) || (xcr0 & tile_state) != tile_state) return 0;
    return syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0;
}

/* 1 when the processor and the operating system (XCR0: who saves the registers) both know the class's vectors. With
 * PG_EMULATED_AVX512 the kernels of AVX-512, its bfloat16 and AMX are made of AVX2's instructions: see
 * tests/determinism. */
int cpu_has(enum cpu_class c)
{
    if (c == CPU_GENERIC) return 1;
#ifdef PG_EMULATED_AVX512
    if (c > CPU_AVX2) c = CPU_AVX2;
#endif
    unsigned a, b, f1, d, b7, c7, d7;
    if (!__get_cpuid(1, &a, &b, &f1, &d) || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return 0;
    if (!(f1 & bit_OSXSAVE)) return 0;
    unsigned xcr0, xcr0_high;
    __asm__("xgetbv" : "=a"(xcr0), "=d"(xcr0_high) : "c"(0));
    int avx2 = (f1 & bit_AVX) && (f1 & bit_FMA) && (f1 & bit_F16C) && (b7 & bit_AVX2) && (xcr0 & 0x6) == 0x6;
    if (c == CPU_AVX2) return avx2;
    unsigned wanted = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    int avx512 = avx2 && (b7 & wanted) == wanted && (xcr0 & 0xe6) == 0xe6;
    return c == CPU_AVX512 ? avx512 : avx512 && has_bf16(c == CPU_AMX, xcr0);
}

static enum cpu_class best(void)
{
    int c = CPU_AMX;
    while (!cpu_has((enum cpu_class)c)) c--;
    return (enum cpu_class)c;
}

static atomic_int current = -1;

enum cpu_class cpu_class(void)
{
    int c = atomic_load_explicit(&current, memory_order_relaxed);
    if (c < 0) {
        c = best();
        atomic_store(&current, c);
    }
    return (enum cpu_class)c;
}

status cpu_force(enum cpu_class c)
{
    FAIL_IF(c > CPU_AMX || !cpu_has(c), ST_UNSUPPORTED, "this machine has no %s",
            c > CPU_AMX ? "such processor class" : class_name[c]);
    atomic_store(&current, (int)c);
    return ST_OK;
}

/* Asking for what is not there must not be answered by something else: whoever compares classes would compare one with
 * itself. */
status cpu_from_environment(void)
{
    const char *want = getenv("PEFTGRID_CPU");
    if (want == NULL || *want == '\0') return ST_OK;
    for (int c = CPU_GENERIC; c <= CPU_AMX; c++)
        if (strcmp(want, class_name[c]) == 0) {
            status st = cpu_force((enum cpu_class)c);
            return st == ST_OK ? ST_OK : fail_in(st, "PEFTGRID_CPU");
        }
    return fail(ST_USAGE, "PEFTGRID_CPU is '%s', expected generic, avx2, avx512, avx512bf16 or amx", want);
}

const char *cpu_model(void)
{
    static _Thread_local char name[49];
    unsigned reg[12];
    memset(reg, 0, sizeof reg);
    for (unsigned i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002u + i, &reg[4 * i], &reg[4 * i + 1], &reg[4 * i + 2], &reg[4 * i + 3]))
            return "unknown";
    memcpy(name, reg, 48);
    name[48] = '\0';
    char *p = name;
    while (*p == ' ') p++;
    size_t n = strlen(p);
    while (n > 0 && p[n - 1] == ' ') p[--n] = '\0';
    return p;
}

void cpu_denormals_off(void)
{
    _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
}
